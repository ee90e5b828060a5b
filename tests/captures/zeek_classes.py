# SPDX-License-Identifier: BSD-3-Clause
"""Why nrtool's flows differ from Zeek's connections: classes with reasons.

A class is a predicate over one difference (zeek.py, class Difference): column, both
rows, and the context of the capture. The first that fits explains it. A class must say
something that can be wrong: it looks at the rows or at the capture, never at the mere
fact that they differ. ZEEK_FACTS.md says how Zeek computes each column."""

import collections

import common
import frames

Class = collections.namedtuple("Class", "name columns reason test")

# IANA keywords as nrtool prints them in place of numbers.
PROTO_NUMBERS = {
    "hopopt": 0, "icmp": 1, "igmp": 2, "ggp": 3, "ipv4": 4, "st": 5, "tcp": 6, "cbt": 7,
    "egp": 8, "igp": 9, "bbn-rcc-mon": 10, "nvp-ii": 11, "pup": 12, "argus": 13,
    "emcon": 14, "xnet": 15, "chaos": 16, "udp": 17, "mux": 18, "dcn-meas": 19, "hmp": 20,
    "prm": 21, "xns-idp": 22, "trunk-1": 23, "trunk-2": 24, "leaf-1": 25, "leaf-2": 26,
    "rdp": 27, "irtp": 28, "iso-tp4": 29, "netblt": 30, "mfe-nsp": 31, "merit-inp": 32,
    "dccp": 33, "3pc": 34, "idpr": 35, "xtp": 36, "ddp": 37, "idpr-cmtp": 38, "tp++": 39,
    "il": 40, "ipv6": 41, "sdrp": 42, "ipv6-route": 43, "ipv6-frag": 44, "idrp": 45,
    "rsvp": 46, "gre": 47, "dsr": 48, "bna": 49, "esp": 50, "ah": 51, "i-nlsp": 52,
    "swipe": 53, "narp": 54, "min-ipv4": 55, "tlsp": 56, "skip": 57, "icmpv6": 58,
    "ipv6-nonxt": 59, "ipv6-opts": 60, "cftp": 62, "sat-expak": 64, "kryptolan": 65,
    "rvd": 66, "ippc": 67, "sat-mon": 69, "visa": 70, "ipcv": 71, "cpnx": 72, "cphb": 73,
    "wsn": 74, "pvp": 75, "br-sat-mon": 76, "sun-nd": 77, "wb-mon": 78, "wb-expak": 79,
    "iso-ip": 80, "vmtp": 81, "secure-vmtp": 82, "vines": 83, "iptm": 84,
    "nsfnet-igp": 85, "dgp": 86, "tcf": 87, "eigrp": 88, "ospfigp": 89, "sprite-rpc": 90,
    "larp": 91, "mtp": 92, "ax.25": 93, "ipip": 94, "micp": 95, "scc-sp": 96,
    "etherip": 97, "encap": 98, "gmtp": 100, "ifmp": 101, "pnni": 102, "pim": 103,
    "aris": 104, "scps": 105, "qnx": 106, "a/n": 107, "ipcomp": 108, "snp": 109,
    "compaq-peer": 110, "ipx-in-ip": 111, "vrrp": 112, "pgm": 113, "l2tp": 115,
    "ddx": 116, "iatp": 117, "stp": 118, "srp": 119, "uti": 120, "smp": 121, "sm": 122,
    "ptp": 123, "isis": 124, "fire": 125, "crtp": 126, "crudp": 127, "sscopmce": 128,
    "iplt": 129, "sps": 130, "pipe": 131, "sctp": 132, "fc": 133, "rsvp-e2e-ignore": 134,
    "mobility": 135, "udplite": 136, "mpls-in-ip": 137, "manet": 138, "hip": 139,
    "shim6": 140, "wesp": 141, "rohc": 142, "ethernet": 143, "aggfrag": 144, "nsh": 145,
    "homa": 146, "bit-emu": 147,
}
DNS_PORTS = {53, 137, 5353, 5355}
ROWS = ("match", "extra")
SIDES = ("orig_pkts", "resp_pkts", "orig_ip_bytes", "resp_ip_bytes", "orig_bytes",
         "resp_bytes")
VALUES = ("direction", "ts", "duration", "conn_state", "history", *SIDES, "missed_bytes",
          "vlan", "community_id")
