/* SPDX-License-Identifier: BSD-3-Clause */
/* What a capture received and lost: in rows, as JSON, and for a person. */
#include "capture/capture.h"
#include "cli.h"

#include "base/clock.h"
#include "base/mem.h"
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const int64_t redraw_ns = 500000000;

static uint64_t since(uint64_t now, uint64_t before)
{
	return now == UINT64_MAX ? UINT64_MAX : before == UINT64_MAX ? now : now - before;
}

static bool is_some(uint64_t n)
{
	return n && n != UINT64_MAX;
}

void nr_capture_account_init(struct nr_capture_run *r)
{
	r->seen = nr_xcalloc(nr_live_merge_n_rings(r->merge), sizeof(*r->seen));
	r->told = nr_xcalloc(nr_live_merge_n_rings(r->merge), sizeof(*r->told));
	for (unsigned i = 0; i < nr_live_merge_n_rings(r->merge); i++)
		r->told[i] = *nr_live_merge_link(r->merge, i);
	r->accounted_ns = nr_live_now();
	r->counted_ns = r->reported_ns = r->ticked_ns = r->started_ns = nr_monotonic_ns();
	r->clock_ahead_ns = r->accounted_ns - r->started_ns;
}

static uint64_t records_dropped(const struct nr_capture_run *r)
{
	uint64_t n = 0;

	for (size_t i = 0; i < r->out.n; i++)
		n += nr_sink_dropped(r->out.o[i].sink);
	return n;
}

/* The value of member `name` (with its quotes and colon) in such a text; 0: it is none.
 */
static uint64_t member(const char *text, const char *name, size_t len)
{
	for (; *text; text += strcspn(text, ","), text += *text == ',')
		if (!strncmp(text, name, len))
			return strtoull(text + len, NULL, 10);
	return 0;
}

/*
 * nr_live_stats.detail, of what has happened since `before`: an object; nothing where
 * there are no counters. Names have no commas. Has anything happened?
 */
static bool put_detail(struct nr_buf *b, const char *now, const char *before)
{
	bool has_changed = false;

	for (const char *p = now; *p; p += strcspn(p, ","), p += *p == ',') {
		size_t len = strcspn(p, ":") + 1;
		uint64_t n = member(p, p, len) - member(before, p, len);

		has_changed |= n != 0;
		nr_buf_printf(b, "%s%.*s%llu", p == now ? "{" : ",", (int)len, p,
			      (unsigned long long)n);
	}
	if (b->len)
		nr_buf_char(b, '}');
	return has_changed;
}

static void account_ring(struct nr_capture_run *r, unsigned i, int64_t now)
{
	struct nr_seen *s = &r->seen[i];
	uint64_t disk = r->keeper ? nr_keeper_dropped(r->keeper, i) : 0;
	uint64_t records = i ? r->records_dropped : records_dropped(r);
	struct nr_live_stats st;
	struct nr_loss l = { .from_ns = r->accounted_ns, .to_ns = now };
	struct nr_buf detail = { 0 };
	struct nr_event *e;
	bool is_silent;
	char *room;

	nr_live_merge_stats(r->merge, i, &st);
	l.received = since(st.received, s->ring.received);
	l.dropped_kernel = since(st.dropped, s->ring.dropped);
	l.dropped_interface = since(st.dropped_interface, s->ring.dropped_interface);
	l.ring_freezes = since(st.freezes, s->ring.freezes);
	l.dropped_disk = disk - s->dropped_disk;
	l.records_dropped = records - r->records_dropped;
	is_silent = !put_detail(&detail, st.detail, s->ring.detail);
	s->ring = st;
	s->dropped_disk = disk;
	r->records_dropped = records;
	if (r->keeper)
		nr_keeper_counts(r->keeper, i, st.received - s->base_received,
				 since(st.dropped, s->base_dropped));
	is_silent &= !is_some(l.received) && !is_some(l.dropped_kernel) &&
		     !is_some(l.dropped_interface) && !is_some(l.ring_freezes) &&
		     !l.dropped_disk && !l.records_dropped;
	if (is_silent) { /* nothing is said of such a second */
		nr_buf_fini(&detail);
		return;
	}
	e = nr_batch_event(r->events, NR_EVENT_LOSS, r->source, detail.len + 1, &room);
	e->interface_id = r->events->pkt[r->events->n - 1].interface_id = i;
	snprintf(room, detail.len + 1, "%s", detail.len ? detail.p : "");
	l.detail = detail.len ? room : NULL;
	e->loss = l;
	nr_buf_fini(&detail);
}

