# SPDX-License-Identifier: BSD-3-Clause
"""http: a request with its response is one row here and in Zeek. Suricata and Arkime see
the same; tshark counts messages, SSDP's too."""

import re
from urllib.parse import unquote_to_bytes

import common
import frames
from sessions._http_tshark import first_lines_of_junk, key, requests, responses, told
from sessions.mapping import (Class, Column, Count, Events, Field, Mapping, ZeekLog,
                              our_tuple, their_tuple, zeek_bytes, zeek_ns)


def tcp(ctx):
    return [r for r in ctx.table("http") if r.get("proto") == "tcp"]


def fields(row, side, name):
    """The values of that name in request_headers or response_headers."""
    return [v for n, v in row.get(side + "_headers", ()) if n.lower() == name]


def target(text):
    """Zeek decodes percent encoding, and writes bytes that are no text as \\xNN; it does not
    tell a backslash from one that it writes itself."""
    if text is None:
        return None
    new, old = text.encode(), None
    while new != old:
        new, old = unquote_to_bytes(new), new
    plain = "".join(chr(c) if 0x20 <= c < 0x7f else f"\\x{c:02x}" for c in new)
    return re.sub(r"\\+", r"\\", plain) or None


def word(text):
    return None if text in (None, "") else zeek_bytes(text)


