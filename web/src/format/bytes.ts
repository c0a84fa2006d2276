/** Bytes, numbers in them, and the primitives of WebCrypto that everything rests on. */

/** Bytes that WebCrypto takes. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** `value` as bytes with a buffer of their own, so that nobody else can change them. */
export function copy(value: Uint8Array): Bytes {
  return new Uint8Array(value);
}

/** The parts one after another. */
export function concat(...parts: Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let position = 0;
  for (const part of parts) {
    whole.set(part, position);
    position += part.length;
  }
  return whole;
}

/** Whether both are the same, in a time that does not tell where they differ. */
export function equal(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  let difference = 0;
  for (const [index, octet] of one.entries()) difference |= octet ^ (other[index] ?? 0);
  return difference === 0;
}

/** -1, 0 or 1 as bytes sort. */
export function compare(one: Uint8Array, other: Uint8Array): number {
  const shared = Math.min(one.length, other.length);
  for (let index = 0; index < shared; index += 1) {
    const difference = (one[index] ?? 0) - (other[index] ?? 0);
    if (difference !== 0) return Math.sign(difference);
  }
  return Math.sign(one.length - other.length);
}

/** Whether all are zero. */
export function isZero(octets: Uint8Array): boolean {
  return octets.every((octet) => octet === 0);
}

/** `size` random bytes of the platform. */
export function random(size: number): Bytes {
  return crypto.getRandomValues(new Uint8Array(size));
}

/** An unsigned number, big-endian in `size` bytes. */
export function uintBytes(value: bigint | number, size: number): Bytes {
  const octets = new Uint8Array(size);
  let rest = BigInt(value);
  for (let index = size - 1; index >= 0; index -= 1) {
    octets[index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  if (rest !== 0n) throw new RangeError(`a number does not fit into ${size} bytes`);
  return octets;
}

/** The unsigned number that bytes hold, big-endian. */
export function toUint(octets: Uint8Array): bigint {
  return octets.reduce((value, octet) => (value << 8n) | BigInt(octet), 0n);
}

/** Hexadecimal digits. */
export function toHex(octets: Uint8Array): string {
  return Array.from(octets, (octet) => octet.toString(16).padStart(2, "0")).join("");
}

/** The bytes of a text in UTF-8. */
export function utf8(text: string): Bytes {
  return copy(new TextEncoder().encode(text));
}

/** SHA-256, 32 bytes. */
export async function sha256(octets: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", octets));
}

/** HMAC-SHA256, 32 bytes. */
export async function hmac(secret: Bytes, octets: Bytes): Promise<Bytes> {
  const key = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, octets));
}

/** HKDF-SHA256 (RFC 5869), 32 bytes of output. */
export async function hkdf(secret: Bytes, info: Bytes, salt: Bytes = new Uint8Array()): Promise<Bytes> {
  const key = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveBits"]);
  return new Uint8Array(await crypto.subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt, info }, key, 256));
}
