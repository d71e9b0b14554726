/* encode.js - CPU time that npm's tokenizers take for a text, on one thread
 *
 *     node encode.js tiktoken ENCODING TEXT DOCUMENT
 *     node encode.js tokenizers FILE TEXT DOCUMENT
 *     node encode.js train-bpe TEXT
 *
 * The text is made into strings, one a document of about DOCUMENT bytes that ends at a line
 * end, before the time is taken. tiktoken: encode_ordinary(), which does not look for
 * special tokens. tokenizers: encodeBatch() of 64 texts without special tokens, a little
 * faster than encode(); getIds() is the only way to the ids. Run with
 * RAYON_NUM_THREADS=1 and --single-threaded-gc, so that the time of the process is that of
 * one thread's work.
 *
 * Prints JSON: microseconds of CPU, tokens, bytes. */
"use strict";
const fs = require("fs");
const { createRequire } = require("module");
const load = createRequire(process.env.MILLRACE_RIVALS + "/");
const BATCH = 64;

function cpuMicroseconds() {
  const used = process.cpuUsage();
  return used.user + used.system;
}

function documentsOf(path, size) {
  const text = fs.readFileSync(path);
  const documents = [];
  for (let begin = 0; begin < text.length;) {
    const end = text.indexOf(10, begin + size) + 1 || text.length;
    documents.push(text.toString("utf8", begin, end));
    begin = end;
  }
  return [documents, text.length];
}

function encodeByTiktoken(encoding, documents) {
  const tokenizer = load("tiktoken").get_encoding(encoding);
  const ids = [];
  const begin = cpuMicroseconds();
  for (const document of documents) ids.push(tokenizer.encode_ordinary(document));
  return [cpuMicroseconds() - begin, ids];
}

async function encodeByTokenizers(file, documents) {
  const tokenizer = load("tokenizers").Tokenizer.fromFile(file);
  tokenizer.disableTruncation();
  tokenizer.disablePadding();
  const ids = [];
  const begin = cpuMicroseconds();
  for (let i = 0; i < documents.length; i += BATCH) {
    const encodings = await tokenizer.encodeBatch(documents.slice(i, i + BATCH),
      { addSpecialTokens: false });
    for (const encoding of encodings) ids.push(Uint32Array.from(encoding.getIds()));
  }
  return [cpuMicroseconds() - begin, ids];
}

/* The binding trains with the trainer's defaults: 30,000 tokens. */
function train(path) {
  const { Tokenizer, BPE, byteLevelPreTokenizer } = load("tokenizers");
  const tokenizer = new Tokenizer(BPE.empty());
  tokenizer.setPreTokenizer(byteLevelPreTokenizer(false, true));
  const begin = cpuMicroseconds();
  tokenizer.train([path]);
  const us = cpuMicroseconds() - begin;
  return { us, tokens: tokenizer.getVocabSize(), bytes: fs.statSync(path).size };
}

async function main(kind, ...rest) {
  if (kind === "train-bpe") {
    console.log(JSON.stringify(train(rest[0])));
    return;
  }
  const [documents, bytes] = documentsOf(rest[1], Number(rest[2]));
  const encode = kind === "tiktoken" ? encodeByTiktoken : encodeByTokenizers;
  const [us, ids] = await encode(rest[0], documents);
  const tokens = ids.reduce((sum, list) => sum + list.length, 0);
  console.log(JSON.stringify({ us, tokens, bytes }));
}

main(...process.argv.slice(2));
