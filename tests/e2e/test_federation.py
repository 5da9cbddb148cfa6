"""Federation: two servers that know each other's bundle, an agent of each, and workloads that verify one another."""
import json
import subprocess
import unittest

from harness import Suite, free_port, wait_until


class Federation(Suite):
    def setUp(self):
        super().setUp()
        self.servers, self.agents = {}, {}
        for name in ("one.test", "two.test"):
            self.servers[name] = self.server(f"server-{name}", trust_domain=name).start()
            self.agents[name] = self.agent(self.servers[name], f"agent-{name}").start("-joinToken", self.servers[name].token())

    def give_bundle(self, source, target, form):
        """What an administrator does by hand: one server's bundle, into the other."""
        bundle = self.servers[source].command("bundle show", "-format", form).stdout
        done = self.servers[target].command("bundle set", "-id", f"spiffe://{source}", "-format", form, input=bundle)
        self.assertEqual(done.stdout, "bundle set.\n")
        return bundle

    def federate(self):
        self.give_bundle("one.test", "two.test", "pem")
        self.give_bundle("two.test", "one.test", "spiffe")
        entries = {}
        for name, other in (("one.test", "two.test"), ("two.test", "one.test")):
            entries[name] = self.servers[name].create_entry("/workload", "-federatesWith", f"spiffe://{other}")
            self.agents[name].wait_for_ids(["/workload"], seconds=20)
        return entries

    def fetched(self, name):
        """The files of `api fetch -write`."""
        folder = self.home / f"files-{name}"
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        subprocess.run([self.agents[name].program, "api", "fetch", "x509", "-socketPath", self.agents[name].socket, "-silent", "-write", folder],
                       check=True, capture_output=True)
        return folder

    def verifies(self, verifier, presenter):
        """Whether a workload of `verifier` takes the SVID of one of `presenter`, by the federated bundle it was given."""
        roots = self.fetched(verifier) / "federated_bundle.0.0.pem"
        if not roots.exists():
            return False
        leaf = self.fetched(presenter) / "svid.0.pem"
        own_roots = self.fetched(presenter) / "bundle.0.pem"
        subprocess.run(["openssl", "verify", "-CAfile", own_roots, leaf], check=True, capture_output=True)
        return subprocess.run(["openssl", "verify", "-CAfile", roots, leaf], capture_output=True).returncode == 0

    def federated(self, name):
        code, answer, _ = self.agents[name].fetch()
        return list(answer["federated_bundles"]) if code == 0 else None

    def test_workloads_of_both_verify_each_other_and_a_rotation_reaches_them(self):
        self.federate()
        self.assertTrue(self.verifies("one.test", "two.test"))
        self.assertTrue(self.verifies("two.test", "one.test"))
        # Another authority signs in one trust domain: the other takes its SVIDs once it has the new bundle, not before.
        two = self.servers["two.test"]
        two.command("x509 rotate")
        two.command("entry delete", "-entryID", json.loads(two.command("entry show", "-output", "json", "-spiffeID", "spiffe://two.test/workload").stdout)
                    ["entries"][0]["id"])
        two.create_entry("/after", "-federatesWith", "one.test")
        self.agents["two.test"].wait_for_ids(["/after"], seconds=20)
        self.assertFalse(self.verifies("one.test", "two.test"))
        self.give_bundle("two.test", "one.test", "spiffe")
        wait_until(lambda: self.verifies("one.test", "two.test"), 20, "the new authority does not reach the workload")

    def test_a_bundle_is_deleted_as_the_mode_says(self):
        self.federate()
        one = self.servers["one.test"]
        listed = one.command("bundle list").stdout
        self.assertEqual(listed, f"{'*' * 40}\n* two.test\n{'*' * 40}\n" + self.servers["two.test"].command("bundle show").stdout)
        self.assertEqual([bundle["trust_domain"] for bundle in json.loads(one.command("bundle list", "-output", "json").stdout)["bundles"]], ["two.test"])
        self.assertEqual(one.command("bundle count").stdout, "2 bundles\n")
        self.assertEqual(self.federated("one.test"), ["spiffe://two.test"])
        refused = one.command("bundle delete", "-id", "spiffe://two.test", check=False)
        self.assertEqual((refused.returncode, refused.stdout), (1, ""))
        self.assertIn("cannot delete bundle; federated with 1 registration entries", refused.stderr)
        self.assertEqual(one.command("bundle delete", "-id", "spiffe://two.test", "-mode", "dissociate").stdout, "bundle deleted.\n")
        wait_until(lambda: self.federated("one.test") == [], 20, "the federated bundle is still served")
        self.assertEqual(self.agents["one.test"].spiffe_ids(), ["spiffe://one.test/workload"])
        self.assertEqual(self.servers["two.test"].command("bundle delete", "-id", "one.test", "-mode", "delete").stdout, "bundle deleted.\n")
        wait_until(lambda: self.agents["two.test"].spiffe_ids() == [], 20, "the entry is still served")
        self.assertEqual(self.servers["two.test"].command("entry show", "-spiffeID", "spiffe://two.test/workload").stdout, "Found 0 entries\n")
        missing = one.command("bundle delete", "-id", "two.test", check=False)
        self.assertEqual(missing.stderr, 'Error: failed to delete federated bundle "two.test": bundle not found\n')


class Endpoints(Suite):
    """Bundles that come over the servers' endpoints."""

    def config(self, name, other, ports, profile="https_spiffe {}", seen_as=None):
        seen_as = seen_as or f'https_spiffe {{ endpoint_spiffe_id = "spiffe://{other}/spire/server" }}'
        return f'''federation {{
  bundle_endpoint {{ address = "127.0.0.1" port = {ports[name]} refresh_hint = "4s" profile {{ {profile} }} }}
  federates_with "{other}" {{ bundle_endpoint_url = "https://localhost:{ports[other]}" bundle_endpoint_profile {{ {seen_as} }} }}
}}'''

    def test_two_servers_federate_over_spiffe_endpoints_and_follow_a_rotation(self):
        names = ("one.test", "two.test")
        ports = {name: free_port() for name in names}
        servers = {name: self.server(f"server-{name}", trust_domain=name, federation=self.config(name, names[1 - at], ports),
                                        blocks='development { refresh_hint_min = "4s" }').start() for at, name in enumerate(names)}
        wait_until(lambda: "can't perform SPIFFE Authentication: local copy of bundle not found" in servers["one.test"].process.log(), 20, "no refusal without a bundle")
        for name, other in (names, names[::-1]):
            servers[name].command("bundle set", "-id", other, input=servers[other].command("bundle show").stdout)
        self.assertNotIn('"kty"', servers["one.test"].command("bundle list").stdout)
        # What comes over the endpoint has the JWT keys, too; and the rotated authority without anybody's doing.
        def authorities(name, other):
            listed = json.loads(servers[name].command("bundle list", "-id", other, "-output", "json").stdout)
            shown = json.loads(servers[other].command("bundle show", "-output", "json").stdout)
            return [sorted(one["asn1"] for one in bundle["x509_authorities"]) for bundle in (listed, shown)], len(listed["jwt_authorities"])
        for name, other in (names, names[::-1]):
            wait_until(lambda: authorities(name, other)[1] == 1, 30, lambda: servers[name].process.log()[-3000:])
        servers["two.test"].command("x509 rotate")
        def reached():
            (listed, shown), _ = authorities("one.test", "two.test")
            return listed == shown and len(listed) == 2
        wait_until(reached, 30, lambda: servers["one.test"].process.log()[-3000:])


if __name__ == "__main__":
    unittest.main(verbosity=2)
