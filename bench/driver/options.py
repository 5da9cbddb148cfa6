"""The command line."""
import argparse
import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCENARIOS = ("fetch", "jwt", "start", "storm", "push", "idle", "sds", "k8s", "first-svid", "rotate", "outage", "density", "client")
LIBRARIES = {language: ROOT / f"build/clients/{language}/client" for language in ("go", "cpp")}  # client programs, where they are built
ATTACHED = ("fetch", "idle", "push", "storm", "jwt", "sds")  # those that need nothing but a socket


class AgentSpec:
    """PATH[@BACKEND][=NAME]: an agent's program, Steeple's io backend for it, and what the report calls it."""

    def __init__(self, text):
        path, _, name = text.partition("=")
        path, _, self.backend = path.partition("@")
        if self.backend not in ("", "epoll", "io_uring", "auto"):
            raise argparse.ArgumentTypeError(f"no such io backend: {self.backend}")
        self.path = pathlib.Path(path).resolve()
        if not os.access(self.path, os.X_OK):
            raise argparse.ArgumentTypeError(f"not a program: {path}")
        self.name = name or self.path.name + ("@" + self.backend if self.backend else "")
        self.environment = {"STEEPLE_IO_BACKEND": self.backend} if self.backend else {}
        self.scenarios = None  # None: all


def numbers(text):
    values = [float(part) if "." in part else int(part) for part in text.split(",")]
    if not values or min(values) <= 0:
        raise argparse.ArgumentTypeError("positive numbers, separated by commas")
    return values


def program(text):
    path = pathlib.Path(text).resolve()
    if not os.access(path, os.X_OK):
        raise argparse.ArgumentTypeError(f"not a program: {text}")
    return path


def scenario_names(text):
    names = text.split(",")
    if unknown := [name for name in names if name not in SCENARIOS]:
        raise argparse.ArgumentTypeError(f"no such scenario: {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    return names


def setting(text):
    """NAME:KEY=VALUE"""
    name, colon, assignment = text.partition(":")
    key, equals, value = assignment.partition("=")
    if not (name and colon and key and equals):
        raise argparse.ArgumentTypeError(f"NAME:KEY=VALUE, not {text}")
    return name, key, value


def restriction(text):
    """NAME:SCENARIO[,SCENARIO...]"""
    name, colon, scenarios = text.partition(":")
    if not (name and colon and scenarios):
        raise argparse.ArgumentTypeError(f"NAME:SCENARIO[,SCENARIO], not {text}")
    return name, scenario_names(scenarios)


def rounds(text):
    """N[,SCENARIO=N...] -> {scenario: n}; the key "" is for all others."""
    out = {}
    for part in text.split(","):
        name, equals, count = part.partition("=")
        if not equals:
            name, count = "", part
        if name:
            scenario_names(name)
        if not count.isdigit() or int(count) < 1:
            raise argparse.ArgumentTypeError(f"not a positive number: {part}")
        out[name] = int(count)
    return out


def parser():
    out = argparse.ArgumentParser(prog="steeple-bench", description="Measures any agent that serves the SPIFFE Workload API, or several side by side.",
                                  epilog="Method, output and how to read it: bench/README.md.")
    out.add_argument("scenario", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS) + ", or all")
    add_agents(out)
    add_amounts(out)
    add_output(out)
    return out


def add_agents(out):
    out.add_argument("--agent", type=AgentSpec, action="append", default=[], metavar="PATH[@BACKEND][=NAME]",
                     help="an agent to start; again for another one beside it. BACKEND sets Steeple's STEEPLE_IO_BACKEND")
    out.add_argument("--env", type=setting, action="append", default=[], metavar="NAME:KEY=VALUE", help="a variable of the environment of the agent of that name")
    out.add_argument("--only", type=restriction, action="append", default=[], metavar="NAME:SCENARIO[,SCENARIO]", help="the agent of that name runs in these scenarios only")
    out.add_argument("--server", type=program, metavar="PATH", help="a stock spire-server instead of the embedded development server")
    out.add_argument("--socket", metavar="PATH", help="measure the agent that already serves this socket; nothing is started")
    out.add_argument("--pid", type=int, default=0, help="that agent's process, for its CPU and memory")
    out.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin", help="folder of steeple-load and steeple-devserver")


