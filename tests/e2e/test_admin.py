"""The admin socket: the log level and debug commands against a running agent."""
import json
import re
import stat
import subprocess
import unittest

from harness import Suite, TRUST_DOMAIN


class Admin(Suite):
    def command(self, agent, *arguments):
        done = subprocess.run([agent.program, *arguments, "-socketPath", self.home / "private" / "admin.sock"], capture_output=True, text=True, timeout=30)
        return done.returncode, done.stdout, done.stderr

    def pair(self):
        return self.running_pair(admin_socket_path=self.home / "private" / "admin.sock")

    def test_socket_modes(self):
        self.pair()
        self.assertEqual(stat.S_IMODE((self.home / "private" / "admin.sock").stat().st_mode), 0o770)
        self.assertEqual(stat.S_IMODE((self.home / "private").stat().st_mode), 0o750)

    def test_log_level(self):
        _, agent = self.pair()
        self.assertEqual(self.command(agent, "logger", "get"), (0, "Logger Level : debug\nLaunch Level : debug\n\n", ""))
        self.assertEqual(self.command(agent, "logger", "set", "-level", "warn"), (0, "Logger Level : warning\nLaunch Level : debug\n\n", ""))
        self.assertEqual(self.command(agent, "logger", "get", "-output", "json"), (0, '{"current_level":"WARN","launch_level":"DEBUG"}\n', ""))
        self.assertEqual(self.command(agent, "logger", "reset"), (0, "Logger Level : debug\nLaunch Level : debug\n\n", ""))
        code, _, err = self.command(agent, "logger", "set", "-level", "loud")
        self.assertEqual((code, err), (1, 'Error: the value "loud" is not a valid setting\n'))

    def test_debug_info(self):
        server, agent = self.pair()
        server.create_entry("/workload")
        agent.wait_for_ids(["/workload"])
        code, out, err = self.command(agent, "debug", "getinfo")
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out, r"^Agent Debug Info:\n  Uptime: +\d+s\n  Last Sync Success: +\d{4}-")
        self.assertIn(f"[0] SPIFFE ID:  spiffe://{TRUST_DOMAIN}/spire/agent/join_token/", out)
        self.assertTrue(re.search(rf"\[1\] SPIFFE ID:  spiffe://{TRUST_DOMAIN}\n", out), out)
        info = json.loads(self.command(agent, "debug", "getinfo", "-output", "json")[1])
        self.assertEqual(info["svid_chain"][1]["id"], {"path": "", "trust_domain": TRUST_DOMAIN})

    def test_other_services_are_not_there(self):
        _, agent = self.pair()
        code, _, err = self.command(agent, "api", "fetch", "x509")
        self.assertEqual(code, 1)
        self.assertIn("unknown service SpiffeWorkloadAPI", err)
        done = subprocess.run([agent.program, "logger", "get", "-socketPath", agent.socket], capture_output=True, text=True, timeout=30)
        self.assertEqual(done.stderr, "Error: error fetching logger: rpc error: code = Unimplemented desc = "
                                      "unknown service spire.api.agent.logger.v1.Logger\n")
        none = self.home / "none.sock"
        done = subprocess.run([agent.program, "debug", "getinfo", "-socketPath", none], capture_output=True, text=True, timeout=30)
        self.assertEqual(done.stderr, 'Error: rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: '
                                      f'dial unix //{none}: connect: no such file or directory"\n')


if __name__ == "__main__":
    unittest.main()
