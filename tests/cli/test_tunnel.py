# SPDX-License-Identifier: BSD-3-Clause
"""What proxies carry: CONNECT and SOCKS hand on, also what was said before their answer."""

from common import Case, conversation

HELLO = (b"SSH-2.0-Early_client\r\n", b"SSH-2.0-Server\r\n")
OK = b"HTTP/1.1 200 Connection established\r\n\r\n"
CONNECT = b"CONNECT h:22 HTTP/1.1\r\nHost: h:22\r\n\r\n"
GREETING, LOGIN = b"\5\2\0\2", b"\1\3bob\x0cXk7-socks-pw"
REQUEST, REPLY = b"\5\1\0\1\1\2\3\4\0\x16", b"\5\0\0\1\0\0\0\0\0\0"


class Tunnel(Case):
    def replay(self, *said):
        (self.dir / "x.pcap").write_bytes(conversation(*said))
        self.nrtool("replay", "x.pcap", "-q", "--force", "--checksums=ignore", "-o", "x.db")

    def ssh(self, service):
        self.assertEqual(self.query("x.db", "SELECT service FROM flow"), [(service,)])
        self.assertEqual(self.query("x.db", "SELECT client_version, server_version FROM ssh"),
                         [("SSH-2.0-Early_client", "SSH-2.0-Server")])
        self.assertEqual(self.query("x.db", "SELECT kind FROM anomaly"), [])

    def test_connect(self):
        for said in ([(0, CONNECT), (1, OK), (0, HELLO[0]), (1, HELLO[1])],
                     [(0, CONNECT), (0, HELLO[0]), (1, OK), (1, HELLO[1])],
                     [(0, CONNECT + HELLO[0]), (1, OK + HELLO[1])],
                     [(0, CONNECT + HELLO[0][:5]), (0, HELLO[0][5:]), (1, OK),
                      (1, HELLO[1])]):
            self.replay(*said)
            self.ssh("http,ssh")
            self.assertEqual(self.query("x.db", "SELECT method, status, upgrade FROM http"),
                             [("CONNECT", 200, "connect")])

    def test_socks(self):
        for said in ([(0, b"\5\1\0"), (1, b"\5\0"), (0, REQUEST), (1, REPLY), (0, HELLO[0]),
                      (1, HELLO[1])],
                     [(0, b"\5\1\0"), (1, b"\5\0"), (0, REQUEST + HELLO[0]), (1, REPLY),
                      (1, HELLO[1])],
                     [(0, b"\5\1\0"), (1, b"\5\0"), (0, REQUEST), (0, HELLO[0]),
                      (1, REPLY + HELLO[1])],
                     [(0, b"\4\1\0\x16\1\2\3\4me\0"), (1, b"\0\x5a\0\0\0\0\0\0"),
                      (0, HELLO[0]), (1, HELLO[1])]):
            self.replay(*said)
            self.ssh("socks,ssh")

    def test_the_password_of_socks_is_nowhere(self):
        self.replay((0, GREETING), (1, b"\5\2"), (0, LOGIN), (1, b"\1\0"), (0, REQUEST),
                    (1, REPLY), (0, HELLO[0]), (1, HELLO[1]))
        self.ssh("socks,ssh")
        self.assertEqual(self.query("x.db", "SELECT service, user, secret, success"
                                    " FROM credential"), [("socks", "bob", "*" * 12, 1)])
        self.assertNotIn(b"Xk7-socks-pw", (self.dir / "x.db").read_bytes())
        for form in ("text", "hex", "raw"):
            out = self.nrtool("follow", "x.db", "16", f"--format={form}").stdout
            self.assertNotIn("Xk7-socks", out)
            self.assertIn("SSH-2.0-Server", out)
