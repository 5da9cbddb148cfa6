"""The results as one HTML file: headline plots, tables, method, environment. Opens in any browser without a network."""
import html
import statistics

from .errors import BenchError
from .figures import html_targets
from .plots import line_plot, standalone
from .results import not_served_text, spread_text
from .scaling import scaling_plots, waiting_plots

STYLE = """
:root{color-scheme:light dark;--ink:#1b1b1f;--soft:#5c5c66;--rule:#dcdce2;--back:#fff;--band:#f5f5f8;--warn:#a33c00;
--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#a6509b;--c4:#7a6a00}
@media (prefers-color-scheme:dark){:root{--ink:#ececf1;--soft:#a5a5b0;--rule:#3a3a44;--back:#17171b;--band:#202026;--warn:#ffab70;
--c0:#56b4e9;--c1:#ff9c5b;--c2:#4fd6ab;--c3:#dd9ad4;--c4:#e6d36a}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back);max-width:1080px;margin:2rem auto;padding:0 1.2rem}
h1{font-size:1.6rem;margin:0 0 .3rem}h2{font-size:1.2rem;margin:2.4rem 0 .6rem;border-bottom:1px solid var(--rule);padding-bottom:.2rem}
h3{font-size:1rem;margin:1.5rem 0 .4rem}p.note,.legend,figcaption{color:var(--soft);font-size:.87rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.87rem}
th,td{padding:.22rem .9rem .22rem .3rem;text-align:left;border-bottom:1px solid var(--rule);vertical-align:top}
td.figure{white-space:nowrap}td.figure small{color:var(--soft)}td.figure em{font-style:normal;color:var(--soft);padding-left:.5rem}
thead th{background:var(--band)}.wide{overflow-x:auto}.warn{color:var(--warn)}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(420px,100%),1fr));gap:1.4rem}figure{margin:0}figcaption{margin-top:.1rem}
svg{width:100%;height:auto;display:block}.grid{stroke:var(--rule);stroke-width:1}.tick{font-size:11px;fill:var(--soft)}.axis{font-size:12px;fill:var(--ink)}
.line{fill:none;stroke-width:2.2}.dot{stroke:none}svg.key{display:inline-block;width:34px;height:10px;vertical-align:middle}
.legend span{margin-right:1.3rem;white-space:nowrap}
.targets th{font-weight:normal}.targets thead th{font-weight:bold}.targets td{white-space:nowrap}.targets th:first-child{min-width:11rem}
@media (max-width:600px){body{margin:1rem auto;padding:0 .7rem}h1{font-size:1.25rem}table{font-size:.8rem}th,td{padding-right:.5rem}
.wide th:first-child{position:sticky;left:0;background:var(--back)}.wide thead th:first-child{background:var(--band)}}
""" + "".join(f".line.c{index}{{stroke:var(--c{index})}}.dot.c{index}{{fill:var(--c{index})}}" for index in range(5))

PERCENTILES = [(1, "0"), (2, "50 %"), (10, "90 %"), (100, "99 %"), (1000, "99.9 %"), (10000, "99.99 %"), (100000, "99.999 %")]


def runs_of(document, scenario, variant, agent):
    return [run["figures"] for run in document["runs"] if (run["scenario"], run["variant"], run["agent"]) == (scenario, variant, agent)]


def merged_percentiles(figures):
    """(1 / (1 - p), latency) over all runs of an agent; the far end is where one call in the whole is left."""
    buckets = {}
    for one in figures:
        for end, count in one.get("histogram_us", []):
            buckets[end] = buckets.get(end, 0) + count
    total, below = sum(buckets.values()), 0
    out = [(1.0, min(buckets))] if buckets else []
    for end in sorted(buckets):
        below += buckets[end]
        out.append((total / max(total - below, 1), end))
    return out


def median_curve(curves):
    """Medians point by point of curves with the same x values."""
    return [(points[0][0], statistics.median(y for _, y in points)) for points in zip(*curves)]


