#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "client/sandbox/process.h"
#include "unit.h"

static struct span
parsed(const char *text)
{
	struct span s = { NULL, 0 };
	struct fail f;

	if (span_parse(&s, text, strlen(text), &f) == -1)
		printf("# not JSON: %s\n", text);
	return s;
}

/* The rest of a process object, and what it comes to. */
static const struct {
	const char	*name, *members;
	int		 r;
	int64_t		 code;
	bool		 oom, vague;
	int		 status;
} ends[] = {
	{ "running", "\"status\":\"running\"", 0, 0, false, false, 0 },
	{ "running, nulls", "\"status\":\"running\",\"exit_code\":null,"
	    "\"signal\":null,\"managed\":null", 0, 0, false, false, 0 },
	{ "exit 0", "\"status\":\"exited\",\"exit_code\":0", 1, 0, false,
	    false, 0 },
	{ "exit 3", "\"status\":\"exited\",\"exit_code\":3,\"signal\":null",
	    1, 3, false, false, 3 },
	{ "a code counts before the status", "\"status\":\"running\","
	    "\"exit_code\":3", 1, 3, false, false, 3 },
	{ "signal", "\"status\":\"signaled\",\"signal\":9", 1, -9, false,
	    false, 137 },
	{ "a code counts before a signal", "\"status\":\"signaled\","
	    "\"signal\":9,\"exit_code\":1", 1, 1, false, false, 1 },
	{ "ended with nothing", "\"status\":\"exited\"", 1, 0, false, true,
	    0 },
	{ "an unknown word", "\"status\":\"gone\"", 1, 0, false, true, 0 },
	{ "OOM: the signal first", "\"status\":\"signaled\",\"signal\":15,"
	    "\"exit_code\":2,\"oom_killed\":true", 1, -15, true, false, 143 },
	{ "OOM: then the code", "\"status\":\"exited\",\"exit_code\":2,"
	    "\"oom_killed\":true", 1, 2, true, false, 2 },
	{ "OOM: then 9", "\"status\":\"exited\",\"oom_killed\":true", 1, -9,
	    true, false, 137 },
	{ "OOM by status", "\"status\":\"oom_killed\"", 1, -9, true, false,
	    137 },
	{ "OOM by managed.last_exit", "\"status\":\"exited\",\"managed\":"
	    "{\"last_exit\":{\"oom_killed\":true}}", 1, -9, true, false, 137 },
	{ "OOM with exit 0 is no success", "\"status\":\"exited\","
	    "\"exit_code\":0,\"oom_killed\":true", 1, 0, true, false, 137 },
	{ "not OOM", "\"status\":\"exited\",\"exit_code\":1,\"oom_killed\":"
	    "false,\"managed\":{\"last_exit\":{\"oom_killed\":false}}", 1, 1,
	    false, false, 1 },
	{ "managed without last_exit", "\"status\":\"exited\",\"exit_code\":1,"
	    "\"managed\":{\"last_exit\":null}", 1, 1, false, false, 1 },
	{ "a code past 255 is no success", "\"status\":\"exited\","
	    "\"exit_code\":256", 1, 256, false, false, 255 },
	{ "nor is a strange signal", "\"status\":\"exited\","
	    "\"signal\":256", 1, -256, false, false, 255 },
	{ "no status", "\"exit_code\":0", -1, 0, false, false, 0 },
	{ "a status of another type", "\"status\":1", -1, 0, false, false, 0 },
	{ "a code of another type", "\"status\":\"exited\","
	    "\"exit_code\":\"0\"", -1, 0, false, false, 0 },
	{ "a code twice", "\"status\":\"exited\",\"exit_code\":1,"
	    "\"exit_code\":0", -1, 0, false, false, 0 },
	{ "managed of another type", "\"status\":\"exited\",\"exit_code\":0,"
	    "\"managed\":1", -1, 0, false, false, 0 },
};

