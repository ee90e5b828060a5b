#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Reads every real capture with nrtool's reader and libpcap's; compares with GROUND_TRUTH.

Sound files must give GROUND_TRUTH's packets and wire bytes without damage, and be equal
packet by packet to what libpcap reads; every other difference stands in
reader_exceptions.tsv with its reason, and an exception that no file needs is a failure
too."""

import re
import subprocess
import sys

import common

GENERATOR = "pcapng-test-generator/"  # valid files that many tools refuse


def read_all(a, root, paths):
    """A row of readcheck for each path."""
    r = subprocess.run(["ninja", "-C", a.build, "tests/captures/readcheck"],
                       capture_output=True, text=True)
    if r.returncode:
        sys.exit(f"cannot build readcheck:\n{r.stdout[-3000:]}")
    out = subprocess.run([f"{a.build}/tests/captures/readcheck"], cwd=root, text=True,
                         errors="replace", check=True,
                         input="".join(p + "\n" for p in paths),
                         stdout=subprocess.PIPE).stdout
    return [line.split("\t") for line in out.splitlines()]


def against_truth(path, t, status, packets, wire, damage, counts):
    """Words for what is wrong, or None; True where an exception was needed."""
    sound = t["soundness"] == "sound"
    whole = status == "ok" and damage == "-"
    if sound and (not whole or wire != t["wire_bytes"]):
        return f"sound, but {status}, {wire} bytes of {t['wire_bytes']}, {damage}"
    if path.startswith(GENERATOR) and not whole:
        return f"{status}, {damage}"
    if packets != t["packets"]:
        if sound or counts.get(path) != packets:
            return f"{packets} packets, tshark {t['packets']}"
        return True
    return "listed, and no longer differs" if path in counts else None


def main():
    a = common.arguments(__doc__).parse_args()
    a.build = str(common.Path(a.build).resolve())
    tally = common.Tally("readers")
    root = common.captures()
    if root is None:
        tally.skip("no captures; set NRTOOL_CAPTURES")
        return tally.close()
    exceptions = [line.split("\t") for line in
                  (common.HERE / "reader_exceptions.tsv").read_text().splitlines()
                  if line and not line.startswith("#")]
    counts = {e[1]: e[2] for e in exceptions if e[0] == "count"}
    sentences = [e[1] for e in exceptions if e[0] == "libpcap"]
    differ = {e[1] for e in exceptions if e[0] == "differ"}
    truth = {t["path"]: t for t in common.tsv(root / "GROUND_TRUTH.tsv")}
    used, equal = set(), 0

    rows = read_all(a, root, truth)
    tally.check(len(rows) == len(truth), f"{len(rows)} lines for {len(truth)} captures")
    for path, status, packets, wire, damage, pcap_status, why in rows:
        if status.endswith("is empty"):  # tshark calls that a sound file
            continue
        wrong = against_truth(path, truth[path], status, packets, wire, damage, counts)
        if wrong is True:
            used.add(path)
            wrong = None
        tally.check(wrong is None, f"{path}: {wrong}")
        equal += pcap_status == "equal"
        if pcap_status == "differ":
            used.add(path)
            tally.check(path in differ, f"{path}: libpcap: {why}")
        elif pcap_status in ("refused", "stopped"):
            match = [s for s in sentences if re.search(s, why)]
            used.update(match)
            tally.check(bool(match), f"{path}: libpcap {pcap_status}: {why}")
        else:
            tally.check(True)
    for e in exceptions:
        tally.check(e[1] in used, f"exception without a case: {e[0]} {e[1]}")
    print(f"{len(rows)} captures, {equal} equal to libpcap packet by packet, "
          f"{len(exceptions)} exceptions")
    return tally.close()


if __name__ == "__main__":
    sys.exit(main())
