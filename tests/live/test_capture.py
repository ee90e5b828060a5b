# SPDX-License-Identifier: BSD-3-Clause
"""nrtool capture on veth pairs, from outside."""

import json
import os
import pty
import re
import select
import shutil
import signal
import sqlite3
import subprocess
import time
import unittest
from pathlib import Path

import net
import records


class Capture(net.Case):
    def capture(self, space, *words, **more):
        p = self.start(space, [net.NRTOOL, "capture", *words], **more)
        p.wait_for("capturing")
        return p

    def nrtool(self, *words, status=0):
        p = subprocess.run([net.NRTOOL, *map(str, words)], cwd=self.dir, text=True,
                           capture_output=True, check=False, timeout=120,
                           stdin=subprocess.DEVNULL)
        self.assertEqual(p.returncode, status, p.stdout[-2000:] + p.stderr)
        return p

    def query(self, name, sql):
        db = sqlite3.connect(f"file:{self.dir / name}?mode=ro", uri=True)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    def end(self, p, sig=signal.SIGINT, status=0):
        self.assertEqual(p.finish(sig), status, p.err)
        return p

    def counts(self, p):
        """captured, received, dropped as the end says them."""
        m = re.search(r"captured ([\d ]+) / received ([\d ]+) / dropped ([\d ]+)", p.err)
        return tuple(int(x.replace(" ", "")) for x in m.groups())

    def assert_same_records(self, a, b, **more):
        d = records.differences(records.tables(self.dir / a, **more),
                                records.tables(self.dir / b, **more))
        self.assertEqual(d, [], "\n".join(d[:40]))


