"""bench_common.py - what the groups of tests/bench/run share: rows, running things, data"""
import argparse
import glob
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
os.chdir(ROOT)
BUILD = os.path.abspath(os.environ.get("MILLRACE_BUILD", "build"))
WORK = os.path.join(BUILD, "bench")
DATA = os.path.join(WORK, "data")
TOOLS = os.path.join(BUILD, "tests/bench")
MILLRACE = os.path.join(ROOT, "millrace")
SHARED = os.environ.get("MILLRACE_SHARED") or os.path.join(ROOT, "../shared/data")
os.environ.update({"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
                   "OMPI_MCA_btl_tcp_if_include": "lo", "OMPI_MCA_oob_tcp_if_include": "lo",
                   "OMPI_MCA_rmaps_base_oversubscribe": "1"})
MARK = b"MILLRACE_BENCH=%d" % os.getpid()  # tells our executors from those of others
os.environ["MILLRACE_BENCH"] = str(os.getpid())
CORES = len(os.sched_getaffinity(0))
median = statistics.median
rows = []
run_options = argparse.Namespace()  # what the command line says


def say(text):
    print(text[:110], flush=True)


class Missing(Exception):
    """A file or a program that a measurement needs is not there: its line says which."""


def shared_file(name):
    path = os.path.join(SHARED, name)
    if not os.path.exists(path):
        raise Missing(f"no {name}: set MILLRACE_SHARED")
    return os.path.abspath(path)


def row(what, value, unit, target=None, holds=None, note=""):
    """A measurement. `target` is a bound like "<= 20"."""
    if target and holds is None:
        bound = float(target.split()[1])
        holds = value <= bound if target.startswith("<=") else value >= bound
    rows.append({"what": what, "value": value, "unit": unit, "target": target,
                 "holds": holds, "note": note})
    mark = "    " if target is None else "yes " if holds else "NO  "
    shown = f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    text = f"{mark}{what:<52}{shown:>7} {unit:<9}"
    say((text + (f" {target:<8}" if target else " " * 9) + f" {note}").rstrip())


def group(name):
    say(f"-- {name} (load {os.getloadavg()[0]:.1f})")


# ---- running things ----

class Finished:
    """A command that has ended: wall and CPU seconds of it and all it waited for."""

    def __init__(self, command, cwd=None):
        began = time.perf_counter()
        with open(os.path.join(WORK, "output.log"), "wb") as log:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                     stderr=log, cwd=cwd)
            _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        self.wall = time.perf_counter() - began
        self.cpu = usage.ru_utime + usage.ru_stime
        if child.returncode != 0:
            with open(os.path.join(WORK, "output.log"), errors="replace") as log:
                sys.exit(f"bench: exit {child.returncode} of {' '.join(command)}\n"
                         + log.read()[-2000:])


def job(pipeline, *options, before=()):
    """Run a pipeline in a job directory of its own, gone when it has ended."""
    folder = os.path.join(WORK, "bench.job")
    shutil.rmtree(folder, ignore_errors=True)
    done = Finished([*before, MILLRACE, "run", pipeline, "--job", folder, "--quiet", *options])
    with open(os.path.join(folder, "status.json"), encoding="utf-8") as file:
        done.status = json.load(file)
    shutil.rmtree(folder, ignore_errors=True)
    return done


def parts(mode, pipeline, file):
    folder = os.path.join(WORK, "parts")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    out = subprocess.run([os.path.join(TOOLS, "bench_parts"), mode, pipeline, file, folder],
                         check=True, capture_output=True, text=True).stdout
    shutil.rmtree(folder, ignore_errors=True)
    return json.loads(out)


def tool(name, *arguments):
    return subprocess.run([os.path.join(TOOLS, name), *arguments], check=True,
                          capture_output=True, text=True).stdout


def pipeline(name, files, kind, size, stages, columns):
    """Write a pipeline over files of DATA; its path."""
    extra = ", text: text, key: id" if kind == "jsonl" else ""
    path = os.path.join(WORK, name + ".yaml")
    with open(path, "w", encoding="utf-8") as out:
        out.write(f"name: {name}\ninput: {{paths: [{files}], format: {kind}{extra}}}\n"
                  f"shard: {{bytes: {size}}}\nstages: [{stages}]\n"
                  f"output: {{columns: [{columns}]}}\n")
    return path


# ---- data ----

def once(name, make):
    """A file below DATA, made once: a cut one is never left under its name."""
    path = os.path.join(DATA, name)
    if not os.path.exists(path):
        say(f"   making {name}")
        make(path + ".partial")
        os.replace(path + ".partial", path)
    return path


def make_plain(path):
    packed = os.path.join(SHARED, "corpus/sample.jsonl.zst")
    if os.path.exists(packed):
        subprocess.run(["zstd", "-q", "-d", "-o", path, packed], check=True)
        return
    files = sorted(glob.glob("data/corpus/*.jsonl"))
    if not files:
        sys.exit("bench: no corpus: set MILLRACE_SHARED, or `make run` first")
    with open(path, "wb") as out:
        for file in files:
            with open(file, "rb") as part:
                shutil.copyfileobj(part, out)


def make_zst(path):
    packed = os.path.join(SHARED, "corpus/sample.jsonl.zst")
    if os.path.exists(packed):
        shutil.copyfile(packed, path)
    else:
        subprocess.run(["zstd", "-q", "-o", path, plain_file()], check=True)


def plain_file():
    return once("sample.jsonl", make_plain)


def zst_file():
    return once("sample.jsonl.zst", make_zst)


def thrice(source, target):
    """Three copies in one file: members and frames follow each other."""
    def make(path):
        with open(path, "wb") as out:
            for _ in range(3):
                with open(source, "rb") as file:
                    shutil.copyfileobj(file, out)
    return once(target, make)


def vocabulary():
    for path in (os.path.join(SHARED, "vocab/tiktoken/cl100k_base.tiktoken"),
                 os.path.join(ROOT, "data/cl100k_base.tiktoken")):
        if os.path.exists(path):
            return os.path.abspath(path)
    return sys.exit("bench: no cl100k_base.tiktoken: set MILLRACE_SHARED, or `make run` first")


def tokenize_pipeline(name, files, size="1MiB"):
    return pipeline(name, files, "jsonl", size,
                    f"tokenize: {{vocabulary: {vocabulary()}, pattern: cl100k}}", "key, tokens")
