#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A capture without a wire for a long time: rotation, retention, flat memory.

usage: tests/keep/soak.py [--build DIR] [SECONDS]

Frames of a capture go round and round through tests/keep/drive, a new packet file every
few thousand, a new database every few of those. Checked: memory does not grow, no more
files are there than are to be kept, databases that are finished are whole. The last line
counts."""

import argparse
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
KEEP = 6


def resident(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    return 0


class Soak:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, ok, words):
        self.passed += bool(ok)
        self.failed += not ok
        if not ok:
            print("FAIL", words, flush=True)

    def databases(self, folder):
        """All but the newest ones, which may be in work, are one whole file each."""
        for d in sorted(folder.glob("x-*.db"))[:-3]:
            try:
                db = sqlite3.connect(f"file:{d}?mode=ro", uri=True)
                got = (db.execute("PRAGMA journal_mode").fetchone(),
                       db.execute("PRAGMA quick_check").fetchone(),
                       db.execute("SELECT coalesce(sum(NOT ok), 0) FROM ledger_check").fetchone())
                db.close()
            except sqlite3.OperationalError:
                continue  # retention was quicker
            self.check(got == (("delete",), ("ok",), (0,)), f"{d}: {got}")

    def run(self, drive, folder, seconds):
        p = subprocess.Popen([drive, str(ROOT / "testdata/http-tls.pcap"),
                              str(folder / "x.pcapng"), str(folder / "x.db"), "3000", "2", "40",
                              str(KEEP)], stderr=subprocess.PIPE)
        sizes = []
        try:
            end = time.monotonic() + seconds
            while time.monotonic() < end and p.poll() is None:
                time.sleep(min(2, seconds / 20))
                sizes.append(resident(p.pid))
                self.databases(folder)
                for kind in ("x-*.pcapng", "x-*.db"):
                    n = len(list(folder.glob(kind)))
                    self.check(n <= KEEP + 2, f"{n} files {kind}")
            self.check(p.poll() is None, "it has ended by itself")
        finally:
            p.send_signal(signal.SIGKILL)
            err = p.communicate()[1].decode(errors="replace")
        self.check("Sanitizer" not in err, err[-3000:])
        warm, late = sizes[len(sizes) // 4:len(sizes) // 2], sizes[-len(sizes) // 4:]
        self.check(max(late) <= max(warm) * 1.3, f"resident KiB: {sizes}")
        print(f"resident KiB: {min(sizes)} … {max(sizes)}, at the end {sizes[-1]}")


def main():
    a = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    a.add_argument("--build", default="build")
    a.add_argument("seconds", nargs="?", type=float, default=60)
    a = a.parse_args()
    soak = Soak()
    with tempfile.TemporaryDirectory(prefix="nrtool-keep-soak-") as folder:
        soak.run(str(Path(a.build, "tests", "keep", "drive").resolve()), Path(folder), a.seconds)
    print(f"{soak.passed} passed, {soak.failed} failed, 0 skipped")
    return 1 if soak.failed or not soak.passed else 0


if __name__ == "__main__":
    sys.exit(main())
