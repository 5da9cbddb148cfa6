"""A node of a cluster for the end-to-end suites: containerd with its pods, a kubelet, an API server, the SPIRE server outside, and the agent as a pod
from the image's file tree, in network and mount namespaces of its own, so that ports and paths are a real node's. The agent shows its service account's
token and finds the trust bundle in the ConfigMap that the server writes.
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
from api_server import ApiServer

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BACKEND = os.environ.get("STEEPLE_IO_BACKEND", "io_uring")
PROGRAM = "/opt/spire/bin/spire-agent"
SOCKET = "/run/spire/sockets/agent.sock"
ALIAS = f"spiffe://{TRUST_DOMAIN}/ns/spire/sa/spire-agent"
CLIENT = f"spiffe://{TRUST_DOMAIN}/ns/default/sa/default"
FETCH = (PROGRAM, "api", "fetch", f"-socketPath={SOCKET}")
KUBELET_PORT = 10250
CLUSTER = "kindcluster"
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
    """A node with containerd, a kubelet, an API server, and the SPIRE server outside."""

    def __init__(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="steeple-k8s-"))
        os.chmod(self.home, 0o755)
        self.bundle, self.account, self.projected = (self.home / folder for folder in ("bundle", "account", "projected"))
        for folder in (self.bundle, self.account, self.projected):
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
        self.api = self.keep(ApiServer(self.home / "api"))
        self.make_tokens()
        self.kubelet = self.keep(ContainerdKubelet(self.home, self.containerd.cri, {self.token: True, "weak-token": False}, KUBELET_PORT))
        self.start_server()

    def make_tokens(self):
        """What the kubelet mounts into the agent's pod: its account's token, and one for the server."""
        self.api.put_node("node-1")
        pod = self.api.put_pod("spire-agent")
        self.token = self.api.token(pod=pod)
        (self.account / "token").write_text(self.token)
        (self.projected / "spire-agent").write_text(self.api.token(audiences=["spire-server"], pod=pod))

    def start_server(self):
        config = self.api.kubeconfig(self.home / "kubeconfig")
        common = f'service_account_allow_list = ["spire:spire-agent"] kube_config_file = "{config}"'
        self.server = self.keep(Server(self.home / "server", attestors=f'''
  NodeAttestor "k8s_sat" {{ plugin_data {{ clusters = {{ "{CLUSTER}" = {{ {common} use_token_review_api_validation = true }} }} }} }}
  NodeAttestor "k8s_psat" {{ plugin_data {{ clusters = {{ "{CLUSTER}" = {{ {common} }} }} }} }}
  Notifier "k8sbundle" {{ plugin_data {{ kube_config_file_path = "{config}" }} }}''')).start()
        for kind in ("k8s_sat", "k8s_psat"):
            self.server.command("entry create", "-node", "-spiffeID", ALIAS, "-selector", f"{kind}:cluster:{CLUSTER}")
        self.server.create_entry("/ns/default/sa/default", "-selector", "k8s:sa:default", selector="k8s:ns:default", parent=ALIAS)
        # The kubelet's part: the ConfigMap as a mounted file.
        (self.bundle / "bundle.crt").write_text(wait_until(self.api.bundle, 20, lambda: f"no ConfigMap\n{self.server.process.log()[-3000:]}"))

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

    def __init__(self, node, name="spire-agent", keys="skip_kubelet_verification = true", kept=False, node_attestor="k8s_sat"):
        self.node, self.keys, self.kept, self.node_attestor = node, keys, kept, node_attestor
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
            (self.data, "/run/spire/data", False), (self.node.account, "/var/run/secrets/kubernetes.io/serviceaccount", True),
            (self.node.projected, "/var/run/secrets/tokens", True)])
        wait_until(self.healthy, 20, lambda: f"the agent's pod does not come up\n{self.log()[-3000:]}")
        return self

    def configure(self):
        (self.config / "agent.conf").write_text(f'''agent {{
  data_dir = "{self.data_dir}"  log_level = "DEBUG"  server_address = "127.0.0.1"  server_port = "{self.node.server.port}"
  socket_path = "{SOCKET}"  trust_bundle_path = "/run/spire/bundle/bundle.crt"  trust_domain = "{TRUST_DOMAIN}"
}}
plugins {{
  NodeAttestor "{self.node_attestor}" {{ plugin_data {{ cluster = "{CLUSTER}" }} }}
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
