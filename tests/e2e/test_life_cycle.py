"""SVIDs rotate, authorities change, agents are evicted and banned, servers go away and come back."""
import hashlib
import json
import os
import re
import signal
import time
import unittest

from harness import AGENT_KIND, SERVER_KIND, TRUST_DOMAIN, Suite, Watch, free_port, wait_until
from test_main_job import x509pop_files


class Rotation(Suite):
    def test_workload_svids_rotate_while_a_stream_is_open(self):
        server, agent = self.running_pair({"default_x509_svid_ttl": "12s"})
        server.create_entry("/workload")
        agent.wait_for_ids(["/workload"])
        watch = self.keep(Watch(agent, self.home / "watch.log"))
        wait_until(lambda: len(watch.updates()) >= 4, 40, lambda: watch.process.log()[-2000:])
        ends = re.findall(r"SVID Valid Until:\s+(.+)", watch.process.log())
        self.assertGreaterEqual(len(set(ends)), 3)
        self.assertNotIn("rpc error", watch.process.log())
        agent.leaf()

    def test_agent_svid_rotates_by_renewal(self):
        server, agent = self.running_pair({"default_x509_svid_ttl": "1h", "agent_ttl": "20s"})
        first = json.loads((agent.home / "data" / "agent-data.json").read_text())["svid"]
        wait_until(lambda: json.loads((agent.home / "data" / "agent-data.json").read_text())["svid"] != first, 40, lambda: agent.process.log()[-3000:])
        server.create_entry("/after-rotation")
        agent.wait_for_ids(["/after-rotation"], seconds=20)
        self.assertEqual(agent.process.log().count('msg="Node attestation was successful"'), 1)
        keys = json.loads((agent.home / "data" / "keys.json").read_text())["keys"]
        self.assertEqual(sorted(keys), ["agent-svid-A", "agent-svid-B"])

    def test_agent_svid_rotates_by_attesting_again(self):
        x509pop_files(self.home)
        server = self.server(agent_ttl="20s", attestors=f'NodeAttestor "x509pop" {{ plugin_data {{ ca_bundle_path = "{self.home}/ca.pem" }} }}').start()
        agent = self.agent(server, node_attestor=f'''NodeAttestor "x509pop" {{ plugin_data {{
            private_key_path = "{self.home}/node.key"  certificate_path = "{self.home}/node.pem" }} }}''').start()
        first = json.loads((agent.home / "data" / "agent-data.json").read_text())["svid"]
        wait_until(lambda: json.loads((agent.home / "data" / "agent-data.json").read_text())["svid"] != first, 40, lambda: agent.process.log()[-3000:])
        agent_id = re.search(r'Node attestation was successful.*?spiffe_id="([^"]+)', agent.process.log()).group(1)
        server.create_entry("/after-rotation", parent=agent_id)
        agent.wait_for_ids(["/after-rotation"], seconds=20)


class Refused(Suite):
    def agent_id(self, server):
        return re.search(r"SPIFFE ID\s*: (spiffe://\S+)", server.command("agent list").stdout).group(1)

    def test_banned_agent_drops_its_svid_and_ends(self):
        server, agent = self.running_pair()
        server.command("agent ban", "-spiffeID", self.agent_id(server))
        wait_until(lambda: not agent.process.running(), 20, lambda: agent.process.log()[-3000:])
        self.assertEqual(agent.process.wait(), 1)
        self.assertIn("Agent is banned: removing SVID and shutting down", agent.process.log())
        self.assertFalse(json.loads((agent.home / "data" / "agent-data.json").read_text())["svid"])

    def test_evicted_join_token_agent_ends(self):
        server, agent = self.running_pair()
        server.command("agent evict", "-spiffeID", self.agent_id(server))
        wait_until(lambda: not agent.process.running(), 20, lambda: agent.process.log()[-3000:])
        self.assertEqual(agent.process.wait(), 1)
        self.assertIn("Agent needs to re-attest", agent.process.log())
        self.assertFalse(json.loads((agent.home / "data" / "agent-data.json").read_text())["svid"])

    def test_evicted_x509pop_agent_attests_again_in_the_running_process(self):
        x509pop_files(self.home)
        server = self.server(attestors=f'NodeAttestor "x509pop" {{ plugin_data {{ ca_bundle_path = "{self.home}/ca.pem" }} }}').start()
        agent = self.agent(server, node_attestor=f'''NodeAttestor "x509pop" {{ plugin_data {{
            private_key_path = "{self.home}/node.key"  certificate_path = "{self.home}/node.pem" }} }}''').start()
        agent_id = self.agent_id(server)
        server.create_entry("/workload", parent=agent_id)
        agent.wait_for_ids(["/workload"])
        server.command("agent evict", "-spiffeID", agent_id)
        wait_until(lambda: "Agent needs to re-attest; will attempt to re-attest" in agent.process.log(), 20, lambda: agent.process.log()[-3000:])
        server.create_entry("/later", parent=agent_id)
        agent.wait_for_ids(["/later", "/workload"], seconds=20)
        self.assertTrue(agent.process.running())


