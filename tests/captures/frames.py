# SPDX-License-Identifier: BSD-3-Clause
"""Frames of pcap and little-endian pcapng files (also gzip), for classes that must look at
a row's own packets."""

import collections
import functools
import ipaddress
import struct

import common

# frac: the fraction as the file has it, unsigned; unit: how many make a second
Frame = collections.namedtuple("Frame", "link sec frac unit wire data")
MAGIC = {0xa1b2c3d4: 10**6, 0xa1b23c4d: 10**9}


def ng_frames(f, most):
    """Enhanced packet blocks; times as microseconds, whatever the interface says."""
    out, links = [], []
    f.seek(0)
    while len(out) < most:
        h = f.read(8)
        if len(h) < 8:
            break
        kind, n = struct.unpack("<II", h)
        if n < 12 or n > 1 << 20:
            break
        body = f.read(n - 8)
        if kind == 1 and len(body) >= 2:
            links.append(struct.unpack("<H", body[:2])[0])
        elif kind == 6 and len(body) >= 20:
            at, high, low, cap, wire = struct.unpack("<IIIII", body[:20])
            t = high << 32 | low
            link = links[at] if at < len(links) else 0xffff
            out.append(Frame(link, t // 10**6, t % 10**6, 10**6, wire,
                             body[20:20 + cap]))
    return out


def frames(path, most=20000):
    """The first frames of a file; none of one in another format."""
    out = []
    with common.open_packed(str(path)) as f:
        head = f.read(24)
        if head[:4] == b"\x0a\x0d\x0d\x0a" and head[8:12] == b"\x4d\x3c\x2b\x1a":
            return ng_frames(f, most)
        for order in "<>":
            if len(head) == 24 and struct.unpack(order + "I", head[:4])[0] in MAGIC:
                break
        else:
            return out
        magic, _, _, _, _, _, link = struct.unpack(order + "IHHiIII", head)
        while len(out) < most:
            h = f.read(16)
            if len(h) < 16:
                break
            sec, frac, cap, wire = struct.unpack(order + "IIII", h)
            if cap > 1 << 18:
                break
            out.append(Frame(link & 0xffff, sec, frac, MAGIC[magic], wire, f.read(cap)))
    return out


METADATA = b"\x89\x09"


@functools.lru_cache(maxsize=None)
def behind_metadata(path):
    """Pairs of IPv4 hosts in whose Ethernet frames Cisco's metadata (group tags, ethertype
    0x8909) stand before IP: Zeek reads none of these."""
    out = set()
    if METADATA not in open(path, "rb").read():
        return out
    for f in frames(path):
        d = f.data
        if f.link == 1 and d[12:14] == METADATA and len(d) > 16:
            ip = 18 + 4 * d[15]
            if d[ip - 2:ip] == b"\x08\x00" and len(d) >= ip + 20:
                out.add(frozenset(str(ipaddress.ip_address(d[ip + at:ip + at + 4]))
                                  for at in (12, 16)))
    return out


def header_at(frame, a, b):
    """Where an IP header with these two addresses begins in a frame (the innermost)."""
    a, b = (ipaddress.ip_address(x).packed for x in (a, b))
    back = 12 if len(a) == 4 else 8
    for pair in (a + b, b + a):
        at = frame.data.rfind(pair)
        if at >= back and frame.data[at - back] >> 4 == (4 if len(a) == 4 else 6):
            return at - back
    return None


def of_row(path, r):
    """[(frame, offset of the IP header)] of the packets between a row's two hosts."""
    found = ((f, header_at(f, r.orig[0], r.resp[0])) for f in frames(path))
    return [(f, at) for f, at in found if at is not None]
