#include <sys/mman.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/json.h"
#include "region/runtime/rootless.h"
#include "region/sandbox/images.h"

#define ANSWER_MAX	(1UL << 20)
#define SAID_MAX	4096

bool
images_wanted(const struct host *h, const char *name)
{
	return h->options.images != NULL && *name != '\0' &&
	    strcmp(name, h->options.builder_image) != 0;
}

void
image_root_free(struct image_root *i)
{
	free(i->folder);
	free(i->user);
	free(i->working_dir);
	buf_free(&i->env);
	*i = (struct image_root)IMAGE_ROOT_INIT;
}

/* Where platform-api is, by its file: it starts after us. */
static int
address(const char *path, struct buf *url, struct fail *f)
{
	if (buf_load(url, path, f) == -1 || url->len == 0)
		return fail_set(f, EX_TEMPFAIL,
		    "platform-api is not up yet");
	url->data[strcspn(url->data, "\r\n")] = '\0';
	return 0;
}

/* What tl-unpack has in its environment, and no more. */
static int
environment(char *env[8], const struct host *h, const char *url,
    const struct key *key, const char *token, struct fail *f)
{
	const char *path = getenv("PATH"), *tmp = getenv("TMPDIR");
	const struct { const char *name, *value; } all[] = {
		{ "PATH", path != NULL ? path : "/usr/bin:/bin" },
		{ "TENSORLAKE_API_URL", url },
		{ key->pat ? "TENSORLAKE_PAT" : "TENSORLAKE_API_KEY", token },
		{ "TENSORLAKE_ORGANIZATION_ID", key->pat ? key->org : NULL },
		{ "TENSORLAKE_PROJECT_ID", key->pat ? key->project : NULL },
		{ "TMPDIR", tmp },
		/* Nobody's settings are meant. */
		{ "HOME", h->options.images },
	};
	size_t i, n = 0;

	memset(env, 0, 8 * sizeof(*env));
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].value != NULL && asprintf(&env[n++], "%s=%s",
		    all[i].name, all[i].value) == -1) {
			env[n - 1] = NULL;
			return fail_set(f, EX_OSERR, "out of memory");
		}
	return 0;
}

/* Run it: what it prints goes to the files; its status. */
static int
spawn(const struct host *h, const char *name, char *const env[], int out,
    int err, struct fail *f)
{
	const struct host_options *o = &h->options;
	const char *argv[10] = { "tl-unpack", "--folder", o->images,
	    "--signer", o->signer };
	char base[16];
	int n = 5;
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	sigset_t none;
	int error, status;
	pid_t pid;

	/* Where a mount cannot map ids, the files have the sandboxes' own. */
	if (rootless()) {
		snprintf(base, sizeof(base), "%u", h->first);
		argv[n++] = "--base";
		argv[n++] = base;
	}
	argv[n++] = "--";
	argv[n] = name;
	posix_spawn_file_actions_init(&fa);
	posix_spawnattr_init(&attr);
	posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&fa, out, 1);
	posix_spawn_file_actions_adddup2(&fa, err, 2);
	posix_spawn_file_actions_addclosefrom_np(&fa, 3);
	sigemptyset(&none);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	error = posix_spawn(&pid, o->unpack, &fa, &attr,
	    (char *const *)(uintptr_t)argv, env);
	posix_spawn_file_actions_destroy(&fa);
	posix_spawnattr_destroy(&attr);
	if (error != 0) {
		errno = error;
		return fail_sys(f, EX_OSERR, "%s", o->unpack);
	}
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return fail_sys(f, EX_OSERR, "tl-unpack");
	/* posix_spawn() may leave it to the child to find out: POSIX. */
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127 &&
	    lseek(err, 0, SEEK_END) == 0)
		return fail_set(f, EX_OSERR, "%s: cannot be started",
		    o->unpack);
	return WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
}

static int
read_env(struct image_root *i, const struct span *doc, struct fail *f)
{
	const char *pos = NULL;
	struct span env, value;
	size_t at;

	if (json_sub(doc, "env", JSON_NEED, '[', &env, f) != 1)
		return -1;
	while (span_next(&env, &pos, NULL, &value) == 1) {
		at = i->env.len;
		if (!span_is_string(&value) ||
		    span_string(&value, &i->env, f) == -1 ||
		    buf_add(&i->env, "", 1, f) == -1)
			return fail_set(f, EX_DATAERR, "ENV: too much of it, "
			    "or no text");
		/* One that is none, or would be two, is left out. */
		if (strlen(i->env.data + at) + 1 != i->env.len - at ||
		    i->env.data[at] == '=' ||
		    strchr(i->env.data + at, '=') == NULL)
			i->env.len = at;
	}
	return 0;
}

static int
take(struct image_root *i, int fd, struct fail *f)
{
	struct buf text = BUF_INIT(ANSWER_MAX);
	struct span doc;
	int rc = -1;

	if (lseek(fd, 0, SEEK_SET) == 0 &&
	    buf_read(&text, fd, "tl-unpack", f) == 0 &&
	    span_parse(&doc, text.len == 0 ? "" : text.data, text.len, f) ==
	    0 &&
	    json_string(&doc, "folder", JSON_NEED, &i->folder, f) == 1 &&
	    json_string(&doc, "user", JSON_NEED, &i->user, f) == 1 &&
	    json_string(&doc, "workingDir", JSON_NEED, &i->working_dir, f) ==
	    1)
		rc = read_env(i, &doc, f);
	buf_free(&text);
	return rc;
}

/* Its last line, without its name. */
static void
said(int fd, char line[SAID_MAX])
{
	char *p;
	off_t end = lseek(fd, 0, SEEK_END);
	ssize_t n;

	n = pread(fd, line, SAID_MAX - 1, end > SAID_MAX - 1 ?
	    end - (SAID_MAX - 1) : 0);
	line[n > 0 ? n : 0] = '\0';
	for (p = line + strlen(line); p > line && p[-1] == '\n';)
		*--p = '\0';
	if ((p = strrchr(line, '\n')) != NULL)
		memmove(line, p + 1, strlen(p));
	if (strncmp(line, "tl-", 3) == 0 && (p = strstr(line, ": ")) != NULL)
		memmove(line, p + 2, strlen(p + 2) + 1);
}

int
images_get(const struct host *h, const char *name, const struct key *key,
    const char *token, struct image_root *i, struct fail *f)
{
	struct buf url = BUF_INIT(8192);
	char *env[8] = { NULL }, line[SAID_MAX];
	int out = memfd_create("out", MFD_CLOEXEC);
	int err = memfd_create("err", MFD_CLOEXEC);
	int n, rc = -1;

	if (out == -1 || err == -1)
		fail_sys(f, EX_OSERR, "memfd");
	else if (address(h->options.api, &url, f) == 0 &&
	    environment(env, h, url.data, key, token, f) == 0 &&
	    (n = spawn(h, name, env, out, err, f)) != -1) {
		if (n == 0 && (rc = take(i, out, f)) == -1)
			fail_in(f, "image");
		if (n != 0) {
			said(err, line);
			fail_set(f, n, "image: %.400s", *line != '\0' ? line :
			    "tl-unpack failed, and did not say why");
		}
	}
	if (rc == -1) {
		image_root_free(i);
		host_log(h, "image of a sandbox: %s", f->msg);
	}
	for (n = 0; n < 8; n++)
		if (env[n] != NULL)
			explicit_bzero(env[n], strlen(env[n]));
	for (n = 0; n < 8; n++)
		free(env[n]);
	buf_free(&url);
	if (out != -1)
		close(out);
	if (err != -1)
		close(err);
	return rc;
}
