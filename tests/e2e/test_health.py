"""The HTTP listener of `health_checks {}`: closed, live, ready; with the server away before and after the first sync."""
import http.client
import unittest

from harness import Suite, free_port, wait_until

GOOD = (200, "application/json", '{"agent":{}}\n')
BAD = (500, "application/json", '{"agent":{"make_new_x509_err":"workload api is unavailable"}}\n')


def ask(port, path, method="GET", host="127.0.0.1"):
    """Status, type and body; None when nobody listens."""
    connection = http.client.HTTPConnection(host, port, timeout=20)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type"), answer.read().decode()
    except ConnectionRefusedError:
        return None
    finally:
        connection.close()


class HealthListener(Suite):
    def agent_with_listener(self, server, **settings):
        self.port = free_port()
        blocks = f'health_checks {{ listener_enabled = true bind_address = "127.0.0.1" bind_port = "{self.port}" }}'
        return self.agent(server, blocks=blocks, **settings)

    def test_ready_and_live_after_the_first_sync_and_while_the_server_is_away(self):
        server = self.server().start()
        agent = self.agent_with_listener(server).start("-joinToken", server.token())
        wait_until(lambda: ask(self.port, "/ready") == GOOD, 30, lambda: f"{ask(self.port, '/ready')}\n{agent.process.log()[-3000:]}")
        self.assertEqual(ask(self.port, "/live"), GOOD)
        self.assertEqual(ask(self.port, "/ready?x=1", "POST"), GOOD)
        self.assertEqual(ask(self.port, "/ready", "HEAD"), (200, "application/json", ""))
        for path in ("/", "/live/", "/nope"):
            self.assertEqual(ask(self.port, path), (404, "text/plain; charset=utf-8", "404 page not found\n"), path)
        self.assertIn(f'msg="Serving health checks" address="127.0.0.1:{self.port}" subsystem_name=health', agent.process.log())
        server.stop()
        wait_until(lambda: "connection refused" in agent.process.log(), 30, lambda: agent.process.log()[-3000:])
        self.assertEqual((ask(self.port, "/ready"), ask(self.port, "/live")), (GOOD, GOOD))
        self.assertEqual(agent.stop(), 0)
        self.assertIsNone(ask(self.port, "/live"))

    def test_live_but_not_ready_while_there_was_no_sync(self):
        server = self.server().start()
        token = server.token()
        agent = self.agent_with_listener(server)
        agent.home.mkdir(exist_ok=True)
        server.bundle(agent.home / "bundle.pem")
        server.stop()
        agent.launch("-joinToken", token)
        wait_until(lambda: ask(self.port, "/ready") == BAD, 40, lambda: f"{ask(self.port, '/ready')}\n{agent.process.log()[-3000:]}")
        self.assertEqual(ask(self.port, "/live"), GOOD)
        server.start()
        wait_until(lambda: ask(self.port, "/ready") == GOOD, 60, lambda: f"{ask(self.port, '/ready')}\n{agent.process.log()[-3000:]}")
        self.assertEqual(ask(self.port, "/live"), GOOD)

    def test_a_port_that_is_taken_is_a_warning(self):
        server = self.server().start()
        agent = self.agent_with_listener(server).start("-joinToken", server.token())
        wait_until(lambda: ask(self.port, "/ready") == GOOD, 30, lambda: agent.process.log()[-3000:])
        other = self.agent(server, "other", blocks=agent.blocks).start("-joinToken", server.token())
        wait_until(lambda: "Error serving health checks" in other.process.log(), 30, lambda: other.process.log()[-3000:])
        self.assertIn(f'error="listen tcp 127.0.0.1:{self.port}: bind: address already in use"', other.process.log())
        self.assertTrue(other.healthy())


if __name__ == "__main__":
    unittest.main(verbosity=2)
