"""fit.py - fits make the same artefacts however they ran, and later phases find them"""
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

DOCUMENTS = 1200
SHARDS = ("1KiB", "64KiB", "1MiB", "16MiB")
EXECUTORS = (1, 2, 3, 8)
STEPS = ("words+read", "words+merge", "words", "rare+read", "rare+merge", "rare", "main")

# The second fit reads what the first one made.
PIPELINE = """name: fit
phases:
  - name: words
    input: {paths: [%(paths)s], format: jsonl, text: text, key: id, columns: {n: i64}}
    shard: {bytes: %(shard)s}
    stages:
      - poison: {delay_us: %(delay)d, cure: %(cure)s}
      - normalize: {form: NFC}
      - filter: {column: n, max: 900}
      - count_words: {min_count: 200, refuse: "the ", merge_delay_us: %(merge)d}
  - name: rare
    input: {paths: [%(paths)s], format: jsonl, text: text, key: id, columns: {n: i64}}
    shard: {bytes: %(shard)s}
    stages:
      - poison: {delay_us: %(delay)d, cure: %(cure)s}
      - normalize: {form: NFC}
      - count_words: {known: phase:words/counts.txt, order: false, merge_delay_us: %(merge)d}
  - name: main
    input: {paths: [%(paths)s], format: jsonl, text: text, key: id}
    stages:
      - normalize: {form: NFC}
store: {volume: 256KiB, seal: 300ms}
limits: {silence: 500ms}
"""


class Forms:
    """The same documents as one file, as one .zst and as ten .gz."""

    def __init__(self, work):
        self.work = work
        rows = list(lib.documents(DOCUMENTS, 3))
        self.content = lib.as_lines(rows)
        work.write("plain/a.jsonl", self.content)
        work.write("zst/a.jsonl.zst", lib.zstd(self.content))
        tenth = DOCUMENTS // 10
        for part in range(10):
            work.write("gz/part-%d.gz" % part,
                       lib.gzip_bytes(lib.as_lines(rows[part * tenth:(part + 1) * tenth])))
        self.rows, self.count = rows, 0

    def pipeline(self, form, **way):
        self.count += 1
        way = {"paths": lib.json.dumps(self.work.path(form)), "shard": "32KiB", "delay": 0,
               "merge": 0, "cure": '""', **way}
        return self.work.write("fit-%d.yaml" % self.count, PIPELINE % way)


def artefacts(job):
    """Name -> content of all that was made, hidden files told apart."""
    found = {}
    top = os.path.join(job, "artefacts")
    for folder, _, names in os.walk(top):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                found[os.path.relpath(os.path.join(folder, name), top)] = file.read()
    return found


class Sameness:
    def __init__(self, work):
        self.work, self.made, self.digests, self.count = work, None, {}, 0

    def job(self):
        self.count += 1
        return self.work.path("same-%d.job" % self.count)

    def judge(self, job, what, form):
        """A finished job: its artefacts are those of every other."""
        work, status = self.work, lib.status_of(job)
        work.verified(job, what)
        work.check(lib.account_holds(status) and status["state"] == "finished",
                   what + ": the account holds", status)
        made = {name: content for name, content in artefacts(job).items() if "/." not in name}
        self.made = self.made or made
        work.check(sorted(made) == ["rare/counts.txt", "words/counts.txt", "words/order.txt"]
                   and made == self.made, what + ": the same artefacts",
                   sorted(made), made.get("words/order.txt"))
        digests = [work.digest(job, "--phase", name) for name in ("words", "rare", "main")]
        self.digests.setdefault(form, digests)
        work.equal(digests, self.digests[form], what + ": the same digests")
        shutil.rmtree(job, ignore_errors=True)

    def run(self, form, pipeline, what, *words):
        job, what = self.job(), "%s, %s" % (form, what)
        result = self.work.millrace("run", pipeline, "--job", job, "--quiet", *words,
                                    program=lib.MILLRACE_TEST)
        if self.work.ran(result, what + ": it runs"):
            self.judge(job, what, form)

    def mpi(self, form, pipeline, ranks):
        what = "%s, mpirun -n %d" % (form, ranks)
        if not has_mpi():
            self.work.skip(what, "no mpirun or no millrace-mpi.so here")
            return
        job = self.job()
        result = self.work.run("mpirun", "-n", ranks, lib.MILLRACE_TEST, "run", pipeline,
                               "--job", job, "--quiet", "--executors", "1")
        if self.work.ran(result, what + ": it runs"):
            self.judge(job, what, form)

    def tcp(self, form, pipeline):
        work, job, what = self.work, self.job(), form + ", three workers over tcp"
        child = work.start(lib.MILLRACE_TEST, "run", pipeline, "--job", job, "--quiet",
                           "--workers", "0", "--bind", "tcp://127.0.0.1:0")
        workers = [work.start(lib.MILLRACE_TEST, "worker", "--job", job, "--executors", "1")
                   for _ in range(3)]
        work.equal(work.wait(child), 0, what + ": it runs")
        self.judge(job, what, form)
        for worker in workers:
            worker.terminate()
            work.wait(worker, 10)


