/* SPDX-License-Identifier: BSD-3-Clause */
#include "source/pcapng.h"

#include "base/ip.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum { /* option codes, draft-ietf-opsawg-pcapng */
       OPT_END = 0,
       OPT_COMMENT = 1,
       SHB_HARDWARE = 2,
       SHB_OS = 3,
       IF_NAME = 2,
       IF_DESCRIPTION = 3,
       IF_TSRESOL = 9,
       IF_FILTER = 11,
       IF_OS = 12,
       IF_FCSLEN = 13,
       IF_TSOFFSET = 14,
       IF_HARDWARE = 15,
       ISB_IFRECV = 4,
       ISB_IFDROP = 5,
       ISB_OSDROP = 7,
};

enum { NAME_END = 0, NAME_IP4 = 1, NAME_IP6 = 2, NAME_EUI48 = 3, NAME_EUI64 = 4 };

int nr_ng_option(const struct nr_ng *g, struct nr_cursor *c, struct nr_ng_option *o)
{
	const uint8_t *p = nr_take(c, 4);
	size_t padded;

	if (!p)
		return nr_left(c) ? -1 : 0;
	o->code = nr_ng_16(g, p);
	o->len = nr_ng_16(g, p + 2);
	if (o->code == OPT_END)
		return 0;
	padded = ((size_t)o->len + 3) & ~(size_t)3;
	o->p = nr_take(c, o->len);
	if (!o->p)
		return -1;
	/* Some writers leave out the last option's padding. */
	if (!nr_take(c, padded - o->len))
		c->p = c->end;
	return 1;
}

uint64_t nr_ng_units(uint8_t resol)
{
	unsigned e = resol & 0x7f;
	uint64_t u = 1;

	if (resol & 0x80)
		return e < 64 ? UINT64_C(1) << e : 0;
	if (e > 19)
		return 0;
	while (e--)
		u *= 10;
	return u;
}

void nr_ng_if_resolution(struct nr_ng_if *i, uint8_t resol)
{
	i->resol = resol;
	i->max_fast = -1;
	if (resol <= 9 && !i->offset_s) {
		i->mult = (uint32_t)(1000000000 / nr_ng_units(resol));
		i->max_fast = INT64_MAX / i->mult;
	}
}

int64_t nr_ng_time(const struct nr_ng_if *i, uint64_t ts, bool *clamped)
{
	unsigned e = i->resol & 0x7f;
	__int128 ns = (__int128)ts * 1000000000;

	if (i->resol & 0x80)
		ns >>= e;
	else if (e <= 19)
		ns /= nr_ng_units(i->resol);
	else /* 10^20 and more units a second: by two divisors; 10^39 > ts * 10^9 */
		ns = e > 38 ? 0 : ns / nr_ng_units(19) / nr_ng_units((uint8_t)(e - 19));
	ns += (__int128)i->offset_s * 1000000000;
	*clamped = ns > INT64_MAX || ns < INT64_MIN;
	if (ns > INT64_MAX)
		return INT64_MAX;
	return ns < INT64_MIN ? INT64_MIN : (int64_t)ns;
}

static void text_option(struct nr_text *t, const struct nr_ng_option *o, char **room)
{
	size_t n = o->len;

	while (n && !o->p[n - 1]) /* texts are not to end with NUL; some do */
		n--;
	memcpy(*room, o->p, n);
	*t = (struct nr_text){ *room, n };
	*room += n;
}

static void keep(struct nr_text *t, const struct nr_ng_option *o)
{
	char *room;

	if (t->p || !o->len || o->len > NR_NG_INHERIT)
		return;
	room = nr_xmalloc(o->len);
	text_option(t, o, &room);
}

void nr_ng_section_fini(struct nr_ng *g)
{
	nr_free((char *)g->os.p);
	nr_free((char *)g->hardware.p);
	g->os = g->hardware = (struct nr_text){ 0 };
}

