// `useChat` of @ai-sdk/react in a component of React, over DirectChatTransport: no server, no HTTP, no DOM.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { useChat } from "@ai-sdk/react";
import { DirectChatTransport, ToolLoopAgent } from "ai";
import { createElement } from "react";
import { act, create } from "react-test-renderer";
import { llamaSidecar } from "../dist/ai-sdk.mjs";
import { folder } from "./support/files.mjs";
import { CHATTY, madeModel, start, TIMEOUT, until } from "./support/program.mjs";

globalThis.IS_REACT_ACT_ENVIRONMENT = true;
globalThis.AI_SDK_LOG_WARNINGS = false;

test("a component shows what is said, while it is said, and stops an answer", TIMEOUT, async (t) => {
  const llama = await start(t);
  const provider = llamaSidecar({ llama, context: { contextSize: 2048 } });
  const model = provider(madeModel(join(folder(t), "made.gguf"), CHATTY));
  let endless = false;
  const agent = new ToolLoopAgent({
    model,
    temperature: 0,
    prepareCall: (call) => ({ ...call, ...(endless ? { providerOptions: { llamaSidecar: { contextOverflow: "shift" } } } : { maxOutputTokens: 12 }) }),
  });
  const transport = new DirectChatTransport({ agent });
  let chat;
  const Chat = () => {
    chat = useChat({ transport });
    const textOf = ({ parts }) => parts.map(({ text = "" }) => text).join("");
    return createElement("ul", null, chat.messages.map((message) => createElement("li", { key: message.id }, `${message.role}: ${textOf(message)}`)));
  };
  let view;
  await act(async () => void (view = create(createElement(Chat))));
  t.after(() => act(() => view.unmount()));
  const shown = () => view.root.findAllByType("li").map(({ children }) => children.join(""));
  const settled = () => until(() => act(async () => chat.status === "ready"));

  await act(() => chat.sendMessage({ text: "Hi" }));
  await settled();
  const [question, answer] = shown();
  assert.equal(question, "user: Hi");
  assert.match(answer, /^assistant: .{12}$/s);
  assert.equal(chat.error, undefined);
  await act(() => chat.regenerate());
  await settled();
  assert.deepEqual(shown(), [question, answer]);

  endless = true;
  let ended;
  await act(async () => void (ended = chat.sendMessage({ text: "More" })));
  await until(() => act(async () => shown().length === 4 && shown()[3].length > 20));
  assert.equal(chat.status, "streaming");
  await act(() => chat.stop());
  await act(() => ended);
  await settled();
  await until(async () => (await llama.status()).requests.length === 0);
  assert.equal(shown().length, 4);
});
