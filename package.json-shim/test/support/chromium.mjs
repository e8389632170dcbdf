// Headless Chromium, used with the DevTools protocol.

import { spawn } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const CHROMIUM = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(
  (path) => path && existsSync(path),
);
/** Why tests with Chromium are skipped; false if they are not. */
export const skip = CHROMIUM ? false : "needs Chromium: install it, or name it in CHROMIUM";
/** Does what the preload script does in Electron, with two functions instead of a port to the main process. */
const PRELOAD = `addEventListener("message", ({ source, data }) => {
  if (source !== window || data !== "llama-sidecar:connect") return;
  const { port1, port2 } = new MessageChannel();
  port2.onmessage = ({ data }) => toWorker(JSON.stringify(data));
  window.fromWorker = (message) => port2.postMessage(message);
  toWorker('{ "type": "connect" }');
  window.postMessage("llama-sidecar:port", "*", [port1]);
});`;

/** A page of Chromium, used with the DevTools protocol over a pipe: messages end with a zero byte. */
export class Page {
  #lastId = 0;
  #open = new Map();
  #rest = "";
  onCall = () => {};

  static async open(folder) {
    const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--window-size=760,720"];
    const quiet = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
    const args = [...flags, ...quiet, `--user-data-dir=${join(folder, "chromium")}`, "about:blank"];
    const page = new Page();
    page.browser = spawn(CHROMIUM, args, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    page.browser.stdio[4].setEncoding("utf8").on("data", (text) => page.#receive(text));
    const { targetInfos } = await page.send("Target.getTargets");
    const { targetId } = targetInfos.find(({ type }) => type === "page");
    page.sessionId = (await page.send("Target.attachToTarget", { targetId, flatten: true })).sessionId;
    await page.send("Page.enable");
    await page.send("Runtime.enable");
    await page.send("Runtime.addBinding", { name: "toWorker" });
    await page.send("Page.addScriptToEvaluateOnNewDocument", { source: PRELOAD });
    return page;
  }

  send(method, params = {}) {
    const id = ++this.#lastId;
    this.browser.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId: this.sessionId })}\0`);
    return new Promise((resolve, reject) => this.#open.set(id, { resolve, reject }));
  }

  async evaluate(expression) {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  text(selector) {
    return this.evaluate(`[...document.querySelectorAll(${JSON.stringify(selector)})].map((e) => e.textContent).join("\\n")`);
  }

  /** Types a text into a field and presses Enter. */
  async type(selector, text) {
    await this.evaluate(`document.querySelector(${JSON.stringify(selector)}).focus(); document.execCommand("selectAll")`);
    await this.send("Input.insertText", { text });
    for (const type of ["keyDown", "keyUp"]) {
      await this.send("Input.dispatchKeyEvent", { type, key: "Enter", code: "Enter", text: "\r", windowsVirtualKeyCode: 13 });
    }
  }

  async screenshot(path) {
    writeFileSync(path, Buffer.from((await this.send("Page.captureScreenshot")).data, "base64"));
  }

  async close() {
    const ended = new Promise((resolve) => this.browser.once("exit", resolve));
    this.send("Browser.close").catch(() => {});
    await ended;
  }

  #receive(text) {
    const messages = (this.#rest + text).split("\0");
    this.#rest = messages.pop();
    for (const { id, result, error, method, params } of messages.map((message) => JSON.parse(message))) {
      if (method === "Runtime.bindingCalled") this.onCall(JSON.parse(params.payload));
      const open = this.#open.get(id);
      this.#open.delete(id);
      if (error) open?.reject(new Error(error.message));
      else open?.resolve(result);
    }
  }
}
