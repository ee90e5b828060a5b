/* SPDX-License-Identifier: BSD-3-Clause */
/* nrtool verify: what of a database or an archive is proven, consistent, changed. */
#include "cli.h"

#include "archive/archive.h"
#include "base/mem.h"
#include "database/database.h"
#include "sandbox.h"
#include "text.h"
#include "verify/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct verify {
	struct nr_list sources;
	bool json, no_sources, replay, repair, drop_damaged, no_sandbox;
};

static const struct nr_option verify_options[] = {
	{ "source", 0, NR_OPT_LIST, "PATH", NR_OPT(verify, sources),
	  .help = "where the captures lie: a file, or a directory to look through; may "
		  "be given several times" },
	{ "no-sources", 0, NR_OPT_FLAG, NULL, NR_OPT(verify, no_sources),
	  .help = "do not read the captures: the database by itself" },
	{ "replay", 0, NR_OPT_FLAG, NULL, NR_OPT(verify, replay),
	  .help = "replay the captures with the options of then, and compare every row" },
	{ "repair", 0, NR_OPT_FLAG, NULL, NR_OPT(verify, repair),
	  .help = "archives: write index and seek table where they are missing" },
	{ "drop-damaged", 0, NR_OPT_FLAG, NULL, NR_OPT(verify, drop_damaged),
	  .help = "with --repair: leave out frames that are damaged" },
	{ "json", 0, NR_OPT_FLAG, NULL, NR_OPT(verify, json),
	  .help = "one JSON object for each argument" },
	{ "no-sandbox", 0, NR_OPT_FLAG, NULL, NR_OPT(verify, no_sandbox),
	  .help = "run without seccomp and Landlock" },
};

/* One argument, from its opening (before the sandbox) to its report. */
struct subject {
	const char *path;
	bool is_database;
	struct nr_verify v;
	struct nr_report report;
};

static bool begins_with(const char *path, const void *magic, size_t n)
{
	uint8_t head[16];
	FILE *f = fopen(path, "re");
	bool is = f && fread(head, 1, n, f) == n && !memcmp(head, magic, n);

	if (f)
		fclose(f);
	return is;
}

static int open_subject(struct subject *s, const struct verify *c, const char *path)
{
	const struct nr_recall_options o = { .sources = c->sources.v,
					     .n_sources = c->sources.n,
					     .stop = &nr_stop };
	struct nr_err err = { "" };
	size_t n;
	int status;

	s->path = s->v.path = path;
	s->v.report = &s->report;
	s->v.no_sources = c->no_sources;
	s->is_database = !begins_with(path, "\x28\xb5\x2f\xfd", 4);
	if (!s->is_database)
		return 0;
	status = nr_database_open(&s->v.db, path, "verify");
	if (status)
		return status;
	sqlite3_exec(s->v.db, "PRAGMA query_only = 1; PRAGMA temp_store = MEMORY; BEGIN",
		     NULL, NULL, NULL);
	if (nr_recall_open(&s->v.recall, s->v.db, path, &o, &err)) {
		nr_verify_db_fail(&s->v, "SQLite");
		return 0;
	}
	n = nr_recall_n_sources(s->v.recall);
	s->v.found = nr_xcalloc(n + 1, sizeof(*s->v.found));
	s->v.lost = nr_xcalloc(n + 1, sizeof(*s->v.lost));
	for (size_t i = 0; !c->no_sources && i < n; i++) {
		s->v.found[i] = nr_recall_find(s->v.recall, i, &err);
		s->v.lost[i] = nr_xstrdup(err.text);
	}
	return 0;
}

static int confine(const struct verify *c, struct subject *s, char **operands, size_t n)
{
	const char **reads = NULL;
	size_t k = 0;
	struct nr_sandbox box = { 0 };
	char applied[NR_SANDBOX_TEXT];
	struct nr_err err = { "" };
	int rc;

	for (size_t i = 0; i < n; i++) {
		size_t m = s[i].v.recall ? nr_recall_n_sources(s[i].v.recall) : 0;

		reads = nr_xrealloc(reads, (k + m + 1) * sizeof(*reads));
		reads[k++] = s[i].path;
		for (size_t j = 0; j < m; j++)
			if (nr_recall_path(s[i].v.recall, j))
				reads[k++] = nr_recall_path(s[i].v.recall, j);
	}
	box.reads = reads;
	box.n_reads = k;
	box.targets = c->repair ? (const char *const *)operands : NULL;
	box.n_targets = c->repair ? n : 0;
	rc = c->no_sandbox ? 0 : nr_sandbox_enter(&box, applied, &err);
	nr_free(reads);
	return rc ? nr_complain(NR_EXIT_FAILED, "verify", "%s", err.text) : 0;
}

static void say_finding(void *arg, const char *finding)
{
	struct subject *s = arg;

	nr_report_add(&s->report, NR_CHANGED, "archive", "%s", finding);
}

