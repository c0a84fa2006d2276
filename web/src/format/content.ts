/**
 * Content of any size, sealed chunk by chunk (docs/format.md §3): STREAM (Hoang, Reyhanitabar, Rogaway, Vizár, CRYPTO
 * 2015), with a counter and a last-chunk flag in the nonce. Sealing and opening hold two chunks at a time.
 */

import { MAX_BLOCK } from "./blocks.ts";
import { type Bytes, concat, copy, equal, isZero, uintBytes } from "./bytes.ts";
import { ContentTampered, ContentTruncated, InvalidInput, StatementMismatch } from "./errors.ts";
import { checkBytes, checkUint, type DataKey, RECORD_ID_SIZE, SECRET_SIZE } from "./keys.ts";
import { leafHash, leafSalt, RootBuilder } from "./merkle.ts";
import { padme } from "./padding.ts";
import { CURRENT, type Suite } from "./suites.ts";

const TAG_SIZE = 16;
const SEALED_CHUNK_SIZE = MAX_BLOCK;
/** Bytes of content in a chunk. */
export const CHUNK_SIZE = SEALED_CHUNK_SIZE - TAG_SIZE;
/** No content is longer, in bytes. */
export const MAX_CONTENT = 1n << 62n;

const MIN_PADDED_SIZE = 256n;

/** Where bytes come from: pieces of any size. */
export type Source = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** Size in bytes of content of `size` bytes after padding. */
export function paddedSize(size: bigint): bigint {
  const padded = padme(size);
  return padded < MIN_PADDED_SIZE ? MIN_PADDED_SIZE : padded;
}

/** Number of sealed chunks of content of `size` bytes, padding included; at least one. */
export function chunkCount(size: bigint): bigint {
  return (paddedSize(size) + BigInt(CHUNK_SIZE) - 1n) / BigInt(CHUNK_SIZE);
}

/** Size in bytes of all sealed chunks of content of `size` bytes. */
export function sealedSize(size: bigint): bigint {
  return paddedSize(size) + chunkCount(size) * BigInt(TAG_SIZE);
}

/** Seals a source; iterate over it once to get the sealed chunks, each a block of at most 1 MiB. */
export class ContentSealer implements AsyncIterable<Bytes> {
  readonly #dataKey: DataKey;
  readonly #recordId: Bytes;
  readonly #leafSalt: Bytes;
  readonly #suite: Suite;
  readonly #tree = new RootBuilder();
  #source: Source | null;
  #size = 0n;
  #root: Bytes | null = null;

