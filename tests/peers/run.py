#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs tests/peers/test_*.py: nrtool against real servers and clients in network
namespaces. run.py [--build DIR] [NAME…]. Counts at the end; what cannot run here is skipped."""

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
    for _, why in r.skipped:
        print(f"skipped: {why}")
    # A class that is skipped as a whole is one skip and no test run.
    passed = max(r.testsRun - failed, 0)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed + skipped else 0


if __name__ == "__main__":
    sys.exit(main())
