"""grpcurl as a user would run it by hand: without protocol files on the public socket, which describes itself, and with them on the admin socket."""
import json
import pathlib
import re
import subprocess
import unittest

from clients import GRPCURL, as_workload, selector, spiffe_id, wait_until_served
from harness import PATIENCE, Suite, TRUST_DOMAIN

PROTO = pathlib.Path(__file__).resolve().parents[2] / "agent" / "proto"
SDS = "envoy.service.secret.v3.SecretDiscoveryService"
# What SPIRE's agent lists: each service with its methods, their requests and responses.
METHODS = {
    "SpiffeWorkloadAPI": {
        "FetchJWTBundles": "( .JWTBundlesRequest ) returns ( stream .JWTBundlesResponse )",
        "FetchJWTSVID": "( .JWTSVIDRequest ) returns ( .JWTSVIDResponse )",
        "FetchWITBundles": "( .WITBundlesRequest ) returns ( stream .WITBundlesResponse )",
        "FetchWITSVID": "( .WITSVIDRequest ) returns ( stream .WITSVIDResponse )",
        "FetchX509Bundles": "( .X509BundlesRequest ) returns ( stream .X509BundlesResponse )",
        "FetchX509SVID": "( .X509SVIDRequest ) returns ( stream .X509SVIDResponse )",
        "ValidateJWTSVID": "( .ValidateJWTSVIDRequest ) returns ( .ValidateJWTSVIDResponse )",
    },
    SDS: {
        "DeltaSecrets": "( stream .envoy.service.discovery.v3.DeltaDiscoveryRequest ) returns ( stream .envoy.service.discovery.v3.DeltaDiscoveryResponse )",
        "FetchSecrets": "( .envoy.service.discovery.v3.DiscoveryRequest ) returns ( .envoy.service.discovery.v3.DiscoveryResponse )",
        "StreamSecrets": "( stream .envoy.service.discovery.v3.DiscoveryRequest ) returns ( stream .envoy.service.discovery.v3.DiscoveryResponse )",
    },
    "grpc.health.v1.Health": {
        "Check": "( .grpc.health.v1.HealthCheckRequest ) returns ( .grpc.health.v1.HealthCheckResponse )",
        "List": "( .grpc.health.v1.HealthListRequest ) returns ( .grpc.health.v1.HealthListResponse )",
        "Watch": "( .grpc.health.v1.HealthCheckRequest ) returns ( stream .grpc.health.v1.HealthCheckResponse )",
    },
    **{f"grpc.reflection.{version}.ServerReflection": {
        "ServerReflectionInfo": f"( stream .grpc.reflection.{version}.ServerReflectionRequest ) returns ( stream .grpc.reflection.{version}.ServerReflectionResponse )"}
       for version in ("v1", "v1alpha")},
}
# What SDS answers inside of google.protobuf.Any.
CONTAINED = [f"envoy.extensions.transport_sockets.tls.v3.{name}" for name in ("Secret", "SPIFFECertValidatorConfig")]
HEADER = ("-H", "workload.spiffe.io: true")
# Exit codes: 64 and the gRPC status.
INVALID_ARGUMENT, DEADLINE_EXCEEDED, PERMISSION_DENIED, UNIMPLEMENTED = 64 + 3, 64 + 4, 64 + 7, 64 + 12


def run(socket, flags, *words, name="nobody"):
    done = subprocess.run([GRPCURL, "-plaintext", *flags, f"unix://{socket}", *words], capture_output=True, text=True, timeout=60 * PATIENCE, **as_workload(name))
    return done.returncode, done.stdout, done.stderr


def documents(text):
    """The JSON values that follow one another."""
    found, at = [], 0
    while text[at:].strip():
        value, at = json.JSONDecoder().raw_decode(text, at + len(text[at:]) - len(text[at:].lstrip()))
        found.append(value)
    return found


