#!/usr/bin/python3
# time limit: 43200 s
"""tokenizers.py - compare every kind of tokenizer with its reference, over many strings

References: tiktoken (npm), Hugging Face's tokenizers (npm @anush008/tokenizers) and Debian's
SentencePiece. The vocabularies are those of $MILLRACE_SHARED; without it those that come with
tiktoken, and with or without it some that millrace's own trainers write. Of each string the ids
are compared, of half of them the offsets where the reference has some, and what the reference's
ids spell. Strings are those of tokenizers/make_strings.py.

    SEED       of the strings (1)
    STRINGS    in all, of which each tokenizer gets as many (1200000)
    TOKENIZER  only those whose name has this in it
"""
import concurrent.futures
import json
import os
import random
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PARTS = os.path.join(HERE, "tokenizers")
sys.path.insert(0, PARTS)
sys.dont_write_bytecode = True
import vocabularies  # pylint: disable=wrong-import-position

SEED = os.environ.get("SEED") or "1"
STRINGS = int(os.environ.get("STRINGS") or 1200000)
TOKENIZER = os.environ.get("TOKENIZER", "")
BUILD = os.path.abspath(os.environ.get("MILLRACE_BUILD", os.path.join(ROOT, "build")))
MILLRACE = os.environ.get("MILLRACE", os.path.join(ROOT, "millrace"))
SHARED = os.environ.get("MILLRACE_SHARED", os.path.join(ROOT, "..", "shared", "data"))
ORACLES = os.path.join(BUILD, "oracles")  # what tests/oracles/prepare made
MODULES = os.path.join(ORACLES, "node_modules")
WORK = os.path.join(ORACLES, "work")
COMPARE = os.path.join(BUILD, "tests/oracles/compare_tokens")
PROGRAMS = {"tiktoken": ["node", os.path.join(PARTS, "tiktoken.js")],
            "hugging_face": ["node", os.path.join(PARTS, "hugging_face.js")],
            "sentencepiece": ["/usr/bin/python3", os.path.join(PARTS, "sentencepiece_ids.py")]}
# What make_strings.py may ask of a string: what the reference can do.
ADD_SPECIAL, TOKENS, REFUSED, CUT, OFFSETS, OMIT = 1, 2, 4, 8, 16, 32
FLAGS = {"tiktoken": TOKENS | REFUSED, "hugging_face": ADD_SPECIAL | CUT | OFFSETS | OMIT,
         "sentencepiece": OFFSETS}
SPECIALS = {"tiktoken": "text", "hugging_face": "tokens", "sentencepiece": "text"}
DOCUMENTS, DOCUMENT_SIZE = 6000, 6000  # of real text, in characters

# ---- real text ----


def sample_lines():
    """Lines of JSON with a text: the shared corpus, or the one that `make run` makes."""
    path = os.path.join(SHARED, "corpus/sample.jsonl.zst")
    folder = os.path.join(ROOT, "data/corpus")
    if os.path.exists(path):
        with subprocess.Popen(["zstd", "-dcq", path], stdout=subprocess.PIPE) as unpack:
            yield from unpack.stdout
    elif os.path.isdir(folder):
        for file in sorted(os.listdir(folder)):
            with open(os.path.join(folder, file), "rb") as lines:
                yield from lines


def own_files():
    """The text of this tree, where there is no corpus."""
    for folder, folders, files in os.walk(ROOT):
        folders[:] = sorted(set(folders) - {"build", "data", ".git"})
        for file in sorted(files):
            if file.endswith((".c", ".h", ".md", ".py", ".yaml", ".1", ".5")):
                with open(os.path.join(folder, file), encoding="utf-8") as content:
                    yield content.read()


def read_documents():
    """Up to DOCUMENTS texts, drawn from all, cut to DOCUMENT_SIZE."""
    draw = random.Random("documents " + SEED)
    lines = []
    for number, line in enumerate(sample_lines()):
        place = number if number < DOCUMENTS else draw.randrange(number + 1)
        if place == len(lines):
            lines.append(line)
        elif place < DOCUMENTS:
            lines[place] = line
    documents = []
    for text in map(lambda line: json.loads(line)["text"], lines) if lines else own_files():
        begin = draw.randrange(max(1, len(text) - DOCUMENT_SIZE))
        text = text[begin:begin + DOCUMENT_SIZE].encode("utf-8", "ignore").decode()
        if text:
            documents.append(text)
    return documents


