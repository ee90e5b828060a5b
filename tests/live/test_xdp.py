# SPDX-License-Identifier: BSD-3-Clause
"""What the AF_XDP back end hands out, against the frames that were sent: by a program in
the driver (native) and in the kernel's receive path (generic)."""

import json
import re
import signal
import subprocess

import net
import test_tpacket

HARDWARE_NOTE = "hardware or software"


def built():
    """Is AF_XDP in this build? Only a build without says so."""
    p = subprocess.run([str(net.LIVECAT), "xdp", "0", "0", "no-such-interface"], text=True,
                       capture_output=True, check=False)
    return "built without AF_XDP" not in p.stderr


class Native(test_tpacket.Tpacket):
    backend, mode = "xdp", 1
    freezes = None
    word = "native"
    # what it sees of the sending side, of checksums and of its own rings is not as there
    test_sent_frames_keep_their_tag_and_are_outbound = None
    test_direction = None
    test_partial_checksums_are_marked = None
    test_rings_share_the_packets_and_are_merged_by_time = None
    test_loopback_packets_are_seen_once = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not built():
            cls.skipTest(cls, "AF_XDP is not in this build")

    def cat(self, space, count, *words, seconds=5, take=1, mode=None):
        words = [w for w in words if not w.startswith("rings=")]
        return super().cat(space, count, f"take_traffic={take}",
                           f"xdp_mode={self.mode if mode is None else mode}", *words,
                           seconds=seconds)

    def details(self, p):
        return [json.loads(m) for m in re.findall(r"^ring.*(\{.*\})$", p.stdout(), re.M)]

    def refused(self, space, *words):
        p = self.start(space, [net.LIVECAT, "xdp", 0, 1, *words])
        self.assertEqual(p.finish(), 1)
        self.assertEqual(p.stdout(), "")
        return p.err

    def no_program(self, space):
        self.assertNotIn("xdp", space.ip("link", "show"))

    def test_the_mode_is_said(self):
        n = self.network()
        p = self.cat(n.b, 0, "vb", seconds=0.2)
        self.result(p)
        self.assertRegex(p.err, rf"open: vb: xdp, {self.word}, copied, 1 queue, received frames")

    def test_jumbo_frames_are_joined_from_fragments(self):
        n = self.network()
        n.mtu(9000)
        frames = [f for size in (9000, 100, 3500, 3840, 3841, 9014, 64, 7681)
                  for f in net.udp_frames(20, size=size)]
        p = self.cat(n.b, len(frames), "vb")
        n.a.send("va", frames)
        lines, rings = self.result(p)
        self.assertEqual([x.data for x in lines], [f[:64] for f in frames])
        self.assertEqual([(x.cap, x.wire) for x in lines], [(len(f), len(f)) for f in frames])
        self.assertEqual(rings, [(len(frames), 0, self.freezes)])
        self.assertGreater(self.details(p)[0]["joined"], 20)

    def test_frames_of_every_size_are_whole(self):
        """The last bytes too: a filter looks at them before they are shown."""
        n = self.network()
        frames = [net.ether(bytes(size - 15) + b"\x5a", 0x88b5) for size in range(60, 1515)]
        p = self.cat(n.b, len(frames), "filter=ether[len - 1] = 0x5a", "vb")
        n.a.send("va", frames)
        lines, _ = self.result(p)
        self.assertEqual([x.wire for x in lines], [len(f) for f in frames])

    def test_each_queue_has_a_ring_and_they_are_merged_by_time(self):
        n = self.network(queues=4)
        frames = net.udp_frames(2000, flows=40)
        p = self.cat(n.b, 2000, "vb")
        n.a.send("va", frames)
        lines, rings = self.result(p)
        self.assertIn("4 queues", p.err)
        self.assertEqual(sorted(x.data for x in lines), sorted(f[:64] for f in frames))
        self.assertEqual([x.ts for x in lines], sorted(x.ts for x in lines))
        self.assertEqual(len(rings), 4)
        self.assertEqual(sum(r[0] for r in rings), 2000)
        self.assertGreater(sum(r[0] > 0 for r in rings), 1, "more than one queue was used")
        d = self.details(p)
        self.assertEqual((d[0]["seen"], d[0]["no_socket"]), (2000, 0))

    def test_queues_that_are_added_later_are_counted_as_loss(self):
        if self.mode == 1:
            self.skipTest("veth runs the program on the queues of the beginning alone")
        n = self.network(queues=4)
        n.a.exec("ethtool", "-L", "va", "tx", "2")
        n.b.exec("ethtool", "-L", "vb", "rx", "2")
        p = self.cat(n.b, 0, "vb", seconds=3)
        self.assertIn("2 queues", p.err)
        n.b.exec("ethtool", "-L", "vb", "rx", "4")
        n.a.exec("ethtool", "-L", "va", "tx", "4")
        n.a.send("va", net.udp_frames(1000, flows=40))
        lines, rings = self.result(p)
        d = self.details(p)[0]
        self.assertGreater(d["no_socket"], 0)
        self.assertEqual(sum(r[0] for r in rings), len(lines))
        self.assertEqual((rings[0][1], rings[1][1]), (d["no_socket"], 0))
        self.assertEqual(len(lines) + d["no_socket"], d["seen"])
        self.assertEqual(d["seen"], 1000)

    def test_what_the_driver_cannot_is_generic_and_said(self):
        n = self.network(queues=4)
        n.b.exec("ethtool", "-L", "vb", "rx", "2")  # veth: fewer than its peer sends on
        p = self.cat(n.b, 20, "vb", mode=0)
        self.assertIn("xdp, generic (in the driver: No space left", p.err)
        n.a.send("va", net.udp_frames(20))
        self.result(p)
        err = self.refused(n.b, "take_traffic=1", "xdp_mode=1", "vb")
        self.assertIn("no XDP program on vb: No space left", err)

    def test_an_interface_that_is_down_is_waited_for(self):
        n = self.network()
        n.b.ip("link", "set", "vb", "down")
        p = self.cat(n.b, 5, "vb", seconds=10)
        n.b.ip("link", "set", "vb", "up")
        n.wait_up(n.b, "vb")
        n.wait_up(n.a, "va")
        n.a.send("va", net.udp_frames(5))
        lines, rings = self.result(p)
        self.assertEqual(len(lines), 5)

    def test_a_number_of_rings_other_than_of_queues_is_refused(self):
        n = self.network(queues=4)
        err = self.refused(n.b, "take_traffic=1", "rings=2", "vb")
        self.assertIn("vb has 4", err)
        self.no_program(n.b)

    def test_times_are_those_of_the_host(self):
        n = self.network()
        p = self.cat(n.b, 10, "vb")
        before = net.time.time_ns()
        n.a.send("va", net.udp_frames(10), pause=0.002)
        after = net.time.time_ns()
        lines, _ = self.result(p)
        self.assertTrue(all(before <= x.ts <= after + 50_000_000 for x in lines))
        self.assertTrue(any(x.ts % 1000 for x in lines), "they are nanoseconds")

    def test_hardware_times_are_asked_for_and_none_are_there(self):
        n = self.network()
        p = self.cat(n.b, 5, "hardware_time=1", "vb")
        before = net.time.time_ns()
        n.a.send("va", net.udp_frames(5))
        lines, _ = self.result(p)
        self.assertEqual(len(lines), 5)
        self.assertTrue(all(before <= x.ts for x in lines), "0 of the driver is no time")
        self.assertEqual(HARDWARE_NOTE in p.err, self.mode == 1)

    def test_overload_is_counted_to_the_packet(self):
        n = self.network()
        p = self.cat(n.b, 0, "ring_size=1048576", "vb", seconds=4)
        p.signal(signal.SIGSTOP)
        sent = n.a.send("va", net.udp_frames(20000, size=200))
        p.signal(signal.SIGCONT)
        lines, rings = self.result(p)
        received, dropped, _ = rings[0]
        d = self.details(p)[0]
        self.assertEqual(len(lines), received)
        # the driver's own queue (veth: of 256 frames) may lose some in front of the program
        self.assertEqual(d["seen"], received + dropped)
        self.assertEqual(d["no_chunk"] + d["ring_full"], dropped)
        self.assertGreater(dropped, 0)
        self.assertLessEqual(d["seen"], sent)
        if self.mode == 2:
            self.assertEqual(d["seen"], sent)

    def test_the_host_does_not_get_what_is_captured(self):
        n = self.network()
        p = self.cat(n.b, 1, "filter=udp", "vb")
        with n.b:
            r = net.socket.socket(net.socket.AF_INET, net.socket.SOCK_DGRAM)
        r.bind(("10.77.1.2", 2000))
        n.a.send("va", net.udp_frames(1))
        lines, _ = self.result(p)
        self.assertEqual(len(lines), 1)
        r.settimeout(0.2)
        self.assertRaises(TimeoutError, r.recv, 100)
        r.close()

    def test_an_interface_that_the_host_needs_is_refused(self):
        n = self.network()
        err = self.refused(n.b, "vb")
        self.assertIn("vb has the address 10.77.1.2", err)
        for word in ("--take-traffic", "mirror", "--backend tpacket"):
            self.assertIn(word, err)
        n.b.ip("addr", "flush", "dev", "vb")
        n.b.ip("route", "add", "default", "dev", "vb")
        self.assertIn("is the way of a default route", self.refused(n.b, "vb"))
        n.b.ip("route", "del", "default")
        n.b.ip("link", "add", "br0", "type", "bridge")
        n.b.ip("link", "set", "vb", "master", "br0")
        self.assertIn("is a port of br0", self.refused(n.b, "vb"))
        n.b.ip("link", "del", "br0")
        n.b.ip("link", "add", "link", "vb", "name", "mv0", "type", "macvlan")
        self.assertIn("carries the interface mv0", self.refused(n.b, "vb"))
        n.b.ip("link", "del", "mv0")
        n.ipv6()
        self.assertIn("vb has the address fd77:1::2", self.refused(n.b, "vb"))
        n.b.ip("-6", "addr", "flush", "dev", "vb", "scope", "global")
        p = self.cat(n.b, 0, "vb", seconds=0.1, take=0)  # a link-local address is nothing
        self.result(p)

    def test_a_taken_hook_says_who_has_it(self):
        n = self.network()
        p = self.cat(n.b, 0, "vb", seconds=20)
        for mode in (0, 1, 2):
            err = self.refused(n.b, "take_traffic=1", f"xdp_mode={mode}", "vb")
            self.assertRegex(err, rf"hook of vb is taken by program nr_xdp_\w+ \(id \d+\), "
                                  rf"held by process {p.pid} \(livecat\)")
        p.kill()

    def test_nothing_is_left_after_kill_9(self):
        n = self.network()
        p = self.cat(n.b, 0, "vb", seconds=20)
        self.assertIn("xdp", n.b.ip("link", "show", "vb"))
        p.kill()
        self.no_program(n.b)
        self.test_frames_are_those_of_the_wire()

    def test_memory_that_may_not_be_locked_is_explained(self):
        n = self.network()
        p = self.start(n.b, ["setpriv", "--bounding-set", "-ipc_lock", "sh", "-c",
                             "ulimit -l 1024; exec \"$@\"", "sh", net.LIVECAT, "xdp", "0", "1",
                             "take_traffic=1", "ring_size=8388608", "vb"])
        self.assertEqual(p.finish(), 1)
        self.assertIn("does not let this process lock 8 MiB", p.err)
        self.assertIn("--ring-size", p.err)
        self.no_program(n.b)

    def test_rights_that_are_missing_are_named(self):
        n = self.network()
        p = self.start(n.b, ["setpriv", "--reuid", "65534", "--clear-groups", net.LIVECAT, "xdp",
                             "0", "1", "take_traffic=1", "vb"])
        self.assertEqual(p.finish(), 1)
        self.assertIn("CAP_NET_ADMIN and CAP_BPF", p.err)

    def mirror(self, n):
        """The commands of nrtool-capture(1), MIRROR: what vb sees comes to nrmir1."""
        ip, tc = n.b.ip, lambda *w: n.b.exec("tc", *w)
        ip("link", "add", "nrmir0", "type", "veth", "peer", "name", "nrmir1")
        ip("link", "set", "nrmir0", "up")
        ip("link", "set", "nrmir1", "up")
        n.b.exec("ethtool", "-K", "nrmir0", "tx", "off", "txvlan", "off",
                 "tx-vlan-stag-hw-insert", "off")
        tc("qdisc", "add", "dev", "vb", "clsact")
        for way in ("ingress", "egress"):
            tc("filter", "add", "dev", "vb", way, "protocol", "all", "u32", "match", "u8", "0",
               "0", "action", "mirred", "egress", "mirror", "dev", "nrmir0")

    def test_a_mirror_captures_without_taking(self):
        n = self.network()
        self.mirror(n)
        p = self.cat(n.b, 0, "filter=udp", "nrmir1", seconds=2, take=0)
        with n.b:
            r = net.socket.socket(net.socket.AF_INET, net.socket.SOCK_DGRAM)
        with n.a:
            s = net.socket.socket(net.socket.AF_INET, net.socket.SOCK_DGRAM)
        r.settimeout(5)
        r.bind(("10.77.1.2", 2000))
        s.sendto(b"there", ("10.77.1.2", 2000))
        data, back = r.recvfrom(100)
        self.assertEqual(data, b"there")
        r.sendto(b"and back", back)
        lines, _ = self.result(p)
        r.close()
        s.close()
        self.assertEqual([x.data[42:] for x in lines], [b"there", b"and back"])

    def tagged(self):
        return [f for tags in ((), ((0x8100, 0xa005),), ((0x88a8, 7), (0x8100, 5)))
                for f in net.udp_frames(5, size=100, tags=tags)]

    def test_a_mirror_has_tags_inline(self):
        n = self.network()
        self.mirror(n)
        p = self.cat(n.b, 15, "filter=udp or vlan", "nrmir1", seconds=3, take=0)
        frames = self.tagged()
        n.a.send("va", frames)
        lines, _ = self.result(p)
        self.assertEqual([x.data for x in lines], [f[:64] for f in frames])

    def test_tags_that_were_taken_off_are_put_back_or_missed_aloud(self):
        """A mirror onto an interface that carries tags beside the frame, as a NIC does."""
        n = self.network()
        self.mirror(n)
        n.b.exec("ethtool", "-K", "nrmir0", "txvlan", "on", "tx-vlan-stag-hw-insert", "on")
        p = self.cat(n.b, 15, "filter=udp or vlan", "nrmir1", seconds=3, take=0)
        frames = self.tagged()
        n.a.send("va", frames)
        lines, _ = self.result(p)
        if "without tags that rxvlan takes" in p.err:
            kernel = tuple(map(int, re.findall(r"\d+", net.os.uname().release)[:2]))
            self.assertTrue(self.mode == 2 or kernel < (6, 8), "the driver can tell")
            bare = [f[:12] + f[16:] if f[12:14] in (b"\x81\x00", b"\x88\xa8") else f
                    for f in frames]
            # what is left of QinQ is a tag of its own
            self.assertEqual([x.data for x in lines], [f[:64] for f in bare])
        else:
            self.assertEqual([x.data for x in lines], [f[:64] for f in frames])
            self.assertEqual([x.wire for x in lines], [len(f) for f in frames])
            self.assertEqual(self.details(p)[0]["tags"], 10)


class Generic(Native):
    mode, word = 2, "generic"



class Filters(test_tpacket.Filters):
    """The same frames as with the filter of the kernel."""

    backend = "xdp"
    freezes = None

    def test_filters_see_the_frames_of_the_wire(self):
        frames = self.mixture()
        n = self.network()
        for text in self.texts:
            with self.subTest(text):
                want = self.matching(frames, text)
                p = self.cat(n.b, 0, "take_traffic=1", f"filter={text}", "vb", seconds=0.4)
                n.a.send("va", frames)
                lines, rings = self.result(p)
                self.assertEqual([x.data for x in lines], [f[:64] for f in want])
                self.assertEqual(rings, [(len(want), 0, self.freezes)])
                self.assertIn(f'"filtered":{len(frames) - len(want)},', p.stdout())


if __name__ == "__main__":
    net.unittest.main()
