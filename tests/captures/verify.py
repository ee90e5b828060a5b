#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every database verifies: replay a capture, then `verify --replay` finds nothing changed,
and finds a row that was changed. A sample of all captures, some of them several in one
database. tests/captures/verify.py --build DIR [--all]"""

import concurrent.futures
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import common

SAMPLE = 240


def nrtool(a, *words):
    p = subprocess.run([f"{a.build}/cli/nrtool", *map(str, words)], capture_output=True,
                       text=True, errors="replace", check=False)
    return p.returncode, p.stdout + p.stderr


def check(a, paths, change):
    """(verdict, words): ok, none (no capture), failed."""
    with tempfile.TemporaryDirectory(prefix="nrtool-verify-") as d:
        db = f"{d}/a.db"
        status, words = nrtool(a, "replay", "-q", *paths, "-o", db)
        if status not in (0, 3):
            return "none", words
        status, words = nrtool(a, "verify", "--replay", db)
        if status != 0 or "all tables" not in words:
            lines = [s for s in words.splitlines() if "changed" in s or "unchecked" in s]
            return "failed", f"status {status}: {' / '.join(lines)[:400]}"
        if not change:
            return "ok", ""
        c = sqlite3.connect(db)
        with c:
            n = c.execute("UPDATE flow SET src_bytes = src_bytes + 1 WHERE flow_id = "
                          "(SELECT max(flow_id) FROM flow)").rowcount
        c.close()
        status, words = nrtool(a, "verify", "--replay", db)
        if n and status != 5:
            return "failed", f"a changed row is not found: status {status}"
        return "ok", ""


def main():
    p = common.arguments(__doc__)
    p.add_argument("--all", action="store_true", help="every capture")
    a = p.parse_args()
    a.build = str(Path(a.build).resolve())
    tally = common.Tally("verify")
    root = common.captures()
    if not root:
        tally.skip("no captures (set NRTOOL_CAPTURES)")
        return tally.close()
    files = common.manifest(root)
    if not a.all:
        files = common.pick(files, SAMPLE)
    work = [([root / f], i % 4 == 0) for i, f in enumerate(files)]
    work += [([root / f for f in files[i:i + 5]], False) for i in range(0, len(files), 40)]
    none = 0
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        for (paths, _), (verdict, words) in zip(work, pool.map(lambda w: check(a, *w), work)):
            none += verdict == "none"
            if verdict != "none":
                tally.check(verdict == "ok", f"{', '.join(map(str, paths))}: {words}")
    print(f"verify: {none} are no captures", flush=True)
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
