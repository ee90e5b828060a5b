# SPDX-License-Identifier: BSD-3-Clause
"""quic, and what tls has of it. The zeek9 logs were made by a build without QUIC, so Zeek
is here in the logs of its own tests (times masked). Suricata writes an event for each
hello, nrtool a row for the connection. What tshark 4.0 counts as a hello is written down
in tshark_reads() and tshark_hellos()."""

import re

from sessions.mapping import Class, Column, Count, Events, Field, Mapping, Values, ZeekLog


def of_quic(ctx):
    return [r for r in ctx.table("tls") if r["transport"] == "quic"]


def empty(key):
    return lambda z: "" if z.get(key) == "(empty)" else z.get(key)


def zeek_version(z):
    v = z["version"]
    return f"0x{int(v[8:], 16):08x}" if v.startswith("unknown-") else v


def first_protocol(r):
    """Of what the client offers: Zeek's client_protocol."""
    return (r.get("client_alpn") or [None])[0]


CLIENT_MIN = 1200


def begins_quic(ctx, rows):
    """Zeek has a row for any datagram whose first bits are those of a long header. One of
    an unknown version that is smaller than a client's first must be begins nothing: a
    server discards it (RFC 9000 section 6.1)."""
    small = {(f["src_ip"], str(f["src_port"])) for f in ctx.table("flow")
             if f["proto"] == "udp" and f["src_payload_bytes"] < CLIENT_MIN}
    return [z for z in rows if not z["version"].startswith("unknown-")
            or (z["id.orig_h"], str(z["id.orig_p"])) not in small]


QUIC = ZeekLog("quic", "quic", [
    Column("version", theirs=zeek_version, main=True),
    Column("client_dcid", theirs=empty("client_initial_dcid"), main=True),
    Column("client_scid", theirs=empty("client_scid")),
    Column("server_scid", theirs=empty("server_scid")),
    Column("server_name"),
    Column("client_protocol", first_protocol),
], their_rows=begins_quic, our_time=lambda r: None, baseline="zeek-quic.log")


def zeek_ssl_of_quic(ctx, rows):
    return rows if "/quic/" in ctx.file else []


SSL = ZeekLog("ssl", lambda ctx: of_quic(ctx) if "/quic/" in ctx.file else [], [
    Column("version", lambda r: r.get("version"),
           lambda z: z["version"].replace("v13", "v1.3") if "version" in z else None),
    Column("cipher"),
    Column("curve", "group_name"),
    Column("server_name", main=True),
    Column("next_protocol", "alpn"),
    Column("resumed", lambda r: bool(r.get("resumed")), lambda z: z["resumed"] == "T"),
], their_rows=zeek_ssl_of_quic, our_time=lambda r: None, baseline="zeek-ssl.log")


class OneOf:
    """Equals each of some values; None: any."""

    def __init__(self, some):
        self.some = some

    def __eq__(self, other):
        return self.some is None or other in self.some

    def __ne__(self, other):
        return not self == other


def extensions(r):
    """Suricata lists the extensions of one hello. Of these, nrtool keeps two values."""
    known = {r.get("server_name"), *(r.get("client_alpn") or [])} - {None}
    names = [n for n, k in (("server_name", "server_name"), ("alpn", "client_alpn"))
             if k not in r]

    class Name(OneOf):
        def __eq__(self, other):
            return other not in names

    return [{"name": Name(None), "values": [OneOf(known)] * 8}] * 64


EVENTS = Events("quic", "quic", {"quic.ja4": "ja4", "quic.extensions": extensions})

NDPI = {"V-1": "1", "V-2": "2", "MVFST-27": "mvfst-2", "MVFST-EXP": "mvfst-e"}


def ndpi_version(v):
    if v.startswith("0x"):
        return "Ver-Negotiation"
    return NDPI.get(v, v.lower() if v.startswith("Draft") else v)


def ndpi_ja4(v):
    """JA4 without what nDPI makes in its own way: d or i (there is a server name) is always
    d, and of the first protocol it has the first two characters, or the first and 0,
    where JA4 has the first and the last. Suricata's JA4 are compared with all of it."""
    return v[:3] + v[4:9] + v[10:]


RESERVED = re.compile("0x.a.a.a.a")  # RFC 9000 section 15


