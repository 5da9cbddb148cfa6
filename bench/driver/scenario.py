"""What scenarios share: the order of runs, the record of a run, and of what happened beside it."""
import sys
import time

from . import rpcs
from .errors import BenchError
from .results import Column


SYNC_INTERVAL = 5  # seconds, of the agents


class Window:
    """What else the machine did, and what the agents asked their server for, between two moments."""

    def __init__(self, world):
        self.world, self.before, self.after, self.machine = world, world.server_calls(), None, None
        self.agents = list(world.agents)
        self.meter = world.meter()

    def end(self):
        self.machine, self.after = self.meter.end(), self.world.server_calls()
        return self

    def tells_apart(self, agent):
        """Whether the agent's calls are known: the server tells its callers apart."""
        return self.before is not None and self.after is not None and not self.world.options.server and getattr(agent, "server_id", None) is not None

    def signed(self, agent):
        """X.509-SVIDs signed for the agent; None where the server does not tell."""
        return rpcs.signed_by(self.before, self.after, agent.server_id) if self.tells_apart(agent) else None

    def rpcs(self, agent):
        """Figures: the agent's own calls. All calls are its own where no other agent runs."""
        if self.before is None or self.after is None:
            return {}
        if all(other is agent for other in (*self.agents, *self.world.agents)):
            calls = rpcs.calls_of_all(self.before, self.after)
        else:
            calls = rpcs.calls_of(self.before, self.after, agent.server_id) if self.tells_apart(agent) else None
        if calls is None:
            return {"server_rpcs_not_counted": rpcs.NOT_COUNTED}
        spent = rpcs.milliseconds_each(self.before, self.after)
        return {"server_rpcs": calls, "server_ms_per_rpc": {method: spent[method] for method in calls if method in spent}}


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

    def window(self):
        return Window(self.world)

    def record(self, scenario, variant, agent, columns, measure, show_rpcs=False, complete=None, window=None):
        """Runs `measure`, which returns figures, and keeps them with what else the machine did and what the server was asked for meanwhile, or in `window`
        where all agents were measured at once; `complete` adds figures that follow from all that."""
        self.progress(f"{scenario}: {variant}: {agent.name}")
        meanwhile = window or self.window()
        figures = measure()
        if window is None:
            meanwhile.end()
        figures.update(meanwhile.rpcs(agent))
        if complete:
            complete(figures)
        if not show_rpcs:
            figures.pop("server_rpcs_not_counted", None)
        shown = [Column(f"server_rpcs.{method}", f"RPCs {method}", 1, 0) for method in figures.get("server_rpcs", {})] if show_rpcs else []
        self.results.add(scenario, variant, agent.name, columns, figures, meanwhile.machine, shown)
        self.done += 1
        return figures

    def wait_for_signing(self, seconds=120):
        """Until a whole interval of synchronisation has passed in which no agent asked for a signature: a quiet moment between two batches is not rest."""
        end, pause = time.monotonic() + seconds, 0.5 if self.options.quick else SYNC_INTERVAL + 1
        signed = None
        while time.monotonic() < end:
            newest = self.world.server_calls().calls.get("BatchNewX509SVID", [0, 0])[0]
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
