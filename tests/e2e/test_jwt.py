"""JWT-SVIDs end to end: fetched, validated, renewed, through rotation and tainting of the authority, with the server away."""
import base64
import concurrent.futures
import json
import os
import re
import struct
import subprocess
import time
import unittest

import tokens
from harness import AGENT_KIND, PATIENCE, Server, Suite, TRUST_DOMAIN, wait_until
from tokens import part

SERVICE = "http://localhost/SpiffeWorkloadAPI/"
OTHER_USER = 65534


def encode(value):
    return base64.urlsafe_b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).rstrip(b"=").decode()


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field(number, text):
    data = text if isinstance(text, bytes) else text.encode()
    return bytes([number << 3 | 2]) + varint(len(data)) + data


class Partner(Server):
    """A server of another trust domain."""

    def write_config(self):
        super().write_config()
        config = self.home / "server.conf"
        config.write_text(config.read_text().replace(f'trust_domain = "{TRUST_DOMAIN}"', 'trust_domain = "partner.test"'))


class Jwt(Suite):
    def pair(self, name="/workload", *entry, server_settings=None, **agent_settings):
        server, agent = self.running_pair(server_settings, **agent_settings)
        server.create_entry(name, *entry)
        agent.wait_for_ids([name])
        return server, agent

    def run_api(self, agent, *words, user=None):
        return tokens.run_api(agent, *words, user=user, group=user, extra_groups=[] if user is not None else None)

    def fetch(self, agent, audience="db", *extra):
        return tokens.fetch(agent, audience, *extra)

    def validate(self, agent, token, audience="db", user=None):
        return self.run_api(agent, "validate jwt", "-audience", audience, "-svid", token, user=user)

    def call(self, agent, method, message, wait="20", size=None):
        """What comes back, headers and all; `size` is what the prefix says of a message of another size."""
        body = self.home / f"request-{method}"
        body.write_bytes(b"\0" + struct.pack(">I", size or len(message)) + message)
        done = subprocess.run(["curl", "-sS", "--max-time", wait, "--http2-prior-knowledge", "--unix-socket", agent.socket, "-D", "-",
                               "-H", "content-type: application/grpc", "-H", "te: trailers", "-H", "workload.spiffe.io: true",
                               "--data-binary", f"@{body}", SERVICE + method], capture_output=True)
        return done.stdout

    def test_tokens_are_fetched_cached_and_valid(self):
        admin = self.home / "admin.sock"
        server, agent = self.pair("/workload", "-jwtSVIDTTL", "120", admin_socket_path=admin)
        (token,), kids = self.fetch(agent, "db,web")
        header, claims = part(token, 0), part(token, 1)
        self.assertEqual((header["alg"], header["typ"]), ("ES256", "JWT"))
        self.assertIn(header["kid"], kids)
        self.assertEqual(claims["sub"], f"spiffe://{TRUST_DOMAIN}/workload")
        self.assertEqual(claims["aud"], ["db", "web"])
        self.assertEqual(claims["exp"] - claims["iat"], 120)
        self.assertEqual(self.fetch(agent, "web,db")[0], [token])  # the same set
        self.assertNotEqual(self.fetch(agent, "web")[0], [token])
        known = subprocess.run([agent.program, "debug", "getinfo", "-socketPath", admin, "-output", "json"], capture_output=True, text=True, check=True)
        self.assertEqual(json.loads(known.stdout)["cached_jwt_svids_count"], 2)
        for audience in ("db", "web"):
            done = self.validate(agent, token, audience)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(f"SPIFFE ID : spiffe://{TRUST_DOMAIN}/workload\n", done.stdout)
        self.assertEqual(self.validate(agent, token, user=OTHER_USER).returncode, 0)  # no identity is needed
        self.assertIn('expected audience in ["other"] (audience=["db" "web"])', self.validate(agent, token, "other").stderr)
        minted = server.command("jwt mint", "-spiffeID", f"spiffe://{TRUST_DOMAIN}/minted", "-audience", "db", "-ttl", "60s").stdout.strip()
        self.assertIn("/minted", self.validate(agent, minted).stdout)

    def test_hints_identities_and_the_wish_for_a_jti(self):
        server, agent = self.pair("/one", "-hint", "a")
        server.create_entry("/two", "-hint", "b")
        server.create_entry("/jti", "-jwtSVIDIncludeJTI")
        agent.wait_for_ids(["/one", "/two", "/jti"])
        self.assertEqual(len(self.fetch(agent)[0]), 3)
        only, _ = self.fetch(agent, "db", "-spiffeID", f"spiffe://{TRUST_DOMAIN}/two")
        self.assertEqual([part(token, 1)["sub"] for token in only], [f"spiffe://{TRUST_DOMAIN}/two"])
        unknown = self.run_api(agent, "fetch jwt", "-audience", "db", "-spiffeID", f"spiffe://{TRUST_DOMAIN}/none")
        self.assertEqual(unknown.stderr, "rpc error: code = PermissionDenied desc = no identity issued\n")
        self.assertEqual(self.run_api(agent, "fetch jwt", "-audience", "db", user=OTHER_USER).stderr,
                         "rpc error: code = PermissionDenied desc = no identity issued\n")
        self.assertIn("invalid JWT-SVID audience: cannot be empty", self.run_api(agent, "fetch jwt", "-audience", "").stderr)
        with_jti = [self.fetch(agent, "db", "-spiffeID", f"spiffe://{TRUST_DOMAIN}/jti")[0][0] for _ in range(2)]
        if AGENT_KIND == "steeple":  # SPIRE's agent 1.15.3 loses the entry's wish on the way to its cache
            self.assertNotEqual(part(with_jti[0], 1)["jti"], part(with_jti[1], 1)["jti"])

    def test_a_token_of_a_federated_trust_domain(self):
        server, agent = self.pair()
        partner = self.keep(Partner(self.home / "partner")).start()
        token = partner.command("jwt mint", "-spiffeID", "spiffe://partner.test/a", "-audience", "db").stdout.strip()
        self.assertIn('no keys found for trust domain "partner.test"', self.validate(agent, token).stderr)
        (self.home / "partner.json").write_text(partner.command("bundle show", "-format", "spiffe").stdout)
        server.command("bundle set", "-id", "spiffe://partner.test", "-path", self.home / "partner.json", "-format", "spiffe")
        server.create_entry("/federated", "-federatesWith", "spiffe://partner.test")
        wait_until(lambda: self.validate(agent, token).returncode == 0, 20, "a federated token is not valid")
        shown = self.validate(agent, token).stdout
        self.assertIn("SPIFFE ID : spiffe://partner.test/a\n", shown)
        self.assertNotIn('"iat"', shown)  # of a foreign token only what is allowed
        done = self.run_api(agent, "fetch jwt", "-audience", "db", "-output", "json")
        self.assertEqual(sorted(json.loads(done.stdout)[1]["bundles"]), ["spiffe://example.org", "spiffe://partner.test"])
        self.assertIn('no keys found for trust domain "partner.test"', self.validate(agent, token, user=OTHER_USER).stderr)

    def test_the_authority_is_rotated_tainted_and_revoked(self):
        server, agent = self.pair()
        (old,), kids = self.fetch(agent)
        prepared = tokens.prepare_authority(server, agent)
        self.assertEqual(self.fetch(agent)[0], [old])
        server.command("localauthority jwt activate", "-authorityID", prepared)
        (fresh,), _ = self.fetch(agent, "another")
        self.assertEqual(part(fresh, 0)["kid"], prepared)
        self.assertEqual(self.validate(agent, old).returncode, 0)  # the old key is still in the bundle
        old_key = part(old, 0)["kid"]
        server.command("localauthority jwt taint", "-authorityID", old_key)
        wait_until(lambda: part(self.fetch(agent)[0][0], 0)["kid"] == prepared, 15, "the token of the tainted authority is still given out")
        self.assertIn("issued by a tainted authority", agent.process.log())
        self.assertEqual(self.validate(agent, old).returncode, 0)
        server.command("localauthority jwt revoke", "-authorityID", old_key)
        wait_until(lambda: self.validate(agent, old).returncode != 0, 15, "a token of the revoked authority is still valid")
        self.assertIn(f'public key "{old_key}" not found in trust domain "{TRUST_DOMAIN}"', self.validate(agent, old).stderr)

    def test_renewal_and_an_absent_server(self):
        server, agent = self.pair("/workload", "-jwtSVIDTTL", "16")
        (first,), _ = self.fetch(agent)
        # Renewed in the background after 7 to 9 s; a caller gets the next one at once.
        wait_until(lambda: self.fetch(agent)[0] != [first], 25, "the token is not renewed at half of its life")
        (second,), _ = self.fetch(agent)
        server.stop()
        started = time.monotonic()
        self.assertEqual(self.fetch(agent)[0], [second])
        done = self.run_api(agent, "fetch jwt", "-audience", "uncached", "-timeout", "40s")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"^rpc error: code = Unavailable desc = could not fetch JWT-SVID: failed to fetch JWT SVID: rpc error: code = Unavailable ")
        self.assertLess(time.monotonic() - started, 35 * PATIENCE)
        self.assertEqual(self.validate(agent, second).returncode, 0)
        server.start()
        wait_until(lambda: self.run_api(agent, "fetch jwt", "-audience", "uncached").returncode == 0, 30, "no token after the server came back")

    def test_bad_tokens_get_a_clear_answer(self):
        server, agent = self.pair()
        (good,), _ = self.fetch(agent)
        header, claims, signature = part(good, 0), part(good, 1), good.split(".")[2]
        with_header = lambda **changed: f"{encode({**header, **changed})}.{encode(claims)}.{signature}"
        nested = b"[" * 20000 + b"]" * 20000
        steeple_only = () if AGENT_KIND != "steeple" else (
            (f"{encode(header)}.{encode(nested)}.{signature}", "exceeded max depth"),
            ("x" * 1_100_000, "larger than 1048576 bytes"), ("x" * 4_000_000, "larger than 1048576 bytes"))
        for token, text in ((with_header(alg="none"), 'unexpected signature algorithm "none"'),
                            (with_header(kid="nope"), 'public key "nope" not found in trust domain'),
                            (with_header(alg="RS256"), "error in cryptographic primitive"),
                            (f"{encode(header)}.{encode({**claims, 'sub': 'spiffe://other.test/a'})}.{signature}", 'no keys found for trust domain "other.test"'),
                            (f"{encode(header)}.{encode({**claims, 'exp': 1})}.{signature}", "error in cryptographic primitive"),
                            (f"{encode(header)}.{encode(json.dumps(claims)[:-1].encode() + b',' + json.dumps(claims)[1:].encode())}.{signature}",
                             "json: duplicate key 'aud' in object"),
                            ("a.b", "compact JWS format must have three parts"), *steeple_only):
            answer = self.call(agent, "ValidateJWTSVID", field(1, "db") + field(2, token)).decode(errors="replace")
            self.assertIn("grpc-status: 3", answer, token[:80])
            self.assertIn(text, answer)
        self.assertIn(b"grpc-status: 13", self.call(agent, "ValidateJWTSVID", b"\xff"))
        self.assertIn(b"grpc-status: 8", self.call(agent, "ValidateJWTSVID", b"", size=4 * 1024 * 1024 + 1))
        many = b"".join(field(1, f"audience-{number}") for number in range(10_000))
        self.assertIn(b"grpc-status: ", self.call(agent, "FetchJWTSVID", many))
        self.assertIn(b"audience must be specified", self.call(agent, "FetchJWTSVID", b""))
        self.assertEqual(self.validate(agent, good).returncode, 0)

    def test_rate_limits_are_kept_by_caller(self):
        server, agent = self.pair(experimental='sync_interval = "1s" ratelimit { fetch_jwt_svid = 1 }')
        server.create_entry("/other", selector=f"unix:uid:{OTHER_USER}")
        agent.wait_for_ids(["/other"], user=OTHER_USER)
        answers = [self.call(agent, "FetchJWTSVID", field(1, "db")) for _ in range(6)]
        limited = [answer for answer in answers if b"rate limit exceeded for /SpiffeWorkloadAPI/FetchJWTSVID" in answer]
        self.assertTrue(limited)
        self.assertIn(b"grpc-status: 14", limited[0])
        self.assertIn(b"grpc-status: 0", answers[0])
        self.assertEqual(self.run_api(agent, "fetch jwt", "-audience", "db", user=OTHER_USER).returncode, 0)  # has its own
        self.assertEqual(agent.fetch()[0], 0)  # and so has each method

    def test_verifiers_without_an_identity_may_have_the_bundles(self):
        server, agent = self.running_pair(allow_unauthenticated_verifiers=True, jwt_svid_cache_max_size=5)
        server.create_entry("/elsewhere", selector="unix:uid:12345")
        with concurrent.futures.ThreadPoolExecutor() as streams:  # each stays open until its time is up
            answers = list(streams.map(lambda method: self.call(agent, method, b"", wait="3"), ("FetchJWTBundles", "FetchX509Bundles")))
        for answer in answers:
            self.assertIn(f"spiffe://{TRUST_DOMAIN}".encode(), answer)
            self.assertNotIn(b"grpc-status", answer)
        self.assertEqual(agent.fetch()[2], "rpc error: code = PermissionDenied desc = no identity issued")


if __name__ == "__main__":
    unittest.main()
