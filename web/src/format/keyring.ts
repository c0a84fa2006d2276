/**
 * Reading a keyring: public keys for authors, private keys for the readers and the patient (docs/format.md §6).
 *
 * The block holds what everybody needs; the readers' seals lie on pages, of which a reader fetches one.
 */

import { type Fetch, fetchBlock, POINTER_SIZE } from "./blocks.ts";
import { type Bytes, compare, equal } from "./bytes.ts";
import { array, decode, Fields, octets, small, uint, type Value } from "./cbor.ts";
import {
  checkKeys,
  type Epoch,
  type HeldEpoch,
  type Names,
  orderOf,
  parseEpochId,
  parseKeys,
  parseNames,
  requireAscending,
} from "./epochs.ts";
import { FormatError, KeyringMismatch, KeysMissing } from "./errors.ts";
import {
  ADDRESS_SIZE,
  context,
  type KemSeed,
  MAX_NUMBER,
  MAX_VERSION,
  type Place,
  placeItems,
  samePlace,
  SECRET_SIZE,
} from "./keys.ts";
import { unpad } from "./padding.ts";
import { byNumber, type Sealed, type Suite } from "./suites.ts";

export const VERSION = 1n;
/** Readers' seals on a page. */
export const MAX_SEALS = 256;

const KEYS = ["v", "suite", "chain", "contract", "patient", "version", "epochs", "holders", "pages", "root", "inbox"];

/** Where authors seal records that fit no epoch; only the patient's root secret opens it. */
export interface Inbox {
  readonly number: number;
  readonly publicKey: Bytes;
}

/** A reader, and the epochs sealed to it. */
export interface Holder {
  readonly address: Bytes;
  readonly epochs: readonly Epoch[];
}

/** A keyring that fits its entry. */
export interface Keyring {
  /** By which it is sealed. */
  readonly suite: Suite;
  readonly place: Place;
  /** The keyring version before it, which its entry names. */
  readonly version: number;
  /** Ascending by compartment and number. */
  readonly epochs: readonly Epoch[];
  /** Ascending by address. */
  readonly holders: readonly Holder[];
  /** Place of the first holder, and pointer, of each page of seals. */
  readonly pages: readonly (readonly [first: number, pointer: Bytes])[];
  readonly rootPublicKey: Bytes;
  /** The keys of all epochs, sealed to the root key. */
  readonly rootSeal: Sealed;
  /** `null` if a representative published the keyring. */
  readonly inbox: Inbox | null;
}

/**
 * Read a keyring and hold it against its entry.
 *
 * @param place Chain, contract and patient of the entry.
 * @param version The keyring version that the entry names.
 * @param compartments The entry's mask; bit c stands for compartment c.
 * @throws FormatError the block is no keyring of this version.
 * @throws UnknownSuite it is sealed by a suite that this module does not have.
 * @throws KeyringMismatch it is not the keyring of that entry.
 */
export function parseKeyring(block: Bytes, place: Place, version: number, compartments: bigint): Keyring {
  const fields = new Fields(decode(block), "the keyring", KEYS);
  fields.requireVersion(VERSION);
  const suite = byNumber(fields.uint("suite"));
  checkEntry(fields, place, version);
  const epochs = fields.array("epochs").map((row) => parseEpoch(suite, row));
  requireAscending(
    epochs.map((epoch) => orderOf(epoch.id)),
    "the epochs of the keyring",
  );
  if (maskOf(epochs) !== compartments)
    throw new KeyringMismatch("the keyring covers other compartments than its entry");
  const holders = parseHolders(fields.array("holders"), epochs);
  const [rootPublicKey, enc, ciphertext] = fields.array("root", 3);
  return {
    suite,
    place,
    version,
    epochs,
    holders,
    pages: parsePages(fields.array("pages"), holders.length),
    rootPublicKey: octets(rootPublicKey, "the root public key", suite.publicKeySize),
    rootSeal: parseSealed(suite, enc, ciphertext),
    inbox: parseInbox(suite, fields.value("inbox")),
  };
}

