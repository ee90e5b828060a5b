/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way back, where both the database and the capture are hostile. The input:
 *
 *	u8  flags       1: decryption secrets too; 2: all packets, not those of flows
 *	u8  n_flows     at most 4; for each: u16 length and so many bytes of its chunk
 *	u8  n_blocks    rows of source_block: u32 record, u32 offset, i32 time in s
 *	…               the capture
 *
 * Numbers are little endian; what is cut short counts as 0.
 */
#include "recall/recall.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct input {
	const uint8_t *p, *end;
};

static volatile uint8_t seen;

static uint64_t take(struct input *in, unsigned bytes)
{
	uint64_t v = 0;

	if ((size_t)(in->end - in->p) < bytes)
		in->p = in->end;
	else
		for (unsigned i = 0; i < bytes; i++)
			v |= (uint64_t)*in->p++ << 8 * i;
	return v;
}

static void must(sqlite3 *db, int rc)
{
	if (rc == SQLITE_OK || rc == SQLITE_DONE)
		return;
	fprintf(stderr, "%s\n", sqlite3_errmsg(db));
	abort();
}

/* The tables that the way back reads, as a hostile database may have them. */
static sqlite3 *database(void)
{
	static const char ddl[] =
		"CREATE TABLE run (run_id, argv, cwd, finished_ns);"
		"INSERT INTO run VALUES (1, '', '', 1);"
		"CREATE TABLE source (source_id, run_id, name, format, compression, "
		"bytes,"
		" sha256, hash_note, packets, first_ns, last_ns);"
		"CREATE TABLE interface (source_id, section);"
		"CREATE TABLE flow (flow_id, records);"
		"CREATE TABLE flow_packets (flow_id, source_id, seq, blob);"
		"CREATE TABLE source_block (source_id, record, offset, ts_ns);";
	static sqlite3 *db;

	if (db)
		return db;
	must(db, sqlite3_open(":memory:", &db));
	must(db, sqlite3_exec(db, ddl, NULL, NULL, NULL));
	return db;
}

static void put(sqlite3 *db, const char *sql, const int64_t *v, int n, const void *blob,
		size_t len)
{
	sqlite3_stmt *st;

	must(db, sqlite3_prepare_v2(db, sql, -1, &st, NULL));
	for (int i = 0; i < n; i++)
		must(db, sqlite3_bind_int64(st, i + 1, v[i]));
	if (blob)
		must(db, sqlite3_bind_blob(st, n + 1, blob, (int)len, SQLITE_STATIC));
	must(db, sqlite3_step(st));
	sqlite3_finalize(st);
}

static unsigned fill(sqlite3 *db, struct input *in)
{
	unsigned n_flows = (unsigned)take(in, 1) % 5, n_blocks;

	must(db, sqlite3_exec(db,
			      "DELETE FROM flow_packets; DELETE FROM source_block;"
			      "DELETE FROM flow; DELETE FROM source",
			      NULL, NULL, NULL));
	for (int64_t i = 0; i < n_flows; i++) {
		size_t len = take(in, 2), left = (size_t)(in->end - in->p);

		len = len < left ? len : left;
		put(db, "INSERT INTO flow VALUES (?, 1)", &(int64_t){ 16 * (i + 1) }, 1,
		    NULL, 0);
		put(db, "INSERT INTO flow_packets VALUES (?, 1, 0, ?)",
		    &(int64_t){ 16 * (i + 1) }, 1, len ? in->p : (const uint8_t *)"",
		    len);
		in->p += len;
	}
	n_blocks = (unsigned)take(in, 1);
	for (unsigned i = 0; i < n_blocks && in->p < in->end; i++) {
		int64_t record = (int64_t)take(in, 4), offset = (int64_t)take(in, 4);
		int64_t ts = (int32_t)take(in, 4);

		put(db, "INSERT INTO source_block VALUES (1, ?, ?, ?)",
		    (int64_t[]){ record, offset, ts * 1000000000 }, 3, NULL, 0);
	}
	return n_flows;
}

static void read_all(struct nr_recall *r, struct nr_batch *b)
{
	struct nr_err err;
	uint8_t sum = 0;
	int rc;

	while ((rc = nr_recall_read(r, b, 64, &err)) > 0) {
		for (unsigned i = 0; i < b->n; i++) {
			const struct nr_packet *p = &b->pkt[i];

			for (uint32_t k = 0; k < p->cap_len; k++)
				sum ^= p->data[k];
			if (p->event)
				continue;
			sum ^= (uint8_t)nr_recall_flow(r, p);
			sum ^= nr_recall_interface(r, p) != NULL;
		}
		nr_batch_release(b);
	}
	nr_batch_release(b);
	seen = sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct input in = { data, data + n };
	unsigned flags = (unsigned)take(&in, 1), n_flows;
	sqlite3 *db = database();
	int fd = memfd_create("fuzz", MFD_CLOEXEC), rc;
	struct nr_batch *b = calloc(1, sizeof(*b));
	char path[40], sql[200];
	const char *sources[] = { path };
	struct nr_recall_options o = { .sources = sources, .n_sources = 1 };
	struct nr_recall *r = NULL;
	struct nr_err err;

	n_flows = fill(db, &in);
	o.secrets = flags & 1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (write(fd, in.p, (size_t)(in.end - in.p)) != in.end - in.p)
		abort();
	snprintf(sql, sizeof(sql),
		 "INSERT INTO source VALUES (1, 1, '%d', NULL, NULL, %zd, NULL, NULL, %u,"
		 " 0, 0)",
		 fd, in.end - in.p, flags & 4 ? 100u : UINT32_MAX);
	must(db, sqlite3_exec(db, sql, NULL, NULL, NULL));
	rc = nr_recall_open(&r, db, "fuzz.db", &o, &err);
	if (rc) { /* nothing hostile yet: these tables lack what the module reads */
		fprintf(stderr, "%s\n", err.text);
		abort();
	}
	if (flags & 2)
		rc = nr_recall_add_all(r, &err);
	for (unsigned i = 0; i < n_flows && !rc && !(flags & 2); i++)
		rc = nr_recall_add_flow(r, 16 * (int64_t)(i + 1), &err);
	if (!rc)
		rc = nr_recall_locate(r, &err);
	if (!rc)
		read_all(r, b);
	nr_recall_close(r);
	close(fd);
	free(b);
	return 0;
}
