# SPDX-License-Identifier: BSD-3-Clause
"""nrtool archive, export, import, query of archives, verify --repair: from outside."""

import json
import os
import random
import shutil
import signal
import sqlite3
import struct
import subprocess
import time
import unittest

from common import DATA, NRTOOL, Case

ZSTD = shutil.which("zstd")


def pcap(n, size=1000, step_us=1000, seed=1, ports=50):
    """n UDP packets of 8 hosts with incompressible payload."""
    rnd = random.Random(seed)
    out = [struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)]
    for i in range(n):
        payload = rnd.randbytes(size)
        udp = struct.pack(">HHHH", 1000 + i % ports, 53, 8 + size, 0)
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 28 + size, i & 0xffff, 0, 64, 17, 0)
        ip += bytes([10, 0, 0, 1 + i * 8 // n]) + b"\x0a\0\1\1"
        f = b"\2\0\0\0\0\2\2\0\0\0\0\1\x08\0" + ip + udp + payload
        us = i * step_us
        out.append(struct.pack("<IIII", 1700000000 + us // 10**6, us % 10**6, len(f), len(f)) + f)
    return b"".join(out)


def index(path):
    """(meta, types, heads, frames) as nrtool-archive(5) has them."""
    d = path.read_bytes()
    at = d.index(b"nr-index")
    n_frames, n_types, n_heads, n_meta = struct.unpack_from("<4I", d, at + 20)
    meta, at = json.loads(d[at + 64:at + 64 + n_meta]), at + 64 + n_meta
    types, heads, frames = [], [], []
    for _ in range(n_types):
        n, = struct.unpack_from("<H", d, at)
        types.append(d[at + 2:at + 2 + n])
        at += 2 + n
    for _ in range(n_heads):
        content, n = struct.unpack_from("<QI", d, at)
        heads.append((content, d[at + 12:at + 12 + n]))
        at += 12 + n
    for _ in range(n_frames):
        e = struct.unpack_from("<5I2q32s32s32s", d, at)
        counts = [struct.unpack_from("<2I2q", d, at + 132 + 24 * i) for i in range(e[3])]
        at += 132 + 24 * e[3]
        frames.append((e, counts, d[at:at + e[4]]))
        at += e[4]
    return meta, types, heads, frames


def dump(path):
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        names = [n for (n,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        return {n: db.execute(f"SELECT rowid, * FROM {n}").fetchall()
                for n in names if n != "run"}
    finally:
        db.close()


class Archive(Case):
    def make(self, n=6000, **more):
        (self.dir / "x.pcap").write_bytes(pcap(n, **more))
        self.nrtool("archive", "x.pcap", "-q", "-w", "x.pcapng.zst")
        return self.dir / "x.pcapng.zst"

    def zstd(self, path):
        if not ZSTD:
            self.skipTest("there is no zstd")
        return subprocess.run([ZSTD, "-dcq", path], capture_output=True, check=True,
                              cwd=self.dir).stdout

    def test_there_and_back(self):
        a = self.make()
        self.nrtool("archive", a, "-q", "-w", "y.pcapng")
        self.assertEqual((self.dir / "y.pcapng").read_bytes(), self.zstd(a))
        one = self.nrtool("replay", "x.pcap", "-q", "-o", "-").stdout
        two = self.nrtool("replay", a, "-q", "-o", "-").stdout
        flows = [[l for l in t.splitlines() if l.startswith('{"type":"flow"')] for t in (one, two)]
        self.assertEqual(*flows)

    def test_others_open_it(self):
        if not shutil.which("capinfos"):
            self.skipTest("there is no capinfos")
        for size in (3000, 60, 0):  # more and less than a page of Wireshark's to a frame
            a = self.make(n=5000, size=size)
            p = subprocess.run(["capinfos", "-TrcM", a], capture_output=True, text=True)
            self.assertEqual((p.returncode, p.stdout.split()[-1]), (0, "5000"), p.stderr)
            a.unlink()

    def test_threads_change_no_byte(self):
        self.make()
        for n in (1, 2, 5):
            self.nrtool("archive", "x.pcap", "-q", "--threads", n, "--force", "-w", "t.pcapng.zst")
            self.assertEqual((self.dir / "t.pcapng.zst").read_bytes(),
                             (self.dir / "x.pcapng.zst").read_bytes())

    def test_a_time_range_reads_only_its_frames(self):
        a = self.make(n=8000)
        span = ("--from", "1700000004.0", "--to", "1700000004.5")
        self.nrtool("replay", a, "-q", *span, "-o", "p.db")
        self.nrtool("replay", "x.pcap", "-q", *span, "-o", "q.db")
        cols = "src_ip, src_port, first_ns, last_ns, src_packets, src_bytes"
        self.assertEqual(self.query("p.db", f"SELECT {cols} FROM flow ORDER BY 1, 2"),
                         self.query("q.db", f"SELECT {cols} FROM flow ORDER BY 1, 2"))
        [(sha, note, n)] = self.query("p.db", "SELECT sha256, hash_note, packets FROM source")
        self.assertEqual((sha, note), (None, "partial_read"))
        self.assertLess(n, 4000)
        # the way back leads to the same records
        self.assertEqual(self.query("p.db", "SELECT hex(blob) FROM flow_packets ORDER BY 1"),
                         self.query("q.db", "SELECT hex(blob) FROM flow_packets ORDER BY 1"))

    def test_what_lies_outside_of_a_time_range_ends_no_flow(self):
        a = self.make(n=8000, step_us=20000)
        span = ("--to", "1700000030")  # --udp-timeout later there are packets
        self.nrtool("replay", a, "-q", *span, "-o", "p.db")
        self.assertEqual(self.query("p.db", "SELECT hash_note FROM source"), [("partial_read",)])
        for name, threads in (("q.db", 1), ("r.db", 2)):
            self.nrtool("replay", "x.pcap", "-q", *span, "--threads", threads, "-o", name)
            for sql in ("SELECT * FROM flow ORDER BY flow_id",
                        "SELECT end_reason, count(*) FROM flow GROUP BY 1"):
                self.assertEqual(self.query("p.db", sql), self.query(name, sql))

    def test_the_hash_of_a_whole_archive(self):
        a = self.make()
        self.nrtool("replay", a, "-q", "-o", "p.db")
        p = subprocess.run(["sha256sum", a], capture_output=True, text=True, check=True)
        self.assertEqual(self.query("p.db", "SELECT sha256 FROM source"), [(p.stdout[:64],)])

    def test_a_damaged_frame_is_said_and_read_up_to(self):
        a = self.make()
        b = bytearray(a.read_bytes())
        b[len(b) // 2] ^= 1
        a.write_bytes(b)
        p = self.nrtool("replay", a, "-q", "-o", "p.db", status=3)
        self.assertIn("damaged", p.stderr)
        [(n,)] = self.query("p.db", "SELECT packets FROM source")
        self.assertTrue(1000 < n < 6000, n)
        p = self.nrtool("verify", a, status=5)
        self.assertRegex(p.stdout, r"frame \d+ of \d+ at byte \d+ \(records \d+ to \d+, 2023-11-")

    def test_cut_anywhere_it_is_read_as_far_as_it_is_whole(self):
        a = self.make()
        whole = a.read_bytes()
        seen = 0
        for part in (1, 0.999, 0.9, 0.6, 0.3):
            cut = self.dir / "cut.pcapng.zst"
            cut.write_bytes(whole[:int(len(whole) * part) - (part == 1)])
            self.nrtool("verify", cut, status=5)
            p = subprocess.run([NRTOOL, "info", "--json", "--no-hash", cut], text=True,
                               capture_output=True)
            n = json.loads(p.stdout)["packets"]
            subprocess.run([NRTOOL, "verify", "--repair", cut], capture_output=True, check=False)
            self.nrtool("verify", cut)
            p = self.nrtool("info", "--json", "--no-hash", cut)
            kept = json.loads(p.stdout)["packets"]
            self.assertLessEqual(kept, n)
            self.assertGreater(kept, 0)
            seen += kept < 6000
        self.assertGreaterEqual(seen, 2)

    def test_what_a_repair_makes_is_what_was_there(self):
        """The index of a file whose table alone is cut, against the first one."""
        self.nrtool("replay", DATA / "http-tls.pcap", "-q", "-o", "a.jsonl.zst")
        for a in (self.make(), self.dir / "a.jsonl.zst"):
            cut = self.dir / ("cut-" + a.name)
            cut.write_bytes(a.read_bytes()[:-9])
            subprocess.run([NRTOOL, "verify", "--repair", cut], capture_output=True, check=False)
            self.assertEqual(*(index(f)[1:] for f in (a, cut)))

    def verify(self, *words, status=0):
        return [json.loads(line) for line in
                self.nrtool("verify", "--json", *words, status=status).stdout.splitlines()]

    def test_a_damaged_frame_is_dropped_when_told(self):
        a = self.make()
        data = a.read_bytes()
        count = lambda: json.loads(self.nrtool("info", "--json", "--no-hash",
                                               a).stdout)["packets"]
        whole, at = count(), len(data) // 3
        damaged = data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]
        a.write_bytes(damaged)
        said = str(self.verify("--repair", a, status=5))
        self.assertIn("--drop-damaged", said)
        self.assertEqual(a.read_bytes(), damaged)
        said = str(self.verify("--repair", "--drop-damaged", a))
        self.assertIn("1 frames are lost", said)
        self.assertEqual(self.verify(a)[0]["verdict"], "consistent")
        self.assertLess(0, count())
        self.assertLess(count(), whole)
        # what nothing can be read without is not dropped
        a.write_bytes(data[:40] + bytes([data[40] ^ 1]) + data[41:])
        said = str(self.verify("--repair", "--drop-damaged", a, status=5))
        self.assertIn("its first frame is damaged", said)

    def test_events_there_and_back(self):
        self.nrtool("replay", DATA / "http-tls.pcap", "-q", "-o", "a.db", "-o", "a.jsonl.zst")
        self.nrtool("import", "a.jsonl.zst", "-q", "-o", "b.db")
        self.nrtool("export", "a.db", "c.jsonl.zst", "-q")
        self.nrtool("import", "c.jsonl.zst", "-q", "-o", "c.db")
        self.nrtool("export", "a.db", "d.jsonl", "-q")
        self.nrtool("import", "d.jsonl", "-q", "-o", "d.db")
        want = dump(self.dir / "a.db")
        for name in ("b.db", "c.db", "d.db"):
            self.assertEqual(dump(self.dir / name), want, name)
        [(heads,)] = self.query("a.db", "SELECT chain_heads FROM run")
        self.assertEqual(json.loads(heads)[0]["name"], "a.jsonl.zst")

    def test_archives_of_two_runs_are_no_database(self):
        for name in ("http-tls", "gre"):
            self.nrtool("replay", DATA / f"{name}.pcap", "-q", "-o", f"{name}.jsonl.zst")
        both = b"".join((self.dir / f"{name}.jsonl.zst").read_bytes() for name in ("http-tls", "gre"))
        (self.dir / "both.jsonl.zst").write_bytes(both)
        said = self.nrtool("import", "both.jsonl.zst", "-o", "both.db", status=4).stderr
        self.assertIn("two rows claim one id, as those of two databases do", said)
        self.assertFalse((self.dir / "both.db").exists())

    def test_a_cut_archive_of_events_is_imported_as_far_as_it_goes(self):
        (self.dir / "x.pcap").write_bytes(pcap(20000, size=0, step_us=100000, ports=20000))
        self.nrtool("replay", "x.pcap", "-q", "-o", "a.db", "-o", "a.jsonl.zst")
        whole = (self.dir / "a.jsonl.zst").read_bytes()
        (self.dir / "a.jsonl.zst").write_bytes(whole[:len(whole) * 2 // 3])
        p = self.nrtool("import", "a.jsonl.zst", "-q", "-o", "b.db", status=3)
        self.assertIn("damaged", p.stderr)
        n, m = (self.query(d, "SELECT count(*) FROM flow")[0][0] for d in ("b.db", "a.db"))
        self.assertTrue(0 < n < m, (n, m))

    def test_a_run_is_appended_to_what_damaged_lines_have_left(self):
        """What the database lacked before is not the run's to answer for, and it gets no id
        that a row of before names."""
        self.nrtool("replay", DATA / "http-tls.pcap", "-q", "-o", "a.jsonl")
        lines = (self.dir / "a.jsonl").read_text().splitlines(keepends=True)
        flows = [i for i, line in enumerate(lines) if line.startswith('{"type":"flow",')]
        self.assertGreater(len(flows), 1)
        for at, status in ((flows[0], 0), (flows[-1], None)):
            with self.subTest(status=status):
                (self.dir / "b.jsonl").write_text(
                    "".join(lines[:at] + ["{no row\n"] + lines[at + 1:]))
                self.nrtool("import", "b.jsonl", "-q", "--force", "-o", "b.db", status=3)
                ids = {row[0] for row in self.query("b.db", "SELECT flow_id FROM flow")}
                p = self.nrtool("replay", DATA / "gre.pcap", "-q", "--append", "-o", "b.db",
                                status=2 if status is None else status)
                more = {row[0] for row in self.query("b.db", "SELECT flow_id FROM flow")} - ids
                if status is None:
                    self.assertIn("not whole", p.stderr)
                    self.assertEqual(more, set())
                else:
                    self.assertGreater(min(more), max(ids))

    def test_query_reads_only_what_the_sql_needs(self):
        (self.dir / "x.pcap").write_bytes(pcap(30000, size=0, step_us=120000,
                                             ports=30000))  # an hour
        self.nrtool("replay", "x.pcap", "-q", "-o", "a.db")
        self.nrtool("export", "a.db", "a.jsonl.zst", "-q")
        t = 1700000000 * 10**9
        read = {}
        for name, sql in {
            "all": "SELECT count(*), sum(wire_bytes) FROM flow",
            "minute": "SELECT count(*), min(first_ns) FROM flow WHERE first_ns >= "
                      f"{t + 1800 * 10**9} AND first_ns < {t + 1860 * 10**9}",
            "view": f"SELECT count(*) FROM flow_v WHERE first_ns < {t + 60 * 10**9}",
            "either": f"SELECT count(*) FROM flow WHERE first_ns < {t} OR dst_port = 53",
            "twice": f"SELECT count(*) FROM flow a, flow b WHERE a.first_ns < {t + 10**10} "
                     "AND b.flow_id = a.flow_id + 16",
            "address": "SELECT count(*) FROM flow WHERE src_ip = '10.0.0.3'",
            "nobody": "SELECT count(*) FROM flow WHERE dst_ip = '192.0.2.77'",
            "join": "SELECT count(*) FROM flow LEFT JOIN anomaly USING (flow_id) "
                    f"WHERE first_ns > {t + 3500 * 10**9}",
            "other": "SELECT count(*) FROM arp",
        }.items():
            p = self.nrtool("query", "--stats", "--format=json", "a.jsonl.zst", sql)
            q = self.nrtool("query", "--format=json", "a.db", sql)
            self.assertEqual(p.stdout, q.stdout, name)
            read[name] = int(p.stderr.split(": ")[1].split()[0])
        self.assertGreater(read["all"], 4)
        self.assertEqual(read["either"], read["all"])
        self.assertEqual(read["twice"], read["all"])
        self.assertEqual((read["nobody"], read["other"]), (0, 0))
        for name in ("minute", "view", "address", "join"):
            self.assertLess(read[name], read["all"], name)
        self.assertLessEqual(read["minute"], 2)

    def test_archives_and_databases_in_one_set(self):
        self.nrtool("replay", DATA / "http-tls.pcap", "-q", "-o", "a.db", "-o", "a.jsonl.zst")
        sql = "SELECT count(*) n, count(DISTINCT flow_id) m FROM flow"
        p = self.nrtool("query", "--format=json", "a.db", "a.jsonl.zst", sql)
        [r] = json.loads(p.stdout)
        [(n,)] = self.query("a.db", "SELECT count(*) FROM flow")
        self.assertEqual((r["n"], r["m"]), (2 * n, 2 * n))

    def test_a_certificate_may_come_again(self):
        """As in the lines of a capture whose databases rotate: it is told for each of them."""
        self.nrtool("replay", DATA / "tls-handshakes.pcap", "-q", "-o", "a.jsonl")
        lines = (self.dir / "a.jsonl").read_text().splitlines(keepends=True)
        again = [line for line in lines if line.startswith('{"type":"certificate"')]
        self.assertGreater(len(again), 0)
        (self.dir / "b.jsonl").write_text("".join(lines + again))
        p = self.nrtool("query", "b.jsonl", "SELECT count(*) n FROM certificate", "--format=csv")
        self.assertEqual((p.stdout, p.stderr), (f"n\n{len(again)}\n", ""))

    def test_what_it_refuses(self):
        a = self.make(n=10)
        self.assertIn("-w FILE", self.nrtool("archive", "x.pcap", status=2).stderr)
        self.nrtool("archive", "x.pcap", "-w", a, status=1)
        self.assertIn("is an input", self.nrtool("archive", a, "-w", a, "--force",
                                                 status=2).stderr)
        self.assertIn("packets", self.nrtool("import", a, "-o", "x.db", status=1).stderr)
        self.nrtool("replay", "x.pcap", "-q", "-o", "x.db")
        self.nrtool("export", "x.db", "y.db", status=2)
        (self.dir / "no.jsonl").write_text("hello\n")
        self.nrtool("import", "no.jsonl", "-o", "n.db", status=1)
        self.assertFalse((self.dir / "n.db").exists())
        self.nrtool("query", "no.jsonl", "SELECT 1", status=1)

    def test_a_full_disk(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("there is no /dev/full")
        (self.dir / "x.pcap").write_bytes(pcap(100))
        self.nrtool("archive", "x.pcap", "-q", "--no-sandbox", "-w", "/dev/full", status=4)
        with open("/dev/full", "wb") as full:
            p = subprocess.run([NRTOOL, "archive", "x.pcap", "-q", "-w", "-"], cwd=self.dir,
                               stdout=full, stderr=subprocess.PIPE)
        self.assertEqual(p.returncode, 4)

    def test_killed_while_writing(self):
        """kill -9 at random moments: nothing under the final name, whole frames readable."""
        (self.dir / "x.pcap").write_bytes(pcap(30000))
        rnd, target = random.Random(), self.dir / "k.pcapng.zst"
        began = time.monotonic()
        self.nrtool("archive", "x.pcap", "-q", "-w", target)
        spent = time.monotonic() - began
        target.unlink()
        partial, killed, readable = self.dir / ".k.pcapng.zst.partial", 0, 0
        for _ in range(int(os.environ.get("NRTOOL_KILLS", "12"))):
            p = subprocess.Popen([NRTOOL, "archive", "x.pcap", "-q", "--force", "-w", target],
                                 cwd=self.dir, stderr=subprocess.DEVNULL)
            time.sleep(rnd.random() * spent)
            p.send_signal(signal.SIGKILL)
            if p.wait() == 0:
                target.unlink()
                continue
            killed += 1
            if target.exists():  # after the rename, before the exit: it is whole
                self.nrtool("verify", target)
                target.unlink()
            if partial.exists() and partial.stat().st_size > 2 << 20:
                p = subprocess.run([NRTOOL, "info", "--json", "--no-hash", partial],
                                   capture_output=True, text=True)
                self.assertIn(p.returncode, (0, 3), p.stderr)
                self.assertGreater(json.loads(p.stdout)["packets"], 500)
                self.assertNotEqual(subprocess.run([NRTOOL, "verify", partial],
                                                   capture_output=True).returncode, 139)
                readable += 1
        self.assertGreater(killed, 0)


if __name__ == "__main__":
    unittest.main()
