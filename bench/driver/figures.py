"""The rows that are promised: what each measures, the target, and which agents meet it. Tables of bench/RESULTS.md and README.md are made from them."""
import html
import re

from .errors import BenchError
from .results import about, markdown

EPOLL_MAY_TAKE = 1.2  # of the target, which is meant for io_uring
NEW, KEPT = "X.509-SVID, a new connection each", "kept connections"
CPU, P50 = "agent CPU us/op", "p50 us"


class Row:
    """A figure and its limit. `variant` is a regular expression, `least` turns the limit round, `headline` is the row's title in the README, where it has one."""

    def __init__(self, title, scenario, variant, column, unit, limit=None, least=False, digits=1, headline="", server=None, statistic="median"):
        self.title, self.scenario, self.variant, self.column, self.unit, self.limit = title, scenario, re.compile(variant), column, unit, limit
        self.least, self.digits, self.headline, self.server, self.statistic = least, digits, headline, server, statistic

    def text(self, value):
        return f"{value:,.{self.digits}f}".replace(",", " ") + f" {self.unit}".rstrip()

    def target(self):
        return "" if self.limit is None else f"{'>=' if self.least else '<='} {self.limit:g} {self.unit}".rstrip()

    def met(self, value, epoll):
        if self.limit is None:
            return True
        room = EPOLL_MAY_TAKE if epoll else 1
        return value >= self.limit / room if self.least else value <= self.limit * room


def rows_of_pods():
    unknown = {50: 2, 110: 2.5, 250: 4, 500: 7}
    peak = {110: 30, 500: 40}
    for pods, limit in unknown.items():
        yield Row(f"Kubernetes, {pods} pods: known container, CPU above unix", "k8s", f"^{pods} pods, a known container, kept", "agent CPU us/op above unix", "us", 110, headline="CPU for a known container of 110 pods, above a process outside" if pods == 110 else "")
        yield Row(f"{pods} pods: known container, CPU of a call", "k8s", f"^{pods} pods, a known container, kept", CPU, "us", 200)
        yield Row(f"{pods} pods: known container, kubelet requests (list kept for 5 s, SPIRE Agent's for 0.5 s)", "k8s", f"^{pods} pods, a known container, kept", "kubelet requests", "", None, digits=0)
        yield Row(f"{pods} pods: known container, a call every 0.7 s, CPU", "k8s", f"^{pods} pods, a known container, a new", "agent CPU ms/call", "ms", digits=2)
        yield Row(f"{pods} pods: the same, kubelet requests for a call", "k8s", f"^{pods} pods, a known container, a new", "kubelet requests/call", "", digits=2)
        yield Row(f"{pods} pods: unknown container, CPU of a kubelet request", "k8s", f"^{pods} pods, an unknown", "agent CPU ms/kubelet request", "ms", limit, digits=2)
        yield Row(f"{pods} pods: 100 clients of 100 pods at once, CPU", "k8s", f"^{pods} pods, 100 clients", "agent CPU ms", "ms", 15)
        yield Row(f"{pods} pods: the same, all served (kubelet's time in it)", "k8s", f"^{pods} pods, 100 clients", "all served ms", "ms")
        yield Row(f"{pods} pods: the same, beyond the kubelet's time", "k8s", f"^{pods} pods, 100 clients", "beyond the kubelet's own time, ms", "ms", 15)
        yield Row(f"{pods} pods: the same, kubelet requests", "k8s", f"^{pods} pods, 100 clients", "kubelet requests", "", 3, digits=0)
        if pods in peak:
            yield Row(f"{pods} pods: the same, peak memory", "k8s", f"^{pods} pods, 100 clients", "peak MB", "MB", peak[pods])
    yield Row("kubelet lists a pod to SVID of its client, p50", "k8s", "waits for its pod", "listed to SVID, p50 ms", "ms", 60, digits=0)
    yield Row("the same, p99", "k8s", "waits for its pod", "listed to SVID, p99 ms", "ms", 150, digits=0)


