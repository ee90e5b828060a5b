/* SPDX-License-Identifier: BSD-3-Clause */
#ifdef NR_SQL_EXTENSION /* calls go through the table of the program that loads it */
#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT3
#endif

#include "database/sqlfunc.h"

#include "text.h"

#include <arpa/inet.h>
#include <string.h>

struct net {
	unsigned len; /* 4 or 16 */
	unsigned bits;
	uint8_t a[16];
};

static bool parse_ip(const char *s, struct net *n)
{
	n->len = s && strchr(s, ':') ? 16 : 4;
	n->bits = 8 * n->len;
	return s && inet_pton(n->len == 16 ? AF_INET6 : AF_INET, s, n->a) == 1;
}

static bool parse_net(const char *s, struct net *n)
{
	const char *slash = s ? strchr(s, '/') : NULL;
	char ip[INET6_ADDRSTRLEN];
	unsigned bits = 0;

	if (!slash)
		return parse_ip(s, n);
	if ((size_t)(slash - s) >= sizeof(ip) || !slash[1] || strlen(slash + 1) > 3)
		return false;
	memcpy(ip, s, (size_t)(slash - s));
	ip[slash - s] = 0;
	for (const char *p = slash + 1; *p; p++) {
		if (*p < '0' || *p > '9')
			return false;
		bits = bits * 10 + (unsigned)(*p - '0');
	}
	if (!parse_ip(ip, n) || bits > n->bits)
		return false;
	n->bits = bits;
	return true;
}

static bool contains(const struct net *net, const struct net *ip)
{
	unsigned whole = net->bits / 8, rest = net->bits % 8;

	if (net->len != ip->len || memcmp(net->a, ip->a, whole) != 0)
		return false;
	return !rest || (net->a[whole] ^ ip->a[whole]) >> (8 - rest) == 0;
}

static void fn_cidr(sqlite3_context *c, int n, sqlite3_value **v)
{
	struct net ip, net;

	(void)n;
	if (parse_ip((const char *)sqlite3_value_text(v[0]), &ip) &&
	    parse_net((const char *)sqlite3_value_text(v[1]), &net))
		sqlite3_result_int(c, contains(&net, &ip));
}

static void fn_ip_sort(sqlite3_context *c, int n, sqlite3_value **v)
{
	struct net ip;
	uint8_t key[17];

	(void)n;
	if (!parse_ip((const char *)sqlite3_value_text(v[0]), &ip))
		return;
	key[0] = (uint8_t)ip.len;
	memcpy(key + 1, ip.a, ip.len);
	sqlite3_result_blob(c, key, (int)ip.len + 1, SQLITE_TRANSIENT);
}

static void result(sqlite3_context *c, const char *s)
{
	sqlite3_result_text(c, s, -1, SQLITE_TRANSIENT);
}

static void fn_iso(sqlite3_context *c, int n, sqlite3_value **v)
{
	char t[NR_TEXT_MAX];

	(void)n;
	if (sqlite3_value_type(v[0]) != SQLITE_NULL)
		result(c, nr_text_time(t, sqlite3_value_int64(v[0]), 9));
}

static void fn_duration(sqlite3_context *c, int n, sqlite3_value **v)
{
	char t[NR_TEXT_MAX];

	(void)n;
	if (sqlite3_value_type(v[0]) != SQLITE_NULL)
		result(c, nr_text_duration(t, sqlite3_value_int64(v[0])));
}

static void fn_human(sqlite3_context *c, int n, sqlite3_value **v)
{
	int64_t bytes = sqlite3_value_int64(v[0]);
	char t[NR_TEXT_MAX];

	(void)n;
	if (sqlite3_value_type(v[0]) != SQLITE_NULL && bytes >= 0)
		result(c, nr_text_bytes(t, (uint64_t)bytes));
}

static const struct {
	const char *name;
	int n;
	void (*fn)(sqlite3_context *c, int n, sqlite3_value **v);
} functions[] = {
	{ "cidr", 2, fn_cidr },         { "iso", 1, fn_iso },
	{ "duration", 1, fn_duration }, { "human", 1, fn_human },
	{ "ip_sort", 1, fn_ip_sort },
};

int nr_sqlfunc_register(sqlite3 *db)
{
	int rc = SQLITE_OK;

	for (size_t i = 0; !rc && i < sizeof(functions) / sizeof(*functions); i++)
		rc = sqlite3_create_function_v2(db, functions[i].name, functions[i].n,
						SQLITE_UTF8 | SQLITE_DETERMINISTIC |
							SQLITE_INNOCUOUS,
						NULL, functions[i].fn, NULL, NULL, NULL);
	return rc;
}
