"""Published SPIFFE libraries of several languages as workloads: tests/clients."""
import json
import pathlib
import signal
import subprocess
import unittest

import authorities
import tokens
from clients import FEDERATED, LANGUAGES, Call, Service, as_workload, fetch_x509, selector, spiffe_id, wait_until_served
from harness import BIN, Suite, TRUST_DOMAIN, wait_until


class World(Suite):
    def world(self, *entry_options):
        server, agent = self.running_pair()
        for language in LANGUAGES:
            server.create_entry(f"/{language}", *entry_options, selector=selector(language))
        wait_until_served(agent, *LANGUAGES)
        return server, agent

    def for_each(self, check, *arguments, code=0, languages=LANGUAGES, **options):
        """Runs one command in every language at once, and `check(language, lines)` on what each printed. An argument may be a function of the language."""
        agent = options.pop("agent")
        calls = [Call(language, agent, *(one(language) if callable(one) else one for one in arguments), **options) for language in languages]
        for call in calls:
            check(call.language, call.lines(code))


class Clients(World):
    def test_fetch_and_the_first_update(self):
        _, agent = self.world()

        def check(language, lines):
            self.assertEqual([line["spiffe_id"] for line in lines], [spiffe_id(language)])
            self.assertEqual(lines[0]["trust_domains"], ["example.org"])
        self.for_each(check, "fetch", agent=agent)

        def refused(language, lines):
            self.assertIn("no identity issued", lines[-1]["error"], language)
        self.for_each(refused, "fetch", agent=agent, name="nobody", code=1)
        self.for_each(lambda language, lines: self.assertEqual(len(lines), 1, language), "watch", "1", agent=agent)  # ends by itself

    def test_watch_through_rotations_and_restarts(self):
        server, agent = self.world("-x509SVIDTTL", "16")
        watches = [self.keep(Service(self.home, language, agent, "watch")) for language in LANGUAGES]
        serials = lambda watch: {line["serial"] for line in watch.lines()}
        for watch in watches:
            watch.wait_for(lambda lines: len({line["serial"] for line in lines}) >= 2, "no rotated SVID")
        for how in (signal.SIGTERM, signal.SIGKILL):
            agent.stop(how)
            before = {watch.language: serials(watch) for watch in watches}
            agent.start()
            for watch in watches:
                watch.wait_for(lambda lines, old=before[watch.language]: {line["serial"] for line in lines} - old, f"no SVID after {how.name} and a restart")
        for watch in watches:
            self.assertEqual({line["spiffe_id"] for line in watch.lines()}, {spiffe_id(watch.language)}, watch)
            self.assertEqual(watch.stop(), 0, watch)

    def test_a_workload_with_hundreds_of_identities(self):
        """Far more than a frame or a flow-control window of any client."""
        server, agent = self.running_pair()
        names = [f"/many/{number}" for number in range(300)]
        group = {"type": "unix", "value": selector("intruder").removeprefix("unix:")}
        (self.home / "entries.json").write_text(json.dumps({"entries": [
            {"parent_id": f"spiffe://{TRUST_DOMAIN}/node", "spiffe_id": f"spiffe://{TRUST_DOMAIN}{name}", "selectors": [group]} for name in names]}))
        server.command("entry create", "-data", self.home / "entries.json")
        known = lambda: fetch_x509(agent, "intruder")
        wait_until(lambda: len(known()) == len(names), 60, lambda: f"{len(known())} SVIDs\n{agent.process.log()[-3000:]}")
        first = known()[0]["spiffe_id"]
        self.for_each(lambda language, lines: self.assertEqual(lines[0]["spiffe_id"], first, language), "fetch", agent=agent, name="intruder")

    def test_mutual_tls_across_languages(self):
        server, agent = self.world()
        servers = [self.keep(Service(self.home, language, agent, "serve", *map(spiffe_id, LANGUAGES))) for language in LANGUAGES]
        ports = {one.language: one.wait_for(lambda lines: lines and lines[0]["port"], "no port") for one in servers}
        wrong = f"{spiffe_id('other')}@127.0.0.1:"
        targets = {f"{spiffe_id(one)}@127.0.0.1:{port}": one for one, port in ports.items()}

        def connected(language, lines):
            own = spiffe_id(language)
            by_target = {line.pop("target"): line for line in lines}
            for target, peer in targets.items():
                self.assertEqual(by_target.pop(target), {"peer": spiffe_id(peer), "answer": f"hello {own}"}, f"{language} dials {peer}\n{servers[LANGUAGES.index(peer)]}")
            self.assertEqual(len(by_target), len(ports))
            for target, line in by_target.items():
                self.assertIn("refused", line, f"{language} takes {target} for another")
        self.for_each(connected, "dial", *targets, *(f"{wrong}{port}" for port in ports.values()), agent=agent)

        # A valid SVID of the same trust domain that no server expects.
        server.create_entry("/intruder", selector=selector("intruder"))
        wait_until_served(agent, "intruder")
        for line in Call(LANGUAGES[0], agent, "dial", *targets, name="intruder").lines():
            self.assertIn("refused", line)


