# SPDX-License-Identifier: BSD-3-Clause
"""What nrtool must reach, a line each: a figure of the runs, the bar, the stretch goal.

A bar whose workload or peer was not run is not judged. The figures are medians of one
run; in a disturbed one a missed bar says little (see README.md)."""

import os
import sqlite3
import statistics
import subprocess
import tempfile
import time

FLOWS, FLOWS_ALL = "nrtool flows", "nrtool flows, all cores"
SESSIONS, SESSIONS_ALL = "nrtool sessions", "nrtool sessions, all cores"
EVERYTHING = "nrtool sqlite+hash"


class Figures:
    """What was measured, by workload and tool."""

    def __init__(self, workloads, own):
        self.rows = {w: {r["tool"]: r for r in x["tools"] if "median" in r}
                     for w, x in workloads.items()}
        self.own = own  # what measure_more() found

    def median(self, workload, tool):
        return self.rows[workload][tool]["median"]

    def over(self, workload, tool, peer):
        """How many times as long the peer takes."""
        return self.median(workload, peer) / self.median(workload, tool)

    def mpps(self, workload, tool):
        return self.rows[workload][tool]["mpps"]

    def rss(self, workload, tool):
        return self.rows[workload][tool]["rss"]


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
     lambda f: f.own["dns_rows"] / f.median("dns", "nrtool sqlite") / 1e3, 200, 260,
     "k rows/s"),
    ("memory with 1 000 000 flows open (half-1m)",
     lambda f: f.rss("half-1m", FLOWS) / 1e6, "<400", "<240", "MB"),
    ("memory of one flow more (half-1m against half-500k)",
     lambda f: (f.rss("half-1m", FLOWS) - f.rss("half-500k", FLOWS))
     / f.own["half_flows"], "<256", "<160", "B"),
    ("packets of a flow of at most 32, out of mix",
     lambda f: f.own["extract_ms"], "<50", "<10", "ms"),
]


def database(nrtool, path, folder):
    db = os.path.join(folder, "x.db")
    subprocess.run([nrtool, "replay", path, "-o", db, "--quiet", "--no-hash"], check=True)
    return db


def count_rows(db):
    with sqlite3.connect(db) as c:
        tables = [n for (n,) in c.execute("SELECT name FROM sqlite_schema WHERE type = 'table'"
                                          " AND name NOT LIKE 'sqlite_%'")]
        return sum(c.execute(f'SELECT count(*) FROM "{t}"').fetchone()[0] for t in tables)


def extract_ms(nrtool, db, runs):
    """Milliseconds to extract a small flow from the middle of the capture, whole process."""
    with sqlite3.connect(db) as c:
        flow, = c.execute("SELECT flow_id FROM flow WHERE records BETWEEN 4 AND 32 ORDER BY "
                          "abs(flow_id - (SELECT max(flow_id) / 2 FROM flow)) LIMIT 1").fetchone()
    took = []
    for _ in range(runs):
        began = time.monotonic()
        subprocess.run([nrtool, "extract", db, "--flow", str(flow), "-w", "-", "-q"], check=True,
                       stdout=subprocess.DEVNULL)
        took.append((time.monotonic() - began) * 1e3)
    return statistics.median(took)


def measure_more(nrtool, workloads, runs):
    """Figures that are not the time of one command."""
    own = {}
    with tempfile.TemporaryDirectory(prefix="nrbench-") as d:
        if "dns" in workloads:
            own["dns_rows"] = count_rows(database(nrtool, workloads["dns"]["path"], d))
    with tempfile.TemporaryDirectory(prefix="nrbench-") as d:
        if "mix" in workloads:
            own["extract_ms"] = extract_ms(nrtool, database(nrtool, workloads["mix"]["path"], d),
                                           runs)
    if "half-1m" in workloads and "half-500k" in workloads:
        own["half_flows"] = (workloads["half-1m"]["stats"]["flows"] -
                             workloads["half-500k"]["stats"]["flows"])
    return own


def judge(value, bar):
    return value <= float(bar[1:]) if isinstance(bar, str) else value >= bar


def words(bar):
    return f"≤ {bar[1:]}" if isinstance(bar, str) else f"≥ {bar}"


def report(workloads, own, say):
    """Prints a line for each bar; returns them for the result."""
    figures, lines = Figures(workloads, own), []
    say("\nwhat nrtool must reach")
    for what, figure, bar, stretch, unit in BARS:
        line = {"what": what, "bar": words(bar), "stretch": words(stretch), "unit": unit}
        lines.append(line)
        try:
            value = figure(figures)
        except KeyError as e:
            line["verdict"] = f"not judged: no {e.args[0]}"
            say(f"  {'-':>9} {'':9} {what}: {line['verdict']}")
            continue
        line["value"] = value
        line["verdict"] = ("stretch" if judge(value, stretch) else
                           "met" if judge(value, bar) else "MISSED")
        say(f"  {value:9.2f} {unit:9} {what}: {line['verdict']} (bar {words(bar)}, "
            f"stretch {words(stretch)})")
    return lines
