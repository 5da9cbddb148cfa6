"""Scenarios that need no more than a socket: fetch, jwt, sds, idle, push, storm."""
import contextlib
import os
import signal
import subprocess
import time

from .equality import same_answers, same_selectors
from .errors import NotServed
from .machine import cpu_seconds
from .results import COST, HELD, LATENCY, Column
from .world import Attached

RATE = [Column("per_second", "calls/s", 1, 0)]
CLOSED = [*LATENCY, *RATE, *COST, *HELD]
SIGNED = [Column("server_us", "server's own time, mean us"), Column("beyond_server_us", "mean beyond it, us"), *CLOSED]
OPEN = [*LATENCY, Column("in_flight_peak", "in flight, peak", 1, 0), *COST]
UNREGISTERED_UID = 54321  # a user of no entry
FOREIGN_DOMAIN = "spiffe://other.example.net"
IDLE_SECONDS, QUICK_IDLE_SECONDS = 20, 1


@contextlib.contextmanager
def running_agents(bench, entries=10, together=True, **settings):
    """The agents of a scenario, side by side, with so many entries on a fresh server; or the attached one."""
    if bench.options.socket:
        attached = Attached(bench.options)
        attached.check()
        yield [attached]
        return
    world = bench.world
    world.start_server()
    try:
        world.fill_entries(entries)
        yield [world.start_agent(spec, **settings) for spec in bench.agents] if together else bench.agents
        for agent in list(world.agents):
            world.stop_agent(agent)
    finally:
        world_clean(world)


def world_clean(world):
    for agent in list(world.agents):
        world.stop_agent(agent)
    world.stop_server()


@contextlib.contextmanager
def fresh_agent(bench, spec, **settings):
    """A newly started agent for one run; the attached one is as it is."""
    if isinstance(spec, Attached):
        yield spec
        return
    started = bench.world.start_agent(spec, **settings)
    try:
        yield started
    finally:
        bench.world.stop_agent(started)


def end_deaf(bench, agent):
    """An agent that answers nobody does not end by itself soon, either."""
    bench.world.stop_agent(agent, signal.SIGKILL)


UNANSWERED_SECONDS = 10  # a storm's


def finish_or_not_served(bench, agent, child):
    try:
        return bench.world.finish(agent, child)
    except NotServed as error:
        return {"not_served": error.reason}


def load_or_not_served(bench, agent, mode, **settings):
    return finish_or_not_served(bench, agent, bench.world.generator(agent, mode, **settings))


def measure_loops(bench, scenario, agents, loops):
    """`loops`: (variant, columns, mode, settings of the generator), each run in every round by each agent."""
    for _, place in bench.turns(range(len(agents))):
        for variant, columns, mode, settings in loops:
            agent = agents[place]
            figures = bench.record(scenario, variant, agent, columns, lambda: load_or_not_served(bench, agent, mode, **{"seconds": bench.options.seconds, **settings}),
                                   show_rpcs=asks_the_server(settings), complete=beyond_the_server)
            if "not_served" in figures and not isinstance(agent, Attached):  # it may never answer again
                end_deaf(bench, agent)
                agents[place] = bench.world.start_agent(agent.spec)


def asks_the_server(settings):
    return settings.get("call") == "jwt-new" or settings.get("refused", False)


def beyond_the_server(figures):
    """How much longer a signing call takes than the server needs for it."""
    spent = figures.get("server_ms_per_rpc", {}).get("NewJWTSVID")
    if spent is not None and "latency_us" in figures:
        figures["server_us"] = spent * 1000
        figures["beyond_server_us"] = figures["latency_us"]["mean"] - spent * 1000


def closed(bench, call, clients, kept, what, **settings):
    where = "kept connections" if kept else "a new connection each"
    return [(f"{what}, {where}, {count} in flight", CLOSED, "closed", {"call": call, "clients": count, "kept": kept, **settings}) for count in clients]


def fetch(bench):
    options = bench.options
    loops = closed(bench, "x509", options.clients, False, "X.509-SVID")
    loops += closed(bench, "x509", options.clients[-1:], True, "X.509-SVID")
    loops += closed(bench, "x509-bundles", options.clients[-1:], True, "X.509 bundles")
    loops += [(f"X.509-SVID, a new connection each, {rate:g} a second (open loop)", OPEN, "open", {"rate": rate}) for rate in options.rates]
    if os.getuid() == 0 and not options.socket:
        # An agent may first ask its server once more, so a refusal may take a second: many at once, and time enough.
        loops.append(("refused for want of an entry, 64 in flight", CLOSED, "closed", {"refused": True, "uid": UNREGISTERED_UID, "clients": 64,
                                                                                     "seconds": options.seconds if options.quick else max(options.seconds, 3)}))
    with running_agents(bench) as agents:
        if not options.socket:
            same_selectors(bench, "a process")
            same_answers(bench, agents)
        measure_loops(bench, "fetch", agents, loops)


