/** Manifests of moved records: where each record's envelope is now (docs/format.md §9). */

import { type Fetch, fetchBlock, MAX_BLOCK, POINTER_SIZE } from "./blocks.ts";
import { type Bytes, copy, toUint } from "./bytes.ts";
import { array, decode, Fields, octets, uint, type Value } from "./cbor.ts";
import { FormatError, IntegrityError } from "./errors.ts";
import { ADDRESS_SIZE, checkNumber, MAX_NUMBER, type Place, samePlace } from "./keys.ts";

const VERSION = 1n;
const ROW_SIZE = 8 + POINTER_SIZE;
const MAX_ROWS = Math.floor(MAX_BLOCK / ROW_SIZE);
const KEYS = ["v", "chain", "contract", "patient", "count", "pages"];

/** Where a record's envelope is now. */
export interface Row {
  /** Number of the record's entry, from 1. */
  readonly entry: number;
  /** Of the entry; 0 for a single record. */
  readonly leaf: number;
  /** SHA-256 of the new envelope. */
  readonly pointer: Bytes;
}

/** Entry number × 2^32 + leaf: how `replaces` and the rows of a manifest name a record. */
export function recordNumber(entry: number, leaf = 0): bigint {
  checkNumber(entry, "the entry number", MAX_NUMBER, 1);
  return (BigInt(entry) << 32n) | BigInt(checkNumber(leaf, "the leaf", MAX_NUMBER));
}

/** A manifest that fits its entry. Only `parseManifest` makes one. */
export class Manifest {
  readonly count: bigint;
  /** Record number of the first row, and pointer, of each page. */
  readonly #pages: readonly (readonly [first: bigint, pointer: Bytes])[];

  constructor(count: bigint, pages: readonly (readonly [bigint, Bytes])[]) {
    this.count = count;
    this.#pages = pages;
  }

  /**
   * The new pointer of one record, or `null` if it is not named. Fetches one page at most.
   *
   * @throws FormatError the page has the wrong form.
   * @throws BlockMismatch the page is another one.
   */
  async find(entry: number, leaf: number, fetch: Fetch): Promise<Bytes | null> {
    const number = recordNumber(entry, leaf);
    const index = this.#pages.findLastIndex(([first]) => first <= number);
    if (index < 0) return null;
    const found = (await this.#page(index, fetch)).find((row) => recordNumber(row.entry, row.leaf) === number);
    return found?.pointer ?? null;
  }

  /**
   * All rows, ascending, page by page.
   *
   * @throws FormatError a page has the wrong form, or there are not `count` rows.
   * @throws BlockMismatch a page is another one.
   */
  async *rows(fetch: Fetch): AsyncGenerator<Row> {
    let count = 0n;
    for (const index of this.#pages.keys()) {
      const rows = await this.#page(index, fetch);
      count += BigInt(rows.length);
      yield* rows;
    }
    if (count !== this.count) throw new FormatError(`the manifest has ${count} rows and says ${this.count}`);
  }

  async #page(index: number, fetch: Fetch): Promise<Row[]> {
    const [first, pointer] = this.#pages[index] ?? [0n, new Uint8Array()];
    const page = await fetchBlock(fetch, pointer);
    if (page.length === 0 || page.length % ROW_SIZE !== 0) throw new FormatError("a page of the manifest is cut off");
    const rows = Array.from({ length: page.length / ROW_SIZE }, (_, row) =>
      page.subarray(row * ROW_SIZE, (row + 1) * ROW_SIZE),
    );
    const behind = this.#pages[index + 1]?.[0] ?? 1n << 64n;
    const numbers = [...rows.map((row) => toUint(row.subarray(0, 8))), behind];
    if (numbers[0] !== first || !ascending(numbers))
      throw new FormatError("the rows of the manifest are not in their order");
    return rows.map(parseRow);
  }
}

/**
 * Read the root block of a manifest and hold it against its entry.
 *
 * @throws FormatError the block is no manifest of this version.
 * @throws IntegrityError it was made for another chain, contract or patient.
 */
export function parseManifest(block: Bytes, place: Place): Manifest {
  const fields = new Fields(decode(block), "the manifest", KEYS);
  fields.requireVersion(VERSION);
  const there = {
    chainId: fields.uint("chain"),
    contract: fields.octets("contract", ADDRESS_SIZE),
    patient: fields.octets("patient", ADDRESS_SIZE),
  };
  if (!samePlace(there, place)) {
    throw new IntegrityError("the manifest was made for another chain, contract or patient");
  }
  const pages = fields.array("pages").map(parsePage);
  const count = fields.uint("count");
  const fits = count >= BigInt(pages.length) && count <= BigInt(pages.length * MAX_ROWS);
  if (!ascending(pages.map(([first]) => first)) || !fits) {
    throw new FormatError("the pages of the manifest are not in their order, or cannot hold its rows");
  }
  return new Manifest(count, pages);
}

function parsePage(value: Value): [bigint, Bytes] {
  const [first, pointer] = array(value, "a page of the manifest", 2);
  return [uint(first, "the first row of a page"), octets(pointer, "the pointer to a page", POINTER_SIZE)];
}

function parseRow(row: Bytes): Row {
  const entry = Number(toUint(row.subarray(0, 4)));
  return { entry, leaf: Number(toUint(row.subarray(4, 8))), pointer: copy(row.subarray(8)) };
}

function ascending(numbers: readonly bigint[]): boolean {
  return numbers.every((number, index) => index === 0 || (numbers[index - 1] ?? number) < number);
}
