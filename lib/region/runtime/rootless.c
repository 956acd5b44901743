#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/ask.h"
#include "core/buf.h"
#include "region/runtime/rootless.h"
#include "region/runtime/space.h"

#define ASK_MS		10000
#define RANGES		16		/* of one user; more are left out */
#define TEXT_MAX	(256UL << 10)

/* One line of a map, as newuidmap(1) has it. */
struct range {
	char	inside[12], outside[12], count[12];
};

struct ranges {
	struct range	 of[1 + RANGES];	/* the user first */
	unsigned	 n;
};

static void
set(struct range *r, uint64_t inside, uint64_t outside, uint64_t count)
{
	snprintf(r->inside, sizeof(r->inside), "%u", (unsigned)inside);
	snprintf(r->outside, sizeof(r->outside), "%u", (unsigned)outside);
	snprintf(r->count, sizeof(r->count), "%u", (unsigned)count);
}

/* getsubids(1) prints "NUMBER: USER FIRST COUNT", a line each. */
static uint64_t
read_ranges(struct ranges *r, char *text)
{
	unsigned long long first, count;
	uint64_t next = 1;
	char *line, *rest = text;

	while ((line = strsep(&rest, "\n")) != NULL && r->n <= RANGES)
		if (sscanf(line, "%*u: %*s %llu %llu", &first, &count) == 2 &&
		    count > 0 && first <= UINT32_MAX && count <= UINT32_MAX &&
		    next + count <= UINT32_MAX) {
			set(&r->of[r->n++], next, first, count);
			next += count;
		}
	return next - 1;
}

/* Those of a user, and how many there are in all. */
static int
find_ranges(struct ranges *r, const char *user, bool groups, uint32_t own,
    struct fail *f)
{
	const char *argv[] = { "getsubids", groups ? "-g" : user,
	    groups ? user : NULL, NULL };
	struct buf text = BUF_INIT(TEXT_MAX);
	const char *what = groups ? "group" : "user";
	uint64_t n = 0;

	*r = (struct ranges){ .n = 1 };
	set(&r->of[0], 0, own, 1);
	if (ask(argv[0], argv, ASK_MS, &text, f) == 0 && text.len > 0)
		n = read_ranges(r, text.data);
	buf_free(&text);
	if (n >= SPACE_IDS)
		return 0;
	return fail_set(f, EX_NOPERM, "%.100s has %ju subordinate %s ids, a "
	    "sandbox needs %u: as root, install uidmap and run usermod "
	    "--add-sub%cids 100000-165535 %.100s", user, (uintmax_t)n, what,
	    SPACE_IDS, groups ? 'g' : 'u', user);
}

/* newuidmap(1) or newgidmap(1): they may map what the user may not. */
static int
map(const char *program, pid_t pid, const struct ranges *r, struct fail *f)
{
	const char *argv[3 + 3 * (1 + RANGES)];
	struct buf text = BUF_INIT(TEXT_MAX);
	char number[16];
	unsigned i, n = 0;
	int rc;

	snprintf(number, sizeof(number), "%d", (int)pid);
	argv[n++] = program;
	argv[n++] = number;
	for (i = 0; i < r->n; i++) {
		argv[n++] = r->of[i].inside;
		argv[n++] = r->of[i].outside;
		argv[n++] = r->of[i].count;
	}
	argv[n] = NULL;
	rc = ask(program, argv, ASK_MS, &text, f);
	buf_free(&text);
	if (rc == -1) {
		f->status = EX_NOPERM;
		fail_in(f, "user namespace");
	}
	return rc;
}

/*
 * They must be run by who is not in the namespace yet: a child, which begins
 * when the pipe ends and whose status says what came of it.
 */
static pid_t
mapper(const struct ranges *uids, const struct ranges *gids, int go[2],
    int report)
{
	pid_t parent = getpid(), pid;
	struct fail f;
	char c;

	pid = fork();
	if (pid != 0)
		return pid;
	close(go[1]);
	/* Nothing at all: there is no namespace. */
	if (read(go[0], &c, 1) == 1 &&
	    (map("newuidmap", parent, uids, &f) == -1 ||
	    map("newgidmap", parent, gids, &f) == -1) &&
	    write(report, f.msg, strlen(f.msg)) == -1)
		_exit(1);
	_exit(0);
}

