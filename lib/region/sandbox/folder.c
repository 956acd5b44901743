#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/json.h"
#include "region/sandbox/folder.h"

extern char **environ;

int
folder_owner(const char *folder, const char *id, const struct key *owner,
    struct fail *f)
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	struct jout j = JOUT_INIT(&text);
	char path[PATH_MAX];
	int status;

	jout_object(&j);
	jout_member(&j, "sandboxId", id);
	jout_member(&j, "organizationId", owner->org);
	jout_member(&j, "projectId", owner->project);
	jout_close(&j);
	snprintf(path, sizeof(path), "%s/owner.json", folder);
	status = jout_end(&j, f);
	if (status == 0)
		status = buf_save(&text, path, f);
	buf_free(&text);
	return status;
}

void
folder_ended(const char *folder)
{
	char owner[PATH_MAX], ended[PATH_MAX];

	snprintf(owner, sizeof(owner), "%s/owner.json", folder);
	snprintf(ended, sizeof(ended), "%s/ended.json", folder);
	/* Nothing is signed for it any more, whatever else goes wrong. */
	if (rename(owner, ended) == -1)
		unlink(owner);
}

/*
 * The files of a sandbox without a disk of its own.  They may lie deeper than
 * a path can say, which rm(1) knows how to deal with.
 */
static void
remove_tree(const char *folder, const char *name)
{
	char path[PATH_MAX];
	const char *argv[] = { "rm", "-rf", "--one-file-system", "--", path,
	    NULL };
	pid_t pid;

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) <
	    (int)sizeof(path) && posix_spawnp(&pid, argv[0], NULL, NULL,
	    (char *const *)(uintptr_t)argv, environ) == 0)
		while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
			;
}

static void
empty(const char *folder, bool all)
{
	struct dirent *e;
	DIR *d = opendir(folder);

	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 ||
		    strcmp(e->d_name, "..") == 0)
			continue;
		if (!all && (strcmp(e->d_name, "ended.json") == 0 ||
		    strcmp(e->d_name, "uploads") == 0))
			continue;
		if (unlinkat(dirfd(d), e->d_name, 0) == -1 &&
		    unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR) == -1)
			remove_tree(folder, e->d_name);
	}
	closedir(d);
}

void
folder_strip(const char *folder)
{
	empty(folder, false);
}

void
folder_remove(const char *folder)
{
	empty(folder, true);
	rmdir(folder);
}