def latency_plots(document):
    for group in document["summary"]:
        if group["scenario"] not in ("fetch", "jwt", "sds", "storm", "density", "client") or "p50 us" not in group["columns"] or "idle streams" in group["variant"]:
            continue
        series = [(row["agent"], merged_percentiles(runs_of(document, group["scenario"], group["variant"], row["agent"]))) for row in group["rows"]]
        series = [(name, line) for name, line in series if line]
        if series:
            yield (f"{group['scenario']}: {group['variant']}", line_plot(series, "part of the calls answered within", "latency, us", True, True, PERCENTILES),
                   "All runs of an agent together. Both axes are logarithmic.")


def memory_series(document, group):
    series = []
    for row in group["rows"]:
        curves = [[(count, memory["rss_kib"] / 1024) for count, memory in figures["memory_steps"]]
                  for figures in runs_of(document, group["scenario"], group["variant"], row["agent"]) if "memory_steps" in figures]
        if curves:
            series.append((row["agent"], median_curve(curves)))
    return series


def memory_plots(document):
    for group in document["summary"]:
        series = memory_series(document, group)
        if series and group["scenario"] != "k8s":  # there the streams come and go at once
            yield f"{group['scenario']}: memory against open streams", line_plot(series, "open streams", "resident memory, MB"), "Median of the runs at each step."


def memory_picture(document):
    for group in document["summary"]:
        if group["scenario"] == "idle" and group["variant"].endswith("idle streams"):
            return standalone(memory_series(document, group), "open streams", "resident memory, MB")
    raise BenchError("no run of idle streams to draw")


