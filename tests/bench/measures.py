# SPDX-License-Identifier: BSD-3-Clause
"""What the bars need and the time of one command does not tell: rows in a database, memory
against length, allocations, the way back to packets, reports."""

import array
import fcntl
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import termios
import time

import runs

HERE = os.path.dirname(os.path.abspath(__file__))
# The reports that answer at once; all others have five seconds.
QUICK_REPORTS = ("timeline", "long_flows", "failed_connections", "tunnels", "anomalies")


class Bench:
    """Where things are, what was measured, and a place for the figures."""

    def __init__(self, args, part, workloads, say):
        self.nrtool = f"{args.build}/cli/nrtool"
        self.gen = f"{args.build}/tests/bench/nrbench-gen"
        self.preload = f"{args.build}/tests/bench/nrbench-alloc.so"
        self.args, self.part, self.workloads, self.say = args, part, workloads, say

    def path(self, workload):
        return self.workloads[workload]["path"]

    def run(self, *argv):
        return subprocess.run([self.nrtool, *argv], check=True, capture_output=True, text=True)


def count_rows(db):
    with sqlite3.connect(db) as c:
        tables = [n for (n,) in c.execute("SELECT name FROM sqlite_schema WHERE type = 'table'"
                                          " AND name NOT LIKE 'sqlite_%'")]
        return sum(c.execute(f'SELECT count(*) FROM "{t}"').fetchone()[0] for t in tables)


def dns_rows(b, own, d):
    db = os.path.join(d, "x.db")
    b.run("replay", b.path("dns"), "-o", db, "--quiet", "--no-hash")
    own["dns_rows"] = count_rows(db)


def resident(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmRSS"))


def cpu_of(pid):
    with open(f"/proc/{pid}/stat") as f:
        return sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13]))


def settle(p):
    """Until the pipe is empty and the process has nothing to do."""
    before = -1
    while p.poll() is None:
        waiting = array.array("i", [0])
        fcntl.ioctl(p.stdin, termios.FIONREAD, waiting)
        now = cpu_of(p.pid)
        if not waiting[0] and now == before:
            return
        before = now
        time.sleep(0.5)
    raise RuntimeError(f"nrtool replay ended with status {p.returncode}")


def idle_bytes(b, workload, options):
    """Memory of one flow more: half of the file through a pipe, and then the other half; the
    flows stay open meanwhile, because packet time stands still."""
    p = subprocess.Popen([b.nrtool, "replay", "-", "-o", "null:", "--quiet", "--no-hash",
                          "--threads", "1", *options], stdin=subprocess.PIPE)
    half, sizes = os.path.getsize(b.path(workload)) // 2, []
    with open(b.path(workload), "rb") as f:
        for n in (half, 1 << 62):
            while n > 0 and (block := f.read(min(n, 1 << 20))):
                p.stdin.write(block)
                n -= len(block)
            p.stdin.flush()
            settle(p)
            sizes.append(resident(p.pid))
    p.stdin.close()
    p.wait()
    return (sizes[1] - sizes[0]) / (b.workloads[workload]["stats"]["flows"] / 2)


def flow_memory(b, own, _d):
    own["idle_plain"] = idle_bytes(b, "half-1m", ["--no-sessions"])
    own["idle_half"] = idle_bytes(b, "half-1m", [])
    own["idle_parsed"] = idle_bytes(b, "idle-500k", [])
    b.say(f"  in the middle of a request's head {own['idle_half']:.0f} B")


def peak_over_pipe(b, size, options):
    gen = subprocess.Popen([b.gen, "mix", "--size", str(size), "-"], stdout=subprocess.PIPE)
    r = runs.run_once([b.nrtool, "replay", "-", *options, "--quiet", "--no-hash"],
                      b.args.timeout, stdin=gen.stdout)
    gen.stdout.close()
    gen.wait()
    if "error" in r:
        raise RuntimeError(r["error"])
    return r["rss"]


def memory_by_length(b, own, _d):
    """mix through a pipe: a gigabyte, and four. Its certificates are all different, and the
    names of 262 144 are kept, so TLS is left out of what is judged."""
    size = int(1e9 * b.part)
    for name, options in (("flows", ["-o", "null:", "--no-sessions"]),
                          ("all", ["-o", "{d}/x.db", "-f",
                                   "not port 443 and not (vlan and port 443)"]),
                          ("tls", ["-o", "{d}/x.db"])):
        peaks = [peak_over_pipe(b, n, options) for n in (size, 4 * size)]
        own[f"peak_{name}"] = peaks
        own[f"growth_{name}"] = peaks[1] / peaks[0]
    b.say("  with certificates "
          + " and ".join(f"{n / 1e6:.0f} MB" for n in own["peak_tls"]))


def allocations_of(b, path, options):
    r = subprocess.run([b.nrtool, "replay", path, "-o", "null:", "--quiet", "--no-hash",
                        *options], check=True, capture_output=True, text=True,
                       env={**os.environ, "LD_PRELOAD": b.preload})
    return int(r.stderr.split("allocations ")[1].split()[0])


def allocations(b, own, d):
    """Of 60 MB more of the same in-order packets: calls of malloc and its kin."""
    total = packets = 0
    for kind, options in ((["p64", "--flows", "1000"], ["--no-sessions", "--threads", "1"]),
                          (["p64", "--flows", "1000"], []),
                          (["long"], ["--threads", "1"]), (["long"], [])):
        calls, n = [], []
        for size in ("20M", "80M"):
            path = os.path.join(d, "x.pcap")
            out = subprocess.run([b.gen, *kind, "--size", size, "--stats", path], check=True,
                                 capture_output=True, text=True).stderr
            n.append(int(out.split('"packets":')[1].split(",")[0]))
            calls.append(allocations_of(b, path, options))
        total += max(0, calls[1] - calls[0])
        packets += n[1] - n[0]
    own["allocations"], own["allocation_packets"] = total, packets