ROWS = [
    Row("X.509-SVID, new connection, 1 in flight: CPU", "fetch", f"^{NEW}, 1 in flight", CPU, "us", 90, headline="CPU for an X.509-SVID on a new connection, one at a time"),
    Row("the same, p50", "fetch", f"^{NEW}, 1 in flight", P50, "us", 110),
    Row("16 in flight: CPU", "fetch", f"^{NEW}, 16 in flight", CPU, "us", 60, headline="the same, 16 at once"),
    Row("16 in flight: rate on one core", "fetch", f"^{NEW}, 16 in flight", "calls/s", "/s", 16000, least=True, digits=0),
    Row("64 in flight: p50", "fetch", f"^{NEW}, 64 in flight", P50, "us", 4000, digits=0),
    Row("one every 20 ms: CPU", "fetch", f"^{NEW}, 50 a second", CPU, "us", 300),
    Row("one every 20 ms: p50", "fetch", f"^{NEW}, 50 a second", P50, "us", 350),
    Row("X.509-SVID, new stream on a kept connection, 64 in flight: CPU", "fetch", f"^X.509-SVID, {KEPT}, 64", CPU, "us", 35),
    Row("X.509 bundles, the same", "fetch", f"^X.509 bundles, {KEPT}, 64", CPU, "us", 35),
    Row("refused call: CPU", "fetch", "^refused", CPU, "us", 100),
    Row("cached JWT-SVID, kept connection, 1 in flight: CPU", "jwt", f"from the cache, {KEPT}, 1 in", CPU, "us", 50),
    Row("cached JWT-SVID, kept connections, 64 in flight: CPU", "jwt", f"from the cache, {KEPT}, 64 in", CPU, "us", 30, headline="CPU for a cached JWT-SVID, kept connections, 64 at once"),
    Row("JWT-SVID the server signs: mean beyond the server's time", "jwt", "the server signs", "mean beyond it, us", "us", 300),
    Row("JWT-SVID the server signs: CPU", "jwt", "the server signs", CPU, "us", 250),
    Row("JWT-SVID past half of its life, the server hangs", "rotate", "the server hangs", "answered after, ms", "ms", 1, digits=2, headline="a cached JWT-SVID past half of its life while the server hangs, answered in"),
    *(Row(f"idle with {entries} entries: memory", "idle", f"^{entries} entries", "RSS MB", "MB", memory, headline="memory with nobody connected" if entries == 10 else "") for entries, memory in ((10, 15), (1000, 20), (10000, 45))),
    *(Row(f"idle with {entries} entries: CPU", "idle", f"^{entries} entries", "idle milli-cores", "milli-cores", cores, digits=2, headline="CPU with 10,000 entries and nobody connected" if entries == 10000 else "")
      for entries, cores in ((10, 0.2), (1000, 0.5), (10000, 2))),
    Row("memory of an idle X.509 stream", "idle", "^8000 idle streams", "KiB per stream", "KiB", 12, headline="memory for each idle stream, of 8,000"),
    Row("8,000 of them in all", "idle", "^8000 idle streams", "RSS MB", "MB", 115),
    Row("after they have left: memory to that before", "idle", "^8000 idle streams", "RSS 5 s after all left / before", "", 1.2, digits=2),
    Row("memory of an idle SDS stream", "sds", "^2000 idle streams", "KiB per stream", "KiB", 14),
    Row("bundle change to 8,000 streams: first to last", "push", "^a bundle change to 8000", "first to last ms", "ms", 60, headline="a bundle change to 8,000 streams, first to last"),
    Row("the same: CPU for each", "push", "^a bundle change to 8000", "agent CPU us/stream", "us", 6, digits=2, headline="the same, CPU for each"),
    Row("the same: memory grows by", "push", "^a bundle change to 8000", "RSS growth MB", "MB", 1),
    Row("bundle change to 2,000 SDS streams: first to last", "sds", "^a bundle change to 2000", "first to last ms", "ms", 40),
    Row("the same, acknowledged: CPU for each", "sds", "^a bundle change to 2000", "agent CPU us/stream", "us", 15, digits=2),
    Row("500 first calls at once: all served", "storm", "^500 first", "all served ms", "ms", 30),
    Row("the same: peak memory", "storm", "^500 first", "peak MB", "MB", 25),
    Row("2,000 first calls at once: all served", "storm", "^2000 first", "all served ms", "ms", 150, digits=0, headline="2,000 first calls at once, all served"),
    Row("5,000 first calls at once: all served", "storm", "^5000 first", "all served ms", "ms", 500, digits=0),
    Row("a late client of 5,000", "storm", "^5000 first", "a late client ms", "ms", 5, digits=2),
    Row("exec to socket, stored data, 10 entries", "start", "^stored data, 10 ", "exec to socket, ms", "ms", 15, headline="exec to socket"),
    Row("exec to first SVID, the same", "start", "^stored data, 10 ", "exec to first SVID, ms", "ms", 30),
    Row("exec to socket, 1,000 entries", "start", "^stored data, 1000 ", "exec to socket, ms", "ms", 40),
    Row("exec to first SVID, the same", "start", "^stored data, 1000 ", "exec to first SVID, ms", "ms", 80),
    Row("first start by join token to first SVID (the server's part in it)", "start", "^first start", "exec to first SVID, ms", "ms", 300, digits=0),
    Row("entry created to first SVID (development server)", "first-svid", "^a new entry", "entry created to SVID, ms", "ms", 300, digits=0, server="development"),
    Row("entry created to first SVID (stock server)", "first-svid", "^a new entry", "entry created to SVID, ms", "ms", 2800, digits=0, server="stock"),
    Row("the same, the longest (stock server)", "first-svid", "^a new entry", "entry created to SVID, ms", "ms", 5500, digits=0, server="stock", statistic="max"),
    Row("syncs a second meanwhile (a burst is meant)", "first-svid", "^a new entry", "syncs a second meanwhile", "", digits=2),
    Row("syncs a second for a workload that asks in vain, in the long run", "first-svid", "^a workload without an entry", "syncs a second", "", 1.2, digits=2),
    Row("renewal of an SVID: CPU, what the agent does anyway taken off", "rotate", "SVIDs of", "agent CPU us/renewal, idle CPU taken off", "us", 150, digits=0),
    Row("the same with it", "rotate", "SVIDs of", "the same with it", "us", digits=0),
    Row("busiest second of the rotation", "rotate", "SVIDs of", "busiest second, milli-cores", "milli-cores"),
    *rows_of_pods(),
    Row("server away: CPU to that with it", "outage", "", "without / with", "", 1.1, digits=2),
    Row("server back to first new entry served", "outage", "", "server back to new SVID, ms", "ms", 8000, digits=0),
    Row("go-spiffe, X.509-SVID, new connection: p50", "client", "^go-spiffe.*X.509-SVID", P50, "us", digits=0, headline="an X.509-SVID by go-spiffe, new connection, p50"),
    Row("the same: CPU", "client", "^go-spiffe.*X.509-SVID", CPU, "us"),
    Row("go-spiffe, cached JWT-SVID, one connection: p50", "client", "^go-spiffe.*JWT-SVID", P50, "us", digits=0),
    Row("the same: CPU", "client", "^go-spiffe.*JWT-SVID", CPU, "us"),
    Row("go-spiffe, bundle change to 200 connections: first to last", "client", "^go-spiffe.*to 200 streams", "first to last ms", "ms"),
    Row("gRPC C++, X.509-SVID, new connection: p50", "client", "^gRPC C.*X.509-SVID", P50, "us", digits=0),
    Row("the same: CPU", "client", "^gRPC C.*X.509-SVID", CPU, "us"),
    Row("gRPC C++, cached JWT-SVID, one connection: p50", "client", "^gRPC C.*JWT-SVID", P50, "us", digits=0),
    Row("the same: CPU", "client", "^gRPC C.*JWT-SVID", CPU, "us"),
    Row("gRPC C++, bundle change to 200 connections: first to last", "client", "^gRPC C.*to 200 streams", "first to last ms", "ms"),
    Row("1,000 pods, 10,000 streams, 20,000 entries: memory", "density", "^1000 pods", "RSS MB", "MB", 220, headline="memory with 1,000 pods, 10,000 streams, 20,000 entries"),
    Row("the same: idle CPU", "density", "^1000 pods", "idle milli-cores", "milli-cores", 2, digits=2),
    Row("the same: all streams opened in", "density", "^1000 pods", "opened in, s", "s"),
]


