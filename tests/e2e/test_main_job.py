"""A workload on a host gets its X.509-SVID: attest, synchronise, identify the caller, serve, restart."""
import json
import os
import pathlib
import re
import signal
import stat
import subprocess
import time
import unittest

from harness import AGENT_KIND, BIN, NODE_ALIAS, PATIENCE, Suite, Watch, wait_until

LOAD = BIN / "steeple-load"  # built with the release preset only


def x509pop_files(folder):
    """A CA, and a node certificate with its key."""
    run = lambda *arguments: subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, cwd=folder)
    run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=nodes", "-days", "2")
    run("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "node.key", "-out", "node.csr", "-subj", "/CN=node-1")
    (folder / "ext").write_text("keyUsage=digitalSignature\n")
    run("x509", "-req", "-in", "node.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1", "-out", "node.pem", "-extfile", "ext")


class MainJob(Suite):
    def test_join_token_to_svid(self):
        server, agent = self.running_pair()
        server.create_entry("/workload", "-dns", "db.example.org")
        agent.wait_for_ids(["/workload"])
        leaf = agent.leaf()
        self.assertIn("URI:spiffe://example.org/workload", leaf)
        self.assertIn("DNS:db.example.org", leaf)
        pretty = subprocess.run([agent.program, "api", "fetch", "-socketPath", agent.socket], capture_output=True, text=True)
        self.assertEqual(pretty.returncode, 0)
        self.assertRegex(pretty.stdout, r"^Received 1 svid after [0-9.]+(µs|ms|s)\n\nSPIFFE ID:\t\tspiffe://example.org/workload\nSVID Valid After:\t")

    def test_unregistered_caller_is_refused(self):
        _, agent = self.running_pair()
        code, _, error = agent.fetch()
        self.assertEqual((code, error), (1, "rpc error: code = PermissionDenied desc = no identity issued"))

    @unittest.skipIf(AGENT_KIND == "stock", "the stock agent waits for its next tick")
    def test_a_new_entry_is_looked_for_at_once_and_refused_callers_do_not_queue(self):
        server, agent = self.running_pair(experimental='sync_interval = "1h"')
        for number in range(30):  # more than are looked for in a row
            self.assertEqual(agent.fetch()[0], 1)
        server.create_entry("/workload")
        agent.wait_for_ids(["/workload"], seconds=20)
        if LOAD.exists():
            began = time.monotonic()
            refused = subprocess.run([LOAD, "closed", "--socket", agent.socket, "--refused", "--count", "300", "--limit", "60"], user=4003, group=4003,
                                     extra_groups=[], capture_output=True, text=True)
            self.assertEqual(refused.returncode, 0, refused.stderr)
            self.assertLess(time.monotonic() - began, 60 * PATIENCE)  # one a second would be 300

    def test_callers_are_told_apart_by_uid(self):
        server, agent = self.running_pair()
        server.create_entry("/one", selector="unix:uid:4001")
        server.create_entry("/two", selector="unix:uid:4002")
        agent.wait_for_ids(["/one"], user=4001)
        agent.wait_for_ids(["/two"], user=4002)
        self.assertEqual(agent.spiffe_ids(user=4003), [])

    def test_several_identities_and_hints(self):
        server, agent = self.running_pair()
        server.create_entry("/a", "-hint", "internal")
        server.create_entry("/b", "-hint", "external")
        agent.wait_for_ids(["/a", "/b"])
        _, answer, _ = agent.fetch()
        self.assertEqual(sorted(svid["hint"] for svid in answer["svids"]), ["external", "internal"])

    def test_path_and_digest_selectors(self):
        server, agent = self.running_pair(workload_attestor='WorkloadAttestor "unix" { plugin_data { discover_workload_path = true } }')
        program = os.path.realpath(agent.program)
        digest = subprocess.run(["sha256sum", program], capture_output=True, text=True, check=True).stdout.split()[0]
        server.create_entry("/by-path", selector=f"unix:path:{program}")
        server.create_entry("/by-digest", selector=f"unix:sha256:{digest}")
        agent.wait_for_ids(["/by-digest", "/by-path"], seconds=20)

    def test_restart_uses_the_stored_svid(self):
        server, agent = self.running_pair()
        server.create_entry("/workload")
        agent.wait_for_ids(["/workload"])
        self.assertEqual(agent.stop(), 0)
        self.assertFalse(agent.socket.exists())
        stored = json.loads((agent.home / "data" / "agent-data.json").read_text())
        self.assertTrue(stored["svid"] and stored["bundle"])
        agent.start()
        agent.wait_for_ids(["/workload"])
        self.assertIn('msg="SVID loaded"', agent.process.log())
        self.assertEqual(agent.process.log().count('msg="Node attestation was successful"'), 1)

    def test_files_and_sockets_have_upstreams_modes(self):
        _, agent = self.running_pair()
        mode = lambda path: stat.S_IMODE(os.stat(path).st_mode)
        self.assertEqual(mode(agent.socket), 0o777)
        self.assertEqual(mode(agent.home / "data" / "agent-data.json"), 0o600)
        self.assertEqual(mode(agent.home / "data" / "keys.json"), 0o600)

    def test_stale_socket_file_is_replaced(self):
        server, agent = self.running_pair()
        agent.stop(signal.SIGKILL)
        self.assertTrue(agent.socket.exists())
        agent.start()
        self.assertEqual(agent.fetch()[0], 1)

    def test_x509pop_and_restart_with_memory_keys(self):
        x509pop_files(self.home)
        server = self.server(attestors=f'NodeAttestor "x509pop" {{ plugin_data {{ ca_bundle_path = "{self.home}/ca.pem" }} }}').start()
        agent = self.agent(server, key_manager='KeyManager "memory" { plugin_data {} }', node_attestor=f'''NodeAttestor "x509pop" {{ plugin_data {{
            private_key_path = "{self.home}/node.key"  certificate_path = "{self.home}/node.pem" }} }}''').start()
        agent_id = re.search(r'Node attestation was successful.*?spiffe_id="([^"]+)', agent.process.log()).group(1)
        self.assertRegex(agent_id, r"^spiffe://example.org/spire/agent/x509pop/[0-9a-f]{40}$")
        server.create_entry("/workload", parent=agent_id)
        agent.wait_for_ids(["/workload"])
        agent.stop()
        agent.start()
        agent.wait_for_ids(["/workload"])
        self.assertEqual(agent.process.log().count('msg="Node attestation was successful"'), 2)

    def test_join_token_is_used_once(self):
        server, agent = self.running_pair()
        token = server.token()
        first = self.agent(server, "first").start("-joinToken", token)
        second = self.agent(server, "second").launch("-joinToken", token)
        wait_until(lambda: "failed to attest: join token does not exist or has already been used" in second.process.log(), 15, second.process.log)
        self.assertTrue(first.process.running())

    def test_watch_sees_entries_come_change_and_go(self):
        server, agent = self.running_pair()
        kept = server.create_entry("/kept")
        agent.wait_for_ids(["/kept"])
        watch = self.keep(Watch(agent, self.home / "watch.log"))
        entries = [server.create_entry(f"/e{number}") for number in range(10)]
        everything = sorted(["spiffe://example.org/kept", *(f"spiffe://example.org/e{number}" for number in range(10))])
        wait_until(lambda: sorted(watch.newest_ids()) == everything, 15, lambda: watch.process.log()[-2000:])
        for number, entry in enumerate(entries):
            server.command("entry update", "-entryID", entry, "-parentID", NODE_ALIAS, "-spiffeID", f"spiffe://example.org/changed{number}",
                           "-selector", f"unix:uid:{os.getuid()}")
        changed = sorted(["spiffe://example.org/kept", *(f"spiffe://example.org/changed{number}" for number in range(10))])
        wait_until(lambda: sorted(watch.newest_ids()) == changed, 15, lambda: watch.process.log()[-2000:])
        for entry in entries:
            server.command("entry delete", "-entryID", entry)
        wait_until(lambda: watch.newest_ids() == ["spiffe://example.org/kept"], 15, lambda: watch.process.log()[-2000:])
        server.command("entry delete", "-entryID", kept)
        wait_until(lambda: "no identity issued" in watch.process.log(), 15, lambda: watch.process.log()[-2000:])

    def test_federated_bundle_is_served_with_the_entry(self):
        server, agent = self.running_pair()
        x509pop_files(self.home)
        server.command("bundle set", "-id", "spiffe://partner.test", "-path", self.home / "ca.pem")
        server.create_entry("/federated", "-federatesWith", "spiffe://partner.test")
        agent.wait_for_ids(["/federated"])
        _, answer, _ = agent.fetch()
        self.assertEqual(list(answer["federated_bundles"]), ["spiffe://partner.test"])
        self.assertTrue(answer["federated_bundles"]["spiffe://partner.test"])

    @unittest.skipIf(AGENT_KIND == "stock", "the stock agent waits for its next tick")
    def test_new_entry_is_served_at_once(self):
        server, agent = self.running_pair(experimental='sync_interval = "30s"')
        server.create_entry("/sudden")
        agent.wait_for_ids(["/sudden"], seconds=4)


if __name__ == "__main__":
    unittest.main(verbosity=2)
