/** Wallets in this browser: found by EIP-6963, else `window.ethereum`; asked as EIP-1193 says. */

import { member } from "./untrusted.ts";

/** What is used of an EIP-1193 provider. */
export interface Provider {
  request(call: { method: string; params?: unknown }): Promise<unknown>;
}

/** A wallet that announced itself. */
export interface Wallet {
  readonly id: string;
  readonly name: string;
  /** A data URL of a picture; `null` if it has none. */
  readonly icon: string | null;
  readonly provider: Provider;
}

/** A wallet's no (EIP-1193): code and message, as far as it gave them. */
export class WalletRefusal extends Error {
  readonly code: number;
  /** The method that was asked for. */
  readonly asked: string;

  constructor(asked: string, error: unknown) {
    const [code, message] = [member(error, "code"), member(error, "message")];
    super(typeof message === "string" && message !== "" ? message : "no reason is given");
    this.asked = asked;
    this.code = typeof code === "number" && Number.isSafeInteger(code) ? code : 0;
  }
}

export const DECLINED = 4001;
export const PENDING = -32_002;
export const CHAIN_UNKNOWN = 4902;

const FALLBACK_MS = 400;

/** Tell of every wallet, now and later. Names and pictures are the wallets' own. */
export function discover(found: (wallet: Wallet) => void): void {
  const known = new Set<string>();
  window.addEventListener("eip6963:announceProvider", (event) => {
    const wallet = announced(member(event, "detail"));
    if (wallet === null || known.has(wallet.id)) return;
    known.add(wallet.id);
    found(wallet);
  });
  window.dispatchEvent(new Event("eip6963:requestProvider"));
  window.setTimeout(() => {
    const ethereum = member(window, "ethereum");
    if (known.size === 0 && isProvider(ethereum)) {
      known.add("ethereum");
      found({ id: "ethereum", name: "the wallet of this browser", icon: null, provider: ethereum });
    }
  }, FALLBACK_MS);
}

function announced(detail: unknown): Wallet | null {
  const [info, provider] = [member(detail, "info"), member(detail, "provider")];
  const [uuid, name, icon] = [member(info, "uuid"), member(info, "name"), member(info, "icon")];
  if (typeof uuid !== "string" || typeof name !== "string" || !isProvider(provider)) return null;
  const picture = typeof icon === "string" && icon.startsWith("data:image/") ? icon : null;
  return { id: uuid, name, icon: picture, provider };
}

function isProvider(value: unknown): value is Provider {
  return typeof member(value, "request") === "function";
}

async function ask({ provider }: Wallet, method: string, params?: unknown): Promise<unknown> {
  try {
    return await provider.request(params === undefined ? { method } : { method, params });
  } catch (error) {
    throw new WalletRefusal(method, error);
  }
}

/** The accounts that the person shows to this page. */
export async function connect(wallet: Wallet): Promise<string[]> {
  return texts(await ask(wallet, "eth_requestAccounts"));
}

/** Have the wallet show its choice of accounts again (EIP-2255). */
export async function chooseAccount(wallet: Wallet): Promise<void> {
  await ask(wallet, "wallet_requestPermissions", [{ eth_accounts: {} }]);
}

/** The chain that the wallet is on. */
export async function chainOf(wallet: Wallet): Promise<number> {
  return Number(await ask(wallet, "eth_chainId"));
}

/** Have the wallet go to a chain (EIP-3326). */
export async function switchChain(wallet: Wallet, chainId: number): Promise<void> {
  await ask(wallet, "wallet_switchEthereumChain", [{ chainId: `0x${chainId.toString(16)}` }]);
}

/** Have an account sign a document, given as the text that was shown (EIP-712). */
export async function signTypedData(wallet: Wallet, account: string, document: string): Promise<string> {
  const signature = await ask(wallet, "eth_signTypedData_v4", [account, document]);
  if (typeof signature !== "string")
    throw new WalletRefusal("eth_signTypedData_v4", { message: "it returned no signature" });
  return signature;
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}