class Grpcurl(Suite):
    def setUp(self):
        super().setUp()
        self.admin = self.home / "private" / "admin.sock"
        self.server_process, self.agent_process = self.running_pair(admin_socket_path=self.admin)
        self.socket = self.agent_process.socket

    def out(self, *words):
        code, out, err = run(self.socket, (), *words)
        self.assertEqual((code, err), (0, ""), words)
        return out

    def assert_refused(self, answer, code, name, text):
        self.assertEqual((answer[0], answer[2]), (code, f"ERROR:\n  Code: {name}\n  Message: {text}\n"))

    def test_every_service_method_and_message_is_described(self):
        self.assertEqual(self.out("list").split(), sorted(METHODS))
        for service, methods in METHODS.items():
            self.assertEqual(self.out("list", service).split(), [f"{service}.{method}" for method in methods])
            described = self.out("describe", service)
            self.assertIn(f"{service} is a service:\n", described)
            self.assertEqual(dict(re.findall(r"^  rpc (\w+) (.*?)(?:;| \{)$", described, re.M)), methods)
            for method, shape in methods.items():
                self.assertIn(f"{service}.{method} is a method:\nrpc {method} {shape}", self.out("describe", f"{service}.{method}"))
        for message in CONTAINED + sorted({name for methods in METHODS.values() for shape in methods.values() for name in re.findall(r"\.([\w.]+)", shape)}):
            self.assertIn(f"{message} is a message:\nmessage {message.split('.')[-1]} {{", self.out("describe", f".{message}"))
        code, _, err = run(self.socket, (), "describe", "nope.Nope")
        self.assertEqual((code, err), (1, 'Failed to resolve symbol "nope.Nope": Symbol not found: nope.Nope\n'))

    def test_calls(self):
        fetch = "SpiffeWorkloadAPI/FetchX509SVID"
        self.server_process.create_entry("/go", selector=selector("go"))
        wait_until_served(self.agent_process, "go")
        self.assert_refused(run(self.socket, (), fetch, name="go"), INVALID_ARGUMENT, "InvalidArgument", "security header missing from request")
        self.assert_refused(run(self.socket, HEADER, fetch), PERMISSION_DENIED, "PermissionDenied", "no identity issued")
        code, out, _ = run(self.socket, (*HEADER, "-max-time", str(3 * PATIENCE)), fetch, name="go")  # the stream stays open
        self.assertEqual(code, DEADLINE_EXCEEDED)
        (answer,) = documents(out)
        self.assertEqual([svid["spiffeId"] for svid in answer["svids"]], [spiffe_id("go")])
        code, out, _ = run(self.socket, (*HEADER, "-d", '{"audience": ["db"]}'), "SpiffeWorkloadAPI/FetchJWTSVID", name="go")
        self.assertEqual((code, documents(out)[0]["svids"][0]["spiffeId"]), (0, spiffe_id("go")))

        health = "grpc.health.v1.Health"
        self.assertEqual(run(self.socket, (), f"{health}/Check")[:2], (0, '{\n  "status": "SERVING"\n}\n'))
        self.assert_refused(run(self.socket, ("-d", '{"service": "x"}'), f"{health}/Check"), INVALID_ARGUMENT, "InvalidArgument", "per-service health is not supported")
        for method in ("Watch", "List"):
            self.assert_refused(run(self.socket, (), f"{health}/{method}"), UNIMPLEMENTED, "Unimplemented", f"method {method} not implemented")

        code, out, _ = run(self.socket, ("-d", '{"resource_names": ["ROOTCA"]}'), f"{SDS}/FetchSecrets")
        self.assertEqual(code, 0)
        (secret,) = documents(out)[0]["resources"]
        validator = secret["validationContext"]["customValidatorConfig"]
        self.assertEqual((secret["name"], validator["name"]), ("ROOTCA", "envoy.tls.cert_validator.spiffe"))
        self.assertEqual([domain["name"] for domain in validator["typedConfig"]["trustDomains"]], [TRUST_DOMAIN])

    def test_the_admin_socket_needs_the_files(self):
        for word in ("list", "describe"):
            code, _, err = run(self.admin, (), word)
            self.assertEqual((code, err), (1, "Failed to list services: server does not support the reflection API\n"))

        def call(service, method, *flags):
            package, _, name = service.rpartition(".")
            code, out, err = run(self.admin, ("-import-path", PROTO, "-proto", f"{package.replace('.', '/')}/{name.lower()}.proto", *flags), f"{service}/{method}")
            return (code, documents(out)[0]) if code == 0 else (code, err)
        logger = "spire.api.agent.logger.v1.Logger"
        self.assertEqual(call(logger, "GetLogger"), (0, {"currentLevel": "DEBUG", "launchLevel": "DEBUG"}))
        self.assertEqual(call(logger, "SetLogLevel", "-d", '{"new_level": "WARN"}')[1]["currentLevel"], "WARN")
        self.assertEqual(call(logger, "ResetLogLevel")[1]["currentLevel"], "DEBUG")
        chain = call("spire.agent.debug.v1.Debug", "GetInfo")[1]["svidChain"]
        self.assertEqual(chain[0]["id"]["trustDomain"], TRUST_DOMAIN)
        self.assertEqual(call("spire.api.agent.delegatedidentity.v1.DelegatedIdentity", "SubscribeToX509Bundles"), (PERMISSION_DENIED, "ERROR:\n  Code: PermissionDenied\n  Message: no identity issued\n"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
