# SPDX-License-Identifier: BSD-3-Clause
"""The network that live tests run in: two namespaces joined by veth pairs, made by the
test and removed with it, also when it fails.

    class T(net.Case):
        def test_x(self):
            n = self.network()             # a.name, b.name: namespaces; va in a, vb in b
            p = n.b.start(["nrtool", "capture", "vb"])
            n.b.ready(p, "capturing")      # waits for a line on stderr
            n.a.send("va", frames)         # raw frames, as they are

Nothing leaves the namespaces. Without the rights to make them a test is skipped.
"""

import ctypes
import itertools
import os
import re
import select
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("NRTOOL_BUILD", ROOT / "build"))
NRTOOL = BUILD / "cli" / "nrtool"
LIVECAT = BUILD / "tests" / "live" / "livecat"
IS_SANITIZED = NRTOOL.exists() and any(x in NRTOOL.read_bytes()
                                       for x in (b"__asan_init", b"__tsan_init"))
CAPTURES = Path(os.environ.get("NRTOOL_CAPTURES", ROOT.parent / "shared" / "captures"))

SOL_PACKET, PACKET_QDISC_BYPASS = 263, 20
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_serial = itertools.count()


def sh(*words, check=True):
    p = subprocess.run([str(w) for w in words], text=True, capture_output=True, check=False,
                       timeout=60, stdin=subprocess.DEVNULL)
    if check and p.returncode:
        raise RuntimeError(f"{' '.join(map(str, words))}: {p.stderr.strip()}")
    return p.stdout


def sweep():
    """Removes what a test left that was killed: its number is in the names."""
    for line in sh("ip", "netns", "list", check=False).splitlines():
        name = re.match(r"nr[ab](\d+)-\d+\b", line)
        if name and not Path("/proc", name[1]).exists():
            sh("ip", "netns", "del", name[0], check=False)


def why_not():
    """A sentence where namespaces cannot be made here; None where they can."""
    if os.geteuid():
        return "needs root to make network namespaces"
    for tool in ("ip", "ethtool"):
        if not any(os.access(Path(d, tool), os.X_OK)
                   for d in (*os.environ.get("PATH", "").split(":"), "/sbin", "/usr/sbin")):
            return f"needs {tool}"
    sweep()
    name = f"nr{os.getpid()}x"
    try:
        sh("ip", "netns", "add", name)
        try:
            sh("ip", "-n", name, "link", "add", "va", "type", "veth", "peer", "name", "vb")
        finally:
            sh("ip", "netns", "del", name, check=False)
    except (RuntimeError, OSError) as e:
        return f"cannot make network namespaces here: {e}"
    return None


class Namespace:
    def __init__(self, name):
        self.name = name
        sh("ip", "netns", "add", name)
        try:
            self.quiet()
            self.ip("link", "set", "lo", "up")
        except BaseException:
            self.delete()
            raise

    def delete(self):
        sh("ip", "netns", "del", self.name, check=False)

    def ip(self, *words, check=True):
        return sh("ip", "-n", self.name, *words, check=check)

    def exec(self, *words, check=True):
        return sh("ip", "netns", "exec", self.name, *words, check=check)

    def quiet(self, on=True):
        """IPv6 off: its router solicitations would be counted."""
        for what in ("all", "default"):
            self.exec("sysctl", "-qw", f"net.ipv6.conf.{what}.disable_ipv6={int(on)}")

    def command(self, words):
        return ["ip", "netns", "exec", self.name, *map(str, words)]

    def popen(self, words, **more):
        """ip(8) becomes the command itself: signals to its pid reach it."""
        return subprocess.Popen(self.command(words), stdin=subprocess.DEVNULL, **more)

    def __enter__(self):
        """This thread's sockets are opened in the namespace from now on."""
        self.before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        there = os.open(f"/run/netns/{self.name}", os.O_RDONLY | os.O_CLOEXEC)
        rc = _libc.setns(there, CLONE_NEWNET)
        os.close(there)
        if rc:
            raise OSError(ctypes.get_errno(), "setns")
        return self

    def __exit__(self, *_):
        _libc.setns(self.before, CLONE_NEWNET)
        os.close(self.before)

    def raw(self, interface):
        """A packet socket for sending whole frames."""
        with self:
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        s.bind((interface, 0))
        return s

    def send(self, interface, frames, pause=0.0):
        """Sends raw frames; every one was handed to the driver when it returns."""
        with self.raw(interface) as s:
            for f in frames:
                while True:
                    try:
                        s.send(f)
                        break
                    except OSError as e:
                        if e.errno != 105:  # ENOBUFS: the device's queue is full
                            raise
                        time.sleep(0.0005)
                if pause:
                    time.sleep(pause)
        return len(frames)


