#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/mask.h"
#include "region/runtime/filter.h"
#include "region/runtime/rootless.h"
#include "region/sandbox/host.h"

void
host_log(const struct host *h, const char *fmt, ...)
{
	const struct serve *serve = atomic_load(&h->serve);
	char line[768];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (serve != NULL)
		serve_log(serve, "%s", line);
	else
		fprintf(stderr, "tl-sandboxd: %s\n", mask_text(line));
}

void
host_serve(struct host *h, const struct serve *serve)
{
	atomic_store(&h->serve, serve);
	if (serve == NULL)
		return;
	if (h->cgroups.memory[0] == '\0')
		host_log(h, "no memory cgroup on this machine: memory_mb is "
		    "not enforced");
	if (h->cgroups.cpu[0] == '\0')
		host_log(h, "no cpu cgroup on this machine: cpus is not "
		    "enforced");
	if (h->cgroups.pids[0] == '\0' && h->ids == 1)
		host_log(h, "no pids cgroup on this machine: all sandboxes "
		    "have %u processes together", SPACE_PROCESSES);
	if (h->cgroups.why[0] != '\0')
		host_log(h, "cgroup %s", h->cgroups.why);
}

/* The kernel shows a loop device's file by its absolute name. */
static char *
absolute(const char *path, struct fail *f)
{
	char *s = realpath(path, NULL);

	if (s == NULL)
		fail_sys(f, EX_NOINPUT, "%.200s", path);
	return s;
}

int
host_open(struct host *h, const struct host_options *o, struct fail *f)
{
	char path[PATH_MAX], name[48];
	struct stat st;

	*h = (struct host){ .lock_fd = -1, .filter = -1 };
	if (mkdir(o->state, 0700) == -1 && errno != EEXIST) {
		fail_sys(f, EX_CANTCREAT, "%.200s", o->state);
		goto fail;
	}
	h->options.state = absolute(o->state, f);
	h->options.runtime = absolute(o->runtime, f);
	if (h->options.state == NULL || h->options.runtime == NULL)
		goto fail;
	h->options.dataplane = o->dataplane;
	h->options.network = o->network;
	h->options.project_sandboxes = o->project_sandboxes;
	h->options.project_disk_mb = o->project_disk_mb;
	h->options.images = o->images;
	h->options.api = o->api;
	h->options.signer = o->signer;
	h->options.unpack = o->unpack;
	h->options.builder_image = o->builder_image;
	h->options.cache_mb = o->cache_mb;
	if (o->cache != NULL) {
		if (mkdir(o->cache, 0700) == -1 && errno != EEXIST) {
			fail_sys(f, EX_CANTCREAT, "%.200s", o->cache);
			goto fail;
		}
		h->options.cache = absolute(o->cache, f);
		if (h->options.cache == NULL)
			goto fail;
	}
	if (o->tools != NULL) {
		h->options.tools = absolute(o->tools, f);
		if (h->options.tools == NULL)
			goto fail;
	}
	snprintf(path, sizeof(path), "%s/lock", h->options.state);
	h->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (h->lock_fd == -1) {
		fail_sys(f, EX_CANTCREAT, "%.200s", path);
		goto fail;
	}
	if (flock(h->lock_fd, LOCK_EX | LOCK_NB) == -1) {
		fail_set(f, EX_UNAVAILABLE, "%.200s: another tl-sandboxd uses "
		    "it", h->options.state);
		goto fail;
	}
	/* A name that the next daemon of this folder finds, and no other. */
	if (stat(h->options.state, &st) == -1) {
		fail_sys(f, EX_NOINPUT, "%.200s", h->options.state);
		goto fail;
	}
	snprintf(name, sizeof(name), "%jx-%jx", (uintmax_t)st.st_dev,
	    (uintmax_t)st.st_ino);
	if (rootless_ids(&h->first, &h->ids, f) == -1)
		goto fail;
	h->filter = filter_make(f);
	if (h->filter != -1 && cgroup_detect(&h->cgroups, name, f) == 0)
		return 0;
fail:
	host_close(h);
	return -1;
}

void
host_close(struct host *h)
{
	cgroup_leave(&h->cgroups);
	if (h->lock_fd != -1)
		close(h->lock_fd);
	if (h->filter != -1)
		close(h->filter);
	free((void *)(uintptr_t)h->options.state);
	free((void *)(uintptr_t)h->options.cache);
	free((void *)(uintptr_t)h->options.tools);
	free((void *)(uintptr_t)h->options.runtime);
}