def small_flows(db):
    """Five flows of few packets, from all over the capture."""
    with sqlite3.connect(db) as c:
        top, = c.execute("SELECT max(flow_id) FROM flow").fetchone()
        return [c.execute("SELECT flow_id FROM flow WHERE records BETWEEN 4 AND 32"
                          " ORDER BY abs(flow_id - ?) LIMIT 1",
                          (top * tenth // 10,)).fetchone()[0] for tenth in (1, 3, 5, 7, 9)]


def extract_ms(b, db):
    """The slowest of five flows, each the median of the runs, whole process."""
    slowest = 0
    for flow in small_flows(db):
        took = []
        for _ in range(b.args.runs):
            began = time.monotonic()
            subprocess.run([b.nrtool, "extract", db, "--flow", str(flow), "-w", "-", "-q"],
                           check=True, stdout=subprocess.DEVNULL)
            took.append((time.monotonic() - began) * 1e3)
        slowest = max(slowest, statistics.median(took))
    return slowest


def extraction(b, own, d):
    plain, archive = os.path.join(d, "plain.db"), os.path.join(d, "mix.pcapng.zst")
    b.run("replay", b.path("mix"), "-o", plain, "--quiet", "--no-hash")
    own["extract_ms"] = extract_ms(b, plain)
    b.run("archive", "-w", archive, b.path("mix"))
    b.run("replay", archive, "-o", plain, "--force", "--quiet", "--no-hash")
    own["extract_archive_ms"] = extract_ms(b, plain)


def parameters(db):
    """What each report that wants something is asked."""
    with sqlite3.connect(db) as c:
        host, = c.execute("SELECT dst_ip FROM flow GROUP BY 1 ORDER BY count(*) DESC"
                          " LIMIT 1").fetchone()
        flow, = c.execute("SELECT max(flow_id) FROM flow").fetchone()
    return {"host": [f"ip={host}"], "dns_host": [f"ip={host}"], "dns_name": ["name=com"],
            "flow": [f"flow={flow}"], "packet": ["source=1", "packet=1000"],
            "between": ["from=2000-01-01T00:00:00", "to=2100-01-01T00:00:00"]}


def report_seconds(b, db, report, params):
    argv = [b.nrtool, "query", db, report, "--format", "csv"]
    for p in params:
        argv += ["--param", p]
    took = []
    while len(took) < 3 and sum(r["wall"] for r in took) < 5:
        took.append(runs.run_once(argv, b.args.timeout))
        if "error" in took[-1]:
            raise RuntimeError(f"{report}: {took[-1]['error']}")
    return {"median": statistics.median(r["wall"] for r in took),
            "cpu": min(r["cpu"] for r in took), "runs": len(took),
            "disturbed": sum(map(runs.is_disturbed, took))}


def reports(b, own, d):
    """All reports over a million flows, a million anomalies, 100 000 tunnels."""
    source = "real" if "real" in b.workloads else "mix"
    small, large = os.path.join(d, "small.db"), os.path.join(d, "large.db")
    b.run("replay", b.path(source), "-o", small, "--quiet", "--no-hash")
    made = subprocess.run([sys.executable, os.path.join(HERE, "million.py"), small, large,
                           str(int(1e6 * b.part))], check=True, capture_output=True, text=True)
    own["reports_rows"] = dict((k, int(v)) for k, v in
                               (x.split("=") for x in made.stdout.split()))
    empty = [t for t, n in own["reports_rows"].items() if not n]
    b.say(f"  reports over {source}, multiplied: {own['reports_rows']['flow']:,} flows, "
          f"{sum(own['reports_rows'].values()):,} rows; empty: {', '.join(empty) or 'no table'}")
    params = parameters(large)
    names = [line.split()[0] for line in b.run("query", "--list").stdout.splitlines()]
    seconds = {n: report_seconds(b, large, n, params.get(n, [])) for n in names}
    own["reports"] = seconds
    for n, r in sorted(seconds.items(), key=lambda x: -x[1]["median"])[:8]:
        b.say(f"    {n:20} {r['median']:6.2f} s, {r['cpu']:.2f} s of CPU, {r['runs']} runs"
              + (f", {r['disturbed']} disturbed" if r["disturbed"] else ""))
    own["reports_slowest"] = max(r["median"] for r in seconds.values())
    own["reports_quick"] = max(seconds[n]["median"] for n in QUICK_REPORTS)


# what, the workloads it needs, how
MEASURES = [
    ("rows of dns", {"dns"}, dns_rows),
    ("memory of a flow", {"half-1m", "idle-500k"}, flow_memory),
    ("memory against length", {"mix"}, memory_by_length),
    ("allocations", {"p64-100k"}, allocations),
    ("extraction", {"mix"}, extraction),
    ("reports", {"mix"}, reports),
]


def measure(args, part, workloads, say):
    """The figures by name; what failed is said, and its bars are not judged."""
    b, own = Bench(args, part, workloads, say), {}
    for what, needs, how in MEASURES:
        if not needs <= set(workloads):
            continue
        began = time.monotonic()
        say(f"measuring {what}")
        try:
            with tempfile.TemporaryDirectory(prefix="nrbench-") as d:
                how(b, own, d)
        except (OSError, RuntimeError, subprocess.CalledProcessError, sqlite3.Error) as e:
            words = getattr(e, "stderr", None) or str(e)
            say(f"  failed: {str(words).strip()[-300:]}")
            own.setdefault("failed", []).append(what)
        say(f"  took {time.monotonic() - began:.0f} s")
    return own
