/* SPDX-License-Identifier: BSD-3-Clause */
/* nrtool manifest: signed statements of what files hold. nrtool keygen: keys for them. */
#include "cli.h"

#include "base/mem.h"
#include "database/database.h"
#include "outputs.h"
#include "verify/manifest.h"
#include "sandbox.h"
#include "sink/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MANIFEST_MAX = 256 << 20 };

struct manifest {
	struct nr_manifest_options o;
	const char *key, *write;
	bool check, force, json, no_sandbox;
};

/* clang-format off */
static const struct nr_option manifest_options[] = {
	{ "key", 'k', NR_OPT_TEXT, "FILE", NR_OPT(manifest, key),
	  .help = "the private key to sign with; with --check the public key whose "
		  "signature it must be" },
	{ "write", 'w', NR_OPT_TEXT, "FILE", NR_OPT(manifest, write), "-",
	  .help = "where to write the manifest; - is standard output" },
	{ "check", 'c', NR_OPT_FLAG, NULL, NR_OPT(manifest, check),
	  .help = "the arguments are manifests: check signatures and files" },
	{ "note", 0, NR_OPT_TEXT, "TEXT", NR_OPT(manifest, o.note),
	  .help = "words that are signed with it" },
	{ "source", 0, NR_OPT_LIST, "PATH", NR_OPT(manifest, o.sources),
	  .help = "where the captures, or the files to check, lie: a file or a directory; "
		  "may be given several times" },
	{ "no-sources", 0, NR_OPT_FLAG, NULL, NR_OPT(manifest, o.no_sources),
	  .help = "do not look at the captures that databases were made from" },
	{ "json", 0, NR_OPT_FLAG, NULL, NR_OPT(manifest, json),
	  .help = "with --check: one JSON object for each manifest" },
	{ "force", 0, NR_OPT_FLAG, NULL, NR_OPT(manifest, force),
	  .help = "replace a file that exists" },
	{ "no-sandbox", 0, NR_OPT_FLAG, NULL, NR_OPT(manifest, no_sandbox),
	  .help = "run without seccomp and Landlock" },
};
/* clang-format on */

static int complain(const struct nr_err *err, int rc)
{
	return nr_complain(rc == -ESTALE  ? NR_EXIT_DIFFERENT
			   : rc == -EINTR ? NR_EXIT_DAMAGED
					  : NR_EXIT_FAILED,
			   "manifest", "%s", err->text);
}

static bool begins_with(const char *path, const void *magic, size_t n)
{
	char head[16];
	FILE *f = fopen(path, "re");
	bool is = f && fread(head, 1, n, f) == n && !memcmp(head, magic, n);

	if (f)
		fclose(f);
	return is;
}

/* Opens what is a database and finds its captures, hashing them. */
static int open_file(struct nr_manifest_file *f, const char *path,
		     const struct nr_manifest_options *o)
{
	const struct nr_recall_options ro = { .sources = o->sources.v,
					      .n_sources = o->sources.n,
					      .check = true,
					      .stop = &nr_stop };
	struct nr_err err;
	struct stat st;
	size_t n;
	int rc;

	f->path = path;
	if (stat(path, &st) || !S_ISREG(st.st_mode))
		return nr_complain(NR_EXIT_FAILED, "manifest", "cannot sign %s: %s", path,
				   errno == ENOENT ? "there is no such file"
						   : "it is no regular file");
	f->is_zstd = begins_with(path, "\x28\xb5\x2f\xfd", 4);
	if (!begins_with(path, "SQLite format 3", 16))
		return 0;
	rc = nr_database_open(&f->db, path, "manifest");
	if (rc)
		return rc;
	sqlite3_exec(f->db, "PRAGMA query_only = 1; PRAGMA temp_store = MEMORY; BEGIN",
		     NULL, NULL, NULL);
	rc = nr_recall_open(&f->recall, f->db, path, &ro, &err);
	if (rc)
		return complain(&err, rc);
	n = nr_recall_n_sources(f->recall);
	f->found = nr_xcalloc(n + 1, sizeof(*f->found));
	for (size_t i = 0; i < n && !o->no_sources; i++) {
		f->found[i] = nr_recall_find(f->recall, i, &err);
		if (f->found[i] == -EINTR)
			return complain(&err, -EINTR);
	}
	return 0;
}