def jwt(bench):
    with running_agents(bench) as agents:
        loops = closed(bench, "jwt", [bench.options.clients[0], bench.options.clients[-1]], True, "JWT-SVID from the cache", argument=bench.options.audience)
        loops += closed(bench, "jwt", bench.options.clients[:1], False, "JWT-SVID from the cache", argument=bench.options.audience)
        loops += [(variant, SIGNED, mode, settings) for variant, _, mode, settings in
                  closed(bench, "jwt-new", bench.options.clients[:1], True, "JWT-SVID that the server signs", argument=bench.options.audience)]
        measure_loops(bench, "jwt", agents, loops)


def sds(bench):
    options = bench.options
    with running_agents(bench) as agents:
        loops = closed(bench, "sds", options.clients[:1], False, "a stream's first secret", argument=options.secret)
        loops += closed(bench, "sds", options.clients[-1:], True, "a stream's first secret", argument=options.secret)
        measure_loops(bench, "sds", agents, loops)
    with running_agents(bench, together=False) as specs:
        idle_streams(bench, "sds", specs, options.sds_streams, call="sds", argument=options.secret)
        if not options.socket:
            pushes(bench, "sds", specs, options.sds_streams, call="sds", argument=FOREIGN_DOMAIN)


STREAM_COLUMNS = [Column("kib_per_stream", "KiB per stream", 1, 2), Column("idle_milli_cores", "idle milli-cores", 1, 2), Column("before_mb", "RSS before, MB"),
                  Column("after_leaving_ratio", "RSS 5 s after all left / before", 1, 2), *HELD]


def idle_streams(bench, scenario, agents, streams, **settings):
    def measure(started):
        seconds = 1 if bench.options.quick else max(bench.options.seconds, 3)
        figures = load_or_not_served(bench, started, "idle", streams=streams, seconds=seconds, warm_up=seconds / 3, limit=60, **settings)
        if "memory_before" in figures:
            before = figures["memory_steps"][0][1]["rss_kib"]
            figures["before_mb"] = before / 1024
            figures["kib_per_stream"] = (figures["memory"]["rss_kib"] - before) / streams
        if "after_leaving" in figures:
            figures["after_leaving_ratio"] = figures["after_leaving"][-1][1]["rss_kib"] / before
        return figures

    for _, spec in bench.turns(agents):
        with fresh_agent(bench, spec) as started:
            bench.record(scenario, f"{streams} idle streams", started, STREAM_COLUMNS, lambda: measure(started))


IDLE_COLUMNS = [Column("idle_milli_cores", "idle milli-cores", 1, 2), *HELD]


def idle_entries(bench, specs, entries):
    """All agents at once, over four passes of synchronisation: agents that nobody calls do not disturb each other."""
    seconds = QUICK_IDLE_SECONDS if bench.options.quick else IDLE_SECONDS
    started = [bench.world.start_agent(spec) for spec in specs]
    bench.wait_for_signing()
    bench.progress(f"idle: {entries} entries, all agents at once")
    window, before, begin = bench.window(), {agent: cpu_seconds(agent.pid) for agent in started}, time.monotonic()
    time.sleep(seconds)
    after, spent = {agent: cpu_seconds(agent.pid) for agent in started}, time.monotonic() - begin
    window.end()

    def measure(agent):
        agent.check()
        return {"idle_milli_cores": (after[agent] - before[agent]) / spent * 1e3, "memory": memory_of(agent.pid), "fds": len(os.listdir(f"/proc/{agent.pid}/fd"))}

    for agent in started:
        bench.record("idle", f"{entries} entries, no stream", agent, IDLE_COLUMNS, lambda: measure(agent), show_rpcs=True, window=window)
    for agent in started:
        bench.world.stop_agent(agent)


