"""bad_input.py - what can be read comes out, the rest is quarantined, nothing ends the run"""
# time limit: 600 s
import hashlib
import os
import random
import shutil
import signal
import sys
import time
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import faults
import system_lib as lib

PIPELINE = """name: bad
input: {paths: [%s], format: jsonl, text: text, key: id, max_record: 64KiB}
shard: {bytes: %s}
stages:
  - %s
store: {volume: 256KiB, seal: 300ms}
"""


def pipeline(work, name, shard="16KiB", stage="normalize: {form: NFC}", paths="*"):
    return work.write(name + ".yaml", PIPELINE % (
        lib.json.dumps(work.path(name, paths)), shard, stage))


def run(work, what, path, job, *words, want=0):
    done = work.ran(work.millrace("run", path, "--job", job, "--quiet", *words), what, want)
    status = lib.status_of(job)
    work.check(lib.account_holds(status), what + ": the account holds, in records and bytes",
               status)
    work.verified(job, what)
    return status if done else {}


def reject_reasons(work, job):
    return sorted((reject["key"] or "%s#%d" % (reject["file"], reject["offset"]),
                   reject["reason"]) for reject in work.rejects(job))


# ---- lines ----

LONG = b'{"id": "long", "text": "' + b"x" * 70000 + b'"}'
LINES = [  # the line, its key when it is good, or None
    (b'{"id": "a", "text": "one"}', "a"), (b'{"id": "cut', None), (b"[]", None), (b"7", None),
    (b'{"id": "none"}', None), (b'{"id": "type", "text": 7}', None),
    (b'{"id": 12, "text": "the key is a number"}', None), (b'{"text": "no key"}', None),
    (b'{"id": "u", "text": "\xff\xfe"}', None), (b'{"id": "\xc3", "text": "x"}', None),
    (b'{"id": "s", "text": "\\ud800"}', None), (b"", ""), (b"   \t ", ""),
    (b'{"id": "crlf", "text": "two"}\r', "crlf"), (b'{"id": "nul", "text": "a\\u0000b"}', "nul"),
    (LONG, None), (b'{"id": "after", "text": "three"}', "after"), (b"}{", None),
    (b'{"id": "", "text": "an empty key"}', ""), (b'{"id": "same", "text": "first"}', "same"),
    (b'{"id": "same", "text": "second"}', "same"),
    (b'{"id": "%s", "text": "a long key"}' % (b"k" * 600), "k" * 600),
    (b'{"id": "%s", "text": "another"}' % (b"k" * 599 + b"l"), "k" * 599 + "l"),
    (b'{"id": "deep", "text": "x", "y": %s}' % (b"[" * 5000), None),
    (b'\xef\xbb\xbf{"id": "bom", "text": "x"}', None), (b'{"id": "last", "text": "four"}', "last")]


def lines(work):
    """Every kind of bad line among good ones; the last without a newline."""
    content = b"\n".join(line for line, _ in LINES)
    work.write("plain/a.jsonl", content)
    work.write("gz/a.jsonl.gz", lib.gzip_bytes(content))
    work.write("zst/a.jsonl.zst", lib.zstd(content))
    good = [key for line, key in LINES if key is not None and line.strip()]
    found = {}
    for form in ("plain", "gz", "zst"):
        for shard in ("1KiB", "16MiB"):
            what = "bad lines in %s, shards of %s" % (form, shard)
            job = work.path("l.job")
            status = run(work, what, pipeline(work, form, shard), job)
            keys = [row["key"] for row in work.records(job)]
            # Whether a byte order mark and a lone surrogate are borne is the parser's matter.
            work.equal([key for key in keys if key not in ("bom", "s", "12")], good,
                       what + ": the good ones come out in order")
            work.equal(status.get("bytes", {}).get("read"), len(content),
                       what + ": every byte is accounted for")
            records = status.get("records", {})
            work.equal(records.get("read"), sum(1 for line, _ in LINES if line.strip()),
                       what + ": every line that is not blank is a record")
            reasons = [reason for _, reason in reject_reasons(work, job)]
            work.check(all(reasons) and len(reasons) == records.get("quarantined"),
                       what + ": each has its reason", reasons)
            found.setdefault(form, []).append((work.digest(job), reasons))
            keys_are_found(work, what, job)
            shutil.rmtree(job)
        work.check(found[form][0] == found[form][1], form + ": the same for each shard size",
                   *found[form])
    work.check(found["plain"][0][1] == found["gz"][0][1] == found["zst"][0][1],
               "bad lines have the same reasons in plain, gz and zst",
               *(found[form][0][1] for form in found))


