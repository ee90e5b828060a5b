#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""extract against an independent selection: for each capture some flows are chosen, and
the frames that nrtool extracts must be those that tshark's filter for the same addresses
and ports finds: the same bytes, lengths, times, interfaces and comments, in order.

Single captures with tunnels, fragments, VLANs, several interfaces, then several captures in
one database. tests/captures/extract.py --build DIR [--file CAPTURE] [--jobs N]"""

import concurrent.futures
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import common

# What must be among them; the rest is a sample of all captures that tshark reads well.
WANTED = re.compile(
    r"^derived/(encap|frag|frag6|ng|link|be|ns|gz|zst|xz|lz4)[-.]|vlan|vxlan|geneve|gtp|teredo"
    r"|l2tp|erspan|6in4|frag_http|ip4_frag|ip6_frag|many_interfaces|ng-interfaces"
    r"|http-connect-fragmented|pppoe|mpls|GrePackets|dns_fragmented|smb_frags", re.I)
SAMPLE = 40
FACTS = ["frame.number", "frame.time_epoch", "frame.len", "frame.cap_len",
         "frame.md5_hash", "frame.encap_type", "frame.interface_name", "frame.comment",
         "ip.reassembled_in", "ipv6.reassembled.in"]

NO_ERRORS = "!(icmp.type in {3,4,5,11,12}) && !(icmpv6.type in {1,2,3,4})"

# Captures where tshark itself finds other frames, and why.
EXCEPTIONS = dict(line.rstrip("\n").split("\t", 1) for line in
                  open(common.HERE / "extract_exceptions.tsv", encoding="utf-8")
                  if line.strip() and not line.startswith("#"))


def tshark(path, *words):
    p = subprocess.run(["tshark", "-r", str(path), "-o", "frame.generate_md5_hash:TRUE",
                        "-o", "nameres.network_name:FALSE", *words],
                       capture_output=True, text=True, errors="replace", check=False)
    if "aren't valid" in p.stderr or (p.returncode and not p.stdout):
        raise RuntimeError(f"tshark: {p.stderr[-300:]}")
    return [line for line in p.stdout.split("\n") if line]  # not at \x1e


def facts(path, filter_text=None):
    """What tshark says of every frame, or of those that match; comments separated by \\x1e."""
    words = ["-2", "-T", "fields", "-E", "separator=\x1f", "-E", "aggregator=\x1e"]
    if filter_text:
        words += ["-Y", filter_text]
    for f in FACTS:
        words += ["-e", f]
    rows = [line.split("\x1f") for line in tshark(path, *words)]
    return [dict(zip(FACTS, r)) for r in rows if len(r) == len(FACTS)]


def matching(path, filter_text):
    return {int(n) for n in tshark(path, "-2", "-Y", filter_text, "-T", "fields", "-e",
                                   "frame.number") if n.isdigit()}


def run(a, *words, status=0):
    p = subprocess.run([f"{a.build}/cli/nrtool", *map(str, words)], capture_output=True,
                       text=True, errors="replace", check=False)
    allowed = status if isinstance(status, tuple) else (status,)
    if p.returncode not in allowed:
        raise RuntimeError(f"nrtool {words[0]}: status {p.returncode}: {p.stderr[-300:]}")
    return p.stdout


def choose(a, db, n=4):
    """Some flows with ports, the same on every run; those in and around tunnels first."""
    rows = [json.loads(line) for line in run(
        a, "query", db, "--format=jsonl",
        "SELECT DISTINCT proto, src_ip, src_port, dst_ip, dst_port, tunnel IS NOT NULL OR "
        "coalesce(service IN ('vxlan','geneve','gtpu','teredo','l2tp'), 0) AS t, "
        "coalesce(service, '') IN (SELECT DISTINCT service FROM flow WHERE flow_id IN "
        "(SELECT parent_flow_id FROM flow)) AS c FROM flow WHERE "
        "proto IN ('tcp','udp','sctp') AND src_port > 0 AND dst_port > 0").splitlines()]
    rows.sort(key=lambda r: (-r["t"], hashlib.sha256(json.dumps(
        [r["proto"], *sorted([(r["src_ip"], r["src_port"]), (r["dst_ip"], r["dst_port"])])]
        ).encode()).digest()))
    return rows[:n]


def sql_of(flows):
    def one(r):
        def way(a, b):
            return (f"(src_ip = '{r[a + '_ip']}' AND src_port = {r[a + '_port']} AND "
                    f"dst_ip = '{r[b + '_ip']}' AND dst_port = {r[b + '_port']})")
        return f"(proto = '{r['proto']}' AND ({way('src', 'dst')} OR {way('dst', 'src')}))"
    return " OR ".join(map(one, flows))


def filter_of(flows):
    """The same for tshark; what ICMP errors quote is no packet of the flow."""
    def one(r):
        ip = "ipv6" if ":" in r["src_ip"] else "ip"

        def way(a, b):
            return (f"({ip}.src == {r[a + '_ip']} && {ip}.dst == {r[b + '_ip']} && "
                    f"{r['proto']}.srcport == {r[a + '_port']} && "
                    f"{r['proto']}.dstport == {r[b + '_port']})")
        return f"{way('src', 'dst')} || {way('dst', 'src')}"
    # what a tunnel carries may well be an error
    flat, tunnels = [f for f in flows if not f["c"]], [f for f in flows if f["c"]]
    parts = [f"({' || '.join(map(one, flat))}) && {NO_ERRORS}"] if flat else []
    return " || ".join([*parts, *map(one, tunnels)])


def number_set(text):
    return {int(n) for n in re.split(r"[\x1e,]", text) if n.isdigit()}


def expected(path, flows):
    """tshark's frames: those that match, and the fragments they were put together from."""
    text = filter_of(flows)
    rows = facts(path, f"({text}) || ip.reassembled_in || ipv6.reassembled.in")
    if not any(f["ip.reassembled_in"] or f["ipv6.reassembled.in"] for f in rows):
        return rows
    found = matching(path, text)
    return [f for f in rows
            if int(f["frame.number"]) in found
            or (number_set(f["ip.reassembled_in"]) | number_set(f["ipv6.reassembled.in"]))
            & found]


