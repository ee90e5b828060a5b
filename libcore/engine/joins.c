/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one flow says of another, and what is said of all of them, joined where records
 * pass in the run's one order: so it does not matter who worked on which flow, and when.
 *
 * Parts leave notes (records that no sink sees) and joins (things to be added to a row).
 * What is told of a flow before its row comes (the flow that carries it, the service it
 * was announced for) waits in a table of as many entries as such flows are open.
 */
#include "engine/internal.h"

#include "base/mem.h"

struct told {
	uint64_t flow_id; /* 0: free */
	uint64_t carrier; /* 0: none */
	const char *service;
};

struct nr_joins {
	/* of the packet that is passing */
	uint64_t ordinal;
	uint64_t flow[NR_MAX_LEVELS]; /* 0: not told */
	struct {
		uint64_t hash, flow_id;
	} answer[NR_MAX_LEVELS];
	struct told *told; /* open addressing, at most half full */
	size_t n_told, told_cap;
	uint64_t secret;
	struct nr_labels *labels;
	struct nr_offload *offload;
	bool keep; /* flow rows are not the last of their flow */
};

const struct nr_record_type nr_rt_note = { .name = "note" };

enum { FIRST_TOLD = 64 };

struct nr_joins *nr_joins_new(struct nr_siphash_key secret)
{
	struct nr_joins *j = nr_xcalloc(1, sizeof(*j));

	j->secret = secret.k0;
	j->told_cap = FIRST_TOLD;
	j->told = nr_xcalloc(j->told_cap, sizeof(j->told[0]));
	j->labels = nr_labels_new();
	j->offload = nr_offload_new();
	return j;
}

void nr_joins_free(struct nr_joins *j)
{
	if (!j)
		return;
	nr_free(j->told);
	nr_labels_free(j->labels);
	nr_offload_free(j->offload);
	nr_free(j);
}

struct nr_offload *nr_joins_offload(struct nr_joins *j)
{
	return j->offload;
}

struct nr_join *nr_join_add(struct nr_out *o, struct nr_record *r, enum nr_join_kind kind)
{
	struct nr_join *j = nr_arena_zalloc(&o->arena, sizeof(*j));

	j->kind = (uint8_t)kind;
	j->next = r->join;
	r->join = j;
	return j;
}

struct nr_join *nr_join_note(struct nr_out *o, enum nr_join_kind kind)
{
	return nr_join_add(o, nr_out_row(o, &nr_rt_note), kind);
}

/* Where the flow's entry is, or would be. */
static size_t told_find(const struct nr_joins *j, uint64_t flow_id)
{
	size_t mask = j->told_cap - 1;
	size_t i = nr_mix(flow_id ^ j->secret, 0x9e3779b97f4a7c15) & mask;

	while (j->told[i].flow_id && j->told[i].flow_id != flow_id)
		i = (i + 1) & mask;
	return i;
}

static struct told *told_add(struct nr_joins *j, uint64_t flow_id)
{
	struct told *old = j->told, *t;
	size_t n = j->told_cap;

	if (j->n_told * 2 >= n) {
		j->told_cap *= 2;
		j->told = nr_xcalloc(j->told_cap, sizeof(j->told[0]));
		for (size_t i = 0; i < n; i++) {
			if (old[i].flow_id)
				j->told[told_find(j, old[i].flow_id)] = old[i];
		}
		nr_free(old);
	}
	t = &j->told[told_find(j, flow_id)];
	if (!t->flow_id) {
		t->flow_id = flow_id;
		j->n_told++;
	}
	return t;
}

/* Takes entry i out; those behind it move up, so that no search ends at the gap. */
static void told_remove(struct nr_joins *j, size_t i)
{
	size_t mask = j->told_cap - 1;

	j->told[i] = (struct told){ 0 };
	j->n_told--;
	for (size_t k = (i + 1) & mask; j->told[k].flow_id; k = (k + 1) & mask) {
		struct told t = j->told[k];

		j->told[k] = (struct told){ 0 };
		j->told[told_find(j, t.flow_id)] = t;
	}
}

static void born(struct nr_joins *j, const struct nr_join *x)
{
	uint64_t carrier = x->level ? j->flow[x->level - 1] : 0;
	const char *service = nr_labels_born(j->labels, x);
	struct told *t;

	if (!carrier && !service)
		return;
	t = told_add(j, x->id);
	t->carrier = carrier;
	t->service = service;
}

