"""Starts real servers and agents for the end-to-end suites, and ends everything it started.

Environment: STEEPLE_BIN (folder of the built programs), STEEPLE_IO_BACKEND (io_uring or epoll), STEEPLE_SPIRE_BIN (optional folder
with stock spire-server and spire-agent), STEEPLE_E2E_SERVER and STEEPLE_E2E_AGENT (`steeple`, the default, or `stock`).
"""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest

BIN = pathlib.Path(os.environ["STEEPLE_BIN"])
STOCK = pathlib.Path(os.environ["STEEPLE_SPIRE_BIN"]) if os.environ.get("STEEPLE_SPIRE_BIN") else None
SERVER_KIND = os.environ.get("STEEPLE_E2E_SERVER", "steeple")
AGENT_KIND = os.environ.get("STEEPLE_E2E_AGENT", "steeple")
# Sanitizers make everything slower; deadlines grow with them.
PATIENCE = float(os.environ.get("STEEPLE_E2E_PATIENCE", "1"))
SANITIZER_KEEPS_KIB = 0 if PATIENCE == 1 else 256 * 1024  # freed memory that AddressSanitizer holds back
TRUST_DOMAIN = "example.org"
NODE_ALIAS = f"spiffe://{TRUST_DOMAIN}/node"


def wait_until(condition, seconds, what):
    """Polls until `condition()` gives something true, and returns it; an AssertionError with `what` after the deadline."""
    end = time.monotonic() + seconds * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"timed out after {seconds * PATIENCE:.0f} s: {what() if callable(what) else what}")
        time.sleep(0.02)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A child with its output in a file; what it says on standard error goes there too, or into the file `errors`."""

    def __init__(self, arguments, log_path, environment=None, errors=subprocess.STDOUT, **options):
        self.arguments = [str(argument) for argument in arguments]
        self.log_path = pathlib.Path(log_path)
        self.log_file = open(self.log_path, "ab")
        self.child = subprocess.Popen(self.arguments, stdout=self.log_file, stderr=errors, stdin=subprocess.DEVNULL,
                                      env={**os.environ, **(environment or {})}, **options)

    @property
    def pid(self):
        return self.child.pid

    def log(self):
        return self.log_path.read_text(errors="replace")

    def running(self):
        return self.child.poll() is None

    def stop(self, how=signal.SIGTERM, seconds=10):
        if self.running():
            self.child.send_signal(how)
        return self.wait(seconds)

    def wait(self, seconds=10):
        try:
            return self.child.wait(seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise AssertionError(f"{self.arguments[0]} did not end within {seconds * PATIENCE:.0f} s\n{self.log()[-3000:]}")
        finally:
            self.log_file.close()


class Server:
    """The embedded development server, or a stock SPIRE Server."""

    def __init__(self, home, kind=SERVER_KIND, port=None, **settings):
        self.home = pathlib.Path(home)
        self.home.mkdir(parents=True, exist_ok=True)
        self.kind = kind
        self.port = port or free_port()
        self.socket = self.home / "server.sock"
        self.trust_domain = settings.pop("trust_domain", TRUST_DOMAIN)
        self.settings = {"ca_ttl": "24h", "default_x509_svid_ttl": "1h", **settings}
        self.program = BIN / "steeple-devserver" if kind == "steeple" else STOCK / "spire-server"
        self.process = None

    def write_config(self):
        settings = dict(self.settings)
        blocks = settings.pop("blocks", "")
        federation = settings.pop("federation", "")
        attestors = settings.pop("attestors", 'NodeAttestor "join_token" { plugin_data {} }')
        lines = "".join(f'  {key} = "{value}"\n' for key, value in settings.items())
        (self.home / "server.conf").write_text(f'''server {{
  bind_address = "127.0.0.1"
  bind_port = "{self.port}"
  socket_path = "{self.socket}"
  trust_domain = "{self.trust_domain}"
  data_dir = "{self.home}"
  log_level = "DEBUG"
{lines}{federation}}}
plugins {{
  DataStore "sql" {{ plugin_data {{ database_type = "sqlite3" connection_string = "{self.home}/datastore.sqlite3" }} }}
  KeyManager "disk" {{ plugin_data {{ keys_path = "{self.home}/keys.json" }} }}
  {attestors}
}}
{blocks}
''')

    def start(self):
        self.write_config()
        self.process = Process([self.program, "run", "-config", self.home / "server.conf"], self.home / "server.log")
        wait_until(self.healthy, 20, lambda: f"the server does not come up\n{self.process.log()[-3000:]}")
        return self

    def healthy(self):
        if not self.process.running():
            raise AssertionError(f"the server ended\n{self.process.log()[-3000:]}")
        return subprocess.run([self.program, "healthcheck", "-socketPath", self.socket], capture_output=True).returncode == 0

    def stop(self, how=signal.SIGTERM):
        if self.process:
            code = self.process.stop(how)
            self.process = None
            return code

    def command(self, *arguments, check=True, **options):
        done = subprocess.run([self.program, *arguments[0].split(), "-socketPath", self.socket, *map(str, arguments[1:])], capture_output=True, text=True,
                              timeout=30 * PATIENCE, **options)
        if check and done.returncode != 0:
            raise AssertionError(f"{arguments}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def token(self, alias=None):
        alias = alias or f"spiffe://{self.trust_domain}/node"
        return re.search(r"Token: (\S+)", self.command("token generate", "-spiffeID", alias).stdout).group(1)

    def bundle(self, path):
        pathlib.Path(path).write_text(self.command("bundle show").stdout)

    def take_bundle(self, other):
        """What an administrator does by hand: the bundle of another trust domain's server, into this one."""
        bundle = other.command("bundle show", "-format", "spiffe").stdout
        self.command("bundle set", "-id", f"spiffe://{other.trust_domain}", "-format", "spiffe", input=bundle)

    def create_entry(self, name, *extra, selector=None, parent=None):
        parent = parent or f"spiffe://{self.trust_domain}/node"
        out = self.command("entry create", "-parentID", parent, "-spiffeID", f"spiffe://{self.trust_domain}{name}",
                           "-selector", selector or f"unix:uid:{os.getuid()}", *extra).stdout
        return re.search(r"Entry ID\s*: (\S+)", out).group(1)


