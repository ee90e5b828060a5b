# SPDX-License-Identifier: BSD-3-Clause
"""replay --threads, --verify-determinism, --stats and --mem."""

import json
import os
import sqlite3
import struct

from common import Case, DATA


class Determinism(Case):
    def verify(self, *words, status=0):
        return self.nrtool("replay", "--verify-determinism", *words, status=status)

    def test_equal(self):
        p = self.verify(DATA / "http-tls.pcap", DATA / "dns-tcp.pcapng")
        self.assertRegex(p.stdout, r"^\d+ records are the same in 6 replays.*: "
                                   r"[0-9a-f]{64}\n$")
        self.assertEqual(p.stderr, "")
        again = self.verify(DATA / "http-tls.pcap", DATA / "dns-tcp.pcapng")
        self.assertEqual(p.stdout, again.stdout)
        other = self.verify(DATA / "http-tls.pcap", "--no-sessions")
        self.assertNotEqual(p.stdout, other.stdout)
        self.assertEqual(os.listdir(self.dir), [])

    def test_options(self):
        self.assertEqual(self.verify(DATA / "http-tls.pcap", "-q").stdout, "")
        self.verify(DATA / "http-tls.pcap", "-f", "tcp port 80", "--max-flows=1024",
                    "--checksums=verify", "--flow-start")
        self.verify(DATA / "cut.pcap", status=3)
        self.assertIn("-o", self.verify(DATA / "http-tls.pcap", "-o", "x.db",
                                        status=2).stderr)
        self.verify("-", status=2)
        self.verify("absent.pcap", status=1)

    def test_rows_of_one_flow_may_be_more_than_a_shard_has_room_for(self):
        """Queries that nobody answers become rows where the flow, at the same clock mark, ends."""
        def udp(sec, us, host, payload):
            f = struct.pack(">HHHH", 4000, 53, 8 + len(payload), 0) + payload
            f = struct.pack(">BBHHHBBHBBBBBBBB", 0x45, 0, 20 + len(f), 0, 0, 64, 17, 0,
                            10, 0, 0, host, 10, 0, 0, 99) + f
            f = b"\2\0\0\0\0\2\2\0\0\0\0\1\x08\0" + f
            return struct.pack("<IIII", sec, us, len(f), len(f)) + f

        name = b"".join(bytes([50]) + bytes([97 + i]) * 50 for i in range(4)) + b"\0"
        out = [struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)]
        out += [udp(1700000000, i * 100, 1, struct.pack(">HHHHHH", i, 0x100, 1, 0, 0, 0) +
                    name + b"\0\1\0\1") for i in range(3000)]
        out.append(udp(1700000100, 0, 2, b"x"))
        (self.dir / "q.pcap").write_bytes(b"".join(out))
        rows = []
        for n in (1, 2, 5):
            p = self.nrtool("replay", "-q", f"--threads={n}", "q.pcap", "-o", "-", timeout=60)
            rows.append([line for line in p.stdout.splitlines()
                         if not line.startswith('{"type":"run"')])
        self.assertEqual(sum(line.startswith('{"type":"dns"') for line in rows[0]), 3000)
        self.assertEqual(rows[0], rows[1])
        self.assertEqual(rows[0], rows[2])

    def test_threads_are_recorded(self):
        for n in (1, 2, 5):
            self.nrtool("replay", "-q", f"--threads={n}", DATA / "http-tls.pcap", "-o",
                        f"{n}.db", status=0)
            with sqlite3.connect(self.dir / f"{n}.db") as db:
                self.assertEqual(db.execute("SELECT threads FROM run").fetchall(),
                                 [(n,)])
        self.nrtool("diff", "1.db", "5.db", status=0)

    def test_stats(self):
        for n in (1, 3):
            p = self.nrtool("replay", "-q", f"--threads={n}", DATA / "http-tls.pcap",
                            "-o", "-", "--no-hash", "--stats=json", status=0)
            got = json.loads(p.stderr)
            self.assertEqual(got["threads"], n)
            self.assertEqual(got["hash_threads"], 0)
            self.assertEqual(got["steps"] > 0, n > 1)
            for key in ("wall_ns", "intake_ns", "shards_ns", "merge_ns", "flows_most",
                        "per_flow_bytes", "peak_bytes"):
                self.assertGreater(got[key], 0, key)
        p = self.nrtool("replay", "-q", "--stats", DATA / "http-tls.pcap", "-o", "a.db",
                        status=0)
        self.assertRegex(p.stderr, r"threads that write databases +1\n")
        self.many_flows(60000)  # more rows at the end than the queue holds
        p = self.nrtool("replay", "-q", "--stats=json", "many.pcap", "-o", "b.db", status=0)
        got = json.loads(p.stderr)
        self.assertLessEqual(got["queue_wait_end_ns"], got["queue_wait_ns"])
        self.assertLessEqual(got["queue_wait_ns"], got["merge_ns"])
        self.assertGreater(got["finish_ns"], 0)
        self.assertLess(got["finish_ns"], got["wall_ns"])
        self.nrtool("replay", "--stats=xml", DATA / "http-tls.pcap", status=2)

    def many_flows(self, n):
        """A capture of n UDP flows at once."""
        with open(self.dir / "many.pcap", "wb") as f:
            f.write((DATA / "http-tls.pcap").read_bytes()[:24])
            for i in range(n):
                ip = struct.pack(">BBHHHBBHII", 0x45, 0, 32, i & 0xffff, 0, 64, 17, 0,
                                 0x0a000000 + i, 0xc0000201)
                frame = bytes(12) + b"\x08\0" + ip + struct.pack(
                    ">HHHHI", 1000, 2000, 12, 0, i)
                f.write(struct.pack("<IIII", 1000, i, len(frame), len(frame)) + frame)

    def test_mem(self):
        self.many_flows(40000)
        for n in (1, 4):
            self.nrtool("replay", "-q", f"--threads={n}", "many.pcap", "-o", f"{n}.db",
                        "--mem=64M", status=0)
        self.nrtool("diff", "1.db", "4.db", status=0)
        with sqlite3.connect(self.dir / "4.db") as db:
            got = dict(db.execute("SELECT end_reason, count(*) FROM flow GROUP BY 1"))
            self.assertEqual(sum(got.values()), 40000)
            self.assertGreater(got["evicted"], 40000 - 16384 - 1)
            options, = db.execute("SELECT record_options FROM source").fetchone()
            self.assertEqual(json.loads(options)["max_flows"], 16384)
        self.nrtool("verify", "4.db", "--replay", status=0)
        self.nrtool("replay", "-q", DATA / "http-tls.pcap", "-o", "x.db", "--mem=64M",
                    "--max-flows=2048", status=0)
        with sqlite3.connect(self.dir / "x.db") as db:
            options, = db.execute("SELECT record_options FROM source").fetchone()
            self.assertEqual(json.loads(options)["max_flows"], 2048)
        self.nrtool("replay", "--mem=1M", DATA / "http-tls.pcap", status=2)
