/* SPDX-License-Identifier: BSD-3-Clause */
/* What a flow is known for: services as small numbers in the flow. */
#include "session/session.h"

#include <string.h>

enum { SERVICES_OF_A_PARSER = 8 }; /* ids: 1 + index of the parser × 8 + of the service */

static const char *service_name(uint16_t id)
{
	id--;
	return nr_parsers[id / SERVICES_OF_A_PARSER]->services[id % SERVICES_OF_A_PARSER];
}

static uint16_t service_id(const char *name)
{
	for (unsigned i = 0; nr_parsers[i]; i++) {
		const char *const *names = nr_parsers[i]->services;

		for (unsigned k = 0; names[k]; k++) {
			if (names[k] == name || !strcmp(names[k], name))
				return (uint16_t)(1 + i * SERVICES_OF_A_PARSER + k);
		}
	}
	return 0;
}

void nr_flow_add_service(struct nr_flow *f, const char *name)
{
	for (unsigned i = 0; i < NR_MAX_SERVICES; i++) {
		if (!f->services[i]) {
			f->services[i] = service_id(name);
			return;
		}
		if (!strcmp(service_name(f->services[i]), name))
			return; /* every message says so: no search */
	}
}

const char *nr_flow_services(const struct nr_flow *f, struct nr_arena *a)
{
	const char *s = NULL;

	for (unsigned i = 0; i < NR_MAX_SERVICES && f->services[i]; i++) {
		const char *name = service_name(f->services[i]);

		s = s ? nr_arena_printf(a, "%s,%s", s, name) : name;
	}
	return s;
}

const char *nr_parser_close_name(enum nr_parser_close c)
{
	static const char *const names[] = {
		[NR_CLOSE_DONE] = "done",         [NR_CLOSE_ERROR] = "error",
		[NR_CLOSE_GAP] = "gap",           [NR_CLOSE_OVERFLOW] = "overflow",
		[NR_CLOSE_NOT_MINE] = "not_mine", [NR_CLOSE_FLOW_END] = "flow_end",
	};

	return names[c];
}
