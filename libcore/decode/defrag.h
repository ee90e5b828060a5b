/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fragments of IPv4 (RFC 791, 815) and IPv6 (RFC 8200, 5722) put together again.
 *
 * Bounded: bytes held and datagrams at once have caps; beyond them the oldest datagram
 * goes. Every fragment that is held is passed on exactly once: with the datagram that
 * it completed, or as lost. Time is packet time, as the caller says.
 *
 * A fragment that the snap length cut counts with its wire length: the datagram completes
 * when the wire had all of it, and is known up to the first byte that was not captured.
 */
#pragma once

#include "decode/decode.h"

struct nr_fragment {
	unsigned ip_version;
	const uint8_t *src, *dst; /* 4 or 16 bytes */
	uint32_t id;
	uint8_t proto;      /* IPv4: part of the key; IPv6: of the first fragment */
	uint64_t context;   /* hash of what is around: VLANs, tunnels */
	const uint8_t *hdr; /* IP header up to the fragment's data, without the
			       IPv6 fragment header */
	uint32_t hdr_len;
	uint32_t off, len; /* of the data, in the datagram, by wire length */
	bool more;
	const uint8_t *data;
	uint32_t cap; /* bytes at data, <= len */
	int64_t clock_ns;
	struct nr_frag_record record;
	const struct nr_frag_record *before; /* the fragment came in a datagram that was
						itself reassembled: the records of that;
						they share the fate of this one */
	uint32_t n_before;
};

enum nr_frag_verdict {
	NR_FRAG_HELD,
	NR_FRAG_DONE,    /* *done is filled */
	NR_FRAG_REFUSED, /* not kept: beyond the end, or too large */
};

struct nr_datagram {
	const uint8_t *hdr; /* of the fragment with offset 0; data follows it */
	uint32_t hdr_len;
	uint32_t len, cap; /* bytes behind hdr on the wire, and known of them */
	uint8_t proto;     /* of the fragment with offset 0 */
	const struct nr_frag_record *records; /* all but the completing fragment's */
	uint32_t n_records;
};

/* What was odd about one fragment; lengths 0 where nothing was. */
struct nr_frag_oddity {
	uint32_t overlap_off, overlap_len; /* bytes that were there before */
	bool conflict;                     /* … and differ */
	bool evicted; /* the oldest datagrams had to go to make room */
};

struct nr_defrag;

struct nr_defrag *nr_defrag_new(const struct nr_decoder_config *c);
void nr_defrag_free(struct nr_defrag *d);

/*
 * Takes one fragment (its bytes are copied). On NR_FRAG_DONE what *done points to lives
 * until nr_defrag_release(), its records also no longer than the next fragment that is
 * not refused.
 */
enum nr_frag_verdict nr_defrag_add(struct nr_defrag *d, const struct nr_fragment *f,
				   struct nr_datagram *done, struct nr_frag_oddity *odd);
void nr_defrag_release(struct nr_defrag *d);
uint8_t **nr_defrag_take(struct nr_defrag *d, size_t *n); /* see nr_decoder_take() */
void nr_defrag_expire(struct nr_defrag *d, int64_t clock_ns, nr_frag_lost_fn *lost,
		      void *arg);
void nr_defrag_flush(struct nr_defrag *d, nr_frag_lost_fn *lost, void *arg);

/* Bytes and datagrams held now. */
size_t nr_defrag_memory(const struct nr_defrag *d);
uint32_t nr_defrag_count(const struct nr_defrag *d);
