/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loop: batches from the merge, decoded a few at a time, then processed one by one.
 *
 * Pass 1 decodes NR_WORK packets, computes keys and hashes and asks for the cache lines;
 * pass 2 runs the flow table over them in order. Clock marks are placed where packet time
 * crosses a multiple of 100 ms, before the packet that crosses it, so that nothing
 * depends on the size of batches.
 */
#include "engine/internal.h"

#include "base/mem.h"
#include "base/text.h"
#include "decode/checksum.h"

#include <errno.h>
#include <sys/random.h>

void nr_engine_config_defaults(struct nr_engine_config *c)
{
	const int64_t s = 1000000000;

	*c = (struct nr_engine_config){
		.batch = 256,
		.max_flows = 4194304,
		.tcp_timeout = 300 * s,
		.udp_timeout = 60 * s,
		.icmp_timeout = 60 * s,
		.other_timeout = 60 * s,
		.attempt_timeout = 5 * s,
		.closed_timeout = 5 * s,
		.reset_timeout = 5 * s,
		.half_closed_timeout = 300 * s,
		.frag_timeout = 30 * s,
		.frag_memory = 32 << 20,
		.max_jump = 3600 * s,
		.from = INT64_MIN,
		.to = INT64_MAX,
		.dedup_time = s / 100,
		.checksums = NR_CSUM_AUTO,
		.overlap = NR_OVERLAP_FIRST,
		.ack_grace = s / 100,
		.stream_memory = 2 << 20,
		.reassembly_memory = 512 << 20,
		.session_memory = 1 << 30,
		.index_memory = 512 << 20,
		.first_source_id = 1,
		.run_id = 1,
	};
}

static void random_key(struct nr_siphash_key *k)
{
	/* Without randomness the table is merely easier to attack. */
	if (getrandom(k, sizeof(*k), GRND_NONBLOCK) != (ssize_t)sizeof(*k))
		*k = (struct nr_siphash_key){ 0x0706050403020100, 0x0f0e0d0c0b0a0908 };
}

static int check_config(const struct nr_engine_config *c, struct nr_err *err)
{
	if (c->batch < 1 || c->batch > NR_BATCH_MAX)
		return nr_fail(err, -EINVAL, "--batch must lie between 1 and %d",
			       NR_BATCH_MAX);
	if (c->max_flows < NR_SHARD_MIN_FLOWS * NR_N_SHARDS ||
	    c->max_flows > (uint64_t)NR_N_SHARDS << 28)
		return nr_fail(
			err, -EINVAL,
			"--max-flows must lie between %d (%d for each of %d shards) "
			"and %llu",
			NR_SHARD_MIN_FLOWS * NR_N_SHARDS, NR_SHARD_MIN_FLOWS, NR_N_SHARDS,
			(unsigned long long)NR_N_SHARDS << 28);
	return 0;
}

static struct nr_decoder *decoder_new(const struct nr_engine_config *c)
{
	struct nr_decoder_config d = {
		.frag_timeout_ns = c->frag_timeout,
		.frag_memory = c->frag_memory,
		.frag_datagrams = 65536,
		.overlap = c->overlap,
		.judge_ip_checksum = c->checksums != NR_CSUM_IGNORE,
	};

	return nr_decoder_new(&d);
}

static struct nr_flow_table *flows_new(struct nr_engine *e)
{
	const struct nr_engine_config *c = &e->cfg;
	struct nr_flow_config f = {
		.max_flows = c->max_flows,
		.tcp_timeout = c->tcp_timeout,
		.udp_timeout = c->udp_timeout,
		.icmp_timeout = c->icmp_timeout,
		.other_timeout = c->other_timeout,
		.attempt_timeout = c->attempt_timeout,
		.closed_timeout = c->closed_timeout,
		.reset_timeout = c->reset_timeout,
		.half_closed_timeout = c->half_closed_timeout,
		.no_flip = c->no_flip,
		.key = e->key,
	};
	struct nr_flow_events ev = {
		.arg = e,
		.started = nr_engine_flow_started,
		.ended = nr_engine_flow_ended,
		.discarded = nr_engine_flow_discarded,
		.mark = c->no_sessions ? NULL : nr_engine_mark,
		.woken = nr_engine_woken,
		.anomaly = nr_engine_flow_anomaly,
	};

