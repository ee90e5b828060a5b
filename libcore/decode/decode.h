/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a frame to the flows in it: link layer, VLANs, tunnels, IP, transport headers.
 *
 * A closed set, so a switch: no function pointers, no allocation per packet (fragments
 * excepted, see defrag.h). All reads are bounded by what was captured; what the headers
 * claim is kept beside it (captured length and wire length are two things). A frame cut
 * short by the snap length is decoded as far as it goes.
 *
 * The result is a list of levels, outermost first. Each IP packet that carries a flow is
 * a level: the UDP carrier of a tunnel is one, the packet inside it the next. Tunnels
 * without ports (GRE, IPIP, ERSPAN, …) are no level but an entry in `tunnel`. Levels
 * count in `nesting` every encapsulation above them, of either sort.
 *
 * Where the innermost thing is no flow (ARP in VXLAN, LCP in PPTP, rubbish, more than 15
 * encapsulations), the packet belongs to the nearest one above that can be: the carrier,
 * or the outer packet of a tunnel without ports, which then is a level itself (proto gre,
 * ipip, …) and its tunnel entry is gone. A carrier whose inside is malformed was perhaps
 * none: `carries` is 0, and anomaly tunnel_malformed says so.
 *
 * TCP, UDP and their kin are a level where the first four bytes were captured; where the
 * snap length hid these, a level with NR_L_NO_PORTS; where IP's own length has no room
 * for them, the packet is malformed. VLAN id 0 (a priority alone) is not listed. IPv6
 * destinations are the final ones of a routing header, sources the home address
 * (RFC 6275), as checksums and answers have them. Of an 802.11 A-MSDU the first subframe
 * is decoded.
 */
#pragma once

#include "base/cursor.h"
#include "source/packet.h"

enum {
	NR_MAX_LEVELS = 16,  /* flows in one packet; flow_id has room for 15 nestings */
	NR_MAX_TUNNELS = 16, /* encapsulations in one packet */
	NR_MAX_VLANS = 8,    /* deeper stacks: the first 8 are kept, anomaly vlan_depth */
	NR_MAX_ANOMALIES = 8,
};

/* The buckets of the ledger (ARCHITECTURE.md, vocabulary). */
enum nr_bucket {
	NR_BUCKET_FLOW,
	NR_BUCKET_ARP,
	NR_BUCKET_OTHER_L2,
	NR_BUCKET_UNSUPPORTED_LINKTYPE,
	NR_BUCKET_MALFORMED,
	NR_BUCKET_FRAGMENT_INCOMPLETE,
	NR_BUCKET_CHECKSUM_DROPPED,
	NR_BUCKET_FILTERED,
	NR_BUCKET_DUPLICATE,
	NR_BUCKET_OUT_OF_RANGE,
	NR_N_BUCKETS,
	NR_BUCKET_HELD = 255, /* a fragment: its bucket is decided later (defrag.h) */
};

/* nr_decoded.detail of bucket OTHER_L2: a plain ethertype, or one of these with more. */
enum nr_l2_detail {
	NR_L2_LLC = 0x10000,    /* | DSAP; 0xaa: SNAP with a vendor's protocol */
	NR_L2_WLAN = 0x20000,   /* | type << 4 | subtype, | 0x100 where encrypted, | 0x200
				   for a fragment */
	NR_L2_PPP = 0x30000,    /* | protocol */
	NR_L2_FAMILY = 0x40000, /* | address family of NULL, LOOP, PFLOG, NFLOG */
	NR_L2_NLPID = 0x50000,  /* | NLPID of frame relay */
	NR_L2_ARCNET = 0x60000, /* | ARCNET protocol */
	NR_L2_ATM = 0x70000,    /* | SunATM traffic type */
	NR_L2_MAC = 0x80000,    /* | frame control of FDDI and token ring */
};

/* "lldp", "0x88b5", "llc:0x42", "802.11:beacon", "ppp:lcp", …; returns out. */
const char *nr_l2_detail_name(char out[32], uint32_t detail);

enum nr_tunnel_kind {
	NR_TUN_VXLAN,
	NR_TUN_VXLAN_GPE,
	NR_TUN_GENEVE,
	NR_TUN_GTPU,
	NR_TUN_TEREDO,
	NR_TUN_L2TP,
	NR_TUN_GRE,    /* id: key where present */
	NR_TUN_NVGRE,  /* GRE carrying Ethernet (RFC 7637): id = VSID (key >> 8) */
	NR_TUN_PPTP,   /* GRE version 1: id = call id */
	NR_TUN_ERSPAN, /* id = session id */
	NR_TUN_IPIP,   /* IPv4 in IPv4 */
	NR_TUN_6IN4,
	NR_TUN_4IN6,
	NR_TUN_6IN6,
	NR_TUN_GRE_UDP, /* id: key where present (RFC 8086) */
	NR_TUN_CAPWAP,  /* data channel (RFC 5415) */
	NR_N_TUNNELS,
};

