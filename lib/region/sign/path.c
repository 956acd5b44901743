#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "region/serve/id.h"
#include "region/sign/path.h"

int
sign_path_check(const char *path, struct fail *f)
{
	const char *p = path;
	size_t i, n, len = strlen(path);

	if (len == 0)
		return fail_set(f, EX_DATAERR, "path: empty");
	if (len > SIGN_PATH_MAX)
		return fail_set(f, EX_DATAERR, "path: more than %d bytes",
		    SIGN_PATH_MAX);
	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)path[i];

		if (c < 0x20 || c == 0x7f)
			return fail_set(f, EX_DATAERR,
			    "path: a control byte");
		if (c == '\\' || c == '%')
			return fail_set(f, EX_DATAERR, "path: a '%c'", c);
	}
	for (;;) {
		n = strcspn(p, "/");
		if (n == 0)
			return fail_set(f, EX_DATAERR,
			    "path: an empty segment");
		if ((n == 1 && p[0] == '.') ||
		    (n == 2 && p[0] == '.' && p[1] == '.'))
			return fail_set(f, EX_DATAERR,
			    "path: a segment \"%.*s\"", (int)n, p);
		p += n;
		if (*p++ == '\0')
			return 0;
	}
}

int
sign_own_path(const char *path, const char *project, struct fail *f)
{
	char prefix[128];

	if (!id_ok(project, strlen(project)))
		return fail_set(f, EX_USAGE, "project: not an id");
	if (sign_path_check(path, f) == -1)
		return fail_in(f, "rel_path");
	snprintf(prefix, sizeof(prefix),
	    "projects/%s/sandbox-template-builds/", project);
	if (strncmp(path, prefix, strlen(prefix)) != 0)
		return fail_set(f, EX_NOPERM,
		    "rel_path: not below %s", prefix);
	return 0;
}

int
sign_uri_split(const char *uri, char **bucket, char **key, struct fail *f)
{
	const char *slash;

	if (strncmp(uri, "s3://", 5) != 0)
		return fail_set(f, EX_DATAERR, "uri: not s3://BUCKET/KEY");
	uri += 5;
	slash = strchr(uri, '/');
	if (slash == NULL || slash == uri || slash[1] == '\0')
		return fail_set(f, EX_DATAERR, "uri: not s3://BUCKET/KEY");
	*bucket = strndup(uri, (size_t)(slash - uri));
	*key = strdup(slash + 1);
	if (*bucket == NULL || *key == NULL) {
		free(*bucket);
		free(*key);
		*bucket = *key = NULL;
		return fail_set(f, EX_OSERR, "out of memory");
	}
	return 0;
}

static bool
below(const char *key, const char *prefix)
{
	size_t n = strlen(prefix);

	return n == 0 || (strncmp(key, prefix, n) == 0 &&
	    (key[n] == '/' || key[n] == '\0'));
}

bool
sign_readable(const struct config *c, const char *bucket, const char *key)
{
	size_t i;

	if (strcmp(bucket, c->bucket) == 0)
		return true;
	for (i = 0; i < c->norigins; i++)
		if (strcmp(bucket, c->origins[i].bucket) == 0 &&
		    below(key, c->origins[i].prefix))
			return true;
	return false;
}
