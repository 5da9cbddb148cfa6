"""A containerd of the suite's own, its images, and pods made over its CRI socket as a kubelet makes them.

Needs root and the Debian packages containerd, runc, protobuf-compiler, python3-grpcio and python3-protobuf. Root, state and socket lie in
the suite's folder. Sandboxes use the node's network, which is the suite's own network namespace, so no CNI plugin is needed.
"""
import gzip
import hashlib
import importlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import uuid

from harness import PATIENCE, Process, wait_until

POD, CONTAINER, NODE = 0, 1, 2  # whose namespace
RUNNING = 1
CGROUPS = pathlib.Path("/sys/fs/cgroup")
CAP_SYS_RESOURCE = 24
AGENT_IMAGE, PAUSE_IMAGE = "example.org/steeple-agent:e2e", "example.org/pause:e2e"

# A sanitizer's leak check needs ptrace, which a container withholds.
ENVIRONMENT = {"ASAN_OPTIONS": "detect_leaks=0"}

# Waits for SIGTERM, in all namespaces that a sandbox or a sleeping client needs.
PAUSE_SOURCE = """
#include <signal.h>
#include <unistd.h>
static void done(int number) { (void)number; _exit(0); }
int main(void) { signal(SIGTERM, done); signal(SIGINT, done); for (;;) pause(); }
"""


def has_capability(number):
    status = pathlib.Path("/proc/self/status").read_text()
    return bool(int(status.split("CapEff:")[1].split()[0], 16) >> number & 1)


