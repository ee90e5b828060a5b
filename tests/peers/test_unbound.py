# SPDX-License-Identifier: BSD-3-Clause
"""unbound and dig: DNS over UDP and TCP, IPv4 and IPv6."""

import json
import re
import unittest

import peers
from network import SERVER4, SERVER6

CONF = """
server:
	interface: {v4}
	interface: {v6}
	access-control: 0.0.0.0/0 allow
	access-control: ::/0 allow
	chroot: ""
	username: ""
	directory: "{dir}"
	pidfile: ""
	use-syslog: no
	logfile: ""
	verbosity: 1
	log-queries: yes
	log-replies: yes
	log-tag-queryreply: yes
	log-local-actions: yes
	do-daemonize: no
	module-config: "iterator"
	identity: "peers"
	local-zone: "peers.test." static
	local-zone: "refused.test." refuse
	local-zone: "77.10.in-addr.arpa." static
{data}
remote-control:
	control-enable: no
"""

DATA = """
peers.test. 300 IN SOA ns.peers.test. host.peers.test. 2026112301 7200 3600 1209600 300
peers.test. 300 IN NS ns.peers.test.
peers.test. 300 IN MX 10 mail.peers.test.
peers.test. 300 IN MX 20 back.peers.test.
peers.test. 300 IN CAA 0 issue "ca.example"
peers.test. 300 IN TXT "v=spf1 -all" "second \\"string\\""
www.peers.test. 60 IN A 192.0.2.1
www.peers.test. 60 IN A 192.0.2.2
www.peers.test. 60 IN AAAA 2001:db8::1
alias.peers.test. 300 IN CNAME www.peers.test.
_sip._tcp.peers.test. 300 IN SRV 1 2 5060 www.peers.test.
e.peers.test. 300 IN NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:x@peers.test!" .
_443._tcp.peers.test. 300 IN TLSA 3 1 1 00112233445566778899AABBCCDDEEFF
s.peers.test. 300 IN HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.1
s.peers.test. 300 IN SVCB 0 www.peers.test.
d.peers.test. 300 IN DS 12345 13 2 """ + "0123456789ABCDEF" * 4 + """
odd.peers.test. 300 IN TYPE65280 \\# 4 DEADBEEF
2.1.77.10.in-addr.arpa. 300 IN PTR www.peers.test.
""" + "".join(f'big.peers.test. 300 IN TXT "{n:03}{"x" * 200}"\n' for n in range(20))

# What dig is asked for; one line is one run.
QUESTIONS = """
peers.test SOA
peers.test NS +dnssec
peers.test MX +tcp
peers.test CAA
peers.test TXT
www.peers.test A
wWw.PeErS.tEsT A
www.peers.test AAAA +norec
alias.peers.test CNAME
alias.peers.test A
_sip._tcp.peers.test SRV
e.peers.test NAPTR
_443._tcp.peers.test TLSA
s.peers.test HTTPS +noedns
s.peers.test SVCB
d.peers.test DS
odd.peers.test TYPE65280
-x 10.77.1.2
missing.peers.test A
www.peers.test PTR
any.refused.test A
id.server CH TXT
big.peers.test TXT +bufsize=512
big.peers.test TXT +ignore +noedns
big.peers.test TXT +bufsize=4096 +tcp
www.peers.test A +cdflag +adflag +nocookie
www.peers.test A +tcp +keepopen www.peers.test AAAA +tcp +keepopen missing.peers.test A +tcp
"""

SECTIONS = {"ANSWER_SECTION": "answer", "AUTHORITY_SECTION": "authority",
            "ADDITIONAL_SECTION": "additional"}


def digs(text):
    """Messages of dig +yaml: the few of its keys that are compared, read line by line."""
    messages = []
    for line in text.splitlines():
        word = line.strip()
        key, _, value = word.partition(": ")
        if line.startswith("- "):
            messages.append({"records": [], "question": None, "address": None})
        elif not messages:
            continue
        elif word.startswith("- "):
            item = re.sub(r"''", "'", word[3:-1])
            if at == "QUESTION_SECTION":
                messages[-1]["question"] = item
            elif at in SECTIONS:
                messages[-1]["records"].append((SECTIONS[at], item))
        elif word.endswith(":"):
            at = word[:-1]
        elif key in ("type", "status", "id", "flags", "udp", "message_size",
                     "socket_protocol", "response_address"):
            messages[-1].setdefault(key, value.strip('"'))
    return messages


