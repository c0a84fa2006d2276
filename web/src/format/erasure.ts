/** Lists of erased records: that the patient erased them (docs/format.md §9). */

import type { Fetch } from "./blocks.ts";
import type { Bytes } from "./bytes.ts";
import type { Place } from "./keys.ts";
import { type PagedRows, parseRows, partsOf, recordNumber, type RowFormat } from "./paged-rows.ts";

const ERASED: RowFormat = { what: "the list of erased records", pages: "erased", payload: 0 };

/** A list that fits its entry; see `PagedRows` for what its methods throw. */
export class Erasure {
  readonly #rows: PagedRows;

  constructor(rows: PagedRows) {
    this.#rows = rows;
  }

  /** Whether it names the record of an entry. Fetches one page at most. */
  async names(entry: number, fetch: Fetch): Promise<boolean> {
    return (await this.#rows.find(recordNumber(entry), fetch)) !== null;
  }

  /** The numbers of all its entries, ascending. */
  async *entries(fetch: Fetch): AsyncGenerator<number> {
    for await (const [record] of this.#rows.all(fetch)) yield partsOf(record).entry;
  }
}

/** Read the root block of a list and hold it against its ERASED entry; throws as `parseRows`. */
export function parseErasure(block: Bytes, place: Place): Erasure {
  return new Erasure(parseRows(ERASED, block, place));
}
