# SPDX-License-Identifier: BSD-3-Clause
"""What nrtool capture keeps: sets of files, retention, triggers, a full disk, kill -9."""

import json
import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import time
import unittest

import net
from test_capture import Capture


def begin_of(name):
    """The time in the name of a file of a set, s since 1970."""
    m = re.search(r"-(\d{8}T\d{6})Z", name)
    return int(time.mktime(time.strptime(m[1], "%Y%m%dT%H%M%S")) - time.timezone)


def noise(frames):
    """What does not compress."""
    return [f[:46] + random.randbytes(len(f) - 46) for f in frames]


class Keep(Capture):
    def info(self, name, statuses=(0,)):
        p = subprocess.run([net.NRTOOL, "info", "--json", str(self.dir / name)], text=True,
                           capture_output=True, check=False, timeout=60)
        self.assertIn(p.returncode, statuses, (name, p.stdout, p.stderr))
        return json.loads(p.stdout)

    def files(self, pattern):
        return sorted(f.name for f in self.dir.glob(pattern))

    def times(self, name):
        """Packet times by tshark's twin, a replay: none of ours decides the file."""
        self.nrtool("replay", name, "-q", "--force", "-o", "times.db")
        return self.query("times.db", "SELECT coalesce(sum(packets), 0), min(first_ns),"
                                      " max(last_ns) FROM source")[0]


class Sets(Keep):
    def test_intervals_are_exact_dense_and_sparse(self):
        n = self.network()
        p = self.capture(n.b, "vb", "-o", "x.db", "-w", "x.pcapng", "--rotate-time=1s")
        sent = 0
        for pause in (0.05, 0.05, 0.05, 2.2, 0.3, 0.3, 0.3, 1.1):
            sent += n.a.send("va", net.udp_frames(40, flows=3, sport=1000 + sent))
            time.sleep(pause)
        self.end(p)
        files = self.files("x-*.pcapng")
        begins = [begin_of(f) for f in files]
        # one for each second, also for those in which nothing came
        self.assertEqual(begins, list(range(begins[0], begins[0] + len(begins))))
        total = 0
        for f, begin in zip(files, begins):
            got, first, last = self.times(f)
            self.assertEqual(got, self.info(f)["packets"])
            total += got
            if got:
                self.assertGreaterEqual(first, begin * 10**9)
                self.assertLess(last, (begin + 1) * 10**9)
        self.assertEqual(total, sent)
        self.assertIn(0, [self.info(f)["packets"] for f in files])
        dbs = self.files("x-*.db")
        self.assertEqual([begin_of(d) for d in dbs], begins)
        for d, f in zip(dbs, files):
            self.assertEqual(self.query(d, "PRAGMA journal_mode"), [("delete",)])
            self.assertEqual(self.query(d, "SELECT name, packets FROM source"),
                             [(f, self.info(f)["packets"])])
            self.assertEqual(self.query(d, "SELECT sum(NOT ok) FROM ledger_check")[0][0] or 0, 0)
            self.nrtool("verify", d)
        # flows go on, and their parts add up
        p = self.nrtool("query", *dbs, "--format=json", "SELECT sum(records) AS n, count(continues)"
                        " AS c FROM flow")
        got = json.loads(p.stdout)[0]
        self.assertEqual(got["n"], sent)
        self.assertGreater(got["c"], 0)
        p = self.nrtool("query", *dbs, "--format=json", "SELECT count(*) AS n FROM flow a LEFT JOIN"
                        " flow b ON a.continues = b.flow_id AND b.end_reason = 'rotated'"
                        " WHERE a.continues IS NOT NULL AND b.flow_id IS NULL")
        self.assertEqual(json.loads(p.stdout), [{"n": 0}])

    def test_kept_files_replay_to_the_flows_of_one_database(self):
        n = self.network()
        p = self.capture(n.b, "vb", "-o", "x.db", "-w", "x.pcapng.zst", "--rotate-size=20K",
                         "--one-database")
        for k in range(8):
            n.a.send("va", noise(net.udp_frames(300, size=500, flows=7, sport=2000 + k)))
            time.sleep(0.6)
        self.end(p)
        files = self.files("x-*.pcapng.zst")
        self.assertGreater(len(files), 2)
        self.nrtool("replay", *files, "-q", "-o", "b.db")
        self.assert_same_records("x.db", "b.db", ignore=("source_id", "packet"))

    def test_retention_keeps_the_newest_of_this_run(self):
        n = self.network()
        other = self.dir / "x-20200101T000000Z.pcapng"
        other.write_bytes(b"not of this run")
        p = self.capture(n.b, "vb", "-o", "x.db", "-w", "x.pcapng", "--rotate-time=1s",
                         "--keep-files=2")
        for k in range(50):
            n.a.send("va", net.udp_frames(20, sport=k))
            time.sleep(0.1)
            self.assertLessEqual(len(self.files("x-2*.pcapng")), 4)
        self.end(p)
        self.assertTrue(other.exists())
        left = self.files("x-2*.pcapng")
        self.assertEqual(len(left), 3)
        self.assertEqual(len(self.files("x-*.db")), 2)
        self.assertGreater(self.info(left[-1])["packets"] + self.info(left[-2])["packets"], 0)

    def test_hangup_begins_new_files(self):
        n = self.network()
        p = self.capture(n.b, "vb", "-o", "x.db", "-w", "x.pcapng", "--rotate")
        for k in range(3):
            n.a.send("va", net.udp_frames(10 * (k + 1)))
            time.sleep(0.3)
            if k < 2:
                p.signal(signal.SIGHUP)
                time.sleep(0.3)
        self.end(p)
        self.assertEqual([self.info(f)["packets"] for f in self.files("x-*.pcapng")], [10, 20, 30])
        self.assertEqual(len(self.files("x-*.db")), 3)

    def test_a_trigger_writes_what_was_before(self):
        n = self.network()
        p = self.capture(n.b, "vb", "-o", "x.db", "-w", "x.pcapng", "--pre-trigger=2s")
        n.a.send("va", net.udp_frames(100))
        time.sleep(3.2)  # these are too old
        n.a.send("va", net.udp_frames(7))
        time.sleep(0.3)
        p.signal(signal.SIGUSR2)
        time.sleep(0.3)
        n.a.send("va", net.udp_frames(5))
        time.sleep(0.3)
        self.end(p)
        name, = self.files("x-*.pcapng")
        self.assertEqual(self.info(name)["packets"], 12)
        self.assertEqual(self.query("x.db", "SELECT sum(packets) FROM source"), [(112,)])
        self.assertEqual(self.query("x.db", "SELECT count(*) FROM flow_packets"), [(0,)])


