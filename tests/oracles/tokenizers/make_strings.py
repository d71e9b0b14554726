#!/usr/bin/python3
"""make_strings.py - make strings that tokenizers may disagree about

usage: make_strings.py SEED COUNT FLAGS OUT [--texts FILE] [--words FILE]

Four kinds, mixed: random Unicode, slices of real text (the documents of --texts, a JSON string
a line), generated code, and the vocabulary's own tokens (--words, one JSON list) put together
at random. Most are short, some have kilobytes. FLAGS are those of compare_tokens.c that a
string may have; which of them it has is drawn, too. The same arguments make the same strings.
"""
import argparse
import json
import random
import struct
import unicodedata

FLAG_ADD_SPECIAL, FLAG_TOKENS, FLAG_REFUSED, FLAG_CUT, FLAG_OFFSETS, FLAG_OMIT = (
    1, 2, 4, 8, 16, 32)


def span(*ranges):
    """The characters of ranges "A-B" or "A", in hexadecimal."""
    points = []
    for text in " ".join(ranges).split():
        first, _, last = text.partition("-")
        points += range(int(first, 16), int(last or first, 16) + 1)
    return [chr(point) for point in points if not 0xD800 <= point < 0xE000]


# ---- what random Unicode is made of ----

SPACES = span("9-D 20 85 A0 1680 2000-200A 2028 2029 202F 205F 3000")
NOT_QUITE_SPACES = span("1C-1F 180E 200B-200D 2060 2800 3164 FEFF")
LINE_ENDS = ["\n", "\r\n", "\r", "\n\n", "\u2028", "\u2029", "\x0b", "\x0c", "\x85"]
CONTROLS = span("0-1F 7F-9F AD 600-605 61C 6DD 70F 8E2 180B-180F 200B-200F 202A-202E 2060-206F "
                "FDD0-FDD3 FEFF FFF0-FFFF 110BD 1BCA0-1BCA3 1D173-1D17A E0000-E0007 1FFFE 10FFFF")
MARKS = span("300-36F 483-489 591-5BD 610-61A 64B-65F 670 6D6-6DC 711 730-74A 7EB-7F3 "
             "898-89F 8CA-8FF 93C 94D 951-954 9BC 9BE 9CD 9D7 A3C B3E B56 B57 BBE BD7 C4D C55 C56 "
             "CC2 CD5 D3E D57 DCA DCF DDF E38-E3A E48-E4B EB8 EC8-ECB F18 F35 F39 F71-F84 FC6 "
             "102E 1037 1039 135D-135F 1714 1734 17D2 18A9 1A60 1AB0-1ACE 1B34 1B35 1BE6 1DC0-1DFF "
             "20D0-20F0 2CEF-2CF1 302A-302F 3099 309A A66F A8E0-A8F1 FB1E FE20-FE2F 101FD 10A0D "
             "11046 110B9 110BA 11127 11131 1133E 11357 114B0 114BA 115AF 11930 16AF0 1BC9E "
             "1D165-1D172 1D242-1D244 1E130 1E2EC 1E8D0 1E944-1E94A")
# Characters whose normal forms are odd: more than one way to them, exclusions, ligatures,
# compatibility forms, letters of Hangul, those that lose or gain length in lower case.
ODD_FORMS = span("C0-17F 1C4-1CC 1D5-1DC 1E0 1E1 1F0-1F3 212 344 374 37E 385 387 390 3B0 3D3 958 "
                 "95F 9DC F43 F73 F75 F76 F81 1100-1175 11A8-11C2 1E0A 1E9B 1E9E 1F00-1FFE "
                 "2000-2001 2024-2026 2100-214F 2150-218B 2460-2473 249C 2A74-2A76 2ADC 304B-3094 "
                 "30A6-30FE 3131-318E 3200-33FF A69C AB5C F900-FAD9 FB00-FB4F FB50-FDFB FE30-FEFC "
                 "FF01-FFEE 110AB 11131 1D15E-1D164 1D400-1D7FF 1EE00 1F100-1F251 2F800-2FA1D") + \
    ["ǅ", "İ", "ı", "ẞ", "ß", "ſ", "ς", "Σ", "K", "Å", "Ω", "℃", "ŉ", "ﷺ", "각", "각", "뢴"]
