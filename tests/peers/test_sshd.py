# SPDX-License-Identifier: BSD-3-Clause
"""OpenSSH's server and client: identifications, algorithms, host keys."""

import hashlib
import json
import os
import re
import unittest
from pathlib import Path

import peers
from network import SERVER4, SERVER6

CONF = """
Port 22
Port 443
ListenAddress {v4}
ListenAddress {v6}
HostKey {dir}/host_ed25519
HostKey {dir}/host_ecdsa
HostKey {dir}/host_rsa
AuthorizedKeysFile {dir}/client_ed25519.pub
PidFile none
UsePAM no
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
Ciphers +aes128-cbc
LogLevel DEBUG2
"""

# Options of ssh, port.
RUNS = [
    ((), 22),
    (("-o", "Ciphers=aes128-ctr", "-o", "MACs=hmac-sha2-256"), 22),
    (("-o", "Ciphers=aes256-gcm@openssh.com", "-o", "HostKeyAlgorithms=rsa-sha2-512"), 22),
    (("-o", "HostKeyAlgorithms=ecdsa-sha2-nistp256", "-o", "KexAlgorithms=ecdh-sha2-nistp384"),
     443),
    (("-o", "Compression=yes", "-o", "KexAlgorithms=diffie-hellman-group14-sha256", "-o",
      "Ciphers=aes128-cbc", "-o", "MACs=hmac-sha2-512-etm@openssh.com"), 22),
    (("-o", "KexAlgorithms=diffie-hellman-group-exchange-sha256", "-o", "RekeyLimit=1K"), 22),
    (("-i", "{dir}/stranger"), 443),
    (("-o", "Ciphers=3des-cbc"), 22),
]


def algorithms(text, side):
    """Lists of a KEXINIT as ssh -vv prints them, in HASSH's order for one direction."""
    part = text[text.index(f"{side} KEXINIT proposal"):]
    got = {}
    for line in part.splitlines()[1:]:
        m = re.match(r"debug2: ([^:]+): ?(\S*)", line)
        if not m or m[1] == "languages stoc":
            break
        got[m[1]] = m[2]
    return got


class Sshd(peers.Peers):
    needs = ("sshd", "ssh", "ssh-keygen")

    @classmethod
    def serve(cls):
        for name, kind in (("host_ed25519", "ed25519"), ("host_ecdsa", "ecdsa"),
                           ("host_rsa", "rsa"), ("client_ed25519", "ed25519"),
                           ("stranger", "ed25519")):
            cls.client("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", cls.dir / name)
        # sshd wants this folder for its unprivileged half.
        if not Path("/run/sshd").exists():
            os.mkdir("/run/sshd", 0o755)
            cls.addClassCleanup(os.rmdir, "/run/sshd")
        conf = cls.write("sshd_config", CONF.format(dir=cls.dir, v4=SERVER4, v6=SERVER6))
        cls.daemon(peers.tool("sshd"), "-D", "-e", "-f", conf, ports=(22, 443))

    @classmethod
    def talk(cls):
        cls.said = []
        for server in (SERVER4, SERVER6):
            for words, port in RUNS:
                p = cls.client("ssh", "-vv", "-F", "none", "-o", "BatchMode=yes", "-o",
                               "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                               "-o", "GlobalKnownHostsFile=/dev/null", "-o",
                               "IdentitiesOnly=yes", *[w.format(dir=cls.dir) for w in words],
                               "-i", cls.dir / "client_ed25519", "-p", port, f"root@{server}",
                               "true", must=False)
                cls.said.append((server, port, p.stderr))
        cls.log = (cls.dir / "daemon.log").read_text(errors="replace")

    def ssh(self):
        return self.rows("SELECT s.*, src_ip, src_port, dst_ip, dst_port, service FROM ssh s"
                         " JOIN flow USING (flow_id) ORDER BY flow_id")

    def test_each_connection_has_its_row(self):
        self.assertEqual([(r["dst_ip"], r["dst_port"], r["service"]) for r in self.ssh()],
                         [(server, port, "ssh") for server, port, _ in self.said])
        self.assertEqual(["Authenticated to" in text for *_, text in self.said],
                         ([True] * 7 + [False]) * 2)

    def test_rows_as_the_client_said(self):
        for r, (_, _, text) in zip(self.ssh(), self.said):
            with self.subTest(port=r["src_port"]):
                self.compare(r, text)

    def compare(self, r, text):
        def say(pattern):
            m = re.search(pattern, text)
            return m[1] if m else None

        self.assertEqual(r["client_version"], say(r"Local version string (.*?)\r?\n"))
        self.assertEqual(r["server_version"], "SSH-2.0-" + say(
            r"remote software version (.*?)\r?\n"))
        client = algorithms(text, "local client")
        server = algorithms(text, "peer server")
        self.assertEqual(r["hassh"], hassh(client, "ctos"))
        self.assertEqual(r["hassh_server"], hassh(server, "stoc"))
        self.assertEqual(json.loads(r["server_algorithms"])["host_key"],
                         server["host key algorithms"].split(","))
        if "Unable to negotiate" in text:
            self.assertEqual((r["cipher"], r["host_key_fingerprint"], r["complete"]),
                             (None, None, 0))
            return
        self.assertEqual(r["kex"], say(r"kex: algorithm: (\S+)"))
        self.assertEqual(r["host_key_algorithm"], say(r"kex: host key algorithm: (\S+)"))
        self.assertEqual(r["host_key_fingerprint"], say(r"Server host key: \S+ (SHA256:\S+)"))
        for way, cipher, mac, packed in (
                ("client->server", "cipher", "mac", "compression"),
                ("server->client", "cipher_to_client", "mac_to_client",
                 "compression_to_client")):
            m = re.search(rf"kex: {way} cipher: (\S+) MAC: (\S+) compression: (\S+)", text)
            self.assertEqual((r[cipher], r[packed]), (m[1], m[3]))
            if m[2] != "<implicit>":
                self.assertEqual(r[mac], m[2])
        self.assertEqual((r["encrypted"], r["complete"], r["version"], r["reversed"]),
                         (1, 1, 2, 0))

    def test_rows_as_the_server_logged(self):
        """The server's log tells the connections apart by the client's port."""
        parts = re.split(r"Connection from (\S+) port (\d+) on", self.log)
        log = {(a, int(port)): text for a, port, text in zip(*[iter(parts[1:])] * 3)}
        rows = self.ssh()
        self.assertEqual(sorted(log), sorted((r["src_ip"], r["src_port"]) for r in rows))
        for r in rows:
            text = log[r["src_ip"], r["src_port"]]
            m = re.search(r"remote software version (\S+.*?)\r?\n", text)
            self.assertEqual(r["client_version"], "SSH-2.0-" + m[1])
            m = re.search(r"kex: algorithm: (\S+)", text)
            self.assertEqual(r["kex"], m[1] if m else None)
            m = re.search(r"kex: client->server cipher: (\S+)", text)
            self.assertEqual(r["cipher"], m[1] if m else None)
            self.assertEqual(r["encrypted"] or 0, int("SSH2_MSG_NEWKEYS received" in text))


def hassh(lists, way):
    return hashlib.md5(";".join((lists["KEX algorithms"], lists["ciphers " + way],
                                 lists["MACs " + way], lists["compression " + way]))
                       .encode()).hexdigest()


if __name__ == "__main__":
    unittest.main()
