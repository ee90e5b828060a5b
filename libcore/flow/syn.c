/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/cursor.h"
#include "flow/segment.h"

static char option_letter(unsigned kind)
{
	switch (kind) {
	case 1:
		return 'N';
	case 2:
		return 'M';
	case 3:
		return 'W';
	case 4:
		return 'S';
	case 8:
		return 'T';
	case 34:
		return 'F';
	default:
		return '?';
	}
}

struct nr_syn_options nr_syn_options_read(const struct nr_level *l)
{
	struct nr_cursor c = nr_cursor(l->l4 + 20, l->tcp_opt_len);
	struct nr_syn_options o = { 0 };

	while (nr_left(&c) && *c.p) {
		unsigned kind = *c.p++, len = 1;
		const uint8_t *v = NULL;

		if (kind != 1) {
			if (!nr_left(&c) || (len = *c.p++) < 2 ||
			    !(v = nr_take(&c, len - 2)))
				break;
		}
		if (kind == 2 && len == 4 && !o.has_mss) {
			o.mss = nr_be16(v);
			o.has_mss = true;
		} else if (kind == 3 && len == 3 && !o.has_wscale) {
			o.wscale = v[0];
			o.has_wscale = true;
		}
		if (o.n == sizeof(o.order)) {
			o.order[o.n - 1] = '+'; /* and more */
			break;
		}
		o.order[o.n++] = option_letter(kind);
	}
	return o;
}
