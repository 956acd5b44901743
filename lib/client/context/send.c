#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/context/context.h"
#include "client/context/tar.h"
#include "core/ahead.h"
#include "core/clock.h"

/* The folders that lead to the entry at hand, open if something in them was. */
struct trail {
	struct step {
		uint32_t	entry;
		int		fd;	/* or -1 */
	}	*step;
	size_t	 n, cap;
};

/* Where what is read goes if it is not sent. */
#define ROOM	(256UL << 10)

#define AHEAD		128	/* files that the kernel is told of at once */

struct sending {
	const struct context	*context;
	bool			 waited;	/* the last reading */
	size_t			 ahead;		/* entries before it were told */
	struct buf		 next;		/* the path of one that is told */
	struct gzip		*gzip;		/* NULL: nothing is sent */
	char			*room;		/* for what is only summed */
	struct sum		*sum;		/* NULL: nothing is summed */
	struct sum		 file;		/* of the one at hand, for that */
	struct records		*records;	/* NULL: none is made */
	struct sum		 alone;		/* of the entry at hand, for that */
	const int64_t		*epoch;
	int64_t			 begun_ms;
	struct trail		 trail;
	struct buf		 path;		/* of the entry at hand */
	struct buf		 first;		/* of another name of its file */
	struct buf		 header;
	void			*linked;	/* tsearch(3)'s, of files sent */
};

/* A file with several names, and the entry of the first of them. */
struct linked {
	dev_t	 dev;
	ino_t	 ino;
	size_t	 entry;
	bool	 left;			/* the receiver has it */
	uint8_t	 sum[SUM_SIZE];		/* for its records */
};

#define SENDING(c, until)	{ .context = (c), .epoch = (until), \
	.path = BUF_INIT(2 * WALK_PATH_MAX), \
	.first = BUF_INIT(2 * WALK_PATH_MAX), \
	.next = BUF_INIT(2 * WALK_PATH_MAX), .header = BUF_INIT(HEADER_MAX) }

/* The map of a file in the most and smallest pieces that are still likely. */
#define HEADER_MAX	(256UL << 20)

static int
fail_entry(const struct sending *s, int status, const char *why,
    struct fail *f)
{
	char shown[WALK_SHOWN];
	int saved = errno;

	walk_show(shown, s->context->dir, s->path.data);
	errno = saved;
	if (why == NULL)
		return fail_sys(f, status, "%s", shown);
	return fail_set(f, status, "%s: %s", shown, why);
}

/* Shut the folders that do not lead to an entry. */
static void
leave_folders(struct sending *s, const struct walk_entry *e)
{
	struct trail *t = &s->trail;

	while (t->n > 0 && t->step[t->n - 1].entry != e->parent)
		if (t->step[--t->n].fd != -1)
			close(t->step[t->n].fd);
}

