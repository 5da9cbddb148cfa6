"""Node attestation by service account tokens and the bundle's ConfigMap: real agent and development server, and a stand-in for the API server."""
import os
import re
import signal
import subprocess
import unittest

from harness import AGENT_KIND, BIN, SERVER_KIND, TRUST_DOMAIN, Suite, wait_until
from api_server import API_AUDIENCE, ApiServer

CLUSTER = "kindcluster"
HAS_SAT = "stock" not in (SERVER_KIND, AGENT_KIND) or "STEEPLE_SPIRE_HAS_SAT" in os.environ  # for stock programs before 1.12
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
REVIEW = 'use_token_review_api_validation = true'


class Cluster(Suite):
    """A server outside a cluster with an API server, and an agent's token file."""

    def setUp(self):
        super().setUp()
        self.api = self.keep(ApiServer(self.home / "api"))
        self.config = self.api.kubeconfig(self.home / "kubeconfig")
        self.token_file = self.home / "token"

    def start_server(self, kind="k8s_sat", keys=REVIEW, more="", **settings):
        return self.server(attestors=f'''NodeAttestor "{kind}" {{ plugin_data {{ clusters = {{ "{CLUSTER}" = {{
            service_account_allow_list = ["spire:spire-agent"]
            kube_config_file = "{self.config}"
            {keys} }} }} }} }}
            {more}''', **settings).start()

    def make_agent(self, server, kind="k8s_sat", name="agent", cluster=CLUSTER, **settings):
        return self.agent(server, name, node_attestor=f'NodeAttestor "{kind}" {{ plugin_data {{ cluster = "{cluster}" token_path = "{self.token_file}" }} }}', **settings)

    def notifier(self, keys=""):
        return f'Notifier "k8sbundle" {{ plugin_data {{ kube_config_file_path = "{self.config}" {keys} }} }}'

    def wait_for_log(self, process, text, seconds=20):
        wait_until(lambda: text in process.process.log(), seconds, lambda: f"{text!r} is not in\n{process.process.log()[-3000:]}")

    def assert_fails(self, server, text, kind="k8s_sat", **settings):
        """A new agent's first attempt fails with that text; nobody waits for its second."""
        self.attempts = getattr(self, "attempts", 0) + 1
        agent = self.make_agent(server, kind, name=f"attempt-{self.attempts}", **settings).launch()
        self.wait_for_log(agent, text)
        agent.stop(signal.SIGKILL)

    def assert_attests(self, server, kind="k8s_sat"):
        self.make_agent(server, kind, name="good").start()

    def agents(self, server):
        return re.findall(r"SPIFFE ID\s*: (\S+)", server.command("agent list").stdout)

    def selectors(self, server, agent_id):
        return sorted(re.findall(r"Selectors?\s*: (\S+)", server.command("agent show", "-spiffeID", agent_id).stdout))


