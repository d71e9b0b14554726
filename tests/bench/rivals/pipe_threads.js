/* pipe_threads.js - JSON lines in, cl100k ids out, by a JavaScript library on threads
 *
 *     zstd -dc FILE | node pipe_threads.js tiktoken|gpt-tokenizer THREADS >IDS
 *
 * The main thread cuts its input at line ends into blocks of about 1 MiB and hands them
 * over without a copy; each thread decodes and parses the lines of a block and encodes their
 * texts; the main thread writes the results in order: for each document its number of ids
 * and the ids, as little-endian 32-bit numbers. THREADS 0: all in one thread. */
"use strict";
const { createRequire } = require("module");
const { Worker, isMainThread, parentPort, workerData } = require("worker_threads");
const fs = require("fs");
const load = createRequire(process.env.MILLRACE_RIVALS + "/");
const BLOCK = 1 << 20;

function encoderOf(library) {
  if (library === "tiktoken") {
    const tokenizer = load("tiktoken").get_encoding("cl100k_base");
    return (text) => tokenizer.encode_ordinary(text);
  }
  const { encode } = load("gpt-tokenizer/encoding/cl100k_base");
  const asText = { disallowedSpecial: new Set() };
  return (text) => encode(text, asText);
}

function encodeBlock(encode, block) {
  const lists = [];
  let size = 0;
  for (const line of block.toString("utf8").split("\n")) {
    if (line === "") continue;
    const ids = encode(JSON.parse(line).text);
    lists.push(ids);
    size += ids.length + 1;
  }
  const out = new Uint32Array(size);
  let at = 0;
  for (const ids of lists) {
    out[at] = ids.length;
    out.set(ids, at + 1);
    at += ids.length + 1;
  }
  return out;
}

/* The blocks of standard input, each in memory of its own. */
function* blocks() {
  let rest = Buffer.alloc(0);
  for (;;) {
    const room = Buffer.from(new ArrayBuffer(rest.length + BLOCK));
    rest.copy(room);
    let size = rest.length;
    for (let got = -1; size < room.length && got !== 0; size += got) {
      got = readSome(room, size);
    }
    const isEnd = size < room.length;
    const end = isEnd ? size : room.lastIndexOf(10, size - 1) + 1;
    rest = Buffer.from(room.subarray(end, size)); // now: a block is given away
    if (end > 0) yield room.subarray(0, end);
    if (isEnd) return;
  }
}

function readSome(room, at) {
  for (;;) {
    try {
      return fs.readSync(0, room, at, room.length - at, null);
    } catch (error) {
      if (error.code === "EOF") return 0;
      if (error.code !== "EAGAIN") throw error;
    }
  }
}

/* By the stream, as standard output may be a pipe; a file is written at once. */
function write(ids) {
  const bytes = Buffer.from(ids.buffer, ids.byteOffset, ids.byteLength);
  return new Promise((resolve) => process.stdout.write(bytes, resolve));
}

/* Every thread has two blocks: one that it works on, and the next. */
async function runThreads(library, count) {
  const workers = [];
  for (let i = 0; i < count; i++) {
    const worker = new Worker(__filename, { workerData: library });
    worker.waiting = [];
    worker.on("message", (ids) => worker.waiting.shift()(ids));
    worker.on("error", (error) => { throw error; });
    workers.push(worker);
  }
  const queue = [];
  let turn = 0;
  for (const block of blocks()) {
    const worker = workers[turn++ % count];
    queue.push(new Promise((resolve) => worker.waiting.push(resolve)));
    /* Its length goes along, as the memory is handed over whole. */
    worker.postMessage({ memory: block.buffer, size: block.length }, [block.buffer]);
    if (queue.length >= 2 * count) await write(await queue.shift());
  }
  for (const result of queue) await write(await result);
  for (const worker of workers) worker.terminate();
}

function serve() {
  const encode = encoderOf(workerData);
  parentPort.on("message", ({ memory, size }) => {
    const ids = encodeBlock(encode, Buffer.from(memory, 0, size));
    parentPort.postMessage(ids, [ids.buffer]);
  });
}

async function main(library, threads) {
  if (Number(threads) > 0) {
    await runThreads(library, Number(threads));
    return;
  }
  const encode = encoderOf(library);
  /* All of it first: GNU parallel was seen to lose bytes to a reader that is slow. */
  for (const block of [...blocks()]) await write(encodeBlock(encode, block));
}

if (isMainThread) main(...process.argv.slice(2));
else serve();
