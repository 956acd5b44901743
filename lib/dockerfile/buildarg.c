#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "dockerfile/buildarg.h"

static struct buildarg *
find(const struct buildargs *args, const char *name, size_t n)
{
	size_t i;

	for (i = args->n; i-- > 0;)
		if (strlen(args->list[i].name) == n &&
		    memcmp(args->list[i].name, name, n) == 0)
			return &args->list[i];
	return NULL;
}

const char *
buildargs_value(const struct buildargs *args, const char *name, size_t n)
{
	const struct buildarg *a = find(args, name, n);

	return a == NULL ? NULL : a->value;
}

bool
buildargs_has(const struct buildargs *args, const char *name, size_t n)
{
	return find(args, name, n) != NULL;
}

int
buildargs_set(struct buildargs *args, const char *name, size_t n, const char *value,
    struct fail *f)
{
	struct buildarg *a = find(args, name, n);
	char *copy = strdup(value);

	if (copy == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	if (a == NULL) {
		a = reallocarray(args->list, args->n + 1, sizeof(*a));
		if (a != NULL) {
			args->list = a;
			a += args->n;
			a->value = NULL;
			a->name = strndup(name, n);
		}
		if (a == NULL || a->name == NULL) {
			free(copy);
			return fail_set(f, EX_OSERR, "out of memory");
		}
		args->n++;
	}
	free(a->value);
	a->value = copy;
	return 0;
}

int
buildargs_unset(struct buildargs *args, const char *name, size_t n,
    struct fail *f)
{
	struct buildarg *a;

	if (buildargs_set(args, name, n, "", f) == -1)
		return -1;
	a = find(args, name, n);
	free(a->value);
	a->value = NULL;
	return 0;
}

int
buildargs_copy(struct buildargs *to, const struct buildargs *from,
    struct fail *f)
{
	size_t i, n;

	for (i = 0; i < from->n; i++) {
		const struct buildarg *a = &from->list[i];

		n = strlen(a->name);
		if ((a->value == NULL ? buildargs_unset(to, a->name, n, f) :
		    buildargs_set(to, a->name, n, a->value, f)) == -1)
			return -1;
	}
	return 0;
}

int
buildargs_platform(struct buildargs *args, struct fail *f)
{
	static const char *const known[][2] = {
		{ "PLATFORM", "linux/amd64" }, { "OS", "linux" },
		{ "OSVERSION", "" }, { "ARCH", "amd64" }, { "VARIANT", "" },
	};
	char name[32];
	size_t i;

	for (i = 0; i < 2 * sizeof(known) / sizeof(known[0]); i++) {
		strcpy(name, i % 2 == 0 ? "BUILD" : "TARGET");
		strcat(name, known[i / 2][0]);
		if (buildargs_set(args, name, strlen(name), known[i / 2][1],
		    f) == -1)
			return -1;
	}
	return buildargs_set(args, "TARGETSTAGE", 11, "default", f);
}

void
buildargs_free(struct buildargs *args)
{
	size_t i;

	for (i = 0; i < args->n; i++) {
		free(args->list[i].name);
		free(args->list[i].value);
	}
	free(args->list);
	args->list = NULL;
	args->n = 0;
}
