/* hugging_face.js - what Hugging Face's tokenizers say of strings
 *
 *     node hugging_face.js tokenizer.json STRINGS
 *
 * One thing it says is not taken at its word. When the normalizer Precompiled drops the first
 * character that it is given, the library counts that character as still there: the offsets of
 * all that follows are too small, "\x0bthe" having "the" at 0-3. Such strings, and those where
 * that is so behind an added token, have no offsets in the answer; their ids are there.
 */
"use strict";
const fs = require("fs");
const { FLAGS, CUT_LENGTH, readStrings, Answers } = require("./answers.js");
const { Tokenizer } = require("@anush008/tokenizers");

const [path, file] = process.argv.slice(2);
const BATCH = 256;

function open(cut) {
    const tokenizer = Tokenizer.fromFile(path);
    tokenizer.disablePadding();
    tokenizer.disableTruncation();
    if (cut)
        tokenizer.setTruncation(CUT_LENGTH);
    return tokenizer;
}

/* Does the library misplace the tokens of a text? */
function misplacer(tokenizer) {
    const content = JSON.parse(fs.readFileSync(path, "utf8"));
    if (!JSON.stringify(content.normalizer).includes('"Precompiled"'))
        return () => false;
    const escape = text => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    const added = new RegExp( /* one that matches nothing where there are none */
        content.added_tokens.map(token => escape(token.content)).join("|") || "(?!)");
    const normalizer = tokenizer.getNormalizer();
    return text => text.split(added).some(part => {
        const [first] = part.normalize("NFKD").replace(/\p{M}/gu, ""); /* marks go before */
        return first !== undefined && normalizer.normalizeString(first) === "";
    });
}

/* The answers to strings of the same flags. */
async function answerAlike(tokenizers, flags, texts) {
    const tokenizer = flags & FLAGS.CUT ? tokenizers.cut : tokenizers.whole;
    const encodings = await tokenizer.encodeBatch(
        texts, { addSpecialTokens: (flags & FLAGS.ADD_SPECIAL) !== 0 });
    const ids = encodings.map(encoding => encoding.getIds());
    /* Tokens cut off may leave parts of a character, which have no text. */
    const spelt = flags & FLAGS.CUT
        ? null : await tokenizer.decodeBatch(ids, (flags & FLAGS.OMIT) !== 0);
    return encodings.map((encoding, i) => ({
        ids: ids[i],
        offsets: flags & FLAGS.OFFSETS && !tokenizers.misplaces(texts[i])
            ? encoding.getOffsets() : null,
        bytes: spelt ? Buffer.from(spelt[i]) : null,
    }));
}

async function main() {
    const tokenizers = { whole: open(false), cut: open(true) };
    tokenizers.misplaces = misplacer(tokenizers.whole);
    const strings = readStrings(file);
    const answers = new Answers();
    for (let begin = 0; begin < strings.length; begin += BATCH) {
        const batch = strings.slice(begin, begin + BATCH);
        const found = new Array(batch.length);
        for (const flags of new Set(batch.map(string => string.flags))) {
            const places = batch.flatMap((string, i) => string.flags === flags ? [i] : []);
            const alike = await answerAlike(tokenizers, flags,
                                            places.map(i => batch[i].text));
            places.forEach((place, i) => { found[place] = alike[i]; });
        }
        for (const { ids, offsets, bytes } of found)
            answers.put(ids, offsets, bytes);
    }
    answers.flush();
}

main().catch(error => {
    console.error(error);
    process.exit(1);
});
