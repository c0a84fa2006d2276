/** Blocks, their pointers and the CIDs of longer content (docs/format.md §1). */

import { type Bytes, equal, sha256, toHex } from "./bytes.ts";
import { BlockMismatch, FormatError } from "./errors.ts";

/** Size of the largest block in bytes. */
export const MAX_BLOCK = 1 << 20;
/** Bytes of a pointer. */
export const POINTER_SIZE = 32;

/** Gives the block that a pointer names; what it gives is checked. */
export type Fetch = (pointer: Bytes) => Promise<Bytes>;

const CID_SIZE = 36;
const CID_PREFIXES = [Uint8Array.of(1, 0x55, 0x12, 0x20), Uint8Array.of(1, 0x70, 0x12, 0x20)];

/** The pointer to a block: its SHA-256, 32 bytes. */
export const pointerTo = sha256;

/**
 * Fetch a block and check that it is the one that was asked for.
 *
 * @throws BlockMismatch the bytes do not hash to the pointer.
 * @throws FormatError the block is larger than a block can be.
 */
export async function fetchBlock(fetch: Fetch, pointer: Bytes): Promise<Bytes> {
  const block = checkSize(await fetch(pointer), "the block");
  if (!equal(await pointerTo(block), pointer)) {
    throw new BlockMismatch(`the store returned other bytes for ${toHex(pointer)}`);
  }
  return block;
}

/** `block` if it is no larger than a block can be. */
export function checkSize(block: Bytes, what: string): Bytes {
  if (block.length > MAX_BLOCK) throw new FormatError(`${what} has ${block.length} bytes, more than a block holds`);
  return block;
}

/** `cid` if it is a CIDv1 of a raw or dag-pb block by sha2-256, 36 bytes. */
export function checkCid(cid: Bytes): Bytes {
  const known = CID_PREFIXES.some((prefix) => equal(cid.subarray(0, prefix.length), prefix));
  if (cid.length !== CID_SIZE || !known) {
    throw new FormatError("not a CIDv1 of a raw or dag-pb block by sha2-256");
  }
  return cid;
}
