/* SPDX-License-Identifier: BSD-3-Clause */
/* What the conversations say: HTTP/1.1, DNS and body bytes. TLS is in gen_tls.c. */

#include "gen.h"

#include <stdio.h>

/* Text bodies are windows of this ring of words; random bodies are made anew each time,
 * so that no compressor finds one twice. */
#define TEXT_LEN ((size_t)1 << 18)
static char text[TEXT_LEN + 2048];

size_t host_name(char *dst, uint32_t server)
{
	static const char *const first[] = { "www",  "cdn", "api",  "static",
					     "mail", "img", "login" };
	static const char *const zone[] = { "example.com", "example.net", "example.org" };

	return (size_t)snprintf(dst, 40, "%s.site-%04u.%s", first[server % 7], server,
				zone[server % 3]);
}

size_t http_request(char *dst, struct rng *r, uint32_t server, uint64_t body_len)
{
	static const char *const dir[] = { "index", "assets/js", "img", "api/v1/items",
					   "news" };
	static const char *const agent[] = {
		"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, "
		"like "
		"Gecko) Chrome/126.0.0.0 Safari/537.36",
		"curl/7.88.1",
		"python-requests/2.31.0",
	};
	char host[40], length[96] = "";
	uint32_t a = rng_below(r, 5), b = rng_below(r, 4), id = rng_below(r, 1000000);
	uint64_t cookie = rng_u64(r);

	host_name(host, server);
	if (body_len)
		snprintf(length, sizeof(length),
			 "Content-Type: application/x-www-form-urlencoded\r\n"
			 "Content-Length: %llu\r\n",
			 (unsigned long long)body_len);
	return (size_t)snprintf(
		dst, HEAD_MAX,
		"%s /%s/%06u?ref=%u HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\n"
		"Accept: */*\r\nAccept-Language: en-US,en;q=0.5\r\n"
		"Accept-Encoding: identity\r\nCookie: session=%016llx\r\n%s"
		"Connection: keep-alive\r\n\r\n",
		body_len ? "POST" : "GET", dir[a], id, id % 97, host, agent[b],
		(unsigned long long)cookie, length);
}

size_t http_response(char *dst, struct rng *r, int status, bool is_text,
		     uint64_t body_len)
{
	const char *reason = status == 200   ? "OK"
			     : status == 304 ? "Not Modified"
					     : "Not Found";
	char length[96] = "";
	uint32_t etag = (uint32_t)rng_u64(r);

	if (status != 304)
		snprintf(length, sizeof(length),
			 "Content-Type: %s\r\nContent-Length: %llu\r\n",
			 is_text ? "text/plain; charset=utf-8"
				 : "application/octet-stream",
			 (unsigned long long)body_len);
	return (size_t)snprintf(dst, HEAD_MAX,
				"HTTP/1.1 %d %s\r\nServer: nginx/1.22.1\r\n"
				"Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n%s"
				"ETag: \"%08x\"\r\nCache-Control: max-age=3600\r\n"
				"Connection: keep-alive\r\n\r\n",
				status, reason, length, etag);
}

static uint8_t *dns_name(uint8_t *p, uint32_t server, uint32_t label)
{
	char name[64];
	size_t n = label ? (size_t)snprintf(name, sizeof(name), "h%u.", label) : 0;
	uint8_t *len = p++;

	host_name(name + n, server);
	for (const char *s = name; *s; s++) {
		if (*s != '.') {
			*p++ = (uint8_t)*s;
			continue;
		}
		*len = (uint8_t)(p - len - 1);
		len = p++;
	}
	*len = (uint8_t)(p - len - 1);
	*p++ = 0;
	return p;
}

static uint8_t *dns_head(uint8_t *p, uint16_t id, uint32_t flags, uint32_t n_answers)
{
	memset(p, 0, 12);
	put_be16(p, id);
	put_be16(p + 2, flags);
	put_be16(p + 4, 1);
	put_be16(p + 6, n_answers);
	return p + 12;
}

size_t dns_query(uint8_t *dst, uint16_t id, uint16_t qtype, uint32_t server,
		 uint32_t label)
{
	uint8_t *p = dns_name(dns_head(dst, id, 0x0100, 0), server, label);

	put_be16(p, qtype);
	put_be16(p + 2, 1);
	return (size_t)(p + 4 - dst);
}

/* A record of the name at `name`: 12 bytes before its data. */
static uint8_t *dns_record(uint8_t *p, uint32_t name, uint32_t type, uint32_t ttl,
			   uint32_t n)
{
	put_be16(p, 0xc000 | name);
	put_be16(p + 2, type);
	put_be16(p + 4, 1);
	put_be32(p + 6, ttl);
	put_be16(p + 10, n);
	return p + 12;
}