ALL = ROWS + VALUES
# What changes when the same packets of a key are cut into rows elsewhere.
CUT = ROWS + ("direction", "ts", "duration", "conn_state", "history", *SIDES,
              "missed_bytes", "vlan", "community_id")


# Server ports of nrtool that Zeek's likely_server_ports lacks.
MORE_SERVERS = {110, 389, 3268, 5432, 6379}
CUT_OR_LYING = {"ip_length", "transport_cut", "ip_malformed", "tcp_malformed",
                "udp_malformed", "link_malformed", "tunnel_malformed"}


def row(d):
    return d.z or d.o


def own_frames(d):
    """The frames between the two hosts of a row, from the capture itself."""
    if not (common.captures() / d.ctx.file).is_file():
        return []
    return frames.of_row(common.captures() / d.ctx.file, row(d))


def pkts(rows):
    return sum(sum(x or 0 for x in r.pkts) for r in rows)


def own_anomalies(d):
    """Kinds of anomalies at a time when a row of this key was open."""
    spans = [(r.ts, r.end) for r in d.key_ours + d.key_theirs if r.ts is not None]
    return {a["kind"] for a in d.ctx.other["anomaly"] if "ts_ns" in a and
            any(t - 1000 <= a["ts_ns"] <= end + 1000 for t, end in spans)}


def ports(d):
    r = row(d)
    return {r.orig[1], r.resp[1]}


def scopes(d):
    """How many VLANs and tunnels our flows of this key lie in; Zeek keys by neither."""
    return len({(o.vlan, o.raw.get("tunnel")) for o in d.key_ours})


def tunnel_ends(d):
    """Several flows in tunnels of one kind, and several such tunnels."""
    kinds = {k for o in d.key_ours for k in (o.raw.get("tunnel") or "").split("/")}
    ends = {frozenset((t["src_ip"], t["dst_ip"])) for t in d.ctx.other["tunnel"]
            if t["kind"] in kinds}
    return len(ends) > 1 and len(d.key_ours) > len(d.key_theirs) and d.totals_equal()


def cut_differently(d):
    return len(d.key_ours) != len(d.key_theirs) and d.totals_equal()


def without(text, letters):
    return "".join(c for c in text if c not in letters)


def states_theirs(d):
    return {z.conn_state for z in d.key_theirs}


def loses(history):
    return any(c in "Gg" for c in history)


def zeek_gave_up(d):
    return d.ctx.mode == "zeek9" and d.ctx.zeek_exit != "0"


def several_link_types(d):
    return "," in d.ctx.manifest.get("linktypes", "")


def dns_timer(d):
    return (row(d).proto == 17 and ports(d) & DNS_PORTS
            and len(d.key_theirs) > len(d.key_ours) and d.totals_equal())


def response_flips(d):
    """A UDP connection whose first datagram a parser knows for a response."""
    return any(z.proto == 17 and "^" in z.history[1:] for z in d.key_theirs)


def syn_renewal(d):
    return (row(d).proto == 6 and cut_differently(d) and "S0" in states_theirs(d)
            and len(d.key_theirs) > len(d.key_ours))


def equal_addresses(d):
    return d.o.orig[0] == d.o.resp[0]


def test_script(d):
    """Zeek 9.1's own rows of this key and capture are others than the baseline's."""
    if d.ctx.mode != "baseline":
        return False
    same = [z for z in d.ctx.zeek9 if z.key() == row(d).key()]
    if d.z is None:  # not in the baseline, but in Zeek 9.1's log
        return any(z.pkts == d.o.pkts for z in same)
    return not any(z.pkts == d.z.pkts and z.orig == d.z.orig for z in same)


def mapped(d):
    return d.o.raw["src_ip"].startswith("::ffff:")


def sctp(d):
    return row(d).proto == 132


def scoped(d):
    return scopes(d) > 1 or tunnel_ends(d)


def two_tags(d):
    return d.a.startswith(d.b) and d.b.count(",") == 1


def server_ports(d):
    """The side that Zeek takes for the client has a port that we take for a server's."""
    turned = d.o.orig == d.z.resp and d.o.resp == d.z.orig
    return turned and d.o.pkts == d.z.pkts[::-1] and d.z.orig[1] in MORE_SERVERS | {179}\
        and bool({d.z.orig[1], d.z.resp[1]} & MORE_SERVERS)