def zeek_clock(ctx):
    """{time of a packet: those that Zeek's clock, which never runs back, had then}"""
    out, now = {}, 0
    if any(src["time_backwards"] for src in ctx.table("source")):
        for f in frames.frames(common.captures() / ctx.file):
            t = f.sec * 10**9 + f.frac * (10**9 // f.unit)
            now = max(now, t)
            out.setdefault(t, set()).add(now)
    return out


def depth_before(ctx):
    """{(flow, time): transactions before its tunnel}: Zeek counts on behind CONNECT."""
    at, out = {}, {}
    for r in tcp(ctx):
        f = r["flow_id"]
        out[f, r["ts_ns"]] = at.get(f, 0)
        if r.get("upgrade") == "connect":
            at[f] = at.get(f, 0) + r["trans_depth"]
    return out


def status_line(r, cut):
    """(code, reason) as Zeek reads them: a code of three characters, 0 where these are no
    digits, the reason from the next white space on; None where no space is behind the
    version, or nothing, which is no response to it. (Where the word behind the version
    begins with no digit it stands right behind it.)"""
    reason = r.get("reason", "")
    if "status" in r:
        text = f"{r['status']:03}" if r["status"] > 9 or not r["status"] else \
            str(r["status"])
        text += ("" if reason.startswith("\\x00") else " ") + reason
    elif reason[:1].isdigit() and not cut:
        text = reason
    else:
        return None
    parts = text[3:].split(None, 1)
    if text[3:4].isspace():
        rest = text[3:].strip()
    else:
        rest = parts[1] if len(parts) > 1 else ""
    return int(text[:3]) if text[:3].isdigit() else 0, rest


def rows_for_zeek(ctx):
    """Those of TCP, with what Zeek would have made of them."""
    chunks = {k: d["body_bytes"] for k, d in told(ctx, "http_chunk")
              if d["what"] != "odd size"}
    signs = {k: set(d["signs"]) for k, d in told(ctx, "http_syntax")}
    shift = next((i["tsoffset"] for i in ctx.table("interface") if i.get("tsoffset")), 0)
    clock, depth, junk = zeek_clock(ctx), depth_before(ctx), first_lines_of_junk(ctx)
    out = []
    for r in tcp(ctx):
        some = signs.get(key(r), set())
        line = status_line(r, "CR without LF" in some) if "response_version" in r else None
        if "NUL byte before the start line" in some \
                or (r["flow_id"], r.get("response_ns")) in junk:
            line = None
        # Zeek's clock knows no if_tsoffset, and begins at 1 s
        t = r.get("request_ns", r.get("response_ns", r["ts_ns"]))
        times = {max(x - shift * 10**9, 10**9) for x in clock.get(t, ()) or [t]}
        out.append({**r, "line": line, "times": times, "broken": chunks.get(key(r)),
                    "depth": r["trans_depth"] + depth[r["flow_id"], r["ts_ns"]]})
    return out


def messages(ctx, rows):
    """Rows of HTTP/1. Zeek's log has others too: RTSP, the preface of HTTP/2, and rows with
    neither request nor response where it looked for one and found none."""
    rtsp = {z["uid"] for z in rows if " RTSP/1" in z.get("uri", "")}
    return [z for z in rows if (z.get("method") or "status_code" in z)
            and z.get("method") != "PRI" and z["uid"] not in rtsp]


def last_length(r, side):
    """Of several Content-Lengths Zeek takes the last."""
    some = fields(r, side, "content-length")
    return {int(some[-1])} if len(set(some)) > 1 and some[-1].isdigit() else set()


def seen_bytes(side):
    """(what Zeek may count of the body, whether it decodes it): what it delivers. That is
    without gaps; of a body whose chunks break off what came before; of a part of multipart
    that ends without a line end, one too; and none of a response that it does not read, or
    whose code is 204."""
    def get(r):
        coded = any(v.lower() not in ("", "identity")
                    for v in fields(r, side, "content-encoding"))
        n = r.get(side + "_body_bytes", 0)
        some = {n, n - r["missed_bytes"]} | last_length(r, side)
        if side == "response" and "response_version" in r:
            if not r["line"] or r["line"][0] == 204:
                return {0}, False
            some |= {r["broken"]} - {None}
        if (r.get(side + "_content_type") or "").startswith("multipart/"):
            some |= {n + 2 for n in some}
        return some, coded
    return get


def same_bytes(ours, theirs):
    some, coded = ours
    return coded or theirs in some


def host_field(r):
    """Zeek has the field, nrtool's column the authority of the target where there is
    none."""
    return word(r.get("host")) if fields(r, "request", "host") else None


def answer(get):
    """Of a response that Zeek reads, else nothing; HTTP/0.9 has none to read."""
    def value(r):
        if "response_version" in r:
            return get(r) if r["line"] else None
        return get({**r, "line": (0, "")}) if "response_body_bytes" in r else None
    return value


def version(r):
    """Zeek: the response's, a digit each side of the point, and 0.9 where the request has
    none."""
    v = r.get("response_version")
    return v[:3] if v else "0.9" if r.get("request_version") == "0.9" else None


def informational(r):
    """Zeek takes 101 for one too."""
    if r.get("status") == 101:
        return 101
    return (r.get("interim") or [{}])[-1].get("status")


ZEEK = ZeekLog(
    "http", rows_for_zeek, [
        Column("method", main=True),
        Column("uri", lambda r: target(r.get("uri")), lambda z: target(z.get("uri")),
               main=True),
        Column("status_code", answer(lambda r: r["line"][0])),
        Column("ts", "times", zeek_ns,
               same=lambda ours, t: any(abs(x - t) <= 1000 for x in ours)),
        Column("host", host_field, lambda z: word(z.get("host"))),
        Column("referrer", lambda r: target(r.get("referer")),
               lambda z: target(z.get("referrer"))),
        Column("user_agent", lambda r: word(r.get("user_agent")),
               lambda z: word(z.get("user_agent"))),
        Column("status_msg", answer(lambda r: word(r["line"][1])),
               lambda z: word(z.get("status_msg", "").replace("<empty>", ""))),
        Column("version", answer(version)),
        Column("info_code", informational),
        Column("username", lambda r: word(r.get("user")), lambda z: word(z.get("username"))),
        Column("trans_depth", "depth"),
        Column("request_body_len", seen_bytes("request"), same=same_bytes),
        Column("response_body_len", seen_bytes("response"), same=same_bytes),
    ],
    # Zeek's time is that of the packet that ends the request line, which may be another
    # than the one with its first byte: methods and URIs pair, and the likest rows
    our_time=lambda r: None, their_time=lambda z: None, their_rows=messages)


def events_of(r):
    """A row as Suricata's event has it."""
    headers = {side: [{"name": n, "value": v} for n, v in r.get(f"{side}_headers", ())]
               for side in ("request", "response")}
    return headers


def bare_host(r):
    """Suricata gives the port apart."""
    host = r.get("host") or ""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() and (":" not in name or "]" in name) else host


def protocol(r):
    v = r.get("request_version") or r.get("response_version")
    return v and f"HTTP/{v}"


EVENTS = Events("http", "http", {
    "http.hostname": bare_host,
    "http.http_method": "method",
    "http.url": "uri",
    "http.status": "status",
    "http.protocol": protocol,
    "http.http_user_agent": "user_agent",
    "http.http_refer": "referer",
    "http.http_content_type": lambda r: (r.get("response_content_type") or "").split(";")[0],
    "http.redirect": "location",
    "http.length": lambda r: r.get("response_body_bytes", 0),
    "http.request_headers": lambda r: events_of(r)["request"],
    "http.response_headers": lambda r: events_of(r)["response"],
    "tx_id": lambda r: r["trans_depth"] - 1,
})


def without_port(v):
    name, colon, port = str(v).rpartition(":")
    return (name if colon and port.isdigit() else str(v)).lower()


ARKIME = [
    Field("arkime", "http.method", "http", "method"),
    Field("arkime", "http.statuscode", "http", "status"),
    Field("arkime", "http.useragent", "http", "user_agent"),
    Field("arkime", "http.host", "http", "host", same=without_port),
    Field("arkime", "http.user", "http", "user"),
    Field("arkime", "http.clientVersion", "http", "request_version"),
    Field("arkime", "http.serverVersion", "http", "response_version"),
]


def key_of(d):
    """The 5-tuple."""
    if d.o is not None:
        return our_tuple(d.o)
    return d.z["key"] if "key" in d.z else their_tuple(d.z)


def conns(d):
    """Zeek's connections of that 5-tuple."""
    key = key_of(d)
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
    return bool(kinds(d) & {"http_length", "http_syntax", "http_chunk", "http_junk"})


def services(d):
    return {s for c in conns(d) for s in c.get("service", "").split(",")}


def socks_4(d):
    flow = d.ctx.flows.get(d.o["flow_id"], {})
    return flow.get("service", "").startswith("socks,") and services(d) == {""}


def rtsp(d):
    ids = {c["uid"] for c in conns(d)}
    return any(z["uid"] in ids and "RTSP/" in z.get("uri", "")
               for z in d.ctx.zeek.get("http", ()))


def scopes(d):
    """Flows of that 5-tuple that VLANs or tunnels part."""
    key = key_of(d)
    mine = [f for f in d.ctx.flows.values() if our_tuple(f) == key]
    return len({(f.get("vlan"), f.get("tunnel")) for f in mine}) > 1


def clock(d):
    """Times that Zeek reads otherwise: see ZEEK_FACTS.md."""
    return any(i.get("tsresol", 10) & (i.get("tsresol", 10) - 1) == 0
               for i in d.ctx.table("interface"))


def first_byte(d):
    """Zeek's time is the packet's that ends the request line."""
    return min(d.a) < d.b <= d.o["ts_ns"]


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
    Class("rtsp", "service", None,
          "Zeek takes RTSP for HTTP", rtsp),
    Class("socks_4", ("zeek9", "service"), {"extra", "service"},
          "Zeek does not take SOCKS 4 apart, and so sees nothing of what it carries",
          socks_4),
    Class("tunnel", "zeek9", {"match", "extra", "trans_depth", "status_code", "status_msg",
                              "response_body_len", "host", "version"},
          "behind CONNECT and Upgrade Zeek goes on in the same log and count, nrtool with "
          "a new parser", in_tunnel),
    Class("http_09", "zeek9", None,
          "to HTTP/0.9 Zeek gives the status 0 and, for the bytes of the body, a second "
          "request", lambda d: any(r.get("request_version") == "0.9" for r in d.key_ours)
          or any(z.get("version") == "0.9" for z in d.key_theirs)),
    Class("scopes", ("zeek9", "service"), None,
          "VLANs or tunnels part what Zeek takes for one connection", scopes),
    Class("clock", "zeek9", {"ts"},
          "Zeek misreads a binary if_tsresol", clock),
    Class("first_byte", "zeek9", {"ts"},
          "the time is that of the request's first byte; Zeek's that of the packet that "
          "ends its first line", first_byte),
    Class("multipart", "zeek9", {"request_body_len", "response_body_len"},
          "Zeek counts the parts of a multipart body, without what lies between, or with "
          "the line end behind", lambda d: any(
              (d.o.get(k) or "").startswith("multipart/")
              for k in ("request_content_type", "response_content_type"))),
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
    Class("reset", "zeek9", {"response_body_len"},
          "behind a RST of the other side Zeek delivers nothing", reset),
    Class("gap", "zeek9", {"request_body_len", "response_body_len", "match", "extra",
                           "status_code", "status_msg", "version", "complete"},
          "bytes are missing: nrtool counts on by the length and finds the next message, "
          "Zeek gives up", lambda d: "tcp_gap" in kinds(d)),
]

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


