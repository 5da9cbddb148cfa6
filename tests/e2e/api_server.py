"""A stand-in for a Kubernetes API server: TokenReview, pods, nodes, namespaces, ConfigMaps, webhooks and API services, watches of them, over TLS with client certificates and
bearer tokens, in the JSON and the words of a real one. It also makes the service account tokens it reviews."""
import base64
import http.server
import json
import pathlib
import re
import ssl
import subprocess
import threading
import time
import urllib.parse
import uuid

API_AUDIENCE = "https://kubernetes.default.svc"
POD_FACTS = "authentication.kubernetes.io/"


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def fields(message):
    """(number, value) of each length-delimited field of a protobuf message; the others are passed over."""
    def varint(at):
        value = shift = 0
        while True:
            value |= (message[at] & 127) << shift
            at, shift = at + 1, shift + 7
            if message[at - 1] < 128:
                return value, at
    at = 0
    while at < len(message):
        key, at = varint(at)
        size, at = varint(at)
        if key & 7 == 2:
            yield key >> 3, message[at:at + size]
            at += size


def review_of(body):
    """A TokenReview from JSON, or from Kubernetes protobuf as newer clients send it."""
    if not body.startswith(b"k8s\0"):
        return json.loads(body)
    review = dict(fields(dict(fields(body[4:]))[2]))
    spec = list(fields(review[2]))
    return {"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {},
            "spec": {"token": dict(spec).get(1, b"").decode(), "audiences": [value.decode() for number, value in spec if number == 2]}}


def merged(target, patch):
    """A strategic merge of objects whose lists are merged by `name`."""
    if isinstance(target, list) and isinstance(patch, list) and all(isinstance(item, dict) and "name" in item for item in patch):
        rest = {item["name"]: item for item in patch}
        return [merged(item, rest.pop(item["name"], {})) for item in target] + list(rest.values())
    if not (isinstance(target, dict) and isinstance(patch, dict)):
        return patch
    result = {key: value for key, value in target.items() if patch.get(key, value) is not None}
    for key, value in patch.items():
        if value is not None:
            result[key] = merged(target[key], value) if key in target else value
    return result


