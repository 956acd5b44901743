#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <nettle/sha2.h>

#include "client/context/walk.h"
#include "client/guard/work.h"
#include "client/ledger/reap.h"
#include "core/hex.h"
#include "core/json.h"
#include "core/span.h"

#define COMMAND		"command"
#define COMMAND_MAX	(4UL << 20)	/* no more is passed to a program */

char *
work_file(const struct work *o, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", o->path, name) == -1 ? NULL : path;
}

void
work_free(struct work *o)
{
	free(o->path);
	free(o->ledger);
	*o = (struct work)WORK_INIT;
}

static int
no_memory(struct fail *f)
{
	return fail_set(f, EX_OSERR, "out of memory");
}

/* A folder and those above it, for nobody else. */
static int
make(const char *path, struct fail *f)
{
	char *copy = strdup(path), *p;
	struct stat st;
	int r = 0;

	if (copy == NULL)
		return no_memory(f);
	for (p = copy + 1; r == 0 && p != NULL; p++) {
		if ((p = strchr(p, '/')) != NULL)
			*p = '\0';
		if (*copy != '\0' && mkdir(copy, 0700) == -1 &&
		    errno != EEXIST && stat(copy, &st) == -1)
			r = fail_sys(f, EX_CANTCREAT, "%.300s", path);
		if (p == NULL)
			break;
		*p = '/';
	}
	free(copy);
	if (r == 0 && (stat(path, &st) == -1 || !S_ISDIR(st.st_mode)))
		r = fail_set(f, EX_CANTCREAT, "%.300s: not a folder", path);
	return r;
}

/* What is in it gets into no image. */
static int
mark(const char *folder, struct fail *f)
{
	static const char text[] = "keys and signed URLs\n";
	char *path;
	int fd, r = 0;

	if (asprintf(&path, "%s/%s", folder, WALK_MARKER) == -1)
		return no_memory(f);
	if (access(path, F_OK) == -1) {
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
		    0600);
		if (fd == -1 || write(fd, text, sizeof(text) - 1) == -1)
			r = fail_sys(f, EX_CANTCREAT, "%.300s", folder);
		if (fd != -1)
			close(fd);
	}
	free(path);
	return r;
}

char *
work_state(struct fail *f)
{
	char *state = reap_state(f);

	if (state != NULL && (make(state, f) == -1 || mark(state, f) == -1)) {
		free(state);
		state = NULL;
	}
	return state;
}

/* So much of its path's SHA-256. */
#define NAME	8

