/* SPDX-License-Identifier: BSD-3-Clause */
/* nrtool follow: the bytes of a flow, both ways, gaps marked. */
#include "cli.h"

#include "base/mem.h"
#include "database/database.h"
#include "way_back/follow.h"
#include "replay_config.h"
#include "sandbox.h"
#include "text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

struct follow {
	struct nr_list sources;
	int format, side;
	bool store_secrets, no_sandbox, quiet;
};

static const char *const format_values[] = { "text", "hex", "raw", NULL };
static const char *const side_values[] = { "both", "src", "dst", NULL };

/* clang-format off */
static const struct nr_option follow_options[] = {
	{ "format", 0, NR_OPT_ENUM, "FORM", NR_OPT(follow, format), "text",
	  .values = format_values,
	  .help = "text with control characters escaped, hex beside text, or the bytes "
		  "alone" },
	{ "side", 0, NR_OPT_ENUM, "SIDE", NR_OPT(follow, side), "both",
	  .values = side_values, .help = "what src sent, what dst sent, or both" },
	{ "source", 0, NR_OPT_LIST, "PATH", NR_OPT(follow, sources),
	  .help = "where the captures lie: a file, or a directory to look through; may be "
		  "given several times [where they were read, or beside the database]" },
	{ "store-secrets", 0, NR_OPT_FLAG, NULL, NR_OPT(follow, store_secrets),
	  .help = "show passwords, cookies and the like, not asterisks" },
	{ "no-sandbox", 0, NR_OPT_FLAG, NULL, NR_OPT(follow, no_sandbox),
	  .help = "run without seccomp and Landlock" },
	{ "quiet", 'q', NR_OPT_FLAG, NULL, NR_OPT(follow, quiet),
	  .help = "no words on standard error about what was shown" },
};
/* clang-format on */

struct run {
	const struct follow *c;
	const char *path;
	int64_t flow_id;
	sqlite3 *db;
	struct nr_recall *first; /* located before the sandbox; the first pass has it */
	struct nr_replay_config *config;
	struct nr_follow_end ends[2];
	struct nr_err err;
};

static int open_recall(struct run *r, struct nr_recall **out)
{
	const struct nr_recall_options o = { .sources = r->c->sources.v,
					     .n_sources = r->c->sources.n,
					     .stop = &nr_stop };
	int rc = nr_recall_open(out, r->db, r->path, &o, &r->err);

	if (!rc)
		rc = nr_recall_add_flow(*out, r->flow_id, &r->err);
	return rc ? rc : nr_recall_locate(*out, &r->err);
}

static int next_recall(void *arg, struct nr_recall **out, struct nr_err *err)
{
	struct run *r = arg;
	int rc;

	if (r->first) {
		*out = r->first;
		r->first = NULL;
		return 0;
	}
	rc = open_recall(r, out);
	if (rc)
		nr_fail(err, rc, "%s", r->err.text);
	return rc;
}

static void read_end(struct nr_follow_end *out, sqlite3_stmt *st, int column)
{
	const char *ip = (const char *)sqlite3_column_text(st, column);

	ip = ip ? ip : "";
	if (inet_pton(AF_INET, ip, out->ip) != 1)
		inet_pton(AF_INET6, ip, out->ip);
	out->port = -1;
	snprintf(out->text, sizeof(out->text), "%.46s", ip);
	if (sqlite3_column_type(st, column + 1) == SQLITE_NULL)
		return;
	out->port = sqlite3_column_int(st, column + 1);
	snprintf(out->text, sizeof(out->text),
		 strchr(ip, ':') ? "[%.46s]:%d" : "%.46s:%d", ip, out->port);
}

/* The flow's ends, and the options of the run that made its row. */
static int read_flow(struct run *r)
{
	static const char sql[] =
		"SELECT f.src_ip, f.src_port, f.dst_ip, f.dst_port, s.record_options"
		" FROM flow AS f JOIN source AS s USING (source_id)"
		" WHERE f.flow_id = ?1";
	sqlite3_stmt *st = NULL;
	const char *options;
	int rc = sqlite3_prepare_v2(r->db, sql, -1, &st, NULL);

	if (rc == SQLITE_OK) {
		sqlite3_bind_int64(st, 1, r->flow_id);
		rc = sqlite3_step(st);
	}
	if (rc != SQLITE_ROW) {
		rc = rc == SQLITE_DONE ? nr_fail(&r->err, -ENOENT, "%s has no flow %lld",
						 r->path, (long long)r->flow_id)
				       : nr_fail(&r->err, -EIO, "cannot read %s: %s",
						 r->path, sqlite3_errmsg(r->db));
		sqlite3_finalize(st);
		return rc;
	}
	read_end(&r->ends[0], st, 0);
	read_end(&r->ends[1], st, 2);
	options = (const char *)sqlite3_column_text(st, 4);
	rc = nr_replay_config_of(&r->config, options ? options : "{}", &r->err);
	sqlite3_finalize(st);
	return rc;
}

/* As the run had it, but for what chose packets, which is done, and timeouts: they are
   all packets of one flow. */
static struct nr_engine_config engine_config(const struct run *r)
{
	const int64_t never = INT64_C(1) << 60;
	struct nr_engine_config c = *nr_replay_engine_config(r->config);

