#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Community IDs against Zeek's and Arkime's, flow by flow, found by 5-tuple.

A third opinion is computed here from the specification (version 1, seed 0), so that a
disagreement says at once who is alone."""

import base64
import collections
import hashlib
import ipaddress
import json
import os
import sys

import common
import zeek

# ICMP types that come in pairs count as ports (type, counterpart); others (type, code).
PAIRS4 = {8: 0, 0: 8, 13: 14, 14: 13, 15: 16, 16: 15, 17: 18, 18: 17, 10: 9, 9: 10}
PAIRS6 = {128: 129, 129: 128, 133: 134, 134: 133, 135: 136, 136: 135, 130: 131, 131: 130,
          144: 145, 145: 144, 139: 140, 140: 139}
WITH_PORTS = {1, 6, 17, 58, 132}

MAPPED = set()

# Known disagreements: the test says whether an id of theirs may differ from ours.
QUIRKS = {
    # Zeek orders two equal addresses by ports in the host's byte order (little endian),
    # and hashes IPv4-mapped IPv6 addresses as IPv4 (MAPPED: keys of such flows).
    "Zeek": lambda k, cid, others: k[1][0] == k[2][0] or k in MAPPED,
    # Arkime hashes two zero ports where a protocol has none, and does not sort all
    # pairs of ICMP types; an ICMP id is held against us where Zeek has the same.
    "Arkime": lambda k, cid, others: k[0] not in WITH_PORTS or
    k[0] in (1, 58) and cid not in others,
}


def compute(proto, src, sport, dst, dport):
    """The Community ID of a 5-tuple; for ICMP ports are as nrtool's src_port, dst_port."""
    a, b = ipaddress.ip_address(src).packed, ipaddress.ip_address(dst).packed
    one_way = proto in (1, 58) and \
        {1: PAIRS4, 58: PAIRS6}[proto].get(sport) != dport
    if not one_way and (a, sport) > (b, dport):
        a, b, sport, dport = b, a, dport, sport
    data = b"\0\0" + a + b + bytes([proto, 0])
    if proto in WITH_PORTS:
        data += sport.to_bytes(2, "big") + dport.to_bytes(2, "big")
    return "1:" + base64.b64encode(hashlib.sha1(data).digest()).decode()


def key(proto, src, sport, dst, dport):
    if proto not in WITH_PORTS:
        sport = dport = 0
    a, b = (zeek.address(src), sport), (zeek.address(dst), dport)
    return (proto, a, b) if a <= b else (proto, b, a)


def hosts(k):
    return (k[0], (k[1][0], None), (k[2][0], None))


def flow_ids(flows):
    """{key: set of community ids} of our flows; and the flows whose id is not ours."""
    got, wrong = collections.defaultdict(set), []
    for r in flows:
        f = zeek.ours(r)
        if not isinstance(f.proto, int) or "community_id" not in r:
            continue
        sport, dport = r.get("src_port", 0), r.get("dst_port", 0)
        k = key(f.proto, r["src_ip"], sport, r["dst_ip"], dport)
        got[k].add(r["community_id"])
        if r["src_ip"].startswith("::ffff:"):
            MAPPED.add(k)
        want = compute(f.proto, r["src_ip"], sport, r["dst_ip"], dport)
        if want != r["community_id"]:
            wrong.append((r, want))
    return got, wrong


def arkime_sessions(path):
    """(proto, src, sport, dst, dport, id) of each session with a Community ID."""
    for s in json.loads(path.read_text(encoding="utf-8", errors="replace"))["sessions3"]:
        b = s["body"]
        cid = b.get("network", {}).get("community_id")
        src, dst = b.get("source", {}), b.get("destination", {})
        if cid and src.get("ip") and dst.get("ip"):
            yield (b.get("ipProtocol"), src["ip"], src.get("port", 0), dst["ip"],
                   dst.get("port", 0), cid)


def compare(tally, label, file, expected, got, others):
    """Expected ids against ours, by key; a key that we lack is another suite's matter."""
    count = collections.Counter()
    for k, cid in expected:
        mine = got.get(k, ())
        if not mine:
            count["lacking"] += 1
        elif cid not in mine and QUIRKS[label](k, cid, others):
            count["quirk"] += 1
        else:
            tally.check(cid in mine, f"{label} {file} {k}: nrtool {sorted(mine)[:3]}, "
                        f"{label} {cid}")
    return count


def main():
    a = common.arguments(__doc__).parse_args()
    tally = common.Tally("community id")
    root = common.captures()
    if not root:
        tally.skip("no captures (set NRTOOL_CAPTURES)")
        return tally.close()
    tool = common.Nrtool(a.build, root, a.jobs)
    options = ("--checksums", "ignore")
    conns = zeek.zeek9_rows(root, tool.cache.parent)
    arkime = [r for r in common.tsv(root / "EXPECTED.tsv")
              if r["kind"] == "arkime-sessions"]
    files = sorted(set(conns) | {r["pcap"] for r in arkime})
    tool.replay(files, options)
    by_arkime = collections.defaultdict(list)
    for r in arkime:
        by_arkime[r["pcap"]] += arkime_sessions(root / r["baseline"])
    count = collections.Counter()
    for f in files:
        got, wrong = flow_ids(tool.rows(f, options, ["flow"]))
        tally.check(not wrong, f"{f}: {len(wrong)} ids are not of their 5-tuple: "
                    + str([(w[0]["src_ip"], w[0]["dst_ip"], w[0]["proto"],
                            w[0].get("src_port"), w[0].get("dst_port"))
                           for w in wrong[:2]]))
        rows = [zeek.theirs(c) for c in conns.get(f, [])]
        others = {z.community_id for z in rows}
        count += compare(tally, "Zeek", f,
                         [(key(z.proto, z.orig[0], z.orig[1], z.resp[0], z.resp[1]),
                           z.community_id) for z in rows if z.proto != 132], got, others)
        for k in list(got):  # Arkime tells no ICMP types: by addresses alone
            if k[0] in (1, 58):
                got[hosts(k)] |= got[k]
        count += compare(tally, "Arkime", f,
                         [(hosts(k) if k[0] in (1, 58) else k, t[5])
                          for t in by_arkime[f] for k in [key(*t[:5])]], got, others)
    print(f"{count['lacking']} rows have no flow of that 5-tuple here (suite zeek says "
          f"why), {count['quirk']} ids differ for a known quirk")
    return tally.close()


if __name__ == "__main__":
    os.chdir(common.ROOT)
    sys.exit(main())
