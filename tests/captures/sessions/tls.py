# SPDX-License-Identifier: BSD-3-Clause
"""tls and certificate: a connection is one row here and in Zeek; Zeek's time is that of
the first hello, nrtool's first_ns. Zeek logs a certificate anew in each connection of its
cache's life, nrtool once."""

import re

from sessions.mapping import Class, Column, Count, Events, Field, Mapping, Values, ZeekLog

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


KEYS = {"ec": "ecdsa", "ed25519": None, "ed448": None}


def key_type(r):
    t = r.get("key_type")
    return KEYS.get(t, t)


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


def hellos(column):
    return lambda ctx: sum(r[column] for r in ctx.table("tls")
                           if r["transport"] == "tcp")


def of_tcp(column):
    return lambda ctx: [r.get(column) for r in ctx.table("tls")
                        if r["transport"] == "tcp"]


def suricata_version(r):
    v = re.sub(r"-draft(\d+)", r" draft-\1", r.get("version", "UNDETERMINED"))
    return v.replace("TLSv1.0", "TLSv1").replace("TLSv", "TLS ").replace("SSLv", "SSL ")


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
    s = s if len(s) % 2 == 0 else "0" + s
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

MAPPING = Mapping(
    name="tls",
    tables=["tls", "certificate"],
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
    classes=[],
)