/* "vxlan", "gre", … as in column flow.tunnel and table tunnel. */
const char *nr_tunnel_name(enum nr_tunnel_kind k);
/* VXLAN, VXLAN-GPE, GENEVE, GTP-U, Teredo, L2TP, GRE in UDP, CAPWAP: their carrier is
   a flow. */
bool nr_tunnel_has_carrier(enum nr_tunnel_kind k);

struct nr_tunnel {
	uint8_t kind; /* enum nr_tunnel_kind */
	bool has_id;
	uint8_t ip_version;       /* of the outer packet */
	uint32_t id;              /* VNI, TEID, session, key */
	const uint8_t *src, *dst; /* outer addresses, in the packet */
};

enum nr_level_flag {
	NR_L_REASSEMBLED = 1 << 0, /* came from fragments */
	NR_L_CUT = 1 << 1,         /* fewer bytes captured than the IP length says */
	NR_L_NO_PORTS = 1 << 2,    /* the transport header was not captured: ports 0 */
	NR_L_IP_CSUM_BAD = 1 << 3, /* IPv4 header checksum judged and wrong */
	NR_L_CSUM_SKIP = 1 << 4,   /* transport checksum must not be judged (cut, offload
				      flags of the packet, UDP checksum 0 over IPv4) */
	NR_L_BAD_HDR = 1 << 5,     /* TCP data offset or UDP length impossible: the level
				      is a flow all the same, payload_len 0 */
	NR_L_NO_SEQ = 1 << 6,      /* TCP: cut in front of the flags; ports are known */
	NR_L_NO_WINDOW = 1 << 7,   /* TCP: cut behind the flags; window 0 */
	/* TCP that says nothing of its connection */
	NR_L_NO_SEGMENT = NR_L_NO_PORTS | NR_L_BAD_HDR | NR_L_NO_SEQ,
};

struct nr_level {
	const uint8_t *src, *dst; /* 4 or 16 bytes, in the packet */
	const uint8_t *l3;        /* IP header */
	const uint8_t *l4;        /* transport header; in the frame, or reassembled */
	const uint8_t *payload;   /* behind the transport header (all of l4 for others) */
	const uint8_t *mac_src, *mac_dst; /* of the nearest Ethernet-like header; NULL */
	uint32_t l4_len;                  /* bytes from l4 by IP's length (wire) */
	uint32_t l4_cap;                  /* bytes from l4 captured, <= l4_len */
	uint32_t payload_len; /* by IP's (UDP: by UDP's, if smaller) length (wire) */
	uint32_t payload_cap; /* captured, <= payload_len */
	uint32_t ip_len;      /* IP header + payload by IP's length: what *_bytes adds up.
				 IPv4 total length 0 (offload): the frame's length.
				 Reassembled: headers of the first + whole payload */
	uint16_t src_port, dst_port; /* host order; ICMP: as Community ID maps type and
					code, see nr_icmp_ports() */
	uint8_t ip_version;          /* 4, 6 */
	uint8_t proto;     /* IANA number of l4, after IPv6 extension headers and AH */
	uint8_t ttl, tos;  /* hop limit, traffic class */
	uint8_t flags;     /* enum nr_level_flag */
	uint8_t nesting;   /* encapsulations above: 0 for the outermost */
	uint8_t n_tunnels; /* the first n_tunnels entries of nr_decoded.tunnel are
			      above this level */
	uint8_t n_vlans;   /* VLAN tags in front of this level's IP header since the
			      last tunnel: vlan[first_vlan … first_vlan + n_vlans) */
	uint8_t first_vlan;
	uint8_t carries; /* the tunnel whose header this UDP payload is and whose inside
			    was decoded: enum nr_tunnel_kind + 1, 0: none */
	/* TCP only, host order; 0 where they were not captured */
	uint8_t tcp_flags; /* FIN 1 SYN 2 RST 4 PSH 8 ACK 16 URG 32 ECE 64 CWR 128 */
	uint16_t tcp_window, tcp_urgent;
	uint32_t tcp_seq, tcp_ack;
	uint16_t tcp_opt_len; /* captured option bytes at l4 + 20 */
};

/* Oddities the decoder noticed; the engine makes anomaly rows of them. */
struct nr_decode_anomaly {
	uint8_t kind;  /* enum nr_anomaly_kind, record/anomaly.h */
	uint8_t level; /* index into level[], 255: none */
	int64_t a, b;  /* meaning per kind */
};

struct nr_arp { /* RFC 826 over Ethernet and IPv4; other sizes: bucket other_l2 */
	uint16_t operation;
	const uint8_t *sender_mac, *sender_ip, *target_mac, *target_ip;
};

/* A captured record that is one fragment of a datagram. */
struct nr_frag_record {
	uint64_t ordinal, record;
	int64_t ts_ns;
	uint32_t source, wire_len;
};

