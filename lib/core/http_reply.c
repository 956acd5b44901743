#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "core/clock.h"
#include "core/http_impl.h"

#define TOKEN_MIN	8

void
http_reply_clear(struct http_reply *r)
{
	buf_clear(&r->body);
	r->status = 0;
	r->type[0] = r->etag[0] = r->modified[0] = '\0';
	r->retry_after_s = -1;
	r->length = HTTP_LEN_UNKNOWN;
	r->sent = r->bad_type = false;
	r->f = NULL;
	r->fail.status = 0;
	r->fail.msg[0] = '\0';
}

void
http_reply_free(struct http_reply *r)
{
	buf_free(&r->body);
}

/*
 * A server that refuses may say whom: its words end up in messages and logs,
 * so the token is struck out of them.  A short one could be any word.
 */
static void
strike(struct buf *b, const char *token)
{
	size_t n = strlen(token), left = b->len;
	char *p = b->data;

	if (n < TOKEN_MIN || p == NULL)
		return;
	while ((p = memmem(p, left, token, n)) != NULL) {
		memset(p, '*', n);
		p += n;
		left = (size_t)(b->data + b->len - p);
	}
}

/* The variable that libcurl takes a proxy from, in its order, or NULL. */
static const char *
proxy_of(const char *url)
{
	static const char *const names[] = { "https_proxy", "HTTPS_PROXY",
	    "http_proxy", "all_proxy", "ALL_PROXY" };
	bool tls = strncasecmp(url, "https:", 6) == 0;
	const char *value;
	size_t i;

	for (i = tls ? 0 : 2; i < sizeof(names) / sizeof(names[0]); i++) {
		value = getenv(names[i]);
		if (value != NULL && *value != '\0' && !(tls && i == 2))
			return names[i];
	}
	return NULL;
}

/* Whether a password's '/', '?' or '#' ends the host's part of an address. */
static bool
is_torn(const char *address)
{
	size_t n = strcspn(address, ":/?#");

	n = strncmp(address + n, "://", 3) == 0 ? n + 3 : 0;
	n += strcspn(address + n, "/?#");
	return strchr(address + n, '@') != NULL;
}

/* Whether libcurl speaks of a host that the URL does not name. */
static bool
is_other_host(const char *error, const char *url)
{
	static const char *const before[] = { "Failed to connect to ",
	    "Could not resolve host: ", "Could not resolve proxy: " };
	const char *at = strstr(url, "://");
	size_t i, n;

	at = at == NULL ? url : at + 3;
	n = strcspn(at, "/?#:");
	for (i = 0; i < sizeof(before) / sizeof(before[0]); i++)
		if (strncmp(error, before[i], strlen(before[i])) == 0) {
			error += strlen(before[i]);
			return strncasecmp(error, at, n) != 0 ||
			    (error[n] != ' ' && error[n] != '\0');
		}
	return false;
}

/*
 * libcurl quotes a proxy that it cannot make out, password included; one that
 * is torn it makes out, and names a piece of the password as its host.  The
 * variable, or NULL: it is another fault.
 */
static const char *
bad_proxy(const struct transfer *t)
{
	const char *name;
	char *url = NULL;

	curl_easy_getinfo(t->easy, CURLINFO_EFFECTIVE_URL, &url);
	name = proxy_of(url != NULL ? url : t->req->url);
	if (strcasestr(t->error, "proxy") != NULL &&
	    strchr(t->error, '\'') != NULL)
		return name != NULL ? name : "the proxy's variable";
	return name != NULL && is_torn(getenv(name)) &&
	    is_other_host(t->error, url != NULL ? url : t->req->url) ? name :
	    NULL;
}

/*
 * Whether headers were too long for libcurl.  One line that is gives the code
 * of no memory in libcurl 7: then nothing else was out of it.
 */
static bool
is_long_head(const struct transfer *t, CURLcode code, bool no_memory)
{
	if (code == (CURLcode)100 ||	/* CURLE_TOO_LARGE, of libcurl 8.6 */
	    strcasestr(t->error, "too large response header") != NULL)
		return true;
	return !no_memory && t->reply->sent &&
	    ((code == CURLE_OUT_OF_MEMORY && !t->head_ended) ||
	    strstr(t->error, "Out of memory in chunked-encoding") != NULL);
}

