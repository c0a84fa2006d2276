/**
 * Says in plain words what a document asks for. The words come from the document alone; of what the program adds, only
 * names of compartments and accounts are used, beside the numbers and addresses that they stand for.
 */

import type { Reading, Value } from "./document.ts";
import { fingerprint } from "./fingerprint.ts";
import { PURPOSES } from "./forms.ts";
import { type Clock, DAY, day, moment, span } from "./moments.ts";
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
  "Content",
  "Decided by",
  "Key, name and addresses",
  "Keys",
  "Keys it is sealed to",
  "Keys so far",
  "List of the guardians",
  "List of the records",
  "Number of the decision",
  "Number of the recovery",
  "Number of this permission",
  "Number of your relayed entry",
  "Present guardians",
  "Reason, in words",
  "Record",
  "Request",
  "Signature counts until",
  "Statement",
  "Title, type and dates",
  "What and why, in words",
  "What was read",
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
  const teller = new Teller(reading, reading.values, holder, names, clock);
  const tell = TELLERS[reading.kind];
  if (tell === undefined) return unknown(reading);
  const { title, summary } = tell(teller);
  teller.signedBy();
  if (reading.kind === "Recover") teller.deadline(LONG_RECOVERY, "A month");
  else if (reading.kind !== "AccessRequest") teller.deadline(LONG_DEADLINE, "An hour");
  teller.say("Where", [`MedRec’s contract ${reading.contract}`, `chain ${reading.chainId}`]);
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
  private readonly reading: Reading;
  private readonly values: ReadonlyMap<string, Value>;
  readonly holder: string;

  constructor(reading: Reading, values: ReadonlyMap<string, Value>, holder: string, names: Names, clock: Clock) {
    this.reading = reading;
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

  /** The wallet that takes a record over: words for a sentence. A caution if it has to sign, and another one is asked. */
  newWallet(signs = true): string {
    const mine = this.isHolder("wallet");
    this.say("New wallet", mine ? `yours: ${this.account("wallet")}` : this.account("wallet"), "wallet");
    if (mine) return "This wallet";
    if (signs) this.warn("It names another account as the new wallet than the one that is asked to sign.");
    return this.short("wallet");
  }

  /** The digits that the new device of somebody who recovers a record shows, and that they read out. */
  fingerprint(): void {
    const digits = fingerprint({
      chain: BigInt(this.reading.chainId),
      contract: this.reading.contract,
      patient: this.text("patient"),
      wallet: this.text("wallet"),
      round: this.number("round"),
      deadline: this.number("deadline"),
    });
    this.say("Digits to compare", digits ?? "none: no new device asks for this");
  }

  /** Whose record it is. */
  patient(): string {
    const mine = this.isHolder("patient");
    this.say("Whose record", mine ? `yours: ${this.account("patient")}` : this.account("patient"), "patient");
    return mine ? "your record" : `the record of ${this.short("patient")}`;
  }

  parts(label: string, member: string, absent = "nothing"): void {
    const mask = this.number(member);
    this.say(label, mask === 0n ? absent : compartments(mask, this.names), member);
    const nameless = bits(mask).filter((bit) => compartmentName(bit, this.names) === null);
    if (nameless.length > 0 && Object.keys(this.names.compartments).length > 0) {
      this.warn(`${label}: no name is known here for part ${and(nameless.map(String))}. Ask what it holds.`);
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

  /** For whom somebody acts: words for a sentence, none where it is themselves. */
  actingFor(actor: string): string {
    const same = this.text("onBehalfOf").toLowerCase() === actor.toLowerCase();
    const self = this.isHolder("onBehalfOf") ? "yourself" : "themselves";
    const whom = this.account("onBehalfOf");
    this.say("On behalf of", same ? `${self}: ${whom}` : whom, "onBehalfOf");
    return same ? "" : ` on behalf of ${this.short("onBehalfOf")}`;
  }

  /** The purposes of a mask for a sentence: a count where there are many. */
  purposes(): string {
    const numbers = bits(this.number("purposes"));
    this.say("For", numbers.length === 0 ? "no purpose at all" : numbers.map(purposeLine), "purposes");
    if (numbers.length > 2) return `${numbers.length} purposes`;
    return and(numbers.map((number) => PURPOSES[number]?.[1] ?? "")) || "no purpose";
  }

  replaced(): void {
    const value = this.number("replaces");
    const entry = value >> 32n;
    const leaf = value & 0xffff_ffffn;
    const line = leaf === 0n ? `entry ${entry}` : `entry ${entry}, record ${leaf} in it`;
    this.say("Corrects", value === 0n ? "nothing: it is a new record" : line, "replaces");
  }

  /** Who has to sign; a caution if it is not the account that is asked. */
  signedBy(): void {
    const member = ["signer", "author", "actor"].find((one) => this.values.has(one));
    if (member === undefined) return;
    const mine = this.isHolder(member);
    this.say("Decided by", mine ? `you: ${this.account(member)}` : this.account(member), member);
    if (!mine) this.warn("It says that another account decides than the one that is asked to sign.");
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
  Register: register,
  Grant: grant,
  Revoke: revoke,
  ChangeWallet(t) {
    const record = t.patient();
    const wallet = t.short("wallet");
    t.say("New wallet", t.account("wallet"), "wallet");
    t.say("Number of the decision", String(t.number("decision")), "decision");
    t.warn(
      "The present wallet cannot undo this. Make sure that the new one is the right one: yours, or that of the person " +
        "whose record it is.",
    );
    const summary = `From then on ${wallet} decides about ${record}, and the present wallet no longer.`;
    return { title: "Hand the record to another wallet", summary };
  },
  WalletChange(t) {
    const record = t.patient();
    const summary = `${t.newWallet()} agrees to decide about ${record} from now on.`;
    t.say("Number of the decision", String(t.number("decision")), "decision");
    return { title: "Take over a record", summary };
  },
  PublishKeyring(t) {
    const record = t.patient();
    t.parts("Parts that get new keys", "compartments");
    t.digest("Keys", "pointer", "new keys, sealed to those who may read", "none, which cannot be right");
    t.say("Keys so far", `version ${t.number("keyringVersion")}`, "keyringVersion");
    const parts = t.list(t.number("compartments"));
    const summary = `New keys for what is written from then on in ${parts} of ${record}. Nobody is allowed more than before.`;
    return { title: "Change the keys", summary };
  },
  PublishMoved(t) {
    const record = t.patient();
    t.parts("Parts of the record", "compartments");
    t.digest("List of the records", "pointer", "a list with this digest", "none, which cannot be right");
    t.say("Number of the decision", String(t.number("decision")), "decision");
    const parts = t.list(t.number("compartments"));
    const summary = `Records in ${parts} of ${record} are sealed with other keys. What they say stays as it is.`;
    return { title: "Seal records anew", summary };
  },
  SetGuardians: setGuardians,
  StopRecovery(t) {
    const record = t.patient();
    t.say("Number of the recovery", String(t.number("round")), "round");
    const summary =
      `You stop the recovery of ${record} that its guardians began: the present wallet goes on deciding. ` +
      "They can begin another one. What all of them signed cannot be stopped.";
    return { title: "Stop a recovery", summary };
  },
  Recover: recover,
  Append(t) {
    const record = t.patient();
    const forWhom = t.actingFor(t.text("author"));
    t.parts("Parts of the record", "compartments");
    const why = t.purpose("purpose");
    t.replaced();
    t.digest("Record", "pointer", "an encrypted record with this digest", "none, which cannot be right");
    t.digest("Statement", "claim", "bound to what its author signed", "none, which cannot be right");
    t.say("Keys it is sealed to", `version ${t.number("keyringVersion")}`, "keyringVersion");
    t.say("Number of your relayed entry", String(t.number("number")), "number");
    const parts = t.list(t.number("compartments"));
    return { title: "Add to a record", summary: `You add an entry to ${parts} of ${record}${forWhom}, for ${why}.` };
  },
  LogAccess(t) {
    const record = t.patient();
    const forWhom = t.actingFor(t.text("actor"));
    const why = t.purpose("purpose");
    t.digest("What was read", "document", "a sealed document with this digest", "not said");
    t.say("Number of your relayed entry", String(t.number("number")), "number");
    const summary = `You enter that you read ${record}${forWhom}, for ${why}.`;
    return { title: "Enter that you have read", summary };
  },
  Statement(t) {
    const record = t.patient();
    const forWhom = t.actingFor(t.holder);
    t.say("Written", moment(t.number("time"), t.clock), "time");
    t.replaced();
    t.say("Record", t.text("recordId"), "recordId");
    t.say("Content", ["fixed by this digest", t.text("content")], "content");
    t.say("Title, type and dates", ["fixed by this digest", t.text("metadata")], "metadata");
    const summary = `You state that you wrote an entry of ${record}${forWhom}.`;
    return { title: "Sign a record as its author", summary };
  },
  Profile(t) {
    const mine = t.isHolder("account");
    t.say("Account", mine ? `yours: ${t.account("account")}` : t.account("account"), "account");
    t.say("Key, name and addresses", ["fixed by this digest", t.text("content")], "content");
    if (!mine) t.warn("It is the profile of another account than the one that is asked to sign.");
    const summary =
      "You publish, for everybody to see, the key that records are sealed to for you, and the name and addresses that you gave.";
    return { title: "Publish your profile", summary };
  },
  AccessRequest: ask,
  AccessAnswer: answer,
};

function register(t: Teller): Heading {
  const record = t.patient();
  const title = "Open a record";
  if (t.text("patient").toLowerCase() === t.text("wallet").toLowerCase()) {
    t.say("Wallet that decides", `the same: ${t.account("wallet")}`, "wallet");
    return { title, summary: `You open ${record}. The same wallet decides about it.` };
  }
  const mine = t.isHolder("wallet");
  t.say("Wallet that decides", mine ? `yours: ${t.account("wallet")}` : t.account("wallet"), "wallet");
  if (mine) {
    t.warn("You decide about it in place of the person whose record it is, until you hand it over.");
    return { title, summary: `You open ${record}, as for a newborn. Your wallet decides about it.` };
  }
  t.warn("Another wallet alone will decide about it. Make sure that it is the right one.");
  return { title, summary: `You open ${record}. ${t.short("wallet")} decides about it.` };
}

/** A request counts for itself: no contract takes it, so its deadline is no window for a relayer. */
function ask(t: Teller): Heading {
  const record = t.patient();
  const mine = t.isHolder("requester");
  t.say("Asked by", mine ? `you: ${t.account("requester")}` : t.account("requester"), "requester");
  if (!mine) t.warn("It names another account as the one that asks than the one that is asked to sign.");
  const forWhom = t.actingFor(t.text("requester"));
  const why = t.purposes();
  const [end, deadline] = [t.number("expiry"), t.number("deadline")];
  t.say("Access until", moment(end, t.clock), "expiry");
  t.say("Waits for an answer until", moment(deadline, t.clock), "deadline");
  t.say("What and why, in words", ["fixed by this digest, for the patient alone", t.text("wish")], "wish");
  if (end <= t.clock.now) t.warn("The access that is asked for would be over already.");
  if (deadline < t.clock.now) t.warn("The time for an answer is over.");
  const summary = `You ask for access to ${record}${forWhom}, for ${why}, until ${day(end, t.clock)}. The patient decides.`;
  return { title: "Ask for access", summary };
}

function answer(t: Teller): Heading {
  const record = t.patient();
  t.say("Who asked", t.account("requester"), "requester");
  const forWhom = t.actingFor(t.text("requester"));
  const version = t.number("version");
  const refused = version === 0n;
  t.say("Answer", refused ? "refused" : `granted, by permission number ${version}`, "version");
  t.say("Request", ["the one with this digest", t.text("request")], "request");
  t.say("Reason, in words", ["fixed by this digest, for whoever asked", t.text("reason")], "reason");
  t.say("Signed", moment(t.number("time"), t.clock), "time");
  const who = `${t.short("requester")}${forWhom === "" ? "" : `, who asked${forWhom},`}`;
  const summary = refused
    ? `You refuse ${who} access to ${record}.`
    : `You tell ${who} that you granted access to ${record}. This answer itself allows nothing.`;
  return { title: "Answer a request", summary };
}

function grant(t: Teller): Heading {
  const grantee = t.account("grantee");
  t.say("Who is allowed", grantee, "grantee");
  const record = t.patient();
  const [reads, appends, flags] = [t.number("read"), t.number("append"), bits(t.number("flags"))];
  t.parts("May read", "read");
  t.parts("May add to", "append");
  const before = flags.includes(HISTORY) ? "may be read too" : "stay closed, but for what they could read before";
  t.say("Earlier entries", before, "flags");
  t.say(
    "Deciding for the patient",
    [
      flags.includes(MANAGE) ? "allowed, within these limits (MANAGE)" : "not allowed",
      ...flags.filter((flag) => flag > MANAGE).map((flag) => `flag number ${flag}, unknown here`),
    ],
    "flags",
  );
  const why = t.purposes();
  const [start, end] = [t.number("notBefore"), t.number("expiry")];
  t.say("From", start === 0n ? "at once" : moment(start, t.clock), "notBefore");
  t.say("Until", moment(end, t.clock), "expiry");
  t.digest("Keys", "seal", "go along, sealed to the one who is allowed", "none go along");
  t.say(
    "Number of this permission",
    `${t.number("version")}: it replaces all that they were allowed before`,
    "version",
  );
  warnOfGrant(t, flags, bits(t.number("purposes")), end);
  const what =
    reads === appends && reads !== 0n
      ? [`read and add to ${t.list(reads)}`]
      : [...(reads === 0n ? [] : [`read ${t.list(reads)}`]), ...(appends === 0n ? [] : [`add to ${t.list(appends)}`])];
  const whom = t.isHolder("patient") ? "you" : "the patient";
  const deciding = flags.includes(MANAGE) ? `, and decide there for ${whom},` : ",";
  const doing = `${t.short("grantee")} may ${and(what) || "do nothing"} in ${record}${deciding}`;
  const from = start <= t.clock.now ? "" : `from ${day(start, t.clock)} `;
  const summary = `${doing} for ${why}, ${from}until ${day(end, t.clock)}.`;
  return { title: flags.includes(MANAGE) ? "Name a representative" : "Allow access", summary };
}

/** A permission that is wider than most. */
function warnOfGrant(t: Teller, flags: readonly number[], purposes: readonly number[], end: bigint): void {
  const who = t.short("grantee");
  if (flags.includes(MANAGE)) {
    t.warn(
      `${who} may let others in without asking you, and end what you allowed others, within these limits. ` +
        "If you end this early, look through whom they let in: those stay.",
    );
  }
  if (flags.includes(HISTORY)) t.warn(`${who} may also read what was written before this permission.`);
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
  const mine = t.isHolder("grantee");
  t.say("Who loses access", mine ? `you: ${t.account("grantee")}` : t.account("grantee"), "grantee");
  const record = t.patient();
  const late = `whatever ${mine ? "you" : "they"} are allowed anew until ${moment(t.number("deadline"), t.clock)}`;
  t.say("Which permission", [`number ${t.number("version")}, and`, late], "version");
  t.parts("Parts that get new keys", "compartments", "none");
  t.digest("Keys", "keyring", "change at once, for those who stay", "are not changed by this");
  t.say("Keys so far", `version ${t.number("keyringVersion")}`, "keyringVersion");
  if (ZERO.test(t.text("keyring"))) {
    const then = mine ? "The patient has to change them" : "Change them afterwards, unless they could read nothing";
    t.warn(`The keys are not changed by this. ${then}.`);
  }
  const who = mine ? "You" : t.short("grantee");
  const summary = `${who} may no longer read or add to ${record}. What was read before may have been kept.`;
  return { title: "End access", summary };
}

function setGuardians(t: Teller): Heading {
  const record = t.patient();
  const none = ZERO.test(t.text("guardians"));
  t.digest("New guardians", "guardians", "hidden: only this digest of who they are is published", "none from then on");
  t.digest("List of the guardians", "document", "sealed for the patient, with this digest", "none goes along");
  const first = ZERO.test(t.text("rest"));
  const wait = first ? "no: none are named" : `${span(t.number("delay"))} after this is carried out`;
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
  t.warn(
    "As many of them together as you chose can hand the record to another wallet, which then decides about all of it. " +
      "You can stop them while the time that you chose runs, but nobody can stop what all of them sign. " +
      "Name only people whom you trust with that.",
  );
  t.warn("This page cannot see who they are. Your program shows them.");
  return {
    title: "Name guardians",
    summary: `You name who can give ${record} to a new wallet if yours is lost. ${when}`,
  };
}

/** What a guardian signs, and the new wallet too. */
function recover(t: Teller): Heading {
  const own = t.text("signer").toLowerCase() === t.text("wallet").toLowerCase();
  const record = t.patient();
  const wallet = t.newWallet(own);
  t.fingerprint();
  t.say("Number of the recovery", String(t.number("round")), "round");
  if (own) {
    const summary = `${wallet} agrees to take over ${record}, and will decide about it once its guardians have signed too and their waiting time is over.`;
    return { title: "Recover a record", summary };
  }
  t.warn(
    "Make sure that the person really asked you for this: see them or call them, and have them read out the digits " +
      "that their new device shows. They have to be the digits below. A message alone can be somebody else’s. " +
      "Whoever has the new wallet then decides about all of the record.",
  );
  t.warn("If all guardians sign, nobody can stop it.");
  const summary = `As a guardian you agree that ${record} goes to the wallet ${t.short("wallet")}, which will decide about it.`;
  return { title: "Recover a record", summary };
}
