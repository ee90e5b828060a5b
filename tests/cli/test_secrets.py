# SPDX-License-Identifier: BSD-3-Clause
"""What is a password on the wire is in no output, unless it was asked for."""

import base64
import json
import subprocess

from common import DATA, NRTOOL, Case, conversation

# capture: the password, and how else it stands on the wire
SECRETS = {
    "ftp-active.pcap": [b"password"],
    "smtp-auth.pcap": [b"passwd", b"ADEyMzQ1Njc4QGFvbC5jb20AcGFzc3dk"],
}


class Secrets(Case):
    def rows(self, name, *more):
        out = self.nrtool("replay", DATA / name, "-q", "-o", "-", *more).stdout
        return out, [json.loads(line) for line in out.splitlines()]

    def test_the_captures_hold_them(self):
        for name, forms in SECRETS.items():
            self.assertIn(forms[-1], (DATA / name).read_bytes(), name)

    def test_no_output_has_them(self):
        for name, forms in SECRETS.items():
            out, rows = self.rows(name)
            self.nrtool("replay", DATA / name, "-q", "-o", "a.db", "--force")
            report = self.nrtool("query", "a.db", "logins").stdout
            for form in forms:
                # "Please specify the password." is the server's
                said = out.replace("specify the password", "")
                self.assertNotIn(f'"{form.decode()}', said)
                self.assertNotIn(f" {form.decode()}", said)
                self.assertNotIn(form.decode(), report)
            self.assertTrue([r for r in rows if r["type"] == "credential"])

    def test_they_are_stored_where_asked_for(self):
        for name, forms in SECRETS.items():
            _, rows = self.rows(name, "--store-secrets")
            found = [r["secret"] for r in rows if r["type"] == "credential"]
            self.assertEqual(found, [forms[0].decode()])


def b64(data):
    return base64.b64encode(data)


PASSWORD = b"Xk7-hidden"
LONG = b64(b"Xk7-" + b"ticket-" * 1300)  # a token of Kerberos; RFC 4954 allows 12 288
# client's lines: (what is a secret in them)
LOGINS = [
    ([b"AUTH PLAIN " + b64(b"\0joe\0" + PASSWORD)], []),
    ([b"AUTH PLAIN", b64(b"\0joe\0" + PASSWORD)], [b"334 "]),
    ([b" auth\tlogin", b64(b"joe"), b64(PASSWORD)], [b"334 VXNlcm5hbWU6",
                                                     b"334 UGFzc3dvcmQ6"]),
    ([b"AUTH LOGIN " + b64(b"joe"), b64(PASSWORD)], [b"334 UGFzc3dvcmQ6"]),
    ([b"AUTH XOAUTH2", b64(b"user=joe\1auth=Bearer " + PASSWORD + b"\1\1")], [b"334 "]),
    ([b"AUTH CRAM-MD5", b64(b"joe 0123456789abcdef0123456789abcdef")], [b"334 PDE+"]),
    ([b"AUTH GSSAPI " + LONG, LONG[:400]], [b"334 YWJj"]),
    ([b"AUTH GSSAPI", LONG], [b"334 "]),
    ([b"AUTH X-OWN", b64(PASSWORD + b"12")], [b"334 "]),
    ([b"PASS " + PASSWORD], []),
]


class SmtpSecrets(Case):
    """All ways of AUTH, in one line and in several, and a server that quotes them."""

    def talk(self, lines, answers):
        secrets = [w for line in lines for w in line.split()[-1:] if len(w) > 9]
        said = [(1, b"220 mx ESMTP\r\n"), (0, b"EHLO me\r\n"), (1, b"250 AUTH\r\n")]
        for line, answer in zip(lines, answers):
            said += [(0, line + b"\r\n"), (1, answer + b"\r\n")]
        said += [(0, lines[-1] + b"\r\n"),
                 (1, b"535 no: " + secrets[-1] + b"\r\n"), (1, secrets[-1] + b"\r\n"),
                 (0, b"QUIT\r\n"), (1, b"221 bye\r\n")]
        (self.dir / "x.pcap").write_bytes(conversation(*said))
        return [*secrets, PASSWORD, b64(PASSWORD)]

    def outputs(self, *options):
        self.nrtool("replay", "x.pcap", "-q", "--force", "--checksums=ignore", *options,
                    "-o", "x.db", "-o", "x.jsonl")
        (flow,), = self.query("x.db", "SELECT flow_id FROM flow")
        out = {n: (self.dir / n).read_bytes() for n in ("x.db", "x.jsonl")}
        for form in ("text", "hex", "raw"):
            out[form] = subprocess.run(
                [NRTOOL, "follow", f"--format={form}", "-q", *options, "x.db", str(flow)],
                cwd=self.dir, capture_output=True, check=True).stdout
        return out

    def test_no_output_has_them(self):
        for lines, answers in LOGINS:
            secrets = self.talk(lines, answers)
            for name, out in self.outputs().items():
                for secret in secrets:
                    self.assertFalse(secret in out or secret[-40:] in out,
                                     f"{lines[0][:20]}: {secret[:40]} in {name}")

    def test_they_are_there_where_asked_for(self):
        for lines, answers in LOGINS:
            self.talk(lines, answers)
            self.assertIn(lines[-1].split()[-1], self.outputs("--store-secrets")["raw"])


class HttpSecrets(Case):
    """User information, values and names of all kinds."""

    FORMS = (b"ssw0rd", b"two words")

    def test_no_output_has_them(self):
        capture = DATA / "http-odd.pcap"
        out = self.nrtool("replay", capture, "-q", "-o", "-").stdout.encode()
        self.nrtool("replay", capture, "-q", "-o", "a.db", "--force")
        for form in self.FORMS:
            self.assertIn(form, capture.read_bytes())
            self.assertNotIn(form, out)
            self.assertNotIn(form, (self.dir / "a.db").read_bytes())
        out = self.nrtool("replay", capture, "-q", "-o", "-", "--store-secrets").stdout
        for form in self.FORMS:
            self.assertIn(form.decode(), out)
