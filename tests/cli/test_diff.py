# SPDX-License-Identifier: BSD-3-Clause
"""nrtool diff: what is equal, single changes, forms, refusals."""

import collections
import gzip
import json
import os
import pty
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import unittest

from common import DATA, IS_ASAN, NRTOOL, ROOT, Case

sys.path.insert(0, str(ROOT / "tests/captures"))
import injections  # noqa: E402

EVERYTHING = ("--containers", "--runs", "--format=jsonl")


class Diff(Case):
    def replay(self, name, out, *words):
        self.nrtool("replay", DATA / name, "-q", "--force", "-o", out, *words)

    def change(self, source, target, *statements):
        """A copy of a database with these statements run on it."""
        shutil.copy(self.dir / source, self.dir / target)
        db = sqlite3.connect(self.dir / target)
        with db:
            for s in statements:
                db.execute(*(s if isinstance(s, tuple) else (s,)))
        db.close()

    def lines(self, a, b, *words, status=5):
        out = self.nrtool("diff", a, b, "--format=jsonl", *words, status=status).stdout
        return [json.loads(line) for line in out.splitlines()]

    def differences(self, *args, **more):
        """{(table, change, column): count}"""
        got = collections.Counter()
        for x in self.lines(*args, **more):
            if x["type"] == "difference":
                got[x["table"], x["change"], x.get("column")] += x["count"]
        return dict(got)


class Equal(Diff):
    def same(self, *words):
        p = self.nrtool("diff", *words)
        self.assertEqual((p.stdout, p.stderr), ("", ""))

    def test_two_replays_say_the_same(self):
        for name in ("http-tls.pcap", "ftp-active.pcap", "vxlan.pcap", "dns-tcp.pcapng",
                     "icmp-unreachable.pcap"):
            self.replay(name, "a.db")
            self.replay(name, "b.db", "--batch=1")
            self.same("a.db", "b.db", "--containers")
            self.same("b.db", "b.db", "--runs", "--containers")

    def test_archives_and_lines_say_what_the_database_says(self):
        self.replay("http-tls.pcap", "a.db", "-o", "a.jsonl.zst", "-o", "a.jsonl")
        self.same("a.db", "a.jsonl.zst", "--containers", "-i", "chain_heads", "--runs")
        self.same("a.jsonl", "a.jsonl.zst", "--containers")

    def test_twins_differ_in_what_describes_the_container_only(self):
        self.replay("http-tls.pcap", "a.db")
        self.replay("http-tls.pcap.gz", "b.db")
        self.same("a.db", "b.db")
        got = self.differences("a.db", "b.db", "--containers")
        self.assertLessEqual({k[0] for k in got}, {"source", "interface", "source_block"})
        self.assertIn(("source", "changed", "compression"), got)

    def test_numbers_of_rows_do_not_matter(self):
        self.replay("vxlan.pcap", "a.db")
        moved = [f"UPDATE {t} SET {c} = {c} + 4096" for t, c in (
            ("flow", "flow_id"), ("flow", "parent_flow_id"), ("flow_packets", "flow_id"),
            ("anomaly", "flow_id"), ("dns", "flow_id"), ("http", "flow_id"),
            ("icmp", "flow_id"), ("icmp", "quoted_flow_id"), ("tls", "flow_id"),
            ("certificate", "first_flow_id"), ("arp", "flow_id"))]
        moved[0] = "UPDATE flow SET flow_id = -flow_id - 4096"  # no two are one on the way
        moved.insert(1, "UPDATE flow SET flow_id = -flow_id")
        self.change("a.db", "b.db", *moved)
        self.assertGreater(self.query("b.db", "SELECT count(parent_flow_id) FROM flow")[0][0], 0)
        self.same("a.db", "b.db")
        self.same("b.db", "a.db")
        # the other way round, and sources by other numbers
        self.change("a.db", "c.db", *(f"UPDATE {t} SET source_id = 7 WHERE source_id = 1"
                                      for t in ("source", *[t for t in (
                                          "flow", "flow_packets", "ledger", "source_block",
                                          "interface", "anomaly", "dns", "http", "icmp",
                                          "tls", "arp", "tunnel", "certificate")])))
        self.same("a.db", "c.db", "--containers")

    def test_directories_are_sets(self):
        for side in "ab":
            (self.dir / side).mkdir()
            for i, name in enumerate(("http-tls.pcap", "mdns.pcap", "http-tls.pcap.gz")):
                end = "db" if side == "a" else "jsonl.zst"
                self.replay(name, f"{side}/{i}.{end}")
        (self.dir / "a/notes.txt").write_text("no member")
        self.same("a", "b")
        self.same("a", "b", "--containers")
        self.change("a/1.db", "c.db", "UPDATE dns SET rcode = 'x' WHERE rowid = 2")
        shutil.move(self.dir / "c.db", self.dir / "a/1.db")
        self.assertEqual(self.differences("a", "b"), {("dns", "changed", "rcode"): 1})
        (self.dir / "empty").mkdir()
        self.assertIn("empty holds no database", self.nrtool("diff", "a", "empty",
                                                             status=1).stderr)

    def test_sources_in_another_order(self):
        for name, out in (("tcp-rst.pcap", "x.pcap"), ("mdns.pcap", "y.pcap")):
            shutil.copy(DATA / name, self.dir / out)
        self.nrtool("replay", "x.pcap", "y.pcap", "-q", "-o", "a.db")
        self.nrtool("replay", "y.pcap", "x.pcap", "-q", "-o", "b.db")
        self.assertNotEqual(self.query("a.db", "SELECT source_id, name FROM source"),
                            self.query("b.db", "SELECT source_id, name FROM source"))
        self.same("a.db", "b.db", "--containers")


