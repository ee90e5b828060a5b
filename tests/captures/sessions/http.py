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
    """Zeek decodes percent encoding, once, and writes bytes that are no text as \\xNN."""
    if text is None:
        return None
    new, old = zeek_bytes(text), None
    while new != old:
        new, old = unquote_to_bytes(new), new
    return new or None


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


def status(r):
    """Zeek writes 0 for a response without a number."""
    return r.get("status", 0 if "response_body_bytes" in r else None)


def version(r):
    """Zeek: the response's, and 0.9 where the request has none."""
    return r.get("response_version") or ("0.9" if r.get("request_version") == "0.9" and
                                         "response_body_bytes" in r else None)


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
        Column("status_code", status),
        Column("ts", lambda r: r.get("request_ns", r.get("response_ns")), zeek_ns,
               same=lambda a, b: abs(a - b) < 1000),
        Column("host", lambda r: word(r.get("host")), lambda z: word(z.get("host"))),
        Column("referrer", lambda r: target(r.get("referer")),
               lambda z: target(z.get("referrer"))),
        Column("user_agent", lambda r: word(r.get("user_agent")),
               lambda z: word(z.get("user_agent"))),
        Column("status_msg", lambda r: word(r.get("reason")),
               lambda z: word(z.get("status_msg", "").replace("<empty>", ""))),
        Column("version", version),
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
    """Zeek's connection in which the row lies, or should, has no SYN."""
    some = conns(d)
    if d.o is not None and "first_ns" not in d.o:
        t = d.o["ts_ns"] + 1000000
        some = [c for c in some if zeek_ns(c) <= t][-1:] or some
    return bool(some) and all("S" not in c.get("history", "") for c in some)


def kinds(d):
    """Kinds of anomalies in the flows of that 5-tuple."""
    ids = {r["flow_id"] for r in [d.o, *d.key_ours] if r is not None}
    return {a["kind"] for a in d.ctx.table("anomaly") if a.get("flow_id") in ids}


def odd(d):
    return bool(kinds(d) & {"http_length", "http_syntax", "http_chunk", "http_junk",
                            "http_resync"})


def services(d):
    return {s for c in conns(d) for s in c.get("service", "").split(",")}


def rtsp(d):
    ids = {c["uid"] for c in conns(d)}
    return any(z["uid"] in ids and "RTSP/" in z.get("uri", "")
               for z in d.ctx.zeek.get("http", ()))


def scopes(d):
    """Flows of that 5-tuple that VLANs or tunnels part."""
    key = our_tuple(d.o) if d.o is not None else their_tuple(d.z)
    mine = [f for f in d.ctx.flows.values() if our_tuple(f) == key]
    return len({(f.get("vlan"), f.get("tunnel")) for f in mine}) > 1


def clock(d):
    """Times that Zeek reads otherwise: see ZEEK_FACTS.md."""
    return (any(s["time_backwards"] or s["time_jumps"] for s in d.ctx.table("source"))
            or any(i.get("tsoffset") or i.get("tsresol", 10) & (i.get("tsresol", 10) - 1) == 0
                   for i in d.ctx.table("interface")) or d.a < 10**9)


def first_byte(d):
    """Zeek's time is the packet's that ends the request line."""
    return d.a < d.b <= d.o["ts_ns"]


def violation(d):
    """Zeek's analyzer gave the connection up."""
    ids = {c["uid"] for c in conns(d)}
    return any(a.get("uid") in ids and a.get("analyzer_name") == "HTTP"
               for a in d.ctx.zeek.get("analyzer", ()))


def one_sided(d):
    """The flow has no response: Zeek says http when it has read one."""
    mine = [r for r in tcp(d.ctx) if r["flow_id"] == d.o["flow_id"]]
    return bool(mine) and not any("status" in r for r in mine)


def logged(d):
    ids = {c["uid"] for c in conns(d)}
    return any(z["uid"] in ids for z in d.ctx.zeek.get("http", ()))


def weird(d, *names):
    ids = {c["uid"] for c in conns(d)}
    return any(w.get("uid") in ids and w["name"] in names
               for w in d.ctx.zeek.get("weird", ()))


def no_payload(d):
    some = conns(d)
    return bool(some) and not any(c.get("orig_bytes") or c.get("resp_bytes")
                                  for c in some)


def no_token(d):
    ids = {c["uid"] for c in conns(d)}
    return any(z["uid"] in ids and "\\x" in z.get("uri", "") and "version" not in z
               and "host" not in z for z in d.ctx.zeek.get("http", ()))


