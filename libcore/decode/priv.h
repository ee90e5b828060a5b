/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside of the decoder: the state that travels from header to header, and the steps.
 *
 * Each step reads the header at x->p and returns what follows it. Every step consumes
 * bytes or ends, so the loop in nr_decode() is bounded by the captured length. A step
 * ends the packet through one of the nr_dec_end_… functions, which only note the outcome:
 * what it means under a carrier or a tunnel without ports is decided once, at the end.
 */
#pragma once

#include "decode/decode.h"
#include "decode/defrag.h"
#include "record/anomaly.h"

#define NR_LIKELY(x)   __builtin_expect(!!(x), 1)
#define NR_UNLIKELY(x) __builtin_expect(!!(x), 0)

enum nr_step {
	NR_STEP_DONE,
	NR_STEP_LINK, /* a link type in x->type */
	NR_STEP_ETHERNET,
	NR_STEP_ETHERTYPE, /* x->type says what is next */
	NR_STEP_LLC,
	NR_STEP_WLAN,
	NR_STEP_PPP,
	NR_STEP_MPLS,
	NR_STEP_NSH,
	NR_STEP_IP, /* the version is in the first nibble */
	NR_STEP_IP4,
	NR_STEP_IP6,
};

enum nr_outcome {
	NR_OUT_FLOW,
	NR_OUT_HELD,
	NR_OUT_ARP,
	NR_OUT_OTHER,
	NR_OUT_MALFORMED,
	NR_OUT_CUT, /* the snap length hides what would come */
	NR_OUT_LINKTYPE,
};

struct nr_decoder {
	struct nr_decoder_config config;
	struct nr_defrag *defrag;
};

struct nr_dec {
	const uint8_t *p, *end; /* captured bytes not yet read */
	uint32_t wire;          /* bytes from p on the wire, >= end - p */
	uint16_t type;          /* argument of the next step */
	uint8_t level_flags;    /* flags every level of this packet has */
	uint8_t first_vlan;     /* index of the first tag since the last tunnel */
	uint8_t outcome;        /* enum nr_outcome */
	bool has_pending;
	bool wlan_pad;   /* radiotap: 802.11 header padded to 4 bytes */
	bool wlan_swap;  /* the two bytes of frame control, and of sequence
			    control, stand the other way round */
	bool atm;        /* bridged frames carry two bytes of padding */
	uint8_t fcs_len; /* still at the end of the bytes */
	const uint8_t *mac_src, *mac_dst;
	struct nr_decoder *d;
	const struct nr_packet *pkt;
	struct nr_decoded *out;
	struct nr_level pending; /* the outer packet of a tunnel without ports: a level if
				    its inside has none */
};

static inline size_t nr_dec_cap(const struct nr_dec *x)
{
	return (size_t)(x->end - x->p);
}

/* The next n captured bytes, or NULL (nothing taken). */
static inline const uint8_t *nr_dec_take(struct nr_dec *x, uint32_t n)
{
	const uint8_t *p = x->p;

	if (NR_UNLIKELY((size_t)(x->end - p) < n))
		return NULL;
	x->p = p + n;
	x->wire -= n;
	return p;
}

/* At most n bytes are left: what follows them is padding or a trailer. */
static inline void nr_dec_trim(struct nr_dec *x, uint32_t n)
{
	/* cppcheck-suppress ctuuninitvar; nr_decode() sets it */
	if (n < x->wire) {
		x->wire = n;
		if (nr_dec_cap(x) > n)
			x->end = x->p + n;
	}
}

/* Takes n bytes off the end of the frame, as far as they were captured. */
static inline void nr_dec_drop_tail(struct nr_dec *x, uint32_t n)
{
	nr_dec_trim(x, x->wire > n ? x->wire - n : 0);
}

