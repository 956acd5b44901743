#include <sys/uio.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "client/stages/disk.h"
#include "client/stages/spec.h"

/* Bytes between two texts' pieces: in place of cut bytes, from at on. */
struct edit {
	const char	*at;
	size_t		 cut;
	const char	*before;	/* a comma, or nothing */
	const char	*name;		/* of an added member, or NULL */
	struct span	 value;
	size_t		 seq;
};

struct edits {
	struct edit	*list;
	size_t		 n, cap;
};

static const struct span null_span = { NULL, 0 };

/*
 * Set a member of obj.  The last one added to an object follows its last
 * member, so the object's closing line stays as it is.
 */
static int
set(struct edits *e, const struct span *obj, const struct span *old,
    const char *name, const struct span *value, struct fail *f)
{
	struct edit *to;

	if (e->n == e->cap) {
		size_t cap = e->cap == 0 ? 16 : e->cap * 2;
		struct edit *p = reallocarray(e->list, cap, sizeof(*p));

		if (p == NULL)
			return fail_set(f, EX_OSERR, "out of memory");
		e->list = p;
		e->cap = cap;
	}
	to = &e->list[e->n];
	to->seq = e->n++;
	to->value = *value;
	to->cut = old->len;
	to->at = old->at;
	to->name = NULL;
	to->before = "";
	if (old->at == NULL) {
		const char *p = obj->at + obj->len - 2;

		while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')
			p--;
		to->at = p + 1;
		to->name = name;
		if (p != obj->at)
			to->before = ",";
	}
	return 0;
}

static int
order(const void *a, const void *b)
{
	const struct edit *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->seq < y->seq ? -1 : 1;
}

static void
add(struct spec *s, const char *at, size_t len)
{
	if (len == 0)
		return;
	s->piece[s->pieces].at = at;
	s->piece[s->pieces++].len = len;
	s->len += len;
}

/* The text with the edits done, as pieces. */
static int
assemble(struct spec *s, const struct map *text, struct edits *e,
    struct fail *f)
{
	const char *p = text->data;
	size_t i;

	/* An edit is what stands before it and at most five pieces. */
	s->piece = reallocarray(NULL, e->n + 1, 6 * sizeof(*s->piece));
	if (s->piece == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	if (e->n > 0)
		qsort(e->list, e->n, sizeof(*e->list), order);
	for (i = 0; i < e->n; i++) {
		const struct edit *to = &e->list[i];

		add(s, p, (size_t)(to->at - p));
		/* Several that follow the brace of an empty object. */
		if (i > 0 && to->name != NULL && to->at == e->list[i - 1].at)
			add(s, ",", 1);
		else
			add(s, to->before, strlen(to->before));
		if (to->name != NULL) {
			add(s, "\"", 1);
			add(s, to->name, strlen(to->name));
			add(s, "\":", 2);
		}
		add(s, to->value.at, to->value.len);
		p = to->at + to->cut;
	}
	add(s, p, (size_t)(text->data + text->len - p));
	return 0;
}

/* A JSON text as the content of a JSON string, onto s->own. */
static int
quoted(struct spec *s, const struct span *text, struct span *out,
    struct fail *f)
{
	const char *p = text->at, *end = p + text->len;
	size_t start = s->own.len;
	int r = buf_add(&s->own, "\"", 1, f);

