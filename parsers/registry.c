/* SPDX-License-Identifier: BSD-3-Clause */
/* All parsers and all tables, from the list in parsers/meson.build. */
#include "parsers_list.h"
#include "record/tables.h"
#include "session/parser.h"

#include <string.h>

#define P(name) extern const struct nr_parser nr_parser_##name;
NR_PARSER_LIST(P)
#undef P

#define P(name) &nr_parser_##name,
const struct nr_parser *const nr_parsers[] = { NR_PARSER_LIST(P) NULL };
#undef P

#define T(name) extern const struct nr_record_type nr_rt_##name;
NR_SESSION_TABLE_LIST(T)
#undef T

#define NR_T(t, table, flags, indexes, doc) &nr_rt_##table,
#define T(name)                             &nr_rt_##name,
const struct nr_record_type *const nr_record_types[] = { NR_RECORD_TYPES(
	NR_T) NR_SESSION_TABLE_LIST(T) };
const size_t nr_n_record_types = sizeof(nr_record_types) / sizeof(*nr_record_types);

const struct nr_parser *nr_parser_find(const char *name)
{
	for (const struct nr_parser *const *p = nr_parsers; *p; p++) {
		if (!strcmp((*p)->name, name))
			return *p;
	}
	return NULL;
}
