/**
 * Deterministic CBOR (docs/format.md §1): one meaning has one encoding, so that a digest stands for a meaning.
 *
 * Integers are `bigint` on both sides: JavaScript's numbers do not hold 64 bits. The codec is our own because what the
 * formats leave out is most of CBOR, and because a decoder must refuse all that, not only fail to write it.
 */

import { type Bytes, compare, concat, copy, toUint, uintBytes, utf8 } from "./bytes.ts";
import { FormatError } from "./errors.ts";

/** What the formats are made of. */
export type Value = bigint | Bytes | string | boolean | null | Value[] | CborMap;
/** A map from integers or texts. */
export type CborMap = Map<bigint | string, Value>;

/** Largest encoding that is decoded, in bytes: one block. */
const MAX_SIZE = 1 << 20;
/** Deepest nesting of arrays and maps. */
const MAX_DEPTH = 8;
/** Largest integer. */
export const MAX_UINT = (1n << 64n) - 1n;

const Major = { UINT: 0, NEGATIVE: 1, BYTES: 2, TEXT: 3, ARRAY: 4, MAP: 5, TAG: 6, SIMPLE: 7 } as const;
const SIMPLE_VALUES = new Map([
  [20n, false],
  [21n, true],
  [22n, null],
]);
/** Sizes in bytes of an argument that does not fit beside the major type, from additional information 24 on. */
const ARGUMENT_SIZES = [1, 2, 4, 8];

/** A map with text keys. */
export function mapOf(entries: Record<string, Value>): CborMap {
  return new Map(Object.entries(entries));
}

/**
 * Encode a value deterministically.
 *
 * @throws FormatError a text is not valid Unicode, or an integer does not fit into 64 bits.
 */
export function encode(value: Value): Bytes {
  if (value === null) return head(Major.SIMPLE, 22n);
  if (typeof value === "boolean") return head(Major.SIMPLE, value ? 21n : 20n);
  if (typeof value === "bigint") return value < 0n ? head(Major.NEGATIVE, -1n - value) : head(Major.UINT, value);
  if (typeof value === "string") return encodeText(value);
  if (value instanceof Uint8Array) return concat(head(Major.BYTES, BigInt(value.length)), value);
  if (value instanceof Map) return encodeMap(value);
  return concat(head(Major.ARRAY, BigInt(value.length)), ...value.map(encode));
}

/**
 * Decode untrusted bytes: exactly one value, in its one deterministic encoding. Every head is held against what is left
 * before anything is built.
 *
 * @throws FormatError the bytes are longer than a block, not CBOR, in another than the deterministic form, nested too
 * deeply, or use what the formats leave out: tags, floats, other simple values, keys that are neither integer nor text.
 */
export function decode(octets: Bytes): Value {
  if (octets.length > MAX_SIZE) throw new FormatError(`${octets.length} bytes of CBOR are more than a block holds`);
  const decoder = new Decoder(octets);
  const value = decoder.value(0);
  decoder.end();
  return value;
}

class Decoder {
  readonly #octets: Bytes;
  #position = 0;

  constructor(octets: Bytes) {
    this.#octets = octets;
  }

