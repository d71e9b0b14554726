#!/usr/bin/python3
"""make_unicode8_tables.py - write unicode8_tables.c from Debian's unicode-data (15.0)

    make_unicode8_tables.py [/usr/share/unicode] > unicode8_tables.c

The versions are those that Hugging Face's tokenizers 0.22.2 was seen to follow, code point
for code point: Unicode 8.0 for BERT's categories, 9.0 for normal forms and marks, 17.0 for
lower case. Older versions are derived from 15.0 by the age of each character; the few whose
category changed later are named below, and so are the lower case mappings younger than
15.0. Counts are asserted, so that other data cannot slip in.
"""
import sys

BLOCK = 128
LIMIT = 0x110000
# In the order of enum text_class in unicode8_tables.h.
CLASSES = ["PUNCTUATION", "CONTROL", "SPACE", "NONSPACING", "CHINESE", "MARK", "NEWER"]
# Their category was another one in Unicode 8.0 or 9.0.
PUNCTUATION_ONCE = {0x166D, 0x111C9}
NONSPACING_ONCE = {0x1734}
NOT_NONSPACING_YET = {0x1885, 0x1886, 0xA9BD, 0x111C9}
MARK_ONCE = {0x1CF2, 0x1CF3}
NOT_MARK_YET = {0x111C9}
CHINESE = [(0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2A6DF),
           (0x2A700, 0x2B81F), (0x2B920, 0x2CEAF), (0x2F800, 0x2FA1F)]
WHITE_SPACE = [(0x09, 0x0D), (0x20, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680),
               (0x2000, 0x200A), (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F),
               (0x3000, 0x3000)]
# (first, last, distance) of the lower case letters that Unicode 16.0 and 17.0 added.
LOWER_SINCE = [(0x1C89, 0x1C89, 1), (0xA7CB, 0xA7CB, 0x264 - 0xA7CB), (0xA7CC, 0xA7CC, 1),
               (0xA7CE, 0xA7CE, 1), (0xA7D2, 0xA7D2, 1), (0xA7D4, 0xA7D4, 1),
               (0xA7DA, 0xA7DA, 1), (0xA7DC, 0xA7DC, 0x19B - 0xA7DC),
               (0x10D50, 0x10D65, 0x20), (0x16EA0, 0x16EB8, 0x1B)]


def read_database(folder):
    """{code point: category}, {code point: lower case}, {code point: age}"""
    category, lower, age = {}, {}, {}
    first = None
    with open(folder + "/UnicodeData.txt", encoding="utf-8") as file:
        for line in file:
            fields = line.split(";")
            code = int(fields[0], 16)
            begin = first if fields[1].endswith("Last>") else code
            first = code if fields[1].endswith("First>") else None
            for point in range(begin, code + 1):
                category[point] = fields[2]
            if fields[13]:
                lower[code] = int(fields[13], 16)
    with open(folder + "/DerivedAge.txt", encoding="utf-8") as file:
        for line in file:
            fields = line.split("#")[0].split(";")
            if len(fields) == 2:
                ends = [int(end, 16) for end in fields[0].strip().split("..")]
                for point in range(ends[0], ends[-1] + 1):
                    age[point] = tuple(int(part) for part in fields[1].split("."))
    return category, lower, age


def classify(category, age):
    """A set of bits of CLASSES for each code point."""
    def known(version, prefixes):
        return {point for point, name in category.items()
                if name.startswith(prefixes) and age[point] <= version}
    sets = {
        "PUNCTUATION": known((8, 0), "P") | PUNCTUATION_ONCE | {
            point for point in range(0x21, 0x7F) if not chr(point).isalnum()},
        "CONTROL": known((8, 0), ("Cc", "Cf", "Co")) - {9, 10, 13} | {0, 0xFFFD},
        "SPACE": {point for begin, end in WHITE_SPACE for point in range(begin, end + 1)},
        "NONSPACING": (known((8, 0), "Mn") | NONSPACING_ONCE) - NOT_NONSPACING_YET,
        "CHINESE": {point for begin, end in CHINESE for point in range(begin, end + 1)},
        "MARK": (known((9, 0), "M") | MARK_ONCE) - NOT_MARK_YET,
        "NEWER": {point for point in range(LIMIT) if age.get(point, (99, 0)) > (9, 0)},
    }
    counts = {name: len(sets[name]) for name in CLASSES[:-1]}
    assert counts == {"PUNCTUATION": 726, "CONTROL": 137681, "SPACE": 25,
                      "NONSPACING": 1567, "CHINESE": 81264, "MARK": 2097}, counts
    table = [0] * LIMIT
    for bit, name in enumerate(CLASSES):
        for point in sets[name]:
            table[point] |= 1 << bit
    return table


def distances(lower):
    table = [0] * LIMIT
    for point, other in lower.items():
        table[point] = other - point
    for first, last, distance in LOWER_SINCE:
        for point in range(first, last + 1):
            table[point] = distance
    assert sum(value != 0 for value in table) == 1488
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


def print_two_levels(name, kind, table):
    blocks, index, known = [], [], {}
    for start in range(0, LIMIT, BLOCK):
        block = tuple(table[start:start + BLOCK])
        if block not in known:
            known[block] = len(blocks)
            blocks.append(block)
        index.append(known[block])
    assert len(blocks) <= 256, len(blocks)
    print_array("const uint8_t %s_index[%d]" % (name, len(index)), index)
    print_array("const %s %s_blocks[%d]" % (kind, name, len(blocks) * BLOCK),
                [value for block in blocks for value in block])


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else "/usr/share/unicode"
    category, lower, age = read_database(folder)
    print("/* unicode8_tables.c - Unicode 8.0 classes and lower case; "
          "made by make_unicode8_tables.py */")
    print("/* clang-format off */")
    print('#include "stages/kernels/unicode8_tables.h"\n')
    print_two_levels("text_class", "uint8_t", classify(category, age))
    print_two_levels("lower_case", "int32_t", distances(lower))
    print("/* clang-format on */")


main()
