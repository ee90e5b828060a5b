# SPDX-License-Identifier: BSD-3-Clause
"""vsftpd and curl: commands, passive and active data connections, AUTH TLS."""

import json
import re
import unittest

import peers
from network import SERVER4, SERVER6

CONF = """
background=NO
listen=NO
listen_ipv6=YES
anonymous_enable=YES
anon_root={dir}/ftp
local_enable=YES
pam_service_name=vsftpd
write_enable=YES
anon_upload_enable=YES
anon_mkdir_write_enable=YES
anon_other_write_enable=YES
no_anon_password=NO
delay_failed_login=0
xferlog_enable=YES
log_ftp_protocol=YES
vsftpd_log_file={dir}/ftp.log
dual_log_enable=NO
secure_chroot_dir={dir}/empty
seccomp_sandbox=NO
ssl_enable=YES
allow_anon_ssl=YES
rsa_cert_file={dir}/cert.pem
rsa_private_key_file={dir}/key.pem
require_ssl_reuse=NO
force_local_logins_ssl=NO
port_enable=YES
connect_from_port_20=NO
"""

# curl's options; {at} is the server; each is a control connection.
RUNS = [
    ("ftp://{at}/", ),
    ("ftp://{at}/one.txt", "-o", "{dir}/out"),
    ("--disable-epsv", "ftp://{at}/one.txt", "-o", "{dir}/out"),
    ("-P", "-", "ftp://{at}/big", "-o", "{dir}/out"),
    ("--disable-eprt", "-P", "-", "ftp://{at}/one.txt", "-o", "{dir}/out"),
    ("-T", "{dir}/upload", "ftp://{at}/in/first-{n}"),
    ("-I", "ftp://{at}/big"),
    ("-r", "100-199", "ftp://{at}/big", "-o", "{dir}/out"),
    ("-Q", "MKD in/new-{n}", "-Q", "-RMD in/new-{n}", "-Q", "-NOOP", "ftp://{at}/in/", "-l"),
    ("ftp://{at}/missing", "-o", "{dir}/out"),
    ("-u", "bob:wrong password", "ftp://{at}/"),
    ("-Q", "SITE CHMOD 777 x", "ftp://{at}/"),
    ("ftp://{at}/one.txt", "-o", "{dir}/out", "ftp://{at}/big", "-o", "{dir}/out"),
    ("--ssl-reqd", "-k", "ftp://{at}/one.txt", "-o", "{dir}/out"),
]

SIZES = {"one.txt": 1, "big": 700_000}


