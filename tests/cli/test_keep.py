# SPDX-License-Identifier: BSD-3-Clause
"""What a capture keeps: rotated packet files and databases, by a capture without a wire
(tests/keep/drive), against a replay of the same frames."""

import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import time
import unittest
from collections import Counter

from common import DATA, IS_ASAN, NRTOOL, Case

DRIVE = NRTOOL.parent.parent / "tests" / "keep" / "drive"
CAPTURES = ("http-tls", "http-gap", "ftp-ipv6", "ssh", "smtp-auth", "tls-handshakes", "mdns", "dhcp",
            "vxlan", "gre", "icmp-vlan", "quic-v2", "ntp", "http-smuggling", "tcp-rst", "pppoe")

# Columns that add up over the parts of a flow; of the rest the last part has the whole.
SUMS = ("src_packets", "dst_packets", "src_bytes", "dst_bytes", "records", "wire_bytes",
        "src_payload_bytes", "dst_payload_bytes", "src_retransmits", "dst_retransmits",
        "src_out_of_order", "dst_out_of_order", "src_zero_windows", "dst_zero_windows",
        "bad_checksums", "overlap_unverified", "src_missed_bytes", "dst_missed_bytes")
FLAGS = ("tcp_flags_src", "tcp_flags_dst")
# What holds for the whole connection in its last part.
LAST = ("proto", "src_ip", "src_port", "dst_ip", "dst_port", "vlan", "tunnel", "community_id",
        "history", "service", "parser", "parser_close", "flipped", "syn_options",
        "handshake_rtt_ns", "src_mac", "dst_mac")
SESSIONS = ("dns", "http", "tls", "quic", "ssh", "smtp", "ftp", "dhcp", "ntp", "icmp", "arp",
            "credential", "anomaly")
IDS = {"flow_id", "source_id", "packet", "quoted_flow_id", "data_flow_id", "repeat_of"}


def rows(db, table):
    db.row_factory = sqlite3.Row
    return [dict(r) for r in db.execute(f"SELECT * FROM {table}")]


class Set:
    """The databases of a set, and what they hold together."""

    def __init__(self, paths):
        self.dbs = [sqlite3.connect(f"file:{p}?mode=ro", uri=True) for p in paths]

    def rows(self, table):
        return [r for db in self.dbs for r in rows(db, table)]

    def flows(self):
        """Flows whole again, by their first flow_id's place."""
        at = {}
        out = []
        for f in sorted(self.rows("flow"), key=lambda f: f["flow_id"]):
            if f["continues"] is None:
                whole = f
                out.append(whole)
            else:
                whole = at.pop(f["continues"])
                assert whole["end_reason"] == "rotated", whole
                for c in SUMS:
                    if f[c] is not None:
                        whole[c] = (whole[c] or 0) + f[c]
                for c in FLAGS:
                    if f[c] is not None:
                        whole[c] |= f[c]
                whole |= {c: f[c] for c in LAST}
                # what is told of the whole by packets is that of the part
                whole["conn_state"] = f["conn_state"] if f["proto"] == "tcp" else None
                whole["end_reason"] = f["end_reason"]
            at[f["flow_id"]] = whole
        return out

    def close(self):
        for db in self.dbs:
            db.close()


def session_rows(all_rows):
    """Without what says where a packet lies: its number is that in the file it is in now."""
    return Counter(re.sub(r'\\"packet\\":\d+', "", json.dumps(
        {k: v for k, v in r.items() if k not in IDS and not k.endswith("packet")},
        sort_keys=True)) for r in all_rows)


