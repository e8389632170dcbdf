// Measures node-llama-cpp: node node_llama_cpp.mjs FOLDER MODEL THREADS TOKENS PROMPT. Prints one line of JSON.
// Streams are measured as the sidecar's are: the same prompts and token counts, by this process's clock.
import {pathToFileURL} from "node:url";
import {join, resolve} from "node:path";

const [folder, modelPath, threads, tokens, longPrompt] = process.argv.slice(2);
const started = performance.now();
const entry = join(resolve(folder), "node_modules", "node-llama-cpp", "dist", "index.js");
const {getLlama, LlamaCompletion} = await import(pathToFileURL(entry).href);
const llama = await getLlama({gpu: false, maxThreads: Number(threads), logLevel: "error"});
const ready = performance.now();
const model = await llama.loadModel({modelPath});
const loaded = performance.now();
const context = await model.createContext({contextSize: 1024, sequences: 8, batchSize: 512, threads: Number(threads)});
const sequences = Array.from({length: 8}, () => context.getSequence());

async function complete(sequence, prompt, maxTokens) {
    const completion = new LlamaCompletion({contextSequence: sequence});
    const begin = performance.now();
    let first, last, count = 0;
    await completion.generateCompletion(prompt, {
        maxTokens, temperature: 0,
        onToken(ids) {
            last = performance.now();
            first ??= last;
            count += ids.length;
        }
    });
    return {begin, first, last, count};
}

async function streams(count) {
    const begin = performance.now();
    const prompts = sequences.slice(0, count).map((_, i) => `Story number ${i}: once upon a time in a land`);
    const runs = await Promise.all(prompts.map((prompt, i) => complete(sequences[i], prompt, Number(tokens))));
    const total = runs.reduce((sum, run) => sum + run.count, 0);
    const [one] = runs;
    return count === 1
        ? (one.count - 1) / ((one.last - one.first) / 1000)
        : total / ((performance.now() - begin) / 1000);
}

await complete(sequences[0], "warm up the engine", 8);
const prompt = await complete(sequences[1], longPrompt, 1);
const result = {
    version: 1,
    buildType: llama.buildType,
    initMs: ready - started,
    loadMs: loaded - ready,
    promptTokensPerSecond: model.tokenize(longPrompt).length / ((prompt.first - prompt.begin) / 1000),
    streams: {1: await streams(1), 2: await streams(2), 8: await streams(8)},
    memoryMb: process.memoryUsage().rss / 1e6
};
console.log(JSON.stringify(result));
process.exit(0);
