"""Federation: two servers that know each other's bundle, an agent of each, and workloads that verify one another."""
import json
import os
import socket
import ssl
import subprocess
import threading
import unittest

from harness import PATIENCE, Suite, free_port, wait_until


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

    def test_an_administrator_mints_an_svid_that_the_other_side_verifies(self):
        self.federate()
        folder = self.home / "minted"
        folder.mkdir()
        written = self.servers["two.test"].command("x509 mint", "-spiffeID", "spiffe://two.test/by-hand", "-ttl", "10m",
                                                      "-dns", "db.two.test", "-dns", "www.two.test", "-write", folder).stdout
        self.assertEqual(written, f"X509-SVID written to {folder}/svid.pem\nPrivate key written to {folder}/key.pem\nRoot CAs written to {folder}/bundle.pem\n")
        roots = self.fetched("one.test") / "federated_bundle.0.0.pem"
        subprocess.run(["openssl", "verify", "-CAfile", roots, folder / "svid.pem"], check=True, capture_output=True)
        public = [subprocess.run(["openssl", *how], check=True, capture_output=True).stdout
                  for how in (["x509", "-in", folder / "svid.pem", "-noout", "-pubkey"], ["pkey", "-in", folder / "key.pem", "-pubout"])]
        self.assertEqual(*public)
        names = subprocess.run(["openssl", "x509", "-in", folder / "svid.pem", "-noout", "-ext", "subjectAltName"], check=True, capture_output=True, text=True).stdout
        self.assertIn("DNS:db.two.test, DNS:www.two.test, URI:spiffe://two.test/by-hand", names)
        self.assertEqual((folder / "key.pem").stat().st_mode & 0o777, 0o600)
        for arguments, text in (((), "spiffeID must be specified"), (("-spiffeID", "spiffe://other.test/x"), "unable to mint SVID: rpc error: code = InvalidArgument desc = CSR URI SAN is invalid: "),
                                (("-spiffeID", "spiffe://two.test/x", "-dns", "a..b"), "unable to mint SVID: rpc error: code = InvalidArgument desc = CSR DNS name is invalid: ")):
            refused = self.servers["two.test"].command("x509 mint", *arguments, check=False)
            self.assertEqual((refused.returncode, refused.stdout), (1, ""))
            self.assertIn(f"Error: {text}", refused.stderr)

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


