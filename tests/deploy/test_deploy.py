"""What deploy/ ships is well-formed and says what it should: manifests, roles, configurations, seccomp profile, unit, image tree."""
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
KUBERNETES = ROOT / "deploy/kubernetes"
AGENT = pathlib.Path(os.environ["STEEPLE_BIN"]) / "steeple-agent"
PROGRAM = "/opt/spire/bin/spire-agent"


def documents(name):
    return list(yaml.safe_load_all((KUBERNETES / name).read_text()))


def every_document():
    return [(path.name, document) for path in sorted(KUBERNETES.glob("*.yaml")) for document in documents(path.name)]


def of_kind(kind):
    return [(name, document) for name, document in every_document() if document["kind"] == kind]


def pods():
    return [(name, document["spec"]["template"]["spec"]) for kind in ("DaemonSet", "Job") for name, document in of_kind(kind)]


def validate(text):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "agent.conf"
        path.write_text(text)
        return subprocess.run([AGENT, "validate", "-config", path], capture_output=True, text=True, env={**os.environ, "KUBELET_ADDR": "node-1"})


def refused_attestor(done):
    """Whether this version refuses the file for its node attestor, by name; everything else in it has to stand."""
    return re.search(r'NodeAttestor "k8s_p?sat" is not available in this version of Steeple', done.stdout + done.stderr)


