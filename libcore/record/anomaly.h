/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kinds of table `anomaly`: one list for the code, the manual and `nrtool schema`.
 *
 * X(IDENT, "name", severity, "what it means")
 *
 * `detail` is an object; its keys say what they hold (engine/rows.c). "value" and
 * "against" are the number that is wrong and what it was held against.
 */
#pragma once

enum nr_severity { NR_SEV_INFO, NR_SEV_WARNING, NR_SEV_ERROR };

#define NR_ANOMALIES(X)                                                                  \
	/* the clock and the file */                                                     \
	X(TIME_JUMP, "time_jump", WARNING, "packet time jumped by more than --max-jump") \
	X(TIME_BOGUS, "time_bogus", WARNING,                                             \
	  "a packet's time is far from its neighbours'; processed at the clock")         \
	/* link layer and IP, from the decoder */                                        \
	X(LINK_MALFORMED, "link_malformed", WARNING,                                     \
	  "a link-layer header is cut short or impossible")                              \
	X(VLAN_DEPTH, "vlan_depth", WARNING, "more than 8 VLAN tags")                    \
	X(MPLS_DEPTH, "mpls_depth", WARNING, "more than 16 MPLS labels")                 \
	X(TUNNEL_DEPTH, "tunnel_depth", WARNING,                                         \
	  "more than 15 encapsulations; what is inside was not decoded")                 \
	X(TUNNEL_MALFORMED, "tunnel_malformed", WARNING,                                 \
	  "an encapsulation header is impossible; the packet belongs to its carrier")    \
	X(IP_MALFORMED, "ip_malformed", WARNING, "an IP header is impossible")           \
	X(IP_LENGTH, "ip_length", WARNING,                                               \
	  "IP's length is larger than the frame on the wire")                            \
	X(IP_BAD_CHECKSUM, "ip_bad_checksum", WARNING, "IPv4 header checksum is wrong")  \
	X(IP6_EXT_CHAIN, "ip6_ext_chain", WARNING,                                       \
	  "an IPv6 extension header chain is broken or longer than 16")                  \
	X(TCP_MALFORMED, "tcp_malformed", WARNING, "a TCP header is impossible")         \
	X(UDP_MALFORMED, "udp_malformed", WARNING, "a UDP length is impossible")         \
	X(TRANSPORT_CUT, "transport_cut", INFO, "the transport header is incomplete")    \
	X(FRAGMENT_OVERLAP, "fragment_overlap", WARNING,                                 \
	  "fragments overlap: offset and length of the overlap; IPv6 drops the "         \
	  "datagram")                                                                    \
	X(FRAGMENT_CONFLICT, "fragment_conflict", ERROR,                                 \
	  "fragments overlap with different bytes")                                      \
	X(FRAGMENT_TINY, "fragment_tiny", INFO,                                          \
	  "a first fragment does not hold the transport header")                         \
	X(FRAGMENT_EXCESS, "fragment_excess", WARNING,                                   \
	  "fragments beyond the datagram's end, or larger than 65 535 bytes")            \
	X(FRAGMENT_EVICTED, "fragment_evicted", WARNING,                                 \
	  "an incomplete datagram was dropped at the memory cap")                        \
	X(LAND, "land", WARNING, "source and destination are the same endpoint")         \
	/* flows */                                                                      \
	X(FLOW_EVICTED, "flow_evicted", WARNING,                                         \
	  "a flow was ended to stay under --max-flows; detail names its shard")          \
	X(TCP_BAD_RST, "tcp_bad_rst", WARNING, "a RST outside the receiver's window")    \
	X(TCP_BAD_FIN, "tcp_bad_fin", WARNING,                                           \
	  "a FIN where the stream cannot end, or far beyond the window")                 \
	X(TCP_BAD_ACK, "tcp_bad_ack", WARNING,                                           \
	  "an ACK far beyond what was sent; it is not believed")                         \
	X(TCP_RST_DATA, "tcp_rst_data", INFO, "a RST carries payload")                   \
	X(TCP_SYN_DATA, "tcp_syn_data", INFO, "a SYN carries payload")                   \
	X(TCP_ACK_UNSEEN, "tcp_ack_unseen", WARNING,                                     \
	  "an ACK covers bytes that were never seen: offset and length")                 \
	X(TCP_SYN_SEQ, "tcp_syn_seq", WARNING, "a repeated SYN with another number")     \
	X(TCP_FLAGS, "tcp_flags", WARNING, "flags that make no sense together")          \
	X(TCP_HOLES, "tcp_holes", WARNING,                                               \
	  "more holes in one direction than are kept; the oldest count as missed")       \
	X(TCP_REUSE, "tcp_reuse", INFO, "a new connection on the ports of a live one")   \
	X(FILTER_UNUSABLE, "filter_unusable", ERROR,                                     \
	  "the filter cannot be applied to a link type; its packets are left out")       \
	X(CHECKSUM_OFFLOAD, "checksum_offload", INFO,                                    \
	  "checksums of one sending host are wrong throughout: offloaded, not damaged")  \
	X(DUPLICATES, "duplicates", WARNING,                                             \
	  "a large share of the capture's frames are copies; --dedup removes them")      \
	X(SINK_OVERLOAD, "sink_overload", ERROR,                                         \
	  "a database was too slow for the capture: records were dropped; detail has "   \
	  "how many")                                                                    \
	X(ARP_CONFLICT, "arp_conflict", WARNING, "an address moved to another MAC")      \
	/* streams */                                                                    \
	X(TCP_GAP, "tcp_gap", INFO,                                                      \
	  "bytes of a parsed stream were given up: offset, length and why")              \
	X(TCP_CONFLICT, "tcp_conflict", ERROR,                                           \
	  "bytes of a parsed stream were sent twice with different content")             \
	X(TCP_FAR_AHEAD, "tcp_far_ahead", WARNING,                                       \
	  "a segment far beyond the window was left out: offset, and the one expected")  \
	/* sessions */                                                                   \
	X(HTTP_LENGTH, "http_length", WARNING,                                           \
	  "the length of an HTTP message is ambiguous, as in request smuggling")         \
	X(HTTP_SYNTAX, "http_syntax", WARNING,                                           \
	  "the head of an HTTP message has a form that servers read differently")        \
	X(HTTP_CHUNK, "http_chunk", WARNING, "a chunk of an HTTP body is impossible")    \
	X(HTTP_JUNK, "http_junk", WARNING,                                               \
	  "bytes between HTTP messages belong to none of them")                          \
	X(HTTP_RESYNC, "http_resync", INFO,                                              \
	  "bytes were skipped up to the first HTTP message that was seen to begin, at "  \
	  "the start or behind a gap")                                                   \
	X(HTTP_LIMIT, "http_limit", WARNING,                                             \
	  "a cap of the HTTP parser was hit: what, its value")                           \
	X(DNS_MALFORMED, "dns_malformed", WARNING,                                       \
	  "a DNS message cannot be read to its end: what, and the offset in it")         \
	X(DNS_TRAILING, "dns_trailing", INFO, "bytes behind the end of a DNS message")   \
	X(DNS_MISMATCH, "dns_mismatch", WARNING,                                         \
	  "a DNS response has the id of an open query, but another question")            \
	X(DNS_EVICTED, "dns_evicted", WARNING,                                           \
	  "too many open DNS queries in a flow, or too little memory: from here on the " \
	  "oldest become rows before they time out")                                     \
	X(SSH_BANNER, "ssh_banner", WARNING,                                             \
	  "an SSH identification is longer than 255 bytes or holds NUL, and was cut "    \
	  "there: "                                                                      \
	  "length")                                                                      \
	X(SSH_NAMES, "ssh_names", WARNING,                                               \
	  "a list of SSH algorithms has more than 128 names; the others were not "       \
	  "compared")                                                                    \
	X(FTP_REPLY, "ftp_reply", WARNING, "a line of an FTP server is no reply: line")  \
	X(SMTP_REPLY, "smtp_reply", WARNING,                                             \
	  "a line of an SMTP server is no reply: line")                                  \
	X(SMTP_SMUGGLING, "smtp_smuggling", WARNING,                                     \
	  "a line that ends a mail is not between CR LFs: servers disagree on it")       \
	X(STARTTLS_INJECTION, "starttls_injection", ERROR,                               \
	  "commands came in the clear behind STARTTLS or AUTH TLS: how many")            \
	X(TLS_RECORD, "tls_record", WARNING,                                             \
	  "behind a hello comes no record of TLS: type, version and length say what")    \
	X(TLS_MESSAGE, "tls_message", WARNING,                                           \
	  "a handshake message whose inside is broken: its type and length")             \
	X(TLS_EXCESS, "tls_excess", WARNING,                                             \
	  "a handshake message, chain or number of fragments beyond what is kept")       \
	X(TLS_HEARTBEAT, "tls_heartbeat", ERROR,                                         \
	  "a heartbeat asks for more bytes than it brought (Heartbleed)")                \
	X(TLS_CERTIFICATE, "tls_certificate", WARNING,                                   \
	  "what was sent as a certificate is none: sha256 and length")                   \
	X(QUIC_CRYPTO_REFUSED, "quic_crypto_refused", WARNING,                           \
	  "bytes of a QUIC handshake were not kept: too many, too far ahead, or in too " \
	  "many pieces; offset and length")                                              \
	X(QUIC_CRYPTO_CONFLICT, "quic_crypto_conflict", WARNING,                         \
	  "a QUIC handshake was repeated with other bytes, the first ones hold; offset " \
	  "and length of the repetition")                                                \
	X(QUIC_FRAME, "quic_frame", WARNING,                                             \
	  "a QUIC Initial holds a frame that is cut short or not allowed there")         \
	X(DHCP_MALFORMED, "dhcp_malformed", WARNING,                                     \
	  "a DHCP message that cannot be read to its end: what")                         \
	X(ICMP_MALFORMED, "icmp_malformed", WARNING,                                     \
	  "an ICMP message is shorter than its type needs")                              \
	X(NTP_MALFORMED, "ntp_malformed", WARNING,                                       \
	  "a datagram of an NTP flow is no NTP message")

enum nr_anomaly_kind {
#define NR_X(id, name, sev, doc) NR_ANOM_##id,
	NR_ANOMALIES(NR_X)
#undef NR_X
		NR_N_ANOMALIES
};

struct nr_anomaly_info {
	const char *name;
	enum nr_severity severity;
	const char *doc;
};

extern const struct nr_anomaly_info nr_anomaly_info[NR_N_ANOMALIES];
const char *nr_severity_name(enum nr_severity s); /* "info" "warning" "error" */
