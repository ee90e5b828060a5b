# SPDX-License-Identifier: BSD-3-Clause
"""The captures that are measured, the tools, and who is left out where and why."""

import hashlib
import json
import os
import subprocess
import sys

FULL = 1000 ** 3  # bytes of the large files; --size makes all of them smaller
MKREAL = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                       "../../../shared/tools/mkreal.py"))
REAL_MB, REAL_SEED = 540, 7  # 512 MiB are 537 MB

# name, command ({f}: the capture, {d}: an empty folder for output, {b}: the build folder)
TOOLS = [
    ("nrtool flows", "{b}/cli/nrtool replay {f} -o null: --quiet --no-hash --no-sessions "
                     "--threads 1"),
    ("nrtool flows, all cores", "{b}/cli/nrtool replay {f} -o null: --quiet --no-hash "
                                "--no-sessions"),
    ("nrtool sessions", "{b}/cli/nrtool replay {f} -o null: --quiet --no-hash --threads 1"),
    ("nrtool sessions, all cores", "{b}/cli/nrtool replay {f} -o null: --quiet --no-hash"),
    ("nrtool jsonl", "{b}/cli/nrtool replay {f} -o - --quiet --no-hash"),
    ("nrtool sqlite", "{b}/cli/nrtool replay {f} -o {d}/x.db --quiet --no-hash --stats=json"),
    ("nrtool sqlite+hash", "{b}/cli/nrtool replay {f} -o {d}/x.db --quiet --stats=json"),
    ("sha256", "openssl dgst -sha256 {f}"),
    ("walk", "{b}/tests/bench/nrbench-walk {f}"),
    ("walk --plain", "{b}/tests/bench/nrbench-walk --plain {f}"),
    ("capinfos", "capinfos -c {f}"),
    # standard output, not -w /dev/null: as root tcpdump gives that device away
    ("tcpdump", "tcpdump -n -r {f} -w -"),
    ("nfpcapd", "nfpcapd -r {f} -w {d}"),
    ("softflowd", "softflowd -r {f} -m 2000000 -p {d}/pid -c none"),
    ("argus", "argus -r {f} -w {d}/x.argus"),
    ("ndpiReader", "ndpiReader -q -i {f}"),
    ("tcpflow", "tcpflow -q -r {f} -o {d}"),
    ("tshark", "tshark -n -q -z conv,tcp -r {f}"),
    ("zeek", "zeek -C -r {f}"),
    ("suricata", "suricata -k none -r {f} -l {d}"),
]
NOT_IN_DEBIAN = {"zeek": "not installed; Debian has no package of it"}

# Who is left out, and why.
LONG = {"tshark": "takes minutes on this workload"}
FILES = {"tcpflow": "would make a file of each of very many flows"}
NO_BAR = dict.fromkeys(["nrtool sessions", "nrtool sessions, all cores", "nrtool jsonl",
                        "nrtool sqlite", "nrtool sqlite+hash", "sha256"],
                       "six bytes of payload a frame: mix and real tell")
MINUTES = dict.fromkeys(["softflowd", "ndpiReader"], "takes a minute and more: see p64-100k")
ALL_ROWS = dict.fromkeys(["nrtool jsonl", "nrtool sqlite+hash", "sha256"],
                         "the rows are what this workload is for: nrtool sqlite")
STREAM = dict.fromkeys(["tshark", "tcpflow"], "takes minutes on this workload")
PEERS = ["sha256", "walk", "capinfos", "tcpdump", "nfpcapd", "softflowd", "argus",
         "ndpiReader", "tcpflow", "tshark", "zeek", "suricata"]
MEMORY = dict.fromkeys([*PEERS, "nrtool flows, all cores", "nrtool sessions, all cores",
                        "nrtool jsonl", "nrtool sqlite", "nrtool sqlite+hash"],
                       "this workload is for nrtool's memory of a flow")


def large(kind, *options):
    return lambda part: [kind, "--size", str(int(FULL * part)), *options]


def counted(kind, option, full, least=1000):
    return lambda part: [kind, option, str(max(least, int(full * part)))]


# name: (arguments of nrbench-gen for a part of the full size, who is left out)
WORKLOADS = {
    "mix": (large("mix"), {}),
    "p64-100k": (large("p64", "--flows", "100000"), {**LONG, **FILES, **NO_BAR}),
    "p64-1m": (large("p64", "--flows", "1000000"), {**LONG, **FILES, **NO_BAR, **MINUTES}),
    "p64-1m-zipf": (large("p64", "--flows", "1000000", "--dist", "zipf"),
                    {**LONG, **FILES, **NO_BAR, **MINUTES}),
    "dns": (counted("dns", "--count", 1000000), {**LONG, **FILES, **ALL_ROWS}),
    "syn": (counted("syn", "--count", 1000000), {**LONG, **FILES, **ALL_ROWS}),
    "half-1m": (counted("half", "--count", 1000000), MEMORY),
    "idle-500k": (counted("idle", "--count", 500000), MEMORY),
    "hole": (counted("hole", "--count", 300000), {}),
    "many": (counted("many", "--flows", 2000, 50), {}),
    "long": (lambda part: ["long", "--size", str(int(5.5 * FULL * part))], STREAM),
}
# Where the bars speak of peers, these have two runs at least, else one.
AGAINST_PEERS = {"mix", "real"}
# Those that the bars speak of (bars.py) and that every figure is asked for.
DEFAULT = ["mix", "p64-100k", "p64-1m", "dns", "syn", "hole", "many", "half-1m",
           "idle-500k", "real"]
ALL = [*WORKLOADS, "real"]


def sha256(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            h.update(block)
    return h.hexdigest()


def generate(build, cache, name, args, say):
    """The workload's file in the cache and what the generator says of it."""
    gen = os.path.join(build, "tests/bench/nrbench-gen")
    key = hashlib.sha256((sha256(gen) + " ".join(args)).encode()).hexdigest()[:12]
    path = os.path.join(cache, f"{name}-{key}.pcap")
    about = path + ".json"
    if not (os.path.exists(about) and os.path.exists(path)):
        say(f"{name}: writing {path}")
        part = path + ".part"
        q = subprocess.run([gen, *args, "--stats", part], stderr=subprocess.PIPE, text=True)
        if q.returncode:
            if os.path.exists(part):
                os.unlink(part)
            sys.exit(f"bench: {q.stderr.strip()}")
        os.rename(part, path)
        with open(about, "w") as f:
            f.write(q.stderr)
    with open(about) as f:
        return path, json.load(f)


def real(cache, part, say):
    """Real captures merged into one, or None: what makes it is not part of nrtool."""
    mb = max(10, int(REAL_MB * part))
    path = os.path.join(cache, f"real-{mb}-{REAL_SEED}.pcap")
    if not os.path.exists(MKREAL):
        say(f"real: left out, {MKREAL} is not there")
        return None
    if not os.path.exists(path):
        say(f"real: writing {path}")
        unfinished = path + ".part"
        q = subprocess.run([sys.executable, MKREAL, unfinished, str(mb), str(REAL_SEED)],
                           capture_output=True, text=True)
        if q.returncode:
            say(f"real: left out, {MKREAL} failed: {q.stderr.strip()[-200:]}")
            return None
        os.rename(unfinished, path)
        if os.path.exists(unfinished + ".one"):
            os.unlink(unfinished + ".one")
    return path
