# SPDX-License-Identifier: BSD-3-Clause
"""Address conflicts: an address is one within its VLANs."""

import struct

from common import Case


def announcement(vlan, mac):
    """192.168.1.1 is at mac."""
    tag = struct.pack(">HH", 0x8100, vlan) if vlan else b""
    return (b"\xff" * 6 + mac + tag + struct.pack(">HHHBBH", 0x806, 1, 0x800, 6, 4, 1)
            + mac + b"\xc0\xa8\1\1" + bytes(6) + b"\xc0\xa8\1\1").ljust(60, b"\0")


class Arp(Case):
    def conflicts(self, *frames, options=()):
        out = struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)
        for i, f in enumerate(frames):
            out += struct.pack("<IIII", 1700000000 + i, 0, len(f), len(f)) + f
        (self.dir / "x.pcap").write_bytes(out)
        self.nrtool("replay", "x.pcap", "-q", "--force", *options, "-o", "x.db")
        [(told,)] = self.query("x.db", "SELECT count(*) FROM anomaly WHERE kind = 'arp_conflict'")
        self.assertEqual(self.query("x.db", "SELECT sum(conflict) FROM arp"), [(told,)])
        return told

    def test_conflicts(self):
        a, b = b"\2\0\0\0\0\1", b"\2\0\0\0\0\2"
        self.assertEqual(self.conflicts(announcement(0, a), announcement(0, a)), 0)
        self.assertEqual(self.conflicts(announcement(0, a), announcement(0, b)), 1)
        self.assertEqual(self.conflicts(announcement(7, a), announcement(7, b)), 1)
        two = announcement(7, a), announcement(8, b)
        self.assertEqual(self.conflicts(*two), 0)
        self.assertEqual(self.conflicts(*two, options=["--no-vlan-key"]), 1)
