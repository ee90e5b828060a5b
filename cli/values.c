/* SPDX-License-Identifier: BSD-3-Clause */
/* From what a person types to numbers: the values behind the kinds of options. */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <time.h>

static const int64_t second_ns = 1000000000;

/* Digits with single underscores between them; *s moves behind. False on overflow. */
static bool take_digits(const char **s, uint64_t *out)
{
	const char *p = *s;
	uint64_t v = 0;

	if (!isdigit((unsigned char)*p))
		return false;
	for (; isdigit((unsigned char)*p); p++) {
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return false;
		if (p[1] == '_' && isdigit((unsigned char)p[2]))
			p++;
	}
	*s = p;
	*out = v;
	return true;
}

int nr_parse_u64(const char *s, uint64_t *out)
{
	uint64_t v;

	if (!take_digits(&s, &v) || *s)
		return -EINVAL;
	*out = v;
	return 0;
}

int nr_parse_size(const char *s, uint64_t *out)
{
	static const char units[] = "KMGT";
	uint64_t v;
	const char *u;

	if (!take_digits(&s, &v))
		return -EINVAL;
	if (*s && (u = strchr(units, toupper((unsigned char)*s)))) {
		unsigned shift = 10 * (unsigned)(u - units + 1);

		if (v > UINT64_MAX >> shift)
			return -EINVAL;
		v <<= shift;
		s++;
		if (*s == 'i')
			s++;
	}
	if (*s == 'B')
		s++;
	if (*s)
		return -EINVAL;
	*out = v;
	return 0;
}

/* ".25" as nanoseconds of a unit of unit_ns; digits beyond it are cut. */
static bool take_fraction(const char **s, int64_t unit_ns, int64_t *out)
{
	const char *p = *s;
	int64_t ns = 0;

	*out = 0;
	if (*p != '.')
		return true;
	if (!isdigit((unsigned char)*++p))
		return false;
	for (int64_t place = unit_ns / 10; isdigit((unsigned char)*p); p++, place /= 10)
		ns += place * (*p - '0');
	*s = p;
	*out = ns;
	return true;
}

static const struct unit {
	const char *name;
	int64_t ns;
} units[] = {
	{ "ns", 1 },
	{ "us", 1000 },
	{ "ms", 1000000 },
	{ "s", 1000000000 },
	{ "sec", 1000000000 },
	{ "m", 60000000000 },
	{ "min", 60000000000 },
	{ "h", 3600000000000 },
	{ "d", 86400000000000 },
};

static const struct unit *unit_of(const char *s, size_t n)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (strlen(units[i].name) == n && !memcmp(units[i].name, s, n))
			return &units[i];
	return NULL;
}

int nr_parse_duration(const char *s, int64_t *ns)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
	int64_t total = 0, part, fraction;
	bool any = false;

	while (*s) {
		const struct unit *u;
		const char *unit;
		size_t len;
		uint64_t v;

		if (!take_digits(&s, &v) || v > INT64_MAX)
			return -EINVAL;
		unit = s + strspn(s, ".0123456789");
		len = strspn(unit, letters);
		u = len ? unit_of(unit, len) : unit_of("s", 1);
		if (!u || !take_fraction(&s, u->ns, &fraction) || s != unit)
			return -EINVAL;
		if (!len && (any || *unit))
			return -EINVAL; /* "1h30" names no unit */
		if (__builtin_mul_overflow((int64_t)v, u->ns, &part) ||
		    __builtin_add_overflow(part, fraction, &part) ||
		    __builtin_add_overflow(total, part, &total))
			return -EINVAL;
		s = unit + len;
		any = true;
	}
	if (!any)
		return -EINVAL;
	*ns = total;
	return 0;
}

/* n digits exactly. */
static bool take_field(const char **s, int n, int *out)
{
	int v = 0;

	for (int i = 0; i < n; i++) {
		if (!isdigit((unsigned char)(*s)[i]))
			return false;
		v = v * 10 + ((*s)[i] - '0');
	}
	*s += n;
	*out = v;
	return true;
}

static bool take_char(const char **s, const char *any)
{
	if (!**s || !strchr(any, **s))
		return false;
	(*s)++;
	return true;
}

/* "Z", "+02:00"; without either the time is UTC. Seconds east of UTC. */
static bool take_zone(const char **s, int *offset)
{
	int h, m, sign;

	*offset = 0;
	if (!**s || take_char(s, "Zz"))
		return true;
	sign = **s == '-' ? -1 : 1;
	if (!take_char(s, "+-") || !take_field(s, 2, &h) || !take_char(s, ":") ||
	    !take_field(s, 2, &m) || h > 23 || m > 59)
		return false;
	*offset = sign * (h * 3600 + m * 60);
	return true;
}

/* RFC 3339, time optional: "2026-01-31", "2026-01-31T12:00:00.5+01:00". */
static int parse_rfc3339(const char *s, int64_t *ns)
{
	struct tm tm = { 0 }, check;
	int64_t fraction = 0, sum;
	int offset = 0;
	time_t t;

	if (!take_field(&s, 4, &tm.tm_year) || !take_char(&s, "-") ||
	    !take_field(&s, 2, &tm.tm_mon) || !take_char(&s, "-") ||
	    !take_field(&s, 2, &tm.tm_mday))
		return -EINVAL;
	if (*s) {
		if (!take_char(&s, "Tt ") || !take_field(&s, 2, &tm.tm_hour) ||
		    !take_char(&s, ":") || !take_field(&s, 2, &tm.tm_min))
			return -EINVAL;
		if (take_char(&s, ":") && !take_field(&s, 2, &tm.tm_sec))
			return -EINVAL;
		if (!take_fraction(&s, second_ns, &fraction) || !take_zone(&s, &offset))
			return -EINVAL;
	}
	if (*s)
		return -EINVAL;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	check = tm;
	t = timegm(&tm);
	/* timegm() makes 1 March of 30 February: what it changed was no date */
	if (tm.tm_mon != check.tm_mon || tm.tm_mday != check.tm_mday ||
	    tm.tm_hour != check.tm_hour || tm.tm_min != check.tm_min)
		return -EINVAL;
	if (__builtin_mul_overflow((int64_t)t - offset, second_ns, &sum) ||
	    __builtin_add_overflow(sum, fraction, ns))
		return -EINVAL;
	return 0;
}

int nr_parse_time(const char *s, int64_t *ns)
{
	const char *p = s;
	int64_t fraction, sum;
	uint64_t v;

	if (take_digits(&p, &v) && (!*p || *p == '.')) {
		if (v > INT64_MAX || !take_fraction(&p, second_ns, &fraction) || *p ||
		    __builtin_mul_overflow((int64_t)v, second_ns, &sum) ||
		    __builtin_add_overflow(sum, fraction, ns))
			return -EINVAL;
		return 0;
	}
	return parse_rfc3339(s, ns);
}
