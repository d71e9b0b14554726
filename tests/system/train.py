"""train.py - tokenizers trained over any number of workers are the same bytes, and are used"""
# time limit: 300 s
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import system_lib as lib

DOCUMENTS = 1500
PIPELINE = """name: train
phases:
%(fits)s  - name: main
    input: {paths: [%(path)s], format: jsonl, text: text, key: id}
    stages:
      - normalize: {form: NFC}
      - tokenize: {vocabulary: phase:bytes/tokenizer.tiktoken, pattern: o200k}
    output: {columns: [key, tokens]}
"""
FIT = """  - name: %s
    input: {paths: [%s], format: jsonl, text: text}
    shard: {bytes: %s}
    stages:
      - normalize: {form: NFC}
      - %s
"""
STAGES = (
    ("bytes", "train_bpe: {vocabulary_size: 400, pattern: o200k, format: tiktoken%s}"),
    ("json", "train_bpe: {vocabulary_size: 400, special: ['<|end|>']%s}"),
    ("characters", "train_bpe: {vocabulary_size: 300, style: sentencepiece%s}"),
    ("unigram", "train_unigram: {vocabulary_size: 420, byte_fallback: true%s}"),
    ("words", "train_wordpiece: {vocabulary_size: 300%s}"),
    ("cased", "train_wordpiece: {vocabulary_size: 300, lowercase: false, format: txt%s}"))
FILES = ["bytes/tokenizer.tiktoken", "cased/vocab.txt", "characters/tokenizer.model",
         "json/tokenizer.json", "unigram/tokenizer.model", "words/tokenizer.json"]


def artefacts(job):
    found, top = {}, os.path.join(job, "artefacts")
    for folder, _, names in os.walk(top):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                found[os.path.relpath(os.path.join(folder, name), top)] = file.read()
    return found


class Trainings:
    def __init__(self, work):
        self.work, self.made, self.count = work, {}, 0
        rows = list(lib.documents(DOCUMENTS, 11))
        for row in rows:  # so many rare words that little memory means a sample
            row["text"] += "".join(" %x" % (row["n"] * 7919 * k % 999983) for k in range(12))
        work.write("plain/a.jsonl", lib.as_lines(rows))
        work.write("zst/a.jsonl.zst", lib.zstd(lib.as_lines(rows)))
        self.rows = rows

    def run(self, what, *words, form="plain", shard="64KiB", memory=None):
        """`memory`: None for enough; else so little that texts are sampled."""
        work = self.work
        path = lib.json.dumps(work.path(form))
        more = ", memory: " + memory if memory else ""
        fits = "".join(FIT % (name, path, shard, stage % more) for name, stage in STAGES)
        pipeline = work.write("p.yaml", PIPELINE % {"fits": fits, "path": path})
        job = work.path("t.job")
        if work.ran(work.millrace("run", pipeline, "--job", job, "--quiet", *words),
                    what + ": it runs"):
            made = artefacts(job)
            work.equal(sorted(made), FILES, what + ": all files are there")
            first = self.made.setdefault(memory, made)
            differing = [name for name in FILES if made.get(name) != first.get(name)]
            work.equal(differing, [], what + ": the same bytes")
            work.verified(job, what)
            if self.count == 0:
                self.tokens(job)
        self.count += 1
        shutil.rmtree(job, ignore_errors=True)

    def tokens(self, job):
        """Decode what the trained vocabulary made of each text."""
        import unicodedata
        lines = self.made[None]["bytes/tokenizer.tiktoken"].split(b"\n")
        pieces = {int(line.split()[1]): lib.base64.b64decode(line.split()[0])
                  for line in lines if line}
        texts = {row["id"]: unicodedata.normalize("NFC", row["text"]) for row in self.rows}
        wrong = count = 0
        for record in self.work.records(job):
            text = b"".join(pieces[token] for token in record["tokens"])
            wrong += text != texts[record["key"]].encode()
            count += len(record["tokens"])
        size = sum(len(text.encode()) for text in texts.values())
        self.work.check(len(pieces) == 400 and wrong == 0 and count < size / 2,
                        "tokens of the trained vocabulary decode to the texts",
                        "%d pieces, %d wrong, %d tokens of %d bytes" %
                        (len(pieces), wrong, count, size))


def main():
    work = lib.Workplace("train", 280)
    all_ways = Trainings(work)
    all_ways.run("1 executor", "--executors", "1")
    all_ways.run("3 executors", "--executors", "3")
    all_ways.run("two workers, small shards", "--workers", "2", "--executors", "2", shard="4KiB")
    all_ways.run("one shard", shard="16MiB")
    all_ways.run("a stream", "--executors", "2", form="zst", shard="8KiB")
    all_ways.run("little memory, 1 executor", "--executors", "1", memory="64KiB")
    all_ways.run("little memory, small shards", shard="4KiB", memory="64KiB")
    all_ways.run("little memory, one shard", shard="16MiB", memory="64KiB")
    sampled, whole = (all_ways.made.get(memory, {}) for memory in ("64KiB", None))
    work.check(sampled.get("words/tokenizer.json") != whole.get("words/tokenizer.json"),
               "little memory means a sample")
    work.check(whole.get("json/tokenizer.json", b"").count(b"<|end|>") > 0,
               "the special token is in the file")
    work.finish()


main()
