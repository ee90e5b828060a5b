# SPDX-License-Identifier: BSD-3-Clause
"""OpenSMTPD, and swaks and curl: mails, refusals, pipelining, STARTTLS."""

import json
import re
import unittest

import peers
from network import SERVER4, SERVER6

# It insists on its places below /run and /var/spool: it gets its own, in its own mounts.
START = """
mount -t tmpfs peers /run
mount -t tmpfs peers /var/spool
mkdir -m 711 /var/spool/smtpd
exec {smtpd} -d -f {dir}/smtpd.conf -T smtp
"""

CONF = """
table aliases {{ "postmaster" = "nobody" }}
pki peers cert "{dir}/cert.pem"
pki peers key "{dir}/key.pem"
listen on {v4} port 25 tls pki peers hostname mail.peers.test
listen on {v6} port 25 tls pki peers hostname mail.peers.test
action "drop" mda "cat >/dev/null" virtual {{ "@peers.test" = "nobody" }}
match from any for domain "peers.test" action "drop"
"""

BODY = "Subject: body\r\n\r\n.one dot\r\n..two dots\r\n" + "line\r\n" * 3000

# swaks' options; each is a connection.
SWAKS = [
    ("--to", "b@peers.test", "--header", "Subject: hello"),
    ("--to", "b@peers.test,c@peers.test,\"d e\"@peers.test", "--header", "Subject: three"),
    ("--to", "b@elsewhere.test"),
    ("--to", "b@elsewhere.test,b@peers.test", "--header", "Subject: one of two"),
    ("--to", "b@peers.test", "--from", "<>", "--header", "Subject: bounce"),
    ("--to", "b@peers.test", "--quit-after", "RCPT"),
    ("--to", "b@peers.test", "--quit-after", "HELO"),
    ("--to", "b@peers.test", "--protocol", "SMTP", "--header", "Subject: old"),
    ("--to", "b@peers.test", "--body", "@{dir}/body", "--header", "Subject: larger"),
    ("--to", "not an address"),
]

MAIL = ("--mail-from", "curl@example.test", "--upload-file", "{dir}/body")

# curl's options likewise. Whether the last one succeeds is for the server to say: the TLS of
# Debian 12's smtpd fails behind the ServerHello.
CURL = [
    (*MAIL, "--mail-rcpt", "b@peers.test"),
    (*MAIL, "--mail-rcpt", "b@peers.test", "--mail-rcpt", "c@peers.test"),
    (*MAIL, "--mail-rcpt", "b@elsewhere.test"),
    ("--mail-rcpt", "b@peers.test", "-X", "VRFY"),
    (*MAIL, "--mail-rcpt", "b@peers.test", "--ssl-reqd", "-k", "--tls-max", "1.2"),
]


