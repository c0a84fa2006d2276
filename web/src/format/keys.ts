/** Secrets, and the keys that are derived from them (docs/format.md §2 and §3). */

import { type Bytes, copy, equal, hkdf, random, sha256 } from "./bytes.ts";
import { encode, MAX_UINT, type Value } from "./cbor.ts";
import { InvalidInput } from "./errors.ts";

export const ADDRESS_SIZE = 20;
export const RECORD_ID_SIZE = 16;
export const SECRET_SIZE = 32;
/** Compartments are numbered from 0 to 63. */
export const MAX_COMPARTMENT = 63;
/** Largest number of an epoch, an inbox or a profile key. */
export const MAX_NUMBER = 2 ** 32 - 1;
/** Largest version of a keyring or of a permission. */
export const MAX_VERSION = 2 ** 24 - 1;

/** One contract on one chain. */
export interface Deployment {
  /** EIP-155 chain id. */
  readonly chainId: bigint;
  /** Address of the contract, 20 bytes. */
  readonly contract: Bytes;
}

/** One patient of one deployment: what every seal is bound to. */
export interface Place extends Deployment {
  /** The patient id, an address of 20 bytes. */
  readonly patient: Bytes;
}

/** The three CBOR items of a place, in their order. */
export function placeItems(place: Place): [bigint, Bytes, Bytes] {
  return [place.chainId, place.contract, place.patient];
}

/** Whether both name the same patient of the same deployment. */
export function samePlace(one: Place, other: Place): boolean {
  return one.chainId === other.chainId && equal(one.contract, other.contract) && equal(one.patient, other.patient);
}

/** An `info` or associated data: the CBOR array of a label and what the key or ciphertext is bound to (§1). */
export function context(label: string, ...items: Value[]): Bytes {
  return encode([label, ...items]);
}

/** `value` if it has `size` bytes; throws `InvalidInput` otherwise. */
export function checkBytes(value: Uint8Array, size: number, what: string): Bytes {
  if (value.length !== size) throw new InvalidInput(`${what} must be ${size} bytes`);
  return copy(value);
}

/** `value` if it lies within the bounds; throws `InvalidInput` otherwise. */
export function checkNumber(value: number, what: string, maximum: number, minimum = 0): number {
  if (!Number.isInteger(value) || value < minimum || value > maximum) {
    throw new InvalidInput(`${what} must be an integer from ${minimum} to ${maximum}`);
  }
  return value;
}

/** The same for what may need 64 bits. */
export function checkUint(value: bigint, what: string, maximum = MAX_UINT): bigint {
  if (value < 0n || value > maximum) throw new InvalidInput(`${what} must be an integer from 0 to ${maximum}`);
  return value;
}

/** 32 secret bytes. They show neither in a string nor in JSON; `expose` gives them to those who must have them. */
abstract class Secret {
  /** Makes the kinds of secrets different types: one cannot be passed where another is meant. */
  declare protected readonly kind: string;
  readonly #octets: Bytes;

  constructor(octets: Uint8Array) {
    this.#octets = checkBytes(octets, SECRET_SIZE, "a secret");
  }

  /** The 32 bytes. Do not log or store them in the clear. */
  expose(): Bytes {
    return copy(this.#octets);
  }
}

/** A private key of a suite's KEM, as the seed that it is expanded from. */
export class KemSeed extends Secret {
  declare protected readonly kind: "KEM seed";

  static generate(): KemSeed {
    return new KemSeed(random(SECRET_SIZE));
  }
}

/** Opens the back-links of one epoch, and so the epochs before it (§6). */
export class HistoryKey extends Secret {
  declare protected readonly kind: "history key";

  static generate(): HistoryKey {
    return new HistoryKey(random(SECRET_SIZE));
  }
}

/** Names an epoch of a patient: compartment (0 to 63) and number (from 1). */
export interface EpochId {
  readonly compartment: number;
  readonly number: number;
}

/** The keys of an epoch that somebody holds. */
export interface EpochKeys {
  readonly seed: KemSeed;
  /** `null` for a reader without HISTORY. */
  readonly history: HistoryKey | null;
}

/** What all long-lived keys of a person or an organisation come from (§2). */
export class RootSecret extends Secret {
  declare protected readonly kind: "root secret";

  /** The root secret of the 64-byte seed that a BIP-39 phrase gives. */
  static async fromBip39Seed(seed: Uint8Array): Promise<RootSecret> {
    return new RootSecret(await hkdf(checkBytes(seed, 64, "a BIP-39 seed"), context("medrec/1/root-secret")));
  }

  /** The key that opens every epoch of the patient. */
  rootKey(suite: number, place: Place): Promise<KemSeed> {
    return this.#derive("medrec/1/root-key", BigInt(suite), ...placeItems(place));
  }

  /** The key of the patient's inbox `number`. */
  inboxKey(suite: number, place: Place, number: number): Promise<KemSeed> {
    return this.#derive("medrec/1/inbox-key", BigInt(suite), ...placeItems(place), BigInt(number));
  }

  /** The key `number` that `account` (20 bytes) publishes in its profile. */
  profileKey(suite: number, deployment: Deployment, account: Bytes, number: number): Promise<KemSeed> {
    const { chainId, contract } = deployment;
    return this.#derive("medrec/1/profile-key", BigInt(suite), chainId, contract, account, BigInt(number));
  }

  async #derive(label: string, ...items: Value[]): Promise<KemSeed> {
    return new KemSeed(await hkdf(this.expose(), context(label, ...items)));
  }
}

/**
 * The key of one record (§3).
 *
 * Warning: it seals one content. The nonces of chunks are counted, and AES-GCM gives its key away when one nonce
 * seals two texts: take a new data key for content that may have changed.
 */
export class DataKey extends Secret {
  declare protected readonly kind: "data key";

  static generate(): DataKey {
    return new DataKey(random(SECRET_SIZE));
  }

  /** The AEAD key of the chunks, 32 bytes. */
  contentKey(suite: number, recordId: Bytes): Promise<Bytes> {
    return hkdf(this.expose(), context("medrec/1/content", BigInt(suite), recordId));
  }

  /** The 32 bytes in the envelope that tie its ciphertexts to this key. */
  commitment(suite: number, recordId: Bytes): Promise<Bytes> {
    return hkdf(this.expose(), context("medrec/1/commitment", BigInt(suite), recordId));
  }

  /** The AEAD key of the metadata in the envelope with the HPKE encapsulation `enc`, 32 bytes. */
  async metadataKey(suite: number, recordId: Bytes, enc: Bytes): Promise<Bytes> {
    return hkdf(this.expose(), context("medrec/1/metadata", BigInt(suite), recordId), await sha256(enc));
  }
}
