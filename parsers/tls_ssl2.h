/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SSL 2.0 (draft-hickman-netscape-ssl-00), as far as its hellos: also the ClientHello in
 * SSL 2.0's frame with which old clients begin TLS (RFC 5246 appendix E.2).
 */
#pragma once

#include "session/gather.h"
#include "tls_handshake.h"

struct nr_ssl2 {
	struct nr_gather message;
	uint16_t want; /* bytes of the message; 0: in its header */
	uint8_t head[3];
	uint8_t head_len;
	bool is_encrypted;
};

/* What begins like a ClientHello: 1 yes, 0 no, -1 more bytes are needed. */
int nr_ssl2_is_client_hello(const uint8_t *p, size_t n);
/* What begins like a ServerHello. */
int nr_ssl2_is_server_hello(const uint8_t *p, size_t n);

/*
 * Bytes of one side. *is_tls is set behind a ClientHello of TLS: what is left in `in`
 * then is no SSL 2.0 any more.
 */
enum nr_verdict nr_ssl2_data(struct nr_parse *p, struct nr_tls_handshake *h,
			     struct nr_ssl2 *s, unsigned side, struct nr_cursor *in,
			     bool *is_tls);
/* Whether a message is begun and not whole. */
bool nr_ssl2_is_within(const struct nr_ssl2 *s);
void nr_ssl2_free(struct nr_ssl2 *s, struct nr_account *a);
