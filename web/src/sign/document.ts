/**
 * Reads an EIP-712 document, the very text that the wallet is given: all that is signed of it, what stands in it and is
 * not signed, and whether it is one of MedRec's.
 */

import { DOMAIN, FORMS } from "./forms.ts";
import { isMap } from "./untrusted.ts";

/** One value, and where it stands in the document. */
export interface Row {
  readonly path: string;
  readonly type: string;
  readonly value: string;
}

/** A value of one of MedRec's documents: integers as such, all else in hexadecimal digits. */
export type Value = bigint | string;

/** What a document says. */
export interface Reading {
  /** Name of the EIP-712 type, whatever it is. */
  readonly kind: string;
  /** The members of a document of MedRec's; `null` for any other. */
  readonly values: ReadonlyMap<string, Value> | null;
  /** Why it is not taken for one of MedRec's. */
  readonly faults: readonly string[];
  /** All that is signed. */
  readonly rows: readonly Row[];
  /** What stands in the document and is not signed. */
  readonly unsigned: readonly Row[];
  /** Chain and contract that the domain names, as it writes them; empty if it names none. */
  readonly chainId: string;
  readonly contract: string;
}

type Json = unknown;
type JsonMap = Readonly<Record<string, unknown>>;
type Members = readonly (readonly [name: string, type: string])[];
type Types = ReadonlyMap<string, Members>;

const PATTERNS: readonly (readonly [type: RegExp, value: RegExp])[] = [
  [/^address$/, /^0x[0-9a-f]{40}$/i],
  [/^bytes32$/, /^0x[0-9a-f]{64}$/i],
  [/^bytes16$/, /^0x[0-9a-f]{32}$/i],
];

/**
 * Read a document.
 *
 * @throws TypeError if it is no EIP-712 document.
 */
export function read(text: string): Reading {
  const document: unknown = JSON.parse(text);
  if (!isMap(document)) throw new TypeError("the document is not an object");
  const { types: given, primaryType: kind, domain, message, ...others } = document;
  if (!isMap(given) || typeof kind !== "string" || !isMap(domain) || !isMap(message)) {
    throw new TypeError("the document is not EIP-712 typed data");
  }
  const types = typesOf(given);
  if (!types.has(kind)) throw new TypeError(`the document does not define its type ${kind}`);
  const rows: Row[] = [];
  const unsigned: Row[] = [];
  if (types.has("EIP712Domain")) walk("EIP712Domain", domain, "domain", types, rows, unsigned);
  else collect(domain, "domain", rows);
  walk(kind, message, "", types, rows, unsigned);
  for (const [name, members] of types) {
    rows.push({
      path: `type ${name}`,
      type: "",
      value: members.map(([member, type]) => `${type} ${member}`).join(", "),
    });
  }
  for (const [name, value] of Object.entries(others)) collect(value, name, unsigned);
  const faults = faultsOf(kind, types, domain, message, unsigned);
  return {
    kind,
    values: faults.length > 0 ? null : valuesOf(kind, message),
    faults,
    rows,
    unsigned,
    chainId: shown(domain["chainId"] ?? ""),
    contract: shown(domain["verifyingContract"] ?? ""),
  };
}

function typesOf(given: JsonMap): Types {
  return new Map(
    Object.entries(given).map(([name, members]) => {
      if (!Array.isArray(members)) throw new TypeError(`the type ${name} is not a list`);
      return [name, members.map((member) => memberOf(name, member))];
    }),
  );
}

function memberOf(of: string, member: Json): readonly [string, string] {
  if (!isMap(member) || typeof member["name"] !== "string" || typeof member["type"] !== "string") {
    throw new TypeError(`a member of the type ${of} has no name or type`);
  }
  return [member["name"], member["type"]];
}

