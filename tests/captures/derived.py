#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The transformations of one base trace: what must stay equal stays equal.

derived/DERIVED.tsv says in words what each file must give. KINDS turns the words into
checks; a file that no kind names fails, so a new derived file must be thought about.
Flows whose addresses and ports are none of the base's (carriers) are left aside."""

import collections
import fnmatch
import ipaddress
import os
import sys

import common

TIMES = ("first_ns", "last_ns")
SIZES = ("src_packets", "dst_packets", "src_bytes", "dst_bytes")
CONTENT = ("src_payload_bytes", "dst_payload_bytes", "src_missed_bytes",
           "dst_missed_bytes", "conn_state")
PACKETS = ("src_packets", "dst_packets")
SAME = SIZES + CONTENT + ("history", "community_id")

# name pattern, what of it: columns that equal the base's, or the name of a check below.
KINDS = [
    ("base.pcap", SAME + TIMES),
    ("fmt-snaplen*", SIZES + ("conn_state", "community_id") + TIMES),
    ("fmt-*", SAME + TIMES),
    ("ng-simple-packets.pcapng", SAME),
    ("ng-tsresol-*", SAME),
    ("ng-bad-trailing-length.pcapng", "first 18"),
    ("ng-bad-ifindex.pcapng", "first 18"),
    ("ng-truncated.pcapng", "first 18"),
    ("ng-block-len-*.pcapng", "first 18"),
    ("ng-caplen-overrun.pcapng", "first 18"),
    ("ng-bad-epb-before-idb.pcapng", "ends"),
    ("ng-option-overrun.pcapng", "ends"),
    ("ng-*", SAME + TIMES),
    ("bad-empty.pcap", "no capture"),
    ("bad-10-bytes.pcap", "no capture"),
    ("bad-random.bin", "no capture"),
    ("bad-text.pcap", "no capture"),
    ("bad-header-only.pcap", "no packets"),
    ("bad-mid-*.pcap", "first 18"),
    ("bad-caplen-*.pcap", "first 18"),
    ("bad-trailing-garbage.pcap", SAME + TIMES),
    ("odd-caplen0.pcap", SAME + TIMES),
    ("odd-caplen-gt-len.pcap", "ends"),
    ("odd-ts-backwards.pcap", "backwards"),
    ("odd-ts-zero.pcap", SAME),
    ("odd-version-9.9.pcap", "ends"),
    ("odd-linktype-unknown.pcap", "not decoded"),
    ("odd-*", SAME + TIMES),
    ("fuzz-*", "ends"),
    ("link-*", SAME + TIMES),
    ("encap-ipip-x200-bomb.pcap", "ends"),
    ("encap-ipv4-options.pcap", PACKETS + CONTENT + ("history", "community_id")),
    ("encap-6in4.pcap", PACKETS + CONTENT + ("history",)),
    ("encap-6in6.pcap", PACKETS + CONTENT + ("history",)),
    ("encap-teredo.pcap", PACKETS + CONTENT + ("history",)),
    ("encap-ipv6*", PACKETS + CONTENT + ("history",)),
    ("encap-*", SAME + TIMES),
    ("frag-missing-last.pcap", "incomplete"),
    ("frag6-*", PACKETS + CONTENT + ("history",)),
    ("frag-dup-64.pcap", CONTENT + ("community_id",)),
    ("frag-*", SAME),
    ("tcp-reseg-*", CONTENT + ("community_id",)),
    ("tcp-ooo-window8.pcap", CONTENT + ("community_id",)),
    ("tcp-retrans-each.pcap", CONTENT + ("community_id",)),
    ("tcp-overlap-*", CONTENT + ("community_id",)),
    ("tcp-gap-2-segments.pcap", "gap 200"),
    ("tcp-midstream.pcap", ("src_payload_bytes", "dst_payload_bytes", "community_id")),
    ("tcp-client-only.pcap", "client"),
    ("tcp-server-only.pcap", "server"),
    ("tcp-syn-only.pcap", "state S0"),
    ("tcp-rst-after-syn.pcap", "state REJ"),
    ("tcp-seq-wrap.pcap", SAME + TIMES),
    ("tcp-bad-checksum.pcap", SIZES + CONTENT + TIMES),
    ("tcp-port-reuse.pcap", "twice"),
    ("tcp-duplicate-capture.pcap", "doubled"),
    ("tcp-60-interleaved.pcap", "sixty"),
    ("large-synscan-60000.pcap", "synscan"),
    ("large-dns-30000.pcap", "dns"),
    ("large-http-transfer.pcap", "transfer"),
]


