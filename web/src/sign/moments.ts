/** Times of the contract, Unix seconds, for people. */

const MINUTE = 60n;
const HOUR = 60n * MINUTE;
export const DAY = 24n * HOUR;
const DAYS = 2n * DAY;
const YEAR = 365n * DAY;

/** The last second that JavaScript's calendar has. */
const LAST = 8_640_000_000_000n;

/** From where a time is looked at. */
export interface Clock {
  /** Now, Unix seconds. */
  readonly now: bigint;
  /** Name of a time zone; the browser's own unless given. */
  readonly zone?: string;
}

const DATE: Intl.DateTimeFormatOptions = { day: "numeric", month: "long", year: "numeric" };
const TIME: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit", timeZoneName: "short" };

/** A time with its distance from now: “24 February 2027 at 10:00 UTC (in 90 days)”. */
export function moment(seconds: bigint, clock: Clock): string {
  return written(seconds, clock, { ...DATE, ...TIME, ...(seconds % MINUTE === 0n ? {} : { second: "2-digit" }) });
}

/** A time for a sentence: its day alone, where that is far enough: “24 February 2027 (in 90 days)”. */
export function day(seconds: bigint, clock: Clock): string {
  const distance = seconds - clock.now;
  return distance > -DAYS && distance < DAYS ? moment(seconds, clock) : written(seconds, clock, DATE);
}

function written(seconds: bigint, { now, zone }: Clock, options: Intl.DateTimeFormatOptions): string {
  if (seconds > LAST) return "never: the date lies beyond every calendar";
  const format = new Intl.DateTimeFormat("en-GB", zone === undefined ? options : { ...options, timeZone: zone });
  const distance = seconds - now;
  const relative = distance >= 0n ? `in ${span(distance)}` : `${span(-distance)} ago`;
  return `${format.format(new Date(Number(seconds) * 1000))} (${relative})`;
}

/** A length of time, in one unit, to the nearest: “90 days”. */
export function span(seconds: bigint): string {
  if (seconds >= 2n * YEAR) return count(seconds, YEAR, "year");
  if (seconds >= DAYS) return count(seconds, DAY, "day");
  if (seconds >= 2n * HOUR) return count(seconds, HOUR, "hour");
  if (seconds >= MINUTE) return count(seconds, MINUTE, "minute");
  return count(seconds, 1n, "second");
}

function count(seconds: bigint, size: bigint, unit: string): string {
  const number = (seconds + size / 2n) / size;
  return `${number} ${unit}${number === 1n ? "" : "s"}`;
}
