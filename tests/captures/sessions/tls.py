# SPDX-License-Identifier: BSD-3-Clause
"""tls and certificate: a connection is one row here and in Zeek; Zeek's time is that of
the first hello, nrtool's first_ns. Zeek logs a certificate anew in each connection of its
cache's life, nrtool once."""

import re

from sessions.mapping import (Class, Column, Count, Events, Field, Mapping, Values,
                              ZeekLog, ends, our_tuple, said_once, their_tuple, zeek_ns)

NOT_QUIC = ("tcp", "udp")


def handshakes(ctx):
    """Rows of TLS and DTLS: Zeek's build lacks QUIC, tshark counts it apart."""
    return [r for r in ctx.table("tls") if r["transport"] in NOT_QUIC]


def version(z):
    v = z.get("version")
    if v is None:
        return None
    if v.startswith("unknown-"):
        return f"0x{int(v[8:]):04x}"
    m = re.fullmatch(r"(D?TLS)v1(\d)(-draft\d+)?", v)
    return f"{m[1]}v1.{m[2]}{m[3] or ''}" if m else v


def cipher(z):
    c = z.get("cipher")
    if c is None:
        return None
    if c.startswith("unknown-"):
        return f"0x{int(c[8:]):04x}"
    return c.lower().replace("sslv20_ck_", "ssl_ck_")


def curve(z):
    c = z.get("curve")
    return f"0x{int(c[8:]):04x}" if c and c.startswith("unknown-") else c and c.lower()


def lower(key):
    return lambda r: r[key].lower() if key in r else None


def alert(r):
    return r["alert"].split()[1] if "alert" in r else None


def chain(key):
    """Zeek writes an empty list where it saw none of the other side's either."""
    return lambda r: r.get(key) or None


SSL = ZeekLog("ssl", handshakes, [
    Column("version", theirs=version, main=True),
    Column("cipher", lower("cipher"), cipher, main=True),
    Column("curve", lower("group_name"), curve),
    Column("server_name", main=True),
    Column("next_protocol", "alpn"),
    Column("resumed", lambda r: bool(r.get("resumed")), "resumed"),
    Column("established", lambda r: bool(r["established"]), "established"),
    Column("last_alert", alert),
    Column("cert_chain_fps", chain("certificates"), chain("cert_chain_fps")),
    Column("client_cert_chain_fps", chain("client_certificates"),
           chain("client_cert_chain_fps")),
], our_time=lambda r: r["first_ns"],
   # of the others Zeek has what one side said
   their_rows=lambda ctx, rows: [z for z in rows if ctx.zeek_reads(z)])


def first_of_each(ctx, rows):
    seen = {}
    for z in rows:
        seen.setdefault(z["fingerprint"], z)
    return list(seen.values())


def seconds(key):
    return lambda r: r[key] // 10**9 if key in r else None


def their_seconds(key):
    return lambda z: int(z[key]) if key in z else None


KEYS = {"rsa": "rsa", "ec": "ecdsa", "dsa": "dsa"}


def key_type(r):
    """Zeek names three kinds, and none where the key cannot be read."""
    return KEYS.get(r.get("key_type"))


def name(key):
    """Zeek escapes what is beyond ASCII, as RFC 2253 allows."""
    def get(r):
        t = r.get(key)
        if t is None:
            return None
        raw = re.sub(rb"\\([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]),
                     t.encode().replace(rb"\\", b"\0"))
        return raw.decode(errors="replace").replace("\0", "\\")
    return get


X509 = ZeekLog("x509", "certificate", [
    Column("version", theirs="certificate.version"),
    Column("serial", theirs="certificate.serial"),
    Column("subject", name("subject"), name("certificate.subject")),
    Column("issuer", name("issuer"), name("certificate.issuer")),
    Column("not_before", seconds("not_before_ns"),
           their_seconds("certificate.not_valid_before")),
    Column("not_after", seconds("not_after_ns"),
           their_seconds("certificate.not_valid_after")),
    Column("sig_alg", "signature", "certificate.sig_alg"),
    Column("key_type", key_type, "certificate.key_type"),
    Column("key_length", "key_bits", "certificate.key_length"),
    Column("key_curve", theirs="certificate.curve"),
    Column("san.dns", lambda r: (r.get("san") or {}).get("dns")),
    Column("is_ca", lambda r: bool(r.get("is_ca")),
           lambda z: z.get("basic_constraints.ca", False)),
], their_rows=first_of_each, our_key=lambda r: r["sha256"],
   their_key=lambda z: z["fingerprint"], our_time=lambda r: None,
   their_time=lambda z: None)


