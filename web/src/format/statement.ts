/** The author's signed statement about a record, and the claim on chain that commits to it (docs/format.md §5). */

import { type Bytes, concat, sha256, utf8 } from "./bytes.ts";
import type { Place } from "./keys.ts";
import { type Message, type TypedData, TypedStruct } from "./typed-data.ts";

const CLAIM = utf8("medrec/1/claim");
const STATEMENT = new TypedStruct("Statement", [
  ["patient", "address"],
  ["recordId", "bytes16"],
  ["onBehalfOf", "address"],
  ["time", "uint64"],
  ["metadata", "bytes32"],
  ["content", "bytes32"],
  ["replaces", "uint64"],
]);

/** What the author of a record signs, as EIP-712 typed data in the contract's domain. */
export interface Statement {
  readonly place: Place;
  /** 16 bytes. */
  readonly recordId: Bytes;
  /** Whom the author acts for, an address. */
  readonly onBehalfOf: Bytes;
  /** When it is signed, Unix time. */
  readonly time: bigint;
  /** `Metadata.digest()`. */
  readonly metadata: Bytes;
  /** The Merkle root of the content. */
  readonly content: Bytes;
  /** 0, or entry number × 2^32 + leaf of the record that this one corrects. */
  readonly replaces: bigint;
}

/** The EIP-712 digest that is signed, 32 bytes. */
export function statementDigest(statement: Statement): Bytes {
  return STATEMENT.digest(statement.place, messageOf(statement));
}

/** The EIP-712 document as JSON has it, for a wallet to show and sign. */
export function statementTypedData(statement: Statement): TypedData {
  return STATEMENT.typedData(statement.place, messageOf(statement));
}

/** The claim that stands beside the record's pointer on chain, 32 bytes. */
export function claimOf(statement: Statement, salt: Bytes, signature: Bytes): Promise<Bytes> {
  return sha256(concat(CLAIM, salt, statementDigest(statement), signature));
}

function messageOf({ place, ...members }: Statement): Message {
  return { patient: place.patient, ...members };
}
