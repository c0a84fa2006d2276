/** Manifests of moved records: where each record's envelope is now (docs/format.md §9). */

import { type Fetch, POINTER_SIZE } from "./blocks.ts";
import type { Bytes } from "./bytes.ts";
import type { Place } from "./keys.ts";
import { type PagedRows, parseRows, partsOf, recordNumber, type RowFormat } from "./paged-rows.ts";

const MOVED: RowFormat = { what: "the manifest", pages: "pages", payload: POINTER_SIZE };

/** Where a record's envelope is now. */
export interface Moved {
  /** Number of the record's entry, from 1. */
  readonly entry: number;
  /** Of the entry; 0 for a single record. */
  readonly leaf: number;
  /** SHA-256 of the new envelope. */
  readonly pointer: Bytes;
}

/** A manifest that fits its entry; see `PagedRows` for what its methods throw. */
export class Manifest {
  readonly #rows: PagedRows;

  constructor(rows: PagedRows) {
    this.#rows = rows;
  }

  /** The new pointer of one record, or `null` if it is not named. Fetches one page at most. */
  find(entry: number, leaf: number, fetch: Fetch): Promise<Bytes | null> {
    return this.#rows.find(recordNumber(entry, leaf), fetch);
  }

  /** All rows, ascending, page by page. */
  async *rows(fetch: Fetch): AsyncGenerator<Moved> {
    for await (const [record, pointer] of this.#rows.all(fetch)) yield { ...partsOf(record), pointer };
  }
}

/** Read the root block of a manifest and hold it against its MOVED entry; throws as `parseRows`. */
export function parseManifest(block: Bytes, place: Place): Manifest {
  return new Manifest(parseRows(MOVED, block, place));
}
