# SPDX-License-Identifier: BSD-3-Clause
"""tls and certificate: a connection is one row here and in Zeek; Zeek's time is that of
the first hello, nrtool's first_ns. Zeek logs a certificate anew in each connection of its
cache's life, nrtool once."""

import re

from sessions.mapping import (Class, Column, Count, Events, Field, Mapping, Values,
                              ZeekLog, ends, our_tuple, their_tuple, zeek_ns)

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
], our_time=lambda r: r["first_ns"])


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
    """tshark counts DTLS and QUIC apart, and gives these ports to HTTP and RDP, whatever
    they carry."""
    return [r for r in ctx.table("tls") if r["transport"] == "tcp"
            and not (r["dst_port"] in (80, 8080) and not r["starttls"])
            and r["dst_port"] != 3389]


def hellos(column):
    return lambda ctx: sum(r[column] for r in of_tshark(ctx))


def of_tcp(column):
    return lambda ctx: [r.get(column) for r in of_tshark(ctx)]


def suricata_version(r):
    v = re.sub(r"-draft(\d+)", r" draft-\1", r.get("version", "UNDETERMINED"))
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

def rows_of(d):
    """Our tls rows of the difference's flow, or of its 5-tuple."""
    if d.o is None:
        return [r for r in d.key_ours if "client_hellos" in r]
    return [r for r in d.ctx.table("tls") if r.get("flow_id") == d.o.get("flow_id")]


def one_sided(d):
    rows = rows_of(d)
    return (d.a in ("tls", "dtls") and rows
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


def zeek_broke(d):
    uids = {c["uid"] for c in conns(d)}
    return any(a.get("uid") in uids and "violation" in str(a)
               and ("SSL" in str(a) or "DTLS" in str(a))
               for a in d.ctx.zeek.get("analyzer", ()))


def zeek_gap(d):
    return any(c.get("missed_bytes") or set("gG") & set(c.get("history", ""))
               for c in conns(d))


def shifted(d):
    """Zeek's connection is off by as much."""
    f = d.o and d.ctx.flow(d.o)
    return f and any(abs((zeek_ns(c) - f["first_ns"]) - (d.b - d.a)) < 10**6
                     for c in conns(d))


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


def ja4_parts(d):
    """(ours, theirs) of one JA4 each, or None."""
    return (d.a[0], d.b[0]) if len(d.a) == len(d.b) == 1 else None


def ndpi_ja4(d):
    """The parts that nDPI makes in its own way, taken away on both sides."""
    parts = ja4_parts(d)
    if not parts:
        return False
    a, b = parts
    r = rows_of(d)[0]
    if a[3] != b[3] and (b[3] == "d") == ("server_name" in r) and "." in \
            r.get("server_name", ".") and not r.get("server_name", "0")[-1].isdigit():
        return False
    return a[4:8] == b[4:8] and a[11:24] == b[11:24] and \
        (a[24:] == b[24:] or b.endswith("_e3b0c44298fc"))


def quic(d):
    """The row belongs to QUIC, whose hello is no row here."""
    return not rows_of(d) and any(
        f["proto"] == "udp" for f in d.ctx.table("flow")
        if our_tuple(f) == ends(*d.z["key"][0], *d.z["key"][1]))


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
    Class("zeek_violation", SSL_SEES, None,
          "Zeek's analyzer gave up at a protocol violation", zeek_broke),
    Class("zeek_gap", SSL_SEES, None,
          "Zeek's analyzer stops at missing bytes, nrtool goes on behind them", zeek_gap),
    Class("time_shifted", "zeek9 ssl", {"ts"},
          "Zeek reads the file's time stamps otherwise: its connections are off by as "
          "much", shifted),
    Class("time_backwards", "zeek9 ssl", {"ts"},
          "the file's times run backwards; Zeek takes the clock, nrtool the packet's own",
          backwards),
    Class("dtls_first_event", "zeek9 ssl", {"ts"},
          "Zeek's time is that of the first fragment of a hello, nrtool's of the last",
          lambda d: d.o["transport"] == "udp"),
    Class("reencoded", ("zeek9 ssl", "zeek9 x509"), {"match", "extra", "cert_chain_fps"},
          "Zeek hashes the certificate as it would encode it, nrtool as it was sent",
          reencoded),
    Class("unreadable", ("zeek9 ssl", "zeek9 x509"), {"extra", "cert_chain_fps"},
          "nrtool lists what was sent as a certificate and is none", unreadable),
    Class("clamped", "zeek9 x509", {"not_after", "not_before"},
          "a time that 64 bits of nanoseconds do not hold",
          lambda d: d.a and abs(d.a) == 9223372036),
    Class("ndpi_ja4", "ndpi JA4", {"JA4"},
          "nDPI writes the first two characters of the protocol, d without a server name, "
          "i where the name is an address, and a hash of nothing", ndpi_ja4),
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
        Field("ndpi", "JA4", "tls", "ja4"),
        Field("ndpi", "JA3S", "tls", "ja3s", same=lambda v: v.split()[0]),
    ],
    services={"ssl": "tls", "dtls": "dtls"},
    classes=CLASSES,
    logs=["analyzer", "x509"],
)
