# SPDX-License-Identifier: BSD-3-Clause
"""nrtool verify, manifest, keygen: things are broken on purpose, and must be found."""

import json
import os
import shutil
import sqlite3
import subprocess
import unittest

from common import DATA, Case

# What a replay does not prove: how the capture was found, and what the run was.
FREE = {("source", "name"), ("source", "sha256"), ("source", "hash_note"),
        ("source", "run_id")}


class Verify(Case):
    def replay(self, *files, db="a.db"):
        self.nrtool("replay", "-q", "--force", *files, "-o", db)

    def verify(self, *words, status=0):
        p = self.nrtool("verify", "--json", *words, status=status)
        docs = [json.loads(line) for line in p.stdout.splitlines()]
        for d in docs:
            self.assertEqual(d["proven"] + d["consistent"] + d["changed"] + d["unchecked"] > 0,
                             True)
        return docs[0] if len(docs) == 1 else docs

    def change(self, sql, *values, db="a.db"):
        c = sqlite3.connect(self.dir / db)
        try:
            with c:
                return c.execute(sql, values).rowcount
        finally:
            c.close()

    def copy(self, name, data=None):
        (self.dir / name).write_bytes(data if data is not None
                                      else (DATA / name).read_bytes())
        return self.dir / name


class Whole(Verify):
    def test_one_screen_for_a_person(self):
        self.replay(DATA / "http-tls.pcap")
        p = self.nrtool("verify", "a.db")
        for word in ("proven", "consistent", "SHA-256", "ledger", "\nwhole\n"):
            self.assertIn(word, p.stdout)
        self.assertLess(len(p.stdout.splitlines()), 24)

    def test_every_capture_of_the_tests_replays_to_its_rows(self):
        for path in sorted(DATA.glob("*.pcap*")):
            with self.subTest(path.name):
                self.nrtool("replay", "-q", "--force", path, "-o", "a.db",
                            status=3 if path.name == "cut.pcap" else 0)
                d = self.verify("--replay", "a.db")
                self.assertEqual(d["verdict"], "whole")
                self.assertIn("all tables", [f["subject"] for f in d["findings"]])

    def test_the_options_of_the_run_are_used(self):
        self.nrtool("replay", "-q", DATA / "http-tls.pcap", "-o", "a.db", "--filter",
                    "tcp port 443", "--tcp-timeout=1s", "--from=2013-03-19T14:00:00Z",
                    "--no-flip", "--checksums=verify", "--dedup", "--max-jump=2h")
        self.assertEqual(self.verify("--replay", "a.db")["verdict"], "whole")

    def test_several_runs_and_captures(self):
        self.replay(DATA / "vxlan.pcap", DATA / "sections.pcapng", DATA / "gre.pcap")
        self.nrtool("replay", "-q", "--append", DATA / "http-tls.pcap.zst", "-o", "a.db")
        self.nrtool("replay", "-q", "--append", DATA / "icmp-vlan.pcap", "-o", "a.db")
        self.assertEqual(self.verify("--replay", "a.db")["verdict"], "whole")
        self.replay(DATA / "mdns.pcap", db="b.db")
        self.assertEqual([d["verdict"] for d in self.verify("a.db", "b.db")],
                         ["whole", "whole"])

    def test_the_database_by_itself_is_only_consistent(self):
        self.replay(self.copy("gre.pcap"))
        os.unlink(self.dir / "gre.pcap")
        d = self.verify("--no-sources", "a.db")
        self.assertEqual((d["verdict"], d["proven"]), ("consistent", 0))

    def test_what_cannot_be_checked(self):
        self.replay(self.copy("gre.pcap"))
        os.unlink(self.dir / "gre.pcap")
        d = self.verify("a.db", status=1)
        self.assertEqual(d["verdict"], "not all could be checked")
        with open(DATA / "gre.pcap", "rb") as f:
            self.nrtool("replay", "-q", "-", "-o", "p.db", stdin=f)
        self.assertEqual(self.verify("p.db", status=1)["unchecked"], 1)
        self.assertEqual(self.verify("p.db", "--source", DATA / "gre.pcap")["verdict"],
                         "whole")
        self.nrtool("verify", "no.db", status=1)
        self.nrtool("verify", DATA / "gre.pcap", status=1)
        self.nrtool("verify", status=2)

    def test_without_a_hash(self):
        self.nrtool("replay", "-q", "--no-hash", DATA / "gre.pcap", "-o", "a.db")
        d = self.verify("a.db")
        self.assertIn("no hash was kept", str(d))
        self.assertNotIn("source 1", str([f for f in d["findings"]
                                          if f["proof"] == "proven"]))

    def test_another_version(self):
        self.replay(DATA / "gre.pcap")
        self.change("UPDATE run SET tool_version = '0.0.9'")
        d = self.verify("--replay", "a.db", status=1)
        self.assertIn("0.0.9", str(d))


