"""poison.py - a record that crashes, hangs or eats memory costs one record, and no other"""
# time limit: 600 s
import os
import random
import shutil
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import faults
import system_lib as lib

DOCUMENTS = 600
PIPELINE = """name: poison
input: {paths: [%s], format: jsonl, text: text, key: id}
shard: {bytes: 16KiB}
stages:
  - normalize: {form: NFC}
  - poison: {cure: %s, delay_us: %d}
store: {volume: 64KiB, seal: 300ms}
limits: {record_time: %s, memory: 192MiB, silence: 1s}
"""
REASONS = {"segv": "SIGSEGV", "abort": "SIGABRT", "hang": "timeout", "sleep": "timeout",
           "eat": "SIGABRT out_of_memory", "memory": "out_of_memory",
           "error": "poison: this record is bad"}
# First and last record, neighbours, several of a batch and of a shard, each way to be bad.
POISONED = {0: "segv", 5: "error", 6: "abort", 7: "segv", 8: "memory", 40: "abort", 41: "hang",
            300: "eat", 301: "error", 302: "error", 440: "sleep", 599: "segv"}


class Poisoned:
    """A corpus with poisoned records, as the forms of input, and what must come out."""

    def __init__(self, work):
        self.work = work
        self.cure = work.path("cure")
        rows = list(lib.documents(DOCUMENTS, 3))
        for number, marker in POISONED.items():
            rows[number]["text"] = rows[number]["text"][:50] + " POISON:" + marker + " behind"
        work.write("plain/a.jsonl", lib.as_lines(rows))
        work.write("zst/a.zst", lib.zstd(lib.as_lines(rows)))
        for part in range(3):
            work.write("gz/%d.gz" % part, lib.gzip_bytes(lib.as_lines(rows[part * 200:][:200])))
        self.keys = [row["id"] for row in rows]

    def pipeline(self, form, delay_us=0, record_time="200ms"):
        path = lib.json.dumps(self.work.path(form, "*"))
        return self.work.write("%s.yaml" % form, PIPELINE % (
            path, lib.json.dumps(self.cure), delay_us, record_time))

    def judge(self, job, what):
        """Exactly the poisoned records are quarantined, with stage and reason."""
        work = self.work
        rejects = {reject["key"]: (reject["stage"], reject["reason"])
                   for reject in work.rejects(job)}
        wrong = ["d%d: %s, not %s" % (number, rejects.get("d%d" % number), REASONS[marker])
                 for number, marker in POISONED.items()
                 if rejects.get("d%d" % number, ("", "none"))[0] != "poison"
                 or not is_reason(rejects["d%d" % number][1], marker)]
        work.check(not wrong, what + ": stage and reason of each", *wrong)
        work.equal(sorted(rejects), sorted("d%d" % number for number in POISONED),
                   what + ": exactly the poisoned records are quarantined")
        good = [key for number, key in enumerate(self.keys) if number not in POISONED]
        work.equal([row["key"] for row in work.records(job)], good,
                   what + ": all others come out, in order")
        status = lib.status_of(job)
        work.check(lib.account_holds(status) and status["records"]["read"] == DOCUMENTS,
                   what + ": the account holds", status)
        work.verified(job, what)
        return work.digest(job)


def is_reason(reason, marker):
    wanted = REASONS[marker]
    return reason == wanted or (marker == "eat" and reason in wanted.split()) \
        or (marker == "error" and reason not in ("", "none"))


def quarantine(work, poisoned):
    digests = {}
    for form, words in (("plain", ("--executors", "1")), ("plain", ("--executors", "2")),
                        ("zst", ("--executors", "2")), ("gz", ("--executors", "1")),
                        ("plain", ("--workers", "2", "--executors", "2", "--strict"))):
        what = "%s %s" % (form, " ".join(words))
        job = work.path("q.job")
        result = work.millrace("run", poisoned.pipeline(form), "--job", job, "--quiet", *words,
                               program=lib.MILLRACE_TEST)
        work.ran(result, what + ": it finishes", 3 if "--strict" in words else 0)
        digest = poisoned.judge(job, what)
        work.equal(digest, digests.setdefault(form, digest), what + ": the same digest")
        work.nothing_left(what + ": no process is left")
        shutil.rmtree(job)


