/* SPDX-License-Identifier: BSD-3-Clause */
#include "dns_open.h"

#include <assert.h>

enum { BY_QUESTION, BY_ID, BY_AGE, N_LISTS, NIL = -1 };

struct link {
	int32_t prev, next;
};

struct list {
	int32_t head, tail;
};

struct node {
	struct nr_dns_query q; /* first: a query leads to its node */
	struct link link[N_LISTS];
};

/* Nodes are as many as buckets, a power of two. Free nodes are chained by age's next. */
struct nr_dns_table {
	struct node *node;
	struct list *bucket[2]; /* BY_QUESTION, BY_ID */
	struct list age;
	int32_t free;
	uint32_t n, n_open;
};

enum { FIRST_NODES = 8 };

static void list_append(struct nr_dns_table *t, struct list *l, unsigned k, int32_t i)
{
	t->node[i].link[k] = (struct link){ .prev = l->tail, .next = NIL };
	if (l->tail == NIL)
		l->head = i;
	else
		t->node[l->tail].link[k].next = i;
	l->tail = i;
}

static void list_remove(struct nr_dns_table *t, struct list *l, unsigned k, int32_t i)
{
	struct link at = t->node[i].link[k];

	if (at.prev == NIL)
		l->head = at.next;
	else
		t->node[at.prev].link[k].next = at.next;
	if (at.next == NIL)
		l->tail = at.prev;
	else
		t->node[at.next].link[k].prev = at.prev;
}

static struct list *bucket_of(const struct nr_dns_open *o, struct nr_dns_table *t,
			      unsigned k, unsigned side, uint16_t id, uint64_t hash)
{
	uint64_t what = (uint64_t)id << 1 | side;

	if (k == BY_QUESTION)
		what ^= nr_rotl(hash, 24);
	return &t->bucket[k][nr_mix(what ^ o->key.k0, o->key.k1 | 1) >> 20 & (t->n - 1)];
}

static void enlist(const struct nr_dns_open *o, struct nr_dns_table *t, unsigned k,
		   int32_t i)
{
	const struct nr_dns_query *q = &t->node[i].q;

	list_append(t, bucket_of(o, t, k, q->side, q->id, q->hash), k, i);
}

static void free_bytes(struct nr_dns_open *o, struct nr_dns_query *q,
		       struct nr_account *a)
{
	if (q->far)
		o->far_bytes -= q->len;
	nr_account_free(a, q->far, q->len);
	q->far = NULL;
}

static bool copy_bytes(struct nr_dns_open *o, struct nr_dns_query *to,
		       const struct nr_dns_query *q, struct nr_account *a,
		       const uint8_t *msg)
{
	uint8_t *far = NULL;

	if (q->len > NR_DNS_INLINE) {
		if (q->len > NR_DNS_OPEN_BYTES - o->far_bytes)
			return false;
		far = nr_account_alloc(a, q->len);
		if (!far)
			return false;
		o->far_bytes += q->len;
	}
	memcpy(to, q, offsetof(struct nr_dns_query, near));
	to->far = far;
	memcpy(far ? far : to->near, msg, q->len);
	return true;
}

static void table_free(struct nr_dns_table *t, struct nr_account *a)
{
	nr_account_free(a, t->node, t->n * sizeof(*t->node));
	nr_account_free(a, t->bucket[0], t->n * sizeof(struct list));
	nr_account_free(a, t->bucket[1], t->n * sizeof(struct list));
	nr_account_free(a, t, sizeof(*t));
}

static void chain_free_nodes(struct nr_dns_table *t, uint32_t from)
{
	for (uint32_t i = from; i < t->n; i++)
		t->node[i].link[BY_AGE].next = i + 1 < t->n ? (int32_t)(i + 1) : NIL;
	t->free = (int32_t)from;
}

static void refill(const struct nr_dns_open *o, struct nr_dns_table *t, unsigned k)
{
	for (uint32_t i = 0; i < t->n; i++)
		t->bucket[k][i] = (struct list){ NIL, NIL };
	for (int32_t i = t->age.head; i != NIL; i = t->node[i].link[BY_AGE].next)
		enlist(o, t, k, i);
}

/* Makes it n nodes: all is allocated, or nothing changed. */
static bool table_resize(struct nr_dns_open *o, struct nr_dns_table *t,
			 struct nr_account *a, uint32_t n)
{
	struct list *b[2] = { nr_account_alloc(a, n * sizeof(struct list)),
			      nr_account_alloc(a, n * sizeof(struct list)) };
	uint32_t old = t->n;
	struct node *node = NULL;

	if (b[0] && b[1])
		node = nr_account_realloc(a, t->node, old * sizeof(*node),
					  n * sizeof(*node));
	if (!node) {
		nr_account_free(a, b[0], n * sizeof(struct list));
		nr_account_free(a, b[1], n * sizeof(struct list));
		return false;
	}
	t->node = node;
	t->n = n;
	chain_free_nodes(t, old);
	for (unsigned k = 0; k < 2; k++) {
		nr_account_free(a, t->bucket[k], old * sizeof(struct list));
		t->bucket[k] = b[k];
		refill(o, t, k);
	}
	return true;
}

