#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/buf.h"
#include "core/conf.h"
#include "core/date.h"
#include "core/private.h"
#include "region/sign/config.h"
#include "region/sign/sigv4.h"

#define FILE_MAX	(256UL << 10)

bool
config_bucket_ok(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789.-");

	return n == strlen(s) && n >= 3 && n <= 63 &&
	    isalnum((unsigned char)s[0]) && isalnum((unsigned char)s[n - 1]) &&
	    strstr(s, "..") == NULL;
}

static int
set_string(char **out, const char *value, struct fail *f)
{
	if (*out != NULL)
		return fail_set(f, EX_CONFIG, "given twice");
	if ((*out = strdup(value)) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	return 0;
}

static int
set_bucket(struct config *c, const char *v, struct fail *f)
{
	if (!config_bucket_ok(v))
		return fail_set(f, EX_CONFIG, "not a bucket's name");
	return set_string(&c->bucket, v, f);
}

static int
set_endpoint(struct config *c, const char *v, struct fail *f)
{
	const char *h = strstr(v, "://");
	size_t n = strlen(v), i;

	if (strncmp(v, "http://", 7) != 0 && strncmp(v, "https://", 8) != 0)
		return fail_set(f, EX_CONFIG,
		    "not an http:// or https:// URL");
	h += 3;
	while (n > 0 && v[n - 1] == '/')
		n--;
	if (v + n <= h)
		return fail_set(f, EX_CONFIG, "a URL without a host");
	/* What is signed has to be what a client puts into its request. */
	for (i = 0; i < n; i++)
		if (!isalnum((unsigned char)v[i]) &&
		    strchr("-._~:/[]", v[i]) == NULL)
			return fail_set(f, EX_CONFIG, "must have only a "
			    "scheme, a host, a port and a plain path");
	if (set_string(&c->endpoint, v, f) == -1)
		return -1;
	c->endpoint[n] = '\0';
	n = strcspn(c->endpoint + (h - v), "/") + (size_t)(h - v);
	for (i = 0; i < n; i++)
		c->endpoint[i] = (char)tolower((unsigned char)c->endpoint[i]);
	return 0;
}

static int
set_region(struct config *c, const char *v, struct fail *f)
{
	if (strspn(v, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != strlen(v))
		return fail_set(f, EX_CONFIG, "not a region's name");
	return set_string(&c->region, v, f);
}

static int
set_addressing(struct config *c, const char *v, struct fail *f)
{
	if (strcmp(v, "path") != 0 && strcmp(v, "virtual") != 0)
		return fail_set(f, EX_CONFIG, "must be path or virtual");
	c->virtual_host = v[0] == 'v';
	return 0;
}

static int
set_access(struct config *c, const char *v, struct fail *f)
{
	if (strlen(v) > 128)
		return fail_set(f, EX_CONFIG, "longer than 128 bytes");
	return set_string(&c->access_key, v, f);
}

static int
set_secret(struct config *c, const char *v, struct fail *f)
{
	if (strlen(v) > SIGV4_SECRET_MAX)
		return fail_set(f, EX_CONFIG, "longer than %d bytes",
		    SIGV4_SECRET_MAX);
	return set_string(&c->secret_key, v, f);
}

static int
set_token(struct config *c, const char *v, struct fail *f)
{
	if (strlen(v) > 8192)
		return fail_set(f, EX_CONFIG, "longer than 8192 bytes");
	return set_string(&c->session_token, v, f);
}

static int
set_end(struct config *c, const char *v, struct fail *f)
{
	if (date_rfc3339(v, &c->credentials_expire) == -1 ||
	    c->credentials_expire <= 0)
		return fail_set(f, EX_CONFIG,
		    "not a time like 2026-06-02T00:00:00Z");
	return 0;
}

static int
set_expires(struct config *c, const char *v, struct fail *f)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(v, &end, 10);
	if (!isdigit((unsigned char)v[0]) || *end != '\0' || errno != 0 ||
	    n < 1 || n > SIGV4_EXPIRES_MAX)
		return fail_set(f, EX_CONFIG, "not from 1 to %d",
		    SIGV4_EXPIRES_MAX);
	c->expires_s = (uint32_t)n;
	return 0;
}

static int
add_origin(struct config *c, const char *v, struct fail *f)
{
	struct config_origin *o;
	size_t n;

	if (strncmp(v, "s3://", 5) != 0)
		return fail_set(f, EX_CONFIG, "not s3://BUCKET/PREFIX");
	o = reallocarray(c->origins, c->norigins + 1, sizeof(*o));
	if (o == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	c->origins = o;
	o += c->norigins;
	v += 5;
	n = strcspn(v, "/");
	o->bucket = strndup(v, n);
	o->prefix = strdup(v[n] == '/' ? v + n + 1 : "");
	c->norigins++;
	if (o->bucket == NULL || o->prefix == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	if (!config_bucket_ok(o->bucket))
		return fail_set(f, EX_CONFIG, "not a bucket's name");
	n = strlen(o->prefix);
	while (n > 0 && o->prefix[n - 1] == '/')
		o->prefix[--n] = '\0';
	return 0;
}

static const struct {
	const char	*name;
	int		(*set)(struct config *, const char *, struct fail *);
} settings[] = {
	{ "bucket", set_bucket },
	{ "endpoint", set_endpoint },
	{ "region", set_region },
	{ "addressing", set_addressing },
	{ "access_key", set_access },
	{ "secret_key", set_secret },
	{ "session_token", set_token },
	{ "credentials_expire", set_end },
	{ "read_origin", add_origin },
	{ "expires_s", set_expires },
};

#define NSETTINGS	(sizeof(settings) / sizeof(*settings))

static int
set(void *arg, const char *name, const char *value, unsigned line,
    struct fail *f)
{
	size_t i;

	(void)line;
	for (i = 0; i < NSETTINGS; i++)
		if (strcmp(settings[i].name, name) == 0)
			return settings[i].set(arg, value, f);
	return CONF_UNKNOWN;
}

static int
whole(struct config *c, struct fail *f)
{
	const char *missing = c->bucket == NULL ? "bucket" :
	    c->endpoint == NULL ? "endpoint" :
	    c->access_key == NULL ? "access_key" :
	    c->secret_key == NULL ? "secret_key" : NULL;

	if (missing != NULL)
		return fail_set(f, EX_CONFIG, "%s: not set", missing);
	if (c->region == NULL && set_region(c, "us-east-1", f) == -1)
		return -1;
	if (c->expires_s == 0)
		c->expires_s = SIGV4_EXPIRES_MAX;
	return 0;
}

int
config_load(struct config *c, const char *path, struct fail *f)
{
	struct buf b = BUF_INIT(FILE_MAX);
	int rc = -1;

	memset(c, 0, sizeof(*c));
	if (private_load(&b, path, f) == -1 ||
	    conf_parse(&b, path, set, c, f) == -1)
		goto out;
	if ((rc = whole(c, f)) == -1)
		fail_in(f, path);
out:
	buf_free(&b);
	if (rc == -1)
		config_free(c);
	return rc;
}

static void
forget(char **s)
{
	if (*s != NULL)
		explicit_bzero(*s, strlen(*s));
	free(*s);
	*s = NULL;
}

void
config_free(struct config *c)
{
	size_t i;

	free(c->bucket);
	free(c->endpoint);
	free(c->region);
	free(c->access_key);
	forget(&c->secret_key);
	forget(&c->session_token);
	for (i = 0; i < c->norigins; i++) {
		free(c->origins[i].bucket);
		free(c->origins[i].prefix);
	}
	free(c->origins);
	memset(c, 0, sizeof(*c));
}
