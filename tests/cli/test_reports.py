# SPDX-License-Identifier: BSD-3-Clause
"""What the reports say of rows that are put into a database for it."""

import json
import sqlite3

from common import ROOT, Case

S = 10**9
T = 1_700_000_000 * S  # 2023-11-14T22:13:20Z


class Reports(Case):
    def setUp(self):
        super().setUp()
        self.db = self.make("a.db")

    def make(self, name):
        db = sqlite3.connect(self.dir / name)
        self.addCleanup(db.close)
        for file in ("schema", "views"):
            db.executescript((ROOT / f"sql/{file}.sql").read_text())
        self.insert("run", run_id=1, tool_version="0", schema_version=1, db=db)
        self.insert("source", source_id=1, run_id=1, name="x.pcap", interrupted=0, db=db)
        return db

    def insert(self, table, db=None, **row):
        (db or self.db).execute(f"INSERT INTO {table} ({','.join(row)}) VALUES"
                                f" ({','.join('?' * len(row))})", list(row.values()))

    def flow(self, flow_id, first=T, last=None, db=None, **more):
        row = {"source_id": 1, "proto": "tcp", "src_ip": "10.0.0.1", "src_port": 4000,
               "dst_ip": "10.0.0.2", "dst_port": 80, "first_ns": first,
               "last_ns": first if last is None else last, "src_packets": 1, "dst_packets": 1,
               "src_bytes": 100, "dst_bytes": 100, "conn_state": "SF", "end_reason": "fin"}
        self.insert("flow", flow_id=flow_id, db=db, **{**row, **more})

    def report(self, sql, *words, files=("a.db",), columns=None):
        self.db.commit()
        out = self.nrtool("query", *files, sql, "--format=jsonl", *words).stdout
        rows = [json.loads(line) for line in out.splitlines()]
        return [tuple(r[c] for c in columns.split()) for r in rows] if columns else rows

    def parts(self, n, first_id=16, at=T, db=None, **more):
        """One flow of a rotated set: a part each 10 s, of 4 s; the last one has no packets."""
        for i in range(n):
            is_last = i == n - 1
            row = {"end_reason": "idle" if is_last else "rotated", "conn_state": "S1",
                   "continues": first_id + 16 * (i - 1) if i else None}
            if is_last:
                row.update(src_packets=0, dst_packets=0, src_bytes=0, dst_bytes=0)
            begin = at + i * 10 * S
            self.flow(first_id + 16 * i, begin, begin + (0 if is_last else 4 * S), db=db,
                      **{**row, **more})

    def test_parts_of_a_flow_are_one_flow(self):
        self.parts(12, service="http")
        want = {"talkers": ("ip flows_as_src flows_as_dst bytes_sent",
                            [("10.0.0.1", 1, 0, 1100), ("10.0.0.2", 0, 1, 1100)]),
                "conversations": ("flows src_bytes", [(1, 1100)]),
                "top_ports": ("flows src_bytes", [(1, 1100)]),
                "services": ("service flows src_bytes", [("http", 1, 1100)]),
                "beacons": ("flows", []),
                "long_flows": ("flow_id first duration_s packets bytes conn_state",
                               [(16, "2023-11-14T22:13:20.000000000Z", 104, 22, 2200, "S1")])}
        for name, (columns, rows) in want.items():
            with self.subTest(name):
                self.assertEqual(self.report(name, columns=columns), rows)
        # in the steps where it has packets, which the last part has not
        rows = self.report("timeline", columns="flows packets")
        self.assertEqual(rows, [(1, 2)] + [(0, 2)] * 10)
        rows = self.report("SELECT * FROM timeline", columns="flows packets failed")
        self.assertEqual(rows, [(1, 8, 0), (0, 12, 0), (0, 2, 0)])

    def test_parts_whose_first_one_is_not_there_are_one_flow(self):
        self.parts(12)
        self.db.execute("DELETE FROM flow WHERE flow_id < 64")
        self.assertEqual(self.report("conversations", columns="flows src_packets"), [(1, 8)])
        self.assertEqual(self.report("timeline", columns="flows"), [(1,)] + [(0,)] * 7)
        self.assertEqual(self.report("long_flows", columns="flow_id duration_s"), [(64, 74)])
        # a file alone has each flow once, whatever was before and comes after
        self.db.execute("DELETE FROM flow WHERE flow_id <> 80")
        self.assertEqual(self.report("talkers", columns="flows_as_src"), [(1,), (0,)])
        self.assertEqual(self.report("timeline", columns="flows"), [(1,)])

    def test_parts_in_files_of_their_own_are_one_flow(self):
        self.parts(3)
        b = self.make("b.db")
        b.execute("UPDATE source SET source_id = 2")
        b.execute("UPDATE run SET run_id = 2")
        self.parts(3, db=b, source_id=2)
        self.db.execute("DELETE FROM flow WHERE flow_id > 16")
        b.execute("DELETE FROM flow WHERE flow_id = 16")
        b.commit()
        files = ["a.db", "b.db"]
        self.assertEqual(self.report("talkers", columns="flows_as_src", files=files), [(1,), (0,)])
        self.assertEqual(self.report("long_flows", columns="flow_id duration_s packets", files=files),
                         [(16, 14, 4)])

    def test_long_flows_are_in_the_order_of_their_whole_duration(self):
        self.flow(1600, last=T + 30 * S)
        self.flow(1616, last=T + 20 * S)
        self.parts(4)
        self.assertEqual(self.report("long_flows", "-p", "limit=2", columns="flow_id duration_s"),
                         [(1600, 30), (16, 24)])

    def test_answered_flows_that_went_on_silently_are_no_scan(self):
        for i in range(20):
            self.parts(3, first_id=1600 * (i + 1), proto="udp", dst_port=7000 + i, conn_state="SF")
        self.assertEqual(self.report("scanners"), [])
        # what is answered in the second file was not left unanswered
        self.db.execute("UPDATE flow SET dst_packets = 0, conn_state = 'S0' WHERE continues IS NULL")
        self.assertEqual(self.report("scanners"), [])
        self.db.execute("UPDATE flow SET dst_packets = 0, conn_state = 'S0'")
        self.assertEqual(self.report("scanners", columns="attempts ports"), [(20, 20)])

    def test_failed_connections_count_where_they_end(self):
        self.parts(3, conn_state="S0", dst_packets=0)
        self.flow(1600, src_port=4001, conn_state="S0", end_reason="rotated", dst_packets=0)
        self.flow(1616, T + S, src_port=4001, continues=1600)
        self.flow(1632, dst_port=81, conn_state="S0", end_reason="rotated", dst_packets=0)
        self.flow(1648, T + S, dst_port=81, continues=1632)
        self.assertEqual(self.report("failed_connections", columns="dst_port flows"), [(80, 1)])
        self.assertEqual(self.report("SELECT sum(failed) AS n FROM timeline"), [{"n": 1}])
        self.assertEqual(sum(n for n, in self.report("timeline", columns="failed")), 1)

    def test_loss_tells_of_records_and_of_readings_that_were_stopped(self):
        self.insert("source", source_id=2, run_id=1, name="y.pcap", interrupted=1)
        self.insert("capture_stats", source_id=1, interface_id=0, received=5, records_dropped=3)
        self.insert("capture_stats", source_id=1, interface_id=0, received=5, records_dropped=4)
        self.assertEqual(self.report("loss", columns="what subject amount"),
                         [("interrupted", "y.pcap", None),
                          ("dropped records", "x.pcap interface 0", 7)])

    def test_loss_does_not_invent_how_much_was_received(self):
        self.insert("interface", source_id=1, interface_id=0, dropped=2)
        self.insert("interface", source_id=1, interface_id=1, dropped=2, received=9)
        self.insert("capture_stats", source_id=1, interface_id=0, dropped_kernel=4)
        self.insert("capture_stats", source_id=1, interface_id=1, dropped_kernel=4, received=8)
        self.assertEqual(self.report("loss", columns="amount detail"),
                         [(2, None), (2, "of 9 received"), (4, None), (4, "of 8 received")])

    def test_names_that_failed_are_one_however_they_are_written(self):
        self.flow(16, proto="udp", dst_port=53, service="dns")
        for name in ("a.example", "A.example", "a.EXAMPLE"):
            self.insert("dns", flow_id=16, transport="udp", trans_id=1, query_name=name,
                        query_type="A", rcode="SERVFAIL", opcode="QUERY", answered=1,
                        response_only=0, complete=1)
        self.assertEqual(self.report("dns_failures", columns="query_name queries"),
                         [("a.example", 3)])

    def test_an_answer_to_inform_is_no_lease(self):
        ack = {"operation": "reply", "message_type": "ack", "ts_ns": T, "complete": 1}
        self.insert("dhcp", client_mac="02::1", client_ip="10.0.0.5", **ack)
        self.insert("dhcp", client_mac="02::2", assigned_ip="10.0.0.6", lease_s=60, **ack)
        self.insert("dhcp", client_mac="02::3", client_ip="10.0.0.7", lease_s=60, **ack)
        self.assertEqual(self.report("dhcp_leases", columns="ip"), [("10.0.0.6",), ("10.0.0.7",)])
