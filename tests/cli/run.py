#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs tests/cli/test_*.py against a build: run.py [--build DIR] [--jobs N] [NAME…]."""

import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))
import side_by_side  # noqa: E402

if __name__ == "__main__":
    sys.exit(side_by_side.main(__file__, __doc__, os.cpu_count() or 1))
