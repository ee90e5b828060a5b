#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The inputs that fuzzing has found, small enough to lie beside the sources.

usage: corpus.py unpack HARNESS DIR            its corpus as files
       corpus.py pack HARNESS FUZZER DIR…      merges DIRs to what reaches something of its own,
                                               and makes that the corpus
       corpus.py replay HARNESS PROGRAM        runs the regressions and the corpus through it

`parser`, the harness of all parsers, has no corpus of its own: it begins with those of each."""

import io
import lzma
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REGRESSIONS = HERE.parents[1] / "testdata/regressions"
sys.path.insert(0, str(HERE))


def members(harness):
    """(name, bytes) of a corpus."""
    path = HERE / f"corpus/{harness}.tar.xz"
    if path.is_file():
        with tarfile.open(path) as t:
            for m in t:
                if m.isfile():
                    yield m.name, t.extractfile(m).read()


def of_all_parsers():
    from seeds import PARSERS
    for i, name in enumerate(PARSERS):
        for file, b in members("parser_" + name):
            port = b[0] // len(PARSERS) if b else 0
            yield f"{name}-{file}", bytes([(i + port * len(PARSERS)) & 255]) + b[1:]


def unpack(harness, out):
    Path(out).mkdir(parents=True, exist_ok=True)
    n = 0
    for name, b in of_all_parsers() if harness == "parser" else members(harness):
        Path(out, Path(name).name).write_bytes(b)
        n += 1
    print(f"{n} inputs that earlier fuzzing left for {harness} in {out}")


def pack(harness, fuzzer, *dirs):
    with tempfile.TemporaryDirectory() as tmp:
        subprocess.run([fuzzer, "-merge=1", "-timeout=20", "-use_counters=0", tmp, *dirs],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        files = sorted(Path(tmp).iterdir())
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as t:
            for f in files:
                m = tarfile.TarInfo(f.name)
                m.size = f.stat().st_size
                with f.open("rb") as content:
                    t.addfile(m, content)
        out = HERE / f"corpus/{harness}.tar.xz"
        out.parent.mkdir(exist_ok=True)
        out.write_bytes(lzma.compress(raw.getvalue(), preset=9 | lzma.PRESET_EXTREME))
        print(f"{len(files)} inputs, {out.stat().st_size} bytes: {out}")


def replay(harness, program):
    with tempfile.TemporaryDirectory() as tmp:
        unpack(harness, tmp)
        known = REGRESSIONS / harness
        files = sorted(Path(tmp).iterdir()) + (sorted(known.iterdir()) if known.is_dir() else [])
        (Path(tmp) / "list").write_text("".join(f"{f}\n" for f in files))
        return subprocess.run([program, Path(tmp) / "list"]).returncode


if __name__ == "__main__":
    verbs = {"unpack": unpack, "pack": pack, "replay": replay}
    if len(sys.argv) < 4 or sys.argv[1] not in verbs:
        sys.exit(__doc__)
    sys.exit(verbs[sys.argv[1]](*sys.argv[2:]))
