# SPDX-License-Identifier: BSD-3-Clause
"""The logic of the suite `sessions`, on small inputs made here."""

import struct
import tempfile
import unittest

import frames
from sessions import _tshark_smtp, compare
from sessions import ftp, http, quic, smtp
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


class Http(unittest.TestCase):
    @staticmethod
    def row(**more):
        return {"type": "http", "proto": "tcp", "flow_id": 16, "trans_depth": 1,
                "complete": 1, "response_version": "1.1", "status": 200, "reason": "OK",
                "response_body_bytes": 0, "missed_bytes": 0, "ts_ns": 5, "src_port": 1000,
                "src_ip": "10.0.0.1", "dst_ip": "10.0.0.2", "dst_port": 80, **more}

    @staticmethod
    def sign(kind, **detail):
        return {"type": "anomaly", "kind": kind, "side": "dst", "flow_id": 16,
                "ts_ns": 5, "detail": {"trans_depth": 1, **detail}}

    def counted(self, *rows):
        by = {}
        for r in rows:
            by.setdefault(r["type"], []).append(r)
        job = {"manifest": {}, "truth": {}, "exit": "0", "words": "", "zeek": {}}
        return http.responses(Context("x.pcap", by, job))

    def test_responses_that_tshark_counts(self):
        self.assertEqual(self.counted(self.row()), 1)
        self.assertEqual(self.counted(self.row(), self.row(trans_depth=2)), 2)
        self.assertEqual(self.counted(self.row(complete=0)), 0)
        self.assertEqual(self.counted(self.row(complete=0, response_trailers=[])), 1)
        self.assertEqual(self.counted(self.row(status=2)), 0)
        odd = self.row()
        del odd["status"]
        self.assertEqual(self.counted({**odd, "reason": "20x ok"}), 1)
        self.assertEqual(self.counted({**odd, "reason": "foobar"}), 0)
        small = self.sign("http_syntax", signs=["HTTP in small letters"])
        self.assertEqual(self.counted(self.row(), small), 0)
        self.assertEqual(self.counted(self.row(), {**small, "side": "src"}), 1)
        empty = self.sign("http_syntax", signs=["empty line before the status line"])
        self.assertEqual(self.counted(self.row(), empty), 0)
        empty["detail"]["trans_depth"] = 2
        self.assertEqual(self.counted(self.row(trans_depth=2), empty), 1)
        junk = self.sign("http_resync", bytes=3)
        self.assertEqual(self.counted(self.row(response_ns=5), junk), 0)
        self.assertEqual(self.counted(self.row(response_ns=6), junk), 1)
        chunk = self.sign("http_chunk", what="impossible size", body_bytes=3)
        self.assertEqual(self.counted(self.row(complete=0), chunk), 1)

    def test_the_same_in_another_vlan_counts_once(self):
        flows = [{"type": "flow", "flow_id": n, "vlan": v} for n, v in
                 ((16, "1"), (32, "2"), (48, "1"))]
        self.assertEqual(self.counted(self.row(), self.row(flow_id=32), *flows), 1)
        self.assertEqual(self.counted(self.row(), self.row(flow_id=48), *flows), 2)

    def test_status_lines_as_zeek_reads_them(self):
        for want, row in (((200, "OK"), {"status": 200, "reason": "OK"}),
                          ((200, "ok"), {"status": 2000, "reason": "ok"}),
                          ((0, ""), {"status": 2, "reason": "ok"}),
                          ((0, "ok"), {"reason": "20x ok"}),
                          ((0, "ok"), {"status": 2, "reason": "\\x0000 ok"}),
                          ((404, "Not Found"), {"status": 404, "reason": "Not Found"}),
                          (None, {"reason": "foobar"}), (None, {})):
            self.assertEqual(http.status_line(row, False), want, row)

    def test_targets(self):
        for ours, theirs in (("/a%20b", "/a b"), ("/%e4%5c%8d", "/\\xe4\\\\x8d"),
                             ("/\\xff", "/\\xff")):
            self.assertEqual(http.target(ours), http.target(theirs))
        self.assertNotEqual(http.target("/a"), http.target("/b"))

    def test_rows_that_are_no_http_1(self):
        rows = [{"uid": "a", "method": "GET", "uri": "/"}, {"uid": "b", "method": "PRI"},
                {"uid": "c", "method": "OPTIONS", "uri": "rtsp://h/ RTSP/1."},
                {"uid": "c", "status_code": 200}, {"uid": "a"},
                {"uid": "d", "status_code": 200}]
        self.assertEqual(http.messages(None, rows), [rows[0], rows[5]])