	c.from = INT64_MIN;
	c.to = INT64_MAX;
	c.count = 0;
	c.filter = NULL;
	c.compiled_filter = NULL;
	c.dedup_window = 0;
	c.no_index = true;
	c.no_sessions = false;
	c.tcp_timeout = c.udp_timeout = c.icmp_timeout = c.other_timeout = never;
	c.attempt_timeout = c.closed_timeout = c.reset_timeout = never;
	c.half_closed_timeout = never;
	return c;
}

static int confine(struct run *r)
{
	size_t n = nr_recall_n_sources(r->first), k = 0;
	const char **reads = nr_xcalloc(n + 1, sizeof(*reads));
	char applied[NR_SANDBOX_TEXT];
	struct nr_sandbox s = { .reads = reads };
	int rc = 0;

	for (size_t i = 0; i < n; i++) {
		if (nr_recall_path(r->first, i))
			reads[k++] = nr_recall_path(r->first, i);
	}
	reads[k++] = r->path;
	s.n_reads = k;
	if (!r->c->no_sandbox)
		rc = nr_sandbox_enter(&s, applied, &r->err);
	nr_free(reads);
	return rc;
}

/* A frame is the innermost flow's: those of a tunnel are shown with what it carried. */
static bool is_carrier(const struct run *r)
{
	sqlite3_stmt *st = NULL;
	bool found = false;

	if (!sqlite3_prepare_v2(r->db,
				"SELECT 1 FROM flow WHERE parent_flow_id = ?1 LIMIT 1",
				-1, &st, NULL)) {
		sqlite3_bind_int64(st, 1, r->flow_id);
		found = sqlite3_step(st) == SQLITE_ROW;
	}
	sqlite3_finalize(st);
	return found;
}

static void report(const struct run *r, const struct nr_follow_result *res)
{
	char a[NR_TEXT_MAX], b[NR_TEXT_MAX];

	fprintf(stderr, "%s from src, %s from dst", nr_text_bytes(a, res->bytes[0]),
		nr_text_bytes(b, res->bytes[1]));
	if (res->gaps)
		fprintf(stderr, ", %s gap%s of %s", nr_text_count(a, res->gaps),
			res->gaps == 1 ? "" : "s", nr_text_bytes(b, res->gap_bytes));
	if (res->conflicts)
		fprintf(stderr, ", %s conflict%s", nr_text_count(a, res->conflicts),
			res->conflicts == 1 ? "" : "s");
	if (res->unverified)
		fprintf(stderr, ", %s segments too old to compare",
			nr_text_count(a, res->unverified));
	if (res->secrets)
		fprintf(stderr, ", secrets masked: --store-secrets shows them");
	fputc('\n', stderr);
	if (is_carrier(r))
		fprintf(stderr,
			"flow %lld carries other flows, and what is theirs is shown with "
			"them: SELECT flow_id FROM flow WHERE parent_flow_id = %lld\n",
			(long long)r->flow_id, (long long)r->flow_id);
}

static int failed(const struct run *r, int rc)
{
	return nr_complain(rc == -EINTR ? NR_EXIT_DAMAGED : NR_EXIT_FAILED, "follow",
			   "%s", rc == -EINTR ? "interrupted" : r->err.text);
}

static int show(struct run *r)
{
	struct nr_follow f = {
		.flow_id = r->flow_id,
		.format = (enum nr_follow_format)r->c->format,
		.side = r->c->side - 1,
		.store_secrets = r->c->store_secrets,
		.config = engine_config(r),
		.ends = { r->ends[0], r->ends[1] },
		.open = next_recall,
		.arg = r,
		.out = stdout,
	};
	struct nr_follow_result res;
	int rc, status;

	rc = confine(r);
	if (!rc)
		rc = nr_follow_run(&f, &res, &r->err);
	if (rc)
		return failed(r, rc);
	status = nr_stdout_finish("follow");
	if (!status && !r->c->quiet)
		report(r, &res);
	return status;
}

static int follow_run(const struct nr_call *call)
{
	struct run r = { .c = call->config, .path = call->operands[0] };
	char *end;
	int status, rc;

	errno = 0;
	r.flow_id = strtoll(call->operands[1], &end, 10);
	if (errno || *end || end == call->operands[1] || r.flow_id <= 0)
		return nr_complain(NR_EXIT_USAGE, "follow",
				   "'%s' is no flow_id; column flow_id of table flow "
				   "has them",
				   call->operands[1]);
	nr_signals_init();
	status = nr_database_open(&r.db, r.path, "follow");
	if (!status) {
		/* no file of the database is opened later */
		sqlite3_exec(r.db, "PRAGMA temp_store = MEMORY; BEGIN", NULL, NULL, NULL);
		rc = read_flow(&r);
		if (!rc)
			rc = open_recall(&r, &r.first);
		status = rc ? failed(&r, rc) : show(&r);
	}
	nr_recall_close(r.first);
	nr_replay_config_free(r.config);
	sqlite3_close(r.db);
	return status;
}

const struct nr_command nr_cmd_follow = {
	.name = "follow",
	.operands = "DB FLOW",
	.summary = "shows the bytes of a flow, both ways, gaps marked",
	.about =
		"Reads the packets of a flow back from the captures, puts them in order\n"
		"and shows what both sides said. Gaps and bytes that came twice with\n"
		"different content are marked; secrets are asterisks.",
	.operand_kind = "file",
	.min_operands = 2,
	.max_operands = 2,
	.options = { follow_options, sizeof(follow_options) / sizeof(*follow_options) },
	.config_size = sizeof(struct follow),
	.run = follow_run,
};