def apart(d):
    """Flows of one 5-tuple that VLANs or tunnels part."""
    seen = {}
    for f in d.ctx.flows.values():
        seen.setdefault(our_tuple(f), set()).add((f.get("vlan"), f.get("tunnel")))
    return any(len(v) > 1 for v in seen.values())


def less(test):
    """We count less, by no more than what the test finds."""
    def judge(d):
        n = sum(map(test, d.ctx.table("http")))
        return 0 < int(d.b) - int(d.a) <= n
    return judge


def has_port(*ports):
    return lambda r: r.get("src_port") in ports or r.get("dst_port") in ports


def ipcomp(d):
    return any(f["proto"] in ("ipcomp", "ah") for f in d.ctx.table("flow"))


def tls_name(d):
    """Arkime's http.host has the names of TLS too."""
    names = {r.get("server_name") for r in d.ctx.table("tls")
             if our_tuple(r) == key_of(d)}
    return set(d.b) - set(d.a) <= {n.lower() for n in names if n}


def interim(d):
    found = {i["status"] for r in d.key_ours for i in r.get("interim", ())}
    return set(d.b) - set(d.a) <= found


def is_unparsed(f):
    return (f.get("proto") == "tcp" and not f.get("parser")
            and f.get("src_payload_bytes") and f.get("dst_payload_bytes"))