class Mails(unittest.TestCase):
    """Rows of one connection as Zeek's script makes its own, and tshark's packets."""

    @staticmethod
    def command(text, reply=None, packet=1):
        verb, _, argument = text.partition(" ")
        return {"command": verb, "packet": packet,
                **({"argument": argument} if argument else {}),
                **({"reply": reply} if reply else {})}

    def row(self, depth, *said, **more):
        return {"flow_id": 16, "trans_depth": depth, "n_commands": len(said),
                "starttls": 0, "commands": [self.command(*s) for s in said], **more}

    def zeek(self, *rows):
        ctx = Context("x.pcap", {"smtp": list(rows)}, {
            "manifest": {}, "truth": {}, "exit": "0", "words": "", "zeek": {}})
        return list(smtp.as_zeek(ctx))

    def test_a_refused_mail_is_a_row_of_zeeks(self):
        out = self.zeek(self.row(
            1, ("EHLO a", 250), ("MAIL FROM:<a@x>", 250), ("MAIL FROM:<b@x>", 503),
            ("RCPT TO:<c@y>", 250), ("DATA", 354), mail_from="a@x", rcpt_to=["c@y"],
            bytes=3, status="accepted", last_reply="250 ok"))
        self.assertEqual([(r["mail_from"], r["depth"], r["helo"], r["last_code"])
                          for r in out],
                         [("a@x", 1, "a", 250), ("b@x", 1, "a", None)])

    def test_depth_counts_answered_contents(self):
        mail = [("MAIL FROM:<a@x>", 250), ("RCPT TO:<c@y>", 250)]
        out = self.zeek(
            self.row(1, *mail, ("BDAT 1 LAST",), bytes=1, mail_from="a@x"),
            self.row(2, *mail, ("RSET", 250), mail_from="a@x", status="aborted"),
            self.row(3, *mail, ("DATA", 354), bytes=1, status="rejected",
                     mail_from="a@x"),
            self.row(4, ("NOOP", 250)),
            self.row(5, *mail, mail_from="a@x"))
        self.assertEqual([r["depth"] for r in out], [1, 1, 1, 2])

    def test_zeek_reads_no_further_than_starttls(self):
        out = self.zeek(self.row(1, ("EHLO a", 250), ("STARTTLS", 220), ("EHLO b", 250),
                                 ("MAIL FROM:<a@x>", 250), mail_from="a@x", starttls=1))
        self.assertEqual([(r["helo"], "mail_from" in r, r["last_code"]) for r in out],
                         [("a", False, 220)])

    def test_kinds_of_packets(self):
        c = _tshark_smtp.Client()
        said = [b"EHLO a\r\n", b"MAIL FROM:<a@x>\r\nDATA\r\n", b"x\r\nQUIT\r\n",
                b".\r\nQUIT\r\n", b"RSET\r\n", b"DATA\r\nx\r\n", b".\r\n", b"QUIT\r\n",
                b"BDAT 5\r\n", b"abcde", b"QU", b"IT\r\n", b"BDAT 3\r\nabc", b"QUIT\r\n"]
        self.assertEqual([c.packet(p) for p in said],
                         [True, True, False, False, True, False, False, True,
                          True, None, None, False, False, False])

    def test_addresses_in_quotes(self):
        self.assertEqual(smtp.addresses("cc")({"cc": '"a, b" <c@d>, e@f,'}),
                         ['"a, b" <c@d>', "e@f"])


class FtpReplies(unittest.TestCase):
    def test_zeek_takes_the_last_reply_before_the_next_command(self):
        ends = {"src_ip": "10.0.0.1", "src_port": 1000, "dst_ip": "10.0.0.2",
                "dst_port": 21, "flow_id": 16, "complete": 1}
        rows = [{**ends, "command": "RETR", "command_ns": 1, "ts_ns": 2,
                 "reply_code": 550, "reply_text": "no"},
                {**ends, "ts_ns": 3, "reply_code": 221, "reply_text": "bye"},
                {**ends, "command": "PASV", "command_ns": 4, "ts_ns": 9, "complete": 0}]
        ctx = Context("x.pcap", {"ftp": rows}, {
            "manifest": {}, "truth": {}, "exit": "0", "words": "", "zeek": {}})
        self.assertEqual([(r["command"], r["reply"]) for r in ftp.as_zeek(ctx)],
                         [("RETR", (221, b"bye")), ("PASV", (221, b"bye"))])


class Presence(unittest.TestCase):
    def test_keys_that_must_be_there_or_not(self):
        ev = Events("x", "x", {"x.id": "id", "x.v": "v"})
        row = ours(1, 7, None)
        for match, holds in (({"has-key": "x.id"}, True), ({"has-key": "x.v"}, False),
                             ({"not-has-key": ["x.v"], "x.id": 7}, True),
                             ({"not-has-key": ["x.v", "x.id"]}, False)):
            self.assertEqual(compare.event_holds(ev, row, match), holds, match)
class Unread(unittest.TestCase):
    def test_hosts_behind_metadata(self):
        def pcap(kind):
            ip = bytes([0x45]) + bytes(11) + bytes([10, 0, 0, 1, 10, 0, 0, 2])
            frame = bytes(12) + kind + bytes([1, 1, 0, 1, 0, 2, 8, 0]) + ip
            f = tempfile.NamedTemporaryFile()
            f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)
                    + struct.pack("<IIII", 1, 0, len(frame), len(frame)) + frame)
            f.flush()
            return f

        with pcap(b"\x89\x09") as f:
            self.assertEqual(frames.behind_metadata(f.name),
                             {frozenset(("10.0.0.1", "10.0.0.2"))})
        with pcap(b"\x89\x26") as f:
            self.assertEqual(frames.behind_metadata(f.name), set())


class Mappings(unittest.TestCase):
    def test_classes_have_reasons(self):
        found = mappings(None)
        self.assertIn("ntp", [m.name for m in found])
        for m in found:
            for c in m.classes:
                self.assertGreater(len(c.reason), 15, c.name)


if __name__ == "__main__":
    unittest.main()
