# SPDX-License-Identifier: BSD-3-Clause
"""ntp: one row a message, here and in Zeek. The smallest mapping: copy this one."""

from sessions.mapping import Class, Column, Count, Mapping, ZeekLog, zeek_bytes

EPOCH = 2208988800  # 1900 to 1970


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


def log2(key):
    def get(z):
        return float(z[key]) if key in z else None
    return get


def ref_id(z):
    """Zeek: text for stratum 0 and 1, an address above."""
    return zeek_bytes(z.get("ref_id"))


SERVER = lambda ctx: [r for r in ctx.table("ntp") if 1 <= r["mode"] <= 5]  # noqa: E731

MAPPING = Mapping(
    name="ntp",
    tables=["ntp"],
    zeek=[
        ZeekLog("ntp", SERVER, [
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
        ]),
    ],
    truth=[Count("ntp_packets", lambda ctx: len(ctx.table("ntp")))],
    services={"ntp": "ntp"},
    classes=[],
)
