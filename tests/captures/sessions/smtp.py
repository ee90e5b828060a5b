# SPDX-License-Identifier: BSD-3-Clause
"""smtp: one row a mail here and in Zeek; a connection without a mail is one row too.
Zeek's time is that of the row's first command or reply."""

import collections
import re

import common
from sessions import _tshark_smtp
from sessions.mapping import (Class, Column, Count, Events, Mapping, Values, ZeekLog,
                              our_bytes, our_tuple, their_tuple, zeek_bytes, zeek_ns)


def text(key):
    return lambda r: our_bytes(r.get(key))


def theirs(key):
    return lambda z: zeek_bytes(z.get(key))


def last_line(r):
    """Zeek keeps the last line of a reply. Of a mail that was given up nrtool keeps no
    text of later replies, which Zeek goes on to take: their code is compared."""
    if r["last_code"] is not None:
        return r["last_code"], None
    reply = r.get("last_reply")
    if reply is None:
        return None
    lines = reply.split("\n")
    return int(reply[:3]), our_bytes(lines[-1] if len(lines) > 1 else reply[4:]).strip()


def their_last_line(z):
    reply = zeek_bytes(z.get("last_reply"))
    return None if reply is None else (int(reply[:3]), reply[4:].strip())


def same_line(a, b):
    return a == b or bool(a and b and a[0] == b[0] and a[1] is None)


def recipients(r):
    return sorted(set(r.get("rcpt_to") or [])) or None


# What Zeek has of the mail itself
CONTENT = ("subject", "header_from", "date", "message_id", "in_reply_to", "reply_to",
           "user_agent", "x_originating_ip")


def begins_with(c, verb, prefix):
    return c["command"] == verb and c.get("argument", "").upper().startswith(prefix)


def path(c, prefix):
    """The address in the argument of MAIL or RCPT."""
    return re.match(prefix + r"\s*<?([^>\s]*)", c["argument"], re.I)[1]


def parts(r):
    """A row's commands, cut where Zeek begins another row: at every MAIL, also a refused
    one, if there was a MAIL or RCPT before."""
    out = [[]]
    for c in r.get("commands", ()):
        if begins_with(c, "MAIL", "FROM:") and any(
                begins_with(x, "MAIL", "FROM:") or begins_with(x, "RCPT", "TO:")
                for x in out[-1]):
            out.append([])
        out[-1].append(c)
    return out


def answered(r, some):
    """The end of the content had a reply."""
    chunks = [c for c in some if c["command"] == "BDAT"
              and c.get("argument", "").upper().endswith("LAST")]
    if "bytes" not in r or r.get("status") in (None, "aborted"):
        return False
    return "reply" in chunks[-1] if chunks else True


def last_code(r, some, whole):
    """The code of the last reply in Zeek's row, where that is not in last_reply."""
    if whole and not (r.get("status") == "aborted" or r.get("starttls")):
        return None
    return next((c["reply"] for c in reversed(some) if "reply" in c), None)


def as_zeek(ctx):
    """Zeek's rows, as its script defines them (scripts/base/protocols/smtp/main.zeek),
    made of nrtool's: one is written at each MAIL, if MAIL, RCPT or STARTTLS was seen since
    the last one; at the reply to the end of content; at the connection's end. trans_depth
    counts these replies; helo is the last HELO or EHLO, answered how it may be, also
    without a name. Behind the 220 to STARTTLS all is TLS. Headers are those of the first
    content in a row, where DATA and BDAT begin one, refused or not."""
    flows = collections.defaultdict(list)
    for r in ctx.table("smtp"):
        flows[r["flow_id"]].append(r)
    for rows in flows.values():
        yield from zeek_flow(sorted(rows, key=lambda r: r["trans_depth"]))


def zeek_flow(rows):
    depth, helo = 1, None
    for r in rows:
        pieces = parts(r)
        for some in pieces:
            whole = some is pieces[-1]
            tls = next((i for i, c in enumerate(some) if c["command"] == "STARTTLS"
                        and c.get("reply") == 220), None)
            z = dict(r, depth=depth)
            if tls is not None:
                some = some[:tls + 1]
            for c in some:
                if c["command"] in ("HELO", "EHLO"):
                    helo = c.get("argument", "")
            z["helo"] = helo
            if not whole or tls is not None:
                for key in (*CONTENT, "mail_from", "rcpt_to"):
                    z.pop(key, None)
            if len(pieces) > 1 or tls is not None:
                for c in some:
                    if begins_with(c, "MAIL", "FROM:"):
                        z["mail_from"] = path(c, "FROM:")
                z["rcpt_to"] = [path(c, "TO:") for c in some
                                if begins_with(c, "RCPT", "TO:")]
            content = [c for c in some if c["command"] in ("DATA", "BDAT")]
            if content and content[0]["command"] == "DATA" and \
                    content[0].get("reply", 0) >= 400:
                for key in CONTENT:
                    z.pop(key, None)
            z["last_code"] = last_code(r, some, whole)
            if tls is not None or any(begins_with(c, "MAIL", "FROM:")
                                      or begins_with(c, "RCPT", "TO:") for c in some):
                yield z
            if tls is not None:
                return
            depth += whole and answered(r, some)


def spoken(ctx):
    """Rows of the ports on which tshark looks for SMTP."""
    return [r for r in ctx.table("smtp") if {25, 587} & {r["src_port"], r["dst_port"]}]


