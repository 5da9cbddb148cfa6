"""Runs, their figures, and what many runs come to."""
import datetime
import statistics

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
    def __init__(self, command, machine, agents):
        self.command, self.machine, self.agents = command, machine, agents
        self.began = datetime.datetime.now(datetime.timezone.utc)
        self.runs = []
        self.groups = {}  # (scenario, variant) -> columns, in the order of the table

    def add(self, scenario, variant, agent, columns, figures, meter):
        self.groups.setdefault((scenario, variant), columns)
        self.runs.append({"scenario": scenario, "variant": variant, "agent": agent, "figures": figures, "machine": meter})

    def of(self, scenario, variant, agent):
        return [run for run in self.runs if (run["scenario"], run["variant"], run["agent"]) == (scenario, variant, agent)]

    def summary(self):
        out = []
        for (scenario, variant), columns in self.groups.items():
            rows = []
            for agent in self.agents:
                records = self.of(scenario, variant, agent["name"])
                if not records:
                    continue
                rows.append({"agent": agent["name"], "runs": len(records), "disturbed_runs": sum(bool(run["machine"]["disturbed"]) for run in records),
                             "not_served": sum(bool(run["figures"].get("not_served")) for run in records),
                             "figures": {column.title: spread for column in columns if (spread := column.spread(records))}})
            for row in rows[1:]:
                first = rows[0]["figures"]
                row["ratio_to_first"] = {title: round(spread["median"] / first[title]["median"], 4) for title, spread in row["figures"].items()
                                         if title in first and first[title]["median"]}
            out.append({"scenario": scenario, "variant": variant, "columns": [column.title for column in columns],
                        "digits": {column.title: column.digits for column in columns}, "rows": rows})
        return out

    def document(self):
        return {"schema": SCHEMA, "command": self.command, "began": self.began.isoformat(timespec="seconds"), "machine": self.machine, "agents": self.agents,
                "summary": self.summary(), "runs": self.runs}


def spread_text(spread, digits):
    if spread is None:
        return ""
    if spread["runs"] == 1:
        return f"{spread['median']:.{digits}f}"
    return f"{spread['median']:.{digits}f} [{spread['min']:.{digits}f}-{spread['max']:.{digits}f}]"


def table(document):
    """The summary as text: a block for each variant, a row for each figure, a column for each agent."""
    lines = []
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
                lines.append(f"  {row['agent']}: NOT ALL SERVED in {row['not_served']} of {row['runs']} runs; those have no figures")
            if row["disturbed_runs"]:
                lines.append(f"  {row['agent']}: {row['disturbed_runs']} of {row['runs']} runs were disturbed")
    return "\n".join(lines)


def markdown(document):
    """The tables for RESULTS.md: a section for each scenario, a table for each variant."""
    facts = document["machine"]
    disturbed = sum(bool(run["machine"]["disturbed"]) for run in document["runs"])
    loads = [run["machine"]["load"] for run in document["runs"]]
    lines = [f"`{document['command']}`", "", f"{document['began']}: {facts['cpu']}, {facts['cores']} cores{', a virtual machine' if facts['virtual'] else ''}, "
             f"{facts['memory_mb']} MB, kernel {facts['kernel']}, {facts['system']}. {len(loads)} runs, load average {min(loads):.1f} to {max(loads):.1f}, {disturbed} disturbed.", ""]
    lines += [f"- **{agent['name']}**: {agent['version']}, io backend {agent['backend']}" for agent in document["agents"]]
    scenario = None
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
                lines += ["", f"{row['agent']}: not all calls were served in {row['not_served']} of {row['runs']} runs; those have no figures."]
    return "\n".join(lines) + "\n"
