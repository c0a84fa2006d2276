/** Rows about any number of records, on pages below a root block (docs/format.md §9). */

import { type Fetch, fetchBlock, MAX_BLOCK, POINTER_SIZE } from "./blocks.ts";
import { type Bytes, copy, toUint } from "./bytes.ts";
import { array, decode, Fields, octets, uint, type Value } from "./cbor.ts";
import { FormatError, IntegrityError } from "./errors.ts";
import { ADDRESS_SIZE, checkNumber, MAX_NUMBER, type Place, samePlace } from "./keys.ts";

const VERSION = 1n;
const RECORD_SIZE = 8;

/** One kind of root block and its rows. */
export interface RowFormat {
  /** What messages call it. */
  readonly what: string;
  /** Key of the root block's map that holds the pages. */
  readonly pages: string;
  /** Bytes of a row beside the record's number. */
  readonly payload: number;
}

/** A row: the record's number, and what it says beside. */
export type Row = readonly [record: bigint, payload: Bytes];

/** Entry number × 2^32 + leaf: how `replaces` and rows name a record. */
export function recordNumber(entry: number, leaf = 0): bigint {
  checkNumber(entry, "the entry number", MAX_NUMBER, 1);
  return (BigInt(entry) << 32n) | BigInt(checkNumber(leaf, "the leaf", MAX_NUMBER));
}

/** The entry and the leaf that a record's number stands for. */
export function partsOf(record: bigint): { entry: number; leaf: number } {
  return { entry: Number(record >> 32n), leaf: Number(record & 0xffffffffn) };
}

/** Rows whose root block fits its entry. Only `parseRows` makes them. */
export class PagedRows {
  readonly count: bigint;
  readonly #form: RowFormat;
  /** Record number of the first row, and pointer, of each page. */
  readonly #pages: readonly (readonly [first: bigint, pointer: Bytes])[];

  constructor(form: RowFormat, count: bigint, pages: readonly (readonly [bigint, Bytes])[]) {
    this.count = count;
    this.#form = form;
    this.#pages = pages;
  }

  /**
   * The payload of a record's row, or `null` if it has none. Fetches one page at most.
   *
   * @throws FormatError the page has the wrong form.
   * @throws BlockMismatch the page is another one.
   */
  async find(record: bigint, fetch: Fetch): Promise<Bytes | null> {
    const index = this.#pages.findLastIndex(([first]) => first <= record);
    if (index < 0) return null;
    const found = (await this.#page(index, fetch)).find(([number]) => number === record);
    return found?.[1] ?? null;
  }

  /**
   * All rows, ascending, page by page.
   *
   * @throws FormatError a page has the wrong form, or there are not `count` rows.
   * @throws BlockMismatch a page is another one.
   */
  async *all(fetch: Fetch): AsyncGenerator<Row> {
    let count = 0n;
    for (const index of this.#pages.keys()) {
      const rows = await this.#page(index, fetch);
      count += BigInt(rows.length);
      yield* rows;
    }
    if (count !== this.count) throw new FormatError(`${this.#form.what} has ${count} rows and says ${this.count}`);
  }

  async #page(index: number, fetch: Fetch): Promise<Row[]> {
    const [first, pointer] = this.#pages[index] ?? [0n, new Uint8Array()];
    const page = await fetchBlock(fetch, pointer);
    const size = RECORD_SIZE + this.#form.payload;
    if (page.length === 0 || page.length % size !== 0) throw new FormatError(`a page of ${this.#form.what} is cut off`);
    const rows = Array.from({ length: page.length / size }, (_, row) => rowAt(page, row * size, size));
    const behind = this.#pages[index + 1]?.[0] ?? 1n << 64n;
    const numbers = [...rows.map(([number]) => number), behind];
    if (numbers[0] !== first || !ascending(numbers)) {
      throw new FormatError(`the rows of ${this.#form.what} are not in their order`);
    }
    return rows;
  }
}

/**
 * Read a root block and hold it against its entry.
 *
 * @throws FormatError the block is none of this kind and version.
 * @throws IntegrityError it was made for another chain, contract or patient.
 */
export function parseRows(form: RowFormat, block: Bytes, place: Place): PagedRows {
  const fields = new Fields(decode(block), form.what, ["v", "chain", "contract", "patient", "count", form.pages]);
  fields.requireVersion(VERSION);
  const there = {
    chainId: fields.uint("chain"),
    contract: fields.octets("contract", ADDRESS_SIZE),
    patient: fields.octets("patient", ADDRESS_SIZE),
  };
  if (!samePlace(there, place)) {
    throw new IntegrityError(`${form.what} was made for another chain, contract or patient`);
  }
  const pages = fields.array(form.pages).map(parsePage);
  const count = fields.uint("count");
  const most = Math.floor(MAX_BLOCK / (RECORD_SIZE + form.payload));
  const fits = count >= BigInt(pages.length) && count <= BigInt(pages.length * most);
  if (!ascending(pages.map(([first]) => first)) || !fits) {
    throw new FormatError(`the pages of ${form.what} are not in their order, or cannot hold its rows`);
  }
  return new PagedRows(form, count, pages);
}

function parsePage(value: Value): [bigint, Bytes] {
  const [first, pointer] = array(value, "a page", 2);
  return [uint(first, "the first row of a page"), octets(pointer, "the pointer to a page", POINTER_SIZE)];
}

function rowAt(page: Bytes, start: number, size: number): Row {
  const row = page.subarray(start, start + size);
  return [toUint(row.subarray(0, RECORD_SIZE)), copy(row.subarray(RECORD_SIZE))];
}

function ascending(numbers: readonly bigint[]): boolean {
  return numbers.every((number, index) => index === 0 || (numbers[index - 1] ?? number) < number);
}
