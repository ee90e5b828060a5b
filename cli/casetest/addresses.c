/* SPDX-License-Identifier: BSD-3-Clause */
#include "casetest/addresses.h"

#include "base/mem.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static bool has_meaning(const uint8_t *p, size_t len)
{
	static const uint8_t loopback[16] = { [15] = 1 };
	bool zero = true;

	for (size_t i = 0; i < len; i++)
		zero &= !p[i];
	if (zero)
		return true;
	if (len == 4)
		return p[0] == 127 || p[0] >= 224 || (p[0] == 169 && p[1] == 254);
	if (len == 6)
		return p[0] & 1;
	return p[0] == 0xff || (p[0] == 0xfe && (p[1] & 0xc0) == 0x80) ||
	       !memcmp(p, loopback, 16);
}

/* The number-th address of examples; false where there are no more. */
static bool example(uint8_t *to, size_t len, unsigned number)
{
	static const uint8_t nets[3][3] = { { 192, 0, 2 },
					    { 198, 51, 100 },
					    { 203, 0, 113 } };

	memset(to, 0, 16);
	if (len == 4) {
		if (number >= 3 * 254)
			return false;
		memcpy(to, nets[number / 254], 3);
		to[3] = (uint8_t)(number % 254 + 1);
	} else if (len == 6) {
		to[0] = 2;
		to[4] = (uint8_t)((number + 1) >> 8);
		to[5] = (uint8_t)(number + 1);
		return number < 65000;
	} else {
		static const uint8_t net[4] = { 0x20, 0x01, 0x0d, 0xb8 };

		memcpy(to, net, 4);
		to[14] = (uint8_t)((number + 1) >> 8);
		to[15] = (uint8_t)(number + 1);
		return number < 65000;
	}
	return true;
}

static const struct nr_address *find(const struct nr_addresses *a, const uint8_t *p,
				     size_t len)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->v[i].len == len && !memcmp(a->v[i].from, p, len))
			return &a->v[i];
	return NULL;
}

void nr_address_map(struct nr_addresses *a, uint8_t *p, size_t len)
{
	const struct nr_address *x = find(a, p, len);
	struct nr_address new = { .len = len };

	if (!x) {
		if (has_meaning(p, len) || !example(new.to, len, a->n_of[len]))
			return;
		memcpy(new.from, p, len);
		if (a->n == a->room) {
			a->room = a->room ? 2 * a->room : 16;
			a->v = nr_xrealloc(a->v, a->room * sizeof(*a->v));
		}
		a->n_of[len]++;
		a->v[a->n++] = new;
		x = &a->v[a->n - 1];
	}
	memcpy(p, x->to, len);
}

static bool parse_mac(const char *word, uint8_t out[6])
{
	unsigned b[6];
	int end = 0;

	if (strlen(word) != 17 ||
	    sscanf(word, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4],
		   &b[5], &end) != 6 ||
	    end != 17)
		return false;
	for (int i = 0; i < 6; i++)
		out[i] = (uint8_t)b[i];
	return true;
}

/* The text of what a word is exchanged for; false where it stays. */
static bool exchange(const struct nr_addresses *a, const char *word, char out[64])
{
	uint8_t p[16];
	const struct nr_address *x = NULL;

	if (inet_pton(AF_INET, word, p) == 1) {
		x = find(a, p, 4);
		if (x)
			inet_ntop(AF_INET, x->to, out, 64);
	} else if (parse_mac(word, p)) {
		x = find(a, p, 6);
		if (x)
			snprintf(out, 64, "%02x:%02x:%02x:%02x:%02x:%02x", x->to[0],
				 x->to[1], x->to[2], x->to[3], x->to[4], x->to[5]);
	} else if (inet_pton(AF_INET6, word, p) == 1) {
		x = find(a, p, 16);
		if (x)
			inet_ntop(AF_INET6, x->to, out, 64);
	}
	return x != NULL;
}

char *nr_addresses_rename(const struct nr_addresses *a, const char *text, size_t len,
			  size_t *out_len)
{
	static const char letters[] = "0123456789abcdefABCDEF:.";
	struct nr_buf b = { 0 };
	char word[64], with[64];

	nr_buf_str(&b, "");
	for (size_t i = 0; i < len;) {
		size_t n = strspn(text + i, letters);

		if (!n) {
			nr_buf_char(&b, text[i++]);
			continue;
		}
		if (n < sizeof(word)) {
			memcpy(word, text + i, n);
			word[n] = '\0';
		}
		if (n < sizeof(word) && exchange(a, word, with))
			nr_buf_str(&b, with);
		else
			nr_buf_add(&b, text + i, n);
		i += n;
	}
	if (out_len)
		*out_len = b.len;
	return b.p;
}

void nr_addresses_fini(struct nr_addresses *a)
{
	nr_free(a->v);
	*a = (struct nr_addresses){ 0 };
}
