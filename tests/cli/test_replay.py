# SPDX-License-Identifier: BSD-3-Clause
"""What nrtool replay and info do with files, outputs and signals."""

import gzip
import hashlib
import json
import os
import pty
import signal
import sqlite3
import struct
import subprocess
import time

from common import DATA, IS_ASAN, NRTOOL, Case, report_params

HTTP_TLS = DATA / "http-tls.pcap"


class Outputs(Case):
    def test_directions_that_a_pcapng_tells_are_counted(self):
        def block(kind, body):
            n = 12 + len(body)
            return struct.pack("<II", kind, n) + body + struct.pack("<I", n)

        def frame(interface, flags):  # draft-ietf-opsawg-pcapng, Enhanced Packet Block Flags Word
            options = struct.pack("<HHIHH", 2, 4, flags, 0, 0) if flags is not None else b""
            return block(6, struct.pack("<IIIII", interface, 0, 1, 60, 60) + bytes(60) + options)

        parts = [block(0x0a0d0d0a, struct.pack("<IHHq", 0x1a2b3c4d, 1, 0, -1))]
        parts += [block(1, struct.pack("<HHI", 1, 0, 0))] * 2
        parts += [frame(0, 1), frame(0, 2), frame(0, 1), frame(0, None), frame(1, None)]
        (self.dir / "d.pcapng").write_bytes(b"".join(parts))
        self.nrtool("replay", "d.pcapng", "-q", "-o", "d.db")
        self.assertEqual(self.query("d.db", "SELECT interface_id, inbound, outbound FROM interface"),
                         [(0, 2, 1), (1, None, None)])

    def test_no_content_makes_frames_pass_for_copies(self):
        def frame(port, word):  # 16 bytes for a hash that is multiplied, at their place
            magic = struct.pack("<QQ", 0xe7037ed1a0b428db, 0xa0761d6478bd642f)
            f = struct.pack(">HHHH", port, 53, 48, 0) + word + magic + bytes(16)
            f = struct.pack(">BBHHHBBHII", 0x45, 0, 20 + len(f), 0, 0, 64, 17, 0,
                            0x0a000000 + port, 0x0a010101) + f
            f = b"\2\0\0\0\0\2\2\0\0\0\0\1\x08\0" + f
            return struct.pack("<IIII", 1700000000, port, len(f), len(f)) + f

        (self.dir / "d.pcap").write_bytes(
            struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1) +
            frame(1000, b"harmless") + frame(2000, b"not that") + frame(2000, b"not that"))
        self.nrtool("replay", "d.pcap", "--dedup", "-q", "-o", "d.db")
        self.assertEqual(self.query("d.db", "SELECT bucket, packets FROM ledger ORDER BY 1"),
                         [("duplicate", 1), ("flow", 2)])

    def test_default_name(self):
        p = self.nrtool("replay", DATA / "http-tls.pcap.gz")
        self.assertEqual(p.stdout, "")
        self.assertEqual(self.query("http-tls.db", "SELECT count(*) FROM flow"), [(2,)])
        self.assertIn("http-tls.db", p.stderr)

    def test_summary_says_what_matters(self):
        err = self.nrtool("replay", HTTP_TLS).stderr
        for words in ("36 packets", "2 flows", "2013-03-19T16:05:11", "tcp", "10.0.0.80",
                      "in flows", "http-tls.db", "next:"):
            self.assertIn(words, err)
        self.assertNotIn("\033", err)
        for line in err.splitlines():
            self.assertLessEqual(len(line), 80, line)

    def test_quiet_says_nothing(self):
        self.assertEqual(self.nrtool("replay", HTTP_TLS, "-q").stderr, "")

    def test_an_existing_target_needs_force(self):
        self.nrtool("replay", HTTP_TLS, "-q")
        before = (self.dir / "http-tls.db").read_bytes()
        self.assertIn("http-tls.db", self.nrtool("replay", HTTP_TLS, status=1).stderr)
        self.assertEqual((self.dir / "http-tls.db").read_bytes(), before)
        self.nrtool("replay", HTTP_TLS, "-q", "--force")

    def test_append_goes_on_with_ids(self):
        self.nrtool("replay", HTTP_TLS, "-q", "-o", "case.db")
        self.nrtool("replay", DATA / "icmp-echo.pcap", "-q", "-o", "case.db", "--append")
        self.assertEqual(self.query("case.db", "SELECT source_id, name FROM source ORDER BY 1"),
                         [(1, "http-tls.pcap"), (2, "icmp-echo.pcap")])
        self.assertEqual(self.query("case.db", "SELECT count(*), count(DISTINCT flow_id) FROM flow"),
                         [(3, 3)])
        self.assertEqual(self.query("case.db", "PRAGMA foreign_key_check"), [])
        self.assertEqual(self.query("case.db", "SELECT min(flow_id) FROM flow WHERE proto = 'icmp'"),
                         [(37 * 16,)])

    def test_two_may_append_at_a_time(self):
        self.nrtool("replay", DATA / "icmp-echo.pcap", "-q", "-o", "case.db")
        r, w = os.pipe()
        words = [str(NRTOOL), "replay", "-q", "-o", "case.db", "--append"]
        one = subprocess.Popen([*words, "-"], stdin=r, cwd=self.dir, stderr=subprocess.PIPE)
        os.close(r)
        self.addCleanup(one.stderr.close)
        os.write(w, HTTP_TLS.read_bytes())
        time.sleep(2 if IS_ASAN else 0.7)
        two = subprocess.Popen([*words, str(DATA / "ntp.pcap")], cwd=self.dir,
                               stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(two.stderr.close)
        time.sleep(2 if IS_ASAN else 0.7)
        os.close(w)
        self.assertEqual((one.wait(30), two.wait(30)), (0, 0), two.stderr.read())
        self.assertEqual(self.query("case.db", "SELECT source_id, run_id, name FROM source ORDER BY 1"),
                         [(1, 1, "icmp-echo.pcap"), (2, 2, "stdin"), (3, 3, "ntp.pcap")])

    def test_several_outputs_hold_the_same(self):
        p = self.nrtool("replay", HTTP_TLS, "-o", "a.db", "-o", "a.jsonl", "-o", "-", "-o", "null:")
        self.assertEqual(p.stdout, (self.dir / "a.jsonl").read_text())
        ids = [json.loads(line)["flow_id"] for line in p.stdout.splitlines()
               if json.loads(line)["type"] == "flow"]
        self.assertEqual(self.query("a.db", "SELECT flow_id FROM flow"), [(i,) for i in ids])

    def test_outputs_are_private(self):
        self.nrtool("replay", HTTP_TLS, "-q", "-o", "a.db", "-o", "a.jsonl")
        for name in ("a.db", "a.jsonl"):
            self.assertEqual((self.dir / name).stat().st_mode & 0o777, 0o600)

    def test_reader_of_the_pipe_gone_is_fine(self):
        p = subprocess.Popen([str(NRTOOL), "replay", str(HTTP_TLS), "-q", "-o", "-", "-o",
                              str(self.dir / "too.db")], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        p.stdout.close()
        self.assertEqual((p.stderr.read(), p.wait()), (b"", 0))
        p.stderr.close()
        self.assertEqual(self.query("too.db", "SELECT count(*) FROM flow"), [(2,)])

    def test_full_disk(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("there is no /dev/full")
        with open("/dev/full", "w", encoding="ascii") as full:
            for words in (["replay", str(HTTP_TLS), "-q", "-o", "-"], ["help"]):
                p = subprocess.run([str(NRTOOL), *words], stdout=full, stderr=subprocess.PIPE,
                                   text=True, check=False)
                self.assertEqual(p.returncode, 4, p.stderr)
                self.assertIn("No space left", p.stderr)

    def test_an_output_that_cannot_be(self):
        self.assertIn("nowhere", self.nrtool("replay", HTTP_TLS, "-o", "nowhere/x.db",
                                             status=1).stderr)


class Evidence(Case):
    def test_no_output_is_an_input(self):
        mine = self.dir / "mine.pcap"
        mine.write_bytes(HTTP_TLS.read_bytes())
        (self.dir / "link").symlink_to(mine)
        for target in ("mine.pcap", "./link"):
            p = self.nrtool("replay", mine, "-q", "-o", target, "--force", status=2)
            self.assertIn("is an input too", p.stderr)
        self.assertEqual(mine.read_bytes(), HTTP_TLS.read_bytes())

    def test_nor_standard_input(self):
        lines = self.nrtool("replay", HTTP_TLS, "-q", "-o", "-").stdout.encode()
        for name, content, words in (
                ("mine.db", HTTP_TLS.read_bytes(), ("replay", "-", "-q", "-o")),
                ("mine.pcapng", HTTP_TLS.read_bytes(), ("archive", "-", "-q", "-w")),
                ("rows.db", lines, ("import", "-", "-q", "-o"))):
            mine = self.dir / name
            mine.write_bytes(content)
            with open(mine, "rb") as f:
                p = self.nrtool(*words, name, "--force", stdin=f, status=2)
            self.assertIn("input too", p.stderr)
            self.assertEqual(mine.read_bytes(), content)

    def test_nor_what_a_manifest_signs(self):
        mine = self.dir / "mine.pcap"
        mine.write_bytes(HTTP_TLS.read_bytes())
        self.nrtool("replay", mine, "-q", "-o", "a.db")
        self.nrtool("keygen", "k")
        for target in ("mine.pcap", "a.db", "k.key"):
            before = (self.dir / target).read_bytes()
            p = self.nrtool("manifest", "a.db", "-k", "k.key", "-w", target, "--force", status=2)
            self.assertIn("is an input too", p.stderr)
            self.assertEqual((self.dir / target).read_bytes(), before)


class OlderSchema(Case):
    """testdata/schema-1.db.gz: written by the last nrtool of schema 1."""

    def setUp(self):
        super().setUp()
        (self.dir / "old.db").write_bytes(gzip.decompress(
            (DATA / "schema-1.db.gz").read_bytes()))

    def test_it_is_read_as_it_is(self):
        out = self.nrtool("query", "old.db", "SELECT count(*) AS n FROM flow_v",
                          "--format", "csv").stdout
        self.assertEqual(out.split(), ["n", "5"])
        for line in self.nrtool("query", "--list").stdout.splitlines():
            name = line.split()[0]
            self.nrtool("query", "old.db", name, *report_params(name))
        for sql in ("SELECT count(*) AS n FROM dns_v", "SELECT count(times_clamped) AS n FROM source"):
            self.assertEqual(self.nrtool("query", "old.db", sql).stdout.split(), ["n", "0"])
        self.assertEqual(self.query("old.db", "PRAGMA user_version"), [(1,)])

    def test_appending_migrates_it(self):
        self.nrtool("replay", DATA / "gre.pcap", "-q", "--append", "-o", "old.db")
        self.nrtool("replay", DATA / "gre.pcap", "-q", "-o", "new.db")
        self.assertEqual(self.query("old.db", "PRAGMA user_version"),
                         self.query("new.db", "PRAGMA user_version"))
        self.assertEqual(self.query("old.db", "SELECT name, times_clamped FROM source"),
                         [("icmp-vlan.pcap", None), ("http-tls.pcap", None),
                          ("vxlan.pcap", None), ("gre.pcap", 0)])
        self.assertEqual(self.query("old.db", "PRAGMA integrity_check"), [("ok",)])
        self.assertEqual(self.query("old.db", "PRAGMA foreign_key_check"), [])
        for kind in ("index", "view"):
            had, has = [self.query(db, f"SELECT name, sql FROM sqlite_schema WHERE type = '{kind}'"
                                   " AND sql IS NOT NULL ORDER BY 1")
                        for db in ("old.db", "new.db")]
            self.assertEqual(had, has, kind)

    def test_it_is_asked_together_with_a_new_one(self):
        self.nrtool("replay", DATA / "gre.pcap", "-q", "-o", "new.db")
        out = self.nrtool("query", "old.db", "new.db", "--format", "csv",
                          "SELECT name, times_clamped FROM source ORDER BY name").stdout
        self.assertEqual(out.splitlines()[1:], ["gre.pcap,0", "http-tls.pcap,",
                                                "icmp-vlan.pcap,", "vxlan.pcap,"])


class Inputs(Case):
    def test_hash_is_of_the_file_as_stored(self):
        self.nrtool("replay", DATA / "http-tls.pcap.zst", "-q", "-o", "a.db")
        want = hashlib.sha256((DATA / "http-tls.pcap.zst").read_bytes()).hexdigest()
        self.assertEqual(self.query("a.db", "SELECT sha256, hash_note, compression FROM source"),
                         [(want, None, "zstd")])
        self.nrtool("replay", HTTP_TLS, "-q", "-o", "b.db", "--no-hash")
        self.assertEqual(self.query("b.db", "SELECT sha256, hash_note FROM source"),
                         [(None, "hashing was off")])

    def test_stdin(self):
        with open(HTTP_TLS, "rb") as f:
            self.nrtool("replay", "-", "-q", "-o", "a.db", stdin=f)
        want = hashlib.sha256(HTTP_TLS.read_bytes()).hexdigest()
        self.assertEqual(self.query("a.db", "SELECT name, sha256 FROM source"), [("stdin", want)])

    def test_what_is_no_capture(self):
        (self.dir / "x.txt").write_text("hello\n")
        for name in ("x.txt", "missing.pcap"):
            p = self.nrtool("replay", name, status=1)
            self.assertEqual(len(p.stderr.splitlines()), 1)
            self.assertIn(name, p.stderr)
        self.assertEqual(sorted(os.listdir(self.dir)), ["x.txt"])

    def test_damage_is_told_and_what_was_before_is_kept(self):
        p = self.nrtool("replay", DATA / "cut.pcap", status=3)
        self.assertIn("record 19", p.stderr)
        self.assertEqual(self.query("cut.db", "SELECT packets, damage IS NOT NULL FROM source"),
                         [(18, 1)])
        self.assertEqual(self.query("cut.db", "SELECT exit_status FROM run"), [(3,)])

    def test_directory_names_what_it_left_out(self):
        case = self.dir / "case"
        case.mkdir()
        (case / "b.pcap").write_bytes((DATA / "icmp-echo.pcap").read_bytes())
        (case / "a.pcap").write_bytes(HTTP_TLS.read_bytes())
        for i in range(12):
            (case / f"note{i:02}.txt").write_text("no capture")
        p = self.nrtool("replay", "case/")
        self.assertIn("note00.txt", p.stderr)
        self.assertIn("2 more", p.stderr)
        self.assertIn("note11.txt", self.nrtool("replay", "case", "-v", "--force").stderr)
        self.assertEqual(self.query("case.db", "SELECT name FROM source ORDER BY source_id"),
                         [("a.pcap",), ("b.pcap",)])

    def test_filter(self):
        self.nrtool("replay", HTTP_TLS, "-q", "-o", "a.db", "-f", "tcp port 80")
        self.assertEqual(self.query("a.db", "SELECT dst_port FROM flow"), [(80,)])
        self.assertEqual(self.query("a.db", "SELECT packets FROM ledger WHERE bucket = 'filtered'"),
                         [(22,)])
        self.assertIn("tcp portt", self.nrtool("replay", HTTP_TLS, "-o", "null:", "-f",
                                               "tcp portt", status=2).stderr)

    def test_names_on_the_terminal_are_harmless(self):
        name = "a\033]0;x\007.pcap"
        (self.dir / name).write_bytes((DATA / "cut.pcap").read_bytes())
        p = self.nrtool("replay", name, "-o", "null:", status=3)
        self.assertNotIn("\033", p.stderr)
        self.assertNotIn("\033", self.nrtool("info", name, status=3).stdout)


class Signals(Case):
    def start(self, *words, data=None):
        r, w = os.pipe()
        self.addCleanup(os.close, w)
        p = subprocess.Popen([str(NRTOOL), "replay", "-", *words], stdin=r, cwd=self.dir,
                             stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        os.close(r)
        self.addCleanup(p.stderr.close)
        os.write(w, data or HTTP_TLS.read_bytes()[:8000])
        time.sleep(2 if IS_ASAN else 0.7)
        return p

    def test_first_signal_finishes(self):
        for sig in (signal.SIGINT, signal.SIGTERM):
            p = self.start("-o", f"{sig.name}.db")
            p.send_signal(sig)
            self.assertEqual(p.wait(30), 3, p.stderr.read())
            self.assertEqual(self.query(f"{sig.name}.db",
                                        "SELECT interrupted, sha256, hash_note FROM source"),
                             [(1, None, "interrupted")])

    def test_what_a_signal_cut_is_no_damage(self):
        for name, data in (("plain", HTTP_TLS.read_bytes()[:8000]),
                           ("gz", (DATA / "http-tls.pcap.gz").read_bytes()[:4000])):
            p = self.start("-o", f"{name}.db", data=data)
            p.send_signal(signal.SIGINT)
            self.assertEqual(p.wait(30), 3, p.stderr.read())
            self.assertNotIn("damaged", p.stderr.read())
            self.assertEqual(self.query(f"{name}.db",
                                        "SELECT interrupted, damage, packets > 5 FROM source"),
                             [(1, None, 1)])

    def test_what_a_signal_cut_has_no_hash_and_no_last_line(self):
        lines = self.nrtool("replay", HTTP_TLS, "-q", "-o", "-").stdout.encode()
        capture = HTTP_TLS.read_bytes()[:8000]
        for words, data, status in ((("info", "-", "--json"), capture, 3),
                                    (("archive", "-", "-w", "a.pcapng.zst"), capture, 3),
                                    (("import", "-", "-o", "a.db"), lines[:3000], 3)):
            r, w = os.pipe()
            p = subprocess.Popen([str(NRTOOL), *words], stdin=r, cwd=self.dir, text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            os.close(r)
            os.write(w, data)
            time.sleep(2 if IS_ASAN else 0.7)
            p.send_signal(signal.SIGINT)
            out, err = p.communicate(timeout=30)
            os.close(w)
            self.assertEqual(p.returncode, status, err)
            self.assertNotIn("sha256\":\"", out)
            self.assertNotIn("damaged", err)
        self.assertNotIn(b'"sha256"', (self.dir / "a.pcapng.zst").read_bytes())

    def test_kill_leaves_no_database(self):
        p = self.start("-o", "a.db")
        p.kill()
        p.wait(30)
        self.assertFalse((self.dir / "a.db").exists())
        self.nrtool("replay", HTTP_TLS, "-q", "-o", "a.db")
        self.assertEqual(sorted(os.listdir(self.dir)), ["a.db"])


    def test_a_silent_fifo_does_not_hold_the_run(self):
        os.mkfifo(self.dir / "pipe")
        fd = os.open(self.dir / "pipe", os.O_RDWR)
        self.addCleanup(os.close, fd)
        for verb, more in (("replay", ("-o", "a.db")), ("info", ())):
            os.write(fd, HTTP_TLS.read_bytes()[:8000])
            p = subprocess.Popen([str(NRTOOL), verb, "pipe", *more], cwd=self.dir,
                                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE, text=True)
            self.addCleanup(p.stderr.close)
            time.sleep(2 if IS_ASAN else 0.7)
            p.send_signal(signal.SIGINT)
            self.assertEqual(p.wait(10), 3, p.stderr.read())
        self.assertEqual(self.query("a.db", "SELECT interrupted FROM source"), [(1,)])

    def test_a_pipe_cannot_be_read_twice(self):
        os.mkfifo(self.dir / "pipe")
        (self.dir / "link").symlink_to("pipe")
        for words in (("pipe", "./pipe"), ("link", "pipe"), ("-", "/dev/stdin")):
            p = subprocess.run([str(NRTOOL), "replay", "-q", "-o", "a.db", *words],
                               input="", cwd=self.dir, timeout=20, check=False,
                               capture_output=True, text=True)
            self.assertEqual(p.returncode, 1, p.stderr)
            self.assertIn("given twice", p.stderr)

    def test_a_fifo_that_nobody_opens(self):
        os.mkfifo(self.dir / "pipe")
        p = subprocess.Popen([str(NRTOOL), "replay", "pipe", "-o", "a.db"], cwd=self.dir,
                             stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(p.stderr.close)
        time.sleep(2 if IS_ASAN else 0.5)
        p.send_signal(signal.SIGTERM)
        self.assertEqual(p.wait(10), 1)
        self.assertIn("interrupted", p.stderr.read())


class Sandbox(Case):
    def applied(self, database):
        return self.query(database, "SELECT sandbox, exit_status FROM run")[-1]

    def test_is_recorded(self):
        self.nrtool("replay", HTTP_TLS, "-q", "-o", "a.db")
        words, status = self.applied("a.db")
        self.assertEqual(status, 0)
        if IS_ASAN:
            self.assertEqual(words, "none")
        else:
            self.assertEqual(words.split(",")[:2], ["no_new_privs", "seccomp"])
        self.nrtool("replay", DATA / "cut.pcap", "-q", "-o", "b.db", "--no-sandbox", status=3)
        self.assertEqual(self.applied("b.db"), ("none", 3))

    def test_what_must_still_be_readable(self):
        """Links out of a directory, descriptors, names of ports, a database to add to."""
        (self.dir / "in").mkdir()
        (self.dir / "out").mkdir()
        (self.dir / "in" / "link.pcap").symlink_to(HTTP_TLS)
        self.nrtool("replay", "in", "-q", "-o", "out/a.db")
        self.nrtool("replay", DATA / "icmp-echo.pcap", "-q", "-o", "out/a.db", "--append")
        with open(HTTP_TLS, "rb") as f:
            self.nrtool("replay", "/proc/self/fd/0", "-q", "-o", "out/b.db", stdin=f)
        self.nrtool("replay", HTTP_TLS, "-q", "-f", "tcp port http", "-o", "out/c.db")
        for name, n in (("a", 3), ("b", 2), ("c", 1)):
            self.assertEqual(self.query(f"out/{name}.db", "SELECT count(*) FROM flow"), [(n,)])
        self.assertEqual(sorted(os.listdir(self.dir / "out")), ["a.db", "b.db", "c.db"])

    def test_a_pipe_as_output(self):
        (self.dir / "out").mkdir()
        os.mkfifo(self.dir / "out" / "a.jsonl")
        fd = os.open(self.dir / "out" / "a.jsonl", os.O_RDWR)
        self.addCleanup(os.close, fd)
        self.nrtool("replay", HTTP_TLS, "-q", "-o", "out/a.jsonl")
        self.assertEqual(os.read(fd, 65536).count(b'"type":"flow",'), 2)

    def test_a_file_too_large_is_a_failed_write(self):
        p = subprocess.run(["bash", "-c", 'ulimit -f 16; exec "$0" "$@"', str(NRTOOL), "replay",
                            str(HTTP_TLS), "-o", "a.db"], cwd=self.dir, capture_output=True,
                           text=True, check=False, stdin=subprocess.DEVNULL)
        self.assertEqual(p.returncode, 4, p.stderr)
        self.assertEqual(os.listdir(self.dir), [])


class Terminal(Case):
    def on_terminal(self, env):
        main, side = pty.openpty()
        p = subprocess.Popen([str(NRTOOL), "replay", str(DATA / "cut.pcap"), "-o", "null:"],
                             stderr=side, stdin=subprocess.DEVNULL, cwd=self.dir,
                             env={**os.environ, "TERM": "xterm", **env})
        os.close(side)
        out = b""
        while True:
            try:
                part = os.read(main, 65536)
            except OSError:
                break
            if not part:
                break
            out += part
        os.close(main)
        self.assertEqual(p.wait(), 3)
        return out.decode()

    def test_colour_only_without_no_color(self):
        self.assertIn("\033[1m", self.on_terminal({"NO_COLOR": ""}))
        self.assertNotIn("\033[", self.on_terminal({"NO_COLOR": "1"}))
        self.assertNotIn("\033[", self.on_terminal({"TERM": "dumb", "NO_COLOR": ""}))


class Info(Case):
    def info(self, name, status=0):
        return json.loads(self.nrtool("info", "--json", DATA / name, status=status).stdout)

    def test_counts_are_those_of_capinfos(self):
        i = self.info("http-tls.pcap")
        self.assertEqual((i["packets"], i["wire_bytes"], i["captured_bytes"]), (36, 9848, 9848))
        self.assertEqual((i["first"], i["last"]), ("2013-03-19T16:05:11.062053000Z",
                                                   "2013-03-19T16:05:14.357430000Z"))
        self.assertEqual(i["sha256"], hashlib.sha256(HTTP_TLS.read_bytes()).hexdigest())
        self.assertEqual((i["format"], i["link_types"], i["damage"]), ("pcap", ["ETHERNET"], []))

    def test_what_a_pcapng_says_beside_packets(self):
        i = self.info("sections.pcapng")
        self.assertEqual((i["packets"], i["comments"], i["names"]), (5, 5, 11))
        self.assertEqual([f["packets"] for f in i["interfaces"]], [3, 1, 1])
        self.assertEqual(i["interfaces"][2]["dropped"], 10)

    def test_damage_and_what_is_none(self):
        self.assertIn("record 19", self.info("cut.pcap", status=3)["damage"][0])
        self.assertIn("record 19", self.nrtool("info", DATA / "cut.pcap", status=3).stdout)
        p = self.nrtool("info", DATA / "README.md", HTTP_TLS, status=1)
        self.assertIn("README.md", p.stderr)
        self.assertIn("36", p.stdout)

    def test_twins_say_the_same(self):
        a, b = self.info("http-tls.pcap"), self.info("http-tls.pcap.gz")
        self.assertEqual(b["compression"], "gzip")
        self.assertEqual(a["packets"], b["packets"])


class Database(Case):
    def test_opens_in_sqlite(self):
        self.nrtool("replay", HTTP_TLS, "-q", "-o", "a.db")
        db = sqlite3.connect(self.dir / "a.db")
        self.assertEqual(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
        for (view,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'view'").fetchall():
            db.execute(f"SELECT * FROM {view}").fetchall()
        db.close()
