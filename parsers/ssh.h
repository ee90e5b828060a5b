/* SPDX-License-Identifier: BSD-3-Clause */
/* Table ssh, and the parts of SSH's key exchange that are not its stream. */
#pragma once

#include "record/define.h"
#include "session/parser.h"

/* clang-format off */
#define NR_FIELDS_SSH(X, T) \
	NR_FIELDS_SESSION(X, T) \
	X(T, begin_ns, TIME, 0, NULL, "ns", NULL, "time of the first identification") \
	X(T, version, INT, 0, NULL, NULL, NULL, "major version both speak: 1 or 2; NULL where one side was not seen") \
	X(T, reversed, BOOL, 0, NULL, NULL, NULL, "1 if the flow's initiator is the server (it sent the host key), 0 if the responder is; NULL where no host key was seen: the responder is taken for it, or who has port 22") \
	X(T, client_version, TEXT, 0, NULL, NULL, NULL, "the client's identification, SSH-2.0-…") \
	X(T, server_version, TEXT, 0, NULL, NULL, NULL, "the server's identification") \
	X(T, pre_banner, TEXT, 0, NULL, NULL, NULL, "lines that came before the server's identification (RFC 4253, 4.2), separated by LF, at most 1 KiB") \
	X(T, hassh, TEXT, 0, NULL, NULL, NULL, "HASSH: MD5 of the client's algorithms, 32 hexadecimal digits") \
	X(T, hassh_server, TEXT, 0, NULL, NULL, NULL, "HASSH of the server's algorithms") \
	X(T, kex, TEXT, 0, NULL, NULL, NULL, "key exchange method agreed on (RFC 4253, 7.1); NULL where one side was not seen or nothing is common") \
	X(T, host_key_algorithm, TEXT, 0, NULL, NULL, NULL, "host key algorithm agreed on") \
	X(T, host_key_fingerprint, TEXT, 0, NULL, NULL, NULL, "SHA256: and base64 of the server's host key, as OpenSSH prints it") \
	X(T, cipher, TEXT, 0, NULL, NULL, NULL, "cipher agreed on, client to server") \
	X(T, cipher_to_client, TEXT, 0, NULL, NULL, NULL, "cipher agreed on, server to client") \
	X(T, mac, TEXT, 0, NULL, NULL, NULL, "MAC agreed on, client to server; ciphers that authenticate do not use it") \
	X(T, mac_to_client, TEXT, 0, NULL, NULL, NULL, "MAC agreed on, server to client") \
	X(T, compression, TEXT, 0, NULL, NULL, NULL, "compression agreed on, client to server") \
	X(T, compression_to_client, TEXT, 0, NULL, NULL, NULL, "compression agreed on, server to client") \
	X(T, encrypted, BOOL, 0, NULL, NULL, NULL, "1 once each side that was seen has changed to its keys; NULL for version 1") \
	X(T, disconnect_code, INT, 0, NULL, NULL, NULL, "reason of a DISCONNECT in the clear (RFC 4253, 11.1)") \
	X(T, disconnect_text, TEXT, 0, NULL, NULL, NULL, "its description") \
	X(T, client_algorithms, JSON, 0, NULL, NULL, NULL, "object of the client's lists, most wanted first: kex, host_key, cipher, mac, compression (client to server)") \
	X(T, server_algorithms, JSON, 0, NULL, NULL, NULL, "object of the server's lists (server to client)") \
	X(T, complete, BOOL, NR_NN, NULL, NULL, NULL, "1 if both sides were read until they encrypted (version 1: both names)")
/* clang-format on */

NR_TABLE_DECLARE(SSH, ssh, NR_FIELDS_SSH);

enum {
	NR_SSH_LISTS = 10,
	NR_SSH_NAMES = 128,      /* of a list that are compared */
	NR_SSH_FINGERPRINT = 52, /* "SHA256:" + 43 + NUL */
	NR_SSH_KEX_FIRST = 30,   /* messages of the key exchange methods */
	NR_SSH_KEX_LAST = 49,
};

enum nr_ssh_list {
	NR_SSH_L_KEX,
	NR_SSH_L_HOST_KEY,
	NR_SSH_L_CIPHER_CS,
	NR_SSH_L_CIPHER_SC,
	NR_SSH_L_MAC_CS,
	NR_SSH_L_MAC_SC,
	NR_SSH_L_COMP_CS,
	NR_SSH_L_COMP_SC,
	NR_SSH_L_LANG_CS,
	NR_SSH_L_LANG_SC,
};

/* The name-lists of a KEXINIT (RFC 4253, 7.1). p NULL: none was seen. */
struct nr_ssh_lists {
	char *p; /* all of them, from the account */
	uint32_t size;
	uint32_t at[NR_SSH_LISTS], len[NR_SSH_LISTS];
};

enum { NR_SSH_OK, NR_SSH_BAD, NR_SSH_NO_MEM };

/* Keeps the lists of a KEXINIT whose n bytes behind the type are at body. */
int nr_ssh_lists_read(struct nr_ssh_lists *l, struct nr_account *a, const uint8_t *body,
		      size_t n);
void nr_ssh_lists_free(struct nr_ssh_lists *l, struct nr_account *a);
/*
 * What the lists of both sides say and what they agree on, into r. True: a list has more
 * than NR_SSH_NAMES names.
 */
bool nr_ssh_put_lists(struct nr_parse *p, struct nr_record *r,
		      const struct nr_ssh_lists *client,
		      const struct nr_ssh_lists *server);
/* What a side said in its key exchange. Zeroed at first. */
struct nr_ssh_exchange {
	uint32_t said; /* bit i: message NR_SSH_KEX_FIRST + i */
	uint8_t key;   /* message that fingerprint is of; 0: none */
	char fingerprint[NR_SSH_FINGERPRINT];
};

/* Notes that message type came, NR_SSH_KEX_FIRST to NR_SSH_KEX_LAST. */
void nr_ssh_exchange_said(struct nr_ssh_exchange *x, uint8_t type);
/* Keeps the fingerprint if the message may hold a host key and begins with one; body are
   its n bytes behind the type. */
void nr_ssh_exchange_key(struct nr_ssh_exchange *x, uint8_t type, const uint8_t *body,
			 size_t n);
/*
 * Whether the key of `server` is the host key of an exchange that `client` asked for, by
 * the method that their lists agree on. must_ask false: it need not be seen to.
 */
bool nr_ssh_is_host_key(const struct nr_ssh_exchange *server,
			const struct nr_ssh_lists *server_lists,
			const struct nr_ssh_exchange *client,
			const struct nr_ssh_lists *client_lists, bool must_ask);
