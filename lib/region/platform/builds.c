#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "region/platform/database.h"

/* Answers given before. */

int
platform_again(struct platform *p, const char *project,
    const struct platform_once *once, struct buf *answer, struct fail *f)
{
	sqlite3_stmt *st = p->st[ONCE_GET];
	const char *print;
	int r;

	if (once->key == NULL)
		return 0;
	r = db_find(p, ONCE_GET, project, once->key, f);
	if (r == 1) {
		print = (const char *)sqlite3_column_text(st, 0);
		if (print == NULL)
			r = fail_set(f, EX_OSERR, "out of memory");
		else if (strcmp(print, once->print) != 0)
			r = PLATFORM_OTHER;
		else
			r = buf_add(answer, sqlite3_column_blob(st, 1),
			    (size_t)sqlite3_column_bytes(st, 1), f) == -1 ?
			    -1 : 1;
	}
	db_found(p, ONCE_GET);
	return r;
}

/* Within a transaction.  0 if the key is there already, 1, -1. */
static int
once_put(struct platform *p, const char *project,
    const struct platform_once *once, const struct buf *answer,
    struct fail *f)
{
	if (once->key == NULL)
		return 1;
	db_text(p, ONCE_PUT, 1, project);
	db_text(p, ONCE_PUT, 2, once->key);
	db_text(p, ONCE_PUT, 3, once->print);
	sqlite3_bind_blob64(p->st[ONCE_PUT], 4, answer->data, answer->len,
	    SQLITE_STATIC);
	db_number(p, ONCE_PUT, 5, time(NULL));
	if (db_run(p, ONCE_PUT, f) == -1)
		return -1;
	return sqlite3_changes(p->db) > 0;
}

/* Builds. */

static int
build_row(sqlite3_stmt *st, struct build *b, struct fail *f)
{
	*b = (struct build)BUILD_INIT;
	if (db_column(st, 0, &b->id, f) == -1 ||
	    db_column(st, 1, &b->project, f) == -1 ||
	    db_column(st, 2, &b->name, f) == -1 ||
	    db_column(st, 3, &b->dockerfile, f) == -1 ||
	    db_column(st, 4, &b->base_image, f) == -1 ||
	    db_column(st, 6, &b->node_kind, f) == -1 ||
	    db_column(st, 7, &b->parent_uri, f) == -1 ||
	    db_column(st, 8, &b->snapshot_id, f) == -1 ||
	    db_column(st, 9, &b->rel_path, f) == -1 ||
	    db_column(st, 10, &b->upload_id, f) == -1 ||
	    db_column(st, 12, &b->request, f) == -1 ||
	    db_column(st, 13, &b->answer, f) == -1) {
		build_free(b);
		return -1;
	}
	b->public = sqlite3_column_int(st, 5) != 0;
	b->created_at = sqlite3_column_int64(st, 11);
	return 0;
}

void
build_free(struct build *b)
{
	free(b->id);
	free(b->project);
	free(b->name);
	free(b->dockerfile);
	free(b->base_image);
	free(b->node_kind);
	free(b->parent_uri);
	free(b->snapshot_id);
	free(b->rel_path);
	free(b->upload_id);
	free(b->request);
	free(b->answer);
	*b = (struct build)BUILD_INIT;
}

static int
build_put(struct platform *p, const struct build *b, struct fail *f)
{
	db_text(p, BUILD_ADD, 1, b->id);
	db_text(p, BUILD_ADD, 2, b->project);
	db_text(p, BUILD_ADD, 3, b->name);
	db_text(p, BUILD_ADD, 4, b->dockerfile);
	db_text(p, BUILD_ADD, 5, b->base_image);
	db_number(p, BUILD_ADD, 6, b->public);
	db_text(p, BUILD_ADD, 7, b->node_kind);
	db_text(p, BUILD_ADD, 8, b->parent_uri);
	db_text(p, BUILD_ADD, 9, b->snapshot_id);
	db_text(p, BUILD_ADD, 10, b->rel_path);
	db_text(p, BUILD_ADD, 11, b->upload_id);
	db_number(p, BUILD_ADD, 12, b->created_at);
	return db_run(p, BUILD_ADD, f);
}

