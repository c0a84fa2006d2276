/** The page on which a person signs with a wallet of their browser, for a program on the same machine. */

import { read } from "./document.ts";
import { type Outcome, Program, type Request, type State, Unreachable } from "./program.ts";
import { View } from "./view.ts";
import {
  CHAIN_UNKNOWN,
  chainOf,
  chooseAccount,
  connect,
  DECLINED,
  discover,
  PENDING,
  signTypedData,
  switchChain,
  type Wallet,
  WalletRefusal,
} from "./wallets.ts";
import { describe } from "./words.ts";

const ENDS: Readonly<Record<NonNullable<Outcome>, readonly [title: string, text: string]>> = {
  signed: ["Signed", "The program has your signature."],
  declined: ["Not signed", "You refused, and the program knows."],
  unusable: [
    "Not accepted",
    "Your wallet signed with another account, or signed something else. The program does not use it, and says more.",
  ],
  late: ["Too late", "The program no longer waits. What you sign now is not used."],
};
const CLOSE = "You can close this page.";
const NO_LONGER = "The program that opened this page has ended, or no longer waits. Nothing can be signed here.";
const USED = "Each address of this page is good once. Go back to the program, and let it open a new one.";

let program: Program | undefined;
let request: Request | null = null;
let ended: Outcome = null;
/** What was asked last, in few words. */
let shown = "";
let over = false;
let leaving = false;

const view = new View({
  sign: (wallet) => void sign(wallet),
  refuse: () => void answer(request, { code: DECLINED, message: "refused on MedRec's page" }),
});

/** Show one request after another, until the program says that there will be no more. */
async function main(): Promise<void> {
  program = await Program.begin();
  discover((wallet) => view.addWallet(wallet));
  while (!over) take(await program.next(request?.number ?? 0));
  program.forget();
}

/** Show where things stand. */
function take(state: State): void {
  over ||= state.over;
  if (state.request !== null) {
    if (state.request.number !== request?.number) show(state.request);
    return;
  }
  request = null;
  ended = state.outcome ?? ended;
  if (ended !== null) {
    const [title, text] = ENDS[ended];
    view.end(
      ended === "signed" && shown !== "" ? `${title}: ${shown}` : title,
      `${text} ${over ? CLOSE : "Leave this page open: the program may ask for more."}`,
      ended === "signed",
    );
  } else if (over) view.end("Over", `${NO_LONGER} ${CLOSE}`);
}

function show(asked: Request): void {
  request = asked;
  const reading = read(asked.typedData);
  const clock = { now: BigInt(Math.floor(Date.now() / 1000)) };
  const description = describe(reading, asked.account, asked.names, clock);
  shown = description.title;
  view.ask(description, reading, asked.account);
}

/** Have the wallet sign what is shown, once it has the account and is on the chain. */
async function sign(wallet: Wallet): Promise<void> {
  const asked = request;
  if (asked === null) return;
  view.work(true);
  view.say("Your wallet is asked. Look for its window.");
  try {
    const accounts = await connect(wallet);
    if (asked !== request) return;
    if (!accounts.some((one) => one.toLowerCase() === asked.account.toLowerCase())) {
      view.trouble(
        `Your wallet shows ${accounts.join(", ") || "no account"}. It has to sign with ${asked.account}. Choose it in your wallet, then sign.`,
        { label: "Choose the account", act: () => void first(() => chooseAccount(wallet), wallet) },
      );
      return;
    }
    const chain = await chainOf(wallet);
    if (asked !== request) return;
    if (chain !== asked.chainId) {
      view.trouble(`Your wallet is on chain ${chain}. It has to sign on chain ${asked.chainId}.`, {
        label: `Switch to chain ${asked.chainId}`,
        act: () => void first(() => switchChain(wallet, asked.chainId), wallet),
      });
      return;
    }
    view.say("Your wallet shows the same once more. Compare, and sign there.");
    const signature = await signTypedData(wallet, asked.account, asked.typedData);
    await answer(asked, { signature });
  } catch (error) {
    await refused(asked, error);
  }
}

/** Do something in the wallet, then sign. */
async function first(act: () => Promise<void>, wallet: Wallet): Promise<void> {
  view.work(true);
  view.say("Your wallet is asked. Look for its window.");
  try {
    await act();
  } catch (error) {
    view.trouble(inWords(error));
    return;
  }
  await sign(wallet);
}

/** A no to the document itself is the answer; anything else can be tried again. */
async function refused(asked: Request, error: unknown): Promise<void> {
  if (asked !== request) return;
  if (error instanceof WalletRefusal && error.code === DECLINED && error.asked === "eth_signTypedData_v4") {
    await answer(asked, { code: error.code, message: error.message });
    return;
  }
  view.trouble(inWords(error));
}

function inWords(error: unknown): string {
  if (!(error instanceof WalletRefusal)) return NO_LONGER;
  if (error.code === DECLINED) return "You refused in your wallet. Nothing was signed.";
  if (error.code === PENDING) return "Your wallet has a question open already. Open the wallet and answer it there.";
  if (error.code === CHAIN_UNKNOWN) return "Your wallet does not know that chain. Add it there, then sign again.";
  return `Your wallet did not do it. It says: ${error.message}`;
}

async function answer(asked: Request | null, said: Parameters<Program["answer"]>[1]): Promise<void> {
  if (asked === null || asked !== request) return;
  view.work(true);
  view.say("Handing it to the program.");
  try {
    const state = await program?.answer(asked.number, said);
    if (state !== undefined && asked === request) take(state);
  } catch {
    if (asked === request) view.trouble(NO_LONGER);
  }
}

window.addEventListener("pagehide", () => {
  leaving = true;
  if (!over) program?.leave();
});
window.addEventListener("pageshow", (event) => {
  if (event.persisted) window.location.reload();
});
main().catch((error: unknown) => {
  if (leaving) return; // what was on its way is broken off, and the page may be loaded again
  request = null;
  if (error instanceof Unreachable && error.reason === "used") {
    over = true;
    view.end("This address was used", USED);
  } else if (error instanceof Unreachable) {
    take({ request: null, outcome: null, over: true });
  } else {
    over = true;
    view.end("This page cannot show what is asked", "Sign nothing. Go back to the program that opened this page.");
  }
});
