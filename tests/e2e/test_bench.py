"""steeple-bench measures what is there, and stops with the reason when an agent is not what it should be."""
import json
import os
import pathlib
import subprocess
import unittest

from harness import BIN, PATIENCE, Suite

BENCH = pathlib.Path(__file__).resolve().parents[2] / "bench/steeple-bench"


@unittest.skipUnless((BIN / "steeple-load").exists(), "the load generator is built with the release preset only")
class Bench(Suite):
    def bench(self, *arguments, **options):
        done = subprocess.run([BENCH, *map(str, arguments), "--bin", BIN, "--json", self.home / "out.json", "--html", self.home / "out.html"], capture_output=True,
                              text=True, timeout=240 * PATIENCE, **options)
        return done.returncode, done.stdout, done.stderr

    def script(self, text):
        path = self.home / "agent"
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)
        return path

    def test_figures_of_a_started_agent(self):
        code, out, err = self.bench("storm", "--quick", "--rounds", 1, "--storm", 50, "--agent", f"{BIN}/steeple-agent=this", "--agent", f"{BIN}/steeple-agent=that")
        self.assertEqual(code, 0, err)
        self.assertIn("50 first calls at once", out)
        document = json.loads((self.home / "out.json").read_text())
        self.assertEqual([run["agent"] for run in document["runs"]], ["this", "that"])
        for run in document["runs"]:
            self.assertEqual(run["figures"]["count"], 50)
            self.assertGreater(run["figures"]["agent_cpu_us_per_op"], 0)
            self.assertEqual(sum(count for _, count in run["figures"]["histogram_us"]), 50)
        page = (self.home / "out.html").read_text()
        self.assertIn("<svg", page)
        self.assertNotIn("http://", page)
        self.assertNotIn("<script", page)

    def test_an_agent_that_runs_already(self):
        server, agent = self.running_pair()
        server.create_entry("/workload")
        agent.wait_for_ids(["/workload"])
        code, out, err = self.bench("fetch", "--quick", "--rounds", 1, "--clients", "1,4", "--rates", "50", "--socket", agent.socket, "--pid", agent.process.pid)
        self.assertEqual(code, 0, err)
        self.assertIn("a new connection each, 4 in flight", out)
        self.assertTrue(agent.process.running())

    def test_no_identity_for_the_caller(self):
        _, agent = self.running_pair()
        code, out, err = self.bench("fetch", "--quick", "--socket", agent.socket, "--pid", agent.process.pid)
        self.assertEqual(code, 1)
        self.assertIn("grpc-status 7 no identity issued", err)
        self.assertNotIn("p50", out)
        self.assertFalse((self.home / "out.json").exists())

    def test_nobody_serves_the_socket(self):
        code, _, err = self.bench("storm", "--quick", "--socket", self.home / "none.sock")
        self.assertEqual(code, 1)
        self.assertIn("No such file or directory", err)

    def test_an_agent_that_does_not_start(self):
        code, _, err = self.bench("storm", "--quick", "--agent", self.script('[ "$1" = --version ] && exit\necho cannot open the vault; exit 3\n'))
        self.assertEqual(code, 1)
        self.assertIn("does not start: the agent ended with 3", err)
        self.assertIn("cannot open the vault", err)

    def test_an_agent_that_dies_meanwhile(self):
        # The agent is a child of the script, which ends both once somebody is served.
        agent = self.script(f'''case "$1" in run) ;; *) exec {BIN}/steeple-agent "$@" ;; esac
{BIN}/steeple-agent "$@" & child=$!
(sleep 4; kill -9 $child) &
wait $child; echo the vault is gone; exit 9
''')
        code, _, err = self.bench("fetch", "--quick", "--rounds", 1, "--seconds", 20, "--clients", 1, "--agent", agent)
        self.assertEqual(code, 1)
        self.assertIn("agent died, exit code 9", err)
        self.assertIn("the vault is gone", err)

    def test_command_lines(self):
        for arguments, reason in ((("nothing", "--agent", "/bin/true"), "no such scenario: nothing"), (("fetch",), "either --agent"), (("k8s", "--socket", "/x"), "needs --agent"),
                                  (("fetch", "--agent", "/no/such/file"), "not a program"), (("fetch", "--agent", "/bin/true@kqueue"), "no such io backend"),
                                  (("fetch", "--agent", "/bin/true", "--rates", "0"), "positive numbers")):
            code, _, err = self.bench(*arguments)
            self.assertEqual(code, 2, arguments)
            self.assertIn(reason, err)


if __name__ == "__main__":
    unittest.main(verbosity=2)