/**
 * The keys that a keyring holds for a reader, each checked against its epoch's public key.
 *
 * @param seed Of the reader's profile key.
 * @param fetch Gives the page.
 * @throws KeysMissing nothing is sealed to this reader.
 * @throws WrongKey it is sealed to another key of the reader's, or the seal was changed or moved.
 * @throws FormatError page or seal have the wrong form.
 * @throws KeyringMismatch a seed does not belong to the public key that authors use.
 * @throws BlockMismatch the page is another one.
 */
export async function openAsReader(keyring: Keyring, reader: Bytes, seed: KemSeed, fetch: Fetch): Promise<HeldEpoch[]> {
  const index = keyring.holders.findIndex((holder) => equal(holder.address, reader));
  const holder = keyring.holders[index];
  if (holder === undefined) throw new KeysMissing("nothing in this keyring is sealed to this reader");
  const sealed = await fetchSeal(keyring, index, fetch);
  const info = readerInfo(keyring.suite, keyring.place, keyring.version, reader);
  return matchKeys(holder.epochs, decode(unpad(await keyring.suite.open(seed, info, sealed))));
}

/**
 * All keys of a keyring and the names of all compartments, by the patient's root key.
 *
 * @throws WrongKey it is sealed to another root key, or the seal was changed or moved.
 * @throws FormatError the seal has the wrong form.
 * @throws KeyringMismatch a seed does not belong to the public key that authors use, or the root public key, to which
 * the next keyring would be sealed, is not that of `seed`.
 */
export async function openAsRoot(keyring: Keyring, seed: KemSeed): Promise<{ epochs: HeldEpoch[]; names: Names }> {
  const { suite, place, version } = keyring;
  const opened = await suite.open(seed, rootInfo(suite, place, version), keyring.rootSeal);
  if (!equal(await suite.publicKey(seed), keyring.rootPublicKey)) {
    throw new KeyringMismatch("the keyring names another root public key than the one it is sealed to");
  }
  const fields = new Fields(decode(unpad(opened)), "the root's seal", ["epochs", "names"]);
  const epochs = await matchKeys(keyring.epochs, fields.array("epochs"));
  if (epochs.some(({ keys }) => keys.history === null)) throw new FormatError("the root's seal lacks a history key");
  return { epochs, names: parseNames(fields.value("names"), "the root's seal") };
}

/** The HPKE `info` of a reader's seal. */
export function readerInfo(suite: Suite, place: Place, version: number, reader: Bytes): Bytes {
  return context("medrec/1/keyring-seal", BigInt(suite.number), ...placeItems(place), BigInt(version), reader);
}

/** The HPKE `info` of the root's seal. */
export function rootInfo(suite: Suite, place: Place, version: number): Bytes {
  return context("medrec/1/keyring-root", BigInt(suite.number), ...placeItems(place), BigInt(version));
}

/** Which compartments epochs belong to; bit c stands for compartment c. */
export function maskOf(epochs: readonly { id: { compartment: number } }[]): bigint {
  return epochs.reduce((mask, { id }) => mask | (1n << BigInt(id.compartment)), 0n);
}

function checkEntry(fields: Fields, place: Place, version: number): void {
  const there = {
    chainId: fields.uint("chain"),
    contract: fields.octets("contract", ADDRESS_SIZE),
    patient: fields.octets("patient", ADDRESS_SIZE),
  };
  if (!samePlace(there, place))
    throw new KeyringMismatch("the keyring was made for another chain, contract or patient");
  if (fields.small("version", MAX_VERSION) !== version) {
    throw new KeyringMismatch("the keyring was made for another version than its entry names");
  }
}

