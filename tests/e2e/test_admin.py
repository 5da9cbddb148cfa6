"""The admin socket: the log level and debug commands against a running agent."""
import functools
import json
import pathlib
import re
import stat
import subprocess
import unittest

from harness import PATIENCE, Process, Suite, TRUST_DOMAIN, grpc_call, wait_until

DATA = pathlib.Path(__file__).resolve().parents[1] / "data" / "cli"
DELEGATED = "/spire.api.agent.delegatedidentity.v1.DelegatedIdentity/"


def varint(number):
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


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

    def replay(self, agent, file):
        """Recorded commands in their order, with what they printed."""
        places = {"<ADMIN_SOCKET>": str(self.home / "private" / "admin.sock"), "<SOCKET>": str(agent.socket), "<TMP>": str(self.home)}
        patterns = {"<DUR>": r"[0-9hms]+", "<TIME>": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "\"<N>\"": r"\d+", "<N>": r"\d+", "<UNIX>": r"\d+", "\"<SECONDS>\"": r"\d+",
                    "<SERIAL>": r"\d+", "/x509pop/<HEX40>": "/join_token/[0-9a-f-]+", "O=SPIRE,C=US": "[A-Z0-9=,-]+", "O=SPIFFE,C=US": "[A-Za-z0-9=,.-]+"}
        for line in (DATA / file).read_text().splitlines():
            case = json.loads(line)
            if case.get("state") == "no agent at the default path":
                continue  # another agent of this machine may be there
            expand = lambda text: functools.reduce(lambda so_far, place: so_far.replace(*place), places.items(), text)
            done = subprocess.run([agent.program, *(expand(word) for word in case["argv"][1:])], capture_output=True, text=True, timeout=30 * PATIENCE,
                                  **({"user": case["uid"], "group": case["uid"], "extra_groups": []} if "uid" in case else {}))
            with self.subTest(file=file, id=case["id"]):
                self.assertEqual((done.returncode, done.stderr), (case["exit"], expand(case["stderr"])))
                expected = re.escape(case["stdout"])
                for placeholder, pattern in patterns.items():
                    expected = expected.replace(re.escape(placeholder), pattern)
                self.assertRegex(done.stdout, f"^{expected}$")

    def test_recorded_commands(self):
        server, agent = self.pair()
        server.create_entry("/workload")
        agent.wait_for_ids(["/workload"])
        self.replay(agent, "logger.jsonl")
        self.replay(agent, "debug-getinfo.jsonl")

    def test_an_admin_socket_that_cannot_be_bound_ends_the_agent(self):
        server = self.server().start()
        (self.home / "private").write_text("a file where the folder should be")
        agent = self.agent(server, admin_socket_path=self.home / "private" / "admin.sock").launch("-joinToken", server.token())
        process, agent.process = agent.process, None
        self.assertEqual(process.wait(20), 1, process.log())
        error = f"error creating UDS listener: listen unix {self.home}/private/admin.sock: bind: not a directory"
        for message in ("Cache manager crashed", "Agent crashed"):
            self.assertIn(f'msg="{message}" error="{error}"', process.log())
        self.assertFalse(agent.socket.exists())

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

    def test_delegated_identities(self):
        server, agent = self.running_pair(admin_socket_path=self.home / "private" / "admin.sock", authorized_delegates=[f"spiffe://{TRUST_DOMAIN}/delegate"])
        server.create_entry("/workload", selector="unix:uid:3001")
        workload = self.keep(Process(["sleep", "600"], self.home / "workload.log", user=3001))
        by_pid = b"\x10" + varint(workload.pid)  # SubscribeToX509SVIDsRequest.pid
        def ask(method, message, seconds=10):
            return grpc_call(self.home / "private" / "admin.sock", DELEGATED + method, message, self.home, seconds)

        refused = ask("SubscribeToX509SVIDs", by_pid)
        self.assertIn(b"grpc-status: 7\r\n", refused)
        self.assertIn(b"no identity issued", refused)
        server.create_entry("/delegate")
        agent.wait_for_ids(["/delegate"])
        wait_until(lambda: f"{TRUST_DOMAIN}/workload".encode() in ask("SubscribeToX509SVIDs", by_pid, 1), 20, "the workload's SVID is not handed out")
        bundles = ask("SubscribeToX509Bundles", b"", 1)
        self.assertIn(f"spiffe://{TRUST_DOMAIN}".encode(), bundles)
        self.assertNotIn(b"grpc-status", bundles)  # the stream stays open
        token = ask("FetchJWTSVIDs", b"\x0a\x02db\x18" + varint(workload.pid))
        self.assertIn(b"grpc-status: 0", token)
        self.assertEqual(token.count(b"eyJ"), 2)  # one token: a header and a payload

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
