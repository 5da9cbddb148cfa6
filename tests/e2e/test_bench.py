"""steeple-bench measures what is there, and stops with the reason when an agent is not what it should be."""
import contextlib
import io
import json
import os
import pathlib
import subprocess
import sys
import unittest

from harness import BIN, PATIENCE, Suite, wait_until
from kubelet import can_make_cgroups

BEGIN, END = "<!-- steeple-bench: made from its JSON -->", "<!-- steeple-bench: end -->"
BENCH = pathlib.Path(__file__).resolve().parents[2] / "bench/steeple-bench"
sys.path.insert(0, str(BENCH.parent))
from driver import options as command_line  # noqa: E402


@unittest.skipUnless((BIN / "steeple-load").exists(), "the load generator is built with the release preset only")
class Bench(Suite):
    def command(self, *arguments):
        return [BENCH, *map(str, arguments), "--bin", BIN, "--json", self.home / "out.json", "--html", self.home / "out.html"]

    def bench(self, *arguments, **options):
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=240 * PATIENCE, **options)
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

    def test_what_the_server_was_asked_for(self):
        code, out, err = self.bench("start", "jwt", "--quick", "--agent", f"{BIN}/steeple-agent=this", "--agent", f"{BIN}/steeple-agent=that", "--only", "that:jwt")
        self.assertEqual(code, 0, err)
        self.assertIn("minutes:", err)  # what is ahead
        document = json.loads((self.home / "out.json").read_text())
        first = [run["figures"] for run in document["runs"] if run["variant"].startswith("first start")]
        self.assertEqual(first[0]["server_rpcs"]["AttestAgent"], 1)
        signed = [run["figures"] for run in document["runs"] if "the server signs" in run["variant"]]
        self.assertEqual(len(signed), 2)  # of agents that run at the same time: each with its own calls
        for figures in signed:
            self.assertGreaterEqual(figures["server_rpcs"]["NewJWTSVID"], figures["count"])
            self.assertGreater(figures["beyond_server_us"], 0)
            self.assertNotIn("server_rpcs_not_counted", figures)
        self.assertIn("RPCs NewJWTSVID", out)
        self.assertEqual([one["scenario"] for one in document["durations"]], ["start", "jwt"])
        self.assertIsNone(document["partial"])

    @unittest.skipUnless(os.getuid() == 0 and can_make_cgroups(), "pods need root and a writable cgroup tree")
    def test_a_full_node(self):
        code, _, err = self.bench("density", "--quick", "--density", "12,40,60", "--agent", f"{BIN}/steeple-agent=this", "--agent", f"{BIN}/steeple-agent=that",
                                  "--only", "that:storm", "--env", "this:STEEPLE_IO_BACKEND=epoll")
        self.assertEqual(code, 0, err)
        document = json.loads((self.home / "out.json").read_text())
        self.assertEqual([(run["agent"], run["figures"]["count"]) for run in document["runs"]], [("this", 40)])
        self.assertEqual(document["agents"][0]["environment"], {})  # the backend is not told twice
        self.assertEqual(document["runs"][0]["figures"]["memory_steps"][-1][0], 40)

    def test_what_was_finished_is_kept(self):
        # Runs until the end of its first scenario.
        agent = self.script(f'''case "$1" in run) ;; *) exec {BIN}/steeple-agent "$@" ;; esac
echo . >> {self.home}/starts; [ $(wc -l < {self.home}/starts) -gt 1 ] && echo the vault is gone && exit 9
exec {BIN}/steeple-agent "$@"
''')
        code, out, err = self.bench("fetch", "storm", "--quick", "--clients", 1, "--rates", 50, "--agent", agent)
        self.assertEqual(code, 1)
        self.assertIn("the vault is gone", err)
        self.assertIn("PARTIAL", out)
        document = json.loads((self.home / "out.json").read_text())
        self.assertIn("does not start", document["partial"])
        self.assertEqual({run["scenario"] for run in document["runs"]}, {"fetch"})
        self.assertIn("Partial", (self.home / "out.html").read_text())

    def test_figures_of_the_documents(self):
        results, readme = self.home / "RESULTS.md", self.home / "README.md"
        for path in (results, readme):
            path.write_text(f"before\n{BEGIN}\nyesterday\n{END}\nafter\n")
        code, _, err = self.bench("storm", "idle", "--quick", "--storm", 500, "--streams", 50, "--entries", 10, "--minutes", 1, "--rounds", "1,storm=2",
                                  "--agent", f"{BIN}/steeple-agent=this", "--results", results, "--readme", readme)
        self.assertEqual(code, 0, err)
        text = results.read_text()
        self.assertRegex(text, r"\| 500 first calls at once: all served \| <= 30 ms \| \*{0,2}[0-9.]+ ms")
        self.assertIn("### storm", text)
        self.assertRegex(text, r"\| idle with 10 entries: memory \| <= 15 MB \| \*{0,2}[0-9.]+ MB")
        self.assertRegex(readme.read_text(), r"\| memory with nobody connected \| [0-9.]+ MB")
        self.assertNotIn("yesterday", text + readme.read_text())
        self.assertTrue(text.startswith("before\n") and text.endswith("after\n"))
        first, later = self.home / "out.json", self.home / "later.json"  # a later run's variants take the place of the first one's
        document = json.loads(first.read_text())
        document["summary"] = [group for group in document["summary"] if group["variant"] == "500 first calls at once"]
        document["runs"] = [run for run in document["runs"] if run["variant"] == "500 first calls at once"]
        document["summary"][0]["rows"][0]["figures"]["all served ms"]["median"] = 12345.6
        later.write_text(json.dumps(document))
        again = [BENCH, "--report", first, "--report", later, "--html", self.home / "again.html", "--results", results]
        subprocess.run(again, check=True, capture_output=True)
        self.assertIn("500 first calls at once: all served | <= 30 ms | **12 345.6 ms** |", results.read_text())
        self.assertRegex(results.read_text(), r"\| idle with 10 entries: memory \| <= 15 MB \| \*{0,2}[0-9.]+ MB")
        document["agents"][0]["name"] = "stranger"
        later.write_text(json.dumps(document))
        done = subprocess.run(again, capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("do not have this agent of the later ones: stranger", done.stderr)
        readme.write_text("no marks")
        done = subprocess.run([BENCH, "--report", self.home / "out.json", "--html", self.home / "again.html", "--readme", readme], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("does not have the marks", done.stderr)
        self.assertEqual(readme.read_text(), "no marks")

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
        agent = self.script(f'''case "$1" in run) (
  (until [ -e {self.home}/measured ]; do sleep 0.1; done; echo the vault is gone; kill -9 $$) &
) ;; esac
exec {BIN}/steeple-agent "$@"
''')
        bench = subprocess.Popen([*self.command("fetch", "--quick", "--rounds", 1, "--seconds", 60, "--clients", 1, "--agent", agent)], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE, text=True)
        seen = []
        for line in bench.stderr:
            seen.append(line)
            if "in flight" in line:
                (self.home / "measured").touch()
        self.assertEqual(bench.wait(), 1)
        bench.stderr.close()
        self.assertIn("agent died, exit code -9", "".join(seen))
        self.assertIn("the vault is gone", "".join(seen))

    def test_an_agent_behind_a_script(self):
        """What would be measured is the script."""
        code, _, err = self.bench("storm", "--quick", "--agent", self.script(f'case "$1" in run) {BIN}/steeple-agent "$@" & echo $! > {self.home}/inner; wait $! ;; *) exec {BIN}/steeple-agent "$@" ;; esac\n'))
        self.assertEqual(code, 1)
        self.assertIn("agent has child processes", err)
        inner = pathlib.Path("/proc", (self.home / "inner").read_text().strip())
        wait_until(lambda: not inner.exists(), 20, "the script's child is left behind")

    def test_command_lines(self):
        code, _, err = self.bench("nothing", "--agent", "/bin/true")
        self.assertEqual(code, 2)
        self.assertIn("no such scenario: nothing", err)
        for arguments, reason in ((("fetch",), "either --agent"), (("k8s", "--socket", "/x"), "needs --agent"), (("client", "--socket", "/x"), "client"),
                                  (("fetch", "--agent", "/no/such/file"), "not a program"), (("fetch", "--agent", "/bin/true@kqueue"), "no such io backend"),
                                  (("fetch", "--agent", "/bin/true", "--rates", "0"), "positive numbers"), (("fetch", "--agent", "/bin/true", "--env", "x:A=1"), "no agent is called x"),
                                  (("fetch", "--agent", "/bin/true", "--env", "true:A"), "NAME:KEY=VALUE"), (("fetch", "--agent", "/bin/true", "--only", "true:nothing"), "no such scenario"),
                                  (("fetch", "--agent", "/bin/true", "--rounds", "2,idle=0"), "not a positive number"), (("fetch", "--agent", "/bin/true", "--minutes", "0"), "are positive")):
            err = io.StringIO()
            with contextlib.redirect_stderr(err), self.assertRaises(SystemExit) as ended:
                command_line.parse([*arguments, "--bin", str(BIN)])
            self.assertEqual(ended.exception.code, 2, arguments)
            self.assertIn(reason, err.getvalue())


if __name__ == "__main__":
    unittest.main(verbosity=2)
