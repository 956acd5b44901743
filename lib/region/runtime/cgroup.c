#include <sys/stat.h>
#include <sys/types.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/buf.h"
#include "region/runtime/cgroup.h"
#include "region/runtime/rootless.h"
#include "region/runtime/space.h"

/* The kernel's own period, in microseconds. */
#define CPU_PERIOD_US	100000
/* Where the servers of an ordinary user's region are. */
#define SERVERS		"/tl-servers"

static int
put(const char *group, const char *name, const char *value)
{
	char path[CGROUP_PATH + 160];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", group, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd == -1)
		return -1;
	if (write(fd, value, strlen(value)) == -1) {
		close(fd);
		return -1;
	}
	return close(fd);
}

static ssize_t
get(const char *group, const char *name, char *text, size_t size)
{
	char path[CGROUP_PATH + 160];
	ssize_t n;
	int fd;

	text[0] = '\0';
	snprintf(path, sizeof(path), "%s/%s", group, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return -1;
	n = read(fd, text, size - 1);
	close(fd);
	if (n >= 0)
		text[n] = '\0';
	return n;
}

/* Is word one of a list? */
static bool
among(const char *list, const char *separators, const char *word)
{
	size_t n, len = strlen(word);

	for (; *list != '\0'; list += n, list += strspn(list, separators)) {
		n = strcspn(list, separators);
		if (n == len && memcmp(list, word, n) == 0)
			return true;
	}
	return false;
}

/*
 * A mount that is used: the first, but rather one where the machine has its
 * own; others are of chroots and containers, and go when these do.
 */
static bool
better(const char *point, const char *than)
{
	return than[0] == '\0' || (strncmp(than, "/sys/fs/cgroup", 14) != 0 &&
	    strncmp(point, "/sys/fs/cgroup", 14) == 0);
}

void
cgroup_find(struct cgroup_host *h, const char *mountinfo)
{
	char point[CGROUP_PATH], type[32], options[256], list[512];
	char v2[CGROUP_PATH] = "";
	const char *line, *dash;
	int len;

	memset(h, 0, sizeof(*h));
	for (line = mountinfo; *line != '\0'; line += len,
	    line += *line == '\n') {
		len = (int)strcspn(line, "\n");
		dash = strstr(line, " - ");
		if (dash == NULL || dash > line + len ||
		    sscanf(line, "%*s %*s %*s %*s %255s", point) != 1 ||
		    sscanf(dash, " - %31s %*s %255s", type, options) != 2)
			continue;
		if (strcmp(type, "cgroup2") == 0) {
			if (get(point, "cgroup.controllers", list,
			    sizeof(list)) == -1 ||
			    !among(list, " \n", "memory"))
				continue;
			if (better(point, v2))
				snprintf(v2, sizeof(v2), "%s", point);
			continue;
		}
		if (strcmp(type, "cgroup") != 0)
			continue;
		if (among(options, ",", "memory") && better(point, h->memory))
			snprintf(h->memory, sizeof(h->memory), "%s", point);
		if (among(options, ",", "cpu") && better(point, h->cpu))
			snprintf(h->cpu, sizeof(h->cpu), "%s", point);
		if (among(options, ",", "pids") && better(point, h->pids))
			snprintf(h->pids, sizeof(h->pids), "%s", point);
	}
	if (v2[0] != '\0') {
		memset(h, 0, sizeof(*h));
		h->v2 = true;
		snprintf(h->memory, sizeof(h->memory), "%s", v2);
	}
}

/* Not to be used; the first reason is kept. */
static void
lack(struct cgroup_host *h, char *where, const char *path, const char *what)
{
	if (h->why[0] == '\0')
		snprintf(h->why, sizeof(h->why), "%.250s: %.160s", path, what);
	where[0] = '\0';
}

/*
 * v2: a controller is there for a group if all above give it on.  The root
 * may although it has processes in it, other groups may not.
 *
 * The sandboxes' groups are not the root's own children: systemd takes from
 * these, at any change of a unit, each controller that no unit wants (the
 * processor's, usually).  It cannot while one of them gives it on in turn.
 */
static void
take_v2(struct cgroup_host *h, const char *name)
{
	static const char *const give[CGROUP_MAX] = { "+memory", "+cpu",
	    "+pids" };
	char *const to[CGROUP_MAX] = { h->memory, h->cpu, h->pids };
	char root[CGROUP_PATH], why[CGROUP_MAX][160];
	int i;

	snprintf(root, sizeof(root), "%s", h->memory);
	if ((size_t)snprintf(h->parent, sizeof(h->parent), "%s/tl-%.64s", root,
	    name) >= sizeof(h->parent)) {
		lack(h, h->memory, root, "too long a name");
		h->parent[0] = '\0';
		return;
	}
	if (mkdir(h->parent, 0755) == -1 && errno != EEXIST) {
		lack(h, h->memory, h->parent, strerror(errno));
		h->parent[0] = '\0';
		return;
	}
	for (i = 0; i < CGROUP_MAX; i++) {
		snprintf(to[i], CGROUP_PATH, "%s", h->parent);
		why[i][0] = '\0';
		if (put(root, "cgroup.subtree_control", give[i]) == -1)
			snprintf(why[i], sizeof(why[i]), "%s to "
			    "cgroup.subtree_control: %s", give[i],
			    strerror(errno));
		/* It may be given on already, by whoever may do that. */
		if (put(h->parent, "cgroup.subtree_control", give[i]) == -1)
			lack(h, to[i], root, why[i][0] != '\0' ? why[i] :
			    strerror(errno));
	}
}

/* What /proc/self/cgroup says of v2, if that is not the root; see cgroups(7). */
static bool
own_group(char *path, size_t size)
{
	char text[4096], *p;
	size_t n;

	if (get("/proc/self", "cgroup", text, sizeof(text)) == -1 ||
	    (p = strstr(text, "0::/")) == NULL)
		return false;
	p += 3;
	p[strcspn(p, "\n")] = '\0';
	/* Where it went when an earlier daemon began. */
	n = strlen(p);
	if (n > sizeof(SERVERS) - 1 &&
	    strcmp(p + n - (sizeof(SERVERS) - 1), SERVERS) == 0)
		p[n - (sizeof(SERVERS) - 1)] = '\0';
	return p[1] != '\0' && snprintf(path, size, "%s", p) < (int)size;
}

/*
 * An ordinary user's group, if it is delegated: the sandboxes' are made below
 * it.  A group that gives controllers on has no processes of its own, so those
 * that are there, of the region and what has started it, go into one beside.
 */
static void
take_own(struct cgroup_host *h)
{
	char own[CGROUP_PATH], root[CGROUP_PATH], text[4096], *pid, *rest;
	char servers[sizeof(root) + sizeof(SERVERS)];
	int tries = 16;

	if (!own_group(own, sizeof(own)))
		return;
	if ((size_t)snprintf(root, sizeof(root), "%s%s", h->memory, own) >=
	    sizeof(root))
		return;
	snprintf(servers, sizeof(servers), "%s" SERVERS, root);
	if (mkdir(servers, 0755) == -1 && errno != EEXIST)
		return;
	while (get(root, "cgroup.procs", text, sizeof(text)) > 0 &&
	    tries-- > 0)
		/* One that was cut short has no newline. */
		for (rest = text; (pid = strsep(&rest, "\n")) != NULL &&
		    rest != NULL;)
			put(servers, "cgroup.procs", pid);
	snprintf(h->memory, sizeof(h->memory), "%s", root);
}

int
cgroup_detect(struct cgroup_host *h, const char *name, struct fail *f)
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	char *in[CGROUP_MAX] = { h->memory, h->cpu, h->pids };
	int i;

	memset(h, 0, sizeof(*h));
	if (buf_load(&text, "/proc/self/mountinfo", f) == -1) {
		buf_free(&text);
		return -1;
	}
	cgroup_find(h, text.len == 0 ? "" : text.data);
	buf_free(&text);
	if (h->v2 && rootless())
		take_own(h);
	if (h->v2)
		take_v2(h, name);
	for (i = 0; i < CGROUP_MAX; i++)
		if (in[i][0] != '\0' && access(in[i], W_OK) == -1)
			lack(h, in[i], in[i], strerror(errno));
	return 0;
}

