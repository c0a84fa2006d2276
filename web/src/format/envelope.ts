/**
 * The envelope: the block that a record's entry points to (docs/format.md §4).
 *
 * Opening one goes in steps, each with its own type, so that unchecked bytes cannot pass for a record:
 *
 *     block ── parseEnvelope ──> UnverifiedEnvelope ── openDataKey (needs a private key) ──> DataKey
 *                                        └── verifyEnvelope (needs data key and entry) ──> VerifiedRecord
 */

import {
  type Attestation,
  attestationBytes,
  claimOfAttestation,
  parseAttestation,
  verifyAttestation,
} from "./attestation.ts";
import { checkCid, checkSize, pointerTo } from "./blocks.ts";
import { type Bytes, equal } from "./bytes.ts";
import { array, type CborMap, decode, encode, Fields, mapOf, octets, small, uint, type Value } from "./cbor.ts";
import { ContentReader, sealedSize, type Source } from "./content.ts";
import { ContentTampered, ContentTruncated, FormatError, InvalidInput, StatementMismatch } from "./errors.ts";
import {
  checkNumber,
  context,
  DataKey,
  type KemSeed,
  MAX_COMPARTMENT,
  MAX_NUMBER,
  type Place,
  placeItems,
  RECORD_ID_SIZE,
  SECRET_SIZE,
} from "./keys.ts";
import { byNumber, CURRENT, type Sealed, type Suite } from "./suites.ts";
import type { CheckContractSignature } from "./typed-data.ts";

/** Sealed content of at most so many bytes stands in the envelope. */
export const MAX_INLINE_SIZE = 32 * 1024;

const VERSION = 1n;
const KEYS = ["v", "suite", "contentSuite", "id", "to", "enc", "key", "commitment", "body", "meta"];
const VERIFIED = Symbol("verified");

/** What an envelope is sealed to. */
export const Kind = { EPOCH: 0, INBOX: 1 } as const;

/** The key that an envelope is sealed to. */
export interface Destination {
  /** An epoch of the compartment (0), or the patient's inbox (1). */
  readonly kind: number;
  /** Where the record belongs, whichever key it is sealed to. */
  readonly compartment: number;
  /** Of the epoch or of the inbox. */
  readonly number: number;
}

/** Sealed content that stands outside the envelope. */
export interface ContentFile {
  /** CIDv1 of the IPFS file, 36 bytes. */
  readonly cid: Bytes;
  /** Sealed size in bytes. */
  readonly size: bigint;
}

/** The sealed content itself, or where it is. */
export type Body = Bytes | ContentFile;

/** What the chain says about a record. */
export interface Entry {
  /** SHA-256 of the envelope: the entry's, or the latest that a MOVED entry gives for it. */
  readonly pointer: Bytes;
  readonly author: Bytes;
  readonly onBehalfOf: Bytes;
  /** The entry's mask; bit c stands for compartment c. */
  readonly compartments: bigint;
  readonly claim: Bytes;
  /** Entry number × 2^32 + leaf, or 0. */
  readonly replaces: bigint;
}

/** An envelope that has the right form. Nothing in it was checked against a key or the chain. */
export interface UnverifiedEnvelope {
  /** By which the data key and the metadata are sealed. */
  readonly suite: Suite;
  /** By which the content is sealed. */
  readonly contentSuite: Suite;
  readonly recordId: Bytes;
  readonly to: Destination;
  /** The data key, sealed. */
  readonly sealedKey: Sealed;
  readonly commitment: Bytes;
  readonly body: Body;
  readonly meta: Bytes;
  /** SHA-256 of the block. */
  readonly pointer: Bytes;
}

/** A record whose parts fit each other and the entry on chain. Only `verifyEnvelope` makes one. */
export class VerifiedRecord {
  readonly place: Place;
  readonly recordId: Bytes;
  readonly to: Destination;
  readonly contentSuite: Suite;
  readonly body: Body;
  /** Metadata, author, time and signature, now verified. */
  readonly attestation: Attestation;
  readonly pointer: Bytes;
  readonly #dataKey: DataKey;

  constructor(proof: symbol, envelope: UnverifiedEnvelope, dataKey: DataKey, place: Place, attestation: Attestation) {
    if (proof !== VERIFIED) throw new InvalidInput("a VerifiedRecord comes from verifyEnvelope() only");
    this.place = place;
    this.recordId = envelope.recordId;
    this.to = envelope.to;
    this.contentSuite = envelope.contentSuite;
    this.body = envelope.body;
    this.attestation = attestation;
    this.pointer = envelope.pointer;
    this.#dataKey = dataKey;
  }

