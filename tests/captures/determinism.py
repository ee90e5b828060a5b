#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The same input gives the same bytes; twins of a file give the same record tables.

A second run and batch sizes 1 and 7 against 256, byte for byte (but type run), on a
sample of captures and all derived ones. Twins (pcapng, gz, zst, xz, lz4, stdin) of some
sound captures, made with the tools at hand, against the original."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import common

SAMPLE, TWINS = 400, 24
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


def runs(tally, tool, files, scratch):
    tool.replay(files)
    for label, options in (("second run", []), ("batch 1", ["--batch", "1"]),
                           ("batch 7", ["--batch", "7"])):
        target = {f: scratch / f"{i}.jsonl" for i, f in enumerate(files)}
        verdicts = tool.run([(str(tool.captures / f), str(t))
                             for f, t in target.items()], options)
        for f, t in target.items():
            v = verdicts.get(str(tool.captures / f), ("missing",))[0]
            same = digest(t) == digest(tool.out(f, ()))
            tally.check(same, f"{label} of {f} ({v}) differs" + ("" if same else ": "
                        + different_line(t.read_bytes().splitlines() if t.exists()
                                         else [], tool.out(f, ()).read_bytes()
                                         .splitlines())))
            t.unlink(missing_ok=True)


def make_twins(path, folder):
    """{label: path} of twins of one pcap."""
    twins = {}
    if shutil.which("editcap"):
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
        runs(tally, tool, common.pick(others, a.sample) + derived, scratch)
        twins(tally, tool, common.pick(pcaps, a.twins), scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return tally.close()


if __name__ == "__main__":
    os.chdir(common.ROOT)
    sys.exit(main())