void
cgroup_leave(const struct cgroup_host *h)
{
	if (h->parent[0] != '\0')
		rmdir(h->parent);
}

void
cgroup_name(struct cgroup *g, const struct cgroup_host *h, const char *name)
{
	const char *in[CGROUP_MAX] = { h->memory, h->cpu, h->pids };
	size_t i;

	memset(g, 0, sizeof(*g));
	g->v2 = h->v2;
	if (h->v2 && h->parent[0] != '\0') {
		snprintf(g->path[g->n++], sizeof(g->path[0]), "%s/tl-%.64s",
		    h->parent, name);
		if (h->memory[0] != '\0')
			snprintf(g->memory, sizeof(g->memory), "%s/tl-%.64s",
			    h->parent, name);
		return;
	}
	for (i = 0; i < CGROUP_MAX; i++) {
		if (in[i][0] == '\0')
			continue;
		snprintf(g->path[g->n++], sizeof(g->path[0]), "%s/tl-%.64s",
		    in[i], name);
		if (i == 0)
			snprintf(g->memory, sizeof(g->memory), "%s/tl-%.64s",
			    in[i], name);
	}
}

int
cgroup_make(struct cgroup *g, const struct cgroup_host *h, const char *name,
    uint64_t memory_mb, double cpus, struct fail *f)
{
	char memory[32], cpu[64], pids[16];
	unsigned i;

	cgroup_name(g, h, name);
	for (i = 0; i < g->n; i++)
		if (mkdir(g->path[i], 0755) == -1 && errno != EEXIST) {
			fail_sys(f, EX_OSERR, "%s", g->path[i]);
			g->n = i;
			return -1;
		}
	snprintf(memory, sizeof(memory), "%ju", (uintmax_t)(memory_mb << 20));
	snprintf(pids, sizeof(pids), "%d", SPACE_PROCESSES);
	snprintf(cpu, sizeof(cpu), g->v2 ? "%ju %d" : "%ju",
	    (uintmax_t)(cpus * CPU_PERIOD_US), CPU_PERIOD_US);
	if (g->memory[0] != '\0' && put(g->memory, g->v2 ? "memory.max" :
	    "memory.limit_in_bytes", memory) == -1)
		return fail_sys(f, EX_OSERR, "memory limit of %s", g->memory);
	/* Swap would only put the end off; without it there is no such file. */
	if (g->memory[0] != '\0')
		put(g->memory, g->v2 ? "memory.swap.max" :
		    "memory.memsw.limit_in_bytes", g->v2 ? "0" : memory);
	/* In v1 each is in a group of its own: the others have no such file. */
	for (i = 0; i < g->n; i++) {
		put(g->path[i], "pids.max", pids);
		put(g->path[i], g->v2 ? "cpu.max" : "cpu.cfs_quota_us", cpu);
	}
	return 0;
}

