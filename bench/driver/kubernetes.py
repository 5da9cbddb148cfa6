"""Pods: real cgroups, a kubelet that answers from memory, so that what is measured is the agent's share."""
import math
import os
import random
import subprocess
import time

from .equality import same_selectors
from .errors import BenchError, NotServed
from .machine import cpu_seconds, milli_cores
from .results import COST, HELD, LATENCY, Column

STORM_CLIENTS = 100
SELDOM_RATE, SELDOM_SECONDS = 1.5, 4
ACCOUNT = "bench"
UNIX = 'WorkloadAttestor "unix" { plugin_data {} }'
KUBELET = Column("kubelet_requests", "kubelet requests", 1, 0)


class Node:
    """A kubelet with its pods, and their cgroups, for the time of a `with`."""

    def __init__(self, world, count, account=lambda number: ACCOUNT):
        if os.getuid() != 0 or not world.kubelet.can_make_cgroups():
            raise BenchError("pods need root and a writable cgroup tree")
        self.world, self.cgroups = world, world.kubelet.Cgroups()
        self.stub = world.kubelet.Kubelet(world.home / f"kubelet-{count}")
        self.pods = [world.kubelet.Pod(f"pod-{number}", account=account(number)) for number in range(count)]
        self.bodies = [pod.json() for pod in self.pods]
        self.stub.list(self.bodies)

    def cgroup(self, pod):
        return self.cgroups.of(pod)

    def milliseconds(self):
        """What the kubelet takes for its list, whoever asks: curl's time, the least of some."""
        command = ["curl", "-sS", "--fail", "--cacert", self.stub.home / "kubelet.crt", "-H", f"Authorization: Bearer {self.stub.token}", "-o", "/dev/null", "-w", "%{time_total}",
                   f"https://127.0.0.1:{self.stub.port}/pods"]
        return min(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for _ in range(5)) * 1e3

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for agent in list(self.world.agents):
            self.world.stop_agent(agent)
        self.world.stop_server()
        self.stub.stop()
        self.cgroups.stop()


def percentile(values, part):
    """As the generator counts them: the smallest value that so many are not above."""
    ordered = sorted(values)
    return ordered[max(math.ceil(part * len(ordered)), 1) - 1]


def unix_cost(bench):
    """CPU of a call where only the attestor `unix` is configured, for the difference."""
    out = {}
    for spec in bench.agents:
        agent = bench.world.start_agent(spec)
        out[spec.name] = bench.world.load(agent, "closed", kept=True, seconds=bench.options.seconds)["agent_cpu_us_per_op"]
        bench.world.stop_agent(agent)
    return out


def known(world, node, agent, seconds, unix):
    world.load(agent, "await", cgroup=node.cgroup(node.pods[0]))
    before = node.stub.requests
    figures = world.load(agent, "closed", kept=True, seconds=seconds, cgroup=node.cgroup(node.pods[0]))
    figures["kubelet_requests"] = node.stub.requests - before
    figures["above_unix_us"] = figures["agent_cpu_us_per_op"] - unix
    return figures


def storm(world, node, agent):
    """A client in each of 100 pods, all at once: an agent's first calls."""
    kubelet_ms = node.milliseconds()
    clients = min(len(node.pods), STORM_CLIENTS)
    before = node.stub.requests
    figures = load_pods(world, node, agent, node.pods[:clients], streams=STORM_CLIENTS, clients=clients, seconds=0, warm_up=0, limit=60)
    return {**figures, "kubelet_requests": node.stub.requests - before, "kubelet_ms": kubelet_ms, "beyond_kubelet_ms": figures["all_served_ms"] - kubelet_ms}


def seldom(world, node, agent, idle):
    """The same container, calls so far apart that no list of the kubelet's is half a second old at the next; what the agent does anyway is taken off."""
    before = node.stub.requests
    figures = world.load(agent, "open", rate=SELDOM_RATE, seconds=SELDOM_SECONDS, warm_up=0, cgroup=node.cgroup(node.pods[0]))
    figures["cpu_ms_per_call"] = (figures["agent_cpu_s"] * 1e3 - idle * figures["seconds"]) / figures["count"]
    figures["kubelet_per_call"] = (node.stub.requests - before) / figures["count"]
    return figures


