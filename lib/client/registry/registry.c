#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "client/registry/registry.h"
#include "core/json.h"

static const char hub[] = "docker.io";

size_t
registry_of(const char *reference, const char **host)
{
	size_t slash = strcspn(reference, "/"), i;
	bool named = false;

	*host = hub;
	if (reference[slash] == '\0') {
		/* A name of Docker Hub; its tag may well be a variable. */
		return strcspn(reference, "$") < strcspn(reference, ":") ? 0 :
		    sizeof(hub) - 1;
	}
	if (strcspn(reference, "$") < slash)
		return 0;
	for (i = 0; i < slash; i++)
		if (reference[i] == '.' || reference[i] == ':' ||
		    isupper((unsigned char)reference[i]))
			named = true;
	if (!named && (slash != 9 || strncmp(reference, "localhost", 9) != 0))
		return sizeof(hub) - 1;
	*host = reference;
	return slash;
}

/* The names that all mean Docker Hub. */
static bool
is_hub(const char *host, size_t len)
{
	static const char *const names[] = { hub, "index.docker.io",
	    "registry-1.docker.io" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == len &&
		    strncasecmp(host, names[i], len) == 0)
			return true;
	return false;
}

static int
add(char ***list, size_t *n, const char *s, size_t len, struct fail *f)
{
	char **p = reallocarray(*list, *n + 1, sizeof(*p));

	if (p != NULL)
		*list = p;
	if (p == NULL || (p[*n] = strndup(s, len)) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	++*n;
	return 0;
}

int
registries_add(struct registries *r, const char *host, struct fail *f)
{
	return registries_hold(r, host) ? 0 :
	    add(&r->host, &r->n, host, strlen(host), f);
}

static int
add_reference(struct registries *r, const char *reference, struct fail *f)
{
	const char *host;
	size_t len = registry_of(reference, &host);
	char *copy;
	int ret;

	if (len == 0)
		return add(&r->unknown, &r->unknowns, reference,
		    strlen(reference), f);
	if ((copy = strndup(host, len)) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	ret = registries_add(r, copy, f);
	free(copy);
	return ret;
}

static int
add_list(struct registries *r, const struct span *plan, const char *name,
    struct fail *f)
{
	struct span list, item;
	const char *pos = NULL;
	char *text;
	int ret;

	if (json_sub(plan, name, JSON_NEED, '[', &list, f) == -1)
		return -1;
	while (span_next(&list, &pos, NULL, &item) == 1) {
		if (json_string(&item, "reference", JSON_NEED, &text,
		    f) == -1)
			return fail_in(f, name);
		ret = add_reference(r, text, f);
		free(text);
		if (ret == -1)
			return -1;
	}
	return 0;
}

int
registries_of_plan(struct registries *r, const struct span *plan,
    struct fail *f)
{
	char *text;
	int ret;

	if (!span_is_object(plan))
		return fail_set(f, EX_DATAERR, "not a plan");
	if (add_list(r, plan, "references", f) == -1 ||
	    add_list(r, plan, "unresolvable", f) == -1)
		return -1;
	ret = json_string(plan, "importImageReference", JSON_MAY, &text, f);
	if (ret == 1) {
		ret = add_reference(r, text, f);
		free(text);
	}
	return ret == -1 ? -1 : 0;
}

/* The host that a key begins with. */
static const char *
host_of(const char *key, size_t *len)
{
	if (strncasecmp(key, "https://", 8) == 0)
		key += 8;
	else if (strncasecmp(key, "http://", 7) == 0)
		key += 7;
	*len = strcspn(key, "/");
	return key;
}

bool
registries_same(const char *a, const char *b)
{
	size_t n, m;

	a = host_of(a, &n);
	b = host_of(b, &m);
	return (n == m && strncasecmp(a, b, n) == 0) ||
	    (is_hub(a, n) && is_hub(b, m));
}

bool
registries_hold(const struct registries *r, const char *key)
{
	size_t i;

	if (r->all)
		return true;
	for (i = 0; i < r->n; i++)
		if (registries_same(r->host[i], key))
			return true;
	return false;
}

void
registries_free(struct registries *r)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		free(r->host[i]);
	for (i = 0; i < r->unknowns; i++)
		free(r->unknown[i]);
	free(r->host);
	free(r->unknown);
	*r = (struct registries)REGISTRIES_INIT;
}
