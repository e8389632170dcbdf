// Makes the TypeScript modules of src/generated/ from ../../schema. Prints them as one JSON object, from file name
// to text; build/contract/generate.py writes the files.

import { readFileSync } from "node:fs";
import { compile } from "json-schema-to-typescript";

const read = (name) =>
  JSON.parse(readFileSync(new URL(`../../schema/${name}`, import.meta.url), "utf8"));

const { protocolVersion, requests, notifications, sent } = read("methods.json");
const { errors } = read("errors.json");
const { definitions } = read("types.json");

const refs = (names) => names.map((name) => ({ $ref: `#/definitions/${name}` }));

// --- contract.ts: the types and the tables. It imports nothing. ----------------------------------

/** Changes a type of the contract to the form that json-schema-to-typescript accepts. */
function prepare({ "x-extends": bases, ...type }) {
  for (const property of Object.values(type.properties ?? {})) {
    const { description, default: value } = property;
    if (value !== undefined) {
      property.description = `${description ?? ""}\n@default ${JSON.stringify(value)}`.trim();
    }
    const typed = ["type", "$ref", "const", "anyOf", "allOf", "oneOf"].some((word) => word in property);
    if (!typed) property.tsType = "unknown"; // without it the property would become an object
  }
  if (!(type.properties && type.oneOf)) return bases ? { ...type, extends: refs(bases) } : type;
  type.oneOf = alternatives(type);
  const inherited = (bases ?? []).map((name) => definitions[name]); // a union of alternatives extends nothing
  const properties = Object.assign({}, ...inherited.map((base) => base.properties), type.properties);
  return { ...type, properties, required: inherited.flatMap((base) => base.required ?? []) };
}

/** "One of these is required", with the full type of each property: the oneOf has their names only. */
function alternatives({ properties, oneOf }) {
  const names = oneOf.flatMap(({ required }) => required);
  return oneOf.map(({ required }) => {
    const property = (name) => (required.includes(name) ? { ...properties[name] } : { tsType: "never" });
    const choice = Object.fromEntries(names.map((name) => [name, property(name)]));
    return { type: "object", additionalProperties: false, properties: choice, required };
  });
}

/** All types. One root type refers to each of them, so that each is written. */
function types() {
  const names = Object.keys(definitions);
  const root = {
    description: "Every type of the contract, by name.",
    type: "object",
    additionalProperties: false,
    properties: Object.fromEntries(names.map((name) => [name, refs([name])[0]])),
    required: names,
    definitions: Object.fromEntries(names.map((name) => [name, prepare(definitions[name])])),
  };
  return compile(root, "TypeMap", { bannerComment: "", ignoreMinAndMaxItems: true });
}

/** A property name, in quotes if it needs them. */
const key = (name) => (/^[\w$]+$/.test(name) ? name : JSON.stringify(name));

/** The lines of a table: one entry per row, each below its doc comment. */
const entries = (rows, doc, entry) =>
  Object.entries(rows)
    .map(([name, row]) => `  /** ${doc(row)} */\n  ${key(name)}: ${entry(row)}`)
    .join("\n");

/** The types of a request's progress messages: `load` → LoadProgress. */
const progressTypes = ({ progress }) => progress.map((kind) => `${kind[0].toUpperCase()}${kind.slice(1)}Progress`);

const progress = (row) => progressTypes(row).join(" | ") || "never";

const summary = (row) => row.summary;

const streams = (row) => row.progress.includes("generate");

const list = (names) => names.map((name) => `  ${JSON.stringify(name)},`).join("\n");

