/** Epochs of a compartment: what is public of them, and the way back through their keys (docs/format.md §6). */

import { type Bytes, concat, equal, uintBytes } from "./bytes.ts";
import { type CborMap, mapping, octets, small, text, type Value } from "./cbor.ts";
import { ContentTampered, FormatError, InvalidInput, KeyringMismatch, KeysMissing } from "./errors.ts";
import {
  checkNumber,
  context,
  type EpochId,
  type EpochKeys,
  HistoryKey,
  KemSeed,
  MAX_COMPARTMENT,
  MAX_NUMBER,
  type Place,
  placeItems,
  SECRET_SIZE,
} from "./keys.ts";
import type { Suite } from "./suites.ts";

/** An epoch as everybody sees it. */
export interface Epoch {
  readonly id: EpochId;
  /** Of its key. */
  readonly suite: Suite;
  /** First second of the epoch, Unix time. */
  readonly start: bigint;
  /** What envelopes are sealed to. */
  readonly publicKey: Bytes;
  /** Number → sealed keys of each earlier epoch that this one opens. */
  readonly back: ReadonlyMap<number, Bytes>;
}

/** Keys that fit the epoch which they are named for. Only `checkKeys` makes them. */
export interface HeldEpoch {
  readonly id: EpochId;
  readonly keys: EpochKeys;
}

/** Compartment number → its name. */
export type Names = ReadonlyMap<number, string>;

/** The place of an epoch in the order of compartments and numbers; a key for maps, too. */
export function orderOf({ compartment, number }: EpochId): number {
  return compartment * 2 ** 32 + number;
}

/** Whether numbers ascend, none twice. */
export function ascends(numbers: readonly number[]): boolean {
  return numbers.every((number, index) => index === 0 || (numbers[index - 1] ?? number) < number);
}

/** `epoch` if compartment and number are within bounds; throws `InvalidInput` otherwise. */
export function checkEpochId(epoch: EpochId): EpochId {
  checkNumber(epoch.compartment, "the compartment", MAX_COMPARTMENT);
  checkNumber(epoch.number, "the number of an epoch", MAX_NUMBER, 1);
  return epoch;
}

/** Two decoded items as the id of an epoch. */
export function parseEpochId(compartment: Value | undefined, number: Value | undefined, what: string): EpochId {
  return {
    compartment: small(compartment, `a compartment of ${what}`, MAX_COMPARTMENT),
    number: small(number, `the number of an epoch of ${what}`, MAX_NUMBER, 1),
  };
}

/** `[seed, history key or null]`, as seals hold them. */
export function keysRow({ seed, history }: EpochKeys): Value[] {
  return [seed.expose(), history === null ? null : history.expose()];
}

/** Two decoded items as the keys of an epoch. */
export function parseKeys(seed: Value | undefined, history: Value | undefined, what: string): EpochKeys {
  return {
    seed: new KemSeed(octets(seed, `a seed of ${what}`, SECRET_SIZE)),
    history: history === null ? null : new HistoryKey(octets(history, `a history key of ${what}`, SECRET_SIZE)),
  };
}

/**
 * The keys of an epoch, if the seed is that of its public key.
 *
 * @throws KeyringMismatch it is not, so what authors seal to the epoch would not open.
 */
export async function checkKeys(epoch: Epoch, keys: EpochKeys): Promise<HeldEpoch> {
  if (!equal(await epoch.suite.publicKey(keys.seed), epoch.publicKey)) {
    throw new KeyringMismatch(`the public key of ${nameOf(epoch.id)} does not belong to the seed sealed with it`);
  }
  return { id: epoch.id, keys };
}

/**
 * The back-link by which `epoch` opens the earlier epoch `number` of its compartment, 80 bytes.
 *
 * Warning: the nonce is `number`. Never link the same epoch, under the same history key, to other keys of that number.
 */
export function sealBack(
  suite: Suite,
  place: Place,
  { id, keys }: HeldEpoch,
  number: number,
  earlier: EpochKeys,
): Promise<Bytes> {
  if (keys.history === null || earlier.history === null || !(number > 0 && number < id.number)) {
    throw new InvalidInput("a back-link leads to an earlier epoch and needs the history keys of both");
  }
  const opened = concat(earlier.seed.expose(), earlier.history.expose());
  const nonce = uintBytes(number, suite.nonceSize);
  return suite.encrypt(keys.history.expose(), nonce, opened, associatedOf(place, id, number));
}

