/** Making a keyring: new epochs, sealed to those who may read them and to the root key (docs/format.md §6). */

import { checkSize, MAX_BLOCK, pointerTo } from "./blocks.ts";
import { type Bytes, compare } from "./bytes.ts";
import { encode, mapOf, type Value } from "./cbor.ts";
import { ascends, checkEpochId, keysRow, type Names, namesMap, orderOf, sealBack } from "./epochs.ts";
import { InvalidInput } from "./errors.ts";
import { type Inbox, maskOf, MAX_SEALS, readerInfo, rootInfo, VERSION } from "./keyring.ts";
import {
  ADDRESS_SIZE,
  checkBytes,
  checkNumber,
  checkUint,
  type EpochId,
  type EpochKeys,
  MAX_NUMBER,
  MAX_VERSION,
  type Place,
} from "./keys.ts";
import { pad } from "./padding.ts";
import { CURRENT, type Suite } from "./suites.ts";

const PAGE_HEAD_SIZE = 3; // of a CBOR array of up to 256 items

/** An epoch to publish. */
export interface NewEpoch {
  /** Compartment and number; a number is never used again. */
  readonly id: EpochId;
  /** First second of the epoch, Unix time. */
  readonly start: bigint;
  /** New and random. */
  readonly keys: EpochKeys;
  /** Number → keys of each earlier epoch of the compartment that this one opens. */
  readonly back: ReadonlyMap<number, EpochKeys>;
}

/** Somebody who is to hold keys of the new epochs. */
export interface Reader {
  readonly address: Bytes;
  /** From the reader's verified profile. */
  readonly publicKey: Bytes;
  /** Those of the new epochs that the reader may read. */
  readonly epochs: readonly EpochId[];
  /** Whether the reader may also read what was written before them. */
  readonly history: boolean;
}

/** What goes into a keyring. */
export interface KeyringParts {
  readonly epochs: readonly NewEpoch[];
  readonly readers: readonly Reader[];
  readonly rootPublicKey: Bytes;
  /** For the root key alone. */
  readonly names: Names;
  /** `null` from a representative. */
  readonly inbox: Inbox | null;
}

/** The blocks of a keyring; store all of them before the entry is published. */
export interface NewKeyring {
  readonly block: Bytes;
  readonly pages: readonly Bytes[];
  /** The mask for the entry; bit c stands for compartment c. */
  readonly compartments: bigint;
}

/**
 * Seal a keyring.
 *
 * @param version The keyring version before this keyring: the one that its entry names.
 * @throws InvalidInput a number is out of bounds, an epoch or reader is given twice, or a reader no epoch or one that is
 * not published here.
 * @throws FormatError nothing can be sealed to one of the public keys, or the keyring is larger than a block.
 */
export async function buildKeyring(
  place: Place,
  version: number,
  parts: KeyringParts,
  suite: Suite = CURRENT,
): Promise<NewKeyring> {
  checkNumber(version, "the keyring version", MAX_VERSION);
  const epochs = parts.epochs.toSorted((one, other) => orderOf(one.id) - orderOf(other.id));
  const readers = parts.readers.toSorted((one, other) => compare(one.address, other.address));
  check(epochs, readers);
  const seals = await Promise.all(readers.map((reader) => sealToReader(suite, place, version, epochs, reader)));
  const pages = pagesOf(seals);
  const document = mapOf({ epochs: epochs.map(({ keys }) => keysRow(keys)), names: namesMap(parts.names) });
  const root = await suite.seal(parts.rootPublicKey, rootInfo(suite, place, version), pad(encode(document)));
  const block = mapOf({
    v: VERSION,
    suite: BigInt(suite.number),
    chain: place.chainId,
    contract: place.contract,
    patient: place.patient,
    version: BigInt(version),
    epochs: await Promise.all(epochs.map((epoch) => epochRow(suite, place, epoch))),
    holders: readers.map((reader) => [reader.address, indicesOf(epochs, reader).map(BigInt)]),
    pages: await Promise.all(pages.map(async ([first, page]) => [BigInt(first), await pointerTo(page)])),
    root: [parts.rootPublicKey, root.enc, root.ciphertext],
    inbox: parts.inbox === null ? null : inboxRow(suite, parts.inbox),
  });
  return {
    block: checkSize(encode(block), "the keyring"),
    pages: pages.map(([, page]) => page),
    compartments: maskOf(epochs),
  };
}

function check(epochs: readonly NewEpoch[], readers: readonly Reader[]): void {
  if (epochs.length === 0) throw new InvalidInput("a keyring needs an epoch");
  if (!ascends(epochs.map(({ id }) => orderOf(checkEpochId(id))))) throw new InvalidInput("an epoch is given twice");
  if (epochs.some(({ keys }) => keys.history === null))
    throw new InvalidInput("an epoch is published with its history key");
  for (const [index, reader] of readers.entries()) {
    checkBytes(reader.address, ADDRESS_SIZE, "a reader's address");
    const before = readers[index - 1];
    if (before !== undefined && compare(before.address, reader.address) === 0) {
      throw new InvalidInput("a reader is given twice");
    }
    if (reader.epochs.length === 0 || indicesOf(epochs, reader).length !== reader.epochs.length) {
      throw new InvalidInput("a reader is given no epoch, or one that is not in the keyring");
    }
  }
}

async function epochRow(suite: Suite, place: Place, epoch: NewEpoch): Promise<Value[]> {
  const { id, keys, back } = epoch;
  const numbers = [...back].toSorted(([one], [other]) => one - other);
  const links = numbers.map(async ([number, earlier]): Promise<Value> => [
    BigInt(number),
    await sealBack(suite, place, { id, keys }, number, earlier),
  ]);
  const start = checkUint(epoch.start, "the start of an epoch");
  return [BigInt(id.compartment), BigInt(id.number), start, await suite.publicKey(keys.seed), await Promise.all(links)];
}

function indicesOf(epochs: readonly NewEpoch[], reader: Reader): number[] {
  const wanted = new Set(reader.epochs.map(orderOf));
  return epochs.flatMap(({ id }, index) => (wanted.has(orderOf(id)) ? [index] : []));
}

async function sealToReader(
  suite: Suite,
  place: Place,
  version: number,
  epochs: readonly NewEpoch[],
  reader: Reader,
): Promise<Value[]> {
  const held = epochs.filter((_, index) => indicesOf(epochs, reader).includes(index));
  const rows = held.map(({ keys }) => keysRow(reader.history ? keys : { seed: keys.seed, history: null }));
  const info = readerInfo(suite, place, version, reader.address);
  const { enc, ciphertext } = await suite.seal(reader.publicKey, info, pad(encode(rows)));
  return [enc, ciphertext];
}

/** The pages, each with the place of its first seal: as many seals as fit, up to 256. */
function pagesOf(seals: readonly Value[][]): [number, Bytes][] {
  const pages: { first: number; rows: Value[]; size: number }[] = [];
  for (const [index, row] of seals.entries()) {
    const more = encode(row).length;
    const page = pages.at(-1);
    if (page === undefined || page.rows.length === MAX_SEALS || page.size + more > MAX_BLOCK - PAGE_HEAD_SIZE) {
      pages.push({ first: index, rows: [row], size: more });
    } else {
      page.rows.push(row);
      page.size += more;
    }
  }
  return pages.map(({ first, rows }) => [first, encode(rows)]);
}

function inboxRow(suite: Suite, inbox: Inbox): Value[] {
  return [
    BigInt(checkNumber(inbox.number, "the number of the inbox", MAX_NUMBER)),
    suite.checkPublicKey(inbox.publicKey),
  ];
}
