"""An agent with few descriptors: clients that hold them all do not stop its own work, nor those who are connected; the rest wait until there is room."""
import contextlib
import os
import resource
import socket
import time
import unittest

from harness import Suite, Watch, wait_until

LIMIT = 160
CLIENTS = 300
REFUSED = "Connection failed during accept"


class Descriptors(Suite):
    def open_descriptors(self, agent):
        return len(os.listdir(f"/proc/{agent.process.pid}/fd"))

    def connect(self, agent, held):
        """As many as the agent and its backlog take."""
        for _ in range(CLIENTS):
            client = held.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.connect(str(agent.socket))

    def test_service_goes_on_when_clients_hold_all_descriptors(self):
        server = self.server().start()
        agent = self.agent(server).start("-joinToken", server.token(), preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT)))
        entry = server.create_entry("/workload")
        agent.wait_for_ids(["/workload"])
        watch = self.keep(Watch(agent, self.home / "watch.log"))
        wait_until(lambda: watch.newest_ids() == ["spiffe://example.org/workload"], 20, watch.process.log)
        with contextlib.ExitStack() as held:
            self.connect(agent, held)
            wait_until(lambda: REFUSED in agent.process.log(), 20, agent.process.log)
            self.assertIn("Too many open files", agent.process.log().split(REFUSED)[1].splitlines()[0])
            time.sleep(1)
            self.assertLess(agent.process.log().count(REFUSED), 5)
            self.assertLess(self.open_descriptors(agent), LIMIT - 20)
            # The server is lost and found: that takes descriptors. So does a new SVID's caller, who is attested anew.
            server.stop()
            wait_until(lambda: "Synchronize failed" in agent.process.log(), 30, agent.process.log)
            server.start()
            server.command("entry update", "-entryID", entry, "-parentID", "spiffe://example.org/node", "-spiffeID", "spiffe://example.org/renamed",
                           "-selector", f"unix:uid:{os.getuid()}")
            wait_until(lambda: watch.newest_ids() == ["spiffe://example.org/renamed"], 40, lambda: watch.process.log() + agent.process.log()[-3000:])
        agent.wait_for_ids(["/renamed"], 30)
        self.assertLessEqual(self.open_descriptors(agent), LIMIT // 2)
        self.assertNotIn("Accepting connections failed", agent.process.log())


if __name__ == "__main__":
    unittest.main(verbosity=2)