class Agent:
    """Steeple's agent, or a stock SPIRE Agent."""

    def __init__(self, home, server, kind=AGENT_KIND, **settings):
        self.home = pathlib.Path(home)
        self.home.mkdir(parents=True, exist_ok=True)
        self.server = server
        self.kind = kind
        self.program = BIN / "steeple-agent" if kind == "steeple" else STOCK / "spire-agent"
        self.socket = self.home / "public" / "api.sock"
        self.settings = {"data_dir": self.home / "data", "log_level": "DEBUG", "server_address": "127.0.0.1", "server_port": server.port if server else 1,
                         "socket_path": self.socket, "trust_bundle_path": self.home / "bundle.pem", "trust_domain": server.trust_domain if server else TRUST_DOMAIN}
        self.node_attestor = 'NodeAttestor "join_token" { plugin_data {} }'
        self.key_manager = f'KeyManager "disk" {{ plugin_data {{ directory = "{self.home / "data"}" }} }}'
        self.workload_attestor = 'WorkloadAttestor "unix" { plugin_data {} }'
        self.experimental = 'sync_interval = "1s"'
        self.blocks = ""  # beside agent {} and plugins {}
        for key, value in settings.items():
            if key in ("node_attestor", "key_manager", "workload_attestor", "experimental", "blocks"):
                setattr(self, key, value)
            elif value is None:
                self.settings.pop(key, None)
            else:
                self.settings[key] = value
        self.process = None

    def write_config(self):
        (self.home / "data").mkdir(exist_ok=True)
        lines = "".join(f"  {key} = {json.dumps(value) if isinstance(value, (bool, int, list)) else json.dumps(str(value))}\n" for key, value in self.settings.items())
        (self.home / "agent.conf").write_text(f'''agent {{
{lines}  experimental {{ {self.experimental} }}
}}
plugins {{
  {self.node_attestor}
  {self.key_manager}
  {self.workload_attestor}
}}
{self.blocks}
''')

    def launch(self, *flags, environment=None, **options):
        """Starts the process without waiting for anything."""
        self.write_config()
        if self.server and self.server.process and not (self.home / "bundle.pem").exists():
            self.server.bundle(self.home / "bundle.pem")
        self.process = Process([self.program, "run", "-config", self.home / "agent.conf", *flags], self.home / "agent.log", environment, **options)
        return self

    def start(self, *flags, **options):
        self.launch(*flags, **options)
        wait_until(self.healthy, 20, lambda: f"the agent does not come up\n{self.process.log()[-4000:]}")
        return self

    def healthy(self):
        if not self.process.running():
            raise AssertionError(f"the agent ended with {self.process.child.returncode}\n{self.process.log()[-4000:]}")
        return subprocess.run([self.program, "healthcheck", "-socketPath", self.socket], capture_output=True).returncode == 0

    def stop(self, how=signal.SIGTERM, seconds=10):
        if self.process:
            code = self.process.stop(how, seconds)
            self.process = None
            return code

    def fetch(self, *extra, user=None):
        """`api fetch x509 -output json` as (exit code, answer or None, stderr)."""
        done = subprocess.run([self.program, "api", "fetch", "x509", "-socketPath", self.socket, "-output", "json", *extra], capture_output=True, text=True,
                              timeout=30 * PATIENCE, user=user, group=user, extra_groups=[] if user is not None else None)
        return done.returncode, json.loads(done.stdout) if done.returncode == 0 else None, done.stderr.strip()

    def spiffe_ids(self, user=None):
        code, answer, _ = self.fetch(user=user)
        return sorted(svid["spiffe_id"] for svid in answer["svids"]) if code == 0 else []

    def wait_for_ids(self, names, seconds=10, user=None):
        expected = sorted(f"spiffe://{self.settings['trust_domain']}{name}" for name in names)
        wait_until(lambda: self.spiffe_ids(user) == expected, seconds,
                   lambda: f"expected {expected}, got {self.fetch(user=user)}\n{self.process.log()[-3000:] if self.process else ''}")

    def leaf(self):
        """The served leaf certificate as openssl prints it, with its key checked against it."""
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([self.program, "api", "fetch", "x509", "-socketPath", self.socket, "-silent", "-write", folder], check=True, capture_output=True)
            subprocess.run(["openssl", "verify", "-CAfile", f"{folder}/bundle.0.pem", f"{folder}/svid.0.pem"], check=True, capture_output=True)
            public = [subprocess.run(["openssl", *how], check=True, capture_output=True).stdout
                      for how in (["x509", "-in", f"{folder}/svid.0.pem", "-noout", "-pubkey"], ["pkey", "-in", f"{folder}/svid.0.key", "-pubout"])]
            assert public[0] == public[1], "the served key does not belong to the served certificate"
            return subprocess.run(["openssl", "x509", "-in", f"{folder}/svid.0.pem", "-noout", "-text"], check=True, capture_output=True, text=True).stdout