static void repair_archive(struct subject *s, bool drop)
{
	struct nr_err err = { "" };
	char said[512] = "";

	int rc = nr_archive_repair(s->path, drop, said, sizeof(said), &err);

	if (rc)
		nr_report_add(&s->report, NR_UNCHECKED, "repair",
			      rc == -EBADMSG && !drop ? "%s; --drop-damaged leaves it out"
						      : "%s",
			      err.text);
	else
		nr_report_add(&s->report, NR_CONSISTENT, "repair", "%s",
			      said[0] ? said : "nothing was missing");
}

static void verify_archive(struct subject *s, const struct verify *o, char what[128])
{
	struct nr_archive_check c = { 0 };
	struct nr_err err = { "" };
	char bytes[NR_TEXT_MAX];

	if (o->repair)
		repair_archive(s, o->drop_damaged);
	if (nr_archive_verify(s->path, &c, say_finding, s, &err)) {
		snprintf(what, 128, "zstd data");
		nr_report_add(&s->report, NR_UNCHECKED, "archive", "%s", err.text);
		return;
	}
	snprintf(what, 128, "archive of %" PRIu64 " frames, %s", c.n_frames,
		 nr_text_bytes(bytes, c.bytes));
	if (c.verdict != NR_ARCHIVE_WHOLE && !s->report.n_of[NR_CHANGED])
		nr_report_add(&s->report, NR_CHANGED, "archive", "%s", c.finding);
	if (c.verdict == NR_ARCHIVE_WHOLE)
		nr_report_add(
			&s->report, NR_CONSISTENT, "archive",
			"all of %" PRIu64 " frames and %" PRIu64
			" records: hashes of stored bytes and content, chain, index, "
			"seek table. The chain proves order and wholeness, not "
			"who wrote it: nrtool manifest signs that",
			c.n_frames, c.n_records);
}

static void verify_database(struct subject *s, const struct verify *c, char what[128])
{
	size_t n_sources = s->v.recall ? nr_recall_n_sources(s->v.recall) : 0;

	if (!s->v.recall) {
		snprintf(what, 128, "session database");
		return;
	}
	nr_verify_rows(&s->v);
	if (!c->no_sources)
		nr_verify_sources(&s->v);
	if (c->replay && !nr_stop)
		nr_verify_replay(&s->v);
	snprintf(what, 128, "session database of %zu source%s, %zu flows", n_sources,
		 n_sources == 1 ? "" : "s", s->v.n_flows);
}

static void free_subject(struct subject *s)
{
	size_t n = s->v.recall ? nr_recall_n_sources(s->v.recall) : 0;

	for (size_t i = 0; s->v.owner && i < n; i++)
		nr_free(s->v.owner[i]);
	for (size_t i = 0; s->v.lost && i < n; i++)
		nr_free(s->v.lost[i]);
	nr_free(s->v.lost);
	nr_free(s->v.found);
	nr_free(s->v.owner);
	nr_free(s->v.flow);
	nr_recall_close(s->v.recall);
	sqlite3_close(s->v.db);
	nr_report_fini(&s->report);
}

/* Changed outweighs what could not be checked. */
static int worse(int a, int b)
{
	if (a == NR_EXIT_DIFFERENT || b == NR_EXIT_DIFFERENT)
		return NR_EXIT_DIFFERENT;
	return a ? a : b;
}

static int verify_run(const struct nr_call *call)
{
	const struct verify *c = call->config;
	size_t n = (size_t)call->n;
	struct subject *s = nr_xcalloc(n, sizeof(*s));
	int *opened = nr_xcalloc(n, sizeof(*opened));
	int status = 0, rc;

	nr_signals_init();
	for (size_t i = 0; i < n; i++)
		opened[i] = open_subject(&s[i], c, call->operands[i]);
	rc = confine(c, s, call->operands, n);
	for (size_t i = 0; i < n && !rc; i++) {
		char what[128];

		status = worse(status, opened[i]);
		if (opened[i])
			continue;
		if (s[i].is_database)
			verify_database(&s[i], c, what);
		else
			verify_archive(&s[i], c, what);
		if (c->json)
			nr_report_json(&s[i].report, s[i].path, what, stdout);
		else
			nr_report_print(&s[i].report, s[i].path, what, stdout);
		status = worse(status, nr_report_status(&s[i].report));
	}
	for (size_t i = 0; i < n; i++)
		free_subject(&s[i]);
	nr_free(opened);
	nr_free(s);
	if (!rc)
		rc = nr_stdout_finish("verify");
	return rc ? rc : status;
}

const struct nr_command nr_cmd_verify = {
	.name = "verify",
	.operands = "DB|ARCHIVE…",
	.operand_kind = "file",
	.summary = "says what is proven, consistent or changed",
	.about = "Checks session databases against their captures, and archives against "
		 "their\n"
		 "hashes, and says what is proven, what is only consistent, what "
		 "changed.\n"
		 "Status 5 where something changed, 1 where not all could be checked.",
	.min_operands = 1,
	.max_operands = NR_ANY,
	.options = { verify_options, sizeof(verify_options) / sizeof(*verify_options) },
	.config_size = sizeof(struct verify),
	.run = verify_run,
};
