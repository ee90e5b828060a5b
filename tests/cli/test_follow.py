# SPDX-License-Identifier: BSD-3-Clause
"""nrtool follow: a flow's bytes against what is in the packets, and what it refuses."""

import re
import shutil
import sqlite3
import struct
import subprocess
import unittest

from common import DATA, NRTOOL, Case, conversation

DRIVE = NRTOOL.parent.parent / "tests" / "keep" / "drive"


def frame(sport, dport, seq, ack, flags, payload):
    tcp = struct.pack(">HHIIBBHHH", sport, dport, seq, ack, 5 << 4, flags, 8192, 0, 0)
    a, b = (b"\x0a\0\0\1", b"\x0a\0\0\2") if sport > dport else (b"\x0a\0\0\2", b"\x0a\0\0\1")
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 40 + len(payload), 0, 0, 64, 6, 0) + a + b
    return b"\2\0\0\0\0\2\2\0\0\0\0\1\x08\0" + ip + tcp + payload


def pcap(frames, step=0.001):
    out = struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)
    for i, f in enumerate(frames):
        out += struct.pack("<IIII", 1700000000 + int(i * step),
                           int(i * step * 1e6) % 1000000, len(f), len(f)) + f
    return out


SYN, ACK, PSH = 2, 16, 24


