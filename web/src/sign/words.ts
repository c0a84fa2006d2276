/**
 * Says in plain words what a document asks for. The words come from the document alone; of what the program adds, only
 * names of compartments and accounts are used, beside the numbers and addresses that they stand for.
 */

import type { Reading, Value } from "./document.ts";
import { PURPOSES } from "./forms.ts";
import { type Clock, DAY, moment, span } from "./moments.ts";
import { account, bits, compartmentName, compartments, type Names } from "./names.ts";

/** One thing that is asked, and the members of the document that say so. */
export interface Fact {
  readonly label: string;
  readonly lines: readonly string[];
  readonly members: readonly string[];
  /** Small print: of use to whoever looks closer. */
  readonly small: boolean;
}

/** A document in words. */
export interface Description {
  readonly title: string;
  readonly summary: string;
  readonly facts: readonly Fact[];
  /** What deserves a second look. */
  readonly cautions: readonly string[];
}

/** What a person who agrees with the rest need not read. */
const SMALL: ReadonlySet<string> = new Set([
  "Decided by",
  "Keys",
  "Keys it is sealed to",
  "Keys so far",
  "Number of the decision",
  "Number of the recovery",
  "Number of this permission",
  "Number of your relayed entry",
  "Present guardians",
  "Signature counts until",
  "Statement",
  "Where",
]);
const ZERO = /^0x0+$/;
const LONG = 366n * DAY;
const LONG_DEADLINE = 7n * DAY;
const LONG_RECOVERY = 31n * DAY;
const MANY_PURPOSES = 8;
const HISTORY = 0;
const MANAGE = 1;

/** Describe a document for whoever holds an account. */
export function describe(reading: Reading, holder: string, names: Names, clock: Clock): Description {
  if (reading.values === null) return unknown(reading);
  const teller = new Teller(reading.values, holder, names, clock);
  const tell = TELLERS[reading.kind];
  if (tell === undefined) return unknown(reading);
  const { title, summary } = tell(teller);
  teller.signedBy();
  if (reading.kind === "Recover") teller.deadline(LONG_RECOVERY, "A month");
  else if (reading.kind !== "AccessRequest") teller.deadline(LONG_DEADLINE, "An hour");
  teller.say("Where", `MedRec’s contract ${reading.contract} on chain ${reading.chainId}`);
  return { title, summary, facts: teller.facts, cautions: teller.cautions };
}

function unknown({ kind, faults }: Reading): Description {
  return {
    title: "Something that this page does not know",
    summary: `You are asked to sign “${kind}”. This page cannot say what that does. All of it stands below.`,
    facts: [],
    cautions: ["Sign this only if you know exactly what it is and who asks for it.", ...faults],
  };
}

interface Heading {
  readonly title: string;
  readonly summary: string;
}

/** Reads members of a document, and keeps what was said of them. */
class Teller {
  readonly facts: Fact[] = [];
  readonly cautions: string[] = [];
  readonly names: Names;
  readonly clock: Clock;
  private readonly values: ReadonlyMap<string, Value>;
  private readonly holder: string;

  constructor(values: ReadonlyMap<string, Value>, holder: string, names: Names, clock: Clock) {
    this.values = values;
    this.holder = holder.toLowerCase();
    this.names = names;
    this.clock = clock;
  }

  number(member: string): bigint {
    const value = this.values.get(member);
    if (typeof value !== "bigint") throw new TypeError(`${member} is no number`);
    return value;
  }

  text(member: string): string {
    const value = this.values.get(member);
    if (typeof value !== "string") throw new TypeError(`${member} is no text`);
    return value;
  }

  say(label: string, lines: string | readonly string[], ...members: string[]): void {
    this.facts.push({ label, lines: typeof lines === "string" ? [lines] : lines, members, small: SMALL.has(label) });
  }

  warn(caution: string): void {
    this.cautions.push(caution);
  }

  account(member: string): string {
    return account(this.text(member), this.names);
  }

  /** An account's name, or a shortened address, for a sentence; the whole address stands among the facts. */
  short(member: string): string {
    const address = this.text(member);
    const named = account(address, this.names);
    return named === address ? `${address.slice(0, 8)}…${address.slice(-6)}` : named.slice(0, -address.length - 1);
  }

