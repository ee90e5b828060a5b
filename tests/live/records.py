# SPDX-License-Identifier: BSD-3-Clause
"""The record tables of two session databases, compared row by row."""

import sqlite3
import struct
from collections import Counter

# What describes the run or the container, and so may differ.
NOT_RECORDS = {"run", "source", "source_block", "interface", "comment", "name", "capture_stats"}
SAME = {
    ("flow", "end_reason"): "iif(end_reason = 'idle', 'end_of_input', end_reason)",
    ("anomaly", "detail"): "iif(kind = 'tcp_gap', json_set(detail, '$.reason', 'end'), detail)",
}
# When a hole is given up is a matter of time: with which packet, too.
SAME_BUT_TIMES = {
    ("anomaly", "packet"): "iif(kind = 'tcp_gap', NULL, packet)",
}
# Times that stand in the packets; all others are times of packets, or computed from them.
CONTENT = {"reference_ns", "origin_ns", "receive_ns", "transmit_ns", "root_delay_ns",
           "root_dispersion_ns", "not_before_ns", "not_after_ns"}


def tables(path, times=True, ignore=()):
    """{table: Counter of rows}; end reason idle counts as end_of_input, and every reason
    of a gap as `end`: the host's clock may end a flow, or give up a hole, after the last
    packet."""
    same = SAME if times else {**SAME, **SAME_BUT_TIMES}
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    db.text_factory = bytes
    out = {}
    try:
        names = [n.decode() for (n,) in db.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")]
        for t in names:
            if t in NOT_RECORDS:
                continue
            cols = [c[1].decode() for c in db.execute(f"PRAGMA table_info({t})")]
            cols = [c for c in cols if (times or not c.endswith("_ns") or c in CONTENT)
                    and c not in ignore]
            pick = ", ".join(same.get((t, c), f'"{c}"') for c in cols)
            out[t] = Counter(db.execute(f"SELECT {pick} FROM {t}"))
    finally:
        db.close()
    return out


def differences(a, b, limit=3):
    """Sentences: rows that one has and the other has not."""
    out = []
    for t in sorted(set(a) | set(b)):
        for sign, x in (("-", a.get(t, Counter()) - b.get(t, Counter())),
                        ("+", b.get(t, Counter()) - a.get(t, Counter()))):
            out += [f"{sign} {t}: {row}" for row in list(x)[:limit]]
            if len(x) > limit:
                out.append(f"{sign} {t}: {len(x) - limit} more")
    return out


def read_pcap(path):
    """[(ns, frame, wire length)] of a plain pcap file of Ethernet; None: it is another."""
    b = path.read_bytes()
    if len(b) < 24:
        return None
    for order in "<>":
        magic = struct.unpack(order + "I", b[:4])[0]
        if magic in (0xa1b2c3d4, 0xa1b23c4d):
            break
    else:
        return None
    if struct.unpack(order + "I", b[20:24])[0] != 1:
        return None
    unit = 1000 if magic == 0xa1b2c3d4 else 1
    out, at = [], 24
    while at + 16 <= len(b):
        s, f, cap, wire = struct.unpack(order + "IIII", b[at:at + 16])
        at += 16
        if at + cap > len(b):
            return None
        out.append((s * 10**9 + f * unit, b[at:at + cap], wire))
        at += cap
    return out if at == len(b) else None
