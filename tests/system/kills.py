"""kills.py - the same results whatever is killed, stopped, paused or started twice"""
# time limit: 600 s
import os
import random
import shutil
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import faults
import system_lib as lib

DOCUMENTS = 1000
PIPELINE = """name: kills
input: {paths: [%s], format: jsonl, text: text, key: id, columns: {lang: utf8}}
shard: {bytes: 8KiB}
stages:
  - poison: {delay_us: %d}
  - normalize: {form: NFC}
store: {volume: 64KiB, seal: 300ms}
limits: {silence: 500ms, speculate: %s}
"""


class Forms:
    """One corpus as a file, as four .zst and as ten .gz, each with its undisturbed digest."""

    def __init__(self, work):
        self.work, self.digests = work, {}
        rows = list(lib.documents(DOCUMENTS, 5))
        work.write("plain/a.jsonl", lib.as_lines(rows))
        for part in range(4):
            work.write("zst/%d.zst" % part, lib.zstd(lib.as_lines(rows[part::4])))
        for part in range(10):
            work.write("gz/%d.gz" % part, lib.gzip_bytes(lib.as_lines(rows[part::10])))

    def pipeline(self, form, delay_us, speculate="0"):
        path = lib.json.dumps(self.work.path(form, "*"))
        return self.work.write("%s-%d.yaml" % (form, delay_us),
                               PIPELINE % (path, delay_us, speculate))

    def digest(self, form):
        if form not in self.digests:
            job = self.work.path("quiet-%s.job" % form)
            self.work.ran(self.work.millrace("run", self.pipeline(form, 0), "--job", job,
                                             "--quiet", program=lib.MILLRACE_TEST),
                          form + ": an undisturbed run")
            self.digests[form] = self.work.digest(job)
        return self.digests[form]


def judge(work, storm, forms, form, what):
    """After the last session: finished, accounted for, the digest of a quiet run."""
    status = lib.status_of(storm.job)
    work.check(status.get("state") == "finished" and lib.account_holds(status)
               and status["records"]["emitted"] == DOCUMENTS, what + ": all is accounted for",
               status)
    work.equal(work.digest(storm.job), forms.digest(form), what + ": the same digest")
    work.verified(storm.job, what)
    work.check(not storm.stray, what + ": nothing went wrong on the way", *storm.stray)
    work.nothing_left(what + ": no process is left")
    work.note("%s: %s, retried %d, changed worker %d, speculated %d" % (
        what, storm.strikes, storm.total("retried"), storm.total("changed_worker"),
        storm.total("speculated")))
    shutil.rmtree(storm.job, ignore_errors=True)


def strike_until_the_end(storm, strikes, wanted, pause):
    """Strike in turn until so many took effect or the run is over."""
    turn = 0
    while storm.is_running() and storm.struck() < wanted:
        time.sleep(pause * storm.chance.uniform(0.5, 1.5))
        if strikes[turn % len(strikes)]():
            turn += 1


def kill_members(work, chance, forms, form, transport, wanted=6):
    what = "%s over %s, workers and executors killed" % (form, transport)
    storm = faults.Storm(work, chance, forms.pipeline(form, 16000), work.path("k.job"),
                         transport=transport)
    storm.start()
    strike_until_the_end(storm, [storm.kill_worker, storm.kill_executor,
                                 lambda: storm.pause_worker(0.8)], wanted, 0.2)
    work.equal(storm.end(), 0, what + ": it finishes")
    work.check(storm.struck() >= wanted, what + ": each kill hit leased, unpublished work",
               "%s of %d" % (storm.strikes, wanted))
    # A stream is one lease, whose shards go to another worker together.
    work.check(storm.total("retried") >= 5 if form == "plain" else
               storm.total("retried") >= 1 and storm.total("changed_worker") >= 5,
               what + ": shards were leased again",
               storm.counts)
    judge(work, storm, forms, form, what)
    return storm.total("changed_worker")