static int
refused(int error, struct fail *f)
{
	if (error == EPERM)
		return fail_set(f, EX_NOPERM, "the kernel refuses a user "
		    "namespace: in a chroot it always does; see "
		    "kernel.unprivileged_userns_clone and "
		    "kernel.apparmor_restrict_unprivileged_userns in "
		    "sysctl(8)");
	return fail_set(f, EX_NOPERM, "no user namespace: %s; see "
	    "user.max_user_namespaces in sysctl(8)", strerror(error));
}

/* Into it, with both maps there. */
static int
enter(const struct ranges *uids, const struct ranges *gids, struct fail *f)
{
	int go[2], said[2], error = 0;
	char why[sizeof(f->msg)];
	ssize_t n;
	pid_t pid;

	if (pipe2(go, O_CLOEXEC) == -1)
		return fail_sys(f, EX_OSERR, "pipe");
	if (pipe2(said, O_CLOEXEC) == -1) {
		close(go[0]);
		close(go[1]);
		return fail_sys(f, EX_OSERR, "pipe");
	}
	pid = mapper(uids, gids, go, said[1]);
	close(go[0]);
	close(said[1]);
	if (pid != -1 && (unshare(CLONE_NEWUSER) == -1 ||
	    write(go[1], "", 1) == -1))
		error = errno;
	close(go[1]);
	n = read(said[0], why, sizeof(why) - 1);
	close(said[0]);
	if (pid == -1)
		return fail_sys(f, EX_OSERR, "fork");
	while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
		;
	if (error != 0)
		return refused(error, f);
	if (n > 0)
		return fail_set(f, EX_NOPERM, "%.*s", (int)n, why);
	return 0;
}

int
rootless_enter(struct fail *f)
{
	struct ranges uids, gids;
	const struct passwd *pw = getpwuid(geteuid());

	if (pw == NULL)
		return fail_set(f, EX_NOPERM, "user %u: no such user in "
		    "passwd(5), so there are no subordinate ids",
		    (unsigned)geteuid());
	if (find_ranges(&uids, pw->pw_name, false, geteuid(), f) == -1 ||
	    find_ranges(&gids, pw->pw_name, true, getegid(), f) == -1)
		return -1;
	if (enter(&uids, &gids, f) == -1)
		return -1;
	if (space_become(0, 0) == -1)
		return fail_sys(f, EX_NOPERM, "root of a user namespace");
	return 0;
}

static int
read_map(const char *path, char *text, size_t size)
{
	FILE *in = fopen(path, "re");
	size_t n;

	if (in == NULL)
		return -1;
	n = fread(text, 1, size - 1, in);
	text[n] = '\0';
	fclose(in);
	return 0;
}

bool
rootless(void)
{
	unsigned long long inside, outside, count;
	char text[4096];

	return geteuid() == 0 &&
	    read_map("/proc/self/uid_map", text, sizeof(text)) == 0 &&
	    sscanf(text, "%llu %llu %llu", &inside, &outside, &count) == 3 &&
	    (inside != 0 || outside != 0 || count < UINT32_MAX);
}

uint32_t
rootless_ids_in(const char *map, uint32_t first)
{
	unsigned long long inside, outside, count;
	uint64_t next = first;
	const char *p = map;
	bool more = true;

	/* Lines may come in any order, and one range after another. */
	while (more)
		for (p = map, more = false; p != NULL && *p != '\0';
		    p = strchr(p, '\n'), p += p != NULL)
			if (sscanf(p, "%llu %llu %llu", &inside, &outside,
			    &count) == 3 && inside <= next &&
			    inside + count > next) {
				next = inside + count;
				more = true;
			}
	return (uint32_t)((next - first) / SPACE_IDS);
}

int
rootless_ids(uint32_t *first, uint32_t *n, struct fail *f)
{
	char uids[4096], gids[4096];
	uint32_t want;

	if (read_map("/proc/self/uid_map", uids, sizeof(uids)) == -1 ||
	    read_map("/proc/self/gid_map", gids, sizeof(gids)) == -1)
		return fail_sys(f, EX_OSERR, "/proc/self/uid_map");
	*first = rootless() ? 1 : SPACE_WIDE_BASE;
	*n = rootless() ? 1 : SPACE_SLOTS;
	want = *n * (space_ids(*first) / SPACE_IDS);
	if (rootless_ids_in(uids, *first) >= want &&
	    rootless_ids_in(gids, *first) >= want)
		return 0;
	return fail_set(f, EX_NOPERM, "root of a user namespace with less "
	    "than %u ids besides: a sandbox needs so many", SPACE_IDS);
}