def comments(f):
    return [c for c in f["frame.comment"].split("\x1e") if c]


def same(want, got, is_ng):
    """Why two frames differ, or None."""
    for key in ("frame.time_epoch", "frame.len", "frame.cap_len", "frame.md5_hash",
                "frame.encap_type"):
        if want[key] != got[key] and want[key]:  # a simple packet block has no time
            return f"{key} of frame {want['frame.number']}: {want[key]} and {got[key]}"
    if is_ng and want["frame.interface_name"] != got["frame.interface_name"]:
        return f"interface of frame {want['frame.number']}"
    said = comments(got)
    if said[:-1] != comments(want):
        return f"comments of frame {want['frame.number']}: {said[:3]}"
    m = re.search(r"nrtool: flow_id \d+, source_id \d+ \(.*\), packet (\d+)$", said[-1])
    if not m or m[1] != want["frame.number"]:
        return f"the comment of frame {want['frame.number']} says {said[-1]}"
    return None


def check_one(a, path):
    """(verdict, words): ok, none (no flows to choose), failed."""
    with tempfile.TemporaryDirectory(prefix="nrtool-extract-") as d:
        try:
            run(a, "replay", "-q", path, "-o", f"{d}/a.db", status=(0, 3))
            flows = choose(a, f"{d}/a.db")
            if not flows:
                return "none", "no flows with ports"
            run(a, "extract", f"{d}/a.db", "-q", "--where", sql_of(flows), "-w",
                f"{d}/out.pcapng")
        except RuntimeError as e:
            return "failed", str(e)
        want, got = expected(path, flows), facts(f"{d}/out.pcapng")
        if len(want) != len(got) or not want:
            frames = [int(re.search(r"packet (\d+)$", comments(f)[-1])[1]) for f in got]
            diff = sorted(set(frames) ^ {int(f["frame.number"]) for f in want})
            return "failed", (f"tshark finds {len(want)} frames, extract {len(got)}; "
                              f"differ: {diff[:6]}; {filter_of(flows)[:150]}")
        with open(path, "rb") as f:
            is_ng = f.read(4) == b"\n\r\r\n"
        for w, g in zip(want, got):
            why = same(w, g, is_ng)
            if why:
                return "failed", why
        return "ok", f"{len(got)}"


