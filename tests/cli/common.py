# SPDX-License-Identifier: BSD-3-Clause
import os
import sqlite3
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = ROOT / "testdata"
NRTOOL = Path(os.environ.get("NRTOOL_BUILD", ROOT / "build"), "cli", "nrtool")
IS_ASAN = b"__asan_init" in NRTOOL.read_bytes()


class Case(unittest.TestCase):
    """A test in a temporary folder of its own."""

    maxDiff = None

    def setUp(self):
        t = tempfile.TemporaryDirectory(prefix="nrtool-cli-")
        self.addCleanup(t.cleanup)
        self.dir = Path(t.name)

    def nrtool(self, *words, status=0, env=None, **more):
        more.setdefault("timeout", 300)
        p = subprocess.run([str(NRTOOL), *map(str, words)], cwd=self.dir, text=True,
                           errors="replace", capture_output=True, check=False,
                           env={**os.environ, **(env or {})},
                           **({} if "input" in more or "stdin" in more
                              else {"stdin": subprocess.DEVNULL}), **more)
        self.assertEqual(p.returncode, status, f"{words}\n{p.stdout[-2000:]}\n{p.stderr[-4000:]}")
        return p

    def query(self, database, sql):
        db = sqlite3.connect(f"file:{self.dir / database}?mode=ro", uri=True)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()