class Manifests(unittest.TestCase):
    def test_every_document_has_its_type_and_name(self):
        for name, document in every_document():
            for key in ("apiVersion", "kind"):
                self.assertIn(key, document, name)
            self.assertRegex(document["metadata"]["name"], r"^[a-z0-9.-]+$", name)

    def test_every_mount_has_its_volume(self):
        for name, pod in pods():
            volumes = {volume["name"] for volume in pod["volumes"]}
            for container in pod["containers"]:
                mounts = [mount["name"] for mount in container["volumeMounts"]]
                self.assertEqual(set(mounts), volumes, name)
                self.assertEqual(len(mounts), len(set(mounts)), name)

    def test_pods_are_confined(self):
        for name, pod in pods():
            self.assertEqual(pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"}, name)
            for container in pod["containers"]:
                context = container["securityContext"]
                self.assertTrue(context["readOnlyRootFilesystem"], name)
                self.assertFalse(context["allowPrivilegeEscalation"], name)
                self.assertEqual(context["capabilities"], {"drop": ["ALL"]}, name)

    def test_the_agent_sees_its_callers_and_writes_only_where_a_volume_is(self):
        for name, document in of_kind("DaemonSet"):
            pod = document["spec"]["template"]["spec"]
            self.assertTrue(pod["hostPID"] and pod["hostNetwork"], name)
            container = pod["containers"][0]
            self.assertEqual(container["args"], ["-config", "/run/spire/config/agent.conf"])
            self.assertNotIn("command", container)
            config = self.config_of(name)
            writable = [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
            for key in ("data_dir", "socket_path"):
                path = re.search(rf'{key} = "([^"]+)"', config).group(1)
                self.assertTrue(any(path.startswith(folder) for folder in writable), f"{name}: {path}")
            bundle = re.search(r'trust_bundle_path = "([^"]+)"', config).group(1)
            self.assertTrue(any(bundle.startswith(mount["mountPath"]) for mount in container["volumeMounts"]), name)
            command = container["readinessProbe"]["exec"]["command"]
            self.assertEqual(command[:3], [PROGRAM, "healthcheck", "-socketPath"])
            self.assertIn(f'socket_path = "{command[3]}"', config)

    def test_psat_has_its_token(self):
        for name, document in of_kind("DaemonSet"):
            sources = [source["serviceAccountToken"] for volume in document["spec"]["template"]["spec"]["volumes"] for source in volume.get("projected", {}).get("sources", [])]
            expected = [{"path": "spire-agent", "audience": "spire-server", "expirationSeconds": 7200}] if "k8s_psat" in self.config_of(name) else []
            self.assertEqual(sources, expected, name)

    def test_clients_mount_what_the_agents_serve(self):
        hosts = {name: {volume["hostPath"]["path"] for volume in pod["volumes"] if "hostPath" in volume} for name, pod in pods()}
        self.assertEqual(hosts["client.yaml"], hosts["agent-k8s-sat.yaml"])
        self.assertEqual(hosts["client.yaml"], hosts["agent-k8s-psat.yaml"])
        self.assertEqual([volume["csi"] for volume in dict(pods())["client-csi.yaml"]["volumes"]], [{"driver": "csi.spiffe.io", "readOnly": True}])

    def test_roles_are_the_least_that_work(self):
        rules = {(name, document["metadata"]["name"]): document["rules"] for kind in ("Role", "ClusterRole") for name, document in of_kind(kind)}
        self.assertEqual(rules, {
            ("base.yaml", "spire-agent"): [{"apiGroups": [""], "resources": ["nodes/pods"], "verbs": ["get"]}],
            ("rbac-before-1.33.yaml", "spire-agent"): [{"apiGroups": [""], "resources": ["nodes/proxy"], "verbs": ["get"]}],
            ("rbac-namespace-labels.yaml", "spire-agent-namespaces"): [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list", "watch"]}],
            ("server-rbac.yaml", "spire-server"): [{"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
                                                   {"apiGroups": [""], "resources": ["pods", "nodes"], "verbs": ["get"]}],
            ("server-rbac.yaml", "spire-server-bundle"): [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["spire-bundle"], "verbs": ["get", "patch"]}]})

    def config_of(self, name):
        return next(document["data"]["agent.conf"] for document in documents(name) if document["kind"] == "ConfigMap")

    def test_the_agent_takes_the_configurations(self):
        checked = 0
        for name, document in of_kind("ConfigMap"):
            if "data" not in document:
                continue
            done = validate(document["data"]["agent.conf"])
            if refused_attestor(done):
                done = validate(re.sub(r'NodeAttestor "k8s_p?sat" \{\s*plugin_data \{[^}]*\}', 'NodeAttestor "join_token" { plugin_data {}', document["data"]["agent.conf"]))
            self.assertEqual((done.returncode, done.stdout.strip()), (0, "SPIRE agent configuration file is valid."), f"{name}: {done.stdout}{done.stderr}")
            checked += 1
        self.assertEqual(checked, 3)


class Chart(unittest.TestCase):
    def test_the_agent_takes_the_keys_that_the_helm_chart_writes(self):
        config = json.loads((ROOT / "tests/data/deploy/helm-agent.json").read_text())
        done = validate(json.dumps(config))
        # What this version does not have it refuses by name; without that, the rest has to stand.
        for section in ("telemetry", "health_checks"):
            if re.search(rf"{section}\.\w+ is not available in this version of Steeple", done.stdout + done.stderr):
                del config[section]
                done = validate(json.dumps(config))
        if refused_attestor(done):
            config["plugins"]["NodeAttestor"] = [{"join_token": {"plugin_data": {}}}]
            done = validate(json.dumps(config))
        self.assertEqual((done.returncode, done.stdout), (0, "SPIRE agent configuration file is valid.\n"), done.stderr)


class Profile(unittest.TestCase):
    def test_it_admits_exactly_the_ring_calls_beside_the_runtime_s(self):
        profile = json.loads((KUBERNETES / "seccomp-io-uring.json").read_text())
        self.assertEqual(profile["defaultAction"], "SCMP_ACT_ERRNO")
        self.assertEqual(profile["syscalls"][0], {"names": ["io_uring_enter", "io_uring_register", "io_uring_setup"], "action": "SCMP_ACT_ALLOW"})
        allowed = [name for rule in profile["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" and "args" not in rule for name in rule["names"]]
        self.assertEqual(len(allowed), len(set(allowed)))
        for forbidden in ("bpf", "mount", "setns", "unshare", "kexec_load", "init_module", "open_by_handle_at", "perf_event_open"):
            self.assertNotIn(forbidden, allowed)


class ImageTree(unittest.TestCase):
    def test_the_program_runs_in_the_tree_alone(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder) / "image"
            subprocess.run([ROOT / "deploy/image-root", AGENT, root], check=True)
            for directory in ("opt/spire/bin", "etc/spire/agent", "run/spire/agent/public", "tmp/spire-agent/public", "var/lib/spire/agent"):
                self.assertTrue((root / directory).is_dir(), directory)
            self.assertTrue((root / "etc/ssl/certs/ca-certificates.crt").read_text().startswith("-----BEGIN CERTIFICATE-----"))
            self.assertEqual((root / "usr/bin/steeple-agent").readlink(), pathlib.Path("../../opt/spire/bin/spire-agent"))
            self.assertFalse((root / "bin/sh").exists())
            refused = subprocess.run([ROOT / "deploy/image-root", AGENT, root], capture_output=True, text=True)
            self.assertEqual(refused.returncode, 1)
            self.assertIn("is not empty", refused.stderr)

    def test_the_dockerfile_ships_that_tree(self):
        final = (ROOT / "deploy/Dockerfile").read_text().rsplit("FROM ", 1)[1].splitlines()
        self.assertEqual(final, ["scratch", "COPY --from=build /image/ /", "ENV PATH=/opt/spire/bin:/usr/bin:/bin", "WORKDIR /opt/spire", "USER 0:0",
                                 f'ENTRYPOINT ["{PROGRAM}", "run"]'])


if __name__ == "__main__":
    unittest.main(verbosity=2)