class Watch:
    """`api watch` in the background; counts updates."""

    def __init__(self, agent, log_path):
        self.process = Process([agent.program, "api", "watch", "-socketPath", agent.socket], log_path)

    def updates(self):
        return re.split(r"^Received ", self.process.log(), flags=re.M)[1:]

    def newest_ids(self):
        updates = self.updates()
        return re.findall(r"SPIFFE ID:\s+(\S+)", updates[-1]) if updates else []

    def stop(self):
        self.process.stop(signal.SIGKILL)


class Suite(unittest.TestCase):
    """A temporary folder, and everything started through `keep()` ended again, newest first."""

    def setUp(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="steeple-e2e-"))
        os.chmod(self.home, 0o755)
        self.started = []
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)
        self.addCleanup(self.stop_all)

    def keep(self, thing):
        self.started.append(thing)
        return thing

    def stop_all(self):
        for thing in reversed(self.started):
            thing.stop()

    def server(self, name="server", **settings):
        return self.keep(Server(self.home / name, **settings))

    def agent(self, server, name="agent", **settings):
        return self.keep(Agent(self.home / name, server, **settings))

    def running_pair(self, server_settings=None, **agent_settings):
        """A started server, and an agent that attested to it by join token."""
        server = self.server(**(server_settings or {})).start()
        agent = self.agent(server, **agent_settings).start("-joinToken", server.token())
        return server, agent


def grpc_call(socket_path, path, message, folder, seconds=10):
    """One message (None: no message) to a gRPC method over a Unix socket, by curl: headers, answers and trailers as bytes. Of a stream, what
    came within `seconds`. An answer that comes before curl has ended its request is an error to it (92), which says nothing of the server:
    then the call is made again."""
    body = pathlib.Path(folder) / "request"
    body.write_bytes(b"" if message is None else b"\0" + struct.pack(">I", len(message)) + message)
    for _ in range(50):
        done = subprocess.run(["curl", "-sS", "--max-time", str(seconds), "--http2-prior-knowledge", "--unix-socket", socket_path, "-D", "-",
                               "-H", "content-type: application/grpc", "-H", "te: trailers", "--data-binary", f"@{body}", f"http://localhost{path}"], capture_output=True)
        if done.returncode != 92:
            break
    if done.returncode not in (0, 28):  # 28: the time is over
        raise AssertionError(f"curl: exit {done.returncode}: {done.stderr}")
    return done.stdout


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_kib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))
