"""The command: options, world, scenarios, output, clean-up."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from . import client_side, machine, options as command_line, plan
from .errors import BenchError
from .figures import renew_readme, renew_results
from .report import memory_picture, write_report
from .results import Results, markdown, merged, table
from .scenario import Bench
from .world import Attached, World


def scenarios():
    """Name -> function(bench). Those that start agents are imported here, so that --socket needs no more than the client side."""
    from . import kubernetes, libraries, life, rotation
    return {"fetch": client_side.fetch, "jwt": client_side.jwt, "sds": client_side.sds, "idle": client_side.idle, "push": client_side.push,
            "storm": client_side.storm, "first-svid": life.first_svid, "start": life.start, "rotate": rotation.rotate, "outage": life.outage,
            "k8s": kubernetes.k8s, "density": kubernetes.density, "client": libraries.client}


def describe(spec):
    done = subprocess.run([spec.path, "--version"], capture_output=True, text=True)
    version = (done.stdout + done.stderr).strip().splitlines()
    return {"name": spec.name, "path": str(spec.path), "backend": spec.backend or "its default", "version": version[0] if version else "unknown",
            "environment": {key: value for key, value in spec.environment.items() if key != "STEEPLE_IO_BACKEND"},
            "scenarios": spec.scenarios}


def interrupted(number, _frame):
    raise BenchError(f"ended by {signal.Signals(number).name}")


PACE_LEAST, PACE_MOST = 0.75, 2.0


class Schedule:
    """The scenarios with their rounds. With --minutes the rounds that are left are chosen anew before each scenario, so that the whole ends in time; those whose rounds
    cost most come first, so that what they leave over becomes rounds of the others."""

    def __init__(self, options):
        self.options, self.left = options, [name for name in options.scenario if plan.agents_of(options, name)]
        self.end, self.pace = None, 1.0  # time that scenarios took, to what was expected
        self.took = self.expected = 0.0
        if options.minutes is not None:
            self.end = time.monotonic() + options.minutes * 60
            self.left.sort(key=lambda name: -plan.round_of(options, name))
        self.rounds = self._choose()

    def _choose(self):
        if self.end is None:
            return plan.rounds_of(self.options, self.left)
        return plan.rounds_of(self.options, self.left, (self.end - time.monotonic()) / self.pace)

    def __iter__(self):
        while self.left:
            name, rounds = self.left[0], self._choose()[self.left[0]]
            self.left, begin = self.left[1:], time.monotonic()
            yield name, rounds
            self.took += time.monotonic() - begin
            self.expected += plan.seconds_of(self.options, name, rounds)
            self.pace = min(max(self.took / self.expected, PACE_LEAST), PACE_MOST)


def run_scenarios(bench, schedule):
    functions = scenarios()
    for name, rounds in schedule:
        begin = time.monotonic()
        bench.enter(name, rounds)
        try:
            functions[name](bench)
        finally:
            bench.results.durations.append({"scenario": name, "rounds": rounds, "expected_seconds": round(plan.seconds_of(bench.options, name, rounds)),
                                            "seconds": round(time.monotonic() - begin, 1)})


def run(options, home, schedule):
    """(results, what ended them early or None)"""
    agents = [{"name": "attached", "path": options.socket, "backend": "", "version": "", "environment": {}, "scenarios": None}] if options.socket else [describe(spec) for spec in options.agent]
    results = Results(" ".join(sys.argv), machine.facts(), agents, options.scenario, "attached" if options.socket else "stock" if options.server else "development")
    world = World(options, home)
    try:
        run_scenarios(Bench(options, world, results), schedule)
        return results, None
    except Exception as error:  # whatever it is: what was measured is not lost
        results.partial = str(error) or repr(error)
        return results, BenchError("the tests' harness gave up", str(error)) if isinstance(error, AssertionError) else error
    finally:
        world.stop()
        if sys.stderr.isatty():
            sys.stderr.write("\r\033[K")


def write_all(options, document):
    print(table(document))
    write_report(document, options.html)
    if options.markdown:
        options.markdown.write_text(markdown(document))
    if options.svg:
        options.svg.write_text(memory_picture(document))
    if options.results:
        renew_results(document, options.results)
    if options.readme:
        renew_readme(document, options.readme)
    print(f"\n{', '.join(map(str, options.report or [options.json]))}, {options.html}")


def measure(options, home):
    """Measures and writes what there is, also when something ended it early: then it raises that."""
    schedule = Schedule(options)
    print(plan.text(options, schedule.rounds), file=sys.stderr)
    if options.plan:
        return
    results, error = run(options, home, schedule)
    if results.runs:
        document = results.document()
        options.json.write_text(json.dumps(document, indent=1) + "\n")
        if error:
            print(table(document))
            write_report(document, options.html)
            print(f"\nwhat was finished: {options.json}, {options.html}", file=sys.stderr)
        else:
            write_all(options, document)
    if error:
        raise error


def main():
    options = command_line.parse()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    home = pathlib.Path(tempfile.mkdtemp(prefix="steeple-bench-"))
    os.chmod(home, 0o755)  # other users' calls must reach the sockets
    code = 0
    try:
        if options.report:
            write_all(options, merged([json.loads(path.read_text()) for path in options.report]))
        else:
            measure(options, home)
    except BenchError as error:
        code = 1
        print(f"steeple-bench: {error}", file=sys.stderr)
        if error.log:
            print("last lines of the log:\n" + error.log, file=sys.stderr)
    finally:
        if options.keep:
            print(f"kept: {home}", file=sys.stderr)
        else:
            shutil.rmtree(home, ignore_errors=True)
    return code