# Characters that Unicode 8.0 to 18.0 brought or may bring: tables differ in them.
RECENT = span("52F-530 560 588 5EF 860-86A 870-88E 88F 890-891 897 8B3-8D4 9FC-9FE A76 AFA-AFF C04 "
              "C3C C5A-C5D C77 C80-C84 CDC-CDD CF3 D00 D04 D4E-D4F D54-D56 D58-D5E E86-EBA ECE F48 "
              "13F8-13FD 1878 1ACF-1ADD 1AE0-1AEB 1B4C-1B4F 1B7F 1C80-1C8A 1C90-1CBF 1CF7-1CFA "
              "1DF6-1DFA 20BE-20C1 218A-218B 2427-2429 23FB-23FF 2B4D-2B5F 2B96-2BFF 2E43-2E5D "
              "2FFC-2FFF 312E-312F 31BB-31BF 31E4-31E5 31EF 4DB6-4DBF 9FCD-9FFF A7AE-A7DC A7F1-A7F7 "
              "A8FC-A8FF AB60-AB6B FBC3-FBD2 FD3E-FD4F FDC8-FDCF 104B0-104FB 10570-105FF "
              "10780-107BA 10940-10959 10D00-10D39 10D40-10D8F 10E80-10EFF 10F00-10F59 10F70-10FF6 "
              "11240-11241 113D0-113E2 11380-113C9 11400-11461 11660-116E3 11700-11746 "
              "11800-1183B 11900-11959 119A0-119E4 11A00-11AA2 11AB0-11AF8 11B00-11B67 11BC0-11BF9 "
              "11C00-11CB6 11D00-11DE9 11EE0-11F5A 11FB0-11FFF 12F90-12FF2 13430-13455 13460-13500 "
              "143F0-143FA 16100-16139 16A70-16AC9 16D40-16D79 16E40-16E9A 16EA0-16ED3 16FE0-16FF6 "
              "17000-17020 187EC-187FF 18800-18820 18AF3-18CFF 18D00-18DF2 1AFF0-1AFFE 1B11F-1B170 "
              "1CC00-1CCFC 1CD00-1CEB3 1CEBA-1CEF0 1CF00-1CFC3 1D2C0-1D2F3 1DF00-1DF2A 1E000-1E02A "
              "1E030-1E08F 1E100-1E14F 1E290-1E2FF 1E4D0-1E4F9 1E5D0-1E5FF 1E6C0-1E6FF 1E7E0-1E7FE "
              "1E900-1E95F 1EC71-1ECB4 1ED01-1ED3D 1F10D-1F10F 1F16C-1F171 1F1AD 1F6D3-1F6DF "
              "1F6F4-1F6FC 1F774-1F77F 1F7D5-1F7F0 1F8B0-1F8D8 1F90C-1F9FF 1FA00-1FA8F 1FAC3-1FAFF "
              "1FB00-1FBF9 2A6D7-2A6DF 2B738-2B73F 2B81E-2B820 2B820-2B840 2CEA2-2CEB0 2EBF0-2EC10 "
              "2EE5D 30000-30010 3134A-31360 323AF-323C0 33479")
IDEOGRAPHS = span("4E00-5000 6000-6100 7500-7600 9F00-9FFF 3400-3420 20000-20040 2A6D0-2A720 "
                  "2B734-2B740 2B81D-2B930 2CEA0-2CEB8 2F800-2F820 F900-F920 30000-30020")
KANA = span("3041-3096 3099-309F 30A0-30FF 31F0-31FF FF66-FF9F 1B000-1B002 1B150-1B152")
HANGUL = span("AC00-AD00 B000-B100 D700-D7A3 1100-1112 1161-1175 11A8-11C2 3131-3163")
NO_SPACES = span("E01-E3A E3F-E5B E81-EBD EC0-EDF 1000-109F 1780-17F9 1980-19DF 1A20-1AAD")
INDIC = span("900-97F 980-9FE A01-A76 A81-AFF B01-B77 B82-BFA C00-C7F C80-CF3 D00-D7F D81-DF4 "
             "200C 200D")
RIGHT_TO_LEFT = span("5D0-5EA 5B0-5C7 5F3 5F4 608-64A 64B-658 660-6D3 6F0-6F9 700-74F 780-7B1 "
                     "7C0-7FA 840-85B 8A0-8B4 FB1D-FB4F 200E 200F")
