"""system_lib.py - what the system tests in Python share: TAP, processes, corpora, jobs

A test makes a Workplace, calls its checks and ends with finish(). Everything it starts has
its scratch below the workplace's folder and stays its descendant, orphans included, so that
finish() and nothing_left() can say whether a process outlived its job.
"""
import atexit
import base64
import ctypes
import gzip
import json
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zlib

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, os.environ.get("MILLRACE_BUILD", "build"))
MILLRACE = os.environ.get("MILLRACE", os.path.join(ROOT, "millrace"))
MILLRACE_TEST = os.environ.get("MILLRACE_TEST", os.path.join(BUILD, "millrace-test"))
PR_SET_CHILD_SUBREAPER = 36
PATIENCE = 180  # seconds that one command may take on a busy machine
MPI = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
       "OMPI_MCA_btl_tcp_if_include": "lo", "OMPI_MCA_oob_tcp_if_include": "lo",
       "OMPI_MCA_rmaps_base_oversubscribe": "1"}


def shared_data():
    """The shared data's folder, or None."""
    folder = os.environ.get("MILLRACE_SHARED") or os.path.join(ROOT, "..", "shared", "data")
    return os.path.abspath(folder) if os.path.isdir(folder) else None


def real_vocabulary():
    """A published cl100k vocabulary, of a `make run` or of the shared data, or None."""
    places = [os.path.join(ROOT, "data", "cl100k_base.tiktoken")]
    if shared_data():
        places.append(os.path.join(shared_data(), "vocab/tiktoken/cl100k_base.tiktoken"))
    return next((place for place in places if os.path.exists(place)), None)


def onnx_library():
    """ONNX Runtime's library, as stages find it, or None."""
    path = os.environ.get("MILLRACE_ONNXRUNTIME") or os.path.join(
        ROOT, "data/libonnxruntime.so.1")
    return path if os.path.exists(path) else None


# ---- processes ----

class Process:
    """One living process, as /proc tells."""

    def __init__(self, pid):
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as file:
            self.state, parent = file.read().rsplit(")", 1)[1].split()[:2]
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            self.words = file.read().decode("utf-8", "replace").split("\0")[:-1]
        self.pid, self.parent = pid, int(parent)

    def role(self):
        """coordinator, worker, executor, rank (under MPI, any but the first), or other."""
        name = os.path.basename(self.words[0]) if self.words else ""
        if name in ("mpirun", "orterun", "orted"):
            return "launcher"
        if not name.startswith("millrace") or len(self.words) < 2:
            return "other"
        if self.words[1] == "--executor":
            return "executor"
        if self.words[1] == "worker":
            return "worker"
        if self.words[1] in ("run", "retry"):
            return "rank" if rank_of(self.pid) > 0 else "coordinator"
        return "other"

    def __str__(self):
        return "%d (%s): %s" % (self.pid, self.state, " ".join(self.words)[:120])


def rank_of(pid):
    """The MPI rank of a process; 0 without one."""
    try:
        with open("/proc/%d/environ" % pid, "rb") as file:
            found = re.search(rb"(?:^|\0)OMPI_COMM_WORLD_RANK=(\d+)", file.read())
    except OSError:
        return 0
    return int(found.group(1)) if found else 0


def descendants(top=None):
    """Living processes below `top` (this process), remains left out."""
    known = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            process = Process(int(entry))
        except (OSError, ValueError, IndexError):
            continue
        known.setdefault(process.parent, []).append(process)
    found, todo = [], [top or os.getpid()]
    while todo:
        for process in known.get(todo.pop(), []):
            todo.append(process.pid)
            if process.state not in "ZX":
                found.append(process)
    return found


class Flight:
    """What an executor is at: the memory that it shares with its worker (struct flight)."""

    def __init__(self, process):
        self.is_active, self.shard, self.ordinal, self.count = False, 0, 0, 0
        try:
            # The worker keeps the memory file open under the number that it handed down.
            with open("/proc/%d/fd/%s" % (process.parent, process.words[3]), "rb") as file:
                fields = struct.unpack("<QQIIIIQQ", file.read(48))
        except (OSError, IndexError, struct.error):
            return  # gone, or not begun
        self.is_active = bool(fields[2])
        self.shard, self.ordinal, self.count = fields[1], fields[4], fields[5]

    def __str__(self):
        return "shard %d.%d, records %d-%d" % (self.shard >> 32, self.shard & 0xFFFFFFFF,
                                               self.ordinal, self.ordinal + self.count)


