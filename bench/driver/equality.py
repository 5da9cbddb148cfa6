"""What must be equal before two agents' speed is compared: the selectors they find for a process, and the answers they give it."""
import json
import os
import re
import subprocess

from .errors import BenchError

ATTESTED = re.compile(r'"?PID attested to have selectors"?.*?selectors="((?:[^"\\]|\\.)*)"')
SELECTOR = re.compile(r'type:"(\w+)"\s+value:"([^"]*)"')


def selectors_of(started):
    """Of the last process that it attested, from its log at the level DEBUG."""
    lines = ATTESTED.findall(started.log())
    return sorted(SELECTOR.findall(lines[-1].replace('\\"', '"'))) if lines else None


def same_selectors(bench, what, cgroup=None, **settings):
    """Each agent, once, with its log at DEBUG."""
    if len(bench.agents) < 2:
        return
    found = {}
    for spec in bench.agents:
        bench.progress(f"selectors of {what}: {spec.name}")
        started = bench.world.start_agent(spec, cgroup=cgroup, log_level="DEBUG", **settings)
        found[spec.name] = selectors_of(started)
        bench.world.stop_agent(started)
    untold = [name for name, selectors in found.items() if not selectors]
    told = {name: selectors for name, selectors in found.items() if selectors}
    require_same(f"selectors of {what}", told)
    for name in untold:
        bench.results.checks.append(f"selectors of {what}: {name} does not log them")
    if told:
        bench.results.checks.append(f"selectors of {what}: the same {len(next(iter(told.values())))} from {', '.join(told)}")


def answer_of(bench, agent):
    """What a decoded X.509-SVID response says, without what differs from one signature to the next."""
    program = bench.options.bin / "steeple-agent"
    program = program if os.access(program, os.X_OK) else agent.spec.path
    done = subprocess.run([program, "api", "fetch", "x509", "-output", "json", "-socketPath", agent.socket], capture_output=True, text=True)
    if done.returncode != 0:
        raise BenchError(f"{agent.name}: {done.stderr.strip() or done.stdout.strip()}", agent.log())
    answer = json.loads(done.stdout)
    answer = answer[0] if isinstance(answer, list) else answer
    svids = [(svid["spiffe_id"], svid.get("hint", ""), svid["bundle"], len(svid["x509_svid_key"])) for svid in answer["svids"]]
    return sorted(svids), sorted(answer.get("federated_bundles", {}).items())


def same_answers(bench, agents):
    """Identities, hints, trust bundles and the size of the key, in the agents' answers to this process."""
    if len(agents) < 2:
        return
    require_same("answer to FetchX509SVID", {agent.name: answer_of(bench, agent) for agent in agents})
    bench.results.checks.append(f"answers to FetchX509SVID, decoded: the same from {', '.join(agent.name for agent in agents)}")


def require_same(what, by_name):
    names = list(by_name)
    for name in names[1:]:
        if by_name[name] != by_name[names[0]]:
            raise BenchError(f"{what}: {names[0]} and {name} differ, so their speed is not compared: {by_name[names[0]]} and {by_name[name]}")
