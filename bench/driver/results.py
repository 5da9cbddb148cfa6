"""Runs, their figures, and what many runs come to."""
import datetime
import re
import statistics

from .errors import BenchError

SCHEMA = 1


def figure(record, path):
    """The number at a dotted path of a run's figures, or None."""
    for part in path.split("."):
        if not isinstance(record, dict) or part not in record:
            return None
        record = record[part]
    return record


class Column:
    """A figure of the table: where it is, its title with the unit, a factor, digits."""

    def __init__(self, path, title, scale=1.0, digits=1):
        self.path, self.title, self.scale, self.digits = path, title, scale, digits

    def spread(self, records):
        values = [value * self.scale for record in records if isinstance(value := figure(record["figures"], self.path), (int, float))]
        return {"median": statistics.median(values), "min": min(values), "max": max(values), "runs": len(values)} if values else None


LATENCY = [Column("latency_us.p50", "p50 us"), Column("latency_us.p90", "p90 us"), Column("latency_us.p99", "p99 us"), Column("latency_us.p999", "p99.9 us")]
COST = [Column("agent_cpu_us_per_op", "agent CPU us/op"), Column("generator_cpu_us_per_op", "generator CPU us/op")]
HELD = [Column("memory.rss_kib", "RSS MB", 1 / 1024), Column("memory.pss_kib", "PSS MB", 1 / 1024), Column("memory.private_kib", "private MB", 1 / 1024),
        Column("memory.peak_kib", "peak MB", 1 / 1024), Column("fds", "fds", 1, 0)]


class Results:
    def __init__(self, command, machine, agents, scenarios, server):
        self.command, self.machine, self.agents, self.server = command, machine, agents, server
        self.scenarios = scenarios  # in the order of the tables
        self.began = datetime.datetime.now(datetime.timezone.utc)
        self.runs = []
        self.groups = {}  # (scenario, variant) -> columns, in the order of the table
        self.durations = []
        self.partial = None  # why not all of it was measured
        self.checks = []  # what was found equal before anything was timed
        self.notes = []  # what could not be measured here, and why

    def add(self, scenario, variant, agent, columns, figures, meter, more_columns=()):
        known = self.groups.setdefault((scenario, variant), list(columns))
        known += [column for column in more_columns if column.title not in [one.title for one in known]]
        self.runs.append({"scenario": scenario, "variant": variant, "agent": agent, "figures": figures, "machine": meter})

    def of(self, scenario, variant, agent):
        return [run for run in self.runs if (run["scenario"], run["variant"], run["agent"]) == (scenario, variant, agent)]

    def summary(self):
        out = []
        for (scenario, variant), columns in sorted(self.groups.items(), key=lambda group: self.scenarios.index(group[0][0])):
            rows = []
            for agent in self.agents:
                records = self.of(scenario, variant, agent["name"])
                if not records:
                    continue
                rows.append({"agent": agent["name"], "runs": len(records), "disturbed_runs": sum(bool(run["machine"]["disturbed"]) for run in records),
                             "not_served": len(lost := [run["figures"]["not_served"] for run in records if run["figures"].get("not_served")]),
                             "not_served_reasons": sorted(set(lost)),
                             "rpcs_not_counted": next((text for run in records if (text := run["figures"].get("server_rpcs_not_counted"))), None),
                             "figures": {column.title: spread for column in columns if (spread := column.spread(records))}})
            for row in rows[1:]:
                first = rows[0]["figures"]
                row["ratio_to_first"] = {title: round(spread["median"] / first[title]["median"], 4) for title, spread in row["figures"].items()
                                         if title in first and first[title]["median"] > 0}
            out.append({"scenario": scenario, "variant": variant, "columns": [column.title for column in columns],
                        "digits": {column.title: column.digits for column in columns}, "rows": rows})
        return out

    def document(self):
        return {"schema": SCHEMA, "command": self.command, "began": self.began.isoformat(timespec="seconds"), "partial": self.partial, "server": self.server, "checks": self.checks, "notes": self.notes,
                "machine": self.machine, "agents": self.agents, "durations": self.durations, "summary": self.summary(), "runs": self.runs}


def merged(documents):
    """One document of several runs: the first, where a variant that a later one has is that one's. The later ones' agents are among the first one's."""
    first = documents[0]
    known = {agent["name"]: (agent["version"], agent["backend"]) for agent in first["agents"]}
    for other in documents[1:]:
        for agent in other["agents"]:
            if known.get(agent["name"]) != (agent["version"], agent["backend"]):
                raise BenchError(f"the first results do not have this agent of the later ones: {agent['name']}, {agent['version']}")
        if other["server"] != first["server"]:
            raise BenchError("the later results were measured with another server")
        groups = {(group["scenario"], group["variant"]): group for group in first["summary"]}
        groups.update({(group["scenario"], group["variant"]): group for group in other["summary"]})
        replaced = {(group["scenario"], group["variant"]) for group in other["summary"]}
        order = list(dict.fromkeys(scenario for scenario, _ in groups))
        first["summary"] = sorted(groups.values(), key=lambda group: order.index(group["scenario"]))
        first["runs"] = [run for run in first["runs"] if (run["scenario"], run["variant"]) not in replaced] + other["runs"]
        first["notes"] = first.get("notes", []) + [f"With `{without_folders(other['command'])}`, {other['began']}."]
    return first


