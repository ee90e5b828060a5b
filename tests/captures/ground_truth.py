#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Packets, TCP conversations and UDP 5-tuples against tshark, on all sound captures.

Every difference needs an entry in ground_truth_exceptions.tsv with the same figures, a
class and a reason; an entry that no longer differs fails too. `--update` rewrites the
list: what is new gets the class `unexplained`, which fails until somebody explains it.

TCP rows count as one where only a timer cut them (tshark has none): the later row does
not begin with a SYN, or the former ended idle. A SYN train that the attempt timer cut
and a true reuse of the ports after silence look alike in the rows (the initial sequence
number decides, and is no column), so there either count is right."""

import collections
import os
import sys
from multiprocessing import Pool

import common

COLUMNS = {"packets": "packets", "tcp": "tcp_conv", "udp": "udp_conv"}
LIST = common.HERE / "ground_truth_exceptions.tsv"
HEAD = ["path", "column", "tshark", "nrtool", "class", "reason"]
LIMIT = 0.03  # of the files that have any
# tshark's own column shows one 5-tuple as two streams there: no count of 5-tuples.
NOT_COUNTED = {"tshark_twice"}


def key(r):
    a = (r["src_ip"], r.get("src_port", 0))
    b = (r["dst_ip"], r.get("dst_port", 0))
    return (a, b) if a <= b else (b, a)


def begins_with_syn(r):
    return r.get("history", "").lstrip("^CcTtWw")[:1] in ("S", "s", "H", "h")


def conversations(rows):
    """(fewest, most) conversations that TCP rows can be once timers are taken out."""
    by = collections.defaultdict(list)
    for r in rows:
        by[key(r)].append(r)
    fewest = most = 0
    for same in by.values():
        same.sort(key=lambda r: r["flow_id"])  # in packet order
        fewest += 1
        most += 1
        for former, later in zip(same, same[1:]):
            if former.get("end_reason") == "replaced":
                fewest += 1
                most += 1
            elif begins_with_syn(later):
                most += 1
                fewest += former.get("end_reason") not in ("idle", "evicted")
    return fewest, most


def count(rows):
    tcp = [r for r in rows if r["type"] == "flow" and r["proto"] == "tcp"]
    udp = {key(r) for r in rows if r["type"] == "flow" and r["proto"] == "udp"}
    return {
        "packets": (sum(r.get("packets", 0) for r in rows if r["type"] == "source"),) * 2,
        "tcp": conversations(tcp),
        "udp": (len(udp),) * 2,
    }


def count_file(path):
    return count(common.read_rows(path, ["flow", "source"]))


def text(figures):
    return str(figures[0]) if figures[0] == figures[1] else f"{figures[0]}..{figures[1]}"


def differences(truth, counts):
    """{(path, column): (tshark, ours)} where they disagree, and files with any."""
    found, having = {}, collections.Counter()
    for path, t in truth.items():
        for col, name in COLUMNS.items():
            want = int(t[name])
            low, high = counts[path][col]
            if want or high:
                having[col] += 1
            if not low <= want <= high:
                found[path, col] = (str(want), text((low, high)))
    return found, having


def judge(tally, found, having, listed):
    """Holds the differences against the committed list."""
    for k, (want, got) in sorted(found.items()):
        e = listed.get(k)
        ok = (e and (e["tshark"], e["nrtool"]) == (want, got)
              and e["class"] not in ("", "unexplained"))
        tally.check(ok, f"{k[0]} {k[1]}: tshark {want}, nrtool {got}"
                    + ("" if not e else f" (listed: {e['nrtool']}, {e['class']})"))
    for k in sorted(set(listed) - set(found)):
        tally.check(False, f"{k[0]} {k[1]} is listed and no longer differs")
    for col in COLUMNS:
        n = sum(k[1] == col and listed.get(k, {}).get("class") not in NOT_COUNTED
                for k in found)
        share = n / max(1, having[col])
        limit = 0 if col == "packets" else LIMIT
        tally.check(share <= limit,
                    f"{col}: {n} of {having[col]} files differ ({share:.1%})")
        print(f"{col}: {having[col] - n} of {having[col]} files equal ({1 - share:.2%})")
        tally.passed += having[col] - n


def write(found, listed):
    with open(LIST, "w", encoding="utf-8") as f:
        f.write("\t".join(HEAD) + "\n")
        for k, (want, got) in sorted(found.items()):
            e = listed.get(k) or {}
            same = e.get("nrtool") == got
            f.write("\t".join([*k, want, got, e["class"] if same else "unexplained",
                               e["reason"] if same else "-"]) + "\n")


def main():
    p = common.arguments(__doc__)
    p.add_argument("--update", action="store_true", help="rewrite the list")
    a = p.parse_args()
    tally = common.Tally("ground truth")
    root = common.captures()
    if not root:
        tally.skip("no captures (set NRTOOL_CAPTURES)")
        return tally.close()
    truth = {r["path"]: r for r in common.tsv(root / "GROUND_TRUTH.tsv")
             if r["soundness"] == "sound"}
    files = list(truth)
    tool = common.Nrtool(a.build, root, a.jobs)
    tool.replay(files)
    with Pool(a.jobs) as pool:
        counts = dict(zip(files, pool.map(count_file, [tool.out(f, ()) for f in files],
                                          chunksize=16)))
    found, having = differences(truth, counts)
    listed = {(e["path"], e["column"]): e for e in common.tsv(LIST)}
    if a.update:
        write(found, listed)
        listed = {(e["path"], e["column"]): e for e in common.tsv(LIST)}
    judge(tally, found, having, listed)
    return tally.close()


if __name__ == "__main__":
    os.chdir(common.ROOT)
    sys.exit(main())