def odd_times(d):
    """Times of the row's packets that libpcap's 32-bit signed fields cannot hold, or
    whose fraction is more than a second."""
    return any(f.sec >> 31 or f.frac >= f.unit for f, _ in own_frames(d))


def first_fragment(d):
    """A fragment of which fewer bytes were captured than IP's length says."""
    if "fragment_incomplete" not in d.ctx.buckets or d.z is None:
        return False
    for f, at in own_frames(d):
        h = f.data[at:]
        if h[0] >> 4 == 4 and h[6] & 0x20 and not (h[6] & 0x1f or h[7]) and \
                len(h) < int.from_bytes(h[2:4], "big"):
            return True
    return False


def fragment_end(d):
    return d.z is not None and "fragment_excess" in d.ctx.anomalies and any(
        f.data[at] >> 4 == 4 and (f.data[at + 6] & 0x3f or f.data[at + 7])
        for f, at in own_frames(d))


def fragment_overlap6(d):
    return ":" in d.z.orig[0] and "fragment_conflict" in own_anomalies(d) and \
        sum(d.z.pkts) > sum(d.o.pkts)


def keepalive_hole(d):
    """A side has a byte and no data: a keep-alive's, which never came."""
    holes = any(n and c not in d.o.history for n, c in zip(d.o.bytes, "Dd"))
    return holes and d.o.pkts == d.z.pkts and d.o.duration < d.z.duration


def wrapped(d):
    """Zeek's size is below zero, as an unsigned number, with the FIN it waits for."""
    below = any((n or 0) >> 31 for n in d.z.bytes)
    return below and d.o.pkts == d.z.pkts and (
        d.col == "duration" or side(d, d.z.bytes) >> 31)


def second_syn(d):
    return "tcp_syn_seq" in own_anomalies(d) and d.o.pkts == d.z.pkts


def stray_rst(d):
    """More bytes than the side's packets had in all, no data among them, and a RST."""
    data, rst = "DR" if d.col.startswith("orig") else "dr"
    return data not in d.z.history and rst in d.z.history and \
        side(d, d.z.bytes) > side(d, d.z.ip_bytes) and side(d, d.o.bytes) == 0


def outside(d):
    """A segment, an ACK, a FIN or a RST that the receiver's window does not allow."""
    kinds = {a["kind"] for a in d.ctx.other["anomaly"]
             if a.get("flow_id") == d.o.raw["flow_id"]}
    return kinds & {"tcp_far_ahead", "tcp_bad_ack", "tcp_bad_fin", "tcp_bad_rst"} and \
        d.o.pkts == d.z.pkts


def late_syn_ack(d):
    """The same SYN-ACK twice, with data of that side between them."""
    seen, data = {}, set()
    for f, at in own_frames(d):
        tcp = at + (f.data[at] & 15) * 4 if f.data[at] >> 4 == 4 else at + 40
        h = f.data[tcp:tcp + 20]
        if len(h) < 20:
            continue
        src = f.data[at:tcp][12:16], h[:2]
        if h[13] & 18 == 18:
            if seen.get(src) == h[4:8] and src in data:
                return d.o.pkts == d.z.pkts and side(d, d.z.bytes) < side(d, d.o.bytes)
            seen[src] = h[4:8]
        elif len(f.data) > tcp + (h[12] >> 4) * 4:
            data.add(src)
    return False


def seq_zero(d):
    """The side's first number is 0, so that Zeek's start is below it."""
    return side(d, d.z.bytes) == 0 and d.o.proto == 6 and any(
        f.data[at + 24:at + 28] == bytes(4) for f, at in own_frames(d))


def amsdu(d):
    """The row's frames are long enough for what Zeek found beside our packet."""
    more = sum(d.z.ip_bytes) - sum(d.o.ip_bytes)
    return (d.o.raw.get("tunnel") or "").startswith("gre") and more > 0 and \
        d.o.raw["wire_bytes"] - sum(d.o.ip_bytes) >= more


def tunnel_rest(d):
    """The inner packet ends before its tunnel's does."""
    return (d.o.raw.get("tunnel") or "").startswith("gtpu") and \
        sum(d.z.pkts) < sum(d.o.pkts) and any(
            f.data[at] >> 4 == 4 and len(f.data) > 64 and
            at + int.from_bytes(f.data[at + 2:at + 4], "big") < len(f.data)
            for f, at in own_frames(d))


