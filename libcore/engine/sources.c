/* SPDX-License-Identifier: BSD-3-Clause */
/* What the inputs say of themselves: rows of source, interface, comment, name, ledger. */
#include "engine/internal.h"

#include "base/mem.h"

#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

enum { BLOCK_SPAN = 256 * 1024 }; /* one source_block row per so many bytes */

struct nr_interface_row {
	struct nr_interface i;      /* texts owned */
	uint64_t received, dropped; /* UINT64_MAX: not known */
	uint64_t inbound, outbound;
};

static void add_interface(struct nr_source_state *s, const struct nr_interface *i)
{
	struct nr_interface_row *r;

	if (!(s->n_interfaces & (s->n_interfaces - 1)))
		s->interfaces = nr_xrealloc(s->interfaces,
					    (s->n_interfaces ? s->n_interfaces * 2 : 1) *
						    sizeof(s->interfaces[0]));
	r = &s->interfaces[s->n_interfaces++];
	nr_interface_copy(&r->i, i);
	r->received = r->dropped = UINT64_MAX;
	r->inbound = r->outbound = 0;
}

void nr_engine_source_forget(struct nr_source_state *s)
{
	for (size_t j = 0; j < s->n_interfaces; j++)
		nr_interface_fini(&s->interfaces[j].i);
	nr_free(s->interfaces);
	nr_free(s->damage);
	s->interfaces = NULL;
	s->n_interfaces = 0;
	s->damage = NULL;
}

void nr_engine_sources_free(struct nr_engine *e)
{
	for (size_t k = 0; k < e->n_sources; k++)
		nr_engine_source_forget(&e->sources[k]);
	nr_free(e->sources);
}

static void comment_row(struct nr_engine *e, const struct nr_packet *p)
{
	struct nr_record *r = nr_out_row(e->out, &nr_rt_comment);
	const struct nr_event *v = p->event;

	nr_set_int(r, NR_COMMENT_source_id, nr_engine_source_id(e, p->source));
	if (v->record)
		nr_set_int(r, NR_COMMENT_packet, (int64_t)v->record);
	nr_set_text(r, NR_COMMENT_text,
		    nr_arena_copy(&e->out->arena, v->text.p, v->text.len), v->text.len);
}

static void name_row(struct nr_engine *e, const struct nr_packet *p)
{
	struct nr_record *r = nr_out_row(e->out, &nr_rt_name);
	const struct nr_event *v = p->event;

	nr_set_int(r, NR_NAME_source_id, nr_engine_source_id(e, p->source));
	nr_set_text(r, NR_NAME_address,
		    nr_arena_copy(&e->out->arena, v->address.p, v->address.len),
		    v->address.len);
	nr_set_text(r, NR_NAME_name,
		    nr_arena_copy(&e->out->arena, v->text.p, v->text.len), v->text.len);
	nr_set_str(r, NR_NAME_origin, "nrb");
}

void nr_engine_event(struct nr_engine *e, const struct nr_packet *p)
{
	struct nr_source_state *s = &e->sources[p->source];
	const struct nr_event *v = p->event;

	switch (v->kind) {
	case NR_EVENT_SOURCE_START:
		s->started = true;
		break;
	case NR_EVENT_INTERFACE:
		add_interface(s, &v->interface);
		break;
	case NR_EVENT_INTERFACE_STATS:
		if (v->interface_id < s->n_interfaces) {
			s->interfaces[v->interface_id].received = v->received;
			s->interfaces[v->interface_id].dropped = v->dropped;
		}
		break;
	case NR_EVENT_COMMENT:
		comment_row(e, p);
		break;
	case NR_EVENT_NAME:
		name_row(e, p);
		break;
	case NR_EVENT_DAMAGE:
		if (!s->n_damages++) {
			s->damage = nr_xmalloc(v->text.len + 1);
			memcpy(s->damage, v->text.p, v->text.len);
			s->damage[v->text.len] = '\0';
			e->stats.n_damaged++;
		}
		break;
	case NR_EVENT_SOURCE_END:
		s->ended = true;
		break;
	case NR_EVENT_LOSS:
		nr_engine_loss(e, p);
		break;
	case NR_EVENT_TICK: /* the clock has moved: nothing else */
	case NR_EVENT_SECRETS:
		break;
	}
}

