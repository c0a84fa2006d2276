/** How `refusals.json` is read: for each kind of group, what is done with its inputs. */

import { shake256 } from "@noble/hashes/sha3.js";

import { claimOfAttestation, parseAttestation, verifyAttestation } from "../src/format/attestation.ts";
import { type Fetch, fetchBlock } from "../src/format/blocks.ts";
import { type Bytes, concat, copy, equal, sha256, toHex } from "../src/format/bytes.ts";
import { decode } from "../src/format/cbor.ts";
import { ContentReader, ContentSealer } from "../src/format/content.ts";
import { openDataKey, parseEnvelope, verifyEnvelope } from "../src/format/envelope.ts";
import { type Epoch, walkBack } from "../src/format/epochs.ts";
import { parseErasure } from "../src/format/erasure.ts";
import { StatementMismatch } from "../src/format/errors.ts";
import { openGrantSeal, parseGrantSeal } from "../src/format/grant-seal.ts";
import { openAsReader, openAsRoot, parseKeyring } from "../src/format/keyring.ts";
import { DataKey, HistoryKey, KemSeed } from "../src/format/keys.ts";
import { parseManifest } from "../src/format/manifest.ts";
import { verifyInclusion } from "../src/format/merkle.ts";
import { unpad } from "../src/format/padding.ts";
import { parseProfile } from "../src/format/profile.ts";
import { byNumber, CURRENT } from "../src/format/suites.ts";
import { recover } from "../src/format/typed-data.ts";
import { type Json, placeOf, unhex } from "./json.ts";

/** SHAKE256 of a name: the content of that size. */
export function some(name: string, size: number): Bytes {
  return copy(shake256(new TextEncoder().encode(name), { dkLen: size }));
}

/** All that an asynchronous iterable gives. */
export async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** A store of the pages, which answers with the first one if it is asked for another. */
export async function storeOf(pages: readonly Bytes[]): Promise<Fetch> {
  const known = new Map(await Promise.all(pages.map(async (page) => [toHex(await sha256(page)), page] as const)));
  return (pointer) => Promise.resolve(known.get(toHex(pointer)) ?? pages[0] ?? new Uint8Array());
}

async function readAttestation(i: Json): Promise<void> {
  const [attestation, place, recordId] = [parseAttestation(unhex(i.document)), placeOf(i.place), unhex(i.recordId)];
  await verifyAttestation(attestation, place, recordId);
  const claim = await claimOfAttestation(attestation, place, recordId);
  if (!equal(claim, unhex(i.claim))) throw new StatementMismatch("another claim");
}

async function readContent(i: Json): Promise<void> {
  const dataKey = new DataKey(unhex(i.dataKey));
  const sealer = new ContentSealer([some("content", i.size)], dataKey, unhex(i.recordId), unhex(i.leafSalt));
  const chunks = await all(sealer);
  const whole = concat(...i.order.map((number: number) => chunks[number]));
  const presented = concat(whole.subarray(0, whole.length - i.cut), new Uint8Array(i.added));
  if (i.flipped !== null) presented[i.flipped] = (presented[i.flipped] ?? 0) ^ 1;
  const reader = new ContentReader(new DataKey(unhex(i.readerKey)), unhex(i.readerRecordId), BigInt(i.readerSize));
  await all(reader.readAll([presented], unhex(i.readerSalt), unhex(i.root)));
}

async function readEnvelope(i: Json): Promise<void> {
  const [block, place] = [unhex(i.block), placeOf(i.place)];
  const parsed = await parseEnvelope(block);
  const dataKey = await openDataKey(parsed, place, new KemSeed(unhex(i.seed)));
  const entry = {
    pointer: i.pointer === null ? await sha256(block) : unhex(i.pointer),
    author: unhex(i.author),
    onBehalfOf: unhex(i.onBehalfOf),
    compartments: BigInt(i.compartments),
    claim: unhex(i.claim),
    replaces: BigInt(i.replaces),
  };
  const record = await verifyEnvelope(parsed, dataKey, place, entry);
  await all(record.content());
}

async function readKeyring(i: Json): Promise<void> {
  const keyring = parseKeyring(unhex(i.block), placeOf(i.place), i.version, BigInt(i.compartments));
  const fetch = await storeOf(i.pages.map(unhex));
  await openAsReader(keyring, unhex(i.reader), new KemSeed(unhex(i.seed)), fetch);
  await openAsRoot(keyring, new KemSeed(unhex(i.rootSeed)));
}

/** A published epoch, of `[compartment, number, public key, back-links]`. */
export function epochOf([compartment, number, publicKey, back]: Json): Epoch {
  const links = back.map(([earlier, link]: [number, string]) => [earlier, unhex(link)]);
  return { id: { compartment, number }, suite: CURRENT, start: 0n, publicKey: unhex(publicKey), back: new Map(links) };
}

async function readBackLinks(i: Json): Promise<void> {
  const keys = { seed: new KemSeed(unhex(i.seed)), history: new HistoryKey(unhex(i.historyKey)) };
  const [compartment, number] = i.start;
  await all(walkBack(placeOf(i.place), i.epochs.map(epochOf), { id: { compartment, number }, keys }));
}

/** What is done with the inputs of each kind of group; it ends, or throws. */
export const READ: Record<string, (inputs: Json) => unknown> = {
  cbor: (i) => decode(unhex(i.bytes)),
  block: (i) => fetchBlock(() => Promise.resolve(unhex(i.block)), unhex(i.pointer)),
  padding: (i) => unpad(unhex(i.padded)),
  publicKey: (i) => byNumber(BigInt(i.suite)).checkPublicKey(unhex(i.publicKey)),
  seal: (i) => {
    const sealed = { enc: unhex(i.enc), ciphertext: unhex(i.ciphertext) };
    return byNumber(BigInt(i.suite)).open(new KemSeed(unhex(i.seed)), unhex(i.info), sealed);
  },
  signature: (i) => recover(unhex(i.digest), unhex(i.signature)),
  attestation: readAttestation,
  content: readContent,
  merkle: (i) => verifyInclusion(unhex(i.root), unhex(i.leaf), i.index, i.count, i.path.map(unhex)),
  envelope: readEnvelope,
  keyring: readKeyring,
  backLinks: readBackLinks,
  grantSeal: (i) => {
    const seal = parseGrantSeal(unhex(i.block), placeOf(i.place), unhex(i.grantee), i.version);
    return openGrantSeal(seal, new KemSeed(unhex(i.seed)));
  },
  profile: (i) => parseProfile(unhex(i.block)).verify(placeOf(i.place), unhex(i.account)),
  erasure: async (i) => all(parseErasure(unhex(i.block), placeOf(i.place)).entries(await storeOf(i.pages.map(unhex)))),
  manifest: async (i) => all(parseManifest(unhex(i.block), placeOf(i.place)).rows(await storeOf(i.pages.map(unhex)))),
};

/** The inputs after a change. `{"splice": [offset, length, digits]}` replaces so many bytes of what was there. */
export function changed(inputs: Json, change: Json): Json {
  const applied = Object.entries<Json>(change).map(([name, value]) => [name, spliced(inputs[name], value)]);
  return { ...inputs, ...Object.fromEntries(applied) };
}

function spliced(old: Json, value: Json): Json {
  if (!Array.isArray(value?.splice)) return value;
  const [offset, length, digits] = value.splice;
  return old.slice(0, 2 * offset) + digits + old.slice(2 * (offset + length));
}
