/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A sink that looks at records as they pass: for --trigger, the anomalies that make a
 * capture write what it keeps in memory; for the live line, which protocols speak.
 */
#include "capture/capture.h"

#include "base/mem.h"
#include "record/anomaly.h"
#include "record/tables.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { MAX_TYPES = 64 };

struct spoken {
	const struct nr_record_type *type;
	uint64_t n; /* records since the last look */
};

struct watch {
	bool wanted[NR_N_ANOMALIES];
	bool has_come;
	char why[80];
	struct spoken spoken[MAX_TYPES];
	size_t n_spoken;
};

static struct watch *watch_of(struct nr_sink *s)
{
	return (struct watch *)(void *)s->ctx;
}

static int kind_of(const char *name, size_t len)
{
	for (int i = 0; i < NR_N_ANOMALIES; i++)
		if (strlen(nr_anomaly_info[i].name) == len &&
		    !memcmp(nr_anomaly_info[i].name, name, len))
			return i;
	return -1;
}

static void look_at_anomaly(struct watch *t, const struct nr_record *r)
{
	const struct nr_value *v = &r->v[NR_ANOMALY_kind];
	int kind = v->kind == NR_V_TEXT ? kind_of(v->p, v->len) : -1;

	if (kind < 0 || !t->wanted[kind] || t->has_come)
		return;
	t->has_come = true;
	snprintf(t->why, sizeof(t->why), "anomaly %s", nr_anomaly_info[kind].name);
}

static void count(struct watch *t, const struct nr_record_type *type)
{
	size_t i = 0;

	while (i < t->n_spoken && t->spoken[i].type != type)
		i++;
	if (i == MAX_TYPES)
		return;
	if (i == t->n_spoken)
		t->spoken[t->n_spoken++] = (struct spoken){ type, 0 };
	t->spoken[i].n++;
}

static int watch_write(struct nr_sink *s, struct nr_record *const *r, size_t n,
		       struct nr_err *err)
{
	struct watch *t = watch_of(s);

	(void)err;
	for (size_t i = 0; i < n; i++) {
		if (r[i]->type == &nr_rt_anomaly)
			look_at_anomaly(t, r[i]);
		else if (r[i]->type->flags & NR_R_SESSION)
			count(t, r[i]->type);
	}
	return 0;
}

static int watch_finish(struct nr_sink *s, struct nr_err *err)
{
	(void)s;
	(void)err;
	return 0;
}

void nr_watch_free(struct nr_sink *s)
{
	nr_free(s);
}

static const struct nr_sink_ops watch_ops = {
	.name = "watch",
	.ctx_size = sizeof(struct watch),
	.write = watch_write,
	.finish = watch_finish,
	.close = nr_watch_free,
};

int nr_watch_check(const struct nr_list *kinds, struct nr_err *err)
{
	for (size_t i = 0; i < kinds->n; i++)
		if (kind_of(kinds->v[i], strlen(kinds->v[i])) < 0)
			return nr_fail(err, -EINVAL,
				       "--trigger %s: there is no such anomaly; "
				       "nrtool-schema(5) lists them",
				       kinds->v[i]);
	return 0;
}

struct nr_sink *nr_watch_new(const struct nr_list *kinds)
{
	struct nr_sink *s = nr_xcalloc(1, sizeof(*s) + sizeof(struct watch));

	s->ops = &watch_ops;
	s->target = "watch";
	s->no_index = s->no_ident = true;
	for (size_t i = 0; i < kinds->n; i++)
		watch_of(s)->wanted[kind_of(kinds->v[i], strlen(kinds->v[i]))] = true;
	return s;
}

const char *nr_watch_take(struct nr_sink *s)
{
	struct watch *t = watch_of(s);

	if (!t->has_come)
		return NULL;
	t->has_come = false;
	return t->why;
}

void nr_watch_services(struct nr_sink *s, char *out, size_t size)
{
	enum { SHOWN = 3 };
	struct watch *t = watch_of(s);
	size_t at = 0;

	out[0] = '\0';
	for (int k = 0; k < SHOWN; k++) {
		struct spoken *most = NULL;
		int w;

		for (size_t i = 0; i < t->n_spoken; i++)
			if (t->spoken[i].n && (!most || t->spoken[i].n > most->n))
				most = &t->spoken[i];
		if (!most)
			break;
		w = snprintf(out + at, size - at, ", %s", most->type->name);
		at += w > 0 && (size_t)w < size - at ? (size_t)w : 0;
		most->n = 0;
	}
	for (size_t i = 0; i < t->n_spoken; i++)
		t->spoken[i].n = 0;
}