@unittest.skipUnless(HAS_SAT, "stock programs since 1.12 have no k8s_sat")
class ServiceAccountToken(Cluster):
    def test_an_agent_attests_and_serves_by_its_alias(self):
        server = self.start_server()
        alias = f"spiffe://{TRUST_DOMAIN}/clusters/{CLUSTER}"
        server.command("entry create", "-node", "-spiffeID", alias, "-selector", f"k8s_sat:cluster:{CLUSTER}")
        server.create_entry("/workload", parent=alias)
        self.token_file.write_text(self.api.token() + "\n")  # a token's file may end its line
        agent = self.make_agent(server).start()
        agent.wait_for_ids(["/workload"])
        agent_id, = self.agents(server)
        self.assertRegex(agent_id, f"^spiffe://{TRUST_DOMAIN}/spire/agent/k8s_sat/{CLUSTER}/{UUID}$")
        self.assertEqual(self.selectors(server, agent_id), ["k8s_sat:agent_ns:spire", "k8s_sat:agent_sa:spire-agent", f"k8s_sat:cluster:{CLUSTER}"])
        self.assertIn("Node attestation was successful", agent.process.log())
        self.assertNotIn(self.api.token()[:40], agent.process.log() + server.process.log())
        # Without its directory it is another agent, under the same alias.
        other = self.make_agent(server, name="other").start()
        other.wait_for_ids(["/workload"])
        self.assertEqual(len(self.agents(server)), 2)

    def test_an_agent_whose_token_is_not_accepted_goes_on_trying(self):
        server = self.start_server()
        for token, text in ((self.api.token(seconds=-10), "service account token has expired"),
                            (self.api.token(audiences=["spire-server"]), "is invalid for the target audiences")):
            self.token_file.write_text(token)
            self.assert_fails(server, text)
        self.token_file.write_text("rubbish")
        agent = self.make_agent(server).launch()
        self.wait_for_log(agent, "nodeattestor(k8s_sat): unable to validate token with TokenReview API: token review API response contains an error: invalid bearer token")
        self.token_file.write_text(self.api.token())
        wait_until(agent.healthy, 30, lambda: agent.process.log()[-3000:])

    def test_another_service_account_or_cluster_is_refused(self):
        server = self.start_server()
        self.token_file.write_text(self.api.token(account="demo:builder"))
        self.assert_fails(server, "is not an allowed service account")
        self.token_file.write_text(self.api.token())
        self.assert_fails(server, "not configured for cluster", cluster="other")
        self.assertEqual(self.agents(server), [])

    @unittest.skipIf(AGENT_KIND == "stock", "Steeple's own texts")
    def test_token_files_that_cannot_be_read_are_named_until_they_can(self):
        server = self.start_server()
        path = self.token_file
        path.mkdir()
        self.assert_fails(server, f"read {path}: is a directory")
        path.rmdir()
        for content, text in (("", "is empty"), ("x" * 100_000, f"read {path}: larger than the limit of 65536 bytes")):
            path.write_text(content)
            self.assert_fails(server, text)
        path.unlink()
        agent = self.make_agent(server).launch()
        self.wait_for_log(agent, f"nodeattestor(k8s_sat): unable to load token from {path}: open {path}: no such file or directory")
        path.write_text(self.api.token())
        wait_until(agent.healthy, 30, lambda: agent.process.log()[-3000:])

    def test_attestation_goes_on_when_the_api_server_is_back(self):
        server = self.start_server()
        self.token_file.write_text(self.api.token())
        self.api.stop()
        agent = self.make_agent(server).launch()
        self.wait_for_log(agent, "unable to query token review API")
        self.api.start()
        wait_until(agent.healthy, 30, lambda: agent.process.log()[-3000:])

    def test_answers_of_the_api_server_that_are_none(self):
        server = self.start_server()
        self.token_file.write_text(self.api.token())
        for answer, text in (((502, b"<html>bad gateway</html>"), "unexpected answer of the API server: 502 Bad Gateway"),
                             ((201, b'{"status":'), "malformed answer of the API server"), ((201, b"[]"), "malformed answer of the API server: not an object"),
                             ((201, b" " * (9 << 20)), "answer is larger than")):
            self.api.answer = answer
            self.assert_fails(server, text)
        self.api.answer = None
        self.assert_attests(server)

    def test_the_server_shows_a_token_that_rotates(self):
        bearer = self.home / "bearer"
        bearer.write_text("first\n")
        self.api.users["second"] = "spire-server"
        self.api.kubeconfig(self.config, tokenFile=str(bearer))
        server = self.start_server()
        self.token_file.write_text(self.api.token())
        self.assert_fails(server, "unable to query token review API: Unauthorized")
        bearer.write_text("second\n")
        self.assert_attests(server)
        self.assertNotIn("second", server.process.log())

    def test_an_api_server_that_hangs_holds_up_nobody_else(self):
        server = self.start_server(more=self.notifier())
        wait_until(self.api.bundle, 20, lambda: server.process.log()[-3000:])
        self.token_file.write_text(self.api.token())
        self.api.going.clear()
        waiting = self.make_agent(server, name="waiting").launch()
        wait_until(lambda: any(path.endswith("/tokenreviews") for _, path, _ in self.api.requests), 20, lambda: waiting.process.log()[-3000:])
        server.command("localauthority x509 prepare")
        other = self.agent(server, "other", node_attestor=f'NodeAttestor "k8s_sat" {{ plugin_data {{ cluster = "unknown" token_path = "{self.token_file}" }} }}').launch()
        self.wait_for_log(other, "not configured for cluster")
        self.assertEqual(server.stop(), 0)  # at once, with both requests under way

    @unittest.skipIf(os.getuid() != 0, "makes a mount namespace")
    def test_a_server_in_the_cluster_shows_its_own_account(self):
        self.api.users["account-token"] = "spire-server"
        server = self.server(attestors=f'''NodeAttestor "k8s_sat" {{ plugin_data {{ clusters = {{ "{CLUSTER}" = {{
            service_account_allow_list = ["spire:spire-agent"] {REVIEW} }} }} }} }}
            Notifier "k8sbundle" {{ plugin_data {{}} }}''')
        server.program = self.api.in_pod(self.home, "account-token", server.program)
        server.start()
        self.token_file.write_text(self.api.token())
        self.assert_attests(server)
        wait_until(self.api.bundle, 20, lambda: server.process.log()[-3000:])

    def test_a_server_without_rights_says_which(self):
        self.api.rights["spire-server"].remove(("create", "tokenreviews"))
        server = self.start_server()
        self.token_file.write_text(self.api.token())
        self.assert_fails(server, "cannot create resource")