  isHolder(member: string): boolean {
    return this.text(member).toLowerCase() === this.holder;
  }

  /** Whose record it is. */
  patient(): string {
    const mine = this.isHolder("patient");
    this.say("Whose record", mine ? `yours: ${this.account("patient")}` : this.account("patient"), "patient");
    return mine ? "your record" : `the record of ${this.short("patient")}`;
  }

  parts(label: string, member: string): void {
    const mask = this.number(member);
    this.say(label, mask === 0n ? "nothing" : compartments(mask, this.names), member);
    const nameless = bits(mask).filter((bit) => compartmentName(bit, this.names) === null);
    if (nameless.length > 0 && Object.keys(this.names.compartments).length > 0) {
      this.warn(`${label}: no name is known here for part number ${nameless.join(", ")}. Ask what it holds.`);
    }
  }

  /** The names of the parts of a mask for a sentence; a count where there are many or one has no name. */
  list(mask: bigint): string {
    const found = bits(mask).map((bit) => compartmentName(bit, this.names));
    if (found.length === 0) return "nothing";
    if (found.length > 3 || found.includes(null)) return `${found.length} ${found.length === 1 ? "part" : "parts"}`;
    return and(found.map((name) => `“${name}”`));
  }

  digest(label: string, member: string, there: string, absent = "none"): void {
    const value = this.text(member);
    this.say(label, ZERO.test(value) ? absent : [there, value], member);
  }

  purpose(member: string): string {
    const number = Number(this.number(member));
    this.say("For", purposeLine(number), member);
    return PURPOSES[number]?.[1] ?? `purpose number ${number}`;
  }

  actingFor(self: string): string {
    const same = this.text(self).toLowerCase() === this.text("onBehalfOf").toLowerCase();
    this.say(
      "On behalf of",
      same ? `oneself: ${this.account("onBehalfOf")}` : this.account("onBehalfOf"),
      "onBehalfOf",
    );
    return same ? "" : ` on behalf of ${this.short("onBehalfOf")}`;
  }

  replaced(): void {
    const value = this.number("replaces");
    const entry = value >> 32n;
    const leaf = value & 0xffff_ffffn;
    const line = leaf === 0n ? `entry ${entry}` : `entry ${entry}, record ${leaf} in it`;
    this.say("Corrects", value === 0n ? "nothing: it is a new record" : `${line} (${value})`, "replaces");
  }

  /** Who has to sign; a caution if it is not the account that is asked. */
  signedBy(): void {
    const member = ["signer", "author", "actor"].find((one) => this.values.has(one));
    if (member === undefined) return;
    const mine = this.isHolder(member);
    this.say("Decided by", mine ? `you: ${this.account(member)}` : this.account(member), member);
    if (!mine) this.warn("It names another account as the one that decides than the one that is asked to sign.");
  }

  /** Until when a signature counts; a caution if that is longer than it ever has to be. */
  deadline(long: bigint, usual: string): void {
    if (!this.values.has("deadline")) return;
    const end = this.number("deadline");
    const left = end - this.clock.now;
    this.say("Signature counts until", moment(end, this.clock), "deadline");
    if (left < 0n) this.warn("The time for this signature is over: the contract will refuse it.");
    else if (left > long) {
      this.warn(`Whoever has your signature can use it for ${span(left)}. ${usual} is usual.`);
    }
  }
}

function and(parts: readonly string[]): string {
  return parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;
}

function purposeLine(number: number): string {
  const purpose = PURPOSES[number];
  return purpose === undefined ? `purpose number ${number}, unknown here` : `${purpose[1]} (${purpose[0]})`;
}

