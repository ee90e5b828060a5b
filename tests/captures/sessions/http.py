# SPDX-License-Identifier: BSD-3-Clause
"""http: a request with its response is one row here and in Zeek. Suricata and Arkime see
the same; tshark counts messages, SSDP's too."""

from urllib.parse import unquote_to_bytes

from sessions.mapping import (Class, Column, Count, Events, Field, Mapping, ZeekLog,
                              zeek_bytes)


def tcp(ctx):
    return [r for r in ctx.table("http") if r.get("proto") == "tcp"]


def field(row, side, name):
    """The first field of that name in request_headers or response_headers."""
    for n, v in row.get(side + "_headers", ()):
        if n.lower() == name:
            return v
    return None


def target(text):
    """Zeek decodes percent encoding, and writes bytes that are no text as \\xNN."""
    return None if text is None else unquote_to_bytes(zeek_bytes(text))


def word(text):
    return None if text in (None, "") else zeek_bytes(text)


def seen_bytes(side):
    """(bytes of the body without those in gaps, whether another tool decodes it)"""
    def get(r):
        coding = (field(r, side, "content-encoding") or "").lower()
        missed = r["missed_bytes"]
        return r.get(side + "_body_bytes", 0), missed, coding not in ("", "identity")
    return get


def same_bytes(ours, theirs):
    """Zeek counts what it delivers: decoded, and without gaps."""
    n, missed, coded = ours
    return coded or theirs in (n, n - missed)


ZEEK = ZeekLog(
    "http", tcp, [
        Column("method", main=True),
        Column("uri", lambda r: target(r.get("uri")), lambda z: target(z.get("uri")),
               main=True),
        Column("status_code", "status", main=True),
        Column("host", lambda r: word(r.get("host")), lambda z: word(z.get("host"))),
        Column("referrer", lambda r: target(r.get("referer")),
               lambda z: target(z.get("referrer"))),
        Column("user_agent", lambda r: word(r.get("user_agent")),
               lambda z: word(z.get("user_agent"))),
        Column("status_msg", lambda r: word(r.get("reason")),
               lambda z: word(z.get("status_msg", "").replace("<empty>", ""))),
        Column("version", lambda r: r.get("response_version")),
        Column("info_code", lambda r: (r.get("interim") or [{}])[-1].get("status")),
        Column("username", lambda r: word(r.get("user")), lambda z: word(z.get("username"))),
        Column("trans_depth"),
        Column("request_body_len", seen_bytes("request"), same=same_bytes),
        Column("response_body_len", seen_bytes("response"), same=same_bytes),
    ],
    our_time=lambda r: r.get("request_ns", r.get("response_ns")))


def requests(ctx):
    return sum("method" in r for r in ctx.table("http"))


def responses(ctx):
    """Interim ones too."""
    return sum(("response_version" in r) + len(r.get("interim", ()))
               for r in ctx.table("http"))


MAPPING = Mapping(
    name="http",
    tables=["http", "credential"],
    zeek=[ZEEK],
    truth=[Count("http_req", requests), Count("http_resp", responses)],
    events=[],
    fields=[],
    services={"http": "http"},
    classes=[],
)
