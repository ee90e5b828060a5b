# SPDX-License-Identifier: BSD-3-Clause
"""Options as data: help, errors, completions, manual pages."""

import json
import os
import re
import shutil
import subprocess
import unittest

from common import DATA, NRTOOL, ROOT, Case

VERBS = re.findall(r"^  (\w+) ", subprocess.run([str(NRTOOL), "help"], check=True, text=True,
                                                capture_output=True).stdout, re.M)


def options_in_help(text):
    return set(re.findall(r"^  (?:-\w,|   ) --([\w-]+)", text, re.M)) - {"help"}


class Help(Case):
    def test_every_verb_helps_on_stdout_in_80_columns(self):
        for verb in VERBS:
            p = self.nrtool(verb, "--help")
            self.assertEqual(p.stderr, "")
            self.assertTrue(p.stdout.startswith(f"usage: nrtool {verb}"))
            for line in p.stdout.splitlines():
                self.assertLessEqual(len(line), 80, line)

    def test_help_lists_every_command(self):
        self.assertEqual(self.nrtool("--help").stdout, self.nrtool("help").stdout)
        for verb in ("replay", "info", "schema", "protocols", "query"):
            self.assertIn(verb, VERBS)

    def test_version(self):
        self.assertRegex(self.nrtool("--version").stdout, r"^nrtool \d+\.\d+\.\d+\n$")


class Errors(Case):
    def fails(self, words, *said):
        p = self.nrtool(*words, status=2)
        self.assertEqual(p.stdout, "")
        self.assertEqual(len(p.stderr.splitlines()), 1, p.stderr)
        for s in said:
            self.assertIn(s, p.stderr)

    def test_unknown_names_get_a_hint(self):
        self.fails(["repaly", "x"], "repaly", "replay")
        self.fails(["replay", "--forse", "x"], "--forse", "--force")
        self.fails(["replay", "--tcp-timeot=1s", "x"], "--tcp-timeout")
        self.fails(["replay", "--zzzzzzzz", "x"], "--zzzzzzzz")
        self.fails(["replay", "-Z", "x"], "-Z")
        self.fails(["schema", "flwo"], "flow")
        self.fails(["completion", "csh"], "bash, zsh or fish")

    def test_missing_words(self):
        self.assertEqual(subprocess.run([str(NRTOOL)], capture_output=True,
                                        check=False).returncode, 2)
        self.fails(["replay"], "FILE")
        self.fails(["replay", "x", "-o"], "-o needs")
        self.fails(["replay", "x", "--from"], "--from needs")
        self.fails(["replay", "-"], "-o")

    def test_bad_values(self):
        for words in (["--tcp-timeout=5parsecs"], ["--tcp-timeout="], ["--tcp-timeout=1h30"],
                      ["--frag-memory=12Q"], ["--frag-memory=1"], ["--max-flows=1"],
                      ["--max-flows=99999999999999999999"], ["--batch=0"], ["--batch=1025"],
                      ["--threads=0"], ["--threads=65"],
                      ["--from=2024-02-30"], ["--from=yesterday"], ["--to=25:00"],
                      ["--checksums=maybe"], ["--overlap=me"], ["--dedup=x"], ["--dedup=0"],
                      ["--dedup=5,"], ["--force=yes"], ["--from=10", "--to=10"],
                      ["--force", "--append"], ["-o", "a", "-o", "a"], ["-c", "-1"]):
            with self.subTest(words):
                self.fails(["replay", *words, "x"])

    def test_enum_names_its_values(self):
        self.fails(["replay", "--checksums=maybe", "x"], "auto, verify, ignore")


