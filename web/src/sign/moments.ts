/** Times of the contract, Unix seconds, for people. */

const MINUTE = 60n;
const HOUR = 60n * MINUTE;
export const DAY = 24n * HOUR;

/** The last second that JavaScript's calendar has. */
const LAST = 8_640_000_000_000n;

/** From where a time is looked at. */
export interface Clock {
  /** Now, Unix seconds. */
  readonly now: bigint;
  /** Name of a time zone; the browser's own unless given. */
  readonly zone?: string;
}

/** A time with its distance from now: “24 February 2027 at 10:00 (in 90 days)”. */
export function moment(seconds: bigint, clock: Clock): string {
  if (seconds > LAST) return "never: the date lies beyond every calendar";
  const format = new Intl.DateTimeFormat("en-GB", {
    day: "numeric",
    month: "long",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    ...(seconds % MINUTE === 0n ? {} : { second: "2-digit" }),
    ...(clock.zone === undefined ? {} : { timeZone: clock.zone }),
    timeZoneName: "short",
  });
  const distance = seconds - clock.now;
  const relative = distance >= 0n ? `in ${span(distance)}` : `${span(-distance)} ago`;
  return `${format.format(new Date(Number(seconds) * 1000))} (${relative})`;
}

/** A length of time, in one unit: “90 days”. */
export function span(seconds: bigint): string {
  const years = seconds / (365n * DAY);
  if (years >= 2n) return count(years, "year");
  if (seconds >= 2n * DAY) return count(seconds / DAY, "day");
  if (seconds >= 2n * HOUR) return count(seconds / HOUR, "hour");
  if (seconds >= MINUTE) return count(seconds / MINUTE, "minute");
  return count(seconds, "second");
}

function count(number: bigint, unit: string): string {
  return `${number} ${unit}${number === 1n ? "" : "s"}`;
}
