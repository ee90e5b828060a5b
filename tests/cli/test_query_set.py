# SPDX-License-Identifier: BSD-3-Clause
"""nrtool query over several databases: the same answers as from one that holds them all."""

import json
import signal
import sqlite3
import subprocess
import time
import unittest

from common import DATA, IS_ASAN, NRTOOL, ROOT, Case

# The columns that hold ids, and what moves them.
MOVED = {"run_id": "run_offset", "source_id": "source_offset", "flow_id": "flow_offset",
         "parent_flow_id": "flow_offset", "continues": "flow_offset",
         "first_flow_id": "flow_offset", "data_flow_id": "flow_offset",
         "quoted_flow_id": "flow_offset"}

QUERIES = [
    "SELECT ip, (SELECT count(*) FROM flow WHERE src_ip = ip OR dst_ip = ip) AS n"
    " FROM (SELECT DISTINCT src_ip AS ip FROM flow) ORDER BY 1",
    "SELECT count(*) AS n FROM flow AS f JOIN anomaly AS a ON a.flow_id = f.flow_id"
    " OR a.kind = 'arp_conflict'",
    "SELECT count(f.flow_id) AS n FROM anomaly AS a LEFT JOIN flow AS f USING (flow_id)",
    "SELECT f.* FROM flow AS f ORDER BY flow_id",
    "SELECT f.* FROM flow AS f ORDER BY flow_id DESC LIMIT 5",
    "SELECT flow_id FROM flow WHERE first_ns >= 1150344981941650000 AND"
    " first_ns < 1213957271995619001 ORDER BY first_ns, flow_id",
    "SELECT min(first_ns) AS a, max(first_ns) AS b, max(flow_id) AS c FROM flow",
    # values of another type than the column's, which SQLite converts
    "SELECT flow_id FROM flow WHERE src_port = '80' OR src_ip = 5 OR dst_port = 53.0 ORDER BY 1",
    "SELECT flow_id FROM flow WHERE src_ip >= '10' AND src_ip < '11' ORDER BY 1",
    "SELECT flow_id FROM flow WHERE parent_flow_id IS NOT NULL ORDER BY 1",
    "SELECT count(*) AS n FROM flow WHERE parent_flow_id IS NULL",
    "SELECT flow_id FROM flow WHERE flow_id BETWEEN 100 AND 300 AND flow_id <> 256 ORDER BY 1",
    "SELECT flow_id FROM flow WHERE flow_id IN (48, 256, 99999, 'x', NULL) ORDER BY 1 DESC",
    "SELECT flow_id FROM flow WHERE flow_id > 9223372036854775806 OR flow_id < -9e18",
    "SELECT a.flow_id, b.flow_id AS p FROM flow AS a JOIN flow AS b"
    " ON a.parent_flow_id = b.flow_id ORDER BY 1",
    "SELECT source_id, name, run_id FROM source WHERE name LIKE '%o%' ORDER BY 1",
    "SELECT hex(blob) AS h, flow_id, seq FROM flow_packets ORDER BY 2, 3",
    "SELECT * FROM flow_v ORDER BY flow_id",
    "SELECT * FROM anomaly_v ORDER BY flow_id, kind, detail",
    "SELECT * FROM arp_v ORDER BY source_id, packet",
    "SELECT * FROM talker ORDER BY ip",
    "SELECT * FROM conversation ORDER BY 1, 2",
    "SELECT * FROM service ORDER BY 1, 2, 3",
    "SELECT * FROM timeline ORDER BY 1",
    "SELECT * FROM ledger_check ORDER BY 1, 3",
]
PARAMS = {"flow": 48, "ip": "10.0.0.80", "name": "github.com", "source": 2, "packet": 3,
          "limit": None, "from": None, "to": None}


