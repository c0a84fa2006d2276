/** Merkle trees over content (RFC 6962 §2.1), with salted leaves (docs/format.md §5). */

import { type Bytes, concat, equal, hmac, sha256, uintBytes } from "./bytes.ts";
import { InvalidInput, StatementMismatch } from "./errors.ts";

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

/** The salt of leaf `index`, 32 bytes: what is shown with the leaf. */
export function leafSalt(salt: Bytes, index: number): Promise<Bytes> {
  return hmac(salt, uintBytes(index, 8));
}

/** The hash of the leaf that holds a chunk, 32 bytes. */
export function leafHash(ownSalt: Bytes, chunk: Uint8Array): Promise<Bytes> {
  return sha256(concat(LEAF, ownSalt, chunk));
}

function nodeHash(left: Bytes, right: Bytes): Promise<Bytes> {
  return sha256(concat(NODE, left, right));
}

/** Computes the root over leaves that come one after another, keeping one hash a level. */
export class RootBuilder {
  readonly #subtrees: { leaves: number; root: Bytes }[] = [];

  /** Add the hash of the next leaf. */
  async add(leaf: Bytes): Promise<void> {
    let subtree = { leaves: 1, root: leaf };
    for (let last = this.#subtrees.at(-1); last?.leaves === subtree.leaves; last = this.#subtrees.at(-1)) {
      this.#subtrees.pop();
      subtree = { leaves: 2 * subtree.leaves, root: await nodeHash(last.root, subtree.root) };
    }
    this.#subtrees.push(subtree);
  }

  /** The root over the leaves so far, 32 bytes. */
  async root(): Promise<Bytes> {
    const [last, ...larger] = this.#subtrees.toReversed();
    if (last === undefined) throw new InvalidInput("a Merkle tree needs a leaf");
    let root = last.root;
    for (const subtree of larger) root = await nodeHash(subtree.root, root);
    return root;
  }
}

/** The root over leaf hashes, 32 bytes. */
export async function merkleRoot(leaves: readonly Bytes[]): Promise<Bytes> {
  const builder = new RootBuilder();
  for (const leaf of leaves) await builder.add(leaf);
  return builder.root();
}

/** The hashes that prove leaf `index` of `leaves`, the nearest sibling first (RFC 6962 §2.1.1). */
export async function inclusionPath(leaves: readonly Bytes[], index: number): Promise<Bytes[]> {
  if (!(index in leaves)) throw new InvalidInput(`there is no leaf ${index} among ${leaves.length}`);
  if (leaves.length === 1) return [];
  const split = splitOf(leaves.length);
  const [left, right] = [leaves.slice(0, split), leaves.slice(split)];
  return index < split
    ? [...(await inclusionPath(left, index)), await merkleRoot(right)]
    : [...(await inclusionPath(right, index - split)), await merkleRoot(left)];
}

/**
 * Check that `leaf` is leaf `index` of `count` under `root`.
 *
 * @throws StatementMismatch the path does not lead from the leaf to the root.
 */
export async function verifyInclusion(
  root: Bytes,
  leaf: Bytes,
  index: number,
  count: number,
  path: readonly Bytes[],
): Promise<void> {
  const computed = index >= 0 && index < count ? await climb(leaf, index, count, path) : null;
  if (computed === null || !equal(computed, root)) {
    throw new StatementMismatch(`leaf ${index} of ${count} is not part of the content that was signed`);
  }
}

/** The root of a tree of `count` leaves from one leaf and its path, or null if the path has another length. */
async function climb(leaf: Bytes, index: number, count: number, path: readonly Bytes[]): Promise<Bytes | null> {
  if (count === 1) return path.length === 0 ? leaf : null;
  const sibling = path.at(-1);
  if (sibling === undefined) return null;
  const split = splitOf(count);
  const inLeft = index < split;
  const below = inLeft
    ? await climb(leaf, index, split, path.slice(0, -1))
    : await climb(leaf, index - split, count - split, path.slice(0, -1));
  if (below === null) return null;
  return inLeft ? nodeHash(below, sibling) : nodeHash(sibling, below);
}

/** The largest power of two below `count`. */
function splitOf(count: number): number {
  let split = 1;
  while (2 * split < count) split *= 2;
  return split;
}
