/* SPDX-License-Identifier: BSD-3-Clause */
#include "verify/signing.h"

#include "base/mem.h"
#include "base/text.h"
#include "sink/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct nr_signing_key {
	EVP_PKEY *pkey;
};

static int crypto_fail(struct nr_err *err, const char *what)
{
	return nr_fail(err, -EIO, "libcrypto cannot %s", what);
}

static struct nr_signing_key *wrap(EVP_PKEY *pkey)
{
	struct nr_signing_key *k = nr_xcalloc(1, sizeof(*k));

	k->pkey = pkey;
	return k;
}

int nr_signing_generate(struct nr_signing_key **out, struct nr_err *err)
{
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

	if (!pkey)
		return crypto_fail(err, "make an Ed25519 key");
	*out = wrap(pkey);
	return 0;
}

/* Nobody is asked for a passphrase. */
static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	(void)arg;
	return -1;
}

int nr_signing_load(struct nr_signing_key **out, const char *path, int is_public,
		    struct nr_err *err)
{
	FILE *f = fopen(path, "re");
	EVP_PKEY *pkey;

	if (!f)
		return nr_fail(err, -errno, "cannot open %s: %s", path, strerror(errno));
	pkey = is_public ? PEM_read_PUBKEY(f, NULL, no_passphrase, NULL)
			 : PEM_read_PrivateKey(f, NULL, no_passphrase, NULL);
	fclose(f);
	if (pkey && EVP_PKEY_get_base_id(pkey) == EVP_PKEY_ED25519) {
		*out = wrap(pkey);
		return 0;
	}
	EVP_PKEY_free(pkey);
	return nr_fail(err, -EINVAL,
		       "%s holds no %s Ed25519 key as nrtool keygen writes it", path,
		       is_public ? "public" : "private, unencrypted");
}

int nr_signing_from_raw(struct nr_signing_key **out, const uint8_t raw[NR_PUBLIC_KEY],
			struct nr_err *err)
{
	EVP_PKEY *pkey =
		EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw, NR_PUBLIC_KEY);

	if (!pkey)
		return crypto_fail(err, "take the public key");
	*out = wrap(pkey);
	return 0;
}

/* A file of its own, never one that is there. */
static int write_pem(const struct nr_signing_key *k, const char *path, bool is_public,
		     struct nr_err *err)
{
	BIO *b = BIO_new(BIO_s_mem());
	struct nr_outfile f;
	char *p = NULL;
	long n;
	int rc, ok = b && (is_public ? PEM_write_bio_PUBKEY(b, k->pkey)
				     : PEM_write_bio_PKCS8PrivateKey(
					       b, k->pkey, NULL, NULL, 0, NULL, NULL));

	if (!ok) {
		BIO_free(b);
		return crypto_fail(err, "write the key");
	}
	n = BIO_get_mem_data(b, &p);
	rc = nr_outfile_open(&f, path, false, true, err);
	if (rc == -EEXIST)
		rc = nr_fail(err, rc,
			     "%s exists: a key is never replaced; remove it or "
			     "give another name",
			     path);
	if (!rc) {
		rc = nr_write_all(f.fd, p, (size_t)n);
		if (rc)
			rc = nr_fail(err, rc, "cannot write %s: %s", path, strerror(-rc));
		if (!rc && is_public && fchmod(f.fd, 0644))
			rc = nr_fail(err, -errno, "cannot write %s: %s", path,
				     strerror(errno));
		if (!rc)
			rc = nr_outfile_commit(&f, err);
		nr_outfile_close(&f);
	}
	OPENSSL_cleanse(p, (size_t)n);
	BIO_free(b);
	return rc;
}

/* A file that has its name, but is perhaps not on the disk, is taken back. */
static int write_new(const struct nr_signing_key *k, const char *path, bool is_public,
		     struct nr_err *err)
{
	int rc = write_pem(k, path, is_public, err);

	if (rc && rc != -EEXIST)
		unlink(path);
	return rc;
}

int nr_signing_save(const struct nr_signing_key *k, const char *prefix,
		    struct nr_err *err)
{
	size_t n = strlen(prefix) + 5;
	char *path = nr_xmalloc(n), *pub = nr_xmalloc(n);
	int rc;

	snprintf(path, n, "%s.key", prefix);
	snprintf(pub, n, "%s.pub", prefix);
	if (access(pub, F_OK) == 0)
		rc = nr_fail(err, -EEXIST,
			     "%s exists: a key is never replaced; remove it "
			     "or give another name",
			     pub);
	else
		rc = write_new(k, path, false, err);
	if (!rc && (rc = write_new(k, pub, true, err)))
		unlink(path); /* half a pair is of no use */
	nr_free(pub);
	nr_free(path);
	return rc;
}

int nr_signing_public(const struct nr_signing_key *k, uint8_t raw[NR_PUBLIC_KEY],
		      struct nr_err *err)
{
	size_t n = NR_PUBLIC_KEY;

	if (EVP_PKEY_get_raw_public_key(k->pkey, raw, &n) == 1 && n == NR_PUBLIC_KEY)
		return 0;
	return crypto_fail(err, "give the public key");
}

int nr_signing_id(const struct nr_signing_key *k, char id[NR_KEY_ID], struct nr_err *err)
{
	uint8_t raw[NR_PUBLIC_KEY], md[EVP_MAX_MD_SIZE];
	int rc = nr_signing_public(k, raw, err);

	if (rc)
		return rc;
	if (EVP_Digest(raw, sizeof(raw), md, NULL, EVP_sha256(), NULL) != 1)
		return crypto_fail(err, "hash");
	nr_hex_format(id, md, (NR_KEY_ID - 1) / 2);
	return 0;
}

int nr_signing_sign(const struct nr_signing_key *k, const void *p, size_t n,
		    uint8_t signature[NR_SIGNATURE], struct nr_err *err)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	size_t len = NR_SIGNATURE;
	bool ok = c && EVP_DigestSignInit(c, NULL, NULL, NULL, k->pkey) == 1 &&
		  EVP_DigestSign(c, signature, &len, p, n) == 1 && len == NR_SIGNATURE;

	EVP_MD_CTX_free(c);
	return ok ? 0 : crypto_fail(err, "sign");
}

int nr_signing_verify(const struct nr_signing_key *k, const void *p, size_t n,
		      const uint8_t signature[NR_SIGNATURE])
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool ok = c && EVP_DigestVerifyInit(c, NULL, NULL, NULL, k->pkey) == 1 &&
		  EVP_DigestVerify(c, signature, NR_SIGNATURE, p, n) == 1;

	EVP_MD_CTX_free(c);
	return ok;
}

void nr_signing_free(struct nr_signing_key *k)
{
	if (!k)
		return;
	EVP_PKEY_free(k->pkey);
	nr_free(k);
}
