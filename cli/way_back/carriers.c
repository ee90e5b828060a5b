/* SPDX-License-Identifier: BSD-3-Clause */
#include "way_back/carriers.h"

#include "base/mem.h"
#include "base/text.h"
#include "decode/decode.h"
#include "flow/proto.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { VLAN_TEXT = 40, BATCH = 256 };

/* Endpoints in order of address and port: the same for both ways. */
struct ends {
	uint8_t ip[2][16];
	uint16_t port[2];
	uint8_t proto;
	char vlan[VLAN_TEXT];
};

struct carrier {
	struct ends ends;
	int64_t flow_id, first_ns, last_ns; /* the earlier first, in odd captures too */
	bool is_alone;                      /* no other flow has these ends */
	uint64_t says, found; /* packets: of its row, less its own; as read */
	char service[16];
};

struct nr_carriers {
	sqlite3 *db;
	struct carrier *v; /* by ends, then time */
	size_t n;
	bool no_vlan;
	struct nr_recall *from, *to; /* while reading */
};

static void order_ends(struct ends *e)
{
	int c = memcmp(e->ip[0], e->ip[1], 16);
	uint8_t ip[16];
	uint16_t port;

	if (c < 0 || (c == 0 && e->port[0] <= e->port[1]))
		return;
	memcpy(ip, e->ip[0], 16);
	memcpy(e->ip[0], e->ip[1], 16);
	memcpy(e->ip[1], ip, 16);
	port = e->port[0];
	e->port[0] = e->port[1];
	e->port[1] = port;
}

static int compare_ends(const struct ends *a, const struct ends *b)
{
	int c = memcmp(a->ip, b->ip, sizeof(a->ip));

	if (!c)
		c = memcmp(a->port, b->port, sizeof(a->port));
	if (!c)
		c = a->proto - b->proto;
	return c ? c : strcmp(a->vlan, b->vlan);
}

static int by_ends(const void *a, const void *b)
{
	const struct carrier *x = a, *y = b;
	int c = compare_ends(&x->ends, &y->ends);

	return c ? c : x->first_ns < y->first_ns ? -1 : x->first_ns > y->first_ns;
}

static int db_fail(const struct nr_carriers *c, struct nr_err *err)
{
	return nr_fail(err, -EIO, "cannot read the database: %s", sqlite3_errmsg(c->db));
}

static bool names_tunnel(const char *service)
{
	for (int k = 0; service && k < NR_N_TUNNELS; k++)
		if (nr_tunnel_has_carrier((enum nr_tunnel_kind)k) &&
		    !strcmp(service, nr_tunnel_name((enum nr_tunnel_kind)k)))
			return true;
	return false;
}

static const char *text(sqlite3_stmt *st, int i)
{
	const char *s = (const char *)sqlite3_column_text(st, i);

	return s ? s : "";
}

static void parse_ip(uint8_t out[16], const char *s)
{
	if (inet_pton(AF_INET, s, out) != 1)
		inet_pton(AF_INET6, s, out);
}

static void take_row(struct nr_carriers *c, sqlite3_stmt *st)
{
	struct carrier *x;

	if (!names_tunnel(text(st, 8)))
		return;
	if (!(c->n & (c->n - 1)))
		c->v = nr_xrealloc(c->v, (c->n ? 2 * c->n : 1) * sizeof(*c->v));
	x = &c->v[c->n++];
	*x = (struct carrier){
		.flow_id = sqlite3_column_int64(st, 0),
		.first_ns = sqlite3_column_int64(st, 1),
		.last_ns = sqlite3_column_int64(st, 2),
		.is_alone = sqlite3_column_int(st, 10) == 1,
		.says = (uint64_t)sqlite3_column_int64(st, 9),
		.ends.proto = 17,
		.ends.port = { (uint16_t)sqlite3_column_int(st, 4),
			       (uint16_t)sqlite3_column_int(st, 6) },
	};
	parse_ip(x->ends.ip[0], text(st, 3));
	parse_ip(x->ends.ip[1], text(st, 5));
	if (!c->no_vlan)
		snprintf(x->ends.vlan, VLAN_TEXT, "%s", text(st, 7));
	snprintf(x->service, sizeof(x->service), "%s", text(st, 8));
	order_ends(&x->ends);
}