def over_tcp(work, poisoned):
    """Two workers: a record is condemned only when it has failed on both."""
    what = "two tcp workers"
    storm = faults.Storm(work, random.Random(1), poisoned.pipeline("plain"), work.path("t.job"),
                         transport="tcp", workers=2, executors=1)
    storm.start()
    work.equal(storm.end(), 0, what + ": it finishes")
    poisoned.judge(storm.job, what)
    work.nothing_left(what + ": no process is left")


def kill_from_outside(work):
    """SIGKILL that millrace did not send is not the record's fault."""
    what = "an executor killed from outside"
    work.write("good/a.jsonl", lib.as_lines(lib.documents(400, 8)))
    pipeline = work.write("good.yaml", PIPELINE % (lib.json.dumps(work.path("good/*")), "''",
                                                   10000, "60s"))
    storm = faults.Storm(work, random.Random(2), pipeline, work.path("o.job"), workers=1)
    storm.start()
    while storm.is_running() and storm.struck() < 8:
        time.sleep(0.15)
        storm.kill_executor()
    work.equal(storm.end(), 0, what + ": it finishes")
    status = lib.status_of(storm.job)
    work.check(storm.struck() >= 8, what + ": the kills hit records in flight", storm.strikes)
    work.check(status["records"]["quarantined"] == 0 and status["records"]["emitted"] == 400,
               what + ": nothing is quarantined", status)
    work.nothing_left(what + ": no process is left")


def cure(work, poisoned):
    """`retry` brings the records back once their cause is gone, and not before."""
    what, job = "retry", work.path("r.job")
    pipeline = poisoned.pipeline("plain")
    work.ran(work.millrace("run", pipeline, "--job", job, "--quiet", program=lib.MILLRACE_TEST),
             what + ": a run with poison")
    before = work.digest(job)
    work.ran(work.millrace("retry", job, "--quiet", program=lib.MILLRACE_TEST),
             what + ": tried again with poison")
    work.equal(poisoned.judge(job, what + " in vain"), before, what + " in vain: same digest")
    work.write("cure", "")
    work.ran(work.millrace("retry", job, "--quiet", "--strict", program=lib.MILLRACE_TEST),
             what + ": tried again without poison")
    work.equal([row["key"] for row in work.records(job)], poisoned.keys,
               what + ": every record comes out")
    work.equal(work.rejects(job), [], what + ": nothing is quarantined any more")
    work.verified(job, what)
    fresh = work.path("f.job")
    work.ran(work.millrace("run", pipeline, "--job", fresh, "--quiet",
                           program=lib.MILLRACE_TEST), what + ": a run that was never poisoned")
    work.equal(work.digest(job), work.digest(fresh), what + ": the digest of a fresh run")
    os.unlink(poisoned.cure)
    work.nothing_left(what + ": no process is left")


MADE = """name: made
phases:
  - name: first
    input: {paths: [%s], format: jsonl, text: text, key: id}
    shard: {bytes: 64KiB}
    stages:
      - tokenize: {vocabulary: %s, pattern: cl100k}
    exchange: {by: random(7), buckets: 3}
  - name: second
    input: {phase: first}
    stages:
      - pack: {length: 64, end_token: 300}
      - poison: {column: key, cure: %s}
"""


