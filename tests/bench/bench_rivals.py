"""bench_rivals.py - other tokenizers: installed below BUILD/bench, run as they are fastest

What cannot be installed is Missing: its rows say so and have no number.
"""
import json
import os
import shutil
import subprocess
import sys

from bench_common import DATA, ROOT, WORK, Missing, once, shared_file

NPM = ("tiktoken@1.0.22", "tokenizers@0.23.2", "gpt-tokenizer@4.0.0")
RIVALS = os.path.join(ROOT, "tests/bench/rivals")
PYTHON = "/usr/bin/python3"  # Debian's own, which Debian's modules are for
# One thread's work: the garbage collector and Rust's pool take none of their own.
ONE_THREAD = {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
settled = {}


def settle(name, install):
    """Once a run: None if `install` worked, else why not."""
    if name not in settled:
        try:
            install()
            settled[name] = None
        except (OSError, subprocess.SubprocessError, Missing) as why:
            settled[name] = str(why).split("\n", maxsplit=1)[0][:60]
    if settled[name]:
        raise Missing(f"{name} cannot be installed: {settled[name]}")


def install_npm(package):
    name, version = package.rsplit("@", 1)
    manifest = os.path.join(WORK, "node_modules", name, "package.json")
    if os.path.exists(manifest):
        with open(manifest, encoding="utf-8") as file:
            if json.load(file)["version"] == version:
                return
    if not shutil.which("npm") or not shutil.which("node"):
        install_debian("npm")
    done = subprocess.run(["npm", "install", "--save-exact", "--no-audit", "--no-fund",
                           "--silent", "--ignore-scripts", "--prefix", WORK, package],
                          check=False, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise Missing("npm install failed")


def npm(name):
    """Make the package loadable; what node needs to find it."""
    package = next(p for p in NPM if p.rsplit("@", 1)[0] == name)
    settle(f"npm {name}", lambda: install_npm(package))
    return {"MILLRACE_RIVALS": WORK}


def install_debian(name="bench"):
    done = subprocess.run(["tests/tools/install_packages", "make bench", name], check=False,
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise Missing("its Debian packages are not installed")


def build_sentencepiece():
    install_debian()
    source = os.path.join(RIVALS, "rival_sentencepiece.cpp")
    program = os.path.join(WORK, "rival_sentencepiece")
    if not os.path.exists(program) or os.path.getmtime(program) < os.path.getmtime(source):
        done = subprocess.run(["c++", "-O2", "-std=c++17", "-o", program, source,
                               "-lsentencepiece"], check=False, capture_output=True)
        if done.returncode != 0:
            raise Missing("its C++ interface cannot be compiled against")


def debian(*programs):
    """Make Debian's rivals and their helpers (parallel, jq) callable."""
    settle("Debian's group bench", install_debian)
    for program in programs:
        if not shutil.which(program):
            raise Missing(f"no {program}")


# ---- running them ----

def run_json(command, extra):
    done = subprocess.run(command, check=False, capture_output=True, text=True,
                          env={**os.environ, **extra})
    if done.returncode != 0:
        sys.exit(f"bench: exit {done.returncode} of {' '.join(command)}\n{done.stderr[-1000:]}")
    return json.loads(done.stdout)


def node(*arguments, package):
    return run_json(["node", "--single-threaded-gc", "--max-old-space-size=8192",
                     os.path.join(RIVALS, "encode.js"), *arguments],
                    {**npm(package), **ONE_THREAD})


def tiktoken(encoding, text, document):
    return node("tiktoken", encoding, text, str(document), package="tiktoken")


def tokenizers(file, text, document):
    return node("tokenizers", file, text, str(document), package="tokenizers")


def tokenizers_train(text):
    return node("train-bpe", text, package="tokenizers")


def sentencepiece(model, text, document):
    settle("SentencePiece", build_sentencepiece)
    return run_json([os.path.join(WORK, "rival_sentencepiece"), model, text, str(document)], {})


# ---- a .tiktoken file as Hugging Face's library reads it ----

def byte_letters():
    """The letter that stands for each byte in byte-level vocabularies."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    return {**{b: chr(b) for b in plain}, **{b: chr(256 + i) for i, b in enumerate(others)}}


def parts_below(token, ranks, limit):
    """The parts into which merges of a rank below `limit` bring a token."""
    parts = [token[i:i + 1] for i in range(len(token))]
    while len(parts) > 2:
        pairs = [ranks.get(parts[i] + parts[i + 1], limit) for i in range(len(parts) - 1)]
        least = min(pairs)
        if least >= limit:
            break
        i = pairs.index(least)
        parts[i:i + 2] = [parts[i] + parts[i + 1]]
    return parts


EXPRESSIONS = {
    "cl100k": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
              r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "o200k": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
             r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
             r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
             r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|"
             r"\s*[\r\n]+|\s+(?!\S)|\s+"}


def make_tokenizer_json(path, ranks_file, expression):
    import base64
    with open(ranks_file, "rb") as file:
        ranks = {base64.b64decode(token): int(rank)
                 for token, rank in (line.split() for line in file if line.strip())}
    letters = byte_letters()
    spelt = {token: "".join(letters[b] for b in token) for token in ranks}
    merges = []
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        parts = parts_below(token, ranks, rank) if len(token) > 1 else ()
        if len(parts) == 2:
            merges.append([spelt[parts[0]], spelt[parts[1]]])
    split = {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated",
             "invert": False}
    letter = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
              "use_regex": False}
    with open(path, "w", encoding="utf-8") as out:
        json.dump({"version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
                   "normalizer": None, "post_processor": None, "decoder": letter,
                   "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, letter]},
                   "model": {"type": "BPE", "dropout": None, "unk_token": None,
                             "continuing_subword_prefix": None, "end_of_word_suffix": None,
                             "fuse_unk": False, "byte_fallback": False, "ignore_merges": True,
                             "vocab": {spelt[t]: r for t, r in ranks.items()},
                             "merges": merges}}, out, ensure_ascii=False)


def tokenizer_json(name):
    """`name`_base.tiktoken for Hugging Face's tokenizers; whole pieces are looked up first,
    as tiktoken does, which is the library's faster way as well."""
    file = shared_file(f"vocab/tiktoken/{name}_base.tiktoken")
    os.makedirs(DATA, exist_ok=True)
    return once(f"{name}.json", lambda path: make_tokenizer_json(path, file, EXPRESSIONS[name]))