def unparsed(d):
    """No parser took the flow, or in Suricata's case some flow of the capture."""
    if d.where.startswith("arkime"):
        mine = [f for f in d.ctx.flows.values() if our_tuple(f) == key_of(d)]
        return bool(mine) and not any(f.get("service") == "http" for f in mine)
    return any(map(is_unparsed, d.ctx.flows.values()))


OTHERS = [
    Class("other_http2", ("arkime", "suricata"), None,
          "HTTP/2 is not parsed",
          lambda d: d.ctx.truth.get("http2_req", "0") != "0" or "2.0" in (d.b or ())
          if d.where.startswith("arkime") else d.ctx.truth.get("http2_req", "0") != "0"
          or any(k.startswith("http.http2") for k in d.z["match"])),
    Class("other_names", "arkime", {"http.host"},
          "Arkime lists the server names of TLS among the hosts", tls_name),
    Class("other_empty", "arkime", {"http.host"},
          "Host is there and empty", lambda d: d.b == [""]),
    Class("other_unparsed", ("arkime", "suricata"), None,
          "the flow begins with what nrtool does not parse: OpenVPN, "
          "HTTP/2", unparsed),
    Class("other_interim", "arkime", {"http.statuscode"},
          "Arkime lists interim responses with the others; they are in column interim",
          interim),
    Class("other_scopes", "suricata", None,
          "VLANs part the two directions: two flows here, one there", apart),
    Class("other_rules", "suricata", None,
          "the test's configuration drops flows or sends events elsewhere",
          lambda d: "own-config" in d.z["config"] and set(d.z["match"]) == {"event_type"}),
]

