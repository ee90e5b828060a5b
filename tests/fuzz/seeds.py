#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""seeds.py HARNESS OUT DIR…: a corpus for a harness from the captures below DIR.

Each harness has its own form (the comment at its head says which): `source` and `archive` take a
byte of options and a file (archives, JSON lines), `decode`, `engine` and `flows` a list of packets."""

import csv
import gzip
import hashlib
import lzma
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from base64 import b64encode
from itertools import chain
from pathlib import Path

HERE = Path(__file__).resolve().parent
MAX_FILE = 16 << 10
FREE = re.compile("BSD-3-Clause|MIT|Unlicense")
LINK_TYPES = [1, 0, 101, 113, 105, 127, 9, 50, 51, 107, 100, 228, 229, 108, 239, 117, 10, 6]


def packets(b):
    """(link type, [(seconds, captured bytes, wire length)]) of a pcap, or None."""
    order = {b"\xd4\xc3\xb2\xa1": "<", b"\x4d\x3c\xb2\xa1": "<",
             b"\xa1\xb2\xc3\xd4": ">", b"\xa1\xb2\x3c\x4d": ">"}.get(b[:4])
    if not order or len(b) < 24:
        return None
    link, at, out = struct.unpack_from(order + "I", b, 20)[0] & 0xffff, 24, []
    while at + 16 <= len(b) and len(out) < 64:
        sec, _, cap, wire = struct.unpack_from(order + "IIII", b, at)
        out.append((sec, b[at + 16:at + 16 + cap][:65535], wire))
        at += 16 + cap
    return link, out


def payload(link, b):
    """(protocol, source, destination, bytes of the transport's payload) of a frame, or None."""
    at = {1: 14, 113: 16, 101: 0, 12: 0, 0: 4, 276: 20, 228: 0, 229: 0}.get(link)
    if at is None or len(b) < at + 20:
        return None
    if link == 1 and b[12:14] == b"\x81\x00":
        at += 4
    ip = b[at:]
    if not ip:
        return None
    if ip[0] >> 4 == 4 and len(ip) >= 20:
        proto, src, dst = ip[9], ip[12:16], ip[16:20]
        l4 = ip[(ip[0] & 15) * 4:struct.unpack_from(">H", ip, 2)[0] or None]
    elif ip[0] >> 4 == 6 and len(ip) >= 40:
        proto, src, dst, l4 = ip[6], ip[8:24], ip[24:40], ip[40:]
    else:
        return None
    if proto == 6 and len(l4) >= 20:
        return proto, src + l4[:2], dst + l4[2:4], l4[(l4[12] >> 4) * 4:]
    if proto == 17 and len(l4) >= 8:
        return proto, src + l4[:2], dst + l4[2:4], l4[8:]
    return (proto, src, dst, l4) if proto in (1, 58) else None


PARSERS = sorted(re.findall(r"^  '(\w+)': \[", HERE.parents[1].joinpath(
    "parsers/meson.build").read_text(), re.M))
SIGNS = [("tls", rb"\x16\x03|\x80.\x01\x03"), ("ssh", b"SSH-"),
         ("http", rb"[A-Z]{3,12} \S+ HTTP/|HTTP/1"), ("smtp", b"(?i)220 .*SMTP|EHLO|HELO"),
         ("ftp", b"(?i)220.*FTP|USER |PASS "), ("starttls", rb"\+OK|\* OK|<\?xml|<stream"),
         ("starttls", rb"\0\0\0\x08\x04\xd2\x16\x2f|\x03\0\0.[\x0e\x22-\x40]|0.\x02\x01"),
         ("socks", rb"\x05[\x01-\x04][\0-\x03]|\x04[\x01\x02]..")]
DATAGRAM_SIGNS = [("dtls", rb"[\x14-\x17]\xfe[\xff\xfd]"), ("quic", rb"[\xc0-\xff]....")]
PORTS = {6: {53: "dns", 21: "ftp", 25: "smtp", 587: "smtp", 22: "ssh", 443: "tls", 80: "http",
             1080: "socks", 110: "starttls", 143: "starttls", 5222: "starttls"},
         17: {53: "dns", 5353: "dns", 5355: "dns", 137: "dns", 67: "dhcp", 68: "dhcp",
              123: "ntp", 443: "quic", 4433: "dtls"}}


DNS_PORTS = [53, 5353, 5355, 137]  # the order of nr_parser_dns.ports


def parser_of(proto, ports, data):
    """The parser that a flow is good for: by its first bytes, else by its ports."""
    if proto in (1, 58):
        return "icmp"
    for name, sign in SIGNS if proto == 6 else DATAGRAM_SIGNS:
        if re.match(sign, data, re.S):
            return name
    return next((PORTS[proto][p] for p in ports if p in PORTS[proto]), None)


def parser_seeds(name, link, rows):
    """The payloads of each flow as a conversation; for one parser or, named "", for all."""
    flows = {}
    for _, data, _ in rows:
        p = payload(link, data)
        if p and p[3]:
            flows.setdefault((p[0], *sorted(p[1:3])), []).append((p[1], p[3]))
    for (kind, *ends), talk in list(flows.items())[:4]:
        ports = [int.from_bytes(e[-2:], "big") for e in ends]
        who = parser_of(kind, ports, talk[0][1])
        if not who or name not in ("", who):
            continue
        port = max((DNS_PORTS.index(p) for p in ports if who == "dns" and p in DNS_PORTS), default=0)
        head = bytes([PARSERS.index(who) + len(PARSERS) * port,
                      0 if kind == 6 else 5 if kind == 58 else 1])
        yield head + b"".join(struct.pack(">BH", src != talk[0][0], len(b)) + b
                              for src, b in talk)


def ntlm(domain, user, unicode):
    """The third message of NTLM (MS-NLMP, 2.2.1.3)."""
    texts = [t.encode("utf-16-le" if unicode else "latin-1") for t in (domain, user)]
    at, fields = 72, b""
    for t in (b"", b"", *texts, b"", b""):
        fields += struct.pack("<HHI", len(t), len(t), at)
        at += len(t)
    return b64encode(b"NTLMSSP\0" + struct.pack("<I", 3) + fields + struct.pack("<I", unicode) +
                     bytes(8) + b"".join(texts)).decode()


def auth(mechanism, *answers):
    """A login of SMTP, each answer to a challenge."""
    talk = [(1, "220 m ESMTP\r\n"), (0, "EHLO c\r\n"), (1, f"250-m\r\n250 AUTH {mechanism}\r\n"),
            (0, f"AUTH {mechanism}\r\n")]
    for a in answers:
        talk += [(1, "334 PDEyM0BtPg==\r\n"), (0, a + "\r\n")]
    return talk + [(1, "235 2.7.0 ok\r\n"), (0, "QUIT\r\n"), (1, "221 bye\r\n")]


def b64(text):
    return b64encode(text.encode()).decode()


def request(*fields):
    return [(0, "GET /p?token=t HTTP/1.1\r\nHost: h\r\n" + "".join(f + "\r\n" for f in fields) +
             "\r\n"), (1, "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"),
            (0, "GET / HTTP/1.1\r\nHost: h\r\n" + "".join(f + "\r\n" for f in fields) + "\r\n"),
            (1, "HTTP/1.1 200 Ok\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")]


# What no mutation finds because it is encoded: (parser, what each side says).
DIALOGUES = [
    ("smtp", auth("XOAUTH2", b64("user=a@b\1auth=Bearer tok\1\1"))),
    ("smtp", auth("OAUTHBEARER", b64("n,a=a@b,\1host=h\1auth=Bearer tok\1\1"))),
    ("smtp", auth("CRAM-MD5", b64("user 0123456789abcdef0123456789abcdef"))),
    ("smtp", auth("DIGEST-MD5", b64('username="u",realm="r",nonce="n",response=00'), "")),
    ("smtp", auth("SCRAM-SHA-256", b64("n,,n=user,r=nonce"), b64("c=biws,r=nonce,p=AAAA"))),
    ("smtp", auth("NTLM", b64("NTLMSSP\0\1\0\0\0\0\0\0\0"), ntlm("DOM", "us\U0001f600er", 1))),
    ("smtp", auth("NTLM", "TlRMTVNTUAAB", ntlm("DOM", "user", 0))),
    ("smtp", auth("LOGIN", b64("user"), "*")),
    ("smtp", auth("PLAIN", b64("z\0user\0pass"))),
    ("http", request("Authorization: Basic " + b64("user:pass"))),
    ("http", request('Proxy-Authorization: Digest username="u", realm="r", response="00"')),
    ("http", request("Cookie: a=b; session=c", "Authorization: Bearer t", "X-Api-Key: k")),
    ("ftp", [(1, "220 f\r\n"), (0, "AUTH TLS\r\n"), (1, "234 go\r\n")]),
]


def dialogues(name):
    """For one parser or, named "", for all."""
    for parser, talk in DIALOGUES:
        for options in (0, 0x20) if name in ("", parser) else ():
            yield bytes([PARSERS.index(parser), options]) + b"".join(
                struct.pack(">BH", side, len(text)) + text.encode("latin-1")
                for side, text in talk)


def quic_seed(rows):
    """Hellos of TLS as if they had come in QUIC's CRYPTO frames, in one piece or three."""
    s = b""
    for k, (_, data, _) in enumerate(rows):
        for side, kind in ((0, b"\x01"), (1, b"\x02")):
            at = data.find(kind + b"\0", 0, 200)
            if at < 5 or data[at - 5:at - 3] not in (b"\x16\x03",):
                continue
            n = 4 + int.from_bytes(data[at + 1:at + 4], "big")
            m = data[at:at + n][:1400]
            cuts = [0, len(m)] if k % 2 else [0, len(m) // 3, len(m) // 2, len(m)]
            f = b"".join(b"\x06" + struct.pack(">HH", a | 0x4000, (z - a) | 0x4000) + m[a:z]
                         for a, z in zip(cuts, cuts[1:]))
            s += struct.pack(">BH", side, len(f)) + f
    return s


def recall_seed(b):
    """A capture with a flow of its first packets and one of every other."""
    n = len((packets(b) or (0, [0] * 8))[1])
    chunks = [b"\x01" + b"\x02" * (n - 1), b"\x01" + b"\x04" * ((n - 1) // 2)]
    s = bytes([len(b) & 3, 2]) + b"".join(struct.pack("<H", len(c)) + c for c in chunks)
    return s + bytes([1]) + struct.pack("<IIi", 1, 24, 0) + b


def snoop(rows):
    """RFC 1761."""
    s = b"snoop\0\0\0" + struct.pack(">II", 2, 4)
    for sec, data, wire in rows:
        pad = -len(data) % 4
        s += struct.pack(">IIIIII", wire, len(data), 24 + len(data) + pad, 0, sec, 1) + data
        s += bytes(pad)
    return s


def secrets(rows):
    """A pcapng with a block of TLS keys (11.2 of its draft) before the packets."""
    def block(kind, body):
        body += bytes(-len(body) % 4)
        return struct.pack("<II", kind, 12 + len(body)) + body + struct.pack("<I", 12 + len(body))

    keys = b"CLIENT_RANDOM 00 11\n"
    s = block(0x0a0d0d0a, struct.pack("<IHHq", 0x1a2b3c4d, 1, 0, -1))
    s += block(1, struct.pack("<HHI", 1, 0, 0))
    s += block(10, struct.pack("<II", 0x544c534b, len(keys)) + keys)
    for sec, data, wire in rows[:3]:
        s += block(6, struct.pack("<IIIII", 0, 0, sec, len(data), wire) + data)
    return s


def through(tool, b):
    """What a tool makes of it, if it is there."""
    if not shutil.which(tool[0]):
        return b""
    return subprocess.run(tool, input=b, capture_output=True).stdout


def archived(link, data):
    """An archive of several frames, with packets inside and outside the time that the harness asks
    for, where a build has nrtool."""
    nrtool = next(iter(sorted(HERE.parents[1].glob("build*/cli/nrtool"))), None)
    if not nrtool:
        return b""
    b = struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, link)
    for k in range(60):
        b += struct.pack("<IIII", 950000000 + k * 10 ** 7, 0, 3000, 3000)
        b += data[:200].ljust(3000, b"\0")
    with tempfile.TemporaryDirectory() as d:
        Path(d, "a.pcap").write_bytes(b)
        subprocess.run([nrtool, "archive", "-q", "--frame-size=64K", "-w", f"{d}/a.pcapng.zst",
                        f"{d}/a.pcap"], capture_output=True)
        return Path(d, "a.pcapng.zst").read_bytes() if Path(d, "a.pcapng.zst").is_file() else b""


def source_seeds(b):
    """The file, and small ones in other forms; the first byte asks for part of an archive."""
    yield b"\0" + b
    link, rows = packets(b) or (0, [])
    if len(b) > 2000 or not rows:
        return
    half = len(b) // 2
    yield b"\0" + gzip.compress(b[:half], 9, mtime=0) + bytes(30) + gzip.compress(b[half:], mtime=0)
    yield b"\0" + lzma.compress(b)
    yield b"\0" + through(["zstd", "-qc"], b[:half]) + through(["zstd", "-qc"], b[half:])
    yield b"\0" + through(["lz4", "-qc"], b)
    yield b"\0" + secrets(rows)
    if link == 1:
        yield b"\0" + snoop(rows)
    if len(b) < 400:
        a = archived(link, rows[0][1])
        yield b"\0" + a
        yield b"\x10" + a


def engine_seed(link, rows):
    s = bytes([0, LINK_TYPES.index(link)])
    for k, (sec, data, wire) in enumerate(rows):
        step = min(max(sec - rows[k - 1][0] if k else 0, 0), 1000)
        s += struct.pack(">hHH", int((step * 10 ** 6) ** 0.5) if step else 100,
                         min(wire - len(data), 65535) | 1 if wire > len(data) else 0,
                         len(data)) + data
    return s


def decode_seed(link, rows):
    return struct.pack(">H", link) + b"".join(
        struct.pack(">HBBH", min(max(wire - len(data), 0), 65535), 0, 1, len(data)) + data
        for _, data, wire in rows)


class Conversation:
    """What a parser was told, input of harness `parser`, as packets of harness `engine`."""

    def __init__(self, parser, which, options):
        self.proto = ((58 if options & 4 else 1) if parser == "icmp" else
                      17 if options & 1 or parser not in PORTS[6].values() else 6)
        self.ports = 40000, (DNS_PORTS[which // len(PARSERS) % 4] if parser == "dns" else
                             next((port for table in PORTS.values()
                                   for port, name in table.items() if name == parser), 0))
        self.seq = [1000, 2000]
        self.packets = []
        if self.proto == 6:
            self.segment(0, 2)
            self.segment(1, 0x12)

    def packet(self, side, l4, step=10):
        ends = [b"\x0a\0\0\1", b"\x0a\0\0\2"]
        if self.proto == 58:
            ends = [b"\xfd" + bytes(11) + e for e in ends]
            ip = struct.pack(">IHBB", 6 << 28, len(l4), 58, 64)
        else:
            ip = struct.pack(">BBHIBBH", 0x45, 0, 20 + len(l4), 0, 64, self.proto, 0)
        frame = ip + ends[side] + ends[1 - side] + l4
        self.packets.append(struct.pack(">hHH", step, 0, len(frame)) + frame)

    def segment(self, side, flags, b=b""):
        self.packet(side, struct.pack(">HHIIBBHI", self.ports[side], self.ports[1 - side],
                                      self.seq[side], self.seq[1 - side], 0x50, flags, 60000, 0)
                    [:20] + b)
        self.seq[side] = self.seq[side] + len(b) + (1 if flags & 3 else 0) & 0xffffffff

    def told(self, what, n, b):
        side, kind = what & 1, what >> 1 & 7
        if kind == 7:
            self.packet(0, bytes(8), min(int((n * 10000) ** 0.5), 32000))
        elif self.proto == 17:
            self.packet(side, struct.pack(">HHHH", self.ports[side], self.ports[1 - side],
                                          8 + len(b), 0) + b)
        elif self.proto != 6:
            self.packet(side, b)
        elif kind == 5:
            self.seq[side] = self.seq[side] + n + 1 & 0xffffffff
        elif kind == 6:
            self.segment(side, 0x14 if n & 1 else 0x11)
        else:
            for at in range(0, len(b), 8000):
                self.segment(side, 0x18, b[at:at + 8000])

    def seed(self):
        # raw IP; the options say to ignore checksums
        return bytes([2, LINK_TYPES.index(101)]) + b"".join(self.packets)


def engine_of_parser(parser, b):
    c = Conversation(parser, b[0], b[1])
    at = 2
    while at + 3 < len(b):
        n = struct.unpack_from(">H", b, at + 1)[0]
        text = b"" if b[at] >> 1 & 7 > 4 else b[at + 3:at + 3 + n]
        c.told(b[at], n, text)
        at += 3 + len(text)
    return c.seed()


def engine_of_many():
    """More flows than the smallest table has room for, and more holes than a flow remembers."""
    c = Conversation("ntp", 0, 1)
    for port in range(1400):
        c.ports = 1024 + port, 9
        c.told(0, 0, b"")
    yield c.seed()
    c = Conversation("socks", 0, 0)
    for k in range(100):
        c.seq[0] += 2 if k % 3 else 5
        c.segment(0, 0x18, b"x")
    for k in range(40):
        c.seq[0] -= 4
        c.segment(0, 0x18, b"y")
    yield c.seed()


def engine_of_decode(b):
    link, at, out = int.from_bytes(b[:2], "big"), 2, b""
    if link not in LINK_TYPES:
        return b""
    while at + 7 <= len(b):
        extra, _, step, n = struct.unpack_from(">HBBH", b, at)
        data = b[at + 7:at + 7 + n]
        out += struct.pack(">hHH", step, extra | 1 if extra else 0, len(data)) + data
        at += 7 + n
    return bytes([2, LINK_TYPES.index(link)]) + out


def engine_of_corpora(harness):
    """What its parts were fed with may be fed to the whole."""
    from corpus import members
    for parser in PARSERS if harness == "engine" else []:
        for _, b in members("parser_" + parser):
            if len(b) > 5:
                yield engine_of_parser(parser, b)
        for b in dialogues(parser):
            yield engine_of_parser(parser, b)
    for _, b in members("decode"):
        yield engine_of_decode(b)
    yield from engine_of_many()


def seeds(harness, b):
    """What a file is for a harness: any number of inputs."""
    if harness == "source":
        return source_seeds(b)
    if harness == "archive":
        if b[:4] == b"\x28\xb5\x2f\xfd":
            return [b"\x00" + b]
        return [b"\x02" + line for line in b.split(b"\n", 40)[:40] if line[:1] == b"{"]
    if harness == "recall":
        return [recall_seed(b)]
    link, rows = packets(b) or (0, [])
    if not rows:
        return []
    if harness == "quic":
        return [quic_seed(rows)]
    if harness.startswith("parser"):
        return parser_seeds(harness[len("parser_"):], link, rows)
    if harness == "decode":
        return [decode_seed(link, rows)]
    return [engine_seed(link, rows)] if link in LINK_TYPES else []


def captures(top):
    """The files below a folder; of a collection with a manifest those that may be passed on,
    as what grows from them is to lie beside the sources."""
    manifest = Path(top, "MANIFEST.tsv")
    if manifest.is_file():
        with manifest.open() as f:
            rows = list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))
        return [Path(top, r["path"]) for r in rows if FREE.search(r["licence"])]
    return sorted(Path(top).rglob("*"))


def main(harness, out, *dirs):
    Path(out).mkdir(parents=True, exist_ok=True)
    files = (f for d in dirs for f in captures(d)
             if f.is_file() and f.stat().st_size <= MAX_FILE)
    found = chain((s for f in files for s in seeds(harness, f.read_bytes())),
                  engine_of_corpora(harness) if harness in ("engine", "flows") else [],
                  dialogues(harness[len("parser_"):]) if harness.startswith("parser") else [])
    n = 0
    for s in found:
        if s and len(s) <= 1 << 16:
            Path(out, hashlib.sha1(s).hexdigest()[:16]).write_bytes(s)
            n += 1
    print(f"{n} seeds for {harness} in {out}")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
