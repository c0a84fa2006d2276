/** Profiles: the public key, name and endpoints that an account publishes for itself (docs/format.md §8). */

import { checkSize } from "./blocks.ts";
import { type Bytes, equal, sha256 } from "./bytes.ts";
import { type CborMap, decode, encode, Fields, mapOf, text } from "./cbor.ts";
import { FormatError, IntegrityError } from "./errors.ts";
import { ADDRESS_SIZE, checkBytes, checkNumber, checkUint, type Deployment, MAX_NUMBER } from "./keys.ts";
import { byNumber, CURRENT, type Suite } from "./suites.ts";
import {
  type CheckContractSignature,
  isSignedBy,
  MAX_SIGNATURE_SIZE,
  sign,
  type SignTypedData,
  type TypedData,
  TypedStruct,
} from "./typed-data.ts";

const VERSION = 1n;
const KEYS = ["v", "suite", "account", "number", "key", "name", "endpoints", "time", "signature"];
const PROFILE = new TypedStruct("Profile", [
  ["account", "address"],
  ["content", "bytes32"],
]);

/** What a profile says. As such it is not verified. */
export interface ProfileContent {
  /** Of the key. */
  readonly suite: Suite;
  /** Whose profile it is. */
  readonly account: Bytes;
  /** Of the profile key, so that the account finds it in its root secret. */
  readonly number: number;
  /** What grants are sealed to. */
  readonly publicKey: Bytes;
  /** May be empty. */
  readonly name: string;
  /** URLs, as the account gives them. */
  readonly endpoints: readonly string[];
  /** When it was signed, Unix time. */
  readonly time: bigint;
}

/** A profile that has the right form. Only `verify` gives its content. */
export class UnverifiedProfile {
  readonly #content: ProfileContent;
  readonly #signature: Bytes;

  constructor(content: ProfileContent, signature: Bytes) {
    this.#content = content;
    this.#signature = signature;
  }

  /**
   * What the profile says, if the account said so.
   *
   * @param deployment Chain and contract in whose domain it is signed.
   * @param account Whose profile it must be.
   * @param checkContract Asks an account with code (ERC-1271); without it such accounts are refused.
   * @throws IntegrityError it is another account's, or not signed by it for this deployment.
   */
  async verify(
    deployment: Deployment,
    account: Bytes,
    checkContract?: CheckContractSignature,
  ): Promise<ProfileContent> {
    if (!equal(this.#content.account, account)) throw new IntegrityError("the profile belongs to another account");
    const digest = await profileDigest(this.#content, deployment);
    if (!(await isSignedBy(account, digest, this.#signature, checkContract))) {
      throw new IntegrityError("the profile is not signed by its account for this deployment");
    }
    return this.#content;
  }
}

/** The EIP-712 digest that is signed, 32 bytes. */
export async function profileDigest(content: ProfileContent, deployment: Deployment): Promise<Bytes> {
  return PROFILE.digest(deployment, await messageOf(content));
}

/** The EIP-712 document as JSON has it, for a wallet to show and sign. */
export async function profileTypedData(content: ProfileContent, deployment: Deployment): Promise<TypedData> {
  return PROFILE.typedData(deployment, await messageOf(content));
}

/**
 * Have an account's wallet sign its profile; the SHA-256 of the block goes into `publishProfile`.
 *
 * @throws InvalidInput a number is out of bounds, or the wallet signed with another key.
 * @throws FormatError nothing can be sealed to the public key, or a text is not valid Unicode.
 */
export async function buildProfile(
  signTypedData: SignTypedData,
  deployment: Deployment,
  draft: Omit<ProfileContent, "suite">,
  checkContract?: CheckContractSignature,
): Promise<Bytes> {
  CURRENT.checkPublicKey(draft.publicKey);
  checkBytes(draft.account, ADDRESS_SIZE, "the account");
  checkNumber(draft.number, "the number of the profile key", MAX_NUMBER);
  checkUint(draft.time, "the time");
  const content = { ...draft, suite: CURRENT };
  const [document, digest] = [await profileTypedData(content, deployment), await profileDigest(content, deployment)];
  const signature = await sign(signTypedData, draft.account, document, digest, checkContract);
  return checkSize(encode(mapFor(content).set("signature", signature)), "the profile");
}

/**
 * Read a profile.
 *
 * @throws FormatError the block is no profile of this version, or nothing can be sealed to its public key.
 * @throws UnknownSuite the key is of a suite that this module does not have.
 */
export function parseProfile(block: Bytes): UnverifiedProfile {
  const fields = new Fields(decode(block), "the profile", KEYS);
  fields.requireVersion(VERSION);
  const suite = byNumber(fields.uint("suite"));
  const publicKey = suite.checkPublicKey(fields.octets("key", suite.publicKeySize));
  const signature = fields.octets("signature");
  if (signature.length === 0 || signature.length > MAX_SIGNATURE_SIZE) {
    throw new FormatError(`a signature has ${signature.length} bytes`);
  }
  const content = {
    suite,
    account: fields.octets("account", ADDRESS_SIZE),
    number: fields.small("number", MAX_NUMBER),
    publicKey,
    name: fields.text("name"),
    endpoints: fields.array("endpoints").map((endpoint) => text(endpoint, "an endpoint")),
    time: fields.uint("time"),
  };
  return new UnverifiedProfile(content, signature);
}

async function messageOf(content: ProfileContent): Promise<{ account: Bytes; content: Bytes }> {
  return { account: content.account, content: await sha256(encode(mapFor(content))) };
}

/** The profile's map without its signature. */
function mapFor(content: ProfileContent): CborMap {
  return mapOf({
    v: VERSION,
    suite: BigInt(content.suite.number),
    account: content.account,
    number: BigInt(content.number),
    key: content.publicKey,
    name: content.name,
    endpoints: [...content.endpoints],
    time: content.time,
  });
}
