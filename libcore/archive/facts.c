/* SPDX-License-Identifier: BSD-3-Clause */
#include "archive/facts.h"

#include "archive/packets.h"
#include "base/mem.h"
#include "record/row_json.h"
#include "source/pcapng.h"

#include <arpa/inet.h>
#include <string.h>

enum {
	B_SECTION = 0x0a0d0d0a,
	B_INTERFACE = 1,
	B_OLD_PACKET = 2,
	B_SIMPLE = 3,
	B_PACKET = 6,
	ADDRESSES = 32,
};

struct nr_facts {
	enum nr_archive_kind kind;
	struct nr_ng g;
	struct nr_addresses *addresses;
};

struct nr_facts *nr_facts_new(enum nr_archive_kind kind)
{
	struct nr_facts *f = nr_xcalloc(1, sizeof(*f));

	f->kind = kind;
	if (kind == NR_ARCHIVE_PACKETS)
		f->addresses = nr_addresses_new();
	return f;
}

enum nr_archive_kind nr_facts_kind(const uint8_t *p, size_t n)
{
	if (n >= 12 && nr_le32(p) == B_SECTION)
		return NR_ARCHIVE_PACKETS;
	return n && *p == '{' ? NR_ARCHIVE_EVENTS : NR_ARCHIVE_UNKNOWN;
}

static void take_interface(struct nr_ng *g, struct nr_cursor body)
{
	const uint8_t *h = nr_take(&body, 8);
	struct nr_event *e;
	bool bad;

	if (!h || g->n_if == NR_NG_INTERFACES)
		return;
	if (g->n_if == g->room_if) {
		g->room_if = g->room_if ? 2 * g->room_if : 4;
		g->ifs = nr_xrealloc(g->ifs, g->room_if * sizeof(*g->ifs));
	}
	g->ifs[g->n_if] = (struct nr_ng_if){
		.link_type = nr_ng_16(g, h),
		.snap_len = nr_ng_32(g, h + 4),
	};
	nr_block_unref(nr_ng_interface(g, &g->ifs[g->n_if], body, 0, &e, &bad));
	g->n_if++;
}

/* A packet block as a view; false where it is none of a described interface. */
static bool take_packet(const struct nr_ng *g, uint32_t type, struct nr_cursor body,
			struct nr_packet *v)
{
	const uint8_t *h = nr_take(&body, type == B_SIMPLE ? 4 : 20);
	uint32_t id = 0;

	if (!h)
		return false;
	if (type != B_SIMPLE)
		id = type == B_PACKET ? nr_ng_32(g, h) : nr_ng_16(g, h);
	if (id >= g->n_if)
		return false;
	*v = (struct nr_packet){
		.wire_len = nr_ng_32(g, type == B_SIMPLE ? h : h + 16),
		.interface_id = g->first_if + id,
		.link_type = g->ifs[id].link_type,
		.fcs_len = g->ifs[id].fcs_len,
	};
	v->cap_len = type == B_SIMPLE ? v->wire_len : nr_ng_32(g, h + 12);
	if (v->cap_len > nr_left(&body))
		v->cap_len = (uint32_t)nr_left(&body);
	v->data = body.p;
	if (type != B_SIMPLE)
		v->ts_ns = nr_ng_time(&g->ifs[id],
				      (uint64_t)nr_ng_32(g, h + 4) << 32 |
					      nr_ng_32(g, h + 8),
				      &v->time_clamped);
	v->clock_ns = v->ts_ns;
	return true;
}

static void take_block(struct nr_facts *f, struct nr_ax_build *b, uint32_t type,
		       const uint8_t *p, size_t len)
{
	struct nr_archive_addr addr[ADDRESSES];
	struct nr_archive_fact fact = { .addr = addr };
	struct nr_cursor body = nr_cursor(p + 8, len - 12);
	struct nr_packet v;

	if (type == B_SECTION) {
		f->g.first_if += f->g.n_if;
		f->g.n_if = 0;
		fact.flags = NR_FACT_HEAD;
	} else if (type == B_INTERFACE) {
		take_interface(&f->g, body);
		fact.flags = NR_FACT_HEAD;
	} else if ((type == B_PACKET || type == B_SIMPLE || type == B_OLD_PACKET) &&
		   take_packet(&f->g, type, body, &v)) {
		fact.flags = NR_FACT_RECORD | NR_FACT_TIME;
		fact.type = v.interface_id;
		fact.ts_ns = v.ts_ns;
		fact.n_addr = nr_addresses_of(f->addresses, &v, addr, ADDRESSES);
	}
	nr_ax_build_fact(b, p, len, &fact);
}

