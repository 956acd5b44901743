#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "client/cloud/answer.h"
#include "client/ledger/abort.h"
#include "client/sandbox/reach.h"
#include "client/stages/sign.h"
#include "core/json.h"

#define SIGN_PATH	"/api/v1/blob/sign"
/* After a signal: for an upload's answer, without which it stays; and for
 * giving it back.  Together within the 15 s that a build has to end. */
#define GRACE_MS	4000
#define ABORT_S	8

/* What is asked for: an upload if rel_path is set, else a download. */
struct target {
	const char	*what;		/* for messages */
	const char	*rel_path;
	const char	*uri;
	uint64_t	 parts;
	uint64_t	 part_bytes;
	size_t		 level;		/* of the block in the spec's JSON */
	bool		 lost;		/* an answer, so there may be one */
};

/* A local image's URI, or NULL where there is nothing to sign. */
struct uris {
	char	**list;
	size_t	  n;
	bool	  any;
};

static void
key_object(struct jout *j, const char *key, const char *kind)
{
	jout_key(j, key);
	jout_object(j);
	if (kind != NULL)
		jout_member(j, "kind", kind);
}

int
sign_put_body(struct buf *b, enum sign_dialect d, const char *rel_path,
    uint64_t parts, uint64_t part_bytes, struct fail *f)
{
	struct jout j = JOUT_INIT(b);
	bool merged = d == SIGN_MERGED;

	jout_object(&j);
	if (merged)
		key_object(&j, "target", "artifact");
	jout_member(&j, "rel_path", rel_path);
	if (merged)
		jout_close(&j);
	key_object(&j, "op", merged ? "put_artifact" : "multipart_put");
	if (merged)
		key_object(&j, "multipart_hint", NULL);
	jout_key(&j, merged ? "max_parts" : "parts");
	jout_u64(&j, parts);
	jout_key(&j, "part_size_bytes");
	jout_u64(&j, part_bytes);
	if (merged)
		jout_close(&j);
	jout_close(&j);
	jout_close(&j);
	return jout_end(&j, f);
}

int
sign_get_body(struct buf *b, enum sign_dialect d, const char *uri,
    struct fail *f)
{
	struct jout j = JOUT_INIT(b);
	bool merged = d == SIGN_MERGED;

	jout_object(&j);
	if (merged)
		key_object(&j, "target", "blob");
	jout_member(&j, "uri", uri);
	if (merged)
		jout_close(&j);
	key_object(&j, "op", merged ? "get_blob" : "single_get");
	jout_close(&j);
	jout_close(&j);
	return jout_end(&j, f);
}

static void
note(const struct sign *s, const char *what, const char *text)
{
	char line[600];

	if (s->note == NULL)
		return;
	snprintf(line, sizeof(line), "%s: %s", what, text);
	s->note(line);
}

/* Abort the upload of an answer, as far as it tells how. */
static void
abort_block(struct sign *s, const struct span *block)
{
	struct span url;
	struct fail f;

	if (!span_is_object(block) ||
	    span_get(block, "abortUrl", &url, &f) != 1)
		return;
	/* What failed before is the news; this is at most a remark. */
	if (abort_upload(s->http, block, ABORT_S, s->note, &f) == -1 ||
	    ledger_upload_gone(s->ledger, block, &f) == -1)
		note(s, "upload not aborted, the store's own expiry will",
		    f.msg);
	else
		note(s, "upload", "aborted");
}

/*
 * An upload's answer that is no object, or no JSON, may tell all the same how
 * to give it back: {"abortUrl":...} of the first one that stands in it.  1, 0
 * if there is none; -1.
 */
static int
legible(const struct buf *body, struct buf *block, struct fail *f)
{
	static const char name[] = "\"abortUrl\"";
	const char *p = body->data, *end = p + body->len, *text;
	struct span doc, url;
	struct fail why;

	while (p != NULL && (p = memmem(p, (size_t)(end - p), name,
	    sizeof(name) - 1)) != NULL) {
		p += sizeof(name) - 1;
		while (p < end && strchr(" \t\r\n:", *p) != NULL && *p != '\0')
			p++;
		if (p == end || *p != '"')
			continue;
		for (text = p++; p < end && *p != '"'; p++)
			if (*p == '\\' && p + 1 < end)
				p++;
		if (p == end)
			break;
		buf_clear(block);
		if (buf_addf(block, f, "{%s:", name) == -1 ||
		    buf_add(block, text, (size_t)(p + 1 - text), f) == -1 ||
		    buf_add(block, "}", 1, f) == -1)
			return -1;
		if (span_parse(&doc, block->data, block->len, &why) == 0 &&
		    span_get(&doc, "abortUrl", &url, &why) == 1)
			return 1;
	}
	return 0;
}

