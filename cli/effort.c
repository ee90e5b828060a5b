/* SPDX-License-Identifier: BSD-3-Clause */
#include "effort.h"

#include "base/text.h"
#include "text.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

struct line {
	const char *key, *what, *unit; /* unit: "ns", "bytes" or "" */
	uint64_t value;
};

int nr_effort_form_of(const char *text, enum nr_effort_form *form)
{
	*form = !text                   ? NR_EFFORT_NONE
		: !strcmp(text, "json") ? NR_EFFORT_JSON
					: NR_EFFORT_TEXT;
	return !text || !strcmp(text, "json") || !strcmp(text, "text") ? 0 : -EINVAL;
}

static uint64_t ns_of(struct timeval t)
{
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_usec * 1000;
}

static void print_line(const struct line *l, enum nr_effort_form form, bool first,
		       FILE *f)
{
	char text[NR_TEXT_MAX];

	if (form == NR_EFFORT_JSON) {
		fprintf(f, "%s\"%s%s%s\":%llu", first ? "{" : ",", l->key,
			*l->unit ? "_" : "", l->unit, (unsigned long long)l->value);
		return;
	}
	if (!strcmp(l->unit, "ns"))
		fprintf(f, "%-44s%12.3f s\n", l->what, (double)l->value / 1e9);
	else if (!strcmp(l->unit, "bytes"))
		fprintf(f, "%-44s%14s\n", l->what, nr_text_bytes(text, l->value));
	else
		fprintf(f, "%-44s%14s\n", l->what, nr_text_count(text, l->value));
}

void nr_effort_print(const struct nr_engine *e, const struct nr_outputs *out,
		     int64_t spent_ns, bool hashed, enum nr_effort_form form, FILE *f)
{
	uint64_t databases = 0, archives = 0, queue_ns = 0, end_ns = 0, finish_ns = 0;
	struct rusage ru = { 0 };
	struct nr_effort t;

	if (form == NR_EFFORT_NONE)
		return;
	nr_engine_effort(e, &t);
	getrusage(RUSAGE_SELF, &ru);
	for (size_t i = 0; i < out->n; i++) {
		const struct nr_sink *s = out->o[i].sink;

		databases += !strcmp(s->ops->name, "sqlite");
		archives += s->is_archive;
		queue_ns += s->waited_ns;
		end_ns += s->waited_end_ns;
		finish_ns += s->finish_ns;
	}
	const struct line lines[] = {
		{ "wall", "wall clock", "ns", (uint64_t)spent_ns },
		{ "user", "processors, in the program", "ns", ns_of(ru.ru_utime) },
		{ "system", "processors, in the kernel", "ns", ns_of(ru.ru_stime) },
		{ "threads", "threads of the engine", "", t.threads },
		{ "hash_threads", "threads that hash, one an open input", "", hashed },
		{ "database_threads", "threads that write databases", "", databases },
		{ "archives", "archives written, with threads of their own", "",
		  archives },
		{ "read", "reading", "ns", t.read_ns },
		{ "intake", "filter, decode, fragments, keys", "ns", t.intake_ns },
		{ "shards", "flows and sessions, all threads", "ns", t.shards_ns },
		{ "merge", "merge and outputs", "ns", t.merge_ns },
		{ "queue_wait", "of it waiting for databases", "ns", queue_ns },
		{ "queue_wait_end", "of that behind the last packet", "ns", end_ns },
		{ "finish", "indexes, checks, syncs of the outputs", "ns", finish_ns },
		{ "engine_wait", "main thread waiting for others", "ns", t.waited_ns },
		{ "steps", "steps", "", t.steps },
		{ "pauses", "pauses for want of room for records", "", t.pauses },
		{ "flows_most", "flows open at once", "", t.flows_most },
		{ "slots", "slots of the flow table", "", t.slots },
		{ "per_flow", "memory of an idle flow", "bytes",
		  t.flows_most ? t.flow_bytes / t.flows_most : 0 },
		{ "peak", "most memory resident", "bytes",
		  (uint64_t)ru.ru_maxrss * 1024 },
	};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		print_line(&lines[i], form, i == 0, f);
	if (form == NR_EFFORT_JSON)
		fputs("}\n", f);
}
