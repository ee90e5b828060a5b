#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs the tests that meson knows and counts their TAP lines.

usage: tests/tap.py BUILD [NAME…]

Output of what fails is shown whole. The last line
sums up; status 1 if a test failed or a program died."""

import concurrent.futures
import json
import os
import re
import subprocess
import sys
import time

LINE = re.compile(r"^(not ok|ok)\b(?:.*#\s*(skip)\b)?", re.I | re.M)
PLAN = re.compile(r"^1\.\.(\d+)", re.M)


def count(text, status):
    """(passed, failed, skipped) of a program's output; dying or stopping short fails."""
    passed = failed = skipped = 0
    for verdict, skip in LINE.findall(text):
        if skip:
            skipped += 1
        elif verdict.lower() == "ok":
            passed += 1
        else:
            failed += 1
    planned = sum(int(n) for n in PLAN.findall(text))
    if planned > passed + failed + skipped:
        failed += planned - passed - failed - skipped
    if (status and not failed) or passed + failed + skipped == 0:
        failed += 1
    return passed, failed, skipped


def count_status(status):
    """A test without TAP is one test; meson's 77 means skipped."""
    return (0, 0, 1) if status == 77 else (0, 1, 0) if status else (1, 0, 0)


def run(test, build):
    began = time.monotonic()
    env = {**os.environ, **test["env"], "CMOCKA_MESSAGE_OUTPUT": "TAP"}
    try:
        p = subprocess.run(test["cmd"], env=env, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True, errors="replace", timeout=test["timeout"] or None,
                           cwd=test["workdir"] or build)
        text, status = p.stdout, p.returncode
    except subprocess.TimeoutExpired as e:
        text, status = (e.stdout or b"").decode(errors="replace") + "\ntimed out", 1
    except OSError as e:
        text, status = str(e), 1
    counts = count(text, status) if test["protocol"] == "tap" else count_status(status)
    return test["name"], counts, status, text, time.monotonic() - began


def main(build, *names):
    tests = json.loads(subprocess.run(["meson", "introspect", "--tests", build], check=True,
                                      stdout=subprocess.PIPE).stdout)
    tests = [t for t in tests if not names or t["name"] in names]
    total = [0, 0, 0]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, counts, status, text, spent in pool.map(
                lambda t: run(t, build), tests):
            total = [a + b for a, b in zip(total, counts)]
            if counts[1]:
                print(text, end="" if text.endswith("\n") else "\n")
            word = "FAIL" if counts[1] else "ok"
            print(f"{word:4} {name}: {counts[0]} of {sum(counts)} ({spent:.1f} s)"
                  + (f", status {status}" if counts[1] else ""), flush=True)
    print("{} passed, {} failed, {} skipped".format(*total))
    return 1 if total[1] or not sum(total) else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
