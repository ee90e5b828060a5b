# SPDX-License-Identifier: BSD-3-Clause
"""ftp: every command with its reply is a row here. Zeek logs some commands (transfers, and
what opens data connections), and what is still open at a connection's end; its time is
the command's."""

import collections
import re

import common
from sessions import _tshark
from sessions.mapping import (Class, Column, Count, Events, Mapping, Values, ZeekLog,
                              our_bytes, our_tuple, their_tuple, zeek_bytes, zeek_ns)

VERB = re.compile(rb"^(USER|PASS|ACCT|AUTH|QUIT|FEAT|OPTS|SYST|PASV|EPSV|PORT|EPRT|RETR|STOR"
                  rb"|LIST|NLST|TYPE|SIZE|MDTM|PBSZ|PROT|MLS[DT]|CWD|X?PWD|CDUP|NOOP)\b",
                  re.M | re.I)
RECORDS = {b"\x14", b"\x15", b"\x16", b"\x17"}
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
        return r["reply_code"], last_line(r)
    if r.get("interim"):
        return int(r["interim"][-1][:3]), our_bytes(r["interim"][-1][4:])
    return None, None


def last_line(r):
    """Zeek keeps the last line with a code."""
    lines = r["reply_text"].split("\n")
    return our_bytes(lines[-1 if r["complete"] else 0]).strip(b" \0")


def gave_up(ctx, r):
    """When Zeek's FTP parser left the connection of a row."""
    uids = {c["uid"] for c in ctx.zeek.get("conn", ()) if their_tuple(c) == our_tuple(r)}
    return min((zeek_ns(a) for a in ctx.zeek.get("analyzer", ())
                if a.get("analyzer_name") == "FTP" and a.get("uid") in uids),
               default=float("inf"))


def as_zeek(ctx):
    """The rows that Zeek has, with the replies it has in them (scripts/base/protocols/ftp/
    main.zeek): an answered command is written when the next one comes or the connection
    ends, with the reply that came last, whatever that answered; where several commands
    wait, at once with its own. One that is not answered is written at the end. What comes
    behind a line for which Zeek gave up the connection is not read (analyzer.log)."""
    flows = collections.defaultdict(list)
    for r in ctx.table("ftp"):
        flows[r["flow_id"]].append(r)
    of_zeek = {id(r) for r in logged(ctx)}
    for rows in flows.values():
        stop = gave_up(ctx, rows[0])
        for i, r in enumerate(rows):
            if id(r) not in of_zeek:
                continue
            after = [x["command_ns"] for x in rows if x.get("command_ns", 0) > time(r)]
            answered = reply(r)[0] is not None
            until = min([*after, stop]) if answered else stop
            if not answered or r["ts_ns"] <= until:
                before = [x for x in rows if reply(x)[0] and x["ts_ns"] <= until]
                yield {**r, "reply": reply(before[-1]) if before else (None, None)}
            else:
                yield {**r, "reply": reply(r)}


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


def no_verb(d):
    """What Zeek read as a command has no letters to be one of FTP's."""
    return d.z is not None and d.z["command"] not in ("<init>",) and not any(
        r.get("command") == d.z["command"] for r in d.ctx.table("ftp"))


def commands(ctx):
    return [r for r in ctx.table("ftp") if "command" in r]


def packets(ctx):
    """[word] of each packet of a client that tshark reads as a command: it looks at
    every packet by itself, and only at its first line. That are the packets in which a
    command of nrtool's ends, the first one there, and those before such that hold a piece
    of it: no end of a line."""
    for rows in by_flow(ctx).values():
        ended = {}
        for r in rows:
            if "command" in r:
                ended.setdefault(r["command_ns"], r["command"])
        waiting = []
        for at, payload in client_packets(ctx, rows[0]):
            piece = [payload.split(b" ")[0].decode("latin-1").strip().upper()]
            if payload[:1] in RECORDS:  # TLS is read as that
                waiting = []
            elif b"\n" not in payload and at not in ended:
                waiting += piece
            elif at in ended:
                yield from waiting
                yield piece[0] if waiting else ended.pop(at)
                ended.pop(at, None)
                waiting = []
        yield from ended.values()