class Dynamic(Suite):
    """Relationships made, refreshed and ended while the servers run."""

    def endpoint(self, name, profile="https_spiffe {}"):
        port = free_port()
        block = f'federation {{ bundle_endpoint {{ address = "127.0.0.1" port = {port} refresh_hint = "1h" profile {{ {profile} }} }} }}'
        return self.server(f"server-{name}", trust_domain=name, federation=block), f"https://localhost:{port}"

    def workload(self, server, other):
        """The files of a workload of `server` that federates with `other`, once it has the other's bundle."""
        name = server.trust_domain
        agent = self.agent(server, f"agent-{name}").start("-joinToken", server.token())
        server.create_entry("/workload", "-federatesWith", f"spiffe://{other}")
        folder = self.home / f"files-{name}"
        folder.mkdir()
        def complete():
            agent_call = [agent.program, "api", "fetch", "x509", "-socketPath", agent.socket, "-silent", "-write", folder]
            return subprocess.run(agent_call, capture_output=True).returncode == 0 and (folder / "federated_bundle.0.0.pem").exists()
        wait_until(complete, 30, lambda: agent.process.log()[-3000:])
        return folder

    def mutual_tls(self, server_files, client_files):
        """The SPIFFE IDs that each side saw of the other in one handshake, each verified by the federated bundle."""
        def context(purpose, files):
            made = ssl.SSLContext(purpose)
            made.check_hostname = False
            made.verify_mode = ssl.CERT_REQUIRED
            made.load_cert_chain(files / "svid.0.pem", files / "svid.0.key")
            made.load_verify_locations(files / "federated_bundle.0.0.pem")
            return made
        ends = socket.socketpair()
        for end in ends:
            end.settimeout(20 * PATIENCE)
        seen = {}
        def serve():
            with context(ssl.PROTOCOL_TLS_SERVER, server_files).wrap_socket(ends[0], server_side=True) as stream:
                seen["client"] = stream.getpeercert()["subjectAltName"]
                stream.sendall(b"x")
        thread = threading.Thread(target=serve)
        thread.start()
        with context(ssl.PROTOCOL_TLS_CLIENT, client_files).wrap_socket(ends[1]) as stream:
            self.assertEqual(stream.recv(1), b"x")
            seen["server"] = stream.getpeercert()["subjectAltName"]
        thread.join()
        return seen

    def test_a_relationship_is_made_shown_refreshed_and_deleted_and_workloads_trust_each_other(self):
        # one.test's endpoint shows a certificate of the web, which two.test's server trusts by SSL_CERT_FILE.
        web = self.home / "web.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=DNS:localhost", "-keyout", self.home / "web.key", "-out", web], check=True, capture_output=True)
        one, one_url = self.endpoint("one.test", f'https_web {{ serving_cert_file {{ cert_file_path = "{web}" key_file_path = "{self.home}/web.key" }} }}')
        two, two_url = self.endpoint("two.test")
        before = os.environ.get("SSL_CERT_FILE")
        os.environ["SSL_CERT_FILE"] = str(web)
        self.addCleanup(lambda: os.environ.pop("SSL_CERT_FILE") if before is None else os.environ.update(SSL_CERT_FILE=before))
        one.start()
        two.start()

        shown_one = f"Trust domain              : one.test\nBundle endpoint URL       : {one_url}\nBundle endpoint profile   : https_web\n"
        shown_two = (f"Trust domain              : two.test\nBundle endpoint URL       : {two_url}\nBundle endpoint profile   : https_spiffe\n"
                     "Endpoint SPIFFE ID        : spiffe://two.test/spire/server\n")
        made = two.command("federation create", "-trustDomain", "one.test", "-bundleEndpointURL", one_url, "-bundleEndpointProfile", "https_web")
        self.assertEqual(made.stdout, "\n" + shown_one)
        # https_spiffe needs the bundle beforehand; here it comes in the file of relationships.
        item = {"trustDomain": "two.test", "bundleEndpointURL": two_url, "bundleEndpointProfile": "https_spiffe", "endpointSPIFFEID": "spiffe://two.test/spire/server",
                "trustDomainBundle": two.command("bundle show").stdout, "trustDomainBundleFormat": "pem"}
        made = one.command("federation create", "-data", "-", input=json.dumps({"federationRelationships": [item]}))
        self.assertEqual(made.stdout, "\n" + shown_two)
        again = one.command("federation create", "-data", "-", input=json.dumps({"federationRelationships": [item]}), check=False)
        self.assertEqual((again.returncode, again.stdout), (1, "\n"))
        self.assertTrue(again.stderr.startswith("Failed to create the following federation relationship (code: Internal, msg: "), again.stderr)
        self.assertTrue(again.stderr.endswith(shown_two + "Error: failed to create one or more federation relationships\n"), again.stderr)

        self.assertEqual(one.command("federation list").stdout, "Found 1 federation relationship\n\n" + shown_two)
        self.assertEqual(one.command("federation show", "-trustDomain", "two.test").stdout, "Found a federation relationship with trust domain two.test:\n\n" + shown_two)
        self.assertEqual(two.command("federation refresh", "-id", "spiffe://one.test").stdout, "Bundle refreshed\n")
        unknown = two.command("federation refresh", "-id", "spiffe://three.test", check=False)
        self.assertEqual((unknown.returncode, unknown.stderr), (1, 'Error: there is no federation relationship with trust domain "spiffe://three.test"\n'))
        self.assertEqual(two.command("bundle list", "-id", "one.test").stdout, one.command("bundle show").stdout)

        files = [self.workload(one, "two.test"), self.workload(two, "one.test")]
        ids = [(("URI", "spiffe://one.test/workload"),), (("URI", "spiffe://two.test/workload"),)]
        self.assertEqual(self.mutual_tls(*files), {"server": ids[0], "client": ids[1]})
        self.assertEqual(self.mutual_tls(*files[::-1]), {"server": ids[1], "client": ids[0]})

        # The hint says an hour: without the command nobody would ask for the rotated authority now.
        one.command("x509 rotate")
        self.assertEqual(two.command("federation refresh", "-id", "one.test").stdout, "Bundle refreshed\n")
        self.assertEqual(two.command("bundle list", "-id", "one.test").stdout, one.command("bundle show").stdout)
        # Another address, at which nobody answers: the last good bundle stays.
        changed = two.command("federation update", "-trustDomain", "one.test", "-bundleEndpointURL", f"https://localhost:{free_port()}", "-bundleEndpointProfile", "https_web")
        self.assertNotIn(one_url, changed.stdout)
        self.assertIn("Error: failed to refresh bundle: ", two.command("federation refresh", "-id", "one.test", check=False).stderr)
        self.assertEqual(two.command("bundle list", "-id", "one.test").stdout, one.command("bundle show").stdout)
        self.assertEqual(two.command("federation delete", "-id", "one.test").stdout, "federation relationship deleted.\n")
        self.assertEqual(two.command("federation list").stdout, "Found 0 federation relationships\n")
        gone = two.command("federation delete", "-id", "one.test", check=False)
        self.assertEqual(gone.stderr, 'Error: failed to delete federation relationship "one.test": federation relationship not found\n')
        self.assertEqual(two.command("bundle list", "-id", "one.test").stdout, one.command("bundle show").stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
