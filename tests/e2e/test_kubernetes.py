"""The Kubernetes scenario with real parts: containerd and runc run the agent and its clients as pods in kubepods cgroups, the agent from the image's
file tree. Every run has a network and mount namespace of its own, so the ports and paths are those of a real node.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

from harness import BIN, PATIENCE, TRUST_DOMAIN, Server, wait_until
import containerd as runtime
from containerd import AGENT_IMAGE, PAUSE_IMAGE, Containerd
from containerd_kubelet import ContainerdKubelet

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BACKEND = os.environ.get("STEEPLE_IO_BACKEND", "io_uring")
PROGRAM = "/opt/spire/bin/spire-agent"
SOCKET = "/run/spire/sockets/agent.sock"
ALIAS = f"spiffe://{TRUST_DOMAIN}/ns/spire/sa/spire-agent"
CLIENT = f"spiffe://{TRUST_DOMAIN}/ns/default/sa/default"
FETCH = (PROGRAM, "api", "fetch", f"-socketPath={SOCKET}")
KUBELET_PORT = 10250
RING_CALLS = {"io_uring_setup", "io_uring_enter", "io_uring_register"}
REFUSED = "rpc error: code = PermissionDenied desc = no identity issued"


def seccomp_profile(path):
    """The shipped opt-in profile, or for epoll the same without the three calls: what containerd 2 does by default."""
    profile = json.loads((REPOSITORY / "deploy/kubernetes/seccomp-io-uring.json").read_text())
    if BACKEND == "epoll":
        for rule in profile["syscalls"]:
            rule["names"] = [name for name in rule["names"] if name not in RING_CALLS]
        profile["syscalls"] = [rule for rule in profile["syscalls"] if rule["names"]]
    path.write_text(json.dumps(profile))
    return path


class Node:
    """A node with containerd, a kubelet, the server outside, and the agent as a pod."""

    def __init__(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="steeple-k8s-"))
        os.chmod(self.home, 0o755)
        self.sockets, self.config, self.bundle, self.account = (self.home / name for name in ("sockets", "config", "bundle", "account"))
        for folder in (self.sockets, self.config, self.bundle, self.account):
            folder.mkdir()
        self.started = []
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    def start(self):
        self.seccomp = seccomp_profile(self.home / "seccomp.json")
        self.containerd = self.keep(Containerd(self.home / "containerd")).start()
        self.load_images()
        self.kubelet = self.keep(ContainerdKubelet(self.home, self.containerd.cri, {"agent-token": True, "weak-token": False}, KUBELET_PORT))
        (self.account / "token").write_text("agent-token")
        self.server = self.keep(Server(self.home / "server")).start()
        self.server.create_entry("/ns/default/sa/default", "-selector", "k8s:sa:default", selector="k8s:ns:default", parent=ALIAS)
        self.server.bundle(self.bundle / "bundle.crt")
        self.agent = self.containerd.pod("spire-agent-x7k2p", namespace="spire", account="spire-agent", host_pid=True)
        self.start_agent()

    def load_images(self):
        tree, pause = self.home / "tree", self.home / "pause"
        subprocess.run([REPOSITORY / "deploy/image-root", BIN / "steeple-agent", tree], check=True)
        pause.mkdir()
        subprocess.run(["clang-19", "-static", "-Os", "-x", "c", "-", "-o", pause / "pause"], input=runtime.PAUSE_SOURCE, text=True, check=True)
        self.containerd.load(PAUSE_IMAGE, pause, Entrypoint=["/pause"])
        self.containerd.load(AGENT_IMAGE, tree, pause, **image_config())

    def start_agent(self):
        (self.config / "agent.conf").write_text(f'''agent {{
  data_dir = "/run/spire"  log_level = "DEBUG"  server_address = "127.0.0.1"  server_port = "{self.server.port}"
  socket_path = "{SOCKET}"  trust_bundle_path = "/run/spire/bundle/bundle.crt"  trust_domain = "{TRUST_DOMAIN}"
  join_token = "{self.server.token(ALIAS)}"
}}
plugins {{
  NodeAttestor "join_token" {{ plugin_data {{}} }}
  KeyManager "memory" {{ plugin_data {{}} }}
  WorkloadAttestor "k8s" {{ plugin_data {{ skip_kubelet_verification = true }} }}
}}
''')
        self.agent_container = self.agent.start("spire-agent", args=["-config", "/run/spire/config/agent.conf"], seccomp=self.seccomp, read_only=False, drop=(),
                                                environment={"STEEPLE_IO_BACKEND": "auto"}, mounts=[
            (self.config, "/run/spire/config", True), (self.bundle, "/run/spire/bundle", True), (self.sockets, "/run/spire/sockets", False),
            (self.account, "/var/run/secrets/kubernetes.io/serviceaccount", True)])
        wait_until(self.healthy, 20, lambda: f"the agent's pod does not come up\n{self.agent_log()}")

    def healthy(self):
        if self.agent.state(self.agent_container).state != runtime.RUNNING:
            raise AssertionError(f"the agent's container ended\n{self.agent_log()}")
        return self.agent.execute(self.agent_container, PROGRAM, "healthcheck", "-socketPath", SOCKET)[:2] == (0, "Agent is healthy.\n")

    def agent_log(self):
        return self.agent.log("spire-agent")

    def keep(self, thing):
        self.started.append(thing)
        return thing

    def stop(self):
        for thing in reversed(self.started):
            thing.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def mounts(self):
        return [(self.sockets, "/run/spire/sockets", True)]


def image_config():
    """Entry point, working directory and environment, as the Dockerfile states them."""
    lines = (REPOSITORY / "deploy/Dockerfile").read_text().rsplit("FROM scratch", 1)[1]
    return {"Entrypoint": json.loads(re.search(r"^ENTRYPOINT (.*)$", lines, re.M).group(1)), "WorkingDir": re.search(r"^WORKDIR (\S+)$", lines, re.M).group(1),
            "User": re.search(r"^USER (\S+)$", lines, re.M).group(1), "Env": re.findall(r"^ENV (\S+)$", lines, re.M)}


class Kubernetes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node = Node()
        cls.addClassCleanup(cls.node.stop)

    def client(self, name="client", **facts):
        """A pod that sleeps with the socket directory mounted; (pod, container)."""
        pod = self.node.containerd.pod(name, **facts)
        self.addCleanup(self.remove, pod)
        return pod, pod.start("client", command=["/pause"], mounts=self.node.mounts())

    def remove(self, pod):
        pod.remove()
        self.node.containerd.pods.remove(pod)

    def assert_served(self, answer, expected=CLIENT):
        code, out, error = answer
        self.assertEqual(code, 0, f"{error}\n{self.node.agent_log()[-3000:]}")
        self.assertEqual(re.findall(r"SPIFFE ID:\t\t(\S+)\n", out), [expected])

    def test_a_client_pod_gets_its_svid_and_another_account_is_refused(self):
        pod, container = self.client()
        self.assert_served(pod.execute(container, *FETCH))
        for facts in ({"account": "other"}, {"namespace": "elsewhere"}):
            stranger, inside = self.client("stranger", **facts)
            code, out, error = stranger.execute(inside, *FETCH)
            self.assertEqual((code, out), (1, ""))
            self.assertIn(REFUSED, error)

    def test_the_backend_is_what_the_profile_admits(self):
        wanted = "epoll" if BACKEND == "epoll" else "io_uring"
        self.assertRegex(self.node.agent_log(), rf'(?m)^.*backend=?"?{wanted}')
        if BACKEND == "epoll":
            self.assertIn("seccomp", self.node.agent_log())

    def test_a_restarted_container_is_served_under_its_new_id(self):
        pod, first = self.client()
        self.assert_served(pod.execute(first, *FETCH))
        pod.stop_container(first)
        second = pod.start("client", command=["/pause"], mounts=self.node.mounts())
        self.assertNotEqual(first, second)
        self.assert_served(pod.execute(second, *FETCH))

    def test_a_pod_that_asks_in_its_first_millisecond_is_served_once_it_is_listed(self):
        self.node.kubelet.hidden.add("early")
        pod = self.node.containerd.pod("early")
        self.addCleanup(self.remove, pod)
        container = pod.start("client", command=FETCH[:1], args=[*FETCH[1:], "-timeout", "20s"], mounts=self.node.mounts())
        asked = self.node.kubelet.requests
        wait_until(lambda: self.node.kubelet.requests >= asked + 2, 10, "the agent does not ask the kubelet for the unknown container")
        self.assertEqual(pod.state(container).state, runtime.RUNNING, "answered before the pod was listed")
        self.node.kubelet.hidden.discard("early")
        listed = time.monotonic()
        code = pod.wait(container)
        self.assert_served((code, pod.log("client") + "\n", ""))
        self.assertLess(time.monotonic() - listed, 2 * PATIENCE)

    def test_forged_facts_gain_nothing(self):
        victim, inside = self.client("victim")
        forged = f"/kubepods/besteffort/pod{victim.uid}/{inside}"
        thief = self.node.containerd.pod("thief", account="thief")
        self.addCleanup(self.remove, thief)
        # The victim's names in the command line, the environment and the mount paths, and its cgroup's folder mounted under its own name.
        groups = pathlib.Path("/sys/fs/cgroup/systemd" if os.path.isdir("/sys/fs/cgroup/systemd") else "/sys/fs/cgroup")
        cgroup = groups / f"{self.node.containerd.cgroup_root}{forged}".lstrip("/")
        self.assertTrue(cgroup.is_dir(), cgroup)
        container = thief.start("client", command=["/pause"], args=[forged, f"pod{victim.uid}", inside], environment={"CGROUP": forged, "POD_UID": victim.uid, "CONTAINER_ID": inside},
                                read_only=False, mounts=[*self.node.mounts(), (cgroup, forged, True)])
        for extra in ((), ("-timeout", "5s")):
            code, out, error = thief.execute(container, *FETCH, *extra)
            self.assertEqual((code, out), (1, ""))
            self.assertIn(REFUSED, error)
        self.assert_served(victim.execute(inside, *FETCH))

    def test_the_kubelet_knows_its_callers(self):
        kubelet = self.node.kubelet
        certificate, key = kubelet.authority.issue("reader")
        for options, header, status in (((), "Bearer agent-token", "200"), ((), "Bearer weak-token", "403"), ((), "Bearer nobody's", "401"),
                                        (("-cert", certificate, "-key", key), "", "200")):
            request = f"GET /pods HTTP/1.1\r\nHost: x\r\nAuthorization: {header}\r\nConnection: close\r\n\r\n"
            done = subprocess.run(["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{kubelet.port}", "-CAfile", kubelet.authority.certificate,
                                   "-verify_return_error", *options], input=request, capture_output=True, text=True, timeout=30 * PATIENCE)
            self.assertIn(f"HTTP/1.1 {status} ", done.stdout, done.stderr)

    def test_the_agent_s_container_restarts_under_its_clients(self):
        pod, container = self.client()
        self.node.agent.stop_container(self.node.agent_container)
        self.node.start_agent()
        self.assert_served(pod.execute(container, *FETCH))


def in_own_namespaces():
    """Starts this program again in network and mount namespaces of its own, by the Python that Debian's grpc package is for."""
    if os.getuid() != 0:
        sys.exit("test_kubernetes: needs root: containerd makes namespaces and cgroups")
    script = 'ip link set lo up && exec "$@"'
    os.execvp("unshare", ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", script, "sh", "/usr/bin/python3", *sys.argv])


if __name__ == "__main__":
    if os.environ.get("STEEPLE_K8S_INSIDE") != "1":
        os.environ["STEEPLE_K8S_INSIDE"] = "1"
        in_own_namespaces()
    unittest.main(verbosity=2)