def keys_are_found(work, what, job):
    texts = {key:
             [row["text"] for row in work.records(job, key)]
             for key in ("a", "same", "k" * 600, "k" * 599 + "l")}
    work.equal(list(texts.values()), [["one"], ["first", "second"], ["a long key"], ["another"]],
               what + ": show finds keys, long and repeated ones too")
    work.equal([row["text"] for row in work.records(job, "")], ["an empty key"],
               what + ": show finds the empty key")
    work.equal(work.millrace("show", job, "absent")[0], 1, what + ": and says when there is none")


# ---- compressed files that are damaged ----

def damage(content, chance, how):
    at = chance.randrange(20, len(content) - 20)
    if how == "truncated":
        return content[:at]
    changed = bytearray(content)
    changed[at] ^= 1 << chance.randrange(8)
    return bytes(changed)


def readable_gzip(content):
    """The bytes that zlib gets out of a damaged file."""
    out, reader = b"", zlib.decompressobj(31)
    try:
        for at in range(len(content)):
            out += reader.decompress(content[at:at + 1])
    except zlib.error:
        pass
    return out


def damaged(work, seeds):
    rows = list(lib.documents(400, 12))
    plain = lib.as_lines(rows)
    texts = {row["id"]: row["text"] for row in rows}
    for seed in seeds:
        chance = random.Random(seed)
        name = "damaged-%d" % seed
        for how in ("truncated", "corrupt"):
            work.write("%s/%s.gz" % (name, how), damage(lib.gzip_bytes(plain), chance, how))
            work.write("%s/%s.zst" % (name, how), damage(lib.zstd(plain), chance, how))
        work.write(name + "/good.jsonl", plain)
        what, digests = "damaged files, seed %d" % seed, []
        for words in (("--executors", "1"), ("--workers", "2", "--executors", "2")):
            job = work.path("d.job")
            status = run(work, what, pipeline(work, name), job, *words)
            records = status.get("records", {})
            rows_out = work.records(job)
            work.check(records.get("emitted", 0) >= len(rows)
                       and records["emitted"] == len(rows_out), what + ": the good file came out",
                       records)
            if words[1] == "1":
                rejected = {reject["file"] for reject in work.rejects(job)}
                work.check({"truncated.gz", "truncated.zst"} <= rejected,
                           what + ": the cut ends are told", rejected)
                with open(work.path(name, "truncated.gz"), "rb") as file:
                    whole = readable_gzip(file.read()).count(b"\n")
                wrong = [row["key"] for row in rows_out if row["key"] not in texts]
                work.note("%s: %d emitted, %d quarantined, %d lines in truncated.gz, %d keys "
                          "changed" % (what, records["emitted"], records["quarantined"], whole,
                                       len(wrong)))
                work.check(records["emitted"] >= len(rows) + whole,
                           what + ": the readable part of a truncated .gz comes out",
                           records, whole)
            digests.append(work.digest(job))
            shutil.rmtree(job)
        work.check(digests[0] == digests[1], what + ": the same digest for 1 and 4 executors",
                   *digests)


