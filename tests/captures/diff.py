#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""nrtool diff: nothing where nothing differs, and exactly what was changed where one thing was.

Equal: a second replay in other batches (and threads), and an archive, against the database of every
capture (a sample without --all); twins of some in another compression or format, container
tables left out. Changed: one value, row removed or row added in a copy, every column of
every table of a sample of captures, chosen with --seed (each of them without --some)."""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from multiprocessing import Pool
from pathlib import Path

import common
import injections
from determinism import make_twins

SAMPLE, TWINS, CHANGED, SOME = 200, 20, 30, 30
TOOL = None  # of each worker: nrtool's path
AGAIN = ["--batch=7"]  # how a capture is replayed the second time


def start(nrtool):
    global TOOL
    TOOL = nrtool
    if "--threads" in subprocess.run([nrtool, "replay", "--help"], capture_output=True, text=True,
                                     check=True).stdout:
        AGAIN.append("--threads=4")


def nrtool(*words):
    p = subprocess.run([TOOL, *map(str, words)], capture_output=True, check=False,
                       stdin=subprocess.DEVNULL)
    return p.returncode, p.stdout.decode("utf-8", "replace"), p.stderr.decode("utf-8", "replace")


def replay(path, *words):
    return nrtool("replay", path, "-q", "--force", "--no-hash", *words)[0] in (0, 3)


def unequal(a, b, *words):
    """None, or what diff says."""
    status, out, err = nrtool("diff", a, b, *words)
    return None if (status, out, err) == (0, "", "") else f"status {status}: {out[:300]}{err[:200]}"


def equal(path):
    """[what is wrong] of one capture replayed twice, or None where it is none."""
    with tempfile.TemporaryDirectory(prefix="nrtool-diff-") as folder:
        d = Path(folder)
        if not replay(path, "-o", d / "a.db", "-o", d / "a.jsonl.zst"):
            return None
        replay(path, "-o", d / "b.db", *AGAIN)
        bad = [unequal(d / "a.db", d / "b.db", "--containers"),
               unequal(d / "b.db", d / "a.jsonl.zst", "--containers")]
        return [b for b in bad if b]


def twins(path):
    with tempfile.TemporaryDirectory(prefix="nrtool-diff-") as folder:
        d = Path(folder)
        if not replay(path, "-o", d / "a.db"):
            return None
        bad = []
        for label, twin in make_twins(path, d).items():
            replay(twin, "-o", d / "b.db")
            said = unequal(d / "a.db", d / "b.db")
            if said:
                bad.append(f"{label}: {said}")
        return bad


def changed(path, seed, some, part):
    """[what is wrong], one for each change that is not named exactly; how many were made."""
    bad, n = [], 0
    with tempfile.TemporaryDirectory(prefix="nrtool-diff-") as folder:
        a, b = Path(folder, "a.db"), Path(folder, "b.db")
        if not replay(path, "-o", a):
            return bad, n
        db = sqlite3.connect(a)
        made = injections.changes(db, random.Random(f"{seed} {path.name}"), some, part)
        db.close()
        for words, sql, args, want in made:
            shutil.copy(a, b)
            db = sqlite3.connect(b)
            try:
                with db:
                    db.execute(sql, args)
            except sqlite3.IntegrityError:
                continue  # a key that another row has
            finally:
                db.close()
            status, out, err = nrtool("diff", a, b, "--format=jsonl", "--containers", "--runs")
            n += 1
            wrong = injections.judge(out, want) if status == 5 else f"status {status} {err}"
            if wrong:
                bad.append(f"{words}: {wrong}")
    return bad, n


def main():
    p = common.arguments(__doc__)
    p.add_argument("--all", action="store_true", help="every capture of the set")
    p.add_argument("--seed", default="1")
    p.add_argument("--some", type=int, default=SOME,
                   help="changes of one capture; 0: one of each column")
    p.add_argument("--changed", type=int, default=CHANGED, help="captures that are changed")
    a = p.parse_args()
    tally = common.Tally("diff")
    root = common.captures()
    if not root:
        tally.skip("no captures (set NRTOOL_CAPTURES)")
        return tally.close()
    manifest = common.tsv(root / "MANIFEST.tsv")
    sound = {r["path"] for r in common.tsv(root / "GROUND_TRUTH.tsv")
             if r["soundness"] == "sound"}
    small = [r["path"] for r in manifest if int(r["bytes"]) < 4000000]
    pcaps = [r["path"] for r in manifest if r["path"] in sound and
             r["format_features"].split(" ")[0].split(";")[0] == "pcap" and
             int(r["packets"]) >= 10 and int(r["bytes"]) < 1000000]
    tool = common.Nrtool(a.build, root, a.jobs)
    files = [r["path"] for r in manifest] if a.all else common.pick(small, SAMPLE)
    with Pool(a.jobs, start, (str(tool.nrtool),)) as pool:
        for name, bad in zip(files, pool.imap(equal, [root / f for f in files], 4)):
            if bad is not None:
                tally.check(not bad, f"{name} twice: {'; '.join(bad)}")
        files = common.pick(pcaps, len(pcaps) if a.all else TWINS)
        for name, bad in zip(files, pool.imap(twins, [root / f for f in files])):
            if bad is not None:
                tally.check(not bad, f"{name} and its twin: {'; '.join(bad)}")
        files = common.pick([f for f in small if f in sound], a.changed)
        jobs = [(root / f, a.seed, a.some or None, i) for i, f in enumerate(files)]
        for name, (bad, n) in zip(files, pool.starmap(changed, jobs, 1)):
            tally.passed += n - len(bad)
            for words in bad:
                tally.check(False, f"{name}, seed {a.seed}: {words}")
    return tally.close()


if __name__ == "__main__":
    os.chdir(common.ROOT)
    sys.exit(main())
