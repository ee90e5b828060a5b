# SPDX-License-Identifier: BSD-3-Clause
"""Why nrtool's flows differ from Zeek's connections: classes with reasons.

A class is a predicate over one difference (zeek.py, class Difference): column, both
rows, and the context of the capture. The first that fits explains it. A class must say
something that can be wrong: it looks at the rows or at the capture, never at the mere
fact that they differ."""

import collections

Class = collections.namedtuple("Class", "name columns reason test")

# Numbers of IANA keywords that nrtool prints in place of them.
PROTO_NUMBERS = {
    "hopopt": 0, "igmp": 2, "ggp": 3, "ipv4": 4, "ipip": 4, "st": 5, "egp": 8, "igp": 9,
    "pup": 12, "hmp": 20, "xns-idp": 22, "rdp": 27, "dccp": 33, "ddp": 37, "ipv6": 41,
    "ipv6-route": 43, "ipv6-frag": 44, "idrp": 45, "rsvp": 46, "gre": 47, "esp": 50,
    "ah": 51, "mobile": 55, "skip": 57, "ipv6-nonxt": 59, "ipv6-opts": 60, "eigrp": 88,
    "ospf": 89, "ospfigp": 89, "ospfig": 89, "ax.25": 93, "etherip": 97, "encap": 98,
    "pim": 103, "ipcomp": 108, "vrrp": 112, "pgm": 113, "l2tp": 115, "stp": 118,
    "isis": 124, "fc": 133, "mobility": 135, "udplite": 136, "mpls-in-ip": 137,
    "manet": 138, "hip": 139, "shim6": 140,
}
SIDE_COLUMNS = ("orig_pkts", "resp_pkts", "orig_ip_bytes", "resp_ip_bytes", "orig_bytes",
                "resp_bytes", "missed_bytes")
ALL = ("match", "extra", "direction", "ts", "duration", "conn_state", "history", "vlan",
       "community_id", *SIDE_COLUMNS)


def zeek_failed(d):
    return d.ctx.mode == "zeek9" and d.ctx.zeek_exit != "0"


def one_link_type(d):
    return len(d.ctx.manifest.get("linktypes", "").replace(";", ",").split(",")) > 1


CLASSES = [
    Class("zeek_gave_up", ALL,
          "Zeek ended with an error in this file (runs.tsv): rows end where it stopped",
          zeek_failed),
    Class("several_link_types", ALL,
          "Zeek (libpcap) reads one link type of a capture with several",
          one_link_type),
]


def classify(d):
    """The name of the first class that explains a difference, or None."""
    for c in CLASSES:
        if d.col in c.columns and c.test(d):
            return c.name
    return None
