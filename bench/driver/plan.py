"""How long a run takes, and how many rounds of each scenario fit into a given time."""

# Seconds, measured on two cores; a slow or busy machine takes longer.
SERVER = 2.0  # start and end of a server
AGENT = 1.7  # start, attestation, rest, end of an agent
STREAMS_PER_SECOND = 1800  # opened and closed
DEAF = 13  # what an agent that leaves a storm unanswered costs, its end included
SYNC = 7  # until an agent is known to sign nothing any more
LATE_SAMPLE, FIRST_SVID_SAMPLE = 0.9, 2.7


def others(options, name):
    """Agents that are not Steeple, which 2,000 simultaneous calls may make deaf."""
    return len([agent for agent in chosen(options, name) if "steeple" not in agent.path.name])


def fetch(o, agents):
    loops = len(o.clients) + 2 + len(o.rates) + 1
    checks = 0 if o.socket or agents < 2 else agents * (AGENT + 1)
    return SERVER + agents * AGENT + checks, agents * (loops * (o.seconds + 0.4) + max(3 - o.seconds, 0))


def jwt(o, agents):
    return SERVER + agents * AGENT, agents * 4 * (o.seconds + 0.4)


def streams(o, agents, count, held):
    return agents * (AGENT + count / STREAMS_PER_SECOND + held)


def sds(o, agents):
    return 2 * SERVER + agents * AGENT, agents * 2 * (o.seconds + 0.4) + streams(o, agents, o.sds_streams, max(o.seconds, 3) + 6) + streams(o, agents, o.sds_streams, 2)


def idle(o, agents):
    at_once = sum(agents * (AGENT + entries / 2000) + (2 if o.quick else 20) + (4 if o.quick else 1.5 * SYNC) for entries in o.entries)
    return SERVER + max(o.entries) / 1500 + at_once, streams(o, agents, o.streams, max(o.seconds, 3) + 6)


def push(o, agents):
    return SERVER + 1, streams(o, agents, o.streams, 2)


def storm(o, agents):
    return SERVER + others(o, "storm") * DEAF * sum(count >= 2000 for count in o.storm), agents * sum(AGENT + count / 2000 for count in o.storm)


def first_svid(o, agents):
    return 2 * SERVER + agents * FIRST_SVID_SAMPLE * o.samples + agents * AGENT + (3 if o.quick else 30), agents * AGENT


def start(o, agents):
    counts = [entries for entries in o.entries if entries <= 1000]
    return SERVER + agents * sum(AGENT + entries / 1000 for entries in counts), agents * sum(1 + entries / 400 for entries in counts) + agents


def rotate(o, agents):
    return SERVER + agents * AGENT + o.rotation * 1.5 + 32 + 32, 0


def outage(o, agents):
    return sum(SERVER + agents * AGENT + min(seconds, 15) + seconds + 3 + seconds * 0.3 for seconds in o.outage), 0


def k8s(o, agents):
    return (len(o.pods) * (SERVER + 1) + agents * (2 * AGENT + 1 + o.seconds + LATE_SAMPLE * o.samples),
            len(o.pods) * agents * (AGENT + o.seconds + max(o.seconds, 2) + 6.5))


def density(o, agents):
    return SERVER + 5 + o.density[2] / 2500, agents * (AGENT + o.density[2] / 4000 + o.density[1] / 800 + (8 if o.quick else 23)) + others(o, "density") * o.density_limit


def client(o, agents):
    libraries = len(o.libraries)
    return SERVER + agents * AGENT + 12, agents * libraries * (2 * (o.seconds + 0.7) + 4)


COSTS = {"fetch": fetch, "jwt": jwt, "start": start, "storm": storm, "push": push, "idle": idle, "sds": sds, "k8s": k8s, "first-svid": first_svid, "rotate": rotate,
         "outage": outage, "density": density, "client": client}
ONE_ROUND = ("rotate", "outage")  # all agents at the same time


def chosen(options, name):
    return [agent for agent in options.agent if agent.scenarios is None or name in agent.scenarios]


def agents_of(options, name):
    return 1 if options.socket else len(chosen(options, name))


def most_rounds(options, name):
    wanted = options.rounds.get(name, options.rounds.get("", 5))
    if name == "first-svid":  # which has its samples in any case
        return min(wanted, 2)
    return 1 if name in ONE_ROUND else wanted


def round_of(options, name):
    """Seconds that one more round costs; a scenario that cannot have one costs more than all others."""
    return float("inf") if name in ONE_ROUND else seconds_of(options, name, 2) - seconds_of(options, name, 1)


def seconds_of(options, name, rounds):
    agents = agents_of(options, name)
    if not agents:
        return 0
    fixed, each = COSTS[name](options, agents)
    return fixed + each * rounds


def rounds_of(options, names, seconds=None):
    """{scenario: rounds}. Without a limit as many as are wanted; with one, the scenarios whose rounds cost least get theirs first."""
    most = {name: most_rounds(options, name) for name in names}
    if seconds is None:
        return most
    out = {name: 1 for name in names}
    left = seconds - sum(seconds_of(options, name, 1) for name in names)
    while True:
        cheapest = min(((seconds_of(options, name, out[name] + 1) - seconds_of(options, name, out[name])) * out[name], name) for name in names) if (
            names := [name for name in names if out[name] < most[name]]) else None
        if cheapest is None:
            return out
        name = cheapest[1]
        cost = seconds_of(options, name, out[name] + 1) - seconds_of(options, name, out[name])
        if cost > left:
            names = [other for other in names if other != name]
            continue
        left -= cost
        out[name] += 1


def text(options, rounds):
    """What is ahead, for the terminal."""
    lines = [f"  {name:12}{count} round{'s' if count > 1 else ' '} {agents_of(options, name)} agents {seconds_of(options, name, count):6.0f} s" for name, count in rounds.items()]
    whole = sum(seconds_of(options, name, count) for name, count in rounds.items())
    return "\n".join([f"about {whole / 60:.1f} minutes:", *lines])
