#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs tests/cli/test_*.py against a build: run.py [--build DIR] [NAME…]. Counts at the end."""

import argparse
import os
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--build", default="build")
    a.add_argument("name", nargs="*")
    a = a.parse_args()
    os.environ["NRTOOL_BUILD"] = str(Path(a.build).resolve())
    sys.path[:0] = [str(HERE)]
    loader = unittest.TestLoader()
    suite = (loader.loadTestsFromNames(a.name) if a.name
             else loader.discover(str(HERE), "test_*.py"))
    r = unittest.TextTestRunner(stream=sys.stdout, verbosity=1).run(suite)
    failed, skipped = len(r.failures) + len(r.errors), len(r.skipped)
    print(f"{max(r.testsRun - failed - skipped, 0)} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not r.testsRun else 0


if __name__ == "__main__":
    sys.exit(main())
