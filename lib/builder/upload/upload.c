#include <sys/stat.h>

#include <inttypes.h>
#include <nettle/base64.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "builder/upload/journal.h"
#include "builder/upload/partsum.h"
#include "builder/upload/s3.h"
#include "builder/upload/upload.h"
#include "core/clock.h"
#include "core/json.h"

#define ANSWER_MAX	(256UL << 10)	/* a store's XML about one upload */
#define HEADERS_MAX	16		/* of a single_put block */
#define TICK_MS		200		/* how late a signal is noticed */
#define HASH_TICK_MS	10		/* how late a finished MD5 is used */
#define WAIT_FIRST_MS	250
#define WAIT_MAX_MS	30000
#define RETRY_AFTER_S	60		/* the longest Retry-After obeyed */
#define NONSENSE_TRIES	4	/* more of it will not become an answer */
#define ABORT_MS	5000		/* a caller has 15 s to clean up in all */

struct piece {
	char		*etag;		/* acknowledged, or claimed */
	unsigned char	 md5[PARTSUM_LEN];
	bool		 claimed;	/* by the journal, not checked yet */
	bool		 done;
};

enum lane_state { IDLE, WAITING, BUSY };

/* One of the requests that run at once. */
struct lane {
	struct upload		*up;
	enum lane_state		 state;
	struct http_request	 req;
	struct http_reply	 reply;
	struct buf		 url;
	const char		*headers[HEADERS_MAX + 2];
	char			 md5[64];	/* the Content-MD5 header */
	size_t			 piece;
	uint64_t		 off, len, sent;
	unsigned		 tries;
	int64_t			 after;		/* WAITING: not before, ms */
};

struct upload {
	struct http		*http;
	const struct upload_options *opt;
	const char		*name;
	int			 fd;
	uint64_t		 size, part_size;

	/* The block. */
	bool			 single;
	char			*uri, *upload_id, *method, *expires;
	struct span		*urls;		/* still JSON strings */
	size_t			 nurls;
	struct buf		 complete, abort;
	char			*headers[HEADERS_MAX];
	size_t			 nheaders;

	struct piece		*pieces;
	size_t			 npieces, next, ndone, resumed;
	uint64_t		 bytes;		/* acknowledged */
	struct partsum		*sums;
	struct journal		*journal;
	bool			 foreign;	/* another run's: hands off */
	struct lane		*lanes;
	struct upload_result	*out;
};

static int
stopped(const struct upload *u, struct fail *f)
{
	if (u->opt->stop == NULL || *u->opt->stop == 0)
		return 0;
	return fail_set(f, EX_TEMPFAIL, "%s: stopped by a signal", u->name);
}

/* How long to wait before try number tries + 1: doubling, with a jitter. */
static int64_t
pause_ms(const struct http_reply *r, unsigned tries)
{
	int64_t ms = WAIT_MAX_MS;

	if (tries < 8)
		ms = (int64_t)WAIT_FIRST_MS << (tries - 1);
	if (ms > WAIT_MAX_MS)
		ms = WAIT_MAX_MS;
	ms += random() % (ms / 4 + 1);
	if (r->retry_after_s >= 0 && r->retry_after_s <= RETRY_AFTER_S &&
	    r->retry_after_s * 1000 > ms)
		ms = r->retry_after_s * 1000;
	return ms;
}

/* The block. */

/* A URL out of a JSON string, fit for a request line. */
static int
url_add(struct buf *b, const struct span *s, const char *what, struct fail *f)
{
	size_t i;

	buf_clear(b);
	if (!span_is_string(s))
		return fail_set(f, EX_DATAERR, "%s: not a string", what);
	if (span_string(s, b, f) == -1 || buf_add(b, "", 0, f) == -1)
		return fail_in(f, what);
	for (i = 0; i < b->len; i++)
		if ((unsigned char)b->data[i] <= ' ' || b->data[i] == 0x7f)
			return fail_set(f, EX_DATAERR,
			    "%s: not a URL: it holds blanks", what);
	if (strncasecmp(b->data, "http://", 7) != 0 &&
	    strncasecmp(b->data, "https://", 8) != 0)
		return fail_set(f, EX_DATAERR, "%s: not an http(s) URL", what);
	return 0;
}

