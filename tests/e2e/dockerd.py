"""A dockerd of the suite's own, its images, and containers made with Docker's command.

Needs root and the Debian package docker.io. Root, state and socket lie in a folder of the suite's; no bridge, no packet filter, and nothing is
pulled: images are imported from folders.
"""
import os
import pathlib
import subprocess

from containerd import ENVIRONMENT, PAUSE_SOURCE
from harness import BIN, PATIENCE, Process, wait_until

COMMAND = "/usr/bin/docker"  # Debian's, which goes with Debian's daemon
CGROUPS = pathlib.Path("/sys/fs/cgroup")
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = "/opt/spire/bin/spire-agent"
SOCKET_FOLDER = "/run/spire/agent/public"


class Dockerd:
    def __init__(self, home):
        self.home = pathlib.Path(home)
        self.home.mkdir(parents=True)
        self.socket = self.home / "docker.sock"
        self.process = None
        self.containers = []

    def start(self):
        (self.home / "daemon.json").write_text("{}")
        self.process = Process(["dockerd", "--host", f"unix://{self.socket}", "--data-root", self.home / "data", "--exec-root", self.home / "exec",
                                "--pidfile", self.home / "dockerd.pid", "--config-file", self.home / "daemon.json", "--bridge=none", "--iptables=false",
                                "--ip6tables=false", "--ip-masq=false", "--exec-opt", "native.cgroupdriver=cgroupfs"], self.home / "dockerd.log")
        wait_until(lambda: not self.process.running() or self.command("version", check=False).returncode == 0, 40, lambda: f"dockerd does not come up\n{self.log()}")
        if not self.process.running():
            raise AssertionError(f"dockerd ended\n{self.log()}")
        return self

    def log(self):
        return self.process.log()[-3000:]

    def command(self, *arguments, check=True, **options):
        done = subprocess.run([COMMAND, "--host", f"unix://{self.socket}", *map(str, arguments)], capture_output=True, text=True, timeout=120 * PATIENCE, **options)
        if check and done.returncode != 0:
            raise AssertionError(f"docker {arguments}: exit {done.returncode}\n{done.stdout}{done.stderr}{self.log()}")
        return done

    def load_agent(self, *names, changes=()):
        """The agent's image under these names, with a program that waits for SIGTERM. `changes` are Dockerfile lines."""
        tree = self.home / "tree"
        subprocess.run([REPOSITORY / "deploy/image-root", BIN / "steeple-agent", tree], check=True)
        subprocess.run(["clang-19", "-static", "-Os", "-x", "c", "-", "-o", tree / "pause"], input=PAUSE_SOURCE, text=True, check=True)
        subprocess.run(["tar", "-cf", self.home / "image.tar", "-C", tree, "."], check=True)
        changes = [*changes, *(f"ENV {key}={value}" for key, value in ENVIRONMENT.items())]
        self.command("import", *(part for change in changes for part in ("--change", change)), self.home / "image.tar", names[0])
        for name in names[1:]:
            self.command("tag", names[0], name)

    def run(self, image, *arguments, options=(), **kwargs):
        return self.command("run", "--network", "none", *options, image, *arguments, **kwargs)

    def run_waiting(self, image, *options):
        """A container that does nothing; its id."""
        container = self.run(image, "/pause", options=("--detach", *options)).stdout.strip()
        self.containers.append(container)
        return container

    def fetch(self, image, agent, *options):
        """What `api fetch` says in a container, and its exit code."""
        done = self.run(image, PROGRAM, "api", "fetch", "x509", "-socketPath", f"{SOCKET_FOLDER}/{agent.socket.name}", "-timeout", "30s",
                        options=("--rm", "--volume", f"{agent.socket.parent}:{SOCKET_FOLDER}", *options), check=False)
        return done.returncode, done.stdout + done.stderr

    def inspect(self, form, name):
        return self.command("inspect", "--format", form, name).stdout.strip()

    def stop(self):
        if not self.process:
            return
        for container in self.containers:
            self.command("rm", "--force", container, check=False)
        self.process.stop(seconds=30)
        self.process = None


def cgroups_of(pid):
    """The folders of a process' cgroups, one a hierarchy."""
    folders = []
    for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        mounts = [CGROUPS / controllers.removeprefix("name="), CGROUPS / "unified"] if controllers else [CGROUPS / "unified", CGROUPS]
        mount = next((mount for mount in mounts if (mount / path.lstrip("/") / "cgroup.procs").exists()), None)
        if mount:
            folders.append(mount / path.lstrip("/"))
    return folders


class InnerCgroups:
    """Cgroups of one path below all those of a process, as a container that may make cgroups could make them; removed again."""

    def __init__(self, pid, path):
        self.made = []
        self.folders = cgroups_of(pid)
        for name in path.split("/"):
            self.folders = [folder / name for folder in self.folders]
            for folder in self.folders:
                self.make(folder)

    def make(self, folder):
        folder.mkdir()
        self.made.append(folder)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            if (folder / setting).exists() and (folder / "cpuset.memory_migrate").exists():
                (folder / setting).write_text((folder.parent / setting).read_text())

    def run(self, arguments):
        def enter():
            for folder in self.folders:
                (folder / "cgroup.procs").write_text(str(os.getpid()))
        return subprocess.run(list(map(str, arguments)), preexec_fn=enter, capture_output=True, text=True, timeout=60 * PATIENCE)

    def stop(self):
        for folder in reversed(self.made):
            folder.rmdir()
