/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine_options.h"

#include "base/mem.h"
#include "flow/flow.h"

#include <errno.h>
#include <string.h>

const char *const nr_checksums_values[] = { "auto", "verify", "ignore", NULL };
const char *const nr_overlap_values[] = { "first", "last",    "windows", "linux",
					  "bsd",   "solaris", NULL };

/* "N", "DURATION" or "N,DURATION": what is left out keeps its default. */
static int parse_dedup(struct nr_engine_config *e, const char *dedup)
{
	const char *comma = strchr(dedup, ',');
	char first[32];
	uint64_t n = 256;

	e->dedup_time = 10000000;
	snprintf(first, sizeof(first), "%.*s",
		 comma ? (int)(comma - dedup) : (int)strlen(dedup), dedup);
	if (nr_parse_u64(first, &n) &&
	    (comma || nr_parse_duration(first, &e->dedup_time)))
		return -EINVAL;
	if (comma && nr_parse_duration(comma + 1, &e->dedup_time))
		return -EINVAL;
	if (!n || n > 65536 || e->dedup_time <= 0)
		return -EINVAL;
	e->dedup_window = (uint32_t)n;
	return 0;
}

int nr_engine_options_dedup(struct nr_engine_config *e, const char *dedup,
			    struct nr_err *err)
{
	if (!parse_dedup(e, dedup))
		return 0;
	return nr_fail(err, -EINVAL,
		       "--dedup needs N, DURATION or N,DURATION with N from 1 to 65536, "
		       "not '%s'",
		       dedup);
}

/* A key of 16 to 4096 bytes, whatever they are. */
int nr_engine_options_secret_key(struct nr_engine_config *e, const char *path,
				 struct nr_err *err)
{
	enum { MIN_KEY = 16, MAX_KEY = 4096 };
	uint8_t *key = nr_xmalloc(MAX_KEY + 1);
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(key, 1, MAX_KEY + 1, f) : 0;
	int error = f ? ferror(f) : 1, reason = errno;

	if (f)
		fclose(f);
	e->parse.secret_key = key;
	e->parse.secret_key_len = n;
	if (error)
		return nr_fail(err, -EINVAL, "cannot read --secret-key %s: %s", path,
			       strerror(reason));
	if (n < MIN_KEY || n > MAX_KEY)
		return nr_fail(err, -EINVAL,
			       "--secret-key %s must hold %d to %d bytes; make one with "
			       "head -c 32 /dev/urandom",
			       path, MIN_KEY, MAX_KEY);
	return 0;
}

static void cap(uint64_t *value, uint64_t usual, uint64_t size)
{
	if (*value == usual && size < usual)
		*value = size;
}

void nr_engine_options_mem(struct nr_engine_config *e, uint64_t size)
{
	enum { FLOW = 1024 };
	struct nr_engine_config usual;

	nr_engine_config_defaults(&usual);
	cap(&e->max_flows, usual.max_flows, size / 4 / FLOW);
	cap(&e->session_memory, usual.session_memory, size / 4);
	cap(&e->reassembly_memory, usual.reassembly_memory, size / 4);
	/* one stream must not have all that its shard has */
	cap(&e->stream_memory, usual.stream_memory,
	    e->reassembly_memory / NR_N_SHARDS / 2);
	cap(&e->index_memory, usual.index_memory, size / 8);
	cap(&e->frag_memory, usual.frag_memory, size / 16);
}
