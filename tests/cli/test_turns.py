# SPDX-License-Identifier: BSD-3-Clause
"""Two sides of a conversation wait for each other: captures swap their packets, and lose them."""

import random

from common import Case, conversation

N = 12
HTTP = [said for i in range(N) for said in (
    (0, b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % i),
    (1, b"HTTP/1.1 4%02d R\r\nContent-Length: 2\r\n\r\nok" % i))]
FTP = [(1, b"220 ready\r\n")] + [said for i in range(N) for said in (
    (0, b"DELE f%d\r\n" % i),
    (1, b"%d f%d\r\n" % (250 if i % 2 else 550, i)))]
SMTP = [(1, b"220 ready\r\n"), (0, b"HELO a\r\n"), (1, b"250 b\r\n")] + [
    said for i in range(4) for said in (
        (0, b"MAIL FROM:<a%d@a>\r\n" % i), (1, b"250 from %d\r\n" % i),
        (0, b"RCPT TO:<b%d@b>\r\n" % i), (1, b"250 to %d\r\n" % i),
        (0, b"DATA\r\n"), (1, b"354 go\r\n"),
        (0, b"Subject: s%d\r\n\r\ntext\r\n.\r\n" % i),
        (1, b"%d done %d\r\n" % (550 if i % 2 else 250, i)))]
PROTOCOLS = {
    "http": (80, HTTP, "SELECT method, uri, status, response_body_bytes, complete FROM http"),
    "ftp": (21, FTP, "SELECT command, argument, reply_code, reply_text, complete FROM ftp"),
    "smtp": (25, SMTP, "SELECT mail_from, subject, status, last_reply, complete"
                       " FROM smtp"),
}


def swap(frames, at):
    out = list(frames)
    for i in at:
        out[i], out[i + 1] = out[i + 1], out[i]
    return out


class Turns(Case):
    def rows(self, name, arrange=list):
        port, said, sql = PROTOCOLS[name]
        (self.dir / "x.pcap").write_bytes(conversation(*said, port=port, arrange=arrange))
        self.nrtool("replay", "x.pcap", "-q", "--force", "--checksums=ignore", "-o", "x.db")
        return sorted(self.query("x.db", sql), key=repr)

    def test_packets_that_were_swapped_change_no_row(self):
        for name, (_, said, _) in PROTOCOLS.items():
            want = self.rows(name)
            self.assertGreaterEqual(len(want), 4)
            rng = random.Random(7)
            places = [range(0, len(said) - 1, 2), range(1, len(said) - 1, 2)] + [
                sorted(rng.sample(range(len(said) - 1), 5)) for _ in range(10)]
            for at in places:
                with self.subTest(protocol=name, at=at):
                    self.assertEqual(self.rows(name, lambda frames, at=at: swap(frames, at)), want)

    def test_a_lost_packet_costs_no_other_exchange(self):
        """Of HTTP, whose messages say of themselves how long they are."""
        want = self.rows("http")
        for lost in range(2 * N):
            with self.subTest(lost=lost):
                rows = self.rows("http", lambda f, lost=lost: f[:lost] + f[lost + 1:])
                self.assertEqual([r for r in rows if r in want],
                                 [r for r in want if r[1] != f"/{lost // 2}"])
