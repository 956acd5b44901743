#include <sys/file.h>
#include <sys/random.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <nettle/sha2.h>

#include "client/ledger/ledger.h"
#include "core/date.h"
#include "core/hex.h"
#include "core/json.h"

#define ID_BYTES	8	/* of a URL's digest */

static const char *const kinds[] = {
	"build", "sandbox", "upload", "template"
};

#define KINDS	(sizeof(kinds) / sizeof(kinds[0]))

const char *
ledger_word(enum ledger_kind kind)
{
	return kinds[kind];
}

/* The first n bytes of a digest of strings, each with its NUL, in hex. */
static void
digest(char *to, size_t n, const char *const *strings)
{
	uint8_t sum[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha;

	sha256_init(&sha);
	for (; *strings != NULL; strings++)
		sha256_update(&sha, strlen(*strings) + 1,
		    (const uint8_t *)*strings);
	sha256_digest(&sha, sizeof(sum), sum);
	hex_encode(to, sum, n);
}

void
ledger_as(char as[LEDGER_AS], const struct cloud *c)
{
	const char *const strings[] = {
		"tl-ledger", c->api, c->token, c->pat ? c->project : "", NULL
	};

	digest(as, (LEDGER_AS - 1) / 2, strings);
}

int
ledger_key(char key[LEDGER_KEY], struct fail *f)
{
	uint8_t b[(LEDGER_KEY - 1) / 2];

	if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		return fail_sys(f, EX_OSERR, "getrandom");
	hex_encode(key, b, sizeof(b));
	return 0;
}

/* A new name is on the disk only when its folder is. */
static int
sync_folder(const char *path, struct fail *f)
{
	char *copy = strdup(path);
	int fd, r;

	if (copy == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = fd == -1 || fsync(fd) == -1 ?
	    fail_sys(f, EX_CANTCREAT, "%s: its folder", path) : 0;
	if (fd != -1)
		close(fd);
	free(copy);
	return r;
}

int
ledger_open(struct ledger *l, struct fail *f)
{
	const char *path = getenv("TL_LEDGER"), *guard = getenv("TL_MARK");
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	bool there;

	*l = (struct ledger)LEDGER_INIT;
	if (path == NULL || *path == '\0')
		return 0;
	there = access(path, F_OK) == 0;
	if ((l->fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW |
	    (guard == NULL || *guard == '\0' ? O_CREAT : 0), 0600)) == -1)
		return fail_sys(f, EX_CANTCREAT, "TL_LEDGER: %s", path);
	/* Where there are no such locks, there is the other one. */
	fcntl(l->fd, F_OFD_SETLK, &lock);
	if ((l->path = strdup(path)) == NULL) {
		ledger_close(l);
		return fail_set(f, EX_OSERR, "out of memory");
	}
	if (!there && sync_folder(path, f) == -1) {
		ledger_close(l);
		return -1;
	}
	return 0;
}

void
ledger_close(struct ledger *l)
{
	if (l->fd != -1)
		close(l->fd);
	free(l->path);
	*l = (struct ledger)LEDGER_INIT;
}

static bool
kept(const struct ledger *l)
{
	return l != NULL && l->path != NULL;
}

/* Whether a crash left a line without its end. */
static bool
torn(int fd)
{
	off_t end = lseek(fd, 0, SEEK_END);
	char c;

	return end > 0 && pread(fd, &c, 1, end - 1) == 1 && c != '\n';
}

/* "TIME WORDS REST": one write, then to the disk. */
static int
append_line(struct ledger *l, const char *words, const char *rest,
    struct fail *f)
{
	char stamp[DATE_TEXT], *line;
	ssize_t n;
	int len, r = 0;

	date_text(stamp, time(NULL));
	len = asprintf(&line, "%s%s %s %s\n", torn(l->fd) ? "\n" : "",
	    stamp, words, rest);
	if (len == -1)
		return fail_set(f, EX_OSERR, "out of memory");
	n = write(l->fd, line, (size_t)len);
	if (n != len)
		r = n == -1 ? fail_sys(f, EX_IOERR, "%s", l->path) :
		    fail_set(f, EX_IOERR, "%s: cut short", l->path);
	else if (fdatasync(l->fd) == -1)
		r = fail_sys(f, EX_IOERR, "%s", l->path);
	free(line);
	return r;
}

static int
append(struct ledger *l, const char *verb, enum ledger_kind kind,
    const char *rest, struct fail *f)
{
	char words[40];

	snprintf(words, sizeof(words), "%s %s", verb, kinds[kind]);
	return append_line(l, words, rest, f);
}

int
ledger_folder(struct ledger *l, const char *path, struct fail *f)
{
	return append_line(l, "folder", path, f);
}

static int
append2(struct ledger *l, const char *verb, enum ledger_kind kind,
    const char *a, const char *b, struct fail *f)
{
	char *rest;
	int r;

	if (asprintf(&rest, "%s %s", a, b) == -1)
		return fail_set(f, EX_OSERR, "out of memory");
	r = append(l, verb, kind, rest, f);
	free(rest);
	return r;
}

int
ledger_intent(struct ledger *l, enum ledger_kind kind, const char *key,
    const struct cloud *cloud, const char *detail, struct fail *f)
{
	char as[LEDGER_AS], *rest;
	int r;

	if (!kept(l))
		return 0;
	ledger_as(as, cloud);
	if (asprintf(&rest, "%s %s %s %s%s%s", key, as, cloud->api, cloud->ns,
	    detail != NULL ? " " : "", detail != NULL ? detail : "") == -1)
		return fail_set(f, EX_OSERR, "out of memory");
	r = append(l, "intent", kind, rest, f);
	free(rest);
	return r;
}

int
ledger_lock(int fd, const char *name, struct fail *f)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (flock(fd, LOCK_EX | LOCK_NB) == -1)
		return errno == EWOULDBLOCK ? 0 :
		    fail_sys(f, EX_IOERR, "%s: lock", name);
	/* Not to be held: those who open it later lock it for reading. */
	if (fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK) {
		flock(fd, LOCK_UN);
		return 0;
	}
	return 1;
}

