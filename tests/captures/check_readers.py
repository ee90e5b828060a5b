#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Reads every real capture with nrtool's reader and libpcap's; compares with GROUND_TRUTH.

usage: check_readers.py READCHECK [CAPTURES]

Many files in one process. Sound files must give GROUND_TRUTH's packets and wire bytes
without damage; every other difference stands in reader_exceptions.tsv with its reason,
and an exception that no file needs is a failure too.
"""
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SKIP = 77  # meson's word for it


def table(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return [line.rstrip("\n").split("\t") for line in f if not line.startswith("#")]


def captures_dir(argv):
    if len(argv) > 2:
        return argv[2]
    default = os.path.join(HERE, "..", "..", "..", "shared", "captures")
    return os.environ.get("NRTOOL_CAPTURES", default)


def main():
    root = captures_dir(sys.argv)
    if not os.path.exists(os.path.join(root, "GROUND_TRUTH.tsv")):
        print("no captures at", root, "- set NRTOOL_CAPTURES; skipped")
        return SKIP
    exceptions = table(os.path.join(HERE, "reader_exceptions.tsv"))
    counts = {e[1]: e[2] for e in exceptions if e[0] == "count"}
    sentences = [e[1] for e in exceptions if e[0] == "libpcap"]
    differ = {e[1] for e in exceptions if e[0] == "differ"}
    used, bad, compared = set(), [], 0

    truth = {row[0]: row for row in table(os.path.join(root, "GROUND_TRUTH.tsv"))[1:]}
    program = os.path.abspath(sys.argv[1])
    out = subprocess.run([program], cwd=root, text=True, errors="replace", check=True,
                         input="".join(p + "\n" for p in truth),
                         stdout=subprocess.PIPE).stdout
    rows = [line.split("\t") for line in out.splitlines()]
    if len(rows) != len(truth):
        bad.append(f"{len(rows)} lines for {len(truth)} captures")

    for path, status, packets, wire, damage, pcap_status, why in rows:
        t = truth[path]
        sound = t[1] == "sound"
        if status.endswith("is empty"):  # tshark calls that a sound file
            continue
        if sound and (status != "ok" or damage != "-" or wire != t[3]):
            bad.append(f"{path}: sound, but {status}, {wire} bytes of {t[3]}, {damage}")
        if path.startswith("pcapng-test-generator/") and (status != "ok" or damage != "-"):
            bad.append(f"{path}: {status}, {damage}")
        if packets != t[2] or path in counts:
            used.add(path)
            if sound or counts.get(path) != packets or packets == t[2]:
                bad.append(f"{path}: {packets} packets, tshark {t[2]}")
        if pcap_status == "differ":
            used.add(path)
            if path not in differ:
                bad.append(f"{path}: libpcap: {why}")
        elif pcap_status in ("refused", "stopped"):
            match = [s for s in sentences if re.search(s, why)]
            used.update(match)
            if not match:
                bad.append(f"{path}: libpcap {pcap_status}: {why}")
        elif pcap_status == "equal":
            compared += 1

    for e in exceptions:
        if e[1] not in used:
            bad.append(f"exception without a case: {e[0]} {e[1]}")
    for line in bad:
        print(line)
    print(f"{len(rows)} captures, {compared} equal to libpcap packet by packet, "
          f"{len(exceptions)} exceptions, {len(bad)} unexplained")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
