/* SPDX-License-Identifier: BSD-3-Clause */
#include "session/account.h"

#include "base/mem.h"

static bool charge(struct nr_account *a, size_t n)
{
	if (n > a->max || a->used > a->max - n) {
		a->refused++;
		return false;
	}
	a->used += n;
	return true;
}

void *nr_account_alloc(struct nr_account *a, size_t n)
{
	return charge(a, n + NR_ACCOUNT_OVERHEAD) ? nr_xcalloc(1, n) : NULL;
}

void *nr_account_realloc(struct nr_account *a, void *p, size_t old, size_t n)
{
	if (!p)
		old = 0;
	else
		old += NR_ACCOUNT_OVERHEAD;
	n += NR_ACCOUNT_OVERHEAD;
	if (n > old && !charge(a, n - old))
		return NULL;
	if (n < old)
		a->used -= old - n;
	return nr_xrealloc(p, n - NR_ACCOUNT_OVERHEAD);
}

void nr_account_free(struct nr_account *a, void *p, size_t n)
{
	if (!p)
		return;
	a->used -= n + NR_ACCOUNT_OVERHEAD;
	nr_free(p);
}
