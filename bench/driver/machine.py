"""What the machine is, and what else it did during a run."""
import os
import pathlib
import platform
import re
import resource
import time

FOREIGN_CORES_MAX = 0.10  # more than this of other programs, or of steal, and a run counts as disturbed
STEAL_CORES_MAX = 0.03
PROCESS_CLOCK = 2  # of the kernel's clock numbers, as clock_getcpuclockid() makes them


def cpus():
    """(the agents' CPU, the CPU of everything else)"""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[-1]


def facts():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", text)
    memory = re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())
    release = re.search(r'PRETTY_NAME="(.*)"', pathlib.Path("/etc/os-release").read_text())
    hypervisor = "hypervisor" in text
    return {"kernel": platform.release(), "system": release.group(1) if release else "", "cpu": model.group(1) if model else platform.machine(),
            "cores": len(os.sched_getaffinity(0)), "memory_mb": int(memory.group(1)) // 1024, "virtual": hypervisor,
            "cgroup_version": 2 if pathlib.Path("/sys/fs/cgroup/cgroup.controllers").exists() else 1, "agent_cpu": cpus()[0], "other_cpu": cpus()[1]}


def cpu_seconds(pid):
    """The process' CPU clock: all threads, also those that have ended; None when it is gone."""
    try:
        return time.clock_gettime((~pid << 3) | PROCESS_CLOCK)
    except OSError:
        return None


def milli_cores(pid, seconds):
    before = cpu_seconds(pid)
    time.sleep(seconds)
    after = cpu_seconds(pid)
    return None if before is None or after is None else (after - before) / seconds * 1e3


class Meter:
    """Load, steal and foreign CPU between begin() and end(). `pids`: the processes of the measurement beside this one's children."""

    def begin(self, pids):
        self.pids = {pid: cpu_seconds(pid) or 0.0 for pid in pids}
        self.own = self._own()
        self.clock = time.monotonic()
        self.busy, self.steal = self._stat()
        return self

    def end(self):
        busy, steal = self._stat()
        seconds = max(time.monotonic() - self.clock, 1e-3)
        ours = self._own() - self.own + sum((cpu_seconds(pid) or before) - before for pid, before in self.pids.items())
        out = {"load": os.getloadavg()[0], "steal_cores": (steal - self.steal) / seconds, "foreign_cores": max(0.0, (busy - self.busy - ours) / seconds)}
        reasons = [f"{what} {out[key]:.2f} cores" for key, what, most in (("steal_cores", "steal", STEAL_CORES_MAX), ("foreign_cores", "other programs", FOREIGN_CORES_MAX))
                   if out[key] > most]
        return {**{key: round(value, 3) for key, value in out.items()}, "disturbed": reasons}

    @staticmethod
    def _own():
        return sum(usage.ru_utime + usage.ru_stime for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)))

    @staticmethod
    def _stat():
        fields = [int(field) for field in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
        tick = os.sysconf("SC_CLK_TCK")
        return (fields[0] + fields[1] + fields[2] + fields[5] + fields[6]) / tick, fields[7] / tick