def of_tshark(ctx):
    """tshark counts DTLS and QUIC apart, and gives these ports to HTTP, RDP and IRC,
    whatever they carry."""
    rows = [r for r in ctx.table("tls") if r["transport"] == "tcp"
            and not (r["dst_port"] in (80, 8080) and not r["starttls"])
            and r["dst_port"] not in (3389, 6667)]
    return said_once(ctx, rows, ("ja3", "ja3s", "server_name", "client_hellos",
                                 "server_hellos"))


def hellos(column):
    return lambda ctx: sum(r[column] for r in of_tshark(ctx))


def of_tcp(column):
    return lambda ctx: [r.get(column) for r in of_tshark(ctx)]


def suricata_version(r):
    """Where no ServerHello was seen the highest that the client offers."""
    v = re.sub(r"-draft(\d+)", r" draft-\1",
               r.get("version") or r.get("client_version", ""))
    if v == "TLSv1.0":
        return "TLSv1"
    return v.replace("TLSv", "TLS ").replace("SSLv", "SSL ")


def certificate_of(r):
    return r.get("_certificate", {})


def with_certificates(ctx):
    by = {c["sha256"]: c for c in ctx.table("certificate")}
    for r in handshakes(ctx):
        first = (r.get("certificates") or [None])[0]
        yield {**r, "_certificate": by.get(first, {})}


def dn(key):
    """Suricata writes a name from its root, with blanks."""
    def get(r):
        t = certificate_of(r).get(key)
        if t is None:
            return None
        parts = re.split(r"(?<!\\),", t)
        return ", ".join(re.sub(r"\\(.)", r"\1", p) for p in reversed(parts))
    return get


