# SPDX-License-Identifier: BSD-3-Clause
"""Classes that hold for every protocol; a mapping's own come between FIRST and these."""

from sessions.mapping import Class

ZEEK = ("zeek9", "service")


def zeek_gave_up(d):
    return d.ctx.zeek_exit != "0"


def several_link_types(d):
    return "," in d.ctx.manifest.get("linktypes", "")


def no_connection(d):
    """Zeek has no connection between these hosts at all."""
    if d.o is None or "src_ip" not in d.o:
        return False
    pair = {d.o["src_ip"], d.o["dst_ip"]}
    return not any({c["id.orig_h"], c["id.resp_h"]} == pair
                   for c in d.ctx.zeek.get("conn", ()))


def quoted(column, ports):
    """tshark decodes what ICMP errors quote and counts it. For a count of UDP messages on
    these ports; the mapping's tables must have icmp."""
    def test(d):
        n = sum(r.get("quoted_proto") == "udp"
                and bool(ports & {r.get("quoted_src_port"), r.get("quoted_dst_port")})
                for r in d.ctx.table("icmp"))
        return 0 < int(d.b) - int(d.a) <= n
    return Class("quoted", "truth", {column},
                 "tshark counts messages that ICMP errors quote too", test, counted=False)


def metadata(d):
    r = d.o or {}
    return "src_ip" in r and frozenset((r["src_ip"], r["dst_ip"])) in d.ctx.unread


# Before a mapping's own: Zeek did not read on, whatever the rows look like.
FIRST = [
    Class("zeek_gave_up", ZEEK, {"extra"},
          "Zeek ends with an error at damage in the file or does not read its compression, "
          "nrtool reads what can be read", zeek_gave_up),
]

CLASSES = [
    Class("cisco_metadata", ZEEK, {"extra", "service"},
          "Zeek does not read frames with Cisco's metadata (ethertype 0x8909), and so one "
          "direction at most", metadata),
    Class("several_link_types", ZEEK, {"extra"},
          "Zeek reads only the packets of a file's first link type", several_link_types),
    Class("no_connection", ZEEK, {"extra"},
          "Zeek has no connection between these two hosts: encapsulations it does not open "
          "and frames it refuses (see ZEEK_FACTS.md, 7 and 10)", no_connection),
]
