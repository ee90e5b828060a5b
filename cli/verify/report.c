/* SPDX-License-Identifier: BSD-3-Clause */
#include "verify/verify.h"

#include "cli.h"
#include "text.h"

#include "base/mem.h"

#include <stdarg.h>
#include <string.h>

static const char *const proof_names[NR_N_PROOFS] = {
	[NR_PROVEN] = "proven",
	[NR_CONSISTENT] = "consistent",
	[NR_CHANGED] = "changed",
	[NR_UNCHECKED] = "unchecked",
};

void nr_report_add(struct nr_report *r, enum nr_proof proof, const char *subject,
		   const char *fmt, ...)
{
	char text[512];
	va_list ap;

	r->n_of[proof]++;
	if ((proof == NR_CHANGED || proof == NR_UNCHECKED) &&
	    r->n_of[proof] > NR_FINDINGS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->v = nr_xrealloc(r->v, (r->n + 1) * sizeof(*r->v));
	r->v[r->n++] =
		(struct nr_finding){ proof, nr_xstrdup(subject), nr_xstrdup(text) };
}

const char *nr_report_verdict(const struct nr_report *r)
{
	if (r->n_of[NR_CHANGED])
		return "changed";
	if (r->n_of[NR_UNCHECKED])
		return "not all could be checked";
	return r->n_of[NR_PROVEN] ? "whole" : "consistent";
}

int nr_report_status(const struct nr_report *r)
{
	if (r->n_of[NR_CHANGED])
		return NR_EXIT_DIFFERENT;
	return r->n_of[NR_UNCHECKED] ? NR_EXIT_FAILED : NR_EXIT_OK;
}

void nr_report_print(const struct nr_report *r, const char *path, const char *what,
		     FILE *f)
{
	const struct nr_colours c = nr_colours_for(f);
	const char *const colour[NR_N_PROOFS] = { c.green, c.dim, c.red, c.yellow };

	nr_text_safe(f, path, strlen(path));
	fprintf(f, ": %s\n", what);
	for (int p = 0; p < NR_N_PROOFS; p++) {
		uint64_t shown = 0;

		for (size_t i = 0; i < r->n; i++) {
			if (r->v[i].proof != (enum nr_proof)p)
				continue;
			shown++;
			fprintf(f, "  %s%-10s%s  ", colour[p], proof_names[p], c.reset);
			nr_text_safe(f, r->v[i].subject, strlen(r->v[i].subject));
			fputs(": ", f);
			nr_text_safe(f, r->v[i].text, strlen(r->v[i].text));
			fputc('\n', f);
		}
		if (shown < r->n_of[p])
			fprintf(f, "  %s%-10s%s  and %llu more\n", colour[p],
				proof_names[p], c.reset,
				(unsigned long long)(r->n_of[p] - shown));
	}
	fprintf(f, "%s%s%s\n", c.bold, nr_report_verdict(r), c.reset);
}

static void json_member(struct nr_buf *b, const char *key, const char *s)
{
	nr_buf_printf(b, "\"%s\":", key);
	nr_buf_json(b, s, strlen(s));
}

void nr_report_json(const struct nr_report *r, const char *path, const char *what,
		    FILE *f)
{
	struct nr_buf b = { 0 };

	nr_buf_char(&b, '{');
	json_member(&b, "path", path);
	nr_buf_char(&b, ',');
	json_member(&b, "is", what);
	nr_buf_char(&b, ',');
	json_member(&b, "verdict", nr_report_verdict(r));
	nr_buf_printf(&b, ",\"status\":%d", nr_report_status(r));
	for (int p = 0; p < NR_N_PROOFS; p++)
		nr_buf_printf(&b, ",\"%s\":%llu", proof_names[p],
			      (unsigned long long)r->n_of[p]);
	nr_buf_str(&b, ",\"findings\":[");
	for (size_t i = 0; i < r->n; i++) {
		nr_buf_str(&b, i ? ",{" : "{");
		json_member(&b, "proof", proof_names[r->v[i].proof]);
		nr_buf_char(&b, ',');
		json_member(&b, "subject", r->v[i].subject);
		nr_buf_char(&b, ',');
		json_member(&b, "text", r->v[i].text);
		nr_buf_char(&b, '}');
	}
	nr_buf_str(&b, "]}\n");
	fwrite(b.p, 1, b.len, f);
	nr_buf_fini(&b);
}

void nr_report_fini(struct nr_report *r)
{
	for (size_t i = 0; i < r->n; i++) {
		nr_free(r->v[i].subject);
		nr_free(r->v[i].text);
	}
	nr_free(r->v);
	*r = (struct nr_report){ 0 };
}
