/* pipe_tokenizers.js - JSON lines in, ids out, by Hugging Face's native tokenizers
 *
 *     zstd -dc FILE | node pipe_tokenizers.js TOKENIZER.JSON >IDS
 *
 * encodeBatch() spreads a batch over all cores by itself (RAYON_NUM_THREADS says how many);
 * two batches are under way, so that it need not wait for this thread, which parses lines
 * and writes, for each document, its number of ids and the ids as 32-bit numbers. */
"use strict";
const { createRequire } = require("module");
const readline = require("readline");
const load = createRequire(process.env.MILLRACE_RIVALS + "/");
const BATCH = 512;

function write(encodings) {
  const parts = [];
  for (const encoding of encodings) {
    const ids = encoding.getIds();
    const record = new Uint32Array(ids.length + 1);
    record[0] = ids.length;
    record.set(ids, 1);
    parts.push(Buffer.from(record.buffer));
  }
  return new Promise((resolve) => process.stdout.write(Buffer.concat(parts), resolve));
}

async function main(file) {
  const tokenizer = load("tokenizers").Tokenizer.fromFile(file);
  const options = { addSpecialTokens: false };
  const queue = [];
  let texts = [];
  for await (const line of readline.createInterface({ input: process.stdin })) {
    if (texts.push(JSON.parse(line).text) < BATCH) continue;
    queue.push(tokenizer.encodeBatch(texts, options));
    texts = [];
    if (queue.length >= 2) await write(await queue.shift());
  }
  if (texts.length > 0) queue.push(tokenizer.encodeBatch(texts, options));
  for (const result of queue) await write(await result);
}

main(process.argv[2]);
