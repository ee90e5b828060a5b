/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Manifests: what files hold at a time, said by their hashes and signed.
 *
 * Two lines. The first is a JSON object: nrtool_manifest (1), tool_version, created
 * (RFC 3339), note, and files, a list of objects with type ("database", "archive",
 * "file"), path, bytes and sha256; a database also has rows_sha256 (digest.h), runs,
 * sources and counts, an archive frames, records and chain_head. The second holds the
 * signature: Ed25519 over the bytes of the first line, its line feed included, key_id and
 * public key, in hexadecimal.
 */
#pragma once

#include "base/err.h"
#include "base/text.h"
#include "options.h"
#include "verify/signing.h"
#include "verify/verify.h"

struct nr_manifest_options {
	struct nr_list sources; /* where captures, and when checking the files, lie */
	const char *note;
	bool no_sources; /* do not look at the captures of databases */
};

/* A file that is to be signed, opened before the sandbox. */
struct nr_manifest_file {
	const char *path;
	sqlite3 *db; /* NULL: no database */
	struct nr_recall *recall;
	int *found; /* by source: as nr_recall_find() */
	bool is_zstd;
};

/*
 * Appends the first line for n files. 0; -ESTALE with a sentence where a capture is not
 * the one that a database was made from; -errno. Captures that are not there are counted
 * in *n_unchecked.
 */
int nr_manifest_write(struct nr_buf *b, struct nr_manifest_file *f, size_t n,
		      const struct nr_manifest_options *o, unsigned *n_unchecked,
		      struct nr_err *err);
/* Appends the second line, for the line in b. 0 or -errno. */
int nr_manifest_sign(struct nr_buf *b, const struct nr_signing_key *k,
		     struct nr_err *err);

/*
 * Checks the manifest of n bytes at text, which lies in the file path, into r: its
 * signature with key (NULL: with the one it names itself, which proves nothing of its
 * author), and each file. what (128 bytes) gets a line on the manifest. -EINVAL where it
 * is none.
 */
int nr_manifest_check(struct nr_report *r, const char *path, const char *text, size_t n,
		      const struct nr_signing_key *key,
		      const struct nr_manifest_options *o, char what[128],
		      struct nr_err *err);
