/* SPDX-License-Identifier: BSD-3-Clause */
#include "casetest/report.h"

#include "text.h"

#include <errno.h>
#include <string.h>

static const char *const words[NR_N_VERDICTS + 1] = {
	[NR_VERDICT_PASSED] = "ok",       [NR_VERDICT_FAILED] = "FAILED",
	[NR_VERDICT_BROKEN] = "BROKEN",   [NR_VERDICT_SKIPPED] = "skipped",
	[NR_VERDICT_UPDATED] = "updated", [NR_N_VERDICTS] = "",
};

/* Calls for each line of a text; the last may lack its line feed. */
static bool next_line(const char **p, const char **line, size_t *n)
{
	const char *end;

	if (!*p || !**p)
		return false;
	end = strchr(*p, '\n');
	*line = *p;
	*n = end ? (size_t)(end - *p) : strlen(*p);
	*p = end ? end + 1 : *p + *n;
	return true;
}

static const char *colour_of(const struct nr_colours *c, enum nr_verdict v)
{
	switch (v) {
	case NR_VERDICT_PASSED:
		return c->green;
	case NR_VERDICT_SKIPPED:
	case NR_VERDICT_UPDATED:
		return c->yellow;
	case NR_VERDICT_FAILED:
	case NR_VERDICT_BROKEN:
	case NR_N_VERDICTS:
		break;
	}
	return c->red;
}

static void put_text(FILE *f, const struct nr_colours *c, const char *p)
{
	const char *line;
	size_t n;

	while (next_line(&p, &line, &n)) {
		size_t blank = strspn(line, " ");
		const char *colour = blank && line[blank] == '-'   ? c->red
				     : blank && line[blank] == '+' ? c->green
								   : "";

		if (blank > n)
			blank = n;
		fprintf(f, "  %.*s%s", (int)blank, line, colour);
		nr_text_safe(f, line + blank, n - blank);
		fprintf(f, "%s\n", *colour ? c->reset : "");
	}
}

void nr_report_case(FILE *f, const struct nr_outcome *o, int width, bool quiet)
{
	struct nr_colours c = nr_colours_for(f);
	char time[NR_TEXT_MAX], size[NR_TEXT_MAX];
	size_t w;

	if (quiet && o->verdict == NR_VERDICT_PASSED)
		return;
	fprintf(f, "%s%-8s%s", colour_of(&c, o->verdict), words[o->verdict], c.reset);
	w = nr_text_safe(f, o->path, strlen(o->path));
	if (o->ns)
		fprintf(f, "%*s  %s%9s  %9s%s", width > (int)w ? width - (int)w : 0, "",
			c.dim, nr_text_duration(time, o->ns),
			nr_text_bytes(size, o->peak_bytes), c.reset);
	fputc('\n', f);
	put_text(f, &c, o->text.p);
}

void nr_report_sum(FILE *f, const struct nr_tally *t)
{
	char time[NR_TEXT_MAX];

	fprintf(f, "%u passed, %u failed, %u skipped", t->n[NR_VERDICT_PASSED],
		t->n[NR_VERDICT_FAILED], t->n[NR_VERDICT_SKIPPED]);
	if (t->n[NR_VERDICT_BROKEN])
		fprintf(f, ", %u broken", t->n[NR_VERDICT_BROKEN]);
	if (t->n[NR_VERDICT_UPDATED])
		fprintf(f, ", %u updated", t->n[NR_VERDICT_UPDATED]);
	fprintf(f, " in %s\n", nr_text_duration(time, t->ns));
}

void nr_report_tap_plan(FILE *f, size_t n)
{
	fprintf(f, "1..%zu\n", n);
}

void nr_report_tap(FILE *f, const struct nr_outcome *o, size_t number)
{
	const char *p = o->text.p, *line;
	bool ok = o->verdict != NR_VERDICT_FAILED && o->verdict != NR_VERDICT_BROKEN;
	char size[NR_TEXT_MAX];
	size_t n;

	fprintf(f, "%s %zu - ", ok ? "ok" : "not ok", number);
	for (const char *s = o->path; *s;) { /* "#" would begin a directive */
		size_t len = strcspn(s, "#");

		nr_text_safe(f, s, len);
		s += len;
		if (*s)
			fprintf(f, "\\%c", *s++);
	}
	if (o->verdict == NR_VERDICT_SKIPPED) {
		fputs(" # SKIP ", f);
		if (next_line(&p, &line, &n))
			nr_text_safe(f, line, n);
	}
	fputc('\n', f);
	if (o->ns)
		fprintf(f, "# %.3f s, %s\n", (double)o->ns / 1e9,
			nr_text_bytes(size, o->peak_bytes));
	while (next_line(&p, &line, &n)) {
		fputs("#   ", f);
		nr_text_safe(f, line, n);
		fputc('\n', f);
	}
}

