"""The headlines with real client libraries: the programs of tests/clients, where they are built."""
import json
import os
import statistics
import subprocess
import time

from .client_side import ForeignBundle, federated_entry, running_agents
from .errors import BenchError
from .machine import cpu_seconds
from .options import LIBRARIES
from .results import LATENCY, Column

CALLS = [*LATENCY[:3], Column("per_second", "calls/s", 1, 0), Column("agent_cpu_us_per_op", "agent CPU us/op"), Column("client_cpu_us_per_op", "library's CPU us/op")]
PUSH = [Column("first_to_last_ms", "first to last ms"), Column("client_cpu_us_per_op", "library's CPU us/stream")]


class Library:
    """A client program that is warm and waits."""

    def __init__(self, world, agent, program, *arguments):
        self.agent = agent
        self.child = subprocess.Popen(["taskset", "-c", str(world.other_cpu), program, "measure", *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True, env={**os.environ, "SPIFFE_ENDPOINT_SOCKET": f"unix://{agent.socket}"})
        try:
            self.name = self.line()["library"]
        except BenchError:
            self.end()
            raise

    def line(self):
        text = self.child.stdout.readline()
        answer = json.loads(text) if text else {"error": self.child.stderr.read()}
        if "error" in answer:
            raise BenchError(f"{self.agent.name}: the client library: {answer['error'].strip()}", self.agent.log())
        return answer

    def go(self):
        self.child.stdin.write("go\n")
        self.child.stdin.flush()

    def end(self):
        try:
            self.child.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.communicate()


def latencies(nanoseconds):
    """As the generator reports them."""
    ordered = sorted(nanoseconds)

    def at(part):
        return ordered[max(-(-len(ordered) * part // 1000), 1) - 1] / 1e3
    buckets = {}
    for value in ordered:
        shift = max(value.bit_length() - 5, 0)
        end = ((value >> shift) + 1) << shift
        buckets[end / 1e3] = buckets.get(end / 1e3, 0) + 1
    return {"count": len(ordered), "histogram_us": list(map(list, buckets.items())),
            "latency_us": {"p50": at(500), "p90": at(900), "p99": at(990), "p999": at(999), "max": at(1000), "mean": statistics.fmean(ordered) / 1e3}}


def calls(world, agent, library):
    before = cpu_seconds(agent.pid)
    library.go()
    answer = library.line()
    spent = cpu_seconds(agent.pid) - before
    library.end()
    agent.check()
    figures = latencies(answer["latencies_ns"])
    return {**figures, "seconds": answer["seconds"], "per_second": figures["count"] / answer["seconds"], "agent_cpu_s": spent,
            "agent_cpu_us_per_op": spent * 1e6 / figures["count"], "client_cpu_us_per_op": answer["cpu_s"] * 1e6 / figures["count"]}


def delivery(library, foreign):
    library.go()
    foreign.change()
    answer = library.line()
    library.end()
    arrivals = sorted(answer["arrivals_ns"])
    curve = [[round((when - arrivals[0]) / 1e6, 3), place + 1] for place, when in enumerate(arrivals)]
    return {"streams": len(arrivals), "delivery_ms": curve, "first_to_last_ms": curve[-1][0], "client_cpu_us_per_op": answer["cpu_s"] * 1e6 / len(arrivals)}


def client(bench):
    """Each library with each agent, in turns."""
    programs = {language: LIBRARIES[language] for language in bench.options.libraries}
    if missing := [language for language in LIBRARIES if language not in programs]:
        note = f"client: not measured with {', '.join(missing)}: not built; tests/clients/prepare {' '.join(missing)} builds what is missing"
        bench.results.notes.append(note)
        bench.progress(note)
    if not programs:
        return
    options, world = bench.options, bench.world
    kinds = [("an X.509-SVID, a new connection each", ("fetch", options.seconds)), ("a JWT-SVID from the cache, one connection", ("jwt", options.seconds, options.audience))]
    settings = {"experimental": 'sync_interval = "1s"'} if options.quick else {}
    with running_agents(bench, **settings) as agents:
        for _, agent in bench.turns(agents):
            for program in programs.values():
                for what, arguments in kinds:
                    library = Library(world, agent, program, *arguments)
                    bench.record("client", f"{library.name}: {what}", agent, CALLS, lambda: calls(world, agent, library))
        foreign = ForeignBundle(world)
        world.add_entries([federated_entry(world)])
        time.sleep(2 if options.quick else 8)  # a sync of every agent
        for agent in agents:
            world.settle(agent)
        for _, agent in bench.turns(agents):
            for program in programs.values():
                library = Library(world, agent, program, "watch", options.client_streams)
                bench.record("client", f"{library.name}: a bundle change to {options.client_streams} streams of as many connections", agent, PUSH,
                             lambda: delivery(library, foreign))
