/* SPDX-License-Identifier: BSD-3-Clause */
#include "source/packet.h"

#include "base/mem.h"

#include <string.h>

enum { N_TEXTS = 5 };

static void texts_of(struct nr_interface *i, struct nr_text *text[N_TEXTS])
{
	text[0] = &i->name;
	text[1] = &i->description;
	text[2] = &i->filter;
	text[3] = &i->os;
	text[4] = &i->hardware;
}

void nr_interface_copy(struct nr_interface *to, const struct nr_interface *from)
{
	struct nr_text *text[N_TEXTS];

	*to = *from;
	texts_of(to, text);
	for (unsigned k = 0; k < N_TEXTS; k++) {
		char *s;

		if (!text[k]->p)
			continue;
		s = nr_xmalloc(text[k]->len + 1);
		memcpy(s, text[k]->p, text[k]->len);
		s[text[k]->len] = '\0';
		text[k]->p = s;
	}
}

void nr_interface_fini(struct nr_interface *i)
{
	struct nr_text *text[N_TEXTS];

	texts_of(i, text);
	for (unsigned k = 0; k < N_TEXTS; k++) {
		nr_free((void *)(uintptr_t)text[k]->p);
		*text[k] = (struct nr_text){ 0 };
	}
}
