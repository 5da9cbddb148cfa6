"""What SVIDs cost that are renewed; and a JWT-SVID past half of its life while the server hangs."""
import os
import time

from .client_side import memory_of, running_agents
from .errors import BenchError
from .machine import cpu_seconds
from .results import Column

ROTATE_TTL = 60
QUIET_TTL = 3600
QUIET_SHARE = 1 / 2  # of the rotation: how long the same agents are watched without one
COLUMNS = [Column("renewed", "SVIDs renewed", 1, 0), Column("cpu_us_per_renewal", "agent CPU us/renewal, idle CPU taken off", 1, 0),
           Column("cpu_us_per_renewal_with_idle", "the same with it", 1, 0), Column("idle_milli_cores", "idle milli-cores, the same entries", 1, 2),
           Column("milli_cores", "milli-cores", 1, 2), Column("busiest_second_milli_cores", "busiest second, milli-cores"),
           Column("memory.rss_kib", "RSS MB", 1 / 1024), Column("memory.peak_kib", "peak MB", 1 / 1024)]
TOKEN_UID = 30_500_000
AGED = 0.56  # of its life: clearly past its half


def rotate(bench):
    """The same agents with the same entries, first with SVIDs of an hour, then with SVIDs of a minute, all agents at once: what a renewal costs beyond what the agent does
    anyway, and how even the work is."""
    world, options = bench.world, bench.options
    with running_agents(bench) as agents:
        world.add_entries([entry(bench, number, QUIET_TTL) for number in range(options.renewals)])
        world.add_entries([world.entry("token", f"unix:uid:{TOKEN_UID}", jwt_svid_ttl=token_ttl(bench))])
        time.sleep(8)  # a sync of every agent
        for agent in agents:
            world.settle(agent)
        bench.wait_for_signing()
        idle = watch(bench, agents, options.rotation * QUIET_SHARE, "before it")
        world.update_entries([entry(bench, number, ROTATE_TTL) for number in range(options.renewals)])
        time.sleep(8)
        if os.getuid() == 0:
            for agent in agents:  # the token that hanging_server() asks for
                world.load(agent, "await", uid=TOKEN_UID, call="jwt", argument=options.audience)
        logged, window = {agent: renewals_logged(agent) for agent in agents}, bench.window()
        watched = watch(bench, agents, options.rotation, "")
        window.end()
        for agent in agents:
            figures = figures_of(agent, idle[agent], watched[agent], window.signed(agent), renewals_logged(agent) - logged[agent])
            bench.record("rotate", f"{options.renewals} SVIDs of {ROTATE_TTL} s, {options.rotation:.0f} s", agent, COLUMNS, lambda: figures, show_rpcs=True, window=window)
        if os.getuid() == 0:
            hanging_server(bench, agents)


def entry(bench, number, ttl):
    return bench.world.entry(f"rotated/{number}", f"unix:uid:{6_000_000 + number}", entry_id=f"rotated-{number}", x509_svid_ttl=ttl)


def watch(bench, agents, seconds, when):
    """{agent: CPU in each second}"""
    bench.progress(f"rotate: {seconds:.0f} s {when}, all agents at once")
    begin, samples = time.monotonic(), {agent: [(time.monotonic(), cpu_seconds(agent.pid))] for agent in agents}
    while time.monotonic() < begin + seconds:
        time.sleep(1)
        for agent in agents:
            agent.check()
            samples[agent].append((time.monotonic(), cpu_seconds(agent.pid)))
    return samples


def renewals_logged(agent):
    """Both agents write this line for each SVID that they are about to renew."""
    return agent.log().count('msg="Renewing X509-SVID"')


def spent(samples):
    """(seconds, CPU seconds)"""
    return samples[-1][0] - samples[0][0], samples[-1][1] - samples[0][1]


def figures_of(agent, idle, watched, signed, logged):
    """A renewal is an SVID that the server signed; a server that does not tell for whom has the agents' log lines in its place."""
    renewed = logged if signed is None else signed
    if renewed == 0:
        raise BenchError(f"{agent.name}: no SVID was renewed", agent.log())
    (idle_seconds, idle_cpu), (seconds, cpu) = spent(idle), spent(watched)
    beyond = max(cpu - idle_cpu / idle_seconds * seconds, 0)
    each = [after[1] - before[1] for before, after in zip(watched, watched[1:])]
    return {"renewed": renewed, "renewals_logged": logged, "renewals_counted_by": "log" if signed is None else "server", "agent_cpu_s": cpu,
            "cpu_us_per_renewal": beyond * 1e6 / renewed, "cpu_us_per_renewal_with_idle": cpu * 1e6 / renewed, "idle_milli_cores": idle_cpu / idle_seconds * 1e3,
            "milli_cores": cpu / seconds * 1e3, "busiest_second_milli_cores": max(each) * 1e3, "cpu_each_second": [round(one, 6) for one in each],
            "memory": memory_of(agent.pid)}


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
            bench.record("rotate", "JWT-SVID past half of its life, the server hangs", agent, [Column("latency_us.max", "answered after, ms", 1e-3, 2)],
                         lambda: world.load(agent, "closed", uid=TOKEN_UID, call="jwt", argument=bench.options.audience, count=1, limit=50))
    finally:
        world.release_server()