void nr_capture_account(struct nr_capture_run *r)
{
	int64_t now = nr_live_now();

	for (unsigned i = 0; i < nr_live_merge_n_rings(r->merge); i++)
		account_ring(r, i, now);
	r->accounted_ns = now;
	r->counted_ns = nr_monotonic_ns();
	if (r->events->n && !r->failed)
		r->failed = nr_engine_feed(r->engine, r->events);
	nr_batch_release(r->events);
}

void nr_capture_interface_stats(struct nr_capture_run *r, uint32_t source)
{
	for (unsigned i = 0; i < nr_live_merge_n_rings(r->merge); i++) {
		const struct nr_seen *s = &r->seen[i];
		struct nr_event *e = nr_batch_event(r->events, NR_EVENT_INTERFACE_STATS,
						    source, 0, NULL);

		e->interface_id = i;
		e->received = since(s->ring.received, s->base_received);
		e->dropped = since(s->ring.dropped, s->base_dropped);
	}
}

/* What is known; is_known: of one of them at least. */
static void add(uint64_t *sum, uint64_t n, bool *is_known)
{
	*is_known |= n != UINT64_MAX;
	*sum += is_some(n) ? n : 0;
}

struct totals {
	uint64_t received, dropped, dropped_interface, freezes;
	bool knows_dropped, knows_interface, knows_freezes;
};

/* Of all rings. */
static struct totals totals(struct nr_capture_run *r)
{
	struct totals t = { 0 };

	for (unsigned i = 0; i < nr_live_merge_n_rings(r->merge); i++) {
		struct nr_live_stats s;

		nr_live_merge_stats(r->merge, i, &s);
		t.received += s.received;
		add(&t.dropped, s.dropped, &t.knows_dropped);
		add(&t.dropped_interface, s.dropped_interface, &t.knows_interface);
		add(&t.freezes, s.freezes, &t.knows_freezes);
	}
	return t;
}

static uint64_t dropped_disk(const struct nr_capture_run *r)
{
	struct nr_keep_stats k = { 0 };

	if (r->keeper)
		nr_keeper_stats(r->keeper, &k);
	return k.dropped_disk;
}

uint64_t nr_capture_lost(struct nr_capture_run *r)
{
	struct totals t = totals(r);

	return t.dropped + t.dropped_interface + dropped_disk(r);
}

bool nr_capture_has_lost(struct nr_capture_run *r)
{
	return nr_capture_lost(r) || records_dropped(r);
}

static void put(struct nr_buf *b, const char *name, uint64_t n)
{
	nr_buf_printf(b, ",\"%s\":%llu", name, (unsigned long long)n);
}

static void put_ring(struct nr_capture_run *r, struct nr_buf *b, unsigned i)
{
	const struct nr_live *l = nr_live_merge_live(r->merge, i);
	struct nr_live_stats s;

	nr_live_merge_stats(r->merge, i, &s);
	nr_buf_printf(b, "%s{\"interface_id\":%u,\"name\":", i ? "," : "", i);
	nr_buf_json(b, l->name, strlen(l->name));
	put(b, "received", s.received);
	if (s.dropped != UINT64_MAX)
		put(b, "dropped_kernel", s.dropped);
	if (s.dropped_interface != UINT64_MAX)
		put(b, "dropped_interface", s.dropped_interface);
	if (s.freezes != UINT64_MAX)
		put(b, "ring_freezes", s.freezes);
	if (s.detail[0])
		nr_buf_printf(b, ",%s", s.detail);
	nr_buf_char(b, '}');
}

