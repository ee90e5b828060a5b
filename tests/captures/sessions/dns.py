# SPDX-License-Identifier: BSD-3-Clause
"""dns: a query with its response is one row here and in Zeek. Zeek's time is the query's;
nrtool's that of the message that completed the row."""

import ipaddress
import re

from sessions.classes import quoted
from sessions.compare import MISSING
from sessions.mapping import Class, Column, Count, Events, Mapping, ZeekLog, our_tuple, \
    their_tuple, zeek_bytes, zeek_ns

ESCAPE = re.compile(rb"\\(?:x([0-9a-f]{2})|(\d{3})|(.))", re.S)
SUFFIX = re.compile(rb"<[0-9a-f]{2}>")
PORTS = {"dns": 53, "mdns": 5353, "llmnr": 5355}
# Zeek's names of types that differ.
TYPES = {"*": "ANY", "NIMLOC": "NB", "NBSTAT": "NBSTAT", "UNSPECA": "TA"}


def counted(name):
    """What tshark counts as dns, mdns, llmnr: the latter two only over UDP."""
    def rows(ctx):
        out = []
        for r in ctx.table("dns"):
            service = (ctx.flow(r) or {}).get("service")
            if r["transport"] == "tcp" and service in ("mdns", "llmnr"):
                service = "dns" if service == "mdns" else None
            if service == name:
                out.append(r)
        return out
    return rows


def queries(name):
    return lambda ctx: sum(not r["response_only"] for r in counted(name)(ctx))


def responses(name):
    return lambda ctx: sum(r["answered"] or r["response_only"]
                           for r in counted(name)(ctx))


def unescaped(text):
    """The bytes behind RFC 1035's escapes and those of nrtool's text."""
    return ESCAPE.sub(lambda m: bytes([int(m[1], 16)]) if m[1] else
                      bytes([int(m[2]) & 255]) if m[2] else m[3], text.encode())


def asked(r):
    """(name, type, class) of the question that Zeek shows: the last one."""
    if r["response_only"]:
        return None, None, None
    last = (r.get("questions") or [None])[-1]
    if last:
        return last["name"], last["type"], last.get("class", "IN")
    return r.get("query_name"), r.get("query_type"), r.get("query_class")


def plain(name):
    """Lower case, without escapes and the suffix of NetBIOS."""
    if name in (None, "."):
        return None
    if "<" in name:
        name = SUFFIX.sub(b"", name.encode(), count=1).decode()
    return unescaped(name).lower()


def our_name(r):
    """Of a response alone Zeek has a name only through its answers."""
    if r["response_only"]:
        some = our_answers(r)
        return plain(some[0]["name"]) if some else None
    return plain(asked(r)[0])


def their_name(z):
    return (zeek_bytes(z["query"]) or b"").lower() or None if "query" in z else None


def their_type(z):
    name = z.get("qtype_name", "")
    return TYPES.get(name, name.replace("query-", "TYPE")) or None


def their_class(z):
    """Without mDNS' highest bit."""
    n = z.get("qclass")
    if n is None:
        return None
    if z["id.resp_p"] == 5353:
        n &= 0x7fff
    return {1: "IN", 3: "CH", 4: "HS", 254: "NONE", 255: "ANY"}.get(n, f"CLASS{n}")


RCODES = {name: i for i, name in enumerate(
    "NOERROR FORMERR SERVFAIL NXDOMAIN NOTIMP REFUSED YXDOMAIN YXRRSET NXRRSET NOTAUTH "
    "NOTZONE DSOTYPENI . . . . BADVERS BADKEY BADTIME BADMODE BADNAME BADALG BADTRUNC "
    "BADCOOKIE".split())}


def our_rcode(r):
    """The header's part: Zeek leaves out EDNS' upper bits."""
    name = r.get("rcode")
    if name is None:
        return None
    return (int(name[5:]) if name.startswith("RCODE") else RCODES[name]) & 15


def flag(ours, theirs):
    """Zeek takes AA and RA from answers alone, RD and TC from queries that it could read,
    and has false for not known. LLMNR has other bits there."""
    def value(r):
        if ours != "tc" and 5355 in (r["src_port"], r["dst_port"]):
            return None
        if theirs in ("AA", "RA"):
            return bool(r.get(ours) and our_answers(r))
        return bool(r.get(ours) and not r["response_only"] and "query_name" in r)
    return Column(theirs, value, theirs, same=lambda a, b: a is None or a == b)


