"""shuffle.py - a global shuffle: one order however it ran, even, in memory that does not grow"""
# time limit: 600 s
import json
import os
import random
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import system_lib as lib

DOCUMENTS = 3000
MEMORY = "64MiB"
PIPELINE = """name: shuffle
phases:
  - name: first
    input: {paths: [%s], format: jsonl, text: text, key: id}
    shard: {bytes: 256KiB}
    stages:
      - tokenize: {vocabulary: %s, pattern: cl100k}
    output: {columns: [key, tokens]}
    exchange: {by: random(%d), buckets: %d}
  - name: second
    input: {phase: first}
%s
store: {volume: 4MiB, seal: 1s}
limits: {memory: %s}
"""
PACK = """    stages:
      - pack: {length: 128, end_token: 300}
"""
WAYS = (("--executors", "1"),
        ("--executors", "3"),
        ("--executors", "2", "--set", "phases.0.shard.bytes=4KiB"),
        ("--executors", "2", "--set", "phases.0.shard.bytes=4MiB"),
        ("--workers", "2", "--executors", "2", "--set", "store.volume=8KiB"))


class Shuffles:
    def __init__(self, work):
        self.work, self.count = work, 0
        self.words = json.dumps(work.write("words.tiktoken", lib.vocabulary()))

    def run(self, folder, what, *words, seed=1, buckets=8, stages="", want=0, memory="0"):
        """One run; what it shows, in its order, its digest and its status."""
        work = self.work
        self.count += 1
        paths = json.dumps(work.path(folder, "*"))
        pipeline = work.write("p%d.yaml" % self.count, PIPELINE % (
            paths, self.words, seed, buckets, stages, memory))
        job = work.path("j%d.job" % self.count)
        result = work.millrace("run", pipeline, "--job", job, "--quiet", *words)
        work.ran(result, what, want)
        found = ("", "", lib.status_of(job))
        if want == 0 and result[0] == 0:
            work.check(lib.account_holds(found[2]), what + ": the account holds", found[2])
            work.verified(job, what)
            found = (work.text("show", job), work.digest(job), found[2])
        shutil.rmtree(job, ignore_errors=True)
        return found


def compare_ways(work, shuffles):
    for name, stages in (("shuffle", ""), ("shuffle and pack", PACK)):
        first = None
        for words in WAYS:
            what = "%s, %s" % (name, " ".join(words).replace("--", ""))
            shown, digest, _ = shuffles.run("some", what, *words, stages=stages)
            first = first or (shown, digest)
            work.check(shown.count("\n") > 100, what + ": records come out")
            work.equal(digest, first[1], what + ": the same digest")
            work.check(shown == first[0], what + ": the same order")


# Records made of records, dropped, made of again and exchanged, each in a phase of its own.
CHAIN = """name: chain
phases:
  - name: first
    input: {paths: [%s], format: jsonl, text: text, key: id}
    stages:
      - tokenize: {vocabulary: %s, pattern: cl100k}
    output: {columns: [key, tokens]}
    exchange: {by: random(7), buckets: 8}
  - name: packed
    input: {phase: first}
    stages:
      - pack: {length: 128, short: drop}
  - name: masked
    input: {phase: packed}
    stages:
      - mask_tokens: {mask_token: 300, vocabulary_size: 267, copies: 2}
      - filter: {column: boundaries, min_length: 2}
    output: {columns: [key, tokens, labels]}
    exchange: {by: random(3), buckets: 5}
  - name: again
    input: {phase: masked}
"""


def check_accounts(work, shuffles):
    """Made records are accounted for from phase to phase, and keep apart in an exchange."""
    pipeline = work.write("chain.yaml", CHAIN % (json.dumps(work.path("some", "*")),
                                                 shuffles.words))
    digests = []
    for words in (("--executors", "1"), ("--executors", "3", "--set",
                                         "phases.0.shard.bytes=5KiB")):
        job = work.path("chain-%d.job" % len(digests))
        what = "a chain of phases, %s" % words[1]
        work.ran(work.millrace("run", pipeline, "--job", job, "--quiet", *words), what)
        work.verified(job, what)
        status = lib.status_of(job)
        work.check(lib.account_holds(status), what + ": the account of the job holds", status)
        made, phases = status["made"], {phase["name"]: phase for phase in status["phases"]}
        packed, masked = phases["packed"]["made"], phases["masked"]["made"]
        work.equal(made["made"], packed["made"] + masked["made"], what + ": all that was made")
        work.equal(made["merged"], packed["emitted"], what + ": sequences are merged")
        work.equal(masked["made"], 2 * packed["emitted"], what + ": two copies of each")
        keys = [json.loads(line)["key"] for line in work.text("show", job).splitlines()]
        work.equal(len(set(keys)), made["emitted"], what + ": each comes out once")
        digests.append(work.digest(job))
        work.equal(digests[-1], work.digest(job, "--phase", "masked"),
                   what + ": an exchange changes no record")
    work.equal(digests[0], digests[1], "a chain of phases: one digest")


def keys_of(shown):
    return [int(json.loads(line)["key"][1:]) for line in shown.splitlines()]


def check_order(work, shuffles):
    """Is it a permutation, another for another seed, and one that moves records far?"""
    orders = [keys_of(shuffles.run("some", "seed %d" % seed, seed=seed)[0]) for seed in (1, 2)]
    for order in orders:
        work.equal(sorted(order), list(range(DOCUMENTS)), "every record comes once")
        moved = sum(abs(place - key) for place, key in enumerate(order)) / len(order)
        # A random permutation moves a record by a third of the count in the mean.
        work.check(abs(moved / DOCUMENTS - 1 / 3) < 0.02, "records move by a third", moved)
        rising = sum(a < b for a, b in zip(order, order[1:]))
        work.check(abs(rising / DOCUMENTS - 0.5) < 0.04, "neighbours are in no order", rising)
    same = sum(a == b for a, b in zip(*orders))
    work.check(same < 15, "another seed gives another order", same)


def check_memory(work, shuffles):
    """Four times the input and the buckets run under the same limit; one bucket does not."""
    chance = random.Random(3)
    for folder, files in (("small", 1), ("large", 4)):
        for part in range(files):
            rows = ({"id": "d%d" % (part * 2000 + number),
                     "text": "%0*x" % (3000, chance.getrandbits(12000))}
                    for number in range(2000))
            work.write("%s/%d.jsonl" % (folder, part), lib.as_lines(rows))
    for folder, buckets in (("small", 6), ("large", 24)):
        what = "%s input in %d buckets under %s" % (folder, buckets, MEMORY)
        status = shuffles.run(folder, what, "--executors", "2", stages=PACK, buckets=buckets,
                              memory=MEMORY)[2]
        if status:
            work.equal(status["records"]["emitted"], status["records"]["read"],
                       what + ": all came out")
    shuffles.run("large", "a bucket beyond the memory fails the run", "--executors", "1",
                 "--set", "limits.attempts=1", stages=PACK, buckets=1, memory=MEMORY, want=1)


def main():
    work = lib.Workplace("shuffle", 580)
    shuffles = Shuffles(work)
    rows = list(lib.documents(DOCUMENTS, 11))
    half = len(rows) // 2
    work.write("some/a.jsonl", lib.as_lines(rows[:half]))
    work.write("some/b.jsonl.zst", lib.zstd(lib.as_lines(rows[half:])))
    compare_ways(work, shuffles)
    check_order(work, shuffles)
    check_accounts(work, shuffles)
    check_memory(work, shuffles)
    work.finish()


main()
