# SPDX-License-Identifier: BSD-3-Clause
"""dns: a query with its response is one row here and in Zeek. Zeek's time is the query's;
nrtool's that of the message that completed the row."""

import re

from sessions.mapping import Class, Column, Count, Events, Field, Mapping, ZeekLog, \
    zeek_bytes

ESCAPE = re.compile(rb"\\(?:x([0-9a-f]{2})|(\d{3})|(.))", re.S)
SUFFIX = re.compile(rb"<[0-9a-f]{2}>")
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


def their_class(z):
    """Without mDNS' highest bit."""
    n = z.get("qclass")
    if n is None:
        return None
    if z["id.resp_p"] == 5353:
        n &= 0x7fff
    return {1: "IN", 3: "CH", 4: "HS", 254: "NONE", 255: "ANY"}.get(n, f"CLASS{n}")


def their_rcode(z):
    return z.get("rcode")


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
    """Zeek takes AA and RA from answers alone, RD and TC from queries, and has false for
    not known."""
    def value(r):
        if theirs in ("AA", "RA"):
            return bool(r.get(ours) and our_answers(r))
        return bool(r.get(ours) and not r["response_only"])
    return Column(theirs, value, theirs)


# Types of which Zeek says nothing.
SILENT = {"HINFO", "NB", "NBSTAT", "SVCB", "HTTPS", "OPT", "TKEY"}


def our_answers(r):
    return [a for a in r.get("answers") or []
            if a["section"] == "answer" and a["type"] not in SILENT]


def our_rtt(r):
    """Zeek measures it when the first answer comes."""
    return r.get("rtt_ns") if our_answers(r) else None


def incomplete(d):
    return d.o is not None and not d.o["complete"]


def parted_by_vlan(d):
    row = d.o or next(iter(d.key_ours), None)
    return row is not None and bool((d.ctx.flow(row) or {}).get("vlan"))


def other_port(d):
    row = d.o or {}
    return d.o is not None and not {row.get("src_port"), row.get("dst_port")} & {53, 137, 5353, 5355}


def of_transfer(d):
    return any(r.get("query_type") in ("AXFR", "IXFR") for r in d.key_ours)


def other_question(d):
    """One of the key's responses has the id of an open query and another question."""
    packets = {(a["flow_id"], a["packet"]) for a in d.ctx.table("anomaly")
               if a["kind"] == "dns_mismatch"}
    return any((r["flow_id"], r["packet"]) in packets for r in d.key_ours)


KNOWN = [
    Class("four_names", "service", {"service"},
          "Zeek calls mDNS, LLMNR and NetBIOS names dns",
          lambda d: d.a in ("mdns", "llmnr", "nbns") and "dns" in (d.b or "")),
    Class("other_port", ("zeek9 dns", "service"), {"extra", "service"},
          "Zeek looks for DNS on its own ports, nrtool for whole messages on any",
          other_port),
    Class("netbios_opcode", "zeek9 dns", {"extra"},
          "Zeek leaves out NetBIOS' release, refresh, wait and multi-homed registration",
          lambda d: d.o["opcode"] in ("RELEASE", "REFRESH", "WACK", "MULTIHOMED")),
    Class("update", "zeek9 dns", None,
          "Zeek has the last record of an update as its query, and as answers those of "
          "the request's sections", lambda d: d.o is not None
          and d.o["opcode"] == "UPDATE"),
    Class("transfer", "zeek9 dns", None,
          "the messages of a zone transfer: Zeek gathers what comes before its row is "
          "written, nrtool has a row of each", of_transfer),
    Class("clock", "zeek9 dns", {"ts"},
          "the capture's time runs backwards: Zeek's never does",
          lambda d: d.b > d.a and any(s.get("time_backwards")
                                      for s in d.ctx.table("source"))),
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
    Class("quoted_in_icmp", "truth", None,
          "tshark also counts messages quoted in ICMP errors",
          lambda d: int(d.a) < int(d.b) and any(
              f["proto"] in ("icmp", "icmpv6") and f["src_port"] in (1, 3, 11)
              for f in d.ctx.table("flow"))),
    Class("over_http", "truth", None, "DNS over HTTP/2, which nrtool does not open",
          lambda d: int(d.a) < int(d.b) and d.ctx.truth["http2_req"] not in ("0", "-")
          or d.ctx.truth["http2_req_in_decrypted_tls"] not in ("0", "-")),
    Class("flow_over", "truth", None,
          "a repeated segment after the flow's end; tshark's streams never end",
          lambda d: int(d.a) > int(d.b) and "time_jump" in d.ctx.anomalies),
]

MAPPING = Mapping(
    name="dns",
    tables=["dns"],
    zeek=[
        ZeekLog("dns", "dns", [
            Column("trans_id", main=True),
            Column("query", our_name, their_name, main=True),
            Column("qtype", lambda r: asked(r)[1],
                   lambda z: TYPES.get(z.get("qtype_name"), z.get("qtype_name"))),
            Column("qclass", lambda r: asked(r)[2], their_class),
            Column("rcode", our_rcode, "rcode"),
            flag("aa", "AA"), flag("tc", "TC"), flag("rd", "RD"), flag("ra", "RA"),
            Column("rtt", our_rtt,
                   lambda z: round(z["rtt"] * 1e9) if "rtt" in z else None,
                   same=lambda a, b: a == b or (a is not None and b is not None
                                                and abs(a - b) <= 1500)),
            Column("answers", lambda r: len(our_answers(r)),
                   lambda z: len(z.get("answers") or [])),
            Column("TTLs", lambda r: [float(a["ttl"]) for a in our_answers(r)],
                   lambda z: z.get("TTLs") or []),
        ], our_time=lambda r: r["ts_ns"] - (r.get("rtt_ns") or 0)),
    ],
    truth=[Count(f"{name}_{what}", count(name)) for name in ("dns", "mdns", "llmnr")
           for what, count in (("query", queries), ("response", responses))],
    services={"dns": "dns"},
    classes=KNOWN,
)
