"""exports.py - exports read back are what show prints; killed and full ones leave nothing"""
# time limit: 900 s
import array
import filecmp
import itertools
import os
import shutil
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tools"))
import read_exports
import system_lib as lib

MEMORY_MAX = 200 << 10  # KiB
PIPELINE = """name: exports
input: {paths: [%s], format: jsonl, text: text, key: id%s}
shard: {bytes: %s}
stages:
  - tokenize: {vocabulary: %s, pattern: cl100k}
output: {columns: [%s]}
store: {volume: %s, seal: 1s}
"""
OPTIONS = {"jsonl": [], "megatron": [], "datatrove": ["--loss", "ones"], "npy": [], "mds": [],
           "tar": []}


def export(work, job, form, out, *words):
    return work.millrace("export", job, "--format", form, "--out", out, *words)


def measured(work, job, form, out, *words):
    """Its exit status and the most memory that it took, mapped files and all, in KiB. What
    getrusage() tells would begin with the memory of this process."""
    child = work.start(lib.MILLRACE, "export", job, "--format", form, "--out", out, *words)
    most = 0
    while child.poll() is None:
        found = lib.re.search(r"VmHWM:\s*(\d+)", lib.read_text("/proc/%d/status" % child.pid))
        most = max(most, int(found.group(1)) if found else 0)
        time.sleep(0.002)
    return child.returncode, most


def left_of(work, name):
    """What stands under a name, final or temporary."""
    return [entry for entry in os.listdir(work.folder)
            if entry.startswith((name, "." + name))]


def sample_matches(record, row):
    """A record as show prints it, and the same as each reader found it."""
    ids = record["tokens"]
    return (row["megatron"].tolist() == ids
            and row["datatrove"][0].tolist() == ids and row["datatrove"][1] == [1] * len(ids)
            and row["mds"]["tokens"].tolist() == ids and row["mds"]["key"] == record["key"]
            and row["tar"]["tokens.npy"].tolist() == ids
            and row["tar"]["json"]["key"] == record["key"])


def read_back(work, what, job, dtype):
    """All formats and `show`, record by record, none of them whole in memory."""
    listing = work.path("shown")
    with open(listing, "wb") as file:
        lib.subprocess.run([lib.MILLRACE, "show", job], stdout=file, check=True,
                           env=work.environment)
    readers = {"megatron": read_exports.megatron(work.path("x.megatron")),
               "datatrove": read_exports.datatrove(work.path("x.datatrove")),
               "mds": read_exports.mds(work.path("x.mds")),
               "tar": read_exports.tar(work.path("x.tar"))}
    arrays = read_exports.npy(work.path("x.npy"), dtype)
    count = wrong = lines = 0
    with open(listing, encoding="utf-8") as shown:
        for text, *rows in itertools.zip_longest(shown, *readers.values()):
            record = lib.json.loads(text) if text else {"tokens": None, "key": None}
            row = dict(zip(readers, rows))
            good = text is not None and None not in rows and sample_matches(record, row)
            if good and record["tokens"]:  # without any it is not in the table
                lines += 1
                ids, key, _, _ = next(arrays, (array.array("I"), None, None, 0))
                good = ids.tolist() == record["tokens"] and key == record["key"]
            count += 1
            wrong += not good
    work.equal(wrong, 0, "%s: %d records read back from five formats are those of show"
               % (what, count))
    work.equal(next(arrays, None), None, what + ": the tables end there (%d rows)" % lines)
    work.check(filecmp.cmp(listing, work.path("x.jsonl"), False), what + ": jsonl is what show "
               "prints")
    os.unlink(listing)
    return count


def export_all(work, what, job):
    for form, words in OPTIONS.items():
        status, memory = measured(work, job, form, work.path("x." + form), *words)
        work.check(status == 0 and memory <= MEMORY_MAX,
                   "%s: %s in %d MiB of memory" % (what, form, memory >> 10), status)