static void
name_of(char hex[2 * NAME + 1], const char *path)
{
	uint8_t sum[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha;

	sha256_init(&sha);
	sha256_update(&sha, strlen(path), (const uint8_t *)path);
	sha256_digest(&sha, sizeof(sum), sum);
	hex_encode(hex, sum, NAME);
}

/*
 * Where the ledger is.  A folder that is given needs no state folder: without
 * one its ledger is in it, and tl-reap has to be told of it.
 */
static int
place(struct work *o, struct fail *f)
{
	char *state, *real, hex[2 * NAME + 1];
	size_t n;
	int r;

	if ((state = work_state(f)) == NULL)
		return (o->ledger = work_file(o, "ledger")) == NULL ?
		    no_memory(f) : 0;
	real = realpath(state, NULL);
	n = real != NULL ? strlen(real) : 0;
	if (n > 0 && strncmp(o->path, real, n) == 0 &&
	    strncmp(o->path + n, "/build.", 7) == 0 &&
	    strchr(o->path + n + 1, '/') == NULL) {
		o->own = true;
		r = asprintf(&o->ledger, "%s.ledger", o->path);
	} else {
		name_of(hex, o->path);
		r = asprintf(&o->ledger, "%s/work.%s.ledger", state, hex);
	}
	free(real);
	free(state);
	if (r != -1)
		return 0;
	o->ledger = NULL;
	return no_memory(f);
}

static int
owned(const char *path, const char *name, struct fail *f)
{
	struct stat st;

	if (stat(path, &st) == -1)
		return fail_sys(f, EX_NOINPUT, "%.300s", name);
	if (st.st_uid != geteuid())
		return fail_set(f, EX_NOPERM, "%.300s: is another user's",
		    name);
	return 0;
}

int
work_new(struct work *o, struct fail *f)
{
	char *state;

	if ((state = work_state(f)) == NULL) {
		if (f->status == EX_CONFIG)
			return fail_set(f, EX_CONFIG, "HOME and "
			    "XDG_STATE_HOME: not set; give --work");
		fail_in(f, "the state folder");
		snprintf(f->msg + strlen(f->msg), sizeof(f->msg) -
		    strlen(f->msg), "; set XDG_STATE_HOME or give --work");
		return -1;
	}
	if (asprintf(&o->path, "%s/build.XXXXXX", state) == -1) {
		o->path = NULL;
		free(state);
		return no_memory(f);
	}
	free(state);
	if (mkdtemp(o->path) == NULL)
		return fail_sys(f, EX_CANTCREAT, "%.300s", o->path);
	o->own = true;
	if (mark(o->path, f) == -1)
		return -1;
	if (asprintf(&o->ledger, "%s.ledger", o->path) == -1) {
		o->ledger = NULL;
		return no_memory(f);
	}
	return 0;
}

/* Links resolved, so that one folder has one ledger. */
static int
find(struct work *o, const char *dir, struct fail *f)
{
	if ((o->path = realpath(dir, NULL)) == NULL)
		return fail_sys(f, EX_NOINPUT, "%.300s", dir);
	return place(o, f);
}

static int
is_entry(const struct dirent *d)
{
	return strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
}

static bool
is_document(const char *name)
{
	size_t n = strlen(name);

	return n > 5 && strcmp(name + n - 5, ".json") == 0;
}

int
work_named(struct work *o, const char *dir, struct fail *f)
{
	struct dirent **list;
	int i, n, documents = 0;
	bool marked = false;

	if (strchr(dir, '\n') != NULL)
		return fail_set(f, EX_USAGE, "--work: a name with a line end");
	if (make(dir, f) == -1 || owned(dir, dir, f) == -1)
		return -1;
	if ((n = scandir(dir, &list, is_entry, NULL)) == -1)
		return fail_sys(f, EX_CANTCREAT, "%.300s", dir);
	for (i = 0; i < n; i++) {
		documents += is_document(list[i]->d_name);
		marked |= strcmp(list[i]->d_name, WALK_MARKER) == 0;
		free(list[i]);
	}
	free(list);
	/* It becomes the user's alone, in no context, and files in it go. */
	if (n > 0 && !marked)
		return fail_set(f, EX_CANTCREAT, "%.300s: holds other things; "
		    "name a new folder, or an empty one", dir);
	if (documents > 0)
		return fail_set(f, EX_CANTCREAT, "%.200s: holds an earlier "
		    "build; --resume %.200s, or take another folder", dir,
		    dir);
	if (chmod(dir, 0700) == -1)
		return fail_sys(f, EX_CANTCREAT, "%.300s", dir);
	if (mark(dir, f) == -1)
		return -1;
	return find(o, dir, f);
}

/* The command is one of the user's own, for it is run. */
static int
resumable(const char *dir, const char *path, struct fail *f)
{
	struct stat st;

	if (stat(path, &st) == -1 || !S_ISREG(st.st_mode))
		return fail_set(f, EX_NOINPUT, "%.300s: no build folder that "
		    "can be resumed", dir);
	return owned(dir, dir, f) == -1 ? -1 : owned(path, path, f);
}

int
work_resume(struct work *o, const char *dir, struct fail *f)
{
	if (find(o, dir, f) == -1)
		return -1;
	o->resumed = true;
	return 0;
}

/* The strings, each with its NUL: no word has another meaning then. */
int
work_save(const struct work *o, const char *cwd, char *const argv[],
    struct fail *f)
{
	struct buf b = BUF_INIT(COMMAND_MAX);
	char *path = work_file(o, COMMAND);
	int r;

	if (path == NULL)
		return no_memory(f);
	r = buf_add(&b, cwd, strlen(cwd) + 1, f);
	for (; r == 0 && *argv != NULL; argv++)
		r = buf_add(&b, *argv, strlen(*argv) + 1, f);
	if (r == 0)
		r = buf_save(&b, path, f);
	buf_free(&b);
	free(path);
	return r;
}

int
work_load(const char *dir, char **cwd, char ***argv, struct fail *f)
{
	struct buf b = BUF_INIT(COMMAND_MAX);
	char *path, *p, *end;
	size_t n = 0, cap = 0;
	int r;

	*cwd = NULL;
	*argv = NULL;
	if (asprintf(&path, "%s/" COMMAND, dir) == -1)
		return no_memory(f);
	r = resumable(dir, path, f);
	if (r == 0)
		r = buf_load(&b, path, f);
	if (r == 0 && (b.len == 0 || b.data[b.len - 1] != '\0'))
		r = fail_set(f, EX_NOINPUT, "%.300s: damaged; begin a new "
		    "build", path);
	free(path);
	for (p = b.data; r == 0 && p < b.data + b.len; p = end + 1) {
		end = p + strlen(p);
		if (*cwd == NULL) {
			if ((*cwd = strdup(p)) == NULL)
				r = no_memory(f);
			continue;
		}
		if (n + 1 >= cap) {
			char **more;

			cap = cap == 0 ? 16 : 2 * cap;
			more = reallocarray(*argv, cap, sizeof(*more));
			if (more == NULL) {
				r = no_memory(f);
				break;
			}
			*argv = more;
		}
		if (((*argv)[n] = strdup(p)) == NULL)
			r = no_memory(f);
		else
			(*argv)[++n] = NULL;
	}
	if (r == 0 && n == 0)
		r = fail_set(f, EX_NOINPUT, "%.300s: no command in it", dir);
	buf_free(&b);
	return r;
}

void
work_promote(const struct work *o)
{
	static const char *const names[] = { "prepared", "sandbox", "signed",
	    "template" };
	char from[PATH_MAX], to[PATH_MAX];
	struct buf b = BUF_INIT(BUF_DOC_MAX);
	struct span doc;
	struct fail f;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(from, sizeof(from), "%s/%s.json.part", o->path,
		    names[i]);
		snprintf(to, sizeof(to), "%s/%s.json", o->path, names[i]);
		buf_clear(&b);
		if (access(from, F_OK) == 0 &&
		    buf_load(&b, from, &f) == 0 && b.len > 0 &&
		    span_parse(&doc, b.data, b.len, &f) == 0)
			rename(from, to);
	}
	buf_free(&b);
}

