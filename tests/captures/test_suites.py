# SPDX-License-Identifier: BSD-3-Clause
"""The suites' own logic, on small inputs made here."""

import contextlib
import io
import types
import unittest

import common
import community_id
import derived
import ground_truth
import sweep
import zeek
import zeek_classes


def flow(**more):
    r = {"type": "flow", "flow_id": 16, "proto": "tcp", "src_ip": "10.0.0.1",
         "src_port": 1000, "dst_ip": "10.0.0.2", "dst_port": 80, "first_ns": 10**18,
         "last_ns": 10**18 + 5 * 10**8, "src_packets": 3, "dst_packets": 2,
         "src_bytes": 180, "dst_bytes": 120, "records": 5, "wire_bytes": 370,
         "src_payload_bytes": 20, "dst_payload_bytes": 10, "conn_state": "SF",
         "history": "ShADadFf", "end_reason": "fin", "community_id": "1:x"}
    r.update(more)
    return r


def conn(**more):
    r = {"ts": 10**9 * 1.0, "id.orig_h": "10.0.0.1", "id.orig_p": 1000,
         "id.resp_h": "10.0.0.2", "id.resp_p": 80, "proto": "tcp", "ip_proto": 6,
         "duration": 0.5, "orig_bytes": 20, "resp_bytes": 10, "conn_state": "SF",
         "missed_bytes": 0, "history": "ShADadFf", "orig_pkts": 3, "orig_ip_bytes": 180,
         "resp_pkts": 2, "resp_ip_bytes": 120, "community_id": "1:x"}
    r.update(more)
    return r


def differ(o, z):
    return zeek.compare(zeek.ours(o), zeek.theirs(z))[1]


class Zeek(unittest.TestCase):
    def test_equal_rows_have_no_difference(self):
        self.assertEqual(differ(flow(), conn()), {})

    def test_each_column_is_seen(self):
        cases = {
            "ts": {"first_ns": 10**18 + 2000, "last_ns": 10**18 + 5 * 10**8 + 2000},
            "duration": {"last_ns": 10**18 + 5 * 10**8 + 2000},
            "conn_state": {"conn_state": "S1"},
            "history": {"history": "ShAD"},
            "orig_pkts": {"src_packets": 4},
            "resp_ip_bytes": {"dst_bytes": 121},
            "orig_bytes": {"src_payload_bytes": 21},
            "missed_bytes": {"dst_missed_bytes": 1},
            "community_id": {"community_id": "1:y"},
            "vlan": {"vlan": "7"},
        }
        for column, change in cases.items():
            self.assertEqual(list(differ(flow(**change), conn())), [column])

    def test_a_turned_flow_differs_in_direction_and_is_compared_turned(self):
        o = flow(src_ip="10.0.0.2", src_port=80, dst_ip="10.0.0.1", dst_port=1000,
                 src_packets=2, dst_packets=3, src_bytes=120, dst_bytes=180,
                 src_payload_bytes=10, dst_payload_bytes=20)
        self.assertEqual(list(differ(o, conn())), ["direction"])

    def test_absent_bytes_of_a_row_without_duration_are_not_zero(self):
        z = conn()
        for k in ("duration", "orig_bytes", "resp_bytes"):
            del z[k]
        self.assertEqual(list(differ(flow(), z)), ["duration"])
        self.assertEqual(differ(flow(last_ns=10**18), z), {})

    def test_rows_pair_by_time(self):
        os_ = [zeek.ours(flow(first_ns=t * 10**18, last_ns=t * 10**18))
               for t in (1, 2, 3)]
        zs = [zeek.theirs(conn(ts=t * 1e9, duration=0.0)) for t in (3, 1, 4)]
        pairs = [(o and o.ts, z and z.ts) for o, z in zeek.pair_up(os_, zs)]
        self.assertEqual(pairs, [(3 * 10**18, 3 * 10**18), (10**18, 10**18),
                                 (None, 4 * 10**18), (2 * 10**18, None)])

    def test_masked_times_pair_by_sizes(self):
        os_ = [zeek.ours(flow(src_packets=n)) for n in (1, 2)]
        zs = [zeek.theirs(conn(orig_pkts=n), masked=True) for n in (2, 1)]
        pairs = [(o.pkts[0], z.pkts[0]) for o, z in zeek.pair_up(os_, zs)]
        self.assertEqual(pairs, [(2, 2), (1, 1)])

    def test_other_protocols_match_without_ports(self):
        o = zeek.ours(flow(proto="ospfigp", src_port=0, dst_port=0))
        z = zeek.theirs(conn(proto="unknown_transport", ip_proto=89))
        self.assertEqual(o.key(), z.key())

    def test_a_difference_without_a_class_is_unexplained(self):
        job = {"file": "x", "mode": "zeek9", "manifest": {"linktypes": "EN10MB"},
               "truth": {}, "exit": "0", "words": "", "note": "", "options": (),
               "conns": [0]}
        flows = [zeek.ours(flow(src_packets=99))]
        ctx = zeek.Context(job, flows, [])
        found, compared = zeek.compare_rows(ctx, flows, [zeek.theirs(conn())])
        self.assertEqual([d.col for d in found], ["orig_pkts"])
        self.assertIsNone(zeek_classes.classify(found[0]))
        self.assertEqual(compared["orig_pkts"], 1)

    def test_classes_have_a_reason_and_known_columns(self):
        names = [c.name for c in zeek_classes.CLASSES]
        self.assertEqual(len(names), len(set(names)))
        for c in zeek_classes.CLASSES:
            self.assertGreater(len(c.reason), 20)
            self.assertLessEqual(set(c.columns), set(zeek.COLUMNS))