/* The folder of the entry at hand, open. */
static int
folder_of(struct sending *s, struct fail *f)
{
	const struct walk *walk = &s->context->walk;
	struct trail *t = &s->trail;
	int at = s->context->root, error;
	size_t i;

	for (i = 0; i < t->n; at = t->step[i++].fd) {
		struct step *step = t->step + i;

		if (step->fd != -1)
			continue;
		step->fd = openat(at, walk_name(walk, step->entry), O_PATH |
		    O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (step->fd != -1)
			continue;
		error = errno;
		buf_clear(&s->path);
		if (walk_path(walk, step->entry, &s->path, f) == -1)
			return -1;
		errno = error;
		return fail_entry(s, EX_NOINPUT,
		    error == ENOTDIR || error == ELOOP ? "no longer a folder; "
		    "run again when nothing changes it" : NULL, f);
	}
	return at;
}

/* What a header says of the entry at hand beside what it is. */
static void
fill(const struct sending *s, struct tar_entry *t, const struct stat *st)
{
	t->name = s->path.data;
	t->mode = st->st_mode;
	t->mtime = st->st_mtim.tv_sec;
	if (s->epoch != NULL && t->mtime > *s->epoch)
		t->mtime = *s->epoch;
}

static int
send_header(struct sending *s, const struct tar_entry *t, struct fail *f)
{
	if (s->gzip == NULL)
		return 0;
	buf_clear(&s->header);
	if (tar_header(&s->header, t, f) == -1)
		return -1;
	return gzip_add(s->gzip, s->header.data, s->header.len, f);
}

/* The entry's record but for its sum. */
static struct record
record_of(const struct tar_entry *t)
{
	return (struct record){ .type = t->type, .mode = t->mode & 07777,
	    .mtime = t->mtime, .name = t->name,
	    .target = t->type == TAR_SAME ? t->target : NULL };
}

/*
 * What the receiver has of a file that is as it was when that was recorded, so
 * that it need not be read.  NULL if that is not known.  *t gets its type.
 */
static const struct record *
unchanged(struct sending *s, const struct stat *st, struct tar_entry *t)
{
	const struct record *old = records_had(s->records, t->name);
	uint8_t stamp[STAMP_SIZE];
	struct record r;

	if (old == NULL || !old->stamped || (s->sum != NULL && !old->digested))
		return NULL;
	r = record_of(t);
	r.type = old->type;
	sum_stamp(&s->alone, st, stamp);
	if (!record_alike(old, &r) ||
	    memcmp(old->stamp, stamp, STAMP_SIZE) != 0)
		return NULL;
	t->type = old->type;
	return old;
}

/* What the receiver has already, if the sums are the same; or NULL. */
static const struct record *
had(struct sending *s, const struct record *r)
{
	const struct record *old = records_had(s->records, r->name);

	return old != NULL && record_alike(old, r) ? old : NULL;
}

static bool
same_sum(const struct record *old, const struct record *r)
{
	return old != NULL && memcmp(old->sum, r->sum, SUM_SIZE) == 0;
}

/*
 * An entry without bytes.  A folder is always sent: its time changes with what
 * is in it.
 */
static int
send_bare(struct sending *s, struct tar_entry *t, const struct stat *st,
    struct fail *f)
{
	struct record r;

	fill(s, t, st);
	if (s->sum != NULL)
		sum_entry(s->sum, t);
	if (s->records != NULL) {
		r = record_of(t);
		sum_alone(&s->alone, t);
		sum_end(&s->alone, r.sum);
		if (records_add(s->records, &r, f) == -1)
			return -1;
		if (t->type != TAR_FOLDER && same_sum(had(s, &r), &r))
			return 0;
	}
	return send_header(s, t, f);
}

static int
send_folder(struct sending *s, uint32_t entry, struct fail *f)
{
	struct tar_entry t = { .type = TAR_FOLDER };
	struct stat st = walk_stat(s->context->walk.entry + entry);
	struct trail *trail = &s->trail;

	if (trail->n == trail->cap) {
		size_t cap = trail->cap == 0 ? 16 : 2 * trail->cap;
		struct step *step;

		step = reallocarray(trail->step, cap, sizeof(*step));
		if (step == NULL)
			return fail_set(f, EX_OSERR, "out of memory");
		trail->step = step;
		trail->cap = cap;
	}
	trail->step[trail->n++] = (struct step){ entry, -1 };
	return send_bare(s, &t, &st, f);
}

static int
send_link(struct sending *s, const char *name, struct fail *f)
{
	char target[WALK_PATH_MAX + 2];
	struct tar_entry t = { .type = TAR_LINK, .target = target };
	struct stat st;
	ssize_t n;
	int at;

	if ((at = folder_of(s, f)) == -1)
		return -1;
	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return fail_entry(s, EX_NOINPUT, NULL, f);
	n = readlinkat(at, name, target, sizeof(target) - 1);
	if (n == -1 && errno == EINVAL)
		return fail_entry(s, EX_NOINPUT, "no longer a link; "
		    "run again when nothing changes it", f);
	if (n == -1)
		return fail_entry(s, EX_NOINPUT, NULL, f);
	target[n] = '\0';
	return send_bare(s, &t, &st, f);
}

/* Read so many bytes, sum them, and send them unless they are only summed. */
static int
pass_bytes(struct sending *s, int fd, uint64_t size, bool send, struct fail *f)
{
	uint64_t left;
	int64_t begun;
	size_t room;
	ssize_t n;
	char *to;

	for (left = size; left > 0; left -= (uint64_t)n) {
		to = s->room;
		room = ROOM;
		if (send)
			to = gzip_room(s->gzip, &room);
		if (room > left)
			room = (size_t)left;
		begun = clock_ns();
		n = read(fd, to, room);
		s->waited = ahead_waited(begun);
		if (n == -1 && errno == EINTR)
			n = 0;
		else if (n == -1)
			return fail_entry(s, EX_IOERR, NULL, f);
		else if (n == 0)
			return fail_entry(s, EX_IOERR, "shrank while it was "
			    "read; run again when nothing changes it", f);
		if (s->sum != NULL)
			sum_bytes(&s->file, to, (size_t)n);
		if (s->records != NULL)
			sum_bytes(&s->alone, to, (size_t)n);
		if (send && gzip_filled(s->gzip, (size_t)n, f) == -1)
			return -1;
	}
	return 0;
}

/* Its header and its bytes, from the start of the file; their sums go to r. */
static int
pass_file(struct sending *s, int fd, const struct tar_entry *t, bool send,
    struct record *r, struct fail *f)
{
	const struct extents *e = t->extents;
	size_t i;

	if (s->sum != NULL)
		sum_alone(&s->file, t);
	if (s->records != NULL)
		sum_alone(&s->alone, t);
	if (send && send_header(s, t, f) == -1)
		return -1;
	if (e == NULL && pass_bytes(s, fd, t->size, send, f) == -1)
		return -1;
	for (i = 0; e != NULL && i < e->n; i++)
		if (lseek(fd, (off_t)e->list[i].at, SEEK_SET) == -1)
			return fail_entry(s, EX_IOERR, NULL, f);
		else if (pass_bytes(s, fd, e->list[i].len, send, f) == -1)
			return -1;
	if (s->sum != NULL)
		sum_end(&s->file, r->digest);
	if (s->records != NULL)
		sum_end(&s->alone, r->sum);
	return send ? gzip_zeros(s->gzip, tar_padding(tar_bytes(t)), f) : 0;
}

/*
 * A file that is recorded: it is sent if the receiver does not have it, and then
 * the record is of what was sent.  To find out it is read, unless its mode or
 * time says so.
 */
static int
send_recorded(struct sending *s, int fd, const struct tar_entry *t,
    struct record *r, struct linked *l, struct fail *f)
{
	const struct record *old = had(s, r);
	bool left = false;

	if (old != NULL) {
		if (pass_file(s, fd, t, false, r, f) == -1)
			return -1;
		left = same_sum(old, r);
		if (!left && lseek(fd, 0, SEEK_SET) == -1)
			return fail_entry(s, EX_IOERR, NULL, f);
	}
	if (!left && pass_file(s, fd, t, true, r, f) == -1)
		return -1;
	if (l != NULL) {
		l->left = left;
		memcpy(l->sum, r->sum, SUM_SIZE);
	}
	return records_add(s->records, r, f);
}

/* A file that is open, whole. */
static int
send_bytes(struct sending *s, int fd, const struct stat *st,
    const struct tar_entry *t, struct linked *l, struct fail *f)
{
	struct record r = record_of(t);

	if (s->records != NULL) {
		r.digested = s->sum != NULL;
		r.stamped = sum_settled(st, s->begun_ms);
		if (r.stamped)
			sum_stamp(&s->alone, st, r.stamp);
		if (send_recorded(s, fd, t, &r, l, f) == -1)
			return -1;
	} else if (pass_file(s, fd, t, s->gzip != NULL, &r, f) == -1)
		return -1;
	if (s->sum != NULL)
		sum_file(s->sum, t, r.digest);
	return 0;
}

/* A file that is as in the old record. */
static int
take_over(struct sending *s, const struct tar_entry *t,
    const struct record *old, struct linked *l, struct fail *f)
{
	if (l != NULL) {
		l->left = true;
		memcpy(l->sum, old->sum, SUM_SIZE);
	}
	if (s->sum != NULL)
		sum_file(s->sum, t, old->digest);
	return records_add(s->records, old, f);
}

/* Another name of a file goes with its first one. */
static int
send_name(struct sending *s, struct tar_entry *t, const struct linked *first,
    struct fail *f)
{
	struct record r;

	t->type = TAR_SAME;
	t->target = s->first.data;
	if (s->sum != NULL)
		sum_entry(s->sum, t);
	if (s->records != NULL) {
		r = record_of(t);
		memcpy(r.sum, first->sum, SUM_SIZE);
		if (records_add(s->records, &r, f) == -1)
			return -1;
		if (same_sum(had(s, &r), &r) && first->left)
			return 0;
	}
	return send_header(s, t, f);
}

static int
by_file(const void *left, const void *right)
{
	const struct linked *a = left, *b = right;

	if (a->dev != b->dev)
		return a->dev < b->dev ? -1 : 1;
	return (a->ino > b->ino) - (a->ino < b->ino);
}

/*
 * 1 if the file was there under the name in s->first, 0 if not.  *of is kept of
 * it, or NULL where it has but one name.
 */
static int
sent_before(struct sending *s, const struct stat *st, size_t entry,
    struct linked **of, struct fail *f)
{
	struct linked *l, **found;

	*of = NULL;
	if (st->st_nlink < 2)
		return 0;
	if ((l = calloc(1, sizeof(*l))) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	l->dev = st->st_dev;
	l->ino = st->st_ino;
	l->entry = entry;
	if ((found = tsearch(l, &s->linked, by_file)) == NULL) {
		free(l);
		return fail_set(f, EX_OSERR, "out of memory");
	}
	*of = *found;
	if (*found == l)
		return 0;
	free(l);
	buf_clear(&s->first);
	return walk_path(&s->context->walk, (*of)->entry, &s->first,
	    f) == -1 ? -1 : 1;
}

static int
send_file(struct sending *s, const char *name, size_t entry, struct fail *f)
{
	struct tar_entry t = { .type = TAR_FILE };
	struct extents extents = EXTENTS_INIT;
	char shown[WALK_SHOWN];
	const struct record *old;
	struct linked *l;
	struct stat st;
	int at, fd, r = -1;

	st = walk_stat(s->context->walk.entry + entry);
	t.size = (uint64_t)st.st_size;
	fill(s, &t, &st);
	if (s->records != NULL && (old = unchanged(s, &st, &t)) != NULL) {
		if ((r = sent_before(s, &st, entry, &l, f)) == 1)
			return send_name(s, &t, l, f);
		return r == -1 ? -1 : take_over(s, &t, old, l, f);
	}
	if ((at = folder_of(s, f)) == -1)
		return -1;
	/* O_NONBLOCK: what was a file may be a FIFO by now. */
	fd = openat(at, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY |
	    O_CLOEXEC);
	if (fd == -1 && errno != ELOOP && errno != ENXIO)
		return fail_entry(s, EX_NOINPUT, NULL, f);
	if (fd == -1 || fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
		fail_entry(s, EX_NOINPUT, "no longer a regular file; "
		    "run again when nothing changes it", f);
		goto out;
	}
	fill(s, &t, &st);
	if ((r = sent_before(s, &st, entry, &l, f)) == 1)
		r = send_name(s, &t, l, f);
	else if (r == 0) {
		t.size = (uint64_t)st.st_size;
		r = extents_find(&extents, fd, &st, f);
		if (r == 1) {
			t.type = TAR_SPARSE;
			t.extents = &extents;
		}
		if (r == -1)
			fail_in(f, walk_show(shown, s->context->dir,
			    s->path.data));
		else
			r = send_bytes(s, fd, &st, &t, l, f);
	}
out:
	extents_free(&extents);
	if (fd != -1)
		close(fd);
	return r;
}

static int
send_entry(struct sending *s, size_t i, struct fail *f)
{
	const struct walk *walk = &s->context->walk;
	const struct walk_entry *e = walk->entry + i;
	const char *name = walk_name(walk, i);

	leave_folders(s, e);
	buf_clear(&s->path);
	if (walk_path(walk, i, &s->path, f) == -1)
		return -1;
	switch (e->kind) {
	case WALK_FOLDER:
		return send_folder(s, (uint32_t)i, f);
	case WALK_LINK:
		return send_link(s, name, f);
	default:
		return send_file(s, name, i, f);
	}
}

static void
read_ahead(struct sending *s, size_t from)
{
	const struct walk *walk = &s->context->walk;
	struct fail f;
	size_t i, n = 0;

	for (i = s->ahead > from ? s->ahead : from; i < walk->n && n < AHEAD;
	    i++) {
		if (walk->entry[i].kind != WALK_FILE ||
		    walk->entry[i].why != WALK_IN)
			continue;
		n++;
		buf_clear(&s->next);
		if (walk_path(walk, i, &s->next, &f) == 0)
			ahead_tell(s->context->root, s->next.data, ROOM);
	}
	s->ahead = i;
	s->waited = false;
}

static int
send_all(struct sending *s, struct fail *f)
{
	const struct walk *walk = &s->context->walk;
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < walk->n; i++) {
		if (s->waited)
			read_ahead(s, i);
		if (walk->entry[i].why == WALK_IN)
			r = send_entry(s, i, f);
	}
	while (s->trail.n > 0)
		if (s->trail.step[--s->trail.n].fd != -1)
			close(s->trail.step[s->trail.n].fd);
	free(s->trail.step);
	tdestroy(s->linked, free);
	buf_free(&s->path);
	buf_free(&s->first);
	buf_free(&s->next);
	buf_free(&s->header);
	return r;
}

int
context_send(const struct context *c, enum gzip_with with, int fd,
    const char *name, const int64_t *epoch, uint8_t sum[SUM_SIZE],
    struct records *records, struct fail *f)
{
	struct sum of;
	struct sending s = SENDING(c, epoch);
	int r;

	if (sum != NULL) {
		sum_init(&of);
		sum_init(&s.file);
		s.sum = &of;
	}
	s.begun_ms = clock_date_ms();
	if (records != NULL) {
		if ((s.room = malloc(ROOM)) == NULL)
			return fail_set(f, EX_OSERR, "out of memory");
		sum_init_key(&s.alone, records->key);
		s.records = records;
	}
	r = gzip_open(&s.gzip, with, fd, name, f);
	if (r == 0)
		r = send_all(&s, f);
	if (r == 0)
		r = gzip_zeros(s.gzip, TAR_END, f);
	if (r == 0)
		r = gzip_end(s.gzip, f);
	if (r == 0 && sum != NULL)
		sum_end(&of, sum);
	gzip_free(s.gzip);
	free(s.room);
	return r;
}

int
context_sum(const struct context *c, const int64_t *epoch,
    uint8_t sum[SUM_SIZE], struct fail *f)
{
	struct sum of;
	struct sending s = SENDING(c, epoch);
	int r;

	if ((s.room = malloc(ROOM)) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	sum_init(&of);
	sum_init(&s.file);
	s.sum = &of;
	if ((r = send_all(&s, f)) == 0)
		sum_end(&of, sum);
	free(s.room);
	return r;
}
