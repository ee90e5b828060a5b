# SPDX-License-Identifier: BSD-3-Clause
"""Captures that go on: what can be read meanwhile, sets of files, triggers."""

import contextlib
import json
import re
import signal
import socket
import sqlite3
import subprocess
import time
import unittest

import net
from test_capture import Capture


class Meanwhile(Capture):
    def until(self, what, timeout=20):
        end = time.monotonic() + timeout
        while not what():
            self.assertLess(time.monotonic(), end, "it does not come")
            time.sleep(0.1)

    def test_an_open_database_can_be_read_and_holds_open_flows(self):
        n = self.network()
        p = self.capture(n.b, "vb", "-o", "a.db")
        for i in range(20):
            n.a.send("va", net.udp_frames(1))
            time.sleep(0.1)
        self.until(lambda: self.query("a.db", "SELECT count(*) FROM flow") == [(1,)])
        (records, end), = self.query("a.db", "SELECT records, end_reason FROM flow")
        self.assertGreaterEqual(records, 1)
        self.assertIsNone(end)
        self.assertEqual(self.query("a.db", "SELECT name FROM source"), [("vb",)])
        self.until(lambda: self.query("a.db", "SELECT sum(received) FROM capture_stats") == [(20,)])
        self.end(p)
        self.assertEqual(self.query("a.db", "SELECT records, end_reason FROM flow"),
                         [(20, "end_of_input")])

    def test_flow_updates(self):
        n = self.network()
        p = self.capture(n.b, "vb", "-o", "a.jsonl", "-o", "a.db", "--active-timeout", "1s")
        for i in range(28):
            n.a.send("va", net.udp_frames(1))
            time.sleep(0.1)
        self.end(p)
        rows = [json.loads(x) for x in (self.dir / "a.jsonl").read_text().splitlines()]
        updates = [r for r in rows if r["type"] == "flow_update"]
        self.assertIn(len(updates), (2, 3))
        counts = [r["records"] for r in updates]
        self.assertEqual(counts, sorted(set(counts)))
        self.assertTrue(all("end_reason" not in r for r in updates))
        for t in ("run", "source", "interface", "flow"):
            self.assertEqual(len([r for r in rows if r["type"] == t]), 1, t)


