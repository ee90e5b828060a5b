# SPDX-License-Identifier: BSD-3-Clause
"""What the libpcap back end hands out, against the frames that were sent."""

import re
import signal

import net
import test_tpacket

ETHERNET, SLL2 = 1, 276
IN, OUT = 1, 2


class Pcap(test_tpacket.Tpacket):
    backend = "pcap"
    freezes = None
    # libpcap says neither direction nor state of checksums, and has one ring
    test_partial_checksums_are_marked = None
    test_rings_share_the_packets_and_are_merged_by_time = None

    def cat(self, space, count, *words, seconds=5):
        words = [w for w in words if not w.startswith("rings=")]
        return super().cat(space, count, *words, seconds=seconds)

    def test_frames_are_those_of_the_wire(self):
        frames = net.udp_frames(500, size=60) + net.udp_frames(3, size=1400)
        lines, rings = self.roundtrip(frames)
        self.assertEqual([(x.cap, x.wire) for x in lines], [(len(f), len(f)) for f in frames])
        self.assertEqual(sorted(x.ts for x in lines), [x.ts for x in lines])
        self.assertEqual(rings, [(503, 0, self.freezes)])
        self.assertTrue(any(x.ts % 1000 for x in lines), "times are nanoseconds")

    def test_sent_frames_keep_their_tag_and_are_outbound(self):
        n = self.network()
        frames = net.udp_frames(3, size=80, tags=((0x8100, 7),))
        p = self.cat(n.a, 3, "va")
        n.a.send("va", frames)
        lines, _ = self.result(p)
        self.assertEqual([x.data for x in lines], [f[:64] for f in frames])

    def test_direction(self):
        for direction, want in ((0, 8), (1, 4), (2, 4)):
            n = self.network()
            p = self.cat(n.b, 0, f"direction={direction}", "vb", seconds=1)
            n.a.send("va", net.udp_frames(4))
            n.b.send("vb", net.udp_frames(4))
            lines, rings = self.result(p)
            self.assertEqual(len(lines), want)
            self.assertEqual(rings[0][0], want)

    def test_on_loopback_each_packet_is_seen_once_whatever_is_asked(self):
        n = self.network()
        n.b.ip("link", "set", "lo", "up")
        for direction in (0, 1, 2):
            p = self.cat(n.b, 0, f"direction={direction}", "lo", seconds=1)
            n.b.send("lo", net.udp_frames(4))
            lines, _ = self.result(p)
            self.assertEqual(len(lines), 4, direction)

    def test_rings_are_refused(self):
        n = self.network()
        p = self.start(n.b, [net.LIVECAT, "pcap", 0, 1, "rings=2", "vb"])
        self.assertEqual(p.finish(), 1)
        self.assertIn("libpcap has one ring", p.err)

    def test_an_interface_that_is_not_there(self):
        n = self.network()
        p = self.start(n.b, [net.LIVECAT, "pcap", 0, 1, "nope"])
        self.assertEqual(p.finish(), 1)
        self.assertIn("libpcap knows no interface nope", p.err)

    def test_any_has_packets_of_all_interfaces_and_their_direction(self):
        n = self.network()
        n.pair("vc", "vd", net=2)
        p = self.cat(n.b, 4, "filter=udp", "any")
        n.a.send("va", net.udp_frames(1, sport=5))
        n.a.send("vc", net.udp_frames(1, sport=6))
        n.b.send("vb", net.udp_frames(1, sport=7))
        n.b.send("vd", net.udp_frames(1, sport=8))
        lines, _ = self.result(p)
        self.assertIn("Linux cooked v2", p.err)
        # of LINKTYPE_LINUX_SLL2: 20 bytes in front of the IP header
        self.assertEqual([(int.from_bytes(x.data[40:42], "big"), x.flags & 3) for x in lines],
                         [(5, IN), (6, IN), (7, OUT), (8, OUT)])

    def test_overload_is_counted_to_the_packet(self):
        n = self.network()
        p = self.cat(n.b, 0, "ring_size=262144", "vb", seconds=4)
        p.signal(signal.SIGSTOP)
        sent = n.a.send("va", net.udp_frames(20000, size=200))
        p.signal(signal.SIGCONT)
        lines, rings = self.result(p)
        received, dropped, _ = rings[0]
        self.assertEqual(received + dropped, sent)
        self.assertEqual(len(lines), received)
        self.assertGreater(dropped, 0)

    def test_rights_that_are_missing_are_named(self):
        n = self.network()
        p = self.start(n.b, ["setpriv", "--reuid", "65534", "--clear-groups", net.LIVECAT, "pcap",
                             "0", "1", "vb"])
        self.assertEqual(p.finish(), 1)
        self.assertRegex(p.err, re.compile("needs CAP_NET_RAW"))


class Filters(test_tpacket.Filters):
    """libpcap in front of the kernel keeps the same frames."""

    backend = "pcap"
    freezes = None


if __name__ == "__main__":
    net.unittest.main()