def load_pods(world, node, agent, pods, **settings):
    """A process in each pod's cgroup opens its part of the streams."""
    cgroups = world.home / "cgroups"
    cgroups.write_text("".join(f"{node.cgroup(pod)}\n" for pod in pods))
    return world.load(agent, "pods", cgroups=cgroups, **settings)


def late(bench, node, agent):
    """Clients that wait, one after the other, for their pods to be listed: each sample, and p50 and p99 of all."""
    samples = []
    for number in range(bench.samples()):
        pod = bench.world.kubelet.Pod(f"late-{number}", account=ACCOUNT)
        child = bench.world.generator(agent, "await", every=5, limit=60, cgroup=node.cgroup(pod))
        time.sleep(random.uniform(0.2, 0.7))
        node.stub.list([*node.bodies, pod.json()])
        listed = time.monotonic_ns()
        samples.append((bench.world.finish(agent, child)["served_ns"] - listed) / 1e6)
    return {"samples_ms": samples, "listed_to_svid_ms": {"p50": percentile(samples, 0.5), "p99": percentile(samples, 0.99)}}


def unknown(world, node, agent, seconds, idle):
    """CPU of each kubelet request that a container nobody knows causes; what the agent does anyway, `idle` milli-cores, is taken off."""
    seconds = max(seconds, 2)
    child = world.generator(agent, "await", every=1, limit=120, cgroup=node.cgroup(world.kubelet.Pod("unknown")))
    time.sleep(0.5)
    before, cpu = node.stub.requests, cpu_seconds(agent.pid)
    time.sleep(seconds)
    asked, spent = node.stub.requests - before, cpu_seconds(agent.pid) - cpu - idle / 1e3 * seconds
    child.kill()
    child.communicate()
    agent.check()
    if asked == 0:
        raise BenchError(f"{agent.name} asked the kubelet nothing about an unknown container in {seconds:g} s", agent.log())
    return {"cpu_ms_per_request": spent * 1e3 / asked, "kubelet_requests": asked}


def k8s(bench):
    world, options = bench.world, bench.options
    unix = None
    for count in options.pods:
        with Node(world, count) as node:
            world.start_server()
            world.fill_entries(10)
            world.add_entries([world.entry("pods", f"k8s:sa:{ACCOUNT}")])
            if unix is None:
                same_selectors(bench, "a pod", cgroup=node.cgroup(node.pods[0]), workload_attestor=node.stub.plugin())
                unix = unix_cost(bench)
            for _, spec in bench.turns(bench.agents):
                one_agent(bench, node, spec, count, unix[spec.name])


LATE_PODS = 110  # where clients wait for their pods: an ordinary node