class Values(Case):
    """What was typed is what source.record_options holds."""

    def options(self, *words):
        p = self.nrtool("replay", DATA / "icmp-echo.pcap", *words, "-q", "-o", "-")
        rows = map(json.loads, p.stdout.splitlines())
        return next(r for r in rows if r["type"] == "source")["record_options"]

    def test_durations(self):
        for text, ns in (("90", 90e9), ("300s", 300e9), ("5min", 300e9), ("100ms", 1e8),
                         ("1h30min", 5400e9), ("0.5s", 5e8), ("1.5h", 5400e9), ("2d", 172800e9),
                         ("250us", 250e3), ("7ns", 7)):
            self.assertEqual(self.options(f"--tcp-timeout={text}")["tcp_timeout_ns"], ns, text)

    def test_sizes_and_numbers(self):
        for text, n in (("256M", 256 << 20), ("64K", 65536), ("1GiB", 1 << 30), ("65536", 65536),
                        ("128kB", 131072)):
            self.assertEqual(self.options("--frag-memory", text)["frag_memory"], n, text)
        self.assertEqual(self.options("--max-flows=1_000_000")["max_flows"], 1000000)

    def test_times(self):
        for text, ns in (("1970-01-02", 86400 * 10**9), ("1970-01-01T00:00:01Z", 10**9),
                         ("1970-01-01T01:00:00.25+01:00", 250 * 10**6), ("1.5", 15 * 10**8),
                         ("2024-02-29T12:30", 1709209800 * 10**9)):
            self.assertEqual(self.options(f"--from={text}")["from_ns"], ns, text)

    def test_defaults_are_the_documented_ones(self):
        o = self.options()
        self.assertEqual(o["tcp_timeout_ns"], 300 * 10**9)
        self.assertEqual(o["udp_timeout_ns"], 60 * 10**9)
        self.assertEqual(o["max_flows"], 4194304)
        self.assertEqual(o["checksums"], "auto")
        for absent in ("filter", "from_ns", "to_ns", "count", "dedup", "no_flip", "batch",
                       "threads"):
            self.assertNotIn(absent, o)

    def test_dedup_forms(self):
        for text in ("--dedup", "--dedup=100", "--dedup=5ms", "--dedup=100,5ms"):
            self.assertIn("dedup", self.options(text))

    def test_options_may_follow_files_and_end_with_two_dashes(self):
        shutil.copy(DATA / "icmp-echo.pcap", self.dir / "-odd.pcap")
        self.nrtool("replay", "-q", "-o", "null:", "--", "-odd.pcap")


class Completion(Case):
    def test_all_shells_know_all_options(self):
        for shell in ("bash", "zsh", "fish"):
            text = self.nrtool("completion", shell).stdout
            for option in options_in_help(self.nrtool("replay", "--help").stdout):
                self.assertIn(option, text)

    def test_bash_completes(self):
        script = self.nrtool("completion", "bash").stdout + """
            COMP_WORDS=(nrtool replay --tcp-t); COMP_CWORD=2; _nrtool; echo ${COMPREPLY[@]}
            COMP_WORDS=(nrtool re); COMP_CWORD=1; _nrtool; echo ${COMPREPLY[@]}
            COMP_WORDS=(nrtool replay --checksums = v); COMP_CWORD=4; _nrtool; echo ${COMPREPLY[@]}
            COMP_WORDS=(nrtool schema fl); COMP_CWORD=2; _nrtool; echo ${COMPREPLY[@]}"""
        p = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
        lines = p.stdout.splitlines()
        self.assertEqual(lines[:3], ["--tcp-timeout", "replay", "verify"])
        self.assertIn("flow_packets", lines[3])

    def test_zsh_and_fish_parse(self):
        for shell in ("zsh", "fish"):
            if not shutil.which(shell):
                continue
            text = self.nrtool("completion", shell).stdout
            subprocess.run([shell, "-n"], input=text, text=True, check=True)


class Manual(Case):
    """Every option stands in its page and the other way round."""

    def page_options(self, verb):
        text = (ROOT / "man" / f"nrtool-{verb}.1").read_text()
        return set(re.findall(r"^\.It (?:Fl \w , )?Fl -([\w-]+)", text, re.M)) - {"help"}

    def test_pages_and_tables_agree(self):
        for verb in VERBS:
            if not (ROOT / "man" / f"nrtool-{verb}.1").exists():
                self.assertIn(verb, ("protocols", "completion", "help", "version"))
                continue
            with self.subTest(verb):
                self.assertEqual(self.page_options(verb),
                                 options_in_help(self.nrtool(verb, "--help").stdout))

    def test_every_verb_stands_in_the_main_page(self):
        text = (ROOT / "man" / "nrtool.1").read_text()
        for verb in VERBS:
            self.assertRegex(text, rf"(?m)^\.It .*\b{verb}\b")

    @unittest.skipUnless(shutil.which("mandoc"), "mandoc is not installed")
    def test_pages_are_clean(self):
        pages = [str(ROOT / "man" / p) for p in os.listdir(ROOT / "man")]
        p = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *pages], text=True,
                           capture_output=True, check=False)
        self.assertEqual(p.stdout, "")


class Schema(Case):
    def test_formats(self):
        self.assertIn("src_ip", self.nrtool("schema", "flow").stdout)
        sql = self.nrtool("schema", "--format=sql").stdout
        for table in ("run", "source", "flow", "anomaly"):
            self.assertIn(f"CREATE TABLE {table} ", sql)
        doc = json.loads(self.nrtool("schema", "--format=json").stdout)
        self.assertIn("flow", json.dumps(doc))
        self.assertIn(".Sh NAME", self.nrtool("schema", "--format=mdoc").stdout)
        for line in self.nrtool("schema").stdout.splitlines():
            self.assertLessEqual(len(line), 80, line)