const TELLERS: Readonly<Record<string, (teller: Teller) => Heading>> = {
  Register(t) {
    const record = t.patient();
    const own = t.text("patient").toLowerCase() === t.text("wallet").toLowerCase();
    t.say("Wallet that decides", own ? `the same: ${t.account("wallet")}` : t.account("wallet"), "wallet");
    if (!own) t.warn("Another wallet than the record's own will decide about it.");
    return {
      title: "Open a record",
      summary: `You register ${record}. ${own ? "The same wallet" : t.short("wallet")} decides about it.`,
    };
  },
  Grant: grant,
  Revoke: revoke,
  ChangeWallet(t) {
    const record = t.patient();
    t.say("New wallet", t.account("wallet"), "wallet");
    t.say("Number of the decision", String(t.number("decision")), "decision");
    t.warn("From then on the new wallet decides, and the present one no longer. Make sure that it is yours.");
    return { title: "Hand the record to another wallet", summary: `${t.short("wallet")} will decide about ${record}.` };
  },
  WalletChange(t) {
    const record = t.patient();
    const mine = t.isHolder("wallet");
    t.say("New wallet", mine ? `yours: ${t.account("wallet")}` : t.account("wallet"), "wallet");
    t.say("Number of the decision", String(t.number("decision")), "decision");
    if (!mine) t.warn("It names another account as the new wallet than the one that is asked to sign.");
    return { title: "Take over a record", summary: `This wallet agrees to decide about ${record} from now on.` };
  },
  PublishKeyring(t) {
    const record = t.patient();
    t.parts("Parts that get new keys", "compartments");
    t.digest("Keys", "pointer", "new keys, sealed to those who may read", "none, which cannot be right");
    t.say("Keys so far", `version ${t.number("keyringVersion")}`, "keyringVersion");
    const summary = `New keys for ${t.list(t.number("compartments"))} of ${record}. Nobody is allowed more than before.`;
    return { title: "Change the keys", summary };
  },
  PublishMoved: (t) => manifest(t, "Seal records anew", (what) => `Records in ${what} get new envelopes.`),
  SetGuardians: setGuardians,
  StopRecovery(t) {
    const record = t.patient();
    t.say("Number of the recovery", String(t.number("round")), "round");
    const summary = `The recovery of ${record} that its guardians began is stopped: what was signed by some of them begins nothing any more.`;
    return { title: "Stop a recovery", summary };
  },
  Recover: recover,
  Append(t) {
    const record = t.patient();
    const forWhom = t.actingFor("author");
    t.parts("Parts of the record", "compartments");
    const why = t.purpose("purpose");
    t.replaced();
    t.digest("Record", "pointer", "an encrypted record with this digest", "none, which cannot be right");
    t.digest("Statement", "claim", "bound to what its author signed", "none, which cannot be right");
    t.say("Keys it is sealed to", `version ${t.number("keyringVersion")}`, "keyringVersion");
    t.say("Number of your relayed entry", String(t.number("number")), "number");
    return { title: "Add to a record", summary: `You add an entry to ${record}${forWhom}, for ${why}.` };
  },
  LogAccess(t) {
    const record = t.patient();
    const forWhom = t.actingFor("actor");
    const why = t.purpose("purpose");
    t.digest("What was read", "document", "a sealed document with this digest", "not said");
    t.say("Number of your relayed entry", String(t.number("number")), "number");
    return { title: "Enter that you have read", summary: `You enter that you read ${record}${forWhom}, for ${why}.` };
  },
  Statement(t) {
    const record = t.patient();
    t.say("On behalf of", t.account("onBehalfOf"), "onBehalfOf");
    t.say("Written", moment(t.number("time"), t.clock), "time");
    t.replaced();
    t.say("Record", t.text("recordId"), "recordId");
    t.say("Content", ["fixed by this digest", t.text("content")], "content");
    t.say("Title, type and dates", ["fixed by this digest", t.text("metadata")], "metadata");
    return { title: "Sign a record as its author", summary: `You state that you wrote an entry of ${record}.` };
  },
  Profile(t) {
    const mine = t.isHolder("account");
    t.say("Account", mine ? `yours: ${t.account("account")}` : t.account("account"), "account");
    t.say("Key, name and addresses", ["fixed by this digest", t.text("content")], "content");
    if (!mine) t.warn("It is the profile of another account than the one that is asked to sign.");
    return { title: "Publish your profile", summary: "You publish the key that records are sealed to for you." };
  },
  AccessRequest: ask,
  AccessAnswer: answer,
};