def times(frames):
    return [int(f["frame.time_epoch"].replace(".", "")) for f in frames]


def check_set(a, paths):
    """Several captures in one database: each one's frames in order, all in order of time."""
    with tempfile.TemporaryDirectory(prefix="nrtool-extract-") as d:
        run(a, "replay", "-q", *paths, "-o", f"{d}/a.db", status=(0, 3))
        flows = [f for f in choose(a, f"{d}/a.db", 1000)][:12]
        run(a, "extract", f"{d}/a.db", "-q", "--where", sql_of(flows), "-w",
            f"{d}/out.pcapng")
        got = facts(f"{d}/out.pcapng")
        by_source = {}
        for f in got:
            m = re.search(r"source_id (\d+) \(.*\), packet (\d+)$", comments(f)[-1])
            by_source.setdefault(int(m[1]), []).append((int(m[2]), f["frame.md5_hash"]))
        monotone = True
        for i, path in enumerate(paths):
            frames = expected(path, flows)
            want = [(int(f["frame.number"]), f["frame.md5_hash"]) for f in frames]
            if want != by_source.get(i + 1, []):
                return "failed", f"{path}: {len(want)} and {len(by_source.get(i + 1, []))}"
            monotone &= times(frames) == sorted(times(frames))
        if monotone and times(got) != sorted(times(got)):
            return "failed", "the frames are not in order of time"
        return "ok", f"{len(got)}"


def sets(root, files):
    """Groups of captures that overlap in time or not."""
    span = {}
    for r in common.tsv(root / "GROUND_TRUTH.tsv"):
        if r["soundness"] == "sound" and r["path"] in files and \
                int(r["tcp_conv"]) + int(r["udp_conv"]) > 1:
            span[r["path"]] = r["first_ts"]
    span = {p: float(t) for p, t in span.items() if t.replace(".", "").isdigit()}
    by_time = sorted(span, key=lambda p: (span[p], p))
    step = max(1, len(by_time) // 6)
    return [by_time[i:i + 4] for i in range(0, len(by_time) - 3, step)]


def main():
    p = common.arguments(__doc__)
    p.add_argument("--file", action="append", default=[], help="only this capture")
    a = p.parse_args()
    a.build = str(Path(a.build).resolve())
    tally = common.Tally("extract")
    root = common.captures()
    if not root and not a.file:
        tally.skip("no captures (set NRTOOL_CAPTURES)")
        return tally.close()
    if a.file:
        for f in a.file:
            verdict, words = check_one(a, Path(f).resolve())
            tally.check(verdict == "ok", f"{f}: {words}")
        return tally.close()
    sound = {r["path"] for r in common.tsv(root / "GROUND_TRUTH.tsv")
             if r["soundness"] == "sound" and int(r["packets"]) < 3000}
    files = [f for f in common.manifest(root) if f in sound]
    wanted = [f for f in files if WANTED.search(f)]
    wanted += [f for f in common.pick([f for f in files if f not in wanted], SAMPLE)]
    ok = none = frames = 0
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        for f, (verdict, words) in zip(wanted, pool.map(
                lambda f: check_one(a, root / f), wanted)):
            if verdict == "none":
                none += 1
            elif f in EXCEPTIONS:
                tally.check(verdict == "failed", f"{f}: is an exception, and agrees")
            elif tally.check(verdict == "ok", f"{f}: {words}"):
                ok += 1
                frames += int(words)
        groups = sets(root, set(wanted) - set(EXCEPTIONS))
        for g, (verdict, words) in zip(groups, pool.map(
                lambda g: check_set(a, [root / f for f in g]), groups)):
            tally.check(verdict == "ok", f"{', '.join(g)}: {words}")
    tally.check(ok >= 50, f"only {ok} captures could be compared")
    print(f"extract: {ok} captures and {len(groups)} sets of four agree with tshark, "
          f"{frames} frames; {none} without flows that have ports", flush=True)
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
