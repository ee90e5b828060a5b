# SPDX-License-Identifier: BSD-3-Clause
"""nrtool capture with the back ends beside tpacket: what it keeps is what it says."""

import json
import os
import random
import signal
import subprocess
import time

import net
import records
import test_capture
import test_xdp

XDP = ("--backend", "xdp", "--take-traffic", "--xdp-mode")


class Equal(test_capture.KeptEqualsReplayed):
    """capture -w x.pcapng -o a.db, then replay x.pcapng -o b.db: the same records."""

    options = ("--backend", "pcap")
    n_captures = 8
    test_every_back_end = None  # once is enough
    test_tags_and_two_interfaces_and_rings = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if "xdp" in cls.options and not test_xdp.built():
            cls.skipTest(cls, "AF_XDP is not in this build")

    def capture(self, space, *words, **more):
        return super().capture(space, *self.options, *words, **more)

    def test_mix_at_full_speed(self):
        n = self.network()
        subprocess.run([net.BUILD / "tests/bench/nrbench-gen", "mix", "--size", "8M",
                        self.dir / "mix.pcap"], check=True)
        frames = [f for _, f, _ in records.read_pcap(self.dir / "mix.pcap")]
        # ended by the last packet: the host's clock behind it releases holes as acknowledged
        # that the end of a file releases as its end
        p = self.capture(n.b, "vb", "-w", "x.pcapng", "-o", "a.db", "-c", len(frames))
        n.a.send("va", frames)
        self.end(p, None)
        self.assertEqual(self.counts(p), (len(frames), len(frames), 0))
        self.nrtool("replay", "x.pcapng", "-o", "b.db")
        self.assert_same_records("a.db", "b.db")
        self.assertGreater(self.query("a.db", "SELECT count(*) FROM flow")[0][0], 100)

    def mixed(self):
        return (net.udp_frames(50, tags=((0x8100, 5),), flows=5) +
                net.udp_frames(50, tags=((0x88a8, 5), (0x8100, 6)), flows=5) +
                net.udp_frames(50, flows=7, v6=True))

    def test_tags_ipv6_and_two_interfaces(self):
        n = self.network()
        n.pair("vc", "vd", net=2)

        def send():
            for f in self.mixed():
                n.a.send("va", [f])
                n.a.send("vc", [f])

        self.assertEqual(self.check(n, send, interfaces=("vb", "vd")), 300)

    def test_jumbo_frames(self):
        n = self.network()
        n.mtu(9000)
        frames = [f for size in (9000, 60, 5000) for f in net.udp_frames(40, size=size, flows=3)]
        self.assertEqual(self.check(n, lambda: n.a.send("va", frames)), 120)

    def test_a_filter(self):
        n = self.network()
        frames = self.mixed()
        sent = self.check(n, lambda: n.a.send("va", frames), "-f",
                          "udp src port 9 or (vlan 5 and udp port 1001)")
        self.assertEqual(sent, 10)  # QinQ has another tag behind the first

    def test_what_waits_when_it_is_told_to_end(self):
        n = self.network()
        p = self.capture(n.b, "vb", "-w", "x.pcapng", "-o", "a.db")
        p.signal(signal.SIGSTOP)
        n.a.send("va", net.udp_frames(900, flows=4))
        p.signal(signal.SIGINT)
        time.sleep(0.1)
        p.signal(signal.SIGCONT)
        self.end(p, None)
        self.assertEqual(self.counts(p), (900, 900, 0))
        self.nrtool("replay", "x.pcapng", "-o", "b.db")
        self.assert_same_records("a.db", "b.db")

    def test_overload(self):
        n = self.network()
        p = self.capture(n.b, "vb", "--ring-size", "1M", "-o", "a.db", "--strict")
        p.signal(signal.SIGSTOP)
        sent = n.a.send("va", net.udp_frames(20000, size=200))
        p.signal(signal.SIGCONT)
        time.sleep(0.3)
        self.end(p, status=6)
        captured, received, dropped = self.counts(p)
        self.assertEqual(captured, received)
        self.assertGreater(dropped, 0)
        self.assertEqual(self.query("a.db", "SELECT sum(received), sum(dropped_kernel) "
                                            "FROM capture_stats"), [(received, dropped)])
        if "native" not in self.options:  # there veth has a queue of its own, which loses too
            self.assertEqual(received + dropped, sent)
            return
        seen, = self.query("a.db", "SELECT sum(detail ->> 'seen') FROM capture_stats")
        self.assertEqual(received + dropped, seen[0])

    def test_deleted_leaves_a_whole_database(self):
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
        self.assertIn("interface vb is gone", p.err)
        self.assertEqual(self.counts(p), (10, 10, 0))
        self.nrtool("replay", "x.pcapng", "-o", "b.db")
        self.assert_same_records("a.db", "b.db")

    def test_rights_are_given_up(self):
        n = self.network()
        os.chown(self.dir, 65534, 65534)
        p = self.capture(n.b, "vb", "-o", self.dir / "a.db", "-v")
        status = dict(line.split(":\t", 1) for line in
                      net.Path(f"/proc/{p.pid}/status").read_text().splitlines() if ":\t" in line)
        self.assertEqual((status["Uid"].split()[1], status["CapEff"]), ("65534", "0" * 16))
        n.a.send("va", net.udp_frames(5))
        time.sleep(0.2)
        self.end(p)
        self.assertEqual(self.counts(p), (5, 5, 0))


