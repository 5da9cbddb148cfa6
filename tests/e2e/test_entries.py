"""Registration entries: what the commands take and print, and which entries reach an agent through its node's aliases."""
import json
import os
import re
import time
import unittest

from harness import TRUST_DOMAIN, Suite
from test_main_job import x509pop_files

UID = f"unix:uid:{os.getuid()}"


def spiffe_id(path):
    return f"spiffe://{TRUST_DOMAIN}{path}"


class NodeAliases(Suite):
    def setUp(self):
        super().setUp()
        x509pop_files(self.home)
        self.control = self.server(attestors=f'NodeAttestor "x509pop" {{ plugin_data {{ ca_bundle_path = "{self.home}/ca.pem" }} }}').start()
        self.node = self.agent(self.control, node_attestor=f'''NodeAttestor "x509pop" {{ plugin_data {{
            private_key_path = "{self.home}/node.key"  certificate_path = "{self.home}/node.pem" }} }}''').start()

    def alias(self, path, *selectors):
        flags = [word for selector in selectors for word in ("-selector", selector)]
        out = self.control.command("entry create", "-node", "-spiffeID", spiffe_id(path), *flags).stdout
        self.assertRegex(out, rf"Parent ID +: {spiffe_id('/spire/server')}\n")
        return re.search(r"Entry ID\s*: (\S+)", out).group(1)

    def test_an_agent_gets_the_entries_of_the_aliases_whose_selectors_it_has(self):
        agent_id = re.search(r'Node attestation was successful.*?spiffe_id="([^"]+)', self.node.process.log()).group(1)
        shown = self.control.command("agent show", "-spiffeID", agent_id).stdout
        fingerprint = re.search(r"x509pop:ca:fingerprint:[0-9a-f]{40}", shown).group(0)
        one = self.alias("/one", "x509pop:subject:cn:node-1")
        self.alias("/both", "x509pop:subject:cn:node-1", fingerprint)
        self.alias("/another-node", "x509pop:subject:cn:node-2")
        self.alias("/too-much", "x509pop:subject:cn:node-1", "x509pop:subject:cn:node-2")
        for parent in ("/one", "/both", "/another-node", "/too-much"):
            self.control.create_entry(f"/of{parent}", parent=spiffe_id(parent))
        self.node.wait_for_ids(["/of/one", "/of/both"], seconds=20)
        # An alias below an alias, an entry of the agent itself, and the end of an alias with all that hangs on it.
        self.control.create_entry("/below", parent=spiffe_id("/one"), selector="unix:uid:4294967294")
        self.control.create_entry("/of/below", parent=spiffe_id("/below"))
        self.control.create_entry("/direct", parent=agent_id)
        self.node.wait_for_ids(["/of/one", "/of/both", "/of/below", "/direct"], seconds=20)
        self.control.command("entry delete", "-entryID", one)
        self.node.wait_for_ids(["/of/both", "/direct"], seconds=20)

    def test_an_alias_that_expires_takes_its_entries_along(self):
        self.alias("/node", "x509pop:subject:cn:node-1")
        self.control.create_entry("/stays", parent=spiffe_id("/node"))
        soon = int(time.time()) + 6
        self.control.command("entry create", "-node", "-spiffeID", spiffe_id("/short"), "-selector", "x509pop:subject:cn:node-1", "-entryExpiry", soon)
        self.control.create_entry("/goes", parent=spiffe_id("/short"))
        self.control.create_entry("/goes-itself", "-entryExpiry", soon, parent=spiffe_id("/node"))
        self.node.wait_for_ids(["/stays"], seconds=40)
        self.assertGreaterEqual(time.time(), soon)


