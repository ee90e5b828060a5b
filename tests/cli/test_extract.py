# SPDX-License-Identifier: BSD-3-Clause
"""nrtool extract: what is chosen, where captures are looked for, what it refuses."""

import os
import random
import re
import shutil
import sqlite3
import struct
import subprocess
import unittest

from common import DATA, NRTOOL, Case


def blocks(path):
    """The blocks of a pcapng file that extract wrote: (type, body)."""
    data = path.read_bytes() if hasattr(path, "read_bytes") else path
    at = 0
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        assert struct.unpack_from("<I", data, at + size - 4)[0] == size
        yield kind, data[at + 8:at + size - 4]
        at += size


def options(data):
    at = 0
    while at + 4 <= len(data):
        code, n = struct.unpack_from("<HH", data, at)
        if code == 0:
            return
        yield code, data[at + 4:at + 4 + n]
        at += 4 + (n + 3) // 4 * 4


def packets(path):
    """(interface, ns, frame, comments) of each packet."""
    out = []
    for kind, body in blocks(path):
        if kind == 6:
            i, hi, lo, cap, _ = struct.unpack_from("<IIIII", body)
            rest = body[20 + (cap + 3) // 4 * 4:]
            out.append((i, hi << 32 | lo, body[20:20 + cap],
                        [v.decode() for c, v in options(rest) if c == 1]))
    return out


def pcap_packets(path):
    """(ns, frame) of a little-endian pcap file with microseconds."""
    data, at = path.read_bytes(), 24
    while at < len(data):
        sec, usec, cap, _ = struct.unpack_from("<IIII", data, at)
        yield sec * 10**9 + usec * 1000, data[at + 16:at + 16 + cap]
        at += 16 + cap


class Extract(Case):
    def replay(self, *files, db="a.db"):
        self.nrtool("replay", "-q", *files, "-o", db, status=0)

    def extract(self, *words, status=0, db="a.db", **more):
        (self.dir / "o.pcapng").unlink(missing_ok=True)
        p = self.nrtool("extract", db, "-w", "o.pcapng", *words, status=status, **more)
        if status:
            self.assertFalse((self.dir / "o.pcapng").exists())
            self.assertEqual(os.listdir(self.dir).count(".o.pcapng.partial"), 0)
            return p.stderr
        return packets(self.dir / "o.pcapng")


class Chosen(Extract):
    def setUp(self):
        super().setUp()
        self.replay(DATA / "http-tls.pcap")
        self.all = list(pcap_packets(DATA / "http-tls.pcap"))

    def records(self, got):
        return [int(re.search(r"packet (\d+)$", c[-1])[1]) for _, _, _, c in got]

    def test_two_taps_in_turns_cost_two_chunks(self):
        data, at = (DATA / "http-tls.pcap").read_bytes(), 24
        taps = [data[:24], data[:24]]
        for i in range(10 ** 6):
            if at >= len(data):
                break
            n = 16 + struct.unpack_from("<I", data, at + 8)[0]
            taps[i % 2] += data[at:at + n]
            at += n
        for name, tap in zip(("t0.pcap", "t1.pcap"), taps):
            (self.dir / name).write_bytes(tap)
        self.nrtool("replay", "t0.pcap", "t1.pcap", "-q", "-o", "t.db")
        [(most, packets)] = self.query(
            "t.db", "SELECT (SELECT max(n) FROM (SELECT count(*) AS n FROM flow_packets"
                    " GROUP BY flow_id)), sum(records) FROM flow")
        self.assertEqual(most, 2)
        self.assertEqual(len(self.extract("--where", "1", db="t.db")), packets)

    def test_packets_are_those_of_the_capture(self):
        got = self.extract("--flow", 32)
        for (_, ns, frame, _), record in zip(got, self.records(got)):
            self.assertEqual((ns, frame), self.all[record - 1])
        self.assertEqual(len(got), 22)

    def test_comment_names_flow_source_and_record(self):
        got = self.extract("--flow", 16, "--flow", 32)
        self.assertEqual(len(got), 36)
        flows = {re.fullmatch(r"nrtool: flow_id (\d+), source_id 1 \(http-tls\.pcap\), "
                              r"packet \d+", c[0])[1] for _, _, _, c in got}
        self.assertEqual(flows, {"16", "32"})
        self.assertEqual(self.records(got), list(range(1, 37)))
        self.assertEqual([c for *_, c in self.extract("--flow", 16, "--no-comments")],
                         [[]] * 14)

    def test_ways_to_choose(self):
        want = self.extract("--flow", 32)
        community = self.query("a.db", "SELECT community_id FROM flow WHERE flow_id = 32")
        for words in (["--where", "dst_port = 443"],
                      ["--where", "dst_port = 443 -- and so on"],
                      ["--where", "cidr(dst_ip, '68.233.0.0/16')"],
                      ["--where", "SELECT flow_id FROM flow WHERE dst_port = 443;"],
                      ["--where", "WITH x AS (SELECT 32 AS Flow_ID) SELECT * FROM x"],
                      ["--community-id", community[0][0]],
                      ["--filter", "tcp port 443"],
                      ["--where", "1", "--filter", "tcp port 443"]):
            with self.subTest(words):
                self.assertEqual(self.extract(*words), want)

    def test_single_packets(self):
        got = self.extract("--where", "SELECT 1 AS source_id, 7 AS packet UNION "
                                      "SELECT 1, 3 UNION SELECT 1, 7")
        self.assertEqual(self.records(got), [3, 7])
        self.assertIn("flow_id ", got[0][3][0])  # looked up

    def test_nothing_matches(self):
        p = self.nrtool("extract", "a.db", "--where", "dst_port = 1", "-w", "n.pcapng")
        self.assertIn("no packet matches", p.stderr)
        self.assertEqual(packets(self.dir / "n.pcapng"), [])

    def test_standard_output(self):
        p = subprocess.run([NRTOOL, "extract", "a.db", "--flow", "32", "-w", "-", "-q"],
                           cwd=self.dir, capture_output=True, check=True)
        self.assertEqual(packets(p.stdout), self.extract("--flow", 32))
        self.assertEqual(p.stderr, b"")

    def test_a_reader_that_has_gone_is_no_failure(self):
        p = subprocess.Popen([NRTOOL, "extract", "a.db", "--flow", "32", "-w", "-"],
                             cwd=self.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        p.stdout.close()
        self.assertEqual((p.wait(), p.stderr.read()), (0, b""))
        p.stderr.close()

    @unittest.skipUnless(os.path.exists("/dev/full"), "there is no /dev/full")
    def test_a_full_device(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            p = subprocess.run([NRTOOL, "extract", "a.db", "--flow", "32", "-w", "-"],
                               cwd=self.dir, stdout=full, stderr=subprocess.PIPE,
                               check=False)
        self.assertEqual(p.returncode, 4)
        self.assertIn(b"No space left", p.stderr)

    def test_wrong_usage(self):
        for words, said in ((["--flow", "x"], "flow_id"), ([], "which packets"),
                            (["--where", "nosuch = 1"], "no such column"),
                            (["--where", "DELETE FROM flow"], "syntax error"),
                            (["--where", "SELECT 1 AS x"], "neither flow_id nor"),
                            (["--where", "SELECT 1 AS flow_id; SELECT 2"], "one SELECT"),
                            (["--where", "dst_port = :p"], "parameter"),
                            (["--filter", "no such thing"], "does not compile")):
            with self.subTest(words):
                self.assertIn(said, self.extract(*words, status=2))
        self.nrtool("extract", "a.db", "--flow", 16, status=2)  # no -w

    def test_what_is_not_there(self):
        self.assertIn("no flow 99", self.extract("--flow", 99, status=1))
        self.assertIn("no packet 99", self.extract(
            "--where", "SELECT 1 AS source_id, 99 AS packet", status=1))
        self.assertIn("unable to open", self.extract("--flow", 1, db="no.db", status=1))
        self.assertIn("no database of nrtool",
                      self.extract("--flow", 1, db=DATA / "gre.pcap", status=1))

    def test_an_output_is_never_an_input(self):
        shutil.copy(DATA / "http-tls.pcap", self.dir / "c.pcap")
        self.replay("c.pcap", db="c.db")
        for target in ("c.pcap", "c.db"):
            p = self.nrtool("extract", "c.db", "--flow", 16, "-w", target, "--force",
                            status=2)
            self.assertIn("is an input too", p.stderr)
        self.assertEqual((self.dir / "c.pcap").read_bytes(),
                         (DATA / "http-tls.pcap").read_bytes())
        self.nrtool("extract", "c.db", "--flow", 16, "-w", "x.pcapng")
        p = self.nrtool("extract", "c.db", "--flow", 16, "-w", "x.pcapng", status=1)
        self.assertIn("--force", p.stderr)
        self.nrtool("extract", "c.db", "--flow", 16, "-w", "x.pcapng", "--force")

    def test_an_output_is_no_capture_of_which_nothing_is_read(self):
        for name in ("http-tls.pcap", "gre.pcap"):
            shutil.copy(DATA / name, self.dir / name)
        self.replay("http-tls.pcap", "gre.pcap", db="c.db")
        words = ("extract", "c.db", "--where", "SELECT 1 AS source_id, 1 AS packet", "-w",
                 "gre.pcap", "--force")
        self.assertIn("has the name and size of one", self.nrtool(*words, status=2).stderr)
        self.assertEqual((self.dir / "gre.pcap").read_bytes(), (DATA / "gre.pcap").read_bytes())
        with (self.dir / "gre.pcap").open("ab") as f:
            f.write(b"another file")
        self.nrtool(*words)

    def test_damaged_rows_are_refused(self):
        db = sqlite3.connect(self.dir / "a.db")
        db.execute("UPDATE flow_packets SET blob = x'ffff7f' WHERE flow_id = 32")
        db.commit()
        db.close()
        self.assertIn("nrtool verify", self.extract("--flow", 32, status=1))


class Captures(Extract):
    """Where they lie, and whether they are what was read."""

    def test_compressed(self):
        self.replay(DATA / "http-tls.pcap")
        want = [p[:3] for p in self.extract("--flow", 16)]
        for name in ("http-tls.pcap.gz", "http-tls.pcap.zst"):
            with self.subTest(name):
                self.replay(DATA / name, db=f"{name}.db")
                self.assertEqual([p[:3] for p in self.extract("--flow", 16,
                                                              db=f"{name}.db")], want)

    def test_moved(self):
        shutil.copy(DATA / "http-tls.pcap", self.dir / "c.pcap")
        self.replay("c.pcap")
        want = self.extract("--flow", 16)
        (self.dir / "sub" / "deep").mkdir(parents=True)
        os.rename(self.dir / "c.pcap", self.dir / "sub" / "deep" / "c.pcap")
        self.assertIn("cannot find c.pcap", self.extract("--flow", 16, status=1))
        for given in ("sub", "sub/deep/c.pcap"):
            self.assertEqual(self.extract("--flow", 16, "--source", given), want)
        os.rename(self.dir / "sub" / "deep" / "c.pcap", self.dir / "other.pcap")
        self.assertEqual(self.extract("--flow", 16, "--source", "other.pcap"), want)

    def test_beside_the_database_and_as_the_run_named_it(self):
        (self.dir / "in" / "x").mkdir(parents=True)
        shutil.copy(DATA / "http-tls.pcap", self.dir / "in" / "x" / "it's one.pcap")
        self.replay("in")
        self.assertEqual(len(self.extract("--flow", 16)), 14)
        os.mkdir(self.dir / "case")
        os.rename(self.dir / "in" / "x" / "it's one.pcap",
                  self.dir / "case" / "it's one.pcap")
        self.extract("--flow", 16, status=1)
        os.rename(self.dir / "a.db", self.dir / "case" / "a.db")
        self.assertEqual(len(self.extract("--flow", 16, db="case/a.db")), 14)

    def test_changed(self):
        data = (DATA / "http-tls.pcap").read_bytes()
        for what, changed in (("bytes", data + b"x"), ("bytes", data[:-1]),
                              ("SHA-256", data[:-1] + bytes([data[-1] ^ 1]))):
            (self.dir / "c.pcap").write_bytes(data)
            self.nrtool("replay", "-q", "--force", "c.pcap", "-o", "a.db")
            (self.dir / "c.pcap").write_bytes(changed)
            self.assertIn(what, self.extract("--flow", 16, status=1))

    def test_two_of_one_name(self):
        """The one that was read is told from the other by its hash."""
        data = (DATA / "http-tls.pcap").read_bytes()
        other = data[:-1] + bytes([data[-1] ^ 1])
        for d, content in (("a", data), ("b", other)):
            os.mkdir(self.dir / d)
            (self.dir / d / "c.pcap").write_bytes(content)
        self.replay("b/c.pcap", "a/c.pcap")
        got = self.extract("--where", "1")
        frames = [f for _, f in pcap_packets(DATA / "http-tls.pcap")]
        last = {int(re.search(r"source_id (\d)", c[-1])[1]): f for _, _, f, c in got}
        self.assertNotEqual(last[1], frames[-1])
        self.assertEqual(last[2], frames[-1])

    def test_a_pipe_cannot_be_read_again(self):
        with open(DATA / "http-tls.pcap", "rb") as f:
            self.nrtool("replay", "-q", "-", "-o", "a.db", stdin=f)
        self.assertIn("was a pipe", self.extract("--flow", 16, status=1))
        self.assertEqual(len(self.extract("--flow", 16, "--source",
                                          DATA / "http-tls.pcap")), 14)


class Large(Extract):
    """Above 8 MiB captures are entered where the packets lie."""

    def setUp(self):
        super().setUp()
        r = random.Random(5)
        with open(self.dir / "l.pcap", "wb") as f:
            f.write((DATA / "http-tls.pcap").read_bytes()[:24])
            for i in range(1, 401):
                port = 53 if i in (200, 201, 390) else 9
                udp = struct.pack(">HHHH", 1000 + port, port, 8 + 50000, 0)
                ip = struct.pack(">BBHHHBBHII", 0x45, 0, 28 + 50000, i, 0, 64, 17, 0,
                                 0x0a000001, 0x0a000002)
                frame = bytes(12) + b"\x08\0" + ip + udp + r.randbytes(50000)
                f.write(struct.pack("<IIII", i, i, len(frame), len(frame)) + frame)
        self.all = list(pcap_packets(self.dir / "l.pcap"))

    def test_plain(self):
        self.replay("l.pcap")
        got = self.extract("--where", "dst_port = 53")
        self.assertEqual([p[1:3] for p in got], [self.all[i] for i in (199, 200, 389)])
        self.assertEqual(len(self.extract("--where", "1")), 400)

    def test_archive_and_other_compressions(self):
        self.nrtool("archive", "l.pcap", "-w", "l.pcapng.zst")
        subprocess.run(["gzip", "-1k", "l.pcap"], cwd=self.dir, check=True)
        subprocess.run(["zstd", "-1q", "l.pcap"], cwd=self.dir, check=True)
        for name in ("l.pcapng.zst", "l.pcap.gz", "l.pcap.zst"):
            with self.subTest(name):
                self.replay(name, db=f"{name}.db")
                got = self.extract("--where", "dst_port = 53", db=f"{name}.db")
                self.assertEqual([p[1:3] for p in got],
                                 [self.all[i] for i in (199, 200, 389)])
                self.assertEqual(len(self.extract("--where", "1", db=f"{name}.db")), 400)

    def test_changed(self):
        data = (self.dir / "l.pcap").read_bytes()
        self.replay("l.pcap")
        (self.dir / "l.pcap").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        self.extract("--where", "dst_port = 53")  # what is read is what it was
        self.assertIn("SHA-256", self.extract("--where", "dst_port = 53", "--check",
                                              status=1))
        (self.dir / "l.pcap").write_bytes(data[24 + 50058:] + data[:24 + 50058])
        self.assertTrue(self.extract("--where", "dst_port = 53", status=1))
        # a packet of the same length fewer before, one more behind
        cut = data[:24] + data[24 + 50058:] + data[24:24 + 50058]
        (self.dir / "l.pcap").write_bytes(cut)
        self.assertIn("not the file", self.extract("--where", "dst_port = 53", status=1))

    def test_compressed_is_hashed_while_it_is_read(self):
        subprocess.run(["gzip", "-1k", "l.pcap"], cwd=self.dir, check=True)
        self.replay("l.pcap.gz")
        data = (self.dir / "l.pcap.gz").read_bytes()
        (self.dir / "l.pcap.gz").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        self.assertIn("SHA-256", self.extract("--where", "dst_port = 53", status=1))


class Several(Extract):
    def test_sections_interfaces_and_comments(self):
        self.replay(DATA / "sections.pcapng")
        got = self.extract("--filter", "ip or ip6 or arp or not ip")
        n = self.query("a.db", "SELECT packets FROM source")[0][0]
        self.assertEqual(len(got), n)
        comments = dict(self.query("a.db", "SELECT packet, group_concat(text, '|') FROM "
                                           "comment WHERE packet IS NOT NULL GROUP BY 1"))
        for record, (_, _, _, c) in enumerate(got, 1):
            self.assertEqual("|".join(c[:-1]), comments.get(record, ""))
        names = [dict(options(b[8:])).get(2, b"").decode()
                 for k, b in blocks(self.dir / "o.pcapng") if k == 1]
        known = {r[0] for r in self.query("a.db", "SELECT name FROM interface "
                                                  "WHERE name IS NOT NULL")}
        self.assertTrue(set(names) - {""} <= known)
        heads = [v.decode() for k, b in blocks(self.dir / "o.pcapng")
                 if k == 0x0a0d0d0a for c, v in options(b[16:]) if c == 1]
        for text, in self.query("a.db", "SELECT text FROM comment WHERE packet IS NULL"):
            self.assertIn(text, heads)

    def test_order_of_time_across_captures(self):
        files = [DATA / n for n in ("vxlan.pcap", "http-tls.pcap", "gre.pcap",
                                    "fragments-http.pcap", "icmp-vlan.pcap")]
        self.replay(*files)
        got = self.extract("--where", "1")
        self.assertEqual([p[1] for p in got], sorted(p[1] for p in got))
        self.assertGreaterEqual(len({p[0] for p in got}), len(files))

    def test_fragments_come_along(self):
        self.replay(DATA / "fragments-http.pcap")
        flow, n = self.query("a.db", "SELECT flow_id, records FROM flow "
                                     "ORDER BY records DESC")[0]
        self.assertEqual(len(self.extract("--flow", flow)), n)

    def test_a_tunnel_and_what_it_carried(self):
        self.replay(DATA / "vxlan.pcap")
        (carrier,), = self.query("a.db", "SELECT flow_id FROM flow WHERE service = 'vxlan'")
        (inner,), = self.query("a.db", "SELECT flow_id FROM flow WHERE parent_flow_id > 0")
        self.assertEqual([p[2] for p in self.extract("--flow", carrier)],
                         [p[2] for p in self.extract("--flow", inner)])
        self.assertEqual(len(self.extract("--flow", carrier)), 1)
        self.assertEqual(self.extract("--flow", carrier, "--no-inner"), [])
        p = self.nrtool("extract", "a.db", "--flow", inner, "--with-carriers", "-w",
                        "c.pcapng")
        self.assertIn("2 flows", p.stderr)

    def test_secrets_only_when_asked_for(self):
        body = struct.pack("<II", 0x544c534b, 5) + b"keys\n\0\0\0"
        dsb = struct.pack("<II", 10, 12 + len(body)) + body + struct.pack("<I", 12 + len(body))
        data = (DATA / "dns-tcp.pcapng").read_bytes()
        at = struct.unpack_from("<I", data, 4)[0]
        (self.dir / "c.pcapng").write_bytes(data[:at] + dsb + data[at:])
        self.replay("c.pcapng")
        self.extract("--where", "1")
        self.assertNotIn(10, [k for k, _ in blocks(self.dir / "o.pcapng")])
        got = self.extract("--where", "1", "--with-secrets")
        kinds = list(blocks(self.dir / "o.pcapng"))
        self.assertIn((10, body), kinds)
        self.assertEqual(len(got), 4)

    def test_archives(self):
        self.replay(DATA / "http-tls.pcap")
        want = self.extract("--flow", 32)
        self.nrtool("extract", "a.db", "--flow", 32, "-q", "-w", "x.pcapng.zst")
        plain = subprocess.run(["zstd", "-dcq", "x.pcapng.zst"], cwd=self.dir, check=True,
                               capture_output=True).stdout
        self.assertEqual(packets(plain), want)


if __name__ == "__main__":
    unittest.main()
