"""faults.py - disturb a running job, and prove that each disturbance took effect

A Storm runs one pipeline by one transport and strikes at what works on it. A strike stops
its victim first and looks at the memory that executors share with their worker: only when
one is inside a stage, which is leased work that nobody has published, is the victim killed
and the strike counted. Used by tests/system/kills.py and tests/chaos/run.
"""
import signal
import socket
import time

import system_lib as lib

STOPPED = 75


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def stop_all(processes, seconds=2):
    """SIGSTOP them, and wait until they stand still."""
    for process in processes:
        lib.send_signal(process.pid, signal.SIGSTOP)

    def is_still():
        for process in processes:
            try:
                if lib.Process(process.pid).state not in "TtZX":
                    return False
            except OSError:
                continue
        return True
    lib.wait_until(is_still, seconds, 0.001)


def go_on(processes):
    for process in processes:
        lib.send_signal(process.pid, signal.SIGCONT)


def flights(processes):
    """Of the executors among them, what those inside a stage are at."""
    found = []
    for process in processes:
        flight = lib.Flight(process) if process.role() == "executor" else None
        if flight and flight.is_active:
            found.append(flight)
    return found


class Storm:
    """One run of a pipeline, over one transport, with faults."""

    def __init__(self, work, chance, pipeline, job, **way):
        """way: program, transport (ipc, tcp, mpi), workers, executors, words (of run)."""
        self.work, self.chance, self.pipeline, self.job = work, chance, pipeline, job
        self.program = way.get("program", lib.MILLRACE_TEST)
        self.transport = way.get("transport", "ipc")
        self.workers, self.executors = way.get("workers", 3), way.get("executors", 2)
        self.words = list(way.get("words", ()))
        self.endpoint = "tcp://127.0.0.1:%d" % free_port()  # the same in each session
        self.main = None
        self.joined = []
        self.strikes = {}  # kind -> how many took effect
        self.stray = []    # what went wrong on the way
        self.counts = {}   # (session, phases done) -> counts
        self.log = way.get("log", lambda text: None)
        self.began = time.monotonic()

    # ---- running ----

    def start(self):
        common = ["run", self.pipeline, "--job", self.job, "--quiet", *self.words]
        if self.transport == "mpi":
            self.main = self.work.start(
                "mpirun", "--enable-recovery", "-n", self.workers + 1, self.program, *common,
                "--executors", self.executors)
        elif self.transport == "tcp":
            self.main = self.work.start(self.program, *common, "--workers", "0", "--bind",
                                        self.endpoint)
            self.keep_joined()
        else:
            self.main = self.work.start(self.program, *common, "--workers", self.workers,
                                        "--executors", self.executors)

    def keep_joined(self):
        """Over TCP the killed are not started again by anybody else."""
        if self.transport != "tcp":
            return
        self.joined = [child for child in self.joined if child.poll() is None]
        while len(self.joined) < self.workers:
            self.joined.append(self.work.start(self.program, "worker", "--connect",
                                               self.endpoint, "--executors",
                                               self.executors))

    def is_running(self):
        self.count()
        return self.main.poll() is None

    def end(self):
        """Wait for the run's end, and for the workers that joined: the exit status."""
        until = time.monotonic() + lib.PATIENCE
        while self.main.poll() is None and time.monotonic() < until:
            self.count()
            time.sleep(0.02)
        status = self.work.wait(self.main, 0.1)
        self.count()
        for child in self.joined:
            self.work.wait(child, 10)
        self.joined = []
        return status

    def count(self):
        """Take down what status.json says; a session's counts begin at 0."""
        status = lib.status_of(self.job)
        if status:
            done = sum(phase["state"] == "finished" for phase in status["phases"])
            old = self.counts.get((status["session"], done), {})
            self.counts[status["session"], done] = {
                name: max(status[name], old.get(name, 0))
                for name in ("retried", "changed_worker", "speculated")}

    def total(self, name):
        return sum(counts[name] for counts in self.counts.values())

    def struck(self):
        return sum(self.strikes.values())

    def took_effect(self, kind, text):
        self.strikes[kind] = self.strikes.get(kind, 0) + 1
        self.log("%.2f s: %s: %s" % (time.monotonic() - self.began, kind, text))

    # ---- victims ----

    def tree(self):
        return lib.descendants()

    def below(self, pid, tree):
        found, todo = [], [pid]
        while todo:
            parent = todo.pop()
            for process in tree:
                if process.parent == parent:
                    found.append(process)
                    todo.append(process.pid)
        return found

    def coordinator(self, tree):
        return next((process for process in tree if process.role() == "coordinator"), None)

    def pick(self, roles):
        """One process of these roles, and all below it."""
        tree = self.tree()
        choice = [process for process in tree if process.role() in roles]
        if not choice:
            return None, []
        victim = self.chance.choice(choice)
        return victim, self.below(victim.pid, tree)

    # ---- strikes: True when it took effect ----

    def kill_executor(self):
        victim, _ = self.pick(("executor",))
        if not victim:
            return False
        stop_all([victim])
        active = flights([victim])
        if active:
            lib.send_signal(victim.pid, signal.SIGKILL)
            self.took_effect("executor killed", "process %d in %s" % (victim.pid, active[0]))
        else:
            go_on([victim])
        return bool(active)

    def kill_worker(self):
        victim, below = self.pick(("worker", "rank"))
        if not victim:
            return False
        stop_all([victim] + below)
        active = flights(below)
        if not active:
            go_on(below + [victim])
            return False
        lib.send_signal(victim.pid, signal.SIGKILL)
        self.took_effect("worker killed", "process %d with %s" %
                         (victim.pid, ", ".join(map(str, active))))
        self.gone("executors of a killed worker", below)
        self.keep_joined()
        return True

    def pause_worker(self, seconds):
        """Silent for longer than the coordinator bears, and then there again."""
        victim, below = self.pick(("worker", "rank"))
        if not victim:
            return False
        stop_all([victim] + below)
        active = flights(below)
        if active:
            until = time.monotonic() + seconds
            while time.monotonic() < until and self.is_running():
                time.sleep(0.02)
            self.took_effect("worker paused", "process %d with %s" %
                             (victim.pid, ", ".join(map(str, active))))
        go_on(below + [victim])
        return bool(active)

    def kill_coordinator(self):
        """And everything that it had started must be gone within 3 s."""
        tree = self.tree()
        victim = self.coordinator(tree)
        if not victim or self.main.poll() is not None:
            return False
        everybody = [process for process in tree if process.role() in ("worker", "executor",
                                                                       "rank")]
        stop_all([victim])
        active = flights(everybody)
        status = lib.status_of(self.job)
        if not active or status.get("state") != "running":
            go_on([victim])
            return False
        lib.send_signal(victim.pid, signal.SIGKILL)
        self.took_effect("coordinator killed", "process %d with %s" %
                         (victim.pid, ", ".join(map(str, active))))
        self.main.wait(lib.PATIENCE)
        if self.transport == "ipc":
            self.gone("processes of a killed coordinator", everybody)
        return True

    def terminate(self):
        """SIGTERM: the run stops early, and says so."""
        tree = self.tree()
        victim = self.coordinator(tree)
        active = flights(tree)
        if not victim or not active or self.main.poll() is not None:
            return False
        lib.send_signal(victim.pid, signal.SIGTERM)
        status = self.work.wait(self.main)
        state = lib.status_of(self.job).get("state")
        if status == 0 and state == "finished":
            return False  # it came too late
        # With --enable-recovery mpirun returns 0 whatever happens.
        if state != "stopped" or (self.transport != "mpi" and status != STOPPED):
            self.stray.append("after SIGTERM: exit %s, state %s" % (status, state))
        self.took_effect("terminated", "%s" % ", ".join(map(str, active)))
        return True

    def second_coordinator(self):
        """One more for the same job is refused and disturbs nothing."""
        if not self.is_running() or lib.status_of(self.job).get("state") != "running":
            return False
        status, _, err = self.work.millrace("run", self.pipeline, "--job", self.job, "--quiet",
                                            *self.words, program=self.program)
        if not self.is_running():
            return False  # it may have come after the first one's end
        if status in (0, STOPPED, "hung") or not err.strip():
            self.stray.append("a second coordinator: exit %s: %s" % (status, err))
        self.took_effect("second coordinator", "refused: " + err.strip()[-120:])
        return True

    def gone(self, what, processes, seconds=3):
        def left():
            self.work.reap()
            numbers = {process.pid: process.words for process in self.tree()}
            return [process for process in processes
                    if numbers.get(process.pid) == process.words]
        if not lib.wait_until(lambda: not left(), seconds):
            self.stray.append("%s still there after %d s: %s" %
                              (what, seconds, "; ".join(map(str, left()))))
