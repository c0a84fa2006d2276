/** The program that opened this page, and waits for the answer: its requests, over HTTP on this machine. */

import type { Names } from "./names.ts";
import { member, textsIn } from "./untrusted.ts";

/** What it wants signed. */
export interface Request {
  readonly number: number;
  /** The EIP-712 document, as the wallet is given it. */
  readonly typedData: string;
  readonly account: string;
  readonly chainId: number;
  readonly names: Names;
}

const OUTCOMES = ["signed", "declined", "unusable", "late"] as const;

/** How a request ended; `null` if none has. */
export type Outcome = (typeof OUTCOMES)[number] | null;

/** Where things stand. */
export interface State {
  /** What is asked now. */
  readonly request: Request | null;
  readonly outcome: Outcome;
  /** Nothing more will be asked. */
  readonly over: boolean;
}

/** What the page says to a request. */
export type Answer = { readonly signature: string } | { readonly code: number; readonly message: string };

/** Why the program cannot be asked. */
export class Unreachable extends Error {
  readonly reason: "used" | "gone";

  constructor(reason: "used" | "gone") {
    super(reason);
    this.reason = reason;
  }
}

const KEPT = "medrec-session";

/** A conversation with the program. */
export class Program {
  private readonly session: string;

  private constructor(session: string) {
    this.session = session;
  }

  /**
   * Begin with the word behind the `#` of the page's address, which is good once, and take it out of the address. The
   * session that it gives lasts as long as the tab, so that the page may be loaded again.
   *
   * @throws Unreachable if it was used before, is missing or wrong, or the program has ended.
   */
  static async begin(): Promise<Program> {
    const token = window.location.hash.slice(1);
    if (token === "") {
      const kept = inStorage((storage) => storage.getItem(KEPT));
      if (kept === null) throw new Unreachable("used");
      return new Program(kept);
    }
    window.history.replaceState(null, "", window.location.pathname);
    const session = String(member(await post("begin", { token }), "session"));
    inStorage((storage) => storage.setItem(KEPT, session));
    return new Program(session);
  }

  /** Where things stand, as soon as another request than the one of a number is asked, or after a while. */
  async next(known: number): Promise<State> {
    return stateIn(await post("wait", { known }, this.session));
  }

  /** Answer a request; gives how the answer was taken. */
  async answer(number: number, answer: Answer): Promise<State> {
    return stateIn(await post("answer", { number, ...answer }, this.session));
  }

  /** Say that the page goes away. */
  leave(): void {
    post("leave", {}, this.session, true).catch(() => undefined);
  }

  /** Forget the session: it is over. */
  forget(): void {
    inStorage((storage) => storage.removeItem(KEPT));
  }
}

/** Do something with what the tab keeps; `null` where the person lets no page keep anything. */
function inStorage<T>(act: (storage: Storage) => T): T | null {
  try {
    return act(window.sessionStorage);
  } catch {
    return null;
  }
}

function stateIn(state: unknown): State {
  const outcome = OUTCOMES.find((one) => one === member(state, "outcome")) ?? null;
  return { request: requestIn(member(state, "request")), outcome, over: member(state, "over") === true };
}

function requestIn(value: unknown): Request | null {
  const [number, chainId] = [member(value, "number"), member(value, "chainId")];
  const [typedData, account, names] = [member(value, "typedData"), member(value, "account"), member(value, "names")];
  if (typeof number !== "number" || typeof chainId !== "number") return null;
  if (typeof typedData !== "string" || typeof account !== "string") return null;
  const compartments = textsIn(member(names, "compartments"));
  return { number, chainId, typedData, account, names: { compartments, accounts: textsIn(member(names, "accounts")) } };
}

async function post(what: string, body: object, session = "", keepalive = false): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(`/api/${what}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-MedRec-Session": session },
      body: JSON.stringify(body),
      credentials: "omit",
      redirect: "error",
      keepalive,
    });
  } catch {
    throw new Unreachable("gone");
  }
  if (!response.ok) throw new Unreachable(response.status === 403 ? "used" : "gone");
  try {
    return await response.json();
  } catch {
    throw new Unreachable("gone"); // it ended in the midst of its answer
  }
}