def write_documents(documents):
    path = os.path.join(WORK, "documents")
    with open(path, "w", encoding="utf-8") as file:
        for text in documents:
            file.write(json.dumps(text) + "\n")
    return path


# ---- comparing ----


class Outcome:
    """The numbers that compare_tokens prints last, and what it says before."""
    NAMES = ("strings", "bytes", "tokens", "offsets", "texts", "ids_differ", "offsets_differ",
             "texts_differ")

    def __init__(self, output):
        lines = output.splitlines()
        words = lines[-1].split() if lines else []
        if words[:1] != ["compared"] or len(words) != 1 + len(self.NAMES):
            raise RuntimeError("compare_tokens said: " + output[-500:])
        self.lines = lines[:-1]
        for name, number in zip(self.NAMES, words[1:]):
            setattr(self, name, int(number))
        self.different = self.ids_differ + self.offsets_differ + self.texts_differ


def file_for(case, end):
    return os.path.join(WORK, "".join(c if c.isalnum() else "_" for c in case.name) + end)


def make_strings(case, count, documents):
    """The file with the case's own strings."""
    words, strings = file_for(case, ".words"), file_for(case, ".strings")
    with open(words, "w", encoding="utf-8") as file:
        json.dump({"words": case.words, "added": case.added}, file)
    subprocess.run(["/usr/bin/python3", os.path.join(PARTS, "make_strings.py"),
                    SEED + " " + case.name, str(count), str(FLAGS[case.kind]), strings,
                    "--texts", documents, "--words", words], check=True)
    os.remove(words)
    return strings


def compare(case, theirs, ours=None):
    """`theirs`: the strings that the reference sees; `ours`: those that we see, if others."""
    environment = dict(os.environ, NODE_PATH=MODULES, TOKENIZERS_PARALLELISM="false")
    reference = subprocess.Popen([*PROGRAMS[case.kind], case.reference, theirs],
                                 stdout=subprocess.PIPE, env=environment)
    with reference:
        done = subprocess.run([COMPARE, case.vocabulary, case.pattern, SPECIALS[case.kind],
                               ours or theirs], stdin=reference.stdout, capture_output=True,
                              text=True, errors="backslashreplace", check=False)
        reference.stdout.close()
    if reference.returncode or done.returncode:
        raise RuntimeError("the reference exited %d, compare_tokens %d: %s" % (
            reference.returncode, done.returncode, done.stderr.strip()))
    return Outcome(done.stdout)


# ---- test points ----


class Tap:
    def __init__(self):
        self.count = self.failed = 0

    def point(self, is_good, what, notes=()):
        self.count += 1
        self.failed += not is_good
        print("%s %d - %s" % ("ok" if is_good else "not ok", self.count, what))
        for note in notes:
            print("# " + note)
        sys.stdout.flush()

    def skip(self, what, why):
        self.count += 1
        print("ok %d # SKIP %s: %s" % (self.count, what, why))


def count_flagged(path, flag):
    """The strings that have the flag."""
    count = 0
    with open(path, "rb") as file:
        while head := file.read(8):
            count += bool(int.from_bytes(head[:4], "little") & flag)
            file.seek(int.from_bytes(head[4:], "little"), os.SEEK_CUR)
    return count


def run_case(case, count, documents):
    strings = make_strings(case, count, documents)
    outcome = compare(case, strings)
    outcome.left_out = count_flagged(strings, OFFSETS) - outcome.offsets
    os.remove(strings)
    return outcome


