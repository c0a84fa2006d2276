/** What a reader must refuse: tests/vectors/refusals.json, with the error by which Python and Go refuse it too. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { MedRecError } from "../src/format/errors.ts";
import { CURRENT } from "../src/format/suites.ts";
import { type Json, vectors } from "./json.ts";
import { changed, READ } from "./reading.ts";

for (const { of, suite, inputs, cases } of vectors("refusals.json").groups) {
  const read = READ[of];
  assert.ok(read, `there is no reading of ${of}`);
  if (suite !== CURRENT.number) continue;

  describe(of, () => {
    it("opens unchanged", async () => {
      await read(inputs);
    });

    for (const { what, change, refusal } of cases) {
      it(`${refusal === null ? "does not see" : "refuses"} ${what}`, async () => {
        assert.equal(await refusalOf(read, changed(inputs, change)), refusal);
      });
    }
  });
}

describe("another suite than this module's", () => {
  for (const { of, suite, inputs } of vectors("refusals.json").groups) {
    if (suite === CURRENT.number) continue;
    it(`refuses ${of} of suite ${suite}`, async () => {
      assert.equal(await refusalOf((given) => READ[of]?.(given), inputs), "UnknownSuite");
    });
  }
});

/** The name of the error by which something is refused, or null; what is not ours is thrown on. */
async function refusalOf(read: (inputs: Json) => unknown, inputs: Json): Promise<string | null> {
  try {
    await read(inputs);
    return null;
  } catch (error) {
    if (error instanceof MedRecError) return error.name;
    throw error;
  }
}
