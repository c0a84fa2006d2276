/** Looks into values of any shape: of JSON, and of what wallets return. */

/** A member of a value; `undefined` if it has none of that name. */
export function member(value: unknown, name: string): unknown {
  const has = (typeof value === "object" && value !== null) || typeof value === "function";
  return has ? Reflect.get(value, name) : undefined;
}

/** Whether it is an object with members, as JSON has them. */
export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The texts among the members of an object. */
export function textsIn(value: unknown): Record<string, string> {
  const found: Record<string, string> = {};
  if (isMap(value)) for (const [name, one] of Object.entries(value)) if (typeof one === "string") found[name] = one;
  return found;
}
