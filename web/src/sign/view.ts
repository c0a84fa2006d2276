/** What is seen. Texts of others become text nodes: nothing in them is markup. */

import type { Reading, Row } from "./document.ts";
import { tame } from "./names.ts";
import type { Wallet } from "./wallets.ts";
import type { Description, Fact } from "./words.ts";

const DIGITS = /(0x[0-9a-fA-F]{8,}|0x[0-9a-fA-F]{6}…[0-9a-fA-F]{6})/;
const GROUP = /0x|.{1,4}/g;

function byId<T extends HTMLElement>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new TypeError(`the page has no such ${id}`);
  return found;
}

function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  made.append(...children);
  return made;
}

/** A text, its addresses and digests in the type for digits, in groups that an eye can compare. */
function withDigits(text: string): (Node | string)[] {
  return text.split(DIGITS).map((part) => (DIGITS.test(part) ? digits(part) : part));
}

/** Digits in groups of four, apart for the eye alone: they are copied and read out as they are. */
function digits(text: string): HTMLElement {
  const groups = text.includes("…") ? [text] : (text.match(GROUP) ?? []);
  return element("code", ...groups.flatMap((group) => [element("span", group), element("wbr")]));
}

/** What the person can do when a wallet is not ready. */
export interface Help {
  readonly label: string;
  readonly act: () => void;
}

/** The page. */
export class View {
  private readonly wallets: Wallet[] = [];
  private help: (() => void) | null = null;
  private busy = false;
  /** Whether the page can say what is asked: it presses nobody to sign what it does not know. */
  private known = true;

  /**
   * @param actions What happens when the person signs with a wallet, and when they don't sign.
   */
  constructor(actions: { readonly sign: (wallet: Wallet) => void; readonly refuse: () => void }) {
    byId("form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      const wallet = this.chosen();
      if (wallet !== undefined && !this.busy) actions.sign(wallet);
    });
    byId("refuse", HTMLElement).addEventListener("click", () => actions.refuse());
    byId("help", HTMLElement).addEventListener("click", () => this.help?.());
    this.enable();
  }

  /** Show what is asked. */
  ask(description: Description, reading: Reading, account: string): void {
    document.body.className = "";
    this.known = reading.values !== null;
    this.heading(description.title, description.summary);
    byId("caution-list", HTMLElement).replaceChildren(
      ...description.cautions.map((text) => element("li", ...withDigits(text))),
    );
    byId("cautions", HTMLElement).hidden = description.cautions.length === 0;
    byId("facts", HTMLElement).replaceChildren(...description.facts.filter(({ small }) => !small).map(factOf));
    byId("small", HTMLElement).replaceChildren(...description.facts.filter(({ small }) => small).map(factOf));
    byId("details", HTMLElement).hidden = description.facts.length === 0;
    const named = JSON.stringify(description).includes("“");
    byId("named", HTMLElement).hidden = !named;
    byId("rows", HTMLElement).replaceChildren(...reading.rows.map(rowOf));
    byId("unsigned-rows", HTMLElement).replaceChildren(...reading.unsigned.map(rowOf));
    byId("unsigned", HTMLElement).hidden = reading.unsigned.length === 0;
    byId("exact", HTMLDetailsElement).open = description.facts.length === 0;
    byId("account", HTMLElement).replaceChildren(...withDigits(account));
    byId("asked", HTMLElement).hidden = false;
    this.say("");
    this.work(false);
  }

  /** Show how it ended, and nothing to press any more. */
  end(title: string, text: string, done = false): void {
    byId("asked", HTMLElement).hidden = true;
    document.body.className = done ? "done" : "";
    this.heading(title, text);
  }

  /** Add a wallet to those that can be chosen. */
  addWallet(wallet: Wallet): void {
    const radio = element("input");
    radio.type = "radio";
    radio.name = "wallet";
    radio.value = String(this.wallets.length);
    radio.checked = this.wallets.length === 0;
    radio.addEventListener("change", () => this.say(""));
    const parts: (Node | string)[] = [radio];
    if (wallet.icon !== null) {
      const picture = element("img");
      picture.src = wallet.icon;
      picture.alt = "";
      parts.push(picture);
    }
    const label = element("label", ...parts, element("span", tame(wallet.name) || "a wallet without a name"));
    label.className = "wallet";
    byId("wallets", HTMLElement).append(label);
    this.wallets.push(wallet);
    this.enable();
  }

  /** Say what is going on. */
  say(text: string): void {
    this.tell(text, null, false);
  }

  /** Say what is in the way, and offer help if there is any. */
  trouble(text: string, help: Help | null = null): void {
    this.work(false);
    this.tell(text, help, true);
  }

  /** Whether a wallet is being asked, so that it is not asked twice. */
  work(busy: boolean): void {
    this.busy = busy;
    this.enable();
  }

  private tell(text: string, help: Help | null, trouble: boolean): void {
    const status = byId("status", HTMLElement);
    status.className = trouble ? "status trouble" : "status";
    status.replaceChildren(...withDigits(text));
    this.help = help?.act ?? null;
    const [button, sign] = [byId("help", HTMLElement), byId("sign", HTMLElement)];
    const focused = document.activeElement === button;
    button.hidden = help === null;
    button.textContent = help?.label ?? "";
    sign.classList.toggle("primary", help === null && this.known);
    if (help !== null) button.focus();
    else if (focused) sign.focus();
  }

  private heading(title: string, text: string): void {
    document.title = `${title} · MedRec`;
    byId("title", HTMLElement).textContent = title;
    byId("summary", HTMLElement).replaceChildren(...withDigits(text));
    byId("title", HTMLElement).focus();
  }

  private chosen(): Wallet | undefined {
    const radio = document.querySelector<HTMLInputElement>('input[name="wallet"]:checked');
    return radio === null ? undefined : this.wallets[Number(radio.value)];
  }

  private enable(): void {
    byId("no-wallet", HTMLElement).hidden = this.wallets.length > 0;
    const sign = byId("sign", HTMLButtonElement);
    sign.disabled = this.wallets.length === 0;
    sign.ariaDisabled = String(this.busy); // it keeps the focus, which a disabled button would lose
  }
}

function factOf({ label, lines }: Fact): HTMLDivElement {
  const said = lines.map((line) => element("div", ...withDigits(line)));
  return element("div", element("dt", label), element("dd", ...said));
}

function rowOf({ path, type, value }: Row): HTMLDivElement {
  return element("div", element("dt", path, " ", element("small", type)), element("dd", element("code", value)));
}
