"""External plugins (`plugin_cmd`): a plugin of our own that does right and wrong, and what the agent makes of it."""
import hashlib
import os
import re
import signal
import time
import unittest
import unittest.mock

from harness import AGENT_KIND, BIN, PATIENCE, TRUST_DOMAIN, Suite, wait_until

PROGRAM = BIN / "steeple-test-plugin"
UNIX = 'WorkloadAttestor "unix" { plugin_data {} }'


def plugin(name="ext", behaviour="serve", data='selectors = ["a:1", "b"]', extra=""):
    return f'''WorkloadAttestor "{name}" {{
      plugin_cmd = "{PROGRAM}" plugin_args = ["{behaviour}"] {extra}
      {f"plugin_data {{ {data} }}" if data is not None else ""}
    }}'''


def checksum():
    return f'plugin_checksum = "{hashlib.sha256(PROGRAM.read_bytes()).hexdigest().upper()}"'


def gone(pid):
    return not os.path.exists(f"/proc/{pid}")


class Plugins(Suite):
    def setUp(self):
        super().setUp()
        # Where the sockets are: an agent that is killed leaves its folder there.
        self.enterContext(unittest.mock.patch.dict(os.environ, TMPDIR=str(self.home)))

    def start(self, *blocks, entries=("ext:a:1",), **settings):
        server, agent = self.running_pair(workload_attestor="\n".join(blocks), **settings)
        for number, selector in enumerate(entries):
            server.create_entry(f"/{number}", selector=selector)
        return server, agent

    def refused(self, *blocks, environment=None):
        """What an agent says that does not start with these blocks; nothing of it may be left."""
        server = self.server().start()
        agent = self.agent(server, workload_attestor="\n".join(blocks)).launch("-joinToken", server.token(), environment=environment)
        self.assertEqual(agent.process.wait(30), 1, agent.process.log())
        log = agent.process.log()
        self.assertIn('msg="Agent crashed"', log)
        for pid in re.findall(r'msg="plugin started".* pid=(\d+)', log):
            self.assertTrue(gone(pid), log)
        server.stop()
        return log

    def pid(self, agent):
        return int(re.search(r'msg="plugin started".* pid=(\d+)', agent.process.log()).group(1))

    def test_a_plugin_attests_beside_the_built_in_and_ends_with_the_agent(self):
        _, agent = self.start(plugin(extra=checksum()), UNIX, entries=("ext:a:1", f"unix:uid:{os.getuid()}", "ext:nobody's"))
        agent.wait_for_ids(["/0", "/1"], seconds=20)
        log = agent.process.log()
        fields = "external=true plugin_name=ext plugin_type=WorkloadAttestor"
        for line in (f'level=info msg="Configured plugin" {fields} reconfigurable=false subsystem_name=catalog',
                     f'level=info msg="Plugin loaded" {fields} subsystem_name=catalog',
                     f'level=warning msg="configured for {TRUST_DOMAIN}" by=test {fields} subsystem_name=ext.steeple-test-plugin timestamp="2026-01-02T03:04:05.678Z"',
                     f'level=debug msg="plain line" {fields} subsystem_name=ext.steeple-test-plugin'):
            self.assertIn(line, log)
        self.assertIn('msg="Unsupported plugin service found" external=true plugin_name=ext plugin_service=spire.test.v1.Unknown plugin_type=WorkloadAttestor ', log)
        self.assertNotIn("Plugin checksum not configured", log)
        wait_until(lambda: re.search(r'msg="PID attested to have selectors" pid=(\d+) selectors="\[type:\\"ext\\" value:\\"a:1\\" type:\\"ext\\" value:\\"b\\" type:\\"ext\\" value:\\"pid:\1\\"', agent.process.log()), 20, agent.process.log)
        pid = self.pid(agent)
        process = agent.process
        self.assertEqual(agent.stop(seconds=20), 0)
        self.assertTrue(gone(pid))
        log = process.log()
        ordered = ['msg="Closing catalog"', f'msg="Unloading plugin" {fields}', "msg=deinitialized", f'msg="Plugin deinitialized" {fields}', f'msg="plugin process exited" {fields[:13]}',
                   f'msg="plugin exited" {fields}', f'msg="Plugin unloaded" {fields}', 'msg="Catalog closed"', 'msg="Agent stopped gracefully"']
        places = [log.find(text) for text in ordered]
        self.assertNotIn(-1, places, log[-3000:])
        self.assertEqual(places, sorted(places), log[-3000:])

    def test_a_plugin_takes_the_name_of_a_built_in(self):
        _, agent = self.start(plugin("unix", data='selectors = ["uid:4711"]'), entries=("unix:uid:4711",))
        agent.wait_for_ids(["/0"], seconds=20)
        self.assertIn('msg="Plugin checksum not configured"', agent.process.log())

    def test_wrong_programs_are_refused_before_anything_is_served(self):
        launched = 'error="failed to load plugin \\"ext\\": failed to launch plugin: '
        wrong = plugin(extra='plugin_checksum = "' + "0" * 64 + '"')
        log = self.refused(wrong)
        self.assertIn(launched + 'checksums did not match"', log)
        self.assertNotIn("starting plugin", log)
        self.assertIn('level=error msg="Failed to load plugin" error="failed to launch plugin: checksums did not match" external=true', log)
        self.assertIn("checksum is not a valid hex string", self.refused(plugin(extra='plugin_checksum = "zz"')))
        self.assertIn("expected checksum of length 64; got 2", self.refused(plugin(extra='plugin_checksum = "00"')))
        self.assertIn(launched + 'fork/exec /no/such: no such file or directory"', self.refused('WorkloadAttestor "ext" { plugin_cmd = "/no/such" }'))

    def test_a_plugin_that_does_not_come_up_is_refused(self):
        for behaviour, text in (("crash", r"Unrecognized remote plugin message: \nFailed to read any lines from plugin's stdout\n"), ("garbage", r"Unrecognized remote plugin message: hello world\n"),
                                ("endless", "Unrecognized remote plugin message: "), ("wrong-version", "incompatible API version with plugin. Plugin version: 7, Client versions: [1]"),
                                ("nobody-there", "dial unix /tmp/steeple-nobody-there: connect: no such file or directory"),
                                ("no-service", r'failed to bind plugin \"ext\": no supported plugin interface found in: [\"spire.service.common.config.v1.Config\" \"spire.test.v1.Unknown\"]')):
            with self.subTest(behaviour):
                log = self.refused(plugin(behaviour=behaviour))
                self.assertIn(text, log)
                self.stop_all()
                self.started.clear()
        self.assertIn(r'failed to configure plugin \"ext\": rpc error: code = InvalidArgument desc = no way', self.refused(plugin(data='fail = "no way"')))

    def test_a_start_that_hangs_can_be_stopped(self):
        server = self.server().start()
        agent = self.agent(server, workload_attestor=plugin(behaviour="hang")).launch("-joinToken", server.token())
        wait_until(lambda: "waiting for RPC address" in agent.process.log(), 20, agent.process.log)
        pid = self.pid(agent)
        self.assertEqual(agent.stop(seconds=20), 0)
        self.assertTrue(gone(pid))

    def wait_for_log(self, agent, text):
        wait_until(lambda: text in agent.process.log(), 20, agent.process.log)

    def test_errors_of_a_plugin_leave_the_others(self):
        _, agent = self.start(plugin(data='attest = "error"'), UNIX, entries=(f"unix:uid:{os.getuid()}",))
        agent.wait_for_ids(["/0"], seconds=20)
        self.wait_for_log(agent, r'workload attestor \"ext\" failed" error="rpc error: code = Unknown desc = workloadattestor(ext): it is bad" pid=')

    def test_the_end_of_a_plugin_leaves_the_others(self):
        _, agent = self.start(plugin(data='attest = "die"'), UNIX, entries=(f"unix:uid:{os.getuid()}",))
        agent.wait_for_ids(["/0"], seconds=20)
        self.wait_for_log(agent, 'level=error msg="plugin process exited" error="exit status 5" external=true id=')
        self.assertEqual(agent.fetch()[0], 0)
        self.wait_for_log(agent, "rpc error: code = Unavailable desc = workloadattestor(ext): connection error: ")
        self.assertIn("the plugin's process has exited", agent.process.log())
        self.assertEqual(agent.stop(seconds=20), 0)

    def test_a_plugin_that_hangs_holds_up_its_caller_alone_and_one_that_stays_is_killed(self):
        _, agent = self.start(plugin(behaviour="stay", data='attest = "hang"'), UNIX, entries=(f"unix:uid:{os.getuid()}",))
        began = time.monotonic()
        code, _, error = agent.fetch("-timeout", "2s")
        self.assertEqual(code, 1)
        self.assertIn("DeadlineExceeded", error)
        self.assertLess(time.monotonic() - began, 15 * PATIENCE)
        pid, process = self.pid(agent), agent.process
        self.assertEqual(agent.stop(seconds=30), 0)
        self.assertTrue(gone(pid))
        self.assertIn('msg="plugin failed to exit gracefully"', process.log())
        self.assertIn('error="signal: killed"', process.log())

    def test_a_flood_on_standard_error_is_survived(self):
        _, agent = self.start(plugin(data='selectors = ["a:1"] attest = "flood"'))
        agent.wait_for_ids(["/0"], seconds=30)
        self.assertTrue(agent.healthy())

    def test_a_plugin_dies_with_an_agent_that_is_killed_and_the_next_agent_starts_another(self):
        _, agent = self.start(plugin())
        agent.wait_for_ids(["/0"], seconds=20)
        first = self.pid(agent)
        agent.stop(signal.SIGKILL)
        wait_until(lambda: gone(first), 20, "the plugin lives on")
        (agent.home / "agent.log").unlink()
        agent.start()
        agent.wait_for_ids(["/0"], seconds=20)
        self.assertNotEqual(self.pid(agent), first)

    def test_sigusr1_configures_a_plugin_anew(self):
        data = self.home / "ext.hcl"
        data.write_text('selectors = ["old"]')
        _, agent = self.start(plugin(data=None, extra=f'plugin_data_file = "{data}"'), entries=("ext:old", "ext:new"))
        agent.wait_for_ids(["/0"], seconds=20)
        self.assertIn(f'msg="Configured plugin" external=true hash={hashlib.sha512(data.read_bytes()).hexdigest()[:32]} plugin_name=ext', agent.process.log())
        for text, message in (('fail = "no way"', 'msg="Failed to reconfigure plugin" error="rpc error: code = InvalidArgument desc = no way"'), ('selectors = ["new"]', 'msg="Plugin reconfigured"')):
            data.write_text(text)
            agent.process.child.send_signal(signal.SIGUSR1)
            wait_until(lambda: message in agent.process.log(), 20, agent.process.log)
        agent.wait_for_ids(["/1"], seconds=20)


@unittest.skipIf(AGENT_KIND == "stock", "Steeple's own answers")
class Refused(Suite):
    def test_types_without_external_plugins_are_refused_by_name(self):
        for kind, name in (("KeyManager", "mine"), ("NodeAttestor", "mine")):
            agent = self.agent(None, "agent-" + kind)
            block = f'{kind} "{name}" {{ plugin_cmd = "{PROGRAM}" }}'
            setattr(agent, "key_manager" if kind == "KeyManager" else "node_attestor", block)
            agent.launch()
            self.assertEqual(agent.process.wait(20), 1)
            self.assertIn(f'failed to load plugin "mine": external {kind} plugins are not available in this version of Steeple', agent.process.log())


if __name__ == "__main__":
    unittest.main(verbosity=2)