class Attributes(Suite):
    def test_names_lifetime_and_hint_reach_the_workload(self):
        server, agent = self.running_pair()
        server.create_entry("/workload", "-dns", "db.test", "-dns", "www.test", "-x509SVIDTTL", 300, "-jwtSVIDTTL", 60, "-hint", "internal", "-admin", "-downstream")
        agent.wait_for_ids(["/workload"], seconds=20)
        self.assertEqual(agent.fetch()[1]["svids"][0]["hint"], "internal")
        leaf = agent.leaf()
        self.assertRegex(leaf, r"DNS:db\.test, DNS:www\.test")
        self.assertRegex(leaf, r"Subject:.*CN ?= ?db\.test")
        dates = [time.mktime(time.strptime(date, "%b %d %H:%M:%S %Y GMT")) for date in re.findall(r"Not (?:Before|After) ?: (.+)", leaf)]
        self.assertEqual(dates[1] - dates[0], 310)  # with the ten seconds a certificate is backdated
        server.command("entry update", "-entryID", server.create_entry("/other"), "-parentID", spiffe_id("/node"), "-spiffeID", spiffe_id("/changed"),
                       "-selector", UID, "-hint", "external")
        agent.wait_for_ids(["/workload", "/changed"], seconds=20)

    def test_svids_for_a_store_are_not_for_workloads(self):
        server, agent = self.running_pair()
        server.create_entry("/stored", "-storeSVID")
        server.create_entry("/workload")
        agent.wait_for_ids(["/workload"], seconds=20)
        self.assertNotIn(spiffe_id("/stored"), agent.spiffe_ids())


