/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Table tunnel: encapsulations without ports, added up by source, kind, addresses, id.
 *
 * Bounded: when NR_MAX_TUNNEL_ROWS are open, all are written and the count begins anew,
 * so a tunnel may have several rows, each for a span of time.
 */
#include "engine/internal.h"

#include "base/ip.h"
#include "base/mem.h"

enum { NR_MAX_TUNNEL_ROWS = 65536, SLOTS = NR_MAX_TUNNEL_ROWS * 2 };

struct row {
	uint8_t src[16], dst[16];
	uint32_t source, id;
	uint8_t kind, ip_version, has_id;
	int64_t first_ns, last_ns;
	uint64_t packets, wire_bytes;
};

struct nr_tunnels {
	struct row *rows; /* in order of appearance */
	uint32_t *slots;  /* row + 1 */
	size_t n, cap;
};

struct nr_tunnels *nr_tunnels_new(void)
{
	return nr_xcalloc(1, sizeof(struct nr_tunnels));
}

void nr_tunnels_free(struct nr_tunnels *t)
{
	if (!t)
		return;
	nr_free(t->rows);
	nr_free(t->slots);
	nr_free(t);
}

static bool same(const struct row *a, const struct row *b)
{
	return a->source == b->source && a->id == b->id && a->kind == b->kind &&
	       a->ip_version == b->ip_version && a->has_id == b->has_id &&
	       !memcmp(a->src, b->src, 16) && !memcmp(a->dst, b->dst, 16);
}

static struct row *find(struct nr_engine *e, const struct row *want)
{
	struct nr_tunnels *t = e->tunnels;
	uint8_t key[41];
	uint64_t h;

	memcpy(key, want->src, 16);
	memcpy(key + 16, want->dst, 16);
	memcpy(key + 32, &want->id, 4);
	memcpy(key + 36, &want->source, 4);
	key[40] = want->kind;
	h = nr_siphash(e->key.secret, key, sizeof(key));
	if (!t->slots)
		t->slots = nr_xcalloc(SLOTS, sizeof(t->slots[0]));
	for (uint32_t i = (uint32_t)h & (SLOTS - 1);; i = (i + 1) & (SLOTS - 1)) {
		if (t->slots[i]) {
			if (same(&t->rows[t->slots[i] - 1], want))
				return &t->rows[t->slots[i] - 1];
			continue;
		}
		if (t->n == NR_MAX_TUNNEL_ROWS) {
			nr_tunnels_flush(e);
			return find(e, want);
		}
		if (t->n == t->cap) {
			t->cap = t->cap ? t->cap * 2 : 64;
			t->rows = nr_xrealloc(t->rows, t->cap * sizeof(t->rows[0]));
		}
		t->slots[i] = (uint32_t)t->n + 1;
		t->rows[t->n] = *want;
		return &t->rows[t->n++];
	}
}

void nr_tunnels_packet(struct nr_engine *e, const struct nr_work *w)
{
	const struct nr_packet *p = w->pkt;

	for (unsigned i = 0; i < w->dec->n_tunnels; i++) {
		const struct nr_tunnel *u = &w->dec->tunnel[i];
		size_t n = u->ip_version == 6 ? 16 : 4;
		struct row want = { .source = p->source,
				    .id = u->has_id ? u->id : 0,
				    .kind = u->kind,
				    .ip_version = u->ip_version,
				    .has_id = u->has_id,
				    .first_ns = p->ts_ns,
				    .last_ns = p->ts_ns },
			   *r;

		if (nr_tunnel_has_carrier(u->kind))
			continue;
		memcpy(want.src, u->src, n);
		memcpy(want.dst, u->dst, n);
		r = find(e, &want);
		r->packets++;
		r->wire_bytes += p->wire_len;
		if (p->ts_ns < r->first_ns)
			r->first_ns = p->ts_ns;
		if (p->ts_ns > r->last_ns)
			r->last_ns = p->ts_ns;
	}
}

void nr_tunnels_flush(struct nr_engine *e)
{
	struct nr_tunnels *t = e->tunnels;

	for (size_t i = 0; i < t->n; i++) {
		const struct row *x = &t->rows[i];
		struct nr_record *r;
		char *src, *dst;

		nr_engine_breathe(e);
		r = nr_out_row(e->out, &nr_rt_tunnel);
		src = nr_arena_alloc(&e->out->arena, NR_IP_TEXT);
		dst = nr_arena_alloc(&e->out->arena, NR_IP_TEXT);
		nr_ip_format(src, x->ip_version, x->src);
		nr_ip_format(dst, x->ip_version, x->dst);
		nr_set_int(r, NR_TUNNEL_source_id, nr_engine_source_id(e, x->source));
		nr_set_str(r, NR_TUNNEL_kind, nr_tunnel_name(x->kind));
		nr_set_str(r, NR_TUNNEL_src_ip, src);
		nr_set_str(r, NR_TUNNEL_dst_ip, dst);
		if (x->has_id)
			nr_set_int(r, NR_TUNNEL_id, x->id);
		nr_set_int(r, NR_TUNNEL_first_ns, x->first_ns);
		nr_set_int(r, NR_TUNNEL_last_ns, x->last_ns);
		nr_set_int(r, NR_TUNNEL_packets, (int64_t)x->packets);
		nr_set_int(r, NR_TUNNEL_wire_bytes, (int64_t)x->wire_bytes);
	}
	t->n = 0;
	if (t->slots)
		memset(t->slots, 0, SLOTS * sizeof(t->slots[0]));
}
