"""Plots of what grows: figures against the number of pods, entries or calls; and how long who waits has to wait."""
import re
import statistics

from .plots import line_plot

# (scenario, variant without its number, column, x title, y title, logarithmic, caption)
SCALED = [
    ("idle", "# entries, no stream", "RSS MB", "registration entries", "resident memory, MB", "Nobody calls."),
    ("idle", "# entries, no stream", "idle milli-cores", "registration entries", "agent CPU, milli-cores", "Nobody calls."),
    ("storm", "# first calls at once", "all served ms", "first calls at once", "all served, ms", "An agent that never answered them all has no point."),
    ("storm", "# first calls at once", "peak MB", "first calls at once", "peak memory, MB", "An agent that never answered them all has no point."),
    ("k8s", "# pods, an unknown container", "agent CPU ms/kubelet request", "pods of the node", "agent CPU for a kubelet's list, ms", "A container that nobody knows."),
    ("k8s", "# pods, a known container, kept connection", "agent CPU us/op", "pods of the node", "agent CPU of a call, us", "A container that was attested before."),
    ("k8s", "# pods, 100 clients of # pods at once", "peak MB", "pods of the node", "peak memory, MB", "A client in each of 100 pods, all at once."),
    ("start", "stored data, # entries", "exec to first SVID, ms", "registration entries", "exec to first SVID, ms", "Stored data; a client asks at once."),
]


SMALLEST = 0.01  # a logarithm needs one


def number_of(variant):
    found = re.search(r"\d+", variant)
    return int(found.group()) if found else None


def scaling_plots(document):
    for scenario, pattern, column, x_title, y_title, caption in SCALED:
        lines = {}
        for group in document["summary"]:
            if group["scenario"] != scenario or re.sub(r"\d+", "#", group["variant"]) != re.sub(r"\d+", "#", pattern):
                continue
            for row in group["rows"]:
                if column in row["figures"]:
                    lines.setdefault(row["agent"], []).append((number_of(group["variant"]), max(row["figures"][column]["median"], SMALLEST)))
        series = [(name, sorted(line)) for name, line in lines.items()]
        if any(len(line) > 1 for _, line in series):
            yield f"{scenario}: {y_title}", line_plot(series, x_title, y_title, True, True, x_ticks(series)), f"{caption} Medians; both axes are logarithmic."


def x_ticks(series):
    return [(x, f"{x:,}".replace(",", " ")) for x in sorted({x for _, line in series for x, _ in line})]


def waits(figures):
    """Milliseconds that somebody waited in a run."""
    if "samples_ms" in figures:
        return figures["samples_ms"]
    return [figures[key] for key in ("created_to_svid_ms", "back_to_new_svid_ms") if key in figures]


def waiting_plots(document):
    """For each such variant: the share of the waits that were over after a time."""
    for group in document["summary"]:
        if group["scenario"] not in ("first-svid", "k8s"):
            continue
        series = []
        for row in group["rows"]:
            runs = [run["figures"] for run in document["runs"] if (run["scenario"], run["variant"], run["agent"]) == (group["scenario"], group["variant"], row["agent"])]
            values = sorted(value for figures in runs for value in waits(figures))
            if len(values) > 1:
                series.append((row["agent"], [(value, (place + 1) / len(values) * 100) for place, value in enumerate(values)]))
        if series:
            middle = ", ".join(f"{name} {statistics.median(x for x, _ in line):.0f} ms" for name, line in series)
            yield f"{group['scenario']}: {group['variant']}", line_plot(series, "milliseconds", "served within, % of the samples", log_x=True), f"Medians: {middle}."
