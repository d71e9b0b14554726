"""full_disk.py - a full disk is told in plain words, damages nothing, and the job goes on later"""
# time limit: 600 s
import os
import random
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import system_lib as lib

SMALL, LARGE = "24m", "400m"
DOCUMENTS = 2000
PIPELINE = """name: full
input: {paths: [%s], format: %s, text: text%s}
shard: {bytes: 256KiB}
stages:
  - normalize: {form: NFC}
store: {volume: %s, seal: %s}
"""


def write_corpus(work):
    """More than fits, and nothing that zstd could make smaller by much."""
    chance = random.Random(4)
    rows = ({"id": "d%d" % number, "text": "%0*x" % (30000, chance.getrandbits(120000))}
            for number in range(DOCUMENTS))
    content = lib.as_lines(rows)
    work.write("plain/a.jsonl", content)
    work.write("zst/a.jsonl.zst", lib.zstd(content, 1))


def pipeline(work, name, form, volume="2MiB", seal="200ms"):
    return work.write(name + ".yaml", PIPELINE % (
        lib.json.dumps(work.path(form, "*")), "jsonl", ", key: id", volume, seal))


def run_until_full(work, what, path, job, words):
    """The disk is full in the middle: said so, exit 1, and what is there holds."""
    status, _, err = work.millrace("run", path, "--job", job, "--quiet", *words)
    work.equal(status, 1, what + ": exit 1")
    work.check("disk full" in err.lower(), what + ": it says \"disk full\"", err[-1500:])
    state = lib.status_of(job)
    work.note("%s: %s" % (what, err.strip().splitlines()[-1:]))
    work.nothing_left(what + ": no process is left")
    return state


def resume(work, what, path, job, words, want):
    result = work.millrace("run", path, "--job", job, "--quiet", *words)
    work.ran(result, what + ": goes on once there is room")
    state = lib.status_of(job)
    work.check(state.get("state") == "finished" and lib.account_holds(state)
               and state["records"]["emitted"] == DOCUMENTS, what + ": all came out", state)
    work.equal(work.digest(job), want, what + ": the digest of an undisturbed run")
    work.verified(job, what)
    work.nothing_left(what + ": no process is left at the end")


def check_what_is_there(work, what, job):
    """verify may miss shards, not find damage; nothing may crash."""
    status, out, err = work.millrace("verify", job)
    text = out + err
    work.check(status in (0, 1) and "checksum" not in text and "damaged" not in text
               and "corrupt" not in text, what + ": nothing published is damaged",
               "exit %s" % status, text[-1500:])
    work.check(work.millrace("status", job)[0] in (0, 1), what + ": status reads it")


def make_room(work, place):
    lib.subprocess.run(["mount", "-o", "remount,size=" + LARGE, place], check=True)
    work.note("%s has %s now" % (place, LARGE))


def full_job(work, name, form, want, words=()):
    what = "a full job directory, " + name
    place = work.mount("job-" + name, SMALL)
    if not place:
        work.skip(what, "mounting a tmpfs needs root")
        return
    path, job = pipeline(work, name, form), os.path.join(place, "a.job")
    state = run_until_full(work, what, path, job, words)
    work.check(state.get("state") in ("failed", "running"), what + ": it is not finished", state)
    check_what_is_there(work, what, job)
    run_until_full(work, what + ", again", path, job, words)
    check_what_is_there(work, what + ", again", job)
    make_room(work, place)
    resume(work, what, path, job, words, want)


def full_scratch(work, name, form, want, words=()):
    """Volumes too large for the scratch; the job directory has room."""
    what = "a full scratch, " + name
    place = work.mount("scratch-" + name, SMALL)
    if not place:
        work.skip(what, "mounting a tmpfs needs root")
        return
    environment = dict(work.environment, TMPDIR=place)
    work.environment, kept = environment, work.environment
    path, job = pipeline(work, name, form, "256MiB", "60s"), work.path(name + ".job")
    run_until_full(work, what, path, job, words)
    check_what_is_there(work, what, job)
    work.check(not os.listdir(place), what + ": the scratch is left empty", os.listdir(place))
    make_room(work, place)
    resume(work, what, path, job, words, want)
    work.environment = kept
    shutil.rmtree(job)


def full_from_the_start(work, want):
    """Not even room for the job's first files."""
    what = "a disk that was full before"
    place = work.mount("none", "1m")
    if not place:
        work.skip(what, "mounting a tmpfs needs root")
        return
    with open(os.path.join(place, "filler"), "wb", buffering=0) as filler:
        try:
            while filler.write(b"x" * 4096):
                pass
        except OSError:
            pass
    path, job = pipeline(work, "none", "plain"), os.path.join(place, "a.job")
    run_until_full(work, what, path, job, ())
    os.unlink(os.path.join(place, "filler"))
    make_room(work, place)
    resume(work, what, path, job, (), want)


def main():
    work = lib.Workplace("full", 580)
    write_corpus(work)
    digests = {}
    for form in ("plain", "zst"):
        job = work.path("quiet.job")
        work.ran(work.millrace("run", pipeline(work, "quiet", form), "--job", job, "--quiet"),
                 form + ": an undisturbed run")
        digests[form] = work.digest(job)
        shutil.rmtree(job)
    full_job(work, "plain", "plain", digests["plain"])
    full_job(work, "stream", "zst", digests["zst"], ("--workers", "2", "--executors", "2"))
    full_scratch(work, "one", "plain", digests["plain"], ("--executors", "1"))
    full_scratch(work, "two", "zst", digests["zst"], ("--workers", "2", "--executors", "2"))
    full_from_the_start(work, digests["plain"])
    work.finish()


main()
