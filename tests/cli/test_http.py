# SPDX-License-Identifier: BSD-3-Clause
"""HTTP's secrets: in no output of any command, unless they are asked for."""

import base64

from common import DATA, Case, conversation

PASSWORD = b"Xk7-hidden-pw"
BASIC = base64.b64encode(b"alice:" + PASSWORD)
SECRETS = [PASSWORD, BASIC, b"Xk7-cookie", b"Xk7-token", b"Xk7-fragment", b"Xk7-userinfo",
           b"Xk7-apikey", b"Xk7-folded", b"Xk7-setcookie", b"Xk7-trailer", b"Xk7-session",
           b"Xk7-late"]
REQUEST = (b"GET http://u:Xk7-userinfo@h/p;jsessionid=Xk7-session?x=1&access_token=Xk7-token "
           b"HTTP/1.1\r\nHost: h\r\nAuthorization: Basic " + BASIC + b"\r\n"
           b"Cookie: id=Xk7-cookie\r\nReferer: http://h/#token=Xk7-fragment\r\n"
           b"X-Api-Key : Xk7-apikey\r\nProxy-Authorization: Bearer aaaa\r\n Xk7-folded\r\n"
           + b"".join(b"X-%d: y\r\n" % i for i in range(600))
           + b"Cookie: late=Xk7-late\r\n\r\n")
RESPONSE = (b"HTTP/1.1 200 OK\r\nSet-Cookie: id=Xk7-setcookie; Path=/\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"
            b"Set-Cookie: t=Xk7-trailer\r\n\r\n")


class HttpSecrets(Case):
    def setUp(self):
        super().setUp()
        (self.dir / "x.pcap").write_bytes(conversation((0, REQUEST), (1, RESPONSE)))

    def outputs(self, *options):
        """Everything that nrtool makes of the capture, by name."""
        self.nrtool("replay", "x.pcap", "-q", "--force", "--checksums=ignore", *options,
                    "-o", "x.db", "-o", "x.jsonl")
        out = {n: (self.dir / n).read_bytes() for n in ("x.db", "x.jsonl")}
        for report in ("http_errors", "http_hosts", "http_smuggling", "http_user_agents",
                       "anomalies"):
            out[report] = self.nrtool("query", "x.db", report).stdout.encode()
        for table in ("http", "http_v", "credential", "anomaly_v"):
            out[table] = self.nrtool("query", "x.db", f"SELECT * FROM {table}",
                                     "--format", "jsonl").stdout.encode()
        for form in ("text", "raw"):
            out[f"follow {form}"] = self.nrtool(
                "follow", "x.db", "16", f"--format={form}",
                *(o for o in options if o == "--store-secrets")).stdout.encode()
        return out

    def test_no_output_has_them(self):
        for name, text in self.outputs().items():
            for secret in SECRETS:
                self.assertNotIn(secret, text, name)
        self.assertEqual(self.query("x.db", "SELECT user, secret, success FROM credential"),
                         [("alice", "*" * len(PASSWORD), 1)])
        self.assertEqual(self.query("x.db", "SELECT method, user, status FROM http"),
                         [("GET", "alice", 200)])

    def test_stored_when_asked_for(self):
        out = self.outputs("--store-secrets")
        for secret in SECRETS[:-1]:  # the last is beyond the fields that are kept
            if secret == PASSWORD:
                continue
            self.assertIn(secret, out["http"].replace(b"\\/", b"/"), secret)
        self.assertIn(PASSWORD, out["credential"])
        self.assertIn(b"Xk7-late", out["follow raw"])

    def test_real_capture(self):
        self.nrtool("replay", DATA / "http-auth.pcap", "-q", "-o", "a.db")
        for table in ("http", "credential"):
            text = self.nrtool("query", "a.db", f"SELECT * FROM {table}", "--format",
                               "jsonl").stdout
            self.assertNotIn("dGVzdDox", text)
            self.assertNotIn("1:34", text.replace("07:56:", ""))
            self.assertIn("****", text)