static int confine(const struct manifest *c, const struct nr_manifest_file *f, size_t n)
{
	struct nr_sandbox s = { .targets = &c->write, .n_targets = 1 };
	const char **reads = NULL;
	char applied[NR_SANDBOX_TEXT];
	struct nr_err err;
	size_t k = 0;
	int rc;

	for (size_t i = 0; i < n; i++) {
		size_t m = f[i].recall ? nr_recall_n_sources(f[i].recall) : 0;

		reads = nr_xrealloc(reads, (k + m + 1) * sizeof(*reads));
		reads[k++] = f[i].path;
		for (size_t j = 0; j < m; j++)
			if (nr_recall_path(f[i].recall, j))
				reads[k++] = nr_recall_path(f[i].recall, j);
	}
	s.reads = reads;
	s.n_reads = k;
	rc = c->no_sandbox ? 0 : nr_sandbox_enter(&s, applied, &err);
	nr_free(reads);
	return rc ? complain(&err, rc) : 0;
}

/* Neither what is signed, nor the captures it was made from, nor the key. */
static int check_output(const struct manifest *c, const struct nr_manifest_file *f,
			size_t n)
{
	bool is_input = nr_output_is_input(c->write, c->key);

	for (size_t i = 0; i < n; i++) {
		size_t m = f[i].recall ? nr_recall_n_sources(f[i].recall) : 0;

		is_input |= nr_output_is_input(c->write, f[i].path);
		for (size_t j = 0; j < m; j++)
			is_input |= nr_output_is_input(c->write,
						       nr_recall_path(f[i].recall, j));
	}
	if (!is_input)
		return 0;
	return nr_complain(NR_EXIT_USAGE, "manifest",
			   "%s is an input too; name another output with -w", c->write);
}

static int write_out(const struct manifest *c, const struct nr_buf *b)
{
	struct nr_outfile f;
	struct nr_err err;
	int rc;

	if (!strcmp(c->write, "-")) {
		fwrite(b->p, 1, b->len, stdout);
		return nr_stdout_finish("manifest");
	}
	rc = nr_outfile_open(&f, c->write, c->force, false, &err);
	if (rc == -EEXIST)
		return nr_complain(NR_EXIT_FAILED, "manifest",
				   "%s exists; --force replaces it, -w names another",
				   c->write);
	if (rc)
		return complain(&err, rc);
	rc = nr_write_all(f.fd, b->p, b->len);
	if (rc)
		nr_fail(&err, rc, "cannot write %s: %s", c->write, strerror(-rc));
	else
		rc = nr_outfile_commit(&f, &err);
	nr_outfile_close(&f);
	return rc ? nr_complain(NR_EXIT_INCOMPLETE, "manifest", "%s", err.text) : 0;
}

static int sign(const struct manifest *c, struct nr_manifest_file *f, size_t n,
		const struct nr_signing_key *key)
{
	struct nr_buf b = { 0 };
	struct nr_err err;
	unsigned n_unchecked = 0;
	int rc = nr_manifest_write(&b, f, n, &c->o, &n_unchecked, &err);

	if (!rc)
		rc = nr_manifest_sign(&b, key, &err);
	rc = rc ? complain(&err, rc) : write_out(c, &b);
	if (!rc && n_unchecked && !c->o.no_sources)
		nr_complain(0, "manifest",
			    "%u capture%s not found: signed with the hash that the "
			    "database has, and marked so",
			    n_unchecked, n_unchecked == 1 ? " is" : "s are");
	nr_buf_fini(&b);
	return rc;
}

static int sign_all(const struct manifest *c, const struct nr_call *call)
{
	size_t n = (size_t)call->n;
	struct nr_manifest_file *f = nr_xcalloc(n, sizeof(*f));
	struct nr_signing_key *key = NULL;
	struct nr_err err;
	int rc = c->key ? nr_signing_load(&key, c->key, false, &err)
			: nr_fail(&err, -EINVAL,
				  "-k FILE is missing: the private key of "
				  "nrtool keygen to sign with");

	if (rc)
		rc = nr_complain(c->key ? NR_EXIT_FAILED : NR_EXIT_USAGE, "manifest",
				 "%s", err.text);
	for (size_t i = 0; i < n && !rc; i++)
		rc = open_file(&f[i], call->operands[i], &c->o);
	if (!rc)
		rc = check_output(c, f, n);
	if (!rc)
		rc = confine(c, f, n);
	if (!rc)
		rc = sign(c, f, n, key);
	for (size_t i = 0; i < n; i++) {
		nr_recall_close(f[i].recall);
		sqlite3_close(f[i].db);
		nr_free(f[i].found);
	}
	nr_signing_free(key);
	nr_free(f);
	return rc;
}