def counted(ctx, r):
    """Numbers of the packets of a row's client whose commands tshark counts; None: all,
    as the capture is of a format that is not read here."""
    if "tshark_smtp" not in vars(ctx):
        ctx.tshark_smtp = {}
    if r["flow_id"] not in ctx.tshark_smtp:
        ends = [(r[s + "_ip"], r[s + "_port"]) for s in ("src", "dst")]
        if ends[0][1] in (25, 587):
            ends.reverse()
        ctx.tshark_smtp[r["flow_id"]] = _tshark_smtp.counted(
            common.captures() / ctx.file, *ends)
    return ctx.tshark_smtp[r["flow_id"]]


def as_tshark(ctx):
    """The commands that tshark counts as such (see _tshark_smtp.py). What only nrtool
    calls a command must be one: answered, or a verb that there is."""
    for r in spoken(ctx):
        packets = counted(ctx, r)
        for c in r.get("commands", ()):
            real = "reply" in c or c["command"].encode() in _tshark_smtp.VERBS
            if c["packet"] in packets or not real:
                yield c
        for _ in range(r["n_commands"] - len(r.get("commands", ()))):
            yield {"command": "?"}  # left out of a long list


def commands(ctx):
    return len(list(as_tshark(ctx)))


def verbs(ctx):
    """tshark keeps the first four letters of a line."""
    return [c["command"][:4].upper() for c in as_tshark(ctx)]


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


def addresses(key):
    """The list of a header: commas in quotes part nothing."""
    def get(r):
        found = re.findall(r'(?:"(?:[^"\\]|\\.)*"|[^,"])+', r.get(key) or "")
        return [a.strip() for a in found if a.strip()]
    return get


def first(get):
    return lambda r: next(iter(get(r)), None)


def zeek_time(z):
    """Of later mails Zeek has the time at which the one before ended; on other ports it
    begins once both sides are recognised; at 1970-01-01 00:00:00 its clock has not begun,
    and what happens then it dates one second later."""
    t = zeek_ns(z)
    return t if z["trans_depth"] == 1 and z["id.resp_p"] in (25, 587) and t > 10**9 \
        else None


def our_ip(r):
    """Zeek writes the address anew."""
    numbers = re.findall(r"\d+", r.get("x_originating_ip", ""))
    return ".".join(str(int(n)) for n in numbers) or None


def no_mail(d):
    return d.o is not None and "mail_from" not in d.o


def zeek_failed(d):
    """No SMTP for Zeek: its parser failed, or it had only one side to recognise it by."""
    return not any(z for z in d.key_theirs) and not any(
        "smtp" in c.get("service", "") for c in d.ctx.zeek.get("conn", ())
        if their_tuple(c) == our_tuple(d.o))


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


def bdat_alone(d):
    return any(c["command"] == "BDAT" and not c.get("argument") for c in listed(d.ctx))


def behind_the_last(d):
    """The event has neither sender nor recipient, and comes behind that of a mail."""
    return "lt-version" in d.z["filter_extra"] and d.z["match"].get("tx_id", 0) > 0 \
        and not any(k.startswith(("smtp.mail", "smtp.rcpt", "email."))
                    for k in d.z["match"])


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
        ZeekLog("smtp", as_zeek, [
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
            Column("last_reply", last_line, their_last_line, same=same_line),
            Column("tls", lambda r: bool(r["starttls"])),
        ], our_time=lambda r: r["begin_ns"], their_time=zeek_time),
    ],
    truth=[Count("smtp_cmd_count", commands),
           Values("smtp_cmds", verbs, fold=True)],
    events=[Events("smtp", "smtp", {
        "smtp.helo": "helo",
        "smtp.mail_from": first(as_sent("MAIL", "from:")),
        "smtp.rcpt_to": as_sent("RCPT", "to:"),
        "email.from": "header_from",
        "email.to": addresses("header_to"),
        "email.cc": addresses("cc"),
        "email.subject": "subject",
        "email.date": "date",
        "tx_id": lambda r: r["trans_depth"] - 1,
    })],
    services={"smtp": "smtp"},
    classes=[
        Class("no_mail", "zeek9", {"extra"},
              "a connection without a mail, of which Zeek has no row", no_mail),
        Class("pipelined_bdat", "zeek9", None,
              "Zeek mixes mails whose BDAT is followed by the next MAIL at once",
              pipelined_bdat),
        Class("zeek_gap", "zeek9", None,
              "Zeek waits less for segments out of order and reads on behind a gap",
              zeek_gap),
        Class("out_of_order", "service", {"service"},
              "Zeek names SMTP once it saw a greeting and a client's answer in order",
              out_of_order),
        Class("zeek_failed", "zeek9", {"extra"},
              "Zeek did not take it for SMTP", zeek_failed),
        Class("bdat_alone", "truth", None,
              "of a BDAT without a size tshark reads the number behind its packet's end",
              bdat_alone),
        Class("own_config", "suricata", None,
              "the test's configuration drops or limits", own_config),
        Class("behind_the_last", "suricata", None,
              "Suricata before 8.0.7 has an event also of the QUIT behind the last mail",
              behind_the_last),
        Class("no_mail_event", "suricata", None,
              "a refused DATA before any mail is an event of Suricata's; here it is in the "
              "row of the mail that follows", no_mail_event),
    ],
)