static int
url_member(const struct span *block, const char *name, struct buf *b,
    struct fail *f)
{
	struct span v;
	int r = span_get(block, name, &v, f);

	if (r == -1)
		return -1;
	if (r == 0)
		return fail_set(f, EX_DATAERR, "%s: missing", name);
	return url_add(b, &v, name, f);
}

/* What a header line may be made of; lengths and hosts are ours to say. */
static int
header_add(struct upload *u, const char *name, const char *value,
    struct fail *f)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789"
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	const char *p;

	if (*name == '\0' || name[strspn(name, token)] != '\0')
		return fail_set(f, EX_DATAERR, "headers: not a header's name");
	for (p = value; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return fail_set(f, EX_DATAERR,
			    "headers.%s: control characters", name);
	if (strcasecmp(name, "content-length") == 0 ||
	    strcasecmp(name, "host") == 0)
		return 0;
	if (strcasecmp(name, "transfer-encoding") == 0)
		return fail_set(f, EX_DATAERR, "headers.%s: a length is sent",
		    name);
	if (u->nheaders == HEADERS_MAX)
		return fail_set(f, EX_DATAERR, "headers: more than %d",
		    HEADERS_MAX);
	/* libcurl takes "Name;" for a header without a value. */
	if (asprintf(&u->headers[u->nheaders], *value != '\0' ? "%s: %s" :
	    "%s;", name, value) == -1)
		return fail_set(f, EX_OSERR, "out of memory");
	u->nheaders++;
	return 0;
}

static int
headers_read(struct upload *u, const struct span *block, struct fail *f)
{
	struct buf n = BUF_INIT(1024), v = BUF_INIT(BUF_SMALL_MAX);
	struct span headers, name, value;
	const char *pos = NULL;
	int r;

	if ((r = json_sub(block, "headers", JSON_MAY, '{', &headers, f)) != 1)
		return r;
	while (span_next(&headers, &pos, &name, &value) == 1) {
		buf_clear(&n);
		buf_clear(&v);
		if (!span_is_string(&value))
			r = fail_set(f, EX_DATAERR, "headers: not a string");
		else if ((r = span_string(&name, &n, f)) == 0 &&
		    (r = span_string(&value, &v, f)) == 0 &&
		    (r = buf_add(&n, "", 0, f)) == 0 &&
		    (r = buf_add(&v, "", 0, f)) == 0)
			r = strlen(n.data) != n.len || strlen(v.data) != v.len ?
			    fail_set(f, EX_DATAERR, "headers: holds a NUL") :
			    header_add(u, n.data, v.data, f);
		if (r == -1)
			break;
		r = 0;
	}
	buf_free(&n);
	buf_free(&v);
	return r == -1 ? -1 : 0;
}

