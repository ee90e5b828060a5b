# SPDX-License-Identifier: BSD-3-Clause
"""nrtool query: reports, forms, what it refuses."""

import csv
import io
import json
import os
import shutil
import sqlite3
import struct

from common import DATA, NRTOOL, ROOT, Case, report_params


class Query(Case):
    def setUp(self):
        super().setUp()
        self.nrtool("replay", DATA / "http-tls.pcap", DATA / "pppoe.pcap", "-q", "-o", "a.db")

    def rows(self, sql, *words):
        return json.loads(self.nrtool("query", "a.db", sql, "--format=json", *words).stdout)

    def test_every_report_runs(self):
        lines = self.nrtool("query", "--list").stdout.splitlines()
        names = [line.split()[0] for line in lines]
        self.assertEqual(names, sorted(p.stem for p in (ROOT / "sql/reports").glob("*.sql")))
        for name in names:
            self.nrtool("query", "a.db", name, *report_params(name))
        self.assertIn("10.0.0.80", self.nrtool("query", "a.db", "talkers", "-p", "limit=50").stdout)

    def test_rows_are_sqlite_s(self):
        sql = "SELECT flow_id, proto, src_ip, dst_port, service, first_ns FROM flow ORDER BY 1"
        want = self.query("a.db", sql)
        self.assertEqual([tuple(r.values()) for r in self.rows(sql)], want)
        text = self.nrtool("query", "a.db", sql, "--format=csv").stdout
        have = list(csv.reader(io.StringIO(text)))
        self.assertEqual(have[1:], [["" if v is None else str(v) for v in r] for r in want])
        lines = self.nrtool("query", "a.db", sql, "--format=jsonl").stdout.splitlines()
        self.assertEqual([tuple(json.loads(line).values()) for line in lines], want)

    def test_functions(self):
        [r] = self.rows("""SELECT cidr('10.1.2.3', '10.0.0.0/8') a, cidr('11.0.0.1', '10.0.0.0/8') b,
            cidr('2001:db8::1', '2001:db8::/32') c, cidr('2001:db9::1', '2001:db8::/32') d,
            cidr('10.0.0.1', '2001:db8::/32') e, cidr('x', '10.0.0.0/8') f,
            cidr('10.1.2.3', '10.1.2.0/25') g, cidr('10.1.2.200', '10.1.2.0/25') h,
            cidr('1.2.3.4', '0.0.0.0/0') i, cidr('1.2.3.4', '1.2.3.4') j,
            cidr('1.2.3.4', '1.2.3.0/33') k, iso(1500000000) l, iso(-1) m, human(1536) n,
            duration(90000000000) o, iso(NULL) p, ip_sort('9.0.0.1') < ip_sort('10.0.0.1') q,
            ip_sort('255.0.0.1') < ip_sort('::1') s""")
        self.assertEqual(list(r.values()), [
            1, 0, 1, 0, 0, None, 1, 0, 1, 1, None, "1970-01-01T00:00:01.500000000Z",
            "1969-12-31T23:59:59.999999999Z", "1.5 KiB", "1 min 30 s", None, 1, 1])

    def test_transaction_ids_that_come_again_are_exchanges_of_their_own(self):
        data = bytearray((DATA / "dhcp.pcap").read_bytes())
        at = 24
        while at < len(data):
            seconds, _, n = struct.unpack_from("<3I", data, at)
            struct.pack_into("<I", data, at, seconds + 3600)
            at += 16 + n
        (self.dir / "later.pcap").write_bytes(data)
        self.nrtool("replay", DATA / "dhcp.pcap", "later.pcap", "-q", "-o", "dhcp.db")
        sql = "SELECT trans_id, messages, duration_s FROM dhcp_exchange ORDER BY first"
        want = [(1984, "discover offer request nak request ack decline", 3.058797),
                (1948, "release", 0.0), (1988, "inform", 0.0)]
        self.assertEqual(self.query("dhcp.db", sql), want * 2)

    def test_nothing_can_be_written(self):
        for sql in ("DELETE FROM flow", "CREATE TABLE x (a)", "PRAGMA user_version = 9",
                    "ATTACH 'new.db' AS n; CREATE TABLE n.x (a)"):
            before = (self.dir / "a.db").read_bytes()
            self.nrtool("query", "a.db", sql, status=1)
            self.assertEqual((self.dir / "a.db").read_bytes(), before)
        self.assertFalse((self.dir / "new.db").exists())

    def test_nothing_else_is_read(self):
        [(sandbox,)] = self.query("a.db", "SELECT sandbox FROM run")
        if "landlock" not in sandbox:
            self.skipTest("no Landlock here: " + sandbox)
        (self.dir / "b.db").write_bytes((self.dir / "a.db").read_bytes())
        sql = "ATTACH 'b.db' AS b; SELECT count(*) AS n FROM b.flow"
        self.assertIn("unable to open", self.nrtool("query", "a.db", sql, status=1).stderr)
        out = self.nrtool("query", "a.db", sql, "--no-sandbox").stdout
        self.assertEqual(out.split()[0], "n", out)

    def test_a_database_that_is_written_is_read(self):
        (self.dir / "live.db").write_bytes((self.dir / "a.db").read_bytes())
        db = sqlite3.connect(self.dir / "live.db")
        self.addCleanup(db.close)
        self.assertEqual(db.execute("PRAGMA journal_mode = WAL").fetchone(), ("wal",))
        db.execute("UPDATE flow SET records = 77")
        db.commit()
        sql = "SELECT min(records) AS n FROM flow"
        self.assertEqual(self.nrtool("query", "live.db", sql).stdout.split(), ["n", "77"])
        for name in ("live.db", "live.db-wal"):  # as a copy of a case may come
            (self.dir / name.replace("live", "copy")).write_bytes((self.dir / name).read_bytes())
        self.assertEqual(self.nrtool("query", "copy.db", sql).stdout.split(), ["n", "77"])

    def closed(self, name):
        """A database that was closed as one with a log, which is gone."""
        shutil.copyfile(self.dir / "a.db", self.dir / name)
        db = sqlite3.connect(self.dir / name)
        self.assertEqual(db.execute("PRAGMA journal_mode = WAL").fetchone(), ("wal",))
        db.close()
        self.assertFalse((self.dir / f"{name}-wal").exists())
        return name

    def test_a_log_that_is_gone_is_not_needed(self):
        for name in ("shut.db", "50%41?#.db", "file:x.db"):
            self.closed(name)
            out = self.nrtool("query", name, "SELECT count(*) AS n FROM flow").stdout
            self.assertGreater(int(out.split()[1]), 3, name)
        (self.dir / "link.db").symlink_to("shut.db")
        [(flow,)] = self.query("a.db", "SELECT min(flow_id) FROM flow WHERE proto = 'tcp'")
        files = sorted(p.name for p in self.dir.iterdir())
        for words in (("query", "shut.db", "a.db", "talkers"), ("query", "link.db", "talkers"),
                      ("query", f"/{self.dir}/shut.db", "talkers"), ("verify", "shut.db"),
                      ("extract", "shut.db", "--where=1", "-w", "-"),
                      ("follow", "shut.db", flow), ("diff", "a.db", "shut.db"),
                      ("export", "link.db", "-")):
            self.nrtool(*words)
        self.assertEqual(sorted(p.name for p in self.dir.iterdir()), files)

    def test_a_link_to_a_database_that_is_written(self):
        self.closed("live.db")
        db = sqlite3.connect(self.dir / "live.db")
        self.addCleanup(db.close)
        db.execute("UPDATE flow SET records = 77")
        db.commit()
        (self.dir / "to").mkdir()
        (self.dir / "to/link.db").symlink_to("../live.db")
        out = self.nrtool("query", "to/link.db", "SELECT min(records) AS n FROM flow").stdout
        self.assertEqual(out.split(), ["n", "77"])
        self.assertIn('"records":77', self.nrtool("export", "to/link.db", "-").stdout)

    def test_beside_the_database_nothing_can_be_written(self):
        there = self.dir / "there"
        there.mkdir()
        self.closed("there/shut.db")
        shutil.copyfile(self.dir / "there/shut.db", there / "logged.db")
        db = sqlite3.connect(there / "logged.db")
        db.execute("UPDATE flow SET records = 77")
        db.commit()
        for ending in ("", "-wal"):
            shutil.copyfile(f"{there}/logged.db{ending}", f"{there}/copy.db{ending}")
        db.close()
        for p in there.iterdir():
            p.chmod(0o444)
        nobody = {}
        if os.getuid() == 0:  # whom modes do not hold
            nobody = {"user": 65534, "group": 65534, "extra_groups": [],
                      "executable": shutil.copy(NRTOOL, self.dir / "nrtool")}
        there.chmod(0o555)
        self.addCleanup(there.chmod, 0o755)
        self.dir.chmod(0o755)
        for more in ((), ("--no-sandbox",)):
            out = self.nrtool("query", "there/shut.db", "talkers", *more, **nobody).stdout
            self.assertIn("10.0.0.80", out)
        p = self.nrtool("query", "there/copy.db", "talkers", status=1, **nobody)
        self.assertIn("copy both into a directory that you can write", p.stderr)

    def test_large_sorts_find_room(self):
        sql = ("PRAGMA cache_size = 2; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 "
               "FROM n WHERE i < 300000) SELECT x FROM (SELECT hex(i * 7919 % 300007) || "
               "printf('%.60c', 'x') AS x FROM n ORDER BY x DESC LIMIT -1 OFFSET 299999)")
        self.assertIn("xxx", self.nrtool("query", "a.db", sql, "--full").stdout)

    def test_text_from_the_wire_is_harmless(self):
        sql = "SELECT 'a' || char(27, 10, 155, 8238) || 'b' AS x"
        for form in ("table", "csv", "markdown"):
            out = self.nrtool("query", "a.db", sql, "--format", form).stdout
            self.assertIn("\\x1b", out)
            for bad in ("\033", "\x9b", "\u202e"):
                self.assertNotIn(bad, out)
        self.assertEqual(self.rows(sql), [{"x": "a\033\n\x9b\u202eb"}])
        out = self.nrtool("query", "a.db", "SELECT '=1+1' a, '@x' b, -1 c, '-1' d",
                          "--format=csv").stdout
        self.assertEqual(out.splitlines()[1], "\"'=1+1\",\"'@x\",-1,\"'-1\"")

    def test_wide_values_are_shortened_unless_full(self):
        sql = "SELECT 'é' || printf('%.100c', 'x') AS a, 1 AS b"
        self.assertIn("…", self.nrtool("query", "a.db", sql).stdout)
        self.assertIn("x" * 100, self.nrtool("query", "a.db", sql, "--full").stdout)

    def test_a_number_that_would_lose_its_zeros_is_text(self):
        for value in ("007", " 7", "+7", "-0", "99999999999999999999"):
            self.assertEqual(self.rows("SELECT :a AS a", "-p", f"a={value}"), [{"a": value}])

    def test_a_time_that_no_report_can_read_is_refused(self):
        """It was no limit at all: all flows were shown."""
        flows = self.rows("between", "-p", "from=2000-01-01", "-p", "to=2100-01-01T00:00:00Z")
        self.assertGreater(len(flows), 0)
        for value in ("yesterday", "1700000000", "2024", "2024-13-01", "",
                      "2024-01-01T00:00:00.0001"):
            for name in ("from", "to"):
                p = self.nrtool("query", "a.db", "between", "-p", f"{name}={value}", status=2)
                self.assertIn("YYYY-MM-DDTHH:MM:SS", p.stderr)

    def test_parameters(self):
        self.assertEqual(self.rows("SELECT :a AS a, :b AS b", "-p", "a=5", "--param=b=x=y"),
                         [{"a": 5, "b": "x=y"}])
        for words in ((":a",), ("?",), (":a", "-p", "a")):
            self.nrtool("query", "a.db", "SELECT " + words[0], *words[1:], status=2)

    def test_a_parameter_that_nothing_has_is_refused(self):
        """It was ignored, and with it what was wanted of the report."""
        p = self.nrtool("query", "a.db", "talkers", "-p", "limt=2", status=2)
        self.assertEqual(p.stderr, "nrtool query: --param limt=2: the report has no :limt;"
                                   " --list says what each has\n")
        for name in ("a", "abc"):
            p = self.nrtool("query", "a.db", "SELECT :ab", "-p", "ab=1", "-p", f"{name}=2", status=2)
            self.assertIn(f"the SQL has no :{name}\n", p.stderr)
            self.assertEqual(p.stdout, "")
        p = self.nrtool("query", "a.db", "SELECT 1 AS x; SELECT :a AS x", "-p", "a=2")
        self.assertEqual(p.stdout, "x\n1\nx\n2\n")

    def test_sql_from_file_and_stdin(self):
        (self.dir / "q.sql").write_text("-- two\nSELECT 1 AS a;\nSELECT 2 AS b;\n")
        self.assertEqual(self.nrtool("query", "a.db", "-F", "q.sql").stdout, "a\n1\nb\n2\n")
        self.assertEqual(self.nrtool("query", "a.db", "-", input="SELECT 3 AS c").stdout, "c\n3\n")

    def test_refusals(self):
        self.assertIn("talkers", self.nrtool("query", "a.db", "talker", status=2).stderr)
        self.assertIn("near", self.nrtool("query", "a.db", "SELEC 1", status=1).stderr)
        self.assertIn("missing.db", self.nrtool("query", "missing.db", "SELECT 1", status=1).stderr)
        sqlite3.connect(self.dir / "other.db").execute("CREATE TABLE x (a)").connection.close()
        (self.dir / "text.db").write_text("no database at all, only text" * 100)
        for name in ("other.db", "text.db"):
            self.assertIn("no database of nrtool",
                          self.nrtool("query", name, "SELECT 1", status=1).stderr)
        self.nrtool("query", status=2)
        self.nrtool("query", "a.db", status=2)

    def test_many_rows(self):
        sql = ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) "
               "SELECT i FROM n")
        self.assertEqual(self.nrtool("query", "a.db", sql).stdout.split(),
                         ["i", *map(str, range(1, 2501))])