def delivery_plots(document):
    for group in document["summary"]:
        series = []
        for row in group["rows"]:
            figures = [one for one in runs_of(document, group["scenario"], group["variant"], row["agent"]) if "delivery_ms" in one]
            if figures:
                middle = sorted(figures, key=lambda one: one["first_to_last_ms"])[len(figures) // 2]
                series.append((row["agent"], [tuple(point) for point in middle["delivery_ms"]]))
        if series:
            yield f"{group['scenario']}: {group['variant']}", line_plot(series, "milliseconds since the first delivery", "streams that have it"), "The run of median length."


def load_plot(document):
    lines = {}
    for group in document["summary"]:
        for row in group["rows"]:
            for figures in runs_of(document, group["scenario"], group["variant"], row["agent"]):
                if "rate" in figures and "agent_cpu_us_per_op" in figures:
                    lines.setdefault(row["agent"], {}).setdefault(figures["rate"], []).append(figures["agent_cpu_us_per_op"] * figures["rate"] / 1000)
    series = [(name, [(rate, statistics.median(values)) for rate, values in sorted(rates.items())]) for name, rates in lines.items() if len(rates) > 1]
    if series:
        yield "fetch: CPU against load", line_plot(series, "calls a second, a new connection each (open loop)", "agent CPU, milli-cores"), "Median of the runs at each rate."


def rotation_plot(document):
    series = []
    for group in document["summary"]:
        for row in group["rows"]:
            for figures in runs_of(document, group["scenario"], group["variant"], row["agent"])[:1]:
                if "cpu_each_second" in figures:
                    series.append((row["agent"], [(second, value * 1000) for second, value in enumerate(figures["cpu_each_second"])]))
    if series:
        yield "rotate: CPU in each second", line_plot(series, "second", "agent CPU, milli-cores"), "How evenly the renewals are spread."


def plots(document):
    made = [*memory_plots(document), *delivery_plots(document), *load_plot(document), *scaling_plots(document), *waiting_plots(document), *rotation_plot(document),
            *latency_plots(document)]
    return "".join(f"<figure><h3>{html.escape(title)}</h3>{svg}<figcaption>{html.escape(note)}</figcaption></figure>" for title, svg, note in made if svg)


def cell(row, title, digits):
    spread = row["figures"].get(title)
    if spread is None:
        return "<td></td>"
    median, _, rest = spread_text(spread, digits).partition(" ")
    ratio = row.get("ratio_to_first", {}).get(title)
    return f'<td class="figure">{median} <small>{html.escape(rest)}</small>{f"<em>x {ratio:.2f}</em>" if ratio is not None else ""}</td>'


def group_table(group):
    rows = group["rows"]
    out = [f"<h3>{html.escape(group['variant'])}</h3>", '<div class="wide"><table><thead><tr><th></th>', *(f"<th>{html.escape(row['agent'])}</th>" for row in rows), "</tr></thead><tbody>"]
    for title in group["columns"]:
        if any(title in row["figures"] for row in rows):
            out.append(f"<tr><th>{html.escape(title)}</th>" + "".join(cell(row, title, group["digits"][title]) for row in rows) + "</tr>")
    out.append("</tbody></table></div>")
    for row in rows:
        if row["not_served"]:
            out.append(f'<p class="warn">{html.escape(row["agent"])}: {html.escape(not_served_text(row))}.</p>')
        if row.get("rpcs_not_counted"):
            out.append(f'<p class="note">{html.escape(row["agent"])}: RPCs {html.escape(row["rpcs_not_counted"])}.</p>')
        if row["disturbed_runs"]:
            out.append(f'<p class="note">{html.escape(row["agent"])}: {row["disturbed_runs"]} of {row["runs"]} runs were disturbed by other programs or steal.</p>')
    return "".join(out)


def environment_text(agent):
    return "".join(f", {key}={value}" for key, value in agent.get("environment", {}).items())


def facts_table(document):
    rows = [("command", document["command"]), ("began", document["began"])]
    rows += [(key.replace("_", " "), str(value)) for key, value in document["machine"].items()]
    rows += [(f"agent {agent['name']}", f"{agent['version']} ({agent['path']}, io backend {agent['backend']}{environment_text(agent)})") for agent in document["agents"]]
    rows += [(f"scenario {one['scenario']}", f"{one['rounds']} rounds, {one['seconds']:.0f} s (expected {one['expected_seconds']})") for one in document.get("durations", [])]
    rows += [("compared before timing", check) for check in document.get("checks", [])] + [("not measured", note) for note in document.get("notes", [])]
    loads = [run["machine"]["load"] for run in document["runs"]]
    disturbed = sum(bool(run["machine"]["disturbed"]) for run in document["runs"])
    rows.append(("runs", f"{len(loads)}, load average {min(loads):.1f} to {max(loads):.1f}, {disturbed} disturbed"))
    return '<div class="wide"><table>' + "".join(f"<tr><th>{html.escape(key)}</th><td>{html.escape(value)}</td></tr>" for key, value in rows) + "</table></div>"


METHOD = """<p>One server and the same entries for all agents; each agent pinned to one CPU, the load generator and the server to another. Agents take turns: A B C, C B A.
A cell is <b>median [least-most]</b> over the runs; <b>x</b> is the ratio of medians to the first agent. Closed loop: the next call starts when one is answered.
Open loop: calls start at fixed times, and a latency counts from the time the call was due. CPU is the process clock of all threads. A failed call ends the
measurement: no figure is averaged over failures.</p>"""


def partial(document):
    return f'<p class="warn">Partial: it ended early. {html.escape(document["partial"])}</p>' if document.get("partial") else ""


def write_report(document, path):
    scenarios = list(dict.fromkeys(group["scenario"] for group in document["summary"]))
    names = ", ".join(agent["name"] for agent in document["agents"])
    body = [f"<h1>Workload API agents: {html.escape(names)}</h1><p class=note>steeple-bench, {html.escape(document['began'])}</p>{partial(document)}"]
    if targets := html_targets(document):
        body.append(f"<h2>Targets</h2>{targets}")
    body += [f'<h2>Plots</h2><div class="plots">{plots(document)}</div>']
    for scenario in scenarios:
        body.append(f"<h2>{html.escape(scenario)}</h2>" + "".join(group_table(group) for group in document["summary"] if group["scenario"] == scenario))
    body.append(f"<h2>Method</h2>{METHOD}<h2>Environment</h2>{facts_table(document)}")
    path.write_text(f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
                    f"<title>steeple-bench: {html.escape(names)}</title><style>{STYLE}</style></head><body>{''.join(body)}</body></html>\n")