void nr_capture_stats_json(struct nr_capture_run *r)
{
	const struct nr_live_totals *m = nr_live_merge_totals(r->merge);
	const struct nr_engine_stats *e = nr_engine_stats(r->engine);
	struct totals t = totals(r);
	struct nr_buf b = { 0 };

	nr_buf_str(&b, "{\"type\":\"stats\",\"ts\":\"");
	nr_buf_time(&b, nr_live_now());
	nr_buf_str(&b, "\"");
	put(&b, "captured", m->captured);
	put(&b, "wire_bytes", m->wire_bytes);
	put(&b, "received", t.received);
	if (t.knows_dropped)
		put(&b, "dropped_kernel", t.dropped);
	if (t.knows_interface)
		put(&b, "dropped_interface", t.dropped_interface);
	put(&b, "dropped_disk", dropped_disk(r));
	put(&b, "records_dropped", records_dropped(r));
	if (t.knows_freezes)
		put(&b, "ring_freezes", t.freezes);
	put(&b, "late", m->late);
	put(&b, "flows", e->flows);
	put(&b, "open_flows", nr_engine_open_flows(r->engine));
	put(&b, "anomalies", e->anomalies);
	nr_buf_str(&b, ",\"interfaces\":[");
	for (unsigned i = 0; i < nr_live_merge_n_rings(r->merge); i++)
		put_ring(r, &b, i);
	nr_capture_clear_line(r);
	fprintf(stderr, "%.*s]}\n", (int)b.len, b.p);
	nr_buf_fini(&b);
	r->reported_ns = nr_monotonic_ns();
}

void nr_capture_clear_line(struct nr_capture_run *r)
{
	if (r->line_drawn)
		fputs("\r\033[K", stderr);
	r->line_drawn = false;
}

void nr_capture_say(struct nr_capture_run *r, const char *fmt, ...)
{
	va_list ap;

	nr_capture_clear_line(r);
	fputs("nrtool capture: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void nr_capture_live_line(struct nr_capture_run *r)
{
	const struct nr_live_totals *m = nr_live_merge_totals(r->merge);
	char count[NR_TEXT_MAX], rate[NR_TEXT_MAX], bytes[NR_TEXT_MAX];
	char lost[NR_TEXT_MAX], open[NR_TEXT_MAX], services[80];
	int64_t now, spent;

	if (!r->live_line)
		return;
	now = nr_monotonic_ns();
	spent = now - r->live_ns;
	if (spent < redraw_ns)
		return;
	nr_watch_services(r->watch, services, sizeof(services));
	fprintf(stderr, "\r%s packets, %s, %s/s, %s lost, %s flows open%s\033[K",
		nr_text_count(count, m->captured), nr_text_bytes(bytes, m->wire_bytes),
		nr_text_count(rate, (uint64_t)((double)(m->captured - r->live_packets) *
					       1e9 / (double)spent)),
		nr_text_count(lost, nr_capture_lost(r)),
		nr_text_count(open, nr_engine_open_flows(r->engine)), services);
	r->line_drawn = true;
	r->live_ns = now;
	r->live_packets = m->captured;
}

static void report_rings(struct nr_capture_run *r)
{
	char a[NR_TEXT_MAX], b[NR_TEXT_MAX];

	for (unsigned i = 0; i < nr_live_merge_n_rings(r->merge); i++) {
		const struct nr_live *l = nr_live_merge_live(r->merge, i);
		struct nr_live_stats s;

		nr_live_merge_stats(r->merge, i, &s);
		fprintf(stderr, "  %s, %u: received %s, dropped %s\n", l->name, i,
			nr_text_count(a, s.received),
			s.dropped == UINT64_MAX ? "?" : nr_text_count(b, s.dropped));
	}
}

void nr_capture_report(struct nr_capture_run *r)
{
	const struct nr_live_totals *m = nr_live_merge_totals(r->merge);
	struct totals t = totals(r);
	struct nr_colours c = nr_colours_for(stderr);
	uint64_t disk = dropped_disk(r), records = records_dropped(r);
	char a[NR_TEXT_MAX], b[NR_TEXT_MAX], d[NR_TEXT_MAX];

	if (r->c->quiet && !t.dropped && !t.dropped_interface && !disk && !records)
		return;
	fprintf(stderr, "captured %s / received %s / %sdropped %s%s\n",
		nr_text_count(a, m->captured), nr_text_count(b, t.received),
		t.dropped ? c.red : "",
		t.knows_dropped ? nr_text_count(d, t.dropped) : "?", c.reset);
	if (t.dropped_interface)
		fprintf(stderr, "%s packets lost by the interface, before the ring\n",
			nr_text_count(a, t.dropped_interface));
	if (disk)
		fprintf(stderr, "%s packets could not be kept on disk\n",
			nr_text_count(a, disk));
	if (records)
		fprintf(stderr,
			"%s records dropped: an output was too slow (sink_overload)\n",
			nr_text_count(a, records));
	if (m->late)
		fprintf(stderr, "%s packets came late, processed at the clock\n",
			nr_text_count(a, m->late));
	if (nr_live_merge_n_rings(r->merge) > 1 && !r->c->quiet)
		report_rings(r);
}