function parseEpoch(suite: Suite, row: Value): Epoch {
  const [compartment, number, start, publicKey, back] = array(row, "an epoch of the keyring", 5);
  const id = parseEpochId(compartment, number, "the keyring");
  const links = array(back, "the back-links of an epoch").map((link) => parseLink(suite, link, id.number));
  requireAscending(
    links.map(([to]) => to),
    "the back-links of an epoch",
  );
  return {
    id,
    suite,
    start: uint(start, "the start of an epoch"),
    publicKey: octets(publicKey, "the public key of an epoch", suite.publicKeySize),
    back: new Map(links),
  };
}

function parseLink(suite: Suite, value: Value, from: number): [number, Bytes] {
  const [number, link] = array(value, "a back-link", 2);
  return [
    small(number, "the number of a back-link", from - 1, 1),
    octets(link, "a back-link", 2 * SECRET_SIZE + suite.tagSize),
  ];
}

function parseHolders(rows: Value[], epochs: readonly Epoch[]): Holder[] {
  const holders = rows.map((row) => {
    const [address, indices] = array(row, "a holder of the keyring", 2);
    return { address: octets(address, "a holder's address", ADDRESS_SIZE), epochs: parseIndices(indices, epochs) };
  });
  for (const [index, { address }] of holders.entries()) {
    const before = holders[index - 1];
    if (before !== undefined && compare(before.address, address) >= 0) {
      throw new FormatError("the holders of the keyring are not in ascending order");
    }
  }
  return holders;
}

function parseIndices(value: Value | undefined, epochs: readonly Epoch[]): Epoch[] {
  const indices = array(value, "a holder's epochs").map((index) => small(index, "a holder's epoch", epochs.length - 1));
  requireAscending(indices, "a holder's epochs");
  if (indices.length === 0) throw new FormatError("a holder of the keyring has no epoch");
  return epochs.filter((_, index) => indices.includes(index));
}

function parsePages(rows: Value[], holders: number): [number, Bytes][] {
  const pages = rows.map((row): [number, Bytes] => {
    const [first, pointer] = array(row, "a page of the keyring", 2);
    return [small(first, "the first holder of a page", MAX_NUMBER), octets(pointer, "a page", POINTER_SIZE)];
  });
  const bounds = [...pages.map(([first]) => first), holders];
  const sizes = bounds.slice(1).map((behind, page) => behind - (bounds[page] ?? 0));
  if (bounds[0] !== 0 || !sizes.every((size) => size > 0 && size <= MAX_SEALS)) {
    throw new FormatError("the pages of the keyring do not divide its holders");
  }
  return pages;
}

function parseSealed(suite: Suite, enc: Value | undefined, ciphertext: Value | undefined): Sealed {
  return { enc: octets(enc, "an encapsulation", suite.encSize), ciphertext: octets(ciphertext, "a ciphertext") };
}

function parseInbox(suite: Suite, value: Value): Inbox | null {
  if (value === null) return null;
  const [number, publicKey] = array(value, "the inbox", 2);
  return {
    publicKey: octets(publicKey, "the inbox public key", suite.publicKeySize),
    number: small(number, "the number of the inbox", MAX_NUMBER),
  };
}

/** The seal of the holder at `index`, from the one page that has it. */
async function fetchSeal(keyring: Keyring, index: number, fetch: Fetch): Promise<Sealed> {
  const page = keyring.pages.findLastIndex(([first]) => first <= index);
  const [first, pointer] = keyring.pages[page] ?? [0, new Uint8Array()];
  const behind = keyring.pages[page + 1]?.[0] ?? keyring.holders.length;
  const seals = array(decode(await fetchBlock(fetch, pointer)), "a page of the keyring", behind - first);
  const [enc, ciphertext] = array(seals[index - first], "a seal", 2);
  return parseSealed(keyring.suite, enc, ciphertext);
}

function matchKeys(epochs: readonly Epoch[], value: Value): Promise<HeldEpoch[]> {
  const rows = array(value, "a keyring's seal", epochs.length).map((row) => array(row, "the keys of an epoch", 2));
  return Promise.all(
    epochs.map((epoch, index) => checkKeys(epoch, parseKeys(rows[index]?.[0], rows[index]?.[1], "a keyring's seal"))),
  );
}
