#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "client/lifecycle.h"
#include "client/reach.h"
#include "client/retry.h"
#include "core/clock.h"
#include "core/stop.h"

#define ASK_MS		5000L	/* for the answer of the lifecycle */
#define UNKNOWN_S	5	/* one that did not answer has a rest */

/* Whether what came of an exchange may be the sandbox's end. */
static bool
suspicious(int r, const struct http_reply *reply, const struct fail *f)
{
	if (r == -1)
		return f->status == EX_TEMPFAIL;
	if (retry_transient(reply))
		return true;
	/* A process or a file that is not there is a 404, too. */
	return reply->status == 404 && reply->body.len > 0 &&
	    strcasestr(reply->body.data, "sandbox") != NULL;
}

static int
gone(const struct lifecycle *box, struct fail *f)
{
	struct fail why = *f;

	return fail_set(f, EX_UNAVAILABLE, "%.300s; nothing of it is left: "
	    "create another, or tl-build --resume the build%s", why.msg,
	    box->status == NULL ? " (is it of this server and namespace?)" :
	    "");
}

static enum exchange_told
ask(struct exchange *x, const struct sandbox *s, struct fail *f)
{
	struct lifecycle box = LIFECYCLE_INIT;
	enum exchange_told told = EXCHANGE_UNTOLD;

	if ((box.id = strdup(s->id)) == NULL)
		return told;
	if (lifecycle_ask(x, &box, ASK_MS, f) == 0)
		told = strcmp(box.status, "running") == 0 ? EXCHANGE_RUNS :
		    EXCHANGE_SLEEPS;
	else if (box.gone) {
		told = EXCHANGE_GONE;
		gone(&box, f);
	}
	lifecycle_free(&box);
	return told;
}

int
reach_do(struct exchange *x, const struct sandbox *s,
    const struct http_request *req, struct http_reply *reply, long grace_ms,
    struct fail *f)
{
	int r = exchange_do(x, req, reply, grace_ms, f);
	struct fail why;

	if (stop_signal != 0)
		return r;
	if (!suspicious(r, reply, f)) {
		x->told = EXCHANGE_UNTOLD;
		return r;
	}
	if (x->cloud == NULL || clock_ms() < x->ask_ms)
		return r;
	x->told = ask(x, s, &why);
	x->ask_ms = clock_ms() + retry_second_ms() *
	    (x->told == EXCHANGE_UNTOLD ? UNKNOWN_S : 1);
	if (x->told != EXCHANGE_GONE)
		return r;
	*f = why;
	return -1;
}
