/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NTP (RFC 5905, versions 1 to 4): one row a message. The smallest parser there is, and
 * the one that HACKING.md points at.
 */
#include "base/cursor.h"
#include "record/define.h"
#include "session/parser.h"

/* clang-format off */
#define FIELDS(X, T) \
	NR_FIELDS_SESSION(X, T) \
	X(T, mode, INT, 0, NULL, NULL, NULL, "association mode: 1, 2 symmetric, 3 client, 4 server, 5 broadcast, 6 control, 7 private") \
	X(T, version, INT, 0, NULL, NULL, NULL, "version of the protocol")
/* clang-format on */

NR_TABLE_DECLARE(NTP, ntp, FIELDS);
NR_TABLE_DEFINE(NTP, ntp, NR_R_SESSION, NULL, "NTP messages", FIELDS);

enum { HEADER = 48 };

static enum nr_probe_result ntp_probe(const struct nr_probe *in)
{
	const uint8_t *d = in->data[in->side];
	unsigned mode, version;

	if (in->len[in->side] < HEADER)
		return NR_PROBE_NO;
	mode = d[0] & 7;
	version = d[0] >> 3 & 7;
	return in->port_match && mode >= 1 && mode <= 5 && version >= 1 && version <= 4
		       ? NR_PROBE_YES
		       : NR_PROBE_NO;
}

static enum nr_verdict ntp_datagram(struct nr_parse *p, void *ctx, unsigned side,
				    const uint8_t *data, size_t len, size_t wire_len)
{
	struct nr_record *r;

	if (len < HEADER)
		return NR_MORE;
	nr_parse_service(p, "ntp");
	r = nr_parse_record(p, &nr_rt_ntp);
	nr_set_int(r, NR_NTP_mode, data[0] & 7);
	nr_set_int(r, NR_NTP_version, data[0] >> 3 & 7);
	return NR_MORE;
}

const struct nr_parser nr_parser_ntp = {
	.name = "ntp",
	.about = "Network Time Protocol (RFC 5905)",
	.transports = NR_ON_UDP,
	.ports = (const uint16_t[]){ 123, 0 },
	.services = (const char *const[]){ "ntp", NULL },
	.records = (const struct nr_record_type *const[]){ &nr_rt_ntp, NULL },
	.probe = ntp_probe,
	.datagram = ntp_datagram,
};
