#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "region/platform/chain.h"

void
chain_free(struct chain *c)
{
	while (c->n > 0)
		free(c->uri[--c->n]);
}

/* The URI next below c's last; it is c's then.  2, 1, 0, -1 as platform.h. */
static int
next(struct chain *c, struct platform *p, const char *project,
    const struct platform_template *t, char **uri, struct fail *f)
{
	*uri = NULL;
	if (c->n > 0)
		return platform_snapshot_below(p, project,
		    c->uri[c->n - 1], uri, f);
	if (t->node_kind == NULL || strcmp(t->node_kind, "diff") != 0)
		return 1;
	if (t->parent_uri == NULL)
		return 0;
	if ((*uri = strdup(t->parent_uri)) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	return 2;
}

int
chain_find(struct chain *c, struct platform *p, const char *project,
    const struct platform_template *t, struct fail *f)
{
	char *uri;
	int r;

	*c = (struct chain)CHAIN_INIT;
	while ((r = next(c, p, project, t, &uri, f)) == 2) {
		if (c->n == CHAIN_MAX) {
			free(uri);
			r = fail_set(f, EX_DATAERR, "%.100s stands on more "
			    "than %d other snapshots: build it, or one of "
			    "them, from a base image again", t->name,
			    CHAIN_MAX);
			break;
		}
		c->uri[c->n++] = uri;
	}
	if (r == 0)
		r = fail_set(f, EX_UNAVAILABLE, "%.100s stands on the snapshot"
		    " %.250s, which is not known here: build %.100s again",
		    t->name, c->n == 0 ? "of its parent" :
		    c->uri[c->n - 1], t->name);
	if (r == -1) {
		chain_free(c);
		return -1;
	}
	return 0;
}
