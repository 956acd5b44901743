#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "region/platform/api.h"

#define SEEDS_MAX	1000

static int
seed_read(struct platform_template *t, const char *path, struct fail *f)
{
	struct buf b = BUF_INIT(BUF_SMALL_MAX);
	struct span doc;
	int r = -1;

	if (buf_load(&b, path, f) == -1) {
		buf_free(&b);
		return -1;
	}
	if (span_parse(&doc, b.data, b.len, f) == -1 ||
	    platform_template_read(t, &doc, f) == -1)
		fail_in(f, path);
	else if (t->id == NULL || !t->public) {
		fail_set(f, EX_DATAERR, "%s: %s", path, t->id == NULL ?
		    "no id" : "public: must be true, as it has no owner");
		platform_template_free(t);
	} else if ((t->project = strdup("")) == NULL) {
		fail_set(f, EX_OSERR, "out of memory");
		platform_template_free(t);
	} else {
		t->created_at = time(NULL);
		r = 0;
	}
	buf_free(&b);
	return r;
}

static int
is_seed(const struct dirent *e)
{
	const char *dot = strrchr(e->d_name, '.');

	return e->d_name[0] != '.' && dot != NULL &&
	    strcmp(dot, ".json") == 0;
}

int
api_seed(struct api *a, const char *dir, struct fail *f)
{
	struct dirent **files = NULL;
	struct platform_template *t = NULL;
	char path[4096];
	int i, n, r = -1;
	size_t have = 0;

	/* In order of their names, so a list of them is too. */
	if ((n = scandir(dir, &files, is_seed, alphasort)) == -1)
		return fail_sys(f, EX_NOINPUT, "%.200s", dir);
	if (n > SEEDS_MAX)
		fail_set(f, EX_CONFIG, "%.200s: more than %d templates", dir,
		    SEEDS_MAX);
	else if ((t = calloc((size_t)n + 1, sizeof(*t))) == NULL)
		fail_set(f, EX_OSERR, "out of memory");
	else {
		for (i = 0, r = 0; i < n && r == 0; i++) {
			snprintf(path, sizeof(path), "%s/%s", dir,
			    files[i]->d_name);
			if ((r = seed_read(&t[have], path, f)) == 0)
				have++;
		}
		if (r == 0 && (r = platform_seed(a->platform, t, have, f)) ==
		    -1)
			fail_in(f, dir);
	}
	while (have > 0)
		platform_template_free(&t[--have]);
	free(t);
	for (i = 0; i < n; i++)
		free(files[i]);
	free(files);
	return r;
}
