/* SPDX-License-Identifier: BSD-3-Clause */
#include "archive/packets.h"

#include "base/mem.h"
#include "decode/decode.h"

#include <string.h>

enum { EXPIRE_EVERY = 4096 };

struct nr_addresses {
	struct nr_decoder *decoder;
	struct nr_decoded out;
	unsigned n;
};

struct nr_addresses *nr_addresses_new(void)
{
	const struct nr_decoder_config c = {
		.frag_timeout_ns = 30 * INT64_C(1000000000),
		.frag_memory = 8 << 20,
		.frag_datagrams = 4096,
	};
	struct nr_addresses *a = nr_xcalloc(1, sizeof(*a));

	a->decoder = nr_decoder_new(&c);
	return a;
}

static void lost(void *arg, const struct nr_frag_record *r, const char *why,
		 unsigned ip_version)
{
}

static size_t add_pair(struct nr_archive_addr *to, size_t n, size_t max,
		       unsigned ip_version, const uint8_t *src, const uint8_t *dst)
{
	const uint8_t len = ip_version == 4 ? 4 : 16;

	if (max - n < 2)
		return n;
	to[n].len = to[n + 1].len = len;
	memcpy(to[n].b, src, len);
	memcpy(to[n + 1].b, dst, len);
	return n + 2;
}

size_t nr_addresses_of(void *arg, const struct nr_packet *v, struct nr_archive_addr *addr,
		       size_t max)
{
	struct nr_addresses *a = arg;
	const struct nr_decoded *d = &a->out;
	size_t n = 0;

	nr_decode(a->decoder, v, &a->out);
	for (unsigned i = 0; i < d->n_levels; i++)
		n = add_pair(addr, n, max, d->level[i].ip_version, d->level[i].src,
			     d->level[i].dst);
	if (d->bucket == NR_BUCKET_HELD) /* the fragment's own, see decode.h */
		n = add_pair(addr, n, max, d->level[d->n_levels].ip_version,
			     d->level[d->n_levels].src, d->level[d->n_levels].dst);
	for (unsigned i = 0; i < d->n_tunnels; i++)
		n = add_pair(addr, n, max, d->tunnel[i].ip_version, d->tunnel[i].src,
			     d->tunnel[i].dst);
	if (d->has_arp)
		n = add_pair(addr, n, max, 4, d->arp.sender_ip, d->arp.target_ip);
	if (d->n_frags || d->bucket == NR_BUCKET_HELD)
		nr_decoder_release(a->decoder);
	if (++a->n % EXPIRE_EVERY == 0)
		nr_decoder_expire(a->decoder, v->clock_ns, lost, NULL);
	return n;
}

void nr_addresses_free(struct nr_addresses *a)
{
	if (!a)
		return;
	nr_decoder_free(a->decoder);
	nr_free(a);
}

enum last { LAST_SECTION, LAST_BLOCK, LAST_PACKET };

struct repack {
	struct nr_merge *m;
	struct nr_ngw *w;
	struct nr_repack_stats *st;
	struct nr_err *err;
	uint32_t **ids; /* of each source's interfaces: their numbers in w */
	size_t *n_ids;
	bool *was_damaged;
	int64_t last_ns;
	/* what the block given last was, for comments */
	enum last last;
	uint32_t last_source;
	uint64_t last_record;
	void (*damaged)(void *arg, const struct nr_source_info *s, const char *p,
			size_t n);
	void *arg;
};

static void set_last(struct repack *r, enum last what, const struct nr_packet *v)
{
	r->last = what;
	r->last_source = v->source;
	r->last_record = v->record;
}

static int take_interface(struct repack *r, const struct nr_packet *v)
{
	size_t *n = &r->n_ids[v->source];

	if (!(*n & (*n - 1)))
		r->ids[v->source] = nr_xrealloc(r->ids[v->source],
						(*n ? 2 * *n : 1) * sizeof(**r->ids));
	set_last(r, LAST_BLOCK, v);
	return nr_ngw_interface(r->w, &v->event->interface, &r->ids[v->source][(*n)++],
				r->err);
}

static int take_comment(struct repack *r, const struct nr_packet *v)
{
	const struct nr_event *e = v->event;
	bool fits;
	int rc;

	if (e->record)
		fits = r->last == LAST_PACKET && r->last_source == v->source &&
		       r->last_record == e->record;
	else
		fits = r->last == LAST_SECTION ||
		       (r->last == LAST_BLOCK && r->last_source == v->source);
	if (!fits) {
		static const struct nr_text none;

		rc = nr_ngw_name(r->w, none, none, r->err);
		if (rc < 0)
			return rc;
		set_last(r, LAST_BLOCK, v);
	}
	r->st->comments++;
	return nr_ngw_comment(r->w, e->text, r->err);
}

