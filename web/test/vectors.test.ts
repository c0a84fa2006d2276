/** The vectors of tests/vectors: what Python wrote is read here, and what is deterministic is written the same. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inspect } from "node:util";

import { attestationBytes, parseAttestation } from "../src/format/attestation.ts";
import { type Bytes, concat, sha256, toHex } from "../src/format/bytes.ts";
import { decode, encode } from "../src/format/cbor.ts";
import { ContentReader, ContentSealer, sealedSize } from "../src/format/content.ts";
import { openDataKey, parseEnvelope, verifyEnvelope } from "../src/format/envelope.ts";
import { type HeldEpoch, sealBack, walkBack } from "../src/format/epochs.ts";
import { parseErasure } from "../src/format/erasure.ts";
import { openGrantSeal, parseGrantSeal } from "../src/format/grant-seal.ts";
import { nextWord, parseWord, wordOf } from "../src/format/head.ts";
import { openAsReader, openAsRoot, parseKeyring } from "../src/format/keyring.ts";
import { DataKey, type EpochKeys, HistoryKey, KemSeed, RootSecret } from "../src/format/keys.ts";
import { parseManifest } from "../src/format/manifest.ts";
import { inclusionPath, leafHash, leafSalt, merkleRoot, verifyInclusion } from "../src/format/merkle.ts";
import { Metadata } from "../src/format/metadata.ts";
import { pad, padme, unpad } from "../src/format/padding.ts";
import { parseProfile, profileDigest, profileTypedData } from "../src/format/profile.ts";
import { claimOf, statementDigest, statementTypedData } from "../src/format/statement.ts";
import { CURRENT } from "../src/format/suites.ts";
import { recover } from "../src/format/typed-data.ts";
import { type Json, placeOf, unhex, vectors } from "./json.ts";
import { all, epochOf, some, storeOf } from "./reading.ts";

/** `[compartment, number, seed, history key or null]`, as the vectors have it. */
function row({ id, keys }: HeldEpoch): Json[] {
  return [id.compartment, id.number, toHex(keys.seed.expose()), keys.history && toHex(keys.history.expose())];
}

function keysOf([, , seed, history]: Json[]): EpochKeys {
  return { seed: new KemSeed(unhex(seed)), history: history === null ? null : new HistoryKey(unhex(history)) };
}

describe("§1 conventions", () => {
  it("pads by Padmé", () => {
    for (const [length, padded] of vectors("padding.json").padme) assert.equal(padme(BigInt(length)), BigInt(padded));
  });

  it("pads documents", () => {
    for (const { document, padded } of vectors("padding.json").documents) {
      assert.equal(toHex(pad(unhex(document))), padded);
      assert.equal(toHex(unpad(unhex(padded))), document);
    }
  });

  it("opens what is sealed by suite 1", async () => {
    const { seed, publicKey, info, text, enc, ciphertext } = vectors("suite.json");
    const key = new KemSeed(unhex(seed));
    assert.equal(toHex(await CURRENT.publicKey(key)), publicKey);
    const opened = await CURRENT.open(key, unhex(info), { enc: unhex(enc), ciphertext: unhex(ciphertext) });
    assert.equal(toHex(opened), text);
  });
});

describe("§2 keys", () => {
  it("derives all keys", async () => {
    const v = vectors("keys.json");
    const [place, root] = [placeOf(v.place), await RootSecret.fromBip39Seed(unhex(v.bip39Seed))];
    const rootKey = await root.rootKey(1, place);
    assert.equal(toHex(root.expose()), v.rootSecret);
    assert.equal(toHex(rootKey.expose()), v.rootKey);
    assert.equal(toHex(await CURRENT.publicKey(rootKey)), v.rootPublicKey);
    const inboxKeys = await Promise.all([0, 1, 1000].map((number) => root.inboxKey(1, place, number)));
    assert.deepEqual(
      inboxKeys.map((key) => toHex(key.expose())),
      v.inboxKeys,
    );
    const profileKeys = await Promise.all([0, 1].map((number) => root.profileKey(1, place, unhex(v.account), number)));
    assert.deepEqual(
      profileKeys.map((key) => toHex(key.expose())),
      v.profileKeys,
    );
    const [dataKey, recordId] = [new DataKey(unhex(v.dataKey)), unhex(v.recordId)];
    assert.equal(toHex(await dataKey.contentKey(1, recordId)), v.contentKey);
    assert.equal(toHex(await dataKey.commitment(1, recordId)), v.commitment);
    assert.equal(toHex(await dataKey.metadataKey(1, recordId, unhex(v.enc))), v.metadataKey);
  });

  it("shows no secret in a text", () => {
    const secret = new DataKey(some("data key", 32));
    const shown = inspect({ secret }, { showHidden: true }) + JSON.stringify({ secret });
    assert.doesNotMatch(shown, new RegExp(toHex(secret.expose()).slice(0, 8)));
  });
});

