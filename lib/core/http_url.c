#include <arpa/inet.h>

#include <curl/curl.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "core/http.h"

/* Whether two URLs have a part in common, the one that none is given for. */
static CURLUcode
same_part(CURLU *a, CURLU *b, CURLUPart part, bool *same)
{
	char *x = NULL, *y = NULL;
	CURLUcode code;

	*same = false;
	if ((code = curl_url_get(a, part, &x, CURLU_DEFAULT_PORT)) ==
	    CURLUE_OK &&
	    (code = curl_url_get(b, part, &y, CURLU_DEFAULT_PORT)) ==
	    CURLUE_OK)
		*same = strcasecmp(x, y) == 0;
	curl_free(x);
	curl_free(y);
	return code;
}

/* A handle's URL leads where the other's does, and as nobody in particular. */
static CURLUcode
same_server(CURLU *a, CURLU *b, bool *same)
{
	static const CURLUPart parts[] = {
		CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT
	};
	CURLUcode code = CURLUE_OK;
	char *user = NULL;
	size_t i;

	*same = true;
	for (i = 0; i < 3 && *same && code == CURLUE_OK; i++)
		code = same_part(a, b, parts[i], same);
	if (code != CURLUE_OK || !*same)
		return code;
	code = curl_url_get(b, CURLUPART_USER, &user, 0);
	*same = code == CURLUE_NO_USER;
	curl_free(user);
	return code == CURLUE_NO_USER ? CURLUE_OK : code;
}

/* RFC 3986, 2: no blank and no control character.  libcurl 8 takes some. */
static bool
is_clean(const char *link)
{
	while ((unsigned char)*link > ' ' && *link != 0x7f)
		link++;
	return *link == '\0';
}

int
http_link(const char *url, const char *link, struct buf *out, struct fail *f)
{
	CURLU *from = curl_url(), *to = curl_url();
	CURLUcode code = CURLUE_OUT_OF_MEMORY;
	char *text = NULL, shown[200];
	bool same = false;
	int r = -1;

	if (!is_clean(link))
		code = CURLUE_MALFORMED_INPUT;
	else if (from != NULL && to != NULL &&
	    (code = curl_url_set(from, CURLUPART_URL, url, 0)) == CURLUE_OK &&
	    (code = curl_url_set(to, CURLUPART_URL, url, 0)) == CURLUE_OK &&
	    (code = curl_url_set(to, CURLUPART_URL, link, 0)) == CURLUE_OK &&
	    (code = curl_url_set(to, CURLUPART_FRAGMENT, NULL, 0)) ==
	    CURLUE_OK &&
	    (code = same_server(from, to, &same)) == CURLUE_OK && same)
		code = curl_url_get(to, CURLUPART_URL, &text, 0);
	fail_show(shown, sizeof(shown), link, 150);
	if (code == CURLUE_OUT_OF_MEMORY)
		fail_set(f, EX_OSERR, "out of memory");
	else if (code != CURLUE_OK)
		fail_set(f, EX_PROTOCOL, "not a link: %s", shown);
	else if (!same)
		fail_set(f, EX_PROTOCOL, "a link to another server, which "
		    "is not followed: %s", shown);
	else
		r = buf_adds(out, text, f);
	curl_free(text);
	curl_url_cleanup(from);
	curl_url_cleanup(to);
	return r;
}

int
http_is_loopback(const char *url, struct fail *f)
{
	CURLUcode code = CURLUE_OUT_OF_MEMORY;
	CURLU *u = curl_url();
	struct in_addr a;
	char *host = NULL;
	int yes = 0;

	if (u != NULL &&
	    (code = curl_url_set(u, CURLUPART_URL, url, 0)) == CURLUE_OK &&
	    (code = curl_url_get(u, CURLUPART_HOST, &host, 0)) == CURLUE_OK)
		yes = strcasecmp(host, "localhost") == 0 ||
		    strcmp(host, "[::1]") == 0 ||
		    (inet_pton(AF_INET, host, &a) == 1 &&
		    (ntohl(a.s_addr) >> 24) == 127);
	curl_free(host);
	curl_url_cleanup(u);
	/* Not to be taken for a host of another kind. */
	if (code == CURLUE_OUT_OF_MEMORY)
		return fail_set(f, EX_OSERR, "out of memory");
	return yes;
}