class Keep(Case):
    def drive(self, capture, per_file, files_per_db, *more, packets="x.pcapng", status=0):
        p = subprocess.run([str(DRIVE), str(capture), str(self.dir / packets),
                            str(self.dir / "x.db"), str(per_file), str(files_per_db), *more],
                           capture_output=True, text=True, timeout=300, check=False)
        self.assertEqual(p.returncode, status, p.stderr[-4000:])
        return p

    def set(self):
        s = Set(sorted(self.dir.glob("x*.db")))
        self.addCleanup(s.close)
        return s

    def check_rotated(self, capture, per_file, files_per_db):
        for p in self.dir.glob("x*"):
            p.unlink()
        self.nrtool("replay", capture, "-q", "--force", "-o", "a.db")
        self.drive(capture, per_file, files_per_db)
        one = sqlite3.connect(f"file:{self.dir / 'a.db'}?mode=ro", uri=True)
        self.addCleanup(one.close)
        many = self.set()
        want, got = rows(one, "flow"), many.flows()
        self.assertEqual(len(want), len(got))
        for a, b in zip(sorted(want, key=lambda f: f["flow_id"]), got):
            for c in SUMS + LAST + FLAGS + ("end_reason",) + (
                    ("conn_state",) if a["proto"] == "tcp" else ()):
                self.assertEqual(a[c], b[c], f"{capture.name} {c} of {a['flow_id']}")
        for t in SESSIONS:
            self.assertEqual(session_rows(rows(one, t)), session_rows(many.rows(t)), t)
        for db in many.dbs:
            self.assertEqual(db.execute("SELECT sum(NOT ok) FROM ledger_check").fetchone()[0], 0)
            self.assertEqual(db.execute("PRAGMA journal_mode").fetchone()[0], "delete")
        ledger = "SELECT sum(packets), sum(wire_bytes) FROM ledger WHERE bucket = 'flow'"
        sums = [db.execute(ledger).fetchone() for db in many.dbs]
        self.assertEqual(tuple(one.execute(ledger).fetchone()),
                         tuple(sum(s[i] or 0 for s in sums) or None for i in (0, 1)))
        return many

    def test_the_parts_add_up_to_the_whole(self):
        for name in CAPTURES:
            capture = DATA / f"{name}.pcap"
            for per_file, files_per_db in ((7, 2), (3, 0)):
                with self.subTest(name, per_file=per_file, files_per_db=files_per_db):
                    self.check_rotated(capture, per_file, files_per_db)

    def test_a_database_for_each_packet(self):
        for name in ("http-tls", "vxlan", "ftp-ipv6"):
            with self.subTest(name):
                self.check_rotated(DATA / f"{name}.pcap", 1, 1)

    def test_ids_run_on_and_the_set_reads_as_one(self):
        self.check_rotated(DATA / "http-tls.pcap", 7, 2)
        names = sorted(p.name for p in self.dir.glob("x*.db"))
        self.assertEqual(len(names), 3)
        p = self.nrtool("query", *names, "--format=json", "SELECT * FROM database")
        for d in json.loads(p.stdout):
            self.assertEqual((d["run_offset"], d["source_offset"], d["flow_offset"]), (0, 0, 0))
        p = self.nrtool("query", *names, "--format=json",
                        "SELECT b.continues = a.flow_id AS c FROM flow a JOIN flow b"
                        " ON b.continues = a.flow_id")
        self.assertEqual(json.loads(p.stdout), [{"c": 1}] * 4)
        p = self.nrtool("query", *names, "--format=json", "SELECT name, packets FROM source")
        got = {s["name"]: s["packets"] for s in json.loads(p.stdout)}
        files = sorted(p.name for p in self.dir.glob("x*.pcapng"))
        self.assertEqual(sorted(got), files)
        for f in files:
            info = json.loads(self.nrtool("info", "--json", f).stdout)
            self.assertEqual(info["packets"], got[f])

    def test_flow_packets_lead_into_the_rotated_files(self):
        self.check_rotated(DATA / "http-tls.pcap", 7, 2)
        for db in sorted(p.name for p in self.dir.glob("x*.db")):
            for flow, records in self.query(db, "SELECT flow_id, records FROM flow"):
                if not records:
                    continue
                self.nrtool("extract", db, "--flow", flow, "-w", "e.pcapng", "--force")
                self.nrtool("replay", "e.pcapng", "-q", "--force", "-o", "e.db")
                got = self.query("e.db", "SELECT sum(records), count(*), min(src_ip) FROM flow")
                self.assertEqual(got[0][:2], (records, 1))
            self.nrtool("verify", db)

    def test_packet_files_replay_to_the_same_rows(self):
        for ending in ("pcapng", "pcapng.zst"):
            for p in self.dir.glob("*"):
                p.unlink()
            capture = DATA / "tls-handshakes.pcap"
            self.drive(capture, 10, 0, packets=f"x.{ending}")
            files = sorted(p.name for p in self.dir.glob(f"x*.{ending}"))
            self.assertGreater(len(files), 3)
            self.nrtool("replay", capture, "-q", "-o", "a.db")
            self.nrtool("replay", *files, "-q", "-o", "b.db")
            for t, columns in (("flow", "*"), ("tls", "*"), ("certificate", "*")):
                sql = f"SELECT {columns} FROM {t} ORDER BY 1, 2, 3"
                a, b = ([{k: v for k, v in r.items() if k not in IDS}
                         for r in self.as_dicts(d, sql)] for d in ("a.db", "b.db"))
                self.assertEqual(a, b)
                self.assertTrue(a)

    def as_dicts(self, database, sql):
        db = sqlite3.connect(f"file:{self.dir / database}?mode=ro", uri=True)
        db.row_factory = sqlite3.Row
        try:
            return [dict(r) for r in db.execute(sql)]
        finally:
            db.close()

    def test_killed_at_random_moments(self):
        """Closed files are whole; open ones are whole up to the last second."""
        rng = random.Random(os.getpid())
        for turn in range(3 if IS_ASAN else 6):
            kill_once(self, rng, self.dir / f"k{turn}", "pcapng.zst" if turn % 3 == 2 else "pcapng")