void nr_ng_section(struct nr_ng *g, struct nr_cursor options)
{
	struct nr_ng_option o;

	nr_ng_section_fini(g);
	while (nr_ng_option(g, &options, &o) > 0) {
		if (o.code == SHB_HARDWARE)
			keep(&g->hardware, &o);
		else if (o.code == SHB_OS)
			keep(&g->os, &o);
	}
}

static void inherit(struct nr_text *t, const struct nr_text *from, char **room)
{
	if (!from->p)
		return;
	memcpy(*room, from->p, from->len);
	*t = (struct nr_text){ *room, from->len };
	*room += from->len;
}

static void take_fcslen(struct nr_ng_if *i, uint8_t v)
{
	/* "in bits" in older drafts, while files of that age say 4 */
	i->fcs_len = v >= 16 ? v / 8 : v;
}

struct nr_block *nr_ng_interface(const struct nr_ng *g, struct nr_ng_if *i,
				 struct nr_cursor options, uint32_t id,
				 struct nr_event **e, bool *bad)
{
	struct nr_ng_option o;
	struct nr_interface *f;
	uint8_t resol = 6;
	char *room;
	size_t inherited = g->os.len + g->hardware.len;
	struct nr_block *block = nr_event_new(e, nr_left(&options) + inherited, &room);
	int rc;

	(*e)->kind = NR_EVENT_INTERFACE;
	(*e)->interface_id = id;
	f = &(*e)->interface;
	/* Of a text given twice the first counts: each byte of the list is used once. */
	while ((rc = nr_ng_option(g, &options, &o)) > 0) {
		if (o.code == IF_NAME && !f->name.p)
			text_option(&f->name, &o, &room);
		else if (o.code == IF_DESCRIPTION && !f->description.p)
			text_option(&f->description, &o, &room);
		else if (o.code == IF_OS && !f->os.p)
			text_option(&f->os, &o, &room);
		else if (o.code == IF_HARDWARE && !f->hardware.p)
			text_option(&f->hardware, &o, &room);
		else if (o.code == IF_FILTER && !f->filter.p && o.len && !o.p[0]) {
			o.p++; /* 0: a filter as text; 1 would be BPF code */
			o.len--;
			text_option(&f->filter, &o, &room);
		} else if (o.code == IF_TSRESOL && o.len)
			resol = o.p[0];
		else if (o.code == IF_FCSLEN && o.len)
			take_fcslen(i, o.p[0]);
		else if (o.code == IF_TSOFFSET && o.len >= 8)
			i->offset_s = (int64_t)nr_ng_64(g, o.p);
	}
	*bad = rc < 0;
	if (!f->os.p)
		inherit(&f->os, &g->os, &room);
	if (!f->hardware.p)
		inherit(&f->hardware, &g->hardware, &room);
	nr_ng_if_resolution(i, resol);
	f->interface_id = id;
	f->section = g->section;
	f->link_type = i->link_type;
	f->snap_len = i->snap_len;
	f->tsresol = nr_ng_units(resol);
	f->tsoffset_s = i->offset_s;
	return block;
}

struct nr_block *nr_ng_stats(const struct nr_ng *g, struct nr_cursor options, uint32_t id,
			     struct nr_event **e, bool *bad)
{
	struct nr_block *block = nr_event_new(e, 0, NULL);
	uint64_t if_drop = UINT64_MAX, os_drop = UINT64_MAX;
	struct nr_ng_option o;
	int rc;

	(*e)->kind = NR_EVENT_INTERFACE_STATS;
	(*e)->interface_id = id;
	(*e)->received = UINT64_MAX;
	while ((rc = nr_ng_option(g, &options, &o)) > 0) {
		if (o.len < 8)
			continue;
		if (o.code == ISB_IFRECV)
			(*e)->received = nr_ng_64(g, o.p);
		else if (o.code == ISB_IFDROP)
			if_drop = nr_ng_64(g, o.p);
		else if (o.code == ISB_OSDROP)
			os_drop = nr_ng_64(g, o.p);
	}
	*bad = rc < 0;
	if (if_drop == UINT64_MAX)
		if_drop = os_drop;
	else if (os_drop != UINT64_MAX &&
		 __builtin_add_overflow(if_drop, os_drop, &if_drop))
		if_drop = UINT64_MAX - 1;
	(*e)->dropped = if_drop;
	return block;
}

