"""gRPC reflection on the public socket, and not on the admin one."""
import unittest

from harness import Suite, grpc_call

METHOD = "/grpc.reflection.{}.ServerReflection/ServerReflectionInfo"
ALWAYS = ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"]


class Reflection(Suite):
    def check_services(self, agent, expected):
        for version in ("v1", "v1alpha"):
            answer = grpc_call(agent.socket, METHOD.format(version), b"\x3a\x01*", self.home)
            listed = b"".join(b"\n" + bytes([len(name) + 2]) + b"\n" + bytes([len(name)]) + name.encode() for name in expected)
            size = bytes([len(listed)]) if len(listed) < 128 else bytes([len(listed) & 127 | 128, len(listed) >> 7])
            self.assertIn(b"\x32" + size + listed, answer)
            self.assertIn(b"grpc-status: 0", answer)

    def test_services_and_files(self):
        _, agent = self.running_pair(admin_socket_path=self.home / "private" / "admin.sock")
        self.check_services(agent, ["SpiffeWorkloadAPI", "envoy.service.secret.v3.SecretDiscoveryService", *ALWAYS])
        answer = grpc_call(agent.socket, METHOD.format("v1"), b"\x22\x15grpc.health.v1.Health", self.home)
        self.assertIn(b"grpc/health/v1/health.proto", answer)
        self.assertIn(b"HealthCheckRequest", answer)
        admin = grpc_call(self.home / "private" / "admin.sock", METHOD.format("v1"), None, self.home)
        self.assertIn(b"grpc-status: 12\r\ngrpc-message: unknown service grpc.reflection.v1.ServerReflection", admin)

    def test_a_disabled_api_is_not_listed(self):
        _, agent = self.running_pair(disable_sds_api=True)
        self.check_services(agent, ["SpiffeWorkloadAPI", *ALWAYS])


if __name__ == "__main__":
    unittest.main()