describe("§3 content", () => {
  const v = vectors("content.json");
  const [dataKey, recordId, salt] = [new DataKey(unhex(v.dataKey)), unhex(v.recordId), unhex(v.leafSalt)];

  for (const { size, sealedSize: expected, root, sha256OfChunks, sealed } of v.cases) {
    it(`seals and opens ${size} bytes`, async () => {
      const content = some("content", size);
      const sealer = new ContentSealer(inPieces(content), dataKey, recordId, salt);
      const chunks = await all(sealer);
      assert.equal(sealedSize(BigInt(size)), BigInt(expected));
      assert.deepEqual(await Promise.all(chunks.map(async (chunk) => toHex(await sha256(chunk)))), sha256OfChunks);
      assert.equal(toHex(sealer.root), root);
      if (sealed !== undefined) assert.equal(toHex(concat(...chunks)), sealed);
      const reader = new ContentReader(dataKey, recordId, sealer.size);
      const opened = concat(...(await all(reader.readAll(inPieces(concat(...chunks)), salt, unhex(root)))));
      assert.ok(Buffer.from(opened).equals(content));
    });
  }

  for (const { size, start, stop, chunks: numbers, sha256: digest } of v.ranges) {
    it(`reads bytes ${start} to ${stop} of ${size} from chunks ${numbers}`, async () => {
      const chunks = await all(new ContentSealer([some("content", size)], dataKey, recordId, salt));
      const reader = new ContentReader(dataKey, recordId, BigInt(size));
      assert.deepEqual(reader.chunksFor(start, stop), numbers);
      const fetch = (index: number) => Promise.resolve(chunks[index] ?? new Uint8Array());
      const range = concat(...(await all(reader.readRange(start, stop, fetch))));
      assert.equal(toHex(await sha256(range)), digest);
    });
  }
});

function* inPieces(octets: Bytes): Generator<Bytes> {
  const size = 300_001;
  for (let start = 0; start < octets.length; start += size) yield octets.slice(start, start + size);
}

describe("§4 envelope", () => {
  const v = vectors("envelope.json");
  for (const [index, sealed] of v.cases.entries()) {
    it(`opens envelope ${index}`, async () => {
      const [block, place] = [unhex(sealed.block), placeOf(v.place)];
      const parsed = await parseEnvelope(block);
      assert.deepEqual([parsed.to.kind, parsed.to.compartment, parsed.to.number], sealed.to);
      const dataKey = await openDataKey(parsed, place, new KemSeed(unhex(sealed.seed)));
      assert.equal(toHex(dataKey.expose()), v.dataKey);
      const record = await verifyEnvelope(parsed, dataKey, place, {
        pointer: unhex(sealed.pointer),
        author: unhex(v.author),
        onBehalfOf: unhex(v.onBehalfOf),
        compartments: 1n << BigInt(sealed.to[1]),
        claim: unhex(sealed.claim),
        replaces: BigInt(v.replaces),
      });
      assert.equal(record.attestation.metadata.title, sealed.title);
      if (sealed.content !== null) assert.equal(toHex(concat(...(await all(record.content())))), sealed.content);
    });
  }
});

describe("§5 statement, claim and tree", () => {
  it("computes digest, document and claim, and recovers the author", async () => {
    const v = vectors("statement.json");
    const { title, type, size, created } = v.metadata;
    const metadata = new Metadata(title, type, BigInt(size), BigInt(created));
    assert.equal(toHex(await metadata.digest()), v.metadataDigest);
    const attestation = parseAttestation(unhex(v.sealedMetadataDocument));
    assert.equal(toHex(attestationBytes(attestation)), v.sealedMetadataDocument);
    const { onBehalfOf, time, content, replaces } = attestation;
    const recordId = unhex(v.typedData.message.recordId);
    const statement = {
      place: placeOf(v.place),
      recordId,
      onBehalfOf,
      time,
      metadata: unhex(v.metadataDigest),
      content,
      replaces,
    };
    assert.deepEqual(statementTypedData(statement), v.typedData);
    assert.equal(toHex(statementDigest(statement)), v.digest);
    assert.equal(toHex(recover(unhex(v.digest), unhex(v.signature))), v.signer);
    assert.equal(toHex(await claimOf(statement, unhex(v.claimSalt), unhex(v.signature))), v.claim);
  });

  it("computes roots and paths", async () => {
    const v = vectors("merkle.json");
    const [salt, leaves] = [unhex(v.leafSalt), v.leaves.map(unhex)];
    for (const [index, chunk] of v.chunks.entries()) {
      assert.equal(toHex(await leafHash(await leafSalt(salt, index), unhex(chunk))), v.leaves[index]);
      assert.equal(toHex(await merkleRoot(leaves.slice(0, index + 1))), v.roots[index]);
      assert.deepEqual((await inclusionPath(leaves, index)).map(toHex), v.paths[index]);
      await verifyInclusion(unhex(v.roots.at(-1)), leaves[index], index, leaves.length, v.paths[index].map(unhex));
    }
  });
});

