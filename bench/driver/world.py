"""Server, agents, entries and the load generator of a measurement; everything that is started is ended again, by its pid."""
import contextlib
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import time

from . import rpcs
from .errors import BenchError, NotServed
from .machine import Meter, cpu_seconds, cpus
from .options import ROOT

SERVER_STOP_SECONDS = 30
LOAD_PATIENCE = 180  # seconds beyond its own limits that a generator may take


def import_harness(options):
    """The end-to-end suites' harness knows how to run servers and agents; it reads the environment when it is imported."""
    os.environ["STEEPLE_BIN"] = str(options.bin)
    sys.path.insert(0, str(ROOT / "tests/e2e"))
    import harness
    import kubelet
    return harness, kubelet


def on_cpu(number):
    def pin():
        os.sched_setaffinity(0, {number})
    return pin


def flags_of(**settings):
    out = []
    for key, value in settings.items():
        if value is True:
            out.append("--" + key.replace("_", "-"))
        elif value is not None and value is not False:
            out += ["--" + key.replace("_", "-"), str(value)]
    return out


class Attached:
    """An agent that somebody else runs."""

    def __init__(self, options):
        self.name, self.socket, self.pid = "attached", options.socket, options.pid

    def log(self):
        return ""

    def wait_for_end(self, seconds):
        pass

    def check(self):
        if self.pid and cpu_seconds(self.pid) is None:
            raise BenchError(f"no process {self.pid}")

    def stop(self):
        pass


class StartedAgent:
    """An agent of ours, through the harness."""

    def __init__(self, spec, agent):
        self.name, self.spec, self.agent = spec.name, spec, agent
        self.first_svid_seconds = None
        self.server_id = None  # whom the server knows it by, once it has a token

    socket = property(lambda self: self.agent.socket)
    pid = property(lambda self: self.agent.process.pid)

    def log(self):
        path = self.agent.home / "agent.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def wait_for_end(self, seconds):
        end = time.monotonic() + seconds
        while self.agent.process and self.agent.process.running() and time.monotonic() < end:
            time.sleep(0.05)

    def check(self):
        if self.agent.process and not self.agent.process.running():
            raise BenchError(f"{self.name} died, exit code {self.agent.process.child.returncode}", self.log())

    def children(self):
        with contextlib.suppress(OSError):
            return [int(pid) for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir() for pid in task.joinpath("children").read_text().split()]
        return []

    def check_children(self):
        """An agent's CPU is that of one process."""
        if self.children():
            raise BenchError(f"{self.name} has child processes, whose CPU would not be counted", self.log())

    def stop(self, how=signal.SIGTERM):
        children = self.children() if self.agent.process else []
        try:
            self.agent.stop(how, seconds=40)
        except AssertionError as error:
            raise BenchError(f"{self.name} did not stop", str(error)) from None
        finally:
            for pid in children:  # of a script, which leaves them behind
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


