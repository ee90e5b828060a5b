/* SPDX-License-Identifier: BSD-3-Clause */
/* The loop over the headers of a frame, and what the outcome means for the packet. */
#include "decode/priv.h"

#include "base/mem.h"

#include <assert.h>

struct nr_decoder *nr_decoder_new(const struct nr_decoder_config *c)
{
	struct nr_decoder *d = nr_xcalloc(1, sizeof(*d));

	d->config = *c;
	d->defrag = nr_defrag_new(c);
	return d;
}

void nr_decoder_free(struct nr_decoder *d)
{
	if (!d)
		return;
	nr_defrag_free(d->defrag);
	nr_free(d);
}

void nr_decoder_release(struct nr_decoder *d)
{
	nr_defrag_release(d->defrag);
}

uint8_t **nr_decoder_take(struct nr_decoder *d, size_t *n)
{
	return nr_defrag_take(d->defrag, n);
}

void nr_decoder_expire(struct nr_decoder *d, int64_t clock_ns, nr_frag_lost_fn *lost,
		       void *arg)
{
	nr_defrag_expire(d->defrag, clock_ns, lost, arg);
}

void nr_decoder_flush(struct nr_decoder *d, nr_frag_lost_fn *lost, void *arg)
{
	nr_defrag_flush(d->defrag, lost, arg);
}

void nr_dec_note(struct nr_dec *x, enum nr_anomaly_kind kind, int64_t a, int64_t b)
{
	struct nr_decoded *out = x->out;

	if (out->n_anomalies == NR_MAX_ANOMALIES)
		return;
	out->anomaly[out->n_anomalies++] = (struct nr_decode_anomaly){
		.kind = (uint8_t)kind,
		.level = out->n_levels,
		.a = a,
		.b = b,
	};
}

enum nr_step nr_dec_end_other(struct nr_dec *x, uint32_t detail)
{
	x->outcome = NR_OUT_OTHER;
	x->out->detail = detail;
	return NR_STEP_DONE;
}

enum nr_step nr_dec_end_malformed(struct nr_dec *x, enum nr_anomaly_kind kind, int64_t a,
				  int64_t b)
{
	x->outcome = NR_OUT_MALFORMED;
	x->out->detail = kind;
	nr_dec_note(x, kind, a, b);
	return NR_STEP_DONE;
}

enum nr_step nr_dec_end_short(struct nr_dec *x, enum nr_anomaly_kind kind, uint32_t need)
{
	if (x->wire < need)
		return nr_dec_end_malformed(x, kind, need, x->wire);
	x->outcome = NR_OUT_CUT;
	x->out->detail = NR_ANOM_TRANSPORT_CUT;
	nr_dec_note(x, NR_ANOM_TRANSPORT_CUT, need, (int64_t)nr_dec_cap(x));
	return NR_STEP_DONE;
}

/* The tunnel was none, or a broken one: what was noted inside it says nothing. */
static void revoke_carrier(struct nr_dec *x, struct nr_level *carrier)
{
	struct nr_decoded *out = x->out;
	uint8_t n = 0;
	int64_t what = out->detail;

	for (uint8_t i = 0; i < out->n_anomalies; i++)
		if (out->anomaly[i].level < out->n_levels)
			out->anomaly[n++] = out->anomaly[i];
	out->n_anomalies = n;
	nr_dec_note(x, NR_ANOM_TUNNEL_MALFORMED, carrier->carries - 1, what);
	out->n_tunnels = carrier->n_tunnels;
	out->n_vlans = (uint8_t)(carrier->first_vlan + carrier->n_vlans);
	carrier->carries = 0;
}

/* No flow was found at the innermost place: the packet goes to the nearest one above. */
static __attribute__((noinline)) void settle(struct nr_dec *x)
{
	static const uint8_t buckets[] = {
		[NR_OUT_FLOW] = NR_BUCKET_FLOW,
		[NR_OUT_HELD] = NR_BUCKET_HELD,
		[NR_OUT_ARP] = NR_BUCKET_ARP,
		[NR_OUT_OTHER] = NR_BUCKET_OTHER_L2,
		[NR_OUT_MALFORMED] = NR_BUCKET_MALFORMED,
		[NR_OUT_CUT] = NR_BUCKET_MALFORMED,
		[NR_OUT_LINKTYPE] = NR_BUCKET_UNSUPPORTED_LINKTYPE,
	};
	struct nr_decoded *out = x->out;

	out->bucket = buckets[x->outcome];
	if (x->outcome == NR_OUT_FLOW || x->outcome == NR_OUT_HELD) {
		out->detail = 0;
	} else if (x->has_pending) {
		out->n_tunnels = x->pending.n_tunnels;
		out->n_vlans = (uint8_t)(x->pending.first_vlan + x->pending.n_vlans);
		out->level[out->n_levels++] = x->pending;
		out->bucket = NR_BUCKET_FLOW;
		out->detail = 0;
	} else if (out->n_levels) {
		struct nr_level *carrier = &out->level[out->n_levels - 1];

		if (x->outcome == NR_OUT_MALFORMED && carrier->carries)
			revoke_carrier(x, carrier);
		out->bucket = NR_BUCKET_FLOW;
		out->detail = 0;
	}
	for (uint8_t i = 0; i < out->n_anomalies; i++)
		if (out->anomaly[i].level >= out->n_levels)
			out->anomaly[i].level =
				out->n_levels ? (uint8_t)(out->n_levels - 1) : 255;
}

