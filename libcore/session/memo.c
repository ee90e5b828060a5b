/* SPDX-License-Identifier: BSD-3-Clause */
#include "session/memo.h"

#include "base/mem.h"

#include <string.h>

enum { FIRST_SLOTS = 64 };

struct slot {
	uint8_t key[NR_MEMO_KEY];
	int16_t value; /* -1: free */
};

struct nr_memo {
	struct slot *slots; /* open addressing, at most half full */
	uint32_t n, n_slots;
};

static struct slot *slots_new(uint32_t n)
{
	struct slot *s = nr_xmalloc(n * sizeof(*s));

	for (uint32_t i = 0; i < n; i++)
		s[i].value = -1;
	return s;
}

struct nr_memo *nr_memo_new(void)
{
	struct nr_memo *m = nr_xcalloc(1, sizeof(*m));

	m->n_slots = FIRST_SLOTS;
	m->slots = slots_new(m->n_slots);
	return m;
}

void nr_memo_free(struct nr_memo *m)
{
	if (!m)
		return;
	nr_free(m->slots);
	nr_free(m);
}

/* The keys are hashes: any of their bits will do. The probes of a table that is half full
   and capped stay short enough for chosen ones, too: finding them costs 2^16 each. */
static struct slot *find(const struct nr_memo *m, const uint8_t *key)
{
	uint32_t i;

	memcpy(&i, key, 4);
	for (i &= m->n_slots - 1; m->slots[i].value >= 0; i = (i + 1) & (m->n_slots - 1))
		if (!memcmp(m->slots[i].key, key, NR_MEMO_KEY))
			break;
	return &m->slots[i];
}

int nr_memo_get(const struct nr_memo *m, const uint8_t key[NR_MEMO_KEY])
{
	return m ? find(m, key)->value : -1;
}

static void grow(struct nr_memo *m)
{
	struct slot *old = m->slots;
	uint32_t n = m->n_slots;

	m->n_slots *= 2;
	m->slots = slots_new(m->n_slots);
	for (uint32_t i = 0; i < n; i++) {
		if (old[i].value >= 0)
			*find(m, old[i].key) = old[i];
	}
	nr_free(old);
}

void nr_memo_set(struct nr_memo *m, const uint8_t key[NR_MEMO_KEY], uint8_t value)
{
	struct slot *s;

	if (!m || m->n == NR_MEMO_MAX)
		return;
	if ((m->n + 1) * 2 > m->n_slots)
		grow(m);
	s = find(m, key);
	m->n += s->value < 0;
	memcpy(s->key, key, NR_MEMO_KEY);
	s->value = value;
}
