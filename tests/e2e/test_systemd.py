"""The workload attestor systemd: services of a systemd that the suite boots, and buses that are not there."""
import os
import re
import time
import unittest

from booted_systemd import Machine
from harness import AGENT_KIND, Suite, wait_until
from kubelet import can_make_cgroups

ATTESTOR = 'WorkloadAttestor "systemd" {}'


@unittest.skipUnless(os.getuid() == 0 and can_make_cgroups(), "namespaces and cgroups cannot be made here")
class Services(Suite):
    def world(self, settings=""):
        self.machine = self.keep(Machine(self.home / "machine"))
        self.machine.start()
        self.server_ = self.server().start()
        self.agent_ = self.agent(self.server_, workload_attestor=ATTESTOR)
        self.agent_.write_config()
        self.server_.bundle(self.agent_.home / "bundle.pem")
        self.agent_log = self.machine.write_unit("agent.service", [self.agent_.program, "run", "-config", self.agent_.home / "agent.conf",
                                                                   "-joinToken", self.server_.token()], settings=settings)
        self.server_.create_entry("/by-id", selector="systemd:id:web.service")
        self.server_.create_entry("/by-path", selector=f"systemd:fragment_path:{self.machine.units}/web.service")
        self.machine.command("systemctl", "start", "agent.service")
        wait_until(lambda: "Starting Workload and SDS APIs" in self.log() or self.agent_.socket.exists(), 20, self.log)
        wait_until(lambda: "Bundle added" in self.log() or "Entry created" in self.log(), 20, self.log)
        time.sleep(1.2)  # one sync of the agent

    def log(self):
        return self.agent_log.read_text() if self.agent_log.exists() else ""

    def fetch_command(self):
        return [self.agent_.program, "api", "fetch", "x509", "-socketPath", self.agent_.socket, "-timeout", "30s"]

    def fetch(self, unit):
        out = self.machine.run_unit(unit, self.fetch_command())
        return sorted(re.findall(r"SPIFFE ID:\s+spiffe://[^/]+/(\S+)", out)), out

    def assert_served(self):
        ids, out = self.fetch("web.service")
        self.assertEqual(ids, ["by-id", "by-path"], out + self.log()[-3000:])

    def test_a_service_is_known_by_its_name_and_its_unit_file(self):
        self.world()
        self.assert_served()
        self.assertIn("systemd", self.log())
        ids, out = self.fetch("db.service")
        self.assertEqual(ids, [])
        self.assertIn("no identity issued", out)

    def test_a_process_of_no_unit_is_an_error(self):
        self.world()
        done = self.machine.command(*self.fetch_command(), check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("workload attestation failed", done.stdout + done.stderr)
        self.assertRegex(self.log(), r"failed to get unit by pid \d+: PID \d+ does not belong to any loaded unit")

    def test_a_bus_that_was_started_anew_is_used_again(self):
        self.world()
        self.assert_served()
        self.machine.command("systemctl", "restart", "dbus.service")
        wait_until(self.machine.bus_answers, 20, self.machine.log)
        wait_until(lambda: self.fetch("web.service")[0] == ["by-id", "by-path"], 20, self.log)

    def test_the_bus_address_is_taken_from_the_environment(self):
        self.world('Environment="DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/elsewhere"\n')
        ids, out = self.fetch("web.service")
        self.assertEqual(ids, [])
        self.assertIn("workload attestation failed", out)
        self.assertIn("failed to open dbus connection: dial unix /run/elsewhere: connect: no such file or directory", self.log())


class NoManager(Suite):
    def test_without_a_bus_the_attestor_fails_and_another_one_goes_on(self):
        server = self.server().start()
        agent = self.agent(server, workload_attestor=ATTESTOR + '\n  WorkloadAttestor "unix" { plugin_data {} }')
        agent.start("-joinToken", server.token(), environment={"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self.home}/nothing"})
        server.create_entry("/unix")
        agent.wait_for_ids(["/unix"])
        self.assertIn(f"failed to open dbus connection: dial unix {self.home}/nothing: connect: no such file or directory", agent.process.log())

    @unittest.skipIf(AGENT_KIND == "stock", "waits for an exit")
    def test_it_takes_no_keys(self):
        agent = self.agent(self.server("unused"), workload_attestor='WorkloadAttestor "systemd" { plugin_data { a = 1 } }', trust_bundle_path=None,
                           insecure_bootstrap=True).launch()
        self.assertNotEqual(agent.process.wait(20), 0)
        self.assertIn("no supported configuration interface found", agent.process.log())


if __name__ == "__main__":
    unittest.main()
