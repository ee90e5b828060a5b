/* SPDX-License-Identifier: BSD-3-Clause */
/* The keys by which rows are recognised fit the tables; databases that are not nrtool's
   own do no harm. */
#include "diff/compare_internal.h"

#include "database/archive_db.h"
#include "record/tables.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static bool has_column(const struct nr_record_type *t, const char *name, size_t n)
{
	for (unsigned i = 0; i < t->n_fields; i++)
		if (!strncmp(t->fields[i].name, name, n) && !t->fields[i].name[n])
			return true;
	return false;
}

static bool is_word(const char *p, size_t n)
{
	static const char *const words[] = { "@flow", "@level", "@content", "@time" };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strlen(words[i]) == n && !memcmp(words[i], p, n))
			return true;
	return false;
}

static void test_compare_keys_name_columns(void **state)
{
	(void)state;
	for (size_t k = 0; k < nr_n_record_types; k++) {
		const struct nr_record_type *t = nr_record_types[k];
		const char *const *keys = nr_cmp_keys_of(t);

		if (t->flags & NR_R_JSON_ONLY)
			continue;
		for (int i = 0; i < NR_CMP_KEYS && keys[i]; i++)
			for (const char *p = keys[i]; *p; p += strspn(p, " ")) {
				size_t n = strcspn(p, " "), skip = *p == '!';

				if (!is_word(p, n) && !has_column(t, p + skip, n - skip))
					fail_msg("%s: %.*s", t->name, (int)n, p);
				p += n;
			}
	}
}

/* A table that has no keys of its own can only lose and gain rows. */
static void test_compare_every_table_has_keys(void **state)
{
	(void)state;
	for (size_t k = 0; k < nr_n_record_types; k++) {
		const struct nr_record_type *t = nr_record_types[k];

		if (!(t->flags & NR_R_JSON_ONLY) &&
		    !strcmp(nr_cmp_keys_of(t)[0], "@content"))
			fail_msg("%s needs keys in cli/diff/compare_keys.c", t->name);
	}
}

static sqlite3 *database(const char *sql)
{
	struct nr_err err = { "" };
	sqlite3 *db;

	assert_int_equal(nr_archive_db_empty(&db, &err), 0);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	return db;
}

/* What is said of two databases, or the error. */
static void compare(const char *a, const char *b, const char *want)
{
	const struct nr_compare_options o = { .containers = true };
	struct nr_differences *d = nr_differences_new(1);
	sqlite3 *db[] = { database(a), database(b) };
	struct nr_err err = { "" };
	struct nr_buf said = { 0 };

	if (nr_compare(db[0], db[1], &o, d, &err))
		nr_buf_str(&said, err.text);
	nr_differences_text(d, "", &said);
	assert_string_equal(said.p ? said.p : "", want);
	nr_buf_fini(&said);
	nr_differences_free(d);
	sqlite3_close(db[0]);
	sqlite3_close(db[1]);
}

#define FLOW                                                                             \
	"INSERT INTO flow (flow_id, source_id, proto, src_ip, src_port, dst_ip, "        \
	"dst_port, first_ns, parent_flow_id) VALUES "

static void test_compare_empty_databases(void **state)
{
	(void)state;
	compare("", "", "");
}

static void test_compare_the_flow_that_carries_another(void **state)
{
	static const char a[] =
		FLOW "(16, 1, 'udp', '1.1.1.1', 1, '2.2.2.2', 2, 5, NULL),"
		     "(17, 1, 'tcp', '3.3.3.3', 3, '4.4.4.4', 4, 5, 16)";
	static const char moved[] =
		FLOW "(32, 1, 'udp', '1.1.1.1', 1, '2.2.2.2', 2, 5, NULL),"
		     "(33, 1, 'tcp', '3.3.3.3', 3, '4.4.4.4', 4, 5, 32)";
	static const char none[] =
		FLOW "(32, 1, 'udp', '1.1.1.1', 1, '2.2.2.2', 2, 5, NULL),"
		     "(33, 1, 'tcp', '3.3.3.3', 3, '4.4.4.4', 4, 5, NULL)";

	(void)state;
	compare(a, moved, "");
	compare(a, none,
		"1 flow changed parent_flow_id: 16 → - (tcp 3.3.3.3:3 → 4.4.4.4:4,"
		" 1970-01-01T00:00:00.000000005Z)\n\nflow: parent_flow_id 1\n");
	compare(none, a,
		"1 flow changed parent_flow_id: - → 32 (tcp 3.3.3.3:3 → 4.4.4.4:4,"
		" 1970-01-01T00:00:00.000000005Z)\n\nflow: parent_flow_id 1\n");
}

/* Ids at both ends of 64 bits, values of other types than their column's, no rowid. */
static void test_compare_hostile_databases(void **state)
{
	static const char odd[] =
		"PRAGMA writable_schema = 0; DROP TABLE dns;"
		"CREATE TABLE dns (flow_id, source_id, packet, ts_ns, trans_id, rcode);"
		"INSERT INTO dns VALUES ('x', 1.5, x'00ff', 'never', "
		"-9223372036854775808,"
		" 7), (9223372036854775807, NULL, -1, 1e300, NULL, x'1b');" FLOW
		"(-9223372036854775808, 1, 'udp', 'x', 1, '2', 2, 5, "
		"9223372036854775807),"
		"(9223372036854775807, -1, '', '', NULL, '', 0, -9223372036854775808, "
		"-1),"
		"(0, 1, '', '', NULL, '', 0, 9223372036854775807, 0)";

	(void)state;
	compare(odd, odd, "");
	compare("DROP TABLE dns; CREATE TABLE dns (trans_id INTEGER PRIMARY KEY) WITHOUT"
		" ROWID",
		"", "cannot compare, reading the first: no such column: rowid");
	compare("DROP TABLE dns; CREATE VIEW dns AS SELECT 1 AS trans_id", "", "");
}

static void test_compare_stops(void **state)
{
	atomic_int stop = 1;
	const struct nr_compare_options o = { .stop = &stop };
	struct nr_differences *d = nr_differences_new(1);
	sqlite3 *db =
		database("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1"
			 " FROM n WHERE i < 20000) INSERT INTO ledger SELECT i, 'x',"
			 " NULL, i, i FROM n");
	struct nr_err err = { "" };

	(void)state;
	assert_int_equal(nr_compare(db, db, &o, d, &err), -EINTR);
	assert_string_equal(err.text, "interrupted");
	nr_differences_free(d);
	sqlite3_close(db);
}

static void test_compare_ignore_words(void **state)
{
	static const char *const good[] = { "ts_ns", "flow.service", "dns.*", "rcode" };
	static const char *const bad[] = {
		"",        ".",        "flow.",         "flow.x",
		"x.ts_ns", "*",        "nothing",       "flow_start.proto",
		"flow",    ".service", "flow.service.x"
	};
	struct nr_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_int_equal(nr_compare_check_ignore(good[i], &err), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(nr_compare_check_ignore(bad[i], &err), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compare_keys_name_columns),
		cmocka_unit_test(test_compare_every_table_has_keys),
		cmocka_unit_test(test_compare_empty_databases),
		cmocka_unit_test(test_compare_the_flow_that_carries_another),
		cmocka_unit_test(test_compare_hostile_databases),
		cmocka_unit_test(test_compare_stops),
		cmocka_unit_test(test_compare_ignore_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