int nr_carriers_new(struct nr_carriers **out, sqlite3 *db, const int64_t *flow_id,
		    size_t n, struct nr_err *err)
{
	static const char sql[] =
		"SELECT flow_id, min(first_ns, last_ns), max(first_ns, last_ns), src_ip,"
		" src_port, dst_ip, dst_port, vlan, service,"
		" src_packets + dst_packets - records,"
		" (SELECT count(*) FROM flow AS o WHERE o.proto = f.proto AND"
		"  o.src_ip = f.src_ip AND o.dst_ip = f.dst_ip AND"
		"  o.src_port = f.src_port AND o.dst_port = f.dst_port) +"
		" (SELECT count(*) FROM flow AS o WHERE o.proto = f.proto AND"
		"  o.src_ip = f.dst_ip AND o.dst_ip = f.src_ip AND"
		"  o.src_port = f.dst_port AND o.dst_port = f.src_port AND"
		"  o.flow_id <> f.flow_id)"
		" FROM flow AS f WHERE flow_id = ? AND service IS NOT NULL"
		" AND proto = 'udp'";
	struct nr_carriers *c = nr_xcalloc(1, sizeof(*c));
	sqlite3_stmt *st = NULL;
	int rc;

	*out = NULL;
	c->db = db;
	rc = sqlite3_prepare_v2(db,
				"SELECT 1 FROM source WHERE record_options LIKE"
				" '%\"no_vlan_key\":true%'",
				-1, &st, NULL);
	c->no_vlan = !rc && sqlite3_step(st) == SQLITE_ROW;
	sqlite3_finalize(st);
	rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
	for (size_t i = 0; i < n && !rc; i++) {
		sqlite3_bind_int64(st, 1, flow_id[i]);
		if (sqlite3_step(st) == SQLITE_ROW)
			take_row(c, st);
		rc = sqlite3_reset(st);
	}
	sqlite3_finalize(st);
	if (rc || !c->n) {
		rc = rc ? db_fail(c, err) : 0;
		nr_carriers_free(c);
		return rc;
	}
	qsort(c->v, c->n, sizeof(*c->v), by_ends);
	*out = c;
	return 0;
}

int nr_carriers_candidates(struct nr_carriers *c, struct nr_recall *r, struct nr_err *err)
{
	sqlite3_stmt *st = NULL;
	int64_t first = INT64_MAX, last = INT64_MIN;
	int rc = 0, step;

	for (size_t i = 0; i < c->n; i++) {
		first = c->v[i].first_ns < first ? c->v[i].first_ns : first;
		last = c->v[i].last_ns > last ? c->v[i].last_ns : last;
	}
	if (sqlite3_prepare_v2(
		    c->db,
		    "SELECT flow_id, tunnel FROM flow WHERE tunnel IS NOT NULL"
		    " AND max(first_ns, last_ns) >= ? AND min(first_ns, last_ns) <= ?",
		    -1, &st, NULL))
		return db_fail(c, err);
	sqlite3_bind_int64(st, 1, first);
	sqlite3_bind_int64(st, 2, last);
	while (!rc && (step = sqlite3_step(st)) == SQLITE_ROW) {
		bool wanted = false;

		for (size_t i = 0; i < c->n && !wanted && i < 64; i++)
			wanted = strstr(text(st, 1), c->v[i].service) != NULL;
		if (wanted || c->n > 64)
			rc = nr_recall_add_flow(r, sqlite3_column_int64(st, 0), err);
	}
	if (!rc && step != SQLITE_DONE)
		rc = db_fail(c, err);
	sqlite3_finalize(st);
	return rc;
}

