"""measure_comparison.py - the whole way from a compressed corpus to ids on the disk, against
pipelines of public tools

Wall-clock time of a command as a user would type it, from its start to its end, and CPU time
of all its processes. Ours and theirs take turns. Theirs write ids and lengths alone; ours
writes keys, checksums and accounts as well, and is durable at the end.
"""
import glob
import hashlib
import os
import shutil

import bench_rivals
from bench_common import (CORES, MILLRACE, ROOT, WORK, Finished, Missing, group, median, pipeline,
                          row, run_options, say, shared_file, tokenize_pipeline, zst_file)

README = os.path.join(ROOT, "README.md")
BEGIN, END = "<!-- comparison: tests/bench/run --only comparison --readme -->", "<!-- end -->"
SECTION = """## Against pipelines of public tools

From a compressed corpus to token ids on the disk, each the fastest way that was found: ours,
JavaScript libraries on worker threads, Hugging Face's native library with its own threads, and
GNU parallel over a process a core. `tests/bench/run --only comparison --readme` installs what
is missing, measures, and writes this table.
"""
NEXT = "## How it compares\n"
# As a user types it; {corpus}, {ids}, ... are filled in. spm_encode takes a line for a text.
CL100K = (
    ("tiktoken, 2 workers", "tiktoken",
     "zstd -dc {corpus} | node {rivals}/pipe_threads.js tiktoken 2 >{ids}"),
    ("gpt-tokenizer, 2 workers", "gpt-tokenizer",
     "zstd -dc {corpus} | node {rivals}/pipe_threads.js gpt-tokenizer 2 >{ids}"),
    ("Hugging Face tokenizers", "tokenizers",
     "zstd -dc {corpus} | node {rivals}/pipe_tokenizers.js {cl100k} >{ids}"),
    ("parallel, tiktoken", "tiktoken parallel",
     "zstd -dc {corpus} | parallel --pipe --block 8M -j2 -k "
     "node {rivals}/pipe_threads.js tiktoken 0 >{ids}"))
LLAMA2 = (
    ("parallel, SentencePiece", "parallel sentencepiece",
     "zstd -dc {corpus} | parallel --pipe --block 8M -j2 -k "
     "{python} {rivals}/pipe_sentencepiece.py {llama2} >{ids}"),
    ("parallel, jq, spm_encode", "parallel jq spm_encode",
     "zstd -dc {corpus} | parallel --pipe --block 8M -j2 -k "
     "'jq -r .text | spm_encode --model={llama2} --output_format=id' >{ids}"))


def need(what):
    """Make the tools of a rival callable; Missing says what is not there."""
    for name in what.split():
        if any(package.startswith(name + "@") for package in bench_rivals.NPM):
            bench_rivals.npm(name)
        elif name == "sentencepiece":
            bench_rivals.debian()
        else:
            bench_rivals.debian(name)


class Contender:
    def __init__(self, name, command, shown):
        self.name, self.command, self.shown = name, command, shown
        self.runs, self.digest, self.ids, self.folder = [], None, None, None

    def run(self):
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.runs.append(Finished(["bash", "-o", "pipefail", "-c", self.command]))

    def wall(self):
        return median(run.wall for run in self.runs)

    def cpu(self):
        return median(run.cpu for run in self.runs)


def ours(name, path, vocabulary):
    folder = os.path.join(WORK, name + ".job")
    contender = Contender(
        "millrace", f"{MILLRACE} run {path} --job {folder} --quiet",
        f"./millrace run {name}.yaml  # tokenize: {{vocabulary: {vocabulary}}}")
    contender.folder = folder
    return contender


def exported_ids(folder):
    """A job's ids, as an export has them."""
    out = os.path.join(WORK, "comparison.npy")
    shutil.rmtree(out, ignore_errors=True)
    Finished([MILLRACE, "export", folder, "--out", out, "--format", "npy", "--dtype", "uint32"])
    for path in sorted(glob.glob(os.path.join(out, "*.npy"))):
        with open(path, "rb") as file:
            yield file.read()
    shutil.rmtree(out)


def piped_ids(path):
    """A rival's ids without the numbers between them."""
    with open(path, "rb") as file:
        content = file.read()
    at = 0
    while at < len(content):
        end = at + 4 * (int.from_bytes(content[at:at + 4], "little") + 1)
        yield content[at + 4:end]
        at = end
    os.unlink(path)


