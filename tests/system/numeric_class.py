#!/usr/bin/python3
"""numeric_class.py - a job takes only workers that compute floats with the same library"""
# time limit: 240 s
import json
import os
import shutil
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import system_lib as lib

PIPELINE = """name: class
input: {paths: [%s], format: jsonl, text: text, key: id}
shard: {bytes: 4KiB}
stages:
  - %s
output: {columns: [key, text]}
store: {seal: 200ms}
"""
FIRST, OTHER = "sums 1.0 aaaa", "sums 1.1 bbbb"


class Jobs:
    def __init__(self, work):
        self.work, self.count = work, 0
        self.input = json.dumps(work.write("in.jsonl", lib.as_lines(lib.documents(300))))

    def pipeline(self, stage="with_library: {delay_ms: 10}"):
        self.count += 1
        return self.work.write("p%d.yaml" % self.count, PIPELINE % (self.input, stage))

    def environment(self, library):
        made = dict(self.work.environment)
        made.pop("TEST_LIBRARY", None)
        if library:
            made["TEST_LIBRARY"] = library
        return made

    def words(self, pipeline, job, *more):
        return (lib.MILLRACE_TEST, "run", pipeline, "--job", job, "--quiet", "--executors",
                "1") + more

    def run(self, pipeline, job, library, *more):
        return self.work.run(*self.words(pipeline, job, *more), env=self.environment(library))

    def start(self, pipeline, job, library, *more):
        """A run that is under way: something of it is published."""
        child = self.work.start(*self.words(pipeline, job, *more),
                                env=self.environment(library))
        volumes = os.path.join(job, "volumes")
        self.work.check(lib.wait_until(lambda: any(
            name.endswith(".lmdb") for _, _, names in os.walk(volumes) for name in names), 30),
            "a job is under way", lib.read_text(child.log))
        return child

    def worker(self, job, library):
        return self.work.start(lib.MILLRACE_TEST, "worker", "--job", job, "--executors", "1",
                               env=self.environment(library))


def names_both(text):
    return FIRST in text and OTHER in text and "--mixed" in text


def strangers(work, jobs, digest):
    """Workers that come while a job runs."""
    pipeline, job = jobs.pipeline(), work.path("strangers.job")
    child = jobs.start(pipeline, job, FIRST, "--bind", "tcp://127.0.0.1:0")
    other, alike = jobs.worker(job, OTHER), jobs.worker(job, FIRST)
    without = jobs.worker(job, None)
    work.equal(work.wait(other, 20), 2, "a worker with another library is refused with 2")
    said = lib.read_text(other.log)
    work.check(names_both(said), "it is told what the job has and what it has", said)
    work.equal(work.wait(without, 20), 0, "a worker without the library is sent away")
    work.equal(work.wait(child), 0, "the job ends without them")
    work.equal(work.wait(alike, 20), 0, "a worker with the same library ends with the job")
    log = lib.read_text(os.path.join(job, "log", "coordinator.log"))
    work.check("is refused" in log and "cannot go on" in log, "the log tells of both",
               log[-1500:])
    work.check("stage with_library cannot run here" in log, "and of the stage", log[-1500:])
    work.equal(log.count("is refused"), 1, "the one with the same is not refused")
    work.equal(work.digest(job), digest, "with strangers: the same digest")


def resumed(work, jobs, digest, number, what):
    """A job that began with one library goes on with that alone."""
    pipeline, job = jobs.pipeline(), work.path("resumed-%d.job" % number)
    child = jobs.start(pipeline, job, FIRST)
    os.kill(child.pid, number)
    work.wait(child)
    work.nothing_left(what + ": nothing is left")
    status, _, said = jobs.run(pipeline, job, OTHER)
    work.equal(status, 2, what + ": another library is refused with 2")
    work.check(names_both(said), what + ": both are named", said)
    again = work.path("again-%d.job" % number)
    shutil.copytree(job, again)
    work.ran(jobs.run(pipeline, job, FIRST), what + ": goes on with the first one's")
    work.equal(work.digest(job), digest, what + ": the same digest")
    result = jobs.run(pipeline, again, OTHER, "--mixed")
    work.ran(result, what + ": --mixed takes another one's")
    log = lib.read_text(os.path.join(again, "log", "coordinator.log"))
    work.check("results may differ" in log, what + ": --mixed says what it may do", log[-1500:])
    work.verified(again, what)


def main():
    work = lib.Workplace("class", 240)
    jobs = Jobs(work)
    job = work.path("plain.job")
    work.ran(jobs.run(jobs.pipeline("with_library: {}"), job, FIRST), "one library")
    status, _, said = jobs.run(jobs.pipeline(), work.path("without.job"), None)
    work.check(status not in (0, "hung") and "stage with_library cannot run here: the library "
               "of the tests is not installed" in said, "no library: the run says so", status,
               said)
    pipeline, job = jobs.pipeline(), work.path("whole.job")
    work.ran(jobs.run(pipeline, job, FIRST), "a whole run")
    digest = work.digest(job)
    work.check(len(digest) >= 32, "it has a digest", digest)
    other = work.path("other.job")
    work.ran(jobs.run(pipeline, other, OTHER), "a job of its own may have another library")
    strangers(work, jobs, digest)
    resumed(work, jobs, digest, signal.SIGINT, "stopped")
    resumed(work, jobs, digest, signal.SIGKILL, "killed")
    pipeline, job = jobs.pipeline("normalize: {}"), work.path("none.job")
    work.ran(jobs.run(pipeline, job, None), "no stage with a library: none is asked for")
    work.finish()


main()