void
http_transfer_end(struct transfer *t, CURLcode code)
{
	bool no_memory = errno == ENOMEM;
	struct http_reply *r = t->reply;
	curl_off_t wait = 0, sent = 0, length = -1;
	const char *proxy;
	long status = 0;
	char why[160];

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &wait);
	curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &sent);
	curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	r->status = status;
	r->length = length < 0 ? HTTP_LEN_UNKNOWN : (uint64_t)length;
	r->sent = status != 0 || sent > 0;
	if (wait > 0)
		r->retry_after_s = (long)wait;
	if (code == CURLE_OK) {
		r->fail.status = 0;
		if (t->req->type != NULL && status / 100 == 2 &&
		    strcasestr(r->type, t->req->type) == NULL)
			r->bad_type = true;
	} else if (r->fail.status == 0 && (proxy = bad_proxy(t)) != NULL) {
		fail_set(&r->fail, EX_CONFIG, "%s: not well-formed as the "
		    "address of a proxy; write %%2F for a '/' in its "
		    "password, %%40 for an '@'", proxy);
	} else if (r->fail.status == 0 && is_long_head(t, code, no_memory)) {
		fail_set(&r->fail, EX_PROTOCOL, "%s: the answer's headers are "
		    "too long", t->shown);
	} else if (r->fail.status == 0 && code ==
	    CURLE_UNSUPPORTED_PROTOCOL && status / 100 == 3 &&
	    strncasecmp(t->req->url, "https:", 6) == 0) {
		fail_set(&r->fail, EX_PROTOCOL, "%s: redirected from https to "
		    "another protocol, where others could listen", t->shown);
	} else if (r->fail.status == 0) {
		fail_show(why, sizeof(why), t->error[0] != '\0' ? t->error :
		    curl_easy_strerror(code), sizeof(why));
		switch (code) {
		case CURLE_UNSUPPORTED_PROTOCOL:
		case CURLE_WEIRD_SERVER_REPLY:
		case CURLE_TOO_MANY_REDIRECTS:
		case CURLE_BAD_CONTENT_ENCODING:
			fail_set(&r->fail, EX_PROTOCOL, "%s: %s", t->shown,
			    why);
			break;
		case CURLE_URL_MALFORMAT:
		case CURLE_SSL_CACERT_BADFILE:
		case CURLE_PEER_FAILED_VERIFICATION:
			fail_set(&r->fail, EX_CONFIG, "%s: %s", t->shown, why);
			break;
		case CURLE_OUT_OF_MEMORY:
			fail_set(&r->fail, EX_OSERR, "out of memory");
			break;
		default:
			fail_set(&r->fail, EX_TEMPFAIL, "%s: %s", t->shown,
			    why);
		}
	}
	if (status / 100 != 2 && t->req->bearer != NULL)
		strike(&r->body, t->req->bearer);
	if (t->http->verbose)
		fprintf(stderr, "< %s: %ld%s%s (%lld ms)\n", t->shown, status,
		    code == CURLE_OK ? "" : " ",
		    code == CURLE_OK ? "" : r->fail.msg,
		    (long long)(clock_ms() - t->begun));
	t->finished = true;
}

int
http_refused(const struct http_reply *r, const char *what, struct fail *f)
{
	char text[300], words[300];
	int status;
	size_t n;

	switch (r->status) {
	case 401:
	case 403:
		status = EX_NOPERM;
		break;
	case 408:
	case 429:
	case 502:
	case 503:
	case 504:
		status = EX_TEMPFAIL;
		break;
	default:
		status = r->status < 400 ? EX_PROTOCOL : EX_UNAVAILABLE;
	}
	/* A page's last newline would be shown masked, too. */
	snprintf(text, sizeof(text), "%s",
	    r->body.data != NULL ? r->body.data : "");
	for (n = strlen(text); n > 0 && strchr(" \t\r\n", text[n - 1]); n--)
		text[n - 1] = '\0';
	fail_show(words, sizeof(words), text, 240);
	return fail_set(f, status, "%s: refused (%ld)%s%s%s", what, r->status,
	    words[0] != '\0' ? ": " : "", words,
	    r->status == 401 ? " (is the key right?)" : "");
}