	return nr_flow_table_new(&f, &ev);
}

static bool ident_wanted(struct nr_sink *const *sinks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!sinks[i]->no_ident)
			return true;
	}
	return false;
}

static bool index_wanted(struct nr_sink *const *sinks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!sinks[i]->no_index)
			return true;
	}
	return false;
}

int nr_engine_new(struct nr_engine **out, const struct nr_engine_config *c,
		  struct nr_sink *const *sinks, size_t n_sinks, struct nr_err *err)
{
	struct nr_engine *e;
	int rc = check_config(c, err);

	if (rc) {
		nr_filter_free(c->compiled_filter);
		return rc;
	}
	e = nr_xcalloc(1, sizeof(*e));
	e->cfg = *c;
	e->sinks = sinks;
	e->n_sinks = n_sinks;
	e->cfg.no_index |= !index_wanted(sinks, n_sinks);
	e->wants_ident = ident_wanted(sinks, n_sinks);
	e->filter = c->compiled_filter;
	if (c->filter && !e->filter && (rc = nr_filter_new(&e->filter, c->filter, err))) {
		nr_free(e);
		return rc;
	}
	random_key(&e->key.secret);
	e->key.no_vlan = c->no_vlan_key;
	e->decoder = decoder_new(c);
	e->flows = flows_new(e);
	e->records.arena = &e->arena;
	e->labels = nr_labels_new();
	e->firsts = nr_firsts_new(e->key.secret);
	if (!c->no_sessions)
		e->sessions = nr_engine_sessions_new(e);
	e->community = nr_community_new();
	e->dedup = c->dedup_window ? nr_dedup_new(c->dedup_window, c->dedup_time, false)
				   : nr_dedup_new(256, c->dedup_time, true);
	e->tunnels = nr_tunnels_new();
	for (unsigned i = 0; i < NR_N_SHARDS; i++)
		e->way_backs[i].max_bytes = c->index_memory / NR_N_SHARDS;
	e->arp = nr_arp_new();
	e->offload = nr_offload_new();
	e->work = nr_xcalloc(NR_WORK, sizeof(e->work[0]));
	e->batch = nr_xcalloc(1, sizeof(*e->batch));
	*out = e;
	return 0;
}

void nr_engine_free(struct nr_engine *e)
{
	if (!e)
		return;
	nr_batch_release(e->batch);
	nr_free(e->batch);
	nr_free(e->work);
	nr_offload_free(e->offload);
	nr_arp_free(e->arp);
	nr_tunnels_free(e->tunnels);
	nr_dedup_free(e->dedup);
	nr_filter_free(e->filter);
	nr_community_free(e->community);
	nr_flow_table_free(e->flows);
	nr_sessions_free(e->sessions);
	nr_labels_free(e->labels);
	nr_firsts_free(e->firsts);
	nr_decoder_free(e->decoder);
	nr_engine_live_free(e);
	nr_engine_sources_free(e);
	nr_ledger_free(e->ledger);
	nr_arena_fini(&e->work_arena);
	nr_arena_fini(&e->arena);
	nr_free(e);
}

static int64_t mark_before(int64_t t)
{
	int64_t r = t % NR_MARK_NS;

	if (r < 0)
		r += NR_MARK_NS;
	return t < INT64_MIN + NR_MARK_NS ? INT64_MIN : t - r;
}

/* Whether t lies in the 100 ms behind mark: the common case, without a division. */
static inline bool is_near(int64_t mark, int64_t t)
{
	return (uint64_t)t - (uint64_t)mark < NR_MARK_NS;
}

void nr_engine_fragment_lost(void *engine, const struct nr_frag_record *r,
			     const char *why, unsigned ip_version)
{
	struct nr_engine *e = engine;

	(void)why;
	(void)ip_version;
	nr_ledger_add(e->ledger, r->source, NR_BUCKET_FRAGMENT_INCOMPLETE, 0,
		      r->wire_len);
}