def as_nrtool_writes(kind, data):
    """Names without their last dot, hexadecimal digits in lower case, quotes where they are needed."""
    if kind in ("TLSA", "DS", "TYPE65280"):
        return data.lower()
    if kind in ("SOA", "NS", "MX", "CNAME", "SRV", "PTR", "HTTPS", "SVCB"):
        return " ".join(w[:-1] if len(w) > 1 and w[-1] == "." else w.replace('"', "")
                        for w in data.split())
    return data


class Unbound(peers.Peers):
    needs = ("unbound", "dig")

    @classmethod
    def serve(cls):
        data = "".join("\tlocal-data: '" + line.replace("'", "") + "'\n"
                       for line in DATA.strip().splitlines())
        conf = cls.write("unbound.conf", CONF.format(dir=cls.dir, v4=SERVER4, v6=SERVER6,
                                                     data=data))
        cls.daemon(peers.tool("unbound"), "-d", "-p", "-c", conf, ports=(53,))

    @classmethod
    def talk(cls):
        cls.said = []
        for server in (SERVER4, SERVER6):
            for words in QUESTIONS.strip().splitlines():
                p = cls.client("dig", "+yaml", "+nosplit", "+tries=1", "+time=5", f"@{server}",
                               *words.split())
                cls.said += digs(p.stdout)
        cls.log = peers.seconds(cls.read_log)

    @classmethod
    def read_log(cls):
        """unbound's replies: address, name, type, class, rcode and length of each."""
        log = []
        for line in (cls.dir / "daemon.log").read_text().splitlines():
            m = re.search(r"\breply: (\S+) (\S+) (\S+) (\S+) (\S+) \S+ \S+ (\d+)$", line)
            if m:
                log.append((*m.groups()[:5], int(m[6])))
        return log if len(log) >= len(cls.said) else None

    def dns(self):
        return self.rows("SELECT d.*, src_ip, src_port, dst_ip FROM dns d JOIN flow"
                         " USING (flow_id) ORDER BY query_packet")

    def test_messages_as_the_server_logged_them(self):
        rows = self.dns()
        self.assertGreater(len(self.log), 50)
        self.assertEqual(
            [(r["src_ip"], r["query_name"].rstrip(".").lower(), r["query_type"],
              r["query_class"], r["rcode"], r["response_bytes"]) for r in rows],
            [(e[0], e[1].rstrip(".").lower(), *e[2:]) for e in self.log])

    def test_messages_as_the_client_saw_them(self):
        rows = {(r["dst_ip"], r["trans_id"], r["transport"]): r for r in self.dns()}
        self.assertEqual(len(rows), len(self.log))
        seen = 0
        for m in self.said:
            r = rows[m["response_address"], int(m["id"]), m["socket_protocol"].lower()]
            with self.subTest(question=m["question"]):
                self.compare(r, m)
            seen += 1
        # dig says nothing of the answers it found cut short and asked for again.
        self.assertEqual(len(rows) - seen, sum(r["tc"] for r in rows.values()) - 2)

    def compare(self, r, m):
        name, kind, klass = m["question"].split()[0], m["question"].split()[-1], \
            m["question"].split()[-2]
        self.assertEqual((r["query_name"].rstrip("."), r["query_type"], r["query_class"]),
                         (name.rstrip("."), kind, klass))
        self.assertEqual((r["rcode"], r["response_bytes"], r["answered"], r["complete"]),
                         (m["status"], int(m["message_size"].rstrip("b")), 1, 1))
        flags = m["flags"].split()
        for flag in ("aa", "tc", "rd", "ra", "ad"):
            self.assertEqual(r[flag] or 0, int(flag in flags), flag)
        edns = json.loads(r["edns"] or "{}").get("response")
        self.assertEqual(str(edns["udp_size"]) if edns else None, m.get("udp"))
        got = [(a["section"], a["name"].rstrip("."), a["ttl"], a.get("class", "IN"), a["type"],
                a["data"]) for a in json.loads(r["answers"] or "[]") if a["type"] != "OPT"]
        want = []
        for section, item in m["records"]:
            name, ttl, klass, kind, data = item.split(None, 4)
            want.append((section, name.rstrip("."), int(ttl), klass, kind,
                         as_nrtool_writes(kind, data)))
        self.assertEqual(got, want)

    def test_services(self):
        self.assertEqual({(r["proto"], r["service"]) for r in self.rows(
            "SELECT proto, service FROM flow WHERE proto IN ('tcp', 'udp')")},
            {("tcp", "dns"), ("udp", "dns")})


if __name__ == "__main__":
    unittest.main()