LATIN = span("61-7A 61-7A 41-5A C0-24F 250-2AF 1E00-1EFF")
GREEK_CYRILLIC = span("370-377 37A-37F 384-38A 38C 38E-3A1 3A3-3FF 400-52F 1F00-1F15 2DE0-2DFF "
                      "A640-A69F 1C80-1C88")
DIGITS = span("30-39 30-39 B2 B3 B9 BC-BE 660-669 6F0-6F9 966-96F 9F4-9F9 BF0-BF2 E50-E59 F2A-F33 "
              "1369-137C 16EE-16F0 2070 2074-2079 2080-2089 2150-2189 2460-249B 2CFD 3007 3021-3029 "
              "3192-3195 3220-3229 4E00 4E8C 4E09 A6E6-A6EF FF10-FF19 10107-10133 1D7CE-1D7FF "
              "1F100-1F10C")
PUNCTUATION = span("21-2F 3A-40 5B-60 7B-7E A1-BF D7 F7 37E 55A-55F 589-58A 60C 61B-61F 66A-66D 6D4 "
                   "964-965 E4F 10FB 166D 166E 1800-180A 2010-2027 2030-205E 207A-207E 20A0-20C0 "
                   "2190-2200 2212 2260 2500-2510 25A0-25FF 2768-2775 2E00-2E5D 3001-3003 3008-301F "
                   "3030 30FB FE10-FE19 FE30-FE6B FF01-FF0F FF1A-FF20 FF5B-FF65 10100 111C9 1BC9F")
ASCII = span("20-7E")
EMOJI = span("231A 23E9 2600-2604 2614 261D 2640 2642 2695 26F9 2708-270D 2764 2B50 1F300-1F320 "
             "1F385 1F3C3 1F3F3 1F3F4 1F408 1F415 1F440-1F450 1F466-1F469 1F46E 1F473 1F600-1F64F "
             "1F680-1F6C5 1F90C-1F93A 1F9D1-1F9DF 1FA70-1FA7C")
TONES = span("1F3FB-1F3FF")
FLAGS_OF_LANDS = span("1F1E6-1F1FF")
TAGS = span("E0020-E007F")
# Texts that one tokenizer or another treats as more than text.
TELLING = ["'s", "'S", "'t", "'re", "'ve", "'VE", "'m", "'ll", "'LL", "'d", "'D", "'\u017f",
           "'\u212a", "\u2019s", "n't", "``", "''", "##", "##a", "\u2581", "\u2581\u2581", "<0x0A>",
           "<0xFF>", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[PAD]", "<s>", "</s>", "<unk>", "<pad>",
           "<sep>", "<cls>", "<mask>", "<eod>", "<eop>", "<|endoftext|>", "<|endofprompt|>",
           "<|fim_prefix|>", "<|im_start|>", "<|begin_of_text|>", "<|eot_id|>", "<think>", "|>", "<|",
           " [MASK] ", "<|endoftext", "endoftext|>", "\u0120", "\u010a", "\u00ad", "\u2047", "...",
           "http://", "e\u0301", "\u0041\u030a", "\ufb01", "\u1100\u1161\u11a8"]
WORDS = ("the of and to in is that it was for on are as with his they at be this from I have or by "
         "one had not but what all were when we there can an your which their said if do will each "
         "about how up out them then she many some so these would other into has more her two like "
         "him see time could no make than first been its who now people my made over did down only "
         "Straße naïve coöperate Ελλάδα σοφός быстрая коричневая лиса שלום مرحبا हिन्दी ภาษาไทย "
         "素早い茶色の狐 中文分词 한국어 tiếng_Việt İstanbul").split()
MIXED = [SPACES, LATIN, GREEK_CYRILLIC, IDEOGRAPHS, KANA, HANGUL, NO_SPACES, INDIC, RIGHT_TO_LEFT,
         DIGITS, PUNCTUATION, ASCII, MARKS, ODD_FORMS, EMOJI, RECENT, CONTROLS]
ASSIGNED_BLOCKS = [(at, 0x80) for at in [*range(0, 0xD800, 0x80), *range(0xE000, 0xE100, 0x80),
                                         *range(0xF900, 0x14680, 0x80),
                                         *range(0x16000, 0x1FC00, 0x80), 0x20000, 0x2A680, 0x2F800,
                                         0x30000, 0x31300, 0x32380, 0xE0000, 0xE0100, 0xF0000,
                                         0x10FF80]]


