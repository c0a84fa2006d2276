/** The words of the page are those of the document: nothing that is signed is left out, and nothing unknown passes for known. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { read } from "../src/sign/document.ts";
import { FORMS } from "../src/sign/forms.ts";
import { DAY, day, moment, span } from "../src/sign/moments.ts";
import { bits, compartments, type Names, tame } from "../src/sign/names.ts";
import { type Description, describe as tell } from "../src/sign/words.ts";

type Document = ReturnType<typeof documentOf>;

const NOW = 1_800_000_000n;
const CLOCK = { now: NOW, zone: "UTC" };
const HOLDER = address(0xa1);
const NAMES: Names = {
  compartments: { 3: "general", 17: "psychiatry", 40: "dental" },
  accounts: { [address(0xc1)]: "General Hospital" },
};

function address(byte: number): string {
  return `0x${byte.toString(16).padStart(2, "0").repeat(20)}`;
}

function digest(byte: number): string {
  return `0x${byte.toString(16).padStart(2, "0").repeat(32)}`;
}

const VALUES: Record<string, string> = {
  patient: HOLDER,
  signer: HOLDER,
  author: HOLDER,
  actor: HOLDER,
  account: HOLDER,
  wallet: address(0xb2),
  grantee: address(0xc1),
  onBehalfOf: address(0xd1),
  read: String((1n << 3n) | (1n << 17n)),
  append: String(1n << 3n),
  compartments: String(1n << 17n),
  notBefore: "0",
  expiry: String(NOW + 90n * 86_400n),
  purposes: "1",
  purpose: "0",
  flags: "0",
  version: "6",
  keyringVersion: "4",
  decision: "8",
  round: "3",
  delay: String(14n * 86_400n),
  rest: digest(0x59),
  guardians: digest(0x5a),
  number: "9",
  replaces: "0",
  time: String(NOW - 60n),
  deadline: String(NOW + 3600n),
  seal: digest(0x51),
  keyring: digest(0x52),
  pointer: digest(0x53),
  claim: digest(0x54),
  document: digest(0x55),
  metadata: digest(0x56),
  content: digest(0x57),
  recordId: `0x${"58".repeat(16)}`,
  requester: HOLDER,
  wish: digest(0x59),
  request: digest(0x5a),
  reason: digest(0x5b),
};

/** A second value of each type, which the first does not contain. */
const OTHERS: Record<string, string> = {
  address: address(0xee),
  bytes32: digest(0xee),
  bytes16: `0x${"ee".repeat(16)}`,
  uint8: "5",
  uint16: "32",
  uint24: "77",
  uint40: String(NOW + 777_777n),
  uint64: String((1n << 40n) | (1n << 62n)),
  uint256: String(NOW + 7777n),
};

function membersOf(kind: string): { name: string; type: string }[] {
  return (FORMS[kind] ?? []).map((member) => {
    const [type = "", name = ""] = member.split(" ");
    return { name, type };
  });
}

function documentOf(kind: string, changes: Record<string, unknown> = {}) {
  const members = membersOf(kind);
  const message: Record<string, unknown> = Object.fromEntries(members.map(({ name }) => [name, VALUES[name] ?? ""]));
  return {
    types: {
      EIP712Domain: [
        { name: "name", type: "string" },
        { name: "version", type: "string" },
        { name: "chainId", type: "uint256" },
        { name: "verifyingContract", type: "address" },
      ],
      [kind]: members,
    } as Record<string, { name: string; type: string }[]>,
    primaryType: kind,
    domain: { name: "MedRec", version: "1", chainId: 31_337, verifyingContract: address(0x0c) },
    message: { ...message, ...changes },
  };
}

function told(document: object, names = NAMES, holder = HOLDER): Description {
  return tell(read(JSON.stringify(document)), holder, names, CLOCK);
}

function wordsOf({ title, summary, facts, cautions }: Description): string {
  const lines = facts.flatMap(({ label, lines: [...rest] }) => rest.map((line) => `${label}: ${line}`));
  return [title, summary, ...lines, ...cautions].join("\n");
}