class ApiServer:
    """`rights` maps a user to the (verb, resource) pairs it may use; a user is a client certificate's common name or a bearer token's owner."""

    def __init__(self, home, port=0):
        self.home = pathlib.Path(home)
        self.home.mkdir(parents=True, exist_ok=True)
        self.lock = threading.Lock()
        self.version = 1000
        self.objects = {}  # path -> object
        self.events = []  # (version, type, path, object), oldest first
        self.changed = threading.Condition(self.lock)
        self.expired = 0  # a watch from this version or before is 410 Gone
        self.tokens = {}  # service account token -> what it says
        self.users = {}  # bearer token of a caller -> user
        self.rights = {"spire-server": {("create", "tokenreviews"), ("get", "pods"), ("get", "nodes"), ("get", "configmaps"), ("patch", "configmaps"),
                                        ("create", "configmaps"), ("list", "mutatingwebhookconfigurations"), ("patch", "mutatingwebhookconfigurations"),
                                        ("list", "validatingwebhookconfigurations"), ("patch", "validatingwebhookconfigurations"), ("list", "apiservices"),
                                        ("patch", "apiservices"), ("watch", "mutatingwebhookconfigurations"),
                                        ("watch", "validatingwebhookconfigurations"), ("watch", "apiservices")},
                       "spire-agent": {(verb, "namespaces") for verb in ("get", "list", "watch")}}
        self.requests = []  # (method, path, body)
        self.before_patch = None  # called once before the next patch is judged
        self.answer = None  # (status, body) for everything
        self.going = threading.Event()  # clear: requests are taken, and nothing is answered
        self.going.set()
        self.make_certificates()
        self.port = port
        self.server = None
        self.start()

    def make_certificates(self):
        ec = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        home = self.home
        openssl("req", "-x509", *ec, "-days", "2", "-subj", "/CN=kubernetes", "-keyout", home / "ca.key", "-out", home / "ca.crt")
        (home / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        for name in ("apiserver", "spire-server"):
            openssl("req", "-new", *ec, "-subj", f"/CN={name}", "-keyout", home / f"{name}.key", "-out", home / f"{name}.csr")
            openssl("x509", "-req", "-in", home / f"{name}.csr", "-CA", home / "ca.crt", "-CAkey", home / "ca.key", "-CAcreateserial", "-days", "2",
                    "-extfile", home / "names", "-out", home / f"{name}.crt")

    def start(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.home / "apiserver.crt", self.home / "apiserver.key")
        context.load_verify_locations(self.home / "ca.crt")
        context.verify_mode = ssl.CERT_OPTIONAL

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # a client that breaks its handshake off

        self.server = Server(("127.0.0.1", self.port), handler_of(self))
        self.server.open = []
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def stop(self):
        """Away, its connections with it; start() brings it back on the same port."""
        if not self.server:
            return
        self.going.set()
        self.server.shutdown()
        self.server.server_close()
        for connection in list(self.server.open):
            try:
                connection.shutdown(2)
            except OSError:
                pass
        self.server = None

    # What the cluster holds.

    def put(self, path, value):
        with self.lock:
            self.version += 1
            metadata = value.setdefault("metadata", {})
            metadata.setdefault("uid", str(uuid.uuid4()))
            metadata.update(name=path.rsplit("/", 1)[1], resourceVersion=str(self.version))
            self.tell("MODIFIED" if path in self.objects else "ADDED", path, value)
            self.objects[path] = value
            return value

    def tell(self, what, path, value):
        self.events.append((self.version, what, path, json.loads(json.dumps(value))))
        self.changed.notify_all()

    def remove(self, path):
        with self.lock:
            self.version += 1
            self.tell("DELETED", path, self.objects.pop(path))

    def expire(self):
        """Every watch is told 410 Gone, once."""
        with self.lock:
            self.version += 1
            self.expired = self.version
            self.changed.notify_all()

    def object(self, path):
        with self.lock:
            return self.objects.get(path)

    def put_node(self, name, labels=None):
        return self.put(f"/api/v1/nodes/{name}", {"kind": "Node", "apiVersion": "v1", "metadata": {"labels": labels or {}}})

    def put_namespace(self, name, **labels):
        return self.put(f"/api/v1/namespaces/{name}", {"kind": "Namespace", "apiVersion": "v1", "metadata": {"labels": labels}, "spec": {"finalizers": ["kubernetes"]}})

    def put_pod(self, name, namespace="spire", node="node-1", labels=None):
        return self.put(f"/api/v1/namespaces/{namespace}/pods/{name}", {
            "kind": "Pod", "apiVersion": "v1", "metadata": {"namespace": namespace, "labels": labels or {}}, "spec": {"nodeName": node},
            "status": {"hostIP": "192.0.2.10"}})

    def bundle(self, namespace="spire", name="spire-bundle", key="bundle.crt"):
        found = self.object(f"/api/v1/namespaces/{namespace}/configmaps/{name}")
        return (found or {}).get("data", {}).get(key, "")

    def token(self, account="spire:spire-agent", audiences=(API_AUDIENCE,), pod=None, seconds=3600):
        """A token of that account, bound to that pod object."""
        claims = {"sub": f"system:serviceaccount:{account}", "aud": list(audiences), "exp": int(time.time()) + seconds, "jti": str(uuid.uuid4())}
        parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "RS256"}, claims)]
        token = ".".join([*parts, "c2lnbmF0dXJl"])
        self.tokens[token] = {**claims, "pod": pod}
        return token

    def kubeconfig(self, path, **user):
        """A kubeconfig by the client certificate `spire-server`, or by the given fields of the user."""
        user = user or {"client-certificate": str(self.home / "spire-server.crt"), "client-key": str(self.home / "spire-server.key")}
        lines = "".join(f"    {key}: {json.dumps(value)}\n" for key, value in user.items())
        pathlib.Path(path).write_text(f'''apiVersion: v1
kind: Config
current-context: kind-kind
contexts:
- name: kind-kind
  context: {{cluster: kind, user: spire-server}}
clusters:
- name: kind
  cluster:
    server: https://127.0.0.1:{self.port}
    certificate-authority-data: {base64.b64encode((self.home / "ca.crt").read_bytes()).decode()}
users:
- name: spire-server
  user:
{lines}''')
        return path

    def in_pod(self, folder, token, program):
        """A script that runs the program as a pod of this cluster: a /run of its own with an account's token and the authority, and the addresses of the API server."""
        account = pathlib.Path(folder) / "account"
        account.mkdir()
        (account / "ca.crt").write_bytes((self.home / "ca.crt").read_bytes())
        (account / "token").write_text(token)
        script = pathlib.Path(folder) / "in-pod"
        script.write_text(f'''#!/bin/sh
exec unshare --mount --propagation private sh -c 'mount -t tmpfs pod /run && mkdir -p /run/secrets/kubernetes.io && cp -r {account} /run/secrets/kubernetes.io/serviceaccount &&
  KUBERNETES_SERVICE_HOST=127.0.0.1 KUBERNETES_SERVICE_PORT={self.port} exec {program} "$@"' {program.name} "$@"
''')
        script.chmod(0o755)
        return script

    # What it answers.

    def review(self, spec):
        wanted = spec.get("audiences") or [API_AUDIENCE]
        known = self.tokens.get(spec.get("token", "").strip())
        if not known:
            return {"user": {}, "error": "invalid bearer token"}
        if known["exp"] <= time.time():
            return {"user": {}, "error": "[invalid bearer token, service account token has expired]"}
        audiences = [audience for audience in known["aud"] if audience in wanted]
        if not audiences:
            got, asked = (json.dumps(items).replace(", ", " ") for items in (known["aud"], wanted))
            return {"user": {}, "error": f"[invalid bearer token, token audiences {got} is invalid for the target audiences {asked}]"}
        namespace = known["sub"].split(":")[2]
        user = {"username": known["sub"], "uid": str(uuid.uuid4()), "groups": ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]}
        if known["pod"]:
            metadata = known["pod"]["metadata"]
            user["extra"] = {POD_FACTS + "pod-name": [metadata["name"]], POD_FACTS + "pod-uid": [metadata["uid"]]}
        return {"authenticated": True, "user": user, "audiences": audiences}

    def user_of(self, headers, certificate):
        """The caller's name; None for credentials that nobody has."""
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        if scheme == "Bearer":
            return self.users.get(token)
        if certificate:
            return dict(pair for part in certificate["subject"] for pair in part)["commonName"]
        return "system:anonymous"

    def respond(self, method, target, headers, body, certificate):
        if self.answer:
            return self.answer
        url = urllib.parse.urlsplit(target)
        user = self.user_of(headers, certificate)
        if user is None:
            return 401, status_object("Unauthorized", "Unauthorized", 401)
        resource, name, namespace = parts_of(url.path)
        group = url.path.split("/")[2] if url.path.startswith("/apis/") else ""
        query = urllib.parse.parse_qs(url.query)
        verb = {"POST": "create", "PATCH": "patch"}.get(method, "get" if name else "watch" if "watch" in query else "list")
        if url.path in DISCOVERY:
            return 200, DISCOVERY[url.path]
        if (verb, resource) not in self.rights.get(user, ()):
            what = f'{resource}{"." + group if group else ""}{f" {json.dumps(name)}" if name else ""} is forbidden: User "{user}" cannot {verb} resource "{resource}"'
            where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
            return 403, status_object(f'{what} in API group "{group}" {where}', "Forbidden", 403)
        if resource == "tokenreviews":
            review = review_of(body)
            return 201, {**review, "status": self.review(review["spec"])}
        if verb == "watch":
            return 200, self.watch(url.path, query, "as=Partial" in headers.get("Accept", ""))
        status, answer = self.store(verb, url, resource, name, body, headers)
        return status, partial(answer) if status == 200 and "as=Partial" in headers.get("Accept", "") else answer

    def watch(self, path, query, metadata_only):
        """The events after the version, until the time is over or the server stops."""
        seen, end, server = int(query["resourceVersion"][0]), time.monotonic() + int(query["timeoutSeconds"][0]), self.server
        while time.monotonic() < end and self.server is server:
            with self.lock:
                self.changed.wait_for(lambda: self.version > seen or self.expired > seen, 0.1)
                if self.expired > seen:
                    yield {"type": "ERROR", "object": status_object(f"too old resource version: {seen} ({self.version})", "Expired", 410)}
                    return
                news = [event for event in self.events if event[0] > seen]
                seen = self.version
            for _, what, changed, value in news:
                if changed.rsplit("/", 1)[0] == path and selected(value, query):
                    yield {"type": what, "object": partial(value) if metadata_only else value}

    def store(self, verb, url, resource, name, body, headers):
        if verb == "list":
            query = urllib.parse.parse_qs(url.query)
            with self.lock:
                items = [item for path, item in self.objects.items() if path.rsplit("/", 1)[0] == url.path and selected(item, query)]
                return 200, {"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": str(self.version)}, "items": items}
        if verb == "create":
            created = json.loads(body)
            path = f'{url.path}/{created["metadata"]["name"]}'
            if path in self.objects:
                return 409, status_object(f'{resource} "{created["metadata"]["name"]}" already exists', "AlreadyExists", 409)
            return 201, self.put(path, created)
        if verb == "patch" and self.before_patch:
            action, self.before_patch = self.before_patch, None
            action()
        found = self.object(url.path)
        if not found:
            return 404, status_object(f'{resource} "{name}" not found', "NotFound", 404)
        if verb == "get":
            return 200, found
        if headers.get("Content-Type") != "application/strategic-merge-patch+json":
            return 415, status_object("the body of the request was in an unknown format", "UnsupportedMediaType", 415)
        patch = json.loads(body)
        if patch["metadata"].get("resourceVersion") != found["metadata"]["resourceVersion"]:
            return 409, status_object(f'Operation cannot be fulfilled on {resource} "{name}": the object has been modified; please apply your changes to the '
                                      "latest version and try again", "Conflict", 409)
        return 200, self.put(url.path, merged(found, patch))


