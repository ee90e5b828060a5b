/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine's life; with one thread also its loop: batches from the merge, decoded a few
 * packets at a time, then processed one by one.
 *
 * Pass 1 decodes NR_WORK packets, computes keys and hashes and asks for the cache lines;
 * pass 2 runs the flow table over them in order.
 */
#include "engine/internal.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <sched.h>
#include <sys/random.h>

enum { AHEAD_COLD = 6 }; /* packets */

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
		.threads = 1,
	};
}

unsigned nr_engine_cpus(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);

	return n < 1 ? 1 : n > NR_THREADS_MAX ? NR_THREADS_MAX : (unsigned)n;
}

void nr_engine_lap(const struct nr_engine *e, uint64_t *since, uint64_t *sum)
{
	uint64_t now;

	if (!e->cfg.timing)
		return;
	now = (uint64_t)nr_monotonic_ns();
	if (sum)
		*sum += now - *since;
	*since = now;
}

void nr_engine_effort(const struct nr_engine *e, struct nr_effort *out)
{
	*out = e->effort;
	out->threads = 1;
	for (unsigned i = 0; i < NR_N_SHARDS; i++)
		out->shards_ns += e->parts[i].spent_ns;
	if (e->pipeline)
		nr_pipeline_effort(e->pipeline, out);
	else if (out->shards_ns > out->merge_ns) /* which was part of it */
		out->shards_ns -= out->merge_ns;
	nr_flow_table_size(e->flows, &out->flows_most, &out->flow_bytes, &out->slots);
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
	if (c->threads < 1 || c->threads > NR_THREADS_MAX)
		return nr_fail(err, -EINVAL, "--threads must lie between 1 and %d",
			       NR_THREADS_MAX);
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
		.started = nr_part_flow_started,
		.ended = nr_part_flow_ended,
		.discarded = nr_part_flow_discarded,
		.mark = c->no_sessions ? NULL : nr_part_mark,
		.woken = nr_part_woken,
		.anomaly = nr_part_flow_anomaly,
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

static bool values_wanted(struct nr_sink *const *sinks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!sinks[i]->no_values)
			return true;
	}
	return false;
}

/* Room for packets between the passes of one thread. */
static void work_init(struct nr_engine *e)
{
	e->batch = nr_xcalloc(1, sizeof(*e->batch));
	e->work = nr_xcalloc(NR_WORK, sizeof(e->work[0]));
	e->work_items = nr_xcalloc(NR_WORK * NR_MAX_ITEMS, sizeof(e->work_items[0]));
	e->work_decoded = nr_xcalloc(NR_WORK, sizeof(struct nr_decoded) + 16);
}

static void work_fini(struct nr_engine *e)
{
	nr_free(e->work);
	nr_free(e->work_items);
	nr_free(e->work_decoded);
	if (e->batch)
		nr_batch_release(e->batch);
	nr_free(e->batch);
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
	e->wants_values = values_wanted(sinks, n_sinks);
	e->filter = c->compiled_filter;
	if (c->filter && !e->filter && (rc = nr_filter_new(&e->filter, c->filter, err))) {
		nr_free(e);
		return rc;
	}
	random_key(&e->key.secret);
	e->key.no_vlan = c->no_vlan_key;
	e->decoder = decoder_new(c);
	e->flows = flows_new(e);
	e->single.records.arena = &e->single.arena;
	e->out = &e->single;
	e->joins = nr_joins_new(e->key.secret);
	e->firsts = nr_firsts_new(e->key.secret);
	nr_parts_init(e);
	e->dedup = nr_dedup_new(c->dedup_window ? c->dedup_window : 256, c->dedup_time,
				e->key.secret);
	e->tunnels = nr_tunnels_new();
	e->arp = nr_arp_new();
	/* Who reads along is called in order of packets, from one thread. */
	if (c->threads > 1 && !c->tap && !c->parse.secret_seen)
		e->pipeline = nr_pipeline_new(e, c->threads);
	else
		work_init(e);
	*out = e;
	return 0;
}