class GroundTruth(unittest.TestCase):
    def test_rows_cut_by_a_timer_are_one_conversation(self):
        a = flow(end_reason="idle", conn_state="S1")
        b = flow(flow_id=32, first_ns=10**18 + 10**12, history="DdA")
        self.assertEqual(ground_truth.conversations([b, a]), (1, 1))

    def test_a_new_syn_on_the_ports_is_another_one(self):
        a = flow(end_reason="replaced")
        b = flow(flow_id=32, first_ns=10**18 + 10**12)
        self.assertEqual(ground_truth.conversations([a, b]), (2, 2))

    def test_late_packets_after_the_close_are_none(self):
        a = flow()
        b = flow(flow_id=32, first_ns=10**18 + 10**12, history="^a")
        self.assertEqual(ground_truth.conversations([a, b]), (1, 1))

    def test_a_syn_after_silence_may_be_either(self):
        a = flow(end_reason="idle", history="S")
        b = flow(flow_id=32, first_ns=10**18 + 10**12, history="S")
        self.assertEqual(ground_truth.conversations([a, b]), (1, 2))

    def test_the_list_must_fit_exactly(self):
        def entry(**more):
            return {"tshark": "2", "nrtool": "1", "class": "c", "reason": "r", **more}

        def failures(found, listed):
            t = quiet()
            with contextlib.redirect_stdout(io.StringIO()):
                ground_truth.judge(t, found, {"packets": 9, "tcp": 900, "udp": 900},
                                   listed)
            return t.failed

        found = {("a.pcap", "tcp"): ("2", "1")}
        self.assertEqual(failures(found, {("a.pcap", "tcp"): entry()}), 0)
        self.assertEqual(failures(found, {}), 1)
        self.assertEqual(failures(found, {("a.pcap", "tcp"): entry(nrtool="3")}), 1)
        bad = entry(**{"class": "unexplained"})
        self.assertEqual(failures(found, {("a.pcap", "tcp"): bad}), 1)
        self.assertEqual(failures({}, {("a.pcap", "tcp"): entry()}), 1)
        self.assertEqual(failures({("a.pcap", "packets"): ("2", "1")},
                                  {("a.pcap", "packets"): entry()}), 1)


class Sweep(unittest.TestCase):
    rows = [
        {"type": "source", "packets": 7, "wire_bytes": 500},
        {"type": "ledger", "bucket": "flow", "packets": 5, "wire_bytes": 370},
        {"type": "ledger", "bucket": "arp", "packets": 2, "wire_bytes": 130},
        {"type": "flow", "records": 5, "wire_bytes": 370},
        {"type": "arp"}, {"type": "arp"},
    ]

    def test_a_ledger_that_adds_up(self):
        self.assertEqual(sweep.ledger_errors(self.rows), [])

    def test_a_missing_row_is_seen(self):
        for i in range(len(self.rows)):
            self.assertTrue(sweep.ledger_errors(self.rows[:i] + self.rows[i + 1:]), i)


class Derived(unittest.TestCase):
    def test_the_first_matching_kind_counts(self):
        self.assertEqual(derived.kind("ng-bad-ifindex.pcapng"), "first 18")
        self.assertIn("first_ns", derived.kind("ng-be.pcapng"))
        self.assertIsNone(derived.kind("new-thing.pcap"))

    def test_carriers_are_left_aside_and_a_changed_column_is_named(self):
        base = [flow()]
        ok = ("ok", 5, 0.0, 0, "")
        rows = [flow(), flow(proto="udp", src_port=4789, dst_port=4789)]
        self.assertIsNone(derived.check(derived.SAME, "x", ok, rows, base))
        rows[0]["history"] = "S"
        self.assertIn("history", derived.check(derived.SAME, "x", ok, rows, base))
        self.assertIn("0 flows", derived.check(derived.SAME, "x", ok, [], base))

    def test_ipv6_stands_for_ipv4(self):
        self.assertEqual(derived.plain("2001:db8::a0a:1405"), "10.10.20.5")


class CommunityId(unittest.TestCase):
    def test_examples_of_the_specification(self):
        self.assertEqual(
            community_id.compute(6, "128.232.110.120", 34855, "66.35.250.204", 80),
            "1:LQU9qZlK+B5F3KDmev6m5PMibrg=")
        self.assertEqual(
            community_id.compute(6, "66.35.250.204", 80, "128.232.110.120", 34855),
            "1:LQU9qZlK+B5F3KDmev6m5PMibrg=")
        self.assertEqual(community_id.compute(1, "192.168.0.89", 8, "192.168.0.1", 0),
                         "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=")


def quiet():
    t = common.Tally("test", limit=-2)
    t.check = types.MethodType(_count, t)
    return t


def _count(self, ok, words=""):
    if ok:
        self.passed += 1
    else:
        self.failed += 1
    return ok


class Tally(unittest.TestCase):
    def test_a_sample_is_the_same_each_time(self):
        names = [f"{i}.pcap" for i in range(100)]
        self.assertEqual(common.pick(names, 5), common.pick(reversed(names), 5))
        self.assertEqual(len(common.pick(names, 5)), 5)


if __name__ == "__main__":
    unittest.main()