def kill_coordinators(work, chance, forms, form, transport, wanted=5):
    what = "%s over %s, the coordinator killed" % (form, transport)
    storm = faults.Storm(work, chance, forms.pipeline(form, 20000), work.path("c.job"),
                         transport=transport)
    while True:
        storm.start()
        hits = storm.struck()
        until = time.monotonic() + chance.uniform(0.2, 1.0)
        while storm.is_running() and time.monotonic() < until:
            time.sleep(0.01)
        while storm.is_running() and storm.struck() == hits and hits < wanted:
            if not storm.kill_coordinator():
                time.sleep(0.01)
        if storm.struck() == hits:
            break
    work.equal(storm.end(), 0, what + ": the last one finishes")
    work.check(storm.struck() >= wanted, what + ": each kill hit leased, unpublished work",
               "%s of %d" % (storm.strikes, wanted))
    judge(work, storm, forms, form, what)


def terminate(work, chance, forms):
    what = "SIGTERM"
    storm = faults.Storm(work, chance, forms.pipeline("plain", 8000), work.path("t.job"))
    storm.start()
    lib.wait_until(lambda: faults.flights(lib.descendants()), 20)
    time.sleep(chance.uniform(0.1, 0.4))
    struck = lib.wait_until(lambda: storm.terminate() or not storm.is_running(), 20)
    status = lib.status_of(storm.job)
    work.check(struck and storm.main.returncode == faults.STOPPED
               and status["state"] == "stopped"
               and 0 < status["shards"]["done"] < status["shards"]["total"],
               what + ": exit 75, stopped, some shards done and some not",
               storm.main.returncode, status)
    work.nothing_left(what + ": no process is left")
    storm.start()
    work.equal(storm.end(), 0, what + ": the same command goes on to the end")
    judge(work, storm, forms, "plain", what)


def second_coordinator(work, chance, forms):
    what = "a second coordinator"
    storm = faults.Storm(work, chance, forms.pipeline("plain", 4000), work.path("s.job"))
    storm.start()
    lib.wait_until(lambda: storm.second_coordinator() or not storm.is_running(), 20)
    work.equal(storm.end(), 0, what + ": the first finishes")
    work.equal(storm.struck(), 1, what + ": is refused while the first runs")
    work.equal(lib.status_of(storm.job).get("session"), 1, what + ": the first is the only one")
    judge(work, storm, forms, "plain", what)


def speculate(work, chance, forms):
    what = "speculation forced"
    storm = faults.Storm(work, chance, forms.pipeline("plain", 3000, "0.0001"),
                         work.path("d.job"))
    storm.start()
    work.equal(storm.end(), 0, what + ": it finishes")
    work.check(storm.total("speculated") > 0, what + ": shards were run twice", storm.counts)
    judge(work, storm, forms, "plain", what)


def main():
    work = lib.Workplace("kills", 580)
    seed = int(os.environ.get("SEED") or time.time())
    chance = random.Random(seed)
    work.note("SEED=%d" % seed)
    if not os.path.exists(lib.MILLRACE_TEST):
        work.check(False, "there is build/millrace-test (make test-build)")
        work.finish()
    forms = Forms(work)
    changed = kill_members(work, chance, forms, "plain", "ipc")
    changed += kill_members(work, chance, forms, "plain", "tcp", 4)
    changed += kill_members(work, chance, forms, "zst", "ipc", 4)
    has_mpi = shutil.which("mpirun") and os.path.exists(
        os.path.join(lib.BUILD, "millrace-mpi.so"))
    if has_mpi:
        changed += kill_members(work, chance, forms, "plain", "mpi", 3)
    else:
        work.skip("kills under mpirun", "no mpirun or no millrace-mpi.so here")
    work.check(changed >= 20, "at least 20 shards changed worker", changed)
    kill_coordinators(work, chance, forms, "plain", "ipc")
    kill_coordinators(work, chance, forms, "gz", "tcp", 2)
    if has_mpi:
        kill_coordinators(work, chance, forms, "zst", "mpi", 1)
    terminate(work, chance, forms)
    second_coordinator(work, chance, forms)
    speculate(work, chance, forms)
    work.finish()


main()
