#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

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
key_line(struct s3 *s, char *line, struct fail *f)
{
	char *save = NULL, *access, *secret, *mode;
	struct s3_key *k;

	access = strtok_r(line, " \t\r", &save);
	if (access == NULL || *access == '#')
		return 0;
	secret = strtok_r(NULL, " \t\r", &save);
	mode = strtok_r(NULL, " \t\r", &save);
	if (secret == NULL || mode == NULL ||
	    strtok_r(NULL, " \t\r", &save) != NULL ||
	    (strcmp(mode, "rw") != 0 && strcmp(mode, "ro") != 0))
		return fail_set(f, EX_CONFIG, "not ACCESS SECRET rw|ro");
	if (strlen(access) > 128 || strlen(secret) > SIGV4_SECRET_MAX)
		return fail_set(f, EX_CONFIG, "key too long");
	if (s3_key_find(s, access) != NULL)
		return fail_set(f, EX_CONFIG, "access key given twice");
	k = reallocarray(s->keys, s->nkeys + 1, sizeof(*k));
	if (k == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	s->keys = k;
	k += s->nkeys;
	k->access = strdup(access);
	k->secret = strdup(secret);
	k->writes = mode[1] == 'w';
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
	char *line, *next, where[300];
	int rc = private_load(&b, path, f);
	unsigned n = 0;

	for (line = b.data; rc == 0 && line != NULL; line = next) {
		n++;
		if ((next = strchr(line, '\n')) != NULL)
			*next++ = '\0';
		if ((rc = key_line(s, line, f)) == -1) {
			snprintf(where, sizeof(where), "%.200s:%u", path, n);
			fail_in(f, where);
		}
	}
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