class Network:
    """Namespaces a and b joined by a veth pair: va in a, vb in b."""

    def __init__(self, queues=1):
        tag = f"{os.getpid()}-{next(_serial)}"
        self.spaces = []
        self.a, self.b = self._space(f"nra{tag}"), self._space(f"nrb{tag}")
        self.pair("va", "vb", 1, queues)

    def _space(self, name):
        try:
            s = Namespace(name)
        except BaseException:
            self.delete()
            raise
        self.spaces.append(s)
        return s

    def delete(self):
        for s in self.spaces:
            s.delete()
        self.spaces = []

    def pair(self, left, right, net=1, queues=1):
        """left in a with 10.77.net.1, fd77:net::1, right in b with .2; both up."""
        try:
            self.a.ip("link", "add", left, "numrxqueues", queues, "numtxqueues", queues,
                      "type", "veth", "peer", "name", right, "netns", self.b.name,
                      "numrxqueues", queues, "numtxqueues", queues)
            for space, dev, host in ((self.a, left, 1), (self.b, right, 2)):
                space.exec("ethtool", "-K", dev, "tx", "off", "tso", "off", "gso", "off",
                           "gro", "off", "sg", "off")
                space.ip("addr", "add", f"10.77.{net}.{host}/24", "dev", dev)
                space.ip("link", "set", dev, "up")
            self.wait_up(self.a, left)
            self.wait_up(self.b, right)
        except BaseException:
            self.delete()
            raise

    def ipv6(self, left="va", right="vb", net=1):
        for space, dev, host in ((self.a, left, 1), (self.b, right, 2)):
            space.exec("sysctl", "-qw", f"net.ipv6.conf.{dev}.disable_ipv6=0")
            space.ip("addr", "add", f"fd77:{net}::{host}/64", "dev", dev, "nodad")

    def mtu(self, n, left="va", right="vb"):
        self.a.ip("link", "set", left, "mtu", n)
        self.b.ip("link", "set", right, "mtu", n)

    @staticmethod
    def wait_up(space, dev):
        end = time.monotonic() + 5
        while "state UP" not in space.ip("link", "show", dev):
            if time.monotonic() > end:
                raise RuntimeError(f"{dev} does not come up")
            time.sleep(0.02)


class Process:
    """A command in a namespace, its stderr read while it runs."""

    def __init__(self, space, words, **more):
        self.err = ""
        self.words = [str(w) for w in words]
        self.out = tempfile.TemporaryFile()
        self.p = space.popen(words, stdout=self.out, stderr=subprocess.PIPE, **more)
        os.set_blocking(self.p.stderr.fileno(), False)
        self.pid = self.p.pid

    def _pump(self, timeout):
        if not self.p.stderr.closed and select.select([self.p.stderr], [], [], timeout)[0]:
            got = self.p.stderr.read() or b""
            self.err += got.decode(errors="replace")
            return bool(got)
        return False

    def wait_for(self, pattern, timeout=30):
        """Waits for a line on stderr."""
        end = time.monotonic() + timeout
        while not re.search(pattern, self.err):
            if time.monotonic() > end or (not self._pump(0.1) and self.p.poll() is not None
                                          and not re.search(pattern, self.err)):
                raise AssertionError(f"no {pattern!r} from {self.words}:\n{self.err}")

    def signal(self, sig):
        self.p.send_signal(sig)

    def finish(self, sig=None, timeout=60):
        """Sends a signal, waits for the end; returns the exit status."""
        if sig is not None:
            self.signal(sig)
        end = time.monotonic() + timeout
        while self.p.poll() is None and time.monotonic() < end:
            self._pump(0.1)
        if self.p.poll() is None:
            self.kill()
            raise AssertionError(f"{self.words} does not end:\n{self.err}")
        while self._pump(0):
            pass
        return self.p.returncode

    def stdout(self):
        self.out.seek(0)
        return self.out.read().decode(errors="replace")

    def kill(self):
        if self.p.poll() is None:
            self.p.send_signal(signal.SIGCONT)
            self.p.kill()
            self.p.wait()
        self.p.stderr.close()
        self.out.close()


_reason = []


class Case(unittest.TestCase):
    """A test with a folder of its own, and networks and processes that go with it."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        if not _reason:
            _reason.append(why_not())
        if _reason[0]:
            raise unittest.SkipTest(_reason[0])

    def setUp(self):
        t = tempfile.TemporaryDirectory(prefix="nrtool-live-")
        self.addCleanup(t.cleanup)
        self.dir = Path(t.name)

    def network(self, **more):
        n = Network(**more)
        self.addCleanup(n.delete)
        return n

    def start(self, space, words, **more):
        p = Process(space, words, cwd=self.dir, **more)
        self.addCleanup(p.kill)
        return p


# ---- frames ----------------------------------------------------------------------

MAC_A, MAC_B = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")


def checksum(b):
    if len(b) & 1:
        b += b"\0"
    n = sum(int.from_bytes(b[i:i + 2], "big") for i in range(0, len(b), 2))
    while n >> 16:
        n = (n & 0xffff) + (n >> 16)
    return (~n & 0xffff).to_bytes(2, "big")


def u16(n):
    return n.to_bytes(2, "big")


def ether(payload, kind=0x0800, tags=(), src=MAC_A, dst=MAC_B):
    """tags: (tpid, tci) outer first."""
    return dst + src + b"".join(u16(t) + u16(c) for t, c in tags) + u16(kind) + payload


def ipv4(payload, proto=17, src="10.77.1.1", dst="10.77.1.2", ident=0):
    h = (b"\x45\0" + u16(20 + len(payload)) + u16(ident) + b"\0\0\x40" + bytes([proto]) + b"\0\0" +
         socket.inet_aton(src) + socket.inet_aton(dst))
    return h[:10] + checksum(h) + h[12:] + payload


def ipv6(payload, proto=17, src="fd77:1::1", dst="fd77:1::2"):
    return (b"\x60\0\0\0" + u16(len(payload)) + bytes([proto, 64]) +
            socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst) +
            payload)


def udp(data, sport=1000, dport=2000):
    return u16(sport) + u16(dport) + u16(8 + len(data)) + b"\0\0" + data


def udp_frames(n, size=60, tags=(), sport=1000, flows=1, v6=False):
    """n UDP frames that carry their number, spread over so many flows."""
    out = []
    for i in range(n):
        data = i.to_bytes(4, "big").ljust(max(size - 46, 4), b"\0")
        p = udp(data, sport + i % flows)
        out.append(ether(ipv6(p), 0x86dd, tags) if v6 else ether(ipv4(p, ident=i & 0xffff), tags=tags))
    return out