def date(key):
    def get(r):
        ns = certificate_of(r).get(key)
        if ns is None:
            return None
        import datetime
        t = datetime.datetime.fromtimestamp(ns // 10**9, datetime.timezone.utc)
        return t.strftime("%Y-%m-%dT%H:%M:%S")
    return get


def serial(r):
    s = certificate_of(r).get("serial")
    if s is None:
        return None
    s = "00" + s if s[0] in "89ABCDEF" else s  # as in DER, where it is signed
    return ":".join(s[i:i + 2] for i in range(0, len(s), 2))


EVENTS = Events("tls", with_certificates, {
    "tls.sni": "server_name",
    "tls.version": suricata_version,
    "tls.ja3.hash": "ja3",
    "tls.ja3s.hash": "ja3s",
    "tls.ja4": "ja4",
    "tls.subject": dn("subject"),
    "tls.issuerdn": dn("issuer"),
    "tls.serial": serial,
    "tls.notbefore": date("not_before_ns"),
    "tls.notafter": date("not_after_ns"),
    "tls.subjectaltname": lambda r: (certificate_of(r).get("san") or {}).get("dns", []),
})

def ndpi_ja4(v):
    """JA4 without what nDPI makes in its own way: d or i by what the name is, the first two
    characters of the protocol, a hash of nothing, DTLS 1.3 and 0.9 by number."""
    head, b, c = v.split("_")
    c = c.replace("e3b0c44298fc", "000000000000")
    return "_".join([head[:1] + (head[1:3] if head[0] != "d" else "") + head[4:8], b, c])


def rows_of(d):
    """Our tls rows of the difference's flow, or of its 5-tuple."""
    if d.o is None:
        return [r for r in d.key_ours if "client_hellos" in r]
    return [r for r in d.ctx.table("tls") if r.get("flow_id") == d.o.get("flow_id")]


def one_sided(d):
    rows = rows_of(d)
    return (is_service(d) and rows
            and not any(r["client_hellos"] and r["server_hellos"] for r in rows))


def starttls(d):
    return any(r.get("starttls") for r in rows_of(d)) and \
        "ssl" not in str(d.z and d.z.get("service"))


def conns(d):
    if d.z is not None:
        return [d.z] if "conn_state" in d.z else d.ctx.conn(d.z)
    rows = [r for r in (d.o, *rows_of(d)) if r and "src_ip" in r]
    ends = {our_tuple(r) for r in rows}
    return [c for c in d.ctx.zeek.get("conn", ()) if their_tuple(c) in ends]


def zeek_gap(d):
    return any(c.get("missed_bytes") or set("gG") & set(c.get("history", ""))
               for c in conns(d))


def shifted(d):
    """Zeek's connection is off by as much; within 1 s where it is off by hours."""
    f = d.o and d.ctx.flow(d.o)
    near = 10**9 if abs(d.b - d.a) > 3600 * 10**9 else 10**6
    return f and any(abs((zeek_ns(c) - f["first_ns"]) - (d.b - d.a)) < near
                     for c in conns(d))


def midstream(d):
    """Zeek recognises protocols by the beginning of a connection it saw begin."""
    some = conns(d)
    return some and not any(set("SHsh") & set(c.get("history", "")) for c in some)


def cut_up(d):
    """More connections of Zeek than flows of ours between these ends."""
    some = conns(d)
    if d.where.startswith("service"):
        return len(d.key_theirs) > len(d.key_ours)
    ends_ = {their_tuple(c) for c in some}
    flows = [f for f in d.ctx.table("flow") if our_tuple(f) in ends_]
    return len([c for c in d.ctx.zeek.get("conn", ()) if their_tuple(c) in ends_]) > \
        len(flows)


TCP_WEIRD = ("misorder", "bad_SYN_ack", "underflow", "window_recision", "data_after_reset",
             "above_hole", "inappropriate_FIN", "bad_TCP", "SYN_with_data",
             "SYN_seq_jump", "split_routing", "data_before_established")


def tcp_weird(d):
    uids = {c["uid"] for c in conns(d)}
    return any(w.get("uid") in uids and any(n in w["name"] for n in TCP_WEIRD)
               for w in d.ctx.zeek.get("weird", ()))


def not_whole(d):
    rows = rows_of(d)
    return rows and not any(r["client_hellos"] or r["server_hellos"] for r in rows)


def not_in_ssl(d):
    return not any(d.o["sha256"] in z.get("cert_chain_fps", ())
                   or d.o["sha256"] in z.get("client_cert_chain_fps", ())
                   for z in d.ctx.zeek.get("ssl", ()))


def bad_times(d):
    return d.z["certificate.not_valid_before"] == 0


def is_service(d):
    return d.a and set(d.a.split(",")) & {"tls", "dtls"}


def one_of_retry(d):
    """tshark lists the fingerprints of both ServerHellos around a retry."""
    return any(r["server_hellos"] > 1 for r in d.ctx.table("tls"))


def backwards(d):
    return any(r.get("time_backwards") for r in d.ctx.table("source"))


def reencoded(d):
    """The same issuer and number under another hash."""
    mine, theirs = d.ctx.table("certificate"), d.ctx.zeek.get("x509", ())
    some = {r.get("serial") for r in mine} & {z["certificate.serial"] for z in theirs}
    if d.where.endswith("x509"):
        return (d.o or {}).get("serial") in some or \
            (d.z or {}).get("certificate.serial") in some
    serials = {r["sha256"]: r.get("serial") for r in mine}
    return any(serials.get(h) in some for h in set(d.a or ()) - set(d.b or ()))


def unreadable(d):
    bad = {r["sha256"] for r in d.ctx.table("certificate") if not r.get("subject")
           and not r.get("issuer")}
    if d.where.endswith("x509"):
        return d.o and d.o["sha256"] in bad
    return bool(bad & set(d.a or ()))


def unknown(d):
    some = [f for f in d.ctx.table("flow") if our_tuple(f) == d.z["key"]]
    return some and not any(f.get("service") for f in some)


def underscore(d):
    """Equal but for the part with extensions, and there are no signature algorithms."""
    want = d.z["match"].get("tls.ja4", "")
    return any(r.get("ja4", "")[:23] == want[:23] for r in d.key_ours) and \
        want.startswith(("t10", "t11"))


def old_draft(d):
    return "draft-<16" in d.z["match"].get("tls.version", "")


def simulated(d):
    return "--simulate" in d.z["args"]


def not_compared(d):
    return any(k.startswith(("ether.", "has-key")) for k in d.z["match"])


SSL_SEES = ("zeek9 ssl", "zeek9 x509", "service")
CLASSES = [
    Class("one_sided", "service", None,
          "Zeek names a service when both sides have spoken it", one_sided),
    Class("inside_another", ("service", "zeek9"), None,
          "TLS behind a protocol that Zeek does not read to that point", starttls),
    Class("zeek_gap", SSL_SEES, None,
          "Zeek's analyzer stops at missing bytes, nrtool goes on behind them", zeek_gap),
    Class("midstream", ("service", "zeek9 ssl"), {"service", "extra"},
          "Zeek names a protocol only where it saw the connection begin", midstream),
    Class("not_whole", "zeek9 ssl", {"extra"},
          "the hello was cut off: a row with complete 0, none in Zeek", not_whole),
    Class("x509_without_ssl", "zeek9 x509", {"extra"},
          "Zeek's row of the connection has not got the certificate: compared there",
          not_in_ssl),
    Class("cut_up", ("service", "zeek9 ssl"), None,
          "Zeek makes several connections of the flow, whose times or ports run astray",
          cut_up),
    Class("tcp_weird", ("service", "zeek9 ssl"), None,
          "Zeek's reassembly lost its way (weird.log says how)", tcp_weird),
    Class("draft_resumed", "zeek9 ssl", {"resumed"},
          "experimental TLS 1.3: Zeek takes the session id, repeated for middle boxes, "
          "for resumption", lambda d: d.b and str(d.o.get("version")).startswith("0x")),
    Class("server_alone", "zeek9 ssl", {"resumed"},
          "the ServerHello accepts a key that a hello not seen offered",
          lambda d: d.a and not d.o["client_hellos"]),
    Class("early_data", "zeek9 ssl", {"established"},
          "Zeek takes early data for the client's end of the handshake",
          lambda d: d.b and d.o["early_data"]),
    Class("time_shifted", "zeek9 ssl", {"ts"},
          "Zeek reads the file's time stamps otherwise: its connections are off by as "
          "much", shifted),
    Class("time_backwards", "zeek9 ssl", {"ts"},
          "the file's times run backwards; Zeek takes the clock, nrtool the packet's own",
          backwards),
    Class("reencoded", ("zeek9 ssl", "zeek9 x509"), {"match", "extra", "cert_chain_fps"},
          "Zeek hashes the certificate as it would encode it, nrtool as it was sent",
          reencoded),
    Class("unreadable", ("zeek9 ssl", "zeek9 x509"), {"extra", "cert_chain_fps"},
          "nrtool lists what was sent as a certificate and is none", unreadable),
    Class("clamped", "zeek9 x509", {"not_after", "not_before"},
          "a time that 64 bits of nanoseconds do not hold",
          lambda d: d.a and abs(d.a) == 9223372036),
    Class("no_time", "zeek9 ssl", {"ts"},
          "packets without a time: Zeek's clock begins at 1 s", lambda d: d.a == 0),
    Class("bad_times", "zeek9 x509", {"not_before", "not_after"},
          "Zeek cannot read one of the certificate's times", bad_times),
    Class("refused_time", "zeek9 x509", {"not_before", "not_after"},
          "a time that is none: NULL", lambda d: d.a is None),
    Class("unknown_signature", "zeek9 x509", {"sig_alg"},
          "Zeek's libcrypto has no name for it, nrtool gives the object identifier",
          lambda d: d.b == ""),
    Class("websocket", ("service", "zeek9 ssl"), {"service", "match"},
          "TLS inside WebSocket, which is not read",
          lambda d: any("websocket" in str(c.get("service")) for c in conns(d))),
    Class("retry", "truth", {"tls_ja3s"},
          "tshark lists the fingerprints of both ServerHellos around a retry, nrtool has "
          "the first", one_of_retry),
    Class("rdp_certificate", "zeek9 x509", {"match"},
          "certificates of RDP itself, not of TLS",
          lambda d: not any(z.get("cert_chain_fps") for z in d.ctx.zeek.get("ssl", ()))),
    Class("syn_again", ("zeek9 ssl", "ndpi"), None,
          "SYN-ACKs with different numbers: each tool follows another one",
          lambda d: "tcp_syn_seq" in d.ctx.anomalies),
    Class("damaged", ("zeek9 ssl", "ndpi", "service"), None,
          "the capture's own damage: SYN with payload, times that jump between packets",
          lambda d: {"tcp_syn_data", "time_jump"} <= d.ctx.anomalies),
    Class("sections", "zeek9 ssl", None,
          "Zeek misreads a section in the other byte order, nrtool reads all packets",
          lambda d: "mixed-endian" in d.ctx.manifest.get("exercises", "")
          or "big-endian" in d.ctx.manifest.get("format_features", "")),
    Class("zeek_rejects", "service", {"service"},
          "Zeek takes back a service whose later records break the protocol",
          lambda d: is_service(d) and any(
              a["kind"].startswith("tls_") for a in d.ctx.table("anomaly"))
          or d.a and any(f.get("parser_close") == "error" for f in d.key_ours)),
    Class("no_hello", "zeek9 ssl", {"match"},
          "Zeek writes a row without having seen a hello",
          lambda d: not set("CScs") & set(d.z["ssl_history"])),
    Class("of_quic", "ndpi", None, "a row of QUIC: compared with its own mapping",
          lambda d: d.key_ours and all(r["transport"] == "quic" for r in d.key_ours)),
    Class("unknown_carrier", ("arkime", "ndpi"), None,
          "a hello in the packets of another protocol (OpenVPN, …) that is not read",
          unknown),
    Class("underscore", "suricata", None,
          "Suricata's JA4 ends the extensions with an underscore, against its description, "
          "where there are no signature algorithms", underscore),
    Class("old_draft", "suricata", None,
          "the first drafts of TLS 1.3 say 0x0304; nrtool names that TLS 1.3", old_draft),
    Class("old_draft_ja3s", "truth", {"tls_ja3s"},
          "tshark reads the ServerHello of the first drafts of TLS 1.3 as that of TLS 1.2",
          lambda d: any(r.get("version") == "TLSv1.3" and r.get("cipher", "").startswith(
              "TLS_ECDHE") for r in d.ctx.table("tls"))),
    Class("simulated", "suricata", None,
          "Suricata was told to simulate errors or to drop", simulated),
    Class("not_compared", "suricata", None,
          "the event is told apart by what no row has: MAC addresses, presence of a key",
          not_compared),
]

MAPPING = Mapping(
    name="tls",
    tables=["tls", "certificate", "source"],
    zeek=[SSL, X509],
    truth=[
        Count("tls_client_hello", hellos("client_hellos")),
        Count("tls_server_hello", hellos("server_hellos")),
        Values("tls_sni", of_tcp("server_name"), distinct=True),
        Values("tls_ja3", of_tcp("ja3"), distinct=True),
        Values("tls_ja3s", of_tcp("ja3s"), distinct=True),
    ],
    events=[EVENTS],
    fields=[
        Field("arkime", "tls.ja3", "tls", "ja3"),
        Field("arkime", "tls.ja3s", "tls", "ja3s"),
        Field("arkime", "tls.ja4", "tls", "ja4"),
        Field("ndpi", "JA3C", "tls", "ja3"),
        Field("ndpi", "JA4", "tls", "ja4", same=ndpi_ja4),
        Field("ndpi", "JA3S", "tls", "ja3s", same=lambda v: v.split()[0]),
    ],
    services={"ssl": "tls", "dtls": "dtls"},
    classes=CLASSES,
    logs=["ssl", "x509"],
)