def point_anywhere(draw):
    point = draw.randrange(0x110000 - 0x800)
    return chr(point if point < 0xD800 else point + 0x800)


def anywhere(draw, size):
    return "".join(point_anywhere(draw) for _ in range(size))


def one_block(draw, size):
    first, length = draw.choice(ASSIGNED_BLOCKS)
    return "".join(chr(draw.randrange(first, first + length)) for _ in range(size))


def one_class(draw, size):
    return "".join(draw.choices(draw.choice(MIXED), k=size))


def many_classes(draw, size):
    parts = []
    while size > 0:
        part = min(size, draw.choice([1, 1, 1, 2, 3, 5, 8]))
        parts += draw.choices(draw.choice(MIXED), k=part)
        size -= part
    return "".join(parts)


def words_of_scripts(draw, size):
    parts = []
    while size > 0:
        letters = draw.choice([LATIN, LATIN, GREEK_CYRILLIC, IDEOGRAPHS, KANA, HANGUL, NO_SPACES,
                               INDIC, RIGHT_TO_LEFT, DIGITS, RECENT])
        length = min(size, draw.randint(1, 9))
        word = "".join(draw.choices(letters, k=length))
        parts.append(draw.choice([word, word, word.upper(), word.title()]))
        parts.append(draw.choice([" ", " ", " ", "", ", ", "-", "'", "\u3000", "\xa0", "\n"]))
        size -= length + 1
    return "".join(parts)


def spaces(draw, size):
    parts = []
    while size > 0:
        part = min(size, draw.choice([1, 1, 2, 3, 4, 8, 17, 33]))
        how = draw.random()
        if how < 0.35:
            parts.append(draw.choice(SPACES) * part)
        elif how < 0.5:
            parts += draw.choices(SPACES + NOT_QUITE_SPACES, k=part)
        elif how < 0.65:
            parts += draw.choices(LINE_ENDS, k=part)
        elif how < 0.75:
            parts.append(" " * part)
        else:
            parts.append(draw.choice(WORDS + TELLING[:16] + ["1", "!", "\u0301", "x"]))
        size -= part
    return "".join(parts)


def combined(draw, size):
    parts = []
    while size > 0:
        base = draw.choice(draw.choice([LATIN, LATIN, GREEK_CYRILLIC, INDIC, HANGUL, KANA, ODD_FORMS,
                                        RIGHT_TO_LEFT, IDEOGRAPHS, ASCII]))
        marks = draw.choice([0, 1, 1, 2, 3, 7])
        parts.append(base + "".join(draw.choices(MARKS, k=marks)))
        size -= 1 + marks
    text = "".join(parts)
    how = draw.random()
    return unicodedata.normalize(draw.choice(["NFD", "NFKD", "NFC"]), text) if how < 0.4 else text


def emoji(draw, size):
    parts = []
    while size > 0:
        how = draw.random()
        if how < 0.35:
            parts.append("\u200d".join(
                draw.choice(EMOJI) + draw.choice(["", "", "\ufe0f", draw.choice(TONES)])
                for _ in range(draw.randint(1, 4))))
        elif how < 0.5:
            parts += draw.choices(FLAGS_OF_LANDS, k=draw.randint(1, 5))
        elif how < 0.6:
            parts.append(draw.choice("0123456789#*") + "\ufe0f\u20e3")
        elif how < 0.7:
            parts.append("\U0001f3f4" + "".join(draw.choices(TAGS, k=draw.randint(1, 6))) +
                         "\U000e007f")
        else:
            parts.append(draw.choice(EMOJI) + draw.choice(["", " ", "\ufe0e", "a", "\u200d"]))
        size -= 3
    return "".join(parts)


