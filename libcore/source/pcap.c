/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcap (draft-ietf-opsawg-pcap) and the dialects that were written in its name: 2.3 and
 * before with the lengths exchanged, AIX (ifType, ns), the three record headers of A.
 * Kuznetzov's patches, Nokia, Ixia lcap. Those without a magic of their own are told by
 * how plausible the first records are under each.
 */
#include "source/reader.h"

#include "base/cursor.h"

#include <errno.h>
#include <string.h>

enum {
	FILE_HEADER = 24,
	RECORD_HEADER = 16,
	MODIFIED_HEADER = 24, /* + interface, protocol, type, one byte of padding */
	SUSE_HEADER = 28,     /* + interface, protocol, type, five bytes */
	NOKIA_HEADER = 20,    /* + four bytes of unknown meaning */
	PLAUSIBLE_LEN = 262144,
	PREFETCH = 4096,
};

enum len_order { CAP_FIRST, WIRE_FIRST, SMALLER_FIRST };

struct pcap {
	bool swapped;
	bool said_interface;
	enum len_order order;
	uint32_t header_len; /* of a record */
	uint32_t padding;    /* bytes before the frame that belong to the record */
	uint32_t unit_ns;
	uint32_t snap_len;
	uint16_t link_type;
	uint8_t fcs_len;
};

struct magic {
	uint32_t value;
	uint32_t unit_ns;
	bool is_lcap;     /* four more bytes in the file header */
	bool is_modified; /* 24- or 28-byte record headers */
};

static const struct magic magics[] = {
	{ 0xa1b2c3d4, 1000, false, false }, { 0xa1b23c4d, 1, false, false },
	{ 0xa1b2cd34, 1000, false, true },  { 0x1c0001ac, 1, true, false },
	{ 0x1c0001ab, 1000, true, false },
};

static const struct magic *find_magic(const uint8_t *p, bool *swapped)
{
	for (size_t i = 0; i < sizeof(magics) / sizeof(*magics); i++) {
		*swapped = nr_be32(p) == magics[i].value;
		if (*swapped || nr_le32(p) == magics[i].value)
			return &magics[i];
	}
	return NULL;
}

static bool pcap_probe(const uint8_t *p, size_t n)
{
	bool swapped;

	return n >= 4 && find_magic(p, &swapped);
}

static inline uint32_t get32(const uint8_t *p, bool swapped)
{
	return swapped ? nr_be32(p) : nr_le32(p);
}

static inline uint16_t get16(const uint8_t *p, bool swapped)
{
	return swapped ? nr_be16(p) : nr_le16(p);
}

/* How much in the fields behind the common header speaks against this dialect. */
static unsigned doubt_extra(const uint8_t *p, uint32_t header_len, bool swapped)
{
	unsigned doubt = 0;

	if (header_len == NOKIA_HEADER) {
		uint32_t v = get32(p, swapped);
		uint32_t a = v >> 28, b = v >> 12 & 15, c = v >> 8 & 15, d = v & 15;

		return (v & 0x0fff00f0) != 0x0fbf0000 || (a != 9 && a != 11) ||
		       (b != 11 && b != 13) || (c != 6 && c != 9) || (d != 1 && d != 2);
	}
	if (header_len >= MODIFIED_HEADER) {
		uint16_t proto = get16(p + 4, swapped);

		doubt += get32(p, swapped) > 10000; /* an interface index of 1999 */
		doubt += proto < 0x600 && proto != 0x60 && proto != 0x200 &&
			 proto != 0x400 && proto > 0x17;
		doubt += p[6] > 4; /* PACKET_HOST … PACKET_OUTGOING */
	}
	return doubt;
}

/* How much in the first three records speaks against a record header of this length. */
static int doubt_dialect(struct nr_source *s, const struct pcap *c, size_t at,
			 uint32_t header_len, struct nr_err *err)
{
	unsigned doubt = 0;

	for (int i = 0; i < 3; i++) {
		unsigned cut = i ? 1 : 100; /* not even one record: no evidence for it */
		const uint8_t *p;
		uint32_t cap, len;
		int rc = nr_window_need(&s->win, at + header_len, err);

		if (rc < 0)
			return rc;
		if (!rc)
			return (int)(doubt + (nr_window_left(&s->win) > at ? cut : 0));
		p = s->win.p + at;
		cap = get32(p + 8, c->swapped);
		len = get32(p + 12, c->swapped);
		doubt += get32(p + 4, c->swapped) >= 1000000;
		doubt += cap > PLAUSIBLE_LEN;
		doubt += cap > c->snap_len;
		doubt += len > 128 << 20;
		doubt += cap > len;
		doubt += doubt_extra(p + 16, header_len, c->swapped);
		if (cap > PLAUSIBLE_LEN)
			break;
		at += header_len + cap;
		rc = nr_window_need(&s->win, at, err);
		if (rc <= 0)
			return rc < 0 ? rc : (int)(doubt + cut);
	}
	return (int)doubt;
}