/* Any text as XML 1.0 can hold it: what is no character of it is written as \xNN. */
static void put_xml(FILE *f, const char *s, size_t n)
{
	struct nr_buf b = { 0 };

	nr_text_safe_add(&b, s, n);
	for (size_t i = 0; i < b.len; i++) {
		switch (b.p[i]) {
		case '&':
			fputs("&amp;", f);
			break;
		case '<':
			fputs("&lt;", f);
			break;
		case '>':
			fputs("&gt;", f);
			break;
		case '"':
			fputs("&quot;", f);
			break;
		default:
			/* U+FFFE and U+FFFF are no characters of XML */
			if (b.len - i > 2 && !memcmp(b.p + i, "\xef\xbf", 2) &&
			    (b.p[i + 2] & 0xfe) == 0xbe) {
				fputc('?', f);
				i += 2;
			} else {
				fputc(b.p[i], f);
			}
		}
	}
	nr_buf_fini(&b);
}

static void put_xml_lines(FILE *f, const char *p)
{
	const char *line;
	size_t n;

	while (next_line(&p, &line, &n)) {
		put_xml(f, line, n);
		fputc('\n', f);
	}
}

static void put_testcase(FILE *f, const struct nr_outcome *o)
{
	static const char *const tags[NR_N_VERDICTS + 1] = {
		[NR_VERDICT_FAILED] = "failure",
		[NR_VERDICT_BROKEN] = "error",
		[NR_VERDICT_SKIPPED] = "skipped",
	};
	const char *slash = strrchr(o->path, '/'), *tag = tags[o->verdict];
	const char *name = slash ? slash + 1 : o->path, *p = o->text.p, *line;
	char size[NR_TEXT_MAX];
	size_t n = 0;

	fputs("    <testcase classname=\"", f);
	if (slash)
		put_xml(f, o->path, (size_t)(slash - o->path));
	fputs("\" name=\"", f);
	put_xml(f, name, strlen(name));
	fprintf(f, "\" time=\"%.3f\">\n", (double)o->ns / 1e9);
	if (tag && next_line(&p, &line, &n)) {
		fprintf(f, "      <%s message=\"", tag);
		put_xml(f, line, n);
		fputs("\">", f);
		put_xml_lines(f, o->text.p);
		fprintf(f, "</%s>\n", tag);
	} else if (tag) {
		fprintf(f, "      <%s/>\n", tag);
	}
	if (o->ns)
		fprintf(f, "      <system-out>memory: %s</system-out>\n",
			nr_text_bytes(size, o->peak_bytes));
	fputs("    </testcase>\n", f);
}

int nr_report_junit(const char *path, const struct nr_outcome *o, size_t n,
		    const struct nr_tally *t, struct nr_err *err)
{
	FILE *f = fopen(path, "we");
	bool failed;

	if (!f)
		return nr_fail(err, -errno, "cannot write %s: %s", path, strerror(errno));
	fprintf(f,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<testsuites>\n"
		"  <testsuite name=\"nrtool test\" tests=\"%zu\" failures=\"%u\" "
		"errors=\"%u\" skipped=\"%u\" time=\"%.3f\">\n",
		n, t->n[NR_VERDICT_FAILED], t->n[NR_VERDICT_BROKEN],
		t->n[NR_VERDICT_SKIPPED], (double)t->ns / 1e9);
	for (size_t i = 0; i < n; i++)
		put_testcase(f, &o[i]);
	fputs("  </testsuite>\n</testsuites>\n", f);
	failed = ferror(f);
	if (fclose(f) || failed)
		return nr_fail(err, -EIO, "cannot write %s: %s", path, strerror(errno));
	return 0;
}