class Follow(Case):
    def follow(self, frames, *words, step=0.001, status=0):
        (self.dir / "x.pcap").write_bytes(pcap(frames, step))
        self.nrtool("replay", "x.pcap", "-q", "--force", "--checksums=ignore", "-o", "x.db")
        return self.nrtool("follow", "x.db", "16", *words, status=status)

    def talk(self, *data):
        """A handshake, then (side, offset, bytes) as segments."""
        seq = [1000, 5000]
        f = [frame(4000, 80, 999, 0, SYN, b""), frame(80, 4000, 4999, 1000, SYN | ACK, b""),
             frame(4000, 80, 1000, 5000, ACK, b"")]
        for side, offset, payload in data:
            ports = (80, 4000) if side else (4000, 80)
            f.append(frame(*ports, seq[side] + offset, seq[not side], PSH, payload))
        return f

    def test_both_sides_in_order(self):
        self.nrtool("replay", DATA / "http-tls.pcap", "-q", "-o", "a.db")
        raw = self.nrtool("follow", "a.db", "16", "--format=raw", "--side=src").stdout
        self.assertTrue(raw.startswith("POST /post HTTP/1.1\nUser-Agent: curl"))
        self.assertTrue(raw.endswith("\n\nhello world"))
        text = self.nrtool("follow", "a.db", "16").stdout
        self.assertIn("== src: 141.142.228.5:53595 > 54.243.55.129:80, packet 5, ", text)
        self.assertLess(text.index("POST /post"), text.index("HTTP/1.1 200 OK"))
        hexes = self.nrtool("follow", "a.db", "16", "--format=hex", "--side=src").stdout
        self.assertIn("00000000  50 4f 53 54 20 2f 70 6f", hexes)

    def test_segments_out_of_order(self):
        p = self.follow(self.talk((0, 3, b"def"), (0, 0, b"abc"), (0, 6, b"ghi")),
                        "--format=raw")
        self.assertEqual(p.stdout, "abcdefghi")

    def test_gap_is_marked(self):
        p = self.follow(self.talk((0, 0, b"abc"), (0, 6, b"ghi")))
        self.assertIn("[gap: 3 bytes missing at offset 3: the flow ended before they came]",
                      p.stdout)
        self.assertIn("1 gap of 3 B", p.stderr)

    def test_all_bytes_sent_again_are_compared(self):
        p = self.follow(self.talk((0, 0, b"abcdef"), (0, 2, b"cXY")))
        self.assertIn("[conflict: 2 bytes of src at offset 3 came twice", p.stdout)
        self.assertIn("abcdef", p.stdout)
        p = self.follow(self.talk((0, 0, b"abcdef"), (0, 2, b"cde"), (0, 5, b"\0")))
        self.assertNotIn("conflict", p.stdout + p.stderr)

    def test_conflict_before_delivery(self):
        p = self.follow(self.talk((0, 3, b"def"), (0, 3, b"dXf"), (0, 0, b"abc")))
        self.assertIn("conflict: 3 bytes of src at offset 3", p.stdout)
        self.assertIn("abcdef", p.stdout)

    def test_no_terminal_obeys_it(self):
        p = self.follow(self.talk((0, 0, b"a\x1b[31m\x07\n")))
        self.assertIn("a\\x1b[31m\\x07", p.stdout)

    def test_udp_is_a_turn_a_datagram(self):
        self.nrtool("replay", DATA / "mdns.pcap", "-q", "-o", "m.db")
        p = self.nrtool("follow", "m.db", "16", "--format=hex")
        self.assertEqual(p.stdout.count("== src: "), 9)

    def test_a_tunnel_says_that_it_carries_other_flows(self):
        self.nrtool("replay", DATA / "vxlan.pcap", "-q", "-o", "v.db")
        carrier = self.query("v.db", "SELECT parent_flow_id FROM flow"
                             " WHERE parent_flow_id IS NOT NULL")[0][0]
        p = self.nrtool("follow", "v.db", carrier)
        self.assertEqual(p.stdout, "")
        self.assertIn(f"flow {carrier} carries other flows", p.stderr)
        self.assertIn(f"WHERE parent_flow_id = {carrier}\n", p.stderr)
        self.assertEqual(self.nrtool("follow", "v.db", carrier, "-q").stderr, "")
        inner = self.query("v.db", f"SELECT flow_id FROM flow WHERE parent_flow_id = {carrier}"
                           " AND src_payload_bytes > 0")[0][0]
        p = self.nrtool("follow", "v.db", inner)
        self.assertNotEqual(p.stdout, "")
        self.assertNotIn("carries", p.stderr)

    def test_what_cannot_be_read_back_is_refused(self):
        shutil.copy(DATA / "http-tls.pcap", self.dir / "c.pcap")
        self.nrtool("replay", "c.pcap", "-q", "-o", "c.db")
        (self.dir / "c.pcap").rename(self.dir / "d.pcap")
        p = self.nrtool("follow", "c.db", "16", status=1)
        self.assertIn("--source", p.stderr)
        p = self.nrtool("follow", "c.db", "16", "--source", "d.pcap", "--format=raw")
        self.assertIn("hello world", p.stdout)
        b = bytearray((self.dir / "d.pcap").read_bytes())
        b[-1] ^= 1
        (self.dir / "d.pcap").write_bytes(b)
        self.nrtool("follow", "c.db", "16", "--source", "d.pcap", status=1)
        self.nrtool("follow", "c.db", "17", status=1)
        self.nrtool("follow", "c.db", "x", status=2)

    def test_pipes_had_no_way_back(self):
        with open(DATA / "http-tls.pcap", "rb") as capture:
            self.nrtool("replay", "-", "-q", "-o", "p.db", stdin=capture)
        p = self.nrtool("follow", "p.db", "16", status=1)
        self.assertEqual(len(p.stderr.splitlines()), 1)

    def test_compressed_captures_are_streamed(self):
        self.nrtool("replay", DATA / "http-tls.pcap.zst", "-q", "-o", "z.db")
        p = self.nrtool("follow", "z.db", "16", "--format=raw", "--side=src")
        self.assertTrue(p.stdout.endswith("hello world"))