struct nr_decoded {
	uint8_t bucket;   /* enum nr_bucket, as the decoder sees it */
	uint8_t n_levels; /* > 0 only with bucket FLOW (or HELD: a carrier above a
			     fragment) */
	uint8_t n_tunnels, n_vlans, n_anomalies;
	bool has_arp;    /* bucket ARP, or ARP inside a carrier */
	uint32_t detail; /* OTHER_L2: ethertype or enum nr_l2_detail;
			    UNSUPPORTED_LINKTYPE: link type; MALFORMED: enum
			    nr_anomaly_kind (TRANSPORT_CUT: the snap length left no
			    addresses); else 0 */
	struct nr_arp arp;
	/* Where this packet completed a datagram: its earlier fragments, which are
	   credited to the innermost flow, or to the packet's bucket where there is none;
	   valid until the next nr_decoder_expire() or nr_decode() call with fragments.
	   NULL and 0 otherwise. */
	const struct nr_frag_record *frags;
	uint32_t n_frags;
	uint16_t vlan[NR_MAX_VLANS]; /* 12-bit ids, outermost first, all of the packet */
	struct nr_level level[NR_MAX_LEVELS]; /* in front: the first one is always used */
	struct nr_tunnel tunnel[NR_MAX_TUNNELS];
	struct nr_decode_anomaly anomaly[NR_MAX_ANOMALIES];
};

enum nr_overlap { /* whose bytes win where fragments (later: segments) overlap */
		  NR_OVERLAP_FIRST,
		  NR_OVERLAP_LAST,
		  NR_OVERLAP_WINDOWS,
		  NR_OVERLAP_LINUX,
		  NR_OVERLAP_BSD,
		  NR_OVERLAP_SOLARIS,
};

struct nr_decoder_config {
	int64_t frag_timeout_ns; /* 30 s */
	size_t frag_memory;      /* bytes held for incomplete datagrams, 32 MiB */
	uint32_t frag_datagrams; /* incomplete datagrams at once, 65536 */
	enum nr_overlap overlap; /* IPv4; IPv6 overlaps drop the datagram (RFC 5722) */
	bool judge_ip_checksum;
};

struct nr_decoder;

struct nr_decoder *nr_decoder_new(const struct nr_decoder_config *c);
void nr_decoder_free(struct nr_decoder *d);

/*
 * Decodes one frame into out (only the counted parts are written: do not expect zeroes;
 * of a level that is not TCP the tcp_ fields are not written either).
 * Pointers in out live as long as the packet, those of reassembled datagrams until the
 * next nr_decoder_release(). The packet's ordinal, record, source, clock_ns are kept for
 * fragments.
 */
void nr_decode(struct nr_decoder *d, const struct nr_packet *p, struct nr_decoded *out);

/* Frees the reassembled datagrams handed out so far: called at the end of a batch. */
void nr_decoder_release(struct nr_decoder *d);
/*
 * The reassembled datagrams handed out so far, for who needs them longer than the next
 * packets are decoded: *n of them (NULL and 0: none). Each, and the list, is the caller's
 * to free with nr_free(); release then knows nothing of them.
 */
uint8_t **nr_decoder_take(struct nr_decoder *d, size_t *n);

/*
 * What happened to datagrams that will not complete. Each record is passed once, with
 * why ("timeout", "evicted", "overlap", "end") and the version of IP. A fragment that can
 * be of no datagram is not held at all: its packet is malformed (fragment_excess).
 * Fragments cut by the snap length are no loss: their datagram completes by wire lengths
 * and is captured (l4_cap) up to the first cut.
 */
typedef void nr_frag_lost_fn(void *arg, const struct nr_frag_record *r, const char *why,
			     unsigned ip_version);
/* Drops datagrams whose first fragment came frag_timeout or more before clock_ns. (Each
   fragment does so too, so that results do not depend on how often this is called.) */
void nr_decoder_expire(struct nr_decoder *d, int64_t clock_ns, nr_frag_lost_fn *lost,
		       void *arg);
/* End of input: all of them. */
void nr_decoder_flush(struct nr_decoder *d, nr_frag_lost_fn *lost, void *arg);
/* Datagrams evicted or dropped since the last call of expire or flush are kept in a list
   and passed on by the next one. */

/* The name of a link type ("ETHERNET", "IEEE802_11"), or NULL. */
const char *nr_link_type_name(unsigned link_type);
/* The name of an ethertype where it has one ("lldp"), else NULL. */
const char *nr_ethertype_name(unsigned ethertype);

/*
 * Community ID's view of ICMP (spec v1): the ports that type and code stand for, and
 * whether the type has a counterpart (echo ↔ echo reply), so that both directions are
 * one flow. As Zeek: src_port = type, dst_port = counterpart type for two-way types, else
 * src_port = type, dst_port = code and one_way is set.
 */
void nr_icmp_ports(unsigned proto, uint8_t type, uint8_t code, uint16_t *src_port,
		   uint16_t *dst_port, bool *one_way);