static void ends_of(struct ends *e, const struct nr_carriers *c,
		    const struct nr_decoded *d, const struct nr_level *l)
{
	size_t n = l->ip_version == 4 ? 4 : 16, at = 0;

	*e = (struct ends){ .proto = l->proto, .port = { l->src_port, l->dst_port } };
	memcpy(e->ip[0], l->src, n);
	memcpy(e->ip[1], l->dst, n);
	for (unsigned i = 0; !c->no_vlan && i < l->n_vlans && at < VLAN_TEXT - 6; i++)
		at += (size_t)snprintf(e->vlan + at, VLAN_TEXT - at, i ? ",%u" : "%u",
				       d->vlan[l->first_vlan + i]);
	order_ends(e);
}

/* The carrier with these ends whose time the packet lies in. */
static struct carrier *find(struct nr_carriers *c, const struct ends *e, int64_t ts_ns)
{
	size_t lo = 0, hi = c->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (compare_ends(&c->v[mid].ends, e) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < c->n && !compare_ends(&c->v[lo].ends, e); lo++)
		if (c->v[lo].is_alone ||
		    (ts_ns >= c->v[lo].first_ns && ts_ns <= c->v[lo].last_ns))
			return &c->v[lo];
	return NULL;
}

static int add(struct nr_carriers *c, uint32_t source, uint64_t record,
	       struct nr_err *err)
{
	const struct nr_packet p = { .source = source, .record = record };

	return nr_recall_add_packet(c->to, nr_recall_source(c->from, source)->source_id,
				    record, nr_recall_flow(c->from, &p), err);
}

/* A datagram's earlier fragments go where it goes. */
static int take_packet(struct nr_carriers *c, const struct nr_packet *p,
		       const struct nr_decoded *d, struct nr_err *err)
{
	bool carried = false;
	int rc = 0;

	for (unsigned i = 0; i < d->n_levels; i++) {
		struct carrier *x;
		struct ends e;

		ends_of(&e, c, d, &d->level[i]);
		x = find(c, &e, p->ts_ns);
		if (!x)
			continue;
		x->found++;
		carried = true;
	}
	if (!carried)
		return 0;
	for (uint32_t i = 0; i < d->n_frags && !rc; i++)
		rc = add(c, d->frags[i].source, d->frags[i].record, err);
	return rc ? rc : add(c, p->source, p->record, err);
}

int nr_carriers_read(struct nr_carriers *c, struct nr_recall *from, struct nr_recall *to,
		     struct nr_err *err)
{
	static const struct nr_decoder_config dc = {
		.frag_timeout_ns = 30000000000,
		.frag_memory = 32 << 20,
		.frag_datagrams = 65536,
	};
	struct nr_decoder *dec = nr_decoder_new(&dc);
	struct nr_decoded *d = nr_xcalloc(1, sizeof(*d));
	struct nr_batch *b = nr_xcalloc(1, sizeof(*b));
	int rc = 0, n = 0;

	c->from = from;
	c->to = to;
	while (!rc && (n = nr_recall_read(from, b, BATCH, err)) > 0) {
		for (unsigned i = 0; i < b->n && !rc; i++) {
			if (b->pkt[i].event)
				continue;
			nr_decode(dec, &b->pkt[i], d);
			rc = take_packet(c, &b->pkt[i], d, err);
		}
		nr_decoder_release(dec);
		nr_batch_release(b);
	}
	nr_batch_release(b);
	nr_free(b);
	nr_free(d);
	nr_decoder_free(dec);
	return n < 0 ? n : rc;
}

bool nr_carriers_short(const struct nr_carriers *c, size_t *at, int64_t *flow_id,
		       uint64_t *says, uint64_t *found)
{
	for (; *at < c->n; ++*at) {
		const struct carrier *x = &c->v[*at];

		if (x->says == x->found)
			continue;
		*flow_id = x->flow_id;
		*says = x->says;
		*found = x->found;
		++*at;
		return true;
	}
	return false;
}

void nr_carriers_free(struct nr_carriers *c)
{
	if (!c)
		return;
	nr_free(c->v);
	nr_free(c);
}
