/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcapng, draft-ietf-opsawg-pcapng. A block whose frame (length, trailing length) is
 * sound but whose content is not is passed over; where the frame itself is broken reading
 * goes on only if a block that is sound as a whole follows where this one says it ends.
 */
#include "source/pcapng.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

enum {
	B_SECTION = 0x0a0d0d0a,
	B_INTERFACE = 1,
	B_OLD_PACKET = 2,
	B_SIMPLE = 3,
	B_NAMES = 4,
	B_STATS = 5,
	B_PACKET = 6,
	B_SECRETS = 10,
	FRAME_LEN = 12, /* type, length and trailing length */
	/* the largest block that is held in memory: one packet, its options and frame */
	BLOCK_MAX = NR_RECORD_MAX + (1 << 20),
	PREFETCH = 4096,
};

static const uint32_t byte_order = 0x1a2b3c4d;

static bool pcapng_probe(const uint8_t *p, size_t n)
{
	return n >= 12 && nr_le32(p) == B_SECTION &&
	       (nr_le32(p + 8) == byte_order || nr_be32(p + 8) == byte_order);
}

static int pcapng_open(struct nr_source *s, void *ctx, struct nr_err *err)
{
	int rc = nr_window_need(&s->win, 28, err);

	(void)ctx;
	if (rc < 0)
		return rc;
	if (!rc)
		return nr_fail(
			err, -EINVAL,
			"%s is cut short inside its section header: it has %zu bytes",
			s->info.path, nr_window_left(&s->win));
	return 0;
}

static void pcapng_close(void *ctx)
{
	struct nr_ng *g = ctx;

	nr_free(g->ifs);
	nr_ng_section_fini(g);
}

static void pcapng_seek(void *ctx)
{
	struct nr_ng *g = ctx;

	g->pending = NR_NG_NOTHING;
	g->rest = nr_cursor(NULL, 0);
	g->name = g->name_end = NULL;
}

static void tell_later(struct nr_ng *g, enum nr_ng_pending what, struct nr_cursor rest,
		       uint64_t offset, bool of_packet)
{
	g->pending = what;
	g->rest = rest;
	g->name = g->name_end = NULL;
	g->offset = offset;
	g->of_packet = of_packet;
}

/* Hands out what is pending; the block is passed over when all is told. */
static unsigned tell(struct nr_source *s, struct nr_ng *g, struct nr_batch *b,
		     unsigned max)
{
	unsigned n = 0;

	while (n < max && !s->damage_noted) {
		bool bad = false;
		struct nr_event *e;
		struct nr_block *block = nr_ng_tell(g, s->record, &e, &bad);

		if (bad)
			nr_source_bad(s, g->offset,
				      "an option or a name runs over the "
				      "end of its block");
		if (!block) {
			g->pending = NR_NG_NOTHING;
			s->win.p += g->block_len;
			break;
		}
		nr_source_emit(s, b, block, e, g->offset);
		n++;
	}
	return n;
}

static void take_section(struct nr_source *s, struct nr_ng *g, struct nr_cursor body,
			 uint64_t offset)
{
	const uint8_t *h = nr_take(&body, 16);
	uint16_t major, minor;

	if (!h) {
		nr_source_bad(s, offset, "a section header of %zu bytes is too short",
			      nr_left(&body));
		return;
	}
	major = nr_ng_16(g, h + 4);
	minor = nr_ng_16(g, h + 6);
	if (major != 1 || (minor != 0 && minor != 2))
		nr_source_bad(s, offset, "the section is of version %u.%u, read as 1.0",
			      major, minor);
	if (g->in_section)
		g->section++;
	g->in_section = true;
	g->first_if += g->n_if;
	g->n_if = 0;
	nr_ng_section(g, body);
	tell_later(g, NR_NG_COMMENTS, body, offset, false);
}

static unsigned take_interface(struct nr_source *s, struct nr_ng *g, struct nr_batch *b,
			       struct nr_cursor body, uint64_t offset)
{
	const uint8_t *h = nr_take(&body, 8);
	struct nr_block *block;
	struct nr_event *e;
	struct nr_ng_if *i;
	bool bad;

	if (!h) {
		nr_source_bad(s, offset, "an interface description is too short");
		return 0;
	}
	if (g->n_if == NR_NG_INTERFACES) {
		nr_source_damage(s, offset,
				 "a section with more than %u interfaces; "
				 "what follows is not read",
				 NR_NG_INTERFACES);
		s->ended = true;
		return 0;
	}
	if (g->n_if == g->room_if) {
		g->room_if = g->room_if ? 2 * g->room_if : 4;
		g->ifs = nr_xrealloc(g->ifs, g->room_if * sizeof(*g->ifs));
	}
	i = &g->ifs[g->n_if];
	*i = (struct nr_ng_if){
		.link_type = nr_ng_16(g, h),
		.snap_len = nr_ng_32(g, h + 4),
	};
	block = nr_ng_interface(g, i, body, g->first_if + g->n_if, &e, &bad);
	g->n_if++;
	if (bad)
		nr_source_bad(s, offset,
			      "an option of an interface runs over the end "
			      "of its block");
	nr_source_emit(s, b, block, e, offset);
	if (!bad)
		tell_later(g, NR_NG_COMMENTS, body, offset, false);
	return 1;
}