class Tokens(World):
    def fetch_all(self, agent, audience):
        """A token of each language."""
        found = {}

        def keep(language, lines):
            token = found[language] = lines[0]["token"]
            self.assertEqual(lines[0]["spiffe_id"], spiffe_id(language))
            self.assertEqual((tokens.part(token, 1)["sub"], tokens.part(token, 1)["aud"]), (spiffe_id(language), [audience]))
        self.for_each(keep, "jwt", audience, agent=agent)
        return found

    def assert_taken(self, agent, audience, found, steps):
        """Each language has the agent validate the token of the one that is `steps` further in the list, and verifies it with the JWT bundles."""
        other = lambda language: LANGUAGES[(LANGUAGES.index(language) + steps) % len(LANGUAGES)]
        token_of = lambda language: found[other(language)]

        def taken(language, lines):
            self.assertEqual(lines[0]["spiffe_id"], spiffe_id(other(language)), language)
            self.assertEqual(lines[0].get("trust_domains", [TRUST_DOMAIN]), [TRUST_DOMAIN])
        self.for_each(taken, "validate", audience, token_of, agent=agent)
        self.for_each(taken, "verify", audience, token_of, agent=agent)

    def assert_refused(self, agent, audience, found, by_agent, by_library):
        """Each language is refused its own token, with these reasons (regular expressions)."""
        refused = lambda reason: lambda language, lines: self.assertRegex(lines[-1]["error"], f"(?i){reason}", language)
        self.for_each(refused(by_agent), "validate", audience, found.get, agent=agent, code=1)
        self.for_each(refused(by_library), "verify", audience, found.get, agent=agent, code=1)

    def test_tokens_of_each_language_are_taken_by_the_others(self):
        server, agent = self.world()
        self.for_each(lambda language, lines: self.assertIn("no identity issued", lines[-1]["error"], language), "jwt", "db", agent=agent, name="nobody", code=1)
        found = self.fetch_all(agent, "db")
        self.assert_taken(agent, "db", found, 1)
        self.assert_refused(agent, "web", found, r'expected audience in \["web"\] \(audience=\["db"\]\)', "audience")

        # The next authority signs; what the one before it signed is refused once that is revoked.
        prepared = tokens.prepare_authority(server, agent, **as_workload(LANGUAGES[0]))
        server.command("localauthority jwt activate", "-authorityID", prepared)
        fresh = self.fetch_all(agent, "web")
        self.assertEqual({tokens.part(token, 0)["kid"] for token in fresh.values()}, {prepared})
        self.assert_taken(agent, "web", fresh, 2)
        old = authorities.authority(server, "JWT", "Old")
        for command in ("taint", "revoke"):
            server.command(f"localauthority jwt {command}", "-authorityID", old)
        wait_until(lambda: old not in tokens.fetch(agent, "db", **as_workload(LANGUAGES[0]))[1], 20, "the revoked key is still handed out")
        self.assert_refused(agent, "db", found, f'public key "{old}" not found in trust domain "{TRUST_DOMAIN}"', old)


