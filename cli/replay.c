/* SPDX-License-Identifier: BSD-3-Clause */
#include "replay.h"

#include "base/mem.h"
#include "outputs.h"
#include "summary.h"
#include "text.h"

#include <limits.h>
#include <lz4.h>
#include <lzma.h>
#include <openssl/crypto.h>
#include <pcap/pcap.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

static const char *const endings[] = {
	".gz",    ".zst",  ".xz",    ".lz4", ".pcap", ".pcapng", ".cap",
	".snoop", ".ntar", ".trace", ".dmp", ".pkt",  ".dump",
};

static bool cut_ending(char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
		size_t e = strlen(endings[i]);

		if (n > e && !strcasecmp(name + n - e, endings[i])) {
			name[n - e] = 0;
			return true;
		}
	}
	return false;
}

char *nr_default_target(const char *path)
{
	char real[PATH_MAX], *name, *out, *slash;

	/* "." and "dir/" are called after the directory */
	if (!realpath(path, real))
		snprintf(real, sizeof(real), "%s", path);
	slash = strrchr(path, '/');
	name = slash ? slash + 1 : (char *)path;
	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		name = strrchr(real, '/') ? strrchr(real, '/') + 1 : real;
	name = nr_xstrdup(*name ? name : "capture");
	while (cut_ending(name))
		;
	if (asprintf(&out, "%s.db", name) < 0)
		out = nr_xstrdup("capture.db");
	free(name);
	return out;
}

void nr_libraries_json(struct nr_buf *b)
{
	const char *pcap = pcap_lib_version(), *p = strpbrk(pcap, "0123456789");

	nr_buf_printf(b,
		      "{\"libcrypto\":\"%s\",\"liblz4\":\"%s\",\"liblzma\":\"%s\","
		      "\"libpcap\":\"%.*s\",\"libz\":\"%s\",\"libzstd\":\"%s\","
		      "\"sqlite\":\"%s\"}",
		      OpenSSL_version(OPENSSL_VERSION_STRING), LZ4_versionString(),
		      lzma_version_string(), p ? (int)strspn(p, "0123456789.") : 0,
		      p ? p : "", zlibVersion(), ZSTD_versionString(),
		      sqlite3_libversion());
}

/* "tcp-timeout" -> "tcp_timeout", with "_ns" behind times and durations. */
static void put_key(struct nr_buf *b, const struct nr_option *r)
{
	nr_buf_char(b, '"');
	for (const char *s = r->name; *s; s++)
		nr_buf_char(b, *s == '-' ? '_' : *s);
	nr_buf_str(b, r->kind == NR_OPT_DURATION || r->kind == NR_OPT_TIME ? "_ns\":"
									   : "\":");
}

/* Open ends, absent texts and limits, flags that are off: left out. */
static bool is_unset(const struct nr_option *r, const void *at)
{
	switch (r->kind) {
	case NR_OPT_FLAG:
		return !*(const bool *)at;
	case NR_OPT_TEXT:
		return !*(const char *const *)at;
	case NR_OPT_TIME:
		return *(const int64_t *)at == INT64_MIN ||
		       *(const int64_t *)at == INT64_MAX;
	case NR_OPT_U64:
		return !r->def && !*(const uint64_t *)at;
	case NR_OPT_LIST:
		return true;
	case NR_OPT_SIZE:
	case NR_OPT_DURATION:
	case NR_OPT_ENUM:
		break;
	}
	return false;
}

static void put_value(struct nr_buf *b, const struct nr_option *r, const void *at)
{
	const char *text;

	switch (r->kind) {
	case NR_OPT_FLAG:
		nr_buf_str(b, "true");
		break;
	case NR_OPT_U64:
	case NR_OPT_SIZE:
		nr_buf_printf(b, "%llu", (unsigned long long)*(const uint64_t *)at);
		break;
	case NR_OPT_DURATION:
	case NR_OPT_TIME:
		nr_buf_int(b, *(const int64_t *)at);
		break;
	case NR_OPT_ENUM:
		nr_buf_printf(b, "\"%s\"", r->values[*(const int *)at]);
		break;
	case NR_OPT_TEXT:
		text = *(const char *const *)at;
		nr_buf_json(b, text, strlen(text));
		break;
	case NR_OPT_LIST:
		break;
	}
}

void nr_record_options_json(struct nr_buf *b, const struct nr_options *o,
			    const void *config)
{
	bool comma = false;

	nr_buf_char(b, '{');
	for (size_t i = 0; i < o->n; i++) {
		const void *at = (const char *)config + o->rows[i].offset;

		if (!o->rows[i].is_record_option || is_unset(&o->rows[i], at))
			continue;
		if (comma)
			nr_buf_char(b, ',');
		comma = true;
		put_key(b, &o->rows[i]);
		put_value(b, &o->rows[i], at);
	}
	nr_buf_char(b, '}');
}