def look_at_ids(contender, ids):
    """How many ids there are, and a digest of them; none of decimals, as spm_encode's."""
    if "spm_encode" in contender.command:
        with open(ids, "rb") as file:
            contender.ids = sum(len(line.split()) for line in file)
        os.unlink(ids)
        return
    digest, size = hashlib.sha256(), 0
    for piece in exported_ids(contender.folder) if contender.folder else piped_ids(ids):
        digest.update(piece)
        size += len(piece)
    contender.ids, contender.digest = size // 4, digest.hexdigest()


def difference(contender, first):
    if contender.ids != first.ids:
        return f"{contender.ids - first.ids:+d} ids"
    return "other ids" if contender.digest not in (None, first.digest) else ""


def contenders(what, ours_first, rivals, places):
    found = [ours_first]
    for name, needs, command in rivals:
        try:
            need(needs)
        except Missing as why:
            say(f"   {name}: {why}")
            continue
        shown = {**{key: os.path.basename(str(path)) for key, path in places.items()},
                 "python": "python3", "ids": "ids",
                 "rivals": "tests/bench/rivals"}
        found.append(Contender(name, command.format(**places), command.format(**shown)))
    return what, found


def measure_pipelines(what, found, rounds, ids):
    for i in range(rounds):
        for contender in found:
            if contender.runs and contender is not found[0] \
                    and sum(run.wall for run in contender.runs) > run_options.rival_seconds * 3:
                continue
            contender.run()
            if i == 0:
                look_at_ids(contender, ids)
    first = found[0]
    for contender in found:
        note = difference(contender, first)
        note += f", {len(contender.runs)} rounds" if len(contender.runs) < rounds else ""
        row(f"{what}: {contender.name}: wall", contender.wall(), "s", None, None,
            note.lstrip(", "))
        row(f"{what}: {contender.name}: CPU", contender.cpu(), "s")
    for contender in found[1:]:
        row(f"{what}: wall of {contender.name} over ours", contender.wall() / first.wall(),
            "times", ">= 1")


def table_of(groups, corpus, load):
    runs = [len(contender.runs) for _, found in groups for contender in found]
    lines = [f"The corpus: {os.path.getsize(corpus) / 1e6:.0f} MB of compressed JSON lines; "
             f"{CORES} cores, load average",
             f"{load:.1f} at the beginning; medians of {max(runs)} runs of ours, "
             f"{min(runs)} to {max(runs)} of the others.", "",
             "| pipeline | wall | CPU | wall, times ours |", "|---|---|---|---|"]
    commands = []
    for what, found in groups:
        for contender in found:
            name = f"{what}: {contender.name}"
            lines.append(f"| {name} | {contender.wall():.1f} s | {contender.cpu():.1f} s | "
                         f"{contender.wall() / found[0].wall():.1f} |")
            commands += [f"    # {name}", f"    {contender.shown}"]
    return "\n".join([*lines, "", "The command lines:", "", *commands])


def write_table(text):
    with open(README, encoding="utf-8") as file:
        content = file.read()
    if BEGIN not in content:
        content = content.replace(NEXT, f"{SECTION}\n{BEGIN}\n{END}\n\n{NEXT}", 1)
    begin, end = content.index(BEGIN) + len(BEGIN), content.index(END)
    with open(README + ".partial", "w", encoding="utf-8") as out:
        out.write(content[:begin] + "\n" + text + "\n" + content[end:])
    os.replace(README + ".partial", README)


def measure_comparison(rounds):
    group("from a compressed corpus to ids on the disk, against pipelines of public tools")
    load = os.getloadavg()[0]
    corpus, ids = zst_file(), os.path.join(WORK, "comparison.ids")
    os.environ["MILLRACE_RIVALS"] = WORK  # where node finds the packages
    places = {"corpus": corpus, "ids": ids, "rivals": bench_rivals.RIVALS,
              "python": bench_rivals.PYTHON}
    groups = []
    try:
        places["cl100k"] = bench_rivals.tokenizer_json("cl100k")
        groups.append(contenders(
            "cl100k", ours("cl100k", tokenize_pipeline("compare-cl100k", corpus),
                           "cl100k_base.tiktoken"), CL100K, places))
        places["llama2"] = shared_file("vocab/sentencepiece/llama2.model")
        path = pipeline("compare-llama2", corpus, "jsonl", "1MiB",
                        f"tokenize: {{vocabulary: {places['llama2']}}}", "key, tokens")
        groups.append(contenders("LLaMA-2", ours("llama2", path, "llama2.model"), LLAMA2, places))
    except Missing as why:
        say(f"   {why}")
    for what, found in groups:
        measure_pipelines(what, found, rounds, ids)
    if groups and run_options.readme:
        write_table(table_of(groups, corpus, load))
