# SPDX-License-Identifier: BSD-3-Clause
"""What other tools say, by capture: loaded once, the large logs kept parsed."""

import collections
import ipaddress
import json
import pickle
import re

import common

ALWAYS = ["conn", "weird", "analyzer"]
CONN = ("ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto",
        "ip_proto", "service", "history", "conn_state", "duration", "orig_pkts",
        "resp_pkts", "orig_bytes", "resp_bytes", "orig_ip_bytes", "resp_ip_bytes",
        "missed_bytes")


def zeek9(root, cache, log):
    """{capture: rows} of one log."""
    source = root / "zeek9" / f"{log}.jsonl.zst"
    if not source.exists():
        return {}
    st = source.stat()
    kept = cache / f"zeek9-{log}-{st.st_size}-{int(st.st_mtime)}.pickle"
    if kept.exists():
        return pickle.loads(kept.read_bytes())
    by = collections.defaultdict(list)
    for line in common.zstd_lines(source):
        r = json.loads(line)
        name = r.pop("pcap")
        if log == "conn":
            r = {k: r[k] for k in CONN if k in r}
        by[name].append(r)
    part = kept.with_suffix(f".{id(by)}")
    part.write_bytes(pickle.dumps(dict(by)))
    part.rename(kept)
    return by


def baseline_log(path):
    """Rows of a log in Zeek's own format; `-` is absent, times are masked."""
    names, rows = [], []
    for line in open(path, encoding="utf-8"):
        line = line.rstrip("\n")
        if line.startswith("#fields"):
            names = line.split("\t")[1:]
        elif line and not line.startswith("#"):
            rows.append({k: v for k, v in zip(names, line.split("\t"))
                         if v != "-" and k not in ("ts", "uid", "fuid")})
    return rows


def baselines(root, kind):
    """{capture: (note, rows)}; only logs whose rows have a 5-tuple."""
    out = {}
    for r in common.tsv(root / "EXPECTED.tsv"):
        if r["kind"] == kind and "excerpt" not in r["baseline"]:
            rows = baseline_log(root / r["baseline"])
            if rows and all("id.orig_h" in x for x in rows):
                out[r["pcap"]] = (r["note"], rows)
    return out


def events(root, kinds):
    """{capture: EXPECTED_EVENTS rows}, match_json parsed."""
    by = collections.defaultdict(list)
    for r in common.tsv(root / "suricata-verify" / "EXPECTED_EVENTS.tsv"):
        if r["event_type"] in kinds:
            by[r["pcap"]].append({**r, "match": json.loads(r["match_json"])})
    return by


def expected(root, kind):
    """{capture: path of its baseline}."""
    return {r["pcap"]: root / r["baseline"]
            for r in common.tsv(root / "EXPECTED.tsv") if r["kind"] == kind}


def dig(body, path):
    for part in path.split("."):
        body = body.get(part) if isinstance(body, dict) else None
    if body is None:
        return []
    return body if isinstance(body, list) else [body]


def arkime(path, field):
    """[((ip, port, ip, port), value)] of one field over all sessions."""
    out = []
    for s in json.loads(path.read_text(encoding="utf-8"))["sessions3"]:
        b = s["body"]
        if "ip" not in b.get("source", {}) or "ip" not in b.get("destination", {}):
            continue
        key = (b["source"]["ip"], b["source"].get("port", 0),
               b["destination"]["ip"], b["destination"].get("port", 0))
        out += [(key, v) for v in dig(b, field)]
    return out


FLOW = re.compile(r"^\s*\d+\s+(?:TCP|UDP) (\S+):(\d+) <?-> (\S+):(\d+) ")


def ndpi_address(text):
    """nDPI shortens single groups of zeros too, each by ::."""
    while True:
        try:
            return str(ipaddress.ip_address(text))
        except ValueError:
            if "::" not in text:
                raise
            text = text.replace("::", ":0:", 1)


def ndpi(path, field, only=re.compile("")):
    found = re.compile(r"\[" + re.escape(field) + r": ([^\]]*)\]")
    out = []
    for line in open(path, encoding="utf-8", errors="replace"):
        m = FLOW.match(line)
        if m and only.search(line):
            a, b = (ndpi_address(t.strip("[]")) for t in (m[1], m[3]))
            key = (a, int(m[2]), b, int(m[4]))
            out += [(key, v) for v in found.findall(line)]
    return out


def ndpi_quic(path, field):
    """Of flows of QUIC; Google's, whose handshake is not TLS, for their version only."""
    of = r"\[QUIC ver: " + ("" if field == "QUIC ver" else "(?!Q0)")
    return ndpi(path, field, re.compile(of))


TOOLS = {"arkime": ("arkime-sessions", arkime), "ndpi": ("ndpi-flows", ndpi),
         "ndpi_quic": ("ndpi-flows", ndpi_quic)}