static int choose_dialect(struct nr_source *s, struct pcap *c, size_t at,
			  const uint32_t *lens, size_t n, struct nr_err *err)
{
	int best = -1;

	for (size_t i = 0; i < n && best != 0; i++) {
		int doubt = doubt_dialect(s, c, at, lens[i], err);

		if (doubt < 0)
			return doubt;
		if (best < 0 || doubt < best) {
			best = doubt;
			c->header_len = lens[i];
		}
	}
	return 0;
}

/* AIX wrote version 2.2 with RFC 1573 ifType values and nanoseconds. */
static bool take_aix(struct pcap *c, uint32_t network)
{
	switch (network) {
	case 6:
		c->link_type = 1;
		break;
	case 9:
		c->link_type = 6;
		break;
	case 15:
		c->link_type = 10;
		c->padding = 3;
		break;
	case 24:
		c->link_type = 0;
		break;
	default:
		return false;
	}
	c->unit_ns = 1;
	return true;
}

static int pcap_open(struct nr_source *s, void *ctx, struct nr_err *err)
{
	static const uint32_t standard[] = { RECORD_HEADER, MODIFIED_HEADER,
					     NOKIA_HEADER };
	static const uint32_t modified[] = { MODIFIED_HEADER, SUSE_HEADER };
	struct pcap *c = ctx;
	const struct magic *m = find_magic(s->win.p, &c->swapped);
	size_t header = m && m->is_lcap ? FILE_HEADER + 4 : FILE_HEADER;
	uint32_t network;
	uint16_t major, minor;
	const uint8_t *p;
	bool is_aix = false;
	int rc = nr_window_need(&s->win, header, err);

	if (rc < 0)
		return rc;
	if (!rc || !m)
		return nr_fail(
			err, -EINVAL,
			"%s is cut short inside its file header: it has %zu bytes, "
			"a pcap file begins with %zu",
			s->info.path, nr_window_left(&s->win), header);
	p = s->win.p;
	major = get16(p + 4, c->swapped);
	minor = get16(p + 6, c->swapped);
	c->snap_len = get32(p + 16, c->swapped);
	network = get32(p + 20, c->swapped);
	c->link_type = (uint16_t)network;
	c->unit_ns = m->unit_ns;
	c->header_len = RECORD_HEADER;
	if (network & 0x04000000)
		c->fcs_len = (uint8_t)((network >> 28) * 2);
	if (network & 0x03ff0000)
		nr_source_bad(s, 20,
			      "reserved bits of the file's link type are set (%08x)",
			      network);
	if (major == 2 && minor == 2 && !m->is_modified)
		is_aix = take_aix(c, network);
	if ((major == 2 && minor < 3) || major == 543)
		c->order = is_aix ? CAP_FIRST : WIRE_FIRST;
	else if (major == 2 && minor == 3)
		c->order = SMALLER_FIRST;
	else if (m->is_modified)
		rc = choose_dialect(s, c, header, modified, 2, err);
	else if (m->value == 0xa1b2c3d4)
		rc = choose_dialect(s, c, header, standard, 3, err);
	if (rc < 0)
		return rc;
	s->win.p += header;
	return 0;
}

static void say_interface(struct nr_source *s, struct pcap *c, struct nr_batch *b)
{
	struct nr_event *e;
	struct nr_block *block = nr_event_new(&e, 0, NULL);

	e->kind = NR_EVENT_INTERFACE;
	e->interface.link_type = c->link_type;
	e->interface.snap_len = c->snap_len;
	e->interface.tsresol = 1000000000 / c->unit_ns;
	nr_source_emit(s, b, block, e, 0);
	c->said_interface = true;
}

/* The check sequence is at the end of the wire's frame: a cut frame has less of it. */
static inline uint8_t fcs_in(uint32_t fcs, uint32_t cap, uint32_t wire)
{
	uint32_t cut = wire > cap ? wire - cap : 0;

	fcs = fcs > cut ? fcs - cut : 0;
	return (uint8_t)(fcs < cap ? fcs : cap);
}

/*
 * The records that lie in the window whole. Constant arguments make a loop of its own
 * for the usual files.
 */
