/**
 * Seals and opens on behalf of tests/integration/test_format_typescript.py: a line of JSON in, a line of JSON out.
 *
 * When a wallet has to sign, the line that goes out is `{"sign": document}`, and the next one in is the signature: the
 * wallet is on the other side.
 */

import { createInterface } from "node:readline";

import { attest } from "../src/format/attestation.ts";
import { pointerTo } from "../src/format/blocks.ts";
import { type Bytes, concat, random, toHex } from "../src/format/bytes.ts";
import { ContentReader, ContentSealer } from "../src/format/content.ts";
import {
  type Body,
  buildEnvelope,
  MAX_INLINE_SIZE,
  openDataKey,
  parseEnvelope,
  verifyEnvelope,
} from "../src/format/envelope.ts";
import type { HeldEpoch, Names } from "../src/format/epochs.ts";
import { MedRecError } from "../src/format/errors.ts";
import { buildGrantSeal, type GrantedEpoch, openGrantSeal, parseGrantSeal } from "../src/format/grant-seal.ts";
import { openAsReader, openAsRoot, parseKeyring } from "../src/format/keyring.ts";
import { DataKey, type EpochKeys, HistoryKey, KemSeed } from "../src/format/keys.ts";
import { Metadata } from "../src/format/metadata.ts";
import { buildKeyring } from "../src/format/new-keyring.ts";
import { buildProfile, parseProfile } from "../src/format/profile.ts";
import type { TypedData } from "../src/format/typed-data.ts";
import { type Json, placeOf, unhex } from "./json.ts";
import { all, READ, storeOf } from "./reading.ts";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** `[compartment, number, seed, history key or null]`. */
function rowOf({ id, keys }: GrantedEpoch | HeldEpoch): Json {
  return [id.compartment, id.number, toHex(keys.seed.expose()), keys.history && toHex(keys.history.expose())];
}

function grantedOf([compartment, number, seed, history]: Json): GrantedEpoch {
  return { id: { compartment, number }, keys: keysOf(seed, history) };
}

function keysOf(seed: string, history: string | null): EpochKeys {
  return { seed: new KemSeed(unhex(seed)), history: history === null ? null : new HistoryKey(unhex(history)) };
}

function namesOf(names: Json): Names {
  return new Map(Object.entries<string>(names).map(([number, name]) => [Number(number), name]));
}

