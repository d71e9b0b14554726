"""measure_tokenizers.py - the tokenizer against PCRE2, tiktoken, Hugging Face, SentencePiece

CPU time of one thread; all ids in memory at the end, in documents of about 8 KiB. In a round
ours goes over the text twice (cold and warm), then PCRE2 and each rival once; a ratio is the
median of the rounds' ratios. Rivals that take a second for a megabyte or two go over the first
--rival-mb of the text alone, which are the same mix, and get no further round once they have
used their --rival-seconds: the notes say so.
"""
import json
import os
import subprocess

import bench_rivals
from bench_common import CORES, TOOLS, Missing, group, median, row, run_options, say, shared_file
from bench_texts import MEGABYTES, first_part, repeated_file, text_file, text_shares

DOCUMENT = 8192
TIKTOKEN = ("vocab/tiktoken/cl100k_base.tiktoken", "vocab/tiktoken/o200k_base.tiktoken",
            "vocab/tiktoken/r50k_base.tiktoken", "vocab/tiktoken/llama3.tiktoken")
QWEN = "vocab/tokenizer_json/qwen3.json"  # with its normalizer, NFC
LLAMA2, XLNET = (f"vocab/sentencepiece/{name}.model" for name in ("llama2", "xlnet_base_cased"))
BERT = "vocab/tokenizer_json/bert_base_uncased.json"
# name, file, pattern, encoding of tiktoken, what Hugging Face's library reads
BYTE_LEVEL = (
    ("cl100k", TIKTOKEN[0], "cl100k", "cl100k_base",
     lambda: bench_rivals.tokenizer_json("cl100k")),
    ("o200k", TIKTOKEN[1], "o200k", "o200k_base", lambda: bench_rivals.tokenizer_json("o200k")),
    ("r50k", TIKTOKEN[2], "r50k", "r50k_base",
     lambda: shared_file("vocab/tokenizer_json/gpt2.json")),
    ("llama3", TIKTOKEN[3], "llama3", None,
     lambda: shared_file("vocab/tokenizer_json/llama3_1.json")),
    ("qwen", QWEN, "qwen", None, lambda: shared_file(QWEN)))
OTHER_MODELS = (
    ("SentencePiece BPE", LLAMA2), ("Hugging Face BPE", "vocab/tokenizer_json/llama2.json"),
    ("SentencePiece Unigram", XLNET),
    ("Hugging Face Unigram", "vocab/tokenizer_json/xlnet_base_cased.json"), ("WordPiece", BERT))


# ---- rounds ----

def encode(file, text, rounds, document, pattern=None):
    words = [file, text, str(rounds), str(document)] + ([pattern] if pattern else [])
    done = subprocess.run([os.path.join(TOOLS, "bench_encode"), *words], check=True,
                          capture_output=True, text=True)
    return json.loads(done.stdout)


class Compared:
    """Rounds of ours, of PCRE2's split where there is a pattern, and of rivals: functions of
    a text that give microseconds, bytes and tokens."""

    def __init__(self, file, text, rounds, pattern=None, rivals=None):
        self.rounds = rounds
        self.ours, self.rivals, self.notes = [], {}, {}
        rivals = dict(rivals or {})
        if rivals:
            part = first_part(text, run_options.rival_mb)
            self.tokens = encode(file, part, 1, DOCUMENT)["tokens"]
        for _ in range(rounds):
            self.ours.append(encode(file, text, 1, DOCUMENT, pattern))
            for name, run in list(rivals.items()):
                try:
                    self.rivals.setdefault(name, []).append(run(part))
                except Missing as why:
                    say(f"   {name}: {why}")
                    del rivals[name], self.rivals[name]
                    continue
                if sum(r["us"] for r in self.rivals[name]) > 1e6 * run_options.rival_seconds:
                    del rivals[name]
        self.size = self.ours[0]["bytes"]

    def rate(self, what):
        return median(self.size / run[what][0] for run in self.ours)

    def over_pcre2(self, what):
        return median(run["pcre2"][0] / run[what][0] for run in self.ours)

    def rival_row(self, what, name, target):
        """Ours against a rival, where there is one."""
        runs = self.rivals.get(name)
        if not runs:
            return
        note = f"{median(r['bytes'] / r['us'] for r in runs):.2f} MB/s"
        if len(runs) < self.rounds:
            note += f", {len(runs)} round{'s' * (len(runs) > 1)}"
        if runs[0]["tokens"] != self.tokens:
            note += f", {runs[0]['tokens'] - self.tokens:+d} ids"
        row(f"{what}: cold, times {name}",
            median(self.size / run["cold"][0] / (r["bytes"] / r["us"])
                   for r, run in zip(runs, self.ours)), "times", target, None, note)


# ---- byte-level vocabularies ----

