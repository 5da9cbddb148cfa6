"""The workload attestor k8s: real processes in cgroups named as a kubelet names them, and a stub kubelet."""
import os
import re
import signal
import subprocess
import time
import unittest

from harness import AGENT_KIND, PATIENCE, TRUST_DOMAIN, Suite, wait_until
from kubelet import Cgroups, Kubelet, Pod, can_make_cgroups


@unittest.skipUnless(can_make_cgroups(), "cgroups cannot be made here")
class Pods(Suite):
    def world(self, *keys, pods=("web", "db"), **settings):
        self.kubelet = self.keep(Kubelet(self.home / "kubelet"))
        self.cgroups = self.keep(Cgroups())
        self.pods = {name: Pod(name, account=name) for name in pods}
        self.kubelet.list(self.pods.values())
        self.server_, self.agent_ = self.running_pair(workload_attestor=self.kubelet.plugin(*keys), **settings)
        for name in self.pods:
            self.server_.create_entry(f"/{name}", selector=f"k8s:sa:{name}")
        time.sleep(1.2)  # one sync of the agent

    def start_fetch(self, cgroup):
        return self.cgroups.run(cgroup, [self.agent_.program, "api", "fetch", "x509", "-socketPath", self.agent_.socket, "-timeout", "40s"],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def fetch(self, pod, **where):
        child = self.start_fetch(self.cgroups.of(pod, **where))
        out, _ = child.communicate(timeout=60 * PATIENCE)
        return sorted(re.findall(r"SPIFFE ID:\s+(\S+)", out)), out

    def assert_served(self, name, **where):
        ids, out = self.fetch(self.pods[name], **where)
        self.assertEqual(ids, [f"spiffe://{TRUST_DOMAIN}/{name}"], out + self.agent_.process.log()[-3000:])

    def test_each_pod_gets_its_own_identity_and_a_warm_index_asks_nobody(self):
        self.world("pod_index_max_age = \"60s\"") if AGENT_KIND == "steeple" else self.world()
        self.assert_served("web")
        self.assert_served("db")
        if AGENT_KIND == "steeple":
            asked = self.kubelet.requests
            for _ in range(5):
                self.assert_served("web")
            self.assertEqual(self.kubelet.requests, asked)
            self.assertEqual(self.kubelet.connections, 1)

    def test_a_process_in_no_container_is_answered_at_once(self):
        self.world()
        before = time.monotonic()
        code, _, error = self.agent_.fetch()
        self.assertNotEqual(code, 0)
        self.assertIn("no identity issued", error)
        self.assertLess(time.monotonic() - before, 5 * PATIENCE)

    def test_an_unlisted_container_is_served_soon_after_it_is_listed(self):
        self.world()
        late = Pod("late", account="web")
        child = self.start_fetch(self.cgroups.of(late))
        time.sleep(0.4)
        self.kubelet.list([*self.pods.values(), late])
        listed = time.monotonic()
        out, _ = child.communicate(timeout=30 * PATIENCE)
        self.assertIn(f"spiffe://{TRUST_DOMAIN}/web", out)
        self.assertLess(time.monotonic() - listed, 2 * PATIENCE)

    def test_a_restarted_container_is_served_under_its_new_id(self):
        self.world()
        self.assert_served("web")
        self.pods["web"].container = os.urandom(32).hex()
        self.kubelet.list(self.pods.values())
        self.assert_served("web")

    def test_the_token_is_read_again_as_it_rotates(self):
        self.world('reload_interval = "100ms"', 'max_poll_attempts = 5', 'poll_retry_interval = "100ms"')
        self.assert_served("web")
        self.kubelet.set_token("rotated")
        time.sleep(0.2)
        new = Pod("new", account="db")
        self.kubelet.list([*self.pods.values(), new])
        ids, out = self.fetch(new)
        self.assertEqual(ids, [f"spiffe://{TRUST_DOMAIN}/db"], out)

    def test_a_container_that_is_never_listed_is_refused_after_the_attempts(self):
        self.world('max_poll_attempts = 3', 'poll_retry_interval = "100ms"')
        ids, out = self.fetch(Pod("stranger"))
        self.assertEqual(ids, [])
        self.assertIn("workload attestation failed", out)
        self.assertIn("no selectors found after max poll attempts", self.agent_.process.log())
        self.assertIn("Container id not found; giving up", self.agent_.process.log())

    def test_a_kubelet_that_refuses_is_named_in_the_log(self):
        self.world('max_poll_attempts = 2', 'poll_retry_interval = "100ms"')
        for answer, text in (((401, b"Unauthorized"), "unexpected status code on pods response: 401 Unauthorized"),
                             ((500, b"oops"), "unexpected status code on pods response: 500 oops"),
                             ((200, b'{"items":[{"metadata":'), "unable to parse kubelet response"),
                             ((200, b"[]"), "invalid kubelet response: expected an object")):
            self.kubelet.answer = answer
            ids, out = self.fetch(Pod("stranger"))
            self.assertEqual(ids, [])
            self.assertIn("workload attestation failed", out)
            self.assertIn(text, self.agent_.process.log())
        self.kubelet.answer = None
        self.assert_served("web")

    @unittest.skipIf(AGENT_KIND == "stock", "Steeple's own promise")
    def test_in_an_outage_known_containers_are_served_from_the_last_list(self):
        self.world('max_poll_attempts = 2', 'poll_retry_interval = "100ms"', 'pod_index_max_age = "100ms"')
        self.assert_served("web")
        for outage in ("refuses", "hangs"):
            if outage == "refuses":
                self.kubelet.answer = (503, b"away")
            else:
                self.kubelet.answer = None
                self.assert_served("web")
                self.kubelet.hang.clear()
            time.sleep(0.2)
            self.assert_served("web")
            self.assert_served("db")
        self.assertIn("Kubelet does not answer; known containers are answered from the last pod list", self.agent_.process.log())
        self.kubelet.hang.set()
        wait_until(lambda: (self.assert_served("web"), "Kubelet answers again" in self.agent_.process.log())[1], 20, "the outage does not end")

    @unittest.skipIf(AGENT_KIND == "stock", "Steeple's own promise")
    def test_cgroup_names_made_inside_a_pod_gain_nothing(self):
        self.world('max_poll_attempts = 2', 'poll_retry_interval = "50ms"')
        victim = self.pods["db"]
        self.assert_served("db")
        for below in (f"pod{victim.uid}/{victim.container}", f"x-pod{victim.uid}.slice/cri-containerd-{victim.container}.scope", victim.container):
            ids, out = self.fetch(self.pods["web"], below=below)
            self.assertEqual(ids, [], below)
            self.assertIn("workload attestation failed", out)

    @unittest.skipIf(AGENT_KIND == "stock", "Steeple's own promise")
    def test_cgroup_names_made_by_a_user_of_the_machine_gain_nothing(self):
        self.world('max_poll_attempts = 2', 'poll_retry_interval = "50ms"')
        victim = self.pods["db"]
        path = self.cgroups.root / f"user.slice/user-1000.slice/user@1000.service/kubepods/pod{victim.uid}/{victim.container}"
        path.mkdir(parents=True)
        out, _ = self.start_fetch(path).communicate(timeout=60 * PATIENCE)
        self.assertNotIn("SPIFFE ID", out)
        self.assertIn("workload attestation failed", out)
        self.assertIn("below a user's service manager", self.agent_.process.log())

    @unittest.skipIf(AGENT_KIND == "stock", "Steeple's own promise")
    def test_the_legacy_locator_serves_and_is_not_fooled_either(self):
        self.world("use_new_container_locator = false", 'max_poll_attempts = 2', 'poll_retry_interval = "100ms"')
        self.assertIn("Using the legacy container locator", self.agent_.process.log())
        self.assert_served("web")
        victim = self.pods["db"]
        for below in (f"pod{victim.uid}/{victim.container}", f"--pod{victim.uid}/{victim.container}", f"--/crio-{victim.container}"):
            ids, out = self.fetch(self.pods["web"], below=below)
            self.assertEqual(ids, [], out)

    def test_a_missing_token_file_stops_the_agent_at_start(self):
        kubelet = self.keep(Kubelet(self.home / "kubelet"))
        kubelet.token_path.unlink()
        server = self.server().start()
        agent = self.agent(server, workload_attestor=kubelet.plugin()).launch("-joinToken", server.token())
        self.assertNotEqual(agent.process.wait(20), 0)
        self.assertIn("unable to load token: open ", agent.process.log())
        agent.process = None

    def test_the_agent_stops_in_time_while_the_kubelet_hangs(self):
        self.world()
        self.kubelet.hang.clear()
        child = self.start_fetch(self.cgroups.of(Pod("waiting")))
        wait_until(lambda: self.kubelet.requests > 0, 10, "the kubelet is not asked")
        self.assertEqual(self.agent_.stop(signal.SIGTERM, seconds=5), 0)
        child.communicate(timeout=60 * PATIENCE)


if __name__ == "__main__":
    unittest.main()
