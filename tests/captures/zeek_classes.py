# SPDX-License-Identifier: BSD-3-Clause
"""Why nrtool's flows differ from Zeek's connections: classes with reasons.

A class is a predicate over one difference (zeek.py, class Difference): column, both
rows, and the context of the capture. The first that fits explains it. A class must say
something that can be wrong: it looks at the rows or at the capture, never at the mere
fact that they differ. ZEEK_FACTS.md says how Zeek computes each column."""

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
DNS_PORTS = {53, 137, 5353, 5355}
ROWS = ("match", "extra")
SIDES = ("orig_pkts", "resp_pkts", "orig_ip_bytes", "resp_ip_bytes", "orig_bytes",
         "resp_bytes")
VALUES = ("direction", "ts", "duration", "conn_state", "history", *SIDES, "missed_bytes",
          "vlan", "community_id")
ALL = ROWS + VALUES
# What changes when the same packets of a key are cut into rows elsewhere.
CUT = ROWS + ("direction", "ts", "duration", "conn_state", "history", *SIDES,
              "missed_bytes", "vlan", "community_id")


def row(d):
    return d.z or d.o


def ports(d):
    r = row(d)
    return {r.orig[1], r.resp[1]}


def scopes(d):
    """How many VLANs and tunnels our flows of this key lie in; Zeek keys by neither."""
    return len({(o.vlan, o.raw.get("tunnel")) for o in d.key_ours})


def cut_differently(d):
    return len(d.key_ours) != len(d.key_theirs) and d.totals_equal()


def without(text, letters):
    return "".join(c for c in text if c not in letters)


def states_theirs(d):
    return {z.conn_state for z in d.key_theirs}


def loses(history):
    return any(c in "Gg" for c in history)


def zeek_gave_up(d):
    return d.ctx.mode == "zeek9" and d.ctx.zeek_exit != "0"


def several_link_types(d):
    return "," in d.ctx.manifest.get("linktypes", "")


def dns_timer(d):
    return (row(d).proto == 17 and ports(d) & DNS_PORTS
            and len(d.key_theirs) > len(d.key_ours) and d.totals_equal())


def response_flips(d):
    """A UDP connection whose first datagram a parser knows for a response."""
    return any(z.proto == 17 and "^" in z.history[1:] for z in d.key_theirs)


def syn_renewal(d):
    return (row(d).proto == 6 and cut_differently(d) and "S0" in states_theirs(d)
            and len(d.key_theirs) > len(d.key_ours))


def equal_addresses(d):
    return d.o.orig[0] == d.o.resp[0]


def sctp(d):
    return row(d).proto == 132


def scoped(d):
    return scopes(d) > 1


def analyzer_gone(d):
    return d.z is not None and ("X" in d.z.history or "x" in d.z.history)


def snapped(d):
    return "snapped" in d.ctx.truth.get("soundness", "")


def snapped_gap(d):
    if not snapped(d) or d.z.missed_bytes == 0:
        return False
    return d.col == "missed_bytes" or \
        without(d.a, "Gg") == without(d.b, "Gg") and loses(d.b)


def late_data(d):
    """Zeek counts a hole when it is acked; what comes later does not take it back."""
    if d.o.missed_bytes >= d.z.missed_bytes:
        return False
    return d.col == "missed_bytes" or without(d.a, "Gg") == without(d.b, "Gg")


def never_acked(d):
    """A hole that no ACK covers, or in a connection that is not whole, is none to Zeek."""
    if d.o.missed_bytes <= d.z.missed_bytes:
        return False
    return d.col == "missed_bytes" or without(d.a, "Gg") == without(d.b, "Gg")


def backwards(d):
    return any(r.get("time_backwards") for r in d.ctx.other["source"])


CLASSES = [
    Class("zeek_gave_up", ALL,
          "Zeek ended with an error in this file (runs.tsv): rows end where it stopped",
          zeek_gave_up),
    Class("several_link_types", ALL,
          "Zeek (libpcap) reads one link type of a capture with several",
          several_link_types),
    Class("equal_addresses", ("community_id",),
          "of two equal addresses Zeek hashes first the one whose port is lower in the "
          "host's byte order; the specification says in network order",
          equal_addresses),
    Class("sctp", ALL,
          "Zeek does not know SCTP: one row for two hosts, without ports and bytes",
          sctp),
    Class("response_flips", ALL,
          "Zeek's DNS and NTP parsers turn a UDP connection round that begins with a "
          "response (D^); nrtool goes by ports",
          response_flips),
    Class("dns_timer", CUT,
          "Zeek's DNS parser ends a connection that was silent for 9 s at its 10 s tick; "
          "nrtool has one UDP timeout",
          dns_timer),
    Class("analyzer_gone", ALL,
          "Zeek marks with X that it gave up a parser, or reached a limit",
          analyzer_gone),
    Class("syn_renewal", CUT,
          "in nrtool a repeated SYN renews the attempt; Zeek cuts 5 s after the first",
          syn_renewal),
    Class("scoped", CUT,
          "Zeek keys by 5-tuple alone; nrtool tells VLANs and tunnels apart",
          scoped),
    Class("snapped_gap", ("missed_bytes", "history"),
          "Zeek counts payload that the snap length cut as missed; nrtool knows its "
          "place in the stream from the headers",
          snapped_gap),
    Class("late_data", ("missed_bytes", "history"),
          "Zeek counts a hole when it is acked; nrtool only what never came",
          late_data),
    Class("never_acked", ("missed_bytes", "history"),
          "nrtool counts holes that no ACK covered, and those of midstream flows",
          never_acked),
    Class("backwards", ("duration", "ts"),
          "Zeek's last time goes back with a packet that does; nrtool's does not",
          backwards),
]


def classify(d):
    """The name of the first class that explains a difference, or None."""
    for c in CLASSES:
        if d.col in c.columns and c.test(d):
            return c.name
    return None
