#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""flat.py [--flat S] [--limit S] FUZZER CORPUS [libFuzzer's options]

Runs a libFuzzer program until its coverage has been flat: no new edge for S seconds (600) of its
own CPU time, so that a busy or stopped machine does not count. Says how it went in one line.

Exit status: 0 flat, 1 it found something, 2 the limit (3600 s of CPU time) came first."""

import argparse
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
UNHURT = 0, 72  # exit status of libFuzzer at its own end, and when it is interrupted


def cpu_seconds(pid):
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(stat[11]) + int(stat[12])) / TICKS


class Run:
    """What the lines of a fuzzer say: executions and edges so far."""

    def __init__(self, process):
        self.process = process
        self.begun = self.edges = self.executions = 0
        self.new_at = 0.0  # CPU time of the last new edge

    def read(self):
        for line in self.process.stderr:
            m = re.match(r"#(\d+)\s+(\w+)\s+cov: (\d+)", line)
            if not m:
                if not re.match(r"#\d+\s", line):
                    sys.stderr.write(line)
                continue
            self.executions, edges = int(m[1]), int(m[3])
            if m[2] == "INITED":
                self.begun = edges
            if edges > self.edges or m[2] == "INITED":
                self.edges = edges
                self.new_at = cpu_seconds(self.process.pid) or self.new_at


def until_flat(command, flat, limit):
    p = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
                         errors="replace")
    run = Run(p)
    reader = threading.Thread(target=run.read)
    reader.start()
    now, said, stopped = 0.0, 0.0, False
    while True:
        try:
            p.wait(2)
            break
        except subprocess.TimeoutExpired:
            pass
        now = cpu_seconds(p.pid) or now
        if now >= said + 60:
            said = now
            print(f"{now:.0f} s: {run.edges} edges, the last new one at {run.new_at:.0f} s",
                  file=sys.stderr, flush=True)
        if not stopped and (now >= limit or (run.begun and now - run.new_at >= flat)):
            p.send_signal(signal.SIGINT)
            stopped = True
    reader.join()
    found = p.returncode not in UNHURT
    is_flat = now - run.new_at >= flat
    print(f"{Path(command[0]).name}: {run.edges} edges ({run.begun} at first), "
          f"{run.executions} executions in {now:.0f} s, no new edge in the last "
          f"{now - run.new_at:.0f} s: "
          + ("it found something" if found else "flat" if is_flat else "not flat"),
          flush=True)
    return 1 if found else 0 if is_flat else 2


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("--flat", type=float, default=600)
    p.add_argument("--limit", type=float, default=3600)
    p.add_argument("fuzzer")
    p.add_argument("corpus")
    a, options = p.parse_known_args()
    sys.exit(until_flat([a.fuzzer, *options, a.corpus], a.flat, a.limit))


if __name__ == "__main__":
    main()