def made_of_others(work):
    """Sequences that crash a stage are quarantined, and no others; retry brings them back."""
    rows = list(lib.documents(300, 9))
    for number, marker in ((50, "segv"), (120, "error"), (200, "abort")):
        rows[number]["id"] = "POISON:%s-%d" % (marker, number)
    work.write("made/a.jsonl", lib.as_lines(rows))
    cure_path = work.path("made-cure")
    pipeline = work.write("made.yaml", MADE % (
        lib.json.dumps(work.path("made/*")),
        lib.json.dumps(work.write("made.tiktoken", lib.vocabulary())), lib.json.dumps(cure_path)))
    digests = []
    for executors in ("1", "3"):
        what, job = "made records, %s executors" % executors, work.path("m%s.job" % executors)
        work.ran(work.millrace("run", pipeline, "--job", job, "--quiet", "--strict",
                               "--executors", executors, program=lib.MILLRACE_TEST),
                 what + ": --strict tells of them", 3)
        rejects = [row["key"] for row in work.rejects(job)]
        work.check(rejects and all(key.startswith("POISON:") for key in rejects),
                   what + ": the poisoned ones are quarantined", rejects)
        work.check(not any(row["key"].startswith("POISON:") for row in work.records(job)),
                   what + ": none of them comes out")
        status = lib.status_of(job)
        work.check(lib.account_holds(status)
                   and status["made"]["quarantined"] == len(rejects)
                   and status["records"]["emitted"] == 300, what + ": the account holds", status)
        work.verified(job, what)
        digests.append(work.digest(job))
    work.equal(digests[0], digests[1], "made records: the same digest")
    work.write("made-cure", "")
    job, fresh = work.path("m1.job"), work.path("mf.job")
    work.ran(work.millrace("retry", job, "--quiet", "--strict", program=lib.MILLRACE_TEST),
             "made records: tried again without poison")
    work.ran(work.millrace("run", pipeline, "--job", fresh, "--quiet",
                           program=lib.MILLRACE_TEST), "made records: a run without poison")
    work.equal(work.digest(job), work.digest(fresh), "made records: the digest of a fresh run")
    work.equal(work.rejects(job), [], "made records: nothing is quarantined any more")
    work.verified(job, "made records, tried again")


def kill_the_coordinator(work, poisoned):
    """kill -9, while executors hang, spin and wait: all are gone within 3 s."""
    what = "kill -9 of the coordinator"
    for delay_us in (0, 3000):
        job = work.path("c%d.job" % delay_us)
        pipeline = poisoned.pipeline("plain", delay_us, "60s")
        child = work.start(lib.MILLRACE_TEST, "run", pipeline, "--job", job, "--quiet",
                           "--workers", "2", "--executors", "2")
        lib.wait_until(lambda: len(faults.flights(lib.descendants())) > 1, 20)
        time.sleep(0.5)
        active = lib.wait_until(lambda: faults.flights(lib.descendants()), 20)
        work.check(active, what + ": while stages run", *map(str, lib.descendants()))
        child.send_signal(signal.SIGKILL)
        child.wait()
        work.nothing_left(what + ": no process is left within 3 s")


def kill_the_coordinator_of_programs(work):
    """The programs of the stage exec go with all others."""
    what = "kill -9 of the coordinator of programs"
    work.write("programs/a.jsonl", lib.as_lines(lib.documents(50, 8)))
    pipeline = work.write("programs.yaml", "name: x\ninput: {paths: [%s], format: jsonl, text: "
                          "text}\nshard: {bytes: 1KiB}\nstages:\n  - exec: {command: [sleep, "
                          "'600']}\n" % lib.json.dumps(work.path("programs/*")))
    child = work.start(lib.MILLRACE, "run", pipeline, "--job", work.path("x.job"), "--quiet",
                       "--workers", "2", "--executors", "2")

    def programs():
        return [process for process in lib.descendants() if process.words[:1] == ["sleep"]]
    work.check(lib.wait_until(lambda: len(programs()) >= 4, 20), what + ": while they run")
    child.send_signal(signal.SIGKILL)
    child.wait()
    work.nothing_left(what + ": no process is left within 3 s")


def main():
    work = lib.Workplace("poison", 580)
    if not os.path.exists(lib.MILLRACE_TEST):
        work.check(False, "there is build/millrace-test (make test-build)")
        work.finish()
    poisoned = Poisoned(work)
    quarantine(work, poisoned)
    over_tcp(work, poisoned)
    kill_from_outside(work)
    cure(work, poisoned)
    made_of_others(work)
    kill_the_coordinator(work, poisoned)
    kill_the_coordinator_of_programs(work)
    work.finish()


main()