def one_agent(bench, node, spec, count, unix):
    world, options = bench.world, bench.options
    node.stub.list(node.bodies)
    agent = world.configure_agent(spec, workload_attestor=node.stub.plugin())
    world.launch(agent, "-joinToken", world.join_token(agent))
    world.settle(agent)
    bench.record("k8s", f"{count} pods, {STORM_CLIENTS} clients of {min(count, STORM_CLIENTS)} pods at once", agent, [
        Column("all_served_ms", "all served ms"), Column("beyond_kubelet_ms", "beyond the kubelet's own time, ms"), Column("open_cpu_ms", "agent CPU ms"), KUBELET, *LATENCY[:3], *HELD], lambda: storm(world, node, agent), show_rpcs=True)
    bench.record("k8s", f"{count} pods, a known container, kept connection", agent, [
        Column("above_unix_us", "agent CPU us/op above unix", 1, 1), KUBELET, *LATENCY, *COST], lambda: known(world, node, agent, options.seconds, unix))
    idle = milli_cores(agent.pid, 2)
    bench.record("k8s", f"{count} pods, a known container, a new connection every 0.7 s", agent, [
        Column("cpu_ms_per_call", "agent CPU ms/call", 1, 2), Column("kubelet_per_call", "kubelet requests/call", 1, 2), LATENCY[0]], lambda: seldom(world, node, agent, idle))
    if count == min(options.pods, key=lambda pods: abs(pods - LATE_PODS)):
        bench.record("k8s", f"{count} pods, a client that waits for its pod to be listed", agent, [
            Column("listed_to_svid_ms.p50", "listed to SVID, p50 ms"), Column("listed_to_svid_ms.p99", "listed to SVID, p99 ms")], lambda: late(bench, node, agent))
        node.stub.list(node.bodies)
    bench.record("k8s", f"{count} pods, an unknown container", agent, [
        Column("cpu_ms_per_request", "agent CPU ms/kubelet request", 1, 2), KUBELET], lambda: unknown(world, node, agent, options.seconds, idle))
    world.stop_agent(agent)


PODS_AT_ONCE = 32  # that open their streams
DENSITY_COLUMNS = [Column("open_seconds", "opened in, s", 1, 2), Column("open_cpu_us_per_op", "agent CPU us/stream opened"), Column("sync_seconds", "start to first SVID, s", 1, 2),
                   Column("idle_milli_cores", "idle milli-cores", 1, 2), Column("after_leaving_mb", "RSS 5 s after all left, MB"), KUBELET, *LATENCY, *HELD]


def density(bench):
    """A full node: pods with their own identities, streams from a process in each of them, and many entries of four selectors."""
    world = bench.world
    pods, streams, entries = bench.options.density
    variant = f"{pods} pods, {streams} streams, {entries} entries of 4 selectors"
    overwhelmed = set()  # an agent that did not manage once is not asked again
    with Node(world, pods, account=lambda number: f"account-{number}") as node:
        world.start_server()
        bench.progress(f"density: {entries} entries")
        world.add_entries([pod_entry(world, number) for number in range(entries)])
        for _, spec in bench.turns(bench.agents):
            if spec in overwhelmed:
                continue
            bench.progress(f"density: {spec.name} starts with {entries} entries")
            agent, reason = start_on_full_node(bench, node, spec)
            figures = bench.record("density", variant, agent or spec, DENSITY_COLUMNS, lambda: {"not_served": reason} if reason else open_on_full_node(bench, node, agent),
                                   show_rpcs=True)
            if "not_served" in figures:
                overwhelmed.add(spec)
            for started in list(world.agents):
                world.stop_agent(started)


def start_on_full_node(bench, node, spec):
    """(agent, None), or (None, why it serves nobody within --density-limit)"""
    try:
        return bench.world.start_agent(spec, cgroup=node.cgroup(node.pods[0]), patience=bench.options.density_limit, workload_attestor=node.stub.plugin()), None
    except NotServed as error:
        return None, f"at its start: {error.reason}"


def open_on_full_node(bench, node, agent):
    options, before = bench.options, node.stub.requests
    hold = {"seconds": 1, "warm_up": 0.3} if options.quick else {"seconds": 10, "warm_up": 5}
    try:
        figures = load_pods(bench.world, node, agent, node.pods, streams=options.density[1], clients=PODS_AT_ONCE, limit=options.density_limit, **hold)
    except NotServed as error:
        return {"not_served": error.reason}
    if "after_leaving" in figures:
        figures["after_leaving_mb"] = figures["after_leaving"][-1][1]["rss_kib"] / 1024
    return {**figures, "sync_seconds": agent.first_svid_seconds, "kubelet_requests": node.stub.requests - before}


def pod_entry(world, number):
    return world.entry(f"ns/default/pod-{number}", "k8s:ns:default", f"k8s:sa:account-{number}", f"k8s:pod-name:pod-{number}", f"k8s:pod-label:app:pod-{number}")