class Commands(Suite):
    def setUp(self):
        super().setUp()
        self.control = self.server().start()

    def command(self, name, *arguments):
        done = self.control.command(f"entry {name}", *arguments, check=False)
        return done.returncode, done.stdout, done.stderr

    def create(self, path, *extra):
        return self.command("create", "-parentID", spiffe_id("/node"), "-spiffeID", spiffe_id(path), *extra)

    def test_what_create_update_show_and_delete_print(self):
        block = ("Entry ID                : web\nSPIFFE ID               : spiffe://example.org/web\nParent ID               : spiffe://example.org/node\n"
                 "Revision                : {}\nX509-SVID TTL           : {}\nJWT-SVID TTL            : default\nSelector                : unix:uid:1\n\n")
        created = self.create("/web", "-selector", "unix:uid:1", "-entryID", "web")
        self.assertEqual(created, (0, block.format(0, "default"), ""))
        code, out, err = self.create("/web", "-selector", "unix:uid:1")
        self.assertEqual((code, out), (1, ""))
        self.assertEqual(err, 'Failed to create the following entry (code: AlreadyExists, msg: "similar entry already exists"):\n'
                         + block.format(0, "default").replace(": web\n", ": (none)\n") + "Error: failed to create one or more entries\n")
        updated = self.command("update", "-entryID", "web", "-parentID", spiffe_id("/node"), "-spiffeID", spiffe_id("/web"), "-selector", "unix:uid:1", "-x509SVIDTTL", 60)
        self.assertEqual(updated, (0, block.format(1, 60), ""))
        self.assertEqual(self.command("show", "-entryID", "web"), (0, "Found 1 entry\n" + block.format(1, 60), ""))
        self.assertEqual(self.command("count"), (0, "1 registration entry\n", ""))
        self.assertEqual(self.command("delete", "-entryID", "web"), (0, "Deleted entry with ID: web\n\n\nDeleted 1 entries successfully", ""))
        self.assertEqual(self.command("delete", "-entryID", "web"),
                         (1, "\n\nFailed to delete 1 entries",
                          'Failed to delete entry with ID web (code: NotFound, msg: "entry not found")\nError: failed to delete one or more entries\n'))
        self.assertEqual(self.command("show"), (0, "Found 0 entries\n", ""))

    def test_what_is_refused(self):
        for arguments, message in (
                (("show", "-entryID", "x"), "error fetching entry ID x: rpc error: code = NotFound desc = entry not found"),
                (("show", "-entryID", "x", "-selector", "a:b"), "the -entryID flag can't be combined with others"),
                (("delete",), "an entry ID is required"),
                (("update", "-selector", "a:b"), "entry ID is required"),
                (("create", "-data", "/no/such/file"), "open /no/such/file: no such file or directory")):
            self.assertEqual(self.command(*arguments), (1, "", f"Error: {message}\n"))
        for extra, code, message in (
                (("-federatesWith", "unknown.test"), "Internal", 'failed to create entry: unable to find federated bundle \\"spiffe://unknown.test\\"'),
                (("-dns", "a..b"), "InvalidArgument", 'failed to convert entry: invalid DNS name: '),
                (("-hint", "x" * 2000), "InvalidArgument", "failed to convert entry: hint is too long, max length is 1024 characters")):
            exit_code, out, err = self.create("/web", "-selector", "unix:uid:1", *extra)
            self.assertEqual((exit_code, out), (1, ""))
            self.assertTrue(err.startswith(f'Failed to create the following entry (code: {code}, msg: "{message}'), err)
        code, _, err = self.create("/web", "-selector", "unix:uid:1", "-x509SVIDTTL", "soon")
        self.assertEqual(code, 1)
        self.assertTrue(err.startswith('invalid value "soon" for flag -x509SVIDTTL: parse error\nUsage of entry create:\n'), err)

    def test_files_filters_and_json(self):
        entries = [{"entry_id": name, "spiffe_id": spiffe_id(f"/{name}"), "parent_id": spiffe_id("/node"), "hint": "h" if name == "b" else "",
                    "selectors": [{"type": "unix", "value": value} for value in values]}
                   for name, values in (("a", ["uid:1"]), ("b", ["uid:1", "gid:1"]), ("c", ["uid:2"]))]
        (self.home / "entries.json").write_text(json.dumps({"entries": entries}))
        code, out, _ = self.command("create", "-data", self.home / "entries.json", "-output", "json")
        results = json.loads(out)["results"]
        self.assertEqual((code, [result["status"] for result in results]), (0, [{"code": 0, "message": "OK"}] * 3))
        self.assertEqual(results[0]["entry"] | {"created_at": "0"},
                         {"admin": False, "created_at": "0", "dns_names": [], "downstream": False, "expires_at": "0", "federates_with": [], "hint": "", "id": "a",
                          "jwt_svid_ttl": 0, "parent_id": {"path": "/node", "trust_domain": "example.org"}, "revision_number": "0",
                          "selectors": [{"type": "unix", "value": "uid:1"}], "spiffe_id": {"path": "/a", "trust_domain": "example.org"}, "store_svid": False,
                          "x509_svid_ttl": 0})
        for flags, found in ((("-selector", "unix:uid:1"), "ab"), (("-selector", "unix:uid:1", "-matchSelectorsOn", "exact"), "a"),
                             (("-selector", "unix:uid:1", "-selector", "unix:uid:2", "-matchSelectorsOn", "any"), "abc"),
                             (("-selector", "unix:uid:1", "-selector", "unix:uid:2", "-matchSelectorsOn", "subset"), "ac"),
                             (("-spiffeID", spiffe_id("/c")), "c"), (("-parentID", spiffe_id("/other")), ""), (("-hint", "h"), "b"), (("-downstream",), "")):
            shown = json.loads(self.command("show", "-output", "json", *flags)[1])["entries"]
            self.assertEqual("".join(entry["id"] for entry in shown), found, flags)
            self.assertEqual(json.loads(self.command("count", "-output", "json", *flags)[1]), {"count": len(found)})
        entries[0]["hint"] = "new"
        done = self.control.command("entry update", "-data", "-", input=json.dumps({"entries": entries[:1]}))
        self.assertRegex(done.stdout, r"Revision +: 1\n(.*\n)*Hint +: new\n")
        done = self.control.command("entry delete", "-file", "-", input=json.dumps({"ids": ["a", "b", "c"]}))
        self.assertTrue(done.stdout.endswith("Deleted 3 entries successfully"), done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
