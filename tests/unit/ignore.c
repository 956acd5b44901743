/* Ignore patterns: one pattern, several, hard ones, and what need not be walked */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "dockerfile/ignore.h"
#include "unit.h"

/* Walk to a path; what is said of it, and of going below its last name. */
static int
look(const char *patterns, const char *path, int *below)
{
	struct ignore *ig;
	struct ignore_pos *at, *next, *swap;
	struct fail f;
	size_t line, len;
	int out = 0;

	if (ignore_parse(&ig, patterns, strlen(patterns), "ig", &f) == -1) {
		printf("#   %s\n", f.msg);
		return -1;
	}
	at = ignore_root(ig);
	next = ignore_root(ig);
	for (;; path += len + 1) {
		len = strcspn(path, "/");
		out = ignore_step(ig, at, path, len, next, &line);
		*below = ignore_enter(ig, next);
		swap = at;
		at = next;
		next = swap;
		if (path[len] == '\0')
			break;
	}
	free(at);
	free(next);
	ignore_free(ig);
	return out;
}

static const struct {
	const char	*patterns;
	const char	*path;
	int		 out;
} rules[] = {
	/* Plain names count from the root and take what is below along. */
	{ "log", "log", 1 },
	{ "log", "log/today", 1 },
	{ "log", "src/log", 0 },
	{ "log", "log.txt", 0 },
	{ "log", "lo", 0 },
	{ "src/log", "src/log/a/b", 1 },
	{ "src/log", "src", 0 },
	/* Cleaning. */
	{ "/log", "log", 1 },
	{ "//log//", "log", 1 },
	{ "log/", "log", 1 },
	{ "./log", "log", 1 },
	{ "src/../log", "log", 1 },
	{ "src/./log", "src/log", 1 },
	{ "a/b/c/../../d", "a/d", 1 },
	{ "/../log", "log", 1 },
	{ "../log", "log", 0 },
	{ "a/../../log", "log", 0 },
	{ ".", "log", 0 },
	{ "/", "log", 0 },
	{ "src/..", "src", 0 },
	/* Blanks, CR, comments, byte order mark. */
	{ "  log\t ", "log", 1 },
	{ "log\r\n", "log", 1 },
	{ "\xc2\xa0log\xe3\x80\x80", "log", 1 },
	{ "my log", "my log", 1 },
	{ "\n \nlog", "log", 1 },
	{ "#log", "#log", 0 },
	{ " #log", "#log", 1 },
	{ "\\#log", "#log", 1 },
	{ "\xef\xbb\xbflog", "log", 1 },
	{ "\xef\xbb\xbf#log\nx", "#log", 0 },
	{ "x\n\xef\xbb\xbflog", "log", 0 },
	/* Within a name. */
	{ "*", "log", 1 },
	{ "*", "src/log", 1 },
	{ "*.o", "a.o", 1 },
	{ "*.o", "src/a.o", 0 },
	{ "*.o", "a.o.c", 0 },
	{ "*.o", ".o", 1 },
	{ "*/*.o", "src/a.o", 1 },
	{ "*/*.o", "a.o", 0 },
	{ "*/tmp*", "src/tmpdir/x", 1 },
	{ "a*b*c", "aXbYbZc", 1 },
	{ "a*b*c", "aXbYbZ", 0 },
	{ "f?o", "foo", 1 },
	{ "f?o", "f/o", 0 },
	{ "f?o", "fo", 0 },
	{ "caf?", "caf\xc3\xa9", 1 },
	{ "caf?", "caf\xff", 1 },
	{ "caf??", "caf\xc3\xa9", 0 },
	{ "a\xff", "a\xff", 1 },
	{ "a\xff", "a\xfe", 0 },
	/* Classes. */
	{ "f[aeo]x", "fox", 1 },
	{ "f[aeo]x", "fix", 0 },
	{ "f[a-p]x", "fox", 1 },
	{ "f[^a-p]x", "fox", 0 },
	{ "f[^a-p]x", "fzx", 1 },
	{ "f[!o]x", "fox", 1 },
	{ "f[!o]x", "f!x", 1 },
	{ "f[!o]x", "fax", 0 },
	{ "f[\\]\\-]x", "f]x", 1 },
	{ "f[\\]\\-]x", "f-x", 1 },
	{ "f[\\]\\-]x", "f\\x", 0 },
	{ "f[a*]x", "f*x", 1 },
	{ "f[a*]x", "fbx", 0 },
	{ "[\xce\xb1-\xcf\x89]", "\xce\xb2", 1 },
	{ "[\xce\xb1-\xcf\x89]", "b", 0 },
	{ "a]", "a]", 1 },
	/* What is not special is itself. */
	{ "{a,b}", "a", 0 },
	{ "{a,b}", "{a,b}", 1 },
	{ "a.b+c$(d)|e^", "a.b+c$(d)|e^", 1 },
	{ "a.b", "aXb", 0 },
	{ "\\*", "*", 1 },
	{ "\\*", "x", 0 },
	{ "a\\b", "ab", 1 },
	{ "\\!a", "!a", 1 },
	/* Any number of folders. */
	{ "**", "a/b/c", 1 },
	{ "**/a", "a", 1 },
	{ "**/a", "x/y/a", 1 },
	{ "**/a", "x/y/a/z", 1 },
	{ "**/a", "x/ya", 0 },
	{ "**/*.o", "a.o", 1 },
	{ "**/*.o", "x/y/a.o", 1 },
	{ "**/a/b", "x/a/b", 1 },
	{ "**/a/b", "x/a/y/b", 0 },
	{ "a/**", "a", 0 },
	{ "a/**", "a/b", 1 },
	{ "a/**", "a/b/c", 1 },
	{ "a/**/b", "a/b", 1 },
	{ "a/**/b", "a/x/y/b", 1 },
	{ "a/**/b", "a/xb", 0 },
	{ "a/**/**/b", "a/x/b", 1 },
	{ "**/a/**", "x/a/y", 1 },
	{ "**/a/**", "x/a", 0 },
	{ "**.o", "x/y.o", 1 },
	{ "**.o", ".o", 1 },
	{ "**.o", "y.c", 0 },
	{ "a**", "abc/d", 1 },
	{ "a**/b", "axy/z/b", 1 },
	{ "**/", "x", 1 },
	/* Exceptions; the last one that matches decides. */
	{ "*.md\n!README.md", "README.md", 0 },
	{ "*.md\n!README.md", "a.md", 1 },
	{ "!README.md\n*.md", "README.md", 1 },
	{ "*.md\n!README*.md\nREADME-x.md", "README-x.md", 1 },
	{ "*.md\nREADME-x.md\n!README*.md", "README-x.md", 0 },
	{ "docs\n!docs/a", "docs/a", 0 },
	{ "docs\n!docs/a", "docs/b", 1 },
	{ "docs\n!docs/a\ndocs", "docs/a", 1 },
	{ "*\n!src", "src/deep/file", 0 },
	{ "*\n!src\nsrc/*.o", "src/a.o", 1 },
	{ "*\n!src\nsrc/*.o", "src/x/a.o", 0 },
	{ "**\n!a/b", "a/b/c", 0 },
	{ "*\n! src", "src", 0 },
	{ "*\n!/src/", "src/x", 0 },
	{ "*\n!!a", "!a", 0 },
	{ "*\n!.", "a", 1 },
	{ "", "a", 0 },
	/* A folder's exception brings back what kept the folder out, only. */
	{ "**/.env\n!src", "src/.env", 1 },
	{ "**/.env\n!src", "src/a", 0 },
	{ "**/.env\n!src\n!**/.env", "src/.env", 0 },
	{ "**/.env\n!src/.env", "src/.env", 0 },
	{ "*\n!src\n**/.env", "src/.env", 1 },
	{ "*\n**/.env\n!src", "src/.env", 0 },
	{ "**/.env\n*\n!src", "src/.env", 0 },
	{ "src/*\n!src", "src/a", 1 },
	{ "src/*\n!src", "src/a/b", 1 },
	{ "src/*\n!src", "src", 0 },
	{ "src/*\n!src/*.c", "src/a.c", 0 },
	{ "src/**\n!src", "src/a/b", 1 },
	{ "src/**\n!src/**", "src/a/b", 0 },
	{ "src\n!src", "src/a", 0 },
	{ "src\nsrc/a\n!src", "src/a", 0 },
	{ "src/a\nsrc\n!src", "src/a", 0 },
	{ "a/b\n!a", "a/b/c", 1 },
	{ "a/b\n!a/b", "a/b/c", 0 },
	{ "*/x\n!a\n!a/x/y", "a/x/y", 0 },
	{ "*/x\n!a\n!a/x/y", "a/x/z", 1 },
	{ "a\n!a/b\na", "a/b/c", 1 },
	{ "!a\na/b", "a/b", 1 },
	{ "!a\n*\n!a", "a/b", 0 },
	/* Where its client opens nothing of what it has walked to. */
	{ "docs\n!docs/a\ndocs", "docs/a/b", 1 }
};