static bool feed_blocks(struct nr_facts *f, struct nr_ax_build *b, const uint8_t *p,
			size_t n)
{
	while (n) {
		uint32_t type, len;

		if (n < 12)
			return false;
		type = nr_ng_32(&f->g, p);
		if (type == B_SECTION)
			f->g.swapped = nr_be32(p + 8) == 0x1a2b3c4d;
		len = nr_ng_32(&f->g, p + 4);
		if (len < 12 || len % 4 || len > n)
			return false;
		take_block(f, b, type, p, len);
		p += len;
		n -= len;
	}
	return true;
}

static bool digits(const char *p, unsigned n, int64_t *v)
{
	for (*v = 0; n; n--, p++) {
		if (*p < '0' || *p > '9')
			return false;
		*v = *v * 10 + (*p - '0');
	}
	return true;
}

/* "1970-01-01T00:00:00.000000000Z" as ns; proleptic Gregorian calendar. */
static bool parse_time(const char *p, size_t n, int64_t *ns)
{
	int64_t y, m, d, h, min, s, frac, days;
	__int128 all;

	if (n < NR_TIME_TEXT - 1 || p[4] != '-' || p[7] != '-' || p[10] != 'T' ||
	    !digits(p, 4, &y) || !digits(p + 5, 2, &m) || !digits(p + 8, 2, &d) ||
	    !digits(p + 11, 2, &h) || !digits(p + 14, 2, &min) ||
	    !digits(p + 17, 2, &s) || !digits(p + 20, 9, &frac) || m < 1 || m > 12)
		return false;
	y -= m <= 2;
	days = y * 365 + y / 4 - y / 100 + y / 400 +
	       (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1 - 719468;
	all = (__int128)(days * 86400 + h * 3600 + min * 60 + s) * 1000000000 + frac;
	*ns = (int64_t)all;
	return all >= INT64_MIN && all <= INT64_MAX;
}

/* The addresses behind a key, wherever it stands in the line: one too many is harmless.
 */
static size_t find_addresses(const char *p, size_t n, struct nr_archive_addr *out,
			     size_t max)
{
	static const char *const keys[] = { "\"src_ip\":\"", "\"dst_ip\":\"",
					    "\"sender_ip\":\"", "\"target_ip\":\"" };
	size_t got = 0;

	for (size_t k = 0; k < sizeof(keys) / sizeof(*keys) && got < max; k++) {
		const char *at = memmem(p, n, keys[k], strlen(keys[k])), *end;
		char s[INET6_ADDRSTRLEN];

		if (!at)
			continue;
		at += strlen(keys[k]);
		end = memchr(at, '"', (size_t)(p + n - at));
		if (!end || (size_t)(end - at) >= sizeof(s))
			continue;
		memcpy(s, at, (size_t)(end - at));
		s[end - at] = '\0';
		out[got].len = strchr(s, ':') ? 16 : 4;
		got += inet_pton(out[got].len == 16 ? AF_INET6 : AF_INET, s,
				 out[got].b) == 1;
	}
	return got;
}

static bool feed_lines(struct nr_ax_build *b, const char *p, size_t n)
{
	static const char ts[] = ",\"ts\":\"";

	while (n) {
		struct nr_archive_addr addr[4];
		struct nr_archive_fact fact = { .flags = NR_FACT_RECORD, .addr = addr };
		const char *lf = memchr(p, '\n', n), *name, *rest;
		size_t len = lf ? (size_t)(lf - p) : n, type = nr_row_type(p, len, &name);

		if (!type)
			return false;
		fact.type = nr_ax_build_type(b, name, type);
		rest = name + type + 1;
		if ((size_t)(p + len - rest) > sizeof(ts) &&
		    !memcmp(rest, ts, sizeof(ts) - 1) &&
		    parse_time(rest + sizeof(ts) - 1,
			       (size_t)(p + len - rest) - sizeof(ts) + 1, &fact.ts_ns))
			fact.flags |= NR_FACT_TIME;
		fact.n_addr = find_addresses(p, len, addr, 4);
		len += lf != NULL;
		nr_ax_build_fact(b, p, len, &fact);
		p += len;
		n -= len;
	}
	return true;
}

bool nr_facts_feed(struct nr_facts *f, struct nr_ax_build *b, const uint8_t *p, size_t n)
{
	return f->kind == NR_ARCHIVE_PACKETS ? feed_blocks(f, b, p, n)
					     : feed_lines(b, (const char *)p, n);
}

void nr_facts_free(struct nr_facts *f)
{
	if (!f)
		return;
	nr_addresses_free(f->addresses);
	nr_free(f->g.ifs);
	nr_ng_section_fini(&f->g);
	nr_free(f);
}