function wordsAbout(kind: string, changes: Record<string, unknown> = {}): string {
  return wordsOf(told(documentOf(kind, changes)));
}

describe("every decision", () => {
  for (const kind of Object.keys(FORMS)) {
    it(`${kind} is known, and each of its members is in the words and in the exact data`, () => {
      const document = documentOf(kind);
      const reading = read(JSON.stringify(document));
      assert.deepEqual(reading.faults, []);
      assert.deepEqual(reading.unsigned, []);
      const described = told(document);
      const covered = new Set(described.facts.flatMap(({ members }) => members));
      for (const { name, type } of membersOf(kind)) {
        assert.ok(covered.has(name), `${name} is in no fact`);
        const row = reading.rows.find(({ path }) => path === name);
        assert.deepEqual(row, { path: name, type, value: VALUES[name] });
      }
    });

    for (const { name, type } of membersOf(kind)) {
      it(`${kind}: another ${name} makes other words`, () => {
        assert.notEqual(wordsAbout(kind, { [name]: OTHERS[type] }), wordsAbout(kind));
      });

      it(`${kind}: a ${name} that is none of its type is not put into words`, () => {
        const beyond = type.startsWith("uint") ? String(1n << BigInt(type.slice(4))) : "0x12";
        for (const value of [beyond, "", " 1", "0x", "-1", 1.5, null, [], {}, true, "1e3", "٣"]) {
          const reading = read(JSON.stringify(documentOf(kind, { [name]: value })));
          assert.equal(reading.values, null, JSON.stringify(value));
          assert.ok(reading.rows.some(({ path }) => path === name || path.startsWith(name)));
        }
      });
    }

    it(`${kind} names chain and contract`, () => {
      const where = told(documentOf(kind)).facts.find(({ label }) => label === "Where");
      assert.deepEqual(where?.lines, [`MedRec’s contract ${address(0x0c)}`, "chain 31337"]);
    });
  }

  it("has what nobody can read among the further details", () => {
    for (const kind of Object.keys(FORMS)) {
      const digests = new Set(membersOf(kind).flatMap(({ name, type }) => (type.startsWith("bytes") ? [name] : [])));
      digests.delete("guardians"); // whether there are any is what is decided
      for (const { label, members, small } of told(documentOf(kind)).facts) {
        assert.ok(small || !members.some((name) => digests.has(name)), `${kind}: ${label}`);
      }
    }
  });

  it("has addresses and digests in full", () => {
    for (const kind of Object.keys(FORMS)) {
      const words = wordsAbout(kind);
      for (const { name, type } of membersOf(kind)) {
        if (type === "address" || type.startsWith("bytes")) assert.ok(words.includes(VALUES[name] ?? "-"), name);
      }
    }
  });

  it("random values never break the words", () => {
    for (let round = 0; round < 300; round++) {
      for (const kind of Object.keys(FORMS)) {
        const changes = Object.fromEntries(membersOf(kind).map(({ name, type }) => [name, random(type)]));
        const document = documentOf(kind, changes);
        const described = told(document);
        assert.ok(described.facts.length > 0, JSON.stringify(document));
        assert.doesNotMatch(wordsOf(described), /undefined|NaN|Invalid|\[object/);
      }
    }
  });
});

function random(type: string): string {
  const bytes = type === "address" ? 20 : Number(/\d+$/.exec(type)?.[0]) / (type.startsWith("uint") ? 8 : 1);
  const octets = Array.from({ length: bytes }, () => Math.floor(Math.random() * 256));
  const digits = octets.map((octet) => octet.toString(16).padStart(2, "0")).join("");
  return type.startsWith("uint") ? String(BigInt(`0x${digits}`)) : `0x${digits}`;
}

function withMember(document: Document, member: { name: string; type: string }): object {
  const types = { ...document.types, Grant: [...(document.types["Grant"] ?? []), member] };
  return { ...document, types, message: { ...document.message, hidden: "4711" } };
}

function retyped(document: Document, name: string, type: string): object {
  const members = (document.types["Grant"] ?? []).map((one) => (one.name === name ? { name, type } : one));
  return { ...document, types: { ...document.types, Grant: members } };
}

function withoutMember(document: Document, name: string): object {
  const members = (document.types["Grant"] ?? []).filter((one) => one.name !== name);
  return { ...document, types: { ...document.types, Grant: members } };
}

function reversed(document: Document): object {
  return { ...document, types: { ...document.types, Grant: (document.types["Grant"] ?? []).toReversed() } };
}

function salted(document: Document): object {
  const members = [...(document.types["EIP712Domain"] ?? []), { name: "salt", type: "bytes32" }];
  return {
    ...document,
    types: { ...document.types, EIP712Domain: members },
    domain: { ...document.domain, salt: digest(1) },
  };
}

/** Every value of a document that is not a list or an object. */
function leavesOf(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [String(value)];
  return Object.entries(value)
    .filter(([name]) => name !== "primaryType")
    .flatMap(([, one]) => leavesOf(one));
}

describe("a document that is not MedRec's", () => {
  const changed: [string, (document: Document) => object, RegExp][] = [
    [
      "another type",
      (d) => ({ ...d, primaryType: "Permit", types: { ...d.types, Permit: [] } }),
      /no decision called “Permit”/,
    ],
    ["another domain", (d) => ({ ...d, domain: { ...d.domain, name: "MedRek" } }), /not made for MedRec/],
    ["another version", (d) => ({ ...d, domain: { ...d.domain, version: "2" } }), /not made for MedRec/],
    ["a further member", (d) => withMember(d, { name: "hidden", type: "uint256" }), /unknown part “uint256 hidden”/],
    ["a member of another type", (d) => retyped(d, "flags", "uint16"), /unknown part “uint16 flags”/],
    ["a member left out", (d) => withoutMember(d, "purposes"), /lacks “uint16 purposes”/],
    ["members in another order", (d) => reversed(d), /another order/],
    [
      "a value that is not signed",
      (d) => ({ ...d, message: { ...d.message, note: "x" } }),
      /“note”, which would not be signed/,
    ],
    [
      "a part that is not signed",
      (d) => ({ ...d, extra: { deep: [1] } }),
      /“extra.deep\[0\]”, which would not be signed/,
    ],
    ["a further type", (d) => ({ ...d, types: { ...d.types, Other: [] } }), /defines “Other”/],
    ["a salt in its domain", (d) => salted(d), /unknown part “bytes32 salt”/],
    [
      "a number that JavaScript rounds",
      (d) => ({ ...d, domain: { ...d.domain, chainId: 2 ** 53 } }),
      /“chainId” has a value/,
    ],
  ];

  for (const [what, change, fault] of changed) {
    it(`with ${what} gets no words but a warning, and is shown whole`, () => {
      const document = change(documentOf("Grant"));
      const described = told(document);
      assert.match(described.title, /does not know/);
      assert.deepEqual(described.facts, []);
      assert.match(described.cautions.join("\n"), fault);
      const { rows, unsigned } = read(JSON.stringify(document));
      const shown = [...rows, ...unsigned].map(({ value }) => value);
      for (const leaf of leavesOf(document))
        assert.ok(
          shown.some((value) => value.includes(leaf)),
          leaf,
        );
    });
  }

  it("of nested types is shown down to its leaves", () => {
    const document = {
      types: {
        EIP712Domain: [{ name: "name", type: "string" }],
        Mail: [
          { name: "to", type: "Person[]" },
          { name: "lines", type: "string[2]" },
          { name: "none", type: "uint8[]" },
          { name: "missing", type: "bool" },
        ],
        Person: [{ name: "name", type: "string" }],
      },
      primaryType: "Mail",
      domain: { name: "Post" },
      message: { to: [{ name: "Bob", secret: 1 }, { name: "Eve" }], lines: ["a", "b"], none: [] },
    };
    const { rows, unsigned } = read(JSON.stringify(document));
    const shown = Object.fromEntries(rows.map(({ path, value }) => [path, value]));
    assert.equal(shown["to[0].name"], "Bob");
    assert.equal(shown["to[1].name"], "Eve");
    assert.equal(shown["lines[1]"], "b");
    assert.equal(shown["none"], "(empty list)");
    assert.equal(shown["missing"], "(missing)");
    assert.equal(shown["domain.name"], "Post");
    assert.deepEqual(unsigned, [{ path: "to[0].secret", type: "", value: "1" }]);
  });

  it("that is none at all is refused", () => {
    for (const text of ["[]", "null", "{}", '{"types":{},"primaryType":"A","domain":{},"message":{}}', "{"]) {
      assert.throws(() => read(text));
    }
  });

  it("whose type is named as what every object has is unknown", () => {
    for (const kind of ["constructor", "toString", "__proto__"]) {
      const text = JSON.stringify(documentOf("Grant")).replaceAll('"Grant"', JSON.stringify(kind));
      assert.match(tell(read(text), HOLDER, NAMES, CLOCK).title, /does not know/);
    }
  });
});

describe("a permission", () => {
  it("is said in one sentence", () => {
    const { summary } = told(documentOf("Grant"));
    assert.equal(
      summary,
      "“General Hospital” may read “general” and “psychiatry” and add to “general” in your record, for treatment, " +
        "until 15 April 2027 (in 90 days).",
    );
  });

  it("that begins later, ends soon, or adds what it reads is said so", () => {
    const changes = { append: VALUES["read"] ?? "", notBefore: String(NOW + 60n), expiry: String(NOW + 7200n) };
    assert.equal(
      told(documentOf("Grant", changes)).summary,
      "“General Hospital” may read and add to “general” and “psychiatry” in your record, for treatment, " +
        "from 15 January 2027 at 08:01 UTC (in 1 minute) until 15 January 2027 at 10:00 UTC (in 2 hours).",
    );
  });

  it("that names a representative says for whom it decides", () => {
    const { title, summary } = told(documentOf("Grant", { flags: "2" }));
    assert.equal(title, "Name a representative");
    assert.match(summary, /in your record, and decide there for you, for treatment/);
    const child = told(documentOf("Grant", { flags: "2", patient: address(0x77) }));
    assert.match(child.summary, /the record of 0x777777…777777, and decide there for the patient,/);
    assert.match(child.cautions.join("\n"), /end what you allowed others.*look through whom they let in: those stay/);
  });

  it("without HISTORY does not promise to close what was open", () => {
    assert.match(wordsAbout("Grant"), /Earlier entries: stay closed, but for what they could read before/);
  });

  it("that is ordinary needs no second look", () => {
    assert.deepEqual(told(documentOf("Grant")).cautions, []);
  });

  const wide: [string, Record<string, string>, RegExp][] = [
    ["MANAGE", { flags: "2" }, /may let others in without asking you/],
    ["HISTORY", { flags: "1" }, /also read what was written before this permission/],
    ["an unknown flag", { flags: "128" }, /flag number 7, unknown here/],
    ["a far end", { expiry: String(NOW + 10n * 365n * 86_400n) }, /lasts for 10 years/],
    ["no end", { expiry: String((1n << 40n) - 1n) }, /lasts for \d+ years/],
    ["an end that is over", { expiry: "1" }, /over already/],
    ["many purposes", { purposes: "65535" }, /16 of 16 purposes/],
    ["every part", { read: String((1n << 3n) | (1n << 17n) | (1n << 40n)) }, /every part of the record/],
    ["a part without a name", { read: String(1n << 9n) }, /no name is known here for part 9/],
    ["a late deadline", { deadline: String(NOW + 30n * 86_400n) }, /can use it for 30 days/],
    ["a deadline beyond time", { deadline: String((1n << 256n) - 1n) }, /can use it for \d+ years/],
    ["a deadline that is over", { deadline: "5" }, /is over/],
    ["another signer", { signer: address(0x99) }, /another account decides than the one that is asked/],
  ];
  for (const [what, changes, caution] of wide) {
    it(`with ${what} is called out`, () => {
      assert.match(told(documentOf("Grant", changes)).cautions.join("\n"), caution);
    });
  }

  it("for a compartment without a name shows its number", () => {
    const words = wordsAbout("Grant", { read: String(1n << 9n) });
    assert.match(words, /May read: part\u00a09 \(no name is known here\)/);
    const nameless = wordsOf(told(documentOf("Grant"), { compartments: {}, accounts: {} }));
    assert.match(nameless, /May read: part\u00a03 \(no name is known here\)/);
    assert.match(nameless, /may read 2 parts/);
  });

  it("of a representative names whose record it is", () => {
    assert.match(wordsAbout("Grant", { patient: address(0x77) }), new RegExp(`Whose record: ${address(0x77)}`));
  });

  it("with a purpose that is unknown shows its number", () => {
    assert.match(wordsAbout("Append", { purpose: "200" }), /purpose number 200, unknown here/);
  });
});

describe("other decisions", () => {
  it("a revocation says that the keys stay where they do", () => {
    assert.match(wordsAbout("Revoke", { keyring: digest(0) }), /keys are not changed/);
    assert.doesNotMatch(wordsAbout("Revoke"), /keys are not changed/);
  });

  it("a revocation says until when it ends what is allowed anew, and what it cannot take back", () => {
    const words = wordsAbout("Revoke");
    assert.match(words, /whatever they are allowed anew until 15 January 2027 at 09:00 UTC/);
    assert.match(words, /What was read before may have been kept/);
    const own = told(documentOf("Revoke", { patient: address(0x77), grantee: HOLDER }));
    assert.match(own.summary, /^You may no longer read or add to the record of 0x777777…777777/);
    assert.match(wordsOf(own), /Who loses access: you: 0xa1/);
    const alone = { patient: address(0x77), grantee: HOLDER, keyring: digest(0) };
    assert.match(wordsAbout("Revoke", alone), /The patient has to change them/);
  });

  it("a record of one's own is opened, or another's, or one under another wallet", () => {
    const own = told(documentOf("Register", { wallet: HOLDER }));
    assert.equal(own.summary, "You open your record. The same wallet decides about it.");
    assert.deepEqual(own.cautions, []);
    const newborns = told(documentOf("Register", { patient: address(0x77), wallet: HOLDER }));
    assert.match(newborns.summary, /^You open the record of 0x777777…777777, as for a newborn. Your wallet decides/);
    assert.match(newborns.cautions.join("\n"), /in place of the person whose record it is, until you hand it over/);
    const handedOver = told(documentOf("Register"));
    assert.match(handedOver.cautions.join("\n"), /Another wallet alone will decide about it/);
  });

  it("an entry names its part of the record, and for whom it is", () => {
    const { summary } = told(documentOf("Append", { patient: address(0x77), onBehalfOf: address(0xc1) }));
    assert.equal(
      summary,
      "You add an entry to “psychiatry” of the record of 0x777777…777777 on behalf of “General Hospital”, for treatment.",
    );
    assert.match(wordsAbout("Append", { onBehalfOf: HOLDER }), /On behalf of: yourself: 0xa1/);
    assert.match(wordsAbout("Statement", { onBehalfOf: address(0xc1) }), /wrote an entry of .* on behalf of “General/);
    assert.match(wordsAbout("Statement", { onBehalfOf: HOLDER }), /You state that you wrote an entry of your record\./);
  });

  it("a change of wallet is called out", () => {
    const { summary, cautions } = told(documentOf("ChangeWallet"));
    assert.match(summary, /0xb2b2b2…b2b2b2 decides about your record, and the present wallet no longer/);
    assert.match(cautions.join("\n"), /cannot undo this.*yours, or that of the person whose record it is/);
    assert.match(told(documentOf("WalletChange")).summary, /^0xb2b2b2…b2b2b2 agrees/);
    assert.match(told(documentOf("WalletChange", { wallet: HOLDER })).summary, /^This wallet agrees/);
    assert.ok(told(documentOf("WalletChange")).cautions.length > 0, "by another account than the new wallet");
    assert.deepEqual(told(documentOf("WalletChange", { wallet: HOLDER })).cautions, []);
  });

  it("guardians are hidden, and wait for those there are", () => {
    const words = wordsAbout("SetGuardians");
    assert.match(words, /It counts 14 days after this is carried out; until then the present ones do/);
    assert.match(words, /hidden: only this digest/);
    assert.match(words, /only people whom you trust/);
    assert.match(words, /nobody can stop what all of them sign/);
    assert.match(words, /cannot see who they are/);
    const first = wordsAbout("SetGuardians", { rest: digest(0), delay: "0" });
    assert.match(first, /If there are none now, this counts at once/);
  });

  it("no guardians from then on is called out", () => {
    const words = wordsAbout("SetGuardians", { guardians: digest(0) });
    assert.match(words, /Have no guardians any more/);
    assert.match(words, /nobody can give the record back to you/);
  });

  it("a guardian is told to make sure that the person asked", () => {
    const guardian = told(documentOf("Recover", { patient: address(0x77) }));
    assert.match(guardian.summary, /the record of 0x777777…777777 goes to the wallet 0xb2b2b2…b2b2b2/);
    assert.match(guardian.cautions.join("\n"), /really asked you/);
    assert.match(guardian.cautions.join("\n"), /decides about all of the record/);
    assert.match(guardian.cautions.join("\n"), /If all guardians sign, nobody can stop it/);
  });

  it("guardian and new wallet see the digits that the person reads out", () => {
    const changes = { patient: address(0x77) };
    const [guardian, wallet] = [changes, { ...changes, signer: address(0xb2) }].map((one) => {
      return told(documentOf("Recover", one)).facts.find(({ label }) => label === "Digits to compare");
    });
    assert.match(guardian?.lines.join() ?? "", /^(\d{4} ){5}\d{4}$/);
    assert.equal(guardian?.small, false);
    assert.deepEqual(wallet, guardian);
    const never = wordsAbout("Recover", { ...changes, deadline: String(1n << 64n) });
    assert.match(never, /Digits to compare: none: no new device asks for this/);
  });

  it("a month is what guardians are usually given, and more is called out", () => {
    const [month, more] = [30n, 33n].map((days) => wordsAbout("Recover", { deadline: String(NOW + days * 86_400n) }));
    assert.doesNotMatch(month ?? "", /can use it for/);
    assert.match(more ?? "", /can use it for .*A month is usual/);
  });

  it("a new wallet reads that it takes the record over", () => {
    const changes = { patient: address(0x77), wallet: HOLDER };
    const wallet = told(documentOf("Recover", changes));
    assert.match(wallet.summary, /This wallet agrees to take over the record of 0x777777…777777/);
    assert.deepEqual(wallet.cautions, []);
    const another = told(documentOf("Recover", { ...changes, signer: address(0x66), wallet: address(0x66) }));
    assert.match(another.cautions.join("\n"), /another account as the new wallet/);
    assert.match(another.summary, /^0x666666…666666 agrees to take over/);
  });

  it("a recovery that is stopped leaves the record where it is", () => {
    const words = wordsAbout("StopRecovery");
    assert.match(words, /You stop the recovery of your record .*: the present wallet goes on deciding/);
    assert.match(words, /They can begin another one\. What all of them signed cannot be stopped/);
  });

  it("a correction names entry and record", () => {
    assert.match(wordsAbout("Append", { replaces: String((5n << 32n) | 2n) }), /entry 5, record 2 in it/);
  });
});

describe("requests for access", () => {
  it("say who asks whom, and leave the words to the patient", () => {
    const asked = told(documentOf("AccessRequest", { patient: address(0xa7) }));
    assert.equal(asked.title, "Ask for access");
    assert.match(
      asked.summary,
      /^You ask for access to the record of .* on behalf of .*, for treatment, until 15 April/,
    );
    assert.deepEqual(asked.cautions, []);
    assert.match(
      wordsAbout("AccessRequest", { requester: address(0xa8) }),
      /names another account as the one that asks/,
    );
    assert.match(wordsAbout("AccessRequest", { expiry: String(NOW - 1n) }), /would be over already/);
    assert.match(wordsAbout("AccessRequest", { deadline: String(NOW - 1n) }), /The time for an answer is over/);
  });

  it("are answered in words that tell a grant from a refusal", () => {
    const granted = told(documentOf("AccessAnswer", { requester: address(0xc1), onBehalfOf: address(0xc1) }));
    assert.match(wordsOf(granted), /Answer: granted, by permission number 6/);
    assert.equal(
      granted.summary,
      "You tell “General Hospital” that you granted access to your record. This answer itself allows nothing.",
    );
    const refused = told(documentOf("AccessAnswer", { version: "0", requester: address(0xc1) }));
    assert.equal(
      refused.summary,
      "You refuse “General Hospital”, who asked on behalf of 0xd1d1d1…d1d1d1, access to your record.",
    );
    assert.equal(refused.title, "Answer a request");
    assert.match(wordsOf(refused), /Answer: refused/);
  });
});

describe("names", () => {
  it("cannot pass for more than a name", () => {
    assert.equal(tame("a\u202eb\nc\u0000"), "a�b�c�");
    assert.equal(Array.from(tame("x".repeat(500))).length, 81);
    assert.equal(tame("  ä  "), "ä");
    assert.equal(tame('Clinic” 0x1111; also "«'), "Clinic' 0x1111; also ''");
  });

  it("stand beside the numbers", () => {
    assert.deepEqual(bits((1n << 63n) | 1n), [0, 63]);
    assert.deepEqual(bits(0n), []);
    assert.deepEqual(compartments((1n << 3n) | 1n, NAMES), [
      "part\u00a00 (no name is known here)",
      "“general” (part\u00a03)",
    ]);
  });

  it("are looked up among what was given alone", () => {
    const names: Names = { compartments: {}, accounts: {} };
    assert.deepEqual(compartments(1n, names), ["part\u00a00 (no name is known here)"]);
  });
});

describe("times", () => {
  it("are given with their distance", () => {
    assert.equal(moment(NOW, CLOCK), "15 January 2027 at 08:00 UTC (in 0 seconds)");
    assert.equal(moment(NOW - 7200n, CLOCK), "15 January 2027 at 06:00 UTC (2 hours ago)");
    assert.equal(moment(NOW + 61n, CLOCK), "15 January 2027 at 08:01:01 UTC (in 1 minute)");
    assert.match(moment(1n << 60n, CLOCK), /^never/);
  });

  it("are days in a sentence, and hours where days say too little", () => {
    assert.equal(day(NOW + 90n * DAY, CLOCK), "15 April 2027 (in 90 days)");
    assert.equal(day(NOW - 3n * DAY, CLOCK), "12 January 2027 (3 days ago)");
    assert.equal(day(NOW + 2n * DAY - 1n, CLOCK), moment(NOW + 2n * DAY - 1n, CLOCK));
    assert.match(day(1n << 60n, CLOCK), /^never/);
  });

  it("are spans in one unit, to the nearest", () => {
    assert.deepEqual([1n, 59n, 60n, 3599n, 7200n, 172_800n, 90n * DAY - 9n, 365n * 14n * DAY - DAY].map(span), [
      "1 second",
      "59 seconds",
      "1 minute",
      "60 minutes",
      "2 hours",
      "2 days",
      "90 days",
      "14 years",
    ]);
  });
});
