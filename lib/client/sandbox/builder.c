#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "client/sandbox/builder.h"

#define PROGRAM	"tl-rootfs-build"

/*
 * Take the next word off *p into w, which has room for all of *p.
 * 1: a word; 0: none is left; -1: a quote or backslash is not closed.
 */
static int
next_word(const char **p, char *w)
{
	const char *s = *p;
	char quote = '\0';
	bool any = false;

	s += strspn(s, " \t\r\n");
	for (; *s != '\0'; s++) {
		if (quote == '\0' && strchr(" \t\r\n", *s) != NULL)
			break;
		any = true;
		if (quote == '\'') {
			if (*s == '\'')
				quote = '\0';
			else
				*w++ = *s;
		} else if (*s == '\\') {
			if (s[1] == '\0')
				return -1;
			/* Within "", it is a character but before these. */
			if (quote == '"' && strchr("\"\\$`\n", s[1]) == NULL)
				*w++ = *s;
			else if (*++s != '\n')
				*w++ = *s;
			continue;
		} else if (*s == quote)
			quote = '\0';
		else if (quote == '\0' && (*s == '"' || *s == '\''))
			quote = *s;
		else
			*w++ = *s;
	}
	*w = '\0';
	*p = s;
	return quote != '\0' ? -1 : any;
}

static int
append(char ***argv, size_t *n, const char *word)
{
	char **grown = realloc(*argv, (*n + 2) * sizeof(*grown));

	if (grown == NULL)
		return -1;
	*argv = grown;
	if ((grown[*n] = strdup(word)) == NULL)
		return -1;
	grown[++*n] = NULL;
	return 0;
}

int
builder_argv(const char *command, char ***argv, struct fail *f)
{
	static const char *const behind[] = {
		"--spec", BUILDER_DIR "/spec.json",
		"--metadata-out", BUILDER_DIR "/metadata.json",
	};
	char **list = NULL, *w = malloc(strlen(command) + 1);
	size_t i, n = 0;
	int r;

	if (w == NULL)
		goto memory;
	while ((r = next_word(&command, w)) == 1)
		if (append(&list, &n, n == 0 && strcmp(w, PROGRAM) == 0 ?
		    "/usr/local/bin/" PROGRAM : w) == -1)
			goto memory;
	free(w);
	w = NULL;
	if (r == -1 || n == 0) {
		builder_free(list);
		return fail_set(f, EX_DATAERR, "builder.command: %s",
		    r == -1 ? "a quote is not closed" : "empty");
	}
	for (i = 0; i < sizeof(behind) / sizeof(behind[0]); i++)
		if (append(&list, &n, behind[i]) == -1)
			goto memory;
	*argv = list;
	return 0;
memory:
	free(w);
	builder_free(list);
	return fail_set(f, EX_OSERR, "out of memory");
}

void
builder_free(char **argv)
{
	size_t i;

	for (i = 0; argv != NULL && argv[i] != NULL; i++)
		free(argv[i]);
	free(argv);
}