def send_signal(pid, number):
    try:
        os.kill(pid, number)
        return True
    except ProcessLookupError:
        return False


def wait_until(condition, seconds, pause=0.01):
    """True as soon as the condition holds, False when it did not for so long."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(pause)
    return True


# ---- a test ----

class Workplace:
    """A private folder, the count of what passed, and all that was started."""

    def __init__(self, name, time_limit):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.folder = tempfile.mkdtemp(prefix="millrace-%s-" % name)
        self.scratch = self.path("tmp")
        os.mkdir(self.scratch)
        self.count = self.failed = 0
        self.started = []
        self.mounts = []
        self.environment = dict(os.environ, TMPDIR=self.scratch, LC_ALL="C.UTF-8", **MPI)
        for name_ in ("MILLRACE_SCRATCH", "SLURM_TMPDIR"):
            self.environment.pop(name_, None)
        atexit.register(self.clean_up)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
            signal.signal(number, self.give_up)
        signal.alarm(time_limit)

    def give_up(self, number, _frame):
        print("Bail out! %s" % signal.Signals(number).name, flush=True)
        sys.exit(1)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def write(self, name, content):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        return path

    def clean_up(self):
        self.end_all()
        for mount in self.mounts:
            subprocess.run(["umount", "-l", mount], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def mount(self, name, size):
        """A tmpfs of that size, or None where mounting is not allowed."""
        path = self.path(name)
        os.makedirs(path, exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=" + size, "tmpfs", path],
                              capture_output=True, check=False)
        if done.returncode != 0:
            return None
        self.mounts.append(path)
        return path

    # ---- what passed ----

    def check(self, holds, what, *details):
        self.count += 1
        if not holds:
            self.failed += 1
        print("%s %d - %s" % ("ok" if holds else "not ok", self.count, what), flush=True)
        if not holds:
            self.note(*details)
        return bool(holds)

    def equal(self, got, want, what):
        return self.check(got == want, what, "got:  %.600s" % (got,), "want: %.600s" % (want,))

    def skip(self, what, why):
        self.count += 1
        print("ok %d - %s # SKIP %s" % (self.count, what, why), flush=True)

    def note(self, *texts):
        for text in texts:
            for line in str(text).splitlines():
                print("# " + line, flush=True)

    def finish(self):
        self.nothing_left("nothing outlives the test")
        print("1..%d" % self.count, flush=True)
        sys.exit(1 if self.failed else 0)

    # ---- processes ----

    def start(self, *words, **options):
        """Start a program, output into files; .log is what it said on standard error."""
        options.setdefault("env", self.environment)
        options.setdefault("cwd", self.folder)
        number = len(self.started)
        with open(self.path("out.%d" % number), "wb") as out, \
                open(self.path("err.%d" % number), "wb") as err:
            child = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL,
                                     stdout=out, stderr=err, **options)
        child.out, child.log = out.name, err.name
        self.started.append(child)
        return child

    def wait(self, child, seconds=PATIENCE):
        """Its exit status; "hung" when it had to be killed."""
        try:
            return child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.end_all()
            return "hung"

    def run(self, *words, **options):
        """Run to the end: (exit status, standard output, standard error)."""
        seconds = options.pop("seconds", PATIENCE)
        child = self.start(*words, **options)
        status = self.wait(child, seconds)
        result = status, read_text(child.out), read_text(child.log)
        os.unlink(child.out)
        os.unlink(child.log)
        return result

    def reap(self):
        """Take the remains of orphans that came to us."""
        own = {child.pid for child in self.started if child.returncode is None}
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                process = Process(int(entry))
                if process.parent == os.getpid() and process.state == "Z" \
                        and process.pid not in own:
                    os.waitpid(process.pid, os.WNOHANG)
            except (OSError, ValueError, IndexError):
                continue
        for child in self.started:
            child.poll()

    def end_all(self):
        """Kill everything below us."""
        until = time.monotonic() + 10
        while descendants() and time.monotonic() < until:
            for process in descendants():
                send_signal(process.pid, signal.SIGKILL)
            time.sleep(0.02)
            self.reap()

    def nothing_left(self, what, seconds=3):
        """Is everything that we started gone within so many seconds? The rest is killed."""
        def is_gone():
            self.reap()
            return not descendants()
        self.check(wait_until(is_gone, seconds), what, *map(str, descendants()))
        self.end_all()

    # ---- millrace ----

    def millrace(self, *words, **options):
        return self.run(options.pop("program", MILLRACE), *words, **options)

    def text(self, command, job, *words):
        """What a reading command prints; its complaint when it fails."""
        status, out, err = self.millrace(command, job, *words)
        return out if status == 0 else "exit %s: %s%s" % (status, out[-600:], err[-600:])

    def digest(self, job, *words):
        return self.text("digest", job, *words).strip()

    def records(self, job, *words):
        return [json.loads(line) for line in self.text("show", job, *words).splitlines()]

    def rejects(self, job, *words):
        return self.records(job, "--rejects", *words)

    def verified(self, job, what):
        status, out, err = self.millrace("verify", job)
        return self.check(status == 0, what + ": verify holds", "exit %s" % status,
                          out[-1500:], err[-1500:])

    def ran(self, result, what, want=0):
        """Did a run end as it should?"""
        status, _, err = result
        return self.check(status == want, what, "exit %s, not %s" % (status, want), err[-2000:])


def read_text(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def status_of(job):
    """The job's status.json; {} while there is none."""
    try:
        with open(os.path.join(job, "status.json"), encoding="utf-8") as file:
            return json.load(file)
    except (FileNotFoundError, NotADirectoryError):
        return {}


