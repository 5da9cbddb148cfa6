"""Scenarios of an agent's life: first SVID of a new entry, start, a server that is away."""
import os
import time

from .client_side import fresh_agent, running_agents
from .errors import BenchError
from .machine import cpu_seconds
from .results import Column

FIRST_UID = 30_000  # users without an entry, one for each sample


def first_svid(bench):
    """An entry is created; its workload has been asking every 50 ms. One agent at a time, so that the server's calls are its own."""
    if os.getuid() != 0:
        raise BenchError("first-svid needs root: each sample is another user")
    world, uids = bench.world, iter(range(FIRST_UID, FIRST_UID + 100_000))

    def measure(agent):
        uid = next(uids)
        child = world.generator(agent, "await", uid=uid, every=0.05, limit=60)
        time.sleep(1)  # it asks, and is refused
        begin = time.monotonic_ns()
        world.add_entries([world.entry(f"new/{uid}", f"unix:uid:{uid}")])
        figures = world.finish(agent, child)
        figures["created_to_svid_ms"] = (figures["served_ns"] - begin) / 1e6
        return figures

    def complete(figures):
        """Passes of synchronisation in each second that the workload asked; each pass is one call, or two where the entries came along."""
        asked = (figures["served_ns"] - figures["begin_ns"]) / 1e9
        figures["syncs_per_second"] = syncs(figures) / asked

    columns = [Column("created_to_svid_ms", "entry created to SVID, ms", 1, 0), Column("attempts", "attempts", 1, 0), Column("syncs_per_second", "syncs a second meanwhile", 1, 2)]
    with running_agents(bench, together=False) as specs:
        for _, spec in bench.turns(specs):
            with fresh_agent(bench, spec) as agent:
                for _ in range(bench.samples()):
                    bench.record("first-svid", "a new entry, its workload asks every 50 ms", agent, columns, lambda: measure(agent), show_rpcs=True, complete=complete)
    asked_in_vain(bench)


def syncs(figures):
    """Passes of synchronisation."""
    rpcs = figures.get("server_rpcs", {})
    return max(rpcs.get("SyncAuthorizedEntries", 0), rpcs.get("GetAuthorizedEntries", 0))


IN_VAIN_UID = 31_000_000  # of no entry
BURST_SECONDS, IN_VAIN_SECONDS = 10, 20  # what an agent may do more at first is not counted; then it is


def asked_in_vain(bench):
    """A workload without an entry asks on and on: what it may cost the server in the long run. All agents at once where the server tells them apart."""
    world = bench.world
    warm_up, seconds = (1, 2) if bench.options.quick else (BURST_SECONDS, IN_VAIN_SECONDS)

    def measure(agents):
        children = [world.generator(agent, "await", uid=IN_VAIN_UID, every=0.05, limit=warm_up + seconds + 60) for agent in agents]
        try:
            time.sleep(warm_up)
            window = bench.window()
            time.sleep(seconds)
            window.end()
        finally:
            for child in children:
                child.kill()
                child.communicate()
        for agent in agents:
            agent.check()
            bench.record("first-svid", f"a workload without an entry, asks every 50 ms, {seconds} s", agent, [Column("syncs_per_second", "syncs a second", 1, 2)],
                         lambda: {"seconds": seconds}, show_rpcs=True, complete=lambda figures: figures.update(syncs_per_second=syncs(figures) / seconds), window=window)

    bench.progress(f"first-svid: a workload without an entry, {warm_up + seconds} s")
    with running_agents(bench, together=not bench.options.server) as agents:
        if not bench.options.server:
            return measure(agents)
        for spec in agents:
            with fresh_agent(bench, spec) as agent:
                measure([agent])


START_COLUMNS = [Column("socket_ms", "exec to socket, ms"), Column("served_ms", "exec to first SVID, ms"), Column("agent_cpu_ms", "agent CPU ms"),
                 Column("memory.rss_kib", "RSS MB", 1 / 1024), Column("memory.peak_kib", "peak MB", 1 / 1024)]