def report_case(tap, case, count, outcome):
    what = "%s: %d strings, %d bytes, %d tokens; offsets of %d, texts of %d" % (
        case.name, outcome.strings, outcome.bytes, outcome.tokens, outcome.offsets, outcome.texts)
    notes = []
    if outcome.left_out:  # an answer without offsets that were asked for
        notes = ["offsets of %d left out: the reference misplaces them, see %s.js" % (
            outcome.left_out, case.kind)]
    if outcome.different:
        notes += ["differences: ids of %d strings, offsets of %d, texts of %d" % (
            outcome.ids_differ, outcome.offsets_differ, outcome.texts_differ), *outcome.lines]
    tap.point(outcome.different == 0 and outcome.strings == count, what, notes)


def write_strings(path, texts, flags):
    with open(path, "wb") as file:
        for text in texts:
            content = text.encode()
            file.write(flags.to_bytes(4, "little") + len(content).to_bytes(4, "little") + content)
    return path


def expect(tap, what, outcome, **wanted):
    """Exactly so many differences must have been found."""
    found = {name: getattr(outcome, name) for name in wanted}
    tap.point(found == wanted, "finds " + what, [] if found == wanted else [
        "found %s, not %s" % (found, wanted)])


def check_itself(tap, cases):
    """The comparison must find what was altered: a string, a vocabulary, an offset."""
    by_kind = {kind: next(case for case in cases if case.kind == kind) for kind in PROGRAMS}
    texts = ["the cat", "sat on the mat", "and the dog"] * 5
    altered = [*texts[:7], "sat on the map", *texts[8:]]
    theirs = write_strings(os.path.join(WORK, "theirs"), texts, 0)
    ours = write_strings(os.path.join(WORK, "ours"), altered, 0)
    for kind, case in by_kind.items():
        expect(tap, "no difference where there is none (%s)" % kind, compare(case, theirs),
               ids_differ=0, offsets_differ=0, texts_differ=0)
        expect(tap, "an altered string (%s)" % kind, compare(case, theirs, ours), ids_differ=1)

    case = by_kind["tiktoken"]
    ranks = vocabularies.read_ranks(case.vocabulary)
    ranks[b" the"], ranks[b" on"] = ranks[b" on"], ranks[b" the"]
    path = vocabularies.write_ranks(os.path.join(WORK, "altered.tiktoken"), ranks)
    swapped = vocabularies.Case("altered", case.kind, case.reference, path, "r50k")
    expect(tap, "two tokens of a vocabulary that changed places", compare(swapped, theirs),
           ids_differ=10, texts_differ=10)

    case = next(case for case in cases if case.name == "trained WordPiece")
    theirs = write_strings(os.path.join(WORK, "theirs"), ["the cat", "a  dog"], OFFSETS)
    ours = write_strings(os.path.join(WORK, "ours"), ["the cat", "a dog"], OFFSETS)
    expect(tap, "offsets that are others", compare(case, theirs, ours), ids_differ=0,
           offsets_differ=1, texts_differ=0)


def collect(documents):
    cases = [*vocabularies.tiktoken_cases(SHARED, MODULES, WORK),
             *vocabularies.hugging_face_cases(SHARED, WORK),
             *vocabularies.sentencepiece_cases(SHARED),
             *vocabularies.trained_cases(MILLRACE, documents[:4000], WORK)]
    return cases, [case for case in cases if TOKENIZER in case.name]


def main():
    os.makedirs(WORK, exist_ok=True)
    tap = Tap()
    print("# SEED=%s STRINGS=%d" % (SEED, STRINGS))
    texts = read_documents()
    documents = write_documents(texts)
    cases, chosen = collect(texts)
    check_itself(tap, cases)
    if not os.path.isdir(os.path.join(SHARED, "vocab")):
        tap.skip("published tokenizer.json, vocab.txt and .model files", "no shared data")
    total, count = 0, -(-STRINGS // max(1, len(chosen)))
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        futures = [pool.submit(run_case, case, count, documents) for case in chosen]
        for case, future in zip(chosen, futures):
            try:
                outcome = future.result()
            except (RuntimeError, subprocess.CalledProcessError) as error:
                tap.point(False, case.name, [str(error)])
                continue
            total += outcome.strings
            report_case(tap, case, count, outcome)
    tap.point(total >= STRINGS, "%d strings compared in all, of %d tokenizers" % (
        total, len(chosen)))
    print("1..%d" % tap.count)
    shutil.rmtree(WORK)
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