static void
ended(void)
{
	struct process_end end;
	char text[300];
	struct span s;
	struct fail f;
	bool vague;
	size_t i;
	int r;

	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		snprintf(text, sizeof(text), "{\"pid\":7,%s}",
		    ends[i].members);
		s = parsed(text);
		r = process_ended(&s, &end, &vague, &f);
		UNIT_CHECK(r == ends[i].r, "%s: %d", ends[i].name, r);
		if (r == -1)
			UNIT_CHECK(f.status == EX_PROTOCOL, "%s: %s",
			    ends[i].name, f.msg);
		if (r != 1)
			continue;
		UNIT_CHECK(end.pid == 7 && end.code == ends[i].code &&
		    end.oom == ends[i].oom && vague == ends[i].vague,
		    "%s: code %ld", ends[i].name, (long)end.code);
		UNIT_CHECK(process_status(&end) == ends[i].status,
		    "%s: status %d", ends[i].name, process_status(&end));
	}
	s = parsed("{\"status\":\"exited\",\"exit_code\":0}");
	UNIT_CHECK(process_ended(&s, &end, &vague, &f) == -1, "no pid");
	s = parsed("[]");
	UNIT_CHECK(process_ended(&s, &end, &vague, &f) == -1, "no object");
}

#define ONE(pid, args)	"{\"pid\":" pid ",\"command\":\"mkdir\"," \
			"\"args\":" args ",\"status\":\"exited\"}"
#define LIST(all)	"{\"processes\":[" all "]}"

static const struct {
	const char	*name, *before, *now;
	int		 r;
	int64_t		 pid;
} finds[] = {
	{ "the new one", LIST(""), LIST(ONE("7", "[\"-p\",\"/x\"]")), 1, 7 },
	{ "not the one from before", LIST(ONE("7", "[\"-p\",\"/x\"]")),
	    LIST(ONE("7", "[\"-p\",\"/x\"]")), 0, 0 },
	{ "the new one beside it", LIST(ONE("7", "[\"-p\",\"/x\"]")),
	    LIST(ONE("7", "[\"-p\",\"/x\"]") "," ONE("9", "[\"-p\",\"/x\"]")),
	    1, 9 },
	{ "a smaller pid is new as well", LIST(ONE("7", "[\"-p\",\"/x\"]")),
	    LIST(ONE("5", "[\"-p\",\"/x\"]")), 1, 5 },
	{ "not one of two", LIST(""), LIST(ONE("7", "[\"-p\",\"/x\"]") ","
	    ONE("9", "[\"-p\",\"/x\"]")), -1, 0 },
	{ "not with fewer arguments", LIST(""), LIST(ONE("7", "[\"-p\"]")), 0,
	    0 },
	{ "nor with more", LIST(""), LIST(ONE("7", "[\"-p\",\"/x\",\"\"]")),
	    0, 0 },
	{ "nor with others", LIST(""), LIST(ONE("7", "[\"-p\",\"/y\"]")), 0,
	    0 },
	{ "nor with none", LIST(""), LIST("{\"pid\":7,\"command\":\"mkdir\"}"),
	    0, 0 },
	{ "escapes are undone", LIST(""),
	    LIST(ONE("7", "[\"\\u002dp\",\"\\/x\"]")), 1, 7 },
	{ "not another command", LIST(""), LIST("{\"pid\":7,\"command\":"
	    "\"rmdir\",\"args\":[\"-p\",\"/x\"]}"), 0, 0 },
	{ "odd entries are passed over", LIST(""), LIST("1,null,{},"
	    ONE("\"7\"", "[\"-p\",\"/x\"]") "," ONE("9", "[\"-p\",\"/x\"]")),
	    1, 9 },
	{ "no list", LIST(""), "{}", -1, 0 },
	{ "no array", LIST(""), "{\"processes\":{}}", -1, 0 },
};

static void
find(void)
{
	static const char *const args[] = { "-p", "/x", NULL };
	static const struct process mkdir = {
		.command = "mkdir", .args = args
	};
	static const struct process none = { .command = "mkdir" };
	struct span before, now;
	struct fail f;
	int64_t pid;
	size_t i;
	int r;

	for (i = 0; i < sizeof(finds) / sizeof(finds[0]); i++) {
		before = parsed(finds[i].before);
		now = parsed(finds[i].now);
		pid = 0;
		r = process_find(&now, &before, &mkdir, &pid, &f);
		UNIT_CHECK(r == finds[i].r &&
		    (r != 1 || pid == finds[i].pid), "%s", finds[i].name);
	}
	now = parsed(LIST(ONE("7", "[]")));
	UNIT_CHECK(process_find(&now, NULL, &none, &pid, &f) == 1 && pid == 7,
	    "no arguments at all");
	now = parsed(LIST("{\"pid\":8,\"command\":\"mkdir\"}"));
	UNIT_CHECK(process_find(&now, NULL, &none, &pid, &f) == 1 && pid == 8,
	    "and none given");
}

int
main(void)
{
	ended();
	find();
	return unit_end();
}