describe("§6 keyring", () => {
  const v = vectors("keyring.json");
  const place = placeOf(v.place);
  const keyring = () => parseKeyring(unhex(v.block), place, v.version, BigInt(v.compartments));

  for (const { address, seed, epochs, history } of v.readers) {
    it(`opens for a reader ${history ? "with" : "without"} HISTORY`, async () => {
      const held = await openAsReader(
        keyring(),
        unhex(address),
        new KemSeed(unhex(seed)),
        await storeOf(v.pages.map(unhex)),
      );
      const wanted = v.keys.filter(([c, n]: number[]) => epochs.some(([d, m]: number[]) => c === d && n === m));
      assert.deepEqual(held.map(row), history ? wanted : wanted.map((keys: Json[]) => [...keys.slice(0, 3), null]));
    });
  }

  it("opens for the root", async () => {
    const { epochs, names } = await openAsRoot(keyring(), new KemSeed(unhex(v.rootSeed)));
    assert.deepEqual(epochs.map(row), v.keys.slice(1));
    assert.deepEqual(Object.fromEntries(names), v.names);
  });

  it("links back", async () => {
    const [earlier, later] = v.keys.map(keysOf);
    const held = { id: { compartment: 7, number: 2 }, keys: later };
    assert.equal(toHex(await sealBack(CURRENT, place, held, 1, earlier)), v.backLink);
  });

  it("walks all the way back, the nearest epoch first", async () => {
    const walk = vectors("back_links.json");
    const [start, ...earlier] = walk.keys;
    const held = { id: { compartment: start[0], number: start[1] }, keys: keysOf(start) };
    const found = await all(walkBack(placeOf(walk.place), walk.epochs.map(epochOf), held));
    assert.deepEqual(found.map(row), earlier);
  });
});

describe("§7 grant's seal", () => {
  it("opens", async () => {
    const v = vectors("grant_seal.json");
    const seal = parseGrantSeal(unhex(v.block), placeOf(v.place), unhex(v.grantee), v.version);
    const { epochs, names } = await openGrantSeal(seal, new KemSeed(unhex(v.seed)));
    assert.deepEqual(epochs.map(row), v.epochs);
    assert.deepEqual(Object.fromEntries(names), v.names);
  });
});

describe("§8 profile", () => {
  it("is its account's", async () => {
    const v = vectors("profile.json");
    const content = await parseProfile(unhex(v.block)).verify(placeOf(v.place), unhex(v.account));
    assert.equal(toHex(await profileDigest(content, placeOf(v.place))), v.digest);
    assert.deepEqual(await profileTypedData(content, placeOf(v.place)), v.typedData);
  });
});

describe("§9 manifest", () => {
  it("gives its rows", async () => {
    const v = vectors("manifest.json");
    const [manifest, fetch] = [parseManifest(unhex(v.block), placeOf(v.place)), await storeOf(v.pages.map(unhex))];
    const rows = await all(manifest.rows(fetch));
    assert.deepEqual(
      rows.map(({ entry, leaf, pointer }) => [entry, leaf, toHex(pointer)]),
      v.rows,
    );
    for (const [entry, leaf, pointer] of v.rows)
      assert.deepEqual(await manifest.find(entry, leaf, fetch), unhex(pointer));
    assert.equal(await manifest.find(2, 0, fetch), null);
  });
});

describe("§9 list of erased records", () => {
  it("names its entries", async () => {
    const v = vectors("erasure.json");
    const [list, fetch] = [parseErasure(unhex(v.block), placeOf(v.place)), await storeOf(v.pages.map(unhex))];
    assert.deepEqual(await all(list.entries(fetch)), v.entries);
    for (const entry of v.entries) assert.ok(await list.names(entry, fetch));
    assert.ok(!(await list.names(2, fetch)));
  });
});

describe("§10 head", () => {
  for (const { name, patient, entries } of vectors("head.json").histories) {
    it(`follows ${name}`, () => {
      for (const entry of entries) {
        const next = nextWord(parseWord(unhex(entry.previous)), unhex(patient), {
          kind: entry.kind,
          compartments: BigInt(entry.compartments),
          author: unhex(entry.author),
          onBehalfOf: unhex(entry.onBehalfOf),
          time: BigInt(entry.time),
          pointer: unhex(entry.pointer),
          claim: unhex(entry.claim),
          replaces: BigInt(entry.replaces),
        });
        assert.equal(`0x${toHex(wordOf(next))}`, entry.word);
        assert.deepEqual(
          [`0x${toHex(next.head)}`, next.length, next.keyringVersion],
          [entry.head, entry.length, entry.keyringVersion],
        );
      }
    });
  }
});

describe("every block", () => {
  const blocks: [string, string][] = [
    ...vectors("envelope.json").cases.map(({ block }: Json) => ["envelope", block]),
    ["keyring", vectors("keyring.json").block],
    ["grant's seal", vectors("grant_seal.json").block],
    ["profile", vectors("profile.json").block],
    ["manifest", vectors("manifest.json").block],
  ];
  for (const [what, block] of blocks) {
    it(`is encoded the same: ${what}`, () => {
      assert.equal(toHex(encode(decode(unhex(block)))), block);
    });
  }
});
