#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "client/images/image_list.h"
#include "core/json.h"

struct image_at {
	size_t	at, len;
};

/* The URLs of the pages that were read. */
struct pages {
	char	**url;
	size_t	  n, room;
};

void
image_list_free(struct image_list *l)
{
	buf_free(&l->text);
	free(l->at);
	*l = (struct image_list)IMAGE_LIST_INIT;
}

struct span
image_list_item(const struct image_list *l, size_t i)
{
	return (struct span){ l->text.data + l->at[i].at, l->at[i].len };
}

int
image_list_find(const struct image_list *l, const char *member,
    const char *text, struct span *image)
{
	struct span value;
	struct fail f;
	size_t i;

	for (i = 0; i < l->n; i++) {
		*image = image_list_item(l, i);
		if (span_get(image, member, &value, &f) == 1 &&
		    span_is_string(&value) && span_equals(&value, text))
			return 1;
	}
	return 0;
}

/* Room for one more: the new size of a list of such members, or NULL. */
static void *
grow(void *list, size_t n, size_t *room, size_t size, struct fail *f)
{
	size_t want = *room == 0 ? 64 : *room * 2;
	void *p = list;

	if (n < *room)
		return list;
	if ((p = reallocarray(list, want, size)) == NULL)
		fail_set(f, EX_OSERR, "out of memory");
	else
		*room = want;
	return p;
}

static int
add(struct image_list *l, const struct span *image, struct fail *f)
{
	struct image_at *at;

	if ((at = grow(l->at, l->n, &l->room, sizeof(*l->at), f)) == NULL)
		return -1;
	l->at = at;
	at[l->n] = (struct image_at){ l->text.len, image->len };
	if (buf_add(&l->text, image->at, image->len, f) == -1)
		return -1;
	l->n++;
	return 0;
}

static int
add_all(struct image_list *l, const struct span *doc, struct fail *f)
{
	struct span items, image;
	const char *pos = NULL;

	if (json_sub(doc, "items", JSON_NEED, '[', &items, f) == -1) {
		f->status = EX_PROTOCOL;
		return -1;
	}
	while (span_next(&items, &pos, NULL, &image) == 1) {
		if (!span_is_object(&image))
			return fail_set(f, EX_PROTOCOL, "items: an entry is "
			    "not a JSON object");
		if (add(l, &image, f) == -1)
			return -1;
	}
	return 0;
}

/* Where the next page is: 1, 0 if this was the last, -1. */
static int
next_page(const struct span *doc, const char *url, struct buf *next,
    struct fail *f)
{
	struct span pagination;
	char *link = NULL;
	int r;

	buf_clear(next);
	if ((r = json_sub(doc, "pagination", JSON_MAY, '{', &pagination, f))
	    == 1 && ((r = json_string(&pagination, "next", JSON_MAY, &link, f))
	    == -1 || (r == 1 && (r = *link != '\0') == 1 &&
	    http_link(url, link, next, f) == -1)))
		r = fail_in(f, "pagination");
	if (r == -1 && f->status == EX_DATAERR)
		f->status = EX_PROTOCOL;
	free(link);
	return r;
}

/* Remember a page; one that was read already would go on for ever. */
static int
visit(struct pages *p, const char *url, struct fail *f)
{
	char **list, shown[200];
	size_t i;

	for (i = 0; i < p->n; i++)
		if (strcmp(p->url[i], url) == 0)
			return fail_set(f, EX_PROTOCOL, "pagination: leads "
			    "back to an earlier page: %s",
			    fail_show(shown, sizeof(shown), url, 150));
	if (p->n == IMAGE_PAGES_MAX)
		return fail_set(f, EX_PROTOCOL, "pagination: more than "
		    "%d pages", IMAGE_PAGES_MAX);
	if ((list = grow(p->url, p->n, &p->room, sizeof(*list), f)) == NULL)
		return -1;
	p->url = list;
	if ((list[p->n] = strdup(url)) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	p->n++;
	return 0;
}

static void
forget(struct pages *p)
{
	while (p->n > 0)
		free(p->url[--p->n]);
	free(p->url);
}

/* One page: 1 and the URL of the next one, 0, -1. */
static int
load(struct image_list *l, const struct image_server *s, const char *url,
    struct buf *next, struct fail *f)
{
	struct http_reply reply = HTTP_REPLY_INIT;
	struct span doc;
	int r = -1;

	if (image_ask(s, "GET", url, NULL, &reply, NULL, f) == -1)
		goto out;
	if (reply.status / 100 != 2)
		http_refused(&reply, "the list", f);
	else if (image_answer(&reply, &doc, f) == 0 &&
	    add_all(l, &doc, f) == 0)
		r = next_page(&doc, url, next, f);
out:
	http_reply_free(&reply);
	return r;
}

int
image_list_load(struct image_list *l, const struct image_server *s,
    struct fail *f)
{
	struct buf next = BUF_INIT(BUF_SMALL_MAX);
	struct pages pages = { .n = 0 };
	int r;

	if ((r = image_url(s, &next, "?pageSize=100", NULL, f)) == 0)
		do
			r = visit(&pages, next.data, f) == -1 ? -1 :
			    load(l, s, pages.url[pages.n - 1], &next, f);
		while (r == 1);
	forget(&pages);
	buf_free(&next);
	return r;
}