/** A request counts for itself: no contract takes it, so its deadline is no window for a relayer. */
function ask(t: Teller): Heading {
  const record = t.patient();
  const mine = t.isHolder("requester");
  t.say("Asked by", mine ? `you: ${t.account("requester")}` : t.account("requester"), "requester");
  if (!mine) t.warn("It names another account as the one that asks than the one that is asked to sign.");
  const forWhom = t.actingFor("requester");
  const purposes = bits(t.number("purposes"));
  t.say("For", purposes.length === 0 ? "no purpose at all" : purposes.map(purposeLine), "purposes");
  const [end, deadline] = [t.number("expiry"), t.number("deadline")];
  t.say("Access until", moment(end, t.clock), "expiry");
  t.say("Waits for an answer until", moment(deadline, t.clock), "deadline");
  t.say("What and why, in words", ["fixed by this digest, for the patient alone", t.text("wish")], "wish");
  if (end <= t.clock.now) t.warn("The access that is asked for would be over already.");
  if (deadline < t.clock.now) t.warn("The time for an answer is over.");
  return { title: "Ask for access", summary: `You ask for access to ${record}${forWhom}. The patient decides.` };
}

function answer(t: Teller): Heading {
  const record = t.patient();
  t.say("Who asked", t.account("requester"), "requester");
  t.say("On behalf of", t.account("onBehalfOf"), "onBehalfOf");
  const version = t.number("version");
  const refused = version === 0n;
  t.say("Answer", refused ? "refused" : `granted, by permission number ${version}`, "version");
  t.say("Request", ["the one with this digest", t.text("request")], "request");
  t.say("Reason, in words", ["fixed by this digest, for whoever asked", t.text("reason")], "reason");
  t.say("Signed", moment(t.number("time"), t.clock), "time");
  const said = refused ? "refuse access" : "say that you granted access";
  return { title: "Answer a request", summary: `You ${said} to ${record}.` };
}

function grant(t: Teller): Heading {
  const grantee = t.account("grantee");
  t.say("Who is allowed", grantee, "grantee");
  const record = t.patient();
  const [reads, appends, flags] = [t.number("read"), t.number("append"), bits(t.number("flags"))];
  t.parts("May read", "read");
  t.parts("May add to", "append");
  t.say("Earlier entries", flags.includes(HISTORY) ? "may be read too" : "stay closed to them", "flags");
  t.say(
    "Deciding for the patient",
    [
      flags.includes(MANAGE) ? "allowed, within these limits (MANAGE)" : "not allowed",
      ...flags.filter((flag) => flag > MANAGE).map((flag) => `flag number ${flag}, unknown here`),
    ],
    "flags",
  );
  const purposes = bits(t.number("purposes"));
  t.say("For", purposes.length === 0 ? "no purpose at all" : purposes.map(purposeLine), "purposes");
  const [start, end] = [t.number("notBefore"), t.number("expiry")];
  t.say("From", start === 0n ? "at once" : moment(start, t.clock), "notBefore");
  t.say("Until", moment(end, t.clock), "expiry");
  t.digest("Keys", "seal", "go along, sealed to the one who is allowed", "none go along");
  t.say(
    "Number of this permission",
    `${t.number("version")}: it replaces all that they were allowed before`,
    "version",
  );
  warnOfGrant(t, flags, purposes, end);
  const what = [
    ...(reads === 0n ? [] : [`read ${t.list(reads)}`]),
    ...(appends === 0n ? [] : [`add to ${t.list(appends)}`]),
  ];
  const why =
    purposes.length <= 2 ? and(purposes.map((number) => PURPOSES[number]?.[1] ?? "")) : `${purposes.length} purposes`;
  const also = flags.includes(MANAGE) ? ", and let others in," : ",";
  const doing = `${t.short("grantee")} may ${and(what) || "do nothing"} in ${record}${also}`;
  const summary = `${doing} for ${why || "no purpose"}, until ${moment(end, t.clock)}.`;
  return { title: flags.includes(MANAGE) ? "Name a representative" : "Allow access", summary };
}

