/** A grant's seal: the keys that come with a permission, one block for a history of any length (docs/format.md §7). */

import { checkSize } from "./blocks.ts";
import { type Bytes, equal } from "./bytes.ts";
import { array, decode, encode, Fields, mapOf, type Value } from "./cbor.ts";
import {
  ascends,
  checkEpochId,
  keysRow,
  type Names,
  namesMap,
  orderOf,
  parseEpochId,
  parseKeys,
  parseNames,
  requireAscending,
} from "./epochs.ts";
import { InvalidInput, KeyringMismatch } from "./errors.ts";
import {
  ADDRESS_SIZE,
  checkBytes,
  checkNumber,
  context,
  type EpochId,
  type EpochKeys,
  type KemSeed,
  MAX_VERSION,
  type Place,
  placeItems,
  samePlace,
} from "./keys.ts";
import { pad, unpad } from "./padding.ts";
import { byNumber, CURRENT, type Sealed, type Suite } from "./suites.ts";

const VERSION = 1n;
const WHAT = "the grant's seal";
const KEYS = ["v", "suite", "chain", "contract", "patient", "grantee", "version", "enc", "ciphertext"];

/** Keys that a seal names an epoch for. Hold them against the published epoch (`checkKeys`) before relying on them. */
export interface GrantedEpoch {
  readonly id: EpochId;
  readonly keys: EpochKeys;
}

/** What a grant's seal holds. */
export interface GrantedKeys {
  /** None in a grant to append alone, and no history keys without HISTORY. */
  readonly epochs: readonly GrantedEpoch[];
  /** Of the compartments granted. */
  readonly names: Names;
}

/** A grant's seal that fits its grant; nothing was opened yet. */
export interface GrantSeal {
  readonly suite: Suite;
  readonly place: Place;
  readonly grantee: Bytes;
  readonly version: number;
  readonly sealed: Sealed;
}

/**
 * Seal keys to a grantee; the SHA-256 of the block goes into the grant.
 *
 * @param version Of the permission that the grant creates.
 * @param publicKey From the grantee's verified profile.
 * @throws InvalidInput a value is out of bounds, or there are neither keys nor names.
 * @throws FormatError nothing can be sealed to the public key.
 */
export async function buildGrantSeal(
  place: Place,
  grantee: Bytes,
  version: number,
  publicKey: Bytes,
  granted: GrantedKeys,
  suite: Suite = CURRENT,
): Promise<Bytes> {
  checkBytes(grantee, ADDRESS_SIZE, "the grantee's address");
  checkNumber(version, "the permission's version", MAX_VERSION);
  const info = infoOf(suite, place, grantee, version);
  const { enc, ciphertext } = await suite.seal(publicKey, info, pad(encode(documentOf(granted))));
  const block = mapOf({
    v: VERSION,
    suite: BigInt(suite.number),
    chain: place.chainId,
    contract: place.contract,
    patient: place.patient,
    grantee,
    version: BigInt(version),
    enc,
    ciphertext,
  });
  return checkSize(encode(block), WHAT);
}

/**
 * Read a grant's seal and hold it against its grant.
 *
 * @throws FormatError the block has the wrong form.
 * @throws UnknownSuite it is sealed by a suite that this module does not have.
 * @throws KeyringMismatch it was made for another grant.
 */
export function parseGrantSeal(block: Bytes, place: Place, grantee: Bytes, version: number): GrantSeal {
  const fields = new Fields(decode(block), WHAT, KEYS);
  fields.requireVersion(VERSION);
  const suite = byNumber(fields.uint("suite"));
  checkGrant(fields, place, grantee, version);
  const sealed = { enc: fields.octets("enc", suite.encSize), ciphertext: fields.octets("ciphertext") };
  return { suite, place, grantee, version, sealed };
}

/**
 * Open the seal that came with a grant.
 *
 * @param seed Of the grantee's profile key.
 * @throws WrongKey it is sealed to another key of the grantee's, or was changed.
 * @throws FormatError what is sealed in it has the wrong form.
 */
export async function openGrantSeal(seal: GrantSeal, seed: KemSeed): Promise<GrantedKeys> {
  const info = infoOf(seal.suite, seal.place, seal.grantee, seal.version);
  const document = decode(unpad(await seal.suite.open(seed, info, seal.sealed)));
  const fields = new Fields(document, WHAT, ["epochs", "names"]);
  const epochs = fields.array("epochs").map(parseGranted);
  requireAscending(
    epochs.map(({ id }) => orderOf(id)),
    "the epochs of a grant's seal",
  );
  return { epochs, names: parseNames(fields.value("names"), WHAT) };
}

function documentOf({ epochs, names }: GrantedKeys): Value {
  if (epochs.length === 0 && names.size === 0) throw new InvalidInput("a grant's seal holds keys, or names at least");
  const sorted = epochs.toSorted((one, other) => orderOf(one.id) - orderOf(other.id));
  if (!ascends(sorted.map(({ id }) => orderOf(checkEpochId(id))))) throw new InvalidInput("an epoch is given twice");
  const rows = sorted.map(({ id, keys }) => [BigInt(id.compartment), BigInt(id.number), ...keysRow(keys)]);
  return mapOf({ epochs: rows, names: namesMap(names) });
}

function infoOf(suite: Suite, place: Place, grantee: Bytes, version: number): Bytes {
  return context("medrec/1/grant", BigInt(suite.number), ...placeItems(place), grantee, BigInt(version));
}

function checkGrant(fields: Fields, place: Place, grantee: Bytes, version: number): void {
  const there = {
    chainId: fields.uint("chain"),
    contract: fields.octets("contract", ADDRESS_SIZE),
    patient: fields.octets("patient", ADDRESS_SIZE),
  };
  const itsGrantee = fields.octets("grantee", ADDRESS_SIZE);
  const itsVersion = fields.small("version", MAX_VERSION);
  if (!samePlace(there, place) || !equal(itsGrantee, grantee) || itsVersion !== version) {
    throw new KeyringMismatch("the seal was made for another grant");
  }
}

function parseGranted(value: Value): GrantedEpoch {
  const [compartment, number, seed, history] = array(value, "an epoch of the grant", 4);
  return { id: parseEpochId(compartment, number, WHAT), keys: parseKeys(seed, history, WHAT) };
}
