# SPDX-License-Identifier: BSD-3-Clause
"""Frames that the card was to cut, and checksums that it was to fill in: a TCP connection
between the namespaces' own stacks, with segmentation offload as hosts have it."""

import hashlib
import random
import signal
import socket
import subprocess
import threading
import time
import unittest

import net
from test_capture import Capture

BYTES = 3 << 20
IN, OUT, NOT_READY, GIANT = 1, 2, 1 << 9, 1 << 11  # epb_flags


class Offload(Capture):
    def transfer(self, n, v6=False):
        """BYTES from a to b and two words back, over the kernel's TCP."""
        data = random.Random(1).randbytes(BYTES)
        family = socket.AF_INET6 if v6 else socket.AF_INET
        there = "fd77:1::2" if v6 else "10.77.1.2"
        got = []
        with n.b:
            server = socket.socket(family)
        server.bind((there, 4000))
        server.listen()

        def serve():
            s, _ = server.accept()
            with s:
                while part := s.recv(1 << 16):
                    got.append(part)
                s.sendall(b"thank you")

        t = threading.Thread(target=serve)
        t.start()
        with n.a:
            client = socket.socket(family)
        with client, server:
            client.connect((there, 4000))
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(client.recv(100), b"thank you")
            t.join()
        self.assertEqual(hashlib.sha256(b"".join(got)).digest(), hashlib.sha256(data).digest())

    def giants(self, n):
        for space, dev in ((n.a, "va"), (n.b, "vb")):
            space.exec("ethtool", "-K", dev, "tx", "on", "sg", "on", "tso", "on", "gso", "on")

    def frames(self, name):
        """[(length, flags, source port)], as tshark has them."""
        p = subprocess.run(["tshark", "-n", "-r", self.dir / name, "-Y", "tcp", "-T", "fields",
                            "-e", "frame.len", "-e", "frame.packet_flags", "-e", "tcp.srcport"],
                           text=True, capture_output=True, check=True)
        return [(int(a), int(b, 16), int(c)) for a, b, c in
                (x.split("\t") for x in p.stdout.splitlines())]

    def check(self, v6, *words):
        n = self.network()
        if v6:
            n.ipv6()
        self.giants(n)
        both = {side: self.capture(space, f"v{side}", "-w", f"{side}.pcapng", "-o", f"{side}.db",
                                   "-f", "tcp", *words)
                for side, space in (("a", n.a), ("b", n.b))}
        self.transfer(n, v6)
        time.sleep(0.3)
        for side, p in both.items():
            self.end(p)
            captured, received, dropped = self.counts(p)
            self.assertEqual((captured, dropped), (received, 0))
            self.looks_right(side, self.frames(f"{side}.pcapng"))
            self.replay_honours_it(side)

    def looks_right(self, side, frames):
        giants = [f for f in frames if f[0] > 1514]
        self.assertGreater(len(giants), 5)
        for length, flags, sport in frames:
            leaves = (sport != 4000) == (side == "a")
            self.assertEqual(flags & 3, OUT if leaves else IN, (side, length, sport))
            # a veth pair fills nothing in: what left unfinished arrives unfinished
            self.assertTrue(flags & NOT_READY, (side, length, hex(flags)))
            self.assertEqual(bool(flags & GIANT), length > 1514, (length, hex(flags)))

    def replay_honours_it(self, side):
        self.nrtool("replay", f"{side}.pcapng", "-o", "again.db", "--force")
        self.assert_same_records(f"{side}.db", "again.db")
        for d in (f"{side}.db", "again.db"):
            self.assertEqual(self.query(d, "SELECT src_payload_bytes, dst_payload_bytes, "
                                           "bad_checksums FROM flow"), [(BYTES, 9, 0)])
            self.assertEqual(self.query(d, "SELECT count(*) FROM anomaly WHERE kind LIKE "
                                           "'%checksum%'"), [(0,)])
        # the same frames without the flags: every checksum would be wrong
        subprocess.run(["editcap", "-F", "nsecpcap", self.dir / f"{side}.pcapng",
                        self.dir / "plain.pcap"], check=True, capture_output=True)
        self.nrtool("replay", "plain.pcap", "-o", "plain.db", "--force")
        bad, packets = self.query("plain.db", "SELECT bad_checksums, records FROM flow")[0]
        self.assertGreater(bad, packets * 0.9)

    def test_giants_are_told_and_not_judged(self):
        self.check(False)

    def test_giants_of_ipv6_and_of_several_rings(self):
        self.check(True, "--rings", "2")

    def test_a_snap_length_keeps_the_length_on_the_wire(self):
        n = self.network()
        self.giants(n)
        p = self.capture(n.b, "vb", "-w", "x.pcapng", "-o", "a.db", "-s", "96", "-f", "tcp")
        self.transfer(n)
        time.sleep(0.3)
        p.signal(signal.SIGINT)
        self.end(p, None)
        self.assertGreater(max(x[0] for x in self.frames("x.pcapng")), 1514)
        self.assertEqual(self.query("a.db", "SELECT bad_checksums FROM flow"), [(0,)])
        self.nrtool("replay", "x.pcapng", "-o", "b.db")
        self.assert_same_records("a.db", "b.db")


if __name__ == "__main__":
    unittest.main()
