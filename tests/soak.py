#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Replays captures over and over, some runs killed at a random moment.

usage: tests/soak.py [--build DIR] [--captures DIR] [--seed N] [SECONDS]

Checked: no run ends by a signal of its own or with a sanitizer's report; two whole runs
over the same input give the same rows; a killed run leaves nothing under the final name,
or a whole database; the run after it works. The last line counts."""

import argparse
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLES = ("flow", "flow_packets", "tunnel", "anomaly", "ledger", "arp")


def captures(folder):
    files = sorted(ROOT.glob("testdata/*.pcap*"))
    if Path(folder).is_dir():
        files += sorted(p for p in Path(folder).rglob("*.pcap*")
                        if p.is_file() and p.stat().st_size < 2 << 20)
    return files


def rows(path):
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        if db.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
            raise AssertionError(f"{path} fails its integrity check")
        return [db.execute(f"SELECT * FROM {t}").fetchall() for t in TABLES]
    finally:
        db.close()


class Soak:
    def __init__(self, nrtool, seed):
        self.nrtool, self.random = nrtool, random.Random(seed)
        self.passed = self.failed = self.killed = 0

    def check(self, ok, words):
        if ok:
            self.passed += 1
        else:
            self.failed += 1
            print("FAIL", words, flush=True)

    def start(self, files, target):
        return subprocess.Popen([self.nrtool, "replay", *map(str, files), "-q", "-o",
                                 str(target)], stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def whole(self, files, target):
        p = self.start(files, target)
        err = p.communicate()[1].decode(errors="replace")
        ok = p.returncode in (0, 1, 3) and "Sanitizer" not in err and "runtime error" not in err
        self.check(ok, f"status {p.returncode}: {' '.join(map(str, files))}\n{err[-3000:]}")
        return p.returncode

    def round(self, files, folder):
        a, b, c = (folder / f"{n}.db" for n in "abc")
        began = time.monotonic()
        if self.whole(files, a) not in (0, 3):
            return  # no capture, or already told
        spent = time.monotonic() - began
        self.whole(files, b)
        self.check(rows(a) == rows(b), f"two runs differ: {files}")
        p = self.start(files, c)
        time.sleep(self.random.random() * spent * 1.1)
        sig = self.random.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM))
        p.send_signal(sig)
        p.communicate()
        self.killed += 1
        if c.exists():
            self.check(rows(c) is not None, f"half a database after {sig.name}: {files}")
            c.unlink()
        else:
            self.check(sig == signal.SIGKILL or p.returncode in (1, -sig),
                       f"no database after {sig.name}, status {p.returncode}: {files}")
        self.whole(files, c)
        self.check(rows(a) == rows(c), f"the run after a killed one differs: {files}")


def main():
    a = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    a.add_argument("--build", default="build-asan")
    a.add_argument("--captures", default="../shared/captures")
    a.add_argument("--seed", type=int, default=time.time_ns() & 0xffff)
    a.add_argument("seconds", nargs="?", type=float, default=60)
    a = a.parse_args()
    soak = Soak(str(Path(a.build, "cli", "nrtool").resolve()), a.seed)
    files, end = captures(a.captures), time.monotonic() + a.seconds
    print(f"{len(files)} captures, seed {a.seed}, {a.seconds:.0f} s", flush=True)
    while time.monotonic() < end:
        with tempfile.TemporaryDirectory(prefix="nrtool-soak-") as folder:
            soak.round(soak.random.sample(files, soak.random.choice((1, 1, 1, 2, 5))),
                       Path(folder))
    print(f"{soak.killed} runs ended at a random moment")
    print(f"{soak.passed} passed, {soak.failed} failed, 0 skipped")
    return 1 if soak.failed or not soak.passed else 0


if __name__ == "__main__":
    sys.exit(main())
