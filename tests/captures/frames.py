# SPDX-License-Identifier: BSD-3-Clause
"""Frames of classic pcap files, for classes that must look at a row's own packets."""

import collections
import ipaddress
import struct

# frac: the fraction as the file has it, unsigned; unit: how many make a second
Frame = collections.namedtuple("Frame", "link sec frac unit wire data")
MAGIC = {0xa1b2c3d4: 10**6, 0xa1b23c4d: 10**9}


def frames(path, most=20000):
    """The first frames of a file; none of one that is no plain pcap."""
    out = []
    with open(path, "rb") as f:
        head = f.read(24)
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
