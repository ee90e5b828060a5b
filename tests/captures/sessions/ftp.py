# SPDX-License-Identifier: BSD-3-Clause
"""ftp: every command with its reply is a row here. Zeek logs some commands (transfers, and
what opens data connections), and what is still open at a connection's end; its time is
the command's."""

from sessions.mapping import (Class, Column, Count, Events, Mapping, ZeekLog, our_bytes,
                              our_tuple, their_tuple, zeek_bytes, zeek_ns)

LOGGED = {"APPE", "DELE", "RETR", "STOR", "STOU", "ACCT", "PORT", "PASV", "EPRT", "EPSV"}


def time(r):
    return r.get("command_ns", r["ts_ns"])


def logged(ctx):
    """The commands that Zeek's script logs, and those that it has a row of."""
    some = {(their_tuple(z), z["command"], zeek_ns(z) // 1000 + us)
            for z in ctx.zeek.get("ftp", ()) for us in (-1, 0, 1)}
    for r in ctx.table("ftp"):
        name = r.get("command", "<init>")
        if name in LOGGED or (our_tuple(r), name, time(r) // 1000) in some:
            yield r


def reply(r):
    """Code and text of the reply: Zeek takes a 1xx for it where no other came."""
    if "reply_code" in r:
        return r["reply_code"], r["reply_text"]
    if r.get("interim"):
        return int(r["interim"][-1][:3]), r["interim"][-1][4:]
    return None, None


def last_line(text):
    """Zeek keeps the last line of a reply."""
    return None if text is None else our_bytes(text.split("\n")[-1]).strip(b" \0")


def their_text(z):
    return zeek_bytes(z["reply_msg"]).strip(b" \0") if "reply_msg" in z else None


def user(z):
    return None if z["user"] == "<unknown>" else z["user"]


def same_text(a, b):
    """nrtool keeps 4 096 bytes of a line, Zeek more."""
    return a == b or (a is not None and b is not None and len(a) == 4092
                      and b.startswith(a))


def gap(d):
    f = d.ctx.flow(d.o)
    return bool(f["src_missed_bytes"] or f["dst_missed_bytes"])


def other_reply(d):
    """Zeek says of a command without a reply, or at the end of all, what another reply of
    the connection said."""
    if d.o is None or d.z is None:
        return False
    theirs = d.z.get("reply_code"), their_text(d.z)
    return any((reply(r)[0], last_line(reply(r)[1])) == theirs
               for r in d.ctx.table("ftp")
               if r["flow_id"] == d.o["flow_id"] and r is not d.o) or gap(d)


def no_verb(d):
    """What Zeek read as a command has no letters to be one of FTP's."""
    return d.z is not None and d.z["command"] not in ("<init>",) and not any(
        r.get("command") == d.z["command"] for r in d.ctx.table("ftp"))


def commands(ctx):
    return [r for r in ctx.table("ftp") if "command" in r]


def packets(ctx):
    """tshark counts one command for each packet."""
    return len({(r["flow_id"], r["command_ns"]) for r in commands(ctx)})


def long_line(d):
    return any(len(r.get("argument", "")) > 1000 and not r["complete"]
               for r in commands(d.ctx))


def clear_again(d):
    """AUTH TLS was accepted, and there is more behind TLS."""
    return any(r.get("command") == "AUTH" and r.get("reply_code") == 234
               for r in commands(d.ctx)) and int(d.b) > int(d.a)


def never_a_command(d):
    return int(d.a) == 0


def zeek_refused(d):
    """Zeek's analyzer.log says that its FTP parser gave up this connection."""
    rows = d.key_theirs if d.where.startswith("service") else d.ctx.conn(d.z or {})
    uids = {c["uid"] for c in rows}
    if d.o is not None and not uids:
        uids = {c["uid"] for c in d.ctx.zeek.get("conn", ())
                if their_tuple(c) == our_tuple(d.o)}
    return any(a.get("analyzer_name") == "FTP" and a.get("uid") in uids
               for a in d.ctx.zeek.get("analyzer", ()))


def one_side(d):
    """The flow has payload of one side only."""
    f = d.o if d.where.startswith("service") else d.ctx.flow(d.o)
    return f is not None and (not f["src_payload_bytes"] or not f["dst_payload_bytes"])


def max_tx(d):
    return "max-tx" in d.z.get("args", "")


MAPPING = Mapping(
    name="ftp",
    tables=["ftp"],
    zeek=[
        ZeekLog("ftp", logged, [
            Column("command", lambda r: r.get("command", "<init>"), main=True),
            Column("user", theirs=user),
            Column("reply_code", lambda r: reply(r)[0]),
            Column("reply_msg", lambda r: last_line(reply(r)[1]), their_text,
                   same=same_text),
        ], our_time=time,
            # few rows, many of them from captures made to break FTP parsers
            limit=0.055),
    ],
    truth=[Count("ftp_cmd_count", packets, limit=0.115)],
    events=[Events("ftp", "ftp", {
        "ftp.command": "command",
        "ftp.command_data": "argument",
        "ftp.command_data.__len": lambda r: len(r.get("argument", "")),
        "ftp.command_truncated":
            lambda r: len(r.get("argument", "")) + len(r.get("command", "")) >= 4095,
        "ftp.reply_truncated": lambda r: len(r.get("reply_text", "")) >= 4092,
        "ftp.dynamic_port": "data_port",
    })],
    services={"ftp": "ftp", "ftp-data": "ftp-data"},
    classes=[
        Class("other_reply", "zeek9 ftp", {"reply_code", "reply_msg"},
              "Zeek gives a command the last reply that came, also one to another command "
              "or to none", other_reply),
        Class("no_verb", "zeek9 ftp", {"match"},
              "what Zeek logs as a command is none of FTP's: no FTP here", no_verb),
        Class("zeek_refused", ("service", "zeek9"), {"service", "extra"},
              "Zeek's parser gave up at a line that is no reply", zeek_refused),
        Class("one_side", ("service", "zeek9"), {"service", "extra"},
              "Zeek names FTP once both sides spoke it", one_side),
        Class("no_verb", "service", {"service"},
              "Zeek takes what it likes on port 21", lambda d: d.a is None),
        Class("unanswered", "service", {"service"},
              "Zeek names FTP once a command was answered",
              lambda d: d.o is not None and not any(
                  "command" in r and "reply_code" in r for r in d.ctx.table("ftp")
                  if r["flow_id"] == d.o["flow_id"])),
        Class("last_only", "zeek9", {"extra"},
              "of what is open at the end Zeek logs one command",
              lambda d: d.o["command"] not in LOGGED and not d.o["complete"]),
        Class("max_tx", "suricata", None,
              "the test limits Suricata's transactions", max_tx),
        Class("long_line", "truth", None,
              "tshark counts the pieces of a long line in several packets", long_line),
        Class("clear_again", "truth", None,
              "the connection goes back to clear text behind TLS (CCC, RFC 4217, 12)",
              clear_again),
        Class("never_a_command", "truth", None,
              "no line of it is a command: tshark goes by the port", never_a_command),
    ],
)
