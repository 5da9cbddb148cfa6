"""Scenarios of an agent's life: first SVID of a new entry, start, rotation, a server that hangs or is away."""
import os
import time

from .client_side import fresh_agent, memory_of, running_agents
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
        rpcs = figures.get("server_rpcs", {})
        figures["syncs_per_second"] = max(rpcs.get("SyncAuthorizedEntries", 0), rpcs.get("GetAuthorizedEntries", 0)) / asked

    columns = [Column("created_to_svid_ms", "entry created to SVID, ms", 1, 0), Column("attempts", "attempts", 1, 0), Column("syncs_per_second", "syncs a second meanwhile", 1, 2)]
    with running_agents(bench, together=False) as specs:
        for _, spec in bench.turns(specs):
            with fresh_agent(bench, spec) as agent:
                for _ in range(bench.samples()):
                    bench.record("first-svid", "a new entry, its workload asks every 50 ms", agent.name, columns, lambda: measure(agent), show_rpcs=True, complete=complete)


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
                    bench.record("start", f"stored data, {entries} entries", spec.name, START_COLUMNS, lambda: measure(stored[spec]), show_rpcs=True)
                if entries == bench.options.entries[0]:
                    fresh = world.configure_agent(spec)
                    token = world.server.token()
                    bench.record("start", f"first start, join token, {entries} entries", spec.name, START_COLUMNS, lambda: measure(fresh, "-joinToken", token), show_rpcs=True)


ROTATE_TTL = 60
ROTATE_COLUMNS = [Column("renewed", "SVIDs renewed", 1, 0), Column("cpu_us_per_renewal", "agent CPU us/renewal", 1, 0), Column("milli_cores", "milli-cores", 1, 2),
                  Column("busiest_second_milli_cores", "busiest second, milli-cores"), Column("memory.rss_kib", "RSS MB", 1 / 1024),
                  Column("memory.peak_kib", "peak MB", 1 / 1024)]


def rotate(bench):
    """SVIDs of a minute: what a renewal costs, and how even the work is. Renewals are counted by the log line that both agents write."""
    world, seconds = bench.world, bench.options.rotation

    def renewals(agent):
        return agent.log().count('msg="Renewing X509-SVID"')

    def figures_of(agent, spent, samples, renewed):
        if renewed == 0:
            raise BenchError(f"{agent.name}: no SVID was renewed in {seconds:.0f} s", agent.log())
        each = [after - before for before, after in zip(samples, samples[1:])]
        return {"renewed": renewed, "cpu_us_per_renewal": sum(each) * 1e6 / renewed, "milli_cores": sum(each) * 1e3 / spent, "busiest_second_milli_cores": max(each) * 1e3,
                "cpu_each_second": [round(one, 6) for one in each], "memory": memory_of(agent.pid)}

    with running_agents(bench) as agents:
        world.add_entries([world.entry(f"rotated/{number}", f"unix:uid:{6_000_000 + number}", x509_svid_ttl=ROTATE_TTL) for number in range(bench.options.renewals)])
        world.add_entries([world.entry("token", f"unix:uid:{TOKEN_UID}", jwt_svid_ttl=token_ttl(bench))])
        time.sleep(8)  # a sync of every agent
        for agent in agents:
            world.settle(agent)
        if os.getuid() == 0:
            for agent in agents:  # the token that hanging_server() asks for
                world.load(agent, "await", uid=TOKEN_UID, call="jwt", argument=bench.options.audience)
        bench.progress(f"rotate: {seconds:.0f} s, all agents at once")
        counted = {agent: renewals(agent) for agent in agents}
        meter, begin = world.meter(), time.monotonic()
        samples = {agent: [cpu_seconds(agent.pid)] for agent in agents}
        while time.monotonic() < begin + seconds:
            time.sleep(1)
            for agent in agents:
                agent.check()
                samples[agent].append(cpu_seconds(agent.pid))
        spent, other = time.monotonic() - begin, meter.end()
        for agent in agents:
            bench.record("rotate", f"{bench.options.renewals} SVIDs of {ROTATE_TTL} s, {seconds:.0f} s", agent.name, ROTATE_COLUMNS,
                         lambda: figures_of(agent, spent, samples[agent], renewals(agent) - counted[agent]))
            bench.results.runs[-1]["machine"] = other
        if os.getuid() == 0:
            hanging_server(bench, agents)


TOKEN_UID = 30_500_000
AGED = 0.56  # of its life: clearly past its half


def token_ttl(bench):
    """Past its half when the rotation has been watched, with a minute left for who waits for the server."""
    return int(max(bench.options.rotation * 1.6, bench.options.rotation + 60))


def hanging_server(bench, agents):
    """A cached JWT-SVID past half of its life, and a server that takes the call and does not answer."""
    world = bench.world
    aged = bench.options.rotation / token_ttl(bench)
    if aged < AGED:
        time.sleep((AGED - aged) * token_ttl(bench))
    world.hold_server()
    try:
        for agent in agents:
            bench.record("rotate", "JWT-SVID past half of its life, the server hangs", agent.name, [Column("latency_us.max", "answered after, ms", 1e-3, 2)],
                         lambda: world.load(agent, "closed", uid=TOKEN_UID, call="jwt", argument=bench.options.audience, count=1, limit=50))
    finally:
        world.release_server()


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
        meter = world.meter()
        world.server.stop()
        during = cores(agents, seconds)
        fetches = {agent.name: world.load(agent, "closed", seconds=min(bench.options.seconds, 1)) for agent in agents}
        world.restart_server()
        back = time.monotonic_ns()
        world.add_entries([world.entry(f"new/{uid}", f"unix:uid:{uid}")])
        children = {agent.name: world.generator(agent, "await", uid=uid if os.getuid() == 0 else None, every=0.05, limit=180) for agent in agents}
        for agent in agents:
            served = world.finish(agent, children[agent.name], timeout=240)["served_ns"]
            bench.record("outage", f"{seconds:g} s without a server", agent.name, OUTAGE_COLUMNS, lambda: {
                "idle_milli_cores": idle[agent.name], "outage_milli_cores": during[agent.name], "outage_to_idle": during[agent.name] / max(idle[agent.name], 1e-3),
                "fetch": fetches[agent.name], "back_to_new_svid_ms": (served - back) / 1e6})
            bench.results.runs[-1]["machine"] = meter.end()