def memory_of(pid):
    """As the generator reports it."""
    out = {"rss_kib": 0, "pss_kib": 0, "private_kib": 0, "peak_kib": 0}
    names = {"Rss:": "rss_kib", "Pss:": "pss_kib", "Private_Clean:": "private_kib", "Private_Dirty:": "private_kib", "VmHWM:": "peak_kib"}
    for source in ("smaps_rollup", "status"):
        with open(f"/proc/{pid}/{source}") as lines:
            for line in lines:
                words = line.split()
                if words and words[0] in names:
                    out[names[words[0]]] += int(words[1])
    return out


def idle(bench):
    if bench.options.socket:
        with running_agents(bench) as agents:
            return idle_streams(bench, "idle", agents, bench.options.streams)
    with running_agents(bench, bench.options.entries[0], together=False) as specs:
        idle_streams(bench, "idle", specs, bench.options.streams)
        for entries in bench.options.entries:
            bench.world.fill_entries(entries)
            idle_entries(bench, specs, entries)


# push

PUSH_COLUMNS = [Column("first_to_last_ms", "first to last ms"), Column("agent_cpu_us_per_op", "agent CPU us/stream", 1, 2),
                Column("generator_cpu_us_per_op", "generator CPU us/stream", 1, 2), Column("rss_growth_mb", "RSS growth MB"), *HELD]


class ForeignBundle:
    """A federated trust domain whose bundle changes: the same trigger for every server and agent."""

    def __init__(self, world):
        self.world, self.paths, self.turn = world, [], 0
        for number in (1, 2):
            path = world.home / f"foreign-{number}.pem"
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                            f"/CN=foreign {number}", "-addext", f"subjectAltName=URI:{FOREIGN_DOMAIN}", "-keyout", world.home / "foreign.key", "-out", path],
                           check=True, capture_output=True)
            self.paths.append(path)
        self.change()

    def change(self):
        self.turn += 1
        self.world.command("bundle set", "-id", FOREIGN_DOMAIN, "-path", self.paths[self.turn % 2])


def federated_entry(world):
    """This process' identity that sees the foreign bundle."""
    return world.entry("federated", f"unix:gid:{os.getgid()}", federates_with=[FOREIGN_DOMAIN])


def pushes(bench, scenario, specs, streams, **settings):
    world = bench.world
    foreign = ForeignBundle(world)
    world.add_entries([federated_entry(world)])
    variant = f"a bundle change to {streams} streams" + (" with acknowledgement" if scenario == "sds" else "")

    def measure(started, child):
        if "ready" not in child.stdout.readline():
            return finish_or_not_served(bench, started, child)
        foreign.change()
        figures = finish_or_not_served(bench, started, child)
        if "not_served" in figures:
            return figures
        figures["rss_growth_mb"] = (figures["memory"]["rss_kib"] - figures["memory_before"]["rss_kib"]) / 1024
        return figures

    for _, spec in bench.turns(specs):
        with fresh_agent(bench, spec, experimental='sync_interval = "1s"') as started:
            child = world.generator(started, "push", streams=streams, limit=60, **settings)
            bench.record(scenario, variant, started, PUSH_COLUMNS, lambda: measure(started, child), show_rpcs=True)


def push(bench):
    if bench.options.socket:
        with running_agents(bench) as agents:
            variant = f"an update to {bench.options.streams} streams"
            bench.progress("push: waiting up to a minute for an update of the SVID or the bundle")
            bench.record("push", variant, agents[0], PUSH_COLUMNS, lambda: bench.world.load(agents[0], "push", streams=bench.options.streams, limit=60))
        return
    with running_agents(bench, together=False) as specs:
        pushes(bench, "push", specs, bench.options.streams)


# storm

STORM_COLUMNS = [Column("all_served_ms", "all served ms"), Column("late_client_ms", "a late client ms", 1, 2), *LATENCY[:3], *COST, *HELD]


def storm(bench):
    deaf = set()  # an agent that left such a storm unanswered once is not asked again
    with running_agents(bench, together=False) as specs:
        for _, spec in bench.turns(specs):
            for count in [count for count in bench.options.storm if (spec, count) not in deaf]:
                with fresh_agent(bench, spec) as started:
                    figures = bench.record("storm", f"{count} first calls at once", started, STORM_COLUMNS, lambda: load_or_not_served(
                        bench, started, "storm", streams=count, limit=UNANSWERED_SECONDS), show_rpcs=True)
                    if "not_served" in figures:
                        deaf.add((spec, count))
                        if not isinstance(started, Attached):
                            end_deaf(bench, started)