class ProjectedToken(Cluster):
    def world(self, keys=""):
        self.node = self.api.put_node("node-1", {"zone": "a", "hidden": "x"})
        self.pod = self.api.put_pod("spire-agent-q7wnw", labels={"app": "agent", "secret": "y"})
        self.token_file.write_text(self.api.token(audiences=["spire-server"], pod=self.pod))
        return self.start_server("k8s_psat", keys)

    def test_an_agent_is_named_by_its_node_and_may_attest_again(self):
        server = self.world('allowed_node_label_keys = ["zone"]  allowed_pod_label_keys = ["app"]')
        agent = self.make_agent(server, "k8s_psat").start()
        agent_id = f'spiffe://{TRUST_DOMAIN}/spire/agent/k8s_psat/{CLUSTER}/{self.node["metadata"]["uid"]}'
        self.assertEqual(self.agents(server), [agent_id])
        self.assertEqual(self.selectors(server, agent_id), sorted(f"k8s_psat:{value}" for value in (
            f"cluster:{CLUSTER}", "agent_ns:spire", "agent_sa:spire-agent", "agent_pod_name:spire-agent-q7wnw", f'agent_pod_uid:{self.pod["metadata"]["uid"]}',
            "agent_node_ip:192.0.2.10", "agent_node_name:node-1", f'agent_node_uid:{self.node["metadata"]["uid"]}', "agent_node_label:zone:a", "agent_pod_label:app:agent")))
        self.assertRegex(server.command("agent show", "-spiffeID", agent_id).stdout, r"Can re-attest\s*: true")
        other = self.make_agent(server, "k8s_psat", name="other").start()
        self.assertEqual(self.agents(server), [agent_id])
        self.assertIn("Node attestation was successful", other.process.log())

    def test_an_agent_that_lost_its_data_is_the_same_agent_again(self):
        server = self.world()
        agent = self.make_agent(server, "k8s_psat").start()
        reviews = len([path for _, path, _ in self.api.requests if path.endswith("/tokenreviews")])
        self.assertEqual(reviews, 1)
        agent.stop()
        (agent.home / "data" / "agent-data.json").unlink()
        self.token_file.write_text(self.api.token(audiences=["spire-server"], pod=self.pod))  # rotated meanwhile
        agent.start()
        self.assertEqual(len(self.agents(server)), 1)
        self.assertGreater(len([path for _, path, _ in self.api.requests if path.endswith("/tokenreviews")]), reviews)

    def test_tokens_that_prove_no_pod_are_refused(self):
        server = self.world()
        gone = {"metadata": {"name": "gone", "uid": "1"}}
        for token, text in ((self.api.token(audiences=["spire-server"]), "missing pod name"),
                            (self.api.token(audiences=[API_AUDIENCE], pod=self.pod), "is invalid for the target audiences"),
                            (self.api.token(audiences=["spire-server"], pod=gone), "unable to query pods API: pods")):
            self.token_file.write_text(token)
            self.assert_fails(server, text, "k8s_psat")
        self.assertEqual(self.agents(server), [])

    @unittest.skipIf(SERVER_KIND == "stock", "the released stock server does not compare")
    def test_a_pod_that_took_the_name_of_another_is_refused(self):
        server = self.world()
        former = {"metadata": {"name": "spire-agent-q7wnw", "uid": "11110000-1111-4111-8111-000000000001"}}
        self.token_file.write_text(self.api.token(audiences=["spire-server"], pod=former))
        self.assert_fails(server, "pod UID mismatch", "k8s_psat")
        self.assertEqual(self.agents(server), [])


