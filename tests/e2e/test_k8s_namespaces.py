"""The workload attestor k8s with labels of namespaces: a stub kubelet, and a stand-in for the API server."""
import re
import signal
import subprocess
import time
import unittest

from api_server import ApiServer
from harness import AGENT_KIND, PATIENCE, Suite, wait_until
from kubelet import Cgroups, Kubelet, Pod, can_make_cgroups

CACHE = "experimental { api_server { cache { enabled = true } } }"


@unittest.skipUnless(can_make_cgroups(), "cgroups cannot be made here")
class NamespaceLabels(Suite):
    """`enable_namespace_labels`: entries by labels of the pod's namespace, which the API server knows."""

    def world(self, *keys, in_pod=False):
        self.kubelet = self.keep(Kubelet(self.home / "kubelet"))
        self.cgroups = self.keep(Cgroups())
        self.api = self.keep(ApiServer(self.home / "api"))
        self.api.users["agent-token"] = "spire-agent"
        self.token = self.home / "agent-token"
        self.token.write_text("agent-token\n")
        self.api.put_namespace("blog", team="web", **{"kubernetes.io/metadata.name": "blog"})
        self.api.put_namespace("bank", team="money")
        self.pods = {name: Pod(name, namespace=name) for name in ("blog", "bank", "gone")}
        self.kubelet.list(self.pods.values())
        self.server_ = self.server().start()
        kubeconfig = self.api.kubeconfig(self.home / "kubeconfig", tokenFile=str(self.token))
        self.agent_ = self.agent(self.server_, workload_attestor=self.kubelet.plugin("enable_namespace_labels = true", *keys))
        for team in ("web", "money"):
            self.server_.create_entry(f"/{team}", selector=f"k8s:ns-label:team:{team}")
        self.server_.create_entry("/blog", "-selector", "k8s:ns:blog", selector="k8s:ns-label:kubernetes.io/metadata.name:blog")
        if in_pod:
            self.agent_.program = self.api.in_pod(self.home, "agent-token", self.agent_.program)
        self.agent_.start("-joinToken", self.server_.token(), environment={} if in_pod else {"KUBECONFIG": str(kubeconfig)})
        time.sleep(1.2)  # one sync of the agent

    def fetch(self, name):
        child = self.cgroups.run(self.cgroups.of(self.pods[name]), [self.agent_.program, "api", "fetch", "x509", "-socketPath", self.agent_.socket, "-timeout", "20s"],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        out, _ = child.communicate(timeout=60 * PATIENCE)
        return sorted(re.findall(r"SPIFFE ID:\s+spiffe://example.org/(\S+)", out)), out

    def assert_served(self, name, ids):
        got, out = self.fetch(name)
        self.assertEqual(got, ids, out + self.agent_.process.log()[-3000:])

    def assert_refused(self, name, text):
        got, out = self.fetch(name)
        self.assertEqual(got, [])
        self.assertIn("workload attestation failed", out)
        self.assertIn(text, self.agent_.process.log().replace('\\"', '"'))

    def requests(self):
        return [path for method, path, _ in self.api.requests if path.startswith("/api/v1/namespaces")]

    def test_a_pod_has_the_labels_its_namespace_has_now(self):
        self.world()
        self.assert_served("blog", ["blog", "web"])
        self.assert_served("bank", ["money"])
        self.assertEqual(self.requests(), ["/api/v1/namespaces/blog", "/api/v1/namespaces/bank"])
        self.api.put_namespace("blog", team="money")
        self.assert_served("blog", ["money"])
        self.assert_refused("gone", 'unable to get namespace labels for "gone": unable to get namespace "gone": namespaces "gone" not found')

    def test_an_agent_in_a_pod_shows_its_own_account(self):
        self.world(in_pod=True)
        self.assert_served("blog", ["blog", "web"])
        self.assertEqual(self.requests(), ["/api/v1/namespaces/blog"])

    def test_without_the_api_server_there_are_no_selectors_and_a_rotated_token_is_shown(self):
        self.world()
        self.api.rights["spire-agent"] = {("list", "namespaces")}
        self.assert_refused("blog", 'namespaces "blog" is forbidden: User "spire-agent" cannot get resource "namespaces"')
        self.api.rights["spire-agent"] = {("get", "namespaces")}
        if AGENT_KIND == "steeple":  # the stock agent reads its token again after a minute
            self.api.users = {"rotated": "spire-agent"}
            self.assert_refused("blog", 'unable to get namespace "blog": Unauthorized')
            self.token.write_text("rotated")
            self.assert_served("blog", ["blog", "web"])
            self.token.write_text("")
            self.assert_refused("blog", "agent-token\" is empty")
            self.token.write_text("rotated")
        self.api.answer = (200, b"{")
        self.assert_refused("blog", 'unable to get namespace labels for "blog": unable to get namespace "blog": ')
        self.api.answer = None
        self.api.stop()
        self.assert_refused("blog", 'unable to get namespace labels for "blog": unable to get namespace "blog": ')
        self.api.start()
        self.assert_served("blog", ["blog", "web"])

    def test_an_api_server_that_hangs_holds_up_nobody_else(self):
        self.world()
        self.assert_served("bank", ["money"])
        self.api.going.clear()
        waiting = self.cgroups.run(self.cgroups.of(self.pods["blog"]), [self.agent_.program, "api", "fetch", "x509", "-socketPath", self.agent_.socket, "-timeout", "40s"],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        before = time.monotonic()
        code, _, error = self.agent_.fetch()  # in no container
        self.assertIn("no identity issued", error)
        self.assertLess(time.monotonic() - before, 5 * PATIENCE)
        self.api.going.set()
        self.assertIn("SPIFFE ID", waiting.communicate(timeout=60 * PATIENCE)[0])

    def test_the_cache_is_one_list_and_a_watch(self):
        self.world(CACHE)
        self.assert_served("blog", ["blog", "web"])
        self.assert_served("bank", ["money"])
        if AGENT_KIND == "steeple":  # the stock agent also tries to begin with a watch
            self.assertEqual(len(self.requests()), 2, self.requests())
        self.api.put_namespace("blog", team="money")
        wait_until(lambda: self.fetch("blog")[0] == ["money"], 20, "the label's change is not seen")
        self.assert_refused("gone", 'unable to get namespace labels for "gone": unable to get namespace "gone": Namespace "gone" not found')
        self.api.put_namespace("gone", team="web")
        wait_until(lambda: self.fetch("gone")[0] == ["web"], 20, "a new namespace is not seen")
        self.api.remove("/api/v1/namespaces/gone")
        wait_until(lambda: self.fetch("gone")[0] == [], 20, "the end of a namespace is not seen")
        asked = len(self.requests())
        self.api.expire()
        wait_until(lambda: len(self.requests()) >= asked + 2, 20, "no new list after 410 Gone")
        self.api.stop()
        self.assert_served("blog", ["money"])
        self.api.put_namespace("blog", team="web")
        self.api.start()
        wait_until(lambda: self.fetch("blog")[0] == ["web"], 40, "the watch does not come back")

    @unittest.skipIf(AGENT_KIND == "stock", "Steeple's own promise: the stock agent waits without end")
    def test_a_cache_that_may_not_list_says_so(self):
        self.world(CACHE)
        self.api.rights["spire-agent"] = {("get", "namespaces")}
        self.assert_refused("blog", "Timeout: failed waiting for *v1.PartialObjectMetadata Informer to sync: namespaces is forbidden")
        self.assertIn("Objects of the API server cannot be watched; will retry after backoff", self.agent_.process.log())

    def test_an_agent_that_knows_no_api_server_says_what_is_missing(self):
        self.world()
        self.agent_.stop()
        self.agent_.launch(environment={"KUBECONFIG": "", "HOME": str(self.home), "KUBERNETES_SERVICE_HOST": ""})
        wait_until(self.agent_.healthy, 20, "the agent does not come up again")
        self.assert_refused("blog", 'unable to get namespace labels for "blog": unable to set up kube client: unable to load Kubernetes client config: invalid '
                                    "configuration: no configuration has been provided, try setting KUBERNETES_MASTER environment variable")

    @unittest.skipIf(AGENT_KIND == "stock", "the stock agent does not stop while it waits for the API server's discovery")
    def test_the_agent_stops_in_time_while_the_api_server_hangs(self):
        self.world()
        self.api.going.clear()
        waiting = self.cgroups.run(self.cgroups.of(self.pods["blog"]), [self.agent_.program, "api", "fetch", "x509", "-socketPath", self.agent_.socket],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self.requests, 20, "the API server is not asked")
        self.assertEqual(self.agent_.stop(signal.SIGTERM, seconds=5), 0)
        waiting.wait(60 * PATIENCE)

    def test_the_agent_stops_in_time_while_it_watches(self):
        self.world(CACHE)
        self.assert_served("blog", ["blog", "web"])
        self.assertEqual(self.agent_.stop(signal.SIGTERM, seconds=5), 0)


if __name__ == "__main__":
    unittest.main()
