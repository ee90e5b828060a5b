# SPDX-License-Identifier: BSD-3-Clause
"""What the tests with real peers share: daemons, a capture of what they say, its rows."""

import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

import network

ROOT = Path(__file__).resolve().parent.parent.parent
NRTOOL = Path(os.environ.get("NRTOOL_BUILD", ROOT / "build"), "cli", "nrtool")


TABLES = ("http", "dns", "tls", "ssh", "smtp", "ftp", "credential", "certificate")


class Peers(unittest.TestCase):
    """One conversation for all tests of a class: serve() starts the daemons, talk() runs
    the clients; then the tests compare the rows with what both of them wrote down."""

    maxDiff = None
    needs = ()  # programs; without one of them the class is skipped
    replay_options = ()

    @classmethod
    def setUpClass(cls):
        why = network.cannot()
        missing = [t for t in cls.needs if not tool(t)]
        if missing:
            why = f"not installed: {' '.join(missing)} (./dev test --peers installs them)"
        if why:
            raise unittest.SkipTest(why)
        t = tempfile.TemporaryDirectory(prefix="nrtool-peers-")
        cls.addClassCleanup(t.cleanup)
        cls.dir = Path(t.name)
        cls.dir.chmod(0o755)
        cls.net = network.Network()
        cls.addClassCleanup(cls.net.delete)
        cls.serve()
        cls.capture()
        cls.capture_live()
        cls.talk()
        cls.stop_capture()
        cls.stop_live()
        cls.db = cls.replay("peers.db", *cls.replay_options)

    @classmethod
    def serve(cls):
        raise NotImplementedError

    @classmethod
    def talk(cls):
        raise NotImplementedError

    # ---- daemons

    @classmethod
    def write(cls, name, text, mode=0o644):
        f = cls.dir / name
        f.write_text(text)
        f.chmod(mode)
        return f

    @classmethod
    def daemon(cls, *words, ports=(), log="daemon.log"):
        """Starts it in the server's namespace and waits until it listens."""
        with open(cls.dir / log, "ab") as out:
            p = cls.net.start(cls.net.b, *words, stdout=out, stderr=out)
        cls.addClassCleanup(end, p)
        until = time.monotonic() + 20
        for port in ports:
            while not cls.listens(port):
                if p.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"{words[0]} does not listen on {port}\n"
                                       + (cls.dir / log).read_text(errors="replace")[-3000:])
                time.sleep(0.05)
        return p

    @classmethod
    def listens(cls, port):
        """Looked up in the namespace's tables, so that no connection stands in its logs."""
        for name in ("tcp", "tcp6"):
            text = cls.net.run(cls.net.b, "cat", f"/proc/net/{name}").stdout
            for line in text.splitlines()[1:]:
                f = line.split()
                if f[3] == "0A" and int(f[1].rsplit(":", 1)[1], 16) == port:
                    return True
        return False

    @classmethod
    def client(cls, *words, **more):
        return cls.net.run(cls.net.a, *words, **more)

    # ---- the capture

    @classmethod
    def capture(cls):
        cls.file = cls.dir / "peers.pcap"
        # Slots of the kernel's buffer are as large as the snap length: few large ones
        # would lose packets of a burst. No frame here is larger than 1 514 bytes.
        cls.dump = cls.net.start(cls.net.b, "tcpdump", "-i", "vb", "-U", "-s2048", "-B65536",
                                 "--immediate-mode", "-Z", "root", "-w", cls.file,
                                 stderr=subprocess.PIPE, text=True)
        cls.addClassCleanup(end, cls.dump)
        for line in cls.dump.stderr:
            if "listening on" in line:
                return
        raise RuntimeError("tcpdump did not begin")

    @classmethod
    def capture_live(cls):
        """nrtool itself listens too: its rows of the live traffic are to be those of the
        packets that tcpdump kept."""
        cls.live = cls.net.start(cls.net.b, NRTOOL, "capture", "vb", "-o",
                                 cls.dir / "live.db", stderr=subprocess.PIPE, text=True)
        cls.addClassCleanup(end, cls.live)
        said = []
        for line in cls.live.stderr:
            said.append(line)
            if line.startswith("capturing"):
                return
        raise RuntimeError("nrtool capture did not begin: " + "".join(said))

    @classmethod
    def stop_live(cls):
        cls.live.send_signal(signal.SIGINT)
        said = cls.live.stderr.read()
        cls.live.stderr.close()
        if cls.live.wait(timeout=60):
            raise RuntimeError(f"nrtool capture: status {cls.live.returncode}\n{said}")

    @classmethod
    def stop_capture(cls):
        size, still = -1, 0
        until = time.monotonic() + 10
        while still < 4 and time.monotonic() < until:
            time.sleep(0.1)
            now = cls.file.stat().st_size
            still = still + 1 if now == size else 0
            size = now
        cls.dump.send_signal(signal.SIGINT)
        text = cls.dump.stderr.read()
        cls.dump.stderr.close()
        cls.dump.wait(timeout=20)
        cls.captured = {words.split(" ", 1)[1]: int(words.split(" ", 1)[0])
                        for words in text.splitlines() if words[:1].isdigit()}

    @classmethod
    def replay(cls, name, *options):
        out = cls.dir / name
        p = subprocess.run([str(NRTOOL), "replay", str(cls.file), "-o", str(out), *options],
                           capture_output=True, text=True, timeout=120, check=False,
                           stdin=subprocess.DEVNULL)
        if p.returncode:
            raise RuntimeError(f"replay: status {p.returncode}\n{p.stdout}{p.stderr}")
        db = sqlite3.connect(f"file:{out}?mode=ro", uri=True)
        db.row_factory = sqlite3.Row
        cls.addClassCleanup(db.close)
        return db

    @classmethod
    def rows(cls, sql, *values):
        return [dict(r) for r in cls.db.execute(sql, values)]

    def test_capture_is_whole(self):
        """Nothing was dropped and nothing went missing between the file and the rows."""
        self.assertEqual(self.captured["packets dropped by kernel"], 0)
        packets = self.captured.get("packets captured", self.captured.get("packet captured"))
        self.assertEqual(self.rows("SELECT sum(packets) n FROM ledger")[0]["n"], packets)
        self.assertEqual(self.rows("SELECT sum(bad_checksums) n FROM flow")[0]["n"] or 0, 0)
        self.assertEqual(self.rows("SELECT kind, detail FROM anomaly WHERE severity <> 'info'"
                                   " AND kind NOT IN (" + ",".join(
                                       f"'{k}'" for k in self.expected_anomalies) + ")"), [])

    expected_anomalies = ()

    def session_rows(self, db, table):
        """Without times and numbers of packets: each capture stamps and counts for itself,
        and does not begin with the same packet."""
        columns = [r[1] for r in db.execute(f"PRAGMA table_info({table})")
                   if not r[1].endswith(("_ns", "packet", "flow_id", "source_id", "repeat_of"))]
        key = ["src_ip", "src_port", "dst_ip", "dst_port"]
        flow = "first_flow_id" if table == "certificate" else "flow_id"
        rows = db.execute(
            f"SELECT {', '.join('f.' + k for k in key)}, {', '.join('t.' + c for c in columns)}"
            f" FROM {table} t JOIN flow f ON f.flow_id = t.{flow}")
        return sorted(re.sub(r'"packet":\d+', "", repr(tuple(r))) for r in rows)

    def test_live_capture_says_the_same(self):
        live = sqlite3.connect(f"file:{self.dir / 'live.db'}?mode=ro", uri=True)
        self.addCleanup(live.close)
        n = 0
        for table in TABLES:
            want = self.session_rows(self.db, table)
            self.assertEqual(self.session_rows(live, table), want, table)
            n += len(want)
        self.assertGreater(n, 0)


def tool(name):
    """A program's path; daemons lie where a user's PATH does not lead."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")


def end(p):
    """Ends one process that this test started: politely, then not."""
    if p.stderr:
        p.stderr.close()
    if p.poll() is not None:
        return
    p.terminate()
    try:
        p.wait(timeout=10)
    except subprocess.TimeoutExpired:
        p.kill()
        p.wait()


def seconds(check, limit=10):
    """Waits until check() gives something true: logs come a little late."""
    until = time.monotonic() + limit
    while True:
        got = check()
        if got or time.monotonic() > until:
            return got
        time.sleep(0.1)


def is_v6(address):
    try:
        socket.inet_pton(socket.AF_INET6, address)
    except OSError:
        return False
    return True