int
platform_build_add(struct platform *p, const struct build *b,
    const struct platform_once *once, const struct buf *answer,
    struct fail *f)
{
	int r;

	pthread_mutex_lock(&p->lock);
	r = db_begin(p, f);
	if (r == 0) {
		r = once_put(p, b->project, once, answer, f);
		if (r == 1 && build_put(p, b, f) == -1)
			r = -1;
		r = db_end(p, r, f);
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

int
platform_build_get(struct platform *p, const char *project, const char *id,
    struct build *b, struct fail *f)
{
	int r = db_find(p, BUILD_GET, project, id, f);

	if (r == 1 && build_row(p->st[BUILD_GET], b, f) == -1)
		r = -1;
	db_found(p, BUILD_GET);
	return r;
}

static int
complete(struct platform *p, const char *id, const char *request,
    struct platform_template *t, const struct platform_once *once,
    struct buf *answer, struct fail *f)
{
	struct jout j = JOUT_INIT(answer);

	if (template_put(p, t, f) == -1)
		return -1;
	platform_template_json(t, &j);
	if (jout_end(&j, f) == -1 || buf_adds(answer, "\n", f) == -1)
		return -1;
	db_text(p, BUILD_COMPLETE, 1, t->project);
	db_text(p, BUILD_COMPLETE, 2, id);
	db_text(p, BUILD_COMPLETE, 3, request);
	db_text(p, BUILD_COMPLETE, 4, answer->data);
	if (db_run(p, BUILD_COMPLETE, f) == -1)
		return -1;
	if (sqlite3_changes(p->db) == 0)
		return 0;
	return once_put(p, t->project, once, answer, f);
}

int
platform_build_complete(struct platform *p, const char *id,
    const char *request, struct platform_template *t,
    const struct platform_once *once, struct buf *answer, struct fail *f)
{
	struct fail ignored;
	int r;

	t->created_at = time(NULL);
	pthread_mutex_lock(&p->lock);
	r = db_begin(p, f);
	if (r == 0) {
		r = complete(p, id, request, t, once, answer, f);
		/* Somebody was faster: the template is theirs. */
		if (r == 0)
			r = db_run(p, ROLLBACK, f);
		else
			r = db_end(p, r, f);
	}
	if (r == -1 && sqlite3_get_autocommit(p->db) == 0)
		db_run(p, ROLLBACK, &ignored);
	pthread_mutex_unlock(&p->lock);
	if (r != 1)
		buf_clear(answer);
	return r;
}

int
platform_expire(struct platform *p, int64_t before,
    void (*each)(void *, struct build *), void *arg, struct fail *f)
{
	sqlite3_stmt *st = p->st[BUILD_OLD];
	struct build b;
	int r, step;

	pthread_mutex_lock(&p->lock);
	r = db_begin(p, f);
	if (r == 0) {
		db_number(p, BUILD_OLD, 1, before);
		while ((step = sqlite3_step(st)) == SQLITE_ROW && r == 0) {
			if ((r = build_row(st, &b, f)) == -1)
				break;
			if (each != NULL)
				each(arg, &b);
			build_free(&b);
		}
		if (r == 0 && step != SQLITE_DONE)
			r = db_fail(p, f);
		db_done(p, BUILD_OLD);
		db_number(p, BUILD_EXPIRE, 1, before);
		db_number(p, ONCE_EXPIRE, 1, before);
		if (r == 0 && (db_run(p, BUILD_EXPIRE, f) == -1 ||
		    db_run(p, ONCE_EXPIRE, f) == -1))
			r = -1;
		r = db_end(p, r, f);
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}