def odd_files(work):
    """Nothing, garbage under a good name, a FIFO, a folder in a folder."""
    what = "odd files"
    good = lib.as_lines(lib.documents(30, 2))
    for name in ("empty.jsonl", "empty.gz", "empty.zst"):
        work.write("odd/" + name, b"")
    chance = random.Random(9)
    work.write("odd/garbage.gz", bytes(chance.randrange(256) for _ in range(3000)))
    noise = bytes(chance.randrange(256) for _ in range(999))
    work.write("odd/magic.gz", b"\x1f\x8b\x08\x00" + noise)
    work.write("odd/magic.zst", b"\x28\xb5\x2f\xfd" + noise)
    work.write("odd/only-newlines.jsonl", b"\n" * 5000)
    work.write("odd/deeper/good.jsonl", good)
    work.write("odd/two-members.gz", lib.gzip_bytes(good[:1000]) + lib.gzip_bytes(good[1000:]))
    work.write("odd/trailing.gz", lib.gzip_bytes(good) + b"\0" * 100)
    os.mkfifo(work.path("odd", "fifo"))
    path = work.write("odd.yaml", PIPELINE % (lib.json.dumps(work.path("odd")), "16KiB",
                                              "normalize: {}"))
    status, _, err = work.millrace("run", path, "--job", work.path("odd.job"), "--quiet")
    if status == 2:
        work.check("fifo" in err, what + ": a FIFO is refused by its name", err)
        os.unlink(work.path("odd", "fifo"))
    state = run(work, what, path, work.path("odd.job"))
    work.check(state.get("records", {}).get("emitted", 0) >= 90,
               what + ": what is good comes out", state)
    work.check(state.get("records", {}).get("quarantined", 0) >= 3,
               what + ": what is not is told", state.get("reasons"))
    work.nothing_left(what + ": no process is left")


# ---- input that changes ----

def extend(work):
    what = "--extend"
    rows = list(lib.documents(300, 6))
    work.write("grow/b.jsonl", lib.as_lines(rows[:100]))
    work.write("grow/d.gz", lib.gzip_bytes(lib.as_lines(rows[100:150])))
    path, job = pipeline(work, "grow"), work.path("grow.job")
    run(work, what + ": before", path, job)
    before = snapshot(job)
    work.write("grow/a.jsonl", lib.as_lines(rows[150:200]))
    work.write("grow/c.zst", lib.zstd(lib.as_lines(rows[200:])))
    refused(work, what + ": added files without it", path, job, before, "extend")
    run(work, what + ": with it", path, job, "--extend")
    fresh = work.path("fresh.job")
    run(work, what + ": a fresh run", path, fresh)
    work.equal(work.digest(job), work.digest(fresh), what + ": the digest of a fresh run")
    work.check(work.text("show", job) == work.text("show", fresh), what + ": the same order")
    before = snapshot(job)
    work.write("grow/b.jsonl", lib.as_lines(rows[:99]))
    refused(work, "a file that has changed", path, job, before, "b.jsonl")
    work.write("grow/b.jsonl", lib.as_lines(rows[:100]))
    os.unlink(work.path("grow", "d.gz"))
    refused(work, "a file that is gone", path, job, before, "d.gz")
    work.write("grow/d.gz", lib.gzip_bytes(lib.as_lines(rows[100:150])))
    pipeline(work, "grow", stage="normalize: {form: NFKC}")
    refused(work, "another option", path, job, before, "NFKC")
    pipeline(work, "grow")
    refused(work, "another shard size", path, job, before, "shard", "--set", "shard.bytes=8KiB")
    run(work, "the same as ever", path, job)


def snapshot(job):
    found = {}
    for folder, _, names in os.walk(job):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                found[os.path.join(folder, name)] = hashlib.sha256(file.read()).hexdigest()
    return found


def refused(work, what, path, job, before, named, *words):
    status, _, err = work.millrace("run", path, "--job", job, "--quiet", *words)
    work.equal(status, 2, what + ": is refused with 2")
    work.check(named in err, what + ": what differs is named", err)
    work.check(snapshot(job) == before, what + ": the job is not touched",
               *(name for name in snapshot(job) if snapshot(job)[name] != before.get(name)))