  /** Opens the sealed chunks. */
  reader(): ContentReader {
    return new ContentReader(this.#dataKey, this.recordId, this.attestation.metadata.size, this.contentSuite);
  }

  /**
   * The content, in pieces; see `ContentReader.readAll` for errors and for the warning.
   *
   * @param source The sealed bytes, where `body` is a `ContentFile`.
   */
  content(source?: Source): AsyncGenerator<Bytes> {
    const sealed = this.body instanceof Uint8Array ? [this.body] : source;
    if (sealed === undefined) throw new InvalidInput("the content stands outside its envelope: give its sealed bytes");
    return this.reader().readAll(sealed, this.attestation.leafSalt, this.attestation.content);
  }

  /**
   * A new envelope around the same data key and content, for another epoch of the same compartment. Statement,
   * signature and salts stay, so the claim on chain stays true.
   */
  rewrap(to: Destination, publicKey: Bytes, suite: Suite = CURRENT): Promise<Bytes> {
    if (to.compartment !== this.to.compartment) throw new InvalidInput("a record never changes its compartment");
    const { place, recordId, body, attestation, contentSuite } = this;
    const parts = { recordId, dataKey: this.#dataKey, body, attestation };
    return buildEnvelope(place, to, publicKey, parts, suite, contentSuite);
  }
}

/** What an envelope is made of. */
export interface EnvelopeParts {
  readonly recordId: Bytes;
  /** That the content is sealed with. */
  readonly dataKey: DataKey;
  /** The sealed content if it has at most `MAX_INLINE_SIZE` bytes, else where it is. */
  readonly body: Body;
  readonly attestation: Attestation;
}

/**
 * Seal a record's envelope.
 *
 * @param suite Of the public key.
 * @param contentSuite By which the content is sealed.
 * @throws InvalidInput the body does not fit the metadata, or stands on the wrong side of `MAX_INLINE_SIZE`.
 * @throws FormatError nothing can be sealed to the public key, or the CID is none.
 */
export async function buildEnvelope(
  place: Place,
  to: Destination,
  publicKey: Bytes,
  { recordId, dataKey, body, attestation }: EnvelopeParts,
  suite: Suite = CURRENT,
  contentSuite: Suite = CURRENT,
): Promise<Bytes> {
  checkDestination(to);
  if (bodySize(body) !== sealedSize(attestation.metadata.size) || !standsWhereItMust(body)) {
    throw new InvalidInput(
      "the sealed content has another size than the metadata ask for, or stands in the wrong place",
    );
  }
  const info = infoOf(suite, contentSuite, place, to, recordId);
  const sealedKey = await suite.seal(publicKey, info, dataKey.expose());
  const commitment = await dataKey.commitment(contentSuite.number, recordId);
  const header = headerOf({ suite, contentSuite, recordId, to, sealedKey, commitment, body });
  const key = await dataKey.metadataKey(suite.number, recordId, sealedKey.enc);
  const nonce = new Uint8Array(suite.nonceSize);
  const meta = await suite.encrypt(key, nonce, attestationBytes(attestation), encode(header));
  return checkSize(encode(header.set("meta", meta)), "the envelope");
}

/**
 * Read an envelope. Needs no key and checks the form alone.
 *
 * @throws FormatError the block is no envelope of this version.
 * @throws UnknownSuite it or its content is sealed by a suite that this module does not have.
 */
export async function parseEnvelope(block: Bytes): Promise<UnverifiedEnvelope> {
  const fields = new Fields(decode(block), "the envelope", KEYS);
  fields.requireVersion(VERSION);
  const suite = byNumber(fields.uint("suite"));
  return {
    suite,
    contentSuite: byNumber(fields.uint("contentSuite")),
    recordId: fields.octets("id", RECORD_ID_SIZE),
    to: parseDestination(fields.array("to", 3)),
    sealedKey: {
      enc: fields.octets("enc", suite.encSize),
      ciphertext: fields.octets("key", SECRET_SIZE + suite.tagSize),
    },
    commitment: fields.octets("commitment", SECRET_SIZE),
    body: parseBody(fields.value("body")),
    meta: fields.octets("meta"),
    pointer: await pointerTo(block),
  };
}

/**
 * Open the data key, and nothing else.
 *
 * @param place Where the envelope was found; one that was moved from elsewhere does not open.
 * @param seed Of the epoch or inbox that the envelope names.
 * @throws WrongKey it is sealed to another key, for another place, compartment, epoch or record, or was changed.
 * @throws ContentTampered the envelope commits to another data key than it holds.
 */
export async function openDataKey(envelope: UnverifiedEnvelope, place: Place, seed: KemSeed): Promise<DataKey> {
  const { suite, contentSuite, to, recordId, sealedKey } = envelope;
  const dataKey = new DataKey(await suite.open(seed, infoOf(suite, contentSuite, place, to, recordId), sealedKey));
  await checkCommitment(envelope, dataKey);
  return dataKey;
}

/**
 * Open the metadata and check everything that can be checked without the content.
 *
 * @param entry What the chain says about the record.
 * @param checkContract Asks an author with code (ERC-1271); without it such authors are refused.
 * @throws ContentTampered the envelope commits to another data key, or the metadata were changed or moved.
 * @throws FormatError the metadata have the wrong form.
 * @throws StatementMismatch the author named did not sign, or the record is not that of the entry.
 * @throws ContentTruncated the body has another size than the metadata ask for.
 */
export async function verifyEnvelope(
  envelope: UnverifiedEnvelope,
  dataKey: DataKey,
  place: Place,
  entry: Entry,
  checkContract?: CheckContractSignature,
): Promise<VerifiedRecord> {
  await checkCommitment(envelope, dataKey);
  const attestation = await openMetadata(envelope, dataKey);
  await checkEntry(envelope, attestation, place, entry);
  await verifyAttestation(attestation, place, envelope.recordId, checkContract);
  if (bodySize(envelope.body) !== sealedSize(attestation.metadata.size)) {
    throw new ContentTruncated("the sealed content has another size than the metadata ask for");
  }
  return new VerifiedRecord(VERIFIED, envelope, dataKey, place, attestation);
}

function infoOf(suite: Suite, contentSuite: Suite, place: Place, to: Destination, recordId: Bytes): Bytes {
  const suites = [BigInt(suite.number), BigInt(contentSuite.number)];
  return context("medrec/1/record", ...suites, ...placeItems(place), ...destinationItems(to), recordId);
}

/** The envelope's map without `meta`: what the sealed metadata are bound to. */
function headerOf(envelope: Omit<UnverifiedEnvelope, "meta" | "pointer">): CborMap {
  const { body } = envelope;
  return mapOf({
    v: VERSION,
    suite: BigInt(envelope.suite.number),
    contentSuite: BigInt(envelope.contentSuite.number),
    id: envelope.recordId,
    to: destinationItems(envelope.to),
    enc: envelope.sealedKey.enc,
    key: envelope.sealedKey.ciphertext,
    commitment: envelope.commitment,
    body: body instanceof Uint8Array ? body : [checkCid(body.cid), body.size],
  });
}

function destinationItems({ kind, compartment, number }: Destination): bigint[] {
  return [BigInt(kind), BigInt(compartment), BigInt(number)];
}

function checkDestination({ kind, compartment, number }: Destination): void {
  checkNumber(kind, "the kind of an envelope", Kind.INBOX);
  checkNumber(compartment, "the compartment", MAX_COMPARTMENT);
  checkNumber(number, "the number of the epoch or inbox", MAX_NUMBER);
}

function parseDestination([kind, compartment, number]: Value[]): Destination {
  return {
    kind: small(kind, "the kind of an envelope", Kind.INBOX),
    compartment: small(compartment, "the compartment of an envelope", MAX_COMPARTMENT),
    number: small(number, "the number of an epoch or inbox", MAX_NUMBER),
  };
}

function parseBody(value: Value): Body {
  const body = value instanceof Uint8Array ? value : parseContentFile(value);
  if (!standsWhereItMust(body)) {
    throw new FormatError(
      `sealed content stands in the envelope if and only if it has at most ${MAX_INLINE_SIZE} bytes`,
    );
  }
  return body;
}

function parseContentFile(value: Value): ContentFile {
  const [cid, size] = array(value, "the body of an envelope", 2);
  return { cid: checkCid(octets(cid, "the CID of the content")), size: uint(size, "the sealed size") };
}

function standsWhereItMust(body: Body): boolean {
  return body instanceof Uint8Array === bodySize(body) <= BigInt(MAX_INLINE_SIZE);
}

function bodySize(body: Body): bigint {
  return body instanceof Uint8Array ? BigInt(body.length) : body.size;
}

/** AES-GCM alone commits to no key: without this an author could show two readers two texts. */
async function checkCommitment(envelope: UnverifiedEnvelope, dataKey: DataKey): Promise<void> {
  const commitment = await dataKey.commitment(envelope.contentSuite.number, envelope.recordId);
  if (!equal(commitment, envelope.commitment)) throw new ContentTampered("the envelope commits to another data key");
}

async function openMetadata(envelope: UnverifiedEnvelope, dataKey: DataKey): Promise<Attestation> {
  const { suite, recordId, sealedKey, meta } = envelope;
  const key = await dataKey.metadataKey(suite.number, recordId, sealedKey.enc);
  const associated = encode(headerOf(envelope));
  return parseAttestation(await suite.decrypt(key, new Uint8Array(suite.nonceSize), meta, associated));
}

async function checkEntry(
  envelope: UnverifiedEnvelope,
  attestation: Attestation,
  place: Place,
  entry: Entry,
): Promise<void> {
  const claim = await claimOfAttestation(attestation, place, envelope.recordId);
  const facts: [string, boolean][] = [
    ["pointer", equal(envelope.pointer, entry.pointer)],
    ["compartment", ((entry.compartments >> BigInt(envelope.to.compartment)) & 1n) === 1n],
    ["author", equal(attestation.author, entry.author)],
    ["principal", equal(attestation.onBehalfOf, entry.onBehalfOf)],
    ["replaced record", attestation.replaces === entry.replaces],
    ["claim", equal(claim, entry.claim)],
  ];
  for (const [fact, holds] of facts) {
    if (!holds) throw new StatementMismatch(`the ${fact} of the record is not that of its entry on chain`);
  }
}
