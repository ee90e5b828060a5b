#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""nrtool capture beside tcpdump on one veth pair: loss and CPU time per packet.

    tests/bench/live_rates.py [--build build-release] [--packets 400000] [--size 300]

Needs root and tcpdump. The mix workload (tests/bench/nrbench-gen) is sent as fast as the
host can; each receiver listens at the same time as all others of its round. Printed, not
judged: figures are ratios within a round, on a quiet machine.
"""

import argparse
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def cpu_ns(pid):
    f = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(f[11]) + int(f[12])) * 10**9 // os.sysconf("SC_CLK_TCK")


def send(space, frames):
    """sendmmsg is not in Python: one send a frame, from a process of its own."""
    with space.raw("va") as s:
        s.setsockopt(263, 20, 1)  # PACKET_QDISC_BYPASS: no queue in between
        sent = 0
        for f in frames:
            while True:
                try:
                    s.send(f)
                    sent += 1
                    break
                except OSError as e:
                    if e.errno != 105:
                        raise
                    time.sleep(0.0002)
    return sent


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--build", default="build-release")
    a.add_argument("--packets", type=int, default=200000)
    a.add_argument("--rounds", type=int, default=2)
    a = a.parse_args()
    os.environ["NRTOOL_BUILD"] = str(Path(a.build).resolve())
    sys.path.insert(0, str(ROOT / "tests" / "live"))
    import net
    import records
    reason = net.why_not()
    if reason:
        sys.exit(f"live_rates: {reason}")
    with tempfile.TemporaryDirectory() as d:
        mix = Path(d, "mix.pcap")
        subprocess.run([net.BUILD / "tests/bench/nrbench-gen", "mix", "--size",
                        str(a.packets * 700), mix], check=True)
        frames = [f for _, f, _ in records.read_pcap(mix)][:a.packets]
        receivers = {
            "tcpdump -w": ["tcpdump", "-i", "vb", "-B", "262144", "-w", f"{d}/t.pcap"],
            "nrtool null:": [net.NRTOOL, "capture", "vb", "-o", "null:", "-q"],
            "nrtool -w null:": [net.NRTOOL, "capture", "vb", "-w", f"{d}/x.pcapng",
                                "-o", "null:", "--force", "-q"],
            "nrtool -w --no-sessions null:": [net.NRTOOL, "capture", "vb", "-w",
                                              f"{d}/y.pcapng", "-o", "null:", "--force",
                                              "-q", "--no-sessions"],
            "nrtool -w a.db": [net.NRTOOL, "capture", "vb", "-w", f"{d}/z.pcapng",
                               "-o", f"{d}/a.db", "--force", "-q"],
        }
        print(f"{'receiver':32}{'sent':>9}{'received':>9}{'dropped':>9}{'CPU ns/packet':>15}")
        for _ in range(a.rounds):
            for name, words in receivers.items():
                one(net, name, words, frames)


def one(net, name, words, frames):
    n = net.Network()
    try:
        p = net.Process(n.b, words)
        time.sleep(1)
        before = cpu_ns(p.pid)
        sent = send(n.a, frames)
        time.sleep(1)
        p.signal(signal.SIGUSR1)
        time.sleep(0.3)
        spent = cpu_ns(p.pid) - before
        p.finish(signal.SIGINT)
        if name.startswith("tcpdump"):
            got = int(re.search(r"(\d+) packets captured", p.err)[1])
            lost = int(re.search(r"(\d+) packets dropped by kernel", p.err)[1])
        else:
            got = int(re.search(r'"captured":(\d+)', p.err)[1])
            lost = int(re.search(r'"dropped_kernel":(\d+)', p.err)[1])
        print(f"{name:32}{sent:9}{got:9}{lost:9}{spent // max(got, 1):15}", flush=True)
    finally:
        n.delete()


if __name__ == "__main__":
    main()
