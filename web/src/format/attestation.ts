/** What an envelope holds beside the content: metadata, the author's signature, and salts (docs/format.md §4). */

import { type Bytes, random } from "./bytes.ts";
import { decode, encode, Fields, mapOf } from "./cbor.ts";
import { FormatError, StatementMismatch } from "./errors.ts";
import { ADDRESS_SIZE, checkBytes, checkUint, type Place, SECRET_SIZE } from "./keys.ts";
import { Metadata } from "./metadata.ts";
import { pad, unpad } from "./padding.ts";
import { claimOf, type Statement, statementDigest, statementTypedData } from "./statement.ts";
import { type CheckContractSignature, isSignedBy, MAX_SIGNATURE_SIZE, sign, type SignTypedData } from "./typed-data.ts";

const KEYS = ["metadata", "claimSalt", "leafSalt", "author", "onBehalfOf", "time", "replaces", "content", "signature"];

/**
 * Metadata and the author's signed word for them. It stays the same whichever key the record is sealed to.
 *
 * Warning: nothing here is true before `verifyAttestation` has returned.
 */
export interface Attestation {
  readonly metadata: Metadata;
  /** 32 random bytes, in the claim. */
  readonly claimSalt: Bytes;
  /** 32 random bytes, in the Merkle tree. */
  readonly leafSalt: Bytes;
  /** Address of the signer. */
  readonly author: Bytes;
  /** Whom the author acted for. */
  readonly onBehalfOf: Bytes;
  /** When the author signed, Unix time. */
  readonly time: bigint;
  /** 0, or entry number × 2^32 + leaf of the record that this one corrects. */
  readonly replaces: bigint;
  /** The Merkle root. */
  readonly content: Bytes;
  readonly signature: Bytes;
}

/** The statement that was signed, if the attestation belongs to that record of that patient. */
export async function statementOf(attestation: Attestation, place: Place, recordId: Bytes): Promise<Statement> {
  const { metadata, onBehalfOf, time, content, replaces } = attestation;
  return { place, recordId, onBehalfOf, time, metadata: await metadata.digest(), content, replaces };
}

/** The claim on chain, 32 bytes. */
export async function claimOfAttestation(attestation: Attestation, place: Place, recordId: Bytes): Promise<Bytes> {
  const { claimSalt, signature } = attestation;
  return claimOf(await statementOf(attestation, place, recordId), claimSalt, signature);
}

/**
 * Check that the author signed this about that record of that patient.
 *
 * @throws StatementMismatch the author did not.
 */
export async function verifyAttestation(
  attestation: Attestation,
  place: Place,
  recordId: Bytes,
  checkContract?: CheckContractSignature,
): Promise<void> {
  const digest = statementDigest(await statementOf(attestation, place, recordId));
  if (!(await isSignedBy(attestation.author, digest, attestation.signature, checkContract))) {
    throw new StatementMismatch("the author named in a record did not sign its statement");
  }
}

/** The padded document that is sealed into the envelope. */
export function attestationBytes(attestation: Attestation): Bytes {
  const { metadata, ...rest } = attestation;
  return pad(encode(mapOf({ metadata: metadata.asMap(), ...rest })));
}

/**
 * Read the padded document.
 *
 * @throws FormatError it is not one.
 */
export function parseAttestation(padded: Bytes): Attestation {
  const fields = new Fields(decode(unpad(padded)), "the sealed metadata", KEYS);
  const signature = fields.octets("signature");
  if (signature.length === 0 || signature.length > MAX_SIGNATURE_SIZE) {
    throw new FormatError(`a signature has ${signature.length} bytes`);
  }
  return {
    metadata: Metadata.fromMap(fields.value("metadata")),
    claimSalt: fields.octets("claimSalt", SECRET_SIZE),
    leafSalt: fields.octets("leafSalt", SECRET_SIZE),
    author: fields.octets("author", ADDRESS_SIZE),
    onBehalfOf: fields.octets("onBehalfOf", ADDRESS_SIZE),
    time: fields.uint("time"),
    replaces: fields.uint("replaces"),
    content: fields.octets("content", SECRET_SIZE),
    signature,
  };
}

/** What an author is about to sign. */
export interface Draft {
  readonly metadata: Metadata;
  readonly author: Bytes;
  readonly onBehalfOf: Bytes;
  readonly time: bigint;
  /** The root that `ContentSealer` computed. */
  readonly content: Bytes;
  /** What `ContentSealer` was given. */
  readonly leafSalt: Bytes;
  readonly replaces?: bigint;
}

/**
 * Have the author's wallet sign a statement, and check what it signed. The salt of the claim is drawn here.
 *
 * @throws InvalidInput a value cannot be used, or the wallet signed with another key or something else.
 */
export async function attest(
  signTypedData: SignTypedData,
  place: Place,
  recordId: Bytes,
  draft: Draft,
  checkContract?: CheckContractSignature,
): Promise<Attestation> {
  const unsigned: Attestation = {
    metadata: draft.metadata,
    claimSalt: random(SECRET_SIZE),
    leafSalt: checkBytes(draft.leafSalt, SECRET_SIZE, "the leaf salt"),
    author: checkBytes(draft.author, ADDRESS_SIZE, "the author's address"),
    onBehalfOf: checkBytes(draft.onBehalfOf, ADDRESS_SIZE, "the principal's address"),
    time: checkUint(draft.time, "the time"),
    replaces: checkUint(draft.replaces ?? 0n, "the replaced record"),
    content: checkBytes(draft.content, SECRET_SIZE, "the Merkle root"),
    signature: new Uint8Array(),
  };
  const statement = await statementOf(unsigned, place, recordId);
  const [document, digest] = [statementTypedData(statement), statementDigest(statement)];
  return { ...unsigned, signature: await sign(signTypedData, unsigned.author, document, digest, checkContract) };
}