/** Every signed value below one, by the types; and what no type names, which no wallet signs. */
function walk(type: string, value: Json, path: string, types: Types, rows: Row[], unsigned: Row[]): void {
  const element = /^(.*)\[\d*\]$/.exec(type)?.[1];
  if (element !== undefined && Array.isArray(value)) {
    if (value.length === 0) rows.push({ path, type, value: "(empty list)" });
    for (const [index, one] of value.entries()) walk(element, one, `${path}[${index}]`, types, rows, unsigned);
    return;
  }
  const members = types.get(type);
  if (members === undefined || !isMap(value)) {
    rows.push({ path, type, value: value === undefined ? "(missing)" : shown(value) });
    return;
  }
  for (const [name, of] of members) {
    walk(of, Object.hasOwn(value, name) ? value[name] : undefined, join(path, name), types, rows, unsigned);
  }
  const named = new Set(members.map(([name]) => name));
  for (const [name, one] of Object.entries(value)) if (!named.has(name)) collect(one, join(path, name), unsigned);
}

/** Every value below one, without types. */
function collect(value: Json, path: string, into: Row[]): void {
  const below = Array.isArray(value)
    ? value.map((one, index) => [`${path}[${index}]`, one] as const)
    : isMap(value)
      ? Object.entries(value).map(([name, one]) => [join(path, name), one] as const)
      : [];
  if (below.length === 0) into.push({ path, type: "", value: shown(value) });
  for (const [where, one] of below) collect(one, where, into);
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

function shown(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** In what a document differs from MedRec's of the same name. */
function faultsOf(kind: string, types: Types, domain: JsonMap, message: JsonMap, unsigned: readonly Row[]): string[] {
  const form = Object.hasOwn(FORMS, kind) ? FORMS[kind] : undefined;
  if (form === undefined) return [`MedRec has no decision called “${kind}”.`];
  const faults: string[] = [];
  if (domain["name"] !== "MedRec" || domain["version"] !== "1") faults.push("It is not made for MedRec, version 1.");
  faults.push(...different("The description of the contract", DOMAIN, types.get("EIP712Domain") ?? []));
  faults.push(...different("The decision", form, types.get(kind) ?? []));
  for (const name of types.keys()) {
    if (name !== kind && name !== "EIP712Domain") faults.push(`It defines “${name}”, which is unknown here.`);
  }
  for (const { path } of unsigned) faults.push(`It carries “${path}”, which would not be signed.`);
  if (faults.length > 0) return faults;
  const values: readonly (readonly [JsonMap, readonly string[]])[] = [
    [domain, DOMAIN],
    [message, form],
  ];
  for (const [map, members] of values) {
    for (const member of members) {
      const [type = "", name = ""] = member.split(" ");
      if (!fits(type, map[name])) faults.push(`“${name}” has a value that cannot be right.`);
    }
  }
  return faults;
}

function different(what: string, wanted: readonly string[], found: Members): string[] {
  const there = found.map(([name, type]) => `${type} ${name}`);
  const faults = there.filter((one) => !wanted.includes(one)).map((one) => `${what} has the unknown part “${one}”.`);
  faults.push(...wanted.filter((one) => !there.includes(one)).map((one) => `${what} lacks “${one}”.`));
  if (faults.length === 0 && there.join() !== wanted.join()) faults.push(`${what} has its parts in another order.`);
  return faults;
}

function fits(type: string, value: Json): boolean {
  if (type === "string") return typeof value === "string";
  const bits = /^uint(\d+)$/.exec(type)?.[1];
  if (bits !== undefined) {
    const number = integer(value);
    return number !== null && number < 1n << BigInt(bits);
  }
  const pattern = PATTERNS.find(([name]) => name.test(type))?.[1];
  return pattern !== undefined && typeof value === "string" && pattern.test(value);
}

/** An integer that no reader can take for another: in decimal digits, or a number that JavaScript holds exactly. */
function integer(value: Json): bigint | null {
  if (typeof value === "number") return Number.isSafeInteger(value) && value >= 0 ? BigInt(value) : null;
  return typeof value === "string" && /^(0|[1-9]\d{0,77})$/.test(value) ? BigInt(value) : null;
}

function valuesOf(kind: string, message: JsonMap): Map<string, Value> {
  return new Map(
    (FORMS[kind] ?? []).map((member) => {
      const [type = "", name = ""] = member.split(" ");
      const value = message[name];
      return [name, type.startsWith("uint") ? (integer(value) ?? 0n) : shown(value ?? "")];
    }),
  );
}