class Sides(Case):
    """They are the row's, whoever spoke first in the packets that there are."""

    SAID = ((0, b"hello from the client"), (1, b"USER who"), (1, b"PASS word"), (0, b"bye"))

    def drive(self, per_file):
        (self.dir / "x.pcap").write_bytes(conversation(*self.SAID, port=8443))
        subprocess.run([str(DRIVE), "x.pcap", "x.pcapng", "x.db", str(per_file), "1"],
                       cwd=self.dir, check=True, capture_output=True, timeout=60)
        return sorted(p.name for p in self.dir.glob("x*.db"))

    @unittest.skipUnless(DRIVE.exists(), "tests/keep/drive was not built")
    def test_of_a_flow_that_goes_on_in_another_file(self):
        said = ["", ""]
        for db in self.drive(1):
            (flow, continues, *n), = self.query(
                db, "SELECT flow_id, continues, src_payload_bytes, dst_payload_bytes FROM flow")
            text = self.nrtool("follow", db, flow).stdout
            for i, side in enumerate(("src", "dst")):
                raw = self.nrtool("follow", db, flow, "--format=raw", f"--side={side}").stdout
                self.assertEqual(len(raw), n[i], (db, side, continues))
                self.assertEqual(f"== {side}: 10.0.0.{i + 1}:" in text, n[i] > 0, text)
                said[i] += raw
        self.assertEqual(said, [b"".join(p for s, p in self.SAID if s == i).decode()
                                for i in (0, 1)])

    def both(self, *words):
        """What follow says of a row, and of the same with its ends exchanged."""
        out = []
        for _ in range(2):
            p = self.nrtool("follow", "y.db", "16", *words)
            self.assertIn(", 1 gap of 78 B, 2 conflicts, secrets masked", p.stderr)
            out += p.stdout, p.stderr
            db = sqlite3.connect(self.dir / "y.db")
            with db:
                db.execute("UPDATE flow SET src_ip = dst_ip, dst_ip = src_ip,"
                           " src_port = dst_port, dst_port = src_port")
            db.close()
        return out

    def test_of_gaps_conflicts_and_secrets(self):
        ask = b"GET / HTTP/1.1\r\nAuthorization: Basic dXNlcjpwYXNz\r\n\r\n"
        frames = [frame(4000, 3000, 1000, 5000, PSH, ask),
                  frame(4000, 3000, 1000, 5000, PSH, ask.replace(b"GET", b"PUT")),
                  frame(3000, 4000, 5000, 1000 + len(ask), PSH, b"HTTP/1.1 200 OK\r\n\r\nabc"),
                  frame(3000, 4000, 5100, 1000 + len(ask), PSH, b"behind a gap"),
                  frame(3000, 4000, 5100, 1000 + len(ask), PSH, b"beyond a gap")]
        other_side = {"src": "dst", "dst": "src"}
        for other in (b"\x0a\0\0\2", b"\x0a\0\0\1"):  # by addresses, by ports alone
            (self.dir / "y.pcap").write_bytes(
                pcap([f.replace(b"\x0a\0\0\2", other) for f in frames]))
            self.nrtool("replay", "y.pcap", "-q", "--force", "--checksums=ignore", "-o", "y.db")
            for form in ("text", "hex"):
                a, words, b, turned = self.both("--format", form)
                self.assertTrue(words.startswith("53 B from src, 34 B from dst"), words)
                self.assertTrue(turned.startswith("34 B from src, 53 B from dst"), turned)
                self.assertIn("== src: 10.0.0.1:4000 > ", a)
                self.assertIn("conflict: 2 bytes of src at offset 0", a)
                self.assertIn("conflict: 12 bytes of dst at offset 100", a)
                self.assertIn("******", a)
                self.assertEqual(b, re.sub("src|dst", lambda m: other_side[m[0]], a))
            for side in ("src", "dst"):
                a, _, b, _ = self.both("--side", side)
                self.assertEqual(a.count("gap: 78"), side == "dst")
                self.assertEqual(b.count("gap: 78"), side == "src")


class Seeks(Case):
    """A file that is entered at the places table source_block names."""

    GEN = NRTOOL.parent.parent / "tests" / "bench" / "nrbench-gen"

    @unittest.skipUnless(GEN.exists(), "nrbench-gen was not built")
    def test_flows_all_over_a_file(self):
        subprocess.run([str(self.GEN), "mix", "--size", "6M", str(self.dir / "x.pcap")],
                       check=True, timeout=60)
        self.nrtool("replay", "x.pcap", "-q", "-o", "x.db")
        flows = self.query("x.db", "SELECT flow_id, dst_payload_bytes - dst_missed_bytes"
                           " FROM flow WHERE service = 'http' AND src_missed_bytes = 0"
                           " AND dst_missed_bytes = 0 ORDER BY flow_id")
        self.assertGreater(len(flows), 40)
        for flow, n in flows[::len(flows) // 20]:
            with open(self.dir / "out", "wb") as f:
                subprocess.run([str(NRTOOL), "follow", "x.db", str(flow), "--format=raw",
                                "--side=dst", "-q", "--store-secrets"], cwd=self.dir,
                               stdout=f, check=True, timeout=60)
            self.assertEqual((self.dir / "out").stat().st_size, n)
