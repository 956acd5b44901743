#include <sys/random.h>

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include <nettle/sha2.h>

#include "client/cloud/idempotency.h"
#include "core/hex.h"

#define KEY_BYTES	16

static void
from_bytes(char line[IDEMPOTENCY_HEADER], const uint8_t *key)
{
	char text[2 * KEY_BYTES + 1];

	hex_encode(text, key, KEY_BYTES);
	snprintf(line, IDEMPOTENCY_HEADER, "Idempotency-Key: %s", text);
}

int
idempotency_given(char line[IDEMPOTENCY_HEADER], const char *key,
    struct fail *f)
{
	size_t n = strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789._-");

	if (n == 0 || n > 64 || key[n] != '\0')
		return fail_set(f, EX_USAGE, "idempotency key: not 1 to 64 "
		    "letters, digits, dots, dashes and underscores");
	snprintf(line, IDEMPOTENCY_HEADER, "Idempotency-Key: %s", key);
	return 0;
}

int
idempotency_random(char line[IDEMPOTENCY_HEADER], struct fail *f)
{
	uint8_t key[KEY_BYTES];

	/* So few bytes come whole or not at all. */
	if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key))
		return fail_sys(f, EX_OSERR, "getrandom");
	from_bytes(line, key);
	return 0;
}

void
idempotency_of(char line[IDEMPOTENCY_HEADER], const char *what,
    const void *bytes, size_t n)
{
	uint8_t key[KEY_BYTES];
	struct sha256_ctx sha;

	sha256_init(&sha);
	/* With its NUL, so that no two pairs run together alike. */
	sha256_update(&sha, strlen(what) + 1, (const uint8_t *)what);
	sha256_update(&sha, n, bytes);
	sha256_digest(&sha, sizeof(key), key);
	from_bytes(line, key);
}
