# SPDX-License-Identifier: BSD-3-Clause
"""What nrtool must reach, a line each: a figure of the runs, the bar, the stretch goal.

A bar whose workload or peer was not run is not judged. The figures are medians of one
run; in a disturbed one a missed bar says little (see README.md)."""

FLOWS, FLOWS_ALL = "nrtool flows", "nrtool flows, all cores"
SESSIONS, SESSIONS_ALL = "nrtool sessions", "nrtool sessions, all cores"
SQLITE, EVERYTHING = "nrtool sqlite", "nrtool sqlite+hash"


class Figures:
    """What was measured, by workload and tool."""

    def __init__(self, workloads, own):
        self.rows = {w: {r["tool"]: r for r in x["tools"] if "median" in r}
                     for w, x in workloads.items()}
        self.own = own  # of measures.py

    def median(self, workload, tool):
        return self.rows[workload][tool]["median"]

    def over(self, workload, tool, peer):
        """How many times as long the peer takes."""
        return self.median(workload, peer) / self.median(workload, tool)

    def mpps(self, workload, tool):
        return self.rows[workload][tool]["mpps"]

    def rss(self, workload, tool):
        return self.rows[workload][tool]["rss"]

    def waits(self, workload, tool):
        """Hundredths of the run in which packets waited for the database."""
        return self.rows[workload][tool]["wait"] * 100


# what, how, bar, stretch goal, unit; a bar with < is an upper one
BARS = [
    ("mix, flows, one core, against nfpcapd",
     lambda f: f.over("mix", FLOWS, "nfpcapd"), 6, 12, "×"),
    ("mix, flows, one core, of a plain walk's rate",
     lambda f: f.over("mix", FLOWS, "walk --plain"), 0.6, 0.9, "×"),
    ("60-byte frames, 100 000 flows, one core",
     lambda f: f.mpps("p64-100k", FLOWS), 10, 16, "Mpps"),
    ("60-byte frames, 1 000 000 flows, one core",
     lambda f: f.mpps("p64-1m", FLOWS), 6, 10, "Mpps"),
    ("60-byte frames, 100 000 flows, all cores against one",
     lambda f: f.over("p64-100k", FLOWS_ALL, FLOWS), 1.4, 2, "×"),
    ("60-byte frames, 1 000 000 flows, all cores against one",
     lambda f: f.over("p64-1m", FLOWS_ALL, FLOWS), 1.4, 2, "×"),
    ("mix, all there is, against ndpiReader -q",
     lambda f: f.over("mix", EVERYTHING, "ndpiReader"), 3, 5, "×"),
    ("mix, all there is, against nfpcapd",
     lambda f: f.over("mix", EVERYTHING, "nfpcapd"), 1.5, 2.5, "×"),
    ("mix, all there is, against tshark -n",
     lambda f: f.over("mix", EVERYTHING, "tshark"), 30, 60, "×"),
    ("mix, all there is, of SHA-256's own rate",
     lambda f: f.over("mix", EVERYTHING, "sha256"), 0.7, 0.95, "×"),
    ("real, all there is, against nfpcapd",
     lambda f: f.over("real", EVERYTHING, "nfpcapd"), 1, 1.5, "×"),
    ("real, all there is, against ndpiReader -q",
     lambda f: f.over("real", EVERYTHING, "ndpiReader"), 3, 5, "×"),
    ("real, all there is, against Zeek's default",
     lambda f: f.over("real", EVERYTHING, "zeek"), 20, 35, "×"),
    ("mix, sessions, all cores against one",
     lambda f: f.over("mix", SESSIONS_ALL, SESSIONS), 1.6, 1.9, "×"),
    ("real, sessions, all cores against one",
     lambda f: f.over("real", SESSIONS_ALL, SESSIONS), 1.6, 1.9, "×"),
    ("dns into SQLite with indexes, all tables",
     lambda f: f.own["dns_rows"] / f.median("dns", SQLITE) / 1e3, 200, 260, "k rows/s"),
    ("dns into SQLite, packets waiting for the writer",
     lambda f: f.waits("dns", SQLITE), "<2", "<0.5", "% of run"),
    ("mix into SQLite, packets waiting for the writer",
     lambda f: f.waits("mix", SQLITE), "<2", "<0.5", "% of run"),
    ("real into SQLite, packets waiting for the writer",
     lambda f: f.waits("real", SQLITE), "<2", "<0.5", "% of run"),
    ("memory, flows: 4 GB against 1 GB of mix",
     lambda f: f.own["growth_flows"], "<1.1", "<1.02", "×"),
    ("memory, all but TLS: 4 GB against 1 GB of mix",
     lambda f: f.own["growth_all"], "<1.1", "<1.02", "×"),
    ("memory of an idle flow without a parser (half)",
     lambda f: f.own["idle_plain"], "<256", "<160", "B"),
    ("memory of an idle flow with a parser (idle)",
     lambda f: f.own["idle_parsed"], "<600", "<400", "B"),
    ("memory with 1 000 000 flows open (half-1m)",
     lambda f: f.rss("half-1m", FLOWS) / 1e6, "<400", "<240", "MB"),
    ("packets of a flow of at most 32, out of mix",
     lambda f: f.own["extract_ms"], "<50", "<10", "ms"),
    ("the same, out of an archive of mix",
     lambda f: f.own["extract_archive_ms"], "<50", "<10", "ms"),
    ("allocations for each packet in order",
     lambda f: f.own["allocations"] / f.own["allocation_packets"], "<0", "<0", "calls"),
    ("reports over 1 000 000 flows, the slowest",
     lambda f: f.own["reports_slowest"], "<5", "<2.5", "s"),
    ("timeline, long flows, failures, tunnels, anomalies",
     lambda f: f.own["reports_quick"], "<1", "<0.5", "s"),
]


