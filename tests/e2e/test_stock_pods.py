"""Pods of odd shapes and kubelets that answer oddly: Steeple's agent and a stock SPIRE Agent say the same of the same process.

Runs where STEEPLE_SPIRE_BIN names a folder with spire-server and spire-agent.
"""
import json
import re
import subprocess
import unittest

from harness import STOCK, Suite, wait_until
from kubelet import Cgroups, Kubelet, Pod, can_make_cgroups

DELETED = object()


def put(path, value):
    """A change of a pod: the field at "a/b/0/c" has the value, or is gone."""
    def change(pod):
        *way, last = path.split("/")
        for step in way:
            pod = pod[int(step) if step.isdigit() else step]
        if value is DELETED:
            del pod[last]
        else:
            pod[last] = value
    return change


def renamed(old, new):
    return lambda pod: pod["status"].update({new: pod["status"].pop(old)})


STATUS = "status/containerStatuses/0/"
SHAPES = {
    "as it is": lambda pod: None,
    "no labels": put("metadata/labels", DELETED),
    "labels that are null": put("metadata/labels", None),
    "a label that is null": put("metadata/labels", {"a": None, "b:c": "d:e", "é": ""}),
    "labels that are a list": put("metadata/labels", ["a"]),
    "a label that is a number": put("metadata/labels", {"a": 5}),
    "a name that is a number": put("metadata/name", 5),
    "no account": put("spec/serviceAccountName", DELETED),
    "no spec": put("spec", None),
    "a spec that is a list": put("spec", []),
    "no status": put("status", DELETED),
    "a status that is true": put("status", True),
    "a container status that is null": put("status/containerStatuses", [None]),
    "container statuses that are text": put("status/containerStatuses", "x"),
    "an init container": renamed("containerStatuses", "initContainerStatuses"),
    "an ephemeral container": renamed("containerStatuses", "ephemeralContainerStatuses"),
    "owners": put("metadata/ownerReferences", [{"kind": "Node", "name": "n", "uid": "u"}, {}]),
    "an owner whose kind is a number": put("metadata/ownerReferences", [{"kind": 1}]),
    "no image": put(STATUS + "image", ""),
    "an image of odd characters": put(STATUS + "image", "é\"\\\n\b<&"),
    "an id without a runtime": put(STATUS + "containerID", "abc"),
    "an id that is no URL": put(STATUS + "containerID", "containerd://%zz"),
    "an id that is a number": put(STATUS + "containerID", 7),
    "failed, and its container runs": put("status/phase", "Failed"),
    "succeeded, and its container waits": lambda pod: (put("status/phase", "Succeeded")(pod), put(STATUS + "state", {"waiting": {}})(pod)),
    "a large annotation": put("metadata/annotations", {"large": "x" * 1_000_000}),
}


class Answers:
    """What a kubelet answers instead of a pod's list, by name: (status, body)."""

    def __init__(self, pod):
        good = b'{"kind":"PodList","items":[' + pod + b"]}"
        self.of = {
            "nothing": (200, b""), "null": (200, b"null"), "a list": (200, b"[]"), "text": (200, b'"x"'), "no items": (200, b"{}"), "items of null": (200, b'{"items":null}'),
            "items that are an object": (200, b'{"items":{}}'), "a page": (200, b"<html>"), "more behind it": (200, good + b" x"),
            "items that are no pods": (200, good.replace(b"[", b'[null,5,"a{]",[{}],true,{},', 1)),
            "401": (401, b"Unauthorized"), "403": (403, b"Forbidden (user=x)\n"), "404": (404, b""), "500": (500, b"x" * 2000), "503": (503, b"away"),
        }


@unittest.skipUnless(STOCK and can_make_cgroups(), "STEEPLE_SPIRE_BIN is not set, or cgroups cannot be made here")
class SamePods(Suite):
    def world(self):
        self.kubelet = self.keep(Kubelet(self.home / "kubelet"))
        self.cgroups = self.keep(Cgroups())
        server = self.server(kind="stock").start()
        limits = ("max_poll_attempts = 2", 'poll_retry_interval = "50ms"')
        self.agents = {}
        for kind, own in (("steeple", ('pod_index_max_age = "1ms"',)), ("stock", ())):
            agent = self.agent(server, kind, kind=kind, workload_attestor=self.kubelet.plugin(*limits, *own))
            self.agents[kind] = agent.start("-joinToken", server.token())

    def outcome(self, kind, pod):
        """What the agent finds out of a process of the pod: its selectors, or the attestor's error."""
        agent = self.agents[kind]
        seen = len(agent.process.log())
        child = self.cgroups.run(self.cgroups.of(pod), [agent.program, "api", "fetch", "x509", "-socketPath", agent.socket, "-timeout", "20s"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.assertNotEqual(child.wait(60), 0)

        def found():
            news = agent.process.log()[seen:]
            attested = re.search(rf'msg="PID attested to have selectors" pid={child.pid} selectors="\[(.*)\]"', news)
            failed = re.search(r'msg="workload attestor \\"k8s\\" failed" error="(.*?[^\\])" ', news)
            if failed:
                return failed.group(1)
            return attested and sorted(set(re.findall(r'value:(\\"(?:[^\\]|\\\\\\"|\\\\|\\[^"])*\\")', attested.group(1))))
        return wait_until(found, 20, lambda: f"{kind} says nothing\n{agent.process.log()[seen:]}")

    def assert_same(self, pod):
        ours, theirs = (self.outcome(kind, pod) for kind in ("steeple", "stock"))
        self.assertEqual(ours, theirs)
        return ours

    def test_pods_of_odd_shapes(self):
        self.world()
        for name, change in SHAPES.items():
            with self.subTest(name):
                pod = Pod(re.sub("[^a-z]+", "-", name))
                shaped = json.loads(pod.json(size=0))
                change(shaped)
                self.kubelet.list([json.dumps(shaped).encode()])
                self.assert_same(pod)

    def test_kubelets_that_answer_oddly(self):
        self.world()
        for name in Answers(b"").of:
            with self.subTest(name):
                pod = Pod("web")
                self.kubelet.answer = Answers(pod.json(size=0)).of[name]
                self.assert_same(pod)

    def test_files_that_change_under_the_agents(self):
        """The token is read before each request here; what cannot be sent, or is not there, is said alike."""
        self.kubelet = None
        for contents in (b"two\r\nlines", b"a\x01b", None):
            with self.subTest(contents):
                if not self.kubelet:
                    self.world()
                    for agent in self.agents.values():
                        agent.stop()
                        agent.workload_attestor = agent.workload_attestor.replace("max_poll", 'reload_interval = "1ms"\nmax_poll', 1)
                        agent.start()
                if contents is None:
                    self.kubelet.token_path.unlink()
                else:
                    self.kubelet.token_path.write_bytes(contents)
                self.assertIn("Unavailable", self.assert_same(Pod("web")))


if __name__ == "__main__":
    unittest.main(verbosity=2)