  /**
   * @param source The content. It is read once.
   * @param dataKey Of this record and no other content.
   * @param recordId 16 bytes.
   * @param leafSalt 32 random bytes that salt the Merkle tree.
   */
  constructor(source: Source, dataKey: DataKey, recordId: Bytes, leafSalt: Bytes, suite: Suite = CURRENT) {
    this.#source = source;
    this.#dataKey = dataKey;
    this.#recordId = checkBytes(recordId, RECORD_ID_SIZE, "a record id");
    this.#leafSalt = checkBytes(leafSalt, SECRET_SIZE, "the leaf salt");
    this.#suite = suite;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Bytes> {
    if (this.#source === null) throw new InvalidInput("content can be sealed once only: take a new data key");
    const source = this.#source;
    this.#source = null;
    const key = await this.#dataKey.contentKey(this.#suite.number, this.#recordId);
    for await (const chunk of paddedChunks(source)) {
      this.#size += BigInt(chunk.used);
      if (chunk.used > 0 || chunk.index === 0) await this.#addLeaf(chunk);
      yield this.#suite.encrypt(key, nonceOf(chunk.index, chunk.last), chunk.octets, this.#recordId);
    }
    this.#root = await this.#tree.root();
  }

  /** Bytes of content, without padding; known at the end. */
  get size(): bigint {
    if (this.#root === null) throw new InvalidInput("the content is not sealed to its end yet");
    return this.#size;
  }

  /** The Merkle root (§5), 32 bytes; known at the end. */
  get root(): Bytes {
    if (this.#root === null) throw new InvalidInput("the content is not sealed to its end yet");
    return this.#root;
  }

  async #addLeaf(chunk: Chunk): Promise<void> {
    const octets = chunk.octets.subarray(0, chunk.used);
    await this.#tree.add(await leafHash(await leafSalt(this.#leafSalt, chunk.index), octets));
  }
}

/**
 * Opens the sealed chunks of one record.
 *
 * What it returns was sealed by somebody who had the data key, for this place in this record. That it is what the
 * author *signed* is known once `readAll` has ended without an error.
 */
export class ContentReader {
  readonly #dataKey: DataKey;
  readonly #recordId: Bytes;
  readonly #size: number;
  readonly #suite: Suite;
  readonly #count: number;
  readonly #sealedSize: number;
  #key: Promise<Bytes> | null = null;

  /**
   * @param dataKey Of the record.
   * @param recordId 16 bytes.
   * @param size Bytes of content, from the verified metadata.
   */
  constructor(dataKey: DataKey, recordId: Bytes, size: bigint, suite: Suite = CURRENT) {
    checkUint(size, "the size of content that JavaScript can count", BigInt(Number.MAX_SAFE_INTEGER) / 2n);
    this.#dataKey = dataKey;
    this.#recordId = checkBytes(recordId, RECORD_ID_SIZE, "a record id");
    this.#size = Number(size);
    this.#suite = suite;
    this.#count = Number(chunkCount(size));
    this.#sealedSize = Number(sealedSize(size));
  }

  /**
   * The content in order, in pieces of at most 1 MiB. The last piece is held back until everything behind it was read
   * and the Merkle root was found to be the signed one.
   *
   * @param source All sealed chunks, in pieces of any size.
   * @param salt The leaf salt, from the verified metadata.
   * @param root The Merkle root that the author signed.
   * @throws ContentTruncated the source ends too early or goes on behind the last chunk.
   * @throws ContentTampered a chunk was changed, or belongs to another place or record.
   * @throws StatementMismatch the content is not what the author signed.
   *
   * Warning: do not act on a part before the end was reached.
   */
  async *readAll(source: Source, salt: Bytes, root: Bytes): AsyncGenerator<Bytes> {
    const tree = new RootBuilder();
    let held: Bytes = new Uint8Array();
    let index = 0;
    for await (const sealed of pieces(source, SEALED_CHUNK_SIZE)) {
      const octets = await this.openChunk(index, sealed);
      if (octets.length > 0 || index === 0) await tree.add(await leafHash(await leafSalt(salt, index), octets));
      if (octets.length > 0) {
        if (held.length > 0) yield held;
        held = octets;
      }
      index += 1;
    }
    if (index !== this.#count) throw new ContentTruncated(`the content ends after ${index} of ${this.#count} chunks`);
    if (!equal(await tree.root(), root)) {
      throw new StatementMismatch("the content is not the one that its author signed");
    }
    if (held.length > 0) yield held;
  }

  /**
   * Bytes `start` to `stop` (excluded) of the content, in pieces.
   *
   * @param fetchChunk Gives the sealed chunk of a number, which lies at its `sealedSpan`.
   * @throws InvalidInput the content has no such range.
   * @throws ContentTampered, ContentTruncated as `readAll`.
   *
   * Warning: a range proves possession of the data key, not the author's signature; that takes all of the content.
   */
  async *readRange(start: number, stop: number, fetchChunk: (index: number) => Promise<Bytes>): AsyncGenerator<Bytes> {
    for (const index of this.chunksFor(start, stop)) {
      const octets = await this.openChunk(index, await fetchChunk(index));
      const first = index * CHUNK_SIZE;
      yield copy(octets.subarray(Math.max(0, start - first), stop - first));
    }
  }

  /** Numbers of the sealed chunks that hold bytes `start` to `stop` (excluded). */
  chunksFor(start: number, stop: number): number[] {
    if (!(start >= 0 && start <= stop && stop <= this.#size)) {
      throw new InvalidInput(`there are no bytes ${start} to ${stop} in content of ${this.#size}`);
    }
    if (start === stop) return [];
    const first = Math.floor(start / CHUNK_SIZE);
    return Array.from({ length: Math.ceil(stop / CHUNK_SIZE) - first }, (_, index) => first + index);
  }

  /** Where sealed chunk `index` lies among all sealed bytes: its first byte, and behind its last. */
  sealedSpan(index: number): [number, number] {
    const first = index * SEALED_CHUNK_SIZE;
    return [first, Math.min(first + SEALED_CHUNK_SIZE, this.#sealedSize)];
  }

  /**
   * The content in sealed chunk `index`, without padding; empty for a chunk of padding.
   *
   * @throws ContentTruncated there is no such chunk, or it has another size than it must have.
   * @throws ContentTampered it does not authenticate in this place of this record, or its padding is not zero.
   */
  async openChunk(index: number, sealed: Bytes): Promise<Bytes> {
    if (!(index >= 0 && index < this.#count)) {
      throw new ContentTruncated(`the content goes on behind its ${this.#count} chunks`);
    }
    const [first, behind] = this.sealedSpan(index);
    if (sealed.length !== behind - first) {
      throw new ContentTruncated(`chunk ${index} has ${sealed.length} bytes, not ${behind - first}`);
    }
    this.#key ??= this.#dataKey.contentKey(this.#suite.number, this.#recordId);
    const nonce = nonceOf(index, index === this.#count - 1);
    const octets = await this.#suite.decrypt(await this.#key, nonce, sealed, this.#recordId);
    const used = Math.min(Math.max(this.#size - index * CHUNK_SIZE, 0), octets.length);
    if (!isZero(octets.subarray(used))) throw new ContentTampered("the padding of the content is not zero");
    return copy(octets.subarray(0, used));
  }
}

interface Chunk {
  readonly index: number;
  readonly octets: Bytes;
  /** Bytes before the padding. */
  readonly used: number;
  readonly last: boolean;
}

function nonceOf(index: number, last: boolean): Bytes {
  return concat(uintBytes(index, 11), Uint8Array.of(last ? 1 : 0));
}

/** The chunks to seal. One is held back, for only at the end is it known which one is the last. */
async function* paddedChunks(source: Source): AsyncGenerator<Chunk> {
  let index = 0;
  let held: Bytes | null = null;
  for await (const piece of pieces(source, CHUNK_SIZE)) {
    if (held !== null) {
      yield { index, octets: held, used: held.length, last: false };
      index += 1;
    }
    held = piece;
  }
  let rest = held ?? new Uint8Array();
  const start = index * CHUNK_SIZE;
  let remaining = Number(paddedSize(BigInt(start + rest.length))) - start;
  while (remaining > 0) {
    const octets = new Uint8Array(Math.min(remaining, CHUNK_SIZE));
    octets.set(rest);
    remaining -= octets.length;
    yield { index, octets, used: rest.length, last: remaining === 0 };
    index += 1;
    rest = new Uint8Array();
  }
}

/** The source in pieces of `size` bytes, the last one shorter. */
async function* pieces(source: Source, size: number): AsyncGenerator<Bytes> {
  let buffer = new Uint8Array(size);
  let filled = 0;
  for await (const given of source) {
    let rest = given;
    while (rest.length > 0) {
      const taken = rest.subarray(0, size - filled);
      buffer.set(taken, filled);
      filled += taken.length;
      rest = rest.subarray(taken.length);
      if (filled === size) {
        yield buffer;
        buffer = new Uint8Array(size);
        filled = 0;
      }
    }
  }
  if (filled > 0) yield buffer.slice(0, filled);
}