STARTS_PER_ROUND = 3


def start(bench):
    world = bench.world

    def measure(started, *flags):
        agent = started.agent
        agent.write_config()
        if not (agent.home / "bundle.pem").exists():
            world.server.bundle(agent.home / "bundle.pem")
        command = [agent.program, "run", "-config", agent.home / "agent.conf", *flags]
        child = world.generator(started, "start", command=command, every=0.0002, limit=60, cpu=world.agent_cpu, log=agent.home / "agent.log")
        return world.finish(started, child)

    with running_agents(bench, bench.options.entries[0], together=False) as specs:
        for entries in [count for count in bench.options.entries if count <= 1000]:
            world.fill_entries(entries)
            stored = {}
            for spec in specs:  # attests once, signs everything once, and leaves its data behind
                stored[spec] = world.start_agent(spec)
                world.stop_agent(stored[spec])
            for _, spec in bench.turns(specs):
                for _ in range(1 if bench.options.quick else STARTS_PER_ROUND):
                    bench.record("start", f"stored data, {entries} entries", spec, START_COLUMNS, lambda: measure(stored[spec]), show_rpcs=True)
                if entries == bench.options.entries[0]:
                    fresh = world.configure_agent(spec)
                    token = world.join_token(fresh)
                    bench.record("start", f"first start, join token, {entries} entries", spec, START_COLUMNS, lambda: measure(fresh, "-joinToken", token), show_rpcs=True)


LONGEST_BACKOFF = 540  # seconds: SPIRE Agent may wait eight minutes after an outage
OUTAGE_COLUMNS = [Column("idle_milli_cores", "milli-cores with the server", 1, 2), Column("outage_milli_cores", "milli-cores without", 1, 2),
                  Column("outage_to_idle", "without / with", 1, 2), Column("fetch.latency_us.p50", "p50 us without"), Column("back_to_new_svid_ms", "server back to new SVID, ms", 1, 0)]


def outage(bench):
    for seconds in bench.options.outage:
        one_outage(bench, seconds)


def one_outage(bench, seconds):
    """The server goes away; the agents serve on; it comes back, and there is a new entry."""
    world = bench.world
    uid = FIRST_UID + 5_000

    def cores(agents, span):
        before = {agent.name: cpu_seconds(agent.pid) for agent in agents}
        time.sleep(span)
        return {agent.name: (cpu_seconds(agent.pid) - before[agent.name]) / span * 1e3 for agent in agents}

    with running_agents(bench) as agents:
        bench.progress(f"outage: {seconds:g} s, all agents at once")
        idle = cores(agents, min(seconds, 15))
        whole = bench.window()
        world.end_server_process()
        during = cores(agents, seconds)
        fetches = {agent.name: world.load(agent, "closed", seconds=min(bench.options.seconds, 1)) for agent in agents}
        world.restart_server()
        back, window = time.monotonic_ns(), bench.window()  # its counters begin anew
        world.add_entries([world.entry(f"new/{uid}", f"unix:uid:{uid}")])
        children = {agent: world.generator(agent, "await", uid=uid if os.getuid() == 0 else None, every=0.05, limit=LONGEST_BACKOFF) for agent in agents}
        served = {agent: world.finish(agent, children[agent], timeout=LONGEST_BACKOFF + 60)["served_ns"] for agent in agents}
        window.end()
        whole.end()
        window.machine = whole.machine
        for agent in agents:
            bench.record("outage", f"{seconds:g} s without a server", agent, OUTAGE_COLUMNS, lambda: {
                "idle_milli_cores": idle[agent.name], "outage_milli_cores": during[agent.name], "outage_to_idle": during[agent.name] / max(idle[agent.name], 1e-3),
                "fetch": fetches[agent.name], "back_to_new_svid_ms": (served[agent] - back) / 1e6}, show_rpcs=True, window=window)
