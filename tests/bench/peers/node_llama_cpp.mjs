// Readings of node-llama-cpp: node node_llama_cpp.mjs FOLDER MODEL THREADS, one task (JSON) per line on stdin.
// Writes one JSON object per line: first how long the start took, then the result of each task.
// Speeds are in tokens (or texts) per second, times in milliseconds, by this process's clock.
import {createInterface} from "node:readline";
import {pathToFileURL} from "node:url";
import {join, resolve} from "node:path";

const [folder, modelPath, threadCount] = process.argv.slice(2);
const threads = Number(threadCount);
const started = performance.now();
const entry = join(resolve(folder), "node_modules", "node-llama-cpp", "dist", "index.js");
const {getLlama, InputLookupTokenPredictor, LlamaChatSession, LlamaCompletion} = await import(pathToFileURL(entry).href);
const llama = await getLlama({gpu: false, maxThreads: threads, logLevel: "error"});
const ready = performance.now();
const model = await llama.loadModel({modelPath});

// Contexts stay for later readings of the same kind.
const contexts = new Map();
async function sequences(kind, contextSize, count, options = {}) {
    const key = `${kind} ${contextSize} ${count}`;
    if (!contexts.has(key)) {
        const context = await model.createContext({contextSize, sequences: count, batchSize: 512, threads});
        const all = Array.from({length: count}, () => context.getSequence(options));
        await complete(all[0], "warm up the engine", 8);
        contexts.set(key, all);
    }
    return contexts.get(key);
}

async function complete(sequence, prompt, maxTokens, {onPiece, ...options} = {}) {
    const completion = new LlamaCompletion({contextSequence: sequence});
    const begin = performance.now(), arrivals = [];
    let count = 0;
    await completion.generateCompletion(prompt, {
        maxTokens, temperature: 0, ...options,
        onToken(ids) {
            arrivals.push(performance.now());
            count += ids.length;
            onPiece?.(arrivals.at(-1));
        }
    });
    completion.dispose({disposeSequence: false});
    return {begin, arrivals, first: arrivals[0], last: arrivals.at(-1), count};
}

const tasks = {
    async streams({prompts, tokens, contextSize, sequences: most}) {
        const all = await sequences("complete", contextSize, most);
        const begin = performance.now();
        const runs = await Promise.all(prompts.map((prompt, i) => complete(all[i], prompt, tokens)));
        if (runs.length === 1)
            return (runs[0].count - 1) / ((runs[0].last - runs[0].first) / 1000);
        return runs.reduce((sum, run) => sum + run.count, 0) / ((performance.now() - begin) / 1000);
    },

    async prompt({text, contextSize, sequences: most}) {
        const [sequence] = await sequences("complete", contextSize, most);
        const run = await complete(sequence, text, 1);
        return model.tokenize(text).length / ((run.first - run.begin) / 1000);
    },

    // Time to the first token of a conversation, of its second turn, and of another with the same system prompt.
    async turns({system, questions: [first, second, another], tokens, contextSize}) {
        const [contextSequence] = await sequences("chat", contextSize, 1);
        async function ask(session, question) {
            const begin = performance.now();
            let at;
            await session.prompt(question, {
                maxTokens: tokens, temperature: 0, onTextChunk: () => { at ??= performance.now(); }
            });
            return at - begin;
        }
        const session = new LlamaChatSession({contextSequence, systemPrompt: system});
        const found = {cold: await ask(session, first), second: await ask(session, second)};
        session.dispose({disposeSequence: false});
        const next = new LlamaChatSession({contextSequence, systemPrompt: system});
        found.warm = await ask(next, another);
        next.dispose({disposeSequence: false});
        return found;
    },

    // A long prompt arrives while streams run: their worst gap, and its time to the first token.
    async gap({prompt, streams, tokens, pieces, contextSize}) {
        const all = await sequences("gap", contextSize, streams.length + 1);
        const arrivals = streams.map(() => []), ended = new Set();
        const stop = new AbortController();
        let begun;
        const going = new Promise((resolve) => { begun = resolve; });
        const look = () => {
            if (arrivals.every((times, i) => times.length >= pieces || ended.has(i)))
                begun();
        };
        const running = streams.map((story, i) => complete(all[i], story, tokens, {
            signal: stop.signal, stopOnAbortSignal: true,
            onPiece(at) {
                arrivals[i].push(at);
                look();
            }
        }).then(() => { ended.add(i); look(); }));
        await going;
        const begin = performance.now();
        const long = await complete(all[streams.length], prompt, 1);
        const early = new Set(ended); // ended by themselves: no gap follows
        stop.abort();
        await Promise.all(running);
        const gaps = arrivals.flatMap((times, i) => {
            const during = times.filter((at) => at <= long.first);
            const from = during.filter((at) => at < begin).at(-1);
            const points = [from, ...during.filter((at) => at >= begin), ...(early.has(i) ? [] : [long.first])];
            return points.slice(1).map((at, n) => at - points[n]);
        });
        return {gap: Math.max(...gaps), first: long.first - begin};
    },

    async texts({texts}) {
        if (!contexts.has("texts"))
            contexts.set("texts", await model.createEmbeddingContext({contextSize: 512, batchSize: 512, threads}));
        const context = contexts.get("texts");
        const begin = performance.now();
        await Promise.all(texts.map((text) => context.getEmbeddingFor(text)));
        return texts.length / ((performance.now() - begin) / 1000);
    },

    // A text that repeats much of its prompt, without and with prompt look-up.
    async editing({prompt, tokens, contextSize}) {
        const found = {};
        for (const name of ["without", "with"]) {
            const options = name === "with" ? {tokenPredictor: new InputLookupTokenPredictor()} : {};
            const [sequence] = await sequences(name, contextSize, 1, options);
            const run = await complete(sequence, model.tokenize(prompt, true), tokens);
            found[name] = (run.count - 1) / ((run.last - run.first) / 1000);
        }
        return found;
    }
};

const write = (object) => console.log(JSON.stringify(object));
write({buildType: llama.buildType, initMs: ready - started, loadMs: performance.now() - ready});
for await (const line of createInterface({input: process.stdin})) {
    const {task, ...params} = JSON.parse(line);
    write({result: await tasks[task](params)});
}
process.exit(0);
