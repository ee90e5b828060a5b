/* SPDX-License-Identifier: BSD-3-Clause */
#include "credential.h"

static const char *const indexes[] = { "flow_id", NULL };

NR_TABLE_DEFINE(CREDENTIAL, credential, NR_R_SESSION, indexes,
		"user names and secrets that crossed the wire in the clear",
		NR_FIELDS_CREDENTIAL);

void nr_credential(struct nr_parse *p, const struct nr_credential *c)
{
	struct nr_record *r = nr_parse_record(p, &nr_rt_credential);

	nr_parse_str(p, r, NR_CREDENTIAL_service, c->service);
	nr_parse_text(p, r, NR_CREDENTIAL_user, c->user, c->user_len);
	if (c->secret) {
		nr_secret_text(p, r, NR_CREDENTIAL_secret, c->secret, c->secret_len);
		nr_secret_hash(p, r, NR_CREDENTIAL_secret_hash, c->secret, c->secret_len);
	}
	nr_parse_str(p, r, NR_CREDENTIAL_mechanism, c->mechanism);
	if (c->success >= 0)
		nr_set_int(r, NR_CREDENTIAL_success, c->success);
}