static void judge_checksums(struct nr_engine *e, struct nr_work *w)
{
	w->bad = 0;
	if (e->cfg.checksums == NR_CSUM_IGNORE)
		return;
	for (unsigned i = 0; i < w->dec.n_levels; i++) {
		const struct nr_level *l = &w->dec.level[i];

		if ((l->flags & NR_L_IP_CSUM_BAD) || nr_level_csum(l) == NR_CSUM_BAD)
			w->bad |= (uint16_t)(1u << i);
	}
}

static void expire_fragments(struct nr_engine *e, int64_t clock_ns)
{
	int64_t mark;

	if (is_near(e->decoder_mark_ns, clock_ns))
		return;
	mark = mark_before(clock_ns);
	if (mark <= e->decoder_mark_ns)
		return;
	e->decoder_mark_ns = mark;
	nr_decoder_expire(e->decoder, mark, nr_engine_fragment_lost, e);
}

/* Decodes a packet and says which bucket it is in, as far as that is known yet. */
static void prepare(struct nr_engine *e, struct nr_work *w, const struct nr_packet *p)
{
	w->pkt = p;
	w->detail = 0;
	w->dec.n_levels = 0;
	if (p->event) {
		if (p->event->kind == NR_EVENT_TICK)
			expire_fragments(e, p->clock_ns);
		return;
	}
	if (p->ts_ns < e->cfg.from || (e->cfg.to != INT64_MAX && p->ts_ns >= e->cfg.to)) {
		w->bucket = NR_BUCKET_OUT_OF_RANGE;
		return;
	}
	if (e->filter && !nr_filter_pass(e->filter, p)) {
		w->bucket = NR_BUCKET_FILTERED;
		return;
	}
	if (nr_dedup_seen(e->dedup, p) && e->cfg.dedup_window) {
		w->bucket = NR_BUCKET_DUPLICATE;
		return;
	}
	expire_fragments(e, p->clock_ns);
	nr_decode(e->decoder, p, &w->dec);
	w->bucket = w->dec.bucket;
	w->detail = w->dec.detail;
	w->frags = NULL;
	if (w->dec.n_frags) {
		size_t n = w->dec.n_frags * sizeof(w->frags[0]);

		w->frags = nr_arena_alloc(&e->work_arena, n);
		memcpy(w->frags, w->dec.frags, n);
	}
	judge_checksums(e, w);
	for (unsigned i = 0; i < w->dec.n_levels; i++) {
		nr_key_make(&w->key[i], &w->src_is_hi[i], &e->key, &w->dec, i);
		w->hash[i] = nr_key_hash(&w->key[i], e->key.secret);
		nr_flow_prefetch(e->flows, w->hash[i]);
	}
}

static void credit(struct nr_engine *e, struct nr_flow *f, uint32_t source,
		   uint64_t record, uint32_t wire_len)
{
	struct nr_way_backs *b;

	nr_ledger_add(e->ledger, source, NR_BUCKET_FLOW, 0, wire_len);
	if (e->cfg.no_index || !record) /* 0: a capture could not keep it */
		return;
	b = &e->way_backs[f->shard];
	nr_way_back_turn(b, f, source);
	if (nr_way_back_full(f->way_back, source))
		nr_engine_flow_packets(e, f);
	nr_way_back_add(b, f, source, record);
	while ((f = nr_way_back_over(b))) {
		if (f->way_back->len)
			nr_engine_flow_packets(e, f);
		nr_way_back_drop(b, f);
	}
}

/* What the decoder noticed of one level, told with its flow. */
static void decode_anomalies(struct nr_engine *e, const struct nr_work *w, unsigned level,
			     struct nr_flow *f)
{
	for (unsigned i = 0; i < w->dec.n_anomalies; i++) {
		const struct nr_decode_anomaly *a = &w->dec.anomaly[i];
		bool homeless = a->level >= w->dec.n_levels;

		if (f && a->level == level)
			nr_engine_flow_anomaly(e, f, a->kind, -1, a->a, a->b);
		else if (!f && homeless)
			nr_engine_decode_anomaly(e, a);
	}
}

