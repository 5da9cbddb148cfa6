"""The agent as PID 1 of a container: its own PID and mount namespaces, an empty /etc, a container runtime's default capabilities."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import unittest

from harness import AGENT_KIND, BIN, Agent, PATIENCE, Process, Suite, wait_until

# What Docker and containerd leave to a container; CAP_SYS_PTRACE is not among it.
DEFAULT_CAPABILITIES = "chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap,net_bind_service,net_raw,sys_chroot,mknod,audit_write,setfcap"

# A sanitizer's leak check needs ptrace, which the container withholds; the other suites look for leaks.
WITHOUT_PTRACE = {"ASAN_OPTIONS": "detect_leaks=0"}


def make_root(root, program):
    """A root file system that holds the program, its libraries, and nothing else."""
    for folder in ("proc", "tmp", "run", "dev", "data"):
        (root / folder).mkdir(parents=True)
    shutil.copy(program, root / "agent")
    libraries = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    for library in re.findall(r"(/\S+)", libraries):
        target = root / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)


class ContainedAgent(Agent):
    """Runs inside the namespaces; the paths in its configuration are the container's."""

    def __init__(self, home, server, root):
        super().__init__(home, server, data_dir="/data", socket_path="/run/agent/api.sock", trust_bundle_path="/bundle.pem")
        self.key_manager = 'KeyManager "memory" { plugin_data {} }'
        self.root = root
        self.socket = root / "run" / "agent" / "api.sock"

    def launch(self, *flags, **options):
        self.write_config()
        shutil.copy(self.home / "agent.conf", self.root / "agent.conf")
        self.server.bundle(self.root / "bundle.pem")
        capabilities = "-all," + ",".join("+" + name for name in DEFAULT_CAPABILITIES.split(","))
        script = f'mount -t proc proc "{self.root}/proc" && exec setpriv --bounding-set {capabilities} chroot "{self.root}" /agent run -config /agent.conf "$@"'
        self.process = Process(["unshare", "--pid", "--fork", "--kill-child", "--mount", "sh", "-c", script, "sh", *flags], self.home / "agent.log",
                               WITHOUT_PTRACE)
        return self

    def stop(self, how=signal.SIGTERM, seconds=10):
        """unshare waits for its child; the signal is for the agent."""
        if self.process and self.process.running() and self.inner_pid():
            os.kill(self.inner_pid(), how)
        if self.process:
            return self.process.wait(seconds)

    def inner_pid(self):
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0]) if children else None

    def inside(self, *arguments):
        """The agent's own program, in the same PID namespace."""
        return subprocess.run(["nsenter", "--target", str(self.inner_pid()), "--pid", "--mount", f"--root=/proc/{self.inner_pid()}/root", "/agent", *arguments], capture_output=True,
                              text=True, timeout=30 * PATIENCE, env={**os.environ, **WITHOUT_PTRACE})


@unittest.skipIf(os.getuid() != 0, "makes namespaces")
@unittest.skipIf(AGENT_KIND == "stock", "the copied program is Steeple's")
class Container(Suite):
    def start(self):
        server = self.server().start()
        server.create_entry("/contained", selector="unix:uid:0")
        server.create_entry("/named", selector="unix:user:root")
        root = self.home / "root"
        make_root(root, BIN / "steeple-agent")
        agent = self.keep(ContainedAgent(self.home / "agent", server, root))
        agent.launch("-joinToken", server.token())
        wait_until(lambda: agent.inner_pid() and agent.inside("healthcheck", "-socketPath", "/run/agent/api.sock").returncode == 0, 20,
                   lambda: agent.process.log()[-3000:])
        return agent

    def test_pid_1_without_passwd_and_without_ptrace(self):
        agent = self.start()
        inner = pathlib.Path(f"/proc/{agent.inner_pid()}/status").read_text()
        self.assertRegex(inner, r"NSpid:\s+\d+\s+1\n")
        self.assertFalse(int(re.search(r"CapEff:\s+([0-9a-f]+)", inner).group(1), 16) >> 19 & 1, "has CAP_SYS_PTRACE")
        fetched = wait_until(lambda: (lambda done: done if done.returncode == 0 else None)(agent.inside("api", "fetch", "-socketPath", "/run/agent/api.sock")), 15,
                             lambda: agent.process.log()[-3000:])
        self.assertIn("SPIFFE ID:\t\tspiffe://example.org/contained\n", fetched.stdout)
        self.assertNotIn("/named", fetched.stdout)

    def test_a_caller_the_agent_cannot_see_is_not_served(self):
        agent = self.start()
        code, _, error = agent.fetch("-timeout", "5s")
        self.assertEqual(code, 1)
        self.assertNotIn("spiffe://", error)
        self.assertIn("could not resolve caller information", agent.process.log())

    def test_sigterm_ends_pid_1(self):
        agent = self.start()
        began = time.monotonic()
        os.kill(agent.inner_pid(), signal.SIGTERM)
        self.assertEqual(agent.process.wait(), 0)
        self.assertLess(time.monotonic() - began, 1.0 * PATIENCE)
        self.assertIn('msg="Agent stopped gracefully"', agent.process.log())


if __name__ == "__main__":
    unittest.main(verbosity=2)