def has_mpi():
    return shutil.which("mpirun") and os.path.exists(os.path.join(lib.BUILD, "millrace-mpi.so"))


def counted(forms):
    """What words/counts.txt must be, by other means."""
    import unicodedata
    counts = {}
    for row in forms.rows:
        text = unicodedata.normalize("NFC", row["text"])
        if row["n"] > 900 or text.startswith("the "):
            continue
        for word in text.encode().split():
            counts[word] = counts.get(word, 0) + 1
    lines = [b"%d %s\n" % (count, word) for word, count in counts.items() if count >= 200]
    return b"".join(sorted(lines, key=lambda line: line.split(b" ", 1)[1]))


def ways(work, same, forms):
    for form in ("plain", "zst", "gz"):
        pipeline = forms.pipeline(form)
        same.run(form, pipeline, "1 executor", "--executors", "1")
        for count in EXECUTORS[1:] if form == "plain" else (3,):
            same.run(form, pipeline, "%d executors" % count, "--executors", str(count))
        for size in SHARDS if form == "plain" else SHARDS[:3:2]:
            same.run(form, forms.pipeline(form, shard=size), "shards of " + size)
        same.run(form, pipeline, "two workers", "--workers", "2", "--executors", "2")
        same.tcp(form, pipeline)
        same.mpi(form, pipeline, 3)
    if work.check(same.made and b"records" in same.made["words/order.txt"],
                  "the artefacts tell of records"):
        made = same.made["words/counts.txt"]
        work.check(made == counted(forms), "the counts are those of a plain loop",
                   made[:300], counted(forms)[:300])
        known = {line.split(b" ", 1)[1] for line in made.splitlines()}
        rare = {line.split(b" ", 1)[1] for line in same.made["rare/counts.txt"].splitlines()}
        work.check(rare and known and not rare & known,
                   "the second fit leaves out what the first one found")


def phase_state(job, name):
    for phase in lib.status_of(job).get("phases", ()):
        if phase["name"] == name:
            return phase["state"]
    return None


def is_at(job, step):
    before = STEPS[STEPS.index(step) - 1] if step != STEPS[0] else None
    return phase_state(job, step) == "running" and (
        not before or phase_state(job, before) == "finished")


def resume_between_steps(work, same, forms):
    """The coordinator is killed in each step, and each time the same command goes on."""
    job, what = same.job(), "killed in every step"
    pipeline = forms.pipeline("plain", shard="8KiB", merge=20000, delay=500)
    struck = []
    for step in STEPS[:-1]:
        child = work.start(lib.MILLRACE_TEST, "run", pipeline, "--job", job, "--quiet")
        lib.wait_until(lambda: child.poll() is not None or is_at(job, step), 60, 0.002)
        time.sleep(0.04)
        if child.poll() is None and is_at(job, step):
            struck.append(step)
        lib.send_signal(child.pid, signal.SIGKILL)
        work.wait(child)
        work.nothing_left("%s: no process is left behind %s" % (what, step))
    work.equal(struck, list(STEPS[:-1]), what + ": it was")
    child = work.start(lib.MILLRACE_TEST, "run", pipeline, "--job", job, "--quiet")
    work.equal(work.wait(child), 0, what + ": the same command goes on to the end")
    same.judge(job, what, "plain")