static bool is_tunnel_name(const char *s)
{
	for (unsigned k = 0; k < NR_N_TUNNELS; k++) {
		if (s == nr_tunnel_name(k))
			return true;
	}
	return false;
}

/* A flow is known first for what it was announced for, then for what it turned out to be.
 */
static void add_service(struct nr_record *r, const char *service, struct nr_arena *a)
{
	const struct nr_value *v = &r->v[NR_FLOW_service];
	const char *own = v->kind == NR_V_TEXT ? v->p : "", *all = service;
	unsigned n = 1;

	if (is_tunnel_name(own))
		return;
	while (*own && n < NR_MAX_SERVICES) {
		size_t len = strcspn(own, ",");

		if (strlen(service) != len || strncmp(own, service, len) != 0) {
			all = nr_arena_printf(a, "%s,%.*s", all, (int)len, own);
			n++;
		}
		own += len + (own[len] == ',');
	}
	nr_set_str(r, NR_FLOW_service, all);
}

static void tell(struct nr_joins *j, struct nr_record *r, struct nr_arena *a)
{
	size_t i = told_find(j, (uint64_t)r->v[NR_FLOW_flow_id].i);
	const struct told *t = &j->told[i];

	_Static_assert((int)NR_FLOW_parent_flow_id == (int)NR_FLOW_START_parent_flow_id,
		       "flow begins with the columns of flow_start");
	if (!t->flow_id)
		return;
	if (t->carrier)
		nr_set_int(r, NR_FLOW_parent_flow_id, (int64_t)t->carrier);
	if (r->type != &nr_rt_flow)
		return;
	if (t->service)
		add_service(r, t->service, a);
	if (!j->keep)
		told_remove(j, i);
}

void nr_joins_keep(struct nr_joins *j, bool keep)
{
	j->keep = keep;
}

void nr_joins_renumber(struct nr_joins *j,
		       uint64_t (*new_id)(const void *arg, uint64_t id), const void *arg)
{
	struct told *old = j->told;

	j->told = nr_xcalloc(j->told_cap, sizeof(j->told[0]));
	for (size_t i = 0; i < j->told_cap; i++) {
		struct told t = old[i];

		if (!t.flow_id)
			continue;
		t.flow_id = new_id(arg, t.flow_id);
		t.carrier = t.carrier ? new_id(arg, t.carrier) : 0;
		j->told[told_find(j, t.flow_id)] = t;
	}
	nr_free(old);
	nr_labels_renumber(j->labels, new_id, arg);
}

static void set_id(struct nr_record *r, unsigned field, uint64_t flow_id)
{
	if (flow_id)
		nr_set_int(r, field, (int64_t)flow_id);
}

static void join(struct nr_joins *j, struct nr_record *r, const struct nr_join *x)
{
	switch ((enum nr_join_kind)x->kind) {
	case NR_JOIN_FLOW:
		j->flow[x->level] = x->id;
		break;
	case NR_JOIN_ANSWER:
		j->answer[x->level].hash = x->hash;
		j->answer[x->level].flow_id = x->id;
		break;
	case NR_JOIN_BORN:
		born(j, x);
		break;
	case NR_JOIN_EXPECT:
		nr_labels_expect(j->labels, x);
		break;
	case NR_JOIN_CARRIER:
		set_id(r, x->field, j->flow[x->level]);
		break;
	case NR_JOIN_QUOTED:
		if (j->answer[x->level].hash == x->hash)
			set_id(r, x->field, j->answer[x->level].flow_id);
		break;
	case NR_JOIN_EXPECTED:
		set_id(r, x->field, nr_labels_came(j->labels, x->id));
		break;
	case NR_JOIN_HOSTS:
		nr_offload_flow(j->offload, x);
		break;
	}
}

void nr_joins_pass(struct nr_engine *e, struct nr_record *r, struct nr_arena *a)
{
	struct nr_joins *j = e->joins;

	if (r->join && r->order.ordinal != j->ordinal) {
		j->ordinal = r->order.ordinal;
		memset(j->flow, 0, sizeof(j->flow));
		memset(j->answer, 0, sizeof(j->answer));
	}
	for (const struct nr_join *x = r->join; x; x = x->next)
		join(j, r, x);
	if (j->n_told && (r->type == &nr_rt_flow || r->type == &nr_rt_flow_start ||
			  r->type == &nr_rt_flow_update))
		tell(j, r, a);
}
