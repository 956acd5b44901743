#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include <nettle/base64.h>

#include "core/store.h"
#include "builder/upload/upload_impl.h"
#include "core/clock.h"

#define HASH_TICK_MS	10		/* how late a finished MD5 is used */
#define AHEAD		4		/* sums that are asked for */

static ssize_t
transfer_bytes(void *arg, char *buf, size_t n, struct fail *f)
{
	struct transfer *t = arg;
	ssize_t got;

	if (n > t->len - t->sent)
		n = (size_t)(t->len - t->sent);
	if (n == 0)
		return 0;
	got = pread(t->up->fd, buf, n, (off_t)(t->off + t->sent));
	if (got == -1)
		return fail_sys(f, EX_IOERR, "%s", t->up->name);
	if (got == 0)
		return fail_set(f, EX_DATAERR,
		    "%s: it became shorter while it was sent", t->up->name);
	t->sent += (uint64_t)got;
	return got;
}

static int
transfer_rewind(void *arg)
{
	struct transfer *t = arg;

	t->sent = 0;
	return 0;
}

/* Begin, or begin again, what this one has. */
static int
transfer_start(struct transfer *t, struct fail *f)
{
	t->sent = 0;
	t->tries++;
	if (http_start(t->up->http, &t->req, &t->reply, f) == -1)
		return -1;
	t->state = BUSY;
	return 0;
}

static uint64_t
part_len(const struct upload *u, size_t k)
{
	uint64_t off = (uint64_t)k * u->block.part_size;

	return u->size - off < u->block.part_size ? u->size - off :
	    u->block.part_size;
}

static int
transfer_begin(struct transfer *t, size_t k, struct fail *f)
{
	struct upload *u = t->up;
	struct base64_encode_ctx b64;
	size_t n, i, h = 0;
	bool md5 = true;

	if (block_url(&u->block, k, &t->url, f) == -1)
		return -1;
	t->part = k;
	t->off = (uint64_t)k * u->block.part_size;
	t->len = part_len(u, k);
	t->tries = 0;

	for (i = 0; i < u->block.nheaders; i++) {
		if (strncasecmp(u->block.headers[i], "content-md5:", 12) == 0)
			md5 = false;
		t->headers[h++] = u->block.headers[i];
	}
	if (md5) {
		n = (size_t)sprintf(t->md5, "Content-MD5: ");
		base64_encode_init(&b64);
		n += base64_encode_update(&b64, t->md5 + n, PARTSUM_LEN,
		    u->parts[k].md5);
		n += base64_encode_final(&b64, t->md5 + n);
		t->md5[n] = '\0';
		t->headers[h++] = t->md5;
	}
	t->headers[h] = NULL;
	t->req = (struct http_request){
		.method = u->block.method != NULL ? u->block.method : "PUT",
		.url = t->url.data, .headers = t->headers,
		.read = transfer_bytes, .rewind = transfer_rewind,
		.read_size = t->len, .arg = t,
		.reply_max = UPLOAD_ANSWER_MAX,
	};
	return transfer_start(t, f);
}

/* The store has part k. */
static int
acknowledge(struct upload *u, size_t k, const char *etag, struct fail *f)
{
	struct upload_part *p = &u->parts[k];

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
	u->bytes += part_len(u, k);
	return 0;
}

/* A request ended: part there, another try later, or failed. */
static int
transfer_end(struct transfer *t, struct fail *f)
{
	struct upload *u = t->up;
	char what[64];
	int64_t ms;

	t->state = IDLE;
	if (u->block.single)
		snprintf(what, sizeof(what), "upload");
	else
		snprintf(what, sizeof(what), "part %zu of %zu", t->part + 1,
		    u->block.nparts);
	if (t->reply.fail.status != 0) {
		*f = t->reply.fail;
		fail_in(f, what);
	} else if (t->reply.status / 100 != 2)
		store_refused(&t->reply, what, f);
	else if (t->reply.etag[0] == '\0' && !u->block.single)
		fail_set(f, EX_TEMPFAIL, "%s: the store sent no ETag", what);
	else {
		if (u->block.single)
			memcpy(u->out->etag, t->reply.etag,
			    sizeof(u->out->etag));
		return acknowledge(u, t->part, t->reply.etag, f);
	}
	if (f->status == EX_NOPERM && u->block.expires != NULL) {
		char until[40];
		size_t n = strlen(f->msg);

		snprintf(f->msg + n, sizeof(f->msg) - n,
		    " (the URLs are good until %s)",
		    fail_show(until, sizeof(until), u->block.expires, 30));
	}
	if (f->status != EX_TEMPFAIL || t->tries >= u->opt->tries)
		return -1;
	ms = upload_pause_ms(&t->reply, t->tries);
	if (u->opt->verbose)
		fprintf(stderr, "%s; again in %" PRId64 " ms\n", f->msg, ms);
	t->after = clock_ms() + ms;
	t->sent = 0;
	t->state = WAITING;
	return 0;
}

