// The chat window of both examples, Electron and Tauri. In Tauri this page starts the program, in Electron the main
// process does. The client is the same.

const inTauri = "__TAURI_INTERNALS__" in window;
const { getLlama, imagePart } = await import(inTauri ? "./client/tauri.js" : "./client/port.js");

const element = (id) => document.getElementById(id);
const [modelForm, modelField, openButton] = ["model-form", "model", "open"].map(element);
const [work, bar, doing] = ["work", "bar", "doing"].map(element);
const [promptForm, promptField, sendButton, stopButton] = ["prompt-form", "prompt", "send", "stop"].map(element);
const [conversation, speed, errorLine, pictures] = ["conversation", "speed", "error", "pictures"].map(element);

let llama;
let model;
let context;
let messages = [];
let running; // the AbortController of the current work

// --- The program and its models ----------------------------------------------------------------

try {
  llama = await getLlama({
    restart: true,
    onRestart: () => showError("The engine stopped unexpectedly. It is started again and loads your model."),
    onExit: (error) => showError(`The engine stopped and could not be started again. ${error.message}`),
  });
  await offerModels();
} catch (error) {
  showError(sentence(error));
  openButton.disabled = true;
}
modelField.focus();
document.body.dataset.ready = "";

/** Suggests the models on this computer. Fills in the model that was used last. */
async function offerModels() {
  const { models } = await llama.listModels();
  for (const { path, problem } of models) {
    if (problem === null) element("models").append(new Option(path));
  }
  modelField.value = localStorage.getItem("model") ?? models[0]?.path ?? "";
}

modelForm.addEventListener("submit", async (event) => {
  event.preventDefault();
  const source = modelField.value.trim();
  if (source === "" || running) return;
  showError("");
  await busy(async (signal) => {
    const path = /^(hf|https?):/.test(source) ? await download(source, signal) : source;
    await context?.model.dispose();
    context = undefined;
    show("Loading", 0);
    model = await llama.loadModel({ path, signal, onProgress: ({ progress }) => show("Loading", progress) });
    context = await model.createContext({ signal });
    localStorage.setItem("model", source);
    messages = [];
    conversation.replaceChildren();
    pictures.replaceChildren();
    speed.textContent = `${model.name ?? model.description} · ${context.contextSize} tokens of context`;
  });
  work.hidden = true;
  promptField.disabled = sendButton.disabled = context === undefined;
  if (context) promptField.focus();
});

async function download(source, signal) {
  show("Looking it up", null);
  const onProgress = ({ progressType, progress, bytesPerSecond, etaMs }) => {
    const rest = etaMs ? `, ${Math.ceil(etaMs / 1000)} s left` : "";
    const rate = bytesPerSecond ? ` · ${(bytesPerSecond / 1e6).toFixed(1)} MB/s${rest}` : "";
    show(progressType === "verify" ? "Checking" : "Downloading", progress, rate);
  };
  return (await llama.downloadModel({ model: source, signal, onProgress })).path;
}

function show(what, progress, more = "") {
  work.hidden = false;
  if (progress === null) bar.removeAttribute("value");
  else bar.value = progress;
  doing.textContent = progress === null ? `${what} …` : `${what} ${Math.floor(progress * 100)} %${more}`;
}

// --- The conversation --------------------------------------------------------------------------

promptForm.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = promptField.value.trim();
  const files = [...pictures.children].map(({ file }) => file);
  if ((text === "" && files.length === 0) || running || !context) return;
  promptField.value = "";
  pictures.replaceChildren();
  void answer(text, files);
});

promptField.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  promptForm.requestSubmit();
});

stopButton.addEventListener("click", () => running?.abort());

// Pictures are pasted, or dropped anywhere, and wait above the message.
promptField.addEventListener("paste", (event) => attach(event, event.clipboardData.files));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  attach(event, event.dataTransfer.files);
});

function attach(event, files) {
  const found = [...files].filter(({ type }) => type.startsWith("image/"));
  if (found.length === 0 || !context) return;
  event.preventDefault();
  if (!model.modalities.includes("image")) return showError("This model reads only text. A model that sees has a projector (mmproj) beside it.");
  showError("");
  for (const file of found) pictures.append(Object.assign(picture(file), { file, title: "Remove", onclick: ({ target }) => target.remove() }));
}

function picture(file) {
  const image = Object.assign(new Image(), { src: URL.createObjectURL(file), alt: file.name });
  image.addEventListener("load", () => URL.revokeObjectURL(image.src));
  return image;
}

async function answer(text, files) {
  showError("");
  let content = text;
  try {
    const parts = await Promise.all(files.map(imagePart));
    if (files.length > 0) content = text === "" ? parts : [...parts, { type: "text", text }];
  } catch (error) {
    return showError(sentence(error));
  }
  messages.push({ role: "user", content });
  const question = turn("user", text);
  question.prepend(...files.map(picture));
  const reply = turn("assistant", "");
  reply.classList.add("running");
  const answered = await busy(async (signal) => {
    const stream = context.chat({ messages, signal });
    const begun = performance.now();
    for await (const { delta, completionTokens } of stream) {
      reply.append(delta);
      showSpeed(completionTokens, (completionTokens / (performance.now() - begun)) * 1000);
      conversation.scrollTop = conversation.scrollHeight;
    }
    const { usage, timings } = await stream;
    showSpeed(usage.completionTokens, timings.tokensPerSecond);
  });
  reply.classList.remove("running");
  if (answered || reply.textContent !== "") {
    messages.push({ role: "assistant", content: reply.textContent });
  } else {
    // No answer: the question goes back into its field and can be sent again.
    messages.pop();
    question.remove();
    reply.remove();
    promptField.value = text;
    for (const file of files) pictures.append(Object.assign(picture(file), { file }));
  }
  promptField.focus();
}

function turn(role, text) {
  const paragraph = document.createElement("p");
  paragraph.className = `turn ${role}`;
  paragraph.textContent = text;
  conversation.append(paragraph);
  conversation.scrollTop = conversation.scrollHeight;
  return paragraph;
}

function showSpeed(tokens, perSecond) {
  speed.textContent = `${tokens} tokens · ${perSecond?.toFixed(1) ?? "–"} tokens/s`;
}

// --- Shared by both forms ----------------------------------------------------------------------

/** Runs a job that the stop button can abort, and shows its error. Returns whether it succeeded. */
async function busy(job) {
  running = new AbortController();
  openButton.disabled = sendButton.disabled = true;
  stopButton.hidden = false;
  sendButton.hidden = true;
  try {
    await job(running.signal);
    return true;
  } catch (error) {
    if (error.name !== "AbortError") showError(sentence(error));
    return false;
  } finally {
    running = undefined;
    openButton.disabled = sendButton.disabled = false;
    stopButton.hidden = true;
    sendButton.hidden = false;
  }
}

/** The text of an error for the person at the screen. */
function sentence(error) {
  if (error.kind === "exited" || error.kind === "engineCrashed") {
    return "The engine stopped unexpectedly. It is started again; send your message once more.";
  }
  return error.message;
}

function showError(text) {
  errorLine.textContent = text;
  errorLine.hidden = text === "";
}
