#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "client/context/leave.h"

/* Take a line apart, and keep it if its folder is there. */
static void
add(struct leave *l, char *line)
{
	const char *folder = ".";
	char *name = line, *slash;
	struct stat st;
	size_t len = strlen(line);

	while (len > 1 && line[len - 1] == '/')
		line[--len] = '\0';
	if ((slash = strrchr(line, '/')) != NULL) {
		*slash = '\0';
		folder = slash == line ? "/" : line;
		name = slash + 1;
	}
	if (*name != '\0' && stat(folder, &st) == 0)
		l->name[l->n++] = (struct leave_name){ st.st_dev, st.st_ino,
		    name };
}

int
leave_load(struct leave *l, const char *path, struct fail *f)
{
	char *line, *end;
	size_t i, lines = 1;

	leave_free(l);
	l->path = path;
	if (buf_load(&l->text, path, f) == -1)
		return -1;
	for (i = 0; i < l->text.len; i++)
		lines += l->text.data[i] == '\n';
	l->name = reallocarray(NULL, lines, sizeof(*l->name));
	if (l->name == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	for (line = l->text.data; line != NULL; line = end) {
		if ((end = strchr(line, '\n')) != NULL)
			*end++ = '\0';
		add(l, line);
	}
	return 0;
}

int
leave_again(struct leave *l, struct fail *f)
{
	struct stat st;

	if (l->path == NULL || stat(l->path, &st) == -1 ||
	    !S_ISREG(st.st_mode) || (size_t)st.st_size <= l->text.len)
		return 0;
	return leave_load(l, l->path, f);
}

bool
leave_has(const struct leave *l, const struct stat *folder, const char *name)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		if (l->name[i].ino == folder->st_ino &&
		    l->name[i].dev == folder->st_dev &&
		    strcmp(l->name[i].name, name) == 0)
			return true;
	return false;
}

void
leave_free(struct leave *l)
{
	free(l->name);
	l->name = NULL;
	l->n = 0;
	buf_free(&l->text);
}