class XdpNative(Equal):
    options = (*XDP, "native")

    def test_queues(self):
        n = self.network(queues=4)
        frames = net.udp_frames(3000, flows=50)
        self.assertEqual(self.check(n, lambda: n.a.send("va", frames)), 3000)
        rows = self.query("a.db", "SELECT count(*), sum(received), sum(dropped) FROM interface")
        self.assertEqual(rows, [(4, 3001, 0)])

    def test_nothing_is_left_after_kill_9(self):
        n = self.network()
        r = random.Random(7)
        for i in range(8):
            p = self.capture(n.b, "vb", "-o", f"{i}.db", "-w", f"{i}.pcapng")
            self.assertIn("xdp", n.b.ip("link", "show", "vb"))
            n.a.send("va", net.udp_frames(50))
            time.sleep(r.random() * 0.2)
            p.kill()
            self.assertNotIn("xdp", n.b.ip("link", "show", "vb"))

    def test_an_interface_with_an_address_is_refused(self):
        n = self.network()
        p = self.start(n.b, [net.NRTOOL, "capture", "--backend", "xdp", "vb", "-o", "a.db"])
        self.assertNotEqual(p.finish(), 0)
        self.assertIn("vb has the address 10.77.1.2", p.err)
        self.assertEqual(list(self.dir.iterdir()), [])


class XdpGeneric(XdpNative):
    options = (*XDP, "generic")
    n_captures = 4
    test_an_interface_with_an_address_is_refused = None


class Signals(test_capture.Capture):
    def test_other_signals_while_it_ends_do_not_kill_it(self):
        n = self.network()
        p = self.capture(n.b, "vb", "-o", "a.db")
        n.a.send("va", net.udp_frames(20))
        time.sleep(0.2)
        p.signal(signal.SIGSTOP)
        for s in (signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
            p.signal(s)
        p.signal(signal.SIGCONT)
        self.end(p, None)
        self.assertEqual(self.counts(p), (20, 20, 0))
        self.assertEqual(self.query("a.db", "SELECT sum(records) FROM flow"), [(20,)])


class Any(test_capture.Capture):
    """LINKTYPE_LINUX_SLL2, which libpcap alone has."""

    def test_any(self):
        n = self.network()
        p = self.capture(n.b, "any", "--backend", "pcap", "-f", "udp", "-w", "x.pcapng", "-o", "a.db")
        n.a.send("va", net.udp_frames(20, flows=2))
        n.b.send("vb", net.udp_frames(5, sport=77))
        time.sleep(0.3)
        self.end(p)
        self.assertEqual(self.counts(p), (25, 25, 0))
        self.assertEqual(self.query("a.db", "SELECT link_type, inbound, outbound FROM interface"),
                         [("LINUX_SLL2", 20, 5)])
        self.assertEqual(self.query("a.db", "SELECT sum(records), count(*) FROM flow"), [(25, 3)])
        out = subprocess.run(["tcpdump", "-nr", self.dir / "x.pcapng"], text=True, check=True,
                             capture_output=True).stdout
        self.assertEqual((len(out.splitlines()), out.count(" Out ")), (25, 5))
        self.nrtool("replay", "x.pcapng", "-o", "b.db")
        d = records.differences(records.tables(self.dir / "a.db"), records.tables(self.dir / "b.db"))
        self.assertEqual(d, [])


if __name__ == "__main__":
    net.unittest.main()
