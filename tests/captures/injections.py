# SPDX-License-Identifier: BSD-3-Clause
"""Single changes to a session database, and what `nrtool diff` has to say of each.

changes(db, random, n) yields (words, SQL, arguments, expected): one value changed, one row
removed or added, expected being the one object of --format jsonl: its table, change,
column, from, to."""

import base64
import json

# What numbers the rows of its own table: matched, not compared.
NUMBERS = {("flow", "flow_id"), ("source", "source_id"), ("run", "run_id")}
OTHER_TEXT = ["", "-", "x\x1b[31m", "ä→“", "' OR 1", "a\nb", "\x7f\x9b", "z" * 5000]


def columns(db, table):
    """[(name, type, may be NULL)]"""
    return [(r[1], r[2], not r[3]) for r in db.execute(f"PRAGMA table_info({table})")]


def tables(db):
    return [t for t, in db.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        " ORDER BY name")]


def other_value(rng, old, kind, nullable):
    """Another value that the column can hold."""
    while True:
        if nullable and rng.random() < 0.2:
            new = None
        elif kind == "INTEGER":
            new = rng.choice([(old or 0) + 1, (old or 0) - 1, rng.randrange(1 << 40), 0,
                              (1 << 63) - 1, -(1 << 63)])
        elif kind == "BLOB":
            new = (old or b"") + bytes([rng.randrange(128)])
        elif old and rng.random() < 0.5:
            at = rng.randrange(len(old))
            new = old[:at] + rng.choice("aZ9 \x07é") + old[at + 1:]
        else:
            new = rng.choice(OTHER_TEXT)
        if new != old and (not isinstance(new, int) or -(1 << 63) <= new < 1 << 63):
            return new


def as_json(value):
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def rowids(db, table):
    return [r for r, in db.execute(f"SELECT rowid FROM {table} ORDER BY rowid")]


def change_value(db, rng, table, column):
    """One UPDATE, or None where the table has no row or the column cannot be changed."""
    ids = rowids(db, table)
    name, kind, nullable = column
    if not ids or (table, name) in NUMBERS:
        return None
    at = rng.choice(ids)
    old = db.execute(f"SELECT {name} FROM {table} WHERE rowid = ?", (at,)).fetchone()[0]
    new = other_value(rng, old, kind, nullable)
    want = {"table": table, "change": "changed", "column": name, "from": as_json(old),
            "to": as_json(new), "count": 1}
    return (f"{table}.{name} of row {at}: {old!r:.60} → {new!r:.60}",
            f"UPDATE {table} SET {name} = ? WHERE rowid = ?", (new, at), want)


def remove_row(db, rng, table):
    ids = rowids(db, table)
    if not ids:
        return None
    at = rng.choice(ids)
    return (f"{table} without row {at}", f"DELETE FROM {table} WHERE rowid = ?", (at,),
            {"table": table, "change": "missing", "count": 1})


def add_row(db, rng, table):
    """A copy of a row; where a key or a place must be its own, with another."""
    ids = rowids(db, table)
    if not ids:
        return None
    names = [c[0] for c in columns(db, table)]
    at = rng.choice(ids)
    fresh = {"flow": "flow_id", "source": "source_id", "run": "run_id",
             "interface": "interface_id"}.get(table)
    values = [f"(SELECT max({n}) FROM {table}) + 16" if n == fresh else
              f"{n} || 'x'" if (table, n) == ("certificate", "sha256") else n for n in names]
    return (f"{table} with row {at} twice",
            f"INSERT INTO {table} SELECT {', '.join(values)} FROM {table} WHERE rowid = ?",
            (at,), {"table": table, "change": "new", "count": 1})


def every_change(db, rng):
    """One change of each column of each table, one row removed, one added."""
    for table in tables(db):
        for column in columns(db, table):
            yield change_value(db, rng, table, column)
        yield remove_row(db, rng, table)
        yield add_row(db, rng, table)


def changes(db, rng, n=None, part=0):
    """All of every_change(), or n of them: others for each part, so that a few captures have
    all columns among them."""
    made = [c for c in every_change(db, rng) if c]
    step = -(-len(made) // n) if n else 1
    return made[part % step::step] if made else []


def judge(output, want):
    """None, or what is wrong with the lines that diff printed."""
    lines = [json.loads(line) for line in output.splitlines()]
    said = [x for x in lines if x["type"] == "difference"]
    if len(said) != 1:
        return f"{len(said)} differences: " + "; ".join(
            f"{x['table']} {x['change']} {x.get('column', '')}" for x in said[:6])
    got = {k: said[0].get(k) for k in want}
    return None if got == want else f"{got} instead of {want}"