def bare_cr(d):
    return any("CR without LF" in t["signs"] for _, t in told(d.ctx, "http_syntax"))


def unchunked(d):
    """A response that said it was chunked and was not, or where it can not be."""
    return any(t["what"] == "impossible size" and not t["body_bytes"]
               for _, t in told(d.ctx, "http_chunk")) or \
        any("Transfer-Encoding in HTTP/1.0" in t["signs"]
            for _, t in told(d.ctx, "http_length"))


def flow_over(d):
    """The response is cut short because the flow was over, and goes on in another."""
    cut = {r["flow_id"] for r in d.ctx.table("http") if not r["complete"]}
    return any(f["flow_id"] in cut and f.get("end_reason") == "idle"
               for f in d.ctx.table("flow"))


TRUTH = [
    Class("truth_bare_cr", "truth", {"http_resp"},
          "to tshark a CR alone ends a line: it ends a head there, or finds a field; it is "
          "forbidden, and no end (RFC 9112 section 2.2)", bare_cr),
    Class("truth_unchunked", "truth", {"http_resp"},
          "a body that is not chunked though the head says so: tshark waits for the end of "
          "a chunk's line, which never comes", lambda d: int(d.a) > int(d.b)
          and unchunked(d)),
    Class("truth_flow_over", "truth", {"http_resp"},
          "the response goes on after a silence that ends the flow; tshark has no timeout",
          lambda d: int(d.a) < int(d.b) and flow_over(d)),
    Class("truth_unfinished", "truth", None,
          "tshark counts a message when it is whole: these are cut short, or a body runs "
          "on to an end that is not in the capture",
          more(lambda r: not r["complete"] or to_end(r))),
    Class("truth_unfinished_request", "truth", {"http_resp"},
          "the response is whole, the request it answers is cut short: one row, not "
          "counted", less(lambda r: "status" in r and not r["complete"])),
    Class("truth_port", "truth", None,
          "tshark takes these ports for SSH, DNS and SOCKS, whatever is said on them",
          more(has_port(22, 53, 1080))),
    Class("truth_ipcomp", "truth", None,
          "tshark inflates IPComp, nrtool does not", ipcomp),
    Class("truth_tunnel_depth", "truth", None,
          "200 tunnels in one another: nrtool stops at 15 (anomaly tunnel_depth)",
          lambda d: int(d.a) < int(d.b) and "tunnel_depth" in d.ctx.anomalies),
    Class("truth_shuffled", "truth", None,
          "the packets of the file are shuffled: SYN and data come behind the FIN, which "
          "tshark reads as retransmissions all the same",
          lambda d: int(d.a) < int(d.b) and "tcp_reuse" in d.ctx.anomalies
          and any(r["time_backwards"] for r in d.ctx.table("source"))),
    Class("truth_again", "truth", None,
          "tshark counts a request again where its segments are sent again",
          lambda d: int(d.a) < int(d.b) and int(d.ctx.truth["retransmissions"]) > 0),
    Class("truth_unparsed", "truth", None,
          "the flow begins with what is no HTTP, and no parser took it",
          lambda d: int(d.a) < int(d.b) and any(map(is_unparsed, d.ctx.table("flow")))),
    Class("truth_ambiguous", "truth", None,
          "the message breaks the protocol (there are anomalies that say how): readers "
          "differ, and these captures were made to show it",
          lambda d: bool(d.ctx.anomalies & {"http_length", "http_syntax", "http_chunk",
                                            "http_junk", "http_resync"})),
]

MAPPING = Mapping(
    name="http",
    tables=["http", "credential", "source", "interface", "tls"],
    zeek=[ZEEK],
    truth=[Count("http_req", requests), Count("http_resp", responses)],
    events=[EVENTS],
    fields=ARKIME,
    services={"http": "http"},
    classes=CLASSES + TRUTH + OTHERS,
)