void nr_engine_free(struct nr_engine *e)
{
	if (!e)
		return;
	nr_pipeline_free(e->pipeline);
	for (unsigned i = 0; i < NR_N_SHARDS; i++)
		nr_part_into(&e->parts[i], &e->single);
	work_fini(e);
	nr_flow_table_free(e->flows);
	nr_parts_fini(e);
	nr_arp_free(e->arp);
	nr_tunnels_free(e->tunnels);
	nr_dedup_free(e->dedup);
	nr_filter_free(e->filter);
	nr_joins_free(e->joins);
	nr_firsts_free(e->firsts);
	nr_decoder_free(e->decoder);
	nr_engine_live_free(e);
	nr_engine_sources_free(e);
	nr_ledger_free(e->ledger);
	nr_arena_fini(&e->work_arena);
	nr_arena_fini(&e->single.arena);
	nr_free(e);
}

static void process(struct nr_engine *e, const struct nr_work *w)
{
	struct nr_step_mark m;

	if (!nr_intake_no_mark(e->mark_ns, w->pkt->clock_ns) &&
	    nr_intake_clock(e, w->pkt, &m)) {
		e->single.now = NULL;
		e->single.order = (struct nr_order){ .ordinal = m.ordinal,
						     .turn = m.turn,
						     .phase = NR_PHASE_MARK };
		nr_flow_mark(e->flows, m.mark_ns);
	}
	nr_intake_tell(e, w);
	for (unsigned i = 0; i < w->n_items; i++)
		nr_part_item(&e->parts[nr_key_shard(w->items[i].hash)], &w->items[i]);
	if (w->dec->has_arp)
		nr_intake_tell_last(e, w);
	nr_engine_breathe(e);
}

bool nr_engine_number(const struct nr_engine *e, struct nr_packet *p)
{
	if (p->event)
		return true;
	if (e->cfg.count && p->ordinal > e->cfg.count)
		return false;
	p->ordinal += e->cfg.first_ordinal;
	return true;
}

/* Between decoding and processing: the hot lines of the flows that the work will meet. */
static void prefetch_flows(struct nr_engine *e, unsigned n)
{
	for (unsigned k = 0; k < n; k++) {
		struct nr_work *w = &e->work[k];

		for (unsigned j = 0; j < w->n_items; j++)
			w->items[j].guess =
				nr_flow_prefetch_hit(e->flows, w->items[j].hash);
	}
}

/* Some packets ahead, when the hot line has come and says whether there will be need. */
static void prefetch_cold(const struct nr_engine *e, const struct nr_work *w)
{
	bool anyway = !e->cfg.no_index || !e->cfg.no_sessions;

	for (unsigned j = 0; j < w->n_items; j++)
		nr_flow_prefetch_cold(e->flows, w->items[j].guess, anyway);
}

/* A batch, NR_WORK packets at a time. Returns false when a packet beyond --count is met.
 */
static bool run_batch(struct nr_engine *e, struct nr_batch *b)
{
	bool more = true;
	uint64_t since = 0;

	nr_engine_lap(e, &since, NULL);
	for (unsigned i = 0; i < b->n && more && !e->error;) {
		struct nr_item *items = e->work_items;
		uint8_t *dec = e->work_decoded;
		unsigned n = 0;

		while (n < NR_WORK && i < b->n) {
			struct nr_work *w = &e->work[n];

			more = nr_engine_number(e, &b->pkt[i]);
			if (!more)
				break;
			n++;
			/* one behind the other, so that the nearest cache holds all */
			w->items = items;
			w->dec = (struct nr_decoded *)(void *)dec;
			nr_intake_prepare(e, w, &b->pkt[i++], &e->work_arena);
			items += w->n_items;
			dec += (nr_work_decoded(w) + 15) & ~(size_t)15;
		}
		prefetch_flows(e, n);
		nr_engine_lap(e, &since, &e->effort.intake_ns);
		for (unsigned k = 0; k < AHEAD_COLD && k < n; k++)
			prefetch_cold(e, &e->work[k]);
		for (unsigned k = 0; k < n; k++) {
			if (k + AHEAD_COLD < n)
				prefetch_cold(e, &e->work[k + AHEAD_COLD]);
			process(e, &e->work[k]);
		}
		nr_engine_lap(e, &since, &e->effort.shards_ns);
		nr_decoder_release(e->decoder);
		/* hands over what was lost: a flood of it must not gather */
		nr_intake_lost(e);
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
			  nr_arena_printf(&e->out->arena,
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
				  nr_arena_copy(&e->out->arena, b.p, b.len));
		nr_buf_fini(&b);
	}
}