static void count_direction(struct nr_source_state *s, const struct nr_packet *p)
{
	struct nr_interface_row *r;

	if (p->interface_id >= s->n_interfaces)
		return;
	r = &s->interfaces[p->interface_id];
	r->inbound += (p->flags & NR_PKT_INBOUND) != 0;
	r->outbound += (p->flags & NR_PKT_OUTBOUND) != 0;
}

void nr_engine_source_packet(struct nr_engine *e, const struct nr_packet *p)
{
	struct nr_source_state *s = &e->sources[p->source];

	if (!e->cfg.no_index && p->record && p->offset >= s->next_block) {
		struct nr_record *r = nr_out_row(e->out, &nr_rt_source_block);

		nr_set_int(r, NR_SOURCE_BLOCK_source_id,
			   nr_engine_source_id(e, p->source));
		nr_set_int(r, NR_SOURCE_BLOCK_record, (int64_t)p->record);
		nr_set_int(r, NR_SOURCE_BLOCK_offset, (int64_t)p->offset);
		nr_set_int(r, NR_SOURCE_BLOCK_ts_ns, p->ts_ns);
		s->next_block = p->offset - p->offset % BLOCK_SPAN + BLOCK_SPAN;
	}
	if (p->flags & (NR_PKT_INBOUND | NR_PKT_OUTBOUND))
		count_direction(s, p);
	if (!(p->time_backwards | p->time_jump | p->time_bogus | p->time_clamped))
		return;
	s->time_backwards += p->time_backwards;
	s->time_jumps += p->time_jump;
	s->time_bogus += p->time_bogus;
	s->times_clamped += p->time_clamped;
	if (p->time_jump)
		nr_engine_anomaly(e, NR_ANOM_TIME_JUMP, NULL);
	if (p->time_bogus)
		nr_engine_anomaly(e, NR_ANOM_TIME_BOGUS, NULL);
}

static void set_u64(struct nr_record *r, unsigned field, uint64_t v)
{
	if (v != UINT64_MAX)
		nr_set_int(r, field, v > INT64_MAX ? INT64_MAX : (int64_t)v);
}

static const char *link_name(struct nr_engine *e, unsigned link_type)
{
	const char *s = nr_link_type_name(link_type);

	return s ? s : nr_arena_printf(&e->out->arena, "%u", link_type);
}

static const char *link_types(struct nr_engine *e, const struct nr_source_state *s)
{
	const char *text = "";
	unsigned seen[32], n = 0;

	for (size_t i = 0; i < s->n_interfaces; i++) {
		unsigned t = s->interfaces[i].i.link_type, k = 0;

		while (k < n && seen[k] != t)
			k++;
		if (k < n || n == 32)
			continue;
		seen[n++] = t;
		text = nr_arena_printf(&e->out->arena, "%s%s\"%s\"", text,
				       *text ? "," : "", link_name(e, t));
	}
	return nr_arena_printf(&e->out->arena, "[%s]", text);
}