def kill_once(case, rng, folder, ending):
    folder.mkdir()
    began = time.time()
    p = subprocess.Popen([str(DRIVE), str(DATA / "http-tls.pcap"), str(folder / f"x.{ending}"),
                          str(folder / "x.db"), "200", "3", "500"], stdin=subprocess.DEVNULL,
                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        while not list(folder.glob("x*.db")) and p.poll() is None and time.time() < began + 60:
            time.sleep(0.01)
        time.sleep(1.0 + rng.random() * 2)
    finally:
        p.kill()
        err = p.communicate()[1]
    case.assertEqual(p.returncode, -signal.SIGKILL, err[-2000:])
    check_after_kill(case, folder, ending)


def has_tables(path):
    db = sqlite3.connect(path)
    try:
        return db.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'flow'").fetchone()[0]
    finally:
        db.close()


def check_after_kill(case, folder, ending):
    files, dbs = sorted(folder.glob(f"x*.{ending}")), sorted(folder.glob("x*.db"))
    case.assertTrue(files and dbs)
    kept = {}
    for f in files:
        q = subprocess.run([str(NRTOOL), "info", "--json", str(f)], capture_output=True,
                           text=True, timeout=60, check=False)
        # the last one may end in the middle of a block, and one before it may not be closed
        # yet: both are read up to there
        case.assertIn(q.returncode, (0, 3) if f in files[-2:] else (0,), (f, q.stdout, q.stderr))
        kept[f.name] = json.loads(q.stdout)["packets"]
    for d in dbs:
        if d == dbs[-1] and not has_tables(d):
            continue  # killed while it was made
        q = subprocess.run([str(NRTOOL), "verify", "--no-sources", str(d)], capture_output=True,
                           text=True, timeout=60, check=False)
        case.assertNotRegex(q.stdout, r"(?m)^ *changed", d)
        db = sqlite3.connect(d)
        try:
            case.assertEqual(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            # the newest may be younger than its first commit
            if d != dbs[-1]:
                case.assertGreater(db.execute("SELECT count(*) FROM run").fetchone()[0], 0)
            for name, packets in db.execute("SELECT name, packets FROM source"):
                # what the last commit says is in the file
                if ending == "pcapng":
                    case.assertGreaterEqual(kept[name], packets)
            orphans = db.execute("SELECT count(*) FROM http WHERE flow_id NOT IN"
                                 " (SELECT flow_id FROM flow)").fetchone()[0]
            if d in dbs[:-2]:
                case.assertEqual(orphans, 0)
            total = db.execute("SELECT sum(packets) FROM source").fetchone()[0]
            if d != dbs[-1]:
                case.assertGreater(total, 0)
        finally:
            db.close()


if __name__ == "__main__":
    unittest.main()
