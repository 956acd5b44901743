#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/sandbox/process_feed.h"
#include "core/stop.h"

#define PIECE	(64U << 10)	/* what a pipe holds */
#define TRIES	5

/* 1 sent; 0 the process does not read any more; -1. */
static int
send_one(const struct process_link *l, int64_t pid, const char *text,
    size_t n, struct fail *f)
{
	struct http_reply reply = HTTP_REPLY_INIT;
	struct sandbox_call call;
	char path[80];
	unsigned tries = 0;
	int r;

	snprintf(path, sizeof(path), "/api/v1/processes/%" PRId64 "/stdin%s",
	    pid, n == 0 ? "/close" : "");
	do {
		if (reach_call(l->reach, &call, "POST", path, NULL, f) == -1)
			return -1;
		call.req.body = text;
		call.req.body_len = n;
		call.req.fresh = true;
		/* Answered when it has been taken, however long that is. */
		call.req.stall_s = -1;
		r = reach_do(l->reach, &call.req, &reply, 0, f);
		sandbox_call_free(&call);
		/* Only what has certainly not arrived is sent again. */
	} while (r == -1 && !reply.sent && stop_signal == 0 &&
	    f->status == EX_TEMPFAIL && ++tries < TRIES &&
	    process_pause(l, 1000, f) == 0);
	if (r == -1)
		fail_in(f, "stdin");
	else if (reply.status / 100 == 2)
		r = 1;
	else if (reply.status == 409)
		r = 0;
	else if (reply.status == 404 || reply.status == 405)
		r = fail_set(f, EX_UNAVAILABLE, "stdin: this server gives a "
		    "process none (%ld)", reply.status);
	else
		r = http_refused(&reply, "stdin", f);
	http_reply_free(&reply);
	return r;
}

int
process_feed(const struct process_link *l, int64_t pid, int fd,
    struct fail *f)
{
	static char text[PIECE];
	ssize_t n;
	int r;

	do {
		n = read(fd, text, sizeof(text));
		if (stop_signal != 0)
			return fail_set(f, EX_TEMPFAIL, "%s", stop_reason());
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return fail_sys(f, EX_IOERR, "stdin");
		r = send_one(l, pid, text, (size_t)n, f);
	} while (n != 0 && r == 1);
	return r == -1 ? -1 : 0;
}