def our_time(r):
    """Of the first message. Zeek moves a capture that begins at 0 s to 1 s."""
    return r["ts_ns"] - (r.get("rtt_ns") or 0) or 10 ** 9


# Types of which Zeek says nothing.
SILENT = {"CAA", "HINFO", "HTTPS", "NB", "NBSTAT", "OPT", "SVCB", "TKEY", "WKS"}


def our_answers(r):
    return [a for a in r.get("answers") or []
            if a["section"] == "answer" and a["type"] not in SILENT]


def our_answer_texts(r):
    """Data of those types that Zeek writes in the same way, of others None."""
    out = []
    for a in our_answers(r):
        if a["type"] in ("CNAME", "NS", "PTR"):
            out.append(unescaped(a.get("data", "")).lower())
        else:
            out.append(a.get("data", "").encode() if a["type"] in ("A", "AAAA") else None)
    return out


def same_answers(ours, theirs):
    return len(ours) == len(theirs) and all(
        a is None or a == zeek_bytes(b).lower() or a.startswith(b"::ffff:")
        for a, b in zip(ours, theirs))


def our_rtt(r):
    """Zeek measures it when the first answer comes, and leaves out 0."""
    return our_answers(r) and r.get("rtt_ns") or None


class Either:
    """One of several names for a thing: Suricata's versions 2 and 3 of these events."""

    def __init__(self, *names):
        self.names = names

    def __eq__(self, other):
        return other in self.names

    def __str__(self):
        return self.names[0]


def questions(r, lower):
    some = [{"name": r.get("query_name"), "type": r.get("query_type")}]
    some = some + (r.get("questions") or []) if some[0]["name"] else []
    return [{"rrname": q["name"], "rrtype": q["type"].lower() if lower else q["type"]}
            for q in some]


def resources(r, section, lower):
    out = []
    for a in r.get("answers") or []:
        if a["section"] != section:
            continue
        data, kind = a.get("data", ""), a["type"]
        if kind == "TXT":  # the first string
            data = re.match(r'"((?:[^"\\]|\\.)*)"|', data)[1] or ""
        e = {"rrname": a["name"], "rrtype": kind.lower() if lower else kind,
             "ttl": a["ttl"], "rdata": data, kind.lower(): data}
        if kind == "SRV":
            priority, weight, port, name = data.split()
            e["srv"] = {"priority": int(priority), "weight": int(weight),
                        "port": int(port), "name": name}
        elif kind == "SOA":
            names = ("mname", "rname", "serial", "refresh", "retry", "expire", "minimum")
            e["soa"] = {n: int(v) if v.isdigit() else v
                        for n, v in zip(names, data.split())}
        elif kind == "SSHFP":
            algo, hash_, finger = data.split()
            e["sshfp"] = {"algo": int(algo), "type": int(hash_),
                          "fingerprint": ":".join(re.findall("..", finger))}
        out.append(e)
    return out


def grouped(r):
    """Answers by type."""
    out = {}
    for a in resources(r, "answer", False):
        out.setdefault(a["rrtype"], []).append(a["rdata"].strip('"'))
    return out


def events(names):
    """What Suricata makes of these services: an event for each message."""
    def rows(ctx):
        out = []
        for r in ctx.table("dns"):
            service = (ctx.flow(r) or {}).get("service")
            if service not in names:
                continue
            low = service == "llmnr"
            e = {**r, "id": r["trans_id"], "queries": questions(r, low)}
            if not r["response_only"]:
                out.append({**e, "kind": Either("request", "query"), "qr": MISSING,
                            "rcode": MISSING})
            if r["response_only"] or r["answered"]:
                out.append({**e, "kind": Either("response", "answer"), "qr": True,
                            "grouped": grouped(r),
                            "answer_list": resources(r, "answer", low),
                            "authorities": resources(r, "authority", low)})
        return out
    return rows


def first(key):
    return lambda r: r["queries"][0][key] if r["queries"] else None


def event_keys(prefix):
    return {f"{prefix}.{k}": v for k, v in {
        "type": "kind", "id": "id", "queries": "queries", "answers": "answer_list",
        "authorities": "authorities", "grouped": "grouped", "qr": "qr",
        "rrname": first("rrname"), "rrtype": first("rrtype"), "rcode": "rcode",
        "rd": lambda r: bool(r.get("rd")), "ra": lambda r: bool(r.get("ra")),
        "opcode": lambda r: 0 if r["opcode"] == "QUERY" else r["opcode"]}.items()}