def judge(value, bar):
    return value <= float(bar[1:]) if isinstance(bar, str) else value >= bar


def words(bar):
    return f"≤ {bar[1:]}" if isinstance(bar, str) else f"≥ {bar}"


def times_better(value, bar):
    """How many times as good as the bar asks."""
    if isinstance(bar, str):
        return float(bar[1:]) / value if value else 1.0
    return value / bar


def line_of(figures, what, figure, bar, stretch, unit):
    line = {"what": what, "bar": words(bar), "stretch": words(stretch), "unit": unit}
    try:
        value = figure(figures)
    except KeyError as e:
        line["verdict"] = f"not judged: no {e.args[0]}"
        return line
    line["value"] = value
    line["of_bar"] = times_better(value, bar)
    line["verdict"] = ("stretch" if judge(value, stretch) else
                       "met" if judge(value, bar) else "MISSED")
    return line


def report(workloads, own, part, say):
    """Prints a line for each bar; returns them for the result."""
    figures = Figures(workloads, own)
    lines = [line_of(figures, *bar) for bar in BARS]
    say("\nwhat nrtool must reach")
    for line in lines:
        if "value" in line and part < 1:
            line["verdict"] = "too small to judge"
        if "value" in line:
            say(f"  {line['value']:9.2f} {line['unit']:9} {line['what']}: {line['verdict']} "
                f"(bar {line['bar']}, stretch {line['stretch']})")
        else:
            say(f"  {'-':>9} {'':9} {line['what']}: {line['verdict']}")
    if part < 1:
        say(f"  files and flows are {part * 100:.0f} % of what the bars are for: no verdicts")
    count = {v: sum(x["verdict"] == v for x in lines) for v in ("stretch", "met", "MISSED")}
    say(f"  {len(lines)} bars: {count['stretch']} stretch goals, {count['met']} met, "
        f"{count['MISSED']} missed, {len(lines) - sum(count.values())} not judged")
    return lines