void nr_engine_interface_rows(struct nr_engine *e, uint32_t source)
{
	const struct nr_source_state *s = &e->sources[source];

	for (size_t k = 0; k < s->n_interfaces; k++) {
		const struct nr_interface_row *x = &s->interfaces[k];
		const struct nr_interface *i = &x->i;
		struct nr_record *r;

		nr_engine_breathe(e);
		r = nr_out_row(e->out, &nr_rt_interface);
		nr_set_int(r, NR_INTERFACE_source_id, nr_engine_source_id(e, source));
		nr_set_int(r, NR_INTERFACE_interface_id, i->interface_id);
		nr_set_int(r, NR_INTERFACE_section, i->section);
		nr_set_text(r, NR_INTERFACE_name, i->name.p, i->name.len);
		nr_set_text(r, NR_INTERFACE_description, i->description.p,
			    i->description.len);
		nr_set_str(r, NR_INTERFACE_link_type, link_name(e, i->link_type));
		if (i->snap_len)
			nr_set_int(r, NR_INTERFACE_snap_len, i->snap_len);
		if (i->tsresol && i->tsresol <= INT64_MAX)
			nr_set_int(r, NR_INTERFACE_tsresol, (int64_t)i->tsresol);
		nr_set_int(r, NR_INTERFACE_tsoffset, i->tsoffset_s);
		nr_set_text(r, NR_INTERFACE_filter, i->filter.p, i->filter.len);
		nr_set_text(r, NR_INTERFACE_os, i->os.p, i->os.len);
		nr_set_text(r, NR_INTERFACE_hardware, i->hardware.p, i->hardware.len);
		set_u64(r, NR_INTERFACE_received, x->received);
		set_u64(r, NR_INTERFACE_dropped, x->dropped);
		if (x->inbound + x->outbound) {
			set_u64(r, NR_INTERFACE_inbound, x->inbound);
			set_u64(r, NR_INTERFACE_outbound, x->outbound);
		}
	}
}

void nr_engine_source_row(struct nr_engine *e, uint32_t source,
			  const struct nr_source_info *info,
			  const struct nr_run_info *run)
{
	const struct nr_source_state *s = &e->sources[source];
	struct nr_record *r = nr_out_row(e->out, &nr_rt_source);
	uint32_t snap = 0;
	bool no_limit = false;
	/* A signal ends a pipe early without the reader knowing. */
	bool interrupted = e->stats.interrupted && (!s->ended || !info->is_regular);

	nr_set_int(r, NR_SOURCE_source_id, nr_engine_source_id(e, source));
	nr_set_int(r, NR_SOURCE_run_id, (int64_t)e->cfg.run_id);
	nr_set_str(r, NR_SOURCE_name, info->name);
	nr_set_str(r, NR_SOURCE_format, info->format);
	nr_set_str(r, NR_SOURCE_compression, info->compression);
	if (info->bytes >= 0 && (s->ended || info->is_regular))
		nr_set_int(r, NR_SOURCE_bytes, info->bytes);
	/* The reader may be ahead: what it knows counts once the end was processed. */
	if (info->sha256[0] && s->ended && !interrupted)
		nr_set_str(r, NR_SOURCE_sha256, info->sha256);
	nr_set_str(r, NR_SOURCE_hash_note,
		   interrupted                    ? "interrupted"
		   : info->sha256[0] && !s->ended ? "it was not read to its end"
						  : info->hash_note);
	nr_set_int(r, NR_SOURCE_packets, (int64_t)s->packets);
	nr_set_int(r, NR_SOURCE_wire_bytes, (int64_t)s->wire_bytes);
	nr_set_int(r, NR_SOURCE_captured_bytes, (int64_t)s->captured_bytes);
	if (s->packets) {
		nr_set_int(r, NR_SOURCE_first_ns, s->first_ns);
		nr_set_int(r, NR_SOURCE_last_ns, s->last_ns);
	}
	nr_set_str(r, NR_SOURCE_link_types, link_types(e, s));
	for (size_t i = 0; i < s->n_interfaces; i++) {
		if (s->interfaces[i].i.snap_len > snap)
			snap = s->interfaces[i].i.snap_len;
		no_limit |= !s->interfaces[i].i.snap_len;
	}
	if (snap && !no_limit)
		nr_set_int(r, NR_SOURCE_snap_len, snap);
	if (s->n_damages > 1)
		nr_set_str(r, NR_SOURCE_damage,
			   nr_arena_printf(&e->out->arena, "%s (and %u more)", s->damage,
					   s->n_damages - 1));
	else
		nr_set_str(r, NR_SOURCE_damage, s->damage);
	nr_set_int(r, NR_SOURCE_interrupted, interrupted);
	nr_set_str(r, NR_SOURCE_record_options, run->record_options);
	nr_set_int(r, NR_SOURCE_time_backwards, (int64_t)s->time_backwards);
	nr_set_int(r, NR_SOURCE_time_jumps, (int64_t)s->time_jumps);
	nr_set_int(r, NR_SOURCE_times_clamped, (int64_t)s->times_clamped);
}

