# SPDX-License-Identifier: BSD-3-Clause
"""dhcp: one row a message here; Zeek logs an exchange, its messages gathered by
transaction id. The exchanges are built from nrtool's messages as Zeek's script does it;
where Zeek's timers cut an exchange in two is taken from the times of its rows, what is
in it from nrtool's."""

import bisect
import collections

from sessions.mapping import Class, Column, Count, Events, Mapping, ZeekLog

MAX_MESSAGES = 50  # of one row of Zeek
OPTIONS = {  # names that Suricata gives the codes of option 55
    1: "subnet_mask", 3: "router", 6: "dns_server", 12: "hostname", 15: "domain",
    35: "arp_timeout", 42: "ntp_server",
}


def type_name(r):
    t = r.get("message_type")
    return t.upper() if t else None


def exchanges(ctx):
    """Zeek's rows as nrtool's messages make them."""
    starts = sorted(round(z["ts"] * 1e6) for z in ctx.zeek.get("dhcp", ()))
    by = collections.defaultdict(list)
    for r in sorted(ctx.table("dhcp"), key=lambda r: r["packet"]):
        if r.get("message_type"):
            by[r["trans_id"]].append(r)
    for messages in by.values():
        group = []
        for r in messages:
            us = r["ts_ns"] // 1000
            i = bisect.bisect_left(starts, us - 1)
            begins = i < len(starts) and starts[i] <= us + 1
            if group and (len(group) == MAX_MESSAGES or begins
                          and us > group[0]["ts_ns"] // 1000 + 1):
                yield exchange(ctx, group)
                group = []
            group.append(r)
        if group:
            yield exchange(ctx, group)


def exchange(ctx, messages):
    e = {"ts_ns": messages[0]["ts_ns"], "msg_types": [type_name(r) for r in messages],
         "duration": messages[-1]["ts_ns"] - messages[0]["ts_ns"],
         "src_ip": messages[0]["src_ip"], "dst_ip": messages[0]["dst_ip"],
         "messages": messages}
    chaddr = None
    for r in messages:
        if r["operation"] == "request":
            for key, column in (("host_name", "host_name"), ("client_fqdn", "fqdn"),
                                ("requested_addr", "requested_ip"),
                                ("client_message", "message")):
                if column in r:
                    e[key] = r[column]
            # Zeek takes the hardware address of option 61 for the client's
            if len(r.get("client_id", "")) == 17:
                e["mac"] = r["client_id"]
            else:
                chaddr = r.get("client_mac")
        else:
            e.setdefault("mac", r.get("client_mac"))
            for key, column in (("assigned_addr", "assigned_ip"),
                                ("domain", "domain_name"), ("lease_time", "lease_s"),
                                ("server_message", "message")):
                if column in r:
                    e[key] = r[column]
    e["mac"] = e.get("mac") or chaddr
    return e


ZEEK = ZeekLog(
    "dhcp", exchanges, [
        Column("msg_types", main=True),
        Column("mac", main=True),
        Column("duration", theirs=lambda z: round(z["duration"] * 1e6) * 1000,
               same=lambda a, b: abs(a - b) <= 2000),
        Column("host_name"),
        Column("client_fqdn"),
        Column("domain"),
        Column("requested_addr"),
        Column("assigned_addr"),
        Column("lease_time"),
        Column("client_message"),
        Column("server_message"),
    ],
    # no 5-tuple in Zeek's log: time, types and hardware address tell rows apart
    our_key=lambda r: None, their_key=lambda z: None)

EVENTS = Events("dhcp", "dhcp", {
    "pcap_cnt": "packet",
    "dhcp.type": "operation",
    "dhcp.id": "trans_id",
    "dhcp.dhcp_type": "message_type",
    "dhcp.client_mac": "client_mac",
    "dhcp.client_id": "client_id",
    "dhcp.client_ip": lambda r: r.get("client_ip", "0.0.0.0"),
    "dhcp.assigned_ip": lambda r: r.get("assigned_ip", "0.0.0.0"),
    "dhcp.next_server_ip": lambda r: r.get("next_server_ip", "0.0.0.0"),
    "dhcp.relay_ip": lambda r: r.get("relay_ip", "0.0.0.0"),
    "dhcp.hostname": "host_name",
    "dhcp.lease_time": "lease_s",
    "dhcp.renewal_time": "renewal_s",
    "dhcp.rebinding_time": "rebinding_s",
    "dhcp.subnet_mask": "subnet_mask",
    "dhcp.routers": "routers",
    "dhcp.dns_servers": "dns_servers",
    "dhcp.vendor_class_identifier": "vendor_class",
    # Suricata lists only those it has a name for
    "dhcp.params": lambda r: [OPTIONS[c] for c in r.get("parameter_list", ())
                              if c in OPTIONS],
})

MAPPING = Mapping(
    name="dhcp",
    tables=["dhcp"],
    zeek=[ZEEK],
    truth=[Count("dhcp_msgs", lambda ctx: len(ctx.table("dhcp")))],
    events=[EVENTS],
    services={"dhcp": "dhcp"},
    classes=[],
)
