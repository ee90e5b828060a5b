/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The decoder. Input: link type (2), then packets, each: wire length (2) added to the
 * captured one, flags and FCS (1), time step (1), captured length (2), bytes. Several
 * packets so that fragments meet; each lies in a block of its exact size.
 */
#include "decode/checksum.h"
#include "decode/decode.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned touched;

static void touch(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		touched += p[i];
}

static void check(const struct nr_decoded *o)
{
	if (o->n_levels > NR_MAX_LEVELS || o->n_tunnels > NR_MAX_TUNNELS ||
	    o->n_vlans > NR_MAX_VLANS || o->n_anomalies > NR_MAX_ANOMALIES)
		abort();
	if ((o->bucket == NR_BUCKET_FLOW && !o->n_levels) ||
	    (o->n_levels && o->bucket != NR_BUCKET_FLOW && o->bucket != NR_BUCKET_HELD))
		abort();
	for (unsigned i = 0; i < o->n_levels; i++) {
		const struct nr_level *l = &o->level[i];
		size_t n = l->ip_version == 4 ? 4 : 16;

		if (l->l4_cap > l->l4_len || l->payload_cap > l->payload_len ||
		    l->payload_len > l->l4_len || l->nesting > 15 ||
		    l->n_tunnels > o->n_tunnels ||
		    l->first_vlan + l->n_vlans > o->n_vlans)
			abort();
		touch(l->src, n);
		touch(l->dst, n);
		touch(l->l3, 20);
		touch(l->l4, l->l4_cap);
		touch(l->payload, l->payload_cap);
		if (l->proto == 6 && l->tcp_opt_len)
			touch(l->l4 + 20, l->tcp_opt_len);
		if (l->mac_src)
			touch(l->mac_src, 6);
		if (l->mac_dst)
			touch(l->mac_dst, 6);
		nr_level_csum(l);
	}
	for (unsigned i = 0; i < o->n_tunnels; i++) {
		touch(o->tunnel[i].src, o->tunnel[i].ip_version == 4 ? 4 : 16);
		touch(o->tunnel[i].dst, o->tunnel[i].ip_version == 4 ? 4 : 16);
	}
	if (o->has_arp) {
		touch(o->arp.sender_mac, 6);
		touch(o->arp.sender_ip, 4);
		touch(o->arp.target_mac, 6);
		touch(o->arp.target_ip, 4);
	}
}

static void count(void *arg, const struct nr_frag_record *r, const char *why,
		  unsigned ip_version)
{
	(void)r;
	(void)why;
	(void)ip_version;
	++*(unsigned long *)arg;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct nr_decoded o;
	struct nr_cursor c = nr_cursor(data, size);
	uint16_t link_type = nr_get_be16(&c);
	unsigned long held = 0, lost = 0, credited = 0;
	uint64_t n = 0;
	int64_t clock_ns = 0;
	struct nr_decoder *d = nr_decoder_new(&(struct nr_decoder_config){
		.frag_timeout_ns = 1000,
		.frag_memory = 100000,
		.frag_datagrams = 20,
		.overlap = (enum nr_overlap)(size % 6),
		.judge_ip_checksum = size & 1,
	});

	while (nr_left(&c) >= 6) {
		uint32_t extra = nr_get_be16(&c);
		uint8_t flags = nr_get_u8(&c);
		uint8_t step = nr_get_u8(&c);
		size_t len = nr_get_be16(&c);
		struct nr_packet p = { 0 };
		uint8_t *b;

		if (len > nr_left(&c))
			len = nr_left(&c);
		b = malloc(len ? len : 1);
		if (!b)
			abort();
		if (len)
			memcpy(b, nr_take(&c, len), len);
		p.data = b;
		p.cap_len = (uint32_t)len;
		p.wire_len = (uint32_t)len + extra;
		p.link_type = link_type;
		p.flags = flags & 0x1f;
		p.fcs_len = flags & 0x20 ? 4 : 0;
		p.clock_ns = p.ts_ns = clock_ns += step;
		p.record = p.ordinal = ++n;
		nr_decode(d, &p, &o);
		check(&o);
		held += o.bucket == NR_BUCKET_HELD;
		credited += o.n_frags;
		for (uint32_t i = 0; i < o.n_frags; i++)
			touched += (unsigned)o.frags[i].record;
		free(b);
		if (n % 8 == 0) {
			nr_decoder_release(d);
			nr_decoder_expire(d, clock_ns, count, &lost);
		}
	}
	nr_decoder_flush(d, count, &lost);
	nr_decoder_free(d);
	if (held != credited + lost) /* each held record is passed on once */
		abort();
	return 0;
}
