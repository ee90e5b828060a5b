#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""seeds.py HARNESS OUT DIR…: a corpus for a harness from the captures below DIR.

Each harness has its own form (the comment at its head says which): `source` and `archive` take a
byte of options and a file (archives, JSON lines), `decode` and `engine` a list of packets."""

import hashlib
import struct
import sys
from pathlib import Path

MAX_FILE = 16 << 10
LINK_TYPES = [1, 0, 101, 113, 105, 127, 9, 50, 51, 107, 100, 228, 229, 108, 239, 117, 10, 6]


def packets(b):
    """(link type, [(seconds, captured bytes, wire length)]) of a pcap, or None."""
    order = {b"\xd4\xc3\xb2\xa1": "<", b"\x4d\x3c\xb2\xa1": "<",
             b"\xa1\xb2\xc3\xd4": ">", b"\xa1\xb2\x3c\x4d": ">"}.get(b[:4])
    if not order or len(b) < 24:
        return None
    link, at, out = struct.unpack_from(order + "I", b, 20)[0] & 0xffff, 24, []
    while at + 16 <= len(b) and len(out) < 64:
        sec, _, cap, wire = struct.unpack_from(order + "IIII", b, at)
        out.append((sec, b[at + 16:at + 16 + cap][:65535], wire))
        at += 16 + cap
    return link, out


def payload(link, b):
    """(protocol, source, bytes of the transport's payload) of a frame, or None."""
    at = {1: 14, 113: 16, 101: 0, 12: 0, 0: 4, 276: 20}.get(link)
    if at is None or len(b) < at + 20:
        return None
    if link == 1 and b[12:14] == b"\x81\x00":
        at += 4
    ip = b[at:]
    if not ip:
        return None
    if ip[0] >> 4 == 4 and len(ip) >= 20:
        proto, src, l4 = ip[9], ip[12:16], ip[(ip[0] & 15) * 4:struct.unpack_from(">H", ip, 2)[0] or None]
    elif ip[0] >> 4 == 6 and len(ip) >= 40:
        proto, src, l4 = ip[6], ip[8:24], ip[40:]
    else:
        return None
    if proto == 6 and len(l4) >= 20:
        return proto, src + l4[:2], l4[(l4[12] >> 4) * 4:]
    if proto == 17 and len(l4) >= 8:
        return proto, src + l4[:2], l4[8:]
    return (proto, src, l4) if proto in (1, 58) else None


def parser_seed(link, rows):
    """The payloads of a capture as if they were one conversation."""
    s, first, kind = b"", None, None
    for _, data, _ in rows:
        p = payload(link, data)
        if not p or not p[2] or p[0] != (kind or p[0]):
            continue
        kind = p[0]
        first = first or p[1]
        s += struct.pack(">BH", p[1] != first, len(p[2])) + p[2]
    return bytes([0, 0 if kind == 6 else 5 if kind == 58 else 1]) + s if s else None


def quic_seed(rows):
    """Hellos of TLS as if they had come in QUIC's CRYPTO frames, in one piece or three."""
    s = b""
    for k, (_, data, _) in enumerate(rows):
        for side, kind in ((0, b"\x01"), (1, b"\x02")):
            at = data.find(kind + b"\0", 0, 200)
            if at < 5 or data[at - 5:at - 3] not in (b"\x16\x03",):
                continue
            n = 4 + int.from_bytes(data[at + 1:at + 4], "big")
            m = data[at:at + n][:1400]
            cuts = [0, len(m)] if k % 2 else [0, len(m) // 3, len(m) // 2, len(m)]
            f = b"".join(b"\x06" + struct.pack(">HH", a | 0x4000, (z - a) | 0x4000) + m[a:z]
                         for a, z in zip(cuts, cuts[1:]))
            s += struct.pack(">BH", side, len(f)) + f
    return s


def recall_seed(b):
    """A capture with a flow of its first packets and one of every other."""
    n = len((packets(b) or (0, [0] * 8))[1])
    chunks = [b"\x01" + b"\x02" * (n - 1), b"\x01" + b"\x04" * ((n - 1) // 2)]
    s = bytes([len(b) & 3, 2]) + b"".join(struct.pack("<H", len(c)) + c for c in chunks)
    return s + bytes([1]) + struct.pack("<IIi", 1, 24, 0) + b


def seed(harness, b):
    if harness == "source":
        return b"\x00" + b
    if harness == "archive":
        if b[:4] == b"\x28\xb5\x2f\xfd":
            return b"\x00" + b
        return b"\x02" + b.split(b"\n", 1)[0] if b[:1] == b"{" else None
    if harness == "recall":
        return recall_seed(b)
    p = packets(b)
    if not p or not p[1]:
        return None
    link, rows = p
    if harness == "quic":
        return quic_seed(rows)
    if harness.startswith("parser"):
        return parser_seed(link, rows)
    if harness == "decode":
        s = struct.pack(">H", link)
        for _, data, wire in rows:
            s += struct.pack(">HBBH", min(max(wire - len(data), 0), 65535), 0, 1,
                             len(data)) + data
        return s
    if link not in LINK_TYPES:
        return None
    s = bytes([0, LINK_TYPES.index(link)])
    for k, (sec, data, wire) in enumerate(rows):
        step = min(max(sec - rows[k - 1][0] if k else 0, 0), 1000)
        s += struct.pack(">hHH", int((step * 10 ** 6) ** 0.5) if step else 100,
                         min(wire - len(data), 65535) | 1 if wire > len(data) else 0,
                         len(data)) + data
    return s


def main(harness, out, *dirs):
    Path(out).mkdir(parents=True, exist_ok=True)
    n = 0
    for d in dirs:
        for f in sorted(Path(d).rglob("*")):
            if not f.is_file() or f.stat().st_size > MAX_FILE:
                continue
            s = seed(harness, f.read_bytes())
            if s and len(s) <= 1 << 16:
                Path(out, hashlib.sha1(s).hexdigest()[:16]).write_bytes(s)
                n += 1
    print(f"{n} seeds for {harness} in {out}")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
