# SPDX-License-Identifier: BSD-3-Clause
"""unittest for a folder of test_*.py, its classes side by side, each in a process of its own."""

import argparse
import os
import re
import subprocess
import sys
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

COUNTS = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", re.M)


def tests_of(suite):
    for t in suite:
        if isinstance(t, unittest.TestSuite):
            yield from tests_of(t)
        else:
            yield t


def run_here(suite):
    r = unittest.TextTestRunner(stream=sys.stdout, verbosity=1).run(suite)
    for test, reason in r.skipped:
        print(f"skipped: {test.id()}: {reason}")
    failed, skipped = len(r.failures) + len(r.errors), len(r.skipped)
    print(f"{max(r.testsRun - failed - skipped, 0)} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not r.testsRun else 0


def run_apart(script, group):
    """One class in a process of its own: (words, output, [passed, failed, skipped])."""
    name, ids = group
    began = time.monotonic()
    p = subprocess.run([sys.executable, script, "--jobs=1", *ids], text=True, errors="replace",
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    counts = COUNTS.findall(p.stdout)
    n = [int(x) for x in counts[-1]] if counts else [0, 1, 0]
    if p.returncode and not n[1]:
        n[1] = 1
    return f"{name} ({time.monotonic() - began:.0f} s)", p.stdout, n


def main(script, about, jobs):
    """run [--build DIR] [--jobs N] [NAME…]: counts at the end; the exit status tells."""
    here = Path(script).resolve().parent
    a = argparse.ArgumentParser(description=about)
    a.add_argument("--build")
    a.add_argument("--jobs", type=int, default=jobs)
    a.add_argument("name", nargs="*", help="test_x, test_x.Class.test_y")
    a = a.parse_args()
    if a.build or "NRTOOL_BUILD" not in os.environ:
        os.environ["NRTOOL_BUILD"] = str(Path(a.build or "build").resolve())
    sys.path.insert(0, str(here))
    loader = unittest.TestLoader()
    suite = (loader.loadTestsFromNames(a.name) if a.name
             else loader.discover(str(here), "test_*.py"))
    groups = {}
    for t in tests_of(suite):
        groups.setdefault(t.id().rsplit(".", 1)[0], []).append(t.id())
    if a.jobs == 1 or len(groups) < 2:
        return run_here(suite)
    total = [0, 0, 0]
    with ThreadPoolExecutor(a.jobs) as pool:
        for name, out, n in pool.map(lambda g: run_apart(script, g), groups.items()):
            total = [x + y for x, y in zip(total, n)]
            print(f"{'ok  ' if not n[1] else 'FAIL'} {name}: {n[0]} of {sum(n)}")
            print(out if n[1] else "".join(line + "\n" for line in out.splitlines()
                                           if line.startswith("skipped:")), end="", flush=True)
    print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped")
    return 1 if total[1] or not total[0] else 0
