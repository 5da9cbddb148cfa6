"""How long a run takes, and how many rounds of each scenario fit into a given time."""

# Seconds, measured on two cores; a slow or busy machine takes longer.
SERVER = 2.0  # start and end of a server
AGENT = 4.0  # start, attestation, rest, end of an agent
STREAMS_PER_SECOND = 1500  # opened and closed
UNANSWERED = 15  # what an agent that does not answer a storm costs, its end included
SIGNED_PER_SECOND = 400  # SVIDs, until an agent with many entries is at rest


def fetch(o, agents):
    loops = len(o.clients) + 2 + len(o.rates) + 1
    return SERVER + agents * AGENT, agents * (loops * (o.seconds + 0.6) + 3)


def jwt(o, agents):
    return SERVER + agents * AGENT, agents * 4 * (o.seconds + 0.5)


def streams(o, agents, count, held):
    return agents * (AGENT + count / STREAMS_PER_SECOND + held)


def sds(o, agents):
    return 2 * SERVER + agents * AGENT, agents * 2 * (o.seconds + 0.5) + streams(o, agents, o.sds_streams, max(o.seconds, 3) + 6) + streams(o, agents, o.sds_streams, 3)


def idle_seconds(o):
    return 2 if o.quick else 10


def signing(entries):
    return min(entries, 1000) / SIGNED_PER_SECOND + entries / 2500  # the cache of an agent; the entries themselves


def idle(o, agents):
    each = sum(agents * (AGENT + idle_seconds(o) + signing(entries)) for entries in o.entries)
    return SERVER + max(o.entries) / 1500, streams(o, agents, o.streams, max(o.seconds, 3) + 6) + each


def push(o, agents):
    return SERVER + 1, streams(o, agents, o.streams, 3)


def storm(o, agents):
    return SERVER + UNANSWERED * sum(count >= 2000 for count in o.storm), agents * sum(AGENT + count / 1000 for count in o.storm)


def first_svid(o, agents):
    return SERVER, agents * AGENT + agents * 3.5 * o.samples / 5


def start(o, agents):
    counts = [entries for entries in o.entries if entries <= 1000]
    return SERVER + agents * sum(AGENT + signing(entries) for entries in counts), agents * sum(1 + entries / 1000 for entries in counts) + agents


def rotate(o, agents):
    return SERVER + agents * AGENT + o.rotation + 10 + 35, 0


def outage(o, agents):
    return sum(SERVER + agents * AGENT + 15 + seconds + min(seconds, 45) for seconds in o.outage), 0


def k8s(o, agents):
    late = agents * o.samples * 0.9 / 5
    return len(o.pods) * (SERVER + 1) + agents * (AGENT + o.seconds), len(o.pods) * agents * (AGENT + o.seconds + 2 * max(o.seconds, 2) + 10) + late


def density(o, agents):
    return SERVER + 5 + o.density[2] / 1500, agents * (AGENT + o.density[2] / 1000 + min(o.density[1] / 150, o.density_limit) + (10 if o.quick else 25))


COSTS = {"fetch": fetch, "jwt": jwt, "start": start, "storm": storm, "push": push, "idle": idle, "sds": sds, "k8s": k8s, "first-svid": first_svid, "rotate": rotate,
         "outage": outage, "density": density}
ONE_ROUND = ("rotate", "outage")  # all agents at the same time


def agents_of(options, name):
    if options.socket:
        return 1
    return len([agent for agent in options.agent if agent.scenarios is None or name in agent.scenarios])


def most_rounds(options, name):
    return 1 if name in ONE_ROUND else options.rounds.get(name, options.rounds.get("", 5))


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
