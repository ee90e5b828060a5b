# SPDX-License-Identifier: BSD-3-Clause
"""What all capture suites share: the captures, nrtool's output for each, counting."""

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def captures():
    """The folder of real captures, or None."""
    named = os.environ.get("NRTOOL_CAPTURES")
    for p in [named] if named else [ROOT / ".." / "shared" / "captures"]:
        p = Path(p).resolve()
        if (p / "MANIFEST.tsv").exists():
            return p
    return None


def tsv(path):
    """Rows of a tab-separated file with a header line and no quoting, as dicts."""
    with open(path, encoding="utf-8", newline="\n") as f:
        lines = [line.rstrip("\n").split("\t") for line in f]
    return [dict(zip(lines[0], fields)) for fields in lines[1:] if fields != [""]]


def manifest(root, part=None):
    """Paths of the captures below root, of those whose path contains part."""
    return [r["path"] for r in tsv(root / "MANIFEST.tsv")
            if not part or part in r["path"]]


def zstd_lines(path):
    p = subprocess.Popen(["zstd", "-dcq", str(path)], stdout=subprocess.PIPE)
    yield from p.stdout
    if p.wait():
        raise RuntimeError(f"zstd cannot read {path}")


class Tally:
    """Counts checks of a suite; prints failures at once and a closing line."""

    def __init__(self, name, limit=40):
        self.name, self.limit = name, limit
        self.passed = self.failed = self.skipped = 0

    def check(self, ok, words=""):
        if ok:
            self.passed += 1
            return True
        self.failed += 1
        if self.failed <= self.limit:
            print(f"FAIL {self.name}: {words}", flush=True)
        elif self.failed == self.limit + 1:
            print(f"FAIL {self.name}: … and more", flush=True)
        return False

    def skip(self, words, n=1):
        self.skipped += n
        print(f"skip {self.name}: {words}", flush=True)

    def close(self):
        print(
            f"{self.name}: {self.passed} passed, {self.failed} failed, "
            f"{self.skipped} skipped",
            flush=True,
        )
        return 1 if self.failed else 0


class Nrtool:
    """Runs the sweep program (or nrtool) and keeps its output per file in a cache."""

    def __init__(self, build, captures_dir, jobs=2, cache=None):
        self.build, self.captures, self.jobs = Path(build).resolve(), captures_dir, jobs
        self.nrtool = self.build / "cli" / "nrtool"
        self.sweep = self.build / "tests" / "captures" / "sweep"
        self.make()
        st = "".join(f"{p.stat().st_mtime_ns}{p.stat().st_size}"
                     for p in (self.sweep, self.nrtool) if p.exists())
        tag = hashlib.sha256(f"{self.build}{st}".encode()).hexdigest()[:12]
        base = Path(cache or os.environ.get("NRTOOL_TEST_CACHE") or
                    Path(tempfile.gettempdir()) / f"nrtool-captures-{os.getuid()}")
        self.cache = base / tag
        if not self.cache.exists():  # another binary: the old outputs are of no use
            # suites of several builds may run side by side: keep what is fresh
            for old in base.glob("*"):
                if old.is_dir() and old.stat().st_mtime < self.stamp() - 3600:
                    shutil.rmtree(old, ignore_errors=True)
        self.cache.mkdir(parents=True, exist_ok=True)

    @staticmethod
    def stamp():
        import time

        return time.time()

    def make(self):
        r = subprocess.run(
            ["ninja", "-C", str(self.build), "tests/captures/sweep", "cli/nrtool"],
            capture_output=True, text=True)
        if r.returncode or not self.sweep.exists():
            sys.exit(f"cannot build tests/captures/sweep in {self.build}:\n"
                     + r.stdout[-3000:] + r.stderr[-1000:])

    def out(self, path, options):
        """Where the output for a file under these options lies (or will lie)."""
        name = hashlib.sha256(f"{path}\0{' '.join(options)}".encode()).hexdigest()[:24]
        return self.cache / f"{name}.jsonl"

    def run(self, pairs, options=(), env=None, timeout=900):
        """sweep over [(path, target)]; {path: (verdict, packets, seconds, kib, words)}.

        Cut into parts of equal size in bytes, one process each."""
        parts = [[] for _ in range(self.jobs)]
        load = [0] * self.jobs
        for path, target in sorted(pairs, key=lambda p: -size(p[0])):
            i = load.index(min(load))
            parts[i].append((path, target))
            load[i] += size(path) + 20000
        running = []
        for part in parts:
            if not part:
                continue
            err = tempfile.TemporaryFile()
            p = subprocess.Popen([str(self.sweep), *options], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, stderr=err,
                                 env={**os.environ, **(env or {})})
            running.append((p, part, err))
        verdicts = {}
        import threading

        def feed(p, part):
            text = "".join(f"{path}\t{target}\n" for path, target in part)
            got, _ = p.communicate(text.encode("utf-8", "surrogateescape"))
            for line in got.decode("utf-8", "replace").splitlines():
                f = line.split("\t")
                if len(f) >= 6:
                    verdicts[f[0]] = (f[1], int(f[2]), float(f[3]), int(f[4]), f[5])

        threads = [threading.Thread(target=feed, args=(p, part))
                   for p, part, _ in running]
        for t in threads:
            t.start()
        for t in threads:
            t.join(timeout)
        self.words = ""
        for p, _, err in running:
            if p.poll() is None:
                p.kill()
            err.seek(0)
            self.words += err.read().decode("utf-8", "replace")
        return verdicts

    def replay(self, files, options=()):
        """Makes the output of each capture (relative path), where not there yet.

        Returns {file: verdict tuple}; rows() reads the output."""
        index = self.cache / ("verdicts-" + re.sub(r"\W+", "_", " ".join(options)))
        known = {}
        if index.exists():
            for line in index.read_text().splitlines():
                f = line.split("\t")
                known[f[0]] = (f[1], int(f[2]), float(f[3]), int(f[4]), f[5])
        todo = [f for f in files if f not in known]
        if todo:
            pairs = [(str(self.captures / f), str(self.out(f, options))) for f in todo]
            got = self.run(pairs, options)
            with open(index, "a", encoding="utf-8") as w:
                for f in todo:
                    v = got.get(str(self.captures / f), ("missing", 0, 0.0, 0, ""))
                    known[f] = v
                    w.write("\t".join([f, *map(str, v)]) + "\n")
        return {f: known[f] for f in files}

    def rows(self, file, options=(), types=None):
        return read_rows(self.out(file, options), types)


def read_rows(path, types=None):
    """The JSON lines of one output; only of these types, if given."""
    if not path.exists():
        return []
    rows = []
    heads = None
    if types:
        heads = tuple(f'{{"type":"{t}"'.encode() for t in types)
    with open(path, "rb") as f:
        for line in f:
            if heads and not line.startswith(heads):
                continue
            rows.append(json.loads(line))
    return rows


def size(path):
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def pick(items, n):
    """A sample of n that is the same on every run and machine."""
    return sorted(sorted(items, key=lambda s: hashlib.sha256(s.encode()).digest())[:n])


def open_packed(path):
    return gzip.open(path) if path.endswith(".gz") else open(path, "rb")


def arguments(description, parser=None):
    import argparse

    p = parser or argparse.ArgumentParser(description=description)
    p.add_argument("--build", default="build", help="meson build folder of nrtool")
    p.add_argument("--asan-build", help="a build with -Db_sanitize=address,undefined")
    p.add_argument("--jobs", type=int, default=2)
    return p
