#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The session database of every capture opens, is whole and adds up in other programs.

Python's sqlite3 on all captures: integrity_check, foreign_key_check, the ledger against
the tables, every view, every report. The sqlite3 shell without extensions on a sample.
On that sample also: the rows are those of the JSON lines, one by one, and a twin in
another compression gives the same record tables. Databases live for one slice only."""

import base64
import itertools
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from multiprocessing import Pool
from pathlib import Path

import common
from determinism import CONTAINER, PACKERS

SLICE, SAMPLE, TWINS = 200, 120, 12
ROOT = Path(__file__).resolve().parent.parent.parent
REPORTS = {p.stem: p.read_text() for p in sorted((ROOT / "sql/reports").glob("*.sql"))}
PARAMS = {"flow": 16, "ip": "10.0.0.1", "name": "example.org", "source": 1, "packet": 1, "limit": None, "from": None,
          "to": None}
# What must be equal, in plain SQL: name, one number, the other.
SUMS = [
    ("packets of source and ledger", "SELECT sum(packets) FROM source",
     "SELECT coalesce(sum(packets), 0) FROM ledger"),
    ("bytes of source and ledger", "SELECT sum(wire_bytes) FROM source",
     "SELECT coalesce(sum(wire_bytes), 0) FROM ledger"),
    ("records of flows", "SELECT coalesce(sum(records), 0) FROM flow",
     "SELECT coalesce(sum(packets), 0) FROM ledger WHERE bucket = 'flow'"),
    ("bytes of flows", "SELECT coalesce(sum(wire_bytes), 0) FROM flow",
     "SELECT coalesce(sum(wire_bytes), 0) FROM ledger WHERE bucket = 'flow'"),
    ("rows of arp", "SELECT count(*) FROM arp WHERE flow_id IS NULL",
     "SELECT coalesce(sum(packets), 0) FROM ledger WHERE bucket = 'arp'"),
    ("view ledger_check", "SELECT count(*) FROM ledger_check",
     "SELECT sum(ok) FROM ledger_check"),
    ("buckets", "SELECT 0", "SELECT count(*) - count(DISTINCT bucket || coalesce(detail, ''))"
     " FROM ledger"),
    ("flows with packets to read again", "SELECT count(*) FROM flow WHERE records > 0",
     "SELECT count(DISTINCT p.flow_id) FROM flow_packets AS p JOIN flow AS f"
     " ON f.flow_id = p.flow_id WHERE f.records > 0"),
]


def connect(path):
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True)


def faults(path):
    """What is wrong with one database, in words."""
    db, bad = connect(path), []
    try:
        got = db.execute("PRAGMA integrity_check").fetchall()
        if got != [("ok",)]:
            bad.append(f"integrity_check: {got[:2]}")
        got = db.execute("PRAGMA foreign_key_check").fetchall()
        if got:
            bad.append(f"foreign_key_check: {got[:2]}")
        for name, one, other in SUMS:
            a, b = db.execute(one).fetchone()[0], db.execute(other).fetchone()[0]
            if a != b:
                bad.append(f"{name}: {a} is not {b}")
        for view, in db.execute("SELECT name FROM sqlite_schema WHERE type = 'view'").fetchall():
            db.execute(f"SELECT * FROM {view}").fetchall()
        for text in REPORTS.values():
            db.execute(text, PARAMS).fetchall()
    except sqlite3.Error as e:
        bad.append(f"{type(e).__name__}: {e}")
    finally:
        db.close()
    return bad


def shell_faults(path):
    """The same views and reports in the sqlite3 shell, which knows none of our functions."""
    script = [f".parameter set :{k} {v!r}" for k, v in PARAMS.items() if v is not None]
    script += [f"SELECT * FROM {v};" for v in views(path)]
    script += [t if t.rstrip().endswith(";") else t + ";" for t in REPORTS.values()]
    p = subprocess.run(["sqlite3", "-init", "/dev/null", "-readonly", str(path)],
                       input="\n".join(script), capture_output=True, text=True, check=False,
                       errors="replace")
    bad = re.findall(r"^.*(?:rror|no such).*$", p.stderr, re.M)
    return bad[:2] + ([f"status {p.returncode}"] if p.returncode else [])


def views(path):
    db = connect(path)
    try:
        return [v for v, in db.execute("SELECT name FROM sqlite_schema WHERE type = 'view'")]
    finally:
        db.close()


def tables(path):
    """{table: (columns, rows)}, rows in order of their ids or as they were written."""
    db = connect(path)
    out = {}
    try:
        for t, in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND"
                             " name NOT LIKE 'sqlite_%'").fetchall():
            cursor = db.execute(f"SELECT * FROM {t} ORDER BY rowid")
            out[t] = [c[0] for c in cursor.description], cursor.fetchall()
    finally:
        db.close()
    return out


def same(cell, value):
    """A cell of SQLite and the value of its key in a JSON line."""
    if isinstance(cell, bytes):
        return base64.b64encode(cell).decode() == value
    if cell == value or not isinstance(cell, str):
        return cell == value
    try:
        return json.loads(cell) == value  # a JSON column, which a line embeds
    except ValueError:
        return False


def line_faults(path, lines):
    """How the tables differ from the JSON lines of the same capture."""
    by = {}
    for row in common.read_rows(lines):
        by.setdefault(row["type"], []).append(row)
    for key in ("flow", "source"):
        by.get(key, []).sort(key=lambda r, k=f"{key}_id": r[k])
    for table, (columns, rows) in tables(path).items():
        want = by.pop(table, [])
        if table == "run":
            continue
        if len(rows) != len(want):
            return [f"{table}: {len(rows)} rows, {len(want)} lines"]
        for row, line in zip(rows, want):
            for name, cell in zip(columns, row):
                if not same(cell, line.get(name)):
                    return [f"{table}.{name}: {cell!r} is not {line.get(name)!r}"]
    by.pop("flow_start", None)
    return [f"lines without a table: {sorted(by)}"] if by else []


def twins(tally, tool, files, scratch):
    """Record tables of a capture packed anew."""
    for n, (f, (ending, command)) in enumerate(zip(files, itertools.cycle(PACKERS.items()))):
        if not shutil.which(command[0]):
            tally.skip(f"no {command[0]} for a twin")
            continue
        packed, one, other = (scratch / f"twin{n}{e}" for e in (f".{ending}", "a.db", "b.db"))
        with open(tool.captures / f, "rb") as i, open(packed, "wb") as o:
            subprocess.run(command, stdin=i, stdout=o, check=True)
        tool.run([(str(tool.captures / f), str(one)), (str(packed), str(other))])
        a, b = tables(one), tables(other)
        for t in a:
            if t not in CONTAINER:
                tally.check(a[t] == b.get(t), f"twin {ending} of {f}: table {t} differs")
        for p in (packed, one, other):
            p.unlink(missing_ok=True)


def main():
    p = common.arguments(__doc__)
    p.add_argument("--file", help="only files whose path contains this")
    a = p.parse_args()
    tally = common.Tally("databases")
    root = common.captures()
    if not root:
        tally.skip("no captures (set NRTOOL_CAPTURES)")
        return tally.close()
    files = common.manifest(root, a.file)
    tool = common.Nrtool(a.build, root, a.jobs)
    read = [f for f, v in tool.replay(files).items() if v[0] in ("ok", "damaged")]
    sample = set(common.pick(read, SAMPLE))
    has_shell = shutil.which("sqlite3")
    if not has_shell:
        tally.skip("no sqlite3 shell", len(sample))
    scratch = Path(tempfile.mkdtemp(prefix="nrtool-databases-"))
    try:
        with Pool(a.jobs) as pool:
            for at in range(0, len(read), SLICE):
                part = {f: scratch / f"{i}.db" for i, f in enumerate(read[at:at + SLICE])}
                tool.run([(str(root / f), str(db)) for f, db in part.items()])
                made = {f: db for f, db in part.items()
                        if tally.check(db.exists(), f"{f} has no database")}
                for f, bad in zip(made, pool.map(faults, made.values(), chunksize=8)):
                    tally.check(not bad, f"{f}: {'; '.join(bad)}")
                some = {f: db for f, db in made.items() if f in sample}
                if has_shell:
                    for f, bad in zip(some, pool.map(shell_faults, some.values())):
                        tally.check(not bad, f"{f} in the shell: {'; '.join(bad)}")
                pairs = [(db, tool.out(f, ())) for f, db in some.items()]
                for f, bad in zip(some, pool.starmap(line_faults, pairs)):
                    tally.check(not bad, f"{f} as JSON lines: {'; '.join(bad)}")
                for db in part.values():
                    db.unlink(missing_ok=True)
        twins(tally, tool, common.pick([f for f in read if common.size(root / f) < 1000000],
                                       TWINS), scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return tally.close()


if __name__ == "__main__":
    os.chdir(common.ROOT)
    sys.exit(main())