class Changes(Diff):
    def test_single_changes_are_named_exactly(self):
        seed = os.environ.get("NRTOOL_SEED", "1")
        n = 12 if IS_ASAN else 40
        for part, name in enumerate(("http-tls.pcap", "sections.pcapng", "ftp-active.pcap",
                                     "vxlan.pcap", "dns-tcp.pcapng", "gre.pcap", "ssh.pcap")):
            self.replay(name, "a.db")
            db = sqlite3.connect(self.dir / "a.db")
            made = injections.changes(db, random.Random(f"{seed} {name}"), n, part)
            db.close()
            for words, sql, args, want in made:
                try:
                    self.change("a.db", "b.db", (sql, args))
                except sqlite3.IntegrityError:
                    continue  # a key that another row has
                out = self.nrtool("diff", "a.db", "b.db", *EVERYTHING, status=5).stdout
                self.assertIsNone(injections.judge(out, want), f"{name}, seed {seed}: {words}")

    def test_equal_changes_are_one_sentence(self):
        self.replay("mdns.pcap", "a.db")
        self.change("a.db", "b.db", "UPDATE flow SET service = 'x'")
        n, all_ = (self.query("a.db", f"SELECT count({c}) FROM flow")[0][0] for c in ("service", "*"))
        out = self.nrtool("diff", "a.db", "b.db", status=5).stdout
        self.assertTrue(out.startswith(f"{n} flows changed service: mdns → x (first: udp "), out)
        self.assertTrue(out.endswith(f"\n\nflow: service {all_}\n"), out)

    def test_many_ways_are_one_sentence(self):
        self.replay("mdns.pcap", "a.db")
        self.change("a.db", "b.db", "UPDATE dns SET query_bytes = 100000 + rowid")
        n = self.query("a.db", "SELECT count(*) FROM dns")[0][0]
        self.assertGreater(n, 8)
        out = self.nrtool("diff", "a.db", "b.db", status=5).stdout.splitlines()[0]
        self.assertRegex(out, rf"^{n} messages in dns changed query_bytes: .* and others \(first: ")

    def test_missing_and_new_rows(self):
        self.replay("mdns.pcap", "a.db")
        self.change("a.db", "b.db", "DELETE FROM dns WHERE rowid < 4")
        packet = self.query("a.db", "SELECT min(packet) FROM dns WHERE rowid < 4")[0][0]
        out = self.nrtool("diff", "a.db", "b.db", status=5).stdout
        self.assertIn(f"3 messages missing in dns (first: packet {packet} of udp ", out)
        out = self.nrtool("diff", "b.db", "a.db", status=5).stdout
        self.assertIn("3 messages new in dns (first: ", out)

    def test_a_flow_that_is_gone_takes_its_rows_along(self):
        self.replay("http-tls.pcap", "a.db")
        flow, = self.query("a.db", "SELECT flow_id FROM http LIMIT 1")[0]
        self.change("a.db", "b.db", *(f"DELETE FROM {t} WHERE flow_id = {flow}"
                                      for t in ("flow", "http", "flow_packets", "anomaly")))
        got = self.differences("a.db", "b.db")
        self.assertEqual({k[:2] for k in got}, {("flow", "missing"), ("http", "missing"),
                                                ("flow_packets", "missing")})

    def test_the_words_are_the_same_each_time(self):
        self.replay("http-tls.pcap", "a.db")
        self.replay("sections.pcapng", "b.db")
        said = {self.nrtool("diff", "a.db", "b.db", "--limit=5", "--containers",
                            status=5).stdout for _ in range(6)}
        self.assertEqual(len(said), 1)

    def test_a_database_that_is_being_written(self):
        self.replay("http-tls.pcap", "a.db")
        self.change("a.db", "b.db")
        db = sqlite3.connect(self.dir / "b.db", isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("UPDATE http SET method = 'x'")
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE tls SET ja3 = 'x'")
        self.assertEqual({k[::2] for k in self.differences("a.db", "b.db")},
                         {("http", "method")})
        db.execute("COMMIT")
        self.assertEqual({k[::2] for k in self.differences("a.db", "b.db")},
                         {("http", "method"), ("tls", "ja3")})
        db.close()

    def test_sides_that_changed_places(self):
        self.replay("tcp-rst.pcap", "a.db")
        self.change("a.db", "b.db", "UPDATE flow SET src_ip = dst_ip, dst_ip = src_ip,"
                    " src_port = dst_port, dst_port = src_port")
        got = self.differences("a.db", "b.db")
        self.assertEqual({k[1:] for k in got}, {("changed", c) for c in (
            "src_ip", "dst_ip", "src_port", "dst_port")})

    def test_packets_that_moved_do_not_mix_up_the_rows(self):
        whole = (DATA / "mdns.pcap").read_bytes()
        at = 24 + 16 + int.from_bytes(whole[32:36], "little")
        (self.dir / "x.pcap").write_bytes(whole[:24] + whole[at:])
        self.nrtool("replay", "x.pcap", "-q", "-o", "b.db")
        self.replay("mdns.pcap", "a.db")
        got = self.differences("a.db", "b.db")
        rows, queries = self.query("b.db", "SELECT count(*), count(query_packet) FROM dns")[0]
        repeats, = self.query("a.db", "SELECT count(repeat_of) FROM dns")[0]  # one of the first
        self.assertGreater(rows, 8)
        self.assertEqual({k: n for k, n in got.items() if k[0] == "dns"}, {
            ("dns", "missing", None): 1, ("dns", "changed", "packet"): rows,
            ("dns", "changed", "query_packet"): queries,
            ("dns", "changed", "repeat_of"): repeats})
        got = self.differences("a.db", "b.db", "-i", "packet", "-i", "query_packet",
                               "-i", "repeat_of")
        self.assertEqual({k: n for k, n in got.items() if k[0] == "dns"},
                         {("dns", "missing", None): 1})

    def test_a_key_used_again_later_is_another_flow(self):
        whole = bytearray((DATA / "http-tls.pcap").read_bytes())
        self.replay("http-tls.pcap", "a.db")
        self.change("a.db", "b.db", "UPDATE flow SET first_ns = first_ns + 59000000000,"
                    " src_bytes = 1, dst_bytes = 1, history = 'x', service = 'x'")
        self.assertEqual({k[1] for k in self.differences("a.db", "b.db")}, {"changed"})
        at = 24
        while at < len(whole):  # an hour later, and shorter
            seconds = int.from_bytes(whole[at:at + 4], "little") + 3600
            whole[at:at + 4] = seconds.to_bytes(4, "little")
            at += 16 + int.from_bytes(whole[at + 8:at + 12], "little")
        n = 24 + 16 + int.from_bytes(whole[32:36], "little")
        (self.dir / "x.pcap").write_bytes(whole[:n])
        self.nrtool("replay", "x.pcap", "-q", "--force", "-o", "b.db")
        got = {k[:2] for k in self.differences("a.db", "b.db") if k[0] == "flow"}
        self.assertEqual(got, {("flow", "missing"), ("flow", "new")})

    def test_times_within_the_tolerance(self):
        self.replay("http-tls.pcap", "a.db")
        sql = [f"UPDATE {t} SET {c} = {c} + 1000000" for t, c in (
            ("flow", "first_ns"), ("flow", "last_ns"), ("http", "ts_ns"), ("tls", "ts_ns"))]
        self.change("a.db", "b.db", *sql)
        got = self.differences("a.db", "b.db", "--time-tolerance=999us")
        self.assertEqual({(k[0], k[2]) for k in got}, {("flow", "first_ns"), ("flow", "last_ns"),
                                                       ("http", "ts_ns"), ("tls", "ts_ns")})
        self.assertEqual(self.nrtool("diff", "a.db", "b.db", "--time-tolerance=1ms").stdout, "")

    def test_ignored_columns(self):
        self.replay("http-tls.pcap", "a.db")
        self.change("a.db", "b.db", "UPDATE flow SET service = 'x', src_ttl = 1",
                    "UPDATE http SET method = 'x'", "UPDATE tls SET ja3 = 'x', ja4 = 'x'",
                    "DELETE FROM tls WHERE rowid = 1")
        got = self.differences("a.db", "b.db", "-i", "service", "-i", "http.method",
                               "--ignore-column=tls.*")
        self.assertEqual({k for k in got}, {("flow", "changed", "src_ttl"),
                                            ("tls", "missing", None)})


class Forms(Diff):
    def setUp(self):
        super().setUp()
        self.replay("http-tls.pcap", "a.db")
        self.change("a.db", "b.db", ("UPDATE http SET host = ?, uri = ? WHERE rowid = 1",
                                     ("\x1b[31m|*\x9b\u202e\n", "x" * 500)))

    def test_nothing_from_the_wire_commands_a_terminal(self):
        for form in ("table", "markdown", "jsonl"):
            out = self.nrtool("diff", "a.db", "b.db", "--format", form, status=5).stdout
            bad = "" if form == "jsonl" else "\u202e"
            self.assertNotRegex(out, f"[\x00-\x09\x0b-\x1f\x7f-\x9f{bad}]", form)
            self.assertIn("\\u001b" if form == "jsonl" else "\\x1b", out)
            self.assertLess(max(map(len, out.splitlines())), 800 if form == "jsonl" else 400)

    def test_markdown_is_a_table(self):
        out = self.nrtool("diff", "a.db", "b.db", "--format=markdown", status=5).stdout
        for line in out.splitlines():
            self.assertEqual(len(re.findall(r"(?<!\\)\|", line)), 5, line)
        self.assertIn("\\|\\*", out)

    def test_json_has_whole_values(self):
        got = {x["column"]: x for x in self.lines("a.db", "b.db") if x["type"] == "difference"}
        self.assertEqual(got["uri"]["to"], "x" * 500)
        self.assertEqual(got["host"]["to"], "\x1b[31m|*\x9b\u202e\n")
        [e] = got["uri"]["examples"]
        want = self.query("a.db", "SELECT source_id, packet, ts_ns FROM http WHERE rowid = 1")[0]
        self.assertEqual((e["source_id"], e["packet"], e["ts_ns"]), want)
        self.assertEqual(self.lines("a.db", "b.db")[-1],
                         {"type": "table", "table": "http", "missing": 0, "new": 0,
                          "changed": {"host": 1, "uri": 1}})

    def test_limit(self):
        self.replay("mdns.pcap", "a.db")
        self.change("a.db", "b.db", "DELETE FROM dns WHERE rowid % 2")
        for n in (1, 2, 5):
            [x] = [x for x in self.lines("a.db", "b.db", f"--limit={n}")
                   if x["type"] == "difference"]
            self.assertEqual(len(x["examples"]), min(n, x["count"]))
            packets = [e["packet"] for e in x["examples"]]
            self.assertEqual(packets, [p for p, in self.query(
                "a.db", f"SELECT packet FROM dns WHERE rowid % 2 ORDER BY 1 LIMIT {n}")])
        text = self.nrtool("diff", "a.db", "b.db", "-n", "3", status=5).stdout.splitlines()
        self.assertEqual([line[:11] for line in text[1:4]], ["    packet "] * 3)

    def colours(self, **env):
        """Is the output on a terminal coloured?"""
        ours, theirs = pty.openpty()
        p = subprocess.Popen([str(NRTOOL), "diff", "a.db", "b.db"], cwd=self.dir, stdout=theirs,
                             stdin=subprocess.DEVNULL,
                             env={**os.environ, "TERM": "xterm", "NO_COLOR": "", **env})
        os.close(theirs)
        out = b""
        try:
            while part := os.read(ours, 65536):
                out += part
        except OSError:  # Linux: the other side is closed
            pass
        os.close(ours)
        self.assertEqual(p.wait(), 5)
        return b"\x1b[" in out

    def test_colours_on_a_terminal_only(self):
        self.assertTrue(self.colours())
        self.assertFalse(self.colours(NO_COLOR="1"))
        self.assertFalse(self.colours(TERM="dumb"))
        self.assertNotIn("\x1b", self.nrtool("diff", "a.db", "b.db", status=5).stdout)


class Refusals(Diff):
    def setUp(self):
        super().setUp()
        self.replay("http-tls.pcap", "a.db")

    def test_what_cannot_be_read(self):
        self.assertIn("missing.db", self.nrtool("diff", "a.db", "missing.db", status=1).stderr)
        (self.dir / "text.db").write_text("no database at all " * 100)
        for pair in (("text.db", "a.db"), ("a.db", "text.db")):
            self.assertIn("text.db is no database of nrtool",
                          self.nrtool("diff", *pair, status=1).stderr)

    def test_wrong_usage(self):
        for words in ((), ("a.db",), ("a.db", "a.db", "a.db"), ("a.db", "a.db", "--limit=0"),
                      ("a.db", "a.db", "--format=xml"), ("a.db", "a.db", "-i", "no_column"),
                      ("a.db", "a.db", "-i", "no_table.ts_ns"), ("a.db", "a.db", "-i", "http.x"),
                      ("a.db", "a.db", "--time-tolerance=x")):
            self.assertEqual(self.nrtool("diff", *words, status=2).stdout, "")

    def test_a_damaged_archive_is_compared_as_far_as_it_goes(self):
        self.replay("http-tls.pcap", "a.jsonl.zst")
        whole = (self.dir / "a.jsonl.zst").read_bytes()
        (self.dir / "cut.jsonl.zst").write_bytes(whole[:len(whole) // 3])
        p = self.nrtool("diff", "cut.jsonl.zst", "cut.jsonl.zst", status=3)
        self.assertIn("damaged: cut.jsonl.zst", p.stderr)
        self.nrtool("diff", "a.db", "cut.jsonl.zst", status=5)

    def test_an_older_schema_is_compared_over_what_both_have(self):
        (self.dir / "old.db").write_bytes(gzip.decompress((DATA / "schema-1.db.gz").read_bytes()))
        shutil.copy(self.dir / "old.db", self.dir / "grown.db")
        self.nrtool("replay", DATA / "cut.pcap", "--append", "-q", "-o", "grown.db", status=3)
        p = self.nrtool("diff", "old.db", "grown.db", status=5)
        self.assertIn("not compared: http, which only grown.db has\n", p.stderr)
        self.assertIn("not compared: flow.overlap_unverified, which only grown.db has\n", p.stderr)
        self.assertNotIn("source.", p.stderr)
        self.assertIn("not compared: source.times_clamped", self.nrtool(
            "diff", "grown.db", "old.db", "--containers", status=5).stderr)
        changed = [k for k in self.differences("old.db", "grown.db") if k[1] == "changed"]
        self.assertEqual(changed, [])

    def test_output_that_cannot_be_written(self):
        self.change("a.db", "b.db", "UPDATE flow SET service = 'x'")
        with open("/dev/full", "w", encoding="ascii") as full:
            p = subprocess.run([str(NRTOOL), "diff", "a.db", "b.db"], cwd=self.dir, stdout=full,
                               stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(p.returncode, 4)
        self.assertIn("standard output", p.stderr)

    @unittest.skipIf(IS_ASAN, "sanitizer builds run without a sandbox")
    def test_temporary_files_lie_where_tmpdir_says_within_the_sandbox(self):
        (self.dir / "tmp").mkdir()
        self.nrtool("diff", "a.db", "a.db", env={"TMPDIR": str(self.dir / "tmp")})
        self.assertEqual(list((self.dir / "tmp").iterdir()), [])