def reset(d):
    return any(c.get("conn_state", "").startswith("RST") for c in conns(d))


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
    Class("scopes", ("zeek9", "service"), None,
          "VLANs or tunnels part what Zeek takes for one connection", scopes),
    Class("clock", "zeek9", {"ts"},
          "Zeek's clock never runs back, and it does not know if_tsoffset and binary "
          "if_tsresol", clock),
    Class("first_byte", "zeek9", {"ts"},
          "the time is that of the request's first byte; Zeek's that of the packet that "
          "ends its first line", first_byte),
    Class("multipart", "zeek9", {"request_body_len", "response_body_len"},
          "Zeek counts the parts of a multipart body, without what lies between, or with "
          "the line end behind", lambda d: any(
              (d.o.get(k) or "").startswith("multipart/")
              for k in ("request_content_type", "response_content_type"))),
    Class("backslash", "zeek9", {"match", "extra"},
          "Zeek does not tell a backslash from one that it writes itself",
          lambda d: any(b"\\" in (target(r.get("uri")) or b"")
                        for r in d.key_ours if r)),
    Class("ambiguous", "zeek9", None,
          "the message breaks the protocol (there are anomalies that say how): readers "
          "differ, and these captures were made to show it", odd),
    Class("no_token", ("zeek9", "service"), {"match", "service"},
          "Zeek takes any words on a port of HTTP for a request",
          no_token),
    Class("zeek_gap", "zeek9", None,
          "Zeek gave up bytes that came later, or that the frames do not hold",
          lambda d: any(c.get("missed_bytes") for c in conns(d))),
    Class("not_established", ("zeek9", "service"), None,
          "Zeek saw no complete handshake and parses one side only or none",
          lambda d: weird(d, "data_before_established")),
    Class("no_payload", ("zeek9", "service"), {"extra", "service"},
          "Zeek's connection of that 5-tuple has no payload", no_payload),
    Class("tunnelled", "service", None,
          "after the upgrade Zeek takes the service that follows for the connection's",
          lambda d: any("upgrade" in r for r in tcp(d.ctx)
                        if r["flow_id"] == d.o["flow_id"])),
    Class("one_sided", "service", None,
          "Zeek says http when it has read a response", one_sided),
    Class("logged", "service", None,
          "Zeek has rows of http for the connection all the same", logged),
    Class("seen_as_other", "service", None,
          "Zeek took the connection for what its client began with",
          lambda d: bool(services(d) - {"", "http"})),
    Class("violation", "service", None,
          "Zeek takes the service back where one line is not as it should be; nrtool says "
          "http where a message was understood", violation),
    Class("reset", "zeek9", {"response_body_len"},
          "behind a RST of the other side Zeek delivers nothing", reset),
    Class("gap", "zeek9", {"request_body_len", "response_body_len", "match", "extra",
                           "status_code", "status_msg", "version", "complete"},
          "bytes are missing: nrtool counts on by the length and finds the next message, "
          "Zeek gives up", lambda d: "tcp_gap" in kinds(d)),
]

METHODS = {  # that tshark 4.0 knows
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
    "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT",
    "CHECKIN", "CHECKOUT", "MERGE", "NOTIFY", "SUBSCRIBE", "UNSUBSCRIBE", "M-SEARCH",
    "POLL", "BMOVE", "BCOPY", "BPROPFIND", "BPROPPATCH", "SEARCH", "MKACTIVITY",
    "RPC_CONNECT", "RPC_IN_DATA", "RPC_OUT_DATA", "CCM_POST",
}


def to_end(r):
    """The response's body has no length: it ends with the stream, or is empty."""
    return ("response_version" in r and not fields(r, "response", "content-length")
            and not fields(r, "response", "transfer-encoding")
            and r["response_body_bytes"] > 0)


def more(test):
    """We count more, by no more than what the test finds."""
    def judge(d):
        n = sum(map(test, d.ctx.table("http")))
        return 0 < int(d.a) - int(d.b) <= n
    return judge


def truth_services(d):
    return {s for c in d.ctx.zeek.get("conn", ())
            for s in c.get("service", "").split(",")}


def apart(d):
    """Flows of one 5-tuple that VLANs or tunnels part."""
    seen = {}
    for f in d.ctx.flows.values():
        seen.setdefault(our_tuple(f), set()).add((f.get("vlan"), f.get("tunnel")))
    return any(len(v) > 1 for v in seen.values())


TRUTH = [
    Class("truth_scopes", "truth", None,
          "tshark 4.0 takes flows that VLANs or VXLAN ids part for one stream, in which "
          "the others are retransmissions", apart),
    Class("truth_unfinished", "truth", None,
          "tshark counts a message when it is whole: these are cut short, or a body runs "
          "on to an end that is not in the capture",
          more(lambda r: not r["complete"] or to_end(r))),
    Class("truth_old", "truth", None, "tshark does not take HTTP/0.9 for HTTP",
          more(lambda r: r.get("request_version") == "0.9")),
    Class("truth_method", "truth", None, "tshark 4.0 does not know these methods",
          more(lambda r: r.get("method", "GET") not in METHODS)),
    Class("truth_socks", "truth", None,
          "the HTTP lies behind a SOCKS greeting, which nrtool does not read",
          lambda d: "socks" in truth_services(d) and int(d.a) < int(d.b)),
    Class("truth_deep", "truth", None,
          "the packets lie in more encapsulations than nrtool opens",
          lambda d: "tunnel_depth" in d.ctx.anomalies),
    Class("truth_ambiguous", "truth", None,
          "the message breaks the protocol (there are anomalies that say how): readers "
          "differ, and these captures were made to show it",
          lambda d: bool(d.ctx.anomalies & {"http_length", "http_syntax", "http_chunk",
                                            "http_junk", "http_resync"})),
]

MAPPING = Mapping(
    name="http",
    tables=["http", "credential", "source", "interface"],
    zeek=[ZEEK],
    truth=[Count("http_req", requests), Count("http_resp", responses)],
    events=[],
    fields=[],
    services={"http": "http"},
    classes=CLASSES + TRUTH,
)
