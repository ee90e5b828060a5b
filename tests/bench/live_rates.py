#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""nrtool capture beside tcpdump on a veth pair: CPU time per packet, and loss.

    tests/bench/live_rates.py cpu  [--build build-release] [--workload mix|p64] [--rate PPS]
    tests/bench/live_rates.py loss [--build build-release] [--workload mix|p64]

Needs root and tcpdump. nrbench-send sends a workload of nrbench-gen, as fast as one thread
can where no --rate is given. All receivers have a ring of 256 MiB (--ring) and one disk.

cpu   one receiver at a time, in turn, --rounds rounds, the order rotating. User and system
      time of all threads of the receiver, from before the first packet until all is written.
loss  tcpdump and nrtool listen at the same time, on the same interface, to the same packets:
      what the one loses and the other does not is no fault of the sender.

The table has medians over the rounds. It is printed, not judged: figures are ratios within a
run, on a machine that does nothing else.
"""

import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FIRST = ["nice", "-n", "-20"]  # whatever else runs here disturbs less; nice becomes the command
TCPDUMP = ["tcpdump", "-n", "-i", "vb"]
CAPTURE = ["capture", "vb", "--force", "-q"]

# what it is called, the words behind the tool's; {} is a folder
RECEIVERS = {
    "tcpdump -w": None,
    "nrtool -w, flows, null:": ["-w", "{}/n.pcapng", "--no-sessions", "-o", "null:"],
    "nrtool -w, sessions, null:": ["-w", "{}/n.pcapng", "-o", "null:"],
    "nrtool flows, null:": ["--no-sessions", "-o", "null:"],
    "nrtool -w, flows, a.db": ["-w", "{}/n.pcapng", "--no-sessions", "-o", "{}/a.db"],
    "nrtool -w, sessions, a.db": ["-w", "{}/n.pcapng", "-o", "{}/a.db"],
}


def words_of(net, name, folder, args):
    if RECEIVERS[name] is None:
        return TCPDUMP + ["-B", args.ring, "-w", f"{folder}/t.pcap"]
    return [net.NRTOOL, *CAPTURE, "--ring-size", f"{args.ring}K", *args.options.split(),
            *(w.replace("{}", folder) for w in RECEIVERS[name])]


def spent(pid):
    """(all, user, system) ns of a process: all of the scheduler's clock, the parts in ticks."""
    ran = sum(int(f.read_text().split()[0])
              for f in Path(f"/proc/{pid}/task").glob("*/schedstat"))
    f = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    tick = 10**9 // os.sysconf("SC_CLK_TCK")
    return ran, int(f[11]) * tick, int(f[12]) * tick


class Receiver:
    """A tool that listens, from before the first packet until it was told to end."""

    def __init__(self, net, space, name, folder, args):
        self.name = name
        self.p = net.Process(space, FIRST + words_of(net, name, folder, args))
        if RECEIVERS[name] is None:
            self.p.wait_for("listening on")

    def begin(self):
        self.before = spent(self.p.pid)

    def settle(self):
        """Waits until it has nothing more to do."""
        before, now = 0, spent(self.p.pid)[0]
        while now - before > 2000000:
            time.sleep(0.5)
            before, now = now, spent(self.p.pid)[0]

    def end(self):
        """All packets are there: what it took, and what it says of losses."""
        self.cpu = [b - a for a, b in zip(self.before, spent(self.p.pid))]
        if RECEIVERS[self.name] is not None:
            self.p.signal(signal.SIGUSR1)
            time.sleep(0.3)
        self.p.finish(signal.SIGINT)
        said = ((r"(\d+) packets? captured", r"(\d+) packets? dropped by kernel")
                if RECEIVERS[self.name] is None else
                (r'"captured":(\d+)', r'"dropped_kernel":(\d+)'))
        self.got, self.lost = (int(re.findall(r, self.p.err)[-1]) for r in said)


