/* A list of what stays out, read again when it has grown. */

#include <stdlib.h>
#include <unistd.h>

#include "client/context/leave.h"
#include "unit.h"

static const char *list = "leave.list";

static void
say(const char *mode, const char *text)
{
	FILE *fp = fopen(list, mode);

	if (fp == NULL || fputs(text, fp) == EOF || fclose(fp) != 0)
		abort();
}

int
main(void)
{
	struct leave l = LEAVE_INIT;
	struct fail f;
	struct stat here;

	if (stat(".", &here) == -1)
		abort();
	UNIT_CHECK(leave_again(&l, &f) == 0, "without a list");
	say("w", "a\n");
	UNIT_CHECK(leave_load(&l, list, &f) == 0 && leave_has(&l, &here, "a") &&
	    !leave_has(&l, &here, "b"), "what is on it");
	say("a", "b");
	UNIT_CHECK(!leave_has(&l, &here, "b"), "not yet");
	UNIT_CHECK(leave_again(&l, &f) == 0 && leave_has(&l, &here, "a") &&
	    leave_has(&l, &here, "b"), "it has grown");
	unlink(list);
	UNIT_CHECK(leave_again(&l, &f) == 0 && leave_has(&l, &here, "b"),
	    "and is gone: what is known stays");
	leave_free(&l);
	return unit_end();
}