def not_served_text(row):
    reasons = "; ".join(row.get("not_served_reasons", []))
    return f"NOT ALL SERVED in {row['not_served']} of {row['runs']} runs ({reasons}); those have no figures"


def spread_text(spread, digits):
    if spread is None:
        return ""
    if spread["runs"] == 1:
        return f"{spread['median']:.{digits}f}"
    return f"{spread['median']:.{digits}f} [{spread['min']:.{digits}f}-{spread['max']:.{digits}f}]"


def table(document):
    """The summary as text: a block for each variant, a row for each figure, a column for each agent."""
    lines = [f"\nPARTIAL: {document['partial']}"] if document.get("partial") else []
    lines += document.get("checks", []) + document.get("notes", [])
    for group in document["summary"]:
        lines.append(f"\n{group['scenario']}: {group['variant']}")
        names = [row["agent"] for row in group["rows"]]
        lines.append(f"  {'':22}" + "".join(f"{name:>34}" for name in names))
        for title in group["columns"]:
            cells = [spread_text(row["figures"].get(title), group["digits"][title]) for row in group["rows"]]
            if not any(cells):
                continue
            ratios = [f" x{row['ratio_to_first'][title]:.2f}" if title in row.get("ratio_to_first", {}) else "" for row in group["rows"]]
            lines.append(f"  {title:22}" + "".join(f"{cell + ratio:>34}" for cell, ratio in zip(cells, ratios)))
        for row in group["rows"]:
            if row["not_served"]:
                lines.append(f"  {row['agent']}: {not_served_text(row)}")
            if row.get("rpcs_not_counted"):
                lines.append(f"  {row['agent']}: RPCs {row['rpcs_not_counted']}")
            if row["disturbed_runs"]:
                lines.append(f"  {row['agent']}: {row['disturbed_runs']} of {row['runs']} runs were disturbed")
    return "\n".join(lines)


def without_folders(command):
    return re.sub(r"(?<=[\s=])/\S*/", "", " " + command).strip()


def about(document):
    """What was measured with what, when, on what: the lines above all tables."""
    facts = document["machine"]
    disturbed = sum(bool(run["machine"]["disturbed"]) for run in document["runs"])
    loads = [run["machine"]["load"] for run in document["runs"]]
    command = without_folders(document["command"])
    lines = [f"`{command}`", "", f"{document['began']}: {facts['cpu']}, {facts['cores']} cores{', a virtual machine' if facts['virtual'] else ''}, "
             f"{facts['memory_mb']} MB, kernel {facts['kernel']}, cgroup v{facts['cgroup_version']}, {facts['system']}. {len(loads)} runs, load average {min(loads):.1f} to {max(loads):.1f}, "
             f"steal at most {max(run['machine']['steal_cores'] for run in document['runs']):.2f} cores, {disturbed} disturbed.", ""]
    lines += [f"- **{agent['name']}**: {agent['version']}, io backend {agent['backend']}"
              + "".join(f", {key}={value}" for key, value in agent.get("environment", {}).items()) for agent in document["agents"]]
    if document.get("checks"):
        lines += ["", "Compared before anything was timed: " + "; ".join(document["checks"]) + "."]
    lines += [f"\n{note}" for note in document.get("notes", [])]
    if document.get("durations"):
        spent = ", ".join(f"{one['scenario']} {one['rounds']} x, {one['seconds']:.0f} s" for one in document["durations"])
        lines += ["", f"Rounds and durations: {spent}; {sum(one['seconds'] for one in document['durations']) / 60:.1f} minutes."]
    if document.get("partial"):
        lines += ["", f"**Partial**: {document['partial']}"]
    return lines


def markdown(document):
    """All tables: a section for each scenario, a table for each variant."""
    lines, scenario = about(document), None
    for group in document["summary"]:
        if group["scenario"] != scenario:
            scenario = group["scenario"]
            lines += ["", f"### {scenario}"]
        lines += ["", f"**{group['variant']}**", "", "| | " + " | ".join(row["agent"] for row in group["rows"]) + " |", "|---|" + "---|" * len(group["rows"])]
        for title in group["columns"]:
            cells = [spread_text(row["figures"].get(title), group["digits"][title]) for row in group["rows"]]
            if any(cells):
                ratios = [f" (x {row['ratio_to_first'][title]:.2f})" if title in row.get("ratio_to_first", {}) else "" for row in group["rows"]]
                lines.append(f"| {title} | " + " | ".join(cell + ratio for cell, ratio in zip(cells, ratios)) + " |")
        for row in group["rows"]:
            if row["not_served"]:
                lines += ["", f"{row['agent']}: {not_served_text(row)}."]
            if row.get("rpcs_not_counted"):
                lines += ["", f"{row['agent']}: RPCs {row['rpcs_not_counted']}."]
    return "\n".join(lines) + "\n"
