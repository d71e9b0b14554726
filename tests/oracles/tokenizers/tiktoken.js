/* tiktoken.js - what tiktoken says of strings
 *
 *     node tiktoken.js ENCODING STRINGS          one that the package has: cl100k_base, ...
 *     node tiktoken.js FILE.json STRINGS         ranks, pattern and special tokens in a file
 */
"use strict";
const fs = require("fs");
const { FLAGS, readStrings, Answers } = require("./answers.js");
const { get_encoding, Tiktoken } = require("tiktoken");

const [name, strings] = process.argv.slice(2);

function open() {
    if (!name.endsWith(".json"))
        return get_encoding(name);
    const file = JSON.parse(fs.readFileSync(name, "utf8"));
    return new Tiktoken(file.bpe_ranks, file.special_tokens, file.pat_str);
}

const encoding = open();

function idsOf(flags, text) {
    if (flags & FLAGS.TOKENS)
        return encoding.encode(text, "all");
    if (!(flags & FLAGS.REFUSED))
        return encoding.encode_ordinary(text);
    try {
        return encoding.encode(text, [], "all");
    } catch (error) {
        if (/special token that is not allowed/.test(String(error)))
            return null;
        throw error;
    }
}

const answers = new Answers();
for (const { flags, text } of readStrings(strings)) {
    const ids = idsOf(flags, text);
    if (ids)
        answers.put(ids, null, Buffer.from(encoding.decode(ids)));
    else
        answers.putRefused();
}
answers.flush();