def measure_byte_level(rounds):
    mix, others = text_file("mix.txt"), text_file("others.txt")
    for name, file, pattern, encoding, json_file in BYTE_LEVEL:
        part = 1.0 if name == "cl100k" else 0.9
        try:
            file = shared_file(file)
        except Missing as why:
            say(f"   {name}: {why}")
            continue
        rivals = {}
        if encoding:
            rivals["tiktoken"] = lambda text, e=encoding: bench_rivals.tiktoken(e, text, DOCUMENT)
        rivals["Hugging Face"] = (
            lambda text, f=json_file: bench_rivals.tokenizers(f(), text, DOCUMENT))
        run = Compared(file, mix, rounds, pattern, rivals)
        row(f"{name}: cold", run.rate("cold"), "MB/s")
        row(f"{name}: warm", run.rate("warm"), "MB/s", None, None,
            f"PCRE2's split {run.rate('pcre2'):.1f} MB/s")
        row(f"{name}: cold, times PCRE2's split", run.over_pcre2("cold"), "times",
            f">= {2.0 * part:.3g}")
        row(f"{name}: warm, times PCRE2's split", run.over_pcre2("warm"), "times",
            f">= {3.0 * part:.3g}")
        run.rival_row(name, "tiktoken", f">= {45 * part:.3g}")
        run.rival_row(name, "Hugging Face", f">= {100 * part:.3g}")
        run = Compared(file, others, rounds, pattern)
        row(f"{name}: other languages, cold, times PCRE2's split", run.over_pcre2("cold"),
            "times", f">= {1.2 * part:.3g}", None, f"{run.rate('cold'):.1f} MB/s")


# ---- other models ----

def measure_models(rounds):
    mix = text_file("mix.txt")
    for what, file, target in (("SentencePiece, LLaMA-2", LLAMA2, ">= 40"),
                               ("Unigram, XLNet", XLNET, ">= 12")):
        try:
            model = shared_file(file)
        except Missing as why:
            say(f"   {what}: {why}")
            continue
        run = Compared(model, mix, rounds, None, {
            "SentencePiece": lambda text, m=model: bench_rivals.sentencepiece(m, text, DOCUMENT)})
        row(f"{what}: cold", run.rate("cold"), "MB/s", None, None,
            f"warm {run.rate('warm'):.1f} MB/s")
        run.rival_row(what, "SentencePiece", target)
    try:
        file = shared_file(BERT)
    except Missing as why:
        say(f"   WordPiece: {why}")
        return
    run = Compared(file, mix, rounds, None, {
        "Hugging Face": lambda text: bench_rivals.tokenizers(file, text, DOCUMENT)})
    row("WordPiece, BERT: cold", run.rate("cold"), "MB/s", ">= 200", None,
        f"warm {run.rate('warm'):.1f} MB/s")
    run.rival_row("WordPiece, BERT", "Hugging Face", ">= 100")


# ---- side by side ----

def side_by_side(file, text, count):
    """Wall-clock microseconds of the slowest of `count` processes, cold and warm."""
    command = [os.path.join(TOOLS, "bench_encode"), file, text, "0", str(DOCUMENT)]
    members = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
               for _ in range(count)]
    for _ in ("cold", "warm"):
        for member in members:
            if member.stdout.readline() != "ready\n":
                raise subprocess.SubprocessError("bench_encode has ended early")
        for member in members:
            member.stdin.write("\n")
            member.stdin.flush()
    found = [json.loads(member.communicate()[0]) for member in members]
    return {what: max(f[what + "_wall"][0] for f in found) for what in ("cold", "warm")}


def measure_side_by_side(rounds):
    try:
        file = shared_file(TIKTOKEN[0])
    except Missing as why:
        say(f"   two executors: {why}")
        return
    mix = text_file("mix.txt")
    group(f"two executors side by side on {CORES} cores: wall-clock time")
    runs = [(side_by_side(file, mix, 1), side_by_side(file, mix, 2)) for _ in range(rounds)]
    for what in ("cold", "warm"):
        row(f"cl100k, {what}: two executors against one",
            median(2 * one[what] / two[what] for one, two in runs), "times", ">= 1.9")


# ---- a megabyte of one character ----

def measure_megabytes(rounds):
    group("a document of one character repeated, cold, and the same twice as long")
    models = [(name, file) for name, file, *_ in BYTE_LEVEL] + list(OTHER_MODELS)
    for name, file in models:
        try:
            file = shared_file(file)
        except Missing as why:
            say(f"   {name}: {why}")
            continue
        growth = {}
        for what, _ in MEGABYTES:
            one, two = (median(encode(file, repeated_file(what, size), rounds, 0)["cold"])
                        for size in (1000000, 2000000))
            growth[what] = two / one
            row(f"{name}: 1 MB of {what}", 1e6 / one, "MB/s", ">= 50")
        worst = max(growth, key=growth.get)
        row(f"{name}: 2 MB take, times 1 MB", growth[worst], "times", "<= 2.3", None, worst)


def measure_tokenizers(rounds):
    group(f"tokenizers, one thread, CPU time: {text_shares()}; "
          f"slow rivals: {run_options.rival_mb} MB of it")
    measure_byte_level(rounds)
    measure_models(rounds)
    measure_side_by_side(rounds)
    measure_megabytes(rounds)