/* The uri out of what was signed, to complete with; nothing else of it. */
static void
target(const struct work *o)
{
	struct buf b = BUF_INIT(BUF_DOC_MAX), out = BUF_INIT(BUF_SMALL_MAX);
	struct jout j = JOUT_INIT(&out);
	char *path, *to, *uri = NULL;
	struct span doc, upload;
	struct fail f;

	path = work_file(o, "signed.json");
	to = work_file(o, "target.json");
	if (path != NULL && to != NULL && buf_load(&b, path, &f) == 0 &&
	    b.len > 0 && span_parse(&doc, b.data, b.len, &f) == 0 &&
	    json_sub(&doc, "upload", JSON_MAY, '{', &upload, &f) == 1 &&
	    json_string(&upload, "uri", JSON_MAY, &uri, &f) == 1) {
		jout_object(&j);
		jout_key(&j, "upload");
		jout_object(&j);
		jout_member(&j, "uri", uri);
		jout_close(&j);
		jout_close(&j);
		if (jout_end(&j, &f) == 0)
			buf_save(&out, to, &f);
	}
	free(uri);
	free(path);
	free(to);
	buf_free(&b);
	buf_free(&out);
}

static bool
is_scratch(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot != NULL && strcmp(dot, ".part") == 0;
}

void
work_tidy(const struct work *o, bool ended_well, bool keep)
{
	static const char *const secret[] = { "signed.json", "spec.json",
	    "docker.json" };
	struct stat st;
	struct dirent *d;
	size_t i;
	DIR *dir;
	int fd;

	fd = open(o->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return;
	if (!ended_well && fstatat(fd, "metadata.json", &st, 0) == 0)
		target(o);
	for (i = 0; !keep && i < sizeof(secret) / sizeof(secret[0]); i++)
		unlinkat(fd, secret[i], 0);
	if ((dir = fdopendir(fd)) == NULL) {
		close(fd);
		return;
	}
	while ((d = readdir(dir)) != NULL)
		if (is_scratch(d->d_name))
			unlinkat(fd, d->d_name, 0);
	closedir(dir);
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	remove(path);
	return 0;
}

void
work_remove(const struct work *o)
{
	nftw(o->path, remove_one, 16, FTW_DEPTH | FTW_MOUNT | FTW_PHYS);
}