/* Notes an oddity about the level being decoded. */
void nr_dec_note(struct nr_dec *x, enum nr_anomaly_kind kind, int64_t a, int64_t b);
/* All return NR_STEP_DONE. */
enum nr_step nr_dec_end_other(struct nr_dec *x, uint32_t detail);
enum nr_step nr_dec_end_malformed(struct nr_dec *x, enum nr_anomaly_kind kind, int64_t a,
				  int64_t b);
/* n bytes were needed: malformed if the wire had no more, else cut by the snap length. */
enum nr_step nr_dec_end_short(struct nr_dec *x, enum nr_anomaly_kind kind, uint32_t need);

enum nr_step nr_dec_link(struct nr_dec *x);
enum nr_step nr_dec_ethertype(struct nr_dec *x);
enum nr_step nr_dec_llc(struct nr_dec *x);
enum nr_step nr_dec_snap(struct nr_dec *x); /* at the OUI */
enum nr_step nr_dec_nlpid(struct nr_dec *x, unsigned nlpid);
enum nr_step nr_dec_ppp(struct nr_dec *x);
enum nr_step nr_dec_pppoe(struct nr_dec *x);
enum nr_step nr_dec_mpls(struct nr_dec *x);
/* Whether p is an Ethernet frame, VLAN tags or none, with a whole, sane IP or ARP header.
 */
bool nr_dec_surely_ethernet(const uint8_t *p, size_t cap, uint32_t wire);
enum nr_step nr_dec_nsh(struct nr_dec *x);
enum nr_step nr_dec_wlan(struct nr_dec *x);
enum nr_step nr_dec_radiotap(struct nr_dec *x);
enum nr_step nr_dec_prism(struct nr_dec *x);
enum nr_step nr_dec_avs(struct nr_dec *x);
enum nr_step nr_dec_ppi(struct nr_dec *x);
enum nr_step nr_dec_ip4(struct nr_dec *x);
/*
 * The frame that most frames are, at one go: Ethernet, IPv4 without options, TCP or UDP,
 * captured as a whole, with nothing to note and no tunnel behind it. False: nothing was
 * decoded, the steps have to; for such a frame they come to the same.
 */
bool nr_dec_plain(const struct nr_decoder *d, const struct nr_packet *p,
		  struct nr_decoded *out);
enum nr_step nr_dec_ip6(struct nr_dec *x);

struct nr_frag_hdr {
	bool stop; /* in: the walk ends where a fragment header would be */
	bool is_fragment, more;
	uint32_t off, id;
	const uint8_t *hdr; /* the fragment header */
};

/*
 * Walks authentication headers (RFC 4302) and the extension headers of IPv6 (RFC 8200)
 * from l->l4 on; l->proto is the type of the first. Stops at the transport header, or
 * before a fragment header (returned by *frag). False: broken, the packet has ended with
 * *step.
 */
bool nr_dec_walk_ext(struct nr_dec *x, struct nr_level *l, struct nr_frag_hdr *f,
		     enum nr_step *step);
/*
 * Gives the fragment at l (l4 is its data) to the defragmenter. True: l is the whole
 * datagram now. False: held or refused, *step.
 */
bool nr_dec_fragment(struct nr_dec *x, struct nr_level *l, uint32_t hdr_len, uint32_t id,
		     uint32_t off, bool more, enum nr_step *step);
/* RFC 2675: the length is in a hop-by-hop option. 0: none. */
uint32_t nr_dec_jumbo_length(const uint8_t *h, size_t cap);

/*
 * Tunnels without ports (IPIP and its kin, GRE): l is the outer packet, filled but not
 * counted. Enters the tunnel and sets *next, or returns false: l is then a level itself.
 */
bool nr_dec_ip_tunnel(struct nr_dec *x, struct nr_level *l, enum nr_step *next);
/* UDP tunnels: l is the carrier, already counted. Sets l->carries; false: a plain flow.
 */
bool nr_dec_udp_tunnel(struct nr_dec *x, struct nr_level *l, enum nr_step *next);
/* The same for a payload whose first nibble is 6, whatever its ports. */
bool nr_dec_teredo_peer(struct nr_dec *x, struct nr_level *l, enum nr_step *next);