def kind(name):
    for pattern, what in KINDS:
        if fnmatch.fnmatchcase(name, pattern):
            return what
    return None


def plain(ip):
    """2001:db8::<v4> stands for the base's IPv4 address."""
    if ip.startswith("2001:db8::"):
        return str(ipaddress.IPv4Address(int(ipaddress.IPv6Address(ip)) & 0xffffffff))
    return ip


def tuple_of(r):
    return (r["proto"], plain(r["src_ip"]), r.get("src_port"), plain(r["dst_ip"]),
            r.get("dst_port"))


def turned(t):
    return (t[0], t[3], t[4], t[1], t[2])


def of_base(flows, base):
    """The flows that have a base flow's 5-tuple, either way round."""
    tuples = {tuple_of(b) for b in base}
    return [f for f in flows if tuple_of(f) in tuples or turned(tuple_of(f)) in tuples]


def values(flows, columns):
    """(src 0 is as good as absent: NULL columns are left out of JSON lines.)"""
    return sorted((tuple_of(f), *(str(f.get(c, 0)) for c in columns)) for f in flows)


def first_difference(a, b, columns):
    for x, y in zip(a, b):
        if x != y:
            names = ("5-tuple",) + columns
            return "; ".join(f"{n}: {u} instead of {v}"
                             for n, u, v in zip(names, x, y) if u != v)
    return f"{len(a)} flows instead of {len(b)}"


def sums(flows):
    got = collections.Counter()
    for f in flows:
        for c in SIZES + CONTENT[:4]:
            got[c] += f.get(c, 0)
    return got


def bucket(rows, name):
    return sum(r["packets"] for r in rows
               if r["type"] == "ledger" and r["bucket"] == name)


def packets(rows):
    return sum(r.get("packets", 0) for r in rows if r["type"] == "source")


