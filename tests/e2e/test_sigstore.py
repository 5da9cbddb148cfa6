"""Sigstore in the workload attestors k8s and docker: images signed by a Sigstore of the suite's own, kept by a registry stand-in.

A stock agent takes Fulcio's certificates from TUF alone: for it, STEEPLE_E2E_TUF_MAKER names a program that is called with a folder that holds
fulcio.pem and an empty folder, and makes the latter a TUF_ROOT with that target.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import unittest

from dockerd import InnerCgroups
from harness import AGENT_KIND, PATIENCE, Suite
from kubelet import Cgroups, Kubelet, Pod, can_make_cgroups
from podman import Podman
from registry import Registry, Rekor, Sigstore

SUBJECT, ISSUER = "https://ci.example/build", "https://issuer.example"
IDENTITIES = f'allowed_identities {{ "{ISSUER}" = ["{SUBJECT}"] }}'
SIGNED = {"signed": "image-signature:verified", "subject": f"image-signature-subject:{SUBJECT}", "issuer": f"image-signature-issuer:{ISSUER}",
          "attested": "image-attestations:verified"}
TUF_MAKER = os.environ.get("STEEPLE_E2E_TUF_MAKER")
STEEPLE_ONLY = unittest.skipIf(AGENT_KIND == "stock", "Steeple's own promise")


@unittest.skipIf(AGENT_KIND == "stock" and not TUF_MAKER, "no trust roots for a stock agent")
class Signatures(Suite):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="steeple-sigstore-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.sigstore = Sigstore(cls.folder)
        cls.sigstore.write_trust(cls.folder)
        if AGENT_KIND == "stock":
            (cls.folder / "tuf").mkdir()
            subprocess.run([TUF_MAKER, cls.folder, cls.folder / "tuf"], check=True)

    def environment(self, **more):
        return {"SIGSTORE_ROOT_FILE": f"{self.folder}/fulcio.pem", "SIGSTORE_REKOR_PUBLIC_KEY": f"{self.folder}/rekor.pub",
                "SIGSTORE_CT_LOG_PUBLIC_KEY_FILE": f"{self.folder}/ctfe.pub", "HOME": str(self.home), "TUF_ROOT": f"{self.folder}/tuf", **more}

    def block(self, *keys):
        """Nothing may be asked outside of the machine."""
        rekor = [] if any("rekor_url" in key for key in keys) else ['rekor_url = "http://127.0.0.1:1"']
        return "sigstore {\n" + "\n".join([*(keys if "allowed_identities" in "".join(keys) else [IDENTITIES, *keys]), *rekor]) + "\n}"

    def log(self):
        return self.agent_.process.log()


@unittest.skipUnless(can_make_cgroups(), "cgroups cannot be made here")
class Pods(Signatures):
    def world(self, *keys, environment=None, **registry):
        self.registry = self.keep(Registry(**registry))
        self.kubelet = self.keep(Kubelet(self.home / "kubelet"))
        self.cgroups = self.keep(Cgroups())
        self.pods = []
        self.server_ = self.server().start()
        self.agent_ = self.agent(self.server_, workload_attestor=self.kubelet.plugin(self.block(*keys), 'max_poll_attempts = 3'))
        for name, selector in {"pod": "sa:web", **SIGNED}.items():
            self.server_.create_entry(f"/{name}", selector=f"k8s:{selector}")
        self.agent_.start("-joinToken", self.server_.token(), environment=self.environment(**(environment or {})))
        time.sleep(1.2)  # one sync of the agent

    def ids(self, image):
        """What a new pod of that image gets, and all that was said."""
        pod = Pod(f"pod-{len(self.pods)}", account="web", image_id=image)
        self.pods.append(pod)
        self.kubelet.list(self.pods)
        child = self.cgroups.run(self.cgroups.of(pod), [self.agent_.program, "api", "fetch", "x509", "-socketPath", self.agent_.socket, "-timeout", "40s"],
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        out, _ = child.communicate(timeout=60 * PATIENCE)
        return sorted(re.findall(r"SPIFFE ID:\s+\S+/(\S+)", out)), out

    def assert_served(self, image, *names):
        ids, out = self.ids(image)
        self.assertEqual(ids, sorted(["pod", *names]), out + self.log()[-4000:])

    def assert_refused(self, image, text):
        ids, out = self.ids(image)
        self.assertEqual(ids, [], out)
        self.assertIn("workload attestation failed", out)
        self.assertIn(f"error verifying sigstore image signature for imageID {image}: {text}", self.log().replace("\\n", "\n").replace('\\"', '"'))

    def signed(self, name="app", **how):
        return self.registry.sign(self.sigstore, self.registry.image(name), **how)

    def test_signatures_and_attestations_are_selectors_and_are_remembered(self):
        self.world()
        image = self.signed("group/app")
        self.assert_served(image, *SIGNED)
        self.registry.stop()
        self.assert_served(image, *SIGNED)  # the registry is away, the image known
        self.assertIn("Sigstore verifier cache hit", self.log())
        ids, _ = self.ids(self.registry.image("other"))
        self.assertEqual(ids, [])

    def test_what_is_not_signed_by_an_allowed_identity_is_refused(self):
        self.world()
        self.assert_refused(self.registry.image("app"), "failed to verify signatures: no signatures found")
        stranger = Sigstore(tempfile.mkdtemp(dir=self.home))
        self.assert_refused(self.registry.sign(stranger, self.registry.image("app")), "failed to verify signatures: no matching signatures: ")
        image = self.signed(subject="uri:https://ci.example/other")
        self.assert_refused(image, "failed to verify signatures: no matching signatures: none of the expected identities matched what was in the certificate")
        image = self.signed(issuer="https://other.example")
        self.assert_refused(image, "failed to verify signatures: no matching signatures: none of the expected identities matched what was in the certificate")
        image = self.registry.image("app")
        self.registry.put(image, [self.sigstore.sign(*image.split("@"), signature="AAAA")])
        self.assert_refused(image, "failed to verify signatures: no matching signatures: ")
        self.assert_refused(self.signed(attested=False), "failed to verify image attestations: no matching attestations: ")
        image = self.signed()
        digest = image.partition("@")[2]
        self.registry.put(image, [self.sigstore.attest("x", digest, subject="uri:https://ci.example/other")], "att")
        self.assert_refused(image, "failed to verify image attestations: no matching attestations: none of the expected identities matched")
        self.assert_refused("not:an@image", "failed to parse image reference: could not parse reference: not:an@image")
        self.assert_served(self.signed(), *SIGNED)

    @STEEPLE_ONLY
    def test_a_signature_of_another_image_is_none(self):
        self.world()
        image = self.registry.image("app")
        other = self.registry.image("app").partition("@")[2]
        self.registry.put(image, [self.sigstore.sign("app", other)])
        self.assert_refused(image, "failed to verify signatures: no matching signatures: ")

    def test_one_good_signature_of_several_is_enough(self):
        self.world()
        image = self.signed()
        digest = image.partition("@")[2]
        self.registry.put(image, [self.sigstore.sign("x", digest, subject="uri:https://ci.example/other"), self.sigstore.sign("x", digest)])
        self.assert_served(image, *SIGNED)

    def test_a_skipped_image_is_not_looked_at(self):
        name = f"127.0.0.1:1/app@sha256:{'ab' * 32}"
        self.world(f'skipped_images = ["{name}"]')
        self.assert_served(name)
        self.assertEqual(self.registry.asked, [])

    def test_what_is_ignored_may_be_missing(self):
        self.world("ignore_sct = true", "ignore_tlog = true", "ignore_attestations = true")
        certificate = self.sigstore.leaf("uri:" + SUBJECT, ISSUER, logs=[])
        image = self.signed(attested=False, bundle=False, certificate=certificate)
        self.assert_served(image, *(name for name in SIGNED if name != "attested"))
        self.assertNotIn("image-signature-log-id", self.log())
        self.assertFalse(any(".att" in asked for asked in self.registry.asked))

    def test_patterns_of_identities(self):
        self.world('allowed_identities { "https://issuer.*" = ["https://ci.example/.+"] }')
        self.assert_served(self.signed(), *SIGNED)
        self.assert_refused(self.signed(issuer="http://issuer.example"), "failed to verify signatures: no matching signatures: none of the expected identities matched")

    def test_a_registry_that_wants_a_password_or_a_token(self):
        for auth in ("basic", "bearer"):
            with self.subTest(auth):
                registry = self.keep(Registry(auth=auth, elsewhere=True))
                self.world(f'registry_credentials {{ "{registry.host}" = {{ username = "reader" password = "opensesame" }} }}')
                image = registry.sign(self.sigstore, registry.image("app"))
                self.assert_served(image, *SIGNED)
                self.assertTrue(any("/elsewhere/" in asked for asked in registry.asked))
                self.assertEqual(registry.leaked, [])
                registry.password = "changed"
                ids, _ = self.ids(registry.sign(self.sigstore, registry.image("app")))
                self.assertEqual(ids, [])
                self.assertIn("UNAUTHORIZED: authentication required", self.log())
                for secret in ("opensesame", "token-1", "cmVhZGVy"):
                    self.assertNotIn(secret, self.log())
                self.stop_all()
                self.started.clear()
                shutil.rmtree(self.home / "agent")
                shutil.rmtree(self.home / "server")

    def test_the_login_that_docker_has_stored(self):
        registry = self.keep(Registry(auth="basic"))
        docker = self.home / "docker"
        docker.mkdir()
        (docker / "config.json").write_text(json.dumps({"auths": {registry.host: {"auth": "cmVhZGVyOm9wZW5zZXNhbWU="}}}))
        self.world(environment={"DOCKER_CONFIG": str(docker)})
        self.assert_served(registry.sign(self.sigstore, registry.image("app")), *SIGNED)

    @STEEPLE_ONLY
    def test_a_signature_without_a_receipt_is_looked_up_in_the_log(self):
        rekor = self.keep(Rekor())
        self.world(f'rekor_url = "{rekor.url}"', "ignore_attestations = true")
        image = self.registry.image("app")
        layer = self.sigstore.sign(*image.split("@"))
        bundle = json.loads(layer["annotations"].pop("dev.sigstore.cosign/bundle"))
        self.registry.put(image, [layer])
        self.assert_refused(image, "failed to verify signatures: no matching signatures: ")
        rekor.answer = self.sigstore.search_answer(bundle["Payload"], bundle["SignedEntryTimestamp"])
        self.assert_served(image, *(name for name in SIGNED if name != "attested"))
        self.assertIn("POST /api/v1/log/entries/retrieve", rekor.asked)

    def test_trust_roots_that_cannot_be_read_stop_the_agent_at_start(self):
        kubelet = self.keep(Kubelet(self.home / "kubelet"))
        broken = self.home / "broken.pem"
        broken.write_text("not a certificate")
        fulcio = [("SIGSTORE_ROOT_FILE", "failed to get fulcio root certificates")] if AGENT_KIND == "steeple" else []
        for name, text in (*fulcio, ("SIGSTORE_REKOR_PUBLIC_KEY", "failed to get rekor public keys"),
                           ("SIGSTORE_CT_LOG_PUBLIC_KEY_FILE", "failed to get CT log public keys")):
            with self.subTest(name):
                agent = self.agent(self.server(f"server-{name}"), name=f"agent-{name}", workload_attestor=kubelet.plugin(self.block()), trust_bundle_path=None,
                                   insecure_bootstrap=True).launch(environment=self.environment(**{name: str(broken)}))
                self.assertNotEqual(agent.process.wait(30), 0)
                self.assertIn(f"error initializing sigstore verifier: {text}", agent.process.log())


@unittest.skipUnless(os.getuid() == 0 and can_make_cgroups(), "cgroups cannot be made here")
class Containers(Signatures):
    def world(self, *keys):
        self.registry = self.keep(Registry())
        self.docker = self.keep(Podman(self.home / "docker.sock", {"app": "web"}))
        self.server_ = self.server().start()
        plugin = f'WorkloadAttestor "docker" {{ plugin_data {{\ndocker_socket_path = "unix://{self.docker.path}"\n{self.block(*keys)}\n}} }}'
        self.agent_ = self.agent(self.server_, workload_attestor=plugin)
        for name, selector in {"label": "label:app:web", **SIGNED}.items():
            self.server_.create_entry(f"/{name}", selector=f"docker:{selector}")
        self.agent_.start("-joinToken", self.server_.token(), environment=self.environment())
        time.sleep(1.2)  # one sync of the agent

    def ids(self, *digests):
        """What a process gets in a container whose image the daemon knows by these digests."""
        self.docker.repo_digests = list(digests)
        done = self.keep(InnerCgroups("self", os.urandom(32).hex())).run([self.agent_.program, "api", "fetch", "x509", "-socketPath", self.agent_.socket, "-timeout", "40s"])
        return sorted(re.findall(r"SPIFFE ID:\s+\S+/(\S+)", done.stdout)), done.stdout + done.stderr

    def test_the_first_digest_of_an_image_that_verifies_counts(self):
        self.world()
        unsigned, signed = self.registry.image("unsigned"), self.registry.sign(self.sigstore, self.registry.image("app"))
        ids, out = self.ids(unsigned, signed)
        self.assertEqual(ids, sorted(["label", *SIGNED]), out + self.log()[-4000:])
        self.assertIn("Error verifying sigstore image signature", self.log())

    def test_an_image_that_is_not_signed_or_known_by_no_digest_is_refused(self):
        self.world()
        unsigned = self.registry.image("unsigned")
        for digests, text in (([], "sigstore signature verification failed: no repo digest found for image localhost/app:1"),
                              ([unsigned], "sigstore signature verification failed for image localhost/app:1: errors: "
                                           f"image_id {unsigned}: failed to verify signatures: no signatures found")):
            ids, out = self.ids(*digests)
            self.assertEqual(ids, [], out)
            self.assertIn("workload attestation failed", out)
            self.assertIn(text, self.log())


if __name__ == "__main__":
    unittest.main()
