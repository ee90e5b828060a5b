# SPDX-License-Identifier: BSD-3-Clause
"""smtp: one row a mail here and in Zeek; a connection without a mail is one row too.
Zeek's time is that of the row's first command or reply."""

import collections
import re

from sessions.mapping import (Class, Column, Count, Events, Mapping, ZeekLog, our_bytes,
                              our_tuple, their_tuple, zeek_bytes, zeek_ns)


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


def numbered(ctx):
    """Mails numbered as Zeek does: what is given up before its content does not count."""
    depth = collections.Counter()
    for r in sorted(ctx.table("smtp"), key=lambda r: (r["flow_id"], r["trans_depth"])):
        yield {**r, "depth": depth[r["flow_id"]] + 1}
        depth[r["flow_id"]] += "bytes" in r


def commands(ctx):
    return sum(r["n_commands"] for r in ctx.table("smtp"))


def listed(ctx):
    return [c for r in ctx.table("smtp") for c in r.get("commands", ())]


def as_sent(verb, prefix):
    """Suricata keeps the brackets, where there are any."""
    def get(r):
        out = [c["argument"][len(prefix):].split()[0] for c in r.get("commands", ())
               if c["command"] == verb and c.get("argument", "").lower().startswith(prefix)
               and c["argument"][len(prefix):].strip()]
        return out
    return get


def first(get):
    return lambda r: next(iter(get(r)), None)


def zeek_time(z):
    """Of later mails Zeek has the time at which the one before ended; on other ports it
    begins once both sides are recognised."""
    return zeek_ns(z) if z["trans_depth"] == 1 and z["id.resp_p"] in (25, 587) else None


def our_ip(r):
    """Zeek writes the address anew."""
    numbers = re.findall(r"\d+", r.get("x_originating_ip", ""))
    return ".".join(str(int(n)) for n in numbers) or None


def no_mail(d):
    return d.o is not None and "mail_from" not in d.o


def aborted(d):
    """A mail of the connection was given up or refused: Zeek goes on in the same row."""
    return any(r.get("status") in ("aborted", "deferred", "rejected")
               or "mail_from" not in r for r in d.key_ours)


def zeek_failed(d):
    """No SMTP for Zeek: its parser failed, or it had only one side to recognise it by."""
    return not any(z for z in d.key_theirs) and not any(
        "smtp" in c.get("service", "") for c in d.ctx.zeek.get("conn", ())
        if their_tuple(c) == our_tuple(d.o))


def gap(d):
    f = d.ctx.flow(d.o) if d.o else None
    return f is not None and bool(f["src_missed_bytes"] or f["dst_missed_bytes"])


def pipelined_bdat(d):
    return any(c["command"] == "BDAT" for r in d.key_ours for c in r.get("commands", ()))


def zeek_gap(d):
    return any(c.get("missed_bytes") for c in d.ctx.zeek.get("conn", ())
               if d.o and their_tuple(c) == our_tuple(d.o))


def out_of_order(d):
    """Not the whole of a dialogue in its order: one side only, no handshake."""
    f = d.o
    return f is not None and ("h" not in f.get("history", "").lower()
                              or not f["src_payload_bytes"] or not f["dst_payload_bytes"])


def other_port(d):
    """What is on port 25 or 587 is equal."""
    n = sum(r["n_commands"] for r in d.ctx.table("smtp")
            if {25, 587} & {r["src_port"], r["dst_port"]})
    return n == int(d.b)


def behind_refused(d):
    return any(c["command"] == "DATA" and c.get("reply", 0) >= 400
               for r in d.key_ours for c in r.get("commands", ()))


def behind_bdat(d):
    names = [c["command"] for c in listed(d.ctx)]
    return "BDAT" in names and int(d.b) < int(d.a)


def behind_data(d):
    return any(c["command"] == "DATA" and c.get("reply", 0) >= 400 or
               c["command"] == "DATA" and c.get("reply") is None
               for c in listed(d.ctx)) and int(d.b) < int(d.a)


def pipelined(d):
    some = [(r["flow_id"], c["packet"]) for r in d.ctx.table("smtp")
            for c in r.get("commands", ())]
    return len(set(some)) < len(some)


def before_greeting(d):
    """The client has spoken before the server, whom tshark lets speak first."""
    return any(f.get("service") == "smtp" and "D" in f.get("history", "").split("d")[0]
               for f in d.ctx.table("flow")) and int(d.b) == 0


def quit_with_the_mail(d):
    """As many commands are missing as a QUIT stands behind a mail that was pipelined."""
    quits = sum(c["command"] == "QUIT" for r in d.ctx.table("smtp") if "bytes" in r
                for c in r.get("commands", ()))
    return pipelined(d) and int(d.a) - int(d.b) == quits


def not_compared(d):
    return bool({"has-key", "not-has-key", "tx_id", "email.body_md5", "email.received[0]",
                 "email.cc[0]", "email.subject_md5"} & set(d.z["match"]))