uint64_t
cgroup_ooms(const struct cgroup *g)
{
	char text[1024], *p;

	if (g->memory[0] == '\0' || get(g->memory, g->v2 ? "memory.events" :
	    "memory.oom_control", text, sizeof(text)) == -1)
		return 0;
	/* Behind "oom_kill_disable" in v1, which is no count. */
	for (p = text; (p = strstr(p, "oom_kill ")) != NULL; p++)
		if (p == text || p[-1] == '\n')
			return strtoull(p + 9, NULL, 10);
	return 0;
}

void
cgroup_kill(const struct cgroup *g)
{
	char path[CGROUP_PATH + 160];
	unsigned i;
	FILE *in;
	int pid;

	for (i = 0; i < g->n; i++) {
		snprintf(path, sizeof(path), "%s/cgroup.procs", g->path[i]);
		in = fopen(path, "re");
		if (in == NULL)
			continue;
		while (fscanf(in, "%d", &pid) == 1)
			if (pid > 1)
				kill(pid, SIGKILL);
		fclose(in);
	}
}

int
cgroup_remove(const struct cgroup *g, int wait_ms)
{
	unsigned i;
	int ms = 0, status = 0;

	for (i = 0; i < g->n; i++)
		while (rmdir(g->path[i]) == -1 && errno != ENOENT) {
			if (errno != EBUSY || ms >= wait_ms) {
				status = -1;
				break;
			}
			usleep(2000);
			ms += 2;
		}
	return status;
}