/* Which part is the i-th to go, if it is there: of one that grew, the first last. */
static bool
part_at(const struct upload *u, size_t i, size_t *k)
{
	if (u->growing) {
		*k = i + 1;
		return !u->block.single &&
		    (i + 2) * u->block.part_size <= u->size;
	}
	*k = u->opt->grows != -1 ? (i + 1) % u->block.nparts : i;
	return i < u->block.nparts;
}

static void
ask_ahead(struct upload *u)
{
	size_t k;

	for (; u->asked < u->next + AHEAD && part_at(u, u->asked, &k);
	    u->asked++)
		partsum_ask(u->sums, k, k * u->block.part_size, part_len(u, k));
}

/*
 * Give one that is idle the next part whose sum is known.  1 if it was given
 * one, 0 if there is none now.
 */
static int
transfer_feed(struct transfer *t, int wait_ms, struct fail *f)
{
	struct upload *u = t->up;
	unsigned char md5[PARTSUM_LEN];
	struct upload_part *p;
	size_t k;
	int r;

	while (part_at(u, u->next, &k)) {
		ask_ahead(u);
		p = &u->parts[k];
		if ((r = partsum_get(u->sums, k, wait_ms, md5, f)) == -1)
			return fail_in(f, u->name);
		if (r == 0)
			return 0;
		u->next++;
		if (p->claimed && memcmp(p->md5, md5, sizeof(md5)) == 0) {
			if (acknowledge(u, k, p->etag, f) == -1)
				return -1;
			u->resumed++;
			continue;
		}
		memcpy(p->md5, md5, sizeof(md5));
		return transfer_begin(t, k, f) == -1 ? -1 : 1;
	}
	return 0;
}

void
upload_tell(struct upload *u)
{
	uint64_t n = u->bytes;
	unsigned i;

	if (u->opt->progress == NULL || u->growing)
		return;
	for (i = 0; i < u->opt->jobs; i++)
		if (u->transfers[i].state == BUSY)
			n += u->transfers[i].sent;
	u->opt->progress(u->opt->arg, n, u->size);
}

int
upload_step(struct upload *u, struct fail *f)
{
	struct http_reply *done;
	int wait = u->growing ? UPLOAD_GROW_MS : UPLOAD_TICK_MS, r;
	unsigned i, busy = 0;
	size_t k;
	int64_t now = clock_ms();
	struct transfer *t;

	for (i = 0; i < u->opt->jobs; i++) {
		t = &u->transfers[i];
		if (t->state == WAITING && t->after <= now &&
		    transfer_start(t, f) == -1)
			return -1;
		if (t->state == WAITING && t->after - now < wait)
			wait = (int)(t->after - now);
		busy += t->state == BUSY;
	}
	for (i = 0; i < u->opt->jobs && part_at(u, u->next, &k); i++) {
		t = &u->transfers[i];
		if (t->state != IDLE)
			continue;
		/* With nothing else to wait for, wait for the sum. */
		r = transfer_feed(t, busy == 0 ? wait : 0, f);
		if (r == -1)
			return -1;
		busy += r == 1;
		if (r == 0 && wait > HASH_TICK_MS)
			wait = HASH_TICK_MS;
	}
	upload_tell(u);
	if (busy == 0) {
		if (u->growing && !part_at(u, u->next, &k))
			upload_grow_wait(u, wait);
		else if (u->ndone < u->block.nparts && u->next == u->block.nparts)
			nanosleep(&(struct timespec){ .tv_nsec =
			    wait * 1000000L }, NULL);
		return 0;
	}
	while ((r = http_wait(u->http, wait, &done, f)) == 1) {
		for (i = 0; &u->transfers[i].reply != done; i++)
			;
		if (transfer_end(&u->transfers[i], f) == -1)
			return -1;
		if (--busy == 0)
			return 0;
		wait = 0;
	}
	return r;
}
