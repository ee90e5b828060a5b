# SPDX-License-Identifier: BSD-3-Clause
"""The logic of the suite `sessions`, on small inputs made here."""

import unittest

from sessions import compare
from sessions import quic
from sessions.__main__ import classify, mappings
from sessions.mapping import (Class, Column, Context, Count, Events, Mapping, Values,
                              ZeekLog, our_bytes, zeek_bytes)

LOG = ZeekLog("x", "x", [Column("id", main=True), Column("v")])


def ours(t, id_, v, port=1000):
    return {"type": "x", "ts_ns": t * 1000, "id": id_, "v": v, "src_ip": "10.0.0.1",
            "src_port": port, "dst_ip": "10.0.0.2", "dst_port": 53}


def theirs(t, id_, v, turned=False):
    a, b = ("10.0.0.1", 1000), ("10.0.0.2", 53)
    a, b = (b, a) if turned else (a, b)
    return {"ts": t / 1e6, "id": id_, "v": v, "id.orig_h": a[0], "id.orig_p": a[1],
            "id.resp_h": b[0], "id.resp_p": b[1]}


def context(rows, truth=None):
    job = {"manifest": {"linktypes": "EN10MB"}, "truth": truth or {}, "exit": "0",
           "words": "", "zeek": {}}
    return Context("x.pcap", {"x": rows}, job)


def compared(rows, zeek):
    res = compare.Result()
    compare.zeek_log(LOG, context(rows), zeek, res)
    return res, sorted(d.column for d in res.differences)


def services(flows, conns, names):
    tuples = {"src_ip": "10.0.0.1", "src_port": 1000, "dst_ip": "10.0.0.2", "dst_port": 53}
    ids = {"id.orig_h": "10.0.0.1", "id.orig_p": 1000, "id.resp_h": "10.0.0.2",
           "id.resp_p": 53, "ts": 0.0}
    res = compare.Result()
    ctx = Context("x.pcap", {"flow": [
        {**tuples, "type": "flow", "flow_id": n, "first_ns": n * 10**9,
         **({"service": s} if s else {})} for n, s in enumerate(flows)]},
        {"manifest": {}, "truth": {}, "exit": "0", "words": "", "zeek": {"conn": [
            {**ids, "ts": float(n), **({"service": s} if s else {})}
            for n, s in enumerate(conns)]}})
    compare.service(names, ctx, res)
    return res.rows, res.bad_rows, len(res.differences)


class Services(unittest.TestCase):
    NAMES = {"dns": ("dns", "mdns"), "ssl": "tls"}

    def test_names_are_translated(self):
        self.assertEqual(services(["mdns", "socks,tls"], ["dns", "ssl"], self.NAMES),
                         (2, 0, 0))

    def test_what_zeek_names_weighs(self):
        self.assertEqual(services(["http", None], ["dns", "ssl"], self.NAMES), (2, 2, 2))
        self.assertEqual(services(["tls"], ["dns"], self.NAMES), (1, 1, 1))

    def test_what_only_nrtool_names_must_be_explained(self):
        self.assertEqual(services(["dns", "http"], [None, "http"], self.NAMES), (0, 0, 1))


class Pairs(unittest.TestCase):
    def test_equal_rows_differ_in_nothing(self):
        res, cols = compared([ours(5, 1, "a")], [theirs(5, 1, "a", turned=True)])
        self.assertEqual((res.rows, res.bad_rows, cols), (1, 0, []))

    def test_each_column_and_the_time_are_seen(self):
        self.assertEqual(compared([ours(5, 1, "a")], [theirs(5, 1, "b")])[1], ["v"])
        self.assertEqual(compared([ours(5, 1, "a")], [theirs(9, 1, "a")])[1], ["ts"])

    def test_a_row_of_either_alone(self):
        res, cols = compared([ours(5, 1, "a"), ours(6, 2, "a")],
                             [theirs(5, 1, "a"), theirs(90, 3, "a")])
        self.assertEqual((res.bad_rows, cols), (1, ["extra", "match"]))

    def test_another_flow_is_no_partner(self):
        self.assertEqual(compared([ours(5, 1, "a", port=9)], [theirs(5, 1, "a")])[1],
                         ["extra", "match"])

    def test_of_rows_at_one_time_the_likest(self):
        rows = [ours(5, n, "a") for n in range(50)]
        zeek = [theirs(5, n, "a" if n else "b") for n in reversed(range(50))]
        res, cols = compared(rows, zeek)
        self.assertEqual((res.bad_rows, cols), (1, ["v"]))