class Set(Case):
    def setUp(self):
        super().setUp()
        self.files = []
        for f in sorted(DATA.glob("*.pcap")):
            if f.stem != "cut":
                self.nrtool("replay", f, "-q", "-o", f"{f.stem}.db")
                self.files.append(f"{f.stem}.db")

    def rows(self, sql, *words, files=None):
        p = self.nrtool("query", *(files or self.files), sql, "--format=jsonl", *words)
        return [list(json.loads(line).values()) for line in p.stdout.splitlines()]

    def joined(self):
        """All of them copied into one database, their ids moved as table database says."""
        db = sqlite3.connect(":memory:")
        self.addCleanup(db.close)
        db.executescript((ROOT / "sql/schema.sql").read_text())
        db.executescript((ROOT / "sql/views.sql").read_text())
        tables = [t for t, in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        for file, *offsets in self.rows("SELECT * FROM database"):
            by = dict(zip(("run_offset", "source_offset", "flow_offset"), offsets))
            db.execute("ATTACH ? AS m", (str(self.dir / file),))
            for t in tables:
                names = [c[1] for c in db.execute(f"PRAGMA main.table_info({t})")]
                values = ",".join(f"{c} + {by[MOVED[c]]}" if c in MOVED else c for c in names)
                db.execute(f"INSERT INTO main.{t} SELECT {values} FROM m.{t}")
            db.commit()
            db.execute("DETACH m")
        return db

    def test_answers_are_those_of_one_database(self):
        self.assertGreater(len(self.files), 15)
        one = self.joined()
        for sql in QUERIES:
            with self.subTest(sql):
                self.assertEqual(self.rows(sql), [list(r) for r in one.execute(sql)])
        for path in sorted((ROOT / "sql/reports").glob("*.sql")):
            with self.subTest(path.stem):
                want = [list(r) for r in one.execute(path.read_text(), PARAMS)]
                words = [w for k, v in PARAMS.items() if v is not None for w in ("-p", f"{k}={v}")]
                self.assertEqual(self.rows(path.stem, *words), want)
        self.assertEqual(one.execute("PRAGMA foreign_key_check").fetchall(), [])
        flows = one.execute("SELECT count(*) FROM flow").fetchone()[0]
        self.assertGreater(flows, 30)
        self.assertEqual(self.rows("SELECT sum(ok) = count(*) AS x FROM ledger_check"), [[1]])

    def test_column_database_says_where_a_row_lies(self):
        got = dict(self.rows("SELECT database, count(*) AS n FROM flow GROUP BY 1"))
        for file in self.files:
            n = self.query(file, "SELECT count(*) FROM flow")[0][0]
            self.assertEqual(got.get(file, 0), n)
        self.assertEqual(self.rows("SELECT count(*) AS n FROM flow WHERE database = 'gre.db'"),
                         [[got["gre.db"]]])
        self.assertNotIn("database", self.nrtool("query", *self.files, "SELECT * FROM flow LIMIT 1",
                                                 "--format=csv").stdout)

    def test_ids_that_run_on_stay(self):
        """A rotated set: the flow ids of the second file are behind those of the first."""
        db = sqlite3.connect(self.dir / "gre.db")
        db.executescript("PRAGMA foreign_keys = OFF;"
                         "UPDATE flow SET flow_id = flow_id + 16000,"
                         " parent_flow_id = parent_flow_id + 16000, continues = 16")
        db.close()
        files = ["qinq.db", "gre.db"]
        self.assertEqual(self.rows("SELECT * FROM database", files=files),
                         [["qinq.db", 0, 0, 0], ["gre.db", 1, 1, 0]])
        [[n]] = self.rows("SELECT count(*) AS n FROM flow WHERE continues = 16", files=files)
        self.assertEqual(n, self.query("gre.db", "SELECT count(*) FROM flow")[0][0])
        # the other way round, and next to another set with the same ids
        both = self.rows("SELECT flow_offset AS x FROM database",
                         files=["qinq.db", "gre.db", "vxlan.db"])
        self.assertEqual(both[:2], [[0], [0]])
        self.assertGreater(both[2][0], 16000)

    def test_what_a_later_file_says_of_an_earlier_one_is_found(self):
        """A carrier may have ended in the file before: its name stays, as a transfer's does."""
        for name, keep in (("one.db", "IS NULL"), ("two.db", "IS NOT NULL")):
            (self.dir / name).write_bytes((self.dir / "vxlan.db").read_bytes())
            db = sqlite3.connect(self.dir / name)
            db.executescript("PRAGMA foreign_keys = OFF;"
                             f"DELETE FROM flow WHERE NOT (parent_flow_id {keep});"
                             "UPDATE source SET source_id = 2 WHERE 'two.db' = '" + name + "'")
            [[parent]] = db.execute("SELECT max(parent_flow_id) FROM flow").fetchall()
            db.close()
        for column in ("parent_flow_id", "+parent_flow_id"):
            with self.subTest(column):
                got = self.rows("SELECT database FROM flow"
                                f" WHERE {column} = {parent}", files=["one.db", "two.db"])
                self.assertEqual(set(map(tuple, got)), {("two.db",)})

    def test_what_counts_once_in_a_database_counts_once_in_a_set(self):
        """A certificate that both hold must not double the handshakes that showed it."""
        names = ["tls-handshakes.db", "again.db"]
        (self.dir / "again.db").write_bytes((self.dir / names[0]).read_bytes())
        [[n, certificates]] = self.query(
            names[0], "SELECT (SELECT count(*) FROM tls_v), (SELECT count(*) FROM certificate)")
        self.assertGreater(certificates, 0)
        for name in list(names):
            self.nrtool("export", name, name + ".jsonl", "-q")
        for files in (names, [f + ".jsonl" for f in names]):
            with self.subTest(files):
                got = self.rows("SELECT (SELECT count(*) FROM tls_v) AS a,"
                                " (SELECT count(*) FROM certificate) AS b,"
                                " (SELECT count(*) FROM certificate WHERE ts_ns > 0) AS c,"
                                " (SELECT count(*) FROM certificate WHERE database = '" +
                                files[1] + "') AS d", files=files)
                self.assertEqual(got, [[2 * n] + 3 * [certificates]])

    def test_refusals(self):
        self.assertIn("same file", self.nrtool("query", "gre.db", "./gre.db", "talkers",
                                               status=2).stderr)
        self.assertIn("missing", self.nrtool("query", "gre.db", "qinq.db", status=2).stderr)
        (self.dir / "text.db").write_text("no database")
        for name in ("text.db", "nothing.db"):
            self.assertIn(name, self.nrtool("query", "gre.db", name, "talkers", status=1).stderr)
        for sql in ("DELETE FROM flow", "CREATE TABLE x (a)", "VACUUM INTO 'new.db'",
                    "CREATE TEMP TABLE x (a)", "ATTACH 'new.db' AS n; CREATE TABLE n.x (a)"):
            self.nrtool("query", "gre.db", "qinq.db", sql, status=1)
        self.assertFalse((self.dir / "new.db").exists())

    def test_damage_in_one_is_said(self):
        data = bytearray((self.dir / "gre.db").read_bytes())
        data[8192:] = b"\xff" * (len(data) - 8192)
        (self.dir / "broken.db").write_bytes(data)
        p = self.nrtool("query", "qinq.db", "broken.db", "SELECT * FROM flow", status=1)
        self.assertIn("broken.db", p.stderr)

    def test_sql_from_a_file(self):
        (self.dir / "q.sql").write_text("SELECT count(*) AS n FROM source;")
        out = self.nrtool("query", *self.files, "-F", "q.sql", "--format=csv").stdout
        self.assertEqual(out, f"n\n{len(self.files)}\n")


class Interrupt(Case):
    def test_a_signal_ends_a_query(self):
        for name in ("a", "b"):
            self.nrtool("replay", DATA / "gre.pcap", "-q", "-o", f"{name}.db")
        sql = ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
               "SELECT count(*) FROM n")
        for files in (["a.db"], ["a.db", "b.db"]):
            for sig in (signal.SIGINT, signal.SIGTERM):
                p = subprocess.Popen([str(NRTOOL), "query", *files, sql], cwd=self.dir,
                                     stderr=subprocess.PIPE, text=True)
                time.sleep(0.5)
                p.send_signal(sig)
                _, said = p.communicate(timeout=20)
                self.assertEqual((p.returncode, said), (3, "nrtool query: interrupted\n"))


class Extension(Case):
    FUNCTIONS = ("SELECT cidr('10.1.2.3', '10.0.0.0/8'), iso(1500000000), duration(90000000000),"
                 " human(1536), hex(ip_sort('1.2.3.4'))")

    @unittest.skipIf(IS_ASAN, "a program without AddressSanitizer cannot load it")
    def test_the_shell_loads_the_functions(self):
        p = subprocess.run(["sqlite3", ":memory:", f".load {NRTOOL.parent / 'nrtool_sql'}",
                            self.FUNCTIONS], capture_output=True, text=True, check=False)
        self.assertEqual(p.stdout, "1|1970-01-01T00:00:01.500000000Z|1 min 30 s|1.5 KiB|"
                                   "0401020304\n", p.stderr)