size_t dns_answer(uint8_t *dst, uint16_t id, uint16_t qtype, uint32_t server,
		  uint32_t label, int rcode, uint32_t n_records)
{
	static const uint8_t edge[] = { 4, 'e', 'd', 'g', 'e', 0xc0, 12 };
	uint32_t n = rcode ? 0 : n_records, name = 12;
	bool has_alias = n > 1;
	uint8_t *p =
		dns_name(dns_head(dst, id, 0x8180 | (uint32_t)rcode, n), server, label);

	put_be16(p, qtype);
	put_be16(p + 2, 1);
	p += 4;
	if (has_alias) { /* a CNAME first, the addresses under its target */
		p = dns_record(p, name, 5, 300, sizeof(edge));
		memcpy(p, edge, sizeof(edge));
		name = (uint32_t)(p - dst);
		p += sizeof(edge);
		n--;
	}
	for (uint32_t i = 0; i < n; i++) {
		size_t len = qtype == DNS_AAAA ? 16 : 4;

		p = dns_record(p, name, qtype, 60, (uint32_t)len);
		if (qtype == DNS_AAAA) {
			memset(p, 0, 16);
			put_be32(p, 0x20010db8);
			put_be32(p + 4, 0x80000000 | server >> 4);
			put_be32(p + 12, 1 + server + i);
		} else {
			put_be32(p, 0xc6120000 + server + 1 + i);
		}
		p += len;
	}
	return (size_t)(p - dst);
}

void body_init(void)
{
	static const char *const word[] = {
		"packet", "the",   "of",     "stream",  "and",  "segment", "a",
		"window", "to",    "in",     "header",  "that", "frame",   "is",
		"lost",   "again", "for",    "every",   "byte", "with",    "time",
		"on",     "table", "record", "as",      "by",   "flow",    "from",
		"query",  "or",    "name",   "address",
	};
	struct rng r;
	size_t n = 0;

	rng_seed(&r, 0x7e47);
	while (n < sizeof(text)) {
		const char *w = word[rng_below(&r, 32)];

		while (*w && n < sizeof(text))
			text[n++] = *w++;
		if (n < sizeof(text))
			text[n++] = rng_below(&r, 12) ? ' ' : '\n';
	}
}

/* Bytes `off` .. of an endless random stream; counter mode, so any offset costs the same.
 */
static void random_copy(uint8_t *dst, uint64_t seed, uint64_t off, size_t n)
{
	uint64_t at = seed + (off / 8) * UINT64_C(0x9e3779b97f4a7c15);
	size_t skip = off % 8;

	while (n) {
		uint64_t v = mix64(at);
		uint8_t w[8];
		size_t take = 8 - skip < n ? 8 - skip : n;

		put_le32(w, (uint32_t)v);
		put_le32(w + 4, (uint32_t)(v >> 32));
		if (take == 8)
			memcpy(dst, w, 8);
		else
			memcpy(dst, w + skip, take);
		dst += take;
		n -= take;
		skip = 0;
		at += UINT64_C(0x9e3779b97f4a7c15);
	}
}

/* Application data in full records, the last one shorter. */
static void tls_copy(uint8_t *dst, uint64_t seed, uint64_t len, uint64_t off, size_t n)
{
	while (n) {
		uint64_t start = off - off % TLS_RECORD;
		size_t in = (size_t)(off - start), take;
		uint64_t left = len - start;
		size_t rec = left < TLS_RECORD ? (size_t)left : TLS_RECORD;
		uint8_t head[5] = { 23, 3, 3, (uint8_t)((rec - 5) >> 8),
				    (uint8_t)(rec - 5) };

		if (in < 5) {
			take = 5 - in < n ? 5 - in : n;
			memcpy(dst, head + in, take);
		} else {
			take = rec - in < n ? rec - in : n;
			random_copy(dst, seed, off, take);
		}
		dst += take;
		off += take;
		n -= take;
	}
}

void body_copy(uint8_t *dst, enum body_kind kind, uint64_t seed, uint64_t len,
	       uint64_t off, size_t n)
{
	switch (kind) {
	case BODY_RANDOM:
		random_copy(dst, seed, off, n);
		break;
	case BODY_TEXT:
		memcpy(dst, text + (seed + off) % TEXT_LEN, n);
		break;
	case BODY_TLS:
		tls_copy(dst, seed, len, off, n);
		break;
	}
}