def tshark_reads(r):
    """tshark makes the keys of a connection once, of its first Initial. A reserved version
    does not say which: it takes draft 29's, and so opens nothing of a client that goes on
    with version 1 when the server asks for another."""
    return not (RESERVED.fullmatch(r.get("client_version") or "") and r["version"] == "1")


def tshark_hellos(r):
    """Behind a Retry or Version Negotiation CRYPTO offsets begin at 0 again (RFC 9000
    sections 6.2 and 17.2.5.2). tshark takes what has an offset that it has seen for a
    retransmission, and so reads one hello for each that the server answered: the first,
    and one behind each HelloRetryRequest."""
    if not tshark_reads(r):
        return 0
    if r["retry"] or r["version_negotiation"]:
        return min(r["client_hellos"], max(1, r["server_hellos"]))
    return r["client_hellos"]


def read_by_tshark(ctx, rows):
    """Of rows of quic or tls those of connections that it can open."""
    shut = {(r["flow_id"], r["packet"]) for r in ctx.table("quic") if not tshark_reads(r)}
    return [r for r in rows if (r["flow_id"], r["packet"]) not in shut]


def rows_of(d):
    """Our rows of the flow, or all of the capture."""
    keys = {(r["src_ip"], r["src_port"]) for r in d.key_ours}
    return [r for r in d.ctx.table("quic")
            if not keys or (r["src_ip"], r["src_port"]) in keys]


def answered_anew(d):
    return any(r["retry"] or r["version_negotiation"] for r in rows_of(d))


def not_looked_for(d):
    return d.ctx.truth["quic_initial_packets"] == "0" and all(
        r["dst_port"] == 853 for r in d.ctx.table("quic"))


TRUTH = ("truth quic_client_hello", "truth quic_sni", "truth quic_ja3")

CLASSES = [
    Class("tshark_no_quic", TRUTH, None,
          "tshark takes what is on port 853 over UDP for DNS over DTLS (RFC 8094), DNS over "
          "QUIC (RFC 9250) too: it has no packet of QUIC in the capture", not_looked_for,
          counted=False),
    Class("tshark_repeats", "truth quic_client_hello", None,
          "tshark counts a ClientHello that is sent again in Google's T051, nrtool does not",
          lambda d: int(d.a) < int(d.b)
          and any(r.get("version") == "T051" and r["initials"] > 1 for r in rows_of(d))),
    Class("ja4_off", "suricata", None, "the test's configuration turns JA4 off",
          lambda d: d.z["config"] == "own-config"
          and d.z["match"].get("not-has-key") == "quic.ja4"),
    Class("no_tls_inside", ("ndpi_quic", "suricata"), {"QUIC ver", "count"},
          "Google's QUIC before it used TLS (versions Q…) is not parsed",
          lambda d: any(v.startswith("Q") for v in d.b) if d.column == "QUIC ver"
          else any(k.startswith("quic.cyu") for k in d.z["match"])),
    Class("ja4_off", "suricata", {"count"},
          "the test's configuration turns JA4 off", lambda d: d.z["config"] == "own-config"
          and d.z["match"].get("not-has-key") == "quic.ja4"),
    Class("ndpi_later_hello", "ndpi_quic", {"JA4", "JA3C", "QUIC ver"},
          "behind a Version Negotiation nDPI has fingerprints and version of the second "
          "hello, nrtool those of the first", answered_anew),
]

MAPPING = Mapping(
    name="quic",
    tables=["quic", "tls"],
    zeek=[QUIC, SSL],
    truth=[
        Count("quic_client_hello",
              lambda ctx: sum(tshark_hellos(r) for r in ctx.table("quic"))),
        Values("quic_sni", lambda ctx: [r.get("server_name") for r in read_by_tshark(
            ctx, ctx.table("quic"))], distinct=True),
        Values("quic_ja3", lambda ctx: [r.get("ja3") for r in read_by_tshark(
            ctx, of_quic(ctx))], distinct=True),
    ],
    events=[EVENTS],
    fields=[
        Field("ndpi_quic", "QUIC ver", "quic", "client_version", same=ndpi_version),
        Field("ndpi_quic", "Hostname/SNI", "quic", "server_name"),
        Field("ndpi_quic", "JA4", "quic", "ja4", same=ndpi_ja4),
        Field("ndpi_quic", "JA3C", "tls", "ja3"),
    ],
    classes=CLASSES,
)
