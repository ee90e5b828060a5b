# SPDX-License-Identifier: BSD-3-Clause
"""smtp: one row a mail here and in Zeek; a connection without a mail is one row too.
Zeek's time is that of the row's first command or reply."""

from sessions.mapping import (Class, Column, Count, Events, Mapping, ZeekLog, our_bytes,
                              zeek_bytes)


def text(key):
    return lambda r: our_bytes(r.get(key))


def theirs(key):
    return lambda z: zeek_bytes(z.get(key))


def last_line(r):
    """Zeek keeps the last line of a reply."""
    reply = r.get("last_reply")
    if reply is None:
        return None
    lines = reply.split("\n")
    return our_bytes(f"{reply[:3]} {lines[-1] if len(lines) > 1 else reply[4:]}".strip())


def recipients(r):
    return sorted(set(r.get("rcpt_to") or [])) or None


def addresses(r):
    """Suricata keeps the brackets."""
    return [f"<{a}>" for a in r.get("rcpt_to", ())]


def commands(ctx):
    return sum(r["n_commands"] for r in ctx.table("smtp"))


MAPPING = Mapping(
    name="smtp",
    tables=["smtp"],
    zeek=[
        ZeekLog("smtp", "smtp", [
            Column("trans_depth", main=True),
            Column("helo", lambda r: r.get("helo", ""), main=True),
            Column("mailfrom", "mail_from", main=True),
            Column("rcptto", recipients,
                   lambda z: sorted(set(z.get("rcptto", []))) or None),
            Column("subject", text("subject"), theirs("subject")),
            Column("from", text("header_from"), theirs("from")),
            Column("date", text("date"), theirs("date")),
            Column("msg_id", text("message_id"), theirs("msg_id")),
            Column("in_reply_to", text("in_reply_to"), theirs("in_reply_to")),
            Column("reply_to", text("reply_to"), theirs("reply_to")),
            Column("user_agent", text("user_agent"), theirs("user_agent")),
            Column("x_originating_ip", text("x_originating_ip"),
                   theirs("x_originating_ip")),
            Column("last_reply", last_line, theirs("last_reply")),
            Column("tls", lambda r: bool(r["starttls"])),
        ], our_time=lambda r: r["begin_ns"]),
    ],
    truth=[Count("smtp_cmd_count", commands)],
    events=[Events("smtp", "smtp", {
        "smtp.helo": "helo",
        "smtp.mail_from": lambda r: f"<{r['mail_from']}>" if "mail_from" in r else None,
        "smtp.rcpt_to": addresses,
        "email.from": "header_from",
        "email.to": lambda r: [a.strip() for a in (r.get("header_to") or "").split(",")],
        "email.subject": "subject",
        "email.date": "date",
    })],
    services={"smtp": "smtp"},
    classes=[],
)
