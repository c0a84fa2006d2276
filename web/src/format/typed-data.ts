/**
 * EIP-712 typed data and its signatures, for structs of plain words (docs/format.md §5).
 *
 * A struct's digest is put together here, without a library; `typedData` gives the same thing as the JSON document
 * that a wallet shows and signs.
 */

import { secp256k1 } from "@noble/curves/secp256k1.js";
import { keccak_256 } from "@noble/hashes/sha3.js";

import { type Bytes, concat, copy, equal, toHex, toUint, uintBytes, utf8 } from "./bytes.ts";
import { FormatError, InvalidInput } from "./errors.ts";
import type { Deployment } from "./keys.ts";

const SIGNATURE_SIZE = 65;
/** Of an account with code (ERC-1271), in bytes; a key's signature has 65. */
export const MAX_SIGNATURE_SIZE = 4096;

/** A wallet: takes the EIP-712 document (`eth_signTypedData_v4`) and returns `r ‖ s ‖ v`. */
export type SignTypedData = (document: TypedData) => Promise<Bytes>;

/** Asks an account with code (ERC-1271) about a signature: address, digest, signature → valid. */
export type CheckContractSignature = (account: Bytes, digest: Bytes, signature: Bytes) => Promise<boolean>;

/** A value of each member of a struct. */
export type Message = Readonly<Record<string, bigint | Bytes>>;

/** An EIP-712 document as JSON has it. Integers are decimal strings: JavaScript cannot hold 64 bits. */
export interface TypedData {
  readonly types: Readonly<Record<string, { name: string; type: string }[]>>;
  readonly primaryType: string;
  readonly domain: { name: string; version: string; chainId: number | string; verifyingContract: string };
  readonly message: Readonly<Record<string, string>>;
}

type Member = readonly [name: string, type: string];

const DOMAIN_NAME = "MedRec";
const DOMAIN_VERSION = "1";
const DOMAIN: readonly Member[] = [
  ["name", "string"],
  ["version", "string"],
  ["chainId", "uint256"],
  ["verifyingContract", "address"],
];
const CURVE_ORDER = secp256k1.Point.Fn.ORDER;

/** Keccak-256, as Ethereum uses it; 32 bytes. */
export function keccak(octets: Uint8Array): Bytes {
  return copy(keccak_256(octets));
}

/** The address of 20 bytes in the writing of EIP-55. */
export function checksumAddress(address: Uint8Array): string {
  const digits = toHex(address);
  const digest = toHex(keccak(utf8(digits)));
  const cased = Array.from(digits, (digit, i) => (parseInt(digest.charAt(i), 16) >= 8 ? digit.toUpperCase() : digit));
  return `0x${cased.join("")}`;
}

/** An EIP-712 struct type whose members are addresses, `bytes1` to `bytes32` and unsigned integers. */
export class TypedStruct {
  readonly name: string;
  readonly members: readonly Member[];

  constructor(name: string, members: readonly Member[]) {
    this.name = name;
    this.members = members;
  }

  /** What is signed: `keccak(0x1901 ‖ domain separator ‖ hashStruct(message))`, 32 bytes. */
  digest(deployment: Deployment, message: Message): Bytes {
    const words = this.members.map(([name, type]) => word(type, valueOf(message, name)));
    const struct = keccak(concat(typeHash(this.name, this.members), ...words));
    return keccak(concat(Uint8Array.of(0x19, 0x01), domainSeparator(deployment), struct));
  }

  /** The whole document as JSON has it. */
  typedData(deployment: Deployment, message: Message): TypedData {
    const { chainId, contract } = deployment;
    return {
      types: { EIP712Domain: described(DOMAIN), [this.name]: described(this.members) },
      primaryType: this.name,
      domain: {
        name: DOMAIN_NAME,
        version: DOMAIN_VERSION,
        chainId: chainId <= Number.MAX_SAFE_INTEGER ? Number(chainId) : String(chainId),
        verifyingContract: checksumAddress(contract),
      },
      message: Object.fromEntries(this.members.map(([name, type]) => [name, inJson(type, valueOf(message, name))])),
    };
  }
}

