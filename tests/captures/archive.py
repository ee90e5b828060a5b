#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Archives of real captures, there and back.

usage: archive.py --build DIR [--step N | --all] [--tshark N]

Of every Nth capture (7): `zstd -t` and capinfos accept its archive, which holds as many
packets as nrtool read; the pcapng that comes out of the archive is the one that zstd takes
out of it; replay finds the same in both; tshark sees the same packets, times, interfaces
and comments (of N of them, 60). The database becomes an archive of events and the same
database again. Then bytes are flipped and files cut all over some archives: `nrtool
verify` finds each, names the frame, and what is repaired passes."""

import argparse
import json
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import common

CONTAINER = {"run", "source", "source_block", "capture_stats"}
FIELDS = ["frame.time_epoch", "frame.len", "frame.cap_len", "frame.md5_hash",
          "frame.interface_name", "frame.interface_description", "frame.packet_flags_direction",
          "frame.comment"]
COMPARED = []  # by tshark, with their archives


def run(*words, **more):
    return subprocess.run([str(w) for w in words], capture_output=True, text=True,
                          errors="replace", stdin=subprocess.DEVNULL, timeout=600, **more)


def rows_of(nrtool, path, folder):
    """Sorted lines of replay without what describes the container."""
    out = folder / "rows.jsonl"
    p = run(nrtool, "replay", path, "-q", "--no-hash", "--force", "-o", out)
    lines = []
    for line in out.read_text().splitlines() if out.exists() else []:
        r = json.loads(line)
        if r["type"] in CONTAINER:
            continue
        if r["type"] == "interface":
            r.pop("section", None)
            if r.get("tsresol", 0) > 10 ** 9 or "tsresol" not in r:
                r["tsresol"] = 10 ** 9  # finer than the nanoseconds that are kept
        lines.append(json.dumps(r, sort_keys=True))
    return p.returncode, sorted(lines)


def tables(path):
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    db.text_factory = bytes
    try:
        names = [n for (n,) in db.execute(
            "SELECT CAST(name AS BLOB) FROM sqlite_master WHERE type = 'table' ORDER BY 1")]
        out = {}
        for n in (n.decode() for n in names):
            rows = db.execute(f'SELECT rowid, * FROM "{n}"').fetchall()
            if n == "run":  # says what archives the run wrote
                at = [r[1] for r in db.execute("PRAGMA table_info(run)")].index(b"chain_heads")
                rows = [r[:at + 1] + r[at + 2:] for r in rows]
            out[n] = rows
        return out
    finally:
        db.close()


def tshark(path):
    fields = [x for f in FIELDS for x in ("-e", f)]
    p = run("tshark", "-n", "-r", path, "-o", "frame.generate_md5_hash:TRUE", "-T", "fields",
            *fields)
    if not p.stdout and p.returncode not in (0, 2):
        raise RuntimeError(f"tshark {path}: status {p.returncode}: {p.stderr[:300]}")
    return p.returncode, [plain(line) for line in p.stdout.splitlines()]


def plain(line):
    """A line of tshark's: the time in ns, as a fraction beyond a second is printed as it
    stands; an interface without a name as in pcap, which has none; flags that say nothing."""
    f = line.split("\t")
    if len(f) == len(FIELDS):
        s, _, ns = f[0].partition(".")
        f[0] = int(s or 0) * 10 ** 9 + int(ns or 0)
        f[4] = f[4].replace("unknown", "")
        f[6] = f[6].replace("0x00000000", "")
    return f


def packets(nrtool, tally, path, folder, with_tshark):
    """The archive of one capture; None where nrtool reads nothing of it."""
    a, b = folder / "a.pcapng.zst", folder / "b.pcapng"
    p = run(nrtool, "archive", path, "-q", "-w", a)
    if p.returncode == 1:
        return None
    if not tally.check(p.returncode in (0, 3), f"{path}: {p.returncode} {p.stderr[-300:]}"):
        return None
    tally.check(run("zstd", "-tq", a).returncode == 0, f"{path}: zstd refuses the archive")
    i = run("capinfos", "-TrcM", a)
    count = (i.stdout.split() or [""])[-1]
    info = run(nrtool, "info", "--json", "--no-hash", path)
    n = json.loads(info.stdout.splitlines()[0])["packets"]
    tally.check(i.returncode == 0 and count == str(n),
                f"{path}: capinfos says {count} packets, nrtool {n}: {i.stderr[-200:]}")
    run(nrtool, "archive", a, "-q", "-w", b)
    z = subprocess.run(["zstd", "-dcq", a], capture_output=True).stdout
    tally.check(b.read_bytes() == z, f"{path}: the archive's pcapng differs from zstd's")
    one, two = rows_of(nrtool, path, folder), rows_of(nrtool, a, folder)
    tally.check(one[1] == two[1], f"{path}: replay finds something else in the archive")
    v = run(nrtool, "verify", a)
    tally.check(v.returncode == 0, f"{path}: verify {v.returncode} {v.stdout[-300:]}")
    if with_tshark and p.returncode == 0:
        one, two = tshark(path), tshark(a)
        if one[0] == 0:
            tally.check(one == two, f"{path}: tshark sees something else in the archive")
            COMPARED.append(path)
    return a


def events(nrtool, tally, path, folder):
    db, lines, again, exported = (folder / n for n in
                                  ("x.db", "x.jsonl.zst", "y.db", "z.jsonl.zst"))
    p = run(nrtool, "replay", path, "-q", "--force", "-o", db, "-o", lines)
    if p.returncode not in (0, 3):
        return
    want = tables(db)
    tally.check(run("zstd", "-tq", lines).returncode == 0, f"{path}: zstd refuses its lines")
    q = run(nrtool, "import", lines, "-q", "--force", "-o", again)
    tally.check(q.returncode == 0 and tables(again) == want,
                f"{path}: import of replay's lines gives other rows: {q.stderr[-300:]}")
    q = run(nrtool, "export", db, exported, "-q", "--force")
    q = run(nrtool, "import", exported, "-q", "--force", "-o", again)
    tally.check(q.returncode == 0 and tables(again) == want,
                f"{path}: import of an export gives other rows: {q.stderr[-300:]}")


def one(nrtool, tally, path, with_tshark):
    folder = Path(tempfile.mkdtemp(prefix="nrtool-archive-"))
    try:
        if packets(nrtool, tally, path, folder, with_tshark):
            events(nrtool, tally, path, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def changed(nrtool, tally, whole, folder, rnd):
    """Flips and cuts of one archive, a hundred to one verify."""
    data = whole.read_bytes()
    small = len(data) < 4000
    where = [(i, k) for i in range(len(data)) for k in range(8)] if small else \
        [(i, rnd.randrange(8)) for i in rnd.sample(range(len(data)), 300)]
    cuts = range(1, len(data)) if small else sorted(rnd.sample(range(1, len(data)), 150))
    cases = [(f"bit {k} of byte {i}", data[:i] + bytes([data[i] ^ 1 << k]) + data[i + 1:])
             for i, k in where] + [(f"cut to {n}", data[:n]) for n in cuts]
    named = missed = 0
    for at in range(0, len(cases), 100):
        files = []
        for n, (_, b) in enumerate(cases[at:at + 100]):
            f = folder / f"c{n}.zst"
            f.write_bytes(b)
            files.append(f)
        verdicts = {}
        for line in run(nrtool, "verify", "--json", *files).stdout.splitlines():
            r = json.loads(line)
            verdicts[r["path"]] = r
        for f, (words, _) in zip(files, cases[at:at + 100]):
            v = verdicts.get(str(f), {"status": 1})  # 1: it is no zstd file any more
            if v["status"] not in (1, 5):
                missed += 1
                print(f"{whole.name}, {words}: verify passes it", flush=True)
            text = json.dumps(v)
            named += "frame " in text and "T" in text
            f.unlink()
    tally.check(not missed, f"{whole.name}: verify passed {missed} of {len(cases)} changes")
    tally.check(named >= 50, f"{whole.name}: only {named} findings name a frame")


def damage(nrtool, tally, root, paths):
    rnd = random.Random(5)
    folder = Path(tempfile.mkdtemp(prefix="nrtool-archive-"))
    try:
        # the smallest that holds a packet: findings name its frame and times
        full = {r["path"] for r in common.tsv(root / "MANIFEST.tsv")
                if (r["packets"] or "0").isdigit() and int(r["packets"] or 0) > 0}
        small = min((p for p in paths if p in full), key=lambda p: (root / p).stat().st_size)
        large = max(paths, key=lambda p: (root / p).stat().st_size)
        for name, p in (("small", small), ("large", large)):
            a = folder / f"{name}.pcapng.zst"
            if run(nrtool, "archive", root / p, "-q", "-w", a).returncode == 0:
                changed(nrtool, tally, a, folder, rnd)
                cut = folder / "cut.pcapng.zst"
                cut.write_bytes(a.read_bytes()[:-20])
                run(nrtool, "verify", "--repair", cut)
                tally.check(run(nrtool, "verify", cut).returncode == 0,
                            f"{p}: what was repaired does not pass")
        e = folder / "events.jsonl.zst"
        run(nrtool, "replay", root / large, "-q", "-o", e)
        changed(nrtool, tally, e, folder, rnd)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--build", default=common.ROOT / "build")
    a.add_argument("--asan-build")
    a.add_argument("--jobs", type=int, default=2)
    a.add_argument("--step", type=int, default=7)
    a.add_argument("--all", action="store_true")
    a.add_argument("--tshark", type=int, default=60)
    o = a.parse_args()
    tally, root = common.Tally("archive"), common.captures()
    if not root:
        tally.skip("there are no captures")
        return tally.close()
    nrtool = Path(o.build) / "cli" / "nrtool"
    paths = common.manifest(root)[::1 if o.all else o.step]
    every = max(len(paths) // max(o.tshark, 1), 1)
    has_tshark = shutil.which("tshark") is not None
    if not has_tshark:
        tally.skip("there is no tshark")
    with ThreadPoolExecutor(o.jobs) as pool:
        for f in [pool.submit(one, nrtool, tally, root / p, has_tshark and k % every == 0)
                  for k, p in enumerate(paths)]:
            f.result()
    if has_tshark:
        tally.check(len(COMPARED) > min(o.tshark, len(paths)) // 2,
                    f"tshark saw only {len(COMPARED)} captures and their archives")
    damage(nrtool, tally, root, paths)
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