/* The block of an answer by which it is undone, whatever is wrong with it. */
static int
undo_block(const struct http_reply *reply, struct buf *room,
    struct span *block, struct fail *f)
{
	struct span url;
	struct fail why;
	int r;

	if (reply->body.len == 0)
		return 0;
	if (span_parse(block, reply->body.data, reply->body.len, &why) == 0 &&
	    span_is_object(block) &&
	    span_get(block, "abortUrl", &url, &why) == 1)
		return 1;
	if ((r = legible(&reply->body, room, f)) == 1)
		r = span_parse(block, room->data, room->len, f) == 0 ? 1 : -1;
	return r;
}

void
sign_undo(struct sign *s, const struct buf *doc)
{
	struct span root, block;
	struct fail f;

	if (doc->len != 0 && span_parse(&root, doc->data, doc->len, &f) == 0 &&
	    abort_find(&root, &block, &f) == 1)
		abort_block(s, &block);
}

/* One dialect, asked until there is an answer that is not "busy". */
static int
ask(struct sign *s, struct target *t, enum sign_dialect d,
    struct http_reply *reply, struct fail *f)
{
	struct retry again = { .what = t->what, .note = s->note,
	    .patience = s->patience,
	    .grace_ms = t->rel_path != NULL ? GRACE_MS : 0 };
	struct buf body = BUF_INIT(BUF_SMALL_MAX);
	struct sandbox_call call;
	struct exchange x;
	struct reach reach;
	int r;

	exchange_init(&x, s->http, s->cloud);
	reach_init(&reach, &x, s->sandbox);
	reach.patience = s->patience;
	r = t->rel_path != NULL ?
	    sign_put_body(&body, d, t->rel_path, t->parts, t->part_bytes, f) :
	    sign_get_body(&body, d, t->uri, f);
	if (r == -1)
		goto out;
	do {
		/* A fresh trace id each time. */
		if ((r = reach_call(&reach, &call, "POST", SIGN_PATH, NULL,
		    f)) == -1)
			goto out;
		call.req.json = body.data;
		call.req.reply_max = BUF_DOC_MAX;
		r = reach_do(&reach, &call.req, reply, again.grace_ms, f);
		sandbox_call_free(&call);
		t->lost |= reply->sent && (r == -1 || reply->status >= 500);
	} while (retry_again(&again, r, reply, f));
out:
	exchange_free(&x);
	buf_free(&body);
	return r;
}

static bool
malformed(long status)
{
	return status == 400 || status == 404 || status == 405 ||
	    status == 415 || status == 422;
}

/*
 * The answer's body, whatever its dialect; *d is the one it came in.  When
 * neither was taken, both refusals are told: the second alone may well be
 * about the dialect and not about the fault.
 */
static int
ask_either(struct sign *s, struct target *t, enum sign_dialect *d,
    struct http_reply *reply, struct fail *f)
{
	char first[sizeof(f->msg)] = "", second[sizeof(f->msg)];

	*d = s->dialect == SIGN_AUTO ? SIGN_SEED : s->dialect;
	if (ask(s, t, *d, reply, f) == -1)
		return fail_in(f, t->what);
	if (s->dialect == SIGN_AUTO && malformed(reply->status) &&
	    !retry_transient(reply)) {
		http_refused(reply, "seed dialect", f);
		memcpy(first, f->msg, sizeof(first));
		note(s, t->what, "asking in the merged dialect");
		*d = SIGN_MERGED;
		if (ask(s, t, *d, reply, f) == -1)
			return fail_in(f, t->what);
	}
	if (reply->status / 100 == 2) {
		s->dialect = *d;
		return 0;
	}
	if (first[0] == '\0')
		return http_refused(reply, t->what, f);
	http_refused(reply, "merged dialect", f);
	memcpy(second, f->msg, sizeof(second));
	return fail_set(f, f->status, "%s: %.200s; %.200s", t->what, first,
	    second);
}

/*
 * Whether an answer can be used.  Blocks are opaque, so little is asked of
 * one: that it is JSON, no null, and fits into a spec, and that an upload's is
 * an object, whose uri, if it has one or its
 * dialect promises one (tl-wire(7), "Signed block"), a string that is not
 * empty.
 */