class Manager(Keep):
    def test_the_service_manager_hears_of_it(self):
        n = self.network()
        path = self.dir / "notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.bind(str(path))
            s.settimeout(30)
            p = self.start(n.b, [net.NRTOOL, "capture", "vb", "-q", "-o", "x.db"],
                           env={**os.environ, "NOTIFY_SOCKET": str(path)})
            self.assertTrue(s.recv(200).startswith(b"READY=1"))
            # what it is ready for: nothing sent from now on is missed
            n.a.send("va", net.udp_frames(50))
            time.sleep(0.2)
            self.end(p, signal.SIGTERM)
            self.assertTrue(s.recv(200).startswith(b"STOPPING=1"))
        self.assertEqual(self.query("x.db", "SELECT sum(packets) FROM source"), [(50,)])


class FullDisk(Keep):
    def small_disk(self, size):
        at = self.dir / "small"
        at.mkdir()
        net.sh("mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "none", str(at))
        self.addCleanup(net.sh, "umount", "-l", str(at), check=False)
        return at

    def test_the_packets_end_and_the_flows_go_on(self):
        for ending in ("pcapng", "pcapng.zst"):
            with self.subTest(ending):
                self.one_full_disk(ending)

    def one_full_disk(self, ending):
        n = self.network()
        at = self.small_disk("1m")
        p = self.capture(n.b, "vb", "-o", "x.db", "--force", "-w", f"small/x.{ending}")
        sent = 0
        for k in range(24):
            sent += n.a.send("va", noise(net.udp_frames(100, size=1000, flows=5, sport=3000)))
            time.sleep(0.25)
        self.end(p, status=4)
        self.assertIn("No space left", p.err)
        kept = self.info(f"small/x.{ending}")["packets"]
        self.assertGreater(kept, 200)
        self.assertLess(kept, sent)
        self.assertEqual(self.counts(p)[:2], (sent, sent))
        rows = self.query("x.db", "SELECT packets, damage IS NOT NULL FROM source ORDER BY 1")
        self.assertEqual(sum(r[0] for r in rows), sent)
        self.assertEqual([r[1] for r in rows], [1, 1])
        self.assertEqual(self.query("x.db", "SELECT sum(records) FROM flow"), [(sent,)])
        self.assertEqual(self.query("x.db", "SELECT sum(dropped_disk) FROM capture_stats"),
                         [(sent - kept,)])
        self.assertEqual(self.query("x.db", "SELECT exit_status FROM run"), [(4,)])
        if ending == "pcapng":  # no row leads to what is not there
            q = self.nrtool("extract", "x.db", "--where", "1", "-w", "all.pcapng", "--force",
                            "--source", "small")
            self.assertEqual(self.info("all.pcapng")["packets"], kept)
            self.assertIn("were not kept", q.stderr)
            q = self.nrtool("verify", "x.db", "--source", "small", status=1)
            self.assertNotRegex(q.stdout, r"(?m)^ *changed")
            self.assertRegex(q.stdout, "not kept")
        net.sh("umount", "-l", str(at))
        at.rmdir()

    def test_packets_are_kept_again_when_there_is_room(self):
        n = self.network()
        at = self.small_disk("1m")
        p = self.capture(n.b, "vb", "-o", "x.db", "-w", "small/x.pcapng")
        ballast = at / "ballast"
        with ballast.open("wb") as f:
            f.write(bytes(900 << 10))
        sent, again = 0, []
        for turn in range(80):
            sent += n.a.send("va", noise(net.udp_frames(20, size=900, sport=turn)))
            time.sleep(0.25)
            if turn == 16:
                ballast.unlink()
            again = self.files("small/x-*.pcapng")
            if again:
                break
        n.a.send("va", noise(net.udp_frames(30, size=900, sport=999)))
        time.sleep(0.5)
        self.end(p, status=4)
        self.assertEqual(len(again), 1)
        first, second = (self.info(f"small/{f}")["packets"] for f in ("x.pcapng", again[0]))
        self.assertGreaterEqual(second, 30)
        rows = self.query("x.db", "SELECT name, packets, damage IS NULL FROM source"
                                  " ORDER BY source_id")
        self.assertEqual([r[2] for r in rows], [0, 0, 1])
        self.assertEqual((rows[0][1], rows[2][:2]), (first, (again[0], second)))
        self.assertEqual(sum(r[1] for r in rows), sent + 30)

    def test_a_full_database_ends_it_with_a_word(self):
        n = self.network()
        self.small_disk("2m")
        p = self.capture(n.b, "vb", "-o", "small/x.db")
        for k in range(100):
            n.a.send("va", net.udp_frames(300, flows=300, sport=(k * 300) % 60000))
            if p.p.poll() is not None:
                break
            time.sleep(0.1)
        self.end(p, status=4)
        self.assertRegex(p.err, "disk is full|No space left")
        db = sqlite3.connect(self.dir / "small/x.db")
        self.assertEqual(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
        self.assertGreater(db.execute("SELECT count(*) FROM flow").fetchone()[0], 0)
        db.close()


class Killed(Keep):
    def test_closed_files_are_whole_and_open_ones_to_the_last_second(self):
        rng = random.Random(int(os.environ.get("NRTOOL_SEED", "7")))
        n = self.network()
        for turn in range(int(os.environ.get("NRTOOL_KILLS", "4"))):
            self.one_kill(n, rng, turn)

    def one_kill(self, n, rng, turn):
        ending = rng.choice(("pcapng", "pcapng", "pcapng.zst"))
        for f in self.dir.iterdir():
            f.unlink()
        backend = rng.choice(("tpacket", "tpacket", "xdp"))
        p = self.capture(n.b, "vb", "-o", "x.db", "-w", f"x.{ending}", "--rotate-time=1s",
                         "--backend", backend, *(["--take-traffic"] if backend == "xdp" else []))
        sent, life = [], 1.2 + 2.5 * rng.random()
        began = time.time()
        while time.time() < began + life:
            n.a.send("va", net.udp_frames(50, flows=9, sport=5000))
            sent.append(time.time())
            time.sleep(0.02)
        p.kill()
        dead = time.time()
        self.assertNotIn("xdp", n.b.ip("link", "show", "dev", "vb"), turn)
        files, dbs = self.files(f"x-*.{ending}"), self.files("x-*.db")
        kept = {}
        for f in files:
            # the last may end within a block; the one before may not have been closed
            kept[f] = self.info(f, (0, 3) if f in files[-2:] else (0,))["packets"]
        # what was sent a second and a bit before the end is in the files
        safe = sum(50 for t in sent if t < dead - 1.5)
        self.assertGreaterEqual(sum(kept.values()), safe, (turn, kept))
        in_rows = 0
        for d in dbs:
            db = sqlite3.connect(self.dir / d)
            try:
                self.assertEqual(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
                if not db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                    self.assertEqual(d, dbs[-1])  # it was just being made
                    continue
                for name, packets in db.execute("SELECT name, packets FROM source"):
                    in_rows += packets
                    if ending == "pcapng":
                        self.assertLessEqual(packets, kept[name], turn)
            finally:
                db.close()
        self.assertGreaterEqual(in_rows, safe, turn)
        for d in dbs[:-2]:
            self.nrtool("verify", d, "--no-sources")


if __name__ == "__main__":
    unittest.main()
