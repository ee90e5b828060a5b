# SPDX-License-Identifier: BSD-3-Clause
"""icmp: Zeek has no log of it, but counts the packets of its ICMP connections: of each
pair of hosts as many as nrtool has rows. (Timers and keys, in which rows of flows differ,
are the suite zeek's.)"""

import collections

from sessions.mapping import Class, Column, Mapping, ZeekLog, address


def pair(a, b):
    return tuple(sorted((address(a), address(b))))


def ours(ctx):
    by = collections.defaultdict(list)
    for r in ctx.table("icmp"):
        by[pair(r["src_ip"], r["dst_ip"])].append(r)
    for key, rows in by.items():
        yield {"key": key, "messages": len(rows), "rows": rows,
               "src_ip": key[0], "dst_ip": key[1], "ts_ns": rows[0]["ts_ns"]}


def theirs(ctx, rows):
    by = collections.Counter()
    for c in rows:
        if c["proto"] == "icmp":
            by[pair(c["id.orig_h"], c["id.resp_h"])] += c["orig_pkts"] + c["resp_pkts"]
    return [{"key": key, "messages": n} for key, n in by.items()]


def cut(d):
    """Zeek leaves out ICMP packets that are cut, or shorter than IP says."""
    n = sum(not r["complete"] for r in d.o["rows"])
    return n > 0 and d.a - n <= d.b < d.a


def dropped_fragments(d):
    return "fragment_conflict" in d.ctx.anomalies and d.a < d.b


def behind_ah(d):
    """Zeek has a connection of the two hosts for the protocol AH."""
    hosts = {d.o["src_ip"], d.o["dst_ip"]}
    return any(c.get("ip_proto") == 51 and {c["id.orig_h"], c["id.resp_h"]} == hosts
               for c in d.ctx.zeek.get("conn", ()))


MAPPING = Mapping(
    name="icmp",
    tables=["icmp"],
    zeek=[ZeekLog("conn", ours, [Column("messages")], their_rows=theirs,
                  our_key=lambda r: r["key"], their_key=lambda z: z["key"],
                  our_time=lambda r: None, their_time=lambda z: None)],
    classes=[
        Class("cut", None, {"messages"},
              "Zeek does not count ICMP packets that the capture has cut, or that are "
              "shorter than their IP header says", cut),
        Class("fragment_conflict", None, {"messages"},
              "fragments overlap with other bytes: IPv6 drops the datagram and so does "
              "nrtool (anomaly fragment_conflict), Zeek takes it", dropped_fragments),
        Class("ah", None, {"extra"},
              "Zeek does not look behind an authentication header", behind_ah),
    ],
)