class Sets(Capture):
    @contextlib.contextmanager
    def held(self, path):
        """Another program writes into that database."""
        with contextlib.closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            yield
            db.execute("COMMIT")

    def test_the_unit_starts_again_whatever_its_options(self):
        n = self.network()
        unit = (net.ROOT / "systemd/nrtool-capture@.service.in").read_text()
        [line] = re.findall(r"^ExecStart=\S+ (.*) \$NRTOOL_OPTIONS$", unit, re.M)
        words = line.replace("%I", "vb").split()
        for options in ("", "-w p.pcapng", "-w q.pcapng --rotate-time 1h --one-database"):
            for _ in range(2):
                p = self.start(n.b, [net.NRTOOL, *words, *options.split(), "--duration", "1s"])
                self.assertEqual(p.finish(), 0, p.err)
        names = [re.sub(r"-\d{8}T\d{6}Z", "-TIME", p.name) for p in self.dir.iterdir()]
        self.assertEqual(sorted(names), ["p-TIME.pcapng"] * 2 + ["q-TIME.pcapng"] * 2
                         + ["vb-TIME.db"] * 6)

    def test_hangup_rotates_packets_and_database_and_flows_go_on(self):
        n = self.network()
        p = self.capture(n.b, "vb", "-o", "a.db", "-w", "x.pcapng", "--rotate")
        n.a.send("va", net.udp_frames(30, flows=3))
        time.sleep(1.2)
        p.signal(signal.SIGHUP)
        time.sleep(1)
        n.a.send("va", net.udp_frames(12, flows=3))
        time.sleep(0.3)
        self.end(p)
        dbs = sorted(f.name for f in self.dir.glob("a-*.db"))
        files = sorted(f.name for f in self.dir.glob("x-*.pcapng"))
        self.assertEqual((len(dbs), len(files)), (2, 2), list(self.dir.iterdir()))
        self.assertEqual(self.query(dbs[0], "SELECT records, end_reason FROM flow"),
                         [(10, "rotated")] * 3)
        self.assertEqual(self.query(dbs[1], "SELECT records FROM flow"), [(4,)] * 3)
        self.assertEqual(sorted(self.query(dbs[1], "SELECT continues FROM flow")),
                         sorted(self.query(dbs[0], "SELECT flow_id FROM flow")))
        for db, f, k in zip(dbs, files, (30, 12)):
            self.assertEqual(self.query(db, "SELECT name, packets FROM source"), [(f, k)])
            self.assertEqual(self.query(db, "SELECT sum(received) FROM capture_stats"), [(k,)])
            self.assertEqual(self.query(db, "SELECT received FROM interface"), [(k,)])
            self.assertEqual(self.query(db, "PRAGMA journal_mode"), [("delete",)])
            self.nrtool("replay", f, "-o", "r.db", "--force")
            self.assertEqual(self.query("r.db", "SELECT packets FROM source"), [(k,)])

    def test_time_rotates_a_silent_link_too(self):
        n = self.network()
        p = self.capture(n.b, "vb", "-o", "a.db", "--rotate-time", "1s")
        n.a.send("va", net.udp_frames(5))
        time.sleep(3.5)
        self.end(p)
        dbs = sorted(f.name for f in self.dir.glob("a-*.db"))
        self.assertGreaterEqual(len(dbs), 3)
        self.assertEqual(sum(self.query(d, "SELECT total(records) FROM flow")[0][0]
                             for d in dbs), 5)

    def test_rotation_and_end_lose_no_row_of_many_open_flows(self):
        n = self.network()
        p = self.capture(n.b, "vb", "-o", "a.db", "--rotate", "--no-sessions")
        many = 50000
        for v6 in False, True:
            n.a.send("va", net.udp_frames(many, flows=many, sport=1024, v6=v6))
        time.sleep(0.5)
        for sig in signal.SIGHUP, signal.SIGINT:
            with self.held(max(self.dir.glob("a-*.db"))):
                p.signal(sig)
                time.sleep(1.5)
            time.sleep(1)
        p.finish()
        dbs = sorted(f.name for f in self.dir.glob("a-*.db"))
        self.assertEqual(len(dbs), 2)
        for d, end in zip(dbs, ("rotated", "end_of_input")):
            self.assertEqual(self.query(d, "SELECT end_reason, count(*) FROM flow GROUP BY 1"),
                             [(end, 2 * many)])
            self.assertEqual(self.query(d, "SELECT count(*) FROM anomaly "
                                           "WHERE kind = 'sink_overload'"), [(0,)])

    def test_databases_rotate_by_their_own_size(self):
        n = self.network()
        p = self.capture(n.b, "vb", "-o", "a.db", "--rotate-size", "1M")
        sent = 0
        for k in range(7):
            sent += n.a.send("va", net.udp_frames(1500, flows=1500, sport=1024 + 1500 * k))
            time.sleep(1.2)
        self.end(p)
        dbs = sorted(f.name for f in self.dir.glob("a-*.db"))
        self.assertIn(len(dbs), range(2, 4))
        self.assertEqual(sum(self.query(d, "SELECT total(records) FROM flow")[0][0]
                             for d in dbs), sent)
        for d in dbs:
            self.assertEqual(self.query(d, "PRAGMA journal_mode"), [("delete",)])
            self.assertEqual(self.query(d, "SELECT total(NOT ok) FROM ledger_check"), [(0,)])
        for d in dbs[:-1]:
            self.assertGreaterEqual((self.dir / d).stat().st_size, 1 << 20)
        # flows of before are in one of the databases before
        self.assertGreater(self.query(dbs[-1], "SELECT count(continues) FROM flow")[0][0], 0)

    def test_size_rotates_and_retention_keeps_the_newest(self):
        n = self.network()
        p = self.capture(n.b, "vb", "-o", "a.db", "-w", "x.pcapng", "--rotate-size", "64K",
                         "--keep-files", 2, "--one-database")
        sent = n.a.send("va", net.udp_frames(1000, size=600, flows=4))
        time.sleep(1)
        self.end(p)
        files = sorted(f.name for f in self.dir.glob("x-*.pcapng"))
        self.assertEqual(len(files), 2)
        self.assertEqual(self.query("a.db", "SELECT sum(packets), count(*) > 5 FROM source"),
                         [(sent, 1)])
        last, = self.query("a.db", "SELECT name, packets FROM source "
                                   "ORDER BY source_id DESC LIMIT 1")
        self.assertEqual(last[0], files[-1])
        self.nrtool("replay", files[-1], "-o", "r.db")
        self.assertEqual(self.query("r.db", "SELECT packets FROM source"), [(last[1],)])

    def test_a_trigger_writes_what_was_before_it(self):
        n = self.network()
        p = self.capture(n.b, "vb", "-o", "a.db", "-w", "x.pcapng", "--pre-trigger", "30s")
        n.a.send("va", net.udp_frames(40))
        time.sleep(0.5)
        self.assertEqual(list(self.dir.glob("x*")), [])
        p.signal(signal.SIGUSR2)
        time.sleep(1)
        n.a.send("va", net.udp_frames(2))
        time.sleep(0.3)
        self.end(p)
        name, = [f.name for f in self.dir.glob("x-*.pcapng")]
        self.nrtool("replay", name, "-o", "r.db")
        self.assertEqual(self.query("r.db", "SELECT packets FROM source"), [(42,)])
        self.assertEqual(self.query("a.db", "SELECT count(*) FROM flow_packets"), [(0,)])
        self.assertEqual(self.query("a.db", "SELECT sum(records) FROM flow"), [(42,)])

    def test_an_anomaly_triggers(self):
        n = self.network()
        p = self.capture(n.b, "vb", "-o", "a.db", "-w", "x.pcapng", "--pre-trigger", "30s",
                         "--trigger", "land")
        n.a.send("va", net.udp_frames(10))
        land = net.ether(net.ipv4(net.udp(b"x", 7, 7), src="10.77.1.2", dst="10.77.1.2"))
        n.a.send("va", [land])
        time.sleep(1.5)
        self.end(p)
        name, = [f.name for f in self.dir.glob("x-*.pcapng")]
        self.nrtool("replay", name, "-o", "r.db")
        self.assertEqual(self.query("r.db", "SELECT packets FROM source"), [(11,)])
        said = re.search(f"{name}: (trigger: anomaly land: 11 packets, back .* s of 30.0 s)\n", p.err)
        self.assertTrue(said, p.err)
        self.assertIn(said[1].encode(), (self.dir / name).read_bytes())

    def test_the_service_manager_is_told(self):
        n = self.network()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.bind(str(self.dir / "notify"))
            s.settimeout(20)
            p = self.start(n.b, ["env", f"NOTIFY_SOCKET={self.dir}/notify", net.NRTOOL,
                                 "capture", "vb", "-q", "-o", "null:"])
            self.assertIn(b"READY=1", s.recv(1000))
            self.end(p)
            said = s.recv(1000)
            self.assertIn(b"STOPPING=1", said)

    def test_the_summary_counts_a_flow_once_and_names_all_databases(self):
        n = self.network()
        p = self.capture(n.b, "vb", "-o", "ro.db", "--rotate")
        for _ in range(3):
            n.a.send("va", net.udp_frames(40, flows=4))
            time.sleep(0.4)
            p.signal(signal.SIGHUP)
            time.sleep(0.4)
        self.end(p)
        self.assertEqual(len(list(self.dir.glob("ro-*.db"))), 4)
        self.assertIn("120 packets, 6.6 KiB, 4 flows", p.err)
        self.assertRegex(p.err, r"\nudp +4 +120 ")
        self.assertRegex(p.err, r"\n10\.77\.1\.1 +4 ")
        command = re.search("next: nrtool (.*)", p.err)[1]
        q = subprocess.run(f"{net.NRTOOL} {command}", shell=True, cwd=self.dir, text=True,
                           capture_output=True, check=True)
        self.assertIn("10.77.1.1", q.stdout)

    def test_what_cannot_be_asked_for(self):
        n = self.network()
        for words, what in ((["--rotate-size", "1M"], "give -w"),
                            (["--trigger", "land"], "--pre-trigger"),
                            (["-w", "x.pcapng", "--pre-trigger", "1s", "--trigger", "no"],
                             "there is no such anomaly"),
                            (["-w", "x.pcapng", "--pre-trigger", "1s", "--rotate"],
                             "does not rotate")):
            p = self.start(n.b, [net.NRTOOL, "capture", "vb", "-o", "null:", *words])
            self.assertEqual(p.finish(), 2, p.err)
            self.assertIn(what, re.sub(r"\s+", " ", p.err))