def big_tcp(d):
    """IP length 0 and more bytes than a length field can say."""
    return d.o.pkts == d.z.pkts and sum(d.o.ip_bytes) > 65535 > sum(d.z.ip_bytes)


def null_family(d):
    """A NULL header whose four bytes are no address family in either order."""
    return any(f.link == 0 and min(int.from_bytes(f.data[:4], o)
               for o in ("big", "little")) > 255 for f, _ in own_frames(d))


def not_ip_after(d):
    """NSH behind Ethernet, or MPLS that carries a frame and not IP."""
    for f, at in own_frames(d):
        if f.link != 1 or len(f.data) < 18:
            continue
        if f.data[12:14] == b"\x89\x4f":
            return True
        if f.data[12:14] == b"\x88\x47":
            end = 14
            while end + 4 < len(f.data) and not f.data[end + 2] & 1:
                end += 4
            return at >= end + 4 + 14  # a frame fits in between
    return False


def analyzer_gone(d):
    return d.z is not None and ("X" in d.z.history or "x" in d.z.history)


def side(d, pair):
    """Of a pair (orig, resp) of Zeek's row the value for a column of one side."""
    return pair[0 if d.col.startswith("orig") else 1] or 0


def late_data(d):
    """Zeek counts a hole when it is acked; what comes later does not take it back."""
    if d.o.missed_bytes >= d.z.missed_bytes:
        return False
    return d.col == "missed_bytes" or without(d.a, "Gg") == without(d.b, "Gg")


def never_acked(d):
    """A hole that no ACK covers, or in a connection that is not whole, is none to Zeek."""
    if d.o.missed_bytes <= d.z.missed_bytes:
        return False
    return d.col == "missed_bytes" or without(d.a, "Gg") == without(d.b, "Gg")


def other_payload(d):
    return d.z.proto not in (1, 6, 17, 58, 132) and side(d, d.z.bytes) == 0


def zero_length(d):
    """Zeek's IP bytes are less than what the packets carried."""
    return d.o.pkts == d.z.pkts and \
        side(d, d.z.ip_bytes) < max(side(d, d.o.bytes), 40) < d.a


def frag_header(d):
    more = d.a - d.b
    return ":" in d.o.orig[0] and d.o.pkts == d.z.pkts and more % 8 == 0 and \
        0 < more <= 8 * side(d, d.o.pkts)


def not_counted(d):
    """Zeek has rows of this key without any packet."""
    return any(sum(x or 0 for x in z.pkts) == 0 for z in d.key_theirs)


def udp_length(d):
    return row(d).proto == 17 and "udp_malformed" in own_anomalies(d)


def lengths(d):
    """Packets of the row are cut or lie about their length."""
    return bool(own_anomalies(d) & CUT_OR_LYING)


def ng_times(d):
    features = d.ctx.manifest.get("format_features", "")
    return "if_tsoffset" in features or "if_tsresol-0x8" in features or \
        "if_tsresol-0x9" in features


def ng_odd(d):
    features = d.ctx.manifest.get("format_features", "")
    return pkts(d.key_theirs) < pkts(d.key_ours) and any(
        w in features for w in ("big-endian", "simple-packet-block", "sections-",
                                "bad-ifindex", "truncated-or-corrupt"))


def damaged(d):
    return d.ctx.damage and not d.totals_equal()


def reads_nothing(d):
    return d.ctx.n_theirs == 0


def no_connection(d):
    return d.o.proto in (50, 135)


def unopened(d):
    """Inside a tunnel, or a carrier whose inside nobody opened."""
    return bool(d.o.raw.get("tunnel")) or d.o.proto in (4, 41, 47)


def metadata(d):
    """Zeek does not read such frames; no other class's question is asked of them."""
    path = common.captures() / d.ctx.file
    pair = frozenset((row(d).orig[0], row(d).resp[0]))
    return path.is_file() and pair in frames.behind_metadata(path)


def unordered(d):
    """The capture has packets older than others before them, or times far off."""
    return d.ctx.anomalies & {"time_bogus", "time_jump", "time_backwards"} or \
        any(r.get("time_backwards") for r in d.ctx.other["source"])


def behind(d):
    """Some row of the key has packets older than what came before them in the file, or
    lies after a time that is far ahead."""
    ahead = d.ctx.ahead()
    return any(o.ts < ahead.get(o.raw["flow_id"], 0) or
               o.raw["duration_ns"] < o.raw["last_ns"] - o.raw["first_ns"]
               for o in d.key_ours) or \
        bool(d.ctx.anomalies & {"time_bogus", "time_jump"})