static int
check(const struct target *t, enum sign_dialect d,
    const struct http_reply *reply, struct span *block, struct fail *f)
{
	struct span uri;
	int r;

	if (reply->body.len == 0)
		return fail_set(f, EX_PROTOCOL, "the answer is empty");
	if (span_parse(block, reply->body.data, reply->body.len, f) == -1) {
		f->status = EX_PROTOCOL;
		block->len = 0;
		return fail_in(f, "the answer is not JSON");
	}
	if (span_is_null(block))
		return fail_set(f, EX_PROTOCOL, "the answer is null");
	if (answer_check(reply, "the answer", f) == -1)
		return -1;
	/* What tl-splice would not take is known before it is paid for. */
	if (span_depth(block) > SPAN_DEPTH - t->level)
		return fail_set(f, EX_PROTOCOL, "the answer is nested too "
		    "deep for a spec");
	if (t->level < 3 && !span_is_object(block))
		return fail_set(f, EX_PROTOCOL, "the answer is not an object");
	if (t->rel_path == NULL)
		return 0;
	if ((r = span_get(block, "uri", &uri, f)) == -1) {
		f->status = EX_PROTOCOL;
		return fail_in(f, "the answer");
	}
	if (r == 0 && d == SIGN_MERGED)
		return fail_set(f, EX_PROTOCOL, "the answer has no uri");
	if (r == 1 && (!span_is_string(&uri) || uri.len == 2))
		return fail_set(f, EX_PROTOCOL, "the answer's uri is %s",
		    span_is_string(&uri) ? "empty" : "not a string");
	return 0;
}

/*
 * What an upload's answer means to the ledger: refused, it was not made; with
 * a block, how it is undone.  A lost one stays asked for.
 */
static int
enter(struct sign *s, const struct target *t, const char *key, int r,
    const struct http_reply *reply, struct fail *f)
{
	struct buf room = BUF_INIT(BUF_DOC_MAX);
	struct span block;
	struct fail why;
	int has;

	if (t->rel_path == NULL)
		return r;
	if (r == -1) {
		if (!t->lost && ledger_none(s->ledger, LEDGER_UPLOAD, key,
		    &why) == -1)
			note(s, t->what, why.msg);
		return -1;
	}
	/* What is wrong with the answer is check()'s to say. */
	has = undo_block(reply, &room, &block, f);
	if (has == 0 && reply->body.len > 0 && span_parse(&block,
	    reply->body.data, reply->body.len, &why) == 0)
		has = 2;
	if (has > 0 && ledger_upload(s->ledger, key, &block, f) == -1) {
		if (has == 1)
			abort_block(s, &block);
		has = -1;
	}
	buf_free(&room);
	return has == -1 ? -1 : 0;
}

/* Ask, check, and append the block as it came. */
static int
sign_one(struct sign *s, struct target *t, struct buf *out, struct fail *f)
{
	struct http_reply reply = HTTP_REPLY_INIT;
	struct buf room = BUF_INIT(BUF_DOC_MAX);
	struct span block = { NULL, 0 }, undo;
	struct fail why;
	char key[LEDGER_KEY];
	enum sign_dialect d;
	int r;

	if (t->rel_path != NULL && (ledger_key(key, f) == -1 ||
	    ledger_intent(s->ledger, LEDGER_UPLOAD, key, s->cloud,
	    t->rel_path, f) == -1))
		return -1;
	r = ask_either(s, t, &d, &reply, f);
	/* The URL that gives it back was in the answer. */
	if (r == -1 && f->status == EX_OSERR && t->rel_path != NULL &&
	    reply.sent)
		fail_set(f, EX_OSERR, "%s: out of memory as the answer came; "
		    "its upload is left to the store's own expiry", t->what);
	if ((r = enter(s, t, key, r, &reply, f)) == -1)
		goto out;
	if ((r = check(t, d, &reply, &block, f)) == -1)
		fail_in(f, t->what);
	else
		r = buf_add(out, block.at, block.len, f);
	if (r == 0)
		note(s, t->what, "signed");
	else if (t->rel_path != NULL &&
	    undo_block(&reply, &room, &undo, &why) == 1)
		abort_block(s, &undo);
out:
	buf_free(&room);
	http_reply_free(&reply);
	return r;
}

