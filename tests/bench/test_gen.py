#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""nrbench-gen: the same bytes everywhere, the size asked for, and nothing that tshark calls
malformed. Usage: test_gen.py NRBENCH-GEN; prints TAP."""

import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile

GEN = sys.argv[1]
CLEAN = ["--loss", "0", "--reorder", "0", "--retransmit", "0"]
# A change here changes every figure that was measured before: say so in the CHANGELOG.
SHA256 = {
    "mix --size 3M":
        "2124b330f7e34e222879e7d43d98e49581d0ef42bad21ac31dfb1c20dbfb2991",
    "mix --size 1M --seed 7 --nanos":
        "df1654c1be3d82777395a0681e1710dfd9424564c01ff909af898bd2719ce9f2",
    "p64 --flows 1000 --count 20000":
        "35a2a9b342059b5614aacc623f93cb52a3f20783022dfa36c7bad27fe077efd5",
    "p64 --flows 1000 --count 20000 --dist zipf":
        "07b28d1ec7c74d27410c64aa0bc7bf882280ce45b025c89f909c0172e2823235",
    "dns --count 5000":
        "10eba5d818116d14c2cbab242944c7479a7f4bab8ae5c725e84391410b98781c",
    "syn --count 5000":
        "72ea407a4bcb2fdc2e3b1ee0c6573dd061a75ad49289479afb1d005c633afb52",
    "half --count 3000":
        "cc66e013ba320570fbe242a5950e29429cf9f26026bdc94f7ce6994be7d4f66a",
    "idle --count 3000":
        "063c6b473ca778163a918879e700e1a56a0284685aeefee37d88493b79cc82f5",
    "hole --count 3000":
        "88765a9fd4b7250f6122af65083f64f95f7d80e02b59c315646e59844bb6eb0f",
    "hole --count 3000 --order down --stride 2":
        "49bcf9da56aa28de5b15e0c8538fb6978da90866da66e87adc2afc3fd63653d6",
    "many --flows 40":
        "a34ce592406dae9da9643f956cd99c47efc3496766c23b6a364020265d145f6e",
    "long --size 3M":
        "d342084e175e5ef5183f8687ebbfc1c77705020cf75ebc0df1fae988996ac5b0",
}
n_tests = 0


def gen(*args):
    q = subprocess.run([GEN, *args, "--stats", "-"], capture_output=True, check=True)
    return q.stdout, json.loads(q.stderr)


def report(ok, name, why=""):
    global n_tests
    n_tests += 1
    print(f"{'ok' if ok else 'not ok'} {n_tests} - {name}")
    if not ok and why:
        print("# " + str(why))


def equal(name, got, want):
    report(got == want, name, f"got {got}, want {want}")


def records(data):
    at = 24
    while at < len(data):
        sec, frac, cap, wire = struct.unpack_from("<4I", data, at)
        yield sec, frac, wire, data[at + 16:at + 16 + cap]
        at += 16 + cap


def segments(data):
    """(addresses and ports, seq, payload length) of each TCP frame."""
    for _, _, _, f in records(data):
        at, kind = (18, f[16:18]) if f[12:14] == b"\x81\0" else (14, f[12:14])
        if kind == b"\x08\0":
            addr, proto, l4 = f[at + 12:at + 20], f[at + 9], at + 20
            end = at + int.from_bytes(f[at + 2:at + 4], "big")
        else:
            addr, proto, l4 = f[at + 8:at + 40], f[at + 6], at + 40
            end = at + 40 + int.from_bytes(f[at + 4:at + 6], "big")
        if proto == 6:
            seq = int.from_bytes(f[l4 + 4:l4 + 8], "big")
            yield addr + f[l4:l4 + 4], seq, end - l4 - (f[l4 + 12] >> 4) * 4


def test_bytes():
    for command, want in SHA256.items():
        data, _ = gen(*command.split())
        equal(f"the same bytes: {command}", hashlib.sha256(data).hexdigest(), want)
    a, b = gen("mix", "--size", "1M")[0], gen("mix", "--size", "1M", "--seed", "2")[0]
    report(a != b, "another seed, other bytes")


def test_size():
    for workload in ("mix", "p64", "dns", "many", "long"):
        for size in (24, 100, 100001, 3000000):
            if workload == "long" and size < 100001:
                continue
            data, stats = gen(workload, "--size", str(size))
            ends = workload == "long"  # the stream is made to fit, and closes
            low = size * 0.95 if ends else size - 16 - 1518
            report(low < len(data) <= size and stats["bytes"] == len(data),
                   f"size honoured: {workload} {size}", len(data))


def test_file():
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "x.pcap")
        subprocess.run([GEN, "mix", "--size", "1M", path], check=True)
        with open(path, "rb") as f:
            report(f.read() == gen("mix", "--size", "1M")[0], "a file and a pipe are equal")
    q = subprocess.run([GEN, "mix", "--size", "1M", "/dev/full"], capture_output=True)
    report(q.returncode == 1 and b"No space left" in q.stderr, "a full disk is an error")
    q = subprocess.run([GEN, "mix", "--size", "1x", "-"], capture_output=True)
    report(q.returncode == 1 and not q.stdout, "a bad number is an error")


def test_records():
    micro, stats = gen("mix", "--size", "2M")
    nano, _ = gen("mix", "--size", "2M", "--nanos")
    times = [(s, f) for s, f, _, _ in records(nano)]
    report(times == sorted(times), "times do not go back")
    report(all(a[0] == b[0] and a[1] == b[1] // 1000
               for a, b in zip(records(micro), records(nano))), "µs are ns, cut")
    equal("packets as stated", len(times), stats["packets"])
    seen, again = set(), 0
    for s in segments(micro):
        if s[2]:
            again += s in seen
            seen.add(s)
    equal("retransmissions as stated", again, stats["retransmitted"])
    report(stats["lost"] > 0 and stats["reordered"] > 0, "some loss, some reordering", stats)
    data, stats = gen("mix", "--size", "2M", "--retransmit", "0")
    top, behind = {}, 0
    for key, seq, n in segments(data):
        if n and (seq - top.get(key, seq)) % 2**32 > 2**31:
            behind += 1
        elif n:
            top[key] = seq
    equal("reordered as stated", behind, stats["reordered"])


def tshark(path, *filters):
    """Frames that match each filter, all protocols on top of a verified stream."""
    prefs = ["ip.check_checksum", "tcp.check_checksum", "udp.check_checksum",
             "tcp.reassemble_out_of_order"]
    q = subprocess.run(["tshark", "-n", "-q", "-r", path, "-z", "io,stat,0," + ",".join(filters),
                        *[a for p in prefs for a in ("-o", p + ":TRUE")]],
                       capture_output=True, text=True, check=True)
    row = [line for line in q.stdout.splitlines() if "<>" in line][-1]
    return [int(v) for v in row.split("|")[2:-1:2]]


def test_tshark():
    bad = ["_ws.malformed", "ip.checksum.status==0", "tcp.checksum.status==0",
           "udp.checksum.status==0"]
    count = ["frame", "http.request", "tls.handshake.type==1", "dns.flags.response==0",
             "dns.flags.response==1", "tcp.flags.syn==1&&tcp.flags.ack==0"]
    keys = ["packets", "http_requests", "tls_hellos", "dns_queries", "dns_answers", "flows_tcp"]
    cases = ["mix --size 4M", "mix --size 8M " + " ".join(CLEAN), "many --flows 20",
             "p64 --flows 500 --count 5000", "p64 --flows 500 --count 5000 --dist zipf",
             "dns --count 2000", "syn --count 2000",
             "half --count 1000", "idle --count 1000", "hole --count 500", "long --size 2M"]
    with tempfile.TemporaryDirectory() as d:
        for case in cases:
            path = os.path.join(d, "x.pcap")
            data, stats = gen(*case.split())
            with open(path, "wb") as f:
                f.write(data)
            got = tshark(path, *bad, *count)
            equal(f"nothing malformed, every checksum right: {case}", got[:len(bad)], [0] * 4)
            got, want = got[len(bad):], [stats[k] for k in keys]
            if stats["lost"]:  # tshark does not parse over holes
                got, want = [got[0], *got[3:]], [want[0], *want[3:]]
            equal(f"tshark counts what was written: {case}", got, want)


def main():
    test_bytes()
    test_size()
    test_file()
    test_records()
    if shutil.which("tshark"):
        test_tshark()
    else:
        global n_tests
        n_tests += 1
        print(f"ok {n_tests} - shapes # SKIP tshark is not installed")
    print(f"1..{n_tests}")


main()
