# SPDX-License-Identifier: BSD-3-Clause
"""The commands of nrtool-tutorial(7) and of the README do what these say, word for word."""

import os
import re
import shutil
import subprocess
import unittest

from common import DATA, NRTOOL, ROOT, Case

PAGE = ROOT / "man/nrtool-tutorial.7"
BLOCK = re.compile(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed$", re.M | re.S)


def steps():
    """[(command, what it prints or None)] of all literal blocks, in order."""
    out = []
    for block in BLOCK.findall(PAGE.read_text()):
        text = block.replace("\\e", "\\").replace("\\&", "")
        for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
            lines, command = part.splitlines(), []
            while lines:
                command.append(lines.pop(0))
                words = "\n".join(command)
                if words.count('"') % 2 == 0 and not words.endswith("\\"):
                    break
            out.append(("\n".join(command), "\n".join(lines) + "\n" if lines else None))
    return out


class Tutorial(Case):
    def setUp(self):
        super().setUp()
        (self.dir / "testdata").symlink_to(DATA)
        (self.dir / "build").mkdir()
        (self.dir / "build/cli").symlink_to(NRTOOL.parent)

    def sh(self, command):
        # the commands stand alone, so each gets the PATH that the first one sets
        return subprocess.run(["sh", "-c", 'PATH="$PWD/build/cli:$PATH"; ' + command],
                              cwd=self.dir, capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, env={**os.environ, "LC_ALL": "C.UTF-8"})

    def test_every_command_says_what_the_page_says(self):
        all_steps = steps()
        self.assertGreater(len(all_steps), 12)
        self.assertGreater(sum(want is not None for _, want in all_steps), 7)
        for command, want in all_steps:
            with self.subTest(command):
                p = self.sh(command)
                self.assertEqual(p.returncode, 0, p.stderr)
                if want is not None:
                    strip = lambda s: [line.rstrip() for line in s.splitlines()]
                    self.assertEqual(strip(p.stdout), strip(want))
        p = self.sh("nrtool query case.db loss --format json")
        self.assertEqual((p.returncode, p.stdout), (0, "[]\n"))

    def test_the_hashes_are_sha256sum_s(self):
        for command, want in steps():
            if "sha256" in command:
                for line in want.splitlines()[1:]:
                    sha, name = line.split(",")
                    p = self.sh(f"sha256sum testdata/{name}")
                    self.assertEqual(p.stdout.split()[0], sha)

    @unittest.skipUnless(shutil.which("mandoc"), "no mandoc")
    def test_the_page_is_sound(self):
        p = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", str(PAGE)], check=False,
                           capture_output=True, text=True)
        self.assertEqual(p.stdout, "")


class Readme(Case):
    def test_its_commands(self):
        text = (ROOT / "README.md").read_text()
        commands = [line.strip() for line in re.findall(r"^    build/cli/nrtool.*$", text, re.M)]
        self.assertGreater(len(commands), 4)
        (self.dir / "build").mkdir()
        (self.dir / "build/cli").symlink_to(NRTOOL.parent)
        (self.dir / "dir").mkdir()
        shutil.copy(DATA / "gre.pcap", self.dir / "dir")
        shutil.copy(DATA / "http-tls.pcap.gz", self.dir / "office.pcap.gz")
        shutil.copy(DATA / "sections.pcapng", self.dir / "evidence.pcapng")
        (self.dir / "cases/gre").mkdir(parents=True)
        shutil.copy(DATA / "gre.pcap", self.dir / "cases/gre")
        (self.dir / "cases/gre/expect.sql").write_text("SELECT count(*) > 0 FROM flow;\n-- | 1 |\n")
        for command in commands:
            if "| jq" in command:
                command = command.replace("| jq .", "")
            if "old.db" in command:
                shutil.copy(self.dir / "office.db", self.dir / "old.db")
            with self.subTest(command):
                p = subprocess.run(["sh", "-c", command], cwd=self.dir, capture_output=True,
                                   text=True, check=False, stdin=subprocess.DEVNULL)
                self.assertEqual(p.returncode, 0, p.stderr)