def by_flow(ctx):
    flows = collections.defaultdict(list)
    for r in ctx.table("ftp"):
        flows[r["flow_id"]].append(r)
    return flows


def client_packets(ctx, r):
    """[(time, payload)] of the packets of a row's client that hold something new."""
    ends = [(r[s + "_ip"], r[s + "_port"]) for s in ("src", "dst")]
    if ends[0][1] in (21, 2121):
        ends.reverse()
    return [(at, payload) for _, at, payload in
            _tshark.new_packets(common.captures() / ctx.file, *ends)]


def clear_again(d):
    """Behind an accepted AUTH of its connection."""
    return any(r.get("command") == "AUTH" and r.get("reply_code") == 234
               and r["flow_id"] == d.o["flow_id"] and r["packet"] < d.o["packet"]
               for r in commands(d.ctx))


def never_a_command(d):
    """No line of a client on FTP's port begins with a word of letters that FTP has."""
    if commands(d.ctx):
        return False
    for f in d.ctx.table("flow"):
        if 21 in (f["src_port"], f["dst_port"]) and f["proto"] == "tcp":
            for _, payload in client_packets(d.ctx, f):
                if VERB.search(payload):
                    return False
    return True


def zeek_refused(d):
    """Zeek's analyzer.log says that its FTP parser gave up this connection."""
    rows = d.key_theirs if d.where.startswith("service") else d.ctx.conn(d.z or {})
    uids = {c["uid"] for c in rows}
    if d.o is not None and not uids:
        uids = {c["uid"] for c in d.ctx.zeek.get("conn", ())
                if their_tuple(c) == our_tuple(d.o)}
    return any(a.get("analyzer_name") == "FTP" and a.get("uid") in uids
               for a in d.ctx.zeek.get("analyzer", ()))


def open_reply(d):
    return any("\n" in r.get("reply_text", "") and not r["complete"]
               for r in d.ctx.table("ftp") if d.o and r["flow_id"] == d.o["flow_id"])


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
        ZeekLog("ftp", as_zeek, [
            Column("command", lambda r: r.get("command", "<init>"), main=True),
            Column("user", theirs=user),
            Column("reply_code", lambda r: r["reply"][0]),
            Column("reply_msg", lambda r: r["reply"][1], their_text, same=same_text),
        ], our_time=time),
    ],
    truth=[Count("ftp_cmd_count", lambda ctx: len(list(packets(ctx)))),
           Values("ftp_cmds", lambda ctx: list(packets(ctx)), fold=True)],
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
        Class("no_verb", "zeek9 ftp", {"match"},
              "what Zeek logs as a command is none of FTP's: no FTP here", no_verb),
        Class("zeek_refused", ("service", "zeek9"), {"service", "extra"},
              "Zeek's parser gave up at a line that is no reply", zeek_refused),
        Class("open_reply", "zeek9", {"reply_code", "reply_msg"},
              "a reply of several lines has no end, so that Zeek takes later ones for its "
              "lines", open_reply),
        Class("one_side", ("service", "zeek9"), {"service", "extra"},
              "Zeek names FTP once both sides spoke it", one_side),
        Class("no_verb", "service", {"service"},
              "Zeek takes what it likes on port 21", lambda d: d.a is None),
        Class("unanswered", "service", {"service"},
              "Zeek names FTP once a command was answered",
              lambda d: d.o is not None and not any(
                  "command" in r and "reply_code" in r for r in d.ctx.table("ftp")
                  if r["flow_id"] == d.o["flow_id"])),
        Class("clear_again", "zeek9", {"extra"},
              "the connection leaves TLS again (CCC; RFC 4217, 12): Zeek reads all behind "
              "AUTH as TLS", clear_again),
        Class("last_only", "zeek9", {"extra"},
              "of what is open at the end Zeek logs one command",
              lambda d: d.o["command"] not in LOGGED and not d.o["complete"]),
        Class("max_tx", "suricata", None,
              "the test limits Suricata's transactions", max_tx),
        Class("never_a_command", "truth", None,
              "no line of it is a command: tshark goes by the port", never_a_command,
              counted=False),
    ],
)
