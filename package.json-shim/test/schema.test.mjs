// Every example must validate as the type that its folder names, and no counterexample may:
// the same files that tests/contract/test_schema.py runs through Python's jsonschema.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { Ajv } from "ajv";

const root = new URL("../../", import.meta.url);
const readJson = (path) => JSON.parse(readFileSync(new URL(path, root), "utf8"));

const { components } = readJson("sidecar/message_handler/openrpc.json");
// Not strictRequired: a oneOf of "required" names properties that are defined next to it, not in it.
const ajv = new Ajv({ strict: true, strictRequired: false, allowUnionTypes: true });
ajv.addVocabulary(["components"]);
ajv.addSchema({ $id: "openrpc", components });

const validator = (type) => {
  assert.ok(type in components.schemas, `there is no type ${type}`);
  return ajv.getSchema(`openrpc#/components/schemas/${type}`);
};

for (const type of Object.keys(components.schemas)) {
  test(`${type} is a schema that ajv's strict mode accepts`, () => {
    assert.equal(typeof validator(type), "function");
  });
}

for (const [folder, expected] of [
  ["examples", true],
  ["counterexamples", false],
]) {
  for (const type of readdirSync(new URL(`schema/${folder}`, root))) {
    test(`${folder} of ${type}`, async (t) => {
      const validate = validator(type);
      for (const file of readdirSync(new URL(`schema/${folder}/${type}`, root))) {
        await t.test(file, () => {
          const valid = validate(readJson(`schema/${folder}/${type}/${file}`));
          assert.equal(valid, expected, ajv.errorsText(validate.errors));
        });
      }
    });
  }
}
