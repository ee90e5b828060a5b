/* SPDX-License-Identifier: BSD-3-Clause */
/* --trigger: anomalies that make a capture write what it keeps in memory. */
#include "capture.h"

#include "base/mem.h"
#include "record/anomaly.h"
#include "record/tables.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct triggers {
	bool wanted[NR_N_ANOMALIES];
	bool has_come;
	char why[80];
};

static struct triggers *triggers_of(struct nr_sink *s)
{
	return (struct triggers *)(void *)s->ctx;
}

static int kind_of(const char *name, size_t len)
{
	for (int i = 0; i < NR_N_ANOMALIES; i++)
		if (strlen(nr_anomaly_info[i].name) == len &&
		    !memcmp(nr_anomaly_info[i].name, name, len))
			return i;
	return -1;
}

static int triggers_write(struct nr_sink *s, struct nr_record *const *r, size_t n,
			  struct nr_err *err)
{
	struct triggers *t = triggers_of(s);

	(void)err;
	for (size_t i = 0; i < n && !t->has_come; i++) {
		const struct nr_value *v = &r[i]->v[NR_ANOMALY_kind];
		int kind;

		if (r[i]->type != &nr_rt_anomaly || v->kind != NR_V_TEXT)
			continue;
		kind = kind_of(v->p, v->len);
		if (kind < 0 || !t->wanted[kind])
			continue;
		t->has_come = true;
		snprintf(t->why, sizeof(t->why), "anomaly %s",
			 nr_anomaly_info[kind].name);
	}
	return 0;
}

static int triggers_finish(struct nr_sink *s, struct nr_err *err)
{
	(void)s;
	(void)err;
	return 0;
}

void nr_triggers_free(struct nr_sink *s)
{
	nr_free(s);
}

static const struct nr_sink_ops triggers_ops = {
	.name = "triggers",
	.ctx_size = sizeof(struct triggers),
	.write = triggers_write,
	.finish = triggers_finish,
	.close = nr_triggers_free,
};

int nr_triggers_new(struct nr_sink **out, const struct nr_list *kinds, struct nr_err *err)
{
	struct nr_sink *s = nr_xcalloc(1, sizeof(*s) + sizeof(struct triggers));

	s->ops = &triggers_ops;
	s->target = "triggers";
	s->no_index = s->no_ident = true;
	for (size_t i = 0; i < kinds->n; i++) {
		int kind = kind_of(kinds->v[i], strlen(kinds->v[i]));

		if (kind < 0) {
			nr_free(s);
			return nr_fail(err, -EINVAL,
				       "--trigger %s: there is no such anomaly; "
				       "nrtool-schema(5) lists them",
				       kinds->v[i]);
		}
		triggers_of(s)->wanted[kind] = true;
	}
	*out = s;
	return 0;
}

const char *nr_triggers_take(struct nr_sink *s)
{
	struct triggers *t = triggers_of(s);

	if (!t->has_come)
		return NULL;
	t->has_come = false;
	return t->why;
}