void nr_engine_ledger_rows(struct nr_engine *e)
{
	size_t n;
	const struct nr_ledger_line *l = nr_ledger_lines(e->ledger, &n);

	for (size_t i = 0; i < n; i++) {
		struct nr_record *r;
		char buf[64];
		const char *d = nr_ledger_detail(&l[i], buf);

		nr_engine_breathe(e);
		r = nr_out_row(e->out, &nr_rt_ledger);
		nr_set_int(r, NR_LEDGER_source_id, nr_engine_source_id(e, l[i].source));
		nr_set_str(r, NR_LEDGER_bucket, nr_bucket_name(l[i].bucket));
		if (d)
			nr_set_str(r, NR_LEDGER_detail,
				   nr_arena_copy(&e->out->arena, d, strlen(d)));
		nr_set_int(r, NR_LEDGER_packets, (int64_t)l[i].packets);
		nr_set_int(r, NR_LEDGER_wire_bytes, (int64_t)l[i].wire_bytes);
		e->stats.bucket_packets[l[i].bucket] += l[i].packets;
		e->stats.bucket_bytes[l[i].bucket] += l[i].wire_bytes;
	}
}

void nr_engine_run_row(struct nr_engine *e, const struct nr_run_info *run, int status)
{
	struct nr_record *r = nr_out_row(e->out, &nr_rt_run);
	struct rusage ru;
	struct timespec now;

	nr_set_int(r, NR_RUN_run_id, (int64_t)e->cfg.run_id);
	nr_set_str(r, NR_RUN_tool_version, NR_VERSION);
	nr_set_int(r, NR_RUN_schema_version, NR_SCHEMA_VERSION);
	nr_set_str(r, NR_RUN_argv, run->argv);
	nr_set_str(r, NR_RUN_cwd, run->cwd);
	nr_set_str(r, NR_RUN_host, run->host);
	nr_set_int(r, NR_RUN_started_ns, run->started_ns);
	nr_set_int(r, NR_RUN_threads, run->threads);
	nr_set_str(r, NR_RUN_libraries, run->libraries);
	nr_set_str(r, NR_RUN_sandbox, run->sandbox);
	nr_set_str(r, NR_RUN_clock_state, run->clock_state);
	if (status < 0)
		return;
	/* The run's own times are the only ones that come from the host's clock. */
	clock_gettime(CLOCK_REALTIME, &now);
	nr_set_int(r, NR_RUN_finished_ns, now.tv_sec * 1000000000ll + now.tv_nsec);
	nr_set_int(r, NR_RUN_exit_status, status);
	if (getrusage(RUSAGE_SELF, &ru) == 0)
		nr_set_int(r, NR_RUN_peak_memory, ru.ru_maxrss * 1024);
}

void nr_engine_source_rows(struct nr_engine *e, const struct nr_merge *m,
			   const struct nr_run_info *run)
{
	for (size_t i = 0; i < e->n_sources; i++) {
		nr_engine_breathe(e);
		nr_engine_source_row(e, (uint32_t)i, nr_merge_info(m, i), run);
		nr_engine_interface_rows(e, (uint32_t)i);
	}
	nr_engine_ledger_rows(e);
	nr_engine_run_row(e, run, e->stats.n_damaged || e->stats.interrupted ? 3 : 0);
}

const char *nr_engine_damage(const struct nr_engine *e, size_t source)
{
	return source < e->n_sources ? e->sources[source].damage : NULL;
}
