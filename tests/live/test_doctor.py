# SPDX-License-Identifier: BSD-3-Clause
"""nrtool interfaces and doctor against ip(8) and ethtool(8), in namespaces."""

import json
import re
import subprocess
import unittest

import net


class Doctor(net.Case):
    def jsonl(self, space, *words, status=0):
        p = subprocess.run(space.command([net.NRTOOL, *words, "--format=jsonl"]), text=True,
                           capture_output=True, timeout=60, check=False, cwd=self.dir)
        self.assertEqual(p.returncode, status, p.stderr)
        return [json.loads(x) for x in p.stdout.splitlines()]

    def test_interfaces_are_those_of_ip(self):
        n = self.network(queues=4)
        want = {x["ifname"]: x for x in json.loads(n.b.ip("-j", "-d", "addr"))}
        got = {x["name"]: x for x in self.jsonl(n.b, "interfaces")}
        self.assertEqual(set(got), set(want))
        for name, x in got.items():
            w = want[name]
            self.assertEqual((x["mtu"], x["rx_queues"], x["tx_queues"]),
                             (w["mtu"], w["num_rx_queues"], w["num_tx_queues"]))
            if w["operstate"] != "UNKNOWN":
                self.assertEqual(x["state"].upper(), w["operstate"])
            self.assertEqual(x["mac"], w["address"])
            self.assertEqual((x["addresses"] or "").split(),
                             [f"{a['local']}/{a['prefixlen']}" for a in w["addr_info"]])
            self.assertEqual(x["kind"], w.get("linkinfo", {}).get("info_kind", "loopback"))
        self.assertEqual(got["vb"]["driver"], "veth")
        self.assertEqual(got["vb"]["tpacket"], "yes")
        self.assertIn("native", got["vb"]["xdp"])
        self.assertIn("--take-traffic", got["vb"]["note"])

    def test_offloads_are_those_of_ethtool(self):
        n = self.network()
        names = {"rx": "rx-checksumming", "tx": "tx-checksumming", "sg": "scatter-gather",
                 "tso": "tcp-segmentation-offload", "gso": "generic-segmentation-offload",
                 "gro": "generic-receive-offload", "lro": "large-receive-offload",
                 "rxvlan": "rx-vlan-offload", "txvlan": "tx-vlan-offload"}
        for state in ("off", "on"):
            n.b.exec("ethtool", "-K", "vb", "tx", state, "sg", state, "gso", state, "gro", state)
            said = dict(re.findall(r"^([\w-]+): (on|off)", n.b.exec("ethtool", "-k", "vb"), re.M))
            got = self.jsonl(n.b, "interfaces", "vb")[0]["offloads"].split()
            self.assertEqual(set(got), {k for k, v in names.items() if said.get(v) == "on"})

    def test_whom_xdp_would_take_packets_from_is_what_capture_refuses(self):
        n = self.network()
        n.b.ip("link", "add", "br0", "type", "bridge")
        n.b.ip("link", "add", "port0", "type", "veth", "peer", "name", "peer0")
        n.b.ip("link", "add", "low0", "type", "veth", "peer", "name", "high0")
        n.b.ip("link", "set", "port0", "master", "br0")
        n.b.ip("link", "add", "mac0", "link", "low0", "type", "macvlan")
        n.b.ip("link", "add", "local0", "type", "veth", "peer", "name", "far0")
        for name in ("port0", "low0", "local0", "peer0", "high0", "far0"):
            n.b.ip("link", "set", name, "up")
        n.b.exec("sysctl", "-qw", "net.ipv6.conf.local0.disable_ipv6=0")
        n.b.ip("-6", "addr", "add", "fe80::7/64", "dev", "local0", "nodad", check=False)
        self.assertIn("fe80::", n.b.ip("addr", "show", "dev", "local0"))
        for name, why in (("vb", "has the address"), ("port0", "is a port of br0"),
                          ("low0", "carries the interface mac0"), ("local0", None)):
            [row] = self.jsonl(n.b, "interfaces", name)
            notes = " ".join(x["finding"] for x in self.jsonl(n.b, "doctor", name)
                             if x["subject"] == name)
            p = subprocess.run(n.b.command([net.NRTOOL, "capture", name, "--backend", "xdp",
                                            "--xdp-mode", "generic", "--ring-size", "4M",
                                            "--duration", "1s", "-o", "null:"]), text=True,
                               capture_output=True, timeout=60, check=False, cwd=self.dir)
            for said in (row["note"] or "", notes, p.stderr):
                if why:
                    self.assertIn(why, said, name)
                else:
                    self.assertNotIn("takes what it captures away", said, name)
            self.assertEqual(p.returncode != 0, why is not None, p.stderr)

    def test_what_is_not_there_is_said(self):
        n = self.network()
        p = subprocess.run(n.b.command([net.NRTOOL, "interfaces", "nope0"]), text=True,
                           capture_output=True, check=False)
        self.assertEqual(p.returncode, 1)
        self.assertIn("nope0", p.stderr)
        f = self.jsonl(n.b, "doctor", "nope0", status=1)
        self.assertIn(("missing", "nope0"), {(x["level"], x["subject"]) for x in f})

    def test_the_command_mends_the_finding(self):
        n = self.network()
        n.b.exec("ethtool", "-K", "vb", "gro", "on", "tx", "on", "sg", "on", "tso", "on",
                 "gso", "on")
        n.b.ip("link", "set", "vb", "down")

        def findings():
            rows = self.jsonl(n.b, "doctor", "vb", status=done["status"])
            return [x for x in rows if x["subject"] == "vb" and x["mend"] and
                    not x["mend"].startswith("nrtool")]

        done = {"status": 1}
        first = findings()
        text = " ".join(x["finding"] for x in first)
        for word in ("down", "GRO", "TSO", "checksums"):
            self.assertIn(word, text)
        for x in first:
            self.assertRegex(x["mend"], r"^sudo (ip|ethtool) ")
            n.b.exec(*x["mend"].split()[1:])
        n.wait_up(n.b, "vb")
        done["status"] = 0
        self.assertEqual(findings(), [])

    def test_without_rights_that_is_missing(self):
        n = self.network()
        words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all",
                 "--inh-caps=-all", net.NRTOOL, "doctor", "--format=jsonl", "-d", "/"]
        p = subprocess.run(n.b.command(words), text=True, capture_output=True, check=False)
        if not p.stdout:
            self.skipTest(f"setpriv cannot run it: {p.stderr.strip()}")
        self.assertEqual(p.returncode, 1, p.stderr)
        rows = {x["subject"]: x for x in map(json.loads, p.stdout.splitlines())}
        self.assertEqual(rows["capture"]["level"], "missing")
        self.assertIn("setcap cap_net_raw", rows["capture"]["mend"])
        self.assertEqual(rows["disk"]["level"], "missing")
        self.assertIn("doctor --directory", rows["disk"]["mend"])
        for cap in ("CAP_NET_ADMIN", "CAP_BPF", "CAP_PERFMON"):
            self.assertIn(f"{cap.lower()}", rows[cap]["mend"])

    def test_the_driver_s_xdp_needs_a_right_of_its_own(self):
        n = self.network()
        words = ["setpriv", "--bounding-set=-all,+net_raw,+net_admin,+bpf", net.NRTOOL, "doctor",
                 "--format=jsonl", "--all"]
        p = subprocess.run(n.b.command(words), text=True, capture_output=True, check=False)
        rows = {x["subject"]: x for x in map(json.loads, p.stdout.splitlines())}
        self.assertEqual([rows[c]["level"] for c in ("CAP_NET_ADMIN", "CAP_BPF", "CAP_PERFMON")],
                         ["ok", "ok", "note"], p.stderr)
        self.assertIn("rxvlan", rows["CAP_PERFMON"]["finding"])

    def test_locked_memory_is_held_against_the_ring(self):
        n = self.network()
        for size, level in (("4M", "ok"), ("8M", "note")):
            words = ["prlimit", f"--memlock={6 << 20}", "setpriv", "--bounding-set=-ipc_lock",
                     net.NRTOOL, "doctor", "--format=jsonl", "--all", "--ring-size", size]
            p = subprocess.run(n.b.command(words), text=True, capture_output=True, check=False)
            rows = {x["subject"]: x for x in map(json.loads, p.stdout.splitlines())}
            self.assertEqual(rows["locked memory"]["level"], level, p.stderr)


if __name__ == "__main__":
    unittest.main()
