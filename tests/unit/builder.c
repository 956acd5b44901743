/* How builder.command becomes an argv: tl-wire(7), "Builder process". */

#include <string.h>
#include <sysexits.h>

#include "client/sandbox/builder.h"
#include "unit.h"

static void
splits(const char *command, const char *first, const char *second)
{
	struct fail f;
	char **argv;
	size_t n;

	if (builder_argv(command, &argv, &f) == -1) {
		UNIT_CHECK(0, "%s: %s", command, f.msg);
		return;
	}
	for (n = 0; argv[n] != NULL; n++)
		;
	UNIT_CHECK(strcmp(argv[0], first) == 0, "%s: runs %s", command, first);
	UNIT_CHECK(second == NULL ? n == 5 :
	    n == 6 && strcmp(argv[1], second) == 0,
	    "%s: its other words", command);
	UNIT_CHECK(strcmp(argv[n - 4], "--spec") == 0 &&
	    strcmp(argv[n - 1], BUILDER_DIR "/metadata.json") == 0,
	    "%s: then ours", command);
	builder_free(argv);
}

static void
refused(const char *command)
{
	struct fail f;
	char **argv;

	UNIT_CHECK(builder_argv(command, &argv, &f) == -1 &&
	    f.status == EX_DATAERR, "refused: <%s>", command);
}

int
main(void)
{
	splits("tl-rootfs-build", "/usr/local/bin/tl-rootfs-build", NULL);
	splits("/opt/tl-rootfs-build", "/opt/tl-rootfs-build", NULL);
	splits(" tl-rootfs-build\t-v\n", "/usr/local/bin/tl-rootfs-build", "-v");
	splits("a 'b  \"c'", "a", "b  \"c");
	splits("a b\\ c", "a", "b c");
	splits("a \"b\\c\\\"\"", "a", "b\\c\"");
	splits("a ''", "a", "");
	splits("a $HOME", "a", "$HOME");
	splits("a b'c'\"d\"", "a", "bcd");
	refused("");
	refused(" \t");
	refused("a 'b");
	refused("a \"b");
	refused("a\\");
	return unit_end();
}
