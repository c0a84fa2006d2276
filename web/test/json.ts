/** The vectors of tests/vectors, and how their JSON stands for bytes, numbers and places. */

import { readFileSync } from "node:fs";

import type { Bytes } from "../src/format/bytes.ts";
import type { Place } from "../src/format/keys.ts";

/** What JSON may hold; the vectors are ours, so their shape is not checked here. */
export type Json = any;

/** The name of a file in tests/vectors, seen from where this is compiled to: web/build/test. */
export function vectors(name: string): Json {
  return JSON.parse(readFileSync(new URL(`../../../tests/vectors/${name}`, import.meta.url), "utf8"));
}

/** The bytes of hexadecimal digits, with or without 0x. */
export function unhex(digits: string): Bytes {
  const pairs = digits.replace(/^0x/, "").match(/../g) ?? [];
  return Uint8Array.from(pairs, (pair) => parseInt(pair, 16));
}

/** A place. */
export function placeOf({ chain, contract, patient }: Json): Place {
  return { chainId: BigInt(chain), contract: unhex(contract), patient: unhex(patient) };
}
