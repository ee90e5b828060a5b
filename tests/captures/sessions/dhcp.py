# SPDX-License-Identifier: BSD-3-Clause
"""dhcp: one row a message here; Zeek logs an exchange, its messages gathered by
transaction id. The exchanges are built from nrtool's messages as Zeek's script does it;
where Zeek's timers cut an exchange in two is taken from the times of its rows, what is
in it from nrtool's."""

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
    starts = collections.defaultdict(set)
    for z in ctx.zeek.get("dhcp", ()):
        us = round(z["ts"] * 1e6)
        starts[z.get("mac", "")[:17]] |= {us - 1, us, us + 1}
    by = collections.defaultdict(list)
    for r in sorted(ctx.table("dhcp"), key=lambda r: r["packet"]):
        if r.get("message_type"):
            by[r["trans_id"]].append(r)
    for messages in by.values():
        group = []
        for r in messages:
            us = r["ts_ns"] // 1000
            begins = us in starts[r.get("client_mac", "")] \
                and us > group[0]["ts_ns"] // 1000 + 1 if group else False
            if group and (len(group) == MAX_MESSAGES or begins):
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
    # No 5-tuple in Zeek's log. Behind an address of 6 bytes it prints two more where these
    # are not 0.
    our_key=lambda r: r["mac"], their_key=lambda z: z.get("mac", "")[:17])

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

def of_flow(d):
    """All messages of the flow that a difference is about."""
    row = d.o["messages"][0] if d.o and "messages" in d.o else d.o
    return [r for r in d.ctx.table("dhcp") if row and r["flow_id"] == row["flow_id"]]


def at_zero(d):
    return d.o is not None and d.o["ts_ns"] == 0


def all_cut(d):
    rows = of_flow(d)
    return bool(rows) and not any(r["complete"] for r in rows)


def bad_cookie_before(d):
    """Zeek's analyzer has left the flow at an earlier message."""
    rows = of_flow(d)
    return len(rows) > 1 and any("message_type" not in r for r in rows)


def padded(d):
    return d.a is not None and d.b is not None and d.a + "\\x00" == d.b.rstrip("\0")


def padded_event(d):
    m = d.z["match"]
    return any(str(m.get(f"dhcp.{k}", "")).endswith("\0") for k in ("hostname",))


def other_sender(d):
    """The message's own field and its addresses disagree about who sent it."""
    for r in d.o["messages"]:
        f = d.ctx.flow(r)
        if r["operation"] == "reply" and r.get("dst_port") == r.get("src_port") == 67:
            return True
        if r["operation"] == "request" and f["src_packets"] == 0:
            return True
    return False


def first_part(d):
    return bool(d.a and d.b) and d.a.startswith(d.b) and len(d.a) > len(d.b)


SERVERS = {"assigned_addr", "lease_time", "domain", "server_message", "host_name",
           "client_fqdn", "requested_addr", "client_message"}

MAPPING = Mapping(
    name="dhcp",
    tables=["dhcp"],
    zeek=[ZEEK],
    # tshark calls messages without option 53 bootp
    truth=[Count("dhcp_msgs", lambda ctx: sum("message_type" in r
                                              for r in ctx.table("dhcp")))],
    events=[EVENTS],
    services={"dhcp": "dhcp"},
    classes=[
        Class("zero_time", "zeek9 dhcp", {"ts", "extra"},
              "packets dated 1970-01-01 00:00:00, the time at which Zeek's clock has not "
              "begun yet", at_zero),
        Class("cut", "service", {"service"},
              "the capture has cut all messages of the flow short; Zeek does not parse such",
              all_cut),
        Class("bad_cookie", ("zeek9 dhcp", "service"), {"extra", "service"},
              "a message of the flow is BOOTP or has no cookie: Zeek's analyzer leaves the "
              "flow there", bad_cookie_before),
        Class("padded", "zeek9 dhcp", {"host_name", "domain", "client_message"},
              "names may be padded with NUL (RFC 2132, 2): nrtool leaves the padding out",
              padded),
        Class("padded_event", "suricata", None,
              "names may be padded with NUL (RFC 2132, 2): nrtool leaves the padding out",
              padded_event),
        Class("sender", "zeek9 dhcp", SERVERS,
              "Zeek tells client from server by ports and direction, nrtool by the "
              "message's own field; of relayed and odd messages they say different things",
              other_sender),
        Class("first_part", "zeek9 dhcp", {"client_message", "server_message"},
              "parts of one option are put together (RFC 3396); Zeek has the first",
              first_part),
    ],
)
