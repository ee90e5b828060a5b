# SPDX-License-Identifier: BSD-3-Clause
import os
import sqlite3
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = ROOT / "testdata"
NRTOOL = Path(os.environ.get("NRTOOL_BUILD", ROOT / "build"), "cli", "nrtool")
IS_ASAN = b"__asan_init" in NRTOOL.read_bytes()


class Case(unittest.TestCase):
    """A test in a temporary folder of its own."""

    maxDiff = None

    def setUp(self):
        t = tempfile.TemporaryDirectory(prefix="nrtool-cli-")
        self.addCleanup(t.cleanup)
        self.dir = Path(t.name)

    def nrtool(self, *words, status=0, env=None, **more):
        more.setdefault("timeout", 300)
        p = subprocess.run([str(NRTOOL), *map(str, words)], cwd=self.dir, text=True,
                           errors="replace", capture_output=True, check=False,
                           env={**os.environ, **(env or {})},
                           **({} if "input" in more or "stdin" in more
                              else {"stdin": subprocess.DEVNULL}), **more)
        self.assertEqual(p.returncode, status, f"{words}\n{p.stdout[-2000:]}\n{p.stderr[-4000:]}")
        return p

    def query(self, database, sql):
        db = sqlite3.connect(f"file:{self.dir / database}?mode=ro", uri=True)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()


def report_params(name):
    """Options for a report: values of the parameters that it has."""
    sql = (ROOT / f"sql/reports/{name}.sql").read_text()
    values = {"flow": 16, "ip": "10.0.0.80", "source": 1, "packet": 3, "name": "github.com"}
    return [f"--param={k}={v}" for k, v in values.items() if f":{k}" in sql]


def conversation(*said, port=80, arrange=list):
    """A pcap of one TCP connection: (side, bytes), a millisecond between packets. arrange:
    what becomes of the list of frames that bring data."""
    seq, frames = [1000, 5000], []

    def packet(side, flags, data=b""):
        ends = ((b"\x0a\0\0\1", 40000), (b"\x0a\0\0\2", port))
        (a, sport), (b, dport) = ends[side], ends[not side]
        tcp = struct.pack(">HHIIBBHHH", sport, dport, seq[side],
                          seq[not side] if flags & 16 else 0, 0x50, flags, 8192, 0, 0)
        frames.append(struct.pack(">BBHHHBBH", 0x45, 0, 40 + len(data), 0, 0, 64, 6, 0)
                      + a + b + tcp + data)
        seq[side] += len(data) + (flags & 3 != 0)

    packet(0, 2)
    packet(1, 18)
    for side, data in said:
        for i in range(0, len(data), 1000):
            packet(side, 24, data[i:i + 1000])
    packet(0, 17)
    packet(1, 17)
    frames[2:-2] = arrange(frames[2:-2])
    out = struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101)
    for i, f in enumerate(frames):
        out += struct.pack("<IIII", 1700000000, i * 1000, len(f), len(f)) + f
    return out