class Others(unittest.TestCase):
    def test_counts_and_lists(self):
        ctx = context([ours(1, 1, "a")])
        count = Count("n", lambda c: len(c.table("x")))
        self.assertEqual(count.compare(ctx, "1")[1], True)
        self.assertEqual(count.compare(ctx, "2")[1:], (False, "1", "2"))
        some = Values("n", lambda c: ["a", "b", "b"])
        self.assertEqual(some.compare(ctx, "b;a;b")[1], True)
        self.assertEqual(some.compare(ctx, "b;a;c")[1:], (False, "b", "c"))

    def test_events_count_the_rows_that_hold(self):
        ev = Events("x", "x", {"x.id": "id", "x.list": lambda r: [1, {"k": r["v"]}]})
        ctx = context([ours(1, 1, "a"), ours(2, 1, "b")])

        def holds(match, n):
            res = compare.Result()
            compare.events(ev, ctx, [{"match": match, "count": str(n)}], res)
            return not res.bad_rows

        self.assertTrue(holds({"x.id": 1}, 2))
        self.assertFalse(holds({"x.id": 1}, 1))
        self.assertTrue(holds({"x.list[1].k": "b", "src_ip": "10.0.0.2",
                               "dest_ip": "10.0.0.1"}, 1))
        self.assertTrue(holds({"x.list[2].k": "b"}, 0))
        self.assertTrue(holds({"src_port": 7, "x.id": 1}, 0))

    def test_bytes_of_both_notations(self):
        self.assertEqual(zeek_bytes("GPS\\x00"), b"GPS\0")
        self.assertEqual(zeek_bytes("a\\\\b"), b"a\\b")
        self.assertEqual(our_bytes("a\\b\\xff"), b"a\\b\xff")

    def test_what_no_class_fits_is_unexplained(self):
        res, _ = compared([ours(5, 1, "a")], [theirs(5, 1, "b")])
        some = Class("c", "zeek9 x", {"v"}, "because", lambda d: d.b == "b")
        other = Class("c", "zeek9 x", {"v"}, "because", lambda d: d.b == "z")
        elsewhere = Class("c", "truth", {"v"}, "because", lambda d: True)
        d = res.differences[0]
        self.assertIs(classify(Mapping("m", [], classes=[other, some]), d), some)
        self.assertIsNone(classify(Mapping("m", [], classes=[other, elsewhere]), d))


class Quic(unittest.TestCase):
    @staticmethod
    def row(**more):
        return {"client_version": "1", "version": "1", "retry": 0, "client_hellos": 1,
                "version_negotiation": 0, "server_hellos": 1, **more}

    def test_what_tshark_counts(self):
        for n, row in ((1, {}), (2, {"client_hellos": 2, "server_hellos": 2}),
                       (1, {"client_hellos": 2, "retry": 1}),
                       (1, {"client_hellos": 1, "retry": 1}),
                       (2, {"client_hellos": 3, "retry": 1, "server_hellos": 2}),
                       (1, {"client_hellos": 2, "version_negotiation": 1}),
                       (0, {"client_version": "0x1a2a3a4a"}),
                       (1, {"client_version": "0x1a2a3a4a", "version": "draft-29"})):
            self.assertEqual(quic.tshark_hellos(self.row(**row)), n, row)

    def test_what_of_a_ja4_is_compared_with_ndpi(self):
        same = quic.ndpi_ja4("q13i0307h9_55b375c5d22e_23ed935430f2")
        self.assertEqual(same, quic.ndpi_ja4("q13d0307h3_55b375c5d22e_23ed935430f2"))
        for other in ("q12i0307h9_55b375c5d22e_23ed935430f2",
                      "q13i0308h9_55b375c5d22e_23ed935430f2",
                      "q13i0307d9_55b375c5d22e_23ed935430f2",
                      "q13i0307h9_55b375c5d22e_23ed935430f3"):
            self.assertNotEqual(same, quic.ndpi_ja4(other))


class Mappings(unittest.TestCase):
    def test_classes_have_reasons(self):
        found = mappings(None)
        self.assertIn("ntp", [m.name for m in found])
        for m in found:
            for c in m.classes:
                self.assertGreater(len(c.reason), 15, c.name)


if __name__ == "__main__":
    unittest.main()
