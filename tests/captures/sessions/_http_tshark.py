# SPDX-License-Identifier: BSD-3-Clause
"""What tshark 4.0 counts as a request and a response of HTTP (packet-http.c)."""

from sessions.mapping import said_once


def key(r):
    return r["flow_id"], r["trans_depth"]


def told(ctx, kind):
    """[(row's key, signs or detail)] of the anomalies of that kind about responses."""
    return [((a["flow_id"], a["detail"]["trans_depth"]), a["detail"])
            for a in ctx.table("anomaly")
            if a["kind"] == kind and a.get("side") == "dst" and "flow_id" in a]


def first_lines_of_junk(ctx):
    """{(flow, time)}: a line of something else before a response ends Zeek's reading."""
    if "tcp_gap" in ctx.anomalies:
        return set()
    return {(a["flow_id"], a["ts_ns"]) for a in ctx.table("anomaly")
            if a["kind"] == "http_resync" and a.get("side") == "dst"}


METHODS = {  # that tshark 4.0 knows
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
    "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT",
    "CHECKIN", "CHECKOUT", "MERGE", "NOTIFY", "SUBSCRIBE", "UNSUBSCRIBE", "M-SEARCH",
    "POLL", "BMOVE", "BCOPY", "BPROPFIND", "BPROPPATCH", "SEARCH", "MKACTIVITY",
    "RPC_CONNECT", "RPC_IN_DATA", "RPC_OUT_DATA", "CCM_POST",
}


def seen_once(ctx):
    return said_once(ctx, ctx.table("http"), ("trans_depth", "method", "uri", "status",
                                              "request_headers"))


def requests(ctx):
    """tshark counts a request when it is whole; HTTP/0.9 and methods that it does not
    know it does not take for HTTP."""
    return sum(r.get("method") in METHODS and r.get("request_version", "0.9") != "0.9"
               and bool(r["complete"] or "response_body_bytes" in r or r["missed_bytes"])
               for r in seen_once(ctx))


def late_responses(ctx):
    """Keys of rows whose response is none for tshark: it must begin, in its segment, with
    the letters HTTP/."""
    signs = {"HTTP in small letters", "NUL byte before the start line",
             "whitespace before the start line"}
    late = {k for k, d in told(ctx, "http_syntax") if signs & set(d["signs"])
            # behind another response the empty line is in that one's segment
            or k[1] == 1 and "empty line before the status line" in d["signs"]}
    # a line of something else before it, in the same packet
    junk = first_lines_of_junk(ctx)
    return late | {key(r) for r in ctx.table("http")
                   if (r["flow_id"], r.get("response_ns")) in junk}


def tunnels_of_tls(ctx):
    """Flows in which CONNECT asked for port 443: tshark reads what the server says there
    as TLS, whatever it is."""
    return {r["flow_id"] for r in ctx.table("http")
            if r.get("upgrade") == "connect" and r.get("uri", "").endswith(":443")}


def has_status(ctx):
    """tshark wants a word of three bytes, of which it reads a number as far as there is
    one, and a space between it and the version: what begins with no digit has none."""
    cut = {k for k, d in told(ctx, "http_syntax") if "CR without LF" in d["signs"]}

    def test(r):
        reason = r.get("reason", "")
        if r.get("status", 1000) > 9 or r["status"] == 0:  # 0 is 000
            return "status" in r or reason[:1].isdigit() and key(r) not in cut \
                and len(reason.split()[0]) > 2
        return reason.startswith("\\x00")  # the word goes on
    return test


def read_to_end(ctx):
    """Of a message that is not whole to us it is to tshark, if its last chunk was read (it
    asks for no end of the trailers), if a size that is no number came (it reads 0, the
    last one), or where we know of a gap."""
    odd = {k for k, d in told(ctx, "http_chunk")}

    def whole(r):
        return bool(r["complete"] or r["missed_bytes"] or "response_trailers" in r
                    or key(r) in odd)
    return whole


def responses(ctx):
    """tshark counts a message that begins as one and has a status when it is whole,
    interim ones too."""
    late, tunnels = late_responses(ctx), tunnels_of_tls(ctx)
    status, whole = has_status(ctx), read_to_end(ctx)
    return sum(len(r.get("interim", ())) + (
        "response_version" in r and status(r) and whole(r)
        and (r.get("upgrade") == "connect"
             or r["flow_id"] not in tunnels and key(r) not in late))
        for r in seen_once(ctx))
