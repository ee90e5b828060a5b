# SPDX-License-Identifier: BSD-3-Clause
"""ssh: one row a connection here and in Zeek. Zeek's time is that of the first
identification."""

from sessions.mapping import (Class, Column, Events, Field, Mapping, Values, ZeekLog,
                              our_tuple, their_tuple, zeek_ns)


def both_ways(name):
    """Zeek's script says both where they differ."""
    def get(r):
        a, b = r.get(name), r.get(name + "_to_client")
        return a if a == b else f"To server: {a}, to client: {b}"
    return get


def fingerprint(r):
    """Zeek keeps 24 of the 32 bytes."""
    return r["host_key_fingerprint"][:len("SHA256:") + 32] \
        if "host_key_fingerprint" in r else None


def spoken(ctx):
    """What tshark reads as SSH: port 22; sides by port; of a side whose first line does
    not begin with SSH- neither its identification further down nor its key exchange."""
    swap = {"client_version": "server_version", "server_version": "client_version",
            "hassh": "hassh_server", "hassh_server": "hassh"}
    for r in ctx.table("ssh"):
        if "pre_banner" in r:
            r = {k: v for k, v in r.items()
                 if k not in ("server_version", "hassh_server")}
        if 22 in (r["src_port"], r["dst_port"]):
            yield {swap.get(k, k): v for k, v in r.items()} if r.get("reversed") else r


def versions(ctx):
    return [r[side] for r in spoken(ctx)
            for side in ("client_version", "server_version") if side in r]


def hassh(column):
    return lambda ctx: [r.get(column) for r in spoken(ctx)]


def zeek_time(z):
    """On other ports Zeek begins once it has recognised both sides."""
    return zeek_ns(z) if z["id.resp_p"] == 22 else None


def banner(key):
    """Zeek keeps NUL and what is behind it."""
    return lambda z: z[key].split("\\x00")[0] if key in z else None


def our_rows(d):
    """Rows of the flow that a difference is about."""
    if d.where.startswith("service"):
        return [r for r in d.ctx.table("ssh") if d.o and r["flow_id"] == d.o["flow_id"]]
    return [d.o] if d.o else list(d.key_ours)


def reversed_roles(d):
    return any(r.get("reversed") for r in d.key_ours)


def one_voice(d):
    """Only one side's identification is there."""
    rows = our_rows(d)
    return rows and all(("client_version" in r) != ("server_version" in r) for r in rows)


def cut_apart(d):
    """Zeek has more connections of this 5-tuple than there are flows."""
    conns = [c for c in d.ctx.zeek.get("conn", ())
             if our_rows(d) and their_tuple(c) == our_tuple(our_rows(d)[0])]
    flows = [f for f in d.ctx.table("flow")
             if our_rows(d) and our_tuple(f) == our_tuple(our_rows(d)[0])]
    return len(conns) > len(flows)


def no_keys(d):
    rows = our_rows(d)
    return rows and not any(r.get("encrypted") for r in rows)


def software(side, part):
    """Suricata's two halves of SSH-protocol-software."""
    def get(r):
        v = (r.get(side + "_version") or "").split("-", 2)
        return v[part].split(" ")[0] if len(v) > part else None
    return get


MAPPING = Mapping(
    name="ssh",
    tables=["ssh"],
    zeek=[
        ZeekLog("ssh", "ssh", [
            Column("version"),
            Column("client", "client_version", banner("client"), main=True),
            Column("server", "server_version", banner("server"), main=True),
            Column("cipher_alg", both_ways("cipher")),
            Column("mac_alg", both_ways("mac")),
            Column("compression_alg", both_ways("compression")),
            Column("kex_alg", "kex"),
            Column("host_key_alg", "host_key_algorithm"),
            Column("host_key_fingerprint", fingerprint),
        ], our_time=lambda r: r["begin_ns"], their_time=zeek_time),
    ],
    truth=[Values("ssh_versions", versions),
           Values("ssh_hassh", hassh("hassh")),
           Values("ssh_hasshserver", hassh("hassh_server"))],
    events=[Events("ssh", "ssh", {
        "ssh.client.proto_version": software("client", 1),
        "ssh.client.software_version": software("client", 2),
        "ssh.server.proto_version": software("server", 1),
        "ssh.server.software_version": software("server", 2),
    })],
    fields=[Field("arkime", "ssh.hassh", "ssh", "hassh"),
            Field("arkime", "ssh.hasshServer", "ssh", "hassh_server")],
    services={"ssh": "ssh"},
    classes=[
        Class("reversed", "zeek9", None,
              "the initiator is the SSH server: it sent the host key. Zeek names the "
              "sides by who connected", reversed_roles),
        Class("cut_apart", ("zeek9", "service"), None,
              "Zeek makes several connections of this flow (see ZEEK_FACTS.md)", cut_apart),
        Class("one_voice", ("zeek9", "service"), {"extra", "service"},
              "only one side spoke SSH: a row here; Zeek gives up where the other said "
              "something else, and names no service", one_voice),
        Class("no_keys", ("service", "zeek9"), {"service", "host_key_fingerprint"},
              "Zeek names service and key once both sides have changed to their keys",
              no_keys),
    ],
)
