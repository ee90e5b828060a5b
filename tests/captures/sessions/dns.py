# SPDX-License-Identifier: BSD-3-Clause
"""dns: a query with its response is one row here and in Zeek. Zeek's time is the query's;
nrtool's that of the message that completed the row."""

from sessions.mapping import Column, Count, Mapping, ZeekLog


def of_service(name):
    """Rows whose flow has this service."""
    return lambda ctx: [r for r in ctx.table("dns")
                        if (ctx.flow(r) or {}).get("service") == name]


def queries(ctx):
    return sum(not r.get("response_only") for r in of_service("dns")(ctx))


def responses(ctx):
    return sum(bool(r.get("answered") or r.get("response_only"))
               for r in of_service("dns")(ctx))


MAPPING = Mapping(
    name="dns",
    tables=["dns"],
    zeek=[
        ZeekLog("dns", "dns", [
            Column("trans_id", main=True),
            Column("query", "query_name", main=True),
        ], our_time=lambda r: r["ts_ns"] - (r.get("rtt_ns") or 0)),
    ],
    truth=[Count("dns_query", queries), Count("dns_response", responses)],
    services={"dns": "dns"},
    classes=[],
)
