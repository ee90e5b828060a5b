# SPDX-License-Identifier: BSD-3-Clause
"""Two network namespaces joined by a veth pair, made and removed by the test."""

import ctypes
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

CLIENT4, SERVER4 = "10.77.0.1", "10.77.0.2"
CLIENT6, SERVER6 = "fd77::1", "fd77::2"
PREFIX = "nrpeer-"


def cannot():
    """Why there can be no namespaces here; None if there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for tool in ("ip", "ethtool", "tcpdump"):
        if not shutil.which(tool):
            return f"{tool} is not installed"
    name = f"{PREFIX}{os.getpid()}-try"
    p = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if p.returncode:
        return "no network namespaces: " + p.stderr.strip()
    subprocess.run(["ip", "netns", "del", name], check=False)
    return None


def die_with_parent():
    """Between fork and exec: a daemon does not outlive a test that is killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


class Network:
    """The client's side is `a`, the server's `b`."""

    def __init__(self):
        base = f"{PREFIX}{os.getpid()}"
        self.a, self.b = base + "-a", base + "-b"

    def up(self):
        remove_stale()
        self.ip("netns", "add", self.a)
        self.ip("netns", "add", self.b)
        self.ip("link", "add", "va", "netns", self.a, "type", "veth",
                "peer", "name", "vb", "netns", self.b)
        for ns, dev, v4, v6 in ((self.a, "va", CLIENT4, CLIENT6),
                                (self.b, "vb", SERVER4, SERVER6)):
            self.ip("-n", ns, "addr", "add", v4 + "/24", "dev", dev)
            self.ip("-n", ns, "addr", "add", v6 + "/64", "dev", dev, "nodad")
            self.ip("-n", ns, "link", "set", "lo", "up")
            self.ip("-n", ns, "link", "set", dev, "up")
            # Else the capture holds frames of 64 KiB with checksums not computed.
            self.run(ns, "ethtool", "-K", dev, "tx", "off", "tso", "off", "gso", "off",
                     "gro", "off")
        self.run(self.a, "ping", "-c1", "-w5", SERVER4, must=False) if shutil.which("ping") \
            else time.sleep(0.3)
        return self

    def down(self):
        for ns in (self.a, self.b):
            remove(ns)

    @staticmethod
    def ip(*words):
        subprocess.run(["ip", *words], check=True, timeout=20, stdin=subprocess.DEVNULL)

    @staticmethod
    def words(ns, *words):
        return ["ip", "netns", "exec", ns, *map(str, words)]

    def run(self, ns, *words, must=True, timeout=30, **more):
        """Runs a command inside; its output as text."""
        p = subprocess.run(self.words(ns, *words), capture_output=True, text=True,
                           errors="replace", timeout=timeout, check=False,
                           **({} if "input" in more else {"stdin": subprocess.DEVNULL}), **more)
        if must and p.returncode:
            raise RuntimeError(f"{words}: status {p.returncode}\n{p.stdout}{p.stderr}")
        return p

    def start(self, ns, *words, **more):
        """Starts a command inside; `ip` replaces itself by it, so the pid is its own."""
        return subprocess.Popen(self.words(ns, *words), stdin=subprocess.DEVNULL,
                                preexec_fn=die_with_parent, **more)


def remove(ns):
    """Ends what still runs in a namespace of ours, and the namespace."""
    p = subprocess.run(["ip", "netns", "pids", ns], capture_output=True, text=True)
    if p.returncode:
        return
    for pid in p.stdout.split():
        try:
            os.kill(int(pid), signal.SIGKILL)
        except ProcessLookupError:
            pass
    subprocess.run(["ip", "netns", "del", ns], check=False)


def remove_stale():
    """Namespaces of runs that were killed."""
    for f in Path("/run/netns").glob(PREFIX + "*"):
        pid = f.name[len(PREFIX):].split("-")[0]
        if pid.isdigit() and int(pid) != os.getpid() and not Path("/proc", pid).exists():
            remove(f.name)