class Vsftpd(peers.Peers):
    needs = ("vsftpd", "curl", "openssl")

    @classmethod
    def serve(cls):
        root = cls.dir / "ftp"
        root.mkdir()
        (cls.dir / "empty").mkdir()
        (root / "in").mkdir()
        (root / "in").chmod(0o777)  # not the root: vsftpd refuses one that can be written
        for name, size in SIZES.items():
            (root / name).write_bytes(b"f" * size)
        cls.write("upload", "u" * 12345)
        cls.net.run(cls.net.b, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                    "-subj", "/CN=ftp.peers.test", "-days", "30", "-keyout",
                    cls.dir / "key.pem", "-out", cls.dir / "cert.pem")
        cls.daemon(peers.tool("vsftpd"), cls.write("vsftpd.conf", CONF.format(dir=cls.dir)),
                   ports=(21,))

    @classmethod
    def talk(cls):
        cls.said = []
        for n, server in enumerate((SERVER4, SERVER6)):
            at = f"[{server}]" if ":" in server else server
            for words in RUNS:
                p = cls.client("curl", "-q", "-sS", "-v", "--max-time", "15",
                               *[w.format(at=at, dir=cls.dir, n=n) for w in words], must=False)
                cls.said.append((server, p.stderr))
        cls.log = (cls.dir / "ftp.log").read_text(errors="replace")

    def connections(self):
        flows = {}
        for r in self.rows("SELECT f.*, src_ip, dst_ip, service FROM ftp f JOIN flow"
                           " USING (flow_id) ORDER BY flow_id, packet"):
            flows.setdefault(r["flow_id"], []).append(r)
        return list(flows.values())

    def test_commands_as_the_client_said(self):
        """curl shows commands and replies as they come, not all of a QUIT at the end."""
        connections = self.connections()
        self.assertEqual(len(connections), len(self.said))
        for rows, (server, text) in zip(connections, self.said):
            commands = re.findall(r"^> (.*?)\r?$", text, re.M)
            codes = [int(c) for c in re.findall(r"^< (\d{3}) ", text, re.M)]
            got = [" ".join(filter(None, (r["command"], r["argument"]))) for r in rows
                   if r["command"]]
            got_codes = [int(line[:3]) for r in rows for line in self.replies(r)
                         if re.match(r"\d{3} ", line)]
            if "AUTH TLS" in commands or "AUTH SSL" in commands:
                commands, codes = commands[:1], codes[:2]
            elif got[-1] == "QUIT" and codes[-1] != 221:
                codes.append(221)
                if commands[-1] != "QUIT":
                    commands.append("QUIT")
            commands = [c[:5] + "*" * len(c[5:]) if c.startswith("PASS ") else c
                        for c in commands]
            with self.subTest(commands=commands):
                self.assertEqual((got, got_codes), (commands, codes))
                self.assertEqual(rows[0]["dst_ip"], server)

    def test_commands_as_the_server_logged_them(self):
        """Its log holds all sessions one after the other, with the password left out."""
        log = [(m[1], m[2]) for m in re.finditer(
            r'FTP (command|response): Client "[^"]*", "(.*?)"$', self.log, re.M)]
        got = []
        for rows in self.connections():
            for r in rows:
                if r["command"]:
                    got.append(("command", (r["command"] + " " + (r["argument"] or "")).strip()
                                if r["command"] != "PASS" else "PASS <password>"))
                for line in self.replies(r):
                    got.append(("response", line))
            if rows[0]["service"].endswith("tls"):
                got.append(("tls", None))
        self.same(got, log)

    @staticmethod
    def replies(r):
        for i in json.loads(r["interim"] or "[]"):
            yield i
        if r["reply_code"]:
            lines = (r["reply_text"] or "").split("\n")
            for n, line in enumerate(lines):
                if n == len(lines) - 1:
                    yield f"{r['reply_code']} {line}".strip()
                elif n == 0:
                    yield f"{r['reply_code']}-{line}"
                else:
                    yield line

    def same(self, got, log):
        log = iter(log)
        for kind, text in got:
            if kind != "tls":
                self.assertEqual((kind, text), next(log))
                continue
            for entry in log:  # what was said inside, to its end
                if entry[1].startswith("221 "):
                    break
        self.assertEqual(list(log), [])

    def test_data_connections(self):
        """What the server says it sent and took is what the linked flows carried."""
        done = re.findall(r'OK (DOWNLOAD|UPLOAD): Client "(?:::ffff:)?([^"]+)", "([^"]+)",'
                          r" (\d+) bytes", self.log)
        rows = self.rows("SELECT c.src_ip, command, argument, d.service, passive, d.src_ip d_src,"
                         " d.src_payload_bytes sent, d.dst_payload_bytes taken"
                         " FROM ftp JOIN flow c USING (flow_id) JOIN flow d"
                         " ON d.flow_id = data_flow_id WHERE command IN ('RETR', 'STOR')"
                         " AND reply_code = 226"
                         " ORDER BY ftp.flow_id, ftp.packet")
        # The last download of each server went through TLS: its command was not seen.
        half = len(done) // 2
        done = done[:half - 1] + done[half:-1]
        self.assertEqual(len(rows), len(done))
        for r, (what, address, path, size) in zip(rows, done):
            with self.subTest(path=path):
                self.assertEqual(r["service"], "ftp-data")
                self.assertEqual((r["src_ip"], r["command"]),
                                 (address, "RETR" if what == "DOWNLOAD" else "STOR"))
                self.assertTrue(path.endswith(r["argument"]))
                self.assertEqual(r["d_src"] == r["src_ip"], bool(r["passive"]))
                to_client = what == "DOWNLOAD"
                carried = r["taken"] if to_client == bool(r["passive"]) else r["sent"]
                self.assertEqual(carried, int(size))

    def test_credentials(self):
        got = self.rows("SELECT service, user, secret, success, count(*) n FROM credential"
                        " GROUP BY 1, 2, 3, 4 ORDER BY user")
        anonymous = sum("\n> USER anonymous" in t.replace("\r", "") for _, t in self.said)
        self.assertEqual(got, [
            {"service": "ftp", "user": "anonymous", "secret": "*" * len("ftp@example.com"),
             "success": 1, "n": anonymous - 2},
            {"service": "ftp", "user": "bob", "secret": "*" * len("wrong password"),
             "success": 0, "n": 2}])

    def test_tls_follows(self):
        rows = self.rows("SELECT established, starttls FROM tls JOIN flow USING (flow_id)"
                         " WHERE service = 'ftp,tls'")
        self.assertEqual(rows, [{"established": 1, "starttls": 1}] * 2)


if __name__ == "__main__":
    unittest.main()