@unittest.skipIf(SERVER_KIND == "stock", "the stock server ends where the map is missing")
class BundleConfigMap(Cluster):
    def authorities(self, server):
        return server.command("bundle show").stdout

    def wait_for_bundle(self, server, **where):
        wait_until(lambda: self.api.bundle(**where) == self.authorities(server), 30, lambda: f"{self.api.objects}\n{server.process.log()[-3000:]}")

    def test_the_map_appears_and_follows_each_change(self):
        server = self.start_server(more=self.notifier())
        self.wait_for_bundle(server)
        self.assertEqual(self.api.bundle().count("BEGIN CERTIFICATE"), 1)
        self.api.put("/api/v1/namespaces/spire/configmaps/spire-bundle", {**self.api.object("/api/v1/namespaces/spire/configmaps/spire-bundle"),
                                                                         "data": {"bundle.crt": "x", "other": "kept"}})
        self.api.before_patch = lambda: self.api.put("/api/v1/namespaces/spire/configmaps/spire-bundle", self.api.object(
            "/api/v1/namespaces/spire/configmaps/spire-bundle"))  # another writer: the patch meets a conflict
        server.command("localauthority x509 prepare")
        self.wait_for_bundle(server)
        self.assertEqual(self.api.bundle().count("BEGIN CERTIFICATE"), 2)
        self.assertEqual(self.api.bundle(key="other"), "kept")
        self.assertNotIn("Notifier failed", server.process.log())

    @unittest.skipUnless(HAS_SAT, "stock programs since 1.12 have no k8s_sat")
    def test_an_agent_bootstraps_from_the_map(self):
        server = self.start_server(more=self.notifier())
        self.wait_for_bundle(server)
        self.token_file.write_text(self.api.token())
        agent = self.make_agent(server)
        (agent.home / "bundle.pem").write_text(self.api.bundle())
        agent.start()

    def test_where_it_may_not_be_made_it_is_said_what_to_make(self):
        self.api.rights["spire-server"].remove(("create", "configmaps"))
        server = self.start_server(more=self.notifier('namespace = "own" config_map = "roots" config_map_key = "ca.pem"'))
        self.wait_for_log(server, "kubectl create configmap roots --namespace own")
        self.api.put("/api/v1/namespaces/own/configmaps/roots", {"kind": "ConfigMap"})
        self.wait_for_bundle(server, namespace="own", name="roots", key="ca.pem")

    def test_the_map_is_written_when_the_api_server_is_back(self):
        self.api.stop()
        server = self.start_server(more=self.notifier())
        self.wait_for_log(server, "Notifier failed to handle event")
        self.api.start()
        self.wait_for_bundle(server)

    def test_labelled_webhooks_and_api_services_get_the_bundle(self):
        admission = "/apis/admissionregistration.k8s.io/v1"
        labels = {"labels": {"spiffe.io/webhook": "true"}}
        self.api.put(f"{admission}/mutatingwebhookconfigurations/m", {"metadata": dict(labels), "webhooks": [{"name": "a", "sideEffects": "None", "clientConfig": {}}]})
        self.api.put(f"{admission}/validatingwebhookconfigurations/v", {"metadata": dict(labels), "webhooks": [{"name": "b", "clientConfig": {"url": "https://x"}}]})
        self.api.put(f"{admission}/validatingwebhookconfigurations/unlabelled", {"metadata": {}, "webhooks": [{"name": "c", "clientConfig": {}}]})
        self.api.put("/apis/apiregistration.k8s.io/v1/apiservices/s", {"metadata": {"labels": {"spiffe.io/api": "true"}}, "spec": {"version": "v1"}})
        server = self.start_server(more=self.notifier('webhook_label = "spiffe.io/webhook" api_service_label = "spiffe.io/api"'))
        self.wait_for_bundle(server)
        import base64
        bundle = base64.b64encode(self.authorities(server).encode()).decode()
        wait_until(lambda: self.api.object("/apis/apiregistration.k8s.io/v1/apiservices/s")["spec"] == {"version": "v1", "caBundle": bundle}, 20,
                   lambda: server.process.log()[-3000:])
        self.assertEqual(self.api.object(f"{admission}/mutatingwebhookconfigurations/m")["webhooks"], [{"name": "a", "sideEffects": "None", "clientConfig": {"caBundle": bundle}}])
        self.assertEqual(self.api.object(f"{admission}/validatingwebhookconfigurations/v")["webhooks"], [{"name": "b", "clientConfig": {"url": "https://x", "caBundle": bundle}}])
        self.assertEqual(self.api.object(f"{admission}/validatingwebhookconfigurations/unlabelled")["webhooks"], [{"name": "c", "clientConfig": {}}])
        watches = lambda: {path.partition("?")[0] for _, path, _ in self.api.requests if "watch=true" in path}
        wait_until(lambda: len(watches()) == 3, 20, lambda: f"watched are {watches()}")
        for name in ("new", "m"):  # one that is new, and one that somebody writes over
            self.api.put(f"{admission}/mutatingwebhookconfigurations/{name}", {"metadata": dict(labels), "webhooks": [{"name": "d", "clientConfig": {}}]})
            wait_until(lambda: self.api.object(f"{admission}/mutatingwebhookconfigurations/{name}")["webhooks"][0]["clientConfig"].get("caBundle") == bundle, 20,
                       lambda: server.process.log()[-3000:])

    def test_a_program_for_credentials_is_refused_by_name(self):
        self.api.kubeconfig(self.config, exec={"command": "aws"})
        server = self.server(attestors=self.notifier())
        server.write_config()
        done = subprocess.run([server.program, "run", "-config", server.home / "server.conf"], capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 1)
        self.assertIn("exec of a kubeconfig's user is not available in this version of Steeple", done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
