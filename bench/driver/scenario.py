"""What scenarios share: the order of runs, the record of a run."""
import sys
import time

from . import rpcs
from .errors import BenchError
from .results import Column


SYNC_INTERVAL = 5  # seconds, of the agents


class Bench:
    """A world, the results, and for each scenario its agents and rounds."""

    def __init__(self, options, world, results):
        self.options, self.world, self.results = options, world, results
        self.done = 0
        self.agents, self.rounds = options.agent, 1

    def enter(self, name, rounds):
        self.agents = [agent for agent in self.options.agent if agent.scenarios is None or name in agent.scenarios]
        self.rounds = rounds

    def turns(self, agents):
        """(round, agent): A B C, C B A, A B C, ..."""
        for number in range(self.rounds):
            for agent in agents if number % 2 == 0 else reversed(agents):
                yield number, agent

    def samples(self):
        """How many new workloads each round has."""
        return max(self.options.samples // self.rounds, 1)

    def record(self, scenario, variant, name, columns, measure, show_rpcs=False, complete=None):
        """Runs `measure`, which returns figures, and keeps them with what else the machine did and what the server was asked for; `complete` adds figures that
        follow from all that."""
        self.progress(f"{scenario}: {variant}: {name}")
        before = self.world.server_calls()
        meter = self.world.meter()
        figures = measure()
        spent = meter.end()
        after = self.world.server_calls()
        if before is not None and after is not None:
            figures["server_rpcs"], figures["server_ms_per_rpc"] = rpcs.difference(before, after)
        if complete:
            complete(figures)
        shown = [Column(f"server_rpcs.{method}", f"RPCs {method}", 1, 0) for method in figures.get("server_rpcs", {})] if show_rpcs else []
        self.results.add(scenario, variant, name, columns, figures, spent, shown)
        self.done += 1
        return figures

    def wait_for_signing(self, seconds=120):
        """Until a whole interval of synchronisation has passed in which no agent asked for a signature: a quiet moment between two batches is not rest."""
        end, pause = time.monotonic() + seconds, 2 if self.options.quick else SYNC_INTERVAL + 1
        signed = None
        while time.monotonic() < end:
            newest = self.world.server_calls().get("BatchNewX509SVID", [0, 0])[0]
            if newest == signed:
                return
            signed = newest
            time.sleep(pause)
        raise BenchError(f"the agents ask for signatures on and on, for {seconds} s")

    def progress(self, text):
        stamp = time.strftime("%H:%M:%S")
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\033[K{stamp} [{self.done} runs] {text}")
        else:
            sys.stderr.write(f"{stamp} [{self.done} runs] {text}\n")
        sys.stderr.flush()