static int slurp(const char *path, struct nr_buf *b, struct nr_err *err)
{
	FILE *f = fopen(path, "re");
	size_t n;
	int rc = 0;

	if (!f)
		return nr_fail(err, -errno, "cannot open %s: %s", path, strerror(errno));
	while (!rc && (n = fread(nr_buf_room(b, 65536), 1, 65536, f)) > 0) {
		b->len += n;
		if (b->len > MANIFEST_MAX)
			rc = nr_fail(err, -EFBIG, "%s is no manifest of nrtool", path);
	}
	if (!rc && ferror(f))
		rc = nr_fail(err, -EIO, "cannot read %s", path);
	fclose(f);
	return rc;
}

static int check_one(const struct manifest *c, const char *path,
		     const struct nr_signing_key *key)
{
	struct nr_report report = { 0 };
	struct nr_buf b = { 0 };
	char what[128] = "";
	struct nr_err err;
	int rc = slurp(path, &b, &err);

	if (!rc)
		rc = nr_manifest_check(&report, path, b.p ? b.p : "", b.len, key, &c->o,
				       what, &err);
	if (rc) {
		rc = nr_complain(NR_EXIT_FAILED, "manifest", "%s", err.text);
	} else {
		if (c->json)
			nr_report_json(&report, path, what, stdout);
		else
			nr_report_print(&report, path, what, stdout);
		rc = nr_report_status(&report);
	}
	nr_report_fini(&report);
	nr_buf_fini(&b);
	return rc;
}

static int check_all(const struct manifest *c, const struct nr_call *call)
{
	struct nr_signing_key *key = NULL;
	struct nr_err err;
	int status = 0, rc;

	if (c->key && nr_signing_load(&key, c->key, true, &err))
		return nr_complain(NR_EXIT_FAILED, "manifest", "%s", err.text);
	for (int i = 0; i < call->n; i++) {
		rc = check_one(c, call->operands[i], key);
		if (rc == NR_EXIT_DIFFERENT || !status)
			status = rc;
	}
	nr_signing_free(key);
	rc = nr_stdout_finish("manifest");
	return rc ? rc : status;
}

static int manifest_run(const struct nr_call *call)
{
	const struct manifest *c = call->config;

	nr_signals_init();
	return c->check ? check_all(c, call) : sign_all(c, call);
}

const struct nr_command nr_cmd_manifest = {
	.name = "manifest",
	.operands = "FILE…",
	.operand_kind = "file",
	.summary = "signs what databases, archives and files hold",
	.about =
		"Writes a signed statement of what session databases, archives and other "
		"files\n"
		"hold: hashes, captures, versions, options, counts. With --check "
		"compares "
		"it\n"
		"with the files as they are; status 5 where one has changed.",
	.min_operands = 1,
	.max_operands = NR_ANY,
	.options = { manifest_options,
		     sizeof(manifest_options) / sizeof(*manifest_options) },
	.config_size = sizeof(struct manifest),
	.run = manifest_run,
};

static int keygen_run(const struct nr_call *call)
{
	struct nr_signing_key *key = NULL;
	char id[NR_KEY_ID];
	struct nr_err err;
	int rc = nr_signing_generate(&key, &err);

	if (!rc)
		rc = nr_signing_id(key, id, &err);
	if (!rc)
		rc = nr_signing_save(key, call->operands[0], &err);
	nr_signing_free(key);
	if (rc)
		return nr_complain(NR_EXIT_FAILED, "keygen", "%s", err.text);
	fprintf(stderr,
		"%s.key: keep it to yourself\n%s.pub: give it to those who "
		"check; key id %s\n",
		call->operands[0], call->operands[0], id);
	return NR_EXIT_OK;
}

const struct nr_command nr_cmd_keygen = {
	.name = "keygen",
	.operands = "NAME",
	.summary = "makes a pair of keys for manifests",
	.about = "Writes NAME.key, the private Ed25519 key to sign manifests with, and\n"
		 "NAME.pub, the public key to check them with. Neither may exist.",
	.min_operands = 1,
	.max_operands = 1,
	.run = keygen_run,
};