def incomplete(d):
    return d.o is not None and not d.o.get("complete", 1)


def damaged(d):
    """nrtool or Zeek found a message of this flow broken."""
    flows = {r.get("flow_id") for r in [d.o, *d.key_ours] if r}
    if any(a["flow_id"] in flows and a["kind"] == "dns_malformed"
           for a in d.ctx.table("anomaly") if "flow_id" in a):
        return True
    key = our_tuple(d.o) if d.o else their_tuple(d.z)
    uids = {c["uid"] for c in d.ctx.zeek.get("conn", ()) if their_tuple(c) == key}
    return any(w.get("uid") in uids and w["name"].lower().startswith("dns_")
               and w["name"] != "dns_unmatched_reply"
               for w in d.ctx.zeek.get("weird", ())) or \
        any(w.get("uid") in uids and w.get("analyzer_name") == "DNS"
            for w in d.ctx.zeek.get("analyzer", ()))


def implausible(d):
    if d.column == "match":
        return not d.z.get("query")
    return d.z is not None and not any(
        z.get("query") for z in d.ctx.zeek.get("dns", ()) if z["uid"] == d.z["uid"])


def not_in_a_connection(d):
    """No connection of Zeek's has a packet at that time: it dropped the packet before."""
    t, key = d.o["ts_ns"] - (d.o.get("rtt_ns") or 0), our_tuple(d.o)
    return not any(zeek_ns(c) - 1000 <= t <= zeek_ns(c) + c.get("duration", 0) * 1e9 + 1000
                   for c in d.ctx.zeek.get("conn", ()) if their_tuple(c) == key)


def runs_backwards(d):
    return any(s.get("time_backwards") for s in d.ctx.table("source"))


def to_multicast(d):
    ip = (d.o or d.key_ours[0])["dst_ip"] if d.o or d.key_ours else None
    return ip is not None and ipaddress.ip_address(ip).is_multicast


def parted_by_vlan(d):
    return any((d.ctx.flow(r) or {}).get("vlan") for r in [d.o, *d.key_ours] if r)


def other_port(d):
    if d.o is None:
        return False
    ports = {d.o.get("src_port"), d.o.get("dst_port")}
    return not ports & ({53} if d.o["proto"] == "tcp" else {53, 137, 5353, 5355})


def of_transfer(d):
    return any(r.get("query_type") in ("AXFR", "IXFR") for r in d.key_ours)


def other_question(d):
    """One of the key's responses has the id of an open query and another question."""
    packets = {(a["flow_id"], a["packet"]) for a in d.ctx.table("anomaly")
               if a["kind"] == "dns_mismatch"}
    return any((r["flow_id"], r["packet"]) in packets for r in d.key_ours)


