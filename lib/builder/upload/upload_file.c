#include <sys/stat.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "builder/upload/upload_impl.h"

/* A failure: keep the parts for a next run, or abort the upload. */
static void
undo(struct upload *u, struct fail *f)
{
	struct fail why;
	size_t n;

	if (u->block.single || u->foreign || u->block.abort.len == 0)
		return;
	if (u->journal != NULL && f->status == EX_TEMPFAIL) {
		n = strlen(f->msg);
		snprintf(f->msg + n, sizeof(f->msg) - n, "; %zu of %zu parts "
		    "are kept for a run with the same journal", u->ndone,
		    u->block.nparts);
		return;
	}
	if (upload_abort(u, &why) == 0) {
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
	struct upload_part *p;

	if (number < 1 || number > u->block.nparts)
		return;
	p = &u->parts[number - 1];
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

	if (u->fd == -1) {
		/* What nothing will come of is aborted. */
		if (block_read(&u->block, block, f) == -1)
			return fail_in(f, "upload block");
		return fail_set(f, EX_NOINPUT, "%s: it was never written",
		    u->name);
	}
	if (fstat(u->fd, &st) == -1)
		return fail_sys(f, EX_NOINPUT, "%s", u->name);
	if (!S_ISREG(st.st_mode))
		return fail_set(f, EX_NOINPUT, "%s: not a regular file",
		    u->name);
	u->size = (uint64_t)st.st_size;
	u->growing = u->opt->grows != -1;
	if (block_read(&u->block, block, f) == -1 ||
	    block_fit(&u->block, u->name, u->size, f) == -1)
		return fail_in(f, "upload block");
	u->parts = calloc(u->block.nurls, sizeof(*u->parts));
	u->transfers = calloc(u->opt->jobs, sizeof(*u->transfers));
	if (u->parts == NULL || u->transfers == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	for (i = 0; i < u->opt->jobs; i++) {
		u->transfers[i].up = u;
		u->transfers[i].url.max = BUF_SMALL_MAX;
		u->transfers[i].reply = (struct http_reply)HTTP_REPLY_INIT;
	}
	if (u->opt->journal != NULL && !u->block.single) {
		if (u->block.upload_id == NULL)
			return fail_set(f, EX_DATAERR, "upload block: "
			    "uploadId: missing, and a journal needs it");
		u->journal = journal_open(u->opt->journal, u->block.upload_id,
		    u->size, u->block.part_size, claim, u, f);
		if (u->journal == NULL) {
			u->foreign = f->status == EX_TEMPFAIL;
			return -1;
		}
	}
	u->sums = partsum_start(u->fd, u->block.nurls, f);
	if (u->sums == NULL)
		return -1;
	return !u->opt->sum || u->growing ? 0 :
	    partsum_ask_whole(u->sums, u->size, f);
}

static void
release(struct upload *u, int over)
{
	unsigned i;
	size_t k;

	partsum_free(u->sums);
	journal_close(u->journal, over);
	for (i = 0; u->transfers != NULL && i < u->opt->jobs; i++) {
		buf_free(&u->transfers[i].url);
		http_reply_free(&u->transfers[i].reply);
	}
	for (k = 0; u->parts != NULL && k < u->block.nurls; k++)
		free(u->parts[k].etag);
	free(u->transfers);
	free(u->parts);
	block_free(&u->block);
}

int
upload_file(struct http *http, const struct span *block, int fd,
    const char *name, const struct upload_options *opt,
    struct upload_result *out, struct fail *f)
{
	struct upload u = { .http = http, .opt = opt, .name = name, .fd = fd,
	    .block = BLOCK_INIT, .out = out };
	unsigned i;
	int r;

	memset(out, 0, sizeof(*out));
	if ((r = prepare(&u, block, f)) == 0) {
		while ((u.growing || u.ndone < u.block.nparts) && r == 0)
			if ((r = upload_stopped(&u, f)) == 0 &&
			    (r = upload_grow(&u, f)) == 0)
				r = upload_step(&u, f);
		for (i = 0; i < opt->jobs; i++)
			http_cancel(http, &u.transfers[i].reply);
		if (r == 0)
			upload_tell(&u);
		if (r == 0 && opt->sum &&
		    (r = partsum_whole(u.sums, out->sha256, f)) == -1)
			fail_in(f, name);
		if (r == 0 && !u.block.single)
			r = upload_complete(&u, f);
	}
	if (r == -1)
		undo(&u, f);
	else {
		out->size = u.size;
		out->parts = (unsigned)u.block.nparts;
		out->resumed = (unsigned)u.resumed;
		out->uri = u.block.uri;
		u.block.uri = NULL;
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
