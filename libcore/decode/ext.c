/* SPDX-License-Identifier: BSD-3-Clause */
/* What stands between an IP header and the transport header: extensions, fragments. */
#include "decode/priv.h"

enum { MAX_EXT = 16 };

bool nr_dec_walk_ext(struct nr_dec *x, struct nr_level *l, struct nr_frag_hdr *f,
		     enum nr_step *step)
{
	bool v6 = l->ip_version == 6;
	unsigned n = 0;

	f->is_fragment = false;
	for (;;) {
		const uint8_t *h = l->l4;
		uint32_t len, need;

		switch (l->proto) {
		case 0: /* hop by hop */
		case 43:
		case 60:
		case 140: /* shim6 */
			if (!v6)
				return true;
			need = 8;
			break;
		case 44:
			if (!v6 || f->stop)
				return true;
			need = 8;
			break;
		case 135: /* mobility: a level itself unless something follows */
			if (!v6)
				return true;
			need = 8;
			break;
		case 51:
			need = 12;
			break;
		default:
			return true;
		}
		if (++n > MAX_EXT) {
			*step = nr_dec_end_malformed(x, NR_ANOM_IP6_EXT_CHAIN, n,
						     l->proto);
			return false;
		}
		if (l->l4_cap < need) {
			if (l->l4_len < need) {
				*step = nr_dec_end_malformed(x, NR_ANOM_IP6_EXT_CHAIN,
							     need, l->l4_len);
				return false;
			}
			return true; /* cut: a level of what was seen last */
		}
		if (l->proto == 44) {
			f->off = nr_be16(h + 2) & 0xfff8u;
			f->more = h[3] & 1;
			f->id = nr_be32(h + 4);
			f->hdr = h;
			if (f->off || f->more) {
				f->is_fragment = true;
				l->proto = h[0];
				return true;
			}
			len = 8; /* atomic (RFC 6946): whole by itself */
		} else if (l->proto == 51) {
			len = (h[1] + 2u) * 4;
		} else {
			len = (h[1] + 1u) * 8;
		}
		if (len > l->l4_len) {
			*step = nr_dec_end_malformed(x, NR_ANOM_IP6_EXT_CHAIN, len,
						     l->l4_len);
			return false;
		}
		if (l->proto == 135 && h[0] == 59)
			return true;
		if (len > l->l4_cap) {
			l->l4 += l->l4_cap;
			l->l4_len -= len;
			l->l4_cap = 0;
			l->proto = h[0];
			return true;
		}
		/* the final destination is the flow's, and the pseudo-header's */
		if (l->proto == 43 && h[3] && (h[2] == 0 || h[2] == 2) && len >= 24 &&
		    len % 16 == 8)
			l->dst = h + len - 16;
		else if (l->proto == 43 && h[3] && h[2] == 4 && len >= 24)
			l->dst =
				h + 8; /* segment routing (RFC 8754): first in the list */
		else if (l->proto == 60)
			for (uint32_t at = 2; len - at >= 2;) {
				if (h[at] == 0) {
					at++;
					continue;
				}
				if (len - at - 2 < h[at + 1])
					break;
				if (h[at] == 0xc9 && h[at + 1] == 16)
					l->src = h + at + 2; /* home address, RFC 6275 */
				at += h[at + 1] + 2u;
			}
		l->proto = h[0];
		l->l4 += len;
		l->l4_len -= len;
		l->l4_cap -= len;
	}
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 29;
}

/* What surrounds a fragment, so that equal ids in two tunnels or VLANs do not meet. */
static uint64_t fragment_context(const struct nr_decoded *out)
{
	uint64_t h = 1;

	for (unsigned i = 0; i < out->n_vlans; i++)
		h = mix(h, out->vlan[i] + 1u);
	for (unsigned i = 0; i < out->n_tunnels; i++) {
		const struct nr_tunnel *t = &out->tunnel[i];
		size_t n = t->ip_version == 4 ? 4 : 16;

		h = mix(h, t->kind + 0x10000u + ((uint64_t)t->id << 32));
		for (size_t k = 0; k < n; k += 4)
			h = mix(h, (uint64_t)nr_be32(t->src + k) << 32 |
					   nr_be32(t->dst + k));
	}
	return h;
}

