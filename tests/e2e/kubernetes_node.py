"""A node of a cluster for the end-to-end suites: containerd with its pods, a kubelet, the server outside, and the agent as a pod from the image's
file tree, in network and mount namespaces of its own, so that ports and paths are a real node's.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from harness import BIN, TRUST_DOMAIN, Server, wait_until
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
        self.bundle, self.account = self.home / "bundle", self.home / "account"
        self.bundle.mkdir()
        self.account.mkdir()
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

    def load_images(self):
        tree, pause = self.home / "tree", self.home / "pause"
        subprocess.run([REPOSITORY / "deploy/image-root", BIN / "steeple-agent", tree], check=True)
        pause.mkdir()
        subprocess.run(["clang-19", "-static", "-Os", "-x", "c", "-", "-o", pause / "pause"], input=runtime.PAUSE_SOURCE, text=True, check=True)
        self.containerd.load(PAUSE_IMAGE, pause, Entrypoint=["/pause"])
        self.containerd.load(AGENT_IMAGE, tree, pause, **image_config())

    def keep(self, thing):
        self.started.append(thing)
        return thing

    def stop(self):
        for thing in reversed(self.started):
            thing.stop()
        shutil.rmtree(self.home, ignore_errors=True)


class AgentPod:
    """The agent's pod with hostPID and hostNetwork. `keys` are the k8s attestor's. `kept`: data and keys are on the host, and the
    container is confined as deploy/kubernetes has it, with a read-only root and no capability."""

    def __init__(self, node, name="spire-agent", keys="skip_kubelet_verification = true", kept=False):
        self.node, self.keys, self.kept = node, keys, kept
        self.home = node.home / name
        self.sockets, self.config, self.data = (self.home / folder for folder in ("sockets", "config", "data"))
        for folder in (self.sockets, self.config, self.data):
            folder.mkdir(parents=True)
        self.key_manager = 'KeyManager "disk" { plugin_data { directory = "/run/spire/data" } }' if kept else 'KeyManager "memory" { plugin_data {} }'
        self.data_dir = "/run/spire/data" if kept else "/run/spire"
        self.pod = node.containerd.pod(name, namespace="spire", account="spire-agent", host_pid=True)
        self.container = None

    def start(self, image=AGENT_IMAGE, configure=True):
        if configure:
            self.configure()
        self.container = self.pod.start("spire-agent", args=["-config", "/run/spire/config/agent.conf"], image=image, seccomp=self.node.seccomp, read_only=self.kept,
                                        drop=("ALL",) if self.kept else (), mounts=[
            (self.config, "/run/spire/config", True), (self.node.bundle, "/run/spire/bundle", True), (self.sockets, "/run/spire/sockets", False),
            (self.data, "/run/spire/data", False), (self.node.account, "/var/run/secrets/kubernetes.io/serviceaccount", True)])
        wait_until(self.healthy, 20, lambda: f"the agent's pod does not come up\n{self.log()[-3000:]}")
        return self

    def configure(self):
        (self.config / "agent.conf").write_text(f'''agent {{
  data_dir = "{self.data_dir}"  log_level = "DEBUG"  server_address = "127.0.0.1"  server_port = "{self.node.server.port}"
  socket_path = "{SOCKET}"  trust_bundle_path = "/run/spire/bundle/bundle.crt"  trust_domain = "{TRUST_DOMAIN}"
  join_token = "{self.node.server.token(ALIAS)}"
}}
plugins {{
  NodeAttestor "join_token" {{ plugin_data {{}} }}
  {self.key_manager}
  WorkloadAttestor "k8s" {{ plugin_data {{
    {self.keys}
  }} }}
}}
''')

    def healthy(self):
        try:
            return self.pod.execute(self.container, PROGRAM, "healthcheck", "-socketPath", SOCKET)[:2] == (0, "Agent is healthy.\n")
        except runtime.RuntimeRefusal as refusal:
            raise AssertionError(f"the agent's container ended\n{self.log()[-3000:]}") from refusal

    def stop(self):
        self.pod.stop_container(self.container)

    def log(self):
        return self.pod.log("spire-agent")

    def mounts(self):
        return [(self.sockets, "/run/spire/sockets", True)]


def image_config():
    """Entry point, working directory and environment, as the Dockerfile states them."""
    lines = (REPOSITORY / "deploy/Dockerfile").read_text().rsplit("FROM scratch", 1)[1]
    return {"Entrypoint": json.loads(re.search(r"^ENTRYPOINT (.*)$", lines, re.M).group(1)), "WorkingDir": re.search(r"^WORKDIR (\S+)$", lines, re.M).group(1),
            "User": re.search(r"^USER (\S+)$", lines, re.M).group(1), "Env": re.findall(r"^ENV (\S+)$", lines, re.M)}


def in_own_namespaces():
    """Starts this program again in network and mount namespaces of its own, by the Python that Debian's grpc package is for."""
    if os.getuid() != 0:
        sys.exit("the Kubernetes suites need root: containerd makes namespaces and cgroups")
    script = 'ip link set lo up && exec "$@"'
    os.execvp("unshare", ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", script, "sh", "/usr/bin/python3", *sys.argv])


def main():
    """Runs the calling module's tests inside."""
    import unittest
    if os.environ.get("STEEPLE_K8S_INSIDE") != "1":
        os.environ["STEEPLE_K8S_INSIDE"] = "1"
        in_own_namespaces()
    unittest.main(verbosity=2)
