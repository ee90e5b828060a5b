# SPDX-License-Identifier: BSD-3-Clause
"""Several outputs of a capture, of which one fails, and hosts whose clock is set."""

import os
import re
import signal
import subprocess
import time

import net
from test_capture import Capture


class Outputs(Capture):
    def finished(self, name, status=0):
        self.assertEqual(self.query(name, "PRAGMA journal_mode"), [("delete",)])
        self.assertEqual(self.query(name, "SELECT exit_status FROM run"), [(status,)])
        self.assertEqual(self.query(name, "SELECT total(NOT ok) FROM ledger_check"), [(0,)])

    def test_a_full_disk_takes_one_output_and_the_others_go_on(self):
        n = self.network()
        small = self.dir / "small"
        small.mkdir()
        net.sh("mount", "-t", "tmpfs", "-o", "size=2m,mode=755", "none", str(small))
        self.addCleanup(net.sh, "umount", "-l", str(small), check=False)
        p = self.capture(n.b, "vb", "-o", "small/x.db", "-o", "w.db", "-o", "y.jsonl.zst",
                         "-o", "z.jsonl", "-w", "k.pcapng")
        sent = n.a.send("va", net.udp_frames(20000, flows=20000, sport=1024))
        p.wait_for("cannot write small/x.db.*the other outputs go on")
        sent += n.a.send("va", net.udp_frames(10))
        time.sleep(1)
        self.end(p, status=4)
        self.assertEqual(self.counts(p)[0], sent)
        self.finished("w.db", status=4)
        self.assertEqual(self.query("w.db", "SELECT sum(records) FROM flow"), [(sent,)])
        self.nrtool("verify", "y.jsonl.zst")
        flows = sum('"type":"flow"' in x for x in (self.dir / "z.jsonl").open())
        self.assertEqual(self.query("w.db", "SELECT count(*) FROM flow"), [(flows,)])
        self.nrtool("replay", "k.pcapng", "-o", "r.db")
        self.assertEqual(self.query("r.db", "SELECT packets FROM source"), [(sent,)])

    def test_a_reader_that_leaves_costs_nothing_else(self):
        n = self.network()
        q = subprocess.Popen(n.b.command([net.NRTOOL, "capture", "vb", "-o", "-", "-o", "a.db",
                                          "--duration", "5s"]), cwd=self.dir,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(q.kill)
        time.sleep(1)
        n.a.send("va", net.udp_frames(1))
        q.stdout.readline()
        q.stdout.close()
        for k in range(20):
            n.a.send("va", net.udp_frames(50, flows=50, sport=2000 + 50 * k))
            time.sleep(0.1)
        self.assertEqual(q.wait(30), 0)
        self.finished("a.db")
        self.assertEqual(self.query("a.db", "SELECT sum(records) FROM flow"), [(1001,)])

    def test_a_reader_that_does_not_read_keeps_no_database_from_its_end(self):
        n = self.network()
        q = subprocess.Popen(n.b.command([net.NRTOOL, "capture", "vb", "-q", "-o", "-", "-o",
                                          "a.db"]), cwd=self.dir, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL)
        self.addCleanup(q.stdout.close)
        self.addCleanup(q.kill)
        time.sleep(1)
        n.a.send("va", net.udp_frames(2000, flows=2000))  # more than a pipe holds
        time.sleep(1)
        q.send_signal(signal.SIGINT)
        time.sleep(3)
        self.assertIsNone(q.poll())
        self.finished("a.db")
        self.assertEqual(self.query("a.db", "SELECT count(*) FROM flow"), [(2000,)])
        q.send_signal(signal.SIGTERM)
        self.assertEqual(q.wait(10), 128 + signal.SIGTERM)

    def test_frames_that_only_the_kernel_s_filter_lets_pass_are_not_received(self):
        n = self.network()
        p = self.capture(n.b, "vb", "-o", "a.db", "-f", "greater 100")
        for k in range(8):
            n.a.send("va", net.udp_frames(200, size=97, tags=((0x8100, 5),)))
            time.sleep(0.25)
        sent = n.a.send("va", net.udp_frames(7, size=200, tags=((0x8100, 5),)))
        time.sleep(0.5)
        self.end(p)
        self.assertEqual(self.counts(p), (sent, sent, 0))
        self.assertEqual(self.query("a.db", "SELECT sum(received), max(received) <= 7 "
                                            "FROM capture_stats"), [(sent, 1)])


class Clock(Capture):
    def under(self, by, *words):
        before = []
        if net.IS_SANITIZED:  # its runtime is to come first
            before = re.findall(r"\S*/lib[at]san\S+", net.sh("ldd", net.NRTOOL))
        env = dict(os.environ, LD_PRELOAD=" ".join([*before, str(net.BUILD / "tests/live/set_clock.so")]),
                   SET_CLOCK_AFTER="2", SET_CLOCK_BY=str(by))
        n = self.network()
        p = self.start(n.b, [net.NRTOOL, "capture", "vb", "--no-sandbox", *words], env=env)
        p.wait_for("capturing")
        return n, p

    def test_set_back_a_capture_goes_on(self):
        n, p = self.under(-600, "-o", "a.db", "-w", "x.pcapng", "--duration", "6s",
                          "--stats-interval", "1s", "--udp-timeout", "1s")
        sent = 0
        for k in range(10):
            sent += n.a.send("va", net.udp_frames(10, flows=10, sport=1000 + 10 * k))
            time.sleep(0.4)
        self.assertEqual(p.finish(timeout=20), 0, p.err)
        self.assertRegex(p.err, "the host's clock was set back by (9 min 59|10 min)")
        self.assertGreaterEqual(p.err.count('"type":"stats"'), 4)
        self.assertEqual(self.query("a.db", "SELECT sum(received) FROM capture_stats"), [(sent,)])
        self.assertGreaterEqual(self.query("a.db", "SELECT count(*) FROM capture_stats")[0][0], 3)
        idle, = self.query("a.db", "SELECT count(*) FROM flow WHERE end_reason = 'idle'")
        self.assertGreater(idle[0], 50)