def account_holds(status):
    """The law of accounts, in records and in bytes."""
    records, amounts = status.get("records", {}), status.get("bytes", {})
    if not records or not amounts:
        return False
    made = status.get("made", {})
    if made and made["made"] != (made["merged"] + made["emitted"] + made["dropped"]
                                 + made["quarantined"]):
        return False
    return (records["read"] == records["emitted"] + records["dropped"] + records["quarantined"]
            and amounts["read"] == amounts["emitted"] + amounts["dropped"]
            + amounts["quarantined"] + amounts["separators"])


# ---- input ----

WORDS = ("the quick brown fox jumps over lazy dogs|der schnelle braune Fuchs springt|"
         "le renard brun saute par-dessus un chien|быстрая коричневая лиса прыгает|"
         "素早い茶色の狐が怠け者の犬を|빠른 갈색 여우가 게으른 개를|سريع ثعلب بني يقفز|"
         "e\u0301te\u0301 a\u0300 Å ﬁn \u00a0 1.234,56 \U0001f98a\U0001f9d1\u200d\U0001f680")


def documents(count, seed=1):
    """So many documents of several scripts and lengths."""
    chance = random.Random(seed)
    languages = [group.split() for group in WORDS.split("|")]
    for number in range(count):
        words = chance.choice(languages)
        length = int(chance.paretovariate(1.1) * 8) % 2000
        text = " ".join(chance.choice(words) + chance.choice(("", "", ".", ", ", "\n\n", "1"))
                        for _ in range(length))
        yield {"id": "d%d" % number, "lang": "l%d" % (number % 7), "text": text,
               "n": number * 31 % 1009}


def as_lines(rows):
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def zstd(content, level=3):
    """One frame; `zstd` is a program that the tests need anyway."""
    return subprocess.run(["zstd", "-qc", "-%d" % level], input=content, check=True,
                          stdout=subprocess.PIPE).stdout


def gzip_bytes(content):
    return gzip.compress(content, 6, mtime=0)


def png_chunk(name, data):
    return (struct.pack(">I", len(data)) + name + data
            + struct.pack(">I", zlib.crc32(name + data)))


def png(width, height, seed=0, rows=None):
    """A picture of boxes; `rows`: so many are there, the rest is lost."""
    lines = bytearray()
    for y in range(height if rows is None else rows):
        lines.append(0)
        for x in range(width):
            box = (x * 7 // width * 31 + y * 5 // height * 17 + seed * 13) % 11
            lines += bytes((box * 23, 255 - x * 255 // width, y * 255 // height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header)
            + png_chunk(b"IDAT", zlib.compress(bytes(lines))) + png_chunk(b"IEND", b""))


def vocabulary(merges=("he", "in", "er", " t", " d", "ou", "on", " the", "ra", "un", "st")):
    """A .tiktoken file of all bytes and a few merges: nothing from outside is needed."""
    tokens = [bytes([value]) for value in range(256)] + [merge.encode() for merge in merges]
    return b"".join(b"%s %d\n" % (base64.b64encode(token), rank)
                    for rank, token in enumerate(tokens))