static int take_event(struct repack *r, const struct nr_packet *v)
{
	const struct nr_event *e = v->event;

	switch (e->kind) {
	case NR_EVENT_INTERFACE:
		return take_interface(r, v);
	case NR_EVENT_INTERFACE_STATS:
		if (e->interface_id >= r->n_ids[v->source])
			return 0;
		set_last(r, LAST_BLOCK, v);
		return nr_ngw_stats(r->w, r->ids[v->source][e->interface_id], r->last_ns,
				    e->received, e->dropped, r->err);
	case NR_EVENT_COMMENT:
		return take_comment(r, v);
	case NR_EVENT_NAME:
		r->st->names++;
		set_last(r, LAST_BLOCK, v);
		return nr_ngw_name(r->w, e->address, e->text, r->err);
	case NR_EVENT_SECRETS:
		r->st->secrets++;
		return 0;
	case NR_EVENT_DAMAGE:
		r->st->n_damaged += !r->was_damaged[v->source];
		r->was_damaged[v->source] = true;
		if (r->damaged)
			r->damaged(r->arg, nr_merge_info(r->m, v->source), e->text.p,
				   e->text.len);
		return 0;
	case NR_EVENT_SOURCE_START:
	case NR_EVENT_SOURCE_END:
	case NR_EVENT_TICK:
	case NR_EVENT_LOSS:
		return 0;
	}
	return 0;
}

static int take(struct repack *r, const struct nr_packet *v)
{
	int rc;

	if (v->event)
		return take_event(r, v);
	if (v->interface_id >= r->n_ids[v->source]) /* readers do not do this */
		return 0;
	rc = nr_ngw_packet(r->w, r->ids[v->source][v->interface_id], v, r->err);
	set_last(r, LAST_PACKET, v);
	r->last_ns = v->ts_ns;
	r->st->packets++;
	return rc;
}

static int read_all(struct repack *r, struct nr_batch *b, const atomic_int *stop,
		    void (*progress)(void *arg, uint64_t packets))
{
	for (;;) {
		int n;

		if (stop && atomic_load(stop)) {
			r->st->interrupted = true;
			return 0;
		}
		n = nr_merge_read(r->m, b, NR_BATCH_MAX, r->err);
		if (n <= 0)
			return n;
		for (unsigned i = 0; i < b->n; i++) {
			int rc = take(r, &b->pkt[i]);

			if (rc < 0) {
				r->st->write_failed = rc;
				return rc;
			}
		}
		nr_batch_release(b);
		if (progress)
			progress(r->arg, r->st->packets);
	}
}

int nr_repack(struct nr_merge *m, struct nr_ngw *w, const atomic_int *stop,
	      void (*progress)(void *arg, uint64_t packets),
	      void (*damaged)(void *arg, const struct nr_source_info *s, const char *p,
			      size_t n),
	      void *arg, struct nr_repack_stats *st, struct nr_err *err)
{
	size_t n = nr_merge_n_sources(m);
	struct nr_batch *b = nr_xcalloc(1, sizeof(*b));
	struct repack r = {
		.m = m,
		.w = w,
		.st = st,
		.err = err,
		.ids = nr_xcalloc(n, sizeof(*r.ids)),
		.n_ids = nr_xcalloc(n, sizeof(*r.n_ids)),
		.was_damaged = nr_xcalloc(n, sizeof(*r.was_damaged)),
		.damaged = damaged,
		.arg = arg,
	};
	int rc;

	*st = (struct nr_repack_stats){ 0 };
	rc = read_all(&r, b, stop, progress);
	nr_batch_release(b);
	nr_free(b);
	for (size_t i = 0; i < n; i++)
		nr_free(r.ids[i]);
	nr_free(r.ids);
	nr_free(r.n_ids);
	nr_free(r.was_damaged);
	return rc;
}

void nr_repack_meta(const struct nr_merge *m, struct nr_buf *b)
{
	nr_buf_str(b, "\"sources\":[");
	for (size_t i = 0; i < nr_merge_n_sources(m); i++) {
		const struct nr_source_info *s = nr_merge_info(m, i);

		nr_buf_str(b, i ? ",{\"name\":" : "{\"name\":");
		nr_buf_json(b, s->name, strlen(s->name));
		if (s->bytes >= 0) {
			nr_buf_str(b, ",\"bytes\":");
			nr_buf_int(b, s->bytes);
		}
		if (s->sha256[0])
			nr_buf_printf(b, ",\"sha256\":\"%s\"", s->sha256);
		nr_buf_char(b, '}');
	}
	nr_buf_char(b, ']');
}
