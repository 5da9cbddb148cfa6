"""The programs of tests/clients as workloads: each has a group of its own, which its registration entry selects."""
import json
import os
import pathlib
import subprocess

from harness import PATIENCE, TRUST_DOMAIN, Process, wait_until

BUILT = pathlib.Path(__file__).resolve().parents[2] / "build" / "clients"
PROGRAMS = {
    "go": [BUILT / "go/client"],
    "python": [BUILT / "python/venv/bin/python", BUILT / "python/client.py"],
    "node": ["node", BUILT / "node/client.js"],
    "cpp": [BUILT / "cpp/client"],
    "rust": [BUILT / "rust/client"],
    "java": ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx96m", "-cp", f"{BUILT}/java/classes:{BUILT}/java/lib/*", "Client"],
}
LANGUAGES = list(PROGRAMS)
FEDERATED = ["go", "python", "rust", "java"]  # programs whose library takes peers of federated trust domains
ENVOY = BUILT / "envoy/envoy"
GRPCURL = BUILT / "grpcurl/grpcurl"
OTHERS = ["nobody", "intruder", "envoy-front", "envoy-back", "envoy-other"]
SECONDS = 60


def group_of(name):
    return 7100 + [*LANGUAGES, *OTHERS].index(name)


def selector(name):
    return f"unix:gid:{group_of(name)}"


def spiffe_id(name, trust_domain=TRUST_DOMAIN):
    return f"spiffe://{trust_domain}/{name}"


def as_workload(name):
    """Options of subprocess that make a child this workload."""
    return {"group": group_of(name), "extra_groups": []}


def environment(agent):
    return {"SPIFFE_ENDPOINT_SOCKET": f"unix://{agent.socket}", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "ignore"}


class Call:
    """One run of a client program that ends by itself, as the workload `name`: `lines()` waits for it and gives what it printed."""

    def __init__(self, language, agent, *arguments, name=None):
        self.language = language
        self.child = subprocess.Popen([*map(str, PROGRAMS[language]), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                                      env={**os.environ, **environment(agent)}, **as_workload(name or language))

    def lines(self, code=0):
        try:
            output, errors = self.child.communicate(timeout=SECONDS * PATIENCE)
        except subprocess.TimeoutExpired:
            self.child.kill()
            raise AssertionError(f"{self.language}: {self.child.args} does not end\n{self.child.communicate()}") from None
        if self.child.returncode != code:
            raise AssertionError(f"{self.language}: {self.child.args} exits with {self.child.returncode}\n{output[-2000:]}\n{errors[-4000:]}")
        return [json.loads(line) for line in output.splitlines()]


class Service:
    """A client program that runs until it is stopped; what it printed so far is in `lines()`."""

    def __init__(self, home, language, agent, *arguments):
        self.language = language
        self.errors = open(home / f"{language}-{arguments[0]}.errors", "ab")
        self.process = Process([*PROGRAMS[language], *arguments], home / f"{language}-{arguments[0]}.out", environment(agent), errors=self.errors,
                               **as_workload(language))

    def lines(self):
        return [json.loads(line) for line in self.process.log().splitlines(keepends=True) if line.endswith("\n")]

    def wait_for(self, condition, what):
        def met():
            assert self.process.running(), f"{self.language} ended: {self}"
            return condition(self.lines())
        return wait_until(met, SECONDS, lambda: f"{self.language}: {what}: {self}")

    def __str__(self):
        return f"{self.process.log()[-3000:]}\n{pathlib.Path(self.errors.name).read_text(errors='replace')[-3000:]}"

    def stop(self):
        code = self.process.stop()
        self.errors.close()
        return code


def fetch_x509(agent, name):
    """The SVIDs that the agent has for this workload."""
    done = subprocess.run([agent.program, "api", "fetch", "x509", "-output", "json", "-socketPath", agent.socket], capture_output=True, text=True, **as_workload(name))
    return json.loads(done.stdout)["svids"] if done.returncode == 0 else []


def wait_until_served(agent, *names):
    """Until the agent has an SVID for each of these workloads."""
    for name in names:
        wait_until(lambda name=name: fetch_x509(agent, name), 30, lambda name=name: f"{name} is not served\n{agent.process.log()[-3000:]}")