def own_config(d):
    return d.z["config"] == "own-config"


def no_mail_event(d):
    """Suricata has an event also for what is refused before a mail begins."""
    return any(c["command"] == "DATA" and c.get("reply", 0) >= 400
               for c in listed(d.ctx))


MAPPING = Mapping(
    name="smtp",
    tables=["smtp"],
    zeek=[
        ZeekLog("smtp", numbered, [
            Column("trans_depth", "depth"),
            Column("helo", lambda r: r.get("helo", ""), main=True),
            Column("mailfrom", lambda r: r.get("mail_from") or None, main=True),
            Column("rcptto", recipients,
                   lambda z: sorted(set(z.get("rcptto", []))) or None),
            Column("subject", text("subject"), theirs("subject")),
            Column("from", text("header_from"), theirs("from")),
            Column("date", text("date"), theirs("date")),
            Column("msg_id", text("message_id"), theirs("msg_id")),
            Column("in_reply_to", text("in_reply_to"), theirs("in_reply_to")),
            Column("reply_to", text("reply_to"), theirs("reply_to")),
            Column("user_agent", text("user_agent"), theirs("user_agent")),
            Column("x_originating_ip", our_ip),
            Column("last_reply", last_line, theirs("last_reply")),
            Column("tls", lambda r: bool(r["starttls"])),
        ], our_time=lambda r: r["begin_ns"], their_time=zeek_time,
            # few rows, many of them from captures made to break SMTP parsers
            limit=0.155),
    ],
    truth=[# of a dissector that often loses the thread: see the classes
           Count("smtp_cmd_count", commands, limit=0.32)],
    events=[Events("smtp", "smtp", {
        "smtp.helo": "helo",
        "smtp.mail_from": first(as_sent("MAIL", "from:")),
        "smtp.rcpt_to": as_sent("RCPT", "to:"),
        "email.from": "header_from",
        "email.to": lambda r: [a.strip() for a in (r.get("header_to") or "").split(",")],
        "email.subject": "subject",
        "email.date": "date",
        "tx_id": lambda r: r["trans_depth"] - 1,
    })],
    services={"smtp": "smtp"},
    classes=[
        Class("gap", "zeek9", None, "bytes are missing: what a reply belongs to is a guess",
              gap),
        Class("no_mail", "zeek9", {"extra"},
              "a connection without a mail, of which Zeek has no row", no_mail),
        Class("aborted", "zeek9", {"extra", "trans_depth", "last_reply", "match", "helo",
                                   "subject", "from", "rcptto", "ts"},
              "what is given up (RSET, EHLO) or refused is a row of its own here; Zeek goes "
              "on in the same row", aborted),
        Class("pipelined_bdat", "zeek9", None,
              "Zeek mixes mails whose BDAT is followed by the next MAIL at once",
              pipelined_bdat),
        Class("zeek_gap", "zeek9", None,
              "Zeek waits less for segments out of order and reads on behind a gap",
              zeek_gap),
        Class("clear_behind_tls", "zeek9", None,
              "a capture that was decrypted goes on in the clear behind STARTTLS; Zeek "
              "stops there",
              lambda d: bool(d.o and d.z and d.o["starttls"] and "mail_from" in d.o)),
        Class("refused_ehlo", "zeek9", {"helo"},
              "Zeek takes the name of an EHLO without one", lambda d: d.b == ""),
        Class("behind_refused_data", "zeek9", {"subject", "from"},
              "a DATA was refused before: Zeek takes no content any more", behind_refused),
        Class("out_of_order", "service", {"service"},
              "Zeek names SMTP once it saw a greeting and a client's answer in order",
              out_of_order),
        Class("zeek_failed", "zeek9", {"extra"},
              "Zeek did not take it for SMTP", zeek_failed),
        Class("behind_bdat", "truth", None,
              "tshark takes what follows BDAT for its data", behind_bdat),
        Class("behind_data", "truth", None,
              "tshark takes what follows a refused DATA for a mail", behind_data),
        Class("before_greeting", "truth", None,
              "the client says all before the greeting: tshark takes it for a mail",
              before_greeting),
        Class("quit_with_the_mail", "truth", None,
              "tshark takes a QUIT in the packet that ends a mail for a part of it",
              quit_with_the_mail),
        Class("pipelined", "truth", None,
              "two commands share a packet and tshark saw no PIPELINING offered behind the "
              "first line of the reply: it takes them for a mail", pipelined),
        Class("other_port", "truth", None,
              "tshark looks for SMTP on some ports only", other_port),
        Class("own_config", "suricata", None,
              "the test's configuration drops or limits", own_config),
        Class("not_compared", "suricata", None,
              "the event is told from others by what nrtool does not keep", not_compared),
        Class("no_mail_event", "suricata", None,
              "a refused DATA before any mail is an event of Suricata's; here it is in the "
              "row of the mail that follows", no_mail_event),
    ],
)