class Federated(World):
    PARTNER = "partner.test"

    def setUp(self):
        super().setUp()
        self.servers, self.agents = {}, {}
        for domain in (TRUST_DOMAIN, self.PARTNER):
            self.servers[domain] = self.server(f"server-{domain}", trust_domain=domain).start()
            self.agents[domain] = self.agent(self.servers[domain], f"agent-{domain}").start("-joinToken", self.servers[domain].token())
        for domain, other in ((TRUST_DOMAIN, self.PARTNER), (self.PARTNER, TRUST_DOMAIN)):
            self.servers[domain].take_bundle(self.servers[other])
            for language in LANGUAGES:
                self.servers[domain].create_entry(f"/{language}", "-federatesWith", f"spiffe://{other}", selector=selector(language))
            wait_until_served(self.agents[domain], *LANGUAGES)

    def test_bundles_tokens_and_mutual_tls(self):
        both = sorted([TRUST_DOMAIN, self.PARTNER])
        foreign = {}
        self.for_each(lambda language, lines: self.assertEqual(sorted(lines[0]["trust_domains"]), both, language), "fetch", agent=self.agents[TRUST_DOMAIN])
        self.for_each(lambda language, lines: foreign.update({language: lines[0]["token"]}), "jwt", "db", agent=self.agents[self.PARTNER])

        def taken(language, lines):
            self.assertEqual(lines[0]["spiffe_id"], spiffe_id(language, self.PARTNER))
            self.assertEqual(sorted(lines[0].get("trust_domains", both)), both, language)
        self.for_each(taken, "validate", "db", foreign.get, agent=self.agents[TRUST_DOMAIN])
        self.for_each(taken, "verify", "db", foreign.get, agent=self.agents[TRUST_DOMAIN])

        allowed = [spiffe_id(language) for language in FEDERATED]
        servers = [self.keep(Service(self.home, language, self.agents[self.PARTNER], "serve", *allowed)) for language in FEDERATED]
        ports = [one.wait_for(lambda lines: lines and lines[0]["port"], "no port") for one in servers]
        targets = [f"{spiffe_id(one.language, self.PARTNER)}@127.0.0.1:{port}" for one, port in zip(servers, ports)]

        def connected(language, lines):
            self.assertEqual([(line["target"], line.get("answer")) for line in lines], [(target, f"hello {spiffe_id(language)}") for target in targets], lines)
        self.for_each(connected, "dial", *targets, agent=self.agents[TRUST_DOMAIN], languages=FEDERATED)


@unittest.skipUnless((BIN / "steeple-load").exists(), "the load generator is built with the release preset only")
class Measured(Suite):
    def test_libraries_measure_agents(self):
        bench = pathlib.Path(__file__).resolve().parents[2] / "bench/steeple-bench"
        done = subprocess.run([bench, "client", "--quick", "--agent", f"{BIN}/steeple-agent", "--bin", BIN, "--json", self.home / "out.json", "--html", self.home / "out.html"],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        runs = json.loads((self.home / "out.json").read_text())["runs"]
        for library in ("go-spiffe", "gRPC C++"):
            calls = [run["figures"] for run in runs if run["variant"].startswith(library)]
            self.assertEqual(len(calls), 3, library)  # new connections, JWT-SVIDs, a push
            for figures in calls[:2]:
                self.assertGreater(figures["count"], 10)
                self.assertEqual(sum(count for _, count in figures["histogram_us"]), figures["count"])
                self.assertGreater(figures["agent_cpu_us_per_op"], 0)
            self.assertEqual(calls[2]["delivery_ms"][-1][1], 20)


if __name__ == "__main__":
    unittest.main(verbosity=2)
