#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/images/image_chain.h"
#include "client/images/image_list.h"
#include "core/json.h"

void
image_chain_free(struct image_chain *c)
{
	while (c->n > 0)
		free(c->at[--c->n].uri);
}

/* A server's member that is wrong is the server's fault. */
static int
blame(struct fail *f)
{
	if (f->status == EX_DATAERR)
		f->status = EX_PROTOCOL;
	return -1;
}

/* It is the chain's from now on. */
static int
append(struct image_chain *c, char *uri, struct fail *f)
{
	size_t i;

	for (i = 0; i < c->n && strcmp(c->at[i].uri, uri) != 0; i++)
		;
	if (i < c->n || c->n == IMAGE_CHAIN_MAX) {
		free(uri);
		return i < c->n ? fail_set(f, EX_PROTOCOL,
		    "parentManifestUri: leads back to itself") :
		    fail_set(f, EX_PROTOCOL, "parentManifestUri: more than "
		    "%d of them in a row", IMAGE_CHAIN_MAX - 1);
	}
	c->at[c->n++] = (struct image_snapshot){ uri, 0 };
	return 0;
}

/* The last one's image: how long it is; its parent, if any, is appended. */
static int
below(struct image_chain *c, const struct span *image, struct fail *f)
{
	char *parent = NULL;
	int r;

	if (json_u64(image, "snapshotSizeBytes", JSON_MAY,
	    &c->at[c->n - 1].bytes, f) == -1 ||
	    (r = json_string(image, "parentManifestUri", JSON_MAY, &parent,
	    f)) == -1)
		return blame(f);
	if (r == 1 && *parent == '\0') {
		free(parent);
		return 0;
	}
	return r == 0 ? 0 : append(c, parent, f) == -1 ? -1 : 1;
}

/* Its own. */
static int
first(struct image_chain *c, const struct span *image, struct fail *f)
{
	char *uri = NULL, *format = NULL;
	int r = 0;

	if (json_string(image, "snapshotFormatVersion", JSON_MAY, &format, f)
	    == -1 ||
	    json_string(image, "snapshotUri", JSON_MAY, &uri, f) == -1)
		r = blame(f);
	else if (format != NULL &&
	    strcmp(format, "content_addressed_streaming_v1") == 0)
		r = fail_set(f, EX_DATAERR, "its snapshot is content-"
		    "addressed, which is no file that holds a disk");
	else if (uri == NULL || *uri == '\0')
		r = fail_set(f, EX_UNAVAILABLE, "the server does not tell "
		    "where its snapshot is");
	else {
		r = append(c, uri, f);
		uri = NULL;
	}
	free(uri);
	free(format);
	return r;
}

int
image_chain_find(struct image_chain *c, const struct image_server *s,
    const struct span *image, struct fail *f)
{
	struct image_list list = IMAGE_LIST_INIT;
	struct span next;
	int r;

	*c = (struct image_chain)IMAGE_CHAIN_INIT;
	if ((r = first(c, image, f)) == 0 && (r = below(c, image, f)) == 1)
		r = image_list_load(&list, s, f) == -1 ? -1 : 1;
	while (r == 1 && image_list_find(&list, "snapshotUri",
	    c->at[c->n - 1].uri, &next) == 1)
		r = below(c, &next, f);
	image_list_free(&list);
	if (r == -1)
		image_chain_free(c);
	return r == -1 ? -1 : 0;
}

struct download {
	int		fd;
	uint64_t	bytes;
};

static int
take(void *arg, const char *p, size_t n, struct fail *f)
{
	struct download *d = arg;
	ssize_t did;

	for (; n > 0; p += did, n -= (size_t)did) {
		if ((did = write(d->fd, p, n)) == -1)
			return fail_sys(f, EX_CANTCREAT,
			    "the snapshot's file");
		d->bytes += (uint64_t)did;
	}
	return 0;
}

static int
rewound(struct download *d, struct fail *f)
{
	d->bytes = 0;
	if (ftruncate(d->fd, 0) == -1 || lseek(d->fd, 0, SEEK_SET) == -1)
		return fail_sys(f, EX_CANTCREAT, "the snapshot's file");
	return 0;
}

int
image_fetch(const struct image_server *s, const struct span *block,
    uint64_t bytes, int fd, struct fail *f)
{
	struct retry again = { .what = "the snapshot", .note = s->note };
	struct http_reply reply = HTTP_REPLY_INIT;
	struct download d = { .fd = fd };
	struct http_request request = { .method = "GET", .sink = take,
	    .arg = &d };
	char *url = NULL;
	struct span kind;
	int r = -1;

	if (span_get(block, "kind", &kind, f) != 1 ||
	    !span_equals(&kind, "single_get") ||
	    json_string(block, "url", JSON_NEED, &url, f) == -1) {
		fail_set(f, EX_PROTOCOL, "the signed block is not a download");
		goto out;
	}
	request.url = url;
	do {
		if (rewound(&d, f) == -1)
			goto out;
		r = retry_exchange(&again, s->http, &request, &reply, f);
	} while (retry_again(&again, r, &reply, f));
	if (r == -1)
		goto out;
	if (reply.status != 200)
		r = http_refused(&reply, "the snapshot", f);
	else if (bytes != 0 && d.bytes != bytes)
		r = fail_set(f, EX_PROTOCOL, "the snapshot: %ju bytes, where "
		    "the server has registered %ju", (uintmax_t)d.bytes,
		    (uintmax_t)bytes);
out:
	http_reply_free(&reply);
	if (url != NULL)
		explicit_bzero(url, strlen(url));
	free(url);
	return r;
}
