/* What the kernel, df and a builder say, and what is made of it. */

#include <string.h>

#include "client/sandbox/diagnose.h"
#include "unit.h"

static const char larger[] = "try more with --builder-disk-mb or --disk-mb\n";

static struct diagnosis
kernel(const char *s)
{
	struct diagnosis d = { .memory = false };

	diagnose_kernel(&d, s, strlen(s));
	return d;
}

static unsigned
full(const char *s)
{
	struct diagnosis d = { .memory = false };

	diagnose_df(&d, s, strlen(s));
	return d.full;
}

static bool
no_space(const char *s, size_t n)
{
	struct diagnosis d = { .memory = false };

	diagnose_text(&d, s, n);
	return d.no_space;
}

static bool
killed(const char *s)
{
	struct diagnosis d = { .memory = false };

	diagnose_text(&d, s, strlen(s));
	return d.killed;
}

static bool
advises(struct diagnosis d, const char *wanted)
{
	struct buf b = BUF_INIT(BUF_SMALL_MAX);
	struct fail f;
	bool same;

	if (diagnose_advice(&d, &b, &f) == -1)
		return false;
	same = strcmp(b.len == 0 ? "" : b.data, wanted) == 0;
	buf_free(&b);
	return same;
}

int
main(void)
{
	struct diagnosis d = { .memory = false };
	char want[200];

	UNIT_CHECK(kernel("[ 1234.5] Out of memory: Killed process 731 (cc1) "
	    "total-vm:2097152kB").memory, "the kernel's out of memory");
	UNIT_CHECK(kernel("[ 77.1] oom-kill:constraint=CONSTRAINT_MEMCG,"
	    "task=tail,pid=9").memory, "a cgroup's");
	UNIT_CHECK(kernel("[ 1.0] Memory cgroup: KILLED PROCESS 9 (x)").memory,
	    "whatever the case");
	UNIT_CHECK(kernel("oom-kill").memory, "a line that is no more");
	UNIT_CHECK(!kernel("[    0.1] Memory: 2000K/3000K available").memory &&
	    !kernel("oom_reaper: reaped process").memory &&
	    !kernel("").memory && !kernel("oom-kil").memory,
	    "nothing else is");

	UNIT_CHECK(full("Filesystem 1024-blocks Used Available Capacity "
	    "Mounted on") == 0, "df's heading");
	UNIT_CHECK(full("/dev/vda  20511312 19900000 1000  96% /") == 96,
	    "a disk");
	UNIT_CHECK(full("/dev/vda\t1 1 0 100% /a b") == 100, "a full one");
	UNIT_CHECK(full("a b c d 7%") == 7, "without a place");
	UNIT_CHECK(full("proc 0 0 0 - /proc") == 0 &&
	    full("a b c d 99 /") == 0 && full("a b c 99% /") == 0 &&
	    full("a b c d 99%x /") == 0 && full("a b c d -5% /") == 0 &&
	    full("a b c d 99999999999999% /") == 0 && full("") == 0 &&
	    full("a b c d ") == 0, "no percentage");
	d = (struct diagnosis){ .memory = false };
	diagnose_df(&d, "a 1 1 1 97% /", 13);
	diagnose_df(&d, "a 1 1 1 12% /", 13);
	UNIT_CHECK(d.full == 97, "the highest counts");

	UNIT_CHECK(no_space("write: No space left on device", 30) &&
	    no_space("Error: ENOSPC: x", 16) &&
	    no_space("\0no space", 9), "no space");
	UNIT_CHECK(!no_space("no spac", 7) && !no_space("no space", 7) &&
	    !no_space("nospace", 7), "nothing else is");

	UNIT_CHECK(killed("subprocess exited on killed") &&
	    killed("while running: Exit status 137") &&
	    killed("did not complete: exit code: 137") &&
	    killed("returned a non-zero code: 137") &&
	    killed("tar: signal: killed"), "what SIGKILL leaves in a log");
	UNIT_CHECK(!killed("exit status 13") && !killed("137") &&
	    !killed("killed"), "nothing else is");
	d = (struct diagnosis){ .killed = true };
	UNIT_CHECK(advises(d, "the build was killed in the sandbox, maybe "
	    "because memory ran out: try more with --memory-mb\n"), "maybe");
	d.memory = true;
	UNIT_CHECK(advises(d, "the sandbox ran out of memory: try more with "
	    "--memory-mb\n"), "certainty is enough");

	UNIT_CHECK(advises((struct diagnosis){ .memory = false, .full = 94,
	    .no_space = false }, ""),
	    "94 per cent: nothing to say");
	snprintf(want, sizeof(want), "the sandbox's disk is 95%% full: %s",
	    larger);
	UNIT_CHECK(advises((struct diagnosis){ .memory = false, .full = 95,
	    .no_space = true }, want),
	    "95 per cent, said once");
	snprintf(want, sizeof(want), "the sandbox ran out of memory: try more "
	    "with --memory-mb\na disk of the sandbox was full: %s", larger);
	UNIT_CHECK(advises((struct diagnosis){ .memory = true, .full = 94,
	    .no_space = true }, want),
	    "both, a line each");
	return unit_end();
}