KNOWN = [
    Class("other_port", ("zeek9 dns", "service"), {"extra", "service"},
          "Zeek looks for DNS on its own ports, nrtool for whole messages on any",
          other_port),
    Class("other_opcode", ("zeek9 dns", "service"), {"extra", "service"},
          "Zeek looks at queries, updates and registrations only",
          lambda d: any(r["opcode"] not in ("QUERY", "UPDATE", "REGISTRATION")
                        for r in d.ctx.table("dns")
                        if d.o and r["flow_id"] == d.o["flow_id"])),
    Class("update", "zeek9 dns", None,
          "Zeek has the last record of an update as its query, and as answers those of "
          "the request's sections", lambda d: d.o is not None
          and d.o["opcode"] == "UPDATE"),
    Class("transfer", "zeek9 dns", None,
          "the messages of a zone transfer: Zeek gathers what comes before its row is "
          "written, nrtool has a row of each", of_transfer),
    Class("clock", ("zeek9 dns", "service"), {"ts", "rcode", "match", "service"},
          "the capture's time runs backwards, Zeek's never: its rows have other times, "
          "and connections end between query and response", runs_backwards),
    Class("odd_netbios", "zeek9 dns", {"query"},
          "letters outside NetBIOS' encoding, which Zeek decodes nevertheless",
          lambda d: d.o.get("query_type") == "NB" and "<" not in d.o.get("query_name", "")),
    Class("incomplete", "zeek9 dns", None,
          "a message that cannot be read to its end: nrtool's row has what stands before "
          "the damage and complete = 0, Zeek drops the message or leaves columns empty",
          incomplete),
    Class("parted_by_vlan", "zeek9 dns", None,
          "query and response are in different VLANs, which part flows in nrtool",
          parted_by_vlan),
    Class("other_question", "zeek9 dns", None,
          "a response to another question: Zeek pairs by id alone, nrtool has two rows "
          "and the anomaly dns_mismatch", other_question),
    Class("damaged", ("zeek9 dns", "service"), None,
          "a broken message: each tells of it what it can read, and Zeek no more of the "
          "connection", damaged),
    Class("implausible", ("zeek9 dns", "service"), {"match", "service"},
          "the first message of a flow has counts that cannot be: nrtool does not take it "
          "for DNS, Zeek has a row without a query",
          implausible),
    Class("not_in_a_connection", "zeek9 dns", {"extra"},
          "Zeek dropped the packet: its IP header is broken", not_in_a_connection),
    Class("multicast", "zeek9 dns", None,
          "Zeek pairs no response with a query to a multicast address", to_multicast),
    Class("null_text", "suricata dns", {"count"},
          "Suricata writes NULL records as text, nrtool as RFC 3597 has unknown types",
          lambda d: "NULL" in d.z["match"].values()),
    Class("their_config", "suricata dns", {"count"},
          "the test's own rules or fields (Ethernet addresses) decide what is logged",
          lambda d: int(d.b) == 0 and d.a > 0 and (
              d.z["match"] == {"event_type": "dns"}
              or any(k.startswith("ether.") for k in d.z["match"]))),
    Class("over_http_events", "suricata dns", {"count"},
          "DNS over HTTP/2, which nrtool does not open",
          lambda d: d.a < int(d.b) and "http2" in d.z["test"]),
    Class("long_name", "suricata dns", {"count"},
          "a name of more than 255 bytes is refused (RFC 1035 section 2.3.4)",
          lambda d: any(k.endswith("rrname.__len") and v > 255
                        for k, v in d.z["match"].items())),
    *[quoted(f"{name}_{what}", {port}) for name, port in PORTS.items()
      for what in ("query", "response")],
    Class("over_http", "truth", None, "DNS over HTTP/2, which nrtool does not open",
          lambda d: int(d.a) < int(d.b) and any(
              d.ctx.truth[c] not in ("0", "-")
              for c in ("http2_req", "http2_req_in_decrypted_tls"))),
    Class("heuristic", "truth", None,
          "no port of DNS and no whole message: tshark tries DNS there nevertheless",
          lambda d: int(d.a) < int(d.b) and not any(
              {f.get("src_port"), f.get("dst_port")} & {53, 137, 5353, 5355}
              for f in d.ctx.table("flow"))),
    Class("flow_over", "truth", None,
          "a repeated segment after the flow's end; tshark's streams never end",
          lambda d: int(d.a) > int(d.b) and "time_jump" in d.ctx.anomalies),
]

MAPPING = Mapping(
    name="dns",
    tables=["dns", "icmp"],
    zeek=[
        ZeekLog("dns", "dns", [
            Column("trans_id", main=True),
            Column("query", our_name, their_name, main=True),
            Column("qtype", lambda r: asked(r)[1],
                   their_type),
            Column("qclass", lambda r: asked(r)[2], their_class),
            Column("rcode", our_rcode, "rcode"),
            flag("aa", "AA"), flag("tc", "TC"), flag("rd", "RD"), flag("ra", "RA"),
            Column("rtt", our_rtt,
                   lambda z: round(z["rtt"] * 1e9) if "rtt" in z else None,
                   same=lambda a, b: a == b or (a is not None and b is not None
                                                and abs(a - b) <= 1500)),
            Column("answers", our_answer_texts, lambda z: z.get("answers") or [],
                   same=same_answers),
            Column("TTLs", lambda r: [float(a["ttl"]) for a in our_answers(r)],
                   lambda z: z.get("TTLs") or []),
        ], our_time=our_time),
    ],
    truth=[Count(f"{name}_{what}", count(name), limit=0.03 if name == "dns" else 0.25)
           for name in PORTS  # a few captures only have mDNS or LLMNR
           for what, count in (("query", queries), ("response", responses))],
    events=[Events("dns", events(("dns", "mdns")), event_keys("dns")),
            Events("llmnr", events(("llmnr",)), event_keys("llmnr"))],
    services={"dns": ("dns", "mdns", "llmnr", "nbns")},
    classes=KNOWN,
)
