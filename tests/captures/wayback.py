#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The way back: what flow_packets and source_block name decodes to the flow that names it.

For all captures, with the memory of the index unlimited and so small that chunks are
written early; for `mix`, and for the file or files given with --file (many real captures
merged into one). Reports the bytes of chunks per packet; more than 4 on a flow of 8 or
more packets fails."""

import collections
import subprocess
import sys
import tempfile
from pathlib import Path

import common

BAR = 4.0
Row = collections.namedtuple("Row", "path verdict flows packets bytes packets8 bytes8 worst "
                                    "at_offset words")


def build(a, *targets):
    r = subprocess.run(["ninja", "-C", a.build, *targets], capture_output=True, text=True)
    if r.returncode:
        sys.exit(f"cannot build {' '.join(targets)}:\n{r.stdout[-3000:]}")


def prove(a, paths, *options):
    """A Row for each path, as tests/captures/wayback says."""
    parts = [paths[i::a.jobs] for i in range(a.jobs)]
    running = []
    for part in parts:
        w = tempfile.TemporaryFile()
        w.write("".join(f"{p}\n" for p in part).encode("utf-8", "surrogateescape"))
        w.seek(0)
        running.append(subprocess.Popen([f"{a.build}/tests/captures/wayback", *options],
                                        stdin=w, stdout=subprocess.PIPE))
    rows = {}
    for p in running:
        for line in p.communicate()[0].decode("utf-8", "surrogateescape").splitlines():
            f = line.split("\t")
            rows[f[0]] = Row(f[0], f[1], *map(int, f[2:7]), float(f[7]), int(f[8]), f[9])
    none = Row("", "missing", 0, 0, 0, 0, 0, 0.0, 0, "")
    return [rows.get(p, none._replace(path=p)) for p in paths]


def ratio(n, packets):
    return n / packets if packets else 0.0


def judge(tally, label, rows):
    """One check for each capture; the figures of all of them in a line."""
    for r in rows:
        tally.check(r.verdict in ("ok", "nocapture") and r.worst <= BAR,
                    f"{label}: {r.path}: {r.verdict} {r.words}, at worst {r.worst} "
                    "bytes a packet")
    n = [sum(getattr(r, f) for r in rows)
         for f in ("flows", "packets", "bytes", "packets8", "bytes8", "at_offset")]
    print(f"{label}: {n[0]} flows, {n[1]} packets, {ratio(n[2], n[1]):.3f} bytes a packet; "
          f"flows of 8 and more: {ratio(n[4], n[3]):.3f}, at worst "
          f"{max((r.worst for r in rows), default=0):.3f}; "
          f"files at worst {max((ratio(r.bytes, r.packets) for r in rows), default=0):.3f}; "
          f"{n[5]} offsets of source_block", flush=True)


def main():
    p = common.arguments(__doc__)
    p.add_argument("--file", action="append", default=[], help="prove this capture too")
    a = p.parse_args()
    a.build = str(Path(a.build).resolve())
    tally = common.Tally("wayback")
    build(a, "tests/captures/wayback", "tests/bench/nrbench-gen")
    with tempfile.TemporaryDirectory(prefix="nrtool-wayback-") as d:
        mix = f"{d}/mix.pcap"
        subprocess.run([f"{a.build}/tests/bench/nrbench-gen", "mix", "--size", "30M", mix],
                       check=True)
        judge(tally, "mix", prove(a, [mix]))
        judge(tally, "mix, 256 KiB of memory", prove(a, [mix], "--index-memory", "262144"))
    for f in a.file:
        judge(tally, f, prove(a, [str(Path(f).resolve())]))
    root = common.captures()
    if root:
        files = [str(root / p) for p in common.manifest(root)]
        judge(tally, "captures", prove(a, files))
        judge(tally, "captures, no memory", prove(a, files, "--index-memory", "0"))
    else:
        tally.skip("no captures (set NRTOOL_CAPTURES)")
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