static unsigned take_stats(struct nr_source *s, struct nr_ng *g, struct nr_batch *b,
			   struct nr_cursor body, uint64_t offset)
{
	const uint8_t *h = nr_take(&body, 12);
	struct nr_block *block;
	struct nr_event *e;
	bool bad;

	if (!h || nr_ng_32(g, h) >= g->n_if) {
		nr_source_bad(s, offset,
			      "statistics of an interface that is not described");
		return 0;
	}
	block = nr_ng_stats(g, body, g->first_if + nr_ng_32(g, h), &e, &bad);
	if (bad)
		nr_source_bad(s, offset,
			      "an option of the statistics runs over the end "
			      "of its block");
	nr_source_emit(s, b, block, e, offset);
	if (!bad)
		tell_later(g, NR_NG_COMMENTS, body, offset, false);
	return 1;
}

/* epb_flags: direction, check sequence length, and what the NIC did or left to do. */
static void take_flags(struct nr_packet *v, uint32_t f, uint32_t *fcs)
{
	if ((f & 3) == 1)
		v->flags |= NR_PKT_INBOUND;
	else if ((f & 3) == 2)
		v->flags |= NR_PKT_OUTBOUND;
	if (f & 1 << 9)
		v->flags |= NR_PKT_CSUM_NOT_READY;
	if (f & 1 << 10)
		v->flags |= NR_PKT_CSUM_VALID;
	if (f & 1 << 11)
		v->flags |= NR_PKT_TSO;
	if (f >> 5 & 15)
		*fcs = f >> 5 & 15;
}

/* The list again for comments only if there is one: most packets' options have none. */
static bool packet_options(const struct nr_ng *g, struct nr_cursor c, struct nr_packet *v,
			   uint32_t *fcs)
{
	struct nr_ng_option o;
	bool comment = false;
	int rc;

	while ((rc = nr_ng_option(g, &c, &o)) > 0) {
		if (o.code == 1)
			comment = true;
		else if (o.code == 2 && o.len >= 4)
			take_flags(v, nr_ng_32(g, o.p), fcs);
	}
	return comment || rc < 0; /* an overrun is told on the second pass */
}

static void set_fcs(struct nr_packet *v, uint32_t fcs)
{
	uint32_t cut = v->wire_len > v->cap_len ? v->wire_len - v->cap_len : 0;

	fcs = fcs > cut ? fcs - cut : 0;
	v->fcs_len = (uint8_t)(fcs < v->cap_len ? fcs : v->cap_len);
}

struct head { /* of the three kinds of packet block */
	const uint8_t *data;
	uint64_t ts;
	uint32_t interface;
	uint32_t cap, wire;
	bool timeless;
};

/* What is wrong with the block, or NULL and h filled, body at the data. */
static const char *take_head(const struct nr_ng *g, uint32_t type, struct nr_cursor *body,
			     struct head *h)
{
	const uint8_t *p = nr_take(body, type == B_SIMPLE ? 4 : 20);

	if (!p)
		return "a packet block is too short";
	*h = (struct head){ .timeless = type == B_SIMPLE };
	if (type == B_SIMPLE) {
		h->wire = nr_ng_32(g, p);
		h->cap = h->wire;
	} else {
		h->interface = type == B_PACKET ? nr_ng_32(g, p) : nr_ng_16(g, p);
		h->ts = (uint64_t)nr_ng_32(g, p + 4) << 32 | nr_ng_32(g, p + 8);
		h->cap = nr_ng_32(g, p + 12);
		h->wire = nr_ng_32(g, p + 16);
	}
	if (h->interface >= g->n_if)
		return "a packet of an interface that is not described";
	if (type == B_SIMPLE) {
		uint32_t snap = g->ifs[0].snap_len;

		if (snap && h->cap > snap)
			h->cap = snap;
	}
	if (h->cap > NR_RECORD_MAX)
		return "impossible length of a packet";
	h->data = nr_take(body, h->cap);
	if (!h->data)
		return "a packet is longer than its block";
	if (!nr_take(body, (4 - (h->cap & 3)) & 3))
		body->p = body->end;
	return NULL;
}

