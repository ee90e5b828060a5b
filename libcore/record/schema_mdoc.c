/* SPDX-License-Identifier: BSD-3-Clause */
/* The manual page of the schema. */
#include "record/anomaly.h"
#include "record/schema.h"
#include "record/sql.h"
#include "record/tables.h"

#include <stdio.h>
#include <string.h>

/* Takes the application id and the version of the schema. */
#define MDOC_HEAD                                                                        \
	".\\\" SPDX-License-Identifier: BSD-3-Clause\n"                                  \
	".\\\" Generated from the record tables by ninja schema: do not edit.\n"         \
	".Dd November 23, 2026\n"                                                        \
	".Dt NRTOOL-SCHEMA 5\n"                                                          \
	".Os\n"                                                                          \
	".Sh NAME\n"                                                                     \
	".Nm nrtool-schema\n"                                                            \
	".Nd tables and JSON lines that nrtool writes\n"                                 \
	".Sh DESCRIPTION\n"                                                              \
	"A session database is an SQLite file with\n"                                    \
	".Ql application_id\n"                                                           \
	"0x%x\n"                                                                         \
	".Pq Dq nrto\n"                                                                  \
	"and\n"                                                                          \
	".Ql user_version\n"                                                             \
	"%d, the version of this schema.\n"                                              \
	"Its tables are STRICT.\n"                                                       \
	"Later versions only add to it.\n"                                               \
	".Pp\n"                                                                          \
	"JSON lines hold the same records, one object a line:\n"                         \
	".Va type\n"                                                                     \
	"is the table,\n"                                                                \
	".Va ts\n"                                                                       \
	"the time as RFC 3339 with nine digits, then follow the columns.\n"              \
	"NULL columns are left out, blobs are base64, columns of type json are\n"        \
	"embedded as they are, and a record that belongs to a flow also has\n"           \
	".Va proto , src_ip , src_port , dst_ip , dst_port\n"                            \
	"and\n"                                                                          \
	".Va community_id\n"                                                             \
	"of it.\n"                                                                       \
	".Pp\n"                                                                          \
	"NULL means not known or not applicable, never 0.\n"                             \
	"A time is nanoseconds since 1970 in UTC, a boolean 0 or 1, an address its\n"    \
	"canonical text.\n"                                                              \
	"Text from the wire is valid UTF-8: bytes that are not, and NUL, are written\n"  \
	"as\n"                                                                           \
	".Ql \\ex\n"                                                                     \
	"and two hexadecimal digits.\n"                                                  \
	"In all tables src is the flow's initiator and dst its responder.\n"             \
	".Sh TABLES\n"

#define MDOC_TAIL                                                                        \
	".Sh SEE ALSO\n"                                                                 \
	".Xr nrtool 1 ,\n"                                                               \
	".Xr sqlite3 1\n"

/* A text as lines of at most 76 bytes, in which nothing is a macro or an escape. */
static void mdoc_text(struct nr_buf *out, const char *s)
{
	size_t column = 0;

	while (*s) {
		size_t n = strcspn(s, " ");

		if (column + n > 74 || (column && (*s == '.' || *s == '\''))) {
			nr_buf_char(out, '\n');
			column = 0;
		}
		if (column)
			nr_buf_char(out, ' ');
		else if (*s == '.' || *s == '\'')
			nr_buf_str(out, "\\&");
		column += n + 1;
		for (; n; n--, s++) {
			if (*s == '\\')
				nr_buf_str(out, "\\e");
			else if (*s == '-' && s[1] == '-') /* an option: not a dash */
				nr_buf_str(out, "\\-");
			else
				nr_buf_char(out, *s);
		}
		s += strspn(s, " ");
	}
}

static void mdoc_field(struct nr_buf *out, const struct nr_field *f)
{
	nr_buf_printf(out, ".It Va %s\n", f->name);
	nr_buf_printf(out, ".Pq %s", nr_schema_type_name(f->type));
	if (f->unit && f->type != NR_F_TIME)
		nr_buf_printf(out, ", %s", f->unit);
	if (f->flags & NR_F_KEY)
		nr_buf_str(out, ", key");
	nr_buf_char(out, '\n');
	mdoc_text(out, f->doc);
	nr_buf_str(out, f->values ? ":\n" : ".\n");
	for (const char *const *v = f->values; v && *v; v++) {
		nr_buf_str(out, ".Ql ");
		mdoc_text(out, *v);
		nr_buf_str(out, v[1] ? " ,\n" : " .\n");
	}
	if (f->references) {
		nr_buf_str(out, "Refers to\n.Va ");
		nr_buf_add(out, f->references, strcspn(f->references, "("));
		nr_buf_str(out, " .\n");
	}
}

static void mdoc_tables(struct nr_buf *out, const struct nr_record_type *const *types,
			size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct nr_record_type *t = types[i];

		nr_buf_printf(out, ".Ss %s\n", t->name);
		mdoc_text(out, t->doc);
		nr_buf_str(out, ".\n");
		if (t->flags & NR_R_CONTAINER)
			nr_buf_str(out,
				   "Describes the container: may differ between twins "
				   "of a capture.\n");
		if (t->flags & NR_R_RUN)
			nr_buf_str(out, "May differ from run to run.\n");
		nr_buf_str(out, ".Bl -tag -width Ds\n");
		for (unsigned k = 0; k < t->n_fields; k++)
			mdoc_field(out, &t->fields[k]);
		nr_buf_str(out, ".El\n");
	}
}

static void mdoc_anomalies(struct nr_buf *out)
{
	nr_buf_str(out, ".Sh ANOMALIES\nThe kinds of table\n.Va anomaly ,\n"
			"with their severity:\n.Bl -tag -width Ds\n");
	for (int k = 0; k < NR_N_ANOMALIES; k++) {
		const struct nr_anomaly_info *a = &nr_anomaly_info[k];

		nr_buf_printf(out, ".It Ql %s\n.Pq %s\n", a->name,
			      nr_severity_name(a->severity));
		mdoc_text(out, a->doc);
		nr_buf_str(out, ".\n");
	}
	nr_buf_str(out, ".El\n");
}

static void mdoc_reports(struct nr_buf *out)
{
	struct nr_sql_report r;

	nr_buf_str(out, ".Sh NAMED REPORTS\nQueries over these tables; in brackets the "
			"parameters they take:\n.Bl -tag -width Ds\n");
	for (size_t i = 0; nr_sql_report_at(i, &r) == 0; i++) {
		char doc[200];

		snprintf(doc, sizeof(doc), "%.*s", (int)r.doc_len, r.doc);
		nr_buf_printf(out, ".It Ql %s\n", r.name);
		mdoc_text(out, doc);
		nr_buf_str(out, ".\n");
	}
	nr_buf_str(out, ".El\n");
}

void nr_schema_mdoc(struct nr_buf *out, const struct nr_record_type *const *types,
		    size_t n)
{
	nr_buf_printf(out, MDOC_HEAD, NR_APPLICATION_ID, NR_SCHEMA_VERSION);
	mdoc_tables(out, types, n);
	mdoc_anomalies(out);
	mdoc_reports(out);
	nr_buf_str(out, MDOC_TAIL);
}
