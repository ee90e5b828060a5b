#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The bytes of TCP streams, as `nrtool follow` shows them, and the messages in them.

derived/: every transformation that leaves the streams as they were gives the bytes and
the session rows of its base. sound captures: the bytes equal those of tshark's
`follow,tcp,raw` (skipped where tshark is not installed)."""

import fnmatch
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import common
import derived

# What does not have the base's streams, by DERIVED.tsv's own words.
OTHER_STREAMS = [
    "base.pcap", "bad-*", "fuzz-*", "large-*", "fmt-snaplen*", "ng-bad-*", "ng-truncated*",
    "ng-block-len-*", "ng-caplen-overrun*", "ng-option-overrun*", "odd-caplen-gt-len*",
    "odd-version*", "odd-linktype*", "odd-ts-backwards*", "frag-missing-last*",
    "encap-ipip-x200-bomb*", "tcp-gap-*", "tcp-midstream*", "tcp-client-only*",
    "tcp-server-only*", "tcp-syn-only*", "tcp-rst-after-syn*", "tcp-port-reuse*",
    "tcp-60-interleaved*",
]
# Its shuffling puts a segment 136 ms behind the ACK for it: more than any real capture.
OPTIONS = {"tcp-ooo-window8.pcap": ["--ack-grace=1s"]}
PLACE = {"flow_id", "first_flow_id", "source_id", "packet", "ts", "ts_ns", "src_ip",
         "dst_ip", "community_id", "parent_flow_id"}
CORE = {"run", "source", "ledger", "source_block", "interface", "comment", "name", "flow",
        "flow_start", "flow_packets", "tunnel", "anomaly", "arp", "capture_stats"}
MAX_STREAMS = 6  # of one capture, compared with tshark
MAX_BYTES = 400_000


class Case:
    """One capture in a folder of its own, replayed into a database and lines."""

    def __init__(self, nrtool, path):
        self.nrtool, self.path = nrtool, path
        self.dir = Path(tempfile.mkdtemp(prefix="nrtool-streams."))
        p = subprocess.run([nrtool, "replay", str(path), "-q", "--checksums=ignore",
                            "--store-secrets", *OPTIONS.get(path.name, []), "-o", str(self.dir / "x.db"), "-o",
                            str(self.dir / "x.jsonl")], capture_output=True, text=True,
                           check=False)
        self.ok = p.returncode in (0, 3)
        self.words = p.stderr
        lines = (self.dir / "x.jsonl").read_text().splitlines() if self.ok else []
        self.rows = [json.loads(line) for line in lines]
        self.flows = [r for r in self.rows if r["type"] == "flow"]

    def stream(self, flow_id, side):
        p = subprocess.run([self.nrtool, "follow", "-q", "--format=raw", f"--side={side}",
                            "--store-secrets", str(self.dir / "x.db"), str(flow_id)],
                           capture_output=True, check=False)
        return p.stdout if p.returncode == 0 else p.stderr

    def streams(self, flows):
        return sorted((derived.tuple_of(f), *(hashlib.sha256(self.stream(
            f["flow_id"], s)).hexdigest() for s in ("src", "dst"))) for f in flows)

    def messages(self, flows):
        ids = {f["flow_id"] for f in flows}
        return sorted(json.dumps({k: v for k, v in r.items()
                                  if k not in PLACE and not k.endswith("_ns")},
                                 sort_keys=True)
                      for r in self.rows if r["type"] not in CORE
                      and r.get("flow_id", r.get("first_flow_id")) in ids)

    def close(self):
        shutil.rmtree(self.dir)


def check_derived(tally, nrtool, folder):
    base = Case(nrtool, folder / "base.pcap")
    want, said = base.streams(base.flows), base.messages(base.flows)
    tally.check(len(want) == 2 and said, f"base.pcap: {len(want)} flows, {len(said)} messages")

    def one(name):
        case = Case(nrtool, folder / name)
        mine = derived.of_base(case.flows, base.flows)
        # SPAN duplicates and the like may make further flows; streams are a set
        got, heard = case.streams(mine), case.messages(mine)
        case.close()
        return got, heard

    names = [r["file"] for r in common.tsv(folder / "DERIVED.tsv")
             if not any(fnmatch.fnmatchcase(r["file"], p) for p in OTHER_STREAMS)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, (got, heard) in zip(names, pool.map(one, names)):
            tally.check(got == want, f"derived/{name}: other stream bytes")
            tally.check(heard == said, f"derived/{name}: other messages: "
                        f"{len(heard)} against {len(said)}: "
                        f"{sorted(set(heard) ^ set(said))[:1]}")
    base.close()


def tshark_streams(path, n):
    """[(node 0, node 1, bytes of node 0, bytes of node 1)] of the first n streams."""
    words = []
    for i in range(n):
        words += ["-z", f"follow,tcp,raw,{i}"]
    p = subprocess.run(["tshark", "-n", "-q", "-r", str(path), "-o",
                        "tcp.desegment_tcp_streams:TRUE", *words], capture_output=True,
                       text=True, check=False)
    out = []
    for part in p.stdout.split("=" * 67)[1::2]:
        nodes = re.findall(r"Node [01]: (.*)", part)
        lines = part.split("\n")
        sides = [[], []]
        for line in lines:
            h = line.strip()
            if h and not set(h) - set("0123456789abcdef"):
                sides[line.startswith("\t")].append(bytes.fromhex(h))
        out.append((*nodes, b"".join(sides[0]), b"".join(sides[1])))
    return out


def end_of(ip, port):
    return f"{ip}:{port}"


def compare_tshark(nrtool, path):
    """(compared, [what differs])."""
    case = Case(nrtool, path)
    tcp = [f for f in case.flows if f["proto"] == "tcp"]
    at, bad, n = {}, [], 0
    for f in tcp:
        key = frozenset((end_of(f["src_ip"], f["src_port"]), end_of(f["dst_ip"], f["dst_port"])))
        at.setdefault(key, []).append(f)
    for a, b, of_a, of_b in tshark_streams(path, min(len(tcp), MAX_STREAMS)):
        flows = at.get(frozenset((a, b)), [])
        if len(flows) != 1 or a == b:
            continue  # the same ports twice: which is which is another suite's question
        f = flows[0]
        src_is_a = end_of(f["src_ip"], f["src_port"]) == a
        for side, want in (("src", of_a if src_is_a else of_b), ("dst", of_b if src_is_a else of_a)):
            got = case.stream(f["flow_id"], side)
            n += 1
            if got != want:
                bad.append(f"flow {f['flow_id']} {side}: {len(got)} bytes, tshark has {len(want)}")
    case.close()
    return n, bad


def check_tshark(tally, nrtool, root):
    if not shutil.which("tshark"):
        tally.skip("tshark is not installed: streams are not compared with it")
        return
    truth = {r["path"]: r for r in common.tsv(root / "GROUND_TRUTH.tsv")}
    sound = [p for p, r in truth.items() if r["soundness"] == "sound" and
             int(r["tcp_conv"]) > 0 and r["tcp_overlaps"] in ("0", "-") and
             (root / p).stat().st_size <= MAX_BYTES and not p.startswith("derived/")]
    chosen = sound[::max(1, len(sound) // 100)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, (n, bad) in zip(chosen, pool.map(
                lambda p: compare_tshark(nrtool, root / p), chosen)):
            for _ in range(n - len(bad)):
                tally.check(True)
            for words in bad:
                tally.check(False, f"{path}: {words}")


def main():
    opts = common.arguments(__doc__).parse_args()
    tally = common.Tally("streams")
    root = common.captures()
    if not root:
        tally.skip("no captures here")
        return tally.close()
    nrtool = str(Path(opts.build) / "cli" / "nrtool")
    check_derived(tally, nrtool, root / "derived")
    check_tshark(tally, nrtool, root)
    return tally.close()


if __name__ == "__main__":
    os.chdir(common.ROOT)
    sys.exit(main())
