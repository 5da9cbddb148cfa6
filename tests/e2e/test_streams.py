"""Thousands of open streams: everybody receives a rotation, and SIGTERM still ends the agent in under a second."""
import os
import pathlib
import re
import signal
import subprocess
import time
import unittest

from harness import BIN, PATIENCE, Process, Suite, resident_kib, wait_until

STREAMS = int(os.environ.get("STEEPLE_E2E_STREAMS", "3000"))
LOAD = BIN / "steeple-load"


@unittest.skipUnless(LOAD.exists(), "the load generator is built with the release preset only")
class Streams(Suite):
    def open_streams(self, agent, name="load.log"):
        load = self.keep(Process([LOAD, "push", "--socket", agent.socket, "--pid", agent.process.pid, "--streams", STREAMS, "--limit", 60], self.home / name))
        wait_until(lambda: '"ready"' in load.log() or not load.running(), 60, load.log)
        self.assertTrue(load.running(), load.log())
        return load

    def test_everybody_receives_a_rotation(self):
        server, agent = self.running_pair()
        entry = server.create_entry("/workload")
        agent.wait_for_ids(["/workload"])
        load = self.open_streams(agent)
        server.command("entry update", "-entryID", entry, "-parentID", "spiffe://example.org/node", "-spiffeID", "spiffe://example.org/workload",
                       "-selector", f"unix:uid:{os.getuid()}", "-dns", "changed.example.org")
        self.assertEqual(load.wait(60), 0, load.log())
        self.assertIn(f'"event":"push","streams":{STREAMS},', load.log())

    def test_sigterm_ends_in_under_a_second(self):
        server, agent = self.running_pair()
        server.create_entry("/workload")
        agent.wait_for_ids(["/workload"])
        load = self.open_streams(agent)
        began = time.monotonic()
        self.assertEqual(agent.stop(signal.SIGTERM), 0)
        self.assertLess(time.monotonic() - began, 1.0 * PATIENCE)
        wait_until(lambda: not load.running(), 20, "the clients were not told")

    def test_a_storm_of_first_calls_is_served(self):
        server, agent = self.running_pair()
        server.create_entry("/workload")
        agent.wait_for_ids(["/workload"])
        done = subprocess.run([LOAD, "storm", "--socket", agent.socket, "--streams", "2000"], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('"streams":2000', done.stdout)

    def test_closed_connections_do_not_pile_up(self):
        """Clients that call without pause, each time on a new connection: what they have closed is closed here, too, before many more are taken in."""
        server, agent = self.running_pair()
        server.create_entry("/workload")
        agent.wait_for_ids(["/workload"])
        folder = f"/proc/{agent.process.pid}/fd"
        before = len(os.listdir(folder))
        load = self.keep(Process([LOAD, "closed", "--socket", agent.socket, "--clients", 16, "--count", 15000, "--limit", 60], self.home / "closed.log"))
        most = 0
        while load.running():
            most = max(most, len(os.listdir(folder)))
            time.sleep(0.005)
        self.assertEqual(load.wait(60), 0, load.log())
        self.assertLess(most - before, 1000)
        wait_until(lambda: len(os.listdir(folder)) <= before + 2, 20, lambda: f"{len(os.listdir(folder))} descriptors, {before} before")


if __name__ == "__main__":
    unittest.main(verbosity=2)