/* Fragments that came before this packet share its fate. */
static void credit_fragments(struct nr_engine *e, const struct nr_work *w,
			     struct nr_flow *f, unsigned bucket)
{
	for (uint32_t i = 0; i < w->dec.n_frags; i++) {
		const struct nr_frag_record *r = &w->frags[i];

		if (bucket != NR_BUCKET_FLOW) {
			nr_ledger_add(e->ledger, r->source, bucket, w->detail,
				      r->wire_len);
			continue;
		}
		nr_flow_credit(e->flows, f, r->wire_len);
		credit(e, f, r->source, r->record, r->wire_len);
	}
}

/* Runs the flows of a packet, outermost first; the innermost owns the record. */
static void run_levels(struct nr_engine *e, struct nr_work *w)
{
	const struct nr_packet *p = w->pkt;
	struct nr_tcp_seen seen;
	struct nr_flow_packet fp = { .pkt = p,
				     .dec = &w->dec,
				     .seen = e->sessions ? &seen : NULL };
	unsigned bucket = w->bucket;
	struct nr_flow *f = NULL;

	for (unsigned i = 0; i < w->dec.n_levels; i++) {
		fp.bad_checksum = w->bad >> i & 1;
		fp.drop_bad = fp.bad_checksum && e->cfg.checksums == NR_CSUM_VERIFY;
		fp.is_credited = bucket == NR_BUCKET_FLOW && !fp.drop_bad &&
				 i + 1u == w->dec.n_levels;
		fp.parent_flow_id = f ? f->flow_id : 0;
		f = nr_flow_update(e->flows, &fp, i, &w->key[i], w->hash[i],
				   w->src_is_hi[i]);
		if (w->dec.n_anomalies)
			decode_anomalies(e, w, i, f);
		if (e->sessions && !fp.drop_bad && (!fp.is_quiet || e->cfg.tap))
			nr_sessions_packet(e->sessions, f,
					   w->src_is_hi[i] != f->src_is_hi, p,
					   &w->dec.level[i], &seen);
		if (fp.drop_bad) {
			if (bucket != NR_BUCKET_HELD) /* the decoder still counts it */
				bucket = NR_BUCKET_CHECKSUM_DROPPED;
			break;
		}
	}
	if (w->dec.has_arp)
		nr_arp_packet(e, w, f ? f->flow_id : 0);
	if (bucket == NR_BUCKET_HELD)
		return;
	credit_fragments(e, w, f, bucket);
	if (bucket == NR_BUCKET_FLOW)
		credit(e, f, p->source, p->record, p->wire_len);
	else
		nr_ledger_add(e->ledger, p->source, bucket, w->detail, p->wire_len);
}

/* The clock marks before the packet `ordinal`. */
static void advance_clock(struct nr_engine *e, int64_t clock_ns, uint64_t ordinal)
{
	int64_t mark;

	if (is_near(e->mark_ns, clock_ns))
		return;
	mark = mark_before(clock_ns);
	if (mark <= e->mark_ns)
		return;
	e->mark_ns = mark;
	e->now = NULL;
	e->order = (struct nr_order){ .ordinal = ordinal, .phase = NR_PHASE_MARK };
	nr_flow_mark(e->flows, mark);
}

static void process(struct nr_engine *e, struct nr_work *w)
{
	const struct nr_packet *p = w->pkt;

	if (p->event) {
		uint64_t next = e->cfg.first_ordinal + e->stats.packets + 1;

		if (p->event->kind == NR_EVENT_TICK)
			advance_clock(e, p->clock_ns, next);
		e->order =
			(struct nr_order){ .ordinal = next, .phase = NR_PHASE_CONTAINER };
		nr_engine_event(e, p);
		nr_engine_breathe(e);
		return;
	}
	advance_clock(e, p->clock_ns, p->ordinal);
	e->now = p;
	e->order = (struct nr_order){ .ordinal = p->ordinal, .phase = NR_PHASE_PACKET };
	e->stats.packets++;
	e->stats.wire_bytes += p->wire_len;
	e->stats.captured_bytes += p->cap_len;
	nr_engine_source_packet(e, p);
	if (w->bucket == NR_BUCKET_OUT_OF_RANGE || w->bucket == NR_BUCKET_FILTERED ||
	    w->bucket == NR_BUCKET_DUPLICATE) {
		nr_ledger_add(e->ledger, p->source, w->bucket, 0, p->wire_len);
		nr_engine_breathe(e);
		return;
	}
	decode_anomalies(e, w, NR_NO_LEVEL, NULL);
	if (w->dec.n_tunnels)
		nr_tunnels_packet(e, w);
	run_levels(e, w);
	nr_engine_breathe(e);
}

