// Measures node-llama-cpp: node node_llama_cpp.mjs FOLDER MODEL THREADS, a task on stdin. Prints one line of JSON.
// The task is JSON: what to measure, each as the sidecar is, with the same prompts and token counts, by this process's clock.
import {readFileSync} from "node:fs";
import {pathToFileURL} from "node:url";
import {join, resolve} from "node:path";

const [folder, modelPath, threadCount] = process.argv.slice(2);
const task = JSON.parse(readFileSync(0, "utf8")), threads = Number(threadCount);
const started = performance.now();
const entry = join(resolve(folder), "node_modules", "node-llama-cpp", "dist", "index.js");
const {getLlama, InputLookupTokenPredictor, LlamaChatSession, LlamaCompletion} = await import(pathToFileURL(entry).href);
const llama = await getLlama({gpu: false, maxThreads: threads, logLevel: "error"});
const ready = performance.now();
const model = await llama.loadModel({modelPath});
const result = {buildType: llama.buildType, initMs: ready - started, loadMs: performance.now() - ready};

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

async function withContext(contextSize, sequences, work) {
    const context = await model.createContext({contextSize, sequences, batchSize: 512, threads});
    await work(context);
    await context.dispose();
}

async function complete(sequence, prompt, maxTokens, options = {}) {
    const completion = new LlamaCompletion({contextSequence: sequence});
    const begin = performance.now(), arrivals = [];
    let count = 0;
    await completion.generateCompletion(prompt, {
        maxTokens, temperature: 0, ...options,
        onToken(ids) {
            arrivals.push(performance.now());
            count += ids.length;
        }
    });
    completion.dispose({disposeSequence: false});
    return {begin, arrivals, first: arrivals[0], last: arrivals.at(-1), count};
}

// Tokens a second of all streams together.
async function streams(sequences, tokens) {
    const begin = performance.now();
    const runs = await Promise.all(sequences.map((sequence, i) =>
        complete(sequence, `Story number ${i}: once upon a time in a land`, tokens)));
    const total = runs.reduce((sum, run) => sum + run.count, 0);
    const [one] = runs;
    return runs.length === 1
        ? (one.count - 1) / ((one.last - one.first) / 1000)
        : total / ((performance.now() - begin) / 1000);
}

// {streams: [1, 8], tokens}: tokens a second by the number of streams.
async function measureStreams({streams: counts, tokens}) {
    result.streams = {};
    await withContext(1024, Math.max(...counts), async (context) => {
        const sequences = Array.from({length: Math.max(...counts)}, () => context.getSequence());
        await complete(sequences[0], "warm up the engine", 8);
        for (const count of counts)
            result.streams[count] = await streams(sequences.slice(0, count), tokens);
        result.memoryMb = process.memoryUsage().rss / 1e6;
    });
}

// {prompts: [[text, …], …], contextSize}: tokens a second of each list of prompts.
async function measurePrompts({prompts, contextSize}) {
    await withContext(contextSize, 1, async (context) => {
        const sequence = context.getSequence();
        await complete(sequence, "warm up the engine", 8);
        result.prompts = [];
        for (const texts of prompts) {
            const rates = [];
            for (const text of texts) {
                const run = await complete(sequence, text, 1);
                rates.push(model.tokenize(text).length / ((run.first - run.begin) / 1000));
            }
            result.prompts.push(mean(rates));
        }
    });
}

// {turns: [{system, questions: [first, second, another]}], tokens}: milliseconds to the first token.
async function measureTurns({turns, tokens, contextSize}) {
    const found = {cold: [], second: [], warm: []};
    await withContext(contextSize, 1, async (context) => {
        const contextSequence = context.getSequence();
        async function ask(session, question) {
            const begin = performance.now();
            let first;
            await session.prompt(question, {
                maxTokens: tokens, temperature: 0, onTextChunk: () => { first ??= performance.now(); }
            });
            return first - begin;
        }
        for (const {system, questions: [first, second, another]} of turns) {
            const session = new LlamaChatSession({contextSequence, systemPrompt: system});
            found.cold.push(await ask(session, first));
            found.second.push(await ask(session, second));
            session.dispose({disposeSequence: false});
            const next = new LlamaChatSession({contextSequence, systemPrompt: system});
            found.warm.push(await ask(next, another));
            next.dispose({disposeSequence: false});
        }
    });
    result.turns = Object.fromEntries(Object.entries(found).map(([name, times]) => [name, median(times)]));
}

// {prompts, streams, tokens, contextSize}: a long prompt beside streams: their worst gap, its time to first token.
async function measureGaps({prompts, streams: count, tokens, contextSize}) {
    const gaps = [], firsts = [];
    await withContext(contextSize, count + 1, async (context) => {
        const sequences = Array.from({length: count + 1}, () => context.getSequence());
        for (const prompt of prompts) {
            const arrivals = Array.from({length: count}, () => []), ended = new Set();
            const stop = new AbortController();
            let begun;
            const going = new Promise((resolve) => { begun = resolve; });
            const running = arrivals.map((times, i) => new LlamaCompletion({contextSequence: sequences[i]}).generateCompletion(
                `Tell me story ${i}`, {
                    maxTokens: tokens, temperature: 0, signal: stop.signal, stopOnAbortSignal: true,
                    onToken() {
                        times.push(performance.now());
                        if (arrivals.every((others) => others.length >= 10))
                            begun();
                    }
                }).then(() => ended.add(i)));
            await going;
            const begin = performance.now();
            const long = await complete(sequences[count], prompt, 1);
            const early = new Set(ended); // by themselves: no gap follows
            stop.abort();
            await Promise.all(running);
            firsts.push(long.first - begin);
            for (const [i, times] of arrivals.entries()) {
                const during = times.filter((at) => at <= long.first);
                const from = during.filter((at) => at < begin).at(-1);
                const points = [from, ...during.filter((at) => at >= begin), ...(early.has(i) ? [] : [long.first])];
                gaps.push(...points.slice(1).map((at, n) => at - points[n]));
            }
        }
    });
    result.gaps = {worst: Math.max(...gaps), first: median(firsts)};
}

// {texts: [[text, …], …]}: texts a second, the median of the lists.
async function measureTexts({texts}) {
    const context = await model.createEmbeddingContext({contextSize: 512, batchSize: 512, threads});
    const rates = [];
    for (const list of texts) {
        const begin = performance.now();
        await Promise.all(list.map((text) => context.getEmbeddingFor(text)));
        rates.push(list.length / ((performance.now() - begin) / 1000));
    }
    result.texts = median(rates);
    await context.dispose();
}

// {prompt, tokens, contextSize}: tokens a second of a text that repeats much of its prompt, without and with look-up.
async function measureLookup({prompt, tokens, contextSize, runs}) {
    result.lookup = {};
    for (const [name, options] of [["without", {}], ["with", {tokenPredictor: new InputLookupTokenPredictor()}]])
        await withContext(contextSize, 1, async (context) => {
            const sequence = context.getSequence(options), rates = [];
            for (let run = 0; run <= runs; run++) {
                const found = await complete(sequence, model.tokenize(prompt, true), tokens);
                rates.push((found.count - 1) / ((found.last - found.first) / 1000));
            }
            result.lookup[name] = median(rates.slice(1));
        });
}

const measures = {
    streams: measureStreams, prompts: measurePrompts, turns: measureTurns, gaps: measureGaps, texts: measureTexts,
    lookup: measureLookup
};
for (const [name, of] of Object.entries(task))
    await measures[name](of);
console.log(JSON.stringify(result));
process.exit(0);
