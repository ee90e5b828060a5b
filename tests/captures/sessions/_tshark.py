# SPDX-License-Identifier: BSD-3-Clause
"""Packets as tshark's dissectors of lines see them, for mappings to what it counts."""

import frames


def payloads(path, src, dst):
    """[(number, time in ns, sequence number, payload)] of the TCP packets from src to dst, each an
    address and a port."""
    out = []
    for n, f in enumerate(frames.frames(path), 1):
        at = frames.header_at(f, src[0], dst[0])
        if at is None:
            continue
        ip = f.data[at:]
        four = ip[0] >> 4 == 4
        if (ip[9] if four else ip[6]) != 6:
            continue
        head = (ip[0] & 15) * 4 if four else 40
        total = int.from_bytes(ip[2:4] if four else ip[4:6], "big") + (0 if four else 40)
        tcp = ip[head:total]
        ports = int.from_bytes(tcp[:2], "big"), int.from_bytes(tcp[2:4], "big")
        if len(tcp) >= 20 and ports == (src[1], dst[1]):
            out.append((n, f.sec * 10**9 + f.frac * 10**9 // f.unit,
                        int.from_bytes(tcp[4:8], "big"), tcp[(tcp[12] >> 4) * 4:]))
    return out


def new_packets(path, src, dst):
    """[(number, time in ns, payload)] of those that hold bytes not seen before."""
    expected = None
    for n, t, seq, payload in payloads(path, src, dst):
        again = expected is not None and (expected - seq) & 0xffffffff in range(1, 1 << 31)
        if payload and not again:
            expected = (seq + len(payload)) & 0xffffffff
            yield n, t, payload