class Basics(Capture):
    def test_a_database_by_default_and_every_packet_in_it(self):
        n = self.network()
        p = self.capture(n.b, "vb")
        n.a.send("va", net.udp_frames(1000, flows=10))
        time.sleep(0.2)
        self.end(p)
        name, = [f.name for f in self.dir.iterdir()]
        self.assertRegex(name, r"^vb-\d{8}T\d{6}Z\.db$")
        self.assertEqual(self.counts(p), (1000, 1000, 0))
        self.assertEqual(self.query(name, "SELECT count(*), sum(records) FROM flow"), [(10, 1000)])
        self.assertEqual(self.query(name, "SELECT name, format, packets FROM source"),
                         [("vb", "tpacket", 1000)])
        self.assertEqual(self.query(name, "SELECT count(*) FROM flow_packets"), [(0,)])
        self.assertEqual(self.query(name, "SELECT sum(received), sum(dropped_kernel) "
                                          "FROM capture_stats"), [(1000, 0)])
        self.assertEqual(self.query(name, "SELECT received, dropped, inbound FROM interface"),
                         [(1000, 0, 1000)])
        self.assertEqual(self.query(name, "PRAGMA journal_mode"), [("delete",)])
        self.assertIn("clock_state", dict.fromkeys(
            c[1] for c in self.query(name, "PRAGMA table_info(run)")))
        self.assertTrue(self.query(name, "SELECT clock_state FROM run")[0][0])

    def test_count_and_duration_end_it(self):
        n = self.network()
        p = self.capture(n.b, "vb", "-c", 7, "-o", "a.db")
        n.a.send("va", net.udp_frames(20))
        self.end(p, None)
        self.assertEqual(self.query("a.db", "SELECT packets FROM source"), [(7,)])
        p = self.capture(n.b, "vb", "--duration", "1s", "-o", "b.db")
        n.a.send("va", net.udp_frames(20))
        self.end(p, None)
        self.assertEqual(self.query("b.db", "SELECT packets FROM source"), [(20,)])

    def test_two_interfaces_are_rows_and_one_run(self):
        n = self.network()
        n.pair("vc", "vd", net=2)
        p = self.capture(n.b, "vb", "vd", "-o", "a.db")
        n.a.send("va", net.udp_frames(30))
        n.a.send("vc", net.udp_frames(12, sport=77))
        time.sleep(0.3)
        self.end(p)
        self.assertEqual(self.query("a.db", "SELECT name, received, dropped FROM interface "
                                            "ORDER BY interface_id"),
                         [("vb", 30, 0), ("vd", 12, 0)])
        self.assertEqual(self.query("a.db", "SELECT interface_id, records FROM flow ORDER BY 1"),
                         [(0, 30), (1, 12)])

    def test_a_filter_by_direction_works_or_is_refused(self):
        n = self.network()
        for backend, more in (("pcap", ()), ("xdp", ("--take-traffic",))):
            for text in ("inbound", "udp and outbound"):
                p = self.start(n.b, [net.NRTOOL, "capture", "vb", "--backend", backend, *more, "-o",
                                     "null:", "-f", text])
                self.assertEqual(p.finish(), 2, p.err)
                self.assertIn("give -Q in or -Q out", p.err)
        for text, want in (("inbound", 5), ("outbound and udp", 3)):
            p = self.capture(n.b, "vb", "-o", "null:", "-f", text)
            n.a.send("va", net.udp_frames(5))
            n.b.send("vb", net.udp_frames(3))
            time.sleep(0.3)
            self.end(p)
            self.assertEqual(self.counts(p)[0], want)

    def test_hardware_times_that_a_driver_does_not_make_are_not_claimed(self):
        n = self.network()
        p = self.capture(n.b, "vb", "-o", "a.db", "--hardware-time", "-v")
        self.end(p)
        self.assertIn("vb does not stamp the packets that it receives (ethtool -T vb)", p.err)
        self.assertIn("interface 0: vb: tpacket, software time stamps", p.err)
        self.assertIn("--sync-interval 1.00 s --pin none: any CPU", p.err)

    def test_what_a_back_end_cannot_know_is_not_told_as_nothing(self):
        n = self.network()
        for backend, more, knows in (("tpacket", (), True), ("pcap", (), True),
                                     ("xdp", ("--take-traffic", "-s", "100", "-v"), False)):
            p = self.capture(n.b, "vb", "-o", f"{backend}.db", "--backend", backend, *more)
            n.a.send("va", net.udp_frames(3))
            time.sleep(0.3)
            p.signal(signal.SIGUSR1)
            p.wait_for(r'"type":"stats".*\n')
            said = json.loads(re.search(r"^\{.*\}$", p.err, re.M)[0])
            self.assertEqual("dropped_interface" in said, knows, backend)
            self.assertEqual("ring_freezes" in said, backend == "tpacket", backend)
            self.assertEqual("ring_freezes" in said["interfaces"][0], backend == "tpacket")
            self.assertEqual(said["dropped_kernel"], 0)
            self.end(p)
            told = self.query(f"{backend}.db", "SELECT sum(received), sum(dropped_kernel), "
                              "sum(dropped_interface), sum(ring_freezes) FROM capture_stats")
            self.assertEqual(told, [(3, 0, 0 if knows else None,
                                     0 if backend == "tpacket" else None)], backend)
        self.assertIn("--snap-len 100\n", p.err)

    def test_of_two_interfaces_the_one_that_changes_is_told(self):
        n = self.network()
        n.pair("vc", "vd", net=2)
        p = self.capture(n.b, "vb", "vd", "-o", "null:")
        n.b.ip("link", "set", "vd", "down")
        p.wait_for("interface vd is down")
        n.b.ip("link", "set", "vd", "name", "ve")
        p.wait_for("interface vd is called ve now")
        n.b.ip("link", "set", "ve", "up")
        p.wait_for("interface ve is up")
        self.end(p)
        said = re.findall(r"interface (.*)", p.err)
        self.assertEqual(len(said), 3, said)
        self.assertNotIn("vb", " ".join(said))

    def test_loss_is_exact_and_strict_says_it(self):
        n = self.network()
        p = self.capture(n.b, "vb", "--ring-size", "256K", "-o", "a.db", "--strict")
        p.signal(signal.SIGSTOP)
        sent = n.a.send("va", net.udp_frames(20000, size=200))
        p.signal(signal.SIGCONT)
        time.sleep(0.3)
        self.end(p, status=6)
        captured, received, dropped = self.counts(p)
        self.assertEqual(captured, received)
        self.assertEqual(received + dropped, sent)
        self.assertGreater(dropped, 0)
        self.assertEqual(self.query("a.db", "SELECT sum(received), sum(dropped_kernel), "
                                            "sum(ring_freezes) > 0 FROM capture_stats"),
                         [(received, dropped, 1)])
        self.assertEqual(self.query("a.db", "SELECT packets FROM source"), [(received,)])
        self.assertEqual(self.query("a.db", "SELECT exit_status FROM run"), [(6,)])

    def test_a_reader_that_does_not_read_costs_records_and_no_packets(self):
        n = self.network()
        subprocess.run([net.BUILD / "tests/bench/nrbench-gen", "dns", "--count", "80000",
                        self.dir / "dns.pcap"], check=True)
        os.mkfifo(self.dir / "x.jsonl")
        reader = os.open(self.dir / "x.jsonl", os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(lambda: reader < 0 or os.close(reader))
        p = self.capture(n.b, "vb", "-o", "x.jsonl", "--flow-start", "--strict")
        sent = int(n.a.exec(net.BUILD / "tests/bench/nrbench-send", "va",
                            self.dir / "dns.pcap").split()[0])
        began = time.monotonic()
        said, end = {}, began + 60
        while said.get("captured") != sent:
            self.assertLess(time.monotonic(), end, said)
            p.err = ""
            p.signal(signal.SIGUSR1)
            p.wait_for(r'"captured":.*\n')
            said = json.loads(re.search(r"^\{.*\}$", p.err, re.M)[0])
            time.sleep(0.2)
        self.assertEqual((said["received"], said["dropped_kernel"]), (sent, 0))
        self.assertGreater(said["records_dropped"], 0)
        p.signal(signal.SIGINT)
        with open(reader, encoding="utf-8") as f:
            os.set_blocking(reader, True)
            reader = -1
            lines = [json.loads(x)["type"] for x in f]
        self.end(p, sig=None, status=6)
        dropped = int(re.search(r"([\d ]+) records dropped", p.err)[1].replace(" ", ""))
        self.assertGreaterEqual(dropped, said["records_dropped"])
        counts = [lines.count(x) for x in ("flow_start", "dns", "flow")]
        self.assertGreater(min(counts), 1000)
        # every flow begins, has one row of dns, and ends; of what comes each second (losses,
        # the anomaly that says so) some can be missing too
        others = 20 + 8 * int(time.monotonic() - began)
        self.assertIn(dropped - (3 * 80000 - sum(counts)), range(others))

    def test_statistics_on_demand_and_at_intervals(self):
        n = self.network()
        p = self.capture(n.b, "vb", "-o", "null:", "--stats-interval", "1s")
        n.a.send("va", net.udp_frames(5))
        time.sleep(0.3)
        p.signal(signal.SIGUSR1)
        p.wait_for(r'"captured":5.*\n')
        first = json.loads(re.search(r"^\{.*\}$", p.err, re.M)[0])
        self.assertEqual((first["type"], first["received"], first["dropped_kernel"]),
                         ("stats", 5, 0))
        self.assertEqual(first["interfaces"][0]["name"], "vb")
        time.sleep(2.2)
        self.end(p)
        self.assertGreaterEqual(len(re.findall(r'^\{"type":"stats"', p.err, re.M)), 2)
        p = self.capture(n.b, "vb", "-o", "null:", "--stats-interval", "200ms", "--duration", "2s")
        self.end(p, None)
        self.assertIn(len(re.findall(r'^\{"type":"stats"', p.err, re.M)), range(7, 11))

    def test_a_terminal_gets_a_line_that_is_drawn_anew(self):
        n = self.network()
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        p = n.b.popen([net.NRTOOL, "capture", "vb", "-o", "a.db", "--ring-size", "256K"],
                      stdout=subprocess.DEVNULL, stderr=slave, cwd=self.dir,
                      env={**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8"})
        os.close(slave)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        said = b""

        def until(what):
            nonlocal said
            end = time.monotonic() + 30
            while not re.search(what, said):
                self.assertLess(time.monotonic(), end, said[-2000:])
                if select.select([master], [], [], 0.2)[0]:
                    try:
                        said += os.read(master, 65536)
                    except OSError:  # the other end is closed
                        self.assertRegex(said, what)

        until(rb"capturing")
        query = b"\x12\x34\1\0\0\1\0\0\0\0\0\0\7example\3com\0\0\1\0\1"
        answer = query[:2] + b"\x81\x80" + query[4:]
        for k in range(30):
            n.a.send("va", [net.ether(net.ipv4(net.udp(query, 1024 + k, 53))),
                            net.ether(net.ipv4(net.udp(answer, 53, 1024 + k), src="10.77.1.2",
                                               dst="10.77.1.1"))])
        until(rb"\r60 packets, 4.2 KiB, \d+/s, 0 lost, 30 flows open, dns\x1b\[K")
        # nothing comes: the line is drawn again with a rate of nothing
        until(rb"\r60 packets, 4.2 KiB, 0/s, 0 lost, 30 flows open\x1b\[K")
        p.send_signal(signal.SIGSTOP)
        sent = 60 + n.a.send("va", net.udp_frames(20000, size=200))
        p.send_signal(signal.SIGCONT)
        until(rb" [1-9][\d ]* lost, 31 flows open")
        p.send_signal(signal.SIGINT)
        until(rb"captured [\d ]+ / received [\d ]+ / .*dropped [\d ]+")
        self.assertEqual(p.wait(), 0)
        # the line is taken away before anything else is said
        last = said.rsplit(b"flows open", 1)[1]
        self.assertRegex(last, rb"^[^\n]*\x1b\[K\r\x1b\[Kcaptured ")
        got = re.search(rb"lost, 31 flows.*?captured [\d ]+ / received ([\d ]+) / (?:\x1b\[\d+m)?"
                        rb"dropped ([\d ]+)", said, re.S)
        self.assertEqual(sum(int(x.replace(b" ", b"")) for x in got.groups()), sent)

    def test_down_up_goes_on_and_deleted_leaves_a_whole_database(self):
        n = self.network()
        p = self.capture(n.b, "vb", "-o", "a.db", "-w", "x.pcapng")
        n.a.send("va", net.udp_frames(5))
        n.b.ip("link", "set", "vb", "down")
        p.wait_for("interface vb is down")
        n.b.ip("link", "set", "vb", "up")
        n.wait_up(n.a, "va")
        n.wait_up(n.b, "vb")
        n.a.send("va", net.udp_frames(5))
        n.b.ip("link", "del", "vb")
        self.end(p, None, status=3)
        self.assertEqual(len(re.findall("interface vb is gone", p.err)), 1)
        self.assertEqual(self.query("a.db", "SELECT sum(records) FROM flow"), [(10,)])
        self.assertEqual(self.query("a.db", "PRAGMA integrity_check"), [("ok",)])
        self.nrtool("replay", "x.pcapng", "-o", "b.db")
        self.assert_same_records("a.db", "b.db")

    def test_the_clock_follows_the_host_on_a_silent_link(self):
        n = self.network()
        p = self.capture(n.b, "vb", "-o", "a.jsonl", "--udp-timeout", "500ms")
        n.a.send("va", net.udp_frames(3))
        time.sleep(2)
        self.end(p)
        rows = [json.loads(x) for x in (self.dir / "a.jsonl").read_text().splitlines()]
        self.assertEqual([r["end_reason"] for r in rows if r["type"] == "flow"], ["idle"])

    def test_the_second_signal_ends_at_once(self):
        n = self.network()
        p = self.capture(n.b, "vb", "-o", "null:", "--block-timeout", "10s")
        p.signal(signal.SIGINT)
        time.sleep(0.3)
        self.assertEqual(p.finish(signal.SIGINT), 130)

    def test_usage(self):
        n = self.network()
        for words, what in ((["nosuch"], "there is no interface 'nosuch'"),
                            (["vb", "-f", "port port"], "filter 'port port'"),
                            (["vb", "--backend", "x"], "there are: tpacket"),
                            (["vb", "-w", "x.pcap"], "FILE.pcapng"),
                            (["vb", "vb"], "given twice"),
                            (["any"], "--backend pcap any"),
                            (["vb,lo"], "separated by blanks: vb lo"),
                            (["vb", "--ring-size", "4G"], "between 16K and 4095M")):
            p = self.start(n.b, [net.NRTOOL, "capture", *words, "-o", "null:"])
            self.assertIn(p.finish(), (1, 2))
            self.assertIn(what, p.err)
        self.assertEqual(list(self.dir.iterdir()), [])


class Beginnings(Capture):
    """What does not begin says so before it is said to be ready, and leaves nothing behind."""

    def refused(self, n, *words, status=2):
        before = {f.name: f.read_bytes() for f in self.dir.iterdir()}
        p = self.start(n.b, [net.NRTOOL, "capture", "vb", *words])
        self.assertEqual(p.finish(), status, p.err)
        self.assertNotIn("capturing", p.err)
        self.assertEqual({f.name: f.read_bytes() for f in self.dir.iterdir()}, before)
        return p.err

    def test_a_target_that_exists(self):
        n = self.network()
        for name in ("have.pcapng", "have.db", "have.jsonl"):
            (self.dir / name).write_text("mine")
        outputs = ("-o", "new.db", "-o", "new.jsonl", "-o", "new.jsonl.zst")
        for words in ((*outputs, "-w", "have.pcapng"),
                      (*outputs, "-o", "have.db", "-w", "new.pcapng"),
                      (*outputs, "-o", "have.jsonl", "-w", "new.pcapng.zst"),
                      ("-o", "new.db", "-o", "have.jsonl", "-w", "set.pcapng", "--rotate"),
                      ("-o", "have.db", "-w", "x.pcapng", "--pre-trigger", "1s")):
            said = self.refused(n, *words, status=1)
            self.assertRegex(said, r"have\.\w+.*exists.*--force")
        # and the corrected command works
        p = self.capture(n.b, "vb", *outputs, "-w", "new.pcapng")
        n.a.send("va", net.udp_frames(3))
        time.sleep(0.3)
        self.end(p)
        self.assertEqual(self.query("new.db", "SELECT packets FROM source"), [(3,)])

    def test_options_that_do_not_go_together(self):
        n = self.network()
        for words, what in (
                (("-o", "s.db", "-o", "s.db"), "-o s.db is given twice"),
                (("-o", "s.db", "-o", "./s.db"), "-o s.db is given twice"),
                (("-w", "x.pcapng", "-o", "x.pcapng"), "x.pcapng is given for packets and for rows"),
                (("-w", "x.pcapng", "--pre-trigger", "1s", "--trigger", "nosuch"),
                 "--trigger nosuch: there is no such anomaly"),
                (("--keep-free", "1G"), "give --rotate-time"),
                (("--keep-files", "2"), "give --rotate-time"),
                (("--keep-bytes", "1G", "-w", "x.pcapng"), "give --rotate-time"),
                (("--one-database",), "give --rotate-time"),
                (("--xdp-mode", "native"), "--xdp-mode needs --backend xdp"),
                (("--take-traffic", "--backend", "pcap"), "--take-traffic needs --backend xdp"),
                (("--pre-trigger-memory", "1M"), "give --pre-trigger TIME"),
                (("--stats-interval", "50ms"), "at least 100ms"),
                (("--active-timeout", "1s"), "give -o FILE.jsonl"),
                (("--active-timeout", "1s", "-o", "s.db"), "give -o FILE.jsonl"),
                (("--flow-start",), "--flow-start writes lines flow_start"),
                (("--flow-start", "-o", "s.db"), "give -o FILE.jsonl")):
            self.assertIn(what, self.refused(n, *words), words)
        self.assertEqual(list(self.dir.iterdir()), [])


class Pinned(Capture):
    """--pin: the thread that reads, and it alone."""

    def cpus(self, p):
        """Of each thread, the first one first: where it may run."""
        ids = sorted(map(int, os.listdir(f"/proc/{p.pid}/task")))
        texts = [Path(f"/proc/{p.pid}/task/{i}/status").read_text() for i in ids]
        return [re.search(r"^Cpus_allowed_list:\s*(\S+)", t, re.M)[1] for t in texts]

    def test_only_the_thread_that_reads_is_pinned_also_behind_a_rotation(self):
        everywhere = re.search(r"^Cpus_allowed_list:\s*(\S+)",
                               Path("/proc/self/status").read_text(), re.M)[1]
        cpu = min(os.sched_getaffinity(0))
        if everywhere == str(cpu):
            self.skipTest("needs two CPUs")
        n = self.network()
        p = self.capture(n.b, "vb", "--pin", cpu, "-o", "a.db", "-o", "a.jsonl", "-w",
                         "a.pcapng.zst", "--rotate")
        for _ in range(2):
            time.sleep(0.5)
            first, *others = self.cpus(p)
            self.assertEqual(first, str(cpu))
            self.assertGreater(len(others), 2)
            self.assertEqual(set(others), {everywhere})
            n.a.send("va", net.udp_frames(50))
            p.signal(signal.SIGHUP)
        self.end(p)

    def test_a_cpu_that_is_none_is_said_before_anything_starts(self):
        n = self.network()
        for cpu, what in (("x", "needs the number of a CPU"), ("1023", "cannot run on CPU 1023")):
            p = self.start(n.b, [net.NRTOOL, "capture", "vb", "--pin", cpu, "-o", "a.db"])
            self.assertEqual(p.finish(), 2)
            self.assertIn(what, p.err)
        self.assertEqual(list(self.dir.iterdir()), [])


class Privileges(Capture):
    def status(self, p):
        return dict(line.split(":\t", 1) for line in
                    Path(f"/proc/{p.pid}/status").read_text().splitlines() if ":\t" in line)

    def test_it_becomes_the_owner_of_the_directory_without_capabilities(self):
        n = self.network()
        os.chown(self.dir, 65534, 65534)
        p = self.capture(n.b, "vb", "-o", self.dir / "a.db", "-w", self.dir / "x.pcapng")
        s = self.status(p)
        self.assertEqual(s["Uid"].split(), ["65534"] * 4)
        self.assertEqual({s[k] for k in ("CapInh", "CapPrm", "CapEff", "CapAmb", "CapBnd")},
                         {"0" * 16})
        if not net.IS_SANITIZED:
            self.assertEqual((s["NoNewPrivs"], s["Seccomp"]), ("1", "2"))
        n.a.send("va", net.udp_frames(5))
        time.sleep(0.2)
        self.end(p)
        self.assertEqual({f.stat().st_uid for f in self.dir.iterdir()}, {65534})
        self.assertEqual({f.stat().st_mode & 0o777 for f in self.dir.iterdir()}, {0o600})
        self.assertEqual(self.query("a.db", "SELECT packets FROM source"), [(5,)])

    @unittest.skipUnless(shutil.which("setpriv"), "needs setpriv")
    def test_without_the_right_to_shrink_the_bounding_set_too(self):
        n = self.network()
        os.chown(self.dir, 65534, 65534)
        p = self.start(n.b, ["setpriv", "--bounding-set", "-setpcap", net.NRTOOL, "capture",
                             "vb", "-o", self.dir / "a.db"])
        p.wait_for("capturing")
        s = self.status(p)
        self.assertEqual(s["Uid"].split(), ["65534"] * 4)
        self.assertEqual({s[k] for k in ("CapInh", "CapPrm", "CapEff", "CapAmb")}, {"0" * 16})
        self.end(p)

    def test_root_keeps_no_capability_either(self):
        n = self.network()
        p = self.capture(n.b, "vb", "-o", "a.db")
        self.assertEqual(self.status(p)["CapEff"], "0" * 16)
        self.end(p)

    def test_a_number_without_a_user_is_one(self):
        n = self.network()
        os.chown(self.dir, 54321, 54321)
        p = self.capture(n.b, "vb", "-Z", "54321", "-o", self.dir / "a.db")
        s = self.status(p)
        self.assertEqual((s["Uid"].split(), s["Gid"].split()), (["54321"] * 4, ["54321"] * 4))
        self.assertEqual((s["Groups"].split(), s["CapEff"]), ([], "0" * 16))
        self.end(p)

    @unittest.skipUnless(shutil.which("setpriv"), "needs setpriv")
    def test_who_is_not_root_cannot_become_another(self):
        n = self.network()
        os.chown(self.dir, 65534, 65534)
        for user, status in (("daemon", 2), ("nobody", 0)):
            p = self.start(n.b, ["setpriv", "--reuid", "65534", "--regid", "65534",
                                 "--clear-groups", "--inh-caps", "+net_raw", "--ambient-caps",
                                 "+net_raw", net.NRTOOL, "capture", "vb", "-Z", user,
                                 "--no-promisc", "--duration", "200ms", "-o",
                                 self.dir / f"{user}.db"])
            self.assertEqual(p.finish(), status, p.err)
            self.assertEqual("only root can become another user" in p.err, status == 2)

    def test_a_directory_that_cannot_be_written_is_said_before_anything_starts(self):
        n = self.network()
        os.chmod(self.dir, 0o755)
        p = self.start(n.b, [net.NRTOOL, "capture", "vb", "-Z", "nobody", "-o",
                             self.dir / "a.db"])
        self.assertEqual(p.finish(), 2)
        self.assertIn("user nobody cannot write into", p.err)
        self.assertEqual(list(self.dir.iterdir()), [])


class KeptEqualsReplayed(Capture):
    """capture -w x.pcapng -o a.db, then replay x.pcapng -o b.db: the same records."""

    def check(self, n, send, *words, interfaces=("vb",), name="x.pcapng", both=()):
        p = self.capture(n.b, *interfaces, "-w", name, "-o", "a.db", *words, *both)
        send()
        time.sleep(0.4)
        # so that timers which the host's clock fires have a packet behind them in the file
        n.a.send("va", net.udp_frames(1, sport=9))
        time.sleep(0.2)
        self.end(p)
        captured, received, dropped = self.counts(p)
        self.assertEqual((captured, dropped), (received, 0))
        self.assertNotIn("came late", p.err)
        self.nrtool("replay", name, "-o", "b.db", "--force", *both)
        self.assert_same_records("a.db", "b.db")
        return captured - 1

    def test_mix_at_full_speed(self):
        n = self.network()
        subprocess.run([net.BUILD / "tests/bench/nrbench-gen", "mix", "--size", "8M",
                        self.dir / "mix.pcap"], check=True)
        frames = [f for _, f, _ in records.read_pcap(self.dir / "mix.pcap")]
        sent = self.check(n, lambda: n.a.send("va", frames))
        self.assertEqual(sent, len(frames))
        # the same flows and messages as the file's, which has other times
        self.nrtool("replay", "mix.pcap", "-o", "c.db")
        self.assertEqual(self.query("c.db", "SELECT sum(records), count(*) > 100 FROM flow"),
                         [(self.query("a.db", "SELECT sum(records) FROM flow "
                                              "WHERE src_port <> 9")[0][0], 1)])

    def test_tags_and_two_interfaces_and_rings(self):
        n = self.network()
        n.pair("vc", "vd", net=2)
        frames = (net.udp_frames(50, tags=((0x8100, 5),), flows=5) +
                  net.udp_frames(50, tags=((0x88a8, 5), (0x8100, 6)), flows=5) +
                  net.udp_frames(50, flows=7, v6=True))

        def send():
            for f in frames:
                n.a.send("va", [f])
                n.a.send("vc", [f])

        sent = self.check(n, send, "--rings", 2, interfaces=("vb", "vd"))
        self.assertEqual(sent, 2 * len(frames))
        self.assertEqual(self.query("a.db", "SELECT count(*) FROM interface"), [(4,)])

    def test_an_archive_and_a_snap_length(self):
        n = self.network()
        frames = net.udp_frames(200, size=900, flows=9)
        self.check(n, lambda: n.a.send("va", frames), "-s", 100, name="x.pcapng.zst")

    def test_every_back_end(self):
        for words in (("--backend", "pcap"),
                      ("--backend", "xdp", "--xdp-mode", "generic", "--take-traffic"),
                      ("--backend", "xdp", "--xdp-mode", "native", "--take-traffic")):
            with self.subTest(words):
                n = self.network()
                subprocess.run([net.BUILD / "tests/bench/nrbench-gen", "mix", "--size", "1M",
                                self.dir / "mix.pcap"], check=True)
                frames = [f for _, f, _ in records.read_pcap(self.dir / "mix.pcap")]
                frames += net.udp_frames(50, tags=((0x8100, 5),), flows=5)
                sent = self.check(n, lambda: n.a.send("va", frames), "--force", *words)
                self.assertEqual(sent, len(frames))

    def test_silences_and_timers(self):
        n = self.network()

        def send():
            for i in range(6):
                n.a.send("va", net.udp_frames(3, sport=100 + i % 2))
                time.sleep(0.7)

        self.check(n, send, both=("--udp-timeout", "1s"))

    def test_real_captures_paced_as_they_were(self):
        """All here; with the other back ends a few, all where NRTOOL_LIVE_ALL is set."""
        self.paced(self.n_captures if not os.environ.get("NRTOOL_LIVE_ALL") else 24)

    n_captures = 24

    def paced(self, most):
        """Sent over the wire: the flows and messages of the file, times aside."""
        mix = self.dir / "mix.pcap"
        subprocess.run([net.BUILD / "tests/bench/nrbench-gen", "mix", "--size", "2M", mix],
                       check=True)
        chosen = choose(most)
        both = [(mix, records.read_pcap(mix)), *chosen]
        for some in (both[i:i + 9] for i in range(0, len(both), 9)):
            self.side_by_side(some)
        if not chosen:
            self.skipTest("the real captures are not here")

    def side_by_side(self, chosen, tries=3):
        """A busy host that pauses between two packets can give up a hole that they fill:
        what differs from its file is sent again."""
        runs, again = [], []
        grace = "--ack-grace", "500ms"
        for i, (path, packets) in enumerate(chosen):
            n = self.network()
            n.mtu(65000)
            p = self.capture(n.b, "vb", "-w", f"{i}.pcapng", "-o", f"{i}.db", "--force", *grace)
            runs.append([path, p, packets, n.a.raw("va"), 0])
        begin = time.monotonic_ns() + 10**8
        while any(r[4] < len(r[2]) for r in runs):
            now = time.monotonic_ns() - begin
            for r in runs:
                packets = r[2]
                while r[4] < len(packets) and packets[r[4]][0] - packets[0][0] <= now:
                    r[3].send(packets[r[4]][1])
                    r[4] += 1
            time.sleep(0.0005)
        time.sleep(0.3)
        for i, (path, p, packets, sock, _) in enumerate(runs):
            sock.close()
            with self.subTest(str(path)):
                self.end(p)
                self.assertEqual(self.counts(p), (len(packets), len(packets), 0))
                self.nrtool("replay", f"{i}.pcapng", "-o", "kept.db", "--force", *grace)
                self.assert_same_records(f"{i}.db", "kept.db")
                self.nrtool("replay", path, "-o", "file.db", "--force", *grace)
                aside = {"times": False, "ignore": ("source_id", "interface_id")}
                if tries > 1 and records.differences(
                        *(records.tables(self.dir / d, **aside) for d in (f"{i}.db", "file.db"))):
                    again.append((path, packets))
                else:
                    self.assert_same_records(f"{i}.db", "file.db", **aside)
        if again:
            self.side_by_side(again, tries - 1)


def choose(most=24):
    """Complete Ethernet captures that take at most 6 s and have no silence over 5 s."""
    root = net.CAPTURES
    if not (root / "MANIFEST.tsv").exists():
        return []
    out, per_folder = [], {}
    for line in (root / "MANIFEST.tsv").read_text().splitlines()[1:]:
        path = root / line.split("\t")[0]
        folder = path.parent
        if path.suffix not in (".pcap", ".cap") or per_folder.get(folder, 0) >= 6 or \
                not 2000 < path.stat().st_size < 400000:
            continue
        packets = records.read_pcap(path)
        if not packets or not 15 <= len(packets) <= 3000:
            continue
        times = [t for t, _, _ in packets]
        if times != sorted(times) or times[-1] - times[0] > 6 * 10**9 or \
                any(not 14 < len(f) == w <= 60000 for _, f, w in packets):
            continue
        per_folder[folder] = per_folder.get(folder, 0) + 1
        out.append((path, packets))
        if len(out) == most:
            break
    return out


if __name__ == "__main__":
    unittest.main()