static inline unsigned take_packet(struct nr_source *s, struct nr_ng *g, uint32_t type,
				   struct nr_batch *b, struct nr_cursor body,
				   uint64_t offset)
{
	struct nr_packet *v = &b->pkt[b->n];
	const struct nr_ng_if *i;
	struct head h;
	const char *wrong = take_head(g, type, &body, &h);
	bool clamped = false;
	uint32_t fcs;

	if (wrong) {
		nr_source_bad(s, offset, "%s", wrong);
		return 0;
	}
	i = &g->ifs[h.interface];
	fcs = i->fcs_len;
	*v = (struct nr_packet){
		.data = h.data,
		.cap_len = h.cap,
		.wire_len = h.wire,
		.record = ++s->record,
		.offset = offset,
		.block = s->win.block,
		.source = s->index,
		.interface_id = g->first_if + h.interface,
		.link_type = i->link_type,
	};
	if (i->max_fast >= 0 && h.ts <= (uint64_t)i->max_fast)
		v->ts_ns = (int64_t)(h.ts * i->mult);
	else if (!h.timeless)
		v->ts_ns = nr_ng_time(i, h.ts, &clamped);
	v->time_clamped = clamped;
	if (type != B_SIMPLE && nr_left(&body) && packet_options(g, body, v, &fcs))
		tell_later(g, NR_NG_COMMENTS, body, offset, true);
	if (fcs)
		set_fcs(v, fcs);
	nr_batch_pin(b, s->win.block);
	b->n++;
	return 1;
}

/* What is cut or odd in it is no damage of the packets: it is told without content. */
static unsigned take_secrets(struct nr_source *s, const struct nr_ng *g,
			     struct nr_batch *b, struct nr_cursor body, uint64_t offset)
{
	const uint8_t *h = nr_take(&body, 8);
	size_t n = h && s->secrets ? nr_ng_32(g, h + 4) : 0;
	const uint8_t *p = n ? nr_take(&body, n) : NULL;
	struct nr_event *e;
	char *room;
	struct nr_block *block = nr_event_new(&e, p ? n : 0, &room);

	e->kind = NR_EVENT_SECRETS;
	if (p) {
		memcpy(room, p, n);
		e->text = (struct nr_text){ room, n };
		e->secrets_type = nr_ng_32(g, h);
	}
	nr_source_emit(s, b, block, e, offset);
	return 1;
}

static bool known_type(uint32_t t)
{
	return t == B_SECTION || (t >= B_INTERFACE && t <= B_PACKET) || t == B_SECRETS ||
	       t == 0xbad || t == 0x40000bad;
}

/* Does a sound block, or the content's end, lie `at` bytes behind the window's start? */
static int sound_after(struct nr_source *s, const struct nr_ng *g, size_t at,
		       struct nr_err *err)
{
	struct nr_window *w = &s->win;
	const uint8_t *p;
	uint32_t len;
	int rc = nr_window_need(w, at + FRAME_LEN, err);

	if (rc <= 0)
		return rc < 0 ? rc : nr_window_left(w) == at;
	p = w->p + at;
	len = nr_ng_32(g, p + 4);
	if (!known_type(nr_ng_32(g, p)) || nr_ng_32(g, p) == B_SECTION ||
	    len < FRAME_LEN || len % 4 || len > BLOCK_MAX)
		return nr_le32(p) == B_SECTION && pcapng_probe(p, FRAME_LEN);
	rc = nr_window_need(w, at + len, err);
	if (rc <= 0)
		return rc;
	return nr_ng_32(g, w->p + at + len - 4) == len;
}

static int broken(struct nr_source *s, const char *what, uint32_t len)
{
	nr_source_damage(s, nr_window_offset(&s->win, s->win.p),
			 "%s (%u); what follows cannot be read", what, len);
	s->ended = true;
	return 0;
}

/*
 * Makes the block at the window's start whole. 1: *type, *len (with padding) and
 * *body_len are set; 0: nothing more, or passed over (see s->ended); -errno.
 */