def check(what, name, verdict, rows, base):
    """None, or what is wrong with one derived file."""
    flows = [r for r in rows if r["type"] == "flow"]
    mine = of_base(flows, base)
    total, want = sums(mine), sums(base)
    if what == "ends":
        return None if verdict[0] in ("ok", "damaged", "nocapture") else verdict[0]
    if what == "no capture":
        return None if verdict[0] == "nocapture" else verdict[0]
    if what == "no packets":
        ok = verdict[0] == "ok" and packets(rows) == 0
        return None if ok else f"{verdict[0]}, {packets(rows)} packets"
    if what == "first 18":
        ok = verdict[0] == "damaged" and packets(rows) >= 18
        return None if ok else f"{verdict[0]}, {packets(rows)} packets"
    if verdict[0] not in ("ok", "damaged"):
        return f"{verdict[0]} {verdict[4]}"
    if isinstance(what, tuple):
        a, b = values(mine, what), values(base, what)
        return None if a == b else first_difference(a, b, what)
    if what == "backwards":
        slow = [f for f in flows if f["last_ns"] < f["first_ns"]]
        if slow:
            return f"{len(slow)} flows end before they begin"
        ok = all(total[c] == want[c] for c in SIZES)
        return None if ok else f"{dict(total)} instead of {dict(want)}"
    if what == "not decoded":
        n = bucket(rows, "unsupported_linktype")
        return None if n == packets(rows) > 0 else f"{n} packets in the bucket"
    if what == "incomplete":
        return None if bucket(rows, "fragment_incomplete") else "none in the bucket"
    if what == "gap 200":
        missed = total["src_missed_bytes"] + total["dst_missed_bytes"]
        same = all(total[c] == want[c] for c in CONTENT[:2])
        return None if missed == 200 and same else f"{missed} missed, {dict(total)}"
    if what in ("client", "server"):
        one, other = ("src", "dst") if what == "client" else ("dst", "src")
        at = {tuple_of(f): f for f in mine}
        for b in base:
            f = at.get(tuple_of(b))
            if f and (f[f"{one}_packets"], f[f"{other}_packets"]) == \
                    (b[f"{one}_packets"], 0):
                continue
            t = at.get(turned(tuple_of(b)))  # who never heard the other may be turned
            if t and (t[f"{other}_packets"], t[f"{one}_packets"]) == \
                    (b[f"{one}_packets"], 0):
                continue
            return f"{tuple_of(b)}: {f or t}"
        return None
    if what.startswith("state "):
        states = {f["conn_state"] for f in mine}
        ok = states == {what[6:]} and len(mine) == len(base)
        return None if ok else f"{len(mine)} flows in states {states}"
    if what in ("twice", "doubled"):
        n = 2 if what == "twice" else 1
        if len(mine) != n * len(base):
            return f"{len(mine)} flows"
        if what == "doubled":
            ok = all(total[c] == 2 * want[c] for c in SIZES) and \
                all(total[c] == want[c] for c in CONTENT[:2])
            return None if ok else f"{dict(total)} for {dict(want)}"
        a, b = values(mine, CONTENT), sorted(values(base, CONTENT) * 2)
        return None if a == b else first_difference(a, b, CONTENT)
    if what == "sixty":
        def shape(fs):
            return collections.Counter(
                tuple(str(f.get(c, 0)) for c in SIZES + CONTENT) for f in fs)
        if len(flows) != 60 * len(base):
            return f"{len(flows)} flows"
        a, b = shape(flows), shape(base)
        return None if a == {k: 60 * n for k, n in b.items()} else f"{a}"
    tcp = [f for f in flows if f["proto"] == "tcp"]
    if what == "synscan":
        ok = len(tcp) == 60000 and {f["conn_state"] for f in tcp} == {"S0"}
        return None if ok else f"{len(tcp)} TCP flows"
    if what == "dns":
        udp = [f for f in flows if f["proto"] == "udp"]
        n = sum(f["src_packets"] + f["dst_packets"] for f in udp)
        return None if n == 60000 else f"{len(udp)} UDP flows of {n} packets"
    if what == "transfer":
        ok = len(tcp) == 1 and tcp[0]["dst_payload_bytes"] > 1802240 and \
            tcp[0].get("dst_missed_bytes", 0) == 0
        return None if ok else f"{tcp}"
    return f"no such check: {what}"


def main():
    a = common.arguments(__doc__).parse_args()
    tally = common.Tally("derived")
    root = common.captures()
    if not root:
        tally.skip("no captures (set NRTOOL_CAPTURES)")
        return tally.close()
    names = [r["file"] for r in common.tsv(root / "derived" / "DERIVED.tsv")]
    tool = common.Nrtool(a.build, root, a.jobs)
    files = {n: f"derived/{n}" for n in names}
    verdicts = tool.replay(files.values())
    base = [r for r in tool.rows("derived/base.pcap") if r["type"] == "flow"]
    tally.check(len(base) > 0, "base.pcap has no flows")
    for name in names:
        what = kind(name)
        if what is None:
            tally.check(False, f"{name}: no kind in KINDS")
            continue
        wrong = check(what, name, verdicts[files[name]], tool.rows(files[name]), base)
        tally.check(wrong is None, f"{name}: {wrong}")
    return tally.close()


if __name__ == "__main__":
    os.chdir(common.ROOT)
    sys.exit(main())