  /** The next value, inside `depth` arrays and maps. */
  value(depth: number): Value {
    const [major, argument] = this.#head();
    switch (major) {
      case Major.UINT:
        return argument;
      case Major.NEGATIVE:
        return -1n - argument;
      case Major.BYTES:
        return copy(this.#take(argument));
      case Major.TEXT:
        return decodeText(this.#take(argument));
      case Major.ARRAY:
        return Array.from({ length: this.#count(argument, 1n, depth) }, () => this.value(depth + 1));
      case Major.MAP:
        return this.#map(this.#count(argument, 2n, depth), depth + 1);
      default:
        return simple(major, argument);
    }
  }

  /** Refuse bytes behind the value. */
  end(): void {
    if (this.#position !== this.#octets.length) throw new FormatError("bytes follow the CBOR value");
  }

  #map(size: number, depth: number): CborMap {
    const map: CborMap = new Map();
    let before: Bytes | null = null;
    for (let index = 0; index < size; index += 1) {
      const start = this.#position;
      const key = this.value(depth);
      if (typeof key !== "bigint" && typeof key !== "string")
        throw new FormatError("a map key must be an integer or text");
      const encoded = this.#octets.slice(start, this.#position);
      if (before !== null && compare(before, encoded) >= 0) {
        throw new FormatError("the keys of a map are not in their order, or one is there twice");
      }
      before = encoded;
      map.set(key, this.value(depth));
    }
    return map;
  }

  /** Major type and argument of the next head (RFC 8949 §3), the argument in its shortest form. */
  #head(): [major: number, argument: bigint] {
    const [first = 0] = this.#take(1n);
    const [major, short] = [first >> 5, first & 31];
    if (short < 24) return [major, BigInt(short)];
    const size = ARGUMENT_SIZES[short - 24];
    if (size === undefined || major === Major.SIMPLE) {
      throw new FormatError("the CBOR has an indefinite length, a float or a simple value that the formats leave out");
    }
    const argument = toUint(this.#take(BigInt(size)));
    if (argument < (size === 1 ? 24n : 1n << BigInt(4 * size)))
      throw new FormatError("a number is not in its shortest form");
    return [major, argument];
  }

  #take(size: bigint): Bytes {
    if (size > BigInt(this.#octets.length - this.#position)) throw new FormatError("the CBOR ends too early");
    const start = this.#position;
    this.#position += Number(size);
    return this.#octets.subarray(start, this.#position);
  }

  /** How many items an array or map has, each of at least `least` bytes. */
  #count(argument: bigint, least: bigint, depth: number): number {
    if (depth === MAX_DEPTH) throw new FormatError("the CBOR is nested too deeply");
    if (argument * least > BigInt(this.#octets.length - this.#position)) {
      throw new FormatError("the CBOR declares more than there is");
    }
    return Number(argument);
  }
}

function simple(major: number, argument: bigint): Value {
  const value = major === Major.SIMPLE ? SIMPLE_VALUES.get(argument) : undefined;
  if (value === undefined) throw new FormatError("the CBOR uses a tag or a simple value that the formats leave out");
  return value;
}

function decodeText(octets: Bytes): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(octets);
  } catch (cause) {
    throw new FormatError("a text is not valid UTF-8", { cause });
  }
}

function encodeText(text: string): Bytes {
  if (!text.isWellFormed()) throw new FormatError("a text is not valid Unicode");
  const octets = utf8(text);
  return concat(head(Major.TEXT, BigInt(octets.length)), octets);
}

function encodeMap(map: CborMap): Bytes {
  const pairs = [...map].map(([key, value]): [Bytes, Bytes] => [encode(key), encode(value)]);
  pairs.sort(([one], [other]) => compare(one, other));
  return concat(head(Major.MAP, BigInt(pairs.length)), ...pairs.flat());
}

function head(major: number, argument: bigint): Bytes {
  if (argument < 24n) return Uint8Array.of((major << 5) | Number(argument));
  const index = ARGUMENT_SIZES.findIndex((size) => argument < 1n << BigInt(8 * size));
  if (index < 0) throw new FormatError("an integer does not fit into 64 bits");
  return concat(Uint8Array.of((major << 5) | (24 + index)), uintBytes(argument, ARGUMENT_SIZES[index] ?? 0));
}

/** `value` if it is an integer within the bounds. */
export function uint(value: Value | undefined, what: string, maximum = MAX_UINT, minimum = 0n): bigint {
  if (typeof value !== "bigint" || value < minimum || value > maximum) {
    throw new FormatError(`${what} is not an integer from ${minimum} to ${maximum}`);
  }
  return value;
}

/** The same for what a JavaScript number holds. */
export function small(value: Value | undefined, what: string, maximum: number, minimum = 0): number {
  return Number(uint(value, what, BigInt(maximum), BigInt(minimum)));
}

/** `value` if it is a byte string (of `size` bytes). */
export function octets(value: Value | undefined, what: string, size?: number): Bytes {
  if (!(value instanceof Uint8Array) || (size !== undefined && value.length !== size)) {
    throw new FormatError(`${what} is not ${size === undefined ? "bytes" : `${size} bytes`}`);
  }
  return value;
}

/** `value` if it is text. */
export function text(value: Value | undefined, what: string): string {
  if (typeof value !== "string") throw new FormatError(`${what} is not text`);
  return value;
}

/** `value` if it is an array (of `size` items). */
export function array(value: Value | undefined, what: string, size?: number): Value[] {
  if (!Array.isArray(value) || (size !== undefined && value.length !== size)) {
    throw new FormatError(`${what} is not an array${size === undefined ? "" : ` of ${size}`}`);
  }
  return value;
}

/** `value` if it is a map. */
export function mapping(value: Value | undefined, what: string): CborMap {
  if (!(value instanceof Map)) throw new FormatError(`${what} is not a map`);
  return value;
}

/** Typed access to a decoded map that must have exactly the given text keys. Every method throws `FormatError`. */
export class Fields {
  readonly #map: CborMap;
  readonly #what: string;

  constructor(value: Value, what: string, keys: readonly string[], optional: readonly string[] = []) {
    this.#map = mapping(value, what);
    this.#what = what;
    const known = new Set<bigint | string>([...keys, ...optional]);
    if (!keys.every((key) => this.#map.has(key)) || ![...this.#map.keys()].every((key) => known.has(key))) {
      throw new FormatError(`${what} lacks a key or has one that is unknown`);
    }
  }

  has(key: string): boolean {
    return this.#map.has(key);
  }

  value(key: string): Value {
    return this.#map.get(key) ?? null;
  }

  uint(key: string, maximum = MAX_UINT): bigint {
    return uint(this.#map.get(key), this.#name(key), maximum);
  }

  small(key: string, maximum: number): number {
    return small(this.#map.get(key), this.#name(key), maximum);
  }

  octets(key: string, size?: number): Bytes {
    return octets(this.#map.get(key), this.#name(key), size);
  }

  text(key: string): string {
    return text(this.#map.get(key), this.#name(key));
  }

  array(key: string, size?: number): Value[] {
    return array(this.#map.get(key), this.#name(key), size);
  }

  /** Refuse a document whose `v` is another than `version`. */
  requireVersion(version: bigint): void {
    if (this.uint("v") !== version) throw new FormatError(`${this.#what} is of another version`);
  }

  #name(key: string): string {
    return `${this.#what}: ${key}`;
  }
}