int
sign_get(struct sign *s, const char *what, const char *uri, struct buf *out,
    struct fail *f)
{
	struct target t = { .what = what, .uri = uri };

	return sign_one(s, &t, out, f);
}

static void
uris_free(struct uris *u)
{
	size_t i;

	for (i = 0; i < u->n; i++)
		free(u->list[i]);
	free(u->list);
}

/* The URI of one entry (tl-wire(7), "Splicing"); *uri stays NULL without. */
static int
entry_uri(const struct span *entry, char **uri, struct fail *f)
{
	struct span value;
	int r;

	/* A null download is as good as none: no builder could use it. */
	if ((r = span_get(entry, "download", &value, f)) == -1)
		return -1;
	if (r == 1 && !span_is_null(&value))
		return 0;
	if ((r = span_get(entry, "snapshotUri", &value, f)) != 1)
		return r;
	if (!span_is_string(&value))
		return 0;
	if (json_string(entry, "snapshotUri", JSON_MAY, uri, f) == -1)
		return -1;
	if (*uri != NULL && strncmp(*uri, "file://", 7) == 0) {
		free(*uri);
		*uri = NULL;
	}
	return 0;
}

static int
local_uris(const struct prepared *p, struct uris *u, struct fail *f)
{
	struct span entry;
	const char *pos = NULL;
	char **more, what[64];

	if (!p->has_local_images)
		return 0;
	while (span_next(&p->local_images, &pos, NULL, &entry) == 1) {
		more = reallocarray(u->list, u->n + 1, sizeof(*more));
		if (more == NULL)
			return fail_set(f, EX_OSERR, "out of memory");
		u->list = more;
		u->list[u->n] = NULL;
		if (entry_uri(&entry, &u->list[u->n], f) == -1) {
			snprintf(what, sizeof(what),
			    "additionalLocalImages[%zu]", u->n);
			return fail_in(f, what);
		}
		u->any |= u->list[u->n] != NULL;
		u->n++;
	}
	return 0;
}

static int
sign_local(struct sign *s, const struct uris *u, struct buf *out,
    struct fail *f)
{
	char what[64];
	size_t i;

	if (!u->any)
		return 0;
	if (buf_adds(out, ",\"localImageDownloads\":[", f) == -1)
		return -1;
	for (i = 0; i < u->n; i++) {
		struct target t = { .what = what, .uri = u->list[i],
		    .level = 3 };

		snprintf(what, sizeof(what), "sign local image %zu", i);
		if (i > 0 && buf_adds(out, ",", f) == -1)
			return -1;
		if ((t.uri == NULL ? buf_adds(out, "null", f) :
		    sign_one(s, &t, out, f)) == -1)
			return -1;
	}
	return buf_adds(out, "]", f);
}

int
sign_prepared(struct sign *s, const struct prepared *p, uint64_t parts,
    uint64_t part_bytes, struct buf *out, struct fail *f)
{
	struct target upload = { .what = "sign upload",
	    .rel_path = p->rel_path, .parts = parts,
	    .part_bytes = part_bytes, .level = 1 };
	struct target parent = { .what = "sign parent",
	    .uri = p->parent_uri, .level = 2 };
	struct uris local = { NULL, 0, false };
	struct span block = { NULL, 0 }, uri;
	size_t at;
	int r = -1;

	if (p->rel_path == NULL)
		return buf_adds(out, "{}\n", f);
	/* What can be wrong with the document is found before any request. */
	if (local_uris(p, &local, f) == -1 ||
	    buf_adds(out, "{\"upload\":", f) == -1)
		goto out;
	at = out->len;
	if (sign_one(s, &upload, out, f) == -1)
		goto out;
	block.at = out->data + at;
	block.len = out->len - at;
	if (s->doubt != NULL && span_get(&block, "uri", &uri, f) == 0 &&
	    (p->snapshot_uri == NULL || *p->snapshot_uri == '\0'))
		s->doubt("sign upload: the block has no uri and the prepared "
		    "answer has no snapshotUri: the image can be registered "
		    "only if the builder names one");
	if ((!p->has_parent || (buf_adds(out, ",\"parentDownload\":", f) == 0
	    && sign_one(s, &parent, out, f) == 0)) &&
	    sign_local(s, &local, out, f) == 0)
		r = buf_adds(out, "}\n", f);
	if (r == -1) {
		/* out may have moved since. */
		block.at = out->data + at;
		abort_block(s, &block);
	}
out:
	uris_free(&local);
	return r;
}