static uint32_t least_header(unsigned proto)
{
	switch (proto) {
	case 6:
		return 20;
	case 1:
	case 17:
	case 58:
	case 136:
		return 8;
	case 33:
	case 132:
		return 12;
	default:
		return 0;
	}
}

bool nr_dec_fragment(struct nr_dec *x, struct nr_level *l, uint32_t hdr_len, uint32_t id,
		     uint32_t off, bool more, enum nr_step *step)
{
	struct nr_fragment f = {
		.ip_version = l->ip_version,
		.src = l->ip_version == 4 ? l->l3 + 12 : l->l3 + 8,
		.dst = l->ip_version == 4 ? l->l3 + 16 : l->l3 + 24,
		.id = id,
		.proto = l->proto,
		.context = fragment_context(x->out),
		.hdr = l->l3,
		.hdr_len = hdr_len,
		.off = off,
		.len = l->l4_len,
		.more = more,
		.data = l->l4,
		.cap = l->l4_cap,
		.clock_ns = x->pkt->clock_ns,
		.before = x->out->frags,
		.n_before = x->out->n_frags,
		.record = { .ordinal = x->pkt->ordinal,
			    .record = x->pkt->record,
			    .ts_ns = x->pkt->ts_ns,
			    .source = x->pkt->source,
			    .wire_len = x->pkt->wire_len },
	};
	struct nr_frag_oddity odd = { 0 };
	struct nr_datagram done;
	enum nr_frag_verdict v;

	if (more && f.len % 8) { /* only the last may end anywhere */
		if (l->ip_version == 6 || f.len < 8) {
			*step = nr_dec_end_malformed(x, NR_ANOM_IP_MALFORMED, off, f.len);
			return false;
		}
		f.len &= ~7u;
		if (f.cap > f.len)
			f.cap = f.len;
	}
	if (f.len == 0 && (more || off)) {
		*step = nr_dec_end_malformed(x, NR_ANOM_IP_MALFORMED, off, 0);
		return false;
	}
	if (off == 0 && f.len < least_header(l->proto))
		nr_dec_note(x, NR_ANOM_FRAGMENT_TINY, f.len, l->proto);
	v = nr_defrag_add(x->d->defrag, &f, &done, &odd);
	if (odd.overlap_len)
		nr_dec_note(x,
			    odd.conflict ? NR_ANOM_FRAGMENT_CONFLICT
					 : NR_ANOM_FRAGMENT_OVERLAP,
			    odd.overlap_off, odd.overlap_len);
	if (odd.evicted)
		nr_dec_note(x, NR_ANOM_FRAGMENT_EVICTED, 0, 0);
	if (v == NR_FRAG_REFUSED) {
		*step = nr_dec_end_malformed(x, NR_ANOM_FRAGMENT_EXCESS, off, f.len);
		return false;
	}
	if (v == NR_FRAG_HELD) {
		x->out->frags = NULL;
		x->out->n_frags = 0;
		x->outcome = NR_OUT_HELD;
		*step = NR_STEP_DONE;
		return false;
	}
	x->out->frags = done.records;
	x->out->n_frags = done.n_records;
	l->l3 = done.hdr;
	l->src = done.hdr + (l->ip_version == 4 ? 12 : 8);
	l->dst = done.hdr + (l->ip_version == 4 ? 16 : 24);
	l->l4 = done.hdr + done.hdr_len;
	l->l4_len = done.len;
	l->l4_cap = done.cap;
	l->ip_len = done.hdr_len + done.len;
	l->proto = done.proto;
	if (l->ip_version == 4) {
		l->ttl = done.hdr[8];
		l->tos = done.hdr[1];
	} else {
		l->ttl = done.hdr[7];
		l->tos = (uint8_t)(nr_be16(done.hdr) >> 4);
	}
	l->flags |= NR_L_REASSEMBLED;
	return true;
}

uint32_t nr_dec_jumbo_length(const uint8_t *h, size_t cap)
{
	uint32_t len, at = 2;

	if (cap < 8)
		return 0;
	len = (h[1] + 1u) * 8;
	if (len > cap)
		return 0;
	while (len - at >= 2) {
		if (h[at] == 0) {
			at++;
			continue;
		}
		if (len - at - 2 < h[at + 1])
			break;
		if (h[at] == 0xc2 && h[at + 1] == 4)
			return nr_be32(h + at + 2);
		at += h[at + 1] + 2u;
	}
	return 0;
}
