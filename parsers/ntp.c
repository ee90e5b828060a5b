/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NTP, versions 1 to 4 (RFC 5905; control messages RFC 9327; private ones are ntpd's):
 * one row a message. The smallest parser there is, and the one that HACKING.md teaches
 * with.
 */
#include "base/cursor.h"
#include "base/text.h"
#include "record/define.h"
#include "session/parser.h"

/* clang-format off */
#define FIELDS(X, T) \
	NR_FIELDS_SESSION(X, T) \
	X(T, mode, INT, NR_NN, NULL, NULL, NULL, "1 and 2 symmetric, 3 client, 4 server, 5 broadcast, 6 control, 7 private; 0 in version 1") \
	X(T, version, INT, NR_NN, NULL, NULL, NULL, "version of the protocol") \
	X(T, leap, INT, 0, NULL, NULL, NULL, "leap indicator: 1 and 2 a leap second comes, 3 not synchronised") \
	X(T, stratum, INT, 0, NULL, NULL, NULL, "distance to the reference clock; 0 not known, or a kiss-o'-death") \
	X(T, ref_id, TEXT, 0, NULL, NULL, NULL, "reference: up to four letters in stratum 0 and 1, above an IPv4 address or four bytes of a hash in its form") \
	X(T, poll, INT, 0, NULL, "log2 s", NULL, "poll interval, as the power of two of seconds") \
	X(T, precision, INT, 0, NULL, "log2 s", NULL, "precision of the clock, as the power of two of seconds") \
	X(T, root_delay_ns, INT, 0, NULL, "ns", NULL, "round trip to the reference clock") \
	X(T, root_dispersion_ns, INT, 0, NULL, "ns", NULL, "dispersion to the reference clock") \
	X(T, reference_ns, TIME, 0, NULL, "ns", NULL, "when the clock was last set") \
	X(T, origin_ns, TIME, 0, NULL, "ns", NULL, "when the request left, by the client's clock") \
	X(T, receive_ns, TIME, 0, NULL, "ns", NULL, "when the request arrived, by the server's clock") \
	X(T, transmit_ns, TIME, 0, NULL, "ns", NULL, "when this message left, by the sender's clock") \
	X(T, response, BOOL, 0, NULL, NULL, NULL, "control and private messages: 1 for a response") \
	X(T, operation, INT, 0, NULL, NULL, NULL, "control and private messages: operation or request code") \
	X(T, trailer_bytes, INT, 0, NULL, "bytes", NULL, "what follows the header: extensions, authentication, data") \
	X(T, complete, BOOL, NR_NN, NULL, NULL, NULL, "0 if the capture has cut the message short")
/* clang-format on */

NR_TABLE_DECLARE(NTP, ntp, FIELDS);
NR_TABLE_DEFINE(NTP, ntp, NR_R_SESSION, NULL, "NTP messages", FIELDS);

enum { CONTROL = 6, PRIVATE = 7 };

static unsigned mode_of(uint8_t first)
{
	return first & 7;
}

static unsigned version_of(uint8_t first)
{
	return first >> 3 & 7;
}

/* The length of the fixed header, by mode; 0: no message of ours. */
static size_t header_of(uint8_t first)
{
	unsigned version = version_of(first);

	if (version < 1 || version > 4)
		return 0;
	switch (mode_of(first)) {
	case 0: /* version 1 had no modes */
		return version == 1 ? 48 : 0;
	case CONTROL:
		return 12;
	case PRIVATE:
		return 8;
	default:
		return 48;
	}
}

/* Nothing here is a signature: the port must speak for it. */
static enum nr_probe_result ntp_probe(const struct nr_probe *in)
{
	size_t n = in->len[in->side];

	return n && header_of(in->data[in->side][0]) ? NR_PROBE_MAYBE : NR_PROBE_NO;
}

static int64_t fraction_ns(uint32_t fraction)
{
	return (int64_t)((uint64_t)fraction * 1000000000 >> 32);
}

/* Seconds in 16 bits before and 16 behind the point. */
static void put_short(struct nr_record *r, unsigned field, struct nr_cursor *c,
		      bool is_signed)
{
	uint32_t v = nr_get_be32(c);
	int64_t t = is_signed ? (int32_t)v : (int64_t)v;

	if (!c->bad)
		nr_set_int(r, field, t * 1000000000 / 65536);
}

/* 64 bits since 1900, or since 2036 where the first bit is not set (RFC 4330, 3). */
static void put_time(struct nr_record *r, unsigned field, struct nr_cursor *c)
{
	uint32_t s = nr_get_be32(c), fraction = nr_get_be32(c);
	int64_t since_1970 = (int64_t)s - 2208988800 + (s >> 31 ? 0 : INT64_C(1) << 32);

	if (!c->bad && (s || fraction))
		nr_set_int(r, field, since_1970 * 1000000000 + fraction_ns(fraction));
}

static void put_ref_id(struct nr_parse *p, struct nr_record *r, const uint8_t *id,
		       uint8_t stratum)
{
	size_t n = 4;

	if (!id || !nr_be32(id))
		return;
	while (n && !id[n - 1])
		n--;
	if (stratum > 1)
		nr_parse_ip(p, r, NR_NTP_ref_id, 4, id);
	else
		nr_parse_text(p, r, NR_NTP_ref_id, id, n);
}

static void put_times(struct nr_parse *p, struct nr_record *r, struct nr_cursor *c)
{
	const uint8_t *d = nr_get(c, 4);

	if (!d)
		return;
	nr_set_int(r, NR_NTP_leap, d[0] >> 6);
	nr_set_int(r, NR_NTP_stratum, d[1]);
	nr_set_int(r, NR_NTP_poll, (int8_t)d[2]);
	nr_set_int(r, NR_NTP_precision, (int8_t)d[3]);
	put_short(r, NR_NTP_root_delay_ns, c, true);
	put_short(r, NR_NTP_root_dispersion_ns, c, false);
	put_ref_id(p, r, nr_get(c, 4), d[1]);
	put_time(r, NR_NTP_reference_ns, c);
	put_time(r, NR_NTP_origin_ns, c);
	put_time(r, NR_NTP_receive_ns, c);
	put_time(r, NR_NTP_transmit_ns, c);
}

static void put_operation(struct nr_record *r, struct nr_cursor *c, bool is_private)
{
	const uint8_t *d = nr_get(c, 4);

	if (!d)
		return;
	nr_set_int(r, NR_NTP_response, (is_private ? d[0] : d[1]) >> 7);
	nr_set_int(r, NR_NTP_operation, is_private ? d[3] : d[1] & 0x1f);
	nr_get(c, is_private ? 4 : 8);
}

static enum nr_verdict ntp_datagram(struct nr_parse *p, void *ctx, unsigned side,
				    const uint8_t *data, size_t len, size_t wire_len)
{
	size_t header = len ? header_of(data[0]) : 0;
	struct nr_cursor c = nr_cursor(data, len);
	struct nr_record *r;

	if (!header || wire_len < header) {
		nr_parse_anomaly(p, NR_ANOM_NTP_MALFORMED, (int)side, NULL);
		return NR_MORE;
	}
	nr_parse_service(p, "ntp");
	r = nr_parse_record(p, &nr_rt_ntp);
	nr_set_int(r, NR_NTP_mode, mode_of(data[0]));
	nr_set_int(r, NR_NTP_version, version_of(data[0]));
	if (mode_of(data[0]) >= CONTROL)
		put_operation(r, &c, mode_of(data[0]) == PRIVATE);
	else
		put_times(p, r, &c);
	nr_set_int(r, NR_NTP_trailer_bytes, (int64_t)(wire_len - header));
	nr_set_int(r, NR_NTP_complete, len >= wire_len);
	return NR_MORE;
}

const struct nr_parser nr_parser_ntp = {
	.name = "ntp",
	.about = "Network Time Protocol, versions 1 to 4 (RFC 5905)",
	.transports = NR_ON_UDP,
	.ports = (const uint16_t[]){ 123, 0 },
	.services = (const char *const[]){ "ntp", NULL },
	.records = (const struct nr_record_type *const[]){ &nr_rt_ntp, NULL },
	.probe = ntp_probe,
	.datagram = ntp_datagram,
};