def long_run(draw, size):
    unit = draw.choice([draw.choice(draw.choice(MIXED)), draw.choice(draw.choice(MIXED)),
                        draw.choice(ASCII), "".join(draw.choices(ASCII, k=2)), draw.choice(TELLING),
                        point_anywhere(draw)])
    return unit * max(1, size * draw.choice([1, 1, 4]) // len(unit))


def telling(draw, size):
    parts = []
    while size > 0:
        parts.append(draw.choice(TELLING))
        parts.append(draw.choice(["", "", " ", "a", "The", "\n", draw.choice(WORDS), "1",
                                  draw.choice(PUNCTUATION), draw.choice(MARKS)]))
        size -= 4
    return "".join(parts)


def english(draw, size):
    parts = []
    while size > 0:
        word = draw.choice(WORDS)
        parts.append(draw.choice([word, word, word, word.upper(), word.capitalize(), word * 2,
                                  word + draw.choice(TELLING[:16])]))
        parts.append(draw.choice([" "] * 12 + [", ", ". ", "? ", "! ", "-", " - ", "; ", "  ", "\n",
                                               "\n\n", "\r\n", " \"", "\" ", " (", ") ", "/"]))
        size -= len(word) + 1
    return "".join(parts)


RANDOM = [anywhere, one_block, one_class, many_classes, words_of_scripts, words_of_scripts, spaces,
          combined, combined, emoji, long_run, telling, english]


def random_unicode(draw, size, _):
    parts = draw.choice([1, 1, 2, 4])
    return "".join(draw.choice(RANDOM)(draw, max(1, size // parts)) for _ in range(parts))


# ---- code ----

NAMES = ("i j k n x tmp buf self this node value result count index size length name path data item "
         "key map list error state parse read write init open close get set make find next user "
         "request response config handler http json xml utf8 sha256 vec3 __init__ toString").split()
KEYWORDS = ("if else for while return def class struct enum switch case break continue import from "
            "const static void int char unsigned double float auto let var function fn impl pub use "
            "match async await try except finally raise throw new delete lambda yield with as not "
            "and or in is None null nil True false #include #define template typename").split()
OPERATORS = ("+ - * / % = == != === !== < > <= >= && || ! ~ & | ^ << >> >>> += -= *= /= |= ->  => :: "
             "++ -- ?? ?. ... := ** // @ ; ; ; ,").split()
INDENTS = ["    ", "  ", "\t", "        ", " ", "   "]


def identifier(draw):
    parts = draw.choices(NAMES, k=draw.choice([1, 1, 2, 2, 3]))
    how = draw.random()
    if how < 0.4:
        return "_".join(parts)
    if how < 0.7:
        return parts[0] + "".join(part.capitalize() for part in parts[1:])
    if how < 0.8:
        return "_".join(parts).upper()
    return draw.choice(["_", "$", "m_", "@", ""]) + "".join(part.title() for part in parts) + \
        draw.choice(["", "", str(draw.randrange(100))])


def number(draw):
    value = draw.choice([draw.randrange(10), draw.randrange(1000), draw.getrandbits(32),
                         draw.getrandbits(64), draw.getrandbits(300)])
    return draw.choice(["%d", "%d", "0x%x", "0x%08X", "0b1%d", "%d.5", "-%d", "%de-3", "1_%dULL",
                        "%df", "'%d'"]) % value


def quoted(draw):
    body = draw.choice([english, telling, many_classes, emoji, spaces])(draw, draw.randint(0, 30))
    body = body.replace("\n", "\\n").replace("\t", "\\t")
    return draw.choice(["\"%s\"", "'%s'", "`%s`", "f\"{%s}\"", "r'%s'", "\"\"\"%s\"\"\"", "'%s\\u00e9'"
                        ]) % body


def expression(draw):
    parts = []
    for _ in range(draw.choice([1, 1, 2, 3])):
        parts.append(draw.choice([identifier, identifier, number, quoted])(draw))
        parts.append(draw.choice(["(%s)", "[%s]", ".%s", " %s", ""]).replace(
            "%s", identifier(draw)))
        parts.append(draw.choice([" ", "", " "]) + draw.choice(OPERATORS) + draw.choice([" ", ""]))
    return "".join(parts[:-1])


def line_of_code(draw):
    how = draw.random()
    if how < 0.3:
        return identifier(draw) + " = " + expression(draw) + draw.choice(["", ";", ",", " \\"])
    if how < 0.5:
        return "%s %s(%s)%s" % (draw.choice(KEYWORDS), identifier(draw), expression(draw),
                                draw.choice(["", " {", ":", ";", " ->"]))
    if how < 0.6:
        return draw.choice(["// ", "# ", "/* ", "-- ", "<!-- ", "%% "]) + english(draw, 30)
    if how < 0.7:
        return draw.choice(["}", "})", "};", "end", "},", "]", "", "", "\t", "    "])
    if how < 0.8:
        return "\"%s\": %s," % (identifier(draw), draw.choice([number, quoted])(draw))
    if how < 0.85:
        return "<%s %s=\"%s\">%s</%s>" % (identifier(draw), identifier(draw), identifier(draw),
                                          english(draw, 12), identifier(draw))
    if how < 0.9:
        return "https://%s.example/%s?%s=%s&x=%%20" % (identifier(draw), identifier(draw),
                                                       identifier(draw), number(draw))
    return draw.choice(KEYWORDS) + " " + expression(draw)


def code(draw, size, _):
    lines, total, depth = [], 0, draw.randrange(3)
    indent = draw.choice(INDENTS)
    end = draw.choice(["\n", "\n", "\n", "\r\n", " \n", "\n\n"])
    while total < size:
        line = indent * depth + line_of_code(draw) + end
        depth = max(0, min(12, depth + draw.choice([-1, 0, 0, 0, 1])))
        lines.append(line)
        total += len(line)
    return "".join(lines)[:size]


# ---- real text, and the vocabulary's own tokens ----


def real_text(draw, size, sources):
    document = draw.choice(sources.texts)
    begin = draw.randrange(max(1, len(document) - size // 2))
    text = document[begin:begin + size]
    how = draw.random()
    if how < 0.05:
        return text.upper()
    if how < 0.1:
        return unicodedata.normalize(draw.choice(["NFD", "NFKC"]), text)
    if how < 0.25:  # something strange in the middle of it
        at = draw.randrange(len(text) + 1)
        return text[:at] + draw.choice(RANDOM)(draw, draw.randint(1, 6)) + text[at:]
    return text


def own_tokens(draw, size, sources):
    parts = []
    while size > 0:
        token = draw.choice(sources.added if sources.added and draw.random() < 0.15
                            else sources.words)
        parts.append(token)
        if draw.random() < 0.25:
            parts.append(draw.choice([" ", " ", "\n", "\u0301", "a", "'s", draw.choice(SPACES)]))
        size -= len(token) + 1
    return "".join(parts)


class Sources:
    def __init__(self, texts, words):
        self.texts, self.words, self.added = [], [], []
        if texts:
            with open(texts, encoding="utf-8") as file:
                self.texts = [json.loads(line) for line in file]
        if words:
            with open(words, encoding="utf-8") as file:
                lists = json.load(file)
            self.words, self.added = lists["words"], lists["added"]


def length(draw):
    how = draw.random()
    if how < 0.01:
        return 0
    if how < 0.35:
        return draw.randint(1, 20)
    if how < 0.9:
        return draw.randint(20, 140)
    if how < 0.985:
        return draw.randint(140, 600)
    return draw.randint(600, 5000)


def flags_of(draw, allowed):
    """Each that is allowed with its own chance; of TOKENS and REFUSED at most one."""
    flags = 0
    for flag, chance in ((FLAG_ADD_SPECIAL, 0.3), (FLAG_CUT, 0.1), (FLAG_OFFSETS, 0.5),
                         (FLAG_OMIT, 0.3), (FLAG_TOKENS, 0.3), (FLAG_REFUSED, 0.1)):
        if draw.random() < chance:
            flags |= flag & allowed
    return flags & ~FLAG_REFUSED if flags & FLAG_TOKENS else flags


def strings(seed, count, allowed, sources):
    draw = random.Random(seed)
    kinds = [random_unicode] * 8 + [code] * 4
    kinds += [real_text] * 5 if sources.texts else []
    kinds += [own_tokens] * 3 if sources.words else []
    for _ in range(count):
        size = length(draw)
        text = draw.choice(kinds)(draw, size, sources) if size > 0 else ""
        yield flags_of(draw, allowed), text


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seed")
    parser.add_argument("count", type=int)
    parser.add_argument("flags", type=int)
    parser.add_argument("out")
    parser.add_argument("--texts")
    parser.add_argument("--words")
    given = parser.parse_args()
    sources = Sources(given.texts, given.words)
    with open(given.out, "wb") as out:
        for flags, text in strings(given.seed, given.count, given.flags, sources):
            content = text.encode("utf-8")
            out.write(struct.pack("<II", flags, len(content)) + content)


if __name__ == "__main__":
    main()