DISCOVERY = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": [
        {"name": "namespaces", "singularName": "namespace", "namespaced": False, "kind": "Namespace", "verbs": ["get", "list", "watch"]}]}}


def selected(item, query):
    label, _, value = query.get("labelSelector", [""])[0].partition("=")
    return not label or item["metadata"].get("labels", {}).get(label) == value


def partial(value):
    """The metadata of an object, or of a list's."""
    if "items" in value:
        return {**value, "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "items": [partial(item) for item in value["items"]]}
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": value["metadata"]}


def parts_of(path):
    """(resource, name or None, namespace or None)."""
    rest = re.sub(r"^/(api/v1|apis/[^/]+/[^/]+)/", "", path).split("/")
    namespace = None
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    return rest[0], rest[1] if len(rest) > 1 else None, namespace


def status_object(message, reason, code):
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason, "code": code}


def handler_of(api):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self):
            self.server.open.append(self.request)
            self.request.do_handshake()
            super().setup()

        def finish(self):
            super().finish()
            self.server.open.remove(self.request)

        def answer(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            api.requests.append((self.command, self.path, body))
            api.going.wait(60)
            status, answer = api.respond(self.command, self.path, self.headers, body, self.request.getpeercert())
            if not isinstance(answer, (bytes, dict)):
                return self.stream(answer)
            text = answer if isinstance(answer, bytes) else json.dumps(answer, separators=(",", ":")).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def stream(self, events):
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for event in events:
                text = json.dumps(event, separators=(",", ":")).encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
            self.wfile.write(b"0\r\n\r\n")

        do_GET = do_POST = do_PATCH = answer

        def log_message(self, *_):
            pass

    return Handler
