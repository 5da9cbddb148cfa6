"""The workload attestor docker: real containers of a dockerd of the suite's own."""
import os
import pathlib
import re
import shutil
import tempfile
import threading
import time
import unittest

from dockerd import Dockerd, InnerCgroups
from harness import AGENT_KIND, PATIENCE, TRUST_DOMAIN, Suite, wait_until
from kubelet import can_make_cgroups
from podman import Podman

IMAGE, OTHER_IMAGE = "example.org/app:1", "example.org/other:1"


@unittest.skipUnless(os.getuid() == 0 and can_make_cgroups(), "cgroups cannot be made here")
class Containers(Suite):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="steeple-docker-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.dockerd = Dockerd(cls.folder / "dockerd")
        cls.addClassCleanup(cls.dockerd.stop)
        cls.dockerd.start()
        cls.dockerd.load_agent(IMAGE, OTHER_IMAGE, changes=["ENV ROLE=database", "LABEL com.example.from=image"])

    def world(self, *keys, selectors=(), socket=None):
        lines = "\n".join([f'docker_socket_path = "unix://{socket or self.dockerd.socket}"', *keys])
        self.server_, self.agent_ = self.running_pair(workload_attestor=f'WorkloadAttestor "docker" {{ plugin_data {{\n{lines}\n}} }}')
        for name, selector in selectors:
            self.server_.create_entry(f"/{name}", selector=f"docker:{selector}")
        time.sleep(1.2)  # one sync of the agent

    def ids(self, image, *options):
        _, out = self.dockerd.fetch(image, self.agent_, *options)
        return sorted(re.findall(r"SPIFFE ID:\s+\S+/(\S+)", out)), out

    def log(self):
        return self.agent_.process.log()

    def test_labels_environment_and_image_are_selectors(self):
        digest = self.dockerd.inspect("{{.Id}}", IMAGE)
        self.world(selectors=[("label", "label:app:web"), ("image-label", "label:com.example.from:image"), ("env", "env:MODE=prod"),
                              ("image-env", "env:ROLE=database"), ("image", f"image_id:{IMAGE}"), ("digest", f"image_config_digest:{digest}")])
        ids, out = self.ids(IMAGE, "--label", "app=web", "--env", "MODE=prod")
        self.assertEqual(ids, ["digest", "env", "image", "image-env", "image-label", "label"], out + self.log()[-3000:])
        ids, out = self.ids(OTHER_IMAGE, "--label", "app=db", "--env", "ROLE=other")
        self.assertEqual(ids, ["digest", "image-label"], out + self.log()[-3000:])

    def test_a_container_of_no_entry_and_a_process_of_no_container_have_no_identity(self):
        self.world(selectors=[("web", "label:app:web")])
        ids, out = self.ids(IMAGE)
        self.assertEqual(ids, [])
        self.assertIn("no identity issued", out)
        before = time.monotonic()
        code, _, error = self.agent_.fetch()
        self.assertNotEqual(code, 0)
        self.assertIn("no identity issued", error)
        self.assertLess(time.monotonic() - before, 5 * PATIENCE)

    def test_custom_patterns_and_a_fixed_version(self):
        self.world('container_id_cgroup_matchers = ["/docker/<id>"]', "use_new_container_locator = false", 'docker_version = "1.41"',
                   selectors=[("web", "label:app:web")])
        self.assertIn("Using the legacy container locator with custom cgroup matchers", self.log())
        ids, out = self.ids(IMAGE, "--label", "app=web")
        self.assertEqual(ids, ["web"], out + self.log()[-3000:])

    def test_a_version_the_daemon_refuses_is_named_in_the_log(self):
        self.world('docker_version = "1.99"', selectors=[("web", "label:app:web")])
        ids, out = self.ids(IMAGE, "--label", "app=web")
        self.assertEqual(ids, [])
        self.assertIn("workload attestation failed", out)
        self.assertIn("Error response from daemon: client version 1.99 is too new", self.log())

    def test_a_daemon_that_is_away_is_named_in_the_log(self):
        self.world(selectors=[("web", "label:app:web")], socket=self.home / "nothing.sock")
        ids, out = self.ids(IMAGE, "--label", "app=web")
        self.assertEqual(ids, [])
        self.assertIn("workload attestation failed", out)
        self.assertIn(f"failed to connect to the docker API at unix://{self.home}/nothing.sock", self.log())

    def test_a_container_the_daemon_does_not_know_fails_the_attestor_alone(self):
        self.world(selectors=[("web", "label:app:web")])
        stranger = os.urandom(32).hex()
        cgroups = self.keep(InnerCgroups("self", stranger))
        done = cgroups.run([self.agent_.program, "api", "fetch", "x509", "-socketPath", self.agent_.socket, "-timeout", "30s"])
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(f"No such container: {stranger}", self.log())

    def fetch_in(self, path):
        """Of a process in cgroups of that path."""
        done = self.keep(InnerCgroups("self", f"steeple-e2e-{os.getpid()}-{os.urandom(3).hex()}/{path}")).run([self.agent_.program, "api", "fetch", "x509", "-socketPath", self.agent_.socket, "-timeout", "30s"])
        return sorted(re.findall(r"SPIFFE ID:\s+\S+/(\S+)", done.stdout)), done.stdout + done.stderr

    def test_podmans_containers_lead_to_the_podman_of_root_or_of_the_user(self):
        root = self.keep(Podman(self.home / "root.sock", {"app": "root"}))
        user = self.keep(Podman(self.home / "1000.sock", {"app": "user"}))
        self.world(f'podman_socket_path = "unix://{root.path}"', f'podman_socket_path_template = "unix://{self.home}/%d.sock"',
                   selectors=[("root", "label:app:root"), ("user", "label:app:user"), ("web", "label:app:web")])
        one, other = os.urandom(32).hex(), os.urandom(32).hex()
        ids, out = self.fetch_in(f"machine.slice/libpod-{one}.scope/container")
        self.assertEqual(ids, ["root"], out + self.log()[-3000:])
        ids, out = self.fetch_in(f"user.slice/user-1000.slice/user@1000.service/libpod-{other}.scope")
        self.assertEqual(ids, ["user"], out + self.log()[-3000:])
        self.assertEqual([path.split("/")[-2] for path in root.asked + user.asked if "/containers/" in path], [one, other])
        if AGENT_KIND == "steeple":
            # A user's Podman that hangs holds up that user.
            user.hang.clear()
            hanging = threading.Thread(target=self.fetch_in, args=(f"user-1000.slice/libpod-{other}.scope",))
            hanging.start()
            wait_until(lambda: len(user.asked) > 2, 20, "the hanging Podman is not asked")
            self.assertEqual(self.ids(IMAGE, "--label", "app=web")[0], ["web"])
            self.assertEqual(self.fetch_in(f"libpod-{one}.scope")[0], ["root"])
            user.hang.set()
            hanging.join()

    @unittest.skipIf(AGENT_KIND == "stock", "Steeple's own promise")
    def test_a_container_that_forges_cgroup_names_gains_nothing(self):
        self.world(selectors=[("victim", "label:app:victim"), ("web", "label:app:web")])
        victim = self.dockerd.run_waiting(IMAGE, "--label", "app=victim")
        attacker = self.dockerd.run_waiting(IMAGE, "--label", "app=web")
        fetch = [self.agent_.program, "api", "fetch", "x509", "-socketPath", self.agent_.socket, "-timeout", "30s"]
        pid = self.dockerd.inspect("{{.State.Pid}}", attacker)
        done = self.keep(InnerCgroups(pid, "deeper")).run(fetch)
        self.assertIn(f"spiffe://{TRUST_DOMAIN}/web", done.stdout, done.stderr + self.log()[-3000:])
        for name in (victim, f"docker-{victim}.scope"):
            done = self.keep(InnerCgroups(pid, name)).run(fetch)
            self.assertNotIn("SPIFFE ID", done.stdout)
            self.assertIn("A process bears the name of a container that it does not run in", self.log())

    @unittest.skipIf(AGENT_KIND == "stock", "Steeple's own texts")
    def test_bad_keys_stop_the_agent_at_start(self):
        for keys, text in (('sigstore { rekor_url = "rekor" }', "sigstore: rekor_url is neither an http nor an https URL"),
                           ('container_id_cgroup_matchers = ["/docker/<id>"]', "the new container locator and custom cgroup matchers cannot both be used"),
                           ('podman_socket_path_template = "unix:///x"', "template must contain exactly one %d UID placeholder"),
                           ('docker_host = "x"', "unknown configurations detected: docker_host")):
            agent = self.agent(self.server("unused"), name=f"agent-{len(text)}", workload_attestor=f'WorkloadAttestor "docker" {{ plugin_data {{ {keys} }} }}',
                               trust_bundle_path=None, insecure_bootstrap=True).launch()
            self.assertNotEqual(agent.process.wait(20), 0)
            self.assertIn(text, agent.process.log())


if __name__ == "__main__":
    unittest.main()