static void end_of_input(struct nr_engine *e)
{
	uint64_t since = 0;

	e->out = &e->single;
	e->single.now = NULL;
	nr_engine_lap(e, &since, NULL);
	e->single.order =
		(struct nr_order){ .ordinal = e->cfg.first_ordinal + e->stats.packets + 1,
				   .turn = NR_TURN_PACKET,
				   .phase = NR_PHASE_END };
	nr_intake_end(e);
	if (e->pipeline)
		nr_pipeline_end(e->pipeline);
	else
		nr_flow_flush(e->flows, NR_END_OF_INPUT);
	if (!e->pipeline)
		nr_engine_lap(e, &since, &e->effort.shards_ns);
	nr_engine_flush(e); /* so that all is joined */
	e->single.order.place = UINT64_MAX;
	nr_tunnels_flush(e);
	nr_offload_report(e, nr_joins_offload(e->joins));
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

int nr_engine_check_ledger(struct nr_engine *e, struct nr_err *err)
{
	uint64_t packets = 0, bytes = 0, rows = 0, row_bytes = 0;
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
	for (unsigned i = 0; i < NR_N_SHARDS; i++) {
		rows += e->parts[i].flow_records;
		row_bytes += e->parts[i].flow_bytes;
	}
	if (rows != s->bucket_packets[NR_BUCKET_FLOW] ||
	    row_bytes != s->bucket_bytes[NR_BUCKET_FLOW] ||
	    e->rows_arp != s->bucket_packets[NR_BUCKET_ARP])
		return nr_fail(
			err, -EBADMSG,
			"the ledger does not add up: rows of flow hold %llu packets, "
			"its bucket %llu; rows of arp %llu, its bucket %llu; this is "
			"a bug in nrtool, please report it",
			(unsigned long long)rows,
			(unsigned long long)s->bucket_packets[NR_BUCKET_FLOW],
			(unsigned long long)e->rows_arp,
			(unsigned long long)s->bucket_packets[NR_BUCKET_ARP]);
	return 0;
}

/* Reads and processes to the end; 0 or what the merge failed with. */
static int run_input(struct nr_engine *e, struct nr_merge *m, const atomic_int *stop,
		     void (*progress)(void *arg), void *arg)
{
	uint64_t since = 0;

	for (;;) {
		bool more;
		int n;

		if (stop && atomic_load_explicit(stop, memory_order_relaxed))
			return 0;
		nr_engine_lap(e, &since, NULL);
		n = nr_merge_read(m, e->batch, e->cfg.batch, e->err);
		nr_engine_lap(e, &since, &e->effort.read_ns);
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
	if (e->error)
		return e->error;
	if (e->pipeline)
		nr_pipeline_feed(e->pipeline, b);
	else
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
	if (e->pipeline)
		rc = nr_pipeline_run(e->pipeline, m, stop, progress, arg);
	else
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

/* Sums of what the parts have: asked for where none of them is at work. */
const struct nr_engine_stats *nr_engine_stats(const struct nr_engine *e)
{
	struct nr_engine_stats *s = (struct nr_engine_stats *)&e->stats;

	s->records = e->n_records;
	s->anomalies = e->n_anomalies;
	s->flows = s->flows_evicted = 0;
	for (unsigned i = 0; i < NR_N_SHARDS; i++) {
		s->flows += e->parts[i].flows;
		s->flows_evicted += e->parts[i].flows_evicted;
	}
	return s;
}