class Authorities(Suite):
    @unittest.skipUnless(SERVER_KIND == "steeple", "uses the development server's one-step rotation")
    def test_a_new_authority_reaches_open_streams_and_new_svids(self):
        server, agent = self.running_pair()
        server.create_entry("/workload")
        agent.wait_for_ids(["/workload"])
        watch = self.keep(Watch(agent, self.home / "watch.log"))
        wait_until(lambda: watch.updates(), 10, "no update")
        before = len(re.findall("CA #", watch.updates()[-1]))
        server.command("x509 rotate")
        wait_until(lambda: len(re.findall("CA #", watch.updates()[-1])) > before, 15, lambda: watch.process.log()[-2000:])
        server.create_entry("/under-the-new-authority")
        agent.wait_for_ids(["/under-the-new-authority", "/workload"], seconds=15)
        agent.leaf()


class Outage(Suite):
    def test_serves_on_while_the_server_is_away_and_recovers_within_8_seconds(self):
        server, agent = self.running_pair()
        server.create_entry("/workload")
        agent.wait_for_ids(["/workload"])
        server.stop()
        wait_until(lambda: 'msg="Synchronize failed"' in agent.process.log(), 30, lambda: agent.process.log()[-3000:])
        time.sleep(15)
        agent.wait_for_ids(["/workload"], seconds=1)
        self.assertTrue(agent.process.running())
        server.start()
        server.create_entry("/new")
        agent.wait_for_ids(["/new", "/workload"], seconds=8 if AGENT_KIND == "steeple" else 90)

    def test_server_away_at_start(self):
        port = free_port()
        server = self.server(port=port).start()
        token = server.token()
        agent = self.agent(server)
        server.bundle(agent.home / "bundle.pem")
        server.create_entry("/workload")
        server.stop()
        agent.launch("-joinToken", token)
        wait_until(lambda: 'msg="Failed to retrieve attestation result"' in agent.process.log(), 20, lambda: agent.process.log()[-3000:])
        self.assertTrue(agent.process.running())
        server.start()
        agent.wait_for_ids(["/workload"], seconds=40)

    def test_restart_without_a_server_waits_and_never_refuses(self):
        server, agent = self.running_pair()
        server.create_entry("/workload")
        agent.wait_for_ids(["/workload"])
        agent.stop()
        server.stop()
        agent.launch()
        if AGENT_KIND == "steeple":
            code, _, error = agent.fetch("-timeout", "2s")
            self.assertEqual(code, 1)
            self.assertNotIn("PermissionDenied", error)
        server.start()
        agent.wait_for_ids(["/workload"], seconds=40)

    def test_sigterm_during_an_outage_is_graceful(self):
        server, agent = self.running_pair()
        server.stop()
        self.assertEqual(agent.stop(signal.SIGTERM), 0)
        self.assertIn('msg="Agent stopped gracefully"', (agent.home / "agent.log").read_text())


class Reconfiguration(Suite):
    def test_sigusr1_reads_plugin_data_files_again(self):
        data = self.home / "unix.hcl"
        data.write_text("discover_workload_path = false\n")
        server = self.server().start()
        agent = self.agent(server, workload_attestor=f'WorkloadAttestor "unix" {{ plugin_data_file = "{data}" }}').start("-joinToken", server.token())
        server.create_entry("/by-path", selector=f"unix:path:{os.path.realpath(agent.program)}")

        def signal_brings(message, count=1):
            agent.process.child.send_signal(signal.SIGUSR1)
            wait_until(lambda: agent.process.log().count(f'msg="{message}"') == count, 20, lambda: f"{message}\n{agent.process.log()[-3000:]}")

        signal_brings("Plugin not reconfigured since the config is unchanged")
        data.write_text('discover_workload_path = "maybe"\n')
        signal_brings("Failed to reconfigure plugin")
        self.assertIn('error="rpc error: code = InvalidArgument desc = failed to decode configuration: At 1:26: root.discover_workload_path: ', agent.process.log())
        self.assertEqual(agent.spiffe_ids(), [])
        data.write_text("discover_workload_path = true\n")
        signal_brings("Plugin reconfigured")
        old = hashlib.sha512(b"discover_workload_path = false\n").hexdigest()[:32]
        self.assertRegex(agent.process.log(), f'msg="Plugin reconfigured" external=false new_hash=[0-9a-f]{{32}} old_hash={old} plugin_name=unix ')
        agent.wait_for_ids(["/by-path"], seconds=20)
        data.unlink()
        signal_brings("Failed to reconfigure plugin", 2)
        self.assertEqual(agent.spiffe_ids(), [f"spiffe://{TRUST_DOMAIN}/by-path"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