static int whole_block(struct nr_source *s, struct nr_ng *g, uint32_t *type, size_t *len,
		       size_t *body_len, struct nr_err *err)
{
	struct nr_window *w = &s->win;
	int rc = nr_window_need(w, FRAME_LEN, err);
	uint32_t said;

	if (rc < 0)
		return rc;
	if (!rc) {
		if (nr_window_left(w) || s->stream.damage[0])
			nr_source_cut(s, "a block's header");
		s->ended = true;
		return 0;
	}
	*type = nr_ng_32(g, w->p);
	if (*type == B_SECTION) { /* reads the same in both orders */
		if (!pcapng_probe(w->p, FRAME_LEN))
			return broken(s, "a section header without byte order mark",
				      nr_ng_32(g, w->p + 8));
		g->swapped = nr_be32(w->p + 8) == byte_order;
	}
	said = nr_ng_32(g, w->p + 4);
	if (said < FRAME_LEN)
		return broken(s, "impossible length of a block", said);
	*len = ((size_t)said + 3) & ~(size_t)3;
	if (said > BLOCK_MAX) {
		if (known_type(*type) && *type != B_SECRETS && *type != 0xbad &&
		    *type != 0x40000bad)
			return broken(s, "impossible length of a block", said);
		rc = nr_window_skip(w, *len, err);
		if (!rc)
			nr_source_cut(s, "a large block");
		return rc < 0 ? rc : 0;
	}
	rc = nr_window_need(w, *len, err);
	if (rc < 0)
		return rc;
	if (!rc && nr_window_left(w) < said) {
		nr_source_cut(s, "a block");
		return 0;
	}
	*body_len = said - FRAME_LEN;
	if (rc && nr_ng_32(g, w->p + *len - 4) == said) {
		if (*len !=
		    said) /* its length leaves out the padding: all of it is body */
			*body_len = *len - FRAME_LEN;
		return 1;
	}
	if (nr_ng_32(g, w->p + said - 4) == said) {
		*len = said;
		return 1;
	}
	rc = sound_after(s, g, *len, err);
	if (rc < 0)
		return rc;
	if (!rc)
		return broken(s, "a block's two lengths differ", said);
	nr_source_bad(
		s, nr_window_offset(w, w->p),
		"a block's two lengths differ (%u at its start); the first fits what "
		"follows",
		said);
	return 1;
}

static unsigned take_block(struct nr_source *s, struct nr_ng *g, uint32_t type,
			   struct nr_batch *b, size_t body_len)
{
	const uint8_t *p = s->win.p;
	struct nr_cursor body = nr_cursor(p + 8, body_len);
	uint64_t offset = nr_window_offset(&s->win, p);

	switch (type) {
	case B_PACKET:
	case B_SIMPLE:
	case B_OLD_PACKET:
		return take_packet(s, g, type, b, body, offset);
	case B_SECTION:
		take_section(s, g, body, offset);
		return 0;
	case B_INTERFACE:
		return take_interface(s, g, b, body, offset);
	case B_NAMES:
		tell_later(g, NR_NG_NAMES, body, offset, false);
		return 0;
	case B_STATS:
		return take_stats(s, g, b, body, offset);
	case B_SECRETS:
		return take_secrets(s, g, b, body, offset);
	default:
		return 0;
	}
}

/* Packets that lie in the window whole and have nothing more to tell. */
static unsigned run(struct nr_source *s, struct nr_ng *g, struct nr_batch *b,
		    unsigned max)
{
	struct nr_window *w = &s->win;
	unsigned n = 0;

	while (n < max && nr_window_left(w) >= 32) {
		const uint8_t *p = w->p;
		uint32_t len = nr_ng_32(g, p + 4);
		unsigned got;

		if (nr_ng_32(g, p) != B_PACKET || len < 32 || len > BLOCK_MAX ||
		    len % 4 || nr_window_left(w) < len || nr_ng_32(g, p + len - 4) != len)
			break;
		__builtin_prefetch(p + PREFETCH);
		got = take_packet(s, g, B_PACKET, b, nr_cursor(p + 8, len - FRAME_LEN),
				  nr_window_offset(w, p));
		n += got;
		g->block_len = len;
		if (g->pending)
			break;
		w->p += len;
		if (!got)
			break;
	}
	return n;
}

static int pcapng_next(struct nr_source *s, void *ctx, struct nr_batch *b, unsigned max,
		       struct nr_err *err)
{
	struct nr_ng *g = ctx;
	unsigned n = 0;

	while (n < max && !s->ended && !s->damage_noted) {
		size_t len, body_len;
		uint32_t type;
		int rc;

		if (g->pending) {
			n += tell(s, g, b, max - n);
			continue;
		}
		n += run(s, g, b, max - n);
		if (n == max || s->damage_noted || g->pending)
			continue;
		if (n && (nr_window_left(&s->win) < FRAME_LEN ||
			  nr_window_left(&s->win) < nr_ng_32(g, s->win.p + 4)))
			break; /* out with these before more is waited for */
		rc = whole_block(s, g, &type, &len, &body_len, err);
		if (rc < 0)
			return n ? (int)n : rc;
		if (!rc)
			continue;
		n += take_block(s, g, type, b, body_len);
		g->block_len = len;
		if (!g->pending)
			s->win.p += len;
	}
	return (int)n;
}

const struct nr_format nr_format_pcapng = {
	.name = "pcapng",
	.ctx_size = sizeof(struct nr_ng),
	.probe = pcapng_probe,
	.open = pcapng_open,
	.next = pcapng_next,
	.close = pcapng_close,
	.seek = pcapng_seek,
};
