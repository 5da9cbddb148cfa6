"""Pods: real cgroups, a kubelet that answers from memory, so that what is measured is the agent's share."""
import os
import random
import time

from .client_side import memory_of
from .errors import BenchError
from .machine import cpu_seconds, milli_cores
from .results import COST, HELD, LATENCY, Column

STORM_CLIENTS = 100
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

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for agent in list(self.world.agents):
            self.world.stop_agent(agent)
        self.world.stop_server()
        self.stub.stop()
        self.cgroups.stop()


def unix_cost(bench, node):
    """CPU of a call where only the attestor `unix` is configured, for the difference."""
    out = {}
    for spec in bench.options.agent:
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
    """One client in each of 100 pods, all at once: an agent's first calls."""
    before, cpu, begin = node.stub.requests, cpu_seconds(agent.pid), time.monotonic_ns()
    children = [world.generator(agent, "await", every=5, limit=60, cgroup=node.cgroup(node.pods[number % len(node.pods)])) for number in range(STORM_CLIENTS)]
    served = [world.finish(agent, child) for child in children]
    last = max(one["served_ns"] for one in served)
    return {"all_served_ms": (last - max(begin, min(one["begin_ns"] for one in served))) / 1e6, "agent_cpu_ms": (cpu_seconds(agent.pid) - cpu) * 1e3,
            "attempts": max(one["attempts"] for one in served), "kubelet_requests": node.stub.requests - before, "memory": memory_of(agent.pid)}


def late(world, node, agent, number):
    """A client that waits for its pod to be listed."""
    pod = world.kubelet.Pod(f"late-{number}", account=ACCOUNT)
    child = world.generator(agent, "await", every=5, limit=60, cgroup=node.cgroup(pod))
    time.sleep(random.uniform(0.2, 0.7))
    node.stub.list([*node.bodies, pod.json()])
    listed = time.monotonic_ns()
    return {"listed_to_svid_ms": (world.finish(agent, child)["served_ns"] - listed) / 1e6}


def unknown(world, node, agent, seconds):
    """CPU of each kubelet request that a container nobody knows causes, idle time taken off."""
    seconds = max(seconds, 2)
    idle = milli_cores(agent.pid, seconds) / 1e3 * seconds
    child = world.generator(agent, "await", every=1, limit=120, cgroup=node.cgroup(world.kubelet.Pod("unknown")))
    time.sleep(0.5)
    before, cpu = node.stub.requests, cpu_seconds(agent.pid)
    time.sleep(seconds)
    asked, spent = node.stub.requests - before, cpu_seconds(agent.pid) - cpu - idle
    child.kill()
    child.communicate()
    agent.check()
    if asked == 0:
        raise BenchError(f"{agent.name} asked the kubelet nothing about an unknown container in {seconds:g} s", agent.log())
    return {"cpu_ms_per_request": spent * 1e3 / asked, "kubelet_requests": asked}


def k8s(bench):
    world, options = bench.world, bench.options
    for count in options.pods:
        with Node(world, count) as node:
            world.start_server()
            world.fill_entries(10)
            world.add_entries([world.entry("pods", f"k8s:sa:{ACCOUNT}")])
            unix = unix_cost(bench, node)
            for _, spec in bench.turns(options.agent):
                one_agent(bench, node, spec, count, unix[spec.name])


def one_agent(bench, node, spec, count, unix):
    world, options = bench.world, bench.options
    node.stub.list(node.bodies)
    agent = world.launch(world.configure_agent(spec, workload_attestor=node.stub.plugin()), "-joinToken", world.server.token())
    world.settle(agent)
    bench.record("k8s", f"{count} pods, {STORM_CLIENTS} clients of {min(count, STORM_CLIENTS)} pods at once", spec.name, [
        Column("all_served_ms", "all served ms"), Column("agent_cpu_ms", "agent CPU ms"), KUBELET, *HELD], lambda: storm(world, node, agent))
    bench.record("k8s", f"{count} pods, a known container, kept connection", spec.name, [
        Column("above_unix_us", "agent CPU us/op above unix", 1, 1), KUBELET, *LATENCY, *COST], lambda: known(world, node, agent, options.seconds, unix))
    for number in range(max(options.samples // options.rounds, 1)):
        bench.record("k8s", f"{count} pods, a client that waits for its pod to be listed", spec.name, [
            Column("listed_to_svid_ms", "listed to SVID, ms")], lambda: late(world, node, agent, number))
    bench.record("k8s", f"{count} pods, an unknown container", spec.name, [
        Column("cpu_ms_per_request", "agent CPU ms/kubelet request", 1, 2), KUBELET], lambda: unknown(world, node, agent, options.seconds))
    world.stop_agent(agent)


DENSITY_COLUMNS = [Column("open_seconds", "opened in, s", 1, 2), Column("sync_seconds", "start to first SVID, s", 1, 2), Column("idle_milli_cores", "idle milli-cores", 1, 2), KUBELET,
                   *LATENCY, *HELD]


def density(bench):
    """A full node: pods with their own identities, streams from each of them, and many entries of four selectors."""
    world = bench.world
    pods, streams, entries = bench.options.density
    hold = {"seconds": 2, "warm_up": 1} if bench.options.quick else {"seconds": 10, "warm_up": 5}
    with Node(world, pods, account=lambda number: f"account-{number}") as node:
        world.start_server()
        bench.progress(f"density: {entries} entries")
        world.add_entries([pod_entry(world, number) for number in range(entries)])
        cgroups = world.home / "cgroups"
        cgroups.write_text("".join(f"{node.cgroup(pod)}\n" for pod in node.pods))
        for _, spec in bench.turns(bench.options.agent):
            agent = world.start_agent(spec, cgroup=node.cgroup(node.pods[0]), workload_attestor=node.stub.plugin())
            before = node.stub.requests

            def measure():
                figures = world.load(agent, "idle", streams=streams, cgroups=cgroups, limit=900, **hold)
                return {**figures, "sync_seconds": agent.first_svid_seconds, "kubelet_requests": node.stub.requests - before}

            bench.record("density", f"{pods} pods, {streams} streams, {entries} entries of 4 selectors", spec.name, DENSITY_COLUMNS, measure)
            world.stop_agent(agent)


def pod_entry(world, number):
    return world.entry(f"ns/default/pod-{number}", "k8s:ns:default", f"k8s:sa:account-{number}", f"k8s:pod-name:pod-{number}", f"k8s:pod-label:app:pod-{number}")
