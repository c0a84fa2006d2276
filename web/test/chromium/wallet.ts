/** A wallet for tests: what a person's wallet does when a page asks it (EIP-1193), with a key of its own. */

import { type Hex, isHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";

/** How a wallet behaves. */
export interface Behaviour {
  readonly name: string;
  readonly key: string;
  /** Signs with this key in place of its own. */
  readonly signsWith?: string;
  readonly chainId: number;
  /** Chains that it can go to, besides its own; `null` for every one. */
  readonly chains?: readonly number[] | null;
  /** Accounts that it shows, in place of its own; after it was asked to choose, its own. */
  readonly shows?: readonly string[];
  /** Methods that it refuses, and by which code. */
  readonly refuses?: Readonly<Record<string, number>>;
  /** Announces itself by `window.ethereum` alone. */
  readonly legacy?: boolean;
}

/** What a page asks. */
export interface Call {
  readonly method: string;
  readonly params?: any;
}

/** What it is told: a result, or an error of EIP-1193. */
export type Answer =
  { readonly result: unknown } | { readonly error: { readonly code: number; readonly message: string } };

function hexOf(digits: string): Hex {
  const written = digits.startsWith("0x") ? digits : `0x${digits}`;
  if (!isHex(written)) throw new TypeError("no hexadecimal digits");
  return written;
}

/** A wallet that remembers on which chain it is, and what it was asked. */
export class TestWallet {
  readonly calls: Call[] = [];
  private readonly behaviour: Behaviour;
  private chainId: number;
  private shown: readonly string[];

  constructor(behaviour: Behaviour) {
    this.behaviour = behaviour;
    this.chainId = behaviour.chainId;
    this.shown = behaviour.shows ?? [privateKeyToAccount(hexOf(behaviour.key)).address];
  }

  async answer(call: Call): Promise<Answer> {
    this.calls.push(call);
    const code = this.behaviour.refuses?.[call.method];
    if (code !== undefined) return { error: { code, message: `refused by ${this.behaviour.name}` } };
    switch (call.method) {
      case "eth_requestAccounts":
        return { result: this.shown };
      case "eth_chainId":
        return { result: `0x${this.chainId.toString(16)}` };
      case "wallet_requestPermissions":
        this.shown = [privateKeyToAccount(hexOf(this.behaviour.key)).address];
        return { result: [] };
      case "wallet_switchEthereumChain":
        return this.switch(Number(call.params[0].chainId));
      case "eth_signTypedData_v4":
        return { result: await this.sign(call.params[1]) };
      default:
        return { error: { code: 4200, message: `there is no ${call.method}` } };
    }
  }

  private switch(chainId: number): Answer {
    const { chains = [] } = this.behaviour;
    if (chains !== null && !chains.includes(chainId)) return { error: { code: 4902, message: "unknown chain" } };
    this.chainId = chainId;
    return { result: null };
  }

  private async sign(text: string): Promise<string> {
    const { types, primaryType, domain, message } = JSON.parse(text);
    const account = privateKeyToAccount(hexOf(this.behaviour.signsWith ?? this.behaviour.key));
    return await account.signTypedData({ types, primaryType, domain, message });
  }
}