def remove_all(work):
    for name in os.listdir(work.folder):
        if name.startswith(("x.", ".x.")):
            path = work.path(name)
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)


def run_job(work, name, path, vocabulary, columns="key, tokens", shard="1MiB", volume="64MiB",
            fields="", words=()):
    job = work.path(name + ".job")
    pipeline = work.write(name + ".yaml", PIPELINE % (
        lib.json.dumps(path), fields, shard, lib.json.dumps(vocabulary), columns, volume))
    work.ran(work.millrace("run", pipeline, "--job", job, "--quiet", *words), name + ": it runs")
    return job


def same_bytes(work, path, vocabulary):
    """The same records, cut, run and written in two ways."""
    fields = ", columns: {lang: utf8, n: i64}"
    columns = "key, lang, n, tokens, text"
    jobs = [run_job(work, "one", path, vocabulary, columns, "4KiB", "64KiB", fields,
                    ("--executors", "3")),
            run_job(work, "two", path, vocabulary, columns, "16MiB", "64MiB", fields,
                    ("--executors", "1"))]
    more = {"mds": ["--compression", "zstd:1", "--size-limit", "200KiB"],
            "tar": ["--size-limit", "1MiB"], "npy": ["--max-tokens-per-file", "20000"]}
    for form, words in OPTIONS.items():
        found = []
        for number, job in enumerate(jobs):
            place = work.path("x.%d" % number)
            os.mkdir(place)
            work.ran(export(work, job, form, os.path.join(place, "out"), "--threads",
                            str(1 + 3 * number), *words, *more.get(form, [])),
                     "%s of job %d" % (form, number))
            found.append({os.path.relpath(os.path.join(folder, name), place):
                          open(os.path.join(folder, name), "rb").read()
                          for folder, _, names in os.walk(place) for name in names})
        work.check(found[0] == found[1] and found[0], form + ": the same files and bytes",
                   *(sorted(files) for files in found))
        remove_all(work)
    packed = work.path("x.packed")
    export(work, jobs[0], "mds", packed, "--compression", "zstd", "--size-limit", "100KiB")
    keys = [sample["key"] for sample in read_exports.mds(packed)]
    work.equal(keys, [record["key"] for record in work.records(jobs[0])],
               "compressed shards hold the samples in order")
    remove_all(work)
    return jobs[0]


def type_of_ids(work, path, vocabulary):
    """Known from the vocabulary, not from the few ids that a small corpus has."""
    own = shutil.copy(vocabulary, work.path("own.tiktoken"))
    small = work.write("few/a.jsonl", lib.as_lines([{"id": "a", "text": "a b c"}]))
    job = run_job(work, "few", small, own)
    for what, status, size, told in (("the vocabulary", 0, 4, False), ("without it", 0, 2, True)):
        result = export(work, job, "megatron", work.path("x.few"), "--force")
        work.check(result[0] == status and ("chosen by the largest" in result[2]) == told
                   and os.path.getsize(work.path("x.few.bin")) == 3 * size,
                   what + ": ids of %d bytes" % size, *result)
        if os.path.exists(own):
            os.unlink(own)
    remove_all(work)
    job = run_job(work, "narrow", path, work.path("v.tiktoken"))
    export(work, job, "megatron", work.path("x.few"))
    with open(work.path("x.few.idx"), "rb") as index:
        work.equal(index.read(18)[17], 8, "a vocabulary of 300 entries: uint16")
    remove_all(work)


def gone_reader(work, job):
    """Whoever reads standard output may stop reading."""
    status, out, err = work.run("sh", "-c", '"$0" export "$1" --format jsonl --out - | head -n 1',
                                lib.MILLRACE, job)
    work.check(status == 0 and len(out.splitlines()) == 1 and err == "", "a reader that goes away",
               status, err)
    status, out, _ = export(work, job, "jsonl", "-")
    work.equal(out, work.text("show", job), "standard output gets what show prints")