void nr_report_skipped(const struct nr_merge *m, bool all)
{
	size_t n = nr_merge_n_skipped(m), shown = all || n < 11 ? n : 10;

	for (size_t i = 0; i < shown; i++) {
		const char *s = nr_merge_skipped(m, i);

		fputs("left out: ", stderr);
		nr_text_safe(stderr, s, strlen(s));
		fputc('\n', stderr);
	}
	if (shown < n)
		fprintf(stderr,
			"left out: %zu more files that are no captures (-v names them)\n",
			n - shown);
}

void nr_report_damage(const struct nr_merge *m, const struct nr_engine *e)
{
	struct nr_colours c = nr_colours_for(stderr);

	for (size_t i = 0; i < nr_merge_n_sources(m); i++) {
		const char *what = nr_engine_damage(e, i),
			   *path = nr_merge_info(m, i)->path;

		if (!what)
			continue;
		fprintf(stderr, "%sdamaged:%s ", c.red, c.reset);
		nr_text_safe(stderr, path, strlen(path));
		fputs(": ", stderr);
		nr_text_safe(stderr, what, strlen(what));
		fputc('\n', stderr);
	}
}

static void report_head(const struct nr_merge *m, const struct nr_engine_stats *st)
{
	struct nr_colours c = nr_colours_for(stderr);
	char a[NR_TEXT_MAX], b[NR_TEXT_MAX], d[NR_TEXT_MAX];
	size_t n = nr_merge_n_sources(m);
	int64_t span;

	fprintf(stderr, "%s%s packets, %s%s, %s flows", c.bold,
		nr_text_count(a, st->packets), nr_text_bytes(b, st->wire_bytes), c.reset,
		nr_text_count(d, st->flows));
	if (n > 1)
		fprintf(stderr, ", %zu files", n);
	if (__builtin_sub_overflow(st->last_ns, st->first_ns, &span))
		span = INT64_MAX;
	if (st->packets)
		fprintf(stderr, "\n%s … %s (%s)", nr_text_time(a, st->first_ns, 6),
			nr_text_time(b, st->last_ns, 6), nr_text_duration(d, span));
	fputc('\n', stderr);
}

static void report_notes(const struct nr_engine_stats *st)
{
	char a[NR_TEXT_MAX];

	if (st->time_bogus)
		fprintf(stderr,
			"%s packets with impossible times, processed at the clock\n",
			nr_text_count(a, st->time_bogus));
	if (st->time_jumps)
		fprintf(stderr, "time jumped %s times by more than --max-jump\n",
			nr_text_count(a, st->time_jumps));
	if (st->time_backwards)
		fprintf(stderr, "%s packets older than the one before them\n",
			nr_text_count(a, st->time_backwards));
	if (st->flows_evicted)
		fprintf(stderr, "%s flows ended early at --max-flows\n",
			nr_text_count(a, st->flows_evicted));
	if (st->checksum_offload_seen)
		fputs("checksums look offloaded: wrong ones mean nothing here\n", stderr);
	if (st->many_duplicates)
		fputs("many frames are copies of others: --dedup removes them\n", stderr);
	if (st->interrupted)
		fputs("interrupted: the outputs hold what was read up to there\n",
		      stderr);
}

static void report_outputs(const struct nr_list *outputs, int64_t spent_ns)
{
	struct nr_colours c = nr_colours_for(stderr);
	char size[NR_TEXT_MAX], time[NR_TEXT_MAX];
	const char *database = NULL;
	struct stat st;

	for (size_t i = 0; i < outputs->n; i++) {
		const char *t = outputs->v[i];

		if (!strcmp(t, "-") || !strncmp(t, "null:", 5) || stat(t, &st))
			continue;
		fprintf(stderr, "%s%s%s: %s\n", c.green, t, c.reset,
			nr_text_bytes(size, (uint64_t)st.st_size));
		if (!database && nr_outputs_is_database(t))
			database = t;
	}
	fprintf(stderr, "done in %s\n", nr_text_duration(time, spent_ns));
	if (database)
		fprintf(stderr, "next: nrtool query %s talkers\n", database);
}

void nr_replay_report(const struct nr_merge *m, const struct nr_engine *e,
		      struct nr_sink *summary, const struct nr_list *outputs,
		      int64_t spent_ns)
{
	const struct nr_engine_stats *st = nr_engine_stats(e);

	report_head(m, st);
	nr_summary_print(summary, st, stderr);
	fputc('\n', stderr);
	report_notes(st);
	nr_report_damage(m, e);
	report_outputs(outputs, spent_ns);
}