class Smtpd(peers.Peers):
    needs = ("smtpd", "swaks", "curl", "openssl", "unshare")

    @classmethod
    def serve(cls):
        cls.write("body", BODY)
        cls.net.run(cls.net.b, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                    "-subj", "/CN=mail.peers.test", "-days", "30", "-keyout",
                    cls.dir / "key.pem", "-out", cls.dir / "cert.pem")
        (cls.dir / "key.pem").chmod(0o600)
        cls.write("smtpd.conf", CONF.format(dir=cls.dir, v4=SERVER4, v6=SERVER6), 0o600)
        start = cls.write("start", START.format(dir=cls.dir, smtpd=peers.tool("smtpd")))
        cls.daemon("unshare", "-m", "sh", start, ports=(25,))

    @classmethod
    def talk(cls):
        cls.connections, cls.secured = 0, []
        for words in SWAKS:  # it speaks IPv4 only, unless further Perl modules are there
            cls.client("swaks", "--server", SERVER4, "--timeout", "10", "--from",
                       "a@example.test", *[w.format(dir=cls.dir) for w in words], must=False)
            cls.connections += 1
        for at in (SERVER4, f"[{SERVER6}]"):
            for words in CURL:
                p = cls.client("curl", "-q", "-sS", "--max-time", "10",
                               *[w.format(dir=cls.dir) for w in words],
                               f"smtp://{at}/curl.example", must=False)
                cls.connections += 1
            cls.secured.append(int(p.returncode == 0))
        cls.log = peers.seconds(cls.read_log)

    @classmethod
    def read_log(cls):
        """smtpd's trace: for each session its address, and what came and what was said."""
        sessions, by_pointer, last = [], {}, None
        for line in (cls.dir / "daemon.log").read_text(errors="replace").splitlines():
            m = re.match(r"smtp: (\S+): (connected to|<<<|>>>|STATE_\S+ -> STATE_QUIT) ?(.*)",
                         line)
            address = re.search(r" smtp connected address=(\S+)", line)
            if m and m[2] == "connected to":
                last = by_pointer[m[1]] = {"said": [], "address": None, "body": [],
                                           "messages": [], "failed": 0}
                sessions.append(last)
            elif m and m[2] in ("<<<", ">>>"):
                by_pointer[m[1]]["said"].append((m[2][0], m[3]))
            elif address:
                last["address"] = address[1].replace("[", "").replace("]", "")
            elif line.startswith("<<< [MSG] "):
                last["body"].append(line[10:])
            elif " smtp message " in line:
                last["messages"].append(re.search(r"size=(\d+) nrcpt=(\d+)", line).groups())
            elif " smtp failed-command " in line:
                last["failed"] += 1
            elif " smtp disconnected " in line:
                last["done"] = True
        done = sum("done" in s for s in sessions)
        return sessions if done >= cls.connections else None

    def flows(self):
        flows = {}
        for r in self.rows("SELECT s.*, src_ip, service FROM smtp s JOIN flow USING (flow_id)"
                           " ORDER BY flow_id, trans_depth"):
            flows.setdefault(r["flow_id"], []).append(r)
        return list(flows.values())

    @staticmethod
    def exchanges(said):
        """(command, argument, code) of a session; of DATA the code that asks for the mail."""
        got = []
        for side, text in said:
            if side == "<":
                word, _, rest = text.partition(" ")
                got.append([word.upper(), rest, None])
            elif got and text[3:4] != "-" and not got[-1][2]:
                got[-1][2] = int(text[:3])
        return [tuple(g) for g in got]

    def test_each_connection_has_rows(self):
        self.assertEqual([rows[0]["src_ip"] for rows in self.flows()],
                         [s["address"] for s in self.log])
        self.assertEqual(len(self.log), self.connections)

    def test_commands_as_the_server_traced_them(self):
        for rows, s in zip(self.flows(), self.log):
            want = self.exchanges(s["said"])
            tls = [c[0] for c in want].index("STARTTLS") if "STARTTLS" in [
                c[0] for c in want] else None
            if tls is not None:  # behind it smtpd reads what nrtool cannot
                want = want[:tls + 1]
            got = [(c["command"], c.get("argument", ""), c.get("reply"))
                   for r in rows for c in json.loads(r["commands"])]
            with self.subTest(commands=[c[0] for c in want]):
                self.assertEqual(got, want)
                self.assertEqual([r["starttls"] for r in rows], [int(tls is not None)])

    def test_mails_as_the_server_took_them(self):
        subjects = 0
        for rows, s in zip(self.flows(), self.log):
            if rows[0]["starttls"]:
                continue
            r, = rows
            with self.subTest(subject=r["subject"]):
                self.assertEqual(r["status"] == "accepted", bool(s["messages"]))
                ends = [t for side, t in s["said"] if side == ">" and "accepted for" in t]
                if ends:
                    self.assertEqual(r["last_reply"], ends[-1])
                body = s["body"][:-1] if s["body"] else []
                heads = dict(re.match(r"([^:]+): ?(.*)", line).groups()
                             for line in body[:body.index("")]) if body else {}
                self.assertEqual((r["subject"], r["message_id"], r["date"], r["header_from"],
                                  r["header_to"], r["user_agent"]),
                                 tuple(heads.get(k) or None for k in ("Subject", "Message-Id", "Date",
                                                              "From", "To", "X-Mailer")))
                if body:  # the trace shows lines with the dots that SMTP stuffs
                    self.assertEqual(r["bytes"], sum(len(line) + 2 - line.startswith(".")
                                                     for line in body))
                subjects += bool(r["subject"])
        self.assertGreater(subjects, 8)

    def test_senders_and_recipients(self):
        for rows, s in zip(self.flows(), self.log):
            if rows[0]["starttls"]:
                continue
            said = [text for side, text in s["said"] if side == "<"]
            of = [m[1] for t in said if (m := re.match(r"MAIL FROM:<([^>]*)>", t))]
            to = [m[1] for t in said if (m := re.match(r"RCPT TO:<([^>]*)>", t))]
            helo = [t.split(" ", 1)[1] for t in said if re.match("EHLO|HELO", t)]
            self.assertEqual((rows[0]["helo"], rows[0]["mail_from"],
                              json.loads(rows[0]["rcpt_to"] or "[]")),
                             (helo[-1], of[0] if of else None, to))

    def test_tls_follows(self):
        rows = self.rows("SELECT established, starttls FROM tls JOIN flow USING (flow_id)"
                         " WHERE service = 'smtp,tls'")
        self.assertEqual(rows, [{"established": ok, "starttls": 1} for ok in self.secured])


if __name__ == "__main__":
    unittest.main()
