#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include <nettle/memops.h>
#include <nettle/sha2.h>

#include "core/buf.h"
#include "core/conf.h"
#include "core/hex.h"
#include "core/private.h"
#include "region/serve/keys.h"

#define KEYS_FILE_MAX	(1UL << 20)
#define TOKEN_MAX	4096

struct entry {
	uint8_t		 hash[SHA256_DIGEST_SIZE];
	struct key	 key;
};

struct keys {
	struct entry	*list;
	size_t		 n;
};

static int
hash_read(uint8_t *hash, const char *s)
{
	if (strlen(s) != 2 * SHA256_DIGEST_SIZE)
		return -1;
	return hex_decode(hash, s, SHA256_DIGEST_SIZE);
}

static int
entry_read(struct entry *e, char *word[], unsigned n, struct fail *f)
{
	unsigned i;

	if (n != 5)
		return fail_set(f, EX_CONFIG,
		    "not five words: key|pat SHA256HEX ID ORG PROJECT");
	if (strcmp(word[0], "key") != 0 && strcmp(word[0], "pat") != 0)
		return fail_set(f, EX_CONFIG, "must begin with 'key' or 'pat'");
	/* It may be a token that was put there by mistake: not shown. */
	if (hash_read(e->hash, word[1]) == -1)
		return fail_set(f, EX_CONFIG,
		    "the second word is not a SHA-256 in hexadecimal");
	for (i = 2; i < 5; i++)
		if (!id_ok(word[i], strlen(word[i])))
			return fail_set(f, EX_CONFIG,
			    "an id is not 1 to %d of A-Z a-z 0-9 - _", ID_MAX);
	e->key.pat = word[0][0] == 'p';
	strcpy(e->key.id, word[2]);
	strcpy(e->key.org, word[3]);
	strcpy(e->key.project, word[4]);
	return 0;
}

static int
entry_add(struct keys *k, const struct entry *e, struct fail *f)
{
	const struct entry *old;
	struct entry *list;
	size_t i;

	for (i = 0; i < k->n; i++) {
		old = &k->list[i];
		/* What a project has is kept and signed for by its id alone. */
		if (strcmp(old->key.project, e->key.project) == 0 &&
		    strcmp(old->key.org, e->key.org) != 0)
			return fail_set(f, EX_CONFIG, "project %s: listed "
			    "already, of another organization",
			    e->key.project);
		if (memcmp(old->hash, e->hash, sizeof(e->hash)) != 0)
			continue;
		/* Whose request it is must never depend on the order. */
		if (!old->key.pat || !e->key.pat ||
		    strcmp(old->key.id, e->key.id) != 0)
			return fail_set(f, EX_CONFIG,
			    "the token is listed already, as another");
	}
	if ((list = reallocarray(k->list, k->n + 1, sizeof(*list))) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	k->list = list;
	k->list[k->n++] = *e;
	return 0;
}

static int
key_line(void *arg, char *word[], unsigned n, struct fail *f)
{
	struct entry e;

	if (entry_read(&e, word, n, f) == -1)
		return -1;
	return entry_add(arg, &e, f);
}

struct keys *
keys_load(const char *path, struct fail *f)
{
	struct buf text = BUF_INIT(KEYS_FILE_MAX);
	struct keys *k = calloc(1, sizeof(*k));
	int rc;

	if (k == NULL) {
		fail_set(f, EX_OSERR, "out of memory");
		return NULL;
	}
	rc = private_load(&text, path, f);
	if (rc == 0)
		rc = conf_words(&text, path, key_line, k, f);
	if (rc == 0 && k->n == 0)
		rc = fail_set(f, EX_CONFIG, "%.200s: no key in it", path);
	buf_free(&text);
	if (rc == 0)
		return k;
	keys_free(k);
	return NULL;
}

void
keys_free(struct keys *k)
{
	if (k == NULL)
		return;
	free(k->list);
	free(k);
}

/* The token of "Authorization: Bearer TOKEN", or NULL. */
static const char *
bearer(const struct serve_request *r)
{
	const char *s = serve_header(r, "Authorization");

	if (s == NULL || serve_header_count(r, "Authorization") != 1 ||
	    strncasecmp(s, "Bearer ", 7) != 0)
		return NULL;
	s += 7 + strspn(s + 7, " ");
	return *s == '\0' || strlen(s) > TOKEN_MAX ? NULL : s;
}

/* A header of the scope; NULL if it is not there exactly once. */
static const char *
scope(const struct serve_request *r, const char *name)
{
	return serve_header_count(r, name) == 1 ? serve_header(r, name) : NULL;
}

static int
unknown(struct serve_request *r, const char *why)
{
	serve_add_header(r, "WWW-Authenticate", "Bearer");
	serve_error(r, 401, "unauthenticated", "%s", why);
	return -1;
}

int
keys_caller(const struct keys *k, struct serve_request *r, struct key *key)
{
	const char *token = bearer(r), *org, *project;
	uint8_t hash[SHA256_DIGEST_SIZE];
	const struct entry *e, *mine = NULL, *scoped = NULL;
	struct sha256_ctx sha;
	size_t i;

	if (token == NULL)
		return unknown(r, "no bearer token in Authorization");
	sha256_init(&sha);
	sha256_update(&sha, strlen(token), (const uint8_t *)token);
	sha256_digest(&sha, sizeof(hash), hash);
	org = scope(r, "X-Forwarded-Organization-Id");
	project = scope(r, "X-Forwarded-Project-Id");
	/* All are compared, always. */
	for (i = 0; i < k->n; i++) {
		e = &k->list[i];
		if (!memeql_sec(e->hash, hash, sizeof(hash)))
			continue;
		mine = e;
		if (org != NULL && strcmp(e->key.org, org) == 0 &&
		    project != NULL && strcmp(e->key.project, project) == 0)
			scoped = e;
	}
	if (mine == NULL)
		return unknown(r, "the token is not known here");
	/*
	 * A key has one scope, whatever else is sent
	 * (tl-wire(7), "Configuration").
	 */
	if (!mine->key.pat) {
		*key = mine->key;
		return 0;
	}
	if (org == NULL || project == NULL) {
		serve_error(r, 403, "scope_required",
		    "a personal access token needs "
		    "X-Forwarded-Organization-Id and X-Forwarded-Project-Id, "
		    "once each");
		return -1;
	}
	if (scoped == NULL) {
		serve_error(r, 403, "forbidden",
		    "the token may not use this organization and project");
		return -1;
	}
	*key = scoped->key;
	return 0;
}