class World:
    def __init__(self, options, home):
        self.options, self.home = options, pathlib.Path(home)
        self.harness, self.kubelet = import_harness(options)
        self.agent_cpu, self.other_cpu = cpus()
        self.server = None
        self.server_held = False
        self.telemetry_port = 0
        self.agents = []  # those that run
        self.entries = 0
        self.count = 0
        self.other_pids = set()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # the agents inherit it, alike
        os.sched_setaffinity(0, {self.other_cpu})

    # Server and entries.
    def start_server(self, **settings):
        self.telemetry_port = self.harness.free_port()
        settings["blocks"] = rpcs.telemetry_block(self.telemetry_port)
        server = self.harness.Server(self.home / f"server-{self.count}", "stock" if self.options.server else "steeple", **settings) if not self.options.server else \
            self._stock_server(settings)
        self.count += 1
        try:
            server.start()
        except AssertionError as error:
            raise BenchError("the server does not start", str(error)) from None
        self.server = server
        self.entries = 0
        return server

    def _stock_server(self, settings):
        self.harness.STOCK = self.options.server.parent
        server = self.harness.Server(self.home / f"server-{self.count}", "stock", **settings)
        server.program = self.options.server
        return server

    def stop_server(self, how=signal.SIGTERM):
        self.end_server_process(how)
        self.server = None

    def end_server_process(self, how=signal.SIGTERM):
        """One that does not end in time is killed: whatever it was still busy with is not measured."""
        if self.server and self.server.process:
            self.release_server()
            try:
                self.server.process.stop(how, SERVER_STOP_SECONDS)
            except AssertionError as error:
                print(f"steeple-bench: the server was killed: {str(error).splitlines()[0]}", file=sys.stderr)
            self.server.process = None

    def server_calls(self):
        """What agents have asked the server for so far; None where there is no server of ours, or it does not answer."""
        return rpcs.read(self.telemetry_port) if self.server and self.server.process and not self.server_held else None

    def hold_server(self):
        """It stops answering, and keeps its connections."""
        self.server_held = True
        self.server.process.child.send_signal(signal.SIGSTOP)

    def release_server(self):
        if self.server_held:
            self.server.process.child.send_signal(signal.SIGCONT)
        self.server_held = False

    def restart_server(self):
        """The same server, on its port and its data."""
        self.server.start()

    def command(self, *arguments):
        try:
            return self.server.command(*arguments).stdout
        except AssertionError as error:
            raise BenchError("a server command failed", str(error)) from None

    def add_entries(self, entries):
        self._write_entries("entry create", entries)
        self.entries += len(entries)

    def update_entries(self, entries):
        """Those with these `entry_id`s."""
        self._write_entries("entry update", entries)

    def _write_entries(self, command, entries):
        """Entries as the JSON of `-data`, in batches."""
        for first in range(0, len(entries), 250):
            path = self.home / "entries.json"
            path.write_text(json.dumps({"entries": entries[first:first + 250]}))
            self.command(command, "-data", path)

    def entry(self, name, *selectors, **extra):
        return {"spiffe_id": f"spiffe://{self.harness.TRUST_DOMAIN}/{name}", "parent_id": self.harness.NODE_ALIAS,
                "selectors": [{"type": selector.split(":")[0], "value": selector.split(":", 1)[1]} for selector in selectors], **extra}

    def fill_entries(self, total, extra_selectors=0):
        """This process' identity, and as many entries of others as make `total`."""
        wanted = []
        if self.entries == 0:
            wanted.append(self.entry("bench", f"unix:uid:{os.getuid()}"))
        for number in range(self.entries + len(wanted), total):
            selectors = [f"unix:uid:{4_000_000 + number}", *(f"unix:supplementary_gid:{5_000_000 + number * 4 + k}" for k in range(extra_selectors))]
            wanted.append(self.entry(f"other/{number}", *selectors))
        self.add_entries(wanted)

    # Agents.
    def configure_agent(self, spec, **settings):
        self.count += 1
        agent = self.harness.Agent(self.home / f"agent-{self.count}", self.server, "steeple", **{"log_level": "INFO", "experimental": "", **settings})
        agent.program = spec.path
        return StartedAgent(spec, agent)

    def join_token(self, started):
        """A join token for an agent, whom the server knows by it."""
        token = self.server.token()
        started.server_id = f"spiffe://{self.harness.TRUST_DOMAIN}/spire/agent/join_token/{token}"
        return token

    def launch(self, started, *flags):
        try:
            started.agent.launch(*flags, environment=started.spec.environment, preexec_fn=on_cpu(self.agent_cpu))
            self.agents.append(started)
            self.harness.wait_until(started.agent.healthy, 60, f"{started.name} does not come up")
        except (AssertionError, OSError) as error:
            raise BenchError(f"{started.name} does not start: {str(error).splitlines()[0]}", started.log()) from None
        return started

    def start_agent(self, spec, cgroup=None, patience=60, **settings):
        """A new agent with an empty data_dir, attested by join token, with this process' (or the cgroup's) identity served and the signing over."""
        started = self.configure_agent(spec, **settings)
        token, begin = self.join_token(started), time.monotonic()
        self.launch(started, "-joinToken", token)
        self.load(started, "await", limit=patience, every=0.02, cgroup=cgroup)
        started.first_svid_seconds = time.monotonic() - begin
        self.settle(started, max(patience, 60))
        started.check_children()
        return started

    def stop_agent(self, started, how=signal.SIGTERM):
        if started in self.agents:
            self.agents.remove(started)
        started.stop(how)

    def settle(self, started, seconds=120):
        """Waits until the agent has been quiet for a second (--quick: half of it)."""
        end, quiet, wanted = time.monotonic() + seconds, 0, 2 if self.options.quick else 4
        while quiet < wanted:
            before = cpu_seconds(started.pid)
            time.sleep(0.25)
            started.check()
            quiet = quiet + 1 if (cpu_seconds(started.pid) or 0) - before < 0.01 else 0
            if time.monotonic() > end:
                raise NotServed(started.name, f"does not come to rest in {seconds:g} s", started.log())

    # The generator.
    def generator(self, started, mode, uid=None, cgroup=None, command=None, **settings):
        """Starts steeple-load against an agent, on the other CPU. `command`: the agent that it is to start itself."""
        if command is None:
            settings["pid"] = started.pid or None
        starting = ["--", *command] if command else []
        command = [self.options.bin / "steeple-load", mode, "--socket", started.socket, *flags_of(**settings), *starting]
        command = ["taskset", "-c", self.other_cpu, *command]
        if cgroup is not None:
            command = ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', cgroup, *command]
        environment = {**os.environ, **started.spec.environment} if starting else None
        identity = {"user": uid, "group": uid, "extra_groups": []} if uid is not None else {}
        return subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=environment, **identity)

    def finish(self, started, child, timeout=LOAD_PATIENCE):
        """The generator's last line, as JSON; its failure is the bench's end."""
        try:
            out, err = child.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            raise BenchError(f"{started.name}: the load generator does not end", started.log()) from None
        if child.returncode != 0:
            started.wait_for_end(1)  # an agent that is dying says why in its last lines
        started.check()
        lines = out.strip().splitlines()
        if child.returncode != 0:
            if lines and (reason := json.loads(lines[-1]).get("not_served")):
                raise NotServed(started.name, reason, started.log())
            raise BenchError(f"{started.name}: {err.strip()}", started.log())
        return json.loads(lines[-1])

    def load(self, started, mode, **settings):
        return self.finish(started, self.generator(started, mode, **settings), LOAD_PATIENCE + settings.get("limit", 30))

    def meter(self):
        pids = {agent.pid for agent in self.agents} | self.other_pids
        if self.server and self.server.process:
            pids.add(self.server.process.pid)
        return Meter().begin(pids)

    def stop(self):
        """Everything, newest first; goes on when one of them makes trouble."""
        for started in reversed(self.agents):
            try:
                started.stop()
            except BenchError as error:
                print(f"steeple-bench: {error}", file=sys.stderr)
        self.agents = []
        self.stop_server()
