"""What agents asked their server for, from its Prometheus series: SPIRE Server's names, which the development server has, too, and those by which it tells callers apart."""
import re
import urllib.error
import urllib.request

from .errors import BenchError

METHODS = {"agent_v1_agent_attest_agent": "AttestAgent", "agent_v1_agent_renew_agent": "RenewAgent", "agent_v1_agent_post_status": "PostStatus",
           "entry_v1_entry_get_authorized_entries": "GetAuthorizedEntries", "entry_v1_entry_sync_authorized_entries": "SyncAuthorizedEntries",
           "svid_v1_svid_batch_new_x509svid": "BatchNewX509SVID", "svid_v1_svid_new_jwtsvid": "NewJWTSVID", "bundle_v1_bundle_get_bundle": "GetBundle",
           "bundle_v1_bundle_get_federated_bundle": "GetFederatedBundle"}
SERIES = re.compile(r"^spire_server_rpc_(\w+?)(_elapsed_time_sum|_elapsed_time_count|)\{[^}]*\} (\S+)$", re.M)
OF_CALLER = re.compile(r'^steeple_devserver_(calls|x509_svids)\{caller_id="(\w+)"(?:,method="(\w+)")?\} (\S+)$', re.M)
BEYOND_THE_LIMIT = "others"  # callers that the development server no longer tells apart
NOT_COUNTED = "not counted: several agents ran, and the server does not tell its callers apart"


def telemetry_block(port):
    """Of server.conf."""
    return f'telemetry {{ Prometheus {{ host = "localhost" port = {port} }} }}'


def label_of(spiffe_id):
    """As the server writes it."""
    return re.sub(r"[^0-9A-Za-z_]+_?", "_", spiffe_id)


class Reading:
    """The counters at a moment, of the methods that agents call."""

    def __init__(self, page=""):
        self.calls = {}  # method: [calls, milliseconds that the server took for them]
        self.by_caller = {}  # label: {method: calls}
        self.signed = {}  # label: X.509-SVIDs
        for name, kind, value in SERIES.findall(page):
            if name in METHODS and kind != "_elapsed_time_count":
                self.calls.setdefault(METHODS[name], [0.0, 0.0])[1 if kind else 0] += float(value)
        for what, caller, method, value in OF_CALLER.findall(page):
            if what == "x509_svids":
                self.signed[caller] = float(value)
            elif method in METHODS.values():
                self.by_caller.setdefault(caller, {})[method] = float(value)


def read(port):
    try:
        with urllib.request.urlopen(f"http://localhost:{port}/metrics", timeout=10) as answer:
            return Reading(answer.read().decode())
    except (urllib.error.URLError, OSError) as error:
        raise BenchError(f"the server's telemetry cannot be read: {error}") from None


def made(before, after):
    """{key: how many more}, where there are more."""
    return {key: int(count - before.get(key, 0)) for key, count in after.items() if count > before.get(key, 0)}


def calls_of_all(before, after):
    """{method: calls} between two readings."""
    return made({method: count for method, (count, _) in before.calls.items()}, {method: count for method, (count, _) in after.calls.items()})


def calls_of(before, after, caller):
    """The same of one caller, or None where the server does not tell."""
    if caller is None or made(before.by_caller.get(BEYOND_THE_LIMIT, {}), after.by_caller.get(BEYOND_THE_LIMIT, {})):
        return None
    label = label_of(caller)
    return made(before.by_caller.get(label, {}), after.by_caller.get(label, {}))


def milliseconds_each(before, after):
    """{method: the server's mean time for a call}"""
    out = {}
    for method, calls in calls_of_all(before, after).items():
        out[method] = round((after.calls[method][1] - before.calls.get(method, [0, 0])[1]) / calls, 4)
    return out


def signed_by(before, after, caller):
    """X.509-SVIDs that the server signed for a caller."""
    label = label_of(caller)
    return int(after.signed.get(label, 0) - before.signed.get(label, 0))
