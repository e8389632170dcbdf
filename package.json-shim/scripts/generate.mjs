// Prints the TypeScript module of the contract in ../../schema; build/contract/generate.py writes it to
// src/generated.ts.

import { readFileSync } from "node:fs";
import { compile } from "json-schema-to-typescript";

const read = (name) =>
  JSON.parse(readFileSync(new URL(`../../schema/${name}`, import.meta.url), "utf8"));

const { protocolVersion, requests, notifications, sent } = read("methods.json");
const { errors } = read("errors.json");
const { definitions } = read("types.json");

const refs = (names) => names.map((name) => ({ $ref: `#/definitions/${name}` }));

/** A type as json-schema-to-typescript wants it. */
function prepare({ "x-extends": bases, ...type }) {
  for (const property of Object.values(type.properties ?? {})) {
    const { description, default: value } = property;
    if (value !== undefined) {
      property.description = `${description ?? ""}\n@default ${JSON.stringify(value)}`.trim();
    }
    const typed = ["type", "$ref", "const", "anyOf", "allOf", "oneOf"].some((word) => word in property);
    if (!typed) property.tsType = "unknown"; // it would take it for an object
  }
  if (type.properties && type.oneOf) type.oneOf = alternatives(type);
  return bases ? { ...type, extends: refs(bases) } : type;
}

/** "One of these is required", with the properties that it would otherwise make up from the names. */
function alternatives({ properties, oneOf }) {
  const names = oneOf.flatMap(({ required }) => required);
  return oneOf.map(({ required }) => {
    const property = (name) => (required.includes(name) ? { ...properties[name] } : { tsType: "never" });
    const choice = Object.fromEntries(names.map((name) => [name, property(name)]));
    return { type: "object", additionalProperties: false, properties: choice, required };
  });
}

/** The types themselves: one root that names them all, so that all of them are written. */
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

/** A property name, quoted where it must be. */
const key = (name) => (/^[\w$]+$/.test(name) ? name : JSON.stringify(name));

/** The lines of one entry a row, each under its doc comment. */
const entries = (rows, doc, entry) =>
  Object.entries(rows)
    .map(([name, row]) => `  /** ${doc(row)} */\n  ${key(name)}: ${entry(row)}`)
    .join("\n");

/** `load` → LoadProgress; what a request reports, or never. */
const progress = ({ progress: kinds }) =>
  kinds.map((kind) => `${kind[0].toUpperCase()}${kind.slice(1)}Progress`).join(" | ") || "never";

const summary = (row) => row.summary;

// --- The methods of the client's classes: one for each request, on what its params need an id of ---

/** Whose ids there are: class → the property of params that the object itself fills in. */
const OWNERS = { Llama: undefined, Model: "modelId", Context: "contextId" };

/** What params must hold, those of the types that it extends included. */
const required = (name) => {
  const { required: own = [], "x-extends": bases = [] } = definitions[name];
  return [...own, ...bases.flatMap(required)];
};

const ownerOf = ({ params }) =>
  Object.keys(OWNERS).findLast((owner) => required(params).includes(OWNERS[owner])) ?? "Llama";

const streams = (row) => row.progress.includes("generate");

/** `rpc.discover` → discover */
const memberName = (name) => name.split(".").at(-1);

function member([name, row]) {
  const id = OWNERS[ownerOf(row)];
  const params = id ? `Omit<${row.params}, ${JSON.stringify(id)}>` : row.params;
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
/** The requests that ${OWNERS[owner] ? `are about one ${OWNERS[owner]}, which is filled in` : "need no modelId or contextId"}. */
export abstract class ${owner}Methods {
  /** Send a request of ours. */
  protected abstract send<M extends Method>(method: M, args: object | undefined): Sent<M>;

${Object.entries(requests)
  .filter(([, row]) => ownerOf(row) === owner)
  .map(member)
  .join("\n")}}
`;

process.stdout.write(`\
import type { CallOptions } from "./calls.js";
import type { Stream } from "./stream.js";

export const PROTOCOL_VERSION = ${protocolVersion};

${await types()}
/** Request → its params, its result and the progress that it reports. */
export interface RequestMap {
${entries(requests, summary, (row) => `{ params: ${row.params}; result: ${row.result}; progress: ${progress(row)} };`)}
}

export type Method = keyof RequestMap;

export const METHODS = [
${Object.keys(requests).map((name) => `  ${JSON.stringify(name)},`).join("\n")}
] as const satisfies readonly Method[];

/** The requests that send their text as it comes. */
export const STREAMED: ReadonlySet<Method> = new Set<Method>([
${Object.keys(requests).filter((name) => streams(requests[name])).map((name) => `  ${JSON.stringify(name)},`).join("\n")}
]);

/** What sending a request gives: a promise of the result, which is an iterator too if there is text. */
export type Sent<M extends Method> = [GenerateProgress] extends [RequestMap[M]["progress"]]
  ? Stream<GenerateProgress, RequestMap[M]["result"]>
  : Promise<RequestMap[M]["result"]>;

/** Notification that the program sends → its params. */
export interface NotificationMap {
${entries(sent, summary, (row) => `${row.params};`)}
}

/** Notification that the program accepts → its params. */
export interface ClientNotificationMap {
${entries(notifications, summary, (row) => `${row.params};`)}
}

/** Kind → its code, and whether the very same request can succeed when it is sent again. */
export const ERRORS = {
${entries(
  Object.fromEntries(errors.map((error) => [error.kind, error])),
  (error) => error.meaning,
  ({ code, retryable }) => `{ code: ${code}, retryable: ${retryable} },`,
)}
} as const;

export type ErrorKind = keyof typeof ERRORS;

${Object.keys(OWNERS).map(methodsClass).join("\n")}`);