/* Whether something below a folder that stays out can come back. */
static const struct {
	const char	*patterns;
	const char	*path;
	int		 below;
} walks[] = {
	{ "node_modules", "node_modules", 0 },
	{ "node_modules\n!src", "node_modules", 0 },
	{ "*\n!src", "lib", 0 },
	{ "*\n!*.md", "lib", 0 },
	{ "*\n!*/x", "lib", 1 },
	{ "*\n!*/x", "lib/y", 0 },
	{ "*\n!src/a/b", "src", 1 },
	{ "*\n!src/a/b", "src/a", 1 },
	{ "*\n!src/a/b", "src/b", 0 },
	{ "*\n!**/*.md", "any/where", 1 },
	{ "!**/*.md\n*", "any", 0 },
	{ "a\n!a/b\na", "a", 0 },
	{ "a\n!a/**", "a", 1 },
	{ "*\n!a?c/x", "abc", 1 },
	{ "*\n!a?c/x", "abd", 0 },
	{ "**/x\n!a\n!a/x/y", "a/x", 1 },
	{ "**/x\n!a/x/y\n!a", "a/x", 1 }
};

static const struct {
	const char	*patterns;
	const char	*says;
} errors[] = {
	{ "[", "ig:1: '['" },
	{ "a\n[a", "ig:2: '['" },
	{ "[]", "ig:1: '['" },
	{ "[]a]", "ig:1: '['" },
	{ "[a-]", "ig:1: '['" },
	{ "[-a]", "ig:1: '['" },
	{ "[^", "ig:1: '['" },
	{ "[a\\", "ig:1: '['" },
	{ "[a\xff]", "ig:1: '['" },
	{ "[z-a]", "ig:1: a range" },
	{ "!\n", "ig:1: '!'" },
	{ "!  ", "ig:1: '!'" },
	{ "!/", "ig:1: '!'" },
	{ "a\\", "ig:1: '\\'" },
	{ "!x\n\n!x[", "ig:3: '['" }
};