def kill_while_merging(work, same, forms, chance, role):
    """Executors, or workers, die while states are merged and while the last step runs."""
    job, what = same.job(), "%ss killed while merging" % role
    pipeline = forms.pipeline("plain", shard="4KiB", merge=20000)
    child = work.start(lib.MILLRACE_TEST, "run", pipeline, "--job", job, "--quiet", "--workers",
                       "2", "--executors", "2")
    struck = {}
    for step in ("words+merge", "words", "rare+merge", "rare"):
        lib.wait_until(lambda: child.poll() is not None or is_at(job, step), 60, 0.002)
        time.sleep(chance.uniform(0.01, 0.05))
        victims = [process for process in lib.descendants() if process.role() == role]
        if victims and is_at(job, step) and child.poll() is None:
            lib.send_signal(chance.choice(victims).pid, signal.SIGKILL)
            struck[step] = True
    work.equal(work.wait(child), 0, what + ": it finishes")
    work.check(len(struck) == 4, what + ": they were", sorted(struck))
    same.judge(job, what, "plain")
    work.nothing_left(what + ": no process is left")


def storms(work, same, forms, chance):
    for transport in ("ipc", "tcp", "mpi"):
        what = "a storm over " + transport
        if transport == "mpi" and not has_mpi():
            work.skip(what, "no mpirun or no millrace-mpi.so here")
            continue
        job = same.job()
        pipeline = forms.pipeline("zst" if transport == "tcp" else "plain", shard="8KiB",
                                  delay=6000, merge=5000)
        storm = faults.Storm(work, chance, pipeline, job, transport=transport)
        storm.start()
        # Ranks that are killed do not come back.
        wanted = 3 if transport == "mpi" else 4
        turn, strikes = 0, (storm.kill_executor, storm.kill_worker)
        while storm.is_running() and storm.struck() < wanted:
            time.sleep(0.2 * chance.uniform(0.5, 1.5))
            turn += bool(strikes[turn % 2]())
        work.equal(storm.end(), 0, what + ": it finishes")
        work.check(storm.struck() >= wanted, what + ": each kill hit leased work",
                   storm.strikes)
        work.check(not storm.stray, what + ": nothing went wrong on the way", *storm.stray)
        same.judge(job, what, "zst" if transport == "tcp" else "plain")


def quarantine_and_retry(work, same, forms):
    """A record that kills its executor is left out of the fit; cured, it is in again."""
    what, cure = "a poisoned record", work.path("cure")
    rows = [dict(row) for row in forms.rows]
    rows[700]["text"] = "POISON:segv " + "word " * 40
    rows[900]["text"] = "POISON:error " + "word " * 40
    work.write("bad/a.jsonl", lib.as_lines(rows))
    job, well = same.job(), same.job()
    pipeline = forms.pipeline("bad", cure=lib.json.dumps(cure))
    work.ran(work.millrace("run", pipeline, "--job", job, "--quiet",
                           program=lib.MILLRACE_TEST), what + ": it runs")
    without = artefacts(job)
    status = lib.status_of(job)
    died = [(reject["stage"], reject["reason"]) for name in ("words+read", "rare+read")
            for reject in work.rejects(job, "--phase", name) if reject["reason"] != "refused"]
    work.check(sorted(died) == 2 * [("poison", "SIGSEGV")] + 2 * [("poison", "stage_error")]
               and lib.account_holds(status),
               what + ": is quarantined in each fit, and accounted for", died, status)
    work.verified(job, what)
    work.write("cure", "")
    work.ran(work.millrace("run", pipeline, "--job", well, "--quiet",
                           program=lib.MILLRACE_TEST), what + ", cured: it runs")
    work.ran(work.millrace("retry", job, "--quiet", program=lib.MILLRACE_TEST),
             what + ": retry runs")
    work.check(artefacts(job) == artefacts(well) != without,
               what + ": the artefacts after a retry are those of a cured run")
    work.verified(job, what + ", retried")
    for name in ("words", "rare", "main"):
        work.equal(work.digest(job, "--phase", name), work.digest(well, "--phase", name),
                   "%s, retried: the digest of %s" % (what, name))
    shutil.rmtree(job)
    shutil.rmtree(well)


