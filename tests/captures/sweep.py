#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every capture ends cleanly, in time proportional to its size, and adds up.

Two runs with JSON lines: with sanitizers (if given such a build), and plain, whose ledger is compared with the tables. One check a file and run."""

import collections
import os
import re
import shutil
import sys
from multiprocessing import Pool

import common

# A file costs at most a fixed second (sanitizers, a cold start, a busy host) and then
# this much for each packet and byte; the plain engine is 20 times faster than that.
FIXED, PER_PACKET, PER_BYTE = 1.0, 20e-6, 40e-9
SANITIZER_FACTOR = 8
CLEAN = {"ok", "damaged", "nocapture"}
ASAN = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:allocator_may_return_null=1:"
                    "quarantine_size_mb=32",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}
# Buckets whose packets are rows of a table of their own.
ROW_BUCKETS = {"arp": "arp"}
TYPES = ["flow", "ledger", "source", "arp"]


def budget(packets, size, factor=1):
    return factor * (FIXED + packets * PER_PACKET + size * PER_BYTE)


def ledger_errors(rows):
    """What does not add up between ledger, source, flow and arp; empty if all does."""
    by = collections.defaultdict(lambda: [0, 0])
    bucket = collections.defaultdict(lambda: [0, 0])
    source, flows, arps = [0, 0], [0, 0], 0
    n_sources = 0
    for r in rows:
        t = r["type"]
        if t == "ledger":
            for d, key in ((bucket, r["bucket"]), (by, "all")):
                d[key][0] += r["packets"]
                d[key][1] += r["wire_bytes"]
        elif t == "source":
            n_sources += 1
            source[0] += r.get("packets", 0)
            source[1] += r.get("wire_bytes", 0)
        elif t == "flow":
            flows[0] += r["records"]
            flows[1] += r["wire_bytes"]
        elif t == "arp":
            arps += "flow_id" not in r  # inside a carrier: that flow's packet
    bad = []
    if n_sources != 1:
        bad.append(f"{n_sources} rows of source")
    if by["all"] != source:
        bad.append(f"ledger {by['all']} is not source {source}")
    if bucket["flow"] != flows:
        bad.append(f"bucket flow {bucket['flow']} is not the flows' {flows}")
    if bucket["arp"][0] != arps:
        bad.append(f"bucket arp {bucket['arp'][0]} packets, {arps} rows of arp")
    return bad


def ledger_of(path):
    return ledger_errors(common.read_rows(path, TYPES))


def clean(tally, run, files, verdicts, root, factor):
    for f in files:
        v = verdicts.get(f, ("missing", 0, 0.0, 0, ""))
        limit = budget(v[1], common.size(root / f), factor)
        words = f"{run} {f}: {v[0]} {v[4]}"
        if tally.check(v[0] in CLEAN, words) and v[2] > limit:
            tally.passed -= 1
            tally.check(False, f"{run} {f}: {v[2]:.2f} s, more than {limit:.2f} s")


def findings(words):
    """What the sanitizers found, each once, with the first of its frames."""
    seen = collections.Counter()
    lines = words.splitlines()
    for i, line in enumerate(lines):
        m = re.search(r"runtime error: .*|ERROR: .*Sanitizer: [^(]*", line)
        if m:
            place = line.split(": runtime", 1)[0] if "runtime" in line else next(
                (f.split(" in ", 1)[-1] for f in lines[i:i + 12]
                 if re.search(r"#\d .*(libcore|cli|parsers)/", f)), "")
            seen[f"{m[0].strip()} ({place.strip()})"] += 1
    return "\n".join(f"{n:6} x {what}" for what, n in seen.most_common(20)) or \
        "sanitizers: nothing"


def main():
    p = common.arguments(__doc__)
    p.add_argument("--file", help="only files whose path contains this")
    a = p.parse_args()
    tally = common.Tally("sweep")
    root = common.captures()
    if not root:
        tally.skip("no captures (set NRTOOL_CAPTURES)")
        return tally.close()
    files = common.manifest(root, a.file)
    tool = common.Nrtool(a.build, root, a.jobs)
    verdicts = tool.replay(files)
    clean(tally, "plain", files, verdicts, root, 1)
    read = [f for f in files if verdicts[f][0] in ("ok", "damaged")]
    with Pool(a.jobs) as pool:
        for f, bad in zip(read, pool.map(ledger_of, [tool.out(f, ()) for f in read],
                                         chunksize=16)):
            tally.check(not bad, f"ledger of {f}: {'; '.join(bad)}")
    if a.asan_build:
        asan = common.Nrtool(a.asan_build, root, a.jobs)
        scratch = asan.cache / "scratch"
        scratch.mkdir(exist_ok=True)
        got = asan.run([(str(root / f), str(scratch / f"{i}.jsonl"))
                        for i, f in enumerate(files)],
                       ["--leaks", "64", "--timeout", "60"], env=ASAN)
        shutil.rmtree(scratch, ignore_errors=True)
        short = {f: got.get(str(root / f), ("missing", 0, 0.0, 0, "")) for f in files}
        clean(tally, "asan", files, short, root, SANITIZER_FACTOR)
        tally.check("(end)" not in got, "asan: leaks at the end of a process")
        print(findings(asan.words))
    else:
        tally.skip("no sanitizer build (--asan-build DIR)")
    slow = sorted(files, key=lambda f: -verdicts[f][2])[:3]
    print("slowest:", ", ".join(f"{f} {verdicts[f][2]:.2f} s" for f in slow))
    return tally.close()


if __name__ == "__main__":
    os.chdir(common.ROOT)
    sys.exit(main())
