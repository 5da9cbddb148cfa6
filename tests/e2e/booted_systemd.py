"""systemd as the first process of namespaces of its own, with a system bus and the units a suite writes.

Needs root and the Debian packages systemd and dbus. It shares the machine's files and network; /run, processes and cgroups are its own.
"""
import os
import pathlib
import subprocess

from harness import PATIENCE, Process, wait_until

CGROUPS = pathlib.Path("/sys/fs/cgroup")
PASSED_ON = ("STEEPLE_", "ASAN_", "UBSAN_", "LSAN_")

BOOT = """
set -eu
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
else
  mount -t tmpfs tmpfs /sys/fs/cgroup
  mkdir /sys/fs/cgroup/systemd
  mount -t cgroup -o none,name=systemd,xattr cgroup /sys/fs/cgroup/systemd
fi
mkdir -p /run/dbus
export container=steeple SYSTEMD_UNIT_PATH="$1"
exec /lib/systemd/systemd --unit=suite.target --show-status=false
"""
UNITS = {
    "suite.target": "[Unit]\nDefaultDependencies=no\nWants=dbus.socket dbus.service\n",
    "dbus.socket": "[Unit]\nDefaultDependencies=no\n[Socket]\nListenStream=/run/dbus/system_bus_socket\n",
    "dbus.service": "[Unit]\nDefaultDependencies=no\nRequires=dbus.socket\nAfter=dbus.socket\n[Service]\nType=notify\n"
                    "ExecStart=/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile --systemd-activation\n",
    **{f"{name}.target": "[Unit]\nDefaultDependencies=no\n" for name in ("sysinit", "basic", "shutdown", "exit")},
}


class Machine:
    def __init__(self, home):
        self.home = pathlib.Path(home)
        self.units = self.home / "units"
        self.units.mkdir(parents=True)
        hierarchy = CGROUPS / "systemd" if (CGROUPS / "systemd").is_dir() else CGROUPS
        self.cgroup = hierarchy / f"steeple-e2e-systemd-{os.getpid()}-{os.urandom(3).hex()}"
        self.process = None

    def start(self):
        for name, text in UNITS.items():
            (self.units / name).write_text(text)
        self.cgroup.mkdir()
        enter = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
        self.process = Process(["sh", "-c", enter, self.cgroup, "unshare", "--pid", "--mount", "--cgroup", "--ipc", "--uts", "--fork", "--kill-child",
                                "sh", "-c", BOOT, "sh", self.units], self.home / "systemd.log")
        wait_until(lambda: not self.process.running() or self.bus_answers(), 30, lambda: f"systemd does not come up\n{self.log()}")
        if not self.process.running():
            raise AssertionError(f"systemd ended\n{self.log()}")
        return self

    def log(self):
        return self.process.log()[-3000:]

    def first_process(self):
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return children[0] if children else None

    def command(self, *arguments, check=True, **options):
        """Runs a program in the machine, but in no unit of it."""
        first = self.first_process()
        if not first:
            raise AssertionError(f"systemd does not run\n{self.log()}")
        done = subprocess.run(["nsenter", "--target", first, "--pid", "--mount", "--ipc", "--uts", *map(str, arguments)], capture_output=True, text=True,
                              timeout=60 * PATIENCE, **options)
        if check and done.returncode != 0:
            raise AssertionError(f"{arguments}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def bus_answers(self):
        if not self.first_process():
            return False
        return self.command("busctl", "--timeout=2", "call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
                            "GetUnitByPID", "u", "1", check=False).returncode == 0

    def write_unit(self, name, command, kind="simple", settings=""):
        """A service; its output goes to a file, which is returned."""
        output = self.home / f"{name}.log"
        environment = "".join(f'Environment="{key}={value}"\n' for key, value in os.environ.items() if key.startswith(PASSED_ON))
        (self.units / name).write_text(f"[Unit]\nDefaultDependencies=no\n[Service]\nType={kind}\nExecStart={' '.join(map(str, command))}\n"
                                       f"StandardOutput=append:{output}\nStandardError=append:{output}\n{environment}{settings}")
        self.command("systemctl", "daemon-reload")
        return output

    def run_unit(self, name, command):
        """What a service that ends says."""
        output = self.write_unit(name, command, kind="oneshot")
        output.unlink(missing_ok=True)
        self.command("systemctl", "start", name, check=False)
        return output.read_text()

    def stop(self):
        if self.process:
            self.process.child.kill()  # and with it all processes of the machine
            self.process.child.wait()
            self.process.log_file.close()
            self.process = None
        if self.cgroup.exists():
            wait_until(self.removed, 20, f"{self.cgroup} is not empty")

    def removed(self):
        try:
            for folder, _, _ in os.walk(self.cgroup, topdown=False):
                os.rmdir(folder)
            return True
        except OSError:
            return False