/* More tokens than one machine word has bits. */
static void
long_pattern(void)
{
	char pattern[600], path[600];
	int below;

	memset(pattern, 'x', 200);
	strcpy(pattern + 200, "*y");
	memset(path, 'x', 300);
	strcpy(path + 300, "y");
	UNIT_CHECK(look(pattern, path, &below) == 1, "200 letters and a star");
	path[150] = 'z';
	UNIT_CHECK(look(pattern, path, &below) == 0, "one letter is another");
	/* What a backtracking matcher would never finish. */
	memset(path, 'a', 250);
	path[250] = '\0';
	UNIT_CHECK(look("**a**a**a**a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", path,
	    &below) == 0, "stars cost no more than their number");
}

int
main(void)
{
	struct ignore *ig = NULL;
	struct fail f;
	size_t i;
	int below;

	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		UNIT_CHECK(look(rules[i].patterns, rules[i].path, &below) ==
		    rules[i].out, "rule %zu: %zu bytes of patterns, %zu of path",
		    i, strlen(rules[i].patterns), strlen(rules[i].path));
	for (i = 0; i < sizeof(walks) / sizeof(walks[0]); i++)
		UNIT_CHECK(look(walks[i].patterns, walks[i].path, &below) !=
		    -1 && below == walks[i].below, "walk %zu: %s", i,
		    walks[i].path);
	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		f.msg[0] = '\0';
		f.status = 0;
		UNIT_CHECK(ignore_parse(&ig, errors[i].patterns,
		    strlen(errors[i].patterns), "ig", &f) == -1 &&
		    f.status == EX_DATAERR && strncmp(f.msg, errors[i].says,
		    strlen(errors[i].says)) == 0, "error %zu", i);
	}
	UNIT_CHECK(ignore_parse(&ig, "a\0b", 3, "ig", &f) == -1 &&
	    f.status == EX_DATAERR, "a NUL in a pattern");
	long_pattern();
	return unit_end();
}
