"""The command: options, world, scenarios, output, clean-up."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

from . import client_side, machine, options as command_line
from .errors import BenchError
from .report import memory_picture, write_report
from .results import Results, markdown, table
from .scenario import Bench
from .world import Attached, World


def scenarios():
    """Name -> function(bench). Those that start agents are imported here, so that --socket needs no more than the client side."""
    from . import kubernetes, life
    return {"fetch": client_side.fetch, "jwt": client_side.jwt, "sds": client_side.sds, "idle": client_side.idle, "push": client_side.push,
            "storm": client_side.storm, "first-svid": life.first_svid, "start": life.start, "rotate": life.rotate, "outage": life.outage,
            "k8s": kubernetes.k8s, "density": kubernetes.density}


def describe(spec):
    done = subprocess.run([spec.path, "--version"], capture_output=True, text=True)
    version = (done.stdout + done.stderr).strip().splitlines()
    return {"name": spec.name, "path": str(spec.path), "backend": spec.backend or "its default", "version": version[0] if version else "unknown"}


def interrupted(number, _frame):
    raise BenchError(f"ended by {signal.Signals(number).name}")


def run(options, home):
    agents = [{"name": "attached", "path": options.socket, "backend": "", "version": ""}] if options.socket else [describe(spec) for spec in options.agent]
    results = Results(" ".join(sys.argv), machine.facts(), agents)
    world = World(options, home)
    bench = Bench(options, world, results)
    try:
        for name in options.scenario:
            scenarios()[name](bench)
    finally:
        world.stop()
        if sys.stderr.isatty():
            sys.stderr.write("\r\033[K")
    return results


def main():
    options = command_line.parse()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    home = pathlib.Path(tempfile.mkdtemp(prefix="steeple-bench-"))
    os.chmod(home, 0o755)  # other users' calls must reach the sockets
    code = 0
    try:
        if options.report:
            document = json.loads(options.report.read_text())
        else:
            document = run(options, home).document()
            options.json.write_text(json.dumps(document, indent=1) + "\n")
        print(table(document))
        write_report(document, options.html)
        if options.markdown:
            options.markdown.write_text(markdown(document))
        if options.svg:
            options.svg.write_text(memory_picture(document))
        print(f"\n{options.json if not options.report else options.report}, {options.html}")
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
