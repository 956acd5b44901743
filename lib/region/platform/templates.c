#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "region/platform/database.h"

static int
template_row(sqlite3_stmt *st, struct platform_template *t, struct fail *f)
{
	*t = (struct platform_template)PLATFORM_TEMPLATE_INIT;
	if (db_column(st, 0, &t->id, f) == -1 ||
	    db_column(st, 1, &t->project, f) == -1 ||
	    db_column(st, 2, &t->name, f) == -1 ||
	    db_column(st, 3, &t->snapshot_id, f) == -1 ||
	    db_column(st, 4, &t->snapshot_sandbox_id, f) == -1 ||
	    db_column(st, 5, &t->snapshot_uri, f) == -1 ||
	    db_column(st, 6, &t->snapshot_format, f) == -1 ||
	    db_column(st, 9, &t->node_kind, f) == -1 ||
	    db_column(st, 10, &t->rootfs_format, f) == -1 ||
	    db_column(st, 11, &t->parent_uri, f) == -1 ||
	    db_column(st, 12, &t->base_image, f) == -1 ||
	    db_column(st, 13, &t->dockerfile, f) == -1 ||
	    db_column(st, 17, &t->snapshot_sha256, f) == -1) {
		platform_template_free(t);
		return -1;
	}
	t->snapshot_bytes = (uint64_t)sqlite3_column_int64(st, 7);
	t->rootfs_bytes = (uint64_t)sqlite3_column_int64(st, 8);
	t->public = sqlite3_column_int(st, 14) != 0;
	t->created_at = sqlite3_column_int64(st, 15);
	t->row = sqlite3_column_int64(st, 16);
	return 0;
}

static int
template_get(struct platform *p, enum statement which, const char *project,
    const char *what, struct platform_template *t, struct fail *f)
{
	int r = db_find(p, which, project, what, f);

	if (r == 1 && template_row(p->st[which], t, f) == -1)
		r = -1;
	db_found(p, which);
	return r;
}

int
platform_template_named(struct platform *p, const char *project,
    const char *name, struct platform_template *t, struct fail *f)
{
	return template_get(p, TEMPLATE_NAMED, project, name, t, f);
}

int
platform_template_by_id(struct platform *p, const char *project,
    const char *id, struct platform_template *t, struct fail *f)
{
	return template_get(p, TEMPLATE_BY_ID, project, id, t, f);
}

int
platform_template_by_snapshot(struct platform *p, const char *project,
    const char *snapshot_id, struct platform_template *t, struct fail *f)
{
	return template_get(p, TEMPLATE_BY_SNAPSHOT, project, snapshot_id, t,
	    f);
}

int
platform_template_list(struct platform *p, const char *project,
    int64_t behind, unsigned limit,
    void (*each)(void *, const struct platform_template *), void *arg,
    struct fail *f)
{
	sqlite3_stmt *st = p->st[TEMPLATE_LIST];
	struct platform_template t;
	int r;

	pthread_mutex_lock(&p->lock);
	db_text(p, TEMPLATE_LIST, 1, project);
	db_number(p, TEMPLATE_LIST, 2, behind);
	db_number(p, TEMPLATE_LIST, 3, limit);
	while ((r = sqlite3_step(st)) == SQLITE_ROW) {
		if (template_row(st, &t, f) == -1)
			break;
		each(arg, &t);
		platform_template_free(&t);
	}
	if (r == SQLITE_DONE)
		r = 0;
	else if (r == SQLITE_ROW)
		r = -1;
	else
		r = db_fail(p, f);
	db_done(p, TEMPLATE_LIST);
	pthread_mutex_unlock(&p->lock);
	return r;
}

