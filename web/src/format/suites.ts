/**
 * Cipher suites (docs/format.md §1): public-key sealing by HPKE (RFC 9180), and the AEAD.
 *
 * This module has suite 1 alone; documents of any other are refused with `UnknownSuite`.
 */

import { Aes256Gcm, CipherSuite, HkdfSha256 } from "@hpke/core";
import { XWing } from "@hpke/hybridkem-x-wing";
import { x25519 } from "@noble/curves/ed25519.js";

import { type Bytes, copy } from "./bytes.ts";
import { ContentTampered, FormatError, UnknownSuite, WrongKey } from "./errors.ts";
import type { KemSeed } from "./keys.ts";

/** A text sealed to a public key. */
export interface Sealed {
  /** The HPKE encapsulation. */
  readonly enc: Bytes;
  /** The text under the key in it, with its tag. */
  readonly ciphertext: Bytes;
}

const ML_KEM_PUBLIC_SIZE = 1184;
const ML_KEM_RANK = 3;
const ML_KEM_MODULUS = 3329;
const POLYNOMIAL_SIZE = 384;

/** HPKE base mode, X-Wing (0x647A: ML-KEM-768 and X25519), HKDF-SHA256, AES-256-GCM; AES-256-GCM. */
class Suite {
  /** What documents call it. */
  readonly number = 1;
  readonly publicKeySize = 1216;
  readonly encSize = 1120;
  readonly tagSize = 16;
  readonly nonceSize = 12;

  readonly #kem = new XWing();
  readonly #hpke = new CipherSuite({ kem: this.#kem, kdf: new HkdfSha256(), aead: new Aes256Gcm() });

  /** The public key of a seed. */
  async publicKey(seed: KemSeed): Promise<Bytes> {
    const pair = await this.#kem.generateKeyPairDerand(seed.expose());
    return new Uint8Array(await this.#kem.serializePublicKey(pair.publicKey));
  }

  /**
   * Refuse a public key that nothing should be sealed to.
   *
   * @throws FormatError it has another size, its ML-KEM half is not reduced (FIPS 203 §7.2), or its X25519 half is a
   * point of low order, which leads every sender to the same secret.
   */
  checkPublicKey(publicKey: Bytes): Bytes {
    if (publicKey.length !== this.publicKeySize) {
      throw new FormatError(`a public key of suite ${this.number} has ${this.publicKeySize} bytes`);
    }
    if (!isReduced(publicKey.subarray(0, ML_KEM_RANK * POLYNOMIAL_SIZE))) {
      throw new FormatError("the ML-KEM half of a public key is not in its canonical form");
    }
    if (isOfLowOrder(publicKey.subarray(ML_KEM_PUBLIC_SIZE))) {
      throw new FormatError("the X25519 half of a public key is a point of low order");
    }
    return publicKey;
  }

  /**
   * Seal a text to a public key, bound to `info`.
   *
   * @throws FormatError as `checkPublicKey`.
   */
  async seal(publicKey: Bytes, info: Bytes, text: Bytes): Promise<Sealed> {
    const recipientPublicKey = await this.#kem.importKey("raw", copy(this.checkPublicKey(publicKey)).buffer, true);
    const { enc, ct } = await this.#hpke.seal({ recipientPublicKey, info }, text);
    return { enc: new Uint8Array(enc), ciphertext: new Uint8Array(ct) };
  }

  /**
   * Open what was sealed to the seed's public key with the same `info`.
   *
   * @throws WrongKey it was sealed to another key or with another `info`, or was changed.
   */
  async open(seed: KemSeed, info: Bytes, sealed: Sealed): Promise<Bytes> {
    try {
      const recipientKey = await this.#kem.importKey("raw", seed.expose().buffer, false);
      const text = await this.#hpke.open({ recipientKey, enc: copy(sealed.enc), info }, copy(sealed.ciphertext));
      return new Uint8Array(text);
    } catch (cause) {
      throw new WrongKey("a sealed document does not open with this key in this context", { cause });
    }
  }

  /** AEAD: ciphertext and tag. One pair of key and nonce may serve for one text only. */
  async encrypt(key: Bytes, nonce: Bytes, text: Bytes, associated: Bytes): Promise<Bytes> {
    const parameters = { name: "AES-GCM", iv: nonce, additionalData: associated };
    return new Uint8Array(await crypto.subtle.encrypt(parameters, await aesKey(key, "encrypt"), text));
  }

  /**
   * AEAD: the text.
   *
   * @throws ContentTampered the ciphertext does not authenticate.
   */
  async decrypt(key: Bytes, nonce: Bytes, ciphertext: Bytes, associated: Bytes): Promise<Bytes> {
    const parameters = { name: "AES-GCM", iv: nonce, additionalData: associated };
    const imported = await aesKey(key, "decrypt");
    try {
      return new Uint8Array(await crypto.subtle.decrypt(parameters, imported, ciphertext));
    } catch (cause) {
      throw new ContentTampered("a ciphertext does not authenticate", { cause });
    }
  }
}

export type { Suite };

/** What new documents are sealed with. */
export const CURRENT = new Suite();

/**
 * The suite that a document names.
 *
 * @throws UnknownSuite this module does not have it.
 */
export function byNumber(number: bigint): Suite {
  if (number !== BigInt(CURRENT.number)) throw new UnknownSuite(`cipher suite ${number} is unknown`);
  return CURRENT;
}

function aesKey(key: Bytes, use: "encrypt" | "decrypt"): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", key, "AES-GCM", false, [use]);
}

/** Whether all coefficients, 12 bits each, lie below the modulus. */
function isReduced(polynomials: Uint8Array): boolean {
  for (let index = 0; index < polynomials.length; index += 3) {
    const [low = 0, middle = 0, high = 0] = polynomials.subarray(index, index + 3);
    if ((low | ((middle & 15) << 8)) >= ML_KEM_MODULUS || ((middle >> 4) | (high << 4)) >= ML_KEM_MODULUS) return false;
  }
  return true;
}

function isOfLowOrder(point: Uint8Array): boolean {
  try {
    x25519.getSharedSecret(x25519.utils.randomSecretKey(), point);
    return false;
  } catch {
    return true; // RFC 7748 §6.1: the result would be zero whatever the other key
  }
}