def no_input(work):
    """Every pattern that matches no file is told, at its own place."""
    what, job = "two patterns without files", work.path("none.job")
    path = work.write("none.yaml", "name: none\ninput:\n  paths:\n    - here.jsonl\n"
                      "    - gone/*.jsonl\n    - away.jsonl\n  format: jsonl\n  text: text\n"
                      "shard: {bytes: 1MiB}\nstages: [normalize: {}]\n")
    work.write("here.jsonl", lib.as_lines(lib.documents(1, 1)))
    status, _, err = work.millrace("run", path, "--job", job, "--quiet")
    work.equal(status, 2, what + ": run exits with 2")
    places = [line.rsplit("none.yaml:", 1)[1].split(": ")[0] for line in err.splitlines()
              if "none.yaml:" in line]
    work.equal(places, ["5:7", "6:7"], what + ": both are told")
    work.check(not os.path.exists(job), what + ": no job directory")


def vanished(work):
    """A file that goes away while the job runs."""
    what = "a file that vanishes"
    if not os.path.exists(lib.MILLRACE_TEST):
        work.skip(what, "no build/millrace-test here")
        return
    for name in ("a.jsonl", "b.jsonl", "c.gz"):
        content = lib.as_lines(lib.documents(200, 7))
        work.write("gone/" + name, lib.gzip_bytes(content) if name == "c.gz" else content)
    path = pipeline(work, "gone", "4KiB", "poison: {delay_us: 3000}")
    victim, job = "b.jsonl", work.path("gone.job")  # a stream is open from its begin on
    child = work.start(lib.MILLRACE_TEST, "run", path, "--job", job, "--quiet", "--executors",
                       "1", "--set", "limits.attempts=2")
    lib.wait_until(lambda: lib.status_of(job), 20)
    os.rename(work.path("gone", victim), work.path("aside"))
    status = work.wait(child)
    err = lib.read_text(child.log)
    work.check(status == 1 and victim in err, what + ": the run fails and names " + victim,
               "exit %s" % status, err[-800:])
    os.rename(work.path("aside"), work.path("gone", victim))
    work.nothing_left(what + ": no process is left")
    work.ran(work.millrace("run", path, "--job", job, "--quiet", program=lib.MILLRACE_TEST),
             what + ": back again, the job goes on")
    work.equal(lib.status_of(job).get("records", {}).get("emitted"), 600,
               what + ": all come out")


def interrupt(work):
    """Ctrl-C goes to the whole process group."""
    what = "Ctrl-C"
    if not os.path.exists(lib.MILLRACE_TEST):
        work.skip(what, "no build/millrace-test here")
        return
    work.write("slow/a.jsonl", lib.as_lines(lib.documents(600, 7)))
    path, job = pipeline(work, "slow", "4KiB", "poison: {delay_us: 20000}"), work.path("slow.job")
    child = work.start(lib.MILLRACE_TEST, "run", path, "--job", job, "--quiet", "--workers", "2",
                       "--executors", "2", process_group=0)
    lib.wait_until(lambda: faults.flights(lib.descendants()), 20)
    time.sleep(0.2)
    os.killpg(child.pid, signal.SIGINT)
    work.equal(work.wait(child), 75, what + ": exit 75")
    work.equal(lib.status_of(job).get("state"), "stopped", what + ": it says that it was stopped")
    work.nothing_left(what + ": no process is left")
    work.ran(work.millrace("run", path, "--job", job, "--quiet", program=lib.MILLRACE_TEST),
             what + ": the same command goes on")
    work.equal(lib.status_of(job).get("records", {}).get("emitted"), 600, what + ": to the end")


def main():
    work = lib.Workplace("bad", 580)
    lines(work)
    damaged(work, range(1, 5))
    odd_files(work)
    extend(work)
    no_input(work)
    vanished(work)
    interrupt(work)
    work.finish()


main()
