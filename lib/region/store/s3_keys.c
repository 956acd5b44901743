#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/conf.h"
#include "core/private.h"
#include "region/store/s3_impl.h"

#define KEYS_FILE_MAX	(256UL << 10)

const struct s3_key *
s3_key_find(const struct s3 *s, const char *access)
{
	size_t i;

	for (i = 0; i < s->nkeys; i++)
		if (strcmp(s->keys[i].access, access) == 0)
			return &s->keys[i];
	return NULL;
}

static int
key_line(void *arg, char *word[], unsigned n, struct fail *f)
{
	struct s3 *s = arg;
	struct s3_key *k;

	if (n != 3 || (strcmp(word[2], "rw") != 0 &&
	    strcmp(word[2], "ro") != 0))
		return fail_set(f, EX_CONFIG, "not ACCESS SECRET rw|ro");
	if (strlen(word[0]) > 128 || strlen(word[1]) > SIGV4_SECRET_MAX)
		return fail_set(f, EX_CONFIG, "key too long");
	if (s3_key_find(s, word[0]) != NULL)
		return fail_set(f, EX_CONFIG, "access key given twice");
	k = reallocarray(s->keys, s->nkeys + 1, sizeof(*k));
	if (k == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	s->keys = k;
	k += s->nkeys;
	k->access = strdup(word[0]);
	k->secret = strdup(word[1]);
	k->writes = word[2][1] == 'w';
	if (k->access == NULL || k->secret == NULL) {
		free(k->access);
		free(k->secret);
		return fail_set(f, EX_OSERR, "out of memory");
	}
	s->nkeys++;
	return 0;
}

int
s3_keys_load(struct s3 *s, const char *path, struct fail *f)
{
	struct buf b = BUF_INIT(KEYS_FILE_MAX);
	int rc = private_load(&b, path, f);

	if (rc == 0)
		rc = conf_words(&b, path, key_line, s, f);
	buf_free(&b);
	if (rc == 0 && s->nkeys == 0)
		rc = fail_set(f, EX_CONFIG, "%s: no key", path);
	if (rc == -1)
		s3_keys_free(s);
	return rc;
}

void
s3_keys_free(struct s3 *s)
{
	size_t i;

	for (i = 0; i < s->nkeys; i++) {
		free(s->keys[i].access);
		explicit_bzero(s->keys[i].secret, strlen(s->keys[i].secret));
		free(s->keys[i].secret);
	}
	free(s->keys);
	s->keys = NULL;
	s->nkeys = 0;
}