def old_packets(d):
    return unordered(d) and behind(d) and d.totals_equal() and \
        len(d.key_theirs) > len(d.key_ours)


def backwards(d):
    return unordered(d) and (d.b is None or d.b < d.a)


def ah(d):
    if d.z is not None:
        return d.z.proto == 51
    # extra: the hosts have a row of AH in Zeek
    return any(z.proto == 51 and {z.orig[0], z.resp[0]} == {d.o.orig[0], d.o.resp[0]}
               for z in d.ctx.theirs)


CLASSES = [
    Class("zeek_gave_up", ALL,
          "Zeek ended with an error in this file (runs.tsv): rows end where it stopped",
          zeek_gave_up),
    Class("several_link_types", ALL,
          "Zeek (libpcap) reads one link type of a capture with several",
          several_link_types),
    Class("test_script", ALL,
          "a baseline of a test whose script or version changes the connection itself: "
          "Zeek 9.1 by default has other rows for this 5-tuple",
          test_script),
    Class("equal_addresses", ("community_id",),
          "of two equal addresses Zeek hashes first the one whose port is lower in the "
          "host's byte order; the specification says in network order",
          equal_addresses),
    Class("mapped", ("community_id",),
          "Zeek takes IPv4-mapped IPv6 addresses for IPv4 and hashes 4 bytes of them",
          mapped),
    Class("sctp", ALL,
          "Zeek does not know SCTP: one row for two hosts, without ports and bytes",
          sctp),
    Class("response_flips", ALL,
          "Zeek's DNS and NTP parsers turn a UDP connection round that begins with a "
          "response (D^); nrtool goes by ports",
          response_flips),
    Class("dns_timer", CUT,
          "Zeek's DNS parser ends a connection that was silent for 9 s at its 10 s tick; "
          "nrtool has one UDP timeout",
          dns_timer),
    Class("analyzer_gone", ALL,
          "Zeek marks with X that it gave up a parser, or reached a limit",
          analyzer_gone),
    Class("syn_renewal", CUT,
          "in nrtool a repeated SYN renews the attempt; Zeek cuts 5 s after the first",
          syn_renewal),
    Class("scoped", CUT,
          "Zeek keys by 5-tuple alone; nrtool tells VLANs and tunnels apart",
          scoped),
    Class("two_tags", ("vlan",),
          "Zeek logs two VLAN tags, nrtool all",
          two_tags),
    Class("server_ports", ("direction", "history", "conn_state"),
          "nrtool knows more server ports (POP3, LDAP, PostgreSQL, Redis, global catalog), "
          "which decides who answers where no SYN was seen",
          server_ports),
    Class("odd_times", CUT,
          "libpcap reads seconds and fractions as signed 32 bits and takes fractions of "
          "more than a second as they come: Zeek drops such packets or dates them "
          "elsewhere",
          odd_times),
    Class("first_fragment", ("match",),
          "Zeek makes a row of a cut first fragment alone; nrtool waits for the rest and "
          "counts it as fragment_incomplete",
          first_fragment),
    Class("fragment_end", ("match",),
          "Zeek puts fragments together that contradict each other about the end; nrtool "
          "drops them (anomaly fragment_excess)",
          fragment_end),
    Class("fragment_overlap6", VALUES,
          "IPv6 fragments that overlap are dropped in nrtool (RFC 5722), not in Zeek",
          fragment_overlap6),
    Class("keepalive_hole", ("duration",),
          "Zeek holds back the close while the byte before a keep-alive is not acked, "
          "so that its last time still moves",
          keepalive_hole),
    Class("wrapped", ("orig_bytes", "resp_bytes", "duration"),
          "two answers to one SYN: Zeek's size of that side falls below zero and wraps",
          wrapped),
    Class("second_syn", ("history", "orig_bytes", "resp_bytes", "missed_bytes"),
          "another SYN-ACK, though the client took the numbers of the first: Zeek counts "
          "from it, nrtool from the numbers that both use",
          second_syn),
    Class("stray_rst", ("orig_bytes", "resp_bytes"),
          "the number of a RST outside of the window moves Zeek's size; to nrtool it says "
          "nothing",
          stray_rst),
    Class("outside", ("orig_bytes", "resp_bytes", "missed_bytes", "history", "conn_state",
                      "duration"),
          "Zeek believes every segment, ACK, FIN and RST; nrtool not those that the "
          "receiver drops (RFC 9293 3.10.7.4), of a gap in the capture the first ones",
          outside),
    Class("late_syn_ack", ("orig_bytes", "resp_bytes"),
          "a SYN-ACK that comes again behind data sets Zeek's size of that side back",
          late_syn_ack),
    Class("seq_zero", ("orig_bytes", "resp_bytes"),
          "midstream from sequence number 0: Zeek's size wraps to 0",
          seq_zero),
    Class("amsdu", ("orig_pkts", "resp_pkts", "orig_ip_bytes", "resp_ip_bytes",
                    "orig_bytes", "resp_bytes", "duration"),
          "Zeek reads every subframe of an 802.11 A-MSDU, nrtool the first",
          amsdu),
    Class("tunnel_rest", VALUES,
          "bytes behind the inner packet of GTP-U: Zeek drops it, nrtool goes by IP's "
          "length",
          tunnel_rest),
    Class("big_tcp", ("conn_state",),
          "IP length 0 (BIG TCP): a datagram of length 0 is no data to Zeek",
          big_tcp),
    Class("late_data", ("missed_bytes", "history"),
          "Zeek counts a hole when it is acked; nrtool only what never came",
          late_data),
    Class("never_acked", ("missed_bytes", "history"),
          "nrtool counts holes that no ACK covered, and those of midstream flows",
          never_acked),
    Class("old_packets", CUT,
          "Zeek's clock never goes back: connections of packets older than it (a capture "
          "out of order, or with one bogus time ahead) have run out at the next packet",
          old_packets),
    Class("backwards", ("duration",),
          "Zeek's last time goes back with a packet that does; nrtool's does not",
          backwards),
    Class("ah", ALL,
          "Zeek shows AH as a connection of its own; nrtool looks inside",
          ah),
    Class("other_payload", ("orig_bytes", "resp_bytes"),
          "Zeek counts no payload for protocols it does not know",
          other_payload),
    Class("zero_length", ("orig_ip_bytes", "resp_ip_bytes"),
          "IP total length 0 (offload, jumbo): Zeek adds 0; nrtool the frame's length",
          zero_length),
    Class("frag_header", ("orig_ip_bytes", "resp_ip_bytes"),
          "Zeek takes IPv6 fragment headers off the length; nrtool counts them",
          frag_header),
    Class("not_counted", ALL,
          "a TCP header that is cut or broken makes a connection without a packet in "
          "Zeek; nrtool counts the packet as far as the header goes",
          not_counted),
    Class("ng_times", ("match", "extra", "ts", "duration"),
          "libpcap 1.10 under Zeek ignores if_tsoffset and misreads powers of two in "
          "if_tsresol",
          ng_times),
    Class("ng_odd", ALL,
          "big-endian, simple packet and several-section pcapng: the libpcap under Zeek "
          "stops, or gives no packets; nrtool reads all",
          ng_odd),
    Class("cisco_metadata", CUT,
          "Zeek does not read frames with Cisco's metadata (ethertype 0x8909): its rows "
          "have the other direction alone",
          metadata),
    Class("no_connection", ("extra",),
          "Zeek makes no connection of ESP and Mobile IPv6",
          no_connection),
    Class("unopened", ("extra",),
          "Zeek does not open this tunnel, or has no row for what carries it",
          unopened),
    Class("null_family", ("extra",),
          "a NULL header with an ethertype in it: nrtool goes by that",
          null_family),
    Class("not_ip_after", ("extra",),
          "Zeek opens neither NSH behind Ethernet nor Ethernet in MPLS",
          not_ip_after),
    Class("reads_nothing", ("extra",),
          "Zeek has no row at all of this capture: a link layer or framing it lacks",
          reads_nothing),
    Class("udp_length", ALL,
          "Zeek believes the UDP length field, nrtool what the datagram holds",
          udp_length),
    Class("damaged", ALL,
          "the file is damaged; nrtool and libpcap go on in another place",
          damaged),
    Class("lengths", ALL,
          "the capture has packets that are cut or lie about their length: Zeek drops "
          "them (truncated_IP_len, truncated_header), nrtool reads as far as it can",
          lengths),
]


def classify(d):
    """The name of the first class that explains a difference, or None."""
    for c in CLASSES:
        if d.col in c.columns and c.test(d):
            return c.name
    return None