/*
 * A batch, NR_WORK packets at a time. Returns false when a packet beyond --count is met:
 * not before, so that what the file says behind the last one is heard for every size of
 * batches.
 */
static bool run_batch(struct nr_engine *e, struct nr_batch *b)
{
	bool more = true;

	for (unsigned i = 0; i < b->n && !e->error;) {
		unsigned n = 0;

		while (n < NR_WORK && i < b->n) {
			struct nr_packet *p = &b->pkt[i++];

			if (e->cfg.count && !p->event && p->ordinal > e->cfg.count) {
				more = false;
				i = b->n;
				break;
			}
			if (!p->event)
				p->ordinal += e->cfg.first_ordinal;
			prepare(e, &e->work[n++], p);
		}
		for (unsigned k = 0; k < n; k++) {
			for (unsigned j = 0; j < e->work[k].dec.n_levels; j++)
				nr_flow_prefetch_hit(e->flows, e->work[k].hash[j]);
		}
		for (unsigned k = 0; k < n; k++)
			process(e, &e->work[k]);
		nr_decoder_release(e->decoder);
		/* hands over what was lost: a flood of it must not gather */
		nr_decoder_expire(e->decoder, e->decoder_mark_ns, nr_engine_fragment_lost,
				  e);
		nr_arena_reset(&e->work_arena);
	}
	return more;
}

static void report_duplicates(struct nr_engine *e)
{
	uint64_t compared, copies;

	nr_dedup_counts(e->dedup, &compared, &copies);
	if (e->cfg.dedup_window || compared < 64 || copies * 5 < compared)
		return;
	e->stats.many_duplicates = true;
	nr_engine_anomaly(e, NR_ANOM_DUPLICATES,
			  nr_arena_printf(&e->arena,
					  "{\"compared\":%llu,\"copies\":%llu}",
					  (unsigned long long)compared,
					  (unsigned long long)copies));
}

static void report_filter(struct nr_engine *e)
{
	const char *reason;
	unsigned link_type;
	size_t at = 0;

	while (e->filter && (reason = nr_filter_refused(e->filter, &at, &link_type))) {
		struct nr_buf b = { 0 };

		nr_buf_printf(&b, "{\"link_type\":%u,\"reason\":", link_type);
		nr_buf_json(&b, reason, strlen(reason));
		nr_buf_str(&b, "}");
		nr_engine_anomaly(e, NR_ANOM_FILTER_UNUSABLE,
				  nr_arena_copy(&e->arena, b.p, b.len));
		nr_buf_fini(&b);
	}
}

static void end_of_input(struct nr_engine *e)
{
	e->now = NULL;
	e->order =
		(struct nr_order){ .ordinal = e->cfg.first_ordinal + e->stats.packets + 1,
				   .phase = NR_PHASE_END };
	nr_decoder_flush(e->decoder, nr_engine_fragment_lost, e);
	nr_flow_flush(e->flows, NR_END_OF_INPUT);
	nr_tunnels_flush(e);
	nr_offload_report(e);
	report_duplicates(e);
	report_filter(e);
}

