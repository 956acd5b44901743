#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <time.h>

#include "core/clock.h"
#include "core/http_impl.h"

#define STALL_S		60L
#define STALL_MAX_S	86400L
#define POLL_MS		1000	/* how late a stall or deadline is noticed */

static void
global(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* TL_STALL_S; what is no number is not worth failing for. */
static long
stall_limit(void)
{
	const char *s = getenv("TL_STALL_S");
	char *end;
	long n;

	if (s == NULL || *s < '0' || *s > '9')
		return STALL_S;
	n = strtol(s, &end, 10);
	return *end != '\0' || n < 1 || n > STALL_MAX_S ? STALL_S : n;
}

struct http *
http_new(struct fail *f)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct http *h;

	pthread_once(&once, global);
	if ((h = calloc(1, sizeof(*h))) == NULL ||
	    (h->multi = curl_multi_init()) == NULL) {
		free(h);
		fail_set(f, EX_OSERR, "out of memory");
		return NULL;
	}
	h->stall_s = stall_limit();
	return h;
}

/* Take a transfer out of the list and libcurl, and free it. */
static void
drop(struct http *h, struct transfer *t)
{
	struct transfer **p;

	for (p = &h->list; *p != t; p = &(*p)->next)
		;
	*p = t->next;
	curl_multi_remove_handle(h->multi, t->easy);
	curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->headers);
	free(t);
}

void
http_free(struct http *h)
{
	if (h == NULL)
		return;
	while (h->list != NULL)
		drop(h, h->list);
	curl_multi_cleanup(h->multi);
	free(h);
}

void
http_allow_plain(struct http *h)
{
	h->plain = true;
}

void
http_verbose(struct http *h)
{
	h->verbose = true;
}

void
http_stall(struct http *h, long seconds)
{
	h->stall_s = seconds;
}

void
http_ca_bundle(struct http *h, const char *path)
{
	h->ca = path;
}

void
http_deadline(struct http *h, int64_t monotonic_ms)
{
	h->deadline = monotonic_ms;
}

static int
multi_failed(CURLMcode m, struct fail *f)
{
	return fail_set(f, m == CURLM_OUT_OF_MEMORY ? EX_OSERR : EX_SOFTWARE,
	    "libcurl: %s", curl_multi_strerror(m));
}

int
http_may_go(const struct http *h, const struct http_request *q,
    struct fail *f)
{
	int local = q->unix_path != NULL ? 1 : http_is_loopback(q->url, f);
	char url[200];

	if (local == -1)
		return -1;
	fail_show(url, sizeof(url), q->url, sizeof(url));
	if (strncasecmp(q->url, "http://", 7) != 0 &&
	    strncasecmp(q->url, "https://", 8) != 0)
		return fail_set(f, EX_CONFIG, "%s: not an http(s) address",
		    url);
	if (q->bearer != NULL && !local && !h->plain &&
	    strncasecmp(q->url, "https://", 8) != 0)
		return fail_set(f, EX_CONFIG, "%s: a token would go over plain "
		    "http; use https, or --insecure-http", url);
	return local;
}

struct transfer *
http_transfer_new(struct http *h, const struct http_request *q,
    struct http_reply *r)
{
	struct transfer *t = calloc(1, sizeof(*t));
	char url[200];

	http_reply_clear(r);
	if (r->body.max == 0)
		r->body.max = q->reply_max != 0 ? q->reply_max : BUF_SMALL_MAX;
	if (t == NULL || (t->easy = curl_easy_init()) == NULL) {
		free(t);
		return NULL;
	}
	t->http = h;
	t->req = q;
	t->reply = r;
	t->begun = t->moved = clock_ms();
	fail_show(url, sizeof(url), q->url, sizeof(url));
	snprintf(t->shown, sizeof(t->shown), "%s %s", q->method, url);
	return t;
}

int
http_start(struct http *h, const struct http_request *q, struct http_reply *r,
    struct fail *f)
{
	int local = http_may_go(h, q, f);
	struct transfer *t;
	CURLMcode m;

	http_reply_clear(r);
	if (local == -1)
		return -1;
	if ((t = http_transfer_new(h, q, r)) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	t->next = h->list;
	h->list = t;

	if (http_transfer_set(t, local == 1) == -1) {
		drop(h, t);
		return fail_set(f, EX_OSERR, "out of memory");
	}
	if ((m = curl_multi_add_handle(h->multi, t->easy)) != CURLM_OK) {
		drop(h, t);
		return multi_failed(m, f);
	}
	if (h->verbose)
		fprintf(stderr, "> %s\n", t->shown);
	return 0;
}

/* The reply of a finished transfer, if there is one. */
static struct http_reply *
reap(struct http *h)
{
	struct http_reply *r;
	struct transfer *t;

	for (t = h->list; t != NULL; t = t->next)
		if (t->finished) {
			r = t->reply;
			drop(h, t);
			return r;
		}
	return NULL;
}

int
http_wait(struct http *h, int timeout_ms, struct http_reply **out,
    struct fail *f)
{
	int64_t end = clock_ms() + timeout_ms;
	int left, ms;
	CURLMcode m;
	CURLMsg *msg;

	if (h->list == NULL)
		return fail_set(f, EX_SOFTWARE, "no request under way");
	for (;;) {
		if ((m = curl_multi_perform(h->multi, &left)) != CURLM_OK)
			return multi_failed(m, f);
		while ((msg = curl_multi_info_read(h->multi, &left)) != NULL) {
			struct transfer *t;

			if (msg->msg != CURLMSG_DONE)
				continue;
			curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE,
			    &t);
			http_transfer_end(t, msg->data.result);
		}
		if ((*out = reap(h)) != NULL)
			return 1;
		ms = POLL_MS;
		if (timeout_ms >= 0 && end - clock_ms() < ms)
			ms = (int)(end - clock_ms());
		if (ms <= 0)
			return 0;
		m = curl_multi_poll(h->multi, NULL, 0, ms, NULL);
		if (m != CURLM_OK)
			return multi_failed(m, f);
	}
}

void
http_cancel(struct http *h, struct http_reply *r)
{
	struct transfer *t;

	for (t = h->list; t != NULL; t = t->next)
		if (t->reply == r) {
			drop(h, t);
			return;
		}
}

int
http_do(struct http *h, const struct http_request *q, struct http_reply *r,
    struct fail *f)
{
	struct http_reply *done;

	if (http_start(h, q, r, f) == -1)
		return -1;
	do {
		if (http_wait(h, -1, &done, f) == -1) {
			http_cancel(h, r);
			return -1;
		}
	} while (done != r);
	if (r->fail.status == 0)
		return 0;
	*f = r->fail;
	return -1;
}