static struct nr_dns_table *table_new(struct nr_dns_open *o, struct nr_account *a)
{
	struct nr_dns_table *t = nr_account_alloc(a, sizeof(*t));

	if (!t)
		return NULL;
	t->age = (struct list){ NIL, NIL };
	t->free = NIL;
	if (!table_resize(o, t, a, FIRST_NODES)) {
		table_free(t, a);
		return NULL;
	}
	return t;
}

/* A free node takes the query over, with its bytes; there is one. */
static struct nr_dns_query *table_take(struct nr_dns_open *o,
				       const struct nr_dns_query *q)
{
	struct nr_dns_table *t = o->table;
	int32_t i = t->free;

	t->free = t->node[i].link[BY_AGE].next;
	t->n_open++;
	t->node[i].q = *q;
	list_append(t, &t->age, BY_AGE, i);
	enlist(o, t, BY_QUESTION, i);
	enlist(o, t, BY_ID, i);
	return &t->node[i].q;
}

static bool make_room(struct nr_dns_open *o, struct nr_account *a)
{
	struct nr_dns_table *t = o->table;

	if (t)
		return t->free != NIL ||
		       (t->n < NR_DNS_OPEN_MAX && table_resize(o, t, a, t->n * 2));
	o->table = table_new(o, a);
	if (!o->table)
		return false;
	table_take(o, &o->one);
	o->has_one = false;
	return true;
}

bool nr_dns_open_add(struct nr_dns_open *o, struct nr_account *a,
		     const struct nr_dns_query *q, const uint8_t *msg)
{
	struct nr_dns_query copy;

	if (!o->table && !o->has_one)
		return o->has_one = copy_bytes(o, &o->one, q, a, msg);
	if (!make_room(o, a) || !copy_bytes(o, &copy, q, a, msg))
		return false;
	table_take(o, &copy);
	return true;
}

static bool is_it(const struct nr_dns_query *q, unsigned side, uint16_t id)
{
	return q->side == side && q->id == id;
}

struct nr_dns_query *nr_dns_open_find(struct nr_dns_open *o, unsigned side, uint16_t id,
				      uint64_t hash)
{
	struct nr_dns_table *t = o->table;

	if (o->has_one && is_it(&o->one, side, id) && o->one.hash == hash)
		return &o->one;
	if (!t || !t->n_open)
		return NULL;
	for (int32_t i = bucket_of(o, t, BY_QUESTION, side, id, hash)->head; i != NIL;
	     i = t->node[i].link[BY_QUESTION].next) {
		struct nr_dns_query *q = &t->node[i].q;

		if (is_it(q, side, id) && q->hash == hash)
			return q;
	}
	return NULL;
}

struct nr_dns_query *nr_dns_open_find_id(struct nr_dns_open *o, unsigned side,
					 uint16_t id)
{
	struct nr_dns_table *t = o->table;

	if (o->has_one && is_it(&o->one, side, id))
		return &o->one;
	if (!t || !t->n_open)
		return NULL;
	for (int32_t i = bucket_of(o, t, BY_ID, side, id, 0)->head; i != NIL;
	     i = t->node[i].link[BY_ID].next) {
		if (is_it(&t->node[i].q, side, id))
			return &t->node[i].q;
	}
	return NULL;
}

struct nr_dns_query *nr_dns_open_oldest(struct nr_dns_open *o)
{
	struct nr_dns_table *t = o->table;

	if (o->has_one)
		return &o->one;
	return t && t->n_open ? &t->node[t->age.head].q : NULL;
}

void nr_dns_open_remove(struct nr_dns_open *o, struct nr_account *a,
			struct nr_dns_query *q)
{
	struct nr_dns_table *t = o->table;
	int32_t i;

	free_bytes(o, q, a);
	if (q == &o->one) {
		o->has_one = false;
		return;
	}
	assert(t && t->n_open);
	i = (int32_t)((struct node *)q - t->node);
	list_remove(t, &t->age, BY_AGE, i);
	list_remove(t, bucket_of(o, t, BY_QUESTION, q->side, q->id, q->hash), BY_QUESTION,
		    i);
	list_remove(t, bucket_of(o, t, BY_ID, q->side, q->id, 0), BY_ID, i);
	t->node[i].link[BY_AGE].next = t->free;
	t->free = i;
	t->n_open--;
}

void nr_dns_open_free(struct nr_dns_open *o, struct nr_account *a)
{
	struct nr_dns_query *q;

	while ((q = nr_dns_open_oldest(o)))
		nr_dns_open_remove(o, a, q);
	if (o->table)
		table_free(o->table, a);
	o->table = NULL;
}
