/** What the program that opened the page calls compartments and accounts. Names are for the eye: none of them is signed. */

/** Number of a compartment, or address, → name. */
export interface Names {
  readonly compartments: Readonly<Record<string, string>>;
  readonly accounts: Readonly<Record<string, string>>;
}

const LONGEST = 80;
const QUOTATION_MARKS = /["“”„‟«»＂〝〞〟❝❞]/gu;

/**
 * A name of somebody else's choice, which must not be able to pass for more than a name: no controls, not endless, and
 * nothing that ends its quotation, behind which words and an address would seem to be the page's.
 */
export function tame(name: string): string {
  const plain = name
    .replaceAll(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu, "�")
    .replaceAll(QUOTATION_MARKS, "'")
    .trim();
  const letters = Array.from(plain);
  return letters.length > LONGEST ? `${letters.slice(0, LONGEST).join("")}…` : plain;
}

/** The numbers of the bits that are set in a mask. */
export function bits(mask: bigint): number[] {
  return Array.from(mask.toString(2))
    .toReversed()
    .flatMap((digit, bit) => (digit === "1" ? [bit] : []));
}

/** The name of a compartment; `null` if none is known. */
export function compartmentName(number: number, names: Names): string | null {
  const name = Object.hasOwn(names.compartments, String(number)) ? names.compartments[String(number)] : undefined;
  return name === undefined || tame(name) === "" ? null : tame(name);
}

/** The compartments of a mask: by name where one is known, and by number always. */
export function compartments(mask: bigint, names: Names): string[] {
  return bits(mask).map((number) => {
    const name = compartmentName(number, names);
    return name === null ? `part\u00a0${number} (no name is known here)` : `“${name}” (part\u00a0${number})`;
  });
}

/** An account: by name where one is known, and by address always. */
export function account(address: string, names: Names): string {
  const name = Object.entries(names.accounts).find(([one]) => one.toLowerCase() === address.toLowerCase())?.[1];
  return name === undefined || tame(name) === "" ? address : `“${tame(name)}” ${address}`;
}
