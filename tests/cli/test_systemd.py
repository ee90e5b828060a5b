# SPDX-License-Identifier: BSD-3-Clause
"""The unit of a capture, as systemd reads it."""

import re
import shutil
import subprocess
import unittest

from common import NRTOOL, ROOT, Case


class Unit(Case):
    def setUp(self):
        super().setUp()
        if not shutil.which("systemd-analyze"):
            self.skipTest("needs systemd-analyze")
        text = (NRTOOL.parent.parent / "systemd/nrtool-capture@.service").read_text()
        text = re.sub(r"^ExecStart=\S+", f"ExecStart={NRTOOL}", text, flags=re.M)
        self.unit = self.dir / "nrtool-capture@.service"
        self.unit.write_text(text)

    def run_analyze(self, *words):
        return subprocess.run(["systemd-analyze", *map(str, words), str(self.unit)], text=True,
                              capture_output=True, check=False, timeout=60)

    def test_it_is_understood(self):
        p = self.run_analyze("verify", "--man=no")
        self.assertEqual((p.stdout, p.stderr), ("", ""))

    def test_what_it_says_of_xdp_is_understood(self):
        head, *lines = re.findall(r"^#   (\[Service\]|\w+=.+)$", self.unit.read_text(), re.M)
        more = self.dir / f"{self.unit.name}.d"
        more.mkdir()
        (more / "xdp.conf").write_text("\n".join([head, *lines]) + "\n")
        p = self.run_analyze("verify", "--man=no")
        self.assertEqual((p.stdout, p.stderr), ("", ""))
        self.assertEqual([line.split("=")[0] for line in lines],
                         ["AmbientCapabilities", "CapabilityBoundingSet",
                          "RestrictAddressFamilies", "SystemCallFilter"])

    def test_it_is_hardened(self):
        p = self.run_analyze("security", "--offline=true", "--threshold=20")
        self.assertEqual(p.returncode, 0, p.stdout[-3000:] + p.stderr)

    def test_the_page_of_each_file_is_there(self):
        for page in re.findall(r"man:(nrtool[\w-]*)\((\d)\)", self.unit.read_text()):
            self.assertTrue((ROOT / "man" / f"{page[0]}.{page[1]}").exists(), page)


if __name__ == "__main__":
    unittest.main()
