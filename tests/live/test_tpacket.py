# SPDX-License-Identifier: BSD-3-Clause
"""What the TPACKET_V3 back end hands out, against the frames that were sent."""

import re
import signal
import socket
import struct
import subprocess
import unittest

import net

IN, OUT, NOT_READY = 1, 2, 4


class Line:
    def __init__(self, text):
        ring, ts, cap, wire, flags, data = text.split(" ")
        self.ring, self.ts, self.cap = int(ring), int(ts), int(cap)
        self.wire, self.flags, self.data = int(wire), int(flags), bytes.fromhex(data)


class Tpacket(net.Case):
    backend = "tpacket"
    freezes = 0  # of a ring that was never full; None: not known

    def cat(self, space, count, *words, seconds=5):
        p = self.start(space, [net.LIVECAT, self.backend, count, seconds, *words])
        p.wait_for("ready")
        return p

    def result(self, p, status=0, sig=None):
        self.assertEqual(p.finish(sig), status, p.err)
        out = p.stdout()
        lines = [Line(x) for x in out.splitlines() if x[0].isdigit()]
        rings = [tuple(None if x == "?" else int(x) for x in m) for m in
                 re.findall(r"^ring \d+ received (\d+) dropped (\S+) freezes (\S+)", out, re.M)]
        self.assertEqual(len(lines), int(re.search(r"captured (\d+)", out)[1]))
        return lines, rings

    def roundtrip(self, frames, *words, expect=None, network=None, send=None):
        """Frames sent on va, seen on vb."""
        n = network or self.network()
        expect = frames if expect is None else expect
        p = self.cat(n.b, len(expect), *words, "vb")
        (send or n.a.send)("va", frames)
        lines, rings = self.result(p)
        self.assertEqual([x.data for x in lines], [f[:64] for f in expect])
        return lines, rings

    def test_frames_are_those_of_the_wire(self):
        frames = net.udp_frames(500, size=60) + net.udp_frames(3, size=1400)
        lines, rings = self.roundtrip(frames)
        self.assertEqual([x.wire for x in lines], [len(f) for f in frames])
        self.assertEqual([x.cap for x in lines], [len(f) for f in frames])
        self.assertEqual({x.flags & 3 for x in lines}, {IN})
        self.assertEqual(sorted(x.ts for x in lines), [x.ts for x in lines])
        self.assertEqual(rings, [(503, 0, self.freezes)])
        self.assertTrue(any(x.ts % 1000 for x in lines), "times are nanoseconds")

    def test_vlan_tags_stand_in_their_place(self):
        for tags in (((0x8100, 0xa00a),), ((0x88a8, 100), (0x8100, 200))):
            frames = net.udp_frames(4, size=100, tags=tags)
            lines, _ = self.roundtrip(frames)
            self.assertEqual([x.wire for x in lines], [len(f) for f in frames])

    def test_sent_frames_keep_their_tag_and_are_outbound(self):
        n = self.network()
        frames = net.udp_frames(3, size=80, tags=((0x8100, 7),))
        p = self.cat(n.a, 3, "va")
        n.a.send("va", frames)
        lines, _ = self.result(p)
        self.assertEqual([x.data for x in lines], [f[:64] for f in frames])
        self.assertEqual({x.flags & 3 for x in lines}, {OUT})

    def test_snap_length_cuts_what_is_kept_and_not_the_wire_length(self):
        for tags in ((), ((0x8100, 5),)):
            frames = net.udp_frames(3, size=900, tags=tags)
            n = self.network()
            p = self.cat(n.b, 3, "snap_len=60", "vb")
            n.a.send("va", frames)
            lines, _ = self.result(p)
            self.assertEqual([(x.cap, x.wire) for x in lines], [(60, len(f)) for f in frames])
            self.assertEqual([x.data for x in lines], [f[:60] for f in frames])

    def test_a_filter_sees_what_is_behind_the_snap_length(self):
        n = self.network()
        for tags in ((), ((0x8100, 5),), ((0x88a8, 7), (0x8100, 5))):
            frames = net.udp_frames(2, size=900, tags=tags)
            frames[1] = frames[1][:-1] + b"\x5a"
            for text in (f"ether[{len(frames[1]) - 1}] = 0x5a", "ether[len - 1] = 0x5a"):
                p = self.cat(n.b, 1, "snap_len=60", f"filter={text}", "vb", seconds=2)
                n.a.send("va", frames)
                lines, rings = self.result(p)
                self.assertEqual([(x.cap, x.wire) for x in lines], [(60, len(frames[1]))])
                self.assertEqual(lines[0].data, frames[1][:60])
                self.assertEqual(rings, [(1, 0, self.freezes)])

    def test_jumbo_frames_are_whole(self):
        n = self.network()
        n.mtu(9000)
        frames = net.udp_frames(5, size=9000)
        lines, _ = self.roundtrip(frames, network=n)
        self.assertEqual([(x.cap, x.wire) for x in lines], [(len(f), len(f)) for f in frames])

    def test_ipv6(self):
        self.roundtrip(net.udp_frames(20, size=100, v6=True))

    def test_loopback_packets_are_seen_once(self):
        n = self.network()
        p = self.cat(n.a, 10, "lo", seconds=3)
        with n.a:
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            r = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        r.bind(("127.0.0.1", 0))
        for i in range(10):
            s.sendto(bytes([i]) * 20, r.getsockname())
        s.close()
        r.close()
        lines, rings = self.result(p)
        self.assertEqual([x.data[42] for x in lines], list(range(10)))
        self.assertEqual(rings, [(10, 0, self.freezes)])

    def test_direction(self):
        for direction, want in ((0, IN + OUT), (1, IN), (2, OUT)):
            n = self.network()
            p = self.cat(n.b, 0, f"direction={direction}", "vb", seconds=1)
            n.a.send("va", net.udp_frames(4))
            n.b.send("vb", net.udp_frames(4))
            lines, rings = self.result(p)
            flags = {x.flags & 3 for x in lines}
            self.assertEqual(sum(flags), want)
            self.assertEqual(len(lines), 8 if want == IN + OUT else 4)
            self.assertEqual(rings[0][0], len(lines))

    def test_partial_checksums_are_marked(self):
        n = self.network()
        n.a.exec("ethtool", "-K", "va", "tx", "on")
        p = self.cat(n.b, 0, "filter=udp port 9", "vb", seconds=1)
        with n.a:
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.sendto(b"x" * 20, ("10.77.1.2", 9))
        s.close()
        lines, _ = self.result(p)
        self.assertEqual([x.flags & NOT_READY for x in lines], [NOT_READY])

    def test_rings_share_the_packets_and_are_merged_by_time(self):
        for rings in (1, 2, 4):
            n = self.network()
            frames = net.udp_frames(2000, flows=40)
            p = self.cat(n.b, 2000, f"rings={rings}", "vb")
            n.a.send("va", frames)
            lines, counts = self.result(p)
            self.assertEqual(len(lines), 2000)
            self.assertEqual(sorted(x.data for x in lines), sorted(f[:64] for f in frames))
            self.assertEqual([x.ts for x in lines], sorted(x.ts for x in lines))
            self.assertEqual(len(counts), rings)
            self.assertEqual(sum(c[0] for c in counts), 2000)
            self.assertEqual(len({x.ring for x in lines}), rings)
            by_flow = {}
            for x in lines:
                by_flow.setdefault(x.data[34:36], set()).add(x.ring)
            self.assertEqual({len(v) for v in by_flow.values()}, {1}, "a flow has one ring")

    def test_two_interfaces_are_merged(self):
        n = self.network()
        n.pair("vc", "vd", net=2)
        p = self.cat(n.b, 200, "vb", "vd")
        for i in range(100):
            n.a.send("va", net.udp_frames(1, sport=5))
            n.a.send("vc", net.udp_frames(1, sport=6))
        lines, rings = self.result(p)
        self.assertEqual([x.ring for x in lines], [0, 1] * 100)
        self.assertEqual(rings, [(100, 0, self.freezes), (100, 0, self.freezes)])

    def test_fragments_are_not_reassembled(self):
        n = self.network()
        whole = net.udp(bytes(3000))
        parts = []
        for at in range(0, len(whole), 1480):
            p = net.ipv4(whole[at:at + 1480], ident=77)
            more = 0x2000 if at + 1480 < len(whole) else 0
            h = p[:6] + net.u16(more | at // 8) + p[8:10] + b"\0\0" + p[12:20]
            parts.append(net.ether(h[:10] + net.checksum(h) + h[12:] + p[20:]))
        p = self.cat(n.b, len(parts), "rings=2", "vb")
        n.a.send("va", parts)
        lines, _ = self.result(p)
        self.assertEqual(sorted(x.wire for x in lines), sorted(map(len, parts)))

    def test_down_and_up_goes_on_renamed_goes_on_deleted_ends(self):
        n = self.network()
        p = self.cat(n.b, 0, "vb", seconds=30)
        n.a.send("va", net.udp_frames(5))
        n.b.ip("link", "set", "vb", "down")
        n.b.ip("link", "set", "vb", "name", "other")
        n.b.ip("link", "set", "other", "up")
        n.wait_up(n.b, "other")
        n.wait_up(n.a, "va")
        n.a.send("va", net.udp_frames(5))
        n.b.ip("link", "set", "other", "name", "third")
        n.a.send("va", net.udp_frames(5))
        n.b.ip("link", "del", "third")
        lines, rings = self.result(p, status=1)
        self.assertEqual(len(lines), 15)
        self.assertEqual(rings, [(15, 0, self.freezes)])
        self.assertIn("interface third is gone", p.err)

    def test_what_waits_at_the_end_is_received_and_handed_out(self):
        n = self.network()
        p = self.cat(n.b, 0, "vb", seconds=1)
        p.signal(signal.SIGSTOP)
        n.a.send("va", net.udp_frames(700))
        net.time.sleep(1.2)
        p.signal(signal.SIGCONT)
        lines, rings = self.result(p)
        self.assertEqual(len(lines), 700)
        self.assertEqual(rings, [(700, 0, self.freezes)])

    def test_overload_is_counted_to_the_packet(self):
        n = self.network()
        p = self.cat(n.b, 0, "ring_size=262144", "vb", seconds=4)
        p.signal(signal.SIGSTOP)
        sent = n.a.send("va", net.udp_frames(20000, size=200))
        p.signal(signal.SIGCONT)
        lines, rings = self.result(p)
        received, dropped, freezes = rings[0]
        self.assertEqual(received + dropped, sent)
        self.assertEqual(len(lines), received)
        self.assertGreater(dropped, 0)
        self.assertGreater(freezes, 0)


class Filters(Tpacket):
    """-f on the wire keeps what a filter over the stored frames keeps."""

    texts = ["udp port 1001", "not udp", "vlan", "vlan 10", "vlan 10 and udp port 1002",
             "vlan 100 and vlan 200", "not vlan", "ip6", "vlan and ip6", "len > 120",
             "vlan and len > 120", "ether[12:2] = 0x8100", "ether proto 0x88a8",
             "arp or (vlan and udp port 1001)", "ether[15] = 10", "udp[8] = 0",
             "ether host 02:00:00:00:00:01", "greater 100 and not vlan 10"]

    def mixture(self):
        out = []
        for tags in ((), ((0x8100, 10),), ((0x8100, 0xe00a),), ((0x8100, 11),),
                     ((0x88a8, 100), (0x8100, 200))):
            for size in (60, 150):
                for sport in (1001, 1002):
                    out += net.udp_frames(1, size=size, tags=tags, sport=sport)
                    out += net.udp_frames(1, size=size, tags=tags, sport=sport, v6=True)
            out.append(net.ether(net.ipv4(bytes(30), proto=6), tags=tags))
        return out

    def matching(self, frames, text):
        """As tcpdump reads them from a file, where tags stand inline."""
        f = self.dir / "all.pcap"
        f.write_bytes(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1) + b"".join(
            struct.pack("<IIII", i, 0, len(x), len(x)) + x for i, x in enumerate(frames)))
        out = subprocess.run(["tcpdump", "-r", str(f), "-tt", "-n", text], text=True, check=True,
                             capture_output=True).stdout
        return [frames[int(m)] for m in re.findall(r"^(\d+)\.0{6} ", out, re.M)]

    def test_filters_see_the_frames_of_the_wire(self):
        frames = self.mixture()
        n = self.network()
        for text in self.texts:
            with self.subTest(text):
                want = self.matching(frames, text)
                for space, dev in ((n.b, "vb"), (n.a, "va")):
                    p = self.cat(space, 0, f"filter={text}", dev, seconds=0.4)
                    n.a.send("va", frames)
                    lines, rings = self.result(p)
                    self.assertEqual([x.data for x in lines], [f[:64] for f in want])
                    self.assertEqual(rings, [(len(want), 0, self.freezes)])


for name in dir(Tpacket):  # once is enough
    if name.startswith("test_"):
        setattr(Filters, name, None)

if __name__ == "__main__":
    unittest.main()
