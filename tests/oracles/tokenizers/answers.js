/* answers.js - where strings come from and answers go, for the references in JavaScript */
"use strict";
const fs = require("fs");

const FLAGS = { ADD_SPECIAL: 1, TOKENS: 2, REFUSED: 4, CUT: 8, OFFSETS: 16, OMIT: 32 };
const CUT_LENGTH = 16;
const REFUSED = 0xffffffff, NOT_SPELT = 0xffffffff;

/* [{flags, text}] of a file of make_strings.py. */
function readStrings(path) {
    const content = fs.readFileSync(path);
    const strings = [];
    for (let at = 0; at < content.length;) {
        const flags = content.readUInt32LE(at), size = content.readUInt32LE(at + 4);
        strings.push({ flags, text: content.toString("utf8", at + 8, at + 8 + size) });
        at += 8 + size;
    }
    return strings;
}

/* Answers to standard output, as compare_tokens.c reads them. */
class Answers {
    constructor() {
        this.parts = [];
        this.size = 0;
    }

    /* offsets: [[begin, end]] or null; bytes: a Buffer, or null: not spelt. */
    put(ids, offsets, bytes) {
        const numbers = new Uint32Array(3 + ids.length * (offsets ? 3 : 1));
        numbers[0] = ids.length;
        numbers[1] = bytes ? bytes.length : NOT_SPELT;
        numbers[2] = offsets ? 1 : 0;
        numbers.set(ids, 3);
        if (offsets) {
            let at = 3 + ids.length;
            for (const [begin, end] of offsets) {
                numbers[at++] = begin;
                numbers[at++] = end;
            }
        }
        this.add(Buffer.from(numbers.buffer));
        if (bytes)
            this.add(bytes);
    }

    putRefused() {
        this.add(Buffer.from(Uint32Array.of(REFUSED, NOT_SPELT, 0).buffer));
    }

    add(buffer) {
        this.parts.push(buffer);
        this.size += buffer.length;
        if (this.size > 1 << 20)
            this.flush();
    }

    flush() {
        const all = Buffer.concat(this.parts);
        for (let at = 0; at < all.length;)
            at += fs.writeSync(1, all, at);
        this.parts = [];
        this.size = 0;
    }
}

module.exports = { FLAGS, CUT_LENGTH, readStrings, Answers };
