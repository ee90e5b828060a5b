# SPDX-License-Identifier: BSD-3-Clause
"""http: a request with its response is one row here and in Zeek. Suricata and Arkime see
the same; tshark counts messages, SSDP's too."""

from urllib.parse import unquote_to_bytes

from sessions.mapping import (Class, Column, Count, Events, Field, Mapping, ZeekLog,
                              our_tuple, their_tuple, zeek_bytes, zeek_ns)


def tcp(ctx):
    return [r for r in ctx.table("http") if r.get("proto") == "tcp"]


def fields(row, side, name):
    """The values of that name in request_headers or response_headers."""
    return [v for n, v in row.get(side + "_headers", ()) if n.lower() == name]


def target(text):
    """Zeek decodes percent encoding, and writes bytes that are no text as \\xNN."""
    return None if text is None else unquote_to_bytes(zeek_bytes(text))


def word(text):
    return None if text in (None, "") else zeek_bytes(text)


def seen_bytes(side):
    """(bytes of the body without those in gaps, whether another tool decodes it)"""
    def get(r):
        coded = any(v.lower() not in ("", "identity")
                    for v in fields(r, side, "content-encoding"))
        return r.get(side + "_body_bytes", 0), r["missed_bytes"], coded
    return get


def same_bytes(ours, theirs):
    """Zeek counts what it delivers: decoded, and without gaps."""
    n, missed, coded = ours
    return coded or theirs in (n, n - missed)


def informational(r):
    """Zeek takes 101 for one too."""
    if r.get("status") == 101:
        return 101
    return (r.get("interim") or [{}])[-1].get("status")


ZEEK = ZeekLog(
    "http", tcp, [
        Column("method", main=True),
        Column("uri", lambda r: target(r.get("uri")), lambda z: target(z.get("uri")),
               main=True),
        Column("status_code", "status"),
        Column("ts", lambda r: r.get("request_ns", r.get("response_ns")), zeek_ns,
               same=lambda a, b: abs(a - b) < 1000),
        Column("host", lambda r: word(r.get("host")), lambda z: word(z.get("host"))),
        Column("referrer", lambda r: target(r.get("referer")),
               lambda z: target(z.get("referrer"))),
        Column("user_agent", lambda r: word(r.get("user_agent")),
               lambda z: word(z.get("user_agent"))),
        Column("status_msg", lambda r: word(r.get("reason")),
               lambda z: word(z.get("status_msg", "").replace("<empty>", ""))),
        Column("version", lambda r: r.get("response_version")),
        Column("info_code", informational),
        Column("username", lambda r: word(r.get("user")), lambda z: word(z.get("username"))),
        Column("trans_depth"),
        Column("request_body_len", seen_bytes("request"), same=same_bytes),
        Column("response_body_len", seen_bytes("response"), same=same_bytes),
    ],
    # Zeek's time is that of the packet that ends the request line, which may be another
    # than the one with its first byte: methods and URIs pair, and the likest rows
    our_time=lambda r: None, their_time=lambda z: None)


def requests(ctx):
    return sum("method" in r for r in ctx.table("http"))


def responses(ctx):
    """Interim ones too."""
    return sum(("response_version" in r) + len(r.get("interim", ()))
               for r in ctx.table("http"))


def conns(d):
    """Zeek's connections of that 5-tuple."""
    key = our_tuple(d.o) if d.o is not None else their_tuple(d.z)
    return [c for c in d.ctx.zeek.get("conn", ()) if their_tuple(c) == key]


def no_syn(d):
    """Zeek has no connection of that 5-tuple with its SYN."""
    some = conns(d)
    return bool(some) and all("S" not in c.get("history", "") for c in some)


def kinds(d):
    """Kinds of anomalies in the flows of that 5-tuple."""
    ids = {r["flow_id"] for r in [d.o, *d.key_ours] if r is not None}
    return {a["kind"] for a in d.ctx.table("anomaly") if a.get("flow_id") in ids}


def odd(d):
    return bool(kinds(d) & {"http_length", "http_syntax", "http_chunk", "http_junk"})


def services(d):
    return {s for c in conns(d) for s in c.get("service", "").split(",")}


def rtsp(d):
    return any("RTSP/" in z.get("uri", "") for z in [d.z, *d.key_theirs] if z)


def other_vlans(d):
    mine = [f for f in d.ctx.flows.values()
            if our_tuple(f) == (our_tuple(d.o) if d.o else their_tuple(d.z))]
    return len({f.get("vlan") for f in mine}) > 1


def in_tunnel(d):
    return any("upgrade" in r for r in d.key_ours)


CLASSES = [
    Class("no_syn", ("zeek9", "service"), {"extra", "service"},
          "Zeek looks for HTTP only in connections whose SYN it has seen", no_syn),
    Class("no_message", "zeek9", {"match"},
          "Zeek writes a row for bytes that are no message: it has neither method nor "
          "status", lambda d: not d.z.get("method") and "status_code" not in d.z),
    Class("rtsp", ("zeek9", "service"), None,
          "Zeek takes RTSP for HTTP", rtsp),
    Class("http2_preface", "zeek9", {"match"},
          "Zeek logs the preface of HTTP/2 as a request; it is none of HTTP/1",
          lambda d: d.z.get("method") == "PRI"),
    Class("socks", ("zeek9", "service"), {"match", "service"},
          "the HTTP lies behind a SOCKS greeting, which nrtool does not read",
          lambda d: "socks" in services(d)),
    Class("tunnel", "zeek9", {"match", "extra", "trans_depth", "status_code", "status_msg",
                              "response_body_len", "host", "version"},
          "behind CONNECT and Upgrade Zeek goes on in the same log and count, nrtool with "
          "a new parser", in_tunnel),
    Class("http_09", "zeek9", None,
          "to HTTP/0.9 Zeek gives the status 0 and, for the bytes of the body, a second "
          "request", lambda d: any(r.get("request_version") == "0.9" for r in d.key_ours)
          or any(z.get("version") == "0.9" for z in d.key_theirs)),
    Class("connect_host", "zeek9", {"host"},
          "for CONNECT nrtool takes the host from the target where no Host is sent",
          lambda d: d.o["method"] == "CONNECT" and d.b is None),
    Class("two_vlans", "zeek9", None,
          "each direction has a VLAN of its own: two flows here, one connection there",
          other_vlans),
    Class("ambiguous", "zeek9", None,
          "the message breaks the protocol (there are anomalies that say how): readers "
          "differ, and these captures were made to show it", odd),
    Class("gap", "zeek9", {"request_body_len", "response_body_len", "match", "extra",
                           "status_code", "status_msg", "version", "complete"},
          "bytes are missing: nrtool counts on by the length and finds the next message, "
          "Zeek gives up", lambda d: "tcp_gap" in kinds(d)),
]

MAPPING = Mapping(
    name="http",
    tables=["http", "credential", "source", "interface"],
    zeek=[ZEEK],
    truth=[Count("http_req", requests), Count("http_resp", responses)],
    events=[],
    fields=[],
    services={"http": "http"},
    classes=CLASSES,
)
