# SPDX-License-Identifier: BSD-3-Clause
"""ftp: every command with its reply is a row here; Zeek logs some of them (transfers,
what opens data connections, DELE, …). Zeek's time is the command's."""

from sessions.mapping import (Class, Column, Count, Events, Mapping, ZeekLog, address,
                              our_bytes, zeek_bytes)

LOGGED = {"APPE", "DELE", "RETR", "STOR", "STOU", "ACCT", "PORT", "PASV", "EPRT", "EPSV"}


def logged(ctx):
    """The commands that Zeek's script logs."""
    return [r for r in ctx.table("ftp") if r.get("command") in LOGGED]


def last_line(r):
    text = r.get("reply_text")
    return None if text is None else our_bytes(text.split("\n")[-1].strip())


def argument(r):
    """Zeek makes a URL of paths."""
    return our_bytes(r.get("argument"))


MAPPING = Mapping(
    name="ftp",
    tables=["ftp"],
    zeek=[
        ZeekLog("ftp", logged, [
            Column("command", main=True),
            Column("user"),
            Column("reply_code", main=True),
            Column("reply_msg", last_line,
                   lambda z: None if "reply_msg" not in z else
                   zeek_bytes(z["reply_msg"]).strip()),
        ], our_time=lambda r: r.get("command_ns", r["ts_ns"])),
    ],
    truth=[Count("ftp_cmd_count",
                 lambda ctx: sum("command" in r for r in ctx.table("ftp")))],
    events=[Events("ftp", "ftp", {
        "ftp.command": "command",
        "ftp.command_data": "argument",
        "ftp.dynamic_port": "data_port",
    })],
    services={"ftp": "ftp", "ftp-data": "ftp-data"},
    classes=[],
)