int
ledger_made(struct ledger *l, enum ledger_kind kind, const char *key,
    const char *id, struct fail *f)
{
	return kept(l) ? append2(l, "made", kind, key, id, f) : 0;
}

int
ledger_keep(struct ledger *l, const char *id, struct fail *f)
{
	return kept(l) ? append(l, "keep", LEDGER_SANDBOX, id, f) : 0;
}

int
ledger_none(struct ledger *l, enum ledger_kind kind, const char *key,
    struct fail *f)
{
	return kept(l) ? append(l, "none", kind, key, f) : 0;
}

int
ledger_gone(struct ledger *l, enum ledger_kind kind, const char *id,
    struct fail *f)
{
	return kept(l) ? append(l, "gone", kind, id, f) : 0;
}

/* An upload's id, by its abortUrl: 1; 0 if it has none. */
static int
upload_id(const struct span *block, char id[2 * ID_BYTES + 1], char **url,
    struct fail *f)
{
	const char *strings[2] = { NULL, NULL };
	struct span value;
	int r;

	if (!span_is_object(block))
		return 0;
	if ((r = span_get(block, "abortUrl", &value, f)) != 1)
		return r;
	if (!span_is_string(&value) ||
	    json_string(block, "abortUrl", JSON_NEED, url, f) == -1)
		return 0;
	strings[0] = *url;
	digest(id, ID_BYTES, strings);
	return 1;
}

char *
ledger_upload_path(const char *ledger, const char *id)
{
	char *path;

	return asprintf(&path, "%s.%s", ledger, id) == -1 ? NULL : path;
}

static int
upload_file(const struct ledger *l, const char *id, const char *url,
    struct fail *f)
{
	struct buf b = BUF_INIT(BUF_SMALL_MAX);
	struct jout j = JOUT_INIT(&b);
	char *path = ledger_upload_path(l->path, id);
	int r = -1;

