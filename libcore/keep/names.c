/* SPDX-License-Identifier: BSD-3-Clause */
#include "keep/names.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* How much of the name is no ending. */
static size_t stem_len(const char *name)
{
	static const char *const endings[] = { ".zst", ".pcapng", ".db", ".jsonl" };
	size_t n = strlen(name);

	for (unsigned i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
		size_t m = strlen(endings[i]);

		if (n > m && name[n - m - 1] != '/' &&
		    !memcmp(name + n - m, endings[i], m)) {
			n -= m;
			if (i) /* one ending of a kind, behind .zst */
				break;
		}
	}
	return n;
}

char *nr_keep_name(const char *target, int64_t ns, unsigned n)
{
	size_t stem = stem_len(target), room = strlen(target) + 40;
	time_t t = (time_t)(ns / 1000000000 - (ns % 1000000000 < 0));
	char when[24], *s = nr_xmalloc(room);
	struct tm tm;

	gmtime_r(&t, &tm);
	if (!strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm))
		when[0] = '\0';
	if (n)
		snprintf(s, room, "%.*s-%s_%04u%s", (int)stem, target, when, n,
			 target + stem);
	else
		snprintf(s, room, "%.*s-%s%s", (int)stem, target, when, target + stem);
	return s;
}

char *nr_keep_pattern(const char *target)
{
	size_t stem = stem_len(target), room = strlen(target) + 3;
	char *s = nr_xmalloc(room);

	snprintf(s, room, "%.*s-*%s", (int)stem, target, target + stem);
	return s;
}