class Trouble(Capture):
    def test_a_full_disk_closes_the_packets_whole_and_the_rows_go_on(self):
        n = self.network()
        small = self.dir / "small"
        small.mkdir()
        try:
            net.sh("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small)
        except RuntimeError as e:
            self.skipTest(f"cannot mount a small file system: {e}")
        self.addCleanup(net.sh, "umount", "-l", small)
        p = self.capture(n.b, "vb", "-w", small / "x.pcapng", "-o", "a.db")
        sent = n.a.send("va", net.udp_frames(3000, size=1000, flows=5))
        time.sleep(1.5)
        self.end(p, status=4)
        self.assertEqual(self.counts(p), (sent, sent, 0))
        self.assertIn("could not be kept on disk", p.err)
        (lost,), = self.query("a.db", "SELECT sum(dropped_disk) FROM capture_stats")
        self.assertEqual(self.query("a.db", "SELECT sum(records) FROM flow"), [(sent,)])
        (name, taken), *_ = self.query("a.db", "SELECT name, packets FROM source "
                                               "ORDER BY source_id")
        (of_it,), = self.query("a.db", "SELECT total(dropped_disk) FROM capture_stats "
                                       "WHERE source_id = 1")
        self.assertEqual(self.query("a.db", "SELECT exit_status FROM run"), [(4,)])
        self.nrtool("replay", small / name, "-o", "b.db")
        (kept,), = self.query("b.db", "SELECT packets FROM source")
        self.assertEqual((kept + lost, taken - of_it), (sent, kept))

    def test_kill_9_loses_the_last_second_at_most(self):
        for i in range(3):
            n = self.network()
            p = self.capture(n.b, "vb", "-w", f"{i}.pcapng", "-o", f"{i}.db")
            n.a.send("va", net.udp_frames(500, flows=5))
            time.sleep(2.2)
            n.a.send("va", net.udp_frames(100, flows=5))
            time.sleep(0.05 * i)
            p.kill()
            (sent,), = self.query(f"{i}.db", "SELECT sum(records) FROM flow")
            self.assertIn(sent, (500, 600))
            self.assertEqual(self.query(f"{i}.db", "PRAGMA integrity_check"), [("ok",)])
            q = subprocess.run([net.NRTOOL, "replay", f"{i}.pcapng", "-o", f"r{i}.db", "-q"],
                               cwd=self.dir, capture_output=True, check=False)
            self.assertIn(q.returncode, (0, 3), q.stderr)
            (kept,), = self.query(f"r{i}.db", "SELECT packets FROM source")
            self.assertGreaterEqual(kept, 500)


for name in ("Capture",):  # its tests run in test_capture
    globals().pop(name)

if __name__ == "__main__":
    unittest.main()
