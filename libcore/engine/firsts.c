/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/firsts.h"

#include "base/mem.h"
#include "base/text.h"

struct slot {
	uint64_t hash;
	char *key; /* table's name, NUL, values; NULL: free */
	size_t len;
};

struct nr_firsts {
	struct nr_siphash_key secret;
	struct slot *slots; /* open addressing, at most half full */
	size_t n, n_slots;
	struct nr_buf key; /* of the present row */
};

struct nr_firsts *nr_firsts_new(struct nr_siphash_key key)
{
	struct nr_firsts *f = nr_xcalloc(1, sizeof(*f));

	f->secret = key;
	f->n_slots = 256;
	f->slots = nr_xcalloc(f->n_slots, sizeof(*f->slots));
	return f;
}

void nr_firsts_free(struct nr_firsts *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n_slots; i++)
		nr_free(f->slots[i].key);
	nr_free(f->slots);
	nr_buf_fini(&f->key);
	nr_free(f);
}

static void key_of(struct nr_buf *b, const struct nr_record *r)
{
	nr_buf_clear(b);
	nr_buf_add(b, r->type->name, __builtin_strlen(r->type->name) + 1);
	for (unsigned i = 0; i < r->type->n_fields; i++) {
		const struct nr_value *v = &r->v[i];

		if (!(r->type->fields[i].flags & NR_F_KEY))
			continue;
		nr_buf_add(b, &v->kind, sizeof(v->kind));
		if (v->kind == NR_V_INT) {
			nr_buf_add(b, &v->i, sizeof(v->i));
		} else if (v->kind == NR_V_TEXT) {
			nr_buf_add(b, &v->len, sizeof(v->len));
			nr_buf_add(b, v->p, v->len);
		}
	}
}

/* Where the key stands, or the free slot where it would. */
static struct slot *find(const struct nr_firsts *f, uint64_t hash, const char *key,
			 size_t len)
{
	size_t i = hash & (f->n_slots - 1);

	while (f->slots[i].key && (f->slots[i].hash != hash || f->slots[i].len != len ||
				   memcmp(f->slots[i].key, key, len) != 0))
		i = (i + 1) & (f->n_slots - 1);
	return &f->slots[i];
}

static void grow(struct nr_firsts *f)
{
	struct slot *old = f->slots;
	size_t n = f->n_slots;

	f->n_slots *= 2;
	f->slots = nr_xcalloc(f->n_slots, sizeof(*f->slots));
	for (size_t i = 0; i < n; i++) {
		if (old[i].key)
			*find(f, old[i].hash, old[i].key, old[i].len) = old[i];
	}
	nr_free(old);
}

bool nr_firsts_is_new(struct nr_firsts *f, const struct nr_record *r)
{
	struct slot *s;
	uint64_t hash;

	key_of(&f->key, r);
	hash = nr_siphash(f->secret, f->key.p, f->key.len);
	s = find(f, hash, f->key.p, f->key.len);
	if (s->key)
		return false;
	if (f->n == NR_FIRSTS_MAX)
		return true;
	s->hash = hash;
	s->len = f->key.len;
	s->key = nr_xmalloc(f->key.len);
	memcpy(s->key, f->key.p, f->key.len);
	if (++f->n > f->n_slots / 2)
		grow(f);
	return true;
}

size_t nr_firsts_drop(struct nr_firsts *f, struct nr_records *rs)
{
	size_t kept = 0, dropped;

	for (size_t i = 0; i < rs->n; i++) {
		struct nr_record *r = rs->r[i];

		if (!(r->type->flags & NR_R_FIRST) || nr_firsts_is_new(f, r))
			rs->r[kept++] = r;
	}
	dropped = rs->n - kept;
	rs->n = kept;
	return dropped;
}