static void add_up_sources(struct nr_engine *e)
{
	struct nr_engine_stats *t = &e->stats;
	bool any = false;

	for (size_t i = 0; i < e->n_sources; i++) {
		const struct nr_source_state *s = &e->sources[i];

		t->time_backwards += s->time_backwards;
		t->time_jumps += s->time_jumps;
		t->time_bogus += s->time_bogus;
		if (!s->packets)
			continue;
		t->first_ns =
			any && t->first_ns < s->first_ns ? t->first_ns : s->first_ns;
		t->last_ns = any && t->last_ns > s->last_ns ? t->last_ns : s->last_ns;
		any = true;
	}
}

/* The ledger against what went into the tables. */
int nr_engine_check_ledger(struct nr_engine *e, struct nr_err *err)
{
	uint64_t packets = 0, bytes = 0;
	const struct nr_engine_stats *s = &e->stats;

	for (unsigned i = 0; i < NR_N_BUCKETS; i++) {
		packets += s->bucket_packets[i];
		bytes += s->bucket_bytes[i];
	}
	if (packets != s->packets || bytes != s->wire_bytes)
		return nr_fail(
			err, -EBADMSG,
			"the ledger does not add up: %llu packets were read and %llu "
			"are in its buckets; this is a bug in nrtool, please report it",
			(unsigned long long)s->packets, (unsigned long long)packets);
	if (e->rows_flow_records != s->bucket_packets[NR_BUCKET_FLOW] ||
	    e->rows_flow_bytes != s->bucket_bytes[NR_BUCKET_FLOW] ||
	    e->rows_arp != s->bucket_packets[NR_BUCKET_ARP])
		return nr_fail(
			err, -EBADMSG,
			"the ledger does not add up: rows of flow hold %llu packets, "
			"its bucket %llu; rows of arp %llu, its bucket %llu; this is "
			"a bug in nrtool, please report it",
			(unsigned long long)e->rows_flow_records,
			(unsigned long long)s->bucket_packets[NR_BUCKET_FLOW],
			(unsigned long long)e->rows_arp,
			(unsigned long long)s->bucket_packets[NR_BUCKET_ARP]);
	return 0;
}

/* Reads and processes to the end; 0 or what the merge failed with. */
static int run_input(struct nr_engine *e, struct nr_merge *m, const atomic_int *stop,
		     void (*progress)(void *arg), void *arg)
{
	for (;;) {
		bool more;
		int n;

		if (stop && atomic_load_explicit(stop, memory_order_relaxed))
			return 0;
		n = nr_merge_read(m, e->batch, e->cfg.batch, e->err);
		more = run_batch(e, e->batch);
		nr_batch_release(e->batch);
		if (progress)
			progress(arg);
		if (n < 0)
			return n;
		if (n == 0 || !more || e->error)
			return 0;
	}
}

void nr_engine_begin(struct nr_engine *e, size_t n_sources, struct nr_err *err)
{
	e->err = err;
	e->n_sources = n_sources;
	e->sources = nr_xcalloc(n_sources, sizeof(e->sources[0]));
	e->ledger = nr_ledger_new(n_sources);
	e->mark_ns = e->decoder_mark_ns = INT64_MIN;
}

int nr_engine_feed(struct nr_engine *e, struct nr_batch *b)
{
	if (!e->error)
		run_batch(e, b);
	return e->error;
}

int nr_engine_end(struct nr_engine *e)
{
	if (!e->error)
		end_of_input(e);
	if (!e->error)
		nr_engine_flush(e);
	return e->error;
}

int nr_engine_run(struct nr_engine *e, struct nr_merge *m, const struct nr_run_info *run,
		  const atomic_int *stop, void (*progress)(void *arg), void *arg,
		  struct nr_err *err)
{
	int rc;

	nr_engine_begin(e, nr_merge_n_sources(m), err);
	rc = run_input(e, m, stop, progress, arg);
	if (stop && atomic_load_explicit(stop, memory_order_relaxed))
		e->stats.interrupted = true;
	if (e->error)
		return e->error;
	end_of_input(e);
	nr_engine_source_rows(e, m, run);
	nr_engine_flush(e);
	add_up_sources(e);
	if (e->error)
		return e->error;
	return rc ? rc : nr_engine_check_ledger(e, err);
}

const struct nr_engine_stats *nr_engine_stats(const struct nr_engine *e)
{
	return &e->stats;
}
