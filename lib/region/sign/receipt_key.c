#include <sys/random.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <nettle/eddsa.h>
#include <nettle/sha2.h>

#include "core/buf.h"
#include "core/conf.h"
#include "core/hex.h"
#include "core/private.h"
#include "region/sign/receipt_key.h"

#define FILE_MAX	(64UL << 10)
#define KEYS_MAX	64	/* each is tried */

_Static_assert(RECEIPT_KEY_BYTES == ED25519_KEY_SIZE, "both halves");

static const char secret_word[] = "ed25519-secret", public_word[] = "ed25519";

static void
name(struct receipt_key *k)
{
	uint8_t sum[SHA256_DIGEST_SIZE];
	struct sha256_ctx c;

	sha256_init(&c);
	sha256_update(&c, sizeof(k->public), k->public);
	sha256_digest(&c, sizeof(sum), sum);
	hex_encode(k->id, sum, (RECEIPT_KEY_ID - 1) / 2);
}

static int
half(uint8_t out[RECEIPT_KEY_BYTES], char *word[], unsigned n,
    const char *kind, struct fail *f)
{
	/* A secret one that was put where all may read it is not shown. */
	if (n != 2 || strcmp(word[0], kind) != 0 ||
	    strlen(word[1]) != 2 * RECEIPT_KEY_BYTES ||
	    hex_decode(out, word[1], RECEIPT_KEY_BYTES) == -1)
		return fail_set(f, EX_CONFIG, "not \"%s\" and %d hexadecimal "
		    "digits", kind, 2 * RECEIPT_KEY_BYTES);
	return 0;
}

struct one {
	struct receipt_key	*key;
	unsigned		 n;
};

static int
secret_line(void *arg, char *word[], unsigned n, struct fail *f)
{
	struct one *o = arg;

	if (o->n++ > 0)
		return fail_set(f, EX_CONFIG, "a second key: one signs");
	return half(o->key->secret, word, n, secret_word, f);
}

int
receipt_key_load(struct receipt_key *k, const char *path, struct fail *f)
{
	struct buf text = BUF_INIT(FILE_MAX);
	struct one o = { k, 0 };
	int rc = private_load(&text, path, f);

	if (rc == 0)
		rc = conf_words(&text, path, secret_line, &o, f);
	if (rc == 0 && o.n == 0)
		rc = fail_set(f, EX_CONFIG, "%.200s: no key in it", path);
	buf_free(&text);
	if (rc == -1) {
		receipt_key_wipe(k);
		return -1;
	}
	ed25519_sha512_public_key(k->public, k->secret);
	name(k);
	return 0;
}

int
receipt_key_make(const char *path, struct fail *f)
{
	char digits[2 * RECEIPT_KEY_BYTES + 1];
	struct buf text = BUF_INIT(FILE_MAX);
	struct receipt_key k;
	int fd, rc;

	private_hold();
	if (getrandom(k.secret, sizeof(k.secret), 0) !=
	    (ssize_t)sizeof(k.secret))
		return fail_sys(f, EX_OSERR, "random bytes");
	hex_encode(digits, k.secret, sizeof(k.secret));
	rc = buf_addf(&text, f, "%s %s\n", secret_word, digits);
	explicit_bzero(digits, sizeof(digits));
	receipt_key_wipe(&k);
	if (rc == 0) {
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd == -1)
			rc = fail_sys(f, EX_CANTCREAT, "%.300s", path);
		else if ((rc = buf_write(&text, fd, path, f)) == 0 &&
		    fsync(fd) == -1)
			rc = fail_sys(f, EX_IOERR, "%.300s", path);
		if (fd != -1 && close(fd) == -1 && rc == 0)
			rc = fail_sys(f, EX_IOERR, "%.300s", path);
		if (fd != -1 && rc == -1)
			unlink(path);
	}
	buf_free(&text);
	return rc;
}

void
receipt_key_line(const struct receipt_key *k, char line[RECEIPT_KEY_LINE])
{
	char digits[2 * RECEIPT_KEY_BYTES + 1];

	hex_encode(digits, k->public, sizeof(k->public));
	snprintf(line, RECEIPT_KEY_LINE, "%s %s", public_word, digits);
}

void
receipt_key_wipe(struct receipt_key *k)
{
	explicit_bzero(k, sizeof(*k));
}

static int
public_line(void *arg, char *word[], unsigned n, struct fail *f)
{
	struct receipt_keys *keys = arg;
	struct receipt_key k = { .id = "" }, *list;

	if (half(k.public, word, n, public_word, f) == -1)
		return -1;
	if (keys->n == KEYS_MAX)
		return fail_set(f, EX_CONFIG, "more than %d keys", KEYS_MAX);
	name(&k);
	list = reallocarray(keys->list, keys->n + 1, sizeof(*list));
	if (list == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	keys->list = list;
	keys->list[keys->n++] = k;
	return 0;
}

int
receipt_keys_load(struct receipt_keys *keys, const char *path,
    struct fail *f)
{
	struct buf text = BUF_INIT(FILE_MAX);
	bool open_to_others;
	int rc;

	memset(keys, 0, sizeof(*keys));
	/* No secret, but whoever writes it says who is believed. */
	rc = private_load_own(&text, path, &open_to_others, f);
	if (rc == 0)
		rc = conf_words(&text, path, public_line, keys, f);
	if (rc == 0 && keys->n == 0)
		rc = fail_set(f, EX_CONFIG, "%.200s: no key in it", path);
	buf_free(&text);
	if (rc == -1)
		receipt_keys_free(keys);
	return rc;
}

void
receipt_keys_free(struct receipt_keys *keys)
{
	free(keys->list);
	memset(keys, 0, sizeof(*keys));
}
