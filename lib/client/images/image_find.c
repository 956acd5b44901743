#include <stdlib.h>
#include <sysexits.h>

#include "client/images/image_find.h"
#include "client/images/image_list.h"
#include "core/json.h"

/* An object of something else is no image. */
static int
check(const struct span *doc, struct fail *f)
{
	static const char *const members[] = { "id", "name" };
	struct span value;
	size_t i;
	int r;

	for (i = 0; i < 2; i++) {
		if ((r = span_get(doc, members[i], &value, f)) == -1) {
			f->status = EX_PROTOCOL;
			return fail_in(f, "the answer");
		}
		if (r == 0 || !span_is_string(&value))
			return fail_set(f, EX_PROTOCOL, "the answer is not an "
			    "image: %s: missing, or not a string", members[i]);
	}
	return 0;
}

/* At one address: 1 and its bytes, 0 if it is not known there, -1. */
static int
get(const struct image_server *s, const char *behind, const char *word,
    struct buf *out, struct fail *f)
{
	struct buf url = BUF_INIT(BUF_SMALL_MAX);
	struct http_reply reply = HTTP_REPLY_INIT;
	struct span doc;
	int r = -1;

	if (image_url(s, &url, behind, word, f) == -1 ||
	    image_ask(s, "GET", url.data, NULL, &reply, NULL, f) == -1)
		goto out;
	/* An older server has none by their ids. */
	if (reply.status == 404 || reply.status == 405)
		r = 0;
	else if (reply.status / 100 != 2)
		http_refused(&reply, "the image", f);
	else if (image_answer(&reply, &doc, f) == 0 && check(&doc, f) == 0 &&
	    buf_add(out, reply.body.data, reply.body.len, f) == 0)
		r = 1;
out:
	http_reply_free(&reply);
	buf_free(&url);
	return r;
}

int
image_named(const struct image_server *s, const char *name, struct buf *out,
    struct fail *f)
{
	return get(s, "/by-name/", name, out, f);
}

int
image_find(const struct image_server *s, const char *word, struct buf *out,
    struct fail *f)
{
	struct image_list list = IMAGE_LIST_INIT;
	struct span image;
	int r;

	if ((r = get(s, "/by-name/", word, out, f)) == 0 &&
	    (r = get(s, "/", word, out, f)) == 0 &&
	    (r = image_list_load(&list, s, f)) == 0 &&
	    (image_list_find(&list, "name", word, &image) == 1 ||
	    image_list_find(&list, "id", word, &image) == 1))
		r = buf_add(out, image.at, image.len, f) == -1 ||
		    buf_adds(out, "\n", f) == -1 ? -1 : 1;
	image_list_free(&list);
	return r;
}

/* By its name: 1, 0 if the server says that there is none, -1. */
static int
delete(const struct image_server *s, const char *name, struct fail *f)
{
	struct buf url = BUF_INIT(BUF_SMALL_MAX);
	struct http_reply reply = HTTP_REPLY_INIT;
	bool maybe = false;
	int r = -1;

	if (image_url(s, &url, "/", name, f) == -1 ||
	    image_ask(s, "DELETE", url.data, NULL, &reply, &maybe, f) == -1)
		goto out;
	/* Gone since an attempt whose answer was lost. */
	if (reply.status / 100 == 2 || (reply.status == 404 && maybe))
		r = 1;
	else if (reply.status == 404)
		r = 0;
	else
		http_refused(&reply, "deleting it", f);
out:
	http_reply_free(&reply);
	buf_free(&url);
	return r;
}

/* One that the list has under this id, by its name. */
static int
delete_id(const struct image_server *s, const struct image_list *list,
    const char *id, struct buf *name, struct fail *f)
{
	struct span image;
	char *text = NULL;
	int r = 0;

	if (image_list_find(list, "id", id, &image) == 0)
		return 0;
	if (json_string(&image, "name", JSON_NEED, &text, f) == -1) {
		f->status = EX_PROTOCOL;
		return fail_in(f, "the list");
	}
	if ((r = delete(s, text, f)) == 1)
		r = buf_adds(name, text, f) == -1 ? -1 : 1;
	else if (r == 0)
		r = fail_set(f, EX_NOPERM, "listed, but not this project's "
		    "to delete (404)");
	free(text);
	return r;
}

int
image_delete(const struct image_server *s, const char *word, struct buf *name,
    struct fail *f)
{
	struct image_list list = IMAGE_LIST_INIT;
	struct span image;
	int r;

	if ((r = delete(s, word, f)) == 1)
		return buf_adds(name, word, f) == -1 ? -1 : 1;
	if (r == -1)
		return -1;
	if (image_list_load(&list, s, f) == -1)
		r = -1;
	else if (image_list_find(&list, "name", word, &image) == 1)
		r = fail_set(f, EX_NOPERM, "listed, but not this project's "
		    "to delete (404)");
	else
		r = delete_id(s, &list, word, name, f);
	image_list_free(&list);
	return r;
}
