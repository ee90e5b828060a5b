# SPDX-License-Identifier: BSD-3-Clause
"""nrtool test: cases, reports, --update."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import unittest
import xml.etree.ElementTree as ET

from common import DATA, IS_ASAN, NRTOOL, ROOT, Case

PAGE = (ROOT / "man/nrtool-test.5").read_text()


def examples():
    """The literal blocks of the page's examples, as a person would type them."""
    text = PAGE[PAGE.index(".Sh EXAMPLES"):]
    blocks = re.findall(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed$", text, re.M | re.S)
    return [b.replace("\\&", "").replace("\\e", "\\") for b in blocks]


class Cases(Case):
    def case(self, name, capture="ftp-active.pcap", **files):
        d = self.dir / name
        d.mkdir(parents=True)
        if capture:
            shutil.copy(DATA / capture, d)
        for file, text in files.items():
            (d / file.replace("_", ".")).write_text(text)
        return d

    def run_test(self, *words, status=0):
        return self.nrtool("test", *words, status=status).stdout


class Verdicts(Cases):
    SQL = "-- name: flows\nSELECT count(*) AS n FROM flow;\n-- | 4 |\n"

    def test_all_that_a_case_can_be(self):
        self.case("c/good", expect_sql=self.SQL)
        self.case("c/deep/er/good", expect_sql=self.SQL)
        self.case("c/wrong", expect_sql=self.SQL.replace("4", "7"))
        self.case("c/skipped", capture=None, expect_sql=self.SQL, captures="/not/here.pcap\n")
        out = self.run_test("c", status=5)
        self.assertEqual(re.findall(r"^(\w+) +(\S+)", out, re.M)[:4],
                         [("ok", "c/deep/er/good"), ("ok", "c/good"), ("skipped", "c/skipped"),
                          ("FAILED", "c/wrong")])
        self.assertIn("c/wrong/expect.sql:3: flows: n is 4, expected 7", out)
        self.assertIn("/not/here.pcap is not here", out)
        self.assertIn("2 passed, 1 failed, 1 skipped in ", out)
        out = self.run_test("c", "--no-skip", status=2)
        self.assertIn("c/skipped/captures:1: /not/here.pcap is not here", out)
        self.assertIn("1 broken", out)

    def test_filters_and_quiet(self):
        self.case("c/one", expect_sql=self.SQL)
        self.case("c/two", expect_sql=self.SQL)
        self.assertIn("1 passed", self.run_test("c", "-f", "tw"))
        self.assertIn("2 passed", self.run_test("c", "-f", "t?o", "--filter=one"))
        self.assertNotIn("c/one", self.run_test("c", "--quiet"))
        self.assertIn("no case is called so", self.nrtool("test", "c", "-f", "x", status=2).stderr)

    def test_order_is_that_of_the_paths_however_many_run(self):
        for i in range(12):
            self.case(f"c/{i:02}", expect_sql=self.SQL)
        for jobs in ("1", "5"):
            paths = re.findall(r"^ok +(\S+)", self.run_test("c", "-j", jobs), re.M)
            self.assertEqual(paths, [f"c/{i:02}" for i in range(12)])

    def test_broken_cases_name_file_and_line(self):
        for files, said in (
                ({"expect_sql": "SELECT 1"}, "expect.sql:1: the query that begins here"),
                ({"expect_sql": "\nSELECT x FROM flow;\n"}, "expect.sql:2: query 1: no such column"),
                ({"expect_sql": "SELECT 1;\nDELETE FROM flow;\n"}, "expect.sql:2: query 2: this is"),
                ({"expect_sql": "ATTACH '/etc/passwd' AS x;\n"}, "expect.sql:1: query 1: this is"),
                ({"expect_sql": "SELECT :x;\n"}, "expect.sql:1: query 1: the SQL has a parameter"),
                ({"expect_sql": "SELECT 1;\n-- | 1 | 2 |\n"}, "expect.sql:2: the row has 2 cells"),
                ({"expect_jsonl": '\n{"type":"flow"\n'}, "expect.jsonl:2: this is no JSON object"),
                ({"expect_sql": self.SQL, "options": "\n--tcp-timeout=x\n"}, "options:2: --tcp-t"),
                ({"expect_sql": self.SQL, "options": "-o x.db\n"}, "options:1: "),
                ({"expect_sql": self.SQL, "captures": "\n# x\nno.pcap\n"}, "captures:3: no.pcap is"),
                ({"expect_sql": self.SQL, "captures": "\n"}, "captures:1: it names no capture"),
                ({"expect_sql": "-- exit: 3\n" + self.SQL,
                  "expect_jsonl": "# exit: 0\n# match: full types=arp\n"},
                 "expect.jsonl:1: expect.sql has another exit status")):
            with self.subTest(said):
                shutil.rmtree(self.dir / "c", ignore_errors=True)
                self.case("c", **files)
                self.assertIn("c/" + said, self.run_test("c", status=2))
        shutil.rmtree(self.dir / "c")
        self.case("c", capture=None, expect_sql=self.SQL)
        self.assertIn("c: there is no capture in it", self.run_test("c", status=2))
        self.nrtool("test", "nowhere", status=2)
        (self.dir / "empty").mkdir()
        self.assertIn("no case below empty", self.nrtool("test", "empty", status=2).stderr)

    def test_exit_statuses(self):
        sql = "SELECT count(*) > 1 FROM flow;\n-- | 1 |\n"
        d = self.case("c", capture="cut.pcap", expect_sql=sql)
        out = self.run_test("c", status=5)
        self.assertIn("c: replay ended with status 3, expected 0", out)
        self.assertIn("the record is cut short", out)
        (d / "expect.sql").write_text("-- exit: 3\n" + sql)
        self.run_test("c")
        d = self.case("d", capture=None, expect_sql=sql, captures="x\n", x="no capture")
        self.assertIn("expected 0", self.run_test("d", status=5))
        (d / "expect.sql").write_text("-- exit: 1\n" + sql)
        self.run_test("d")

    def test_variables_patterns_and_folders_name_captures(self):
        (self.dir / "store").mkdir()
        for n in ("gre.pcap", "gre2.pcap"):
            shutil.copy(DATA / "gre.pcap", self.dir / "store" / n)
        sql = "SELECT name FROM source ORDER BY 1;\n-- | gre.pcap |\n-- | gre2.pcap |\n"
        for names in ("../../store/*.pcap", "$STORE/gre.pcap\n$STORE/gre2.pcap",
                      f"{self.dir}/store/gre?.pcap\n# one more\n../../store/gre.pcap"):
            shutil.rmtree(self.dir / "c", ignore_errors=True)
            self.case("c/x", capture=None, expect_sql=sql, captures=names + "\n")
            self.nrtool("test", "c", env={"STORE": str(self.dir / "store")})
        self.assertIn("1 passed", self.run_test("c"))
        (self.dir / "c/x/captures").write_text("$STORE/gre.pcap\n")
        self.assertIn("skipped", self.run_test("c"))
        (self.dir / "c/x/captures").unlink()
        shutil.move(self.dir / "store", self.dir / "c/x/captures")
        self.run_test("c")

    def test_cells(self):
        self.case("c", expect_sql=r"""
SELECT NULL, 'NULL', '', ' a ', 'a|b\c', char(10) || char(9) || char(27), 1.5, x'00ff', '*', 1e300;
-- | NULL | \x4eULL | | \x20a\x20 | a\|b\\c | \n\t\x1b | 1.5 | x'00ff' | \x2a | 1e+300 |
SELECT 'anything';
-- | * |
""")
        self.run_test("c")

    def test_a_child_that_hangs_is_killed(self):
        self.case("c", expect_sql="WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x)\n"
                                  "SELECT count(*) FROM x;\n")
        self.assertIn("killed after 1 s", self.run_test("c", "--timeout=1s", status=5))

    def test_nothing_is_left_behind(self):
        self.case("c", expect_sql=self.SQL)
        (self.dir / "tmp").mkdir()
        self.nrtool("test", "c", env={"TMPDIR": str(self.dir / "tmp")})
        self.assertEqual(os.listdir(self.dir / "tmp"), [])
        self.assertEqual(sorted(os.listdir(self.dir / "c")), ["expect.sql", "ftp-active.pcap"])

    def test_an_interrupt_ends_the_children_too(self):
        self.case("c", expect_sql="WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x)\n"
                                  "SELECT count(*) FROM x;\n")
        (self.dir / "tmp").mkdir()
        with subprocess.Popen([str(NRTOOL), "test", "c"], cwd=self.dir, stderr=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True,
                              env={**os.environ, "TMPDIR": str(self.dir / "tmp")}) as p:
            children = f"/proc/{p.pid}/task/{p.pid}/children"
            while not open(children).read().split():
                pass
            child = int(open(children).read().split()[0])
            p.send_signal(signal.SIGINT)
            self.assertEqual(p.wait(60), 1)
            self.assertIn("interrupted", p.stderr.read())
        self.assertFalse(os.path.exists(f"/proc/{child}"))
        self.assertEqual(os.listdir(self.dir / "tmp"), [])


class Records(Cases):
    """The comparison that golden cases stand on must be able to fail."""

    def records(self, types):
        out = self.nrtool("replay", DATA / "ftp-active.pcap", "-q", "-o", "-").stdout
        return [r for r in map(json.loads, out.splitlines()) if r["type"] in types]

    def check(self, head, rows, *said):
        shutil.rmtree(self.dir / "c", ignore_errors=True)
        self.case("c", expect_jsonl="\n".join([head, *map(json.dumps, rows)]) + "\n")
        out = self.run_test("c", status=5 if said else 0)
        for s in said:
            self.assertIn(s, out)
        self.assertEqual(len(re.findall(r"^  c/", out, re.M)), len(said), out)

    def test_subset(self):
        head, rows = "# match: subset types=ftp", self.records(("ftp",))
        few = [{k: r.get(k) for k in ("type", "command", "reply_code", "data_port")} for r in rows]
        self.check(head, few)
        self.check(head, few[::-1])
        self.check(head, few[:-1], "a record that is not expected: ftp, packet ")
        self.check(head, few + [{"type": "ftp", "command": "SITE"}], "this record is missing")
        self.check(head, few + [few[0]], "this record is missing")
        self.check(head, [{**few[0], "reply_code": 221}, *few[1:]], "reply_code is 220")
        self.check(head, [{**few[0], "nothing": None}, *few[1:]])
        self.check(head, [{**few[0], "reply_text": None}, *few[1:]], "reply_text is \"FTP Sandbox")
        # a line that names little must not take what another needs
        self.check(head, [{"type": "ftp"}] * (len(few) - 1) + [few[3]])
        self.check(head, [{"type": "ftp", "reply_code": 200}, *few[:4], *few[5:]])

    def test_full(self):
        head, rows = "# match: full types=ftp", self.records(("ftp",))
        self.check(head, rows)
        self.check(head, rows[1:] + rows[:1], "is missing", "not expected")
        self.check(head, [*rows[:3], {**rows[3], "more": 1}, *rows[4:]], "more is absent, expected 1")
        self.check(head, [{k: v for k, v in r.items() if k != "argument" or r is not rows[3]}
                          for r in rows], "argument is \"A\", expected absent")
        self.check(head, rows[:5] + rows[6:], "not expected")
        self.check(head, rows[:5] + rows[4:], "missing")

    def test_chosen_fields(self):
        few = [{k: r[k] for k in ("type", "command") if k in r} for r in self.records(("ftp",))]
        self.check("# match: full types=ftp fields=command", few)
        few[2]["command"] = "PASV"
        self.check("# match: full types=ftp fields=command", few, 'command is "PASS"')

    def test_values_not_texts_are_compared(self):
        d = self.case("c", capture="gre.pcap", expect_jsonl="# match: full types=flow fields=proto\n")
        self.run_test("c", "--update")
        text = (d / "expect.jsonl").read_text()
        (d / "expect.jsonl").write_text(text.replace('"icmp"', ' "\\u0069cmp" ').replace("}", " }"))
        self.run_test("c")


class Update(Cases):
    def test_only_what_changed_is_touched(self):
        old = self.nrtool("replay", DATA / "ftp-active.pcap", "-q", "-o", "-").stdout
        lines = [line for line in old.splitlines() if '"type":"ftp"' in line]
        lines[0] = "  " + lines[0].replace(":", " :", 1).replace("}", "  }")  # as a person may write
        jsonl = ["# match: full types=ftp", "# by hand", *lines[:6], "# in the middle", *lines[6:], ""]
        good = "\n".join(jsonl)
        changed = list(jsonl)
        changed[4] = changed[4].replace('"reply_code":230', '"reply_code":231')
        changed.insert(6, lines[0].replace("220", "999"))  # one too many
        del changed[12]  # one too few
        sql = ("-- name: a\nSELECT 1;\n-- |1|\n\n--   name:  b\nSELECT reply_code FROM ftp\n  ORDER BY 1 "
               "LIMIT 3 -- x\n;\n--  |  code |\n-- | --- |\n--|  200|\n-- | 200 | \n-- | 200 |")
        sql = sql.replace("code |", "reply_code |", 1)
        d = self.case("c", expect_jsonl="\n".join(changed), expect_sql=sql.replace("200|\n", "2|\n"))
        out = self.run_test("c", "--update")
        self.assertIn("1 updated", out)
        self.assertIn("- " + changed[4], out)
        self.assertIn("+ " + jsonl[4], out)
        self.assertEqual((d / "expect.jsonl").read_text(), good)
        self.assertEqual((d / "expect.sql").read_text(), sql.replace("--|  200|", "-- | 200        |"))
        before = [os.stat(d / n).st_mtime_ns for n in ("expect.sql", "expect.jsonl")]
        self.assertIn("1 passed", self.run_test("c", "--update"))
        self.assertEqual([os.stat(d / n).st_mtime_ns for n in ("expect.sql", "expect.jsonl")], before)
        self.run_test("c")

    def test_a_query_without_rows_gets_them(self):
        d = self.case("c", expect_sql="SELECT proto, count(*) AS n FROM flow GROUP BY 1;")
        self.run_test("c", "--update")
        self.assertEqual((d / "expect.sql").read_text(),
                         "SELECT proto, count(*) AS n FROM flow GROUP BY 1;\n"
                         "-- | proto | n   |\n-- | ----- | --- |\n-- | tcp   | 4   |\n")
        self.run_test("c")

    def test_links_and_rights_stay_and_a_full_disk_costs_nothing(self):
        sql = "SELECT count(*) FROM flow;\n"
        d = self.case("c", expect_sql=sql + "-- | 1 |\n")
        shutil.move(d / "expect.sql", self.dir / "real.sql")
        (d / "expect.sql").symlink_to("../real.sql")
        (self.dir / "real.sql").chmod(0o640)
        p = subprocess.run(["sh", "-c", f"ulimit -f 0; exec '{NRTOOL}' test --update c"], cwd=self.dir,
                           capture_output=True, text=True, check=False)
        self.assertNotEqual(p.returncode, 0)
        self.assertEqual((self.dir / "real.sql").read_text(), sql + "-- | 1 |\n")
        self.run_test("c", "--update")
        self.assertTrue((d / "expect.sql").is_symlink())
        self.assertEqual((self.dir / "real.sql").read_text(), sql + "-- | 4 |\n")
        self.assertEqual((self.dir / "real.sql").stat().st_mode & 0o777, 0o640)
        self.assertEqual(sorted(os.listdir(self.dir)), ["c", "real.sql"])

    def test_other_columns(self):
        d = self.case("c", expect_sql="SELECT 1, 2;\n-- | 1 |\n-- | 2 |\n\nSELECT 1;\n-- | 1 |\n")
        self.run_test("c", "--update")
        self.assertEqual((d / "expect.sql").read_text(),
                         "SELECT 1, 2;\n-- | 1 | 2 |\n\nSELECT 1;\n-- | 1 |\n")

    def test_the_exit_status_too(self):
        d = self.case("c", capture="cut.pcap", expect_sql="SELECT 1;\n-- | 1 |\n",
                      expect_jsonl="# match: full types=arp\n")
        self.run_test("c", "--update")
        self.assertEqual((d / "expect.sql").read_text(), "-- exit: 3\nSELECT 1;\n-- | 1 |\n")
        shutil.copy(DATA / "gre.pcap", d / "cut.pcap")
        self.run_test("c", "--update")
        self.assertEqual((d / "expect.sql").read_text(), "SELECT 1;\n-- | 1 |\n")

    def test_every_golden_case_can_be_made_anew(self):
        shutil.copytree(ROOT / "tests/golden", self.dir / "tests/golden")
        (self.dir / "testdata").symlink_to(DATA)
        for path in self.dir.glob("tests/golden/*/expect.jsonl"):
            path.write_text("".join(line for line in path.read_text().splitlines(True)
                                    if line[0] == "#"))
        self.run_test("tests/golden", "--update")
        self.assertIn(" 0 failed, 0 skipped in ", self.run_test("tests/golden"))


class Reports(Cases):
    def cases(self):
        self.case("c/a good", expect_sql="SELECT count(*) FROM flow;\n-- | 4 |\n")
        self.case("c/b<&\">#1", expect_sql="SELECT '<&\">]]>', char(27), char(65534);\n-- | 1 | 2 | 3 |\n")
        self.case("c/c", expect_sql="SELECT")
        self.case("c/d", capture=None, expect_sql="SELECT 1;\n", captures="../../x.pcap\n")

    @unittest.skipUnless(shutil.which("prove"), "prove (of perl) is not installed")
    def test_prove_reads_the_tap(self):
        self.cases()
        (self.dir / "x.t").write_text(f"exec '{NRTOOL}' test --tap c\n")
        p = subprocess.run(["prove", "-v", "-e", "sh", "x.t"], cwd=self.dir, capture_output=True,
                           text=True, check=False)
        self.assertNotEqual(p.returncode, 0)
        self.assertIn("Failed 2/4 subtests", p.stdout)
        self.assertIn("(less 1 skipped subtest: 1 okay)", p.stdout)
        self.assertNotIn("Parse errors", p.stdout)
        shutil.rmtree(self.dir / "c/c")
        shutil.rmtree(self.dir / "c/b<&\">#1")
        p = subprocess.run(["prove", "-e", "sh", "x.t"], cwd=self.dir, capture_output=True,
                           text=True, check=False)
        self.assertEqual((p.returncode, p.stdout.split()[-1]), (0, "PASS"), p.stdout)

    def test_junit(self):
        self.cases()
        self.run_test("c", "--junit=out.xml", status=2)
        suite = ET.parse(self.dir / "out.xml").getroot()[0]
        self.assertEqual([suite.get(k) for k in ("tests", "failures", "errors", "skipped")],
                         ["4", "1", "1", "1"])
        self.assertEqual([(c.get("classname"), c.get("name"), [x.tag for x in c][:1]) for c in suite],
                         [("c", "a good", ["system-out"]), ("c", "b<&\">#1", ["failure"]),
                          ("c", "c", ["error"]), ("c", "d", ["skipped"])])
        self.assertIn("expected 1", suite[1][0].get("message"))
        if shutil.which("xmllint"):
            subprocess.run(["xmllint", "--noout", "--schema", DATA / "junit.xsd", "out.xml"],
                           cwd=self.dir, check=True, capture_output=True)

    @unittest.skipUnless(shutil.which("xmllint"), "xmllint (of libxml2-utils) is not installed")
    def test_the_schema_refuses_what_is_no_report(self):
        self.case("c", expect_sql="SELECT 1;\n-- | 1 |\n")
        self.run_test("c", "--junit=out.xml")
        good = (self.dir / "out.xml").read_text()
        for old, new in (("testcase", "test"), (' tests="1"', ""), (' name="c"', ""),
                         ('time="', 'time="x'), ("system-out", "systemout")):
            (self.dir / "bad.xml").write_text(good.replace(old, new))
            self.assertNotEqual((self.dir / "bad.xml").read_text(), good)
            p = subprocess.run(["xmllint", "--noout", "--schema", DATA / "junit.xsd", "bad.xml"],
                               cwd=self.dir, check=False, capture_output=True)
            self.assertNotEqual(p.returncode, 0, new)

    def test_no_byte_of_a_case_reaches_the_terminal(self):
        self.case("c\x1b[31m", expect_sql="-- name: \x1b[2J\nSELECT '\x1b]0;x\x07';\n-- | \x9b |\n")
        for words in ((), ("--tap",)):
            out = self.run_test("c\x1b[31m", *words, status=5)
            self.assertNotRegex(out, "[\x00-\x08\x0b-\x1f\x7f-\x9f]")

    def test_colours_on_a_terminal_alone(self):
        self.case("c", expect_sql="SELECT 1;\n-- | 2 |\n")
        for more, coloured in (({"TERM": "xterm", "NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False)):
            ours, theirs = pty.openpty()
            p = subprocess.run([str(NRTOOL), "test", "c"], cwd=self.dir, stdout=theirs, check=False,
                               env={**os.environ, **more})
            os.close(theirs)
            out = os.read(ours, 65536).decode()
            os.close(ours)
            self.assertEqual((p.returncode, "\x1b[31m" in out), (5, coloured), out)
        self.assertNotIn("\x1b", self.run_test("c", status=5))

    def test_a_report_that_cannot_be_written(self):
        self.case("c", expect_sql="SELECT 1;\n-- | 1 |\n")
        self.run_test("c", "--junit=no/where.xml", status=4)
        if os.path.exists("/dev/full"):
            with open("/dev/full", "w") as full:
                p = subprocess.run([str(NRTOOL), "test", "c"], cwd=self.dir, stdout=full,
                                   stderr=subprocess.PIPE, check=False)
            self.assertEqual(p.returncode, 4)


class Page(Cases):
    def test_the_five_examples_are_cases(self):
        ex = examples()
        self.assertEqual(len(ex), 6)
        (self.dir / "captures").mkdir()
        shutil.copy(DATA / "cut.pcap", self.dir / "captures/cut-1.pcap")
        self.case("t/c/1", capture="ssh.pcap", expect_sql=ex[0])
        self.case("t/c/4", capture=None, captures=ex[3], expect_sql=ex[4])
        self.case("t/c/5", capture="http-tls.pcap", expect_jsonl=ex[5])
        self.assertIn("1 passed, 0 failed, 0 skipped, 1 updated",
                      self.run_test("t", "--update", "-f", "4", "-f", "5"))
        for name, capture, kind, text in (("2", "dns-https.pcap", "expect_sql", ex[1]),
                                          ("3", "ftp-active.pcap", "expect_jsonl", ex[2])):
            self.case(f"t/c/{name}", capture=capture, **{kind: text})
            self.assertNotIn("BROKEN", self.run_test("t", "-f", name, status=5))
        self.run_test("t", "-f", "1")


def commands():
    """The commands of FROM A CAPTURE TO A CASE, word for word."""
    text = (ROOT / "man/nrtool-test.1").read_text()
    part = text[text.index(".Sh FROM A CAPTURE"):text.index(".Sh CONTINUOUS")]
    return re.findall(r"^\$ (.*)$", part, re.M)


class Newcomer(Cases):
    def test_from_a_capture_to_a_case_in_five_commands(self):
        words = commands()
        self.assertEqual(len(words), 5)
        shutil.copy(DATA / "http-tls.pcap", self.dir / "office.pcap")
        env = {**os.environ, "PATH": f"{NRTOOL.parent}:{os.environ['PATH']}"}
        said = []
        for command, status in zip(words, (0, 0, 5, 0, 0)):
            p = subprocess.run(["sh", "-c", command], cwd=self.dir, env=env, text=True,
                               capture_output=True, check=False)
            self.assertEqual(p.returncode, status, f"{command}\n{p.stdout}\n{p.stderr}")
            said.append(p.stdout)
        self.assertIn("a row that is not expected\n      + | 141.142.228.5 | 54.243.55.129 |", said[2])
        self.assertEqual(ET.parse(self.dir / "report.xml").getroot()[0].get("failures"), "0")

    def test_the_starter(self):
        self.nrtool("test", "--init", "a/b/c", DATA / "ftp-active.pcap", DATA / "http-tls.pcap.gz")
        d = self.dir / "a/b/c"
        self.assertEqual(sorted(os.listdir(d)), ["expect.jsonl", "expect.sql", "ftp-active.pcap",
                                                 "http-tls.pcap.gz"])
        self.assertIn("| tcp   | ftp ", (d / "expect.sql").read_text())
        lines = (d / "expect.jsonl").read_text().splitlines()
        self.assertTrue(lines[0].startswith("# match: subset types="))
        for t in ("ftp", "http", "tls", "credential"):
            self.assertIn(f'{{"type": "{t}", ', "\n".join(lines))
        self.run_test("a")
        # the damaged one is one too
        self.nrtool("test", "--init", "cut", DATA / "cut.pcap")
        self.assertTrue((self.dir / "cut/expect.sql").read_text().startswith("-- exit: 3\n"))
        self.run_test("cut")

    def test_no_starter_where_there_is_no_capture(self):
        (self.dir / "x.txt").write_text("no capture\n")
        self.assertIn("no capture in it", self.nrtool("test", "--init", "c", "x.txt", status=1).stderr)
        self.nrtool("test", "--init", "c", "nowhere.pcap", status=1)
        self.assertFalse((self.dir / "c").exists())
        (self.dir / "c").mkdir()
        self.nrtool("test", "--init", "c", DATA / "gre.pcap", status=2)

    def test_a_child_that_crashes_is_named(self):
        self.case("c", expect_sql="WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x)\n"
                                  "SELECT count(*) FROM x;\n")
        self.case("d", expect_sql="SELECT 1;\n-- | 1 |\n")
        with subprocess.Popen([str(NRTOOL), "test", "-j1", "c", "d"], cwd=self.dir,
                              stdout=subprocess.PIPE, text=True) as p:
            children = f"/proc/{p.pid}/task/{p.pid}/children"
            while not (pids := open(children).read().split()):
                pass
            # its own handlers, of a sanitizer, must not turn it into another death
            os.kill(int(pids[0]), signal.SIGKILL if IS_ASAN else signal.SIGSEGV)
            out = p.stdout.read()
            self.assertEqual(p.wait(60), 5)
        self.assertIn("the replay died: SIG" + ("KILL" if IS_ASAN else "SEGV"), out)
        self.assertRegex(out, r"(?m)^ok +d ")


def dns_capture(path, exchanges, broken):
    """Queries and responses, up to six at once; the response `broken` fails."""
    def checksum(b):
        s = sum(int.from_bytes(b[i:i + 2].ljust(2, b"\0"), "big") for i in range(0, len(b), 2))
        while s >> 16:
            s = (s & 0xffff) + (s >> 16)
        return (~s & 0xffff).to_bytes(2, "big")

    def frame(src, dst, sport, dport, data):
        u = b"".join(x.to_bytes(2, "big") for x in (sport, dport, 8 + len(data), 0)) + data
        c = checksum(src + dst + b"\0\x11" + (8 + len(data)).to_bytes(2, "big") + u)
        u = u[:6] + (c if any(c) else b"\xff\xff") + u[8:]
        ip = b"\x45\0" + (20 + len(u)).to_bytes(2, "big") + b"\0\1\0\0\x40\x11\0\0" + src + dst
        return (bytes.fromhex("0010a4000001" "0010a40000020800") + ip[:10] + checksum(ip) + ip[12:] + u)

    frames, server, open_ones = [], bytes([10, 0, 0, 53]), []

    def answer():
        client, k, q = open_ones.pop(0)
        bad = k == broken
        rr = b"" if bad else b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2" + bytes([k % 250])
        head = k.to_bytes(2, "big") + (b"\x81\x82" if bad else b"\x81\x80")
        frames.append(frame(server, client, 53, 20000 + k, head + b"\0\1\0" + bytes([not bad]) +
                            b"\0\0\0\0" + q + rr))

    for i in range(exchanges):
        client = bytes([10, 1, i // 250, i % 250 + 1])
        label = f"host{i}".encode()
        q = bytes([len(label)]) + label + b"\7example\3com\0\0\1\0\1"
        frames.append(frame(client, server, 20000 + i, 53, i.to_bytes(2, "big") +
                            b"\1\0\0\1\0\0\0\0\0\0" + q))
        open_ones.append((client, i, q))
        if len(open_ones) > 5:
            answer()
    while open_ones:
        answer()
    out = bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000")
    for n, f in enumerate(frames):
        ns = 1700000000 * 10**6 + 1000 * n
        out += b"".join(x.to_bytes(4, "little") for x in (ns // 10**6, ns % 10**6, len(f), len(f))) + f
    path.write_bytes(out)


class Reduce(Cases):
    N = 250 if IS_ASAN else 2500  # exchanges

    def golden(self):
        """Lines as the program gives them while nothing is broken, then a broken capture."""
        d = self.case("c", capture=None, expect_jsonl="# match: subset types=dns\n")
        dns_capture(d / "big.pcap", self.N, -1)
        self.run_test("c", "--update")
        dns_capture(d / "big.pcap", self.N, self.N // 3)
        return d

    def packets(self, path):
        out = self.nrtool("replay", path, "-q", "-o", "-").stdout
        return [r for r in map(json.loads, out.splitlines()) if r["type"] in ("dns", "source")]

    def test_one_broken_exchange_is_what_is_left(self):
        self.golden()
        out = self.run_test("--reduce", "c")
        self.assertIn(f"c-reduced: 2 of {2 * self.N} packets", out)
        dns, source = self.packets(self.dir / "c-reduced/reduced.pcapng")
        self.assertEqual((source["packets"], dns["rcode"], dns["query_name"]),
                         (2, "SERVFAIL", f"host{self.N // 3}.example.com"))
        out = self.run_test("c-reduced", status=5)
        self.assertIn('rcode is "SERVFAIL", expected "NOERROR"', out)
        self.assertEqual(out.count("expect.jsonl:"), 1)
        self.assertNotIn("packet is", out)

    def test_scrubbed_the_addresses_are_others_and_it_fails_the_same(self):
        self.golden()
        self.run_test("--reduce", "--scrub", "--to=d", "c")
        frames = (self.dir / "d/reduced.pcapng").read_bytes()
        for address in (b"\x0a\1", b"\x0a\0\0\x35", bytes.fromhex("0010a4")):
            self.assertNotIn(address, frames)
        out = self.run_test("d", status=5)
        self.assertIn('rcode is "SERVFAIL", expected "NOERROR"', out)
        self.assertIn("(192.0.2.1 ", out)
        # what mends checksums is right about them
        out = self.nrtool("replay", "d/reduced.pcapng", "--checksums=verify", "-q", "-o", "-").stdout
        self.assertNotIn("checksum_bad", out)
        self.assertEqual(re.findall('"bad_checksums":([0-9]*)', out), ["0"])

    def test_tcp_and_both_versions_of_ip(self):
        for name, net in (("http-tls.pcap", "192.0.2."), ("ftp-ipv6.pcap", "2001:db8::")):
            with self.subTest(name):
                self.nrtool("test", "--init", f"c/{name}", DATA / name)
                path = self.dir / "c" / name / "expect.jsonl"
                text, n = re.subn(r'"(status|reply_code)": 2[0-9]+', r'"\1": 999', path.read_text(), 1)
                self.assertEqual(n, 1)
                path.write_text(text)
                before = int(re.search(r"\| (\d+) ", (path.parent / "expect.sql").read_text())[1])
                out = self.run_test("--reduce", "--scrub", "-q", f"--to=d-{name}", f"c/{name}")
                kept = int(re.search(r": (\d+) of", out)[1])
                self.assertLess(kept, before / 2)
                out = self.run_test(f"d-{name}", status=5)
                self.assertIn("expected 999", out)
                self.assertIn(f"({net}", out)
                self.assertEqual(out.count("/expect."), 1, out)

    def test_rows_of_queries(self):
        d = self.case("c", capture=None, expect_sql="""
-- name: failures
SELECT query_name, packet FROM dns WHERE rcode = 'SERVFAIL';
-- name: all of them
SELECT count(*) FROM flow;
-- | 100 |
""")
        dns_capture(d / "x.pcap", 100, 42)
        self.assertIn("c-reduced: 1 of 200 packets", self.run_test("--reduce", "-q", "c"))
        out = self.run_test("c-reduced", status=5)
        self.assertIn("+ | host42.example.com | 1 |", out)
        self.assertEqual(out.count("expect.sql:"), 1)

    def test_what_is_missing_keeps_its_flow(self):
        d = self.case("c", capture=None, expect_jsonl="""# match: subset types=dns
{"type": "dns", "query_name": "host7.example.com", "src_port": 20007, "rcode": "NXDOMAIN"}
""", options="--no-sessions\n")
        dns_capture(d / "x.pcap", 50, 42)
        self.run_test("c", status=5)
        self.assertIn("c-reduced: 2 of 100 packets", self.run_test("--reduce", "-q", "c"))
        self.assertEqual((self.dir / "c-reduced/options").read_text(), "--no-sessions\n")
        self.assertIn("this record is missing", self.run_test("c-reduced", status=5))
        (d / "expect.jsonl").write_text('# match: subset types=dns\n{"type": "dns", "rcode": "X"}\n')
        p = self.nrtool("test", "--reduce", "--to=x", "c", status=2)
        self.assertIn("names no flow", p.stderr)

    def test_counts_are_loose(self):
        d = self.case("c", capture=None, expect_sql="SELECT count(*) FROM dns;\n-- | 0 |\n")
        n = 6 if IS_ASAN else 20
        dns_capture(d / "x.pcap", n, -1)
        self.assertIn(f"d: {n} of {2 * n}", self.run_test("--reduce", "-q", "--to=d", "c"))
        self.assertIn(f"e: 1 of {2 * n}",
                      self.run_test("--reduce", "-q", "--loose", "--to=e", "c"))

    def test_refusals(self):
        d = self.case("c", capture="cut.pcap", expect_sql="-- exit: 3\nSELECT 1;\n-- | 1 |\n")
        for words, status, said in ((["--reduce", "c"], 2, "does not fail"),
                                    (["--reduce", "--to=c", "c"], 2, "c exists"),
                                    (["--reduce", "c", "c"], 2, "one case"),
                                    (["--reduce", "--update", "c"], 2, "give one"),
                                    (["--scrub", "c"], 2, "go with --reduce")):
            self.assertIn(said, self.nrtool("test", *words, status=status).stderr)
        (d / "expect.sql").write_text("SELECT 1;\n-- | 1 |\n")
        p = self.nrtool("test", "--reduce", "c", status=1)
        self.assertIn("it lies in the file, not in its packets", p.stderr)
        self.assertFalse((self.dir / "c-reduced").exists())