static inline __attribute__((always_inline)) unsigned run(
	struct nr_source *s, const struct pcap *c, struct nr_batch *b, unsigned max,
	const bool swapped, const uint32_t header_len, const bool usual)
{
	const uint8_t *p = s->win.p;
	const uint8_t *const end = s->win.end;
	/* behind a seek the window is empty, and has no block */
	const uint8_t *const data = s->win.block ? nr_block_data(s->win.block) : NULL;
	const uint64_t base = s->win.base;
	const uint32_t padding = usual ? 0 : c->padding;
	const uint32_t fcs = c->fcs_len;
	const uint16_t link_type = c->link_type;
	const uint64_t unit_ns = c->unit_ns;
	const uint32_t index = s->index;
	uint64_t record = s->record;
	struct nr_packet *v = &b->pkt[b->n];
	unsigned n = 0;

	while (n < max && (size_t)(end - p) >= header_len) {
		uint32_t cap = get32(p + 8, swapped);
		uint32_t wire = get32(p + 12, swapped);

		if (!usual && (c->order == WIRE_FIRST ||
			       (c->order == SMALLER_FIRST && cap > wire))) {
			uint32_t t = cap;

			cap = wire;
			wire = t;
		}
		if ((size_t)(end - p) - header_len < cap || cap > NR_RECORD_MAX ||
		    cap < padding)
			break;
		__builtin_prefetch(p + PREFETCH);
		if (padding)
			wire = wire < padding ? 0 : wire - padding;
		record++;
		*v = (struct nr_packet){
			.data = p + header_len + padding,
			.cap_len = cap - padding,
			.wire_len = wire,
			.ts_ns = (int64_t)(get32(p, swapped) * UINT64_C(1000000000) +
					   get32(p + 4, swapped) * unit_ns),
			.record = record,
			.offset = base + (uint64_t)(p - data),
			.block = s->win.block,
			.source = index,
			.link_type = link_type,
			.fcs_len = fcs ? fcs_in(fcs, cap - padding, wire) : 0,
		};
		v++;
		n++;
		p += header_len + cap;
	}
	if (n)
		nr_batch_pin(b, s->win.block);
	b->n += n;
	s->record = record;
	s->win.p = p;
	return n;
}

static unsigned run_any(struct nr_source *s, const struct pcap *c, struct nr_batch *b,
			unsigned max)
{
	bool usual =
		c->header_len == RECORD_HEADER && c->order == CAP_FIRST && !c->padding;

	if (!s->win.block) /* nothing was read since the source was entered elsewhere */
		return 0;
	if (usual && !c->swapped)
		return run(s, c, b, max, false, RECORD_HEADER, true);
	if (usual)
		return run(s, c, b, max, true, RECORD_HEADER, true);
	return run(s, c, b, max, c->swapped, c->header_len, false);
}

/* The record at the window's start is not whole: get the rest, or say what is wrong. */
static int whole_record(struct nr_source *s, const struct pcap *c, struct nr_err *err)
{
	struct nr_window *w = &s->win;
	uint32_t cap, wire;
	int rc = nr_window_need(w, c->header_len, err);

	if (rc < 0)
		return rc;
	if (!rc) {
		if (nr_window_left(w) || s->stream.damage[0])
			nr_source_cut(s, "the record's header");
		s->ended = true;
		return 0;
	}
	cap = get32(w->p + 8, c->swapped);
	wire = get32(w->p + 12, c->swapped);
	if (c->order == WIRE_FIRST || (c->order == SMALLER_FIRST && cap > wire))
		cap = wire;
	if (cap > NR_RECORD_MAX || cap < c->padding) {
		nr_source_damage(s, nr_window_offset(w, w->p),
				 "impossible length: %u bytes captured of %u; "
				 "what follows cannot be read",
				 cap, wire);
		s->ended = true;
		return 0;
	}
	rc = nr_window_need(w, c->header_len + (size_t)cap, err);
	if (!rc)
		nr_source_cut(s, "the record");
	return rc < 0 ? rc : 0;
}

static int pcap_next(struct nr_source *s, void *ctx, struct nr_batch *b, unsigned max,
		     struct nr_err *err)
{
	struct pcap *c = ctx;
	unsigned n;
	int rc;

	if (!c->said_interface) {
		say_interface(s, c, b);
		return 1;
	}
	n = run_any(s, c, b, max);
	if (n)
		return (int)n;
	rc = whole_record(s, c, err);
	if (rc < 0 || s->ended)
		return rc;
	return (int)run_any(s, c, b, max);
}

static void pcap_close(void *ctx)
{
	(void)ctx;
}

const struct nr_format nr_format_pcap = {
	.name = "pcap",
	.ctx_size = sizeof(struct pcap),
	.probe = pcap_probe,
	.open = pcap_open,
	.next = pcap_next,
	.close = pcap_close,
};
