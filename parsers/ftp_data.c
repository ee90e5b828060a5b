/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses of FTP's data connections, and the flows they announce. */
#include "ftp.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

/* A decimal number up to max at *p; moves *p behind it. False: there is none. */
static bool number(const char **p, const char *end, unsigned max, unsigned *value)
{
	const char *at = *p;
	unsigned v = 0;

	while (at < end && *at >= '0' && *at <= '9' && v <= max)
		v = v * 10 + (unsigned)(*at++ - '0');
	if (at == *p || v > max)
		return false;
	*p = at;
	*value = v;
	return true;
}

/* Six numbers with commas between them. */
static bool six(struct nr_ftp_channel *c, const char *p, const char *end)
{
	unsigned v[6];

	for (unsigned i = 0; i < 6; i++) {
		if (i && (p == end || *p++ != ','))
			return false;
		while (i && p < end && *p == ' ')
			p++;
		if (!number(&p, end, 255, &v[i]))
			return false;
	}
	*c = (struct nr_ftp_channel){ .known = true, .ip_version = 4 };
	for (unsigned i = 0; i < 4; i++)
		c->ip[i] = (uint8_t)v[i];
	c->port = (uint16_t)(v[4] << 8 | v[5]);
	return true;
}

bool nr_ftp_read_port(struct nr_ftp_channel *c, const char *arg, size_t n)
{
	return six(c, arg, arg + n);
}

bool nr_ftp_read_eprt(struct nr_ftp_channel *c, const char *arg, size_t n)
{
	const char *p = arg, *end = arg + n, *stop;
	char delimiter, text[INET6_ADDRSTRLEN];
	unsigned family, port;

	*c = (struct nr_ftp_channel){ 0 };
	if (n < 1)
		return false;
	delimiter = *p++;
	if (!number(&p, end, 2, &family) || !family || p == end || *p++ != delimiter)
		return false;
	stop = memchr(p, delimiter, (size_t)(end - p));
	if (!stop || (size_t)(stop - p) >= sizeof(text))
		return false;
	memcpy(text, p, (size_t)(stop - p));
	text[stop - p] = '\0';
	p = stop + 1;
	if (inet_pton(family == 1 ? AF_INET : AF_INET6, text, c->ip) != 1 ||
	    !number(&p, end, 65535, &port))
		return false;
	c->ip_version = family == 1 ? 4 : 6;
	c->port = (uint16_t)port;
	c->known = true;
	return true;
}

bool nr_ftp_read_pasv(struct nr_ftp_channel *c, const char *text, size_t n)
{
	const char *end = text + n;

	for (const char *p = text; p < end; p++) {
		bool first = p == text || p[-1] < '0' || p[-1] > '9';

		if (first && *p >= '0' && *p <= '9' && six(c, p, end)) {
			c->passive = true;
			return true;
		}
	}
	return false;
}

bool nr_ftp_read_epsv(struct nr_ftp_channel *c, const char *text, size_t n)
{
	const char *p = memchr(text, '(', n), *end = text + n;
	unsigned port;
	char delimiter;

	if (!p || end - p < 6)
		return false;
	delimiter = p[1];
	if (p[2] != delimiter || p[3] != delimiter)
		return false;
	p += 4;
	if (!number(&p, end, 65535, &port) || p == end || *p != delimiter)
		return false;
	*c = (struct nr_ftp_channel){ .known = true,
				      .passive = true,
				      .port = (uint16_t)port };
	return true;
}

static void copy_ip(uint8_t to[16], const uint8_t *from, unsigned version)
{
	memcpy(to, from, version == 4 ? 4 : 16);
}

/* Expects a flow from `from` (NULL: anybody) to the address `to`. */
static void expect(struct nr_parse *p, struct nr_ftp_channel *c, unsigned version,
		   const uint8_t *from, const uint8_t *to)
{
	struct nr_expectation x = {
		.proto = IPPROTO_TCP,
		.ip_version = (uint8_t)version,
		.dst_port = c->port,
		.service = "ftp-data",
	};

	if (from)
		copy_ip(x.src_ip, from, version);
	copy_ip(x.dst_ip, to, version);
	c->token[c->n_tokens++] = nr_parse_expect(p, &x);
}

void nr_ftp_expect(struct nr_parse *p, struct nr_ftp_channel *c, unsigned server)
{
	unsigned listener = c->passive ? server : !server;
	const uint8_t *own = p->addr[listener], *other = p->addr[!listener];
	size_t n = p->ip_version == 4 ? 4 : 16;

	if (!c->known || !c->port)
		return;
	if (!c->ip_version) { /* EPSV: the same address */
		c->ip_version = p->ip_version;
		memcpy(c->ip, own, n);
	}
	if (c->ip_version == p->ip_version && !memcmp(c->ip, own, n)) {
		expect(p, c, c->ip_version, other, c->ip);
		return;
	}
	expect(p, c, c->ip_version, NULL, c->ip);
	expect(p, c, p->ip_version, other, own);
}

void nr_ftp_put_channel(struct nr_parse *p, struct nr_record *r,
			const struct nr_ftp_channel *c)
{
	if (!c->known)
		return;
	nr_set_int(r, NR_FTP_passive, c->passive);
	if (c->ip_version)
		nr_parse_ip(p, r, NR_FTP_data_ip, c->ip_version, c->ip);
	nr_set_int(r, NR_FTP_data_port, c->port);
	for (unsigned i = 0; i < c->n_tokens; i++)
		nr_parse_link_expected(p, r, NR_FTP_data_flow_id, c->token[i]);
}
