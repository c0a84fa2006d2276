/** MedRec's formats, version 1 (docs/format.md): bytes in, bytes out, with WebCrypto; no network, no chain. */

export { type Attestation, attest, type Draft } from "./attestation.ts";
export { type Fetch, MAX_BLOCK, pointerTo } from "./blocks.ts";
export type { Bytes } from "./bytes.ts";
export { CHUNK_SIZE, ContentReader, ContentSealer, sealedSize, type Source } from "./content.ts";
export {
  type Body,
  buildEnvelope,
  type ContentFile,
  type Destination,
  type Entry,
  type EnvelopeParts,
  Kind,
  MAX_INLINE_SIZE,
  openDataKey,
  parseEnvelope,
  type UnverifiedEnvelope,
  VerifiedRecord,
  verifyEnvelope,
} from "./envelope.ts";
export { checkKeys, type Epoch, type HeldEpoch, type Names, walkBack } from "./epochs.ts";
export { Erasure, parseErasure } from "./erasure.ts";
export * from "./errors.ts";
export {
  buildGrantSeal,
  type GrantedEpoch,
  type GrantedKeys,
  type GrantSeal,
  openGrantSeal,
  parseGrantSeal,
} from "./grant-seal.ts";
export { EntryKind, type HistoryEntry, type HistoryWord, nextWord, parseWord, wordOf } from "./head.ts";
export { type Holder, type Inbox, type Keyring, openAsReader, openAsRoot, parseKeyring } from "./keyring.ts";
export {
  DataKey,
  type Deployment,
  type EpochId,
  type EpochKeys,
  HistoryKey,
  KemSeed,
  type Place,
  RootSecret,
} from "./keys.ts";
export { Manifest, type Moved, parseManifest } from "./manifest.ts";
export { inclusionPath, leafHash, leafSalt, merkleRoot, verifyInclusion } from "./merkle.ts";
export { Metadata } from "./metadata.ts";
export { buildKeyring, type KeyringParts, type NewEpoch, type NewKeyring, type Reader } from "./new-keyring.ts";
export { recordNumber } from "./paged-rows.ts";
export { buildProfile, parseProfile, type ProfileContent, UnverifiedProfile } from "./profile.ts";
export { claimOf, type Statement, statementDigest, statementTypedData } from "./statement.ts";
export { CURRENT, type Sealed, type Suite } from "./suites.ts";
export { type CheckContractSignature, recover, type SignTypedData, type TypedData } from "./typed-data.ts";
