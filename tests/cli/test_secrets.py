# SPDX-License-Identifier: BSD-3-Clause
"""What is a password on the wire is in no output, unless it was asked for."""

import json

from common import DATA, Case

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