def image_archive(path, name, layers, config):
    """Writes an OCI image archive; `layers` are bytes of uncompressed tar files."""
    blobs = {}

    def blob(data, kind):
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(data)}

    root = {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers]}
    config_blob = blob(json.dumps({"architecture": "amd64", "os": "linux", "config": config, "rootfs": root}).encode(), "config.v1+json")
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config_blob,
                "layers": [blob(gzip.compress(layer, 1), "layer.v1.tar+gzip") for layer in layers]}
    manifest_blob = blob(json.dumps(manifest).encode(), "manifest.v1+json")
    index = {"schemaVersion": 2, "manifests": [{**manifest_blob, "annotations": {"io.containerd.image.name": name}}]}
    with tarfile.open(path, "w") as archive:
        files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(index).encode(),
                 **{f"blobs/sha256/{digest}": data for digest, data in blobs.items()}}
        for file_name, data in files.items():
            entry = tarfile.TarInfo(file_name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


def tar_of(folder):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.add(folder, arcname=".")
    return out.getvalue()


class RuntimeRefusal(AssertionError):
    """containerd did not do what it was asked."""


class Cri:
    """Typed calls of the runtime service."""

    CALLS = {"RunPodSandbox": ("RunPodSandboxRequest", "PodSandboxId"), "StopPodSandbox": ("PodSandboxId", "Empty"), "RemovePodSandbox": ("PodSandboxId", "Empty"),
             "ListPodSandbox": ("Empty", "ListPodSandboxResponse"), "CreateContainer": ("CreateContainerRequest", "ContainerId"),
             "StartContainer": ("ContainerId", "Empty"), "StopContainer": ("StopContainerRequest", "Empty"), "RemoveContainer": ("ContainerId", "Empty"),
             "ListContainers": ("Empty", "ListContainersResponse"), "ContainerStatus": ("ContainerId", "ContainerStatusResponse"),
             "ExecSync": ("ExecSyncRequest", "ExecSyncResponse"), "Version": ("Empty", "VersionResponse")}

    def __init__(self, home, address):
        import grpc
        here = pathlib.Path(__file__).parent
        subprocess.run(["protoc", f"--proto_path={here}", f"--python_out={home}", "cri.proto"], check=True)
        sys.path.insert(0, str(home))
        self.messages = importlib.import_module("cri_pb2")
        sys.path.remove(str(home))
        self.channel = grpc.insecure_channel(f"unix://{address}")
        for name, (request, reply) in self.CALLS.items():
            call = self.channel.unary_unary(f"/runtime.v1.RuntimeService/{name}", request_serializer=getattr(self.messages, request).SerializeToString,
                                            response_deserializer=getattr(self.messages, reply).FromString)
            setattr(self, name, self.caller(name, call, getattr(self.messages, request)))

    def caller(self, name, call, request):
        import grpc

        def ask(**fields):
            try:
                return call(request(**fields), timeout=60 * PATIENCE)
            except grpc.RpcError as error:
                raise RuntimeRefusal(f"{name}: {error.details()}") from None
        return ask


class Containerd:
    def __init__(self, home):
        self.home = pathlib.Path(home)
        self.home.mkdir(parents=True)
        self.address = self.home / "containerd.sock"
        self.cgroup_root = f"/steeple-e2e-{os.getpid()}"
        self.process = None
        self.pods = []

    def start(self):
        (self.home / "config.toml").write_text(f'''version = 2
root = "{self.home}/root"
state = "{self.home}/state"
[grpc]
  address = "{self.address}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = {"false" if has_capability(CAP_SYS_RESOURCE) else "true"}
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{self.home}/cni"
    conf_dir = "{self.home}/cni"
''')
        self.process = Process(["containerd", "-c", self.home / "config.toml"], self.home / "containerd.log")
        wait_until(lambda: subprocess.run(["ctr", "-a", self.address, "version"], capture_output=True).returncode == 0, 20, self.log)
        self.cri = Cri(self.home, self.address)
        return self

    def log(self):
        return self.process.log()[-3000:]

    def load(self, name, *folders, **config):
        """An image of one layer a folder."""
        archive = self.home / "image.tar"
        image_archive(archive, name, [tar_of(folder) for folder in folders], config)
        done = subprocess.run(["ctr", "-a", self.address, "-n", "k8s.io", "images", "import", archive], capture_output=True, text=True)
        archive.unlink()
        if done.returncode != 0:
            raise AssertionError(f"containerd does not take the image {name}: {done.stderr}{self.log()}")

    def pod(self, *arguments, **options):
        pod = Pod(self, *arguments, **options)
        self.pods.append(pod)
        return pod

    def stop(self):
        if not self.process:
            return
        for pod in reversed(self.pods):
            pod.remove()
        self.process.stop()
        self.process = None
        for parent in self.cgroup_folders():
            for folder, _, _ in os.walk(parent, topdown=False):
                os.rmdir(folder)

    def cgroup_folders(self):
        """Of cgroup v2, or of each hierarchy of v1."""
        below = self.cgroup_root.lstrip("/")
        return [*CGROUPS.glob(below), *CGROUPS.glob(f"*/{below}")]


class Pod:
    """A sandbox and its containers. `account` and `labels` are what the kubelet would know of the pod."""

    def __init__(self, containerd, name, namespace="default", account="default", host_pid=False, labels=None):
        self.cri = containerd.cri
        self.name, self.namespace, self.account, self.labels = name, namespace, account, labels or {}
        self.uid = str(uuid.uuid4())
        self.host_pid = host_pid
        self.logs = containerd.home / "logs" / self.uid
        self.logs.mkdir(parents=True)
        self.attempts = {}
        self.namespaces = {"network": NODE, "pid": NODE if host_pid else CONTAINER, "ipc": POD}
        self.config = {"metadata": {"name": name, "uid": self.uid, "namespace": namespace, "attempt": 0}, "log_directory": str(self.logs),
                       "labels": {"io.kubernetes.pod.name": name, "io.kubernetes.pod.namespace": namespace, "io.kubernetes.pod.uid": self.uid},
                       "annotations": {"example.org/service-account": account, "example.org/labels": json.dumps(self.labels)},
                       "linux": {"cgroup_parent": f"{containerd.cgroup_root}/kubepods/besteffort/pod{self.uid}",
                                 "security_context": {"namespace_options": self.namespaces}}}
        self.sandbox = self.cri.RunPodSandbox(config=self.config).pod_sandbox_id

    def start(self, name, command=(), args=(), image=AGENT_IMAGE, mounts=(), environment=None, seccomp=None, read_only=True, drop=("ALL",)):
        """Creates and starts a container; gives its id. `mounts` are (host path, container path, read-only)."""
        attempt = self.attempts[name] = self.attempts.get(name, -1) + 1
        profile = {"profile_type": 2, "localhost_ref": str(seccomp)} if seccomp else {"profile_type": 0}
        config = {"metadata": {"name": name, "attempt": attempt}, "image": {"image": image}, "command": list(map(str, command)), "args": list(map(str, args)),
                  "envs": [{"key": key, "value": value} for key, value in {**ENVIRONMENT, **(environment or {})}.items()],
                  "mounts": [{"host_path": str(host), "container_path": str(inside), "readonly": fixed} for host, inside, fixed in mounts],
                  "labels": {**self.config["labels"], "io.kubernetes.container.name": name}, "log_path": f"{name}.{attempt}.log",
                  "linux": {"security_context": {"namespace_options": self.namespaces, "readonly_rootfs": read_only, "no_new_privs": True, "seccomp": profile,
                                                 "capabilities": {"drop_capabilities": list(drop)}}}}
        container = self.cri.CreateContainer(pod_sandbox_id=self.sandbox, config=config, sandbox_config=self.config).container_id
        self.cri.StartContainer(container_id=container)
        return container

    def log(self, name):
        """What the container's newest instance wrote, without the runtime's prefixes."""
        path = self.logs / f"{name}.{self.attempts[name]}.log"
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        return "\n".join(line.split(" ", 3)[3] if line.count(" ") > 2 else line for line in lines)

    def state(self, container):
        return self.cri.ContainerStatus(container_id=container).status

    def wait(self, container, seconds=30):
        """The exit code, once it ended."""
        return wait_until(lambda: (lambda status: status if status.state == 2 else None)(self.state(container)), seconds, f"container {container} of {self.name} runs on").exit_code

    def execute(self, container, *command):
        """(exit code, stdout, stderr) of a command in the running container."""
        done = self.cri.ExecSync(container_id=container, cmd=list(map(str, command)), timeout=int(60 * PATIENCE))
        return done.exit_code, done.stdout.decode(), done.stderr.decode()

    def stop_container(self, container, seconds=5):
        self.cri.StopContainer(container_id=container, timeout=seconds)

    def remove(self):
        self.cri.StopPodSandbox(pod_sandbox_id=self.sandbox)
        self.cri.RemovePodSandbox(pod_sandbox_id=self.sandbox)
