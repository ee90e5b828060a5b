/* SPDX-License-Identifier: BSD-3-Clause */
#include "progress.h"

#include "base/clock.h"

#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const int64_t redraw_ns = 200000000;

void nr_progress_init(struct nr_progress *p, bool wanted)
{
	const char *term = getenv("TERM");

	*p = (struct nr_progress){ .started_ns = nr_monotonic_ns() };
	p->drawn_ns = p->started_ns;
	p->on = wanted && isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

static int terminal_columns(void)
{
	struct winsize w;

	return !ioctl(STDERR_FILENO, TIOCGWINSZ, &w) && w.ws_col > 20 ? w.ws_col : 80;
}

void nr_progress_draw(struct nr_progress *p, uint64_t packets, uint64_t done,
		      uint64_t total)
{
	char count[NR_TEXT_MAX], bytes[NR_TEXT_MAX], rate[NR_TEXT_MAX], left[NR_TEXT_MAX];
	char line[256];
	int64_t now, spent;
	int n;

	if (!p->on)
		return;
	now = nr_monotonic_ns();
	if (now - p->drawn_ns < redraw_ns)
		return;
	p->drawn_ns = now;
	spent = now - p->started_ns;
	n = snprintf(line, sizeof(line), "%s packets, %s", nr_text_count(count, packets),
		     nr_text_bytes(bytes, done));
	if (total)
		n += snprintf(line + n, sizeof(line) - (size_t)n, " (%.0f %%)",
			      100.0 * (double)done / (double)total);
	n += snprintf(
		line + n, sizeof(line) - (size_t)n, ", %s/s",
		nr_text_bytes(rate, (uint64_t)((double)done * 1e9 / (double)spent)));
	if (total > done && done)
		snprintf(line + n, sizeof(line) - (size_t)n, ", %s left",
			 nr_text_duration(
				 left, (int64_t)((double)spent * (double)(total - done) /
						 (double)done)));
	fprintf(stderr, "\r%.*s\033[K", terminal_columns() - 1, line);
	p->drawn = true;
}

void nr_progress_clear(struct nr_progress *p)
{
	if (p->drawn)
		fputs("\r\033[K", stderr);
	p->drawn = false;
}
