/** Padding, so that sizes tell little (docs/format.md §1): Padmé, and documents that carry their length. */

import { MAX_BLOCK } from "./blocks.ts";
import { type Bytes, copy, isZero, toUint, uintBytes } from "./bytes.ts";
import { FormatError, InvalidInput } from "./errors.ts";

const MIN_DOCUMENT = 512n;
const LENGTH_SIZE = 4;

/** The length to pad `length` bytes to, at least `length`. */
export function padme(length: bigint): bigint {
  if (length < 2n) return length;
  const exponent = BigInt(bitLength(length) - 1);
  const step = 1n << (exponent - BigInt(bitLength(exponent)));
  return ((length + step - 1n) / step) * step;
}

/** `length (4 bytes) ‖ document ‖ zeros`. */
export function pad(document: Bytes): Bytes {
  const size = paddedSize(document.length);
  if (size > MAX_BLOCK) throw new InvalidInput(`a document of ${document.length} bytes does not fit into a block`);
  const padded = new Uint8Array(size);
  padded.set(uintBytes(document.length, LENGTH_SIZE));
  padded.set(document, LENGTH_SIZE);
  return padded;
}

/**
 * The document that `pad` padded.
 *
 * @throws FormatError the length does not fit, the padding has another size than it must have, or is not zero.
 */
export function unpad(padded: Bytes): Bytes {
  if (padded.length > MAX_BLOCK) throw new FormatError("a padded document is larger than a block");
  const length = Number(toUint(padded.subarray(0, LENGTH_SIZE)));
  if (paddedSize(length) !== padded.length) {
    throw new FormatError("a padded document has another size than its length asks for");
  }
  if (!isZero(padded.subarray(LENGTH_SIZE + length))) throw new FormatError("the padding of a document is not zero");
  return copy(padded.subarray(LENGTH_SIZE, LENGTH_SIZE + length));
}

function paddedSize(length: number): number {
  const size = padme(BigInt(length + LENGTH_SIZE));
  return Number(size < MIN_DOCUMENT ? MIN_DOCUMENT : size);
}

function bitLength(value: bigint): number {
  return value.toString(2).length;
}