/** A permission that is wider than most. */
function warnOfGrant(t: Teller, flags: readonly number[], purposes: readonly number[], end: bigint): void {
  const who = t.short("grantee");
  if (flags.includes(MANAGE)) t.warn(`${who} may let others in without asking you, within these limits.`);
  if (flags.includes(HISTORY)) t.warn(`${who} may read what was written before today, too.`);
  for (const flag of flags.filter((one) => one > MANAGE)) t.warn(`It carries the flag number ${flag}, unknown here.`);
  const left = end - t.clock.now;
  if (left <= 0n) t.warn("The permission is over already.");
  else if (left > LONG) t.warn(`It lasts for ${span(left)}. You can end it earlier.`);
  if (purposes.length >= MANY_PURPOSES) t.warn(`It is good for ${purposes.length} of ${PURPOSES.length} purposes.`);
  const known = Object.keys(t.names.compartments).map(Number);
  const open = bits(t.number("read") | t.number("append"));
  if (known.length > 1 && known.every((number) => open.includes(number))) t.warn("It covers every part of the record.");
}

function revoke(t: Teller): Heading {
  t.say("Who loses access", t.account("grantee"), "grantee");
  const record = t.patient();
  t.say("Which permission", `number ${t.number("version")}, and any later one until the time below`, "version");
  t.parts("Parts that get new keys", "compartments");
  t.digest("Keys", "keyring", "change at once, for those who stay", "are not changed by this");
  t.say("Keys so far", `version ${t.number("keyringVersion")}`, "keyringVersion");
  if (ZERO.test(t.text("keyring"))) t.warn("The keys are not changed by this. Change them afterwards.");
  return { title: "End access", summary: `${t.short("grantee")} may no longer read or add to ${record}.` };
}

function setGuardians(t: Teller): Heading {
  const record = t.patient();
  const none = ZERO.test(t.text("guardians"));
  t.digest("New guardians", "guardians", "hidden: only this digest of who they are is published", "none from then on");
  t.digest("List of the guardians", "document", "sealed for the patient, with this digest", "none goes along");
  const first = ZERO.test(t.text("rest"));
  const wait = first ? "none are named" : `${span(t.number("delay"))} after this is carried out`;
  t.say("Waits for the present guardians", wait, "delay");
  t.digest("Present guardians", "rest", "hidden, with this digest", "none are named");
  t.say("Number of the decision", String(t.number("decision")), "decision");
  const when = first
    ? "If there are none now, this counts at once."
    : `It counts ${wait}; until then the present ones do.`;
  if (none) {
    t.warn("From then on nobody can give the record back to you if you lose your wallet.");
    return { title: "Have no guardians any more", summary: `Nobody will be guardian of ${record} any more. ${when}` };
  }
  t.warn("Guardians can hand the record to another wallet together. Name only people whom you trust with that.");
  return {
    title: "Name guardians",
    summary: `You name who can give ${record} to a new wallet if yours is lost. ${when}`,
  };
}

/** What a guardian signs, and the new wallet too. */
function recover(t: Teller): Heading {
  const own = t.text("signer").toLowerCase() === t.text("wallet").toLowerCase();
  const mine = t.isHolder("wallet");
  const record = t.patient();
  t.say("New wallet", mine ? `yours: ${t.account("wallet")}` : t.account("wallet"), "wallet");
  t.say("Number of the recovery", String(t.number("round")), "round");
  if (own) {
    const summary = `This wallet agrees to take over ${record}, and will decide about it once its guardians have signed too.`;
    return { title: "Recover a record", summary };
  }
  t.warn(
    "Make sure that the person really asked you for this: see them or call them, and compare the new wallet together. " +
      "A message alone can be somebody else’s. Whoever has that wallet then decides about all of the record.",
  );
  const summary = `As a guardian you agree that ${record} goes to the wallet ${t.short("wallet")}, which will decide about it.`;
  return { title: "Recover a record", summary };
}

function manifest(t: Teller, title: string, summary: (what: string) => string): Heading {
  const record = t.patient();
  t.parts("Parts of the record", "compartments");
  t.digest("List of the records", "pointer", "a list with this digest", "none, which cannot be right");
  t.say("Number of the decision", String(t.number("decision")), "decision");
  return { title, summary: summary(`${t.list(t.number("compartments"))} of ${record}`) };
}
