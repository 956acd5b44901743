#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/context/own.h"

void
own_add(struct own *own, const char *path)
{
	if (own->n < OWN_MAX && stat(path, own->st + own->n) == 0)
		own->n++;
}

static void
add_named(struct own *own, const char *variable)
{
	const char *path = getenv(variable);

	if (path != NULL && *path != '\0')
		own_add(own, path);
}

/* A folder of the XDG base directory specification's, name below it. */
static void
add_home(struct own *own, const char *variable, const char *otherwise,
    const char *name)
{
	const char *base = getenv(variable), *home = getenv("HOME");
	char path[PATH_MAX];
	int n;

	if (base != NULL && *base == '/')
		n = snprintf(path, sizeof(path), "%s/%s", base, name);
	else if (home != NULL && *home == '/')
		n = snprintf(path, sizeof(path), "%s/%s/%s", home, otherwise,
		    name);
	else
		return;
	if (n > 0 && (size_t)n < sizeof(path))
		own_add(own, path);
}

void
own_find(struct own *own)
{
	static const char *const named[] = { "TL_WORK", "TL_SANDBOX",
	    "TL_LEDGER", "TL_TOKEN_FILE", "TL_REGION_DIR" };
	size_t i;

	own->n = 0;
	for (i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		add_named(own, named[i]);
	add_home(own, "XDG_CONFIG_HOME", ".config", "tl");
	add_home(own, "XDG_STATE_HOME", ".local/state", "tl");
	add_home(own, "XDG_STATE_HOME", ".local/state", "tl-region");
}
