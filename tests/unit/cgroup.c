#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "region/runtime/cgroup.h"
#include "unit.h"

static char dir[] = "/tmp/tl-cgroup.XXXXXX";

static void
put(const char *name, const char *text)
{
	char path[128];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	out = fopen(path, "w");
	if (out == NULL)
		exit(1);
	fputs(text, out);
	fclose(out);
}

static void
rm(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path);
}

static const char v1[] =
"27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n"
"33 31 0:30 / /c/cpuacct rw,relatime - cgroup cgroup rw,cpuacct\n"
"32 31 0:29 / /c/cpu rw,relatime shared:3 - cgroup cgroup rw,cpu,x\n"
"35 31 0:32 / /c/memory rw,relatime - cgroup cgroup rw,memory\n"
"39 31 0:36 / /c/pids rw,relatime - cgroup cgroup rw,pids\n"
"41 31 0:38 / /none rw,relatime - cgroup2 cgroup2 rw\n";

static void
find(void)
{
	struct cgroup_host h;
	char text[1024];

	cgroup_find(&h, v1);
	UNIT_CHECK(!h.v2 && strcmp(h.memory, "/c/memory") == 0 &&
	    strcmp(h.cpu, "/c/cpu") == 0 && strcmp(h.pids, "/c/pids") == 0,
	    "v1, beside a v2 without controllers");
	put("cgroup.controllers", "cpuset cpu io memory pids\n");
	snprintf(text, sizeof(text), "%s30 1 0:9 / %s rw - cgroup2 none rw",
	    v1, dir);
	cgroup_find(&h, text);
	UNIT_CHECK(h.v2 && strcmp(h.memory, dir) == 0 && h.cpu[0] == '\0' &&
	    h.pids[0] == '\0', "v2 with them");
	put("cgroup.controllers", "cpuset memory2\n");
	cgroup_find(&h, text);
	UNIT_CHECK(!h.v2 && strcmp(h.memory, "/c/memory") == 0,
	    "v2 without memory");
	snprintf(text, sizeof(text), "%s"
	    "50 1 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
	    "51 1 0:32 / /chroot/sys/fs/cgroup/m rw - cgroup cgroup rw,memory\n"
	    "52 1 0:36 / /chroot/pids rw - cgroup cgroup rw,pids\n", v1);
	cgroup_find(&h, text);
	UNIT_CHECK(strcmp(h.memory, "/sys/fs/cgroup/memory") == 0 &&
	    strcmp(h.pids, "/c/pids") == 0, "the machine's own, not a chroot's");
	cgroup_find(&h, "");
	UNIT_CHECK(!h.v2 && h.memory[0] == '\0', "nothing");
	cgroup_find(&h, "x\n- - -\n\n1 2 3 4\n");
	UNIT_CHECK(h.memory[0] == '\0', "nonsense");
	rm("cgroup.controllers");
}

static void
name(void)
{
	struct cgroup_host h = { .v2 = true, .memory = "/c/tl-x",
	    .cpu = "/c/tl-x", .parent = "/c/tl-x" };
	struct cgroup_host h1 = { .memory = "/m", .pids = "/p" };
	struct cgroup g;

	cgroup_name(&g, &h, "sbx-1");
	UNIT_CHECK(g.v2 && g.n == 1 && strcmp(g.path[0], "/c/tl-x/tl-sbx-1") ==
	    0 && strcmp(g.memory, g.path[0]) == 0, "v2: one group");
	h.memory[0] = '\0';
	cgroup_name(&g, &h, "sbx-1");
	UNIT_CHECK(g.n == 1 && g.memory[0] == '\0', "v2: without memory");
	h.parent[0] = h.cpu[0] = '\0';
	cgroup_name(&g, &h, "sbx-1");
	UNIT_CHECK(g.n == 0, "v2: nothing can be made");
	cgroup_name(&g, &h1, "sbx-1");
	UNIT_CHECK(!g.v2 && g.n == 2 && strcmp(g.path[1], "/p/tl-sbx-1") == 0 &&
	    strcmp(g.memory, "/m/tl-sbx-1") == 0, "v1: a group for each");
}

static void
ooms(void)
{
	struct cgroup g = { .v2 = true };

	snprintf(g.memory, sizeof(g.memory), "%s", dir);
	UNIT_CHECK(cgroup_ooms(&g) == 0, "no file");
	put("memory.events", "low 0\nhigh 0\nmax 7\noom 9\noom_kill 3\n"
	    "oom_group_kill 8\n");
	UNIT_CHECK(cgroup_ooms(&g) == 3, "v2's count");
	rm("memory.events");
	g.v2 = false;
	put("memory.oom_control", "oom_kill_disable 1\nunder_oom 0\n"
	    "oom_kill 5\n");
	UNIT_CHECK(cgroup_ooms(&g) == 5, "v1's count");
	rm("memory.oom_control");
	g.memory[0] = '\0';
	UNIT_CHECK(cgroup_ooms(&g) == 0, "no group");
}

int
main(void)
{
	if (mkdtemp(dir) == NULL)
		return 1;
	find();
	name();
	ooms();
	rmdir(dir);
	return unit_end();
}