static int
single_read(struct upload *u, const struct span *block, struct fail *f)
{
	struct span url;
	int r;

	if ((r = span_get(block, "url", &url, f)) == -1)
		return -1;
	if (r == 0)
		return fail_set(f, EX_DATAERR, "url: missing");
	if ((u->urls = malloc(sizeof(*u->urls))) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	u->urls[u->nurls++] = url;
	if (json_string(block, "method", JSON_MAY, &u->method, f) == -1)
		return -1;
	if (u->method != NULL && strcmp(u->method, "PUT") != 0 &&
	    strcmp(u->method, "POST") != 0)
		return fail_set(f, EX_DATAERR, "method: neither PUT nor POST");
	u->single = true;
	u->part_size = u->size != 0 ? u->size : 1;
	u->npieces = 1;
	return headers_read(u, block, f);
}

static int
multipart_read(struct upload *u, const struct span *block, struct fail *f)
{
	struct span urls, url;
	const char *pos = NULL;
	uint64_t n;

	if (json_sub(block, "partUrls", JSON_NEED, '[', &urls, f) == -1 ||
	    json_string(block, "uploadId", JSON_MAY, &u->upload_id, f) == -1 ||
	    json_u64(block, "partSizeBytes", JSON_MAY, &u->part_size,
	    f) == -1 ||
	    url_member(block, "completeUrl", &u->complete, f) == -1 ||
	    url_member(block, "abortUrl", &u->abort, f) == -1)
		return -1;
	if (u->part_size == 0)
		return fail_set(f, EX_DATAERR, "partSizeBytes: 0");
	while (span_next(&urls, &pos, NULL, &url) == 1)
		u->nurls++;
	if ((u->urls = calloc(u->nurls + 1, sizeof(*u->urls))) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	for (pos = NULL, n = 0; span_next(&urls, &pos, NULL, &url) == 1;)
		u->urls[n++] = url;

	n = u->size == 0 ? 1 : (u->size - 1) / u->part_size + 1;
	if (n > u->nurls)
		return fail_set(f, EX_DATAERR, "%s has %" PRIu64 " bytes, %"
		    PRIu64 " parts of %" PRIu64 ", but the block has URLs for "
		    "%zu; sign for a larger disk", u->name, u->size, n,
		    u->part_size, u->nurls);
	if (n > UPLOAD_PARTS_MAX)
		return fail_set(f, EX_DATAERR, "%s makes %" PRIu64 " parts, "
		    "but a store takes %d", u->name, n, UPLOAD_PARTS_MAX);
	u->npieces = (size_t)n;
	return 0;
}

static int
block_read(struct upload *u, const struct span *block, struct fail *f)
{
	char *kind = NULL, shown[64];
	int r;

	if (!span_is_object(block))
		return fail_set(f, EX_DATAERR, "not an object");
	if (json_string(block, "kind", JSON_MAY, &kind, f) == -1 ||
	    json_string(block, "uri", JSON_MAY, &u->uri, f) == -1 ||
	    json_string(block, "expiresAt", JSON_MAY, &u->expires, f) == -1)
		return -1;
	u->part_size = UPLOAD_PART_DEFAULT;
	if (kind == NULL || strcmp(kind, "s3_multipart") == 0)
		r = multipart_read(u, block, f);
	else if (strcmp(kind, "single_put") == 0)
		r = single_read(u, block, f);
	else
		r = fail_set(f, EX_DATAERR, "kind: %s is neither s3_multipart "
		    "nor single_put", fail_show(shown, sizeof(shown), kind,
		    40));
	free(kind);
	return r;
}

/* A part on its way. */

static ssize_t
lane_bytes(void *arg, char *buf, size_t n, struct fail *f)
{
	struct lane *l = arg;
	ssize_t got;

	if (n > l->len - l->sent)
		n = (size_t)(l->len - l->sent);
	if (n == 0)
		return 0;
	got = pread(l->up->fd, buf, n, (off_t)(l->off + l->sent));
	if (got == -1)
		return fail_sys(f, EX_IOERR, "%s", l->up->name);
	if (got == 0)
		return fail_set(f, EX_DATAERR,
		    "%s: it became shorter while it was sent", l->up->name);
	l->sent += (uint64_t)got;
	return got;
}

static int
lane_rewind(void *arg)
{
	struct lane *l = arg;

	l->sent = 0;
	return 0;
}

/* Begin, or begin again, what this lane has. */
static int
lane_start(struct lane *l, struct fail *f)
{
	l->sent = 0;
	l->tries++;
	if (http_start(l->up->http, &l->req, &l->reply, f) == -1)
		return -1;
	l->state = BUSY;
	return 0;
}

static int
lane_begin(struct lane *l, size_t k, struct fail *f)
{
	struct upload *u = l->up;
	struct base64_encode_ctx b64;
	size_t n, i, h = 0;
	bool md5 = true;
	char what[40];

	snprintf(what, sizeof(what), u->single ? "url" : "partUrls[%zu]", k);
	if (url_add(&l->url, &u->urls[k], what, f) == -1)
		return -1;
	l->piece = k;
	l->off = (uint64_t)k * u->part_size;
	l->len = u->size - l->off < u->part_size ? u->size - l->off :
	    u->part_size;
	l->tries = 0;

	for (i = 0; i < u->nheaders; i++) {
		if (strncasecmp(u->headers[i], "content-md5:", 12) == 0)
			md5 = false;
		l->headers[h++] = u->headers[i];
	}
	if (md5) {
		n = (size_t)sprintf(l->md5, "Content-MD5: ");
		base64_encode_init(&b64);
		n += base64_encode_update(&b64, l->md5 + n, PARTSUM_LEN,
		    u->pieces[k].md5);
		n += base64_encode_final(&b64, l->md5 + n);
		l->md5[n] = '\0';
		l->headers[h++] = l->md5;
	}
	l->headers[h] = NULL;
	l->req = (struct http_request){
		.method = u->method != NULL ? u->method : "PUT",
		.url = l->url.data, .headers = l->headers,
		.read = lane_bytes, .rewind = lane_rewind,
		.read_size = l->len, .arg = l, .reply_max = ANSWER_MAX,
	};
	return lane_start(l, f);
}

/* The store has part k. */
static int
acknowledge(struct upload *u, size_t k, const char *etag, struct fail *f)
{
	struct piece *p = &u->pieces[k];
	uint64_t off = (uint64_t)k * u->part_size;

	if (p->etag != etag) {
		free(p->etag);
		if ((p->etag = strdup(etag)) == NULL)
			return fail_set(f, EX_OSERR, "out of memory");
		if (u->journal != NULL && journal_add(u->journal, k + 1,
		    p->md5, etag, f) == -1)
			return -1;
	}
	p->claimed = false;
	p->done = true;
	u->ndone++;
	u->bytes += u->size - off < u->part_size ? u->size - off :
	    u->part_size;
	return 0;
}

/* A request ended: part there, another try later, or failed. */
static int
lane_end(struct lane *l, struct fail *f)
{
	struct upload *u = l->up;
	char what[64];
	int64_t ms;

	l->state = IDLE;
	if (u->single)
		snprintf(what, sizeof(what), "upload");
	else
		snprintf(what, sizeof(what), "part %zu of %zu", l->piece + 1,
		    u->npieces);
	if (l->reply.fail.status != 0) {
		*f = l->reply.fail;
		fail_in(f, what);
	} else if (l->reply.status / 100 != 2)
		s3_refused(&l->reply, what, f);
	else if (l->reply.etag[0] == '\0' && !u->single)
		fail_set(f, EX_TEMPFAIL, "%s: the store sent no ETag", what);
	else {
		if (u->single)
			memcpy(u->out->etag, l->reply.etag,
			    sizeof(u->out->etag));
		return acknowledge(u, l->piece, l->reply.etag, f);
	}
	if (f->status == EX_NOPERM && u->expires != NULL) {
		char until[40];
		size_t n = strlen(f->msg);

		snprintf(f->msg + n, sizeof(f->msg) - n,
		    " (the URLs are good until %s)",
		    fail_show(until, sizeof(until), u->expires, 30));
	}
	if (f->status != EX_TEMPFAIL || l->tries >= u->opt->tries)
		return -1;
	ms = pause_ms(&l->reply, l->tries);
	if (u->opt->verbose)
		fprintf(stderr, "%s; again in %" PRId64 " ms\n", f->msg, ms);
	l->after = clock_ms() + ms;
	l->sent = 0;
	l->state = WAITING;
	return 0;
}

/*
 * Give a free lane the next part whose sum is known.  1 if it was given one,
 * 0 if there is none now.
 */
static int
lane_feed(struct lane *l, int wait_ms, struct fail *f)
{
	struct upload *u = l->up;
	unsigned char md5[PARTSUM_LEN];
	struct piece *p;
	int r;

	while (u->next < u->npieces) {
		p = &u->pieces[u->next];
		if ((r = partsum_get(u->sums, u->next, wait_ms, md5, f)) == -1)
			return fail_in(f, u->name);
		if (r == 0)
			return 0;
		if (p->claimed && memcmp(p->md5, md5, sizeof(md5)) == 0) {
			if (acknowledge(u, u->next++, p->etag, f) == -1)
				return -1;
			u->resumed++;
			continue;
		}
		memcpy(p->md5, md5, sizeof(md5));
		return lane_begin(l, u->next++, f) == -1 ? -1 : 1;
	}
	return 0;
}

static void
tell(struct upload *u)
{
	uint64_t n = u->bytes;
	unsigned i;

	if (u->opt->progress == NULL)
		return;
	for (i = 0; i < u->opt->jobs; i++)
		if (u->lanes[i].state == BUSY)
			n += u->lanes[i].sent;
	u->opt->progress(u->opt->arg, n, u->size);
}

/* One turn: start what can be started, wait for something to happen. */
static int
turn(struct upload *u, struct fail *f)
{
	struct http_reply *done;
	int wait = TICK_MS, r;
	unsigned i, busy = 0;
	int64_t now = clock_ms();
	struct lane *l;

	for (i = 0; i < u->opt->jobs; i++) {
		l = &u->lanes[i];
		if (l->state == WAITING && l->after <= now &&
		    lane_start(l, f) == -1)
			return -1;
		if (l->state == WAITING && l->after - now < wait)
			wait = (int)(l->after - now);
		busy += l->state == BUSY;
	}
	for (i = 0; i < u->opt->jobs && u->next < u->npieces; i++) {
		l = &u->lanes[i];
		if (l->state != IDLE)
			continue;
		/* With nothing else to wait for, wait for the sum. */
		r = lane_feed(l, busy == 0 ? wait : 0, f);
		if (r == -1)
			return -1;
		busy += r == 1;
		if (r == 0 && wait > HASH_TICK_MS)
			wait = HASH_TICK_MS;
	}
	tell(u);
	if (busy == 0) {
		if (u->ndone < u->npieces && u->next == u->npieces)
			nanosleep(&(struct timespec){ .tv_nsec =
			    wait * 1000000L }, NULL);
		return 0;
	}
	while ((r = http_wait(u->http, wait, &done, f)) == 1) {
		for (i = 0; &u->lanes[i].reply != done; i++)
			;
		if (lane_end(&u->lanes[i], f) == -1)
			return -1;
		if (--busy == 0)
			return 0;
		wait = 0;
	}
	return r;
}

/* The two requests that are no parts. */

/* An exchange that a signal can end. */
static int
exchange(struct upload *u, const struct http_request *q, struct http_reply *r,
    bool always, struct fail *f)
{
	struct http_reply *done;
	int got;

	if (http_start(u->http, q, r, f) == -1)
		return -1;
	while ((got = http_wait(u->http, TICK_MS, &done, f)) == 0)
		if (!always && stopped(u, f) == -1)
			break;
	if (got != 1) {
		http_cancel(u->http, r);
		return -1;
	}
	if (r->fail.status != 0) {
		*f = r->fail;
		return -1;
	}
	return 0;
}

static int
sleep_ms(struct upload *u, int64_t ms, struct fail *f)
{
	int64_t end = clock_ms() + ms;

	while ((ms = end - clock_ms()) > 0) {
		if (stopped(u, f) == -1)
			return -1;
		if (ms > TICK_MS)
			ms = TICK_MS;
		nanosleep(&(struct timespec){ .tv_nsec = (long)ms * 1000000L },
		    NULL);
	}
	return 0;
}

/* What may stand in XML text. */
static int
xml_add(struct buf *b, const char *s, struct fail *f)
{
	for (; *s != '\0'; s++) {
		const char *as = *s == '&' ? "&amp;" : *s == '<' ? "&lt;" :
		    *s == '>' ? "&gt;" : NULL;

		if ((as != NULL ? buf_adds(b, as, f) :
		    buf_add(b, s, 1, f)) == -1)
			return -1;
	}
	return 0;
}

/* Every uploaded part is named: Ceph wants them all. */
static int
complete_body(struct upload *u, struct buf *b, struct fail *f)
{
	size_t k;

	if (buf_adds(b, "<CompleteMultipartUpload xmlns="
	    "\"http://s3.amazonaws.com/doc/2006-03-01/\">", f) == -1)
		return -1;
	for (k = 0; k < u->npieces; k++)
		if (buf_addf(b, f, "<Part><PartNumber>%zu</PartNumber><ETag>",
		    k + 1) == -1 || xml_add(b, u->pieces[k].etag, f) == -1 ||
		    buf_adds(b, "</ETag></Part>", f) == -1)
			return -1;
	return buf_adds(b, "</CompleteMultipartUpload>", f);
}

/* Whether the answer says that the object is there. */
static int
completed(struct upload *u, const struct http_reply *r, struct fail *f)
{
	struct s3_answer a;

	if (r->status / 100 != 2)
		return s3_refused(r, "complete", f);
	if (s3_parse(&a, r->body.len == 0 ? "" : r->body.data, r->body.len,
	    f) == -1)
		return fail_in(f, "complete");
	if (strcmp(a.root, "Error") == 0)
		return s3_error(&a, r->status, "complete", f);
	if (strcmp(a.root, "CompleteMultipartUploadResult") != 0)
		return fail_set(f, EX_PROTOCOL,
		    "complete: the store answered <%s>", a.root);
	/* S3 always has an ETag here; Ceph sends an empty one. */
	memcpy(u->out->etag, a.etag, sizeof(a.etag));
	return 0;
}

/*
 * A completion may be asked for again: S3 sends its 200 before it knows how it
 * ends, and its documents say to try again where the body is no result; a
 * store that has completed it says so once more, or that there is no such
 * upload.  So half a result, or a page from something on the way, is tried
 * again like an answer that was lost.
 */
static int
complete(struct upload *u, struct fail *f)
{
	static const char *const type[] = { "Content-Type: application/xml",
	    NULL };
	struct buf body = BUF_INIT(BUF_DOC_MAX);
	struct http_reply reply = HTTP_REPLY_INIT;
	struct http_request req = { .method = "POST",
	    .url = u->complete.data, .headers = type,
	    .reply_max = ANSWER_MAX, .stall_s = -1, .timeout_ms = 600000 };
	bool lost = false;
	unsigned try, tries;
	int64_t ms;
	int r;

	if ((r = complete_body(u, &body, f)) == -1)
		goto out;
	req.body = body.data;
	req.body_len = body.len;
	for (try = 1;; try++) {
		if ((r = exchange(u, &req, &reply, false, f)) == -1)
			fail_in(f, "complete");
		else if ((r = completed(u, &reply, f)) == 0)
			break;
		/*
		 * Where an earlier try's answer was lost, "no such upload" may
		 * be its success: only a reader of the object can tell.
		 */
		if (lost && reply.status == 404) {
			fail_set(f, EX_TEMPFAIL, "complete: an answer was "
			    "lost, and now the store knows no such upload: "
			    "the object may be whole; to be sure, sign and "
			    "send it anew");
			break;
		}
		tries = f->status == EX_TEMPFAIL ? u->opt->tries :
		    f->status != EX_PROTOCOL ? 0 :
		    u->opt->tries < NONSENSE_TRIES ? u->opt->tries :
		    NONSENSE_TRIES;
		lost = lost || (reply.sent && tries != 0);
		if (try >= tries || stopped(u, f) == -1)
			break;
		ms = pause_ms(&reply, try);
		if (u->opt->verbose)
			fprintf(stderr, "%s; again in %" PRId64 " ms\n",
			    f->msg, ms);
		if (sleep_ms(u, ms, f) == -1)
			break;
	}
out:
	http_reply_free(&reply);
	buf_free(&body);
	return r;
}

/* Give the upload back.  404 means that it is gone already. */
static int
abort_it(struct upload *u, struct fail *f)
{
	struct http_reply reply = HTTP_REPLY_INIT;
	struct http_request req = { .method = "DELETE", .url = u->abort.data,
	    .reply_max = ANSWER_MAX, .timeout_ms = ABORT_MS };
	unsigned try;
	int r = -1;

	for (try = 1; r == -1 && try <= 2; try++) {
		r = exchange(u, &req, &reply, true, f);
		if (r == 0 && reply.status / 100 != 2 && reply.status != 404)
			r = s3_refused(&reply, "abort", f);
	}
	http_reply_free(&reply);
	return r;
}

/* A failure: keep the parts for a next run, or give them back. */
static void
undo(struct upload *u, struct fail *f)
{
	struct fail why;
	size_t n;

	if (u->single || u->foreign || u->abort.len == 0)
		return;
	if (u->journal != NULL && f->status == EX_TEMPFAIL) {
		n = strlen(f->msg);
		snprintf(f->msg + n, sizeof(f->msg) - n, "; %zu of %zu parts "
		    "are kept for a run with the same journal", u->ndone,
		    u->npieces);
		return;
	}
	if (abort_it(u, &why) == 0) {
		journal_close(u->journal, 1);
		u->journal = NULL;
		return;
	}
	n = strlen(f->msg);
	snprintf(f->msg + n, sizeof(f->msg) - n, "; and the upload could not "
	    "be aborted: %.200s", why.msg);
}

static void
claim(void *arg, uint64_t number, const unsigned char md5[PARTSUM_LEN],
    const char *etag)
{
	struct upload *u = arg;
	struct piece *p;

	if (number < 1 || number > u->npieces)
		return;
	p = &u->pieces[number - 1];
	free(p->etag);
	p->etag = strdup(etag);
	p->claimed = p->etag != NULL;
	memcpy(p->md5, md5, PARTSUM_LEN);
}

static int
prepare(struct upload *u, const struct span *block, struct fail *f)
{
	struct stat st;
	unsigned i;

	if (fstat(u->fd, &st) == -1)
		return fail_sys(f, EX_NOINPUT, "%s", u->name);
	if (!S_ISREG(st.st_mode))
		return fail_set(f, EX_NOINPUT, "%s: not a regular file",
		    u->name);
	u->size = (uint64_t)st.st_size;
	if (block_read(u, block, f) == -1)
		return fail_in(f, "upload block");
	u->pieces = calloc(u->npieces, sizeof(*u->pieces));
	u->lanes = calloc(u->opt->jobs, sizeof(*u->lanes));
	if (u->pieces == NULL || u->lanes == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	for (i = 0; i < u->opt->jobs; i++) {
		u->lanes[i].up = u;
		u->lanes[i].url.max = BUF_SMALL_MAX;
		u->lanes[i].reply = (struct http_reply)HTTP_REPLY_INIT;
	}
	if (u->opt->journal != NULL && !u->single) {
		if (u->upload_id == NULL)
			return fail_set(f, EX_DATAERR, "upload block: "
			    "uploadId: missing, and a journal needs it");
		u->journal = journal_open(u->opt->journal, u->upload_id,
		    u->size, u->part_size, claim, u, f);
		if (u->journal == NULL) {
			u->foreign = f->status == EX_TEMPFAIL;
			return -1;
		}
	}
	u->sums = partsum_start(u->fd, u->size, u->part_size, f);
	return u->sums == NULL ? -1 : 0;
}

static void
release(struct upload *u, int over)
{
	unsigned i;
	size_t k;

	partsum_free(u->sums);
	journal_close(u->journal, over);
	for (i = 0; u->lanes != NULL && i < u->opt->jobs; i++) {
		buf_free(&u->lanes[i].url);
		http_reply_free(&u->lanes[i].reply);
	}
	for (k = 0; u->pieces != NULL && k < u->npieces; k++)
		free(u->pieces[k].etag);
	for (k = 0; k < u->nheaders; k++)
		free(u->headers[k]);
	free(u->lanes);
	free(u->pieces);
	free(u->urls);
	free(u->method);
	free(u->upload_id);
	free(u->expires);
	free(u->uri);
	buf_free(&u->complete);
	buf_free(&u->abort);
}

int
upload_file(struct http *http, const struct span *block, int fd,
    const char *name, const struct upload_options *opt,
    struct upload_result *out, struct fail *f)
{
	struct upload u = { .http = http, .opt = opt, .name = name, .fd = fd,
	    .complete = BUF_INIT(BUF_SMALL_MAX),
	    .abort = BUF_INIT(BUF_SMALL_MAX), .out = out };
	unsigned i;
	int r;

	memset(out, 0, sizeof(*out));
	if ((r = prepare(&u, block, f)) == 0) {
		while (u.ndone < u.npieces && r == 0)
			if ((r = stopped(&u, f)) == 0)
				r = turn(&u, f);
		for (i = 0; i < opt->jobs; i++)
			http_cancel(http, &u.lanes[i].reply);
		if (r == 0)
			tell(&u);
		if (r == 0 && !u.single)
			r = complete(&u, f);
	}
	if (r == -1)
		undo(&u, f);
	else {
		out->size = u.size;
		out->parts = (unsigned)u.npieces;
		out->resumed = (unsigned)u.resumed;
		out->uri = u.uri;
		u.uri = NULL;
	}
	release(&u, r == 0);
	return r;
}

void
upload_result_free(struct upload_result *r)
{
	free(r->uri);
	r->uri = NULL;
}
