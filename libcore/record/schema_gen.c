/* SPDX-License-Identifier: BSD-3-Clause */
/* Prints sql/schema.sql ("ddl"), man/nrtool-schema.5 ("mdoc") or the JSON ("json"). */
#include "record/schema.h"
#include "record/tables.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*put)(struct nr_buf *out, const struct nr_record_type *const *types,
			    size_t n);
	} forms[] = {
		{ "ddl", nr_schema_ddl },
		{ "json", nr_schema_json },
		{ "mdoc", nr_schema_mdoc },
	};

	for (size_t i = 0; argc == 2 && i < sizeof(forms) / sizeof(*forms); i++) {
		struct nr_buf b = { 0 };

		if (strcmp(argv[1], forms[i].name) != 0)
			continue;
		forms[i].put(&b, nr_record_types, nr_n_record_types);
		fwrite(b.p, 1, b.len, stdout);
		nr_buf_fini(&b);
		return fflush(stdout) == 0 ? 0 : 1;
	}
	fputs("usage: schema_gen ddl|json|mdoc\n", stderr);
	return 2;
}
