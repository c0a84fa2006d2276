/** The head of a history: one word on chain that proves it complete (docs/format.md §10). */

import { type Bytes, concat, copy, toUint, uintBytes } from "./bytes.ts";
import { ADDRESS_SIZE, checkBytes, checkUint } from "./keys.ts";
import { keccak } from "./typed-data.ts";

const HEAD_SIZE = 25;
const WORD_SIZE = 32;

/** The kinds of entries. */
export const EntryKind = { RECORD: 1, BATCH: 2, KEYRING: 3, MOVED: 4, ERASED: 5, CONTINUES: 6 } as const;

/** An entry of a history, as its event gives it. */
export interface HistoryEntry {
  readonly kind: number;
  readonly compartments: bigint;
  readonly author: Bytes;
  readonly onBehalfOf: Bytes;
  readonly time: bigint;
  readonly pointer: Bytes;
  readonly claim: Bytes;
  readonly replaces: bigint;
}

/** A patient's word on chain. */
export interface HistoryWord {
  /** 25 bytes. */
  readonly head: Bytes;
  readonly length: number;
  readonly keyringVersion: number;
}

/** The parts of a word of 32 bytes. */
export function parseWord(word: Bytes): HistoryWord {
  checkBytes(word, WORD_SIZE, "a word");
  return {
    head: copy(word.subarray(0, HEAD_SIZE)),
    length: Number(toUint(word.subarray(HEAD_SIZE, 29))),
    keyringVersion: Number(toUint(word.subarray(29))),
  };
}

/** The word of 32 bytes that the parts make. */
export function wordOf({ head, length, keyringVersion }: HistoryWord): Bytes {
  return concat(checkBytes(head, HEAD_SIZE, "a head"), uintBytes(length, 4), uintBytes(keyringVersion, 3));
}

/**
 * The word after an entry. Between two entries the keyring version may rise as well: each entry's event carries the one
 * that was hashed, which belongs into `previous`.
 */
export function nextWord(previous: HistoryWord, patient: Bytes, entry: HistoryEntry): HistoryWord {
  return {
    head: copy(keccak(preimage(previous, patient, entry)).subarray(0, HEAD_SIZE)),
    length: previous.length + 1,
    keyringVersion: previous.keyringVersion + (entry.kind === EntryKind.KEYRING ? 1 : 0),
  };
}

/** The ten words that the hash covers: `abi.encode(previous, patient, kind, …)`. */
function preimage(previous: HistoryWord, patient: Bytes, entry: HistoryEntry): Bytes {
  return concat(
    wordOf(previous),
    address(patient),
    uintBytes(entry.kind, WORD_SIZE),
    uintBytes(checkUint(entry.compartments, "the mask of compartments"), WORD_SIZE),
    address(entry.author),
    address(entry.onBehalfOf),
    uintBytes(checkUint(entry.time, "the time"), WORD_SIZE),
    checkBytes(entry.pointer, WORD_SIZE, "a pointer"),
    checkBytes(entry.claim, WORD_SIZE, "a claim"),
    uintBytes(checkUint(entry.replaces, "the replaced record"), WORD_SIZE),
  );
}

function address(octets: Bytes): Bytes {
  return concat(new Uint8Array(WORD_SIZE - ADDRESS_SIZE), checkBytes(octets, ADDRESS_SIZE, "an address"));
}
