#include <stdio.h>
#include <stdlib.h>

#include "region/sandbox/lifecycle.h"
#include "region/sandbox/proxy.h"
#include "region/sandbox/service.h"

static void
begin(struct serve_request *r, void *arg)
{
	struct service *s = arg;
	struct key *caller;

	caller = malloc(sizeof(*caller));
	if (caller == NULL) {
		serve_error(r, 503, "UNAVAILABLE", "out of memory");
		return;
	}
	if (keys_caller(s->keys, r, caller) == -1) {
		free(caller);
		return;
	}
	if (proxy_path(r)) {
		proxy_begin(r, s->sandboxes, caller);
		free(caller);
		return;
	}
	r->own = caller;
	r->keep_body = LIFECYCLE_BODY_MAX;
	if (!lifecycle_path(r))
		serve_error(r, 404, "NOT_FOUND", "no such address");
}

static void
body(struct serve_request *r, void *arg, const char *p, size_t n)
{
	(void)arg;
	if (proxy_path(r))
		proxy_body(r, p, n);
}

static void
done(struct serve_request *r, void *arg)
{
	struct service *s = arg;

	if (proxy_path(r))
		proxy_done(r);
	else
		lifecycle_done(r, s->sandboxes, r->own);
}

static void
gone(struct serve_request *r, void *arg)
{
	(void)arg;
	if (proxy_path(r))
		proxy_gone(r);
	else
		free(r->own);
}

/*
 * What tl-fault(7) calls it.  Those of the lifecycle are named where the
 * client sends them, by tl-platformd.
 */
static void
name(const struct serve_request *r, char *text, size_t size)
{
	if (lifecycle_path(r))
		snprintf(text, size, "lifecycle");
	else
		proxy_name(r, text, size);
}

const struct serve_ops service_ops = {
	.begin = begin,
	.body = body,
	.done = done,
	.gone = gone,
	.name = name,
};