/** The hash of the contract's EIP-712 domain, 32 bytes. */
export function domainSeparator({ chainId, contract }: Deployment): Bytes {
  const names = [DOMAIN_NAME, DOMAIN_VERSION].map((text) => keccak(utf8(text)));
  return keccak(
    concat(typeHash("EIP712Domain", DOMAIN), ...names, word("uint256", chainId), word("address", contract)),
  );
}

/**
 * The address, 20 bytes, whose key made an ECDSA signature.
 *
 * @throws FormatError the signature is not `r ‖ s ‖ v` of 65 bytes with v 27 or 28, `r` or `s` is out of range, `s`
 * lies in the upper half (EIP-2), or there is no such key.
 */
export function recover(digest: Bytes, signature: Bytes): Bytes {
  const v = signature[SIGNATURE_SIZE - 1];
  if (signature.length !== SIGNATURE_SIZE || (v !== 27 && v !== 28)) {
    throw new FormatError("an ECDSA signature must be 65 bytes, r ‖ s ‖ v, with v 27 or 28");
  }
  const [r, s] = [toUint(signature.subarray(0, 32)), toUint(signature.subarray(32, 64))];
  if (r === 0n || r >= CURVE_ORDER || s === 0n || s > CURVE_ORDER / 2n) {
    throw new FormatError("r or s of a signature is out of range");
  }
  try {
    const parsed = new secp256k1.Signature(r, s, v - 27);
    const point = parsed.recoverPublicKey(digest).toBytes(false);
    return copy(keccak(point.subarray(1)).subarray(12));
  } catch (cause) {
    throw new FormatError("a signature belongs to no key", { cause });
  }
}

/** Whether `account` signed `digest`, with its key or, given `checkContract`, by its code (ERC-1271). */
export async function isSignedBy(
  account: Bytes,
  digest: Bytes,
  signature: Bytes,
  checkContract?: CheckContractSignature,
): Promise<boolean> {
  try {
    if (equal(recover(digest, signature), account)) return true;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
  }
  return checkContract !== undefined && (await checkContract(account, digest, signature));
}

/**
 * Have a wallet sign and check what it returns. A `v` of 0 or 1, as some wallets return, becomes 27 or 28.
 *
 * @throws InvalidInput the signature is not one of `account` over `digest`.
 */
export async function sign(
  signTypedData: SignTypedData,
  account: Bytes,
  document: TypedData,
  digest: Bytes,
  checkContract?: CheckContractSignature,
): Promise<Bytes> {
  const signature = copy(await signTypedData(document));
  const v = signature[SIGNATURE_SIZE - 1];
  if (signature.length === SIGNATURE_SIZE && (v === 0 || v === 1)) signature[SIGNATURE_SIZE - 1] = v + 27;
  const fits = signature.length <= MAX_SIGNATURE_SIZE;
  if (!fits || !(await isSignedBy(account, digest, signature, checkContract))) {
    throw new InvalidInput(`the wallet's signature is not one of ${checksumAddress(account)}`);
  }
  return signature;
}

function described(members: readonly Member[]): { name: string; type: string }[] {
  return members.map(([name, type]) => ({ name, type }));
}

function typeHash(name: string, members: readonly Member[]): Bytes {
  return keccak(utf8(`${name}(${members.map(([member, type]) => `${type} ${member}`).join(",")})`));
}

function valueOf(message: Message, name: string): bigint | Bytes {
  const value = message[name];
  if (value === undefined) throw new InvalidInput(`the typed data lack ${name}`);
  return value;
}

/** A value as 32 bytes (EIP-712, encodeData): integers and addresses to the right, bytes to the left. */
function word(type: string, value: bigint | Bytes): Bytes {
  if (typeof value === "bigint") return uintBytes(value, 32);
  const zeros = new Uint8Array(32 - value.length);
  return type === "address" ? concat(zeros, value) : concat(value, zeros);
}

function inJson(type: string, value: bigint | Bytes): string {
  if (typeof value === "bigint") return String(value);
  return type === "address" ? checksumAddress(value) : `0x${toHex(value)}`;
}
