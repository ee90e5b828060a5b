#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The same input gives the same bytes; twins of a file give the same record tables.

1, 2, 3, 4 and 8 threads with batches of 1, 7 and 256, byte for byte (but type run)
against one thread and 256: each capture in one of these ways, in turns, and a sample and
all derived ones in more; another sample in turns with caps so small that flows, sessions
and fragments are evicted. A second run. Twins (pcapng, gz, zst, xz, lz4, stdin) of some
sound captures, made with the tools at hand, against the original."""

import hashlib
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import common

SAMPLE, TWINS, CAPS, TURNS = 40, 24, 150, 1500
WAYS = [(t, b) for t in (2, 1, 4, 3, 8) for b in (256, 7, 1)]  # of threads and batches
# Describe the container, and so may differ between twins.
CONTAINER = {"run", "source", "source_block", "interface", "comment", "name",
             "capture_stats"}
PACKERS = {"gz": ["gzip", "-c"], "zst": ["zstd", "-qc"], "xz": ["xz", "-c"],
           "lz4": ["lz4", "-qc"]}


def digest(path):
    """Hash of all lines but those of type run."""
    h = hashlib.sha256()
    if not path.exists():
        return "none"
    with open(path, "rb") as f:
        for line in f:
            if not line.startswith(b'{"type":"run"'):
                h.update(line)
    return h.hexdigest()


def records(path):
    """Record tables only, as lines; the type is the first key."""
    if not path.exists():
        return None
    out = []
    with open(path, "rb") as f:
        for line in f:
            if line.split(b'"', 4)[3].decode() not in CONTAINER:
                out.append(line)
    return out


def different_line(a, b):
    for x, y in zip(a, b):
        if x != y:
            return f"{x[:300]!r} for {y[:300]!r}"
    return f"{len(a)} lines for {len(b)}"


def compare(tally, tool, files, scratch, label, options, base):
    """The files under options against their output under base."""
    if not files:
        return
    target = {f: scratch / f"{i}.jsonl" for i, f in enumerate(files)}
    verdicts = tool.run([(str(tool.captures / f), str(t)) for f, t in target.items()],
                        [*base, *options])
    for f, t in target.items():
        v = verdicts.get(str(tool.captures / f), ("missing",))[0]
        want = tool.out(f, base)
        same = digest(t) == digest(want)
        tally.check(same, f"{label} of {f} ({v}) differs" + ("" if same else ": "
                    + different_line(t.read_bytes().splitlines() if t.exists() else [],
                                     want.read_bytes().splitlines()
                                     if want.exists() else [])))
        t.unlink(missing_ok=True)


def in_turns(tally, tool, files, scratch, base=()):
    """Each file in one way, all ways in use."""
    tool.replay(files, base)
    for k, (threads, batch) in enumerate(WAYS):
        compare(tally, tool, files[k::len(WAYS)], scratch,
                f"{threads} threads, batch {batch}{' '.join(('', *base))}",
                ["--threads", str(threads), "--batch", str(batch)], base)


def runs(tally, tool, files, scratch):
    tool.replay(files)
    compare(tally, tool, files, scratch, "second run", [], ())
    for threads, batch in ((4, 1), (2, 7), (8, 256)):
        compare(tally, tool, files, scratch, f"{threads} threads, batch {batch}",
                ["--threads", str(threads), "--batch", str(batch)], ())


def has_odd_fraction(path):
    """Does a pcap have a fraction of a second beyond one? Where it is beyond 2^32 ns editcap
    wraps it, and what it writes is no twin (tcpflow's bug8.pcap: 8915240 us)."""
    d = path.read_bytes()
    order = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">"}.get(d[:4])
    at = 24
    while order and at + 16 <= len(d):
        _, fraction, captured, _ = struct.unpack_from(order + "IIII", d, at)
        if fraction * 1000 >= 1 << 32:
            return True
        at += 16 + captured
    return False


def make_twins(path, folder):
    """{label: path} of twins of one pcap."""
    twins = {}
    if shutil.which("editcap") and not has_odd_fraction(path):
        ng = folder / "twin.pcapng"
        if subprocess.run(["editcap", "-F", "pcapng", str(path), str(ng)],
                          capture_output=True).returncode == 0:
            twins["pcapng"] = ng
    for ending, command in PACKERS.items():
        if shutil.which(command[0]):
            packed = folder / f"twin.{ending}"
            with open(path, "rb") as i, open(packed, "wb") as o:
                subprocess.run(command, stdin=i, stdout=o, check=True)
            twins[ending] = packed
    return twins


def stdin_rows(tool, path, out):
    with open(path, "rb") as i, open(out, "wb") as o:
        subprocess.run([str(tool.nrtool), "replay", "-", "-o", "-"], stdin=i, stdout=o,
                       stderr=subprocess.DEVNULL, check=False)


def twins(tally, tool, files, scratch):
    tool.replay(files)
    missing = [c[0] for c in [["editcap"], *PACKERS.values()] if not shutil.which(c[0])]
    if missing:
        tally.skip(f"no {', '.join(missing)} for twins", len(missing) * len(files))
    for n, f in enumerate(files):
        folder = scratch / f"twins{n}"
        folder.mkdir()
        path = tool.captures / f
        want = records(tool.out(f, ()))
        made = make_twins(path, folder)
        tool.run([(str(p), str(folder / f"{label}.jsonl")) for label, p in made.items()])
        if tool.nrtool.exists():
            stdin_rows(tool, path, folder / "stdin.jsonl")
            made["stdin"] = "-"
        for label in made:
            got = records(folder / f"{label}.jsonl")
            tally.check(got == want, f"twin {label} of {f}: "
                        + ("" if got == want else "no output" if got is None else
                           different_line(got, want or [])))
        shutil.rmtree(folder)


def main():
    p = common.arguments(__doc__)
    p.add_argument("--sample", type=int, default=SAMPLE)
    p.add_argument("--turns", type=int, default=TURNS,
                   help="captures that are replayed in one of the ways each")
    p.add_argument("--all", action="store_true", help="all of them")
    p.add_argument("--twins", type=int, default=TWINS)
    a = p.parse_args()
    tally = common.Tally("determinism")
    root = common.captures()
    if not root:
        tally.skip("no captures (set NRTOOL_CAPTURES)")
        return tally.close()
    manifest = common.tsv(root / "MANIFEST.tsv")
    sound = {r["path"] for r in common.tsv(root / "GROUND_TRUTH.tsv")
             if r["soundness"] == "sound"}
    derived = [r["path"] for r in manifest if r["path"].startswith("derived/")]
    others = [r["path"] for r in manifest if not r["path"].startswith("derived/")]
    pcaps = [r["path"] for r in manifest if r["path"] in sound and
             r["format_features"].split(" ")[0].split(";")[0] == "pcap" and
             int(r["packets"]) >= 10 and int(r["bytes"]) < 1000000]
    tool = common.Nrtool(a.build, root, a.jobs)
    scratch = Path(tempfile.mkdtemp(prefix="nrtool-determinism-"))
    try:
        in_turns(tally, tool, others if a.all else common.pick(others, a.turns), scratch)
        in_turns(tally, tool, common.pick(others, CAPS), scratch, ("--small",))
        runs(tally, tool, common.pick(others, a.sample) + derived, scratch)
        twins(tally, tool, common.pick(pcaps, a.twins), scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return tally.close()


if __name__ == "__main__":
    os.chdir(common.ROOT)
    sys.exit(main())