	if (path == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	jout_object(&j);
	jout_member(&j, "abortUrl", url);
	jout_close(&j);
	if (jout_end(&j, f) == 0 && buf_adds(&b, "\n", f) == 0 &&
	    buf_save(&b, path, f) == 0)
		r = sync_folder(path, f);
	buf_free(&b);
	free(path);
	return r;
}

int
ledger_upload(struct ledger *l, const char *key, const struct span *block,
    struct fail *f)
{
	char id[2 * ID_BYTES + 1], *url = NULL;
	int r;

	if (!kept(l))
		return 0;
	if ((r = upload_id(block, id, &url, f)) == 0)
		r = ledger_none(l, LEDGER_UPLOAD, key, f);
	else if (r == 1 && (r = upload_file(l, id, url, f)) == 0)
		r = ledger_made(l, LEDGER_UPLOAD, key, id, f);
	if (url != NULL)
		explicit_bzero(url, strlen(url));
	free(url);
	return r;
}

int
ledger_upload_gone(struct ledger *l, const struct span *block, struct fail *f)
{
	char id[2 * ID_BYTES + 1], *url = NULL;
	int r;

	if (!kept(l))
		return 0;
	if ((r = upload_id(block, id, &url, f)) == 1)
		r = ledger_gone(l, LEDGER_UPLOAD, id, f);
	if (url != NULL)
		explicit_bzero(url, strlen(url));
	free(url);
	return r == -1 ? -1 : 0;
}

/*
 * Reading.
 */

/* The next blank-separated word of a line, or NULL. */
static char *
word(char **line)
{
	char *w = strsep(line, " ");

	return w != NULL && *w != '\0' ? w : NULL;
}

static char *
copy(const char *s)
{
	return s != NULL ? strdup(s) : NULL;
}

static int
intent(struct ledger_list *l, enum ledger_kind kind, time_t at, char *key,
    char *rest, struct fail *f)
{
	char *as = word(&rest), *api = word(&rest), *ns = word(&rest);
	struct ledger_entry *e, *more;

	/* A blank too many is no word: a damaged line means nothing. */
	if (as == NULL || api == NULL || ns == NULL)
		return 0;
	if ((more = reallocarray(l->list, l->n + 1, sizeof(*more))) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	l->list = more;
	e = &l->list[l->n++];
	*e = (struct ledger_entry){ .kind = kind, .state = LEDGER_ASKED,
	    .at = at, .key = strdup(key), .as = strdup(as),
	    .api = strdup(api), .ns = strdup(ns), .detail = copy(rest) };
	if (e->key == NULL || e->as == NULL || e->api == NULL ||
	    e->ns == NULL || (rest != NULL && e->detail == NULL))
		return fail_set(f, EX_OSERR, "out of memory");
	return 0;
}

/* The last entry of that kind with that key, or that id. */
static struct ledger_entry *
find(struct ledger_list *l, enum ledger_kind kind, const char *key,
    const char *id)
{
	struct ledger_entry *e;
	size_t i;

	for (i = l->n; i > 0; i--) {
		e = &l->list[i - 1];
		if (e->kind == kind && ((key != NULL &&
		    strcmp(e->key, key) == 0) || (id != NULL &&
		    e->id != NULL && strcmp(e->id, id) == 0)))
			return e;
	}
	return NULL;
}

/* An upload's id is part of a file's name: another's is no path of ours. */
static bool
is_id(enum ledger_kind kind, const char *id)
{
	return kind != LEDGER_UPLOAD || (strlen(id) == 2 * ID_BYTES &&
	    strspn(id, "0123456789abcdef") == 2 * ID_BYTES);
}

static int
line(struct ledger_list *l, char *rest, struct fail *f)
{
	char *stamp = word(&rest), *verb = word(&rest), *kind, *w;
	struct ledger_entry *e;
	enum ledger_kind k;
	time_t at;

	if (stamp == NULL || verb == NULL || rest == NULL ||
	    date_rfc3339(stamp, &at) == -1)
		return 0;
	if (strcmp(verb, "folder") == 0) {
		free(l->folder);
		if ((l->folder = strdup(rest)) == NULL)
			return fail_set(f, EX_OSERR, "out of memory");
		return 0;
	}
	if ((kind = word(&rest)) == NULL)
		return 0;
	for (k = 0; k < KINDS && strcmp(kind, kinds[k]) != 0; k++)
		;
	if (k == KINDS || (w = word(&rest)) == NULL)
		return 0;
	if (strcmp(verb, "intent") == 0)
		return intent(l, k, at, w, rest, f);
	if (strcmp(verb, "made") == 0 && (e = find(l, k, w, NULL)) != NULL &&
	    rest != NULL && is_id(k, rest)) {
		free(e->id);
		if ((e->id = strdup(rest)) == NULL)
			return fail_set(f, EX_OSERR, "out of memory");
		e->state = LEDGER_MADE;
	} else if (strcmp(verb, "none") == 0 &&
	    (e = find(l, k, w, NULL)) != NULL)
		e->state = LEDGER_OVER;
	else if (strcmp(verb, "gone") == 0 &&
	    (e = find(l, k, NULL, w)) != NULL)
		e->state = LEDGER_OVER;
	else if (strcmp(verb, "keep") == 0 &&
	    (e = find(l, k, NULL, w)) != NULL)
		e->keep = true;
	return 0;
}

int
ledger_read(struct ledger_list *l, int fd, const char *name, struct fail *f)
{
	struct buf b = BUF_INIT(BUF_SMALL_MAX);
	char *p, *one;
	int r = 0;

	*l = (struct ledger_list){ .n = 0 };
	if (lseek(fd, 0, SEEK_SET) == -1)
		return fail_sys(f, EX_NOINPUT, "%s", name);
	if (buf_read(&b, fd, name, f) == -1) {
		buf_free(&b);
		return -1;
	}
	/* The piece behind the last newline is not a line. */
	for (p = b.data; r == 0 && p != NULL && strchr(p, '\n') != NULL;) {
		one = strsep(&p, "\n");
		r = line(l, one, f);
	}
	buf_free(&b);
	if (r == -1)
		ledger_list_free(l);
	return r;
}

void
ledger_list_free(struct ledger_list *l)
{
	size_t i;

	for (i = 0; i < l->n; i++) {
		free(l->list[i].key);
		free(l->list[i].id);
		free(l->list[i].as);
		free(l->list[i].api);
		free(l->list[i].ns);
		free(l->list[i].detail);
	}
	free(l->list);
	free(l->folder);
	*l = (struct ledger_list){ .n = 0 };
}

/* ".ID", or ".ID.XXXXXX" while buf_save() is at it; nothing else is ours. */
static int
is_upload(const char *s)
{
	return *s == '.' &&
	    strspn(s + 1, "0123456789abcdef") == 2 * ID_BYTES &&
	    (s[1 + 2 * ID_BYTES] == '\0' || (s[1 + 2 * ID_BYTES] == '.' &&
	    strlen(s + 2 + 2 * ID_BYTES) == 6));
}

int
ledger_beside(const char *ledger, void (*each)(void *arg, const char *path),
    void *arg, struct fail *f)
{
	const char *slash = strrchr(ledger, '/');
	const char *name = slash == NULL ? ledger : slash + 1;
	int at = (int)(name - ledger), r = 0;
	size_t n = strlen(name);
	struct dirent *d;
	char *path;
	DIR *dir;

	if (asprintf(&path, "%.*s", at == 0 ? 1 : at, at == 0 ? "." : ledger)
	    == -1)
		return fail_set(f, EX_OSERR, "out of memory");
	if ((dir = opendir(path)) == NULL)
		r = errno == ENOENT ? 0 : fail_sys(f, EX_NOINPUT, "%s", path);
	free(path);
	while (dir != NULL && r == 0 && (d = readdir(dir)) != NULL) {
		if (strncmp(d->d_name, name, n) != 0 ||
		    !is_upload(d->d_name + n))
			continue;
		if (asprintf(&path, "%.*s%s", at, ledger, d->d_name) == -1) {
			r = fail_set(f, EX_OSERR, "out of memory");
			break;
		}
		each(arg, path);
		free(path);
	}
	if (dir != NULL)
		closedir(dir);
	return r;
}