/**
 * The keys of the earlier epoch `number`, by a back-link of `epoch`. Check them with `checkKeys`.
 *
 * @throws KeysMissing there is no history key: the reader has no HISTORY.
 * @throws KeyringMismatch the epoch has no such back-link, or it does not open.
 */
export async function openBack(place: Place, epoch: Epoch, keys: EpochKeys, number: number): Promise<EpochKeys> {
  if (keys.history === null) throw new KeysMissing(`without HISTORY there is no way back from ${nameOf(epoch.id)}`);
  const link = epoch.back.get(number);
  if (link === undefined) throw new KeyringMismatch(`${nameOf(epoch.id)} does not lead back to epoch ${number}`);
  const nonce = uintBytes(number, epoch.suite.nonceSize);
  try {
    const associated = associatedOf(place, epoch.id, number);
    const opened = await epoch.suite.decrypt(keys.history.expose(), nonce, link, associated);
    const [seed, history] = [opened.subarray(0, SECRET_SIZE), opened.subarray(SECRET_SIZE)];
    return { seed: new KemSeed(seed), history: new HistoryKey(history) };
  } catch (cause) {
    if (!(cause instanceof ContentTampered)) throw cause;
    throw new KeyringMismatch(`the way back from ${nameOf(epoch.id)} to epoch ${number} does not open`, { cause });
  }
}

/**
 * All epochs before `start` that its history key leads to, nearest first, each checked against its public key. A link
 * that is bad ends its own way alone: what others lead to is found, and then the walk ends with its error.
 *
 * @param published The epochs of the patient's keyrings.
 * @throws KeysMissing `start` has no history key, so the reader has no HISTORY.
 * @throws KeyringMismatch a back-link does not open, gives keys that do not fit the epoch it names, or names one that
 * no keyring has published.
 */
export async function* walkBack(place: Place, published: Iterable<Epoch>, start: HeldEpoch): AsyncGenerator<HeldEpoch> {
  const epochs = new Map([...published].map((epoch) => [orderOf(epoch.id), epoch]));
  const reached = new Set([orderOf(start.id)]);
  const openEnds = [start];
  let bad: KeyringMismatch | undefined;
  for (let from = openEnds.shift(); from !== undefined; from = openEnds.shift()) {
    const epoch = publishedOf(epochs, from.id);
    for (const number of [...epoch.back.keys()].toReversed()) {
      const id = { compartment: epoch.id.compartment, number };
      if (reached.has(orderOf(id))) continue;
      let held: HeldEpoch;
      try {
        const opened = await openBack(place, epoch, from.keys, number);
        held = await checkKeys(publishedOf(epochs, id), opened);
      } catch (error) {
        if (!(error instanceof KeyringMismatch)) throw error;
        bad ??= error;
        continue;
      }
      reached.add(orderOf(id));
      openEnds.push(held);
      yield held;
    }
  }
  if (bad !== undefined) throw bad;
}

/** Names as the map that is encoded; throws `InvalidInput` if a number names no compartment. */
export function namesMap(names: Names): CborMap {
  return new Map(
    [...names].map(([number, name]) => [BigInt(checkNumber(number, "the compartment", MAX_COMPARTMENT)), name]),
  );
}

/** A decoded map as the names of compartments. */
export function parseNames(value: Value, what: string): Names {
  const pairs = [...mapping(value, `the names of ${what}`)];
  return new Map(
    pairs.map(([number, name]) => [
      small(number, `a compartment of ${what}`, MAX_COMPARTMENT),
      text(name, `the name of a compartment of ${what}`),
    ]),
  );
}

/** Refuse what does not ascend. */
export function requireAscending(numbers: readonly number[], what: string): void {
  if (!ascends(numbers)) throw new FormatError(`${what} are not in ascending order`);
}

function associatedOf(place: Place, { compartment, number: from }: EpochId, number: number): Bytes {
  return context("medrec/1/back", ...placeItems(place), BigInt(compartment), BigInt(from), BigInt(number));
}

function publishedOf(epochs: ReadonlyMap<number, Epoch>, id: EpochId): Epoch {
  const epoch = epochs.get(orderOf(id));
  if (epoch === undefined) throw new KeyringMismatch(`no keyring has published ${nameOf(id)}`);
  return epoch;
}

function nameOf({ compartment, number }: EpochId): string {
  return `epoch ${number} of compartment ${compartment}`;
}
