/* SPDX-License-Identifier: BSD-3-Clause */
#include "casetest/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD = 1 + sizeof(uint32_t) };

void nr_found(struct nr_findings *f, enum nr_finding kind, const char *p, size_t n)
{
	uint32_t len = (uint32_t)n;

	nr_buf_char(&f->out, (char)kind);
	nr_buf_add(&f->out, &len, sizeof(len));
	nr_buf_add(&f->out, p, n);
	nr_buf_add(&f->out, "", 1);
}

__attribute__((format(printf, 3, 0))) static void found_v(struct nr_findings *f,
							  enum nr_finding kind,
							  const char *fmt, va_list ap)
{
	char *text = NULL;

	if (vasprintf(&text, fmt, ap) >= 0)
		nr_found(f, kind, text, strlen(text));
	free(text);
}

void nr_found_difference(struct nr_findings *f, const char *fmt, ...)
{
	va_list ap;

	if (++f->n > f->max)
		return;
	va_start(ap, fmt);
	found_v(f, NR_FOUND_DIFFERENCE, fmt, ap);
	va_end(ap);
}

void nr_found_detail(struct nr_findings *f, const char *fmt, ...)
{
	va_list ap;

	if (f->n > f->max)
		return;
	va_start(ap, fmt);
	found_v(f, NR_FOUND_DETAIL, fmt, ap);
	va_end(ap);
}

void nr_found_broken(struct nr_findings *f, const char *fmt, ...)
{
	va_list ap;

	f->is_broken = true;
	va_start(ap, fmt);
	found_v(f, NR_FOUND_BROKEN, fmt, ap);
	va_end(ap);
}

void nr_found_end(struct nr_findings *f)
{
	char text[16];

	if (f->n > f->max) {
		snprintf(text, sizeof(text), "%u", f->n - f->max);
		nr_found(f, NR_FOUND_LEFT_OUT, text, strlen(text));
	}
	nr_found(f, NR_FOUND_END, "", 0);
}

void nr_findings_fini(struct nr_findings *f)
{
	nr_buf_fini(&f->out);
}

bool nr_frame_next(struct nr_frame *f, const char *p, size_t n, size_t *at)
{
	uint32_t len;

	if (n - *at < HEAD)
		return false;
	memcpy(&len, p + *at + 1, sizeof(len));
	if (n - *at - HEAD < (size_t)len + 1)
		return false;
	*f = (struct nr_frame){ (enum nr_finding)p[*at], p + *at + HEAD, len };
	*at += HEAD + (size_t)len + 1;
	return f->text[len] == '\0';
}
