/* SPDX-License-Identifier: BSD-3-Clause */
/* snoop, RFC 1761: big-endian records, padded, with the record's length in each. */
#include "source/reader.h"

#include "base/cursor.h"

#include <errno.h>
#include <string.h>

enum { FILE_HEADER = 16, RECORD_HEADER = 24, PREFETCH = 4096 };

struct snoop {
	bool said_interface;
	uint16_t link_type;
};

/* Data link types of RFC 1761 and of Solaris' sys/dlpi.h as LINKTYPE_ numbers. */
static uint16_t link_type_of(uint32_t t)
{
	switch (t) {
	case 0: /* IEEE 802.3 */
	case 4: /* Ethernet */
		return 1;
	case 2: /* token ring */
		return 6;
	case 8: /* FDDI */
		return 10;
	case 0x12: /* classical IP over ATM */
		return 123;
	case 0x19: /* IP over InfiniBand, as Solaris writes it */
		return 242;
	case 0x1a: /* ipnet */
		return 226;
	default:
		return UINT16_MAX;
	}
}

static bool snoop_probe(const uint8_t *p, size_t n)
{
	return n >= 8 && !memcmp(p, "snoop\0\0\0", 8);
}

static int snoop_open(struct nr_source *s, void *ctx, struct nr_err *err)
{
	struct snoop *c = ctx;
	uint32_t version;
	int rc = nr_window_need(&s->win, FILE_HEADER, err);

	if (rc < 0)
		return rc;
	if (!rc)
		return nr_fail(
			err, -EINVAL,
			"%s is cut short inside its file header: it has %zu bytes, "
			"a snoop file begins with 16",
			s->info.path, nr_window_left(&s->win));
	version = nr_be32(s->win.p + 8);
	if (version != 2)
		return nr_fail(err, -EINVAL,
			       "%s is a snoop file of version %u; only 2 is known, "
			       "convert it with editcap",
			       s->info.path, version);
	c->link_type = link_type_of(nr_be32(s->win.p + 12));
	s->win.p += FILE_HEADER;
	return 0;
}

static void say_interface(struct nr_source *s, struct snoop *c, struct nr_batch *b)
{
	struct nr_event *e;
	struct nr_block *block = nr_event_new(&e, 0, NULL);

	e->kind = NR_EVENT_INTERFACE;
	e->interface.link_type = c->link_type;
	e->interface.tsresol = 1000000;
	nr_source_emit(s, b, block, e, 0);
	c->said_interface = true;
}

/* The whole record is at the window's start: 1; 0 where the source ends; -errno. */
static int whole_record(struct nr_source *s, struct nr_err *err)
{
	struct nr_window *w = &s->win;
	uint32_t cap, rec;
	int rc = nr_window_need(w, RECORD_HEADER, err);

	if (rc < 0)
		return rc;
	if (!rc) {
		if (nr_window_left(w) || s->stream.damage[0])
			nr_source_cut(s, "the record's header");
		s->ended = true;
		return 0;
	}
	cap = nr_be32(w->p + 4);
	rec = nr_be32(w->p + 8);
	if (cap > NR_RECORD_MAX || rec < RECORD_HEADER || rec - RECORD_HEADER < cap ||
	    rec > NR_RECORD_MAX + RECORD_HEADER + 64) {
		nr_source_damage(
			s, nr_window_offset(w, w->p),
			"impossible length: %u bytes captured in a record of %u; "
			"what follows cannot be read",
			cap, rec);
		s->ended = true;
		return 0;
	}
	rc = nr_window_need(w, rec, err);
	if (!rc)
		nr_source_cut(s, "the record");
	return rc;
}

static int snoop_next(struct nr_source *s, void *ctx, struct nr_batch *b, unsigned max,
		      struct nr_err *err)
{
	struct snoop *c = ctx;
	struct nr_window *w = &s->win;
	unsigned n = 0;

	if (!c->said_interface) {
		say_interface(s, c, b);
		return 1;
	}
	while (n < max) {
		struct nr_packet *v = &b->pkt[b->n];
		const uint8_t *p;
		int rc;

		if (n && (nr_window_left(w) < RECORD_HEADER ||
			  nr_window_left(w) < nr_be32(w->p + 8)))
			break;
		rc = whole_record(s, err);
		if (rc < 0)
			return rc;
		if (!rc)
			break;
		p = w->p;
		__builtin_prefetch(p + PREFETCH);
		*v = (struct nr_packet){
			.data = p + RECORD_HEADER,
			.cap_len = nr_be32(p + 4),
			.wire_len = nr_be32(p),
			.ts_ns = (int64_t)(nr_be32(p + 16) * UINT64_C(1000000000) +
					   nr_be32(p + 20) * UINT64_C(1000)),
			.record = ++s->record,
			.offset = nr_window_offset(w, p),
			.block = w->block,
			.source = s->index,
			.link_type = c->link_type,
		};
		nr_batch_pin(b, w->block);
		b->n++;
		n++;
		w->p += nr_be32(p + 8);
	}
	return (int)n;
}

static void snoop_close(void *ctx)
{
	(void)ctx;
}

const struct nr_format nr_format_snoop = {
	.name = "snoop",
	.ctx_size = sizeof(struct snoop),
	.probe = snoop_probe,
	.open = snoop_open,
	.next = snoop_next,
	.close = snoop_close,
};