	for (; r == 0 && p < end; p++)
		switch (*p) {
		case '"':
			r = buf_add(&s->own, "\\\"", 2, f);
			break;
		case '\\':
			r = buf_add(&s->own, "\\\\", 2, f);
			break;
		/* The only control characters that JSON text can hold. */
		case '\n':
			r = buf_add(&s->own, "\\n", 2, f);
			break;
		case '\r':
			r = buf_add(&s->own, "\\r", 2, f);
			break;
		case '\t':
			r = buf_add(&s->own, "\\t", 2, f);
			break;
		default:
			r = buf_add(&s->own, p, 1, f);
		}
	if (r == -1 || buf_add(&s->own, "\"", 1, f) == -1)
		return -1;
	out->at = s->own.data + start;
	out->len = s->own.len - start;
	return 0;
}

static int
parse(struct span *doc, const struct map *t, const char *what,
    struct span_pick *pick, size_t picks, struct fail *f)
{
	/* A stage that failed before this one looks like an empty pipe. */
	if (t->len == 0)
		return fail_set(f, EX_DATAERR, "%s: empty, expected %s",
		    t->name, what);
	if (span_pick(doc, t->data, t->len, pick, picks, f) == -1)
		return fail_in(f, t->name);
	if (!span_is_object(doc))
		return fail_set(f, EX_DATAERR, "%s: not an object, expected %s",
		    t->name, what);
	return 0;
}

/* A picked member that is null counts as absent where it is only read. */
static int
there(const struct span_pick *pick, const struct map *t, struct fail *f)
{
	int r = span_picked(pick, f);

	if (r == -1)
		return fail_in(f, t->name);
	return r == 1 && !span_is_null(&pick->value);
}

static int
wrong(const struct map *t, const char *member, const char *what,
    struct fail *f)
{
	return fail_set(f, EX_DATAERR, "%s: %s: %s", t->name, member, what);
}

/*
 * A block may not reach deeper than readers go
 * (tl-wire(7), "Bytes and values").
 */
static int
fits(const struct span *block, size_t level, const struct map *t,
    const char *member, struct fail *f)
{
	if (span_depth(block) > SPAN_DEPTH - level)
		return wrong(t, member, "nested too deep for a spec", f);
	return 0;
}

/* The prepared members that this file sets or reads. */
enum {
	REL_PATH, PARENT, DOWNLOAD, IMAGES, UPLOAD, SNAPSHOT_URI, DOCKERFILE,
	CONTEXT_DIR, BASE_IMAGE, IMPORT, DISK_BYTES, DOCKER_CONFIG,
	DOCKER_COMPAT, NO_CACHE, EPOCH, PREPARED_PICKS
};

/* The signed document's. */
enum { S_UPLOAD, S_URI, S_PARENT, S_IMAGES, SIGNED_PICKS };

struct splice {
	const struct spec_options *o;
	struct span	 doc;
	struct span_pick pick[PREPARED_PICKS];
	struct edits	 edits;
	struct spec	*spec;
};

static int
set_root(struct splice *x, int which, const struct span *value,
    struct fail *f)
{
	const struct span_pick *p = &x->pick[which];

