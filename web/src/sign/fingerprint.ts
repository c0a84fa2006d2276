/** The digits by which a person and their guardians make sure, by voice, that they mean the same new wallet. */

import { sha256 } from "@noble/hashes/sha2.js";

import { type Bytes, concat, toUint, uintBytes, utf8 } from "../format/bytes.ts";
import { encode, mapOf, MAX_UINT } from "../format/cbor.ts";

/** What a new wallet asks the guardians; addresses in hexadecimal digits. */
export interface WalletRequest {
  readonly chain: bigint;
  readonly contract: string;
  readonly patient: string;
  readonly wallet: string;
  readonly round: bigint;
  readonly deadline: bigint;
}

const PURPOSE = utf8("medrec/1/wallet-recovery-fingerprint");
const DIGITS = 24;

/** The fingerprint of a request (docs/format.md §13), in groups of four; `null` if no request has such numbers. */
export function fingerprint({ chain, contract, patient, wallet, round, deadline }: WalletRequest): string | null {
  if (chain > MAX_UINT || deadline > MAX_UINT) return null;
  const [at, of, to] = [octets(contract), octets(patient), octets(wallet)];
  const block = encode(mapOf({ v: 1n, chain, contract: at, patient: of, wallet: to, round, deadline }));
  const number = toUint(sha256(concat(PURPOSE, block))) % 10n ** BigInt(DIGITS);
  const digits = String(number).padStart(DIGITS, "0");
  return digits.replaceAll(/.{4}(?=.)/g, "$& ");
}

function octets(address: string): Bytes {
  return uintBytes(BigInt(address), 20);
}
