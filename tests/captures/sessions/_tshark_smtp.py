# SPDX-License-Identifier: BSD-3-Clause
"""What tshark 4.0 counts as smtp.req.command, said of the packets of a client.

Its dissector gives each packet one kind, the one that its last line decided, and counts
the lines of packets whose kind is "command" only:
- DATA, whatever its reply, makes all that follows content, up to a packet with "." alone
  on a line; what else is in that packet is not looked at. So a packet in which DATA has
  content behind it, or commands stand behind the end of a mail, has no commands.
- BDAT adds its size to the sizes before it, and content ends only with a packet with
  which the lengths of content packets add up to that sum exactly. A packet that holds
  both BDAT and content counts from that BDAT's next line on.
- Before the first command, and behind DATA or BDAT, a line that is no command is content.
A packet without any end of a line waits for the next one."""

import re

from sessions import _tshark

VERBS = {b"STARTTLS", b"X-EXPS", b"X-LINK2STATE", b"XEXCH50", b"ATRN", b"AUTH", b"BDAT",
         b"DATA", b"EHLO", b"ETRN", b"EXPN", b"HELO", b"HELP", b"MAIL", b"NOOP", b"QUIT",
         b"RCPT", b"RSET", b"SAML", b"SEND", b"SOML", b"SUBMITTER", b"TURN", b"VRFY"}
END = re.compile(rb"\r\n|\r|\n")


class Client:
    """The client's side of one connection."""

    def __init__(self):
        self.in_data = self.crlf = self.seen = False
        self.began = False
        self.size = self.read = 0
        self.rest = b""

    def line(self, line):
        """A line outside of content: whether it makes the packet a command."""
        verb = line.split(b" ")[0].upper()
        if verb not in VERBS:
            return self.began and not self.seen
        self.began = True
        if verb == b"DATA":
            self.in_data = self.seen = True
        elif verb == b"BDAT":
            size = int(re.match(rb"\s*(-?\d+|)", line[5:])[1] or 0) & 0xffffffff
            self.size += size
            self.in_data, self.seen = size > 0, True
        return True

    def packet(self, payload):
        """Whether the commands in this packet are counted; None: it waits for more."""
        data, at, counts = self.rest + payload, 0, False
        self.rest = b""
        while at < len(data):
            m = END.search(data, at)
            if not m and not at:
                self.rest = data
                return None
            end, after = m.span() if m else (len(data), len(data))
            if not self.in_data:
                counts = self.line(data[at:end])
                at = after
                continue
            counts = False
            dot = data.startswith(b"\r\n.\r\n", at) or \
                self.crlf and data.startswith(b".\r\n", at)
            self.crlf = data.endswith(b"\r\n")
            if dot:
                self.in_data = False
                break
            if self.size:
                self.read += len(data) - at
                self.in_data = self.read != self.size
                break
            at = after
        return counts


def counted(path, src, dst):
    """Numbers of the packets whose commands tshark counts."""
    client = Client()
    return {n for n, _, payload in _tshark.new_packets(path, src, dst)
            if client.packet(payload)}
