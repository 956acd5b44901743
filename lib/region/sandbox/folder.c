#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/json.h"
#include "region/sandbox/folder.h"

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
		if (unlinkat(dirfd(d), e->d_name, 0) == -1)
			unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
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
