# SPDX-License-Identifier: BSD-3-Clause
"""quic, and what tls has of it. The zeek9 logs were made by a build without QUIC, so Zeek
is here in the logs of its own tests (times masked). Suricata writes an event for each
hello, nrtool a row for the connection."""

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


QUIC = ZeekLog("quic", "quic", [
    Column("version", theirs=zeek_version, main=True),
    Column("client_dcid", theirs=empty("client_initial_dcid"), main=True),
    Column("client_scid", theirs=empty("client_scid")),
    Column("server_scid", theirs=empty("server_scid")),
    Column("server_name"),
    Column("client_protocol", first_protocol),
], our_time=lambda r: None, baseline="zeek-quic.log", limit=0.15)


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


def rows_of(d):
    """Our rows of the flow, or all of the capture."""
    keys = {(r["src_ip"], r["src_port"]) for r in d.key_ours}
    return [r for r in d.ctx.table("quic")
            if not keys or (r["src_ip"], r["src_port"]) in keys]


def answered_anew(d):
    return any(r["retry"] or r["version_negotiation"] for r in rows_of(d))


def differ_at(d, places):
    """One JA4 each, which differ at most at these characters of the first part."""
    if len(d.a) != 1 or len(d.b) != 1:
        return False
    a, b = list(d.a[0]), list(d.b[0])
    for i in places:
        a[i] = b[i] = "?"
    return a == b


TRUTH = ("truth quic_client_hello", "truth quic_sni", "truth quic_ja3")

CLASSES = [
    Class("tshark_no_quic", TRUTH, None,
          "tshark takes the datagrams for something else by their port and sees no QUIC",
          lambda d: d.ctx.truth["quic_initial_packets"] == "0"),
    Class("tshark_answered_anew", TRUTH, None,
          "behind a Retry or Version Negotiation CRYPTO offsets begin at 0 again; tshark "
          "takes the hello there for a retransmission and does not read it",
          answered_anew),
    Class("tshark_repeats", "truth quic_client_hello", None,
          "tshark counts a ClientHello that is sent again in Google's T051, nrtool does not",
          lambda d: int(d.a) < int(d.b)
          and any(r.get("version") == "T051" and r["initials"] > 1 for r in rows_of(d))),
    Class("zeek_no_quic", "baseline quic", {"match"},
          "Zeek takes any datagram with the right first bits for QUIC of an unknown "
          "version, one that is too short for a client's first too (RFC 9000 14.1)",
          lambda d: d.z["version"].startswith("unknown-")
          and any(f["src_ip"] == d.z["id.orig_h"] and f["src_payload_bytes"] < 1200
                  for f in d.ctx.table("flow"))),
    Class("no_tls_inside", ("ndpi_quic", "suricata"), {"QUIC ver", "count"},
          "Google's QUIC before it used TLS (versions Q…) is not parsed",
          lambda d: any(v.startswith("Q") for v in d.b) if d.column == "QUIC ver"
          else any(k.startswith("quic.cyu") for k in d.z["match"])),
    Class("ndpi_ja4_alpn", "ndpi_quic", {"JA4"},
          "JA4 has the first and last character of the first protocol; nDPI the first two, "
          "or 0 for the second of h3", lambda d: differ_at(d, (8, 9))),
    Class("ndpi_ja4_no_name", "ndpi_quic", {"JA4"},
          "JA4 has i where there is no server name, nDPI d in QUIC; and the protocol as "
          "above", lambda d: differ_at(d, (3, 8, 9))
          and not any(r.get("server_name") for r in rows_of(d))),
    Class("ndpi_later_hello", "ndpi_quic", {"JA4", "JA3C", "QUIC ver"},
          "behind a Version Negotiation nDPI has fingerprints and version of the second "
          "hello, nrtool those of the first", answered_anew),
]

MAPPING = Mapping(
    name="quic",
    tables=["quic", "tls"],
    zeek=[QUIC, SSL],
    # Few captures have QUIC, and those made to show a Retry or a Version Negotiation are
    # a good part of them: these limits are what the classes above leave.
    truth=[
        Count("quic_client_hello",
              lambda ctx: sum(r["client_hellos"] for r in ctx.table("quic")), limit=0.135),
        Values("quic_sni", lambda ctx: [r.get("server_name") for r in ctx.table("quic")],
               distinct=True),
        Values("quic_ja3", lambda ctx: [r.get("ja3") for r in of_quic(ctx)],
               distinct=True, limit=0.057),
    ],
    events=[EVENTS],
    fields=[
        Field("ndpi_quic", "QUIC ver", "quic", "client_version", same=ndpi_version),
        Field("ndpi_quic", "Hostname/SNI", "quic", "server_name"),
        Field("ndpi_quic", "JA4", "quic", "ja4"),
        Field("ndpi_quic", "JA3C", "tls", "ja3"),
    ],
    classes=CLASSES,
)
