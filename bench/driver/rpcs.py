"""What agents asked their server for, from its Prometheus series: SPIRE Server's names, which the development server has, too."""
import re
import urllib.error
import urllib.request

from .errors import BenchError

METHODS = {"agent_v1_agent_attest_agent": "AttestAgent", "agent_v1_agent_renew_agent": "RenewAgent", "agent_v1_agent_post_status": "PostStatus",
           "entry_v1_entry_get_authorized_entries": "GetAuthorizedEntries", "entry_v1_entry_sync_authorized_entries": "SyncAuthorizedEntries",
           "svid_v1_svid_batch_new_x509svid": "BatchNewX509SVID", "svid_v1_svid_new_jwtsvid": "NewJWTSVID", "bundle_v1_bundle_get_bundle": "GetBundle",
           "bundle_v1_bundle_get_federated_bundle": "GetFederatedBundle"}
SERIES = re.compile(r"^spire_server_rpc_(\w+?)(_elapsed_time_sum|_elapsed_time_count|)\{[^}]*\} (\S+)$", re.M)


def telemetry_block(port):
    """Of server.conf."""
    return f'telemetry {{ Prometheus {{ host = "localhost" port = {port} }} }}'


def parse(page):
    """{method: [calls, milliseconds that the server took for them]}, of the methods that agents call."""
    out = {}
    for name, kind, value in SERIES.findall(page):
        if name in METHODS and kind != "_elapsed_time_count":
            counted = out.setdefault(METHODS[name], [0.0, 0.0])
            counted[1 if kind else 0] += float(value)
    return out


def read(port):
    try:
        with urllib.request.urlopen(f"http://localhost:{port}/metrics", timeout=10) as answer:
            return parse(answer.read().decode())
    except (urllib.error.URLError, OSError) as error:
        raise BenchError(f"the server's telemetry cannot be read: {error}") from None


def difference(before, after):
    """(calls, mean milliseconds) between two readings, by method."""
    calls, each = {}, {}
    for method, (count, spent) in after.items():
        made, took = count - before.get(method, [0, 0])[0], spent - before.get(method, [0, 0])[1]
        if made > 0:
            calls[method], each[method] = int(made), round(took / made, 4)
    return calls, each