def commands(work, same, forms):
    job, pipeline = same.job(), forms.pipeline("plain")
    status, out, err = work.millrace("check", pipeline, program=lib.MILLRACE_TEST)
    work.check(status == 0 and "artefacts/words/counts.txt, artefacts/words/order.txt" in out
               and "+" not in out, "check tells of artefacts", out, err)
    work.ran(work.millrace("run", pipeline, "--job", job, "--quiet",
                           program=lib.MILLRACE_TEST), "commands: it runs")
    shown = work.records(job, "--phase", "words")
    listed = {line.split()[2]: int(line.split()[1])
              for line in shown[0]["artefacts"].splitlines()} if shown else {}
    sizes = {name[6:]: len(content) for name, content in artefacts(job).items()
             if name.startswith("words/")}
    work.check(len(shown) == 1 and shown[0]["key"] == "words" and listed == sizes,
               "show prints the artefacts with their sizes", shown)
    phases = {phase["name"]: phase for phase in lib.status_of(job)["phases"]}
    work.equal(list(phases), list(STEPS), "status lists the steps")
    status = lib.status_of(job)
    merged = sum(reason["records"] for reason in status["reasons"]
                 if reason["reason"] == "accumulated")
    emitted = status["records"]["emitted"]
    work.check(emitted == DOCUMENTS + 2 and phases["words"]["records"]["emitted"] == 1
               and merged > DOCUMENTS, "one record is left of each fit", emitted, merged)
    result = work.millrace("run", pipeline, "--job", job, program=lib.MILLRACE_TEST)
    work.check(work.ran(result, "a finished fit runs again") and "finished" in result[2],
               "and has nothing to do", result[2])
    work.write("plain/b.jsonl", forms.content)
    status, _, err = work.millrace("run", pipeline, "--job", job, "--extend",
                                   program=lib.MILLRACE_TEST)
    work.check(status == 2 and "cannot be extended" in err, "a fit is not extended", status, err)
    os.unlink(work.path("plain/b.jsonl"))
    with open(os.path.join(job, "artefacts/words/order.txt"), "r+b") as file:
        file.write(b"x")
    status, out, _ = work.millrace("verify", job)
    work.check(status == 1 and "words/order.txt\" is not as it was made" in out,
               "verify finds a changed artefact", status, out)
    os.unlink(os.path.join(job, "artefacts/words/order.txt"))
    status, out, _ = work.millrace("verify", job)
    work.check(status == 1 and "order.txt" in out, "verify misses an artefact that is gone", out)
    shutil.rmtree(job)


def failures(work, same, forms):
    for what, old, new, told in (
            ("a fit that cannot be made", "min_count: 200", "min_count: 900000",
             "stage count_words: no word comes 900000 times"),
            ("a fit without records", "max: 900", "max: -1",
             "no record came to stage count_words of phase words")):
        job = same.job()
        pipeline = forms.pipeline("plain")
        work.write(os.path.basename(pipeline), lib.read_text(pipeline).replace(old, new))
        status, _, err = work.millrace("run", pipeline, "--job", job, "--quiet",
                                       program=lib.MILLRACE_TEST)
        work.check(status == 1 and told in err, what + " fails the run, and says why", status,
                   err)
        work.equal(artefacts(job), {}, what + " leaves nothing behind")
        work.equal(lib.status_of(job).get("state"), "failed", what + ": the state")
        shutil.rmtree(job)


def crashes(work, same, forms):
    """What a stage does to its state is no record's fault: nothing is quarantined."""
    for place in ("save", "merge", "finish"):
        what, job = "a crash in %s()" % place, same.job()
        pipeline = forms.pipeline("plain")
        text = lib.read_text(pipeline).replace("min_count: 200", "crash: " + place)
        work.write(os.path.basename(pipeline), text)
        status, _, err = work.millrace("run", pipeline, "--job", job, "--quiet",
                                       program=lib.MILLRACE_TEST)
        work.check(status == 1 and "an executor died over the state of a fit" in err,
                   what + " fails the run, and says why", status, err)
        status = lib.status_of(job)
        blamed = {reason["reason"] for reason in status.get("reasons", ())
                  if reason["kind"] == "quarantined"}
        work.check(status.get("state") == "failed" and blamed <= {"refused"},
                   what + ": no record is blamed", status)
        shown = [name for name in artefacts(job) if "/." not in name]
        work.equal(shown, [], what + ": there is no artefact")
        shutil.rmtree(job)


def main():
    work = lib.Workplace("fit", 580)
    seed = int(os.environ.get("SEED") or time.time())
    chance = random.Random(seed)
    work.note("SEED=%d" % seed)
    if not os.path.exists(lib.MILLRACE_TEST):
        work.check(False, "there is build/millrace-test (make test-build)")
        work.finish()
    forms, same = Forms(work), Sameness(work)
    ways(work, same, forms)
    commands(work, same, forms)
    failures(work, same, forms)
    crashes(work, same, forms)
    quarantine_and_retry(work, same, forms)
    resume_between_steps(work, same, forms)
    kill_while_merging(work, same, forms, chance, "executor")
    kill_while_merging(work, same, forms, chance, "worker")
    storms(work, same, forms, chance)
    work.finish()


main()