const contract = async () => `\
export const PROTOCOL_VERSION = ${protocolVersion};

${await types()}
/** Request → its params, its result and the progress that it reports. */
export interface RequestMap {
${entries(requests, summary, (row) => `{ params: ${row.params}; result: ${row.result}; progress: ${progress(row)} };`)}
}

export type Method = keyof RequestMap;

export const METHODS = [
${list(Object.keys(requests))}
] as const satisfies readonly Method[];

/** The requests that send their text while it is generated. */
export const STREAMED: ReadonlySet<Method> = new Set<Method>([
${list(Object.keys(requests).filter((name) => streams(requests[name])))}
]);

/** Notification that the program sends → its params. */
export interface NotificationMap {
${entries(sent, summary, (row) => `${row.params};`)}
}

/** Notification that the program accepts → its params. */
export interface ClientNotificationMap {
${entries(notifications, summary, (row) => `${row.params};`)}
}

/** Kind → its code, and whether the same request can succeed when it is sent again. */
export const ERRORS = {
${entries(
  Object.fromEntries(errors.map((error) => [error.kind, error])),
  (error) => error.meaning,
  ({ code, retryable }) => `{ code: ${code}, retryable: ${retryable} },`,
)}
} as const;

export type ErrorKind = keyof typeof ERRORS;
`;

// --- methods.ts: the methods of the client's classes. A request belongs to the class whose id it needs; one that takes
// this id or that belongs to the classes of both, and to the one that fills in none. ---

/** Class → the property of params that its objects fill in. */
const OWNERS = { Llama: undefined, Model: "modelId", Context: "contextId" };

/** The required properties of a type and of the types that it extends. */
const required = (name) => {
  const { required: own = [], "x-extends": bases = [] } = definitions[name];
  return [...own, ...bases.flatMap(required)];
};

/** The ids among which params choose. */
const choice = (name) => {
  const ids = Object.values(OWNERS);
  return (definitions[name].oneOf ?? []).flatMap(({ required }) => required).filter((key) => ids.includes(key));
};

const ownersOf = ({ params }) => {
  const all = Object.keys(OWNERS);
  const chosen = all.filter((owner) => choice(params).includes(OWNERS[owner]));
  return chosen.length > 0 ? ["Llama", ...chosen] : [all.findLast((owner) => required(params).includes(OWNERS[owner])) ?? "Llama"];
};

/** `rpc.discover` → discover */
const memberName = (name) => name.split(".").at(-1);

function member(owner, [name, row]) {
  const id = OWNERS[owner];
  const others = choice(row.params).filter((key) => key !== id);
  const params = id ? `Omit<${row.params}, ${[id, ...others].map((key) => JSON.stringify(key)).join(" | ")}>` : row.params;
  const mayBeEmpty = required(row.params).every((key) => key === id) && !definitions[row.params].oneOf;
  const args = `args${mayBeEmpty ? "?" : ""}: ${params} & CallOptions<${progress(row)}>`;
  const result = streams(row) ? `Stream<GenerateProgress, ${row.result}>` : `Promise<${row.result}>`;
  return `\
  /** ${[row.summary, row.description].filter(Boolean).join(" ")} */
  ${memberName(name)}(${args}): ${result} {
    return this.send(${JSON.stringify(name)}, args);
  }
`;
}

const methodsClass = (owner) => `\
/** ${OWNERS[owner] ? `The requests about one object, whose ${OWNERS[owner]} is filled in` : "The requests that need no modelId or contextId"}. */
export abstract class ${owner}Methods {
  /** Sends a request and fills in the id. */
  protected abstract send<M extends Method>(method: M, args: object | undefined): Sent<M>;

${Object.entries(requests)
  .filter(([, row]) => ownersOf(row).includes(owner))
  .map((entry) => member(owner, entry))
  .join("\n")}}
`;

/** The types of contract.ts that methods.ts uses. */
const imported = () => {
  const ofRequests = Object.values(requests).flatMap((row) => [row.params, row.result, ...progressTypes(row)]);
  return [...new Set(["Method", "RequestMap", "GenerateProgress", ...ofRequests])].sort();
};

const methods = () => `\
import type { CallOptions } from "../client/calls.js";
import type { Stream } from "../client/stream.js";
import type {
${imported().map((name) => `  ${name},`).join("\n")}
} from "./contract.js";

/** What sending a request returns: a promise of the result. If there is text, it is an iterator over the text too. */
export type Sent<M extends Method> = [GenerateProgress] extends [RequestMap[M]["progress"]]
  ? Stream<GenerateProgress, RequestMap[M]["result"]>
  : Promise<RequestMap[M]["result"]>;

${Object.keys(OWNERS).map(methodsClass).join("\n")}`;

process.stdout.write(JSON.stringify({ "contract.ts": await contract(), "methods.ts": methods() }));