static struct nr_block *tell_comment(struct nr_ng *g, uint64_t record,
				     struct nr_event **e, bool *bad)
{
	struct nr_ng_option o;
	struct nr_block *block;
	char *room;
	int rc;

	while ((rc = nr_ng_option(g, &g->rest, &o)) > 0) {
		if (o.code != OPT_COMMENT)
			continue;
		block = nr_event_new(e, o.len, &room);
		(*e)->kind = NR_EVENT_COMMENT;
		(*e)->record = g->of_packet ? record : 0;
		text_option(&(*e)->text, &o, &room);
		return block;
	}
	*bad = rc < 0;
	return NULL;
}

static size_t address_text(char out[NR_IP_TEXT], unsigned kind, const uint8_t *a)
{
	if (kind == NAME_IP4 || kind == NAME_IP6)
		return nr_ip_format(out, kind == NAME_IP4 ? 4 : 6, a);
	if (kind == NAME_EUI48)
		return nr_mac_format(out, a);
	return (size_t)snprintf(out, NR_IP_TEXT,
				"%02x:%02x:%02x:%02x:%02x:%02x:%02x:%02x", a[0], a[1],
				a[2], a[3], a[4], a[5], a[6], a[7]);
}

/* The next address record into g->name … ; false at the end. */
static bool next_names(struct nr_ng *g, bool *bad)
{
	static const uint8_t address_len[] = { 0, 4, 16, 6, 8 };

	for (;;) {
		const uint8_t *h = nr_take(&g->rest, 4);
		uint16_t kind, len;
		const uint8_t *v;

		if (!h)
			return false;
		kind = nr_ng_16(g, h);
		len = nr_ng_16(g, h + 2);
		if (kind == NAME_END) {
			g->pending = NR_NG_COMMENTS; /* options follow */
			return false;
		}
		v = nr_take(&g->rest, len);
		if (!v) {
			*bad = true;
			return false;
		}
		nr_take(&g->rest, (4 - (len & 3)) & 3);
		if (kind > NAME_EUI64)
			continue;
		if (len < address_len[kind]) {
			*bad = true;
			continue;
		}
		g->address = v;
		g->address_kind = kind;
		g->name = v + address_len[kind];
		g->name_end = v + len;
		return true;
	}
}

static struct nr_block *tell_name(struct nr_ng *g, struct nr_event **e, bool *bad)
{
	char text[NR_IP_TEXT];
	struct nr_block *block;
	const uint8_t *nul;
	size_t n, n_address;
	char *room;

	for (;;) {
		while (g->name < g->name_end && !*g->name)
			g->name++;
		if (g->name < g->name_end)
			break;
		if (!next_names(g, bad))
			return NULL;
	}
	n = (size_t)(g->name_end - g->name);
	nul = memchr(g->name, 0, n);
	if (nul)
		n = (size_t)(nul - g->name);
	n_address = address_text(text, g->address_kind, g->address);
	block = nr_event_new(e, n + n_address, &room);
	(*e)->kind = NR_EVENT_NAME;
	memcpy(room, text, n_address);
	(*e)->address = (struct nr_text){ room, n_address };
	memcpy(room + n_address, g->name, n);
	(*e)->text = (struct nr_text){ room + n_address, n };
	g->name += n;
	return block;
}

struct nr_block *nr_ng_tell(struct nr_ng *g, uint64_t record, struct nr_event **e,
			    bool *bad)
{
	struct nr_block *block;

	if (g->pending == NR_NG_NAMES) {
		block = tell_name(g, e, bad);
		if (block || g->pending == NR_NG_NAMES)
			return block;
	}
	return tell_comment(g, record, e, bad);
}