const DO: Record<string, (job: Json) => Promise<Json>> = {
  /** The error by which inputs are refused, or null. */
  async refusal({ of, inputs }) {
    try {
      await READ[of]?.(inputs);
      return null;
    } catch (error) {
      if (error instanceof MedRecError) return error.name;
      throw error;
    }
  },

  async sealRecord({ place, to, publicKey, content, title, author, onBehalfOf, time, replaces }) {
    const [dataKey, recordId, leafSalt] = [DataKey.generate(), random(16), random(32)];
    const sealer = new ContentSealer([unhex(content)], dataKey, recordId, leafSalt);
    const chunks = await all(sealer);
    const attestation = await attest(signWithWallet, placeOf(place), recordId, {
      metadata: new Metadata(title, "text/plain; charset=utf-8", sealer.size, BigInt(time) - 1n),
      author: unhex(author),
      onBehalfOf: unhex(onBehalfOf),
      time: BigInt(time),
      content: sealer.root,
      leafSalt,
      replaces: BigInt(replaces),
    });
    const body = await bodyOf(concat(...chunks));
    const parts = { recordId, dataKey, body, attestation };
    const block = await buildEnvelope(placeOf(place), to, unhex(publicKey), parts);
    return { block: toHex(block), chunks: chunks.map(toHex) };
  },

  async openRecord({ place, block, seed, entry, sealed }) {
    const parsed = await parseEnvelope(unhex(block));
    const dataKey = await openDataKey(parsed, placeOf(place), new KemSeed(unhex(seed)));
    const record = await verifyEnvelope(parsed, dataKey, placeOf(place), {
      pointer: await pointerTo(unhex(block)),
      author: unhex(entry.author),
      onBehalfOf: unhex(entry.onBehalfOf),
      compartments: BigInt(entry.compartments),
      claim: unhex(entry.claim),
      replaces: BigInt(entry.replaces),
    });
    const content = concat(...(await all(record.content(sealed.map(unhex)))));
    const { metadata, time } = record.attestation;
    return { title: metadata.title, type: metadata.mediaType, time: String(time), content: toHex(content) };
  },

  async openRange({ dataKey, recordId, size, start, stop, chunks }) {
    const reader = new ContentReader(new DataKey(unhex(dataKey)), unhex(recordId), BigInt(size));
    const pieces = reader.readRange(start, stop, (index) => Promise.resolve(unhex(chunks[index])));
    return toHex(concat(...(await all(pieces))));
  },

  async sealKeyring({ place, version, epochs, readers, rootPublicKey, names, inbox }) {
    const made = await buildKeyring(placeOf(place), version, {
      epochs: epochs.map(({ row, start, back }: Json) => ({
        ...grantedOf(row),
        start: BigInt(start),
        back: new Map(back.map(([number, seed, history]: Json) => [number, keysOf(seed, history)])),
      })),
      readers: readers.map((reader: Json) => ({
        address: unhex(reader.address),
        publicKey: unhex(reader.publicKey),
        epochs: reader.epochs.map(([compartment, number]: number[]) => ({ compartment, number })),
        history: reader.history,
      })),
      rootPublicKey: unhex(rootPublicKey),
      names: namesOf(names),
      inbox: inbox && { number: inbox[0], publicKey: unhex(inbox[1]) },
    });
    return { block: toHex(made.block), pages: made.pages.map(toHex), compartments: String(made.compartments) };
  },

  async openKeyring({ place, version, compartments, block, pages, reader, seed, rootSeed }) {
    const keyring = parseKeyring(unhex(block), placeOf(place), version, BigInt(compartments));
    const held = await openAsReader(keyring, unhex(reader), new KemSeed(unhex(seed)), await storeOf(pages.map(unhex)));
    const { epochs, names } = await openAsRoot(keyring, new KemSeed(unhex(rootSeed)));
    return { held: held.map(rowOf), epochs: epochs.map(rowOf), names: Object.fromEntries(names) };
  },

  async sealGrant({ place, grantee, version, publicKey, epochs, names }) {
    const granted = { epochs: epochs.map(grantedOf), names: namesOf(names) };
    return toHex(await buildGrantSeal(placeOf(place), unhex(grantee), version, unhex(publicKey), granted));
  },

  async openGrant({ place, grantee, version, seed, block }) {
    const seal = parseGrantSeal(unhex(block), placeOf(place), unhex(grantee), version);
    const { epochs, names } = await openGrantSeal(seal, new KemSeed(unhex(seed)));
    return { epochs: epochs.map(rowOf), names: Object.fromEntries(names) };
  },

  async sealProfile({ place, account, number, publicKey, name, endpoints, time }) {
    const draft = { account: unhex(account), number, publicKey: unhex(publicKey), name, endpoints, time: BigInt(time) };
    return toHex(await buildProfile(signWithWallet, placeOf(place), draft));
  },

  async openProfile({ place, account, block }) {
    const { number, publicKey, name, endpoints, time } = await parseProfile(unhex(block)).verify(
      placeOf(place),
      unhex(account),
    );
    return { number, publicKey: toHex(publicKey), name, endpoints, time: String(time) };
  },
};

/** The sealed content itself if it is short, else a file; its CID is made up, for none is asked for. */
async function bodyOf(sealed: Bytes): Promise<Body> {
  if (sealed.length <= MAX_INLINE_SIZE) return sealed;
  const cid = concat(Uint8Array.of(1, 0x70, 0x12, 0x20), await pointerTo(sealed));
  return { cid, size: BigInt(sealed.length) };
}

async function signWithWallet(document: TypedData): Promise<Bytes> {
  answer({ sign: document });
  const { value } = await lines.next();
  return unhex(JSON.parse(value).signature);
}

function answer(line: Json): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

for (;;) {
  const { value, done } = await lines.next();
  if (done) break;
  const job = JSON.parse(value);
  try {
    answer({ answer: await DO[job.do]?.(job) });
  } catch (error) {
    if (!(error instanceof MedRecError)) throw error;
    answer({ error: error.name, message: error.message });
  }
}