def round_of(net, names, folder, args):
    """One sender, the receivers named; (sent, seconds, receivers)."""
    n = net.Network()
    try:
        all_of = [Receiver(net, n.b, x, folder, args) for x in names]
        time.sleep(1)
        for r in all_of:
            r.begin()
        words = FIRST + [net.BUILD / "tests/bench/nrbench-send", "va", args.file,
                 "--count", args.packets]
        if args.rate:
            words += ["--rate", args.rate]
        out = subprocess.run(n.a.command(words), check=True, capture_output=True,
                             text=True).stdout.split()
        time.sleep(0.5)
        for r in all_of:
            r.settle()
        came = int(n.b.exec("cat", "/sys/class/net/vb/statistics/rx_packets"))
        for r in all_of:
            r.end()
        return int(out[0]), came, int(out[1]) / 1e9, all_of
    finally:
        n.delete()


def report(rows, rounds):
    """rows: name -> list of (sent, came, seconds, receiver)."""
    print(f"{'medians of ' + str(rounds) + ' rounds':30}{'kpps':>6}{'on wire':>10}{'captured':>10}"
          f"{'dropped':>9}{'ns/packet':>11}{'user':>7}{'system':>7}   range")
    for name, runs in rows.items():
        def med(f):
            return statistics.median(f(*r) for r in runs)

        each = sorted(r.cpu[0] / max(r.got, 1) for *_, r in runs)
        print(f"{name:30}{med(lambda s, c, t, r: c / t / 1e3):6.0f}"
              f"{med(lambda s, c, t, r: c):10.0f}{med(lambda s, c, t, r: r.got):10.0f}"
              f"{med(lambda s, c, t, r: r.lost):9.0f}{statistics.median(each):11.0f}"
              f"{med(lambda s, c, t, r: r.cpu[1] / max(r.got, 1)):7.0f}"
              f"{med(lambda s, c, t, r: r.cpu[2] / max(r.got, 1)):7.0f}"
              f"   {each[0]:.0f}–{each[-1]:.0f}", flush=True)


def main():
    a = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("mode", choices=["cpu", "loss"])
    a.add_argument("--build", default="build-release")
    a.add_argument("--workload", default="mix")
    a.add_argument("--packets", type=int, default=1000000)
    a.add_argument("--rounds", type=int, default=5)
    a.add_argument("--rate", type=int, default=0, help="packets a second [as fast as it can]")
    a.add_argument("--ring", type=int, default=262144, help="KiB of each ring")
    a.add_argument("--only", help="part of the names of nrtool's rows")
    a.add_argument("--options", default="", help="more of nrtool capture, in one word")
    a.add_argument("--dir", help="where files are written")
    a = a.parse_args()
    os.environ["NRTOOL_BUILD"] = str(Path(a.build).resolve())
    sys.path.insert(0, str(ROOT / "tests" / "live"))
    import net
    reason = net.why_not()
    if reason:
        sys.exit(f"live_rates: {reason}")
    names = [n for n in RECEIVERS if RECEIVERS[n] is None or not a.only or a.only in n]
    rows = {}
    with tempfile.TemporaryDirectory(dir=a.dir, prefix="nrtool-rates-") as d:
        os.chmod(d, 0o777)  # tcpdump gives up its rights before it opens a file
        a.file = f"{d}/sent.pcap"
        subprocess.run([net.BUILD / "tests/bench/nrbench-gen", a.workload, "--size", "100M",
                        a.file], check=True)
        for k in range(a.rounds):
            if a.mode == "cpu":
                turn = k % len(names)
                groups = [[n] for n in names[turn:] + names[:turn]]
            else:
                groups = [["tcpdump -w", names[1]]]
                if k % 2:
                    groups[0].reverse()
            for g in groups:
                *what, all_of = round_of(net, g, d, a)
                for r in all_of:
                    rows.setdefault(r.name, []).append((*what, r))
        report({n: rows[n] for n in names if n in rows}, a.rounds)


if __name__ == "__main__":
    main()