def cell(document, row, record, agent):
    """(text, whether the target is missed)"""
    if record is None:
        return "", False
    spread = record["figures"].get(row.column)
    if spread is None:
        return ("not all served" if record["not_served"] else ""), False
    ours = "steeple" in agent["path"]
    missed = ours and not row.met(spread[row.statistic], agent["backend"] == "epoll")
    return row.text(spread[row.statistic]), missed


def agents_of(document, headlines):
    """The README shows those that ran in all scenarios."""
    return [agent for agent in document["agents"] if not headlines or not agent.get("scenarios")]


def measured(document, headlines=False):
    """[(row, variant, [(text, missed) of each agent])] of what the document has."""
    out = []
    for row in ROWS:
        if (headlines and not row.headline) or (row.server and row.server != document.get("server")):
            continue
        groups = [group for group in document["summary"] if group["scenario"] == row.scenario and row.variant.search(group["variant"])]
        for group in groups:
            records = {record["agent"]: record for record in group["rows"]}
            cells = [cell(document, row, records.get(agent["name"]), agent) for agent in agents_of(document, headlines)]
            if any(text for text, _ in cells):
                title = row.headline if headlines else row.title if len(groups) == 1 else f"{row.title}, {group['variant']}"
                out.append((row, title, cells))
    return out


