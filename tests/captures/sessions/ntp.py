# SPDX-License-Identifier: BSD-3-Clause
"""ntp: one row a message, here and in Zeek. The smallest mapping: copy this one."""

from sessions.classes import quoted
from sessions.mapping import (Class, Column, Count, Mapping, ZeekLog, our_bytes,
                              zeek_bytes)


def near(digits):
    """Zeek's doubles keep about 16 digits: of times since 1970 fractions of a µs."""
    def same(a, b):
        return a == b or (a is not None and b is not None and abs(a - b) <= digits)
    return same


def time(key):
    """Zeek gives times since 1970 as a double; 0.0 where the field was 0."""
    def get(z):
        v = float(z.get(key, 0))
        return None if v == 0 else round(v * 1e6) * 1000
    return get


def span(key):
    return lambda z: None if key not in z else round(float(z[key]) * 1e9)


def power(key):
    """A power of two of seconds: Zeek writes the seconds."""
    return lambda r: None if key not in r else 2.0 ** r[key]


def ref_id(z):
    """Zeek writes all four bytes in stratum 0 and 1, an address above; 0 is none."""
    if z["stratum"] > 1:
        return z["ref_id"].encode() if z["ref_id"] != "0.0.0.0" else None
    return zeek_bytes(z["ref_id"]).rstrip(b"\0") or None


def of_modes(ctx):
    """Zeek logs control and private messages elsewhere."""
    return [r for r in ctx.table("ntp") if r["mode"] < 6]


def second_off(d):
    """Zeek takes the fraction for a signed number: one second less from 0.5 on."""
    return d.b is not None and 0 <= d.a - d.b - 999999999 <= 1 and \
        d.a % 10**9 >= 5 * 10**8


def other_era(d):
    return d.a is not None and d.b is not None and abs(d.a - d.b - 2**32 * 10**9) < 2000


def extensions(d):
    """More than a key id and a digest of 16 or 20 bytes behind the header."""
    f = d.o if d.where.startswith("zeek9") else d.key_ours[0]
    rows = [r for r in d.ctx.table("ntp") if r["flow_id"] == f["flow_id"]]
    return any(r["trailer_bytes"] not in (0, 20, 24) for r in rows)


MAPPING = Mapping(
    name="ntp",
    tables=["ntp", "icmp"],
    zeek=[
        ZeekLog("ntp", of_modes, [
            Column("version", main=True),
            Column("mode", main=True),
            Column("stratum"),
            Column("transmit", "transmit_ns", time("xmt_time"), same=near(1000),
                   main=True),
            Column("receive", "receive_ns", time("rec_time"), same=near(1000)),
            Column("origin", "origin_ns", time("org_time"), same=near(1000)),
            Column("reference", "reference_ns", time("ref_time"), same=near(1000)),
            Column("root_delay", "root_delay_ns", span("root_delay"), same=near(1)),
            Column("root_disp", "root_dispersion_ns", span("root_disp"), same=near(1)),
            Column("poll", power("poll")),
            Column("precision", power("precision")),
            Column("ref_id", lambda r: our_bytes(r.get("ref_id")), ref_id),
        ]),
    ],
    truth=[Count("ntp_packets", lambda ctx: len(ctx.table("ntp")))],
    services={"ntp": "ntp"},
    classes=[
        Class("signed_fraction", "zeek9 ntp", {"root_disp", "root_delay"},
              "Zeek reads the 16 bits behind the point as a signed number, so that it says "
              "a second too little from half a second on", second_off),
        Class("era", "zeek9 ntp", {"origin", "transmit", "receive", "reference"},
              "seconds whose first bit is not set are of the era from 2036 on (RFC 4330, "
              "3); Zeek puts them before 1968", other_era),
        Class("extensions", ("zeek9 ntp", "service"), {"extra", "service"},
              "Zeek does not take messages whose header is followed by anything but a "
              "digest", extensions),
        quoted("ntp_packets", {123}),
    ],
)