def wait_for_bytes(work, size):
    """Until what is being written has so many bytes."""
    def has_begun():
        for name in left_of(work, "x.killed"):
            path = work.path(name)
            files = [os.path.join(path, file) for file in os.listdir(path)] \
                if os.path.isdir(path) else [path]
            if any(os.path.exists(file) and os.path.getsize(file) > size for file in files):
                return True
        return False
    return lib.wait_until(has_begun, 20, 0.0005)


def interrupted(work, job, size):
    for form in ("megatron", "npy", "mds", "tar"):
        out = work.path("x.killed")
        for number, want in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 75)):
            child = work.start(lib.MILLRACE, "export", job, "--format", form, "--out", out)
            work.check(wait_for_bytes(work, size), form + ": it is being written")
            lib.send_signal(child.pid, number)
            status = work.wait(child)
            work.equal(status, want, "%s: ended by %s" % (form, number.name))
            left = [name for name in left_of(work, "x.killed") if not name.startswith(".")]
            work.equal(left, [], form + ": nothing stands under the final name")
            if number == signal.SIGKILL:
                remove_all(work)
        work.equal(left_of(work, "x.killed"), [], form + ": nothing at all after SIGTERM")
        work.ran(export(work, job, form, out), form + ": it can be written afterwards")
        remove_all(work)


def full_disk(work, job):
    place = work.mount("full", "8m")
    if not place:
        work.skip("exports to a full disk", "mounting a tmpfs needs root")
        return
    for form in ("jsonl", "megatron", "datatrove", "npy", "mds", "tar"):
        status, _, said = export(work, job, form, os.path.join(place, "out"))
        work.check(status == 1 and "disk full" in said, form + ": a full disk is told",
                   status, said)
        work.equal(os.listdir(place), [], form + ": and left empty")


def concurrent(work, job, size):
    """The second of two exports to one place is refused, and does the first no harm."""
    out = work.path("x.killed")
    child = work.start(lib.MILLRACE, "export", job, "--format", "npy", "--out", out)
    wait_for_bytes(work, size)
    lib.send_signal(child.pid, signal.SIGSTOP)
    status, _, said = export(work, job, "npy", out)
    lib.send_signal(child.pid, signal.SIGCONT)
    work.check(status == 1 and "another export is writing" in said, "a second export is refused",
               status, said)
    work.equal(work.wait(child), 0, "the first goes on")
    work.equal(sum(len(ids) for ids, *_ in read_exports.npy(out, "uint32")),
               sum(len(ids) for ids in read_exports.megatron(work.path("x.megatron"))),
               "and has all ids")


def main():
    work = lib.Workplace("exports", 880)
    small = work.write("small/a.jsonl", lib.as_lines(lib.documents(3000)))
    tiny = work.write("v.tiktoken", lib.vocabulary())
    job = same_bytes(work, small, tiny)
    export_all(work, "documents", job)
    read_back(work, "documents", job, "uint16")
    remove_all(work)
    gone_reader(work, job)
    vocabulary, shared = lib.real_vocabulary(), lib.shared_data()
    corpus = shared and os.path.join(shared, "corpus/sample.jsonl.zst")
    if not vocabulary or not corpus or not os.path.exists(corpus):
        work.skip("exports of a real corpus", "the corpus or the vocabulary is not here")
        work.finish()
    begin = time.monotonic()
    type_of_ids(work, small, vocabulary)
    job = run_job(work, "sample", corpus, vocabulary)
    export_all(work, "sample", job)
    read_back(work, "sample", job, "uint32")
    work.note("%.0f s" % (time.monotonic() - begin))
    interrupted(work, job, 4 << 20)
    full_disk(work, job)
    export(work, job, "megatron", work.path("x.megatron"))
    concurrent(work, job, 4 << 20)
    work.finish()


main()