static __attribute__((noinline)) void steps(struct nr_decoder *d,
					    const struct nr_packet *p,
					    struct nr_decoded *out)
{
	struct nr_dec x;
	enum nr_step step;
	const uint8_t *h;

	x.p = p->data;
	x.end = p->data + p->cap_len;
	x.wire = p->wire_len;
	x.level_flags = 0;
	x.first_vlan = 0;
	x.outcome = NR_OUT_FLOW;
	x.has_pending = false;
	x.wlan_pad = false;
	x.wlan_swap = false;
	x.atm = false;
	x.fcs_len = p->fcs_len;
	x.mac_src = NULL;
	x.mac_dst = NULL;
	x.d = d;
	x.pkt = p;
	x.out = out;
	out->n_levels = 0;
	out->n_tunnels = 0;
	out->n_vlans = 0;
	out->n_anomalies = 0;
	out->has_arp = false;
	out->detail = 0;
	out->frags = NULL;
	out->n_frags = 0;

	if (NR_UNLIKELY(x.wire < p->cap_len)) /* odd files: believe the bytes */
		x.wire = p->cap_len;
	if (NR_UNLIKELY(p->flags & (NR_PKT_CSUM_NOT_READY | NR_PKT_TSO)))
		x.level_flags = NR_L_CSUM_SKIP;
	step = NR_STEP_ETHERNET;
	if (NR_UNLIKELY(p->link_type != 1)) {
		x.type = p->link_type;
		step = NR_STEP_LINK;
	} else if (NR_UNLIKELY(x.fcs_len)) {
		nr_dec_drop_tail(&x, x.fcs_len);
		x.fcs_len = 0;
	}
	for (;;) {
		switch (step) {
		case NR_STEP_ETHERNET:
			h = nr_dec_take(&x, 14);
			if (NR_UNLIKELY(!h)) {
				step = nr_dec_end_short(&x, NR_ANOM_LINK_MALFORMED, 14);
				break;
			}
			x.mac_dst = h;
			x.mac_src = h + 6;
			x.type = nr_be16(h + 12);
			__attribute__((fallthrough));
		case NR_STEP_ETHERTYPE:
			if (NR_LIKELY(x.type == 0x0800))
				step = nr_dec_ip4(&x);
			else if (NR_LIKELY(x.type == 0x86dd))
				step = nr_dec_ip6(&x);
			else
				step = nr_dec_ethertype(&x);
			break;
		case NR_STEP_IP:
			if (!nr_dec_cap(&x)) {
				step = nr_dec_end_short(&x, NR_ANOM_IP_MALFORMED, 20);
				break;
			}
			step = *x.p >> 4 == 4 ? NR_STEP_IP4
			       : *x.p >> 4 == 6
				       ? NR_STEP_IP6
				       : nr_dec_end_malformed(&x, NR_ANOM_IP_MALFORMED,
							      *x.p >> 4, x.wire);
			break;
		case NR_STEP_IP4:
			step = nr_dec_ip4(&x);
			break;
		case NR_STEP_IP6:
			step = nr_dec_ip6(&x);
			break;
		case NR_STEP_LINK:
			step = nr_dec_link(&x);
			break;
		case NR_STEP_LLC:
			step = nr_dec_llc(&x);
			break;
		case NR_STEP_WLAN:
			step = nr_dec_wlan(&x);
			break;
		case NR_STEP_PPP:
			step = nr_dec_ppp(&x);
			break;
		case NR_STEP_MPLS:
			step = nr_dec_mpls(&x);
			break;
		case NR_STEP_NSH:
			step = nr_dec_nsh(&x);
			break;
		case NR_STEP_DONE:
			goto done;
		}
	}
done:
	out->bucket = NR_BUCKET_FLOW;
	if (NR_UNLIKELY(x.outcome != NR_OUT_FLOW || out->n_anomalies))
		settle(&x);
}

void nr_decode(struct nr_decoder *d, const struct nr_packet *p, struct nr_decoded *out)
{
	if (NR_UNLIKELY(!nr_dec_plain(d, p, out)))
		steps(d, p, out);
}