def markdown_targets(document, headlines=False):
    agents = agents_of(document, headlines)
    lines = ["| | " + ("" if headlines else "target | ") + " | ".join(agent["name"] for agent in agents) + " |", "|---|" + ("" if headlines else "---|") + "---|" * len(agents)]
    for row, title, cells in measured(document, headlines):
        texts = [text if headlines or not missed else f"**{text}**" for text, missed in cells]
        lines.append(f"| {title} | " + ("" if headlines else f"{row.target()} | ") + " | ".join(texts) + " |")
    return "\n".join(lines)


def html_targets(document):
    rows = []
    for row, title, cells in measured(document):
        texts = "".join(f'<td class="figure{" warn" if missed else ""}">{html.escape(text)}</td>' for text, missed in cells)
        target = row.target().replace("<=", "\u2264").replace(">=", "\u2265")
        rows.append(f"<tr><th>{html.escape(title)}</th><td>{html.escape(target)}</td>{texts}</tr>")
    if not rows:
        return ""
    heads = "".join(f"<th>{html.escape(agent['name'])}</th>" for agent in document["agents"])
    return ('<p class="note">Medians. What misses its target is marked; on epoll a fifth more is allowed.</p>'
            f'<div class="wide"><table class="targets"><thead><tr><th></th><th>target</th>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>')


BEGIN, END = "<!-- steeple-bench: made from its JSON -->", "<!-- steeple-bench: end -->"


def between_marks(path, text):
    page = path.read_text()
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise BenchError(f"{path} does not have the marks {BEGIN} and {END}")
    head, tail = page[:page.index(BEGIN)], page[page.index(END):]
    path.write_text(f"{head}{BEGIN}\n{text}\n{tail}")


def renew_results(document, path):
    """Targets and all tables, between the marks."""
    lines = ["\n".join(about(document)), "", "## Targets", "", "Medians. What misses its target is **bold**; on epoll a fifth more than the target is allowed.", "",
             markdown_targets(document), "", "## All figures", "", tables(document)]
    between_marks(path, "\n".join(lines))


def tables(document):
    """What markdown() gives, without the lines above the tables."""
    whole = markdown(document)
    return whole[whole.index("\n### ") + 1:] if "\n### " in whole else ""


def renew_readme(document, path):
    between_marks(path, "\n" + markdown_targets(document, headlines=True) + "\n")
