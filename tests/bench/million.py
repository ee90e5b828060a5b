#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A database of a million flows out of a smaller one, for the times of the reports.

    million.py SMALL.db LARGE.db [FLOWS]

All rows of each table with flows are copied until there are FLOWS (default a million): in
later copies with other flow_ids, later times, other clients and, in every second one,
other servers. Then flows are put into tunnels and anomalies and tunnels added until there
are a million and a hundred thousand of these for a million flows."""

import re
import shutil
import sqlite3
import sys

ADDRESS = ("CASE WHEN instr({c}, '.') THEN (11 + {copy} * 7) % 224 || substr({c}, instr({c}, '.'))"
           " ELSE {c} END")


def columns(db, table):
    return [(r[1], r[2]) for r in db.execute(f"PRAGMA table_info({table})")]


def value(name, copy, ids, time):
    """The expression of a column in a copy."""
    if re.fullmatch(r"(.*_)?flow_id|continues", name):
        return f"{name} + {copy * ids}"
    if name.endswith("_ns") and not re.match("duration|handshake|rtt|not_", name):
        return f"CASE WHEN {name} > 1 << 50 THEN {name} + {copy * time} ELSE {name} END"
    return name


def copy_rows(db, table, copy, ids, time, last):
    names = [n for n, _ in columns(db, table)]
    values = [value(n, copy, ids, time) for n in names]
    if table == "flow":
        values[names.index("src_ip")] = ADDRESS.format(c="src_ip", copy=copy)
        if copy % 2:
            values[names.index("dst_ip")] = ADDRESS.format(c="dst_ip", copy=copy)
    db.execute(f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(values)}"
               f" FROM {table} WHERE rowid <= {last}")


def multiply(db, flows):
    n, ids, time = db.execute("SELECT count(*), (max(flow_id) / 16 + 1) * 16,"
                              " max(last_ns) - min(first_ns) FROM flow").fetchone()
    tables = [t for (t,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
              if "flow_id" in [c for c, _ in columns(db, t)]]
    last = {t: db.execute(f"SELECT coalesce(max(rowid), 0) FROM {t}").fetchone()[0]
            for t in tables}
    for copy in range(1, -(-flows // n)):
        for t in tables:
            copy_rows(db, t, copy, ids, time, last[t])


def fill(db, flows):
    """Tunnels, flows in them, anomalies."""
    n, = db.execute("SELECT count(*) FROM tunnel").fetchone()
    db.execute("INSERT INTO tunnel (source_id, kind, src_ip, dst_ip, id, first_ns, last_ns,"
               " packets, wire_bytes) SELECT source_id, CASE flow_id / 16 % 4 WHEN 0 THEN 'gre'"
               " WHEN 1 THEN 'ipip' WHEN 2 THEN '6in4' ELSE 'erspan' END, src_ip, dst_ip,"
               " flow_id / 16 % 1000, first_ns, last_ns, records, wire_bytes FROM flow"
               " LIMIT max(0, ? - ?)", (flows // 10, n))
    db.execute("CREATE TEMP TABLE carrier AS SELECT row_number() OVER () AS i, flow_id"
               " FROM flow WHERE proto = 'udp' AND parent_flow_id IS NULL LIMIT 1000")
    db.execute("UPDATE flow SET tunnel = 'vxlan:1', parent_flow_id = (SELECT c.flow_id"
               " FROM carrier AS c WHERE c.i = 1 + flow.flow_id / 160 % 1000)"
               " WHERE flow_id / 16 % 10 = 3 AND flow_id NOT IN (SELECT flow_id FROM carrier)")
    db.execute("UPDATE flow SET service = 'vxlan' WHERE flow_id IN (SELECT flow_id FROM carrier)")
    n, = db.execute("SELECT count(*) FROM anomaly").fetchone()
    db.execute("CREATE TEMP TABLE kinds AS SELECT row_number() OVER () AS i, kind, severity"
               " FROM (SELECT DISTINCT kind, severity FROM anomaly)")
    many, = db.execute("SELECT max(1, count(*)) FROM kinds").fetchone()
    db.execute("INSERT INTO anomaly (flow_id, source_id, packet, ts_ns, kind, severity, side,"
               " detail) SELECT flow_id, source_id, flow_id / 16, last_ns,"
               " coalesce(k.kind, 'tcp_gap'), coalesce(k.severity, 'info'), 'src', NULL"
               " FROM flow LEFT JOIN kinds AS k ON k.i = 1 + flow_id / 16 % ?"
               " LIMIT max(0, ? - ?)", (many, flows, n))


def main():
    small, large = sys.argv[1:3]
    flows = int(sys.argv[3]) if len(sys.argv) > 3 else 1000000
    shutil.copyfile(small, large)
    db = sqlite3.connect(large, isolation_level=None)
    db.execute("PRAGMA journal_mode = OFF")
    db.execute("PRAGMA synchronous = OFF")
    db.execute("PRAGMA cache_size = -262144")
    indexes = db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'index'"
                         " AND sql IS NOT NULL").fetchall()
    db.execute("BEGIN")
    for name, _ in indexes:
        db.execute(f"DROP INDEX {name}")
    multiply(db, flows)
    fill(db, flows)
    for _, sql in indexes:
        db.execute(sql)
    db.execute("COMMIT")
    rows = {t: db.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for (t,) in db.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table'")}
    db.close()
    print(" ".join(f"{t}={n}" for t, n in rows.items()))


if __name__ == "__main__":
    main()