class Changed(Verify):
    def found(self, *words, said=None):
        d = self.verify(*words, status=5)
        self.assertEqual(d["verdict"], "changed")
        self.assertGreater(d["changed"], 0)
        if said:
            self.assertIn(said, str([f for f in d["findings"] if f["proof"] == "changed"]))
        return d

    def test_each_byte_of_a_capture(self):
        data = (DATA / "vxlan.pcap").read_bytes()
        self.replay(self.copy("vxlan.pcap"))
        for at in range(len(data)):
            flipped = data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1:]
            self.copy("vxlan.pcap", flipped)
            with self.subTest(at):
                self.found("a.db", said="source 1")

    def test_each_byte_of_a_capture_that_is_too_large_to_be_hashed_first(self):
        """Above 8 MiB the hash is computed while the packets are read."""
        frame = bytes(60000)
        head = (DATA / "http-tls.pcap").read_bytes()[:24]
        record = (1).to_bytes(4, "little") * 2 + len(frame).to_bytes(4, "little") * 2
        data = head + (record + frame) * 150
        self.copy("large.pcap", data)
        self.replay("large.pcap")
        self.assertEqual(self.verify("a.db")["verdict"], "whole")
        for at in (0, 17, 30, 35, 40, 44, 5000000, len(data) - 1):
            self.copy("large.pcap", data[:at] + bytes([data[at] ^ 4]) + data[at + 1:])
            with self.subTest(at):
                self.found("a.db")

    def test_cuts_of_a_capture(self):
        for name in ("vxlan.pcap", "http-tls.pcap.gz", "sections.pcapng"):
            data = (DATA / name).read_bytes()
            self.replay(self.copy(name))
            for n in [0, 1, 23, len(data) // 2, len(data) - 1]:
                self.copy(name, data[:n])
                with self.subTest((name, n)):
                    self.found("a.db", said="bytes")

    def test_each_column_of_each_table(self):
        """A new replay tells of any value that was changed, in any row."""
        files = [DATA / n for n in ("vxlan.pcap", "sections.pcapng", "icmp6-neighbours.pcap",
                                    "http-tls.pcap", "gre.pcap", "pppoe.pcap", "mdns.pcap")]
        self.replay(*files)
        shutil.copy(self.dir / "a.db", self.dir / "good.db")
        db = sqlite3.connect(self.dir / "good.db")
        columns = [(t, c[1], c[2]) for t, in db.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'run'")
            for c in db.execute(f"PRAGMA table_info({t})")]
        full = {t for t, _, _ in columns if db.execute(f"SELECT 1 FROM {t}").fetchone()}
        db.close()
        tried = 0
        for table, column, kind in columns:
            if table not in full or (table, column) in FREE:
                continue
            shutil.copy(self.dir / "good.db", self.dir / "a.db")
            value = {"INTEGER": f"coalesce({column}, 0) + 1",
                     "TEXT": f"coalesce({column}, '') || 'x'",
                     "BLOB": f"CAST({column} || x'02' AS BLOB)"}[kind]
            with self.subTest((table, column)):
                self.change("PRAGMA foreign_keys = 0")
                self.change(f"UPDATE {table} SET {column} = {value} WHERE rowid = "
                            f"(SELECT max(rowid) FROM {table})")
                self.nrtool("verify", "--replay", "a.db", status=5)
            tried += 1
        self.assertGreater(tried, 80)

    def test_rows_taken_away_added_and_exchanged(self):
        self.replay(DATA / "http-tls.pcap", DATA / "gre.pcap", DATA / "icmp-vlan.pcap")
        shutil.copy(self.dir / "a.db", self.dir / "good.db")
        for sql in ("DELETE FROM flow WHERE proto = 'tcp'",
                    "DELETE FROM flow_packets WHERE rowid = 2",
                    "DELETE FROM ledger WHERE rowid = 1",
                    "DELETE FROM source_block WHERE rowid = 1",
                    "INSERT INTO flow_packets SELECT * FROM flow_packets LIMIT 1",
                    "INSERT INTO flow_packets VALUES (7777, 1, 0, x'01')",
                    "INSERT INTO source_block SELECT * FROM source_block",
                    "INSERT INTO ledger VALUES (1, 'flow', NULL, 1, 60)",
                    "UPDATE flow_packets SET seq = 1 WHERE rowid = 3",
                    "UPDATE flow_packets SET blob = x'0103' WHERE rowid = 2",
                    "UPDATE flow_packets SET blob = x'80' WHERE rowid = 1",
                    "UPDATE source SET packets = packets + 1",
                    "UPDATE source_block SET offset = offset + 16"):
            shutil.copy(self.dir / "good.db", self.dir / "a.db")
            self.assertGreater(self.change(sql), 0, sql)
            with self.subTest(sql):
                self.found("a.db")
        shutil.copy(self.dir / "good.db", self.dir / "a.db")
        self.change("UPDATE anomaly SET kind = 'dup_ack' WHERE rowid = 1")
        self.change("INSERT INTO tunnel SELECT * FROM tunnel LIMIT 1")
        self.found("--replay", "a.db", said="the captures")

    def test_bytes_of_the_database(self):
        """A flipped byte is found, or no row is another than before."""
        self.replay(DATA / "http-tls.pcap")
        data = (self.dir / "a.db").read_bytes()
        dump = self.dump()
        places = [*range(0, 100, 9), *range(100, len(data), len(data) // 60)]
        outcomes = {}
        for at in places:
            self.copy("a.db", data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1:])
            p = subprocess.run([str(self.binary()), "verify", "--replay", "a.db"],
                               cwd=self.dir, capture_output=True, timeout=60, check=False)
            outcomes[p.returncode] = outcomes.get(p.returncode, 0) + 1
            with self.subTest(at):
                self.assertIn(p.returncode, (0, 1, 5), p.stderr)
                if p.returncode == 0:
                    self.assertEqual(self.dump(), dump)
        self.assertGreater(outcomes.get(5, 0), 0)
        for n in (0, 15, 99, 4095, 4096, len(data) // 2, len(data) - 1):
            self.copy("a.db", data[:n])
            p = subprocess.run([str(self.binary()), "verify", "a.db"], cwd=self.dir,
                               capture_output=True, timeout=60, check=False)
            self.assertIn(p.returncode, (1, 5), n)

    @staticmethod
    def binary():
        from common import NRTOOL

        return NRTOOL

    def dump(self):
        """The rows but for table run, which nobody can replay."""
        c = sqlite3.connect(f"file:{self.dir / 'a.db'}?mode=ro", uri=True)
        c.text_factory = bytes
        try:
            return [(t, sorted(map(repr, c.execute(f"SELECT * FROM {t}"))))
                    for t, in c.execute("SELECT CAST(name AS BLOB) FROM sqlite_schema WHERE "
                                        "type = 'table' AND name <> 'run' ORDER BY name")
                    for t in [t.decode()]]
        finally:
            c.close()

    def test_foreign_keys(self):
        self.replay(DATA / "vxlan.pcap")
        self.change("UPDATE flow SET parent_flow_id = 4711 WHERE parent_flow_id > 0")
        self.found("--no-sources", "a.db", said="refers to a row")


class Archives(Verify):
    def test_whole_changed_cut_and_repaired(self):
        self.nrtool("archive", DATA / "http-tls.pcap", "-w", "x.pcapng.zst")
        data = (self.dir / "x.pcapng.zst").read_bytes()
        self.assertEqual(self.verify("x.pcapng.zst")["verdict"], "consistent")
        for at in range(0, len(data), len(data) // 24):
            self.copy("x.pcapng.zst", data[:at] + bytes([data[at] ^ 1]) + data[at + 1:])
            with self.subTest(at):  # without its magic it is no archive
                self.nrtool("verify", "x.pcapng.zst", status=5 if at else 1)
        self.copy("x.pcapng.zst", data[:-9])
        self.assertEqual(self.verify("x.pcapng.zst", status=5)["verdict"], "changed")
        self.assertIn("repair", str(self.verify("--repair", "x.pcapng.zst")))
        self.assertEqual(self.verify("x.pcapng.zst")["verdict"], "consistent")

    def test_as_a_capture(self):
        self.nrtool("archive", DATA / "http-tls.pcap", "-w", "x.pcapng.zst")
        self.replay("x.pcapng.zst")
        self.assertEqual(self.verify("--replay", "a.db")["verdict"], "whole")

    def test_in_a_manifest(self):
        self.nrtool("archive", DATA / "http-tls.pcap", "-w", "x.pcapng.zst")
        self.nrtool("keygen", "k")
        p = self.nrtool("manifest", "x.pcapng.zst", "-k", "k.key")
        f = json.loads(p.stdout.splitlines()[0])["files"][0]
        self.assertEqual((f["type"], f["records"], len(f["chain_head"])),
                         ("archive", 36, 64))


class Manifest(Verify):
    def setUp(self):
        super().setUp()
        self.nrtool("keygen", "k")
        self.replay(self.copy("http-tls.pcap"), self.copy("gre.pcap"))
        self.copy("notes.txt", b"seen\n")
        self.nrtool("manifest", "a.db", "notes.txt", "-k", "k.key", "-w", "m.manifest",
                    "--note", "case 7")

    def check(self, *words, status=0):
        p = self.nrtool("manifest", "--check", "--json", "m.manifest", *words, status=status)
        return json.loads(p.stdout)

    def test_signed_and_whole(self):
        d = self.check("-k", "k.pub")
        self.assertEqual((d["verdict"], d["proven"], d["consistent"]), ("whole", 5, 0))
        self.assertEqual(os.stat(self.dir / "k.key").st_mode & 0o777, 0o600)

    def test_without_the_key_nothing_is_proven_of_the_author(self):
        d = self.check()
        self.assertEqual((d["verdict"], d["proven"]), ("consistent", 0))

    def test_payload_has_what_was_promised(self):
        d = json.loads((self.dir / "m.manifest").read_text().splitlines()[0])
        db, notes = d["files"]
        self.assertEqual((db["type"], notes["type"]), ("database", "file"))
        self.assertEqual(db["counts"]["flow"],
                         self.query("a.db", "SELECT count(*) FROM flow")[0][0])
        for s, name in zip(db["sources"], ("http-tls.pcap", "gre.pcap")):
            sha = subprocess.run(["sha256sum", DATA / name], capture_output=True, text=True,
                                 check=True).stdout.split()[0]
            self.assertEqual((s["name"], s["sha256"], s["seen"]), (name, sha, True))
            self.assertIn("checksums", s["record_options"])
        self.assertEqual(d["note"], "case 7")
        self.assertIn("replay", db["runs"][0]["argv"])

    @unittest.skipUnless(shutil.which("openssl"), "openssl is not installed")
    def test_openssl_agrees(self):
        payload, sig = (self.dir / "m.manifest").read_bytes().splitlines(keepends=True)
        self.copy("payload", payload)
        self.copy("sig", bytes.fromhex(json.loads(sig)["signature"]))
        subprocess.run(["openssl", "pkeyutl", "-verify", "-rawin", "-in", "payload",
                        "-sigfile", "sig", "-pubin", "-inkey", "k.pub"], cwd=self.dir,
                       check=True, capture_output=True)

    def test_each_part_changed(self):
        for name in ("a.db", "notes.txt", "http-tls.pcap", "gre.pcap"):
            data = (self.dir / name).read_bytes()
            at = data.index(b"http-tls.pcap") if name == "a.db" else len(data) - 1
            self.copy(name, data[:at] + bytes([data[at] ^ 1]) + data[at + 1:])
            with self.subTest(name):
                d = self.check("-k", "k.pub", status=5)
                bad = [f for f in d["findings"] if f["proof"] == "changed"]
                self.assertEqual(len(bad), 1)
                self.assertIn(name, bad[0]["subject"])
            self.copy(name, data)
        self.check("-k", "k.pub")

    def test_any_byte_of_the_manifest(self):
        data = (self.dir / "m.manifest").read_bytes()
        for at in [*range(0, len(data), len(data) // 40), len(data) - 2]:
            self.copy("m.manifest", data[:at] + bytes([data[at] ^ 1]) + data[at + 1:])
            p = subprocess.run([str(Changed.binary()), "manifest", "--check", "-k", "k.pub",
                                "m.manifest"], cwd=self.dir, capture_output=True, timeout=60,
                               check=False)
            line_two = at > data.index(b"\n")
            with self.subTest(at):  # key_id and public_key are only hints
                self.assertIn(p.returncode, (0, 1, 5) if line_two else (1, 5))

    def test_another_key(self):
        self.nrtool("keygen", "other")
        self.assertIn("signature", str(self.check("-k", "other.pub", status=5)))
        self.nrtool("manifest", "--check", "m.manifest", "-k", "k.key", status=1)

    def test_rows_outlive_vacuum(self):
        c = sqlite3.connect(self.dir / "a.db")
        c.execute("VACUUM")
        c.close()
        self.assertIn("every row is what it was", str(self.check("-k", "k.pub")))
        self.change("UPDATE flow SET service = 'x' WHERE flow_id = 16")
        self.check("-k", "k.pub", status=5)

    def test_a_changed_capture_is_not_signed(self):
        self.copy("gre.pcap", (DATA / "gre.pcap").read_bytes()[:-1] + b"x")
        p = self.nrtool("manifest", "a.db", "-k", "k.key", "-w", "n.manifest", status=5)
        self.assertIn("nothing is signed", p.stderr)
        self.assertFalse((self.dir / "n.manifest").exists())
        os.unlink(self.dir / "gre.pcap")
        p = self.nrtool("manifest", "a.db", "-k", "k.key", "-w", "n.manifest")
        self.assertIn("not found", p.stderr)
        self.assertIn("gre.pcap", str(self.check("-k", "k.pub", status=1)))

    def test_usage(self):
        self.nrtool("manifest", "a.db", status=2)
        self.nrtool("manifest", "a.db", "-k", "k.pub", status=1)
        self.nrtool("manifest", "a.db", "-k", "k.key", "-w", "m.manifest", status=1)
        self.nrtool("keygen", "k", status=1)
        self.nrtool("manifest", "--check", "notes.txt", status=1)
        self.nrtool("keygen", status=2)


if __name__ == "__main__":
    unittest.main()
