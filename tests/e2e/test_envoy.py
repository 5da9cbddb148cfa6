"""Envoy proxies that take certificates and trust from the agent by SDS: tests/clients/envoy."""
import signal
import unittest

import authorities
from clients import selector, spiffe_id, wait_until_served
from envoy import Envoy, Traffic, serve_behind
from harness import Suite, wait_until


class Proxies(Suite):
    def test_mutual_tls_through_rotation_and_restart(self):
        server, agent = self.running_pair()
        names = ("envoy-front", "envoy-back", "envoy-other")
        for name in names:
            server.create_entry(f"/{name}", "-x509SVIDTTL", "40", selector=selector(name))
        wait_until_served(agent, *names)
        back = self.keep(Envoy(self.home, "envoy-back", agent, serve_behind(self), [spiffe_id("envoy-front")], "listener"))
        front = self.keep(Envoy(self.home, "envoy-front", agent, back.port, [spiffe_id("envoy-back")], "cluster"))
        # One that wants plain bundles, not those of Envoy's SPIFFE validator.
        other = self.keep(Envoy(self.home, "envoy-other", agent, back.port, [spiffe_id("envoy-back")], "cluster", metadata={"disable_spiffe_cert_validation": True}))
        wait_until(lambda: front.request()[0] == 200, 60, lambda: f"{front.request()}\n{front.tail()}\n{back.tail()}\n{agent.process.log()[-3000:]}")

        # A valid SVID that the other side does not expect.
        wait_until(lambda: other.serial() and other.request()[0] == 503 and back.counter("listener.*ssl.fail_verify_san") > 0, 60, lambda: f"{other.request()} {other.tail()}")

        self.assertIn("custom_validator_config", front.secrets())
        self.assertIn("trusted_ca", other.secrets())
        self.assertNotIn("custom_validator_config", other.secrets())

        traffic = self.keep(Traffic(front))
        proxies = (front, back)
        self.assert_renewed(proxies, lambda: None, "a rotation", traffic)
        self.assert_renewed(proxies, lambda: (agent.stop(), traffic.wait_for_more(20), agent.start()), "a restart of the agent", traffic)
        self.assert_renewed(proxies, lambda: (agent.stop(signal.SIGKILL), traffic.wait_for_more(20), agent.start()), "the death of the agent", traffic)
        traffic.stop()
        self.assertEqual(traffic.failures, [])
        self.assertEqual(other.request()[0], 503)

    def assert_renewed(self, proxies, event, what, traffic):
        before = {proxy.name: proxy.serial() for proxy in proxies}
        event()
        for proxy in proxies:
            wait_until(lambda proxy=proxy: proxy.serial() not in (None, before[proxy.name]), 60, lambda proxy=proxy: f"{proxy.name} has no new SVID after {what}\n{proxy.tail()}")
        traffic.wait_for_more(50)
        self.assertEqual(traffic.failures, [], what)


class Federated(Suite):
    """A proxy of each trust domain; `three.test` knows the bundle of `two.test`, which does not know its."""

    def setUp(self):
        super().setUp()
        self.servers, self.agents, self.entries = {}, {}, {}
        for domain in ("one.test", "two.test", "three.test"):
            self.servers[domain] = self.server(f"server-{domain}", trust_domain=domain).start()
            self.agents[domain] = self.agent(self.servers[domain], f"agent-{domain}").start("-joinToken", self.servers[domain].token())

    def give_bundle(self, source, target):
        self.servers[target].take_bundle(self.servers[source])

    def register(self, domain, name, other):
        self.entries[domain] = self.servers[domain].create_entry(f"/{name}", "-federatesWith", f"spiffe://{other}", selector=selector(name))
        wait_until_served(self.agents[domain], name)
        return spiffe_id(name, domain)

    def proxies(self):
        for source, target in (("one.test", "two.test"), ("two.test", "one.test"), ("two.test", "three.test")):
            self.give_bundle(source, target)
        ids = {name: self.register(domain, name, other) for name, domain, other in
               (("envoy-front", "one.test", "two.test"), ("envoy-back", "two.test", "one.test"), ("envoy-other", "three.test", "two.test"))}
        make = lambda name, domain, *rest, **names: self.keep(Envoy(self.home, name, self.agents[domain], *rest, **names))
        # The listener expects both by name: what it knows of their trust domains decides.
        back = make("envoy-back", "two.test", serve_behind(self), [ids["envoy-front"], ids["envoy-other"]], "listener", trust="ALL")
        front = make("envoy-front", "one.test", back.port, [ids["envoy-back"]], "cluster", certificate=ids["envoy-front"],
                     trust="spiffe://two.test")
        other = make("envoy-other", "three.test", back.port, [ids["envoy-back"]], "cluster", trust="ALL")
        wait_until(lambda: front.request()[0] == 200, 60, lambda: f"{front.request()}\n{front.tail()}\n{back.tail()}")
        wait_until(lambda: other.serial() and other.request()[0] == 503 and back.counter("listener.*ssl.fail_verify_error") > 0, 60,
                   lambda: f"{other.request()} {other.tail()}")
        return front, back, other

    def assert_updated(self, proxy, event, what):
        before = proxy.trust_updates()
        event()
        wait_until(lambda: proxy.trust_updates() > before, 30, lambda: f"{proxy.name} has no update after {what}\n{proxy.tail()}")

    def test_a_rotation_of_the_foreign_authority(self):
        front, back, _ = self.proxies()
        two = self.servers["two.test"]
        traffic = self.keep(Traffic(front))
        two.command("localauthority x509 prepare")
        self.assert_updated(front, lambda: self.give_bundle("two.test", "one.test"), "the next authority of its peer")
        two.command("localauthority x509 activate", "-authorityID", authorities.authority(two, "X.509", "Prepared"))
        old, before = authorities.authority(two, "X.509", "Old"), back.serial()
        two.command("localauthority x509 taint", "-authorityID", old)
        wait_until(lambda: back.serial() not in (None, before), 60, lambda: f"no SVID of the new authority\n{back.tail()}")
        two.command("localauthority x509 revoke", "-authorityID", old)
        self.assert_updated(front, lambda: self.give_bundle("two.test", "one.test"), "the end of the old authority")
        traffic.wait_for_more(50)
        traffic.stop()
        self.assertEqual(traffic.failures, [])

    def test_federation_begins_and_ends(self):
        front, back, other = self.proxies()
        two = self.servers["two.test"]
        self.give_bundle("three.test", "two.test")
        two.command("entry update", "-entryID", self.entries["two.test"], "-parentID", "spiffe://two.test/node", "-spiffeID", "spiffe://two.test/envoy-back",
                    "-selector", selector("envoy-back"), "-federatesWith", "spiffe://one.test", "-federatesWith", "spiffe://three.test")
        wait_until(lambda: other.request()[0] == 200, 60, lambda: f"{other.request()}\n{other.tail()}\n{back.tail()}")
        self.assertEqual(front.request()[0], 200)
        two.command("bundle delete", "-id", "spiffe://one.test", "-mode", "dissociate")
        wait_until(lambda: front.request()[0] == 503, 60, lambda: f"{front.request()}\n{front.tail()}\n{back.tail()}")
        self.assertEqual(other.request()[0], 200)


if __name__ == "__main__":
    unittest.main(verbosity=2)
