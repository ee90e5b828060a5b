#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""nrtool capture on a veth pair for a long time: mixed load, rotation, retention, memory.

usage: tests/live/soak.py [--build DIR] [SECONDS]

The mix of nrbench-gen at some thousand packets a second, then a few packets now and then,
turn by turn; packet files and databases rotate every 10 s and at 64 MB, the newest six
stay. Checked: what was sent was received or is counted as dropped, memory does not grow, no more
files are there than are to be kept, finished databases are whole and can be read meanwhile, the
intervals have no hole. Needs root. The last line counts."""

import argparse
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

KEEP = 6
EVERY = 10  # s, of rotation
DENSE, SPARSE = 20, 25  # s of a turn
RATE = 4000


def resident(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])


class Soak:
    def __init__(self, net, folder, seconds):
        self.net, self.dir, self.seconds = net, folder, seconds
        self.passed = self.failed = self.sent = 0
        self.sizes = []
        self.seen = set()

    def check(self, ok, words):
        self.passed += bool(ok)
        self.failed += not ok
        if not ok:
            print("FAIL", words, flush=True)

    def look(self, pid):
        """At memory, and at the databases and packet files of now."""
        self.sizes.append(resident(pid))
        for kind in ("x-*.pcapng", "x-*.db"):
            n = len(list(self.dir.glob(kind)))
            self.check(n <= KEEP + 2, f"{n} files {kind}")
        dbs = sorted(self.dir.glob("x-*.db"))
        for d in dbs[:-2]:
            if d not in self.seen:
                self.whole(d)
        for d in dbs[-1:]:
            self.query(d, "SELECT count(*) FROM flow")

    def query(self, d, sql):
        try:
            db = sqlite3.connect(f"file:{d}?mode=ro", uri=True)
            try:
                return db.execute(sql).fetchone()
            finally:
                db.close()
        except sqlite3.OperationalError as e:
            self.check(not d.exists() or "no such table" in str(e), f"{d}: {e}")
            return None  # retention was quicker, or it is just being made

    def whole(self, d):
        got = [self.query(d, sql) for sql in
               ("PRAGMA journal_mode", "PRAGMA quick_check",
                "SELECT coalesce(sum(NOT ok), 0) FROM ledger_check")]
        self.check(None in got or got == [("delete",), ("ok",), (0,)], f"{d}: {got}")
        self.seen.add(d)

    def dense(self, n, mix):
        p = subprocess.run(n.a.command([self.net.BUILD / "tests/bench/nrbench-send", "va", mix,
                                        "--rate", RATE, "--count", RATE * DENSE]),
                           check=True, capture_output=True, text=True)
        self.sent += int(p.stdout.split()[0])

    def sparse(self, n):
        end = time.monotonic() + SPARSE
        while time.monotonic() < end:
            self.sent += n.a.send("va", self.net.udp_frames(3, sport=int(time.time()) & 0x7fff))
            time.sleep(3.3)

    def run(self, n, mix):
        p = self.net.Process(n.b, [self.net.NRTOOL, "capture", "vb", "-o", "x.db", "-w", "x.pcapng",
                                   f"--rotate-time={EVERY}s", "--rotate-size=64M",
                                   f"--keep-files={KEEP}"], cwd=self.dir)
        try:
            p.wait_for("capturing")
            end = time.monotonic() + self.seconds
            while time.monotonic() < end and p.p.poll() is None:
                self.dense(n, mix)
                self.look(p.pid)
                self.sparse(n)
                self.look(p.pid)
                p._pump(0)  # what it says must not fill its pipe
            time.sleep(1)
            status = p.finish(signal.SIGINT)
        finally:
            p.kill()
        self.check(status == 0, f"status {status}: {p.err[-2000:]}")
        self.ends(p.err)

    def ends(self, said):
        m = re.search(r"captured ([\d ]+) / received ([\d ]+) / dropped ([\d ]+)", said)
        captured, received, dropped = (int(x.replace(" ", "")) for x in m.groups())
        self.check(received + dropped == self.sent and captured == received,
                   f"sent {self.sent}: {m[0]}")
        for d in sorted(self.dir.glob("x-*.db")):
            self.seen.discard(d)
            self.whole(d)
        times = [re.search(r"-(\d{8}T\d{6})Z", f.name)[1] for f in self.dir.glob("x-*.pcapng")]
        at = sorted({int(time.mktime(time.strptime(t, "%Y%m%dT%H%M%S"))) // EVERY for t in times})
        self.check(at == list(range(at[0], at[0] + len(at))), f"intervals {sorted(times)}")
        # it knows its load after some turns
        k = len(self.sizes)
        warm, late = self.sizes[k // 4:k // 2] or self.sizes, self.sizes[-max(k // 4, 1):]
        self.check(max(late) <= max(warm) * 1.25, f"resident KiB: {self.sizes}")
        print(f"sent {self.sent}, {m[0]}, {len(self.seen)} databases looked at; resident KiB "
              f"{min(self.sizes)} … {max(self.sizes)}, at the end {self.sizes[-1]}")


def main():
    a = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    a.add_argument("--build", default="build")
    a.add_argument("seconds", nargs="?", type=float, default=60)
    a = a.parse_args()
    os.environ["NRTOOL_BUILD"] = str(Path(a.build).resolve())
    import net
    reason = net.why_not()
    if reason:
        print(f"skipped: {reason}\n0 passed, 0 failed, 1 skipped")
        return 0
    folder = Path(tempfile.mkdtemp(prefix="nrtool-live-soak-"))
    n = net.Network()
    try:
        soak = Soak(net, folder, a.seconds)
        subprocess.run([net.BUILD / "tests/bench/nrbench-gen", "mix", "--size", "60M",
                        folder / "mix.pcap"], check=True)
        soak.run(n, folder / "mix.pcap")
    finally:
        n.delete()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{soak.passed} passed, {soak.failed} failed, 0 skipped")
    return 1 if soak.failed or not soak.passed else 0


if __name__ == "__main__":
    sys.exit(main())