int
template_put(struct platform *p, struct platform_template *t, struct fail *f)
{
	sqlite3_stmt *st = p->st[TEMPLATE_PUT];
	char *id = NULL;
	int r;

	if (t->id == NULL &&
	    (t->id = platform_new_id("sandbox_template_", f)) == NULL)
		return -1;
	if (t->snapshot_sha256 != NULL) {
		db_text(p, SUM_PUT, 1, t->project);
		db_text(p, SUM_PUT, 2, t->snapshot_uri);
		db_text(p, SUM_PUT, 3, t->snapshot_sha256);
		if (db_run(p, SUM_PUT, f) == -1)
			return -1;
	}
	db_text(p, TEMPLATE_PUT, 1, t->id);
	db_text(p, TEMPLATE_PUT, 2, t->project);
	db_text(p, TEMPLATE_PUT, 3, t->name);
	db_text(p, TEMPLATE_PUT, 4, t->snapshot_id);
	db_text(p, TEMPLATE_PUT, 5, t->snapshot_sandbox_id);
	db_text(p, TEMPLATE_PUT, 6, t->snapshot_uri);
	db_text(p, TEMPLATE_PUT, 7, t->snapshot_format);
	db_number(p, TEMPLATE_PUT, 8, (int64_t)t->snapshot_bytes);
	db_number(p, TEMPLATE_PUT, 9, (int64_t)t->rootfs_bytes);
	db_text(p, TEMPLATE_PUT, 10, t->node_kind);
	db_text(p, TEMPLATE_PUT, 11, t->rootfs_format);
	db_text(p, TEMPLATE_PUT, 12, t->parent_uri);
	db_text(p, TEMPLATE_PUT, 13, t->base_image);
	db_text(p, TEMPLATE_PUT, 14, t->dockerfile);
	db_number(p, TEMPLATE_PUT, 15, t->public);
	db_number(p, TEMPLATE_PUT, 16, t->created_at);
	r = sqlite3_step(st);
	if (r == SQLITE_ROW) {
		r = db_column(st, 0, &id, f);
		/* RETURNING is done only when it has been stepped past. */
		if (r == 0 && sqlite3_step(st) != SQLITE_DONE)
			r = db_fail(p, f);
	} else
		r = db_fail(p, f);
	db_done(p, TEMPLATE_PUT);
	if (r == -1) {
		free(id);
		return -1;
	}
	free(t->id);
	t->id = id;
	return 0;
}

int
platform_template_put(struct platform *p, struct platform_template *t,
    struct fail *f)
{
	int r;

	t->created_at = time(NULL);
	pthread_mutex_lock(&p->lock);
	r = template_put(p, t, f);
	pthread_mutex_unlock(&p->lock);
	return r;
}

int
platform_template_delete(struct platform *p, const char *project,
    const char *name, struct fail *f)
{
	int r;

	pthread_mutex_lock(&p->lock);
	db_text(p, TEMPLATE_DELETE, 1, project);
	db_text(p, TEMPLATE_DELETE, 2, name);
	r = db_run(p, TEMPLATE_DELETE, f);
	if (r == 0)
		r = sqlite3_changes(p->db) > 0;
	pthread_mutex_unlock(&p->lock);
	return r;
}

int
platform_seed(struct platform *p, struct platform_template *t, size_t n,
    struct fail *f)
{
	size_t i;
	int r;

	pthread_mutex_lock(&p->lock);
	r = db_begin(p, f);
	if (r == 0) {
		r = db_run(p, TEMPLATE_UNSEED, f);
		for (i = 0; i < n && r == 0; i++)
			if ((r = template_put(p, &t[i], f)) == -1)
				fail_in(f, t[i].name);
		r = db_end(p, r, f);
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

/* Snapshots. */

int
platform_snapshot_below(struct platform *p, const char *project,
    const char *uri, char **below, struct fail *f)
{
	sqlite3_stmt *st = p->st[SNAPSHOT_BELOW];
	char *kind = NULL;
	int r;

	*below = NULL;
	r = db_find(p, SNAPSHOT_BELOW, project, uri, f);
	if (r == 1) {
		if (db_column(st, 0, &kind, f) == -1 ||
		    (kind != NULL && strcmp(kind, "diff") == 0 &&
		    db_column(st, 1, below, f) == -1))
			r = -1;
		else if (kind != NULL && strcmp(kind, "diff") == 0)
			r = *below == NULL ? 0 : 2;
	}
	db_found(p, SNAPSHOT_BELOW);
	free(kind);
	return r;
}

int
platform_snapshot_visible(struct platform *p, const char *project,
    const char *uri, struct fail *f)
{
	int r = db_find(p, SNAPSHOT_VISIBLE, project, uri, f);

	db_found(p, SNAPSHOT_VISIBLE);
	return r;
}