	if (span_picked(p, f) == -1)
		return fail_in(f, x->o->prepared->name);
	return set(&x->edits, &x->doc, &p->value, p->path[0], value, f);
}

/* Set the download of each local image that was signed. */
static int
set_images(struct splice *x, const struct span *blocks, struct fail *f)
{
	const struct map *prepared = x->o->prepared;
	const struct span *images = &x->pick[IMAGES].value;
	const char *ipos = NULL, *bpos = NULL;
	struct span image, block, old;
	size_t i;
	int r;

	if ((r = there(&x->pick[IMAGES], prepared, f)) == -1)
		return -1;
	if (!span_is_array(blocks))
		return wrong(x->o->signed_blocks, "localImageDownloads",
		    "not an array", f);
	if (r == 1 && !span_is_array(images))
		return wrong(prepared, "additionalLocalImages",
		    "not an array", f);
	for (i = 0; span_next(blocks, &bpos, NULL, &block); i++) {
		if (r == 0 || !span_next(images, &ipos, NULL, &image))
			return wrong(x->o->signed_blocks,
			    "localImageDownloads", "more of them than the "
			    "prepared additionalLocalImages: not of one build",
			    f);
		if (span_is_null(&block))
			continue;
		if (!span_is_object(&block))
			return fail_set(f, EX_DATAERR, "%s: "
			    "localImageDownloads[%zu]: not an object",
			    x->o->signed_blocks->name, i);
		if (!span_is_object(&image))
			return fail_set(f, EX_DATAERR, "%s: "
			    "additionalLocalImages[%zu]: not an object",
			    prepared->name, i);
		old = null_span;
		if (span_get(&image, "download", &old, f) == -1) {
			char msg[sizeof(f->msg)];

			memcpy(msg, f->msg, sizeof(msg));
			return fail_set(f, EX_DATAERR, "%s: "
			    "additionalLocalImages[%zu].%.300s",
			    prepared->name, i, msg);
		}
		if (fits(&block, 3, x->o->signed_blocks,
		    "localImageDownloads", f) == -1 ||
		    set(&x->edits, &image, &old, "download", &block, f) == -1)
			return -1;
	}
	if (r == 1 && span_next(images, &ipos, NULL, &image))
		return wrong(x->o->signed_blocks, "localImageDownloads",
		    "fewer of them than the prepared additionalLocalImages: "
		    "not of one build", f);
	return 0;
}

/* In the order of tl-wire(7), "Splicing". */
static int
set_signed(struct splice *x, struct fail *f)
{
	const struct map *t = x->o->signed_blocks;
	const struct map *prepared = x->o->prepared;
	struct span_pick pick[SIGNED_PICKS] = {
		[S_UPLOAD] = { .path = { "upload" } },
		[S_URI] = { .path = { "upload", "uri" } },
		[S_PARENT] = { .path = { "parentDownload" } },
		[S_IMAGES] = { .path = { "localImageDownloads" } },
	};
	struct span doc;
	int up, uri, down, images, parent, path;

	if (parse(&doc, t, "tl-sign's document", pick, SIGNED_PICKS, f) == -1 ||
	    (up = there(&pick[S_UPLOAD], t, f)) == -1 ||
	    (uri = there(&pick[S_URI], t, f)) == -1 ||
	    (down = there(&pick[S_PARENT], t, f)) == -1 ||
	    (images = there(&pick[S_IMAGES], t, f)) == -1 ||
	    (path = there(&x->pick[REL_PATH], prepared, f)) == -1)
		return -1;
	if (path == 0) {
		if (up || down || images)
			return wrong(t, up ? "upload" : down ?
			    "parentDownload" : "localImageDownloads",
			    "signed, but the prepared answer has no "
			    "snapshotRelPath: not of one build", f);
		return 0;
	}
	if (!span_is_string(&x->pick[REL_PATH].value))
		return wrong(prepared, "snapshotRelPath", "not a string", f);
	if ((parent = there(&x->pick[PARENT], prepared, f)) == -1)
		return -1;
	if (parent && !span_is_object(&x->pick[PARENT].value))
		return wrong(prepared, "parent", "not an object", f);

	if (!up)
		return wrong(t, "upload", "missing, and the prepared answer "
		    "wants one: run tl-sign", f);
	if (!span_is_object(&pick[S_UPLOAD].value))
		return wrong(t, "upload", "not an object", f);
	if (uri && !span_is_string(&pick[S_URI].value))
		return wrong(t, "upload.uri", "not a string", f);
	if (set_root(x, UPLOAD, &pick[S_UPLOAD].value, f) == -1 ||
	    (uri && set_root(x, SNAPSHOT_URI, &pick[S_URI].value, f) == -1))
		return -1;

	if (parent && !down)
		return wrong(t, "parentDownload", "missing, and the prepared "
		    "answer has a parent: run tl-sign", f);
	if (down && !parent)
		return wrong(t, "parentDownload", "signed, but the prepared "
		    "answer has no parent: not of one build", f);
	if (down) {
		const struct span_pick *old = &x->pick[DOWNLOAD];

		if (!span_is_object(&pick[S_PARENT].value))
			return wrong(t, "parentDownload", "not an object", f);
		if (span_picked(old, f) == -1)
			return fail_in(f, prepared->name);
		if (fits(&pick[S_PARENT].value, 2, t, "parentDownload", f) ==
		    -1 || set(&x->edits, &x->pick[PARENT].value, &old->value,
		    "download", &pick[S_PARENT].value, f) == -1)
			return -1;
	}
	return images ? set_images(x, &pick[S_IMAGES].value, f) : 0;
}

/* tl-wire(7), "Spec": what the plan and the options add. */
static int
set_plan(struct splice *x, struct fail *f)
{
	static const char context[] = "\"" SPEC_BUILD_DIR "/context\"";
	static const struct span context_dir = { context, sizeof(context) - 1 };
	static const struct span yes = { "true", 4 };
	static const struct {
		const char	*name;
		int		 which;
	} copied[] = {
		{ "dockerfile", DOCKERFILE }, { NULL, CONTEXT_DIR },
		{ "baseImage", BASE_IMAGE }, { "importImageReference", IMPORT },
	};
	const struct map *t = x->o->plan;
	const char *member = NULL;
	struct span plan, v, docker;
	uint64_t bytes;
	size_t i, start;
	int r;

	if (parse(&plan, t, "tl-plan's document", NULL, 0, f) == -1)
		return -1;
	for (i = 0; i < sizeof(copied) / sizeof(copied[0]); i++) {
		const char *name = copied[i].name;

		if (name == NULL) {
			if (set_root(x, CONTEXT_DIR, &context_dir, f) == -1)
				return -1;
			continue;
		}
		if ((r = span_get(&plan, name, &v, f)) == -1)
			return fail_in(f, t->name);
		if (copied[i].which == IMPORT && (r == 0 || span_is_null(&v)))
			continue;
		if (r == 0 || !span_is_string(&v))
			return wrong(t, name,
			    r == 0 ? "missing" : "not a string", f);
		if (set_root(x, copied[i].which, &v, f) == -1)
			return -1;
	}

	if (span_picked(&x->pick[PARENT], f) == -1 ||
	    disk_bytes(&x->doc, x->o->disk_mb, &bytes, f) == -1)
		return x->o->disk_mb != NULL && f->status == EX_USAGE ? -1 :
		    fail_in(f, x->o->prepared->name);
	start = x->spec->own.len;
	if (buf_addf(&x->spec->own, f, "%ju", (uintmax_t)bytes) == -1)
		return -1;
	v.at = x->spec->own.data + start;
	v.len = x->spec->own.len - start;
	if (set_root(x, DISK_BYTES, &v, f) == -1)
		return -1;

	if (x->o->docker != NULL) {
		if (parse(&docker, x->o->docker, "a Docker configuration",
		    NULL, 0, f) == -1)
			return -1;
		/* {} is tl-docker-config's word for no credentials. */
		if (span_next(&docker, &member, NULL, &v) == 1 &&
		    (quoted(x->spec, &docker, &v, f) == -1 ||
		    set_root(x, DOCKER_CONFIG, &v, f) == -1))
			return -1;
	}
	if ((x->o->docker_compat &&
	    set_root(x, DOCKER_COMPAT, &yes, f) == -1) ||
	    (x->o->no_cache && set_root(x, NO_CACHE, &yes, f) == -1))
		return -1;
	if (x->o->epoch == NULL)
		return 0;
	v.at = x->o->epoch;
	v.len = strlen(x->o->epoch);
	return set_root(x, EPOCH, &v, f);
}

int
spec_splice(struct spec *s, const struct spec_options *o, struct fail *f)
{
	struct splice x = { .o = o, .spec = s, .pick = {
		[REL_PATH] = { .path = { "snapshotRelPath" } },
		[PARENT] = { .path = { "parent" } },
		[DOWNLOAD] = { .path = { "parent", "download" } },
		[IMAGES] = { .path = { "additionalLocalImages" } },
		[UPLOAD] = { .path = { "upload" } },
		[SNAPSHOT_URI] = { .path = { "snapshotUri" } },
		[DOCKERFILE] = { .path = { "dockerfile" } },
		[CONTEXT_DIR] = { .path = { "contextDir" } },
		[BASE_IMAGE] = { .path = { "baseImage" } },
		[IMPORT] = { .path = { "importImageReference" } },
		[DISK_BYTES] = { .path = { "rootfsDiskBytes" } },
		[DOCKER_CONFIG] = { .path = { "dockerConfigJson" } },
		[DOCKER_COMPAT] = { .path = { "dockerCompat" } },
		[NO_CACHE] = { .path = { "noCache" } },
		[EPOCH] = { .path = { "sourceDateEpoch" } },
	} };
	int r = -1;

	/* Room for all that is quoted below, so that it does not move. */
	if (buf_room(&s->own, 32 + (o->docker == NULL ? 0 :
	    2 * o->docker->len), f) == 0 &&
	    parse(&x.doc, o->prepared, "a prepared answer", x.pick,
	    PREPARED_PICKS, f) == 0 &&
	    set_signed(&x, f) == 0 &&
	    (o->plan == NULL || set_plan(&x, f) == 0))
		r = assemble(s, o->prepared, &x.edits, f);
	free(x.edits.list);
	return r;
}

int
spec_write(const struct spec *s, int fd, const char *name, struct fail *f)
{
	struct iovec v[64];
	size_t i = 0, done = 0;		/* pieces, and bytes of the next one */
	ssize_t n;

	while (i < s->pieces) {
		int k = 0;

		for (; k < 64 && i + (size_t)k < s->pieces; k++) {
			const struct span *p = &s->piece[i + (size_t)k];
			size_t skip = k == 0 ? done : 0;

			/* writev() changes nothing, but its type cannot say so. */
			v[k].iov_base = (char *)(uintptr_t)(p->at + skip);
			v[k].iov_len = p->len - skip;
		}
		if ((n = writev(fd, v, k)) == -1) {
			if (errno == EINTR)
				continue;
			return fail_sys(f, EX_IOERR, "%s", name);
		}
		done += (size_t)n;
		while (i < s->pieces && done >= s->piece[i].len)
			done -= s->piece[i++].len;
	}
	return 0;
}

void
spec_free(struct spec *s)
{
	free(s->piece);
	s->piece = NULL;
	s->pieces = s->len = 0;
	buf_free(&s->own);
}