def add_amounts(out):
    out.add_argument("--rounds", type=rounds, default={"": 5}, metavar="N[,SCENARIO=N]", help="rounds; agents run A B B A (default 5)")
    out.add_argument("--minutes", type=float, metavar="M", help="as many rounds of each scenario as fit into so many minutes, one at least, --rounds at most")
    out.add_argument("--seconds", type=float, default=3, help="measured time of a run (default 3)")
    out.add_argument("--clients", type=numbers, default=[1, 16, 64], help="closed loop: calls in flight (default 1,16,64)")
    out.add_argument("--rates", type=numbers, default=[50, 200, 800], help="open loop: calls a second (default 50,200,800)")
    out.add_argument("--entries", type=numbers, default=[10, 1000, 10000], help="idle, start: registration entries (default 10,1000,10000)")
    out.add_argument("--streams", type=int, default=8000, help="idle, push: open streams (default 8000)")
    out.add_argument("--sds-streams", type=int, default=2000)
    out.add_argument("--storm", type=numbers, default=[500, 2000, 5000], help="storm: first calls at once (default 500,2000,5000)")
    out.add_argument("--pods", type=numbers, default=[50, 110, 250, 500], help="k8s: pods of the node (default 50,110,250,500)")
    out.add_argument("--density", type=numbers, default=[1000, 10000, 20000], metavar="PODS,STREAMS,ENTRIES", help="density (default 1000,10000,20000)")
    out.add_argument("--density-limit", type=float, default=60, metavar="S", help="density: an agent that has not served all streams by then is told so (default 60)")
    out.add_argument("--outage", type=numbers, default=[30], help="outage: seconds without a server, one outage each (default 30)")
    out.add_argument("--samples", type=int, default=20, help="first-svid, k8s: new workloads for each agent (default 20)")
    out.add_argument("--renewals", type=int, default=200, help="rotate: entries with an SVID that is renewed (default 200)")
    out.add_argument("--rotation", type=float, default=60, metavar="S", help="rotate: seconds watched while SVIDs are renewed, after half as many without (default 60)")
    out.add_argument("--client-streams", type=int, default=200, help="client: streams of a library (default 200)")
    out.add_argument("--audience", default="bench", help="jwt: the audience asked for")
    out.add_argument("--secret", default="default", help="sds: the secret asked for")
    out.add_argument("--quick", action="store_true", help="everything small: shows that it works, measures little")
    out.add_argument("--plan", action="store_true", help="print how long it will take, and start nothing")


def add_output(out):
    out.add_argument("--json", type=pathlib.Path, metavar="FILE", help="where the results go (default steeple-bench.json)", default=pathlib.Path("steeple-bench.json"))
    out.add_argument("--html", type=pathlib.Path, metavar="FILE", help="where the report goes (default steeple-bench.html)", default=pathlib.Path("steeple-bench.html"))
    out.add_argument("--markdown", type=pathlib.Path, metavar="FILE", help="the tables as Markdown, too")
    out.add_argument("--svg", type=pathlib.Path, metavar="FILE", help="memory against open streams as a picture by itself, too")
    out.add_argument("--results", type=pathlib.Path, metavar="FILE", help="renew the tables between the marks of bench/RESULTS.md")
    out.add_argument("--readme", type=pathlib.Path, metavar="FILE", help="renew the headline figures between the marks of README.md")
    out.add_argument("--report", type=pathlib.Path, action="append", metavar="FILE", help="measure nothing: tables and reports of an earlier run's JSON; again for a later run of "
                     "the same agents, whose variants are added or take the place of the first one's")
    out.add_argument("--keep", action="store_true", help="keep configurations and logs")


QUICK = {"rounds": {"": 1}, "seconds": 0.5, "clients": [1, 16], "rates": [50, 400], "entries": [10, 200], "streams": 400, "sds_streams": 100, "storm": [200],
         "pods": [20, 40], "density": [20, 100, 500], "density_limit": 30, "outage": [3], "samples": 2, "renewals": 20, "rotation": 40, "client_streams": 20}


def parse(arguments=None):
    out = parser()
    options = out.parse_args(arguments)
    if options.report:
        return options
    if options.quick:
        for key, value in QUICK.items():
            if getattr(options, key) == out.get_default(key):
                setattr(options, key, value)
    options.libraries = [language for language, program in LIBRARIES.items() if os.access(program, os.X_OK)]
    choose_scenarios(out, options)
    check_agents(out, options)
    if len(options.density) != 3:
        out.error("--density takes three numbers: pods, streams, entries")
    if options.seconds <= 0 or options.rotation <= 0 or options.density_limit <= 0 or (options.minutes is not None and options.minutes <= 0):
        out.error("--seconds, --rotation, --density-limit and --minutes are positive")
    for name in ("steeple-load", *(() if options.server or options.socket else ("steeple-devserver",))):
        if not os.access(options.bin / name, os.X_OK):
            out.error(f"{options.bin / name} is missing: build it, or say --bin")
    return options


def choose_scenarios(out, options):
    if not options.scenario:
        out.error(f"a scenario: {', '.join(SCENARIOS)}, all")
    if unknown := [name for name in options.scenario if name not in (*SCENARIOS, "all")]:
        out.error(f"no such scenario: {', '.join(unknown)}; there are {', '.join(SCENARIOS)}, all")
    if "client" in options.scenario and not options.libraries:  # `all` goes on without, and says so
        out.error(f"client: no client library is built: tests/clients/prepare {' '.join(LIBRARIES)}")
    if "all" in options.scenario:
        options.scenario = list(ATTACHED if options.socket else SCENARIOS)
    if bool(options.socket) == bool(options.agent):
        out.error("either --agent (started here) or --socket (already running)")
    if options.socket:
        if not_possible := [name for name in options.scenario if name not in ATTACHED]:
            out.error(f"{', '.join(not_possible)}: needs --agent; with --socket there are {', '.join(ATTACHED)}")


def check_agents(out, options):
    """Names, environments and restrictions; an agent that is given twice shows the noise."""
    names = [agent.name for agent in options.agent]
    for option, given in (("--env", options.env), ("--only", options.only)):
        for name, *_ in given:
            if name not in names:
                out.error(f"{option}: no agent is called {name}; there are {', '.join(names)}")
    for number, agent in enumerate(options.agent):
        agent.environment.update({key: value for name, key, value in options.env if name == agent.name})
        for name, scenarios in options.only:
            if name == agent.name:
                agent.scenarios = scenarios
        if names.count(agent.name) > 1:
            agent.name += f" #{names[:number + 1].count(names[number])}"
