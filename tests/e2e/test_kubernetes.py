"""The Kubernetes scenario with real parts: containerd and runc run the agent and its clients as pods in kubepods cgroups."""
import os
import pathlib
import re
import subprocess
import time
import unittest

from harness import PATIENCE, wait_until
import containerd as runtime
from containerd_kubelet import ContainerdKubelet
from kubernetes_node import BACKEND, CLIENT, FETCH, AgentPod, Node, main

REFUSED = "rpc error: code = PermissionDenied desc = no identity issued"


class Kubernetes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node = Node()
        cls.addClassCleanup(cls.node.stop)
        cls.agent = AgentPod(cls.node).start()

    def client(self, name="client", agent=None, **facts):
        """A pod that sleeps with the socket directory mounted; (pod, container)."""
        pod = self.node.containerd.pod(name, **facts)
        self.addCleanup(self.remove, pod)
        return pod, pod.start("client", command=["/pause"], mounts=(agent or self.agent).mounts())

    def remove(self, pod):
        pod.remove()
        self.node.containerd.pods.remove(pod)

    def assert_served(self, answer, expected=CLIENT):
        code, out, error = answer
        self.assertEqual(code, 0, f"{error}\n{self.agent.log()[-3000:]}")
        self.assertEqual(re.findall(r"SPIFFE ID:\t\t(\S+)\n", out), [expected])

    def test_a_client_pod_gets_its_svid_and_another_account_is_refused(self):
        pod, container = self.client()
        self.assert_served(pod.execute(container, *FETCH))
        for facts in ({"account": "other"}, {"namespace": "elsewhere"}):
            stranger, inside = self.client("stranger", **facts)
            code, out, error = stranger.execute(inside, *FETCH)
            self.assertEqual((code, out), (1, ""))
            self.assertIn(REFUSED, error)

    def test_the_backend_is_what_the_profile_admits(self):
        wanted = "epoll" if BACKEND == "epoll" else "io_uring"
        self.assertRegex(self.agent.log(), rf'(?m)^.*backend=?"?{wanted}')
        if BACKEND == "epoll":
            self.assertIn("seccomp", self.agent.log())

    def test_a_restarted_container_is_served_under_its_new_id(self):
        pod, first = self.client()
        self.assert_served(pod.execute(first, *FETCH))
        pod.stop_container(first)
        second = pod.start("client", command=["/pause"], mounts=self.agent.mounts())
        self.assertNotEqual(first, second)
        self.assert_served(pod.execute(second, *FETCH))

    def test_a_pod_that_asks_in_its_first_millisecond_is_served_once_it_is_listed(self):
        self.node.kubelet.hidden.add("early")
        pod = self.node.containerd.pod("early")
        self.addCleanup(self.remove, pod)
        container = pod.start("client", command=FETCH[:1], args=[*FETCH[1:], "-timeout", "20s"], mounts=self.agent.mounts())
        asked = self.node.kubelet.requests
        wait_until(lambda: self.node.kubelet.requests >= asked + 2, 10, "the agent does not ask the kubelet for the unknown container")
        self.assertEqual(pod.state(container).state, runtime.RUNNING, "answered before the pod was listed")
        self.node.kubelet.hidden.discard("early")
        listed = time.monotonic()
        code = pod.wait(container)
        self.assert_served((code, pod.log("client") + "\n", ""))
        self.assertLess(time.monotonic() - listed, 2 * PATIENCE)

    def test_forged_facts_gain_nothing(self):
        victim, inside = self.client("victim")
        forged = f"/kubepods/besteffort/pod{victim.uid}/{inside}"
        thief = self.node.containerd.pod("thief", account="thief")
        self.addCleanup(self.remove, thief)
        # The victim's names in the command line, the environment and the mount paths, and its cgroup's folder mounted under its own name.
        groups = pathlib.Path("/sys/fs/cgroup/systemd" if os.path.isdir("/sys/fs/cgroup/systemd") else "/sys/fs/cgroup")
        cgroup = groups / f"{self.node.containerd.cgroup_root}{forged}".lstrip("/")
        self.assertTrue(cgroup.is_dir(), cgroup)
        container = thief.start("client", command=["/pause"], args=[forged, f"pod{victim.uid}", inside], environment={"CGROUP": forged, "POD_UID": victim.uid, "CONTAINER_ID": inside},
                                read_only=False, mounts=[*self.agent.mounts(), (cgroup, forged, True)])
        for extra in ((), ("-timeout", "5s")):
            code, out, error = thief.execute(container, *FETCH, *extra)
            self.assertEqual((code, out), (1, ""))
            self.assertIn(REFUSED, error)
        self.assert_served(victim.execute(inside, *FETCH))

    def test_the_kubelet_knows_its_callers(self):
        kubelet = self.node.kubelet
        certificate, key = kubelet.authority.issue("reader")
        for options, header, status in (((), f"Bearer {self.node.token}", "200"), ((), "Bearer weak-token", "403"), ((), "Bearer nobody's", "401"),
                                        (("-cert", certificate, "-key", key), "", "200")):
            request = f"GET /pods HTTP/1.1\r\nHost: x\r\nAuthorization: {header}\r\nConnection: close\r\n\r\n"
            done = subprocess.run(["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{kubelet.port}", "-CAfile", kubelet.authority.certificate,
                                   "-verify_return_error", *options], input=request, capture_output=True, text=True, timeout=30 * PATIENCE)
            self.assertIn(f"HTTP/1.1 {status} ", done.stdout, done.stderr)

    def test_the_agent_attested_by_its_account_and_trusts_the_config_map(self):
        agents = self.node.server.command("agent list").stdout
        self.assertRegex(agents, r"spire/agent/k8s_sat/kindcluster/[0-9a-f-]{36}\n")
        self.assertEqual((self.node.bundle / "bundle.crt").read_text(), self.node.server.command("bundle show").stdout)
        reviews = [body for _, path, body in self.node.api.requests if path.endswith("/tokenreviews")]
        self.assertIn(self.node.token.encode(), reviews[0])
        self.assertNotIn(self.node.token, self.agent.log() + self.node.server.process.log())

    def test_the_agent_s_container_restarts_under_its_clients(self):
        pod, container = self.client()
        self.agent.stop()
        self.agent.start()
        self.assert_served(pod.execute(container, *FETCH))

    def test_a_token_the_kubelet_refuses_is_a_clear_error_until_it_is_replaced(self):
        folder = self.node.account
        (folder / "own-token").write_text(self.node.token)
        (folder / "ca.crt").write_bytes(self.node.kubelet.authority.certificate.read_bytes())
        account = "/var/run/secrets/kubernetes.io/serviceaccount"
        agent = AgentPod(self.node, "strict", "\n    ".join((f'token_path = "{account}/own-token"', f'kubelet_ca_path = "{account}/ca.crt"', 'reload_interval = "100ms"',
                                                             'max_poll_attempts = 2', 'poll_retry_interval = "100ms"')), kept=True).start()
        self.addCleanup(agent.stop)
        (folder / "own-token").write_text("weak-token")
        time.sleep(0.2)
        pod, container = self.client(agent=agent)  # not in the last good list
        for token, status in (("weak-token", "403 Forbidden"), ("nobody's", "401 Unauthorized")):
            (folder / "own-token").write_text(token)
            time.sleep(0.2)
            code, _, error = pod.execute(container, *FETCH)
            self.assertEqual(code, 1)
            self.assertIn("workload attestation failed", error)
            self.assertIn(f"unexpected status code on pods response: {status}", agent.log())
        (folder / "own-token").write_text(self.node.token)
        time.sleep(0.2)
        self.assert_served(pod.execute(container, *FETCH))
        self.assertNotIn(self.node.token, agent.log())
        self.assertTrue((agent.data / "agent-data.json").exists())


if __name__ == "__main__":
    main()
