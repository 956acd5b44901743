#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "region/platform/platform.h"

#define BUSY_MS		5000
#define APPLICATION_ID	0x746c7066	/* "tlpf": not somebody else's file */

/*
 * Each snapshot that was a template's once.  It outlives the template, which
 * may be deleted or built again: others may hold differences against it.
 */
#define SNAPSHOTS \
    "CREATE TABLE snapshot (" \
    " uri TEXT NOT NULL, project TEXT NOT NULL, node_kind TEXT," \
    " parent_uri TEXT, PRIMARY KEY (uri, project)) STRICT;" \
    SNAPSHOT_TRIGGER("added", "INSERT") \
    SNAPSHOT_TRIGGER("changed", "UPDATE")
#define SNAPSHOT_TRIGGER(name, event) \
    "CREATE TRIGGER snapshot_" name " AFTER " event " ON template BEGIN" \
    " INSERT INTO snapshot (uri, project, node_kind, parent_uri)" \
    " VALUES (new.snapshot_uri, new.project, new.node_kind," \
    " new.parent_uri) ON CONFLICT DO UPDATE SET" \
    " node_kind = excluded.node_kind, parent_uri = excluded.parent_uri;" \
    " END;"

static const char schema[] =
    "PRAGMA application_id = 1953263718;"
    "PRAGMA user_version = 2;"
    "CREATE TABLE template ("
    " row INTEGER PRIMARY KEY AUTOINCREMENT,"
    " project TEXT NOT NULL, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL,"
    " snapshot_id TEXT NOT NULL, snapshot_sandbox_id TEXT,"
    " snapshot_uri TEXT NOT NULL, snapshot_format TEXT,"
    " snapshot_bytes INTEGER NOT NULL, rootfs_bytes INTEGER NOT NULL,"
    " node_kind TEXT, rootfs_format TEXT, parent_uri TEXT,"
    " base_image TEXT, dockerfile TEXT, public INTEGER NOT NULL,"
    " created_at INTEGER NOT NULL, UNIQUE (project, name)) STRICT;"
    "CREATE INDEX template_name ON template (name);"
    "CREATE TABLE build ("
    " id TEXT PRIMARY KEY, project TEXT NOT NULL, name TEXT NOT NULL,"
    " dockerfile TEXT NOT NULL, base_image TEXT, public INTEGER NOT NULL,"
    " node_kind TEXT NOT NULL, parent_uri TEXT, snapshot_id TEXT NOT NULL,"
    " rel_path TEXT NOT NULL, upload_id TEXT, created_at INTEGER NOT NULL,"
    " request TEXT, answer TEXT) STRICT;"
    "CREATE INDEX build_open ON build (created_at) WHERE answer IS NULL;"
    "CREATE TABLE once ("
    " project TEXT NOT NULL, key TEXT NOT NULL, print TEXT NOT NULL,"
    " answer BLOB NOT NULL, created_at INTEGER NOT NULL,"
    " PRIMARY KEY (project, key)) STRICT;"
    "CREATE INDEX once_age ON once (created_at);"
    SNAPSHOTS;

/* Version 1 had no snapshots; the answers to complete say which there were. */
static const char upgrade[] =
    "PRAGMA user_version = 2;"
    SNAPSHOTS
    "INSERT INTO snapshot (uri, project, node_kind, parent_uri)"
    " SELECT snapshot_uri, project, node_kind, parent_uri FROM template"
    " WHERE true ON CONFLICT DO NOTHING;"
    "INSERT INTO snapshot (uri, project, node_kind, parent_uri)"
    " SELECT json_extract(answer, '$.snapshotUri'), project, node_kind,"
    " parent_uri FROM build WHERE json_valid(answer)"
    " AND json_extract(answer, '$.snapshotUri') IS NOT NULL"
    " ON CONFLICT DO NOTHING;";

/* Of the columns in this order, template_row() makes a template. */
#define COLUMNS "id, project, name, snapshot_id, snapshot_sandbox_id," \
    " snapshot_uri, snapshot_format, snapshot_bytes, rootfs_bytes," \
    " node_kind, rootfs_format, parent_uri, base_image, dockerfile," \
    " public, created_at, row"

#define BUILD_COLUMNS "id, project, name, dockerfile, base_image, public," \
    " node_kind, parent_uri, snapshot_id, rel_path, upload_id, created_at," \
    " request, answer"

enum statement {
	BEGIN, COMMIT, ROLLBACK,
	TEMPLATE_NAMED, TEMPLATE_BY_ID, TEMPLATE_LIST, TEMPLATE_PUT,
	TEMPLATE_DELETE, TEMPLATE_UNSEED,
	SNAPSHOT_BELOW, SNAPSHOT_VISIBLE,
	ONCE_GET, ONCE_PUT, ONCE_EXPIRE,
	BUILD_ADD, BUILD_GET, BUILD_COMPLETE, BUILD_OLD, BUILD_EXPIRE,
	STATEMENTS
};

static const char *const sql[STATEMENTS] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[TEMPLATE_NAMED] = "SELECT " COLUMNS " FROM template"
	    " WHERE name = ?2 AND (project = ?1 OR public)"
	    " ORDER BY project != ?1, project != '', row LIMIT 1",
	[TEMPLATE_BY_ID] = "SELECT " COLUMNS " FROM template"
	    " WHERE id = ?2 AND (project = ?1 OR public)",
	[TEMPLATE_LIST] = "SELECT " COLUMNS " FROM template t"
	    " WHERE row > ?2 AND (project = ?1 OR public) AND NOT EXISTS ("
	    "  SELECT 1 FROM template u WHERE u.name = t.name"
	    "   AND (u.project = ?1 OR u.public)"
	    "   AND (u.project != ?1, u.project != '', u.row) <"
	    "   (t.project != ?1, t.project != '', t.row))"
	    " ORDER BY row LIMIT ?3",
	[TEMPLATE_PUT] = "INSERT INTO template (id, project, name,"
	    " snapshot_id, snapshot_sandbox_id, snapshot_uri,"
	    " snapshot_format, snapshot_bytes, rootfs_bytes, node_kind,"
	    " rootfs_format, parent_uri, base_image, dockerfile, public,"
	    " created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,"
	    " ?11, ?12, ?13, ?14, ?15, ?16)"
	    " ON CONFLICT (project, name) DO UPDATE SET"
	    " snapshot_id = excluded.snapshot_id,"
	    " snapshot_sandbox_id = excluded.snapshot_sandbox_id,"
	    " snapshot_uri = excluded.snapshot_uri,"
	    " snapshot_format = excluded.snapshot_format,"
	    " snapshot_bytes = excluded.snapshot_bytes,"
	    " rootfs_bytes = excluded.rootfs_bytes,"
	    " node_kind = excluded.node_kind,"
	    " rootfs_format = excluded.rootfs_format,"
	    " parent_uri = excluded.parent_uri,"
	    " base_image = excluded.base_image,"
	    " dockerfile = excluded.dockerfile,"
	    " public = excluded.public,"
	    " created_at = excluded.created_at RETURNING id",
	[TEMPLATE_DELETE] = "DELETE FROM template"
	    " WHERE project = ?1 AND name = ?2",
	[TEMPLATE_UNSEED] = "DELETE FROM template WHERE project = ''",
	[SNAPSHOT_BELOW] = "SELECT node_kind, parent_uri FROM snapshot"
	    " WHERE uri = ?2"
	    " ORDER BY project != ?1, project != '', rowid LIMIT 1",
	[SNAPSHOT_VISIBLE] = "SELECT 1 FROM snapshot"
	    " WHERE uri = ?2 AND project IN (?1, '') UNION ALL"
	    " SELECT 1 FROM template WHERE snapshot_uri = ?2 AND public"
	    " LIMIT 1",
	[ONCE_GET] = "SELECT print, answer FROM once"
	    " WHERE project = ?1 AND key = ?2",
	[ONCE_PUT] = "INSERT INTO once (project, key, print, answer,"
	    " created_at) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
	[ONCE_EXPIRE] = "DELETE FROM once WHERE created_at < ?1",
	[BUILD_ADD] = "INSERT INTO build (" BUILD_COLUMNS ") VALUES"
	    " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, NULL, NULL)",
	[BUILD_GET] = "SELECT " BUILD_COLUMNS " FROM build"
	    " WHERE project = ?1 AND id = ?2",
	[BUILD_COMPLETE] = "UPDATE build SET request = ?3, answer = ?4"
	    " WHERE project = ?1 AND id = ?2 AND answer IS NULL",
	[BUILD_OLD] = "SELECT " BUILD_COLUMNS " FROM build"
	    " WHERE answer IS NULL AND created_at < ?1"
	    " AND upload_id IS NOT NULL",
	[BUILD_EXPIRE] = "DELETE FROM build"
	    " WHERE answer IS NULL AND created_at < ?1",
};

struct platform {
	sqlite3		*db;
	sqlite3_stmt	*st[STATEMENTS];
	pthread_mutex_t	 lock;		/* of the statements, and so of all */
};

static int
db_fail(const struct platform *p, struct fail *f)
{
	int code = sqlite3_errcode(p->db) & 0xff, status;

	switch (code) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		status = EX_TEMPFAIL;
		break;
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT:
		status = EX_CONFIG;
		break;
	case SQLITE_FULL:
	case SQLITE_IOERR:
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
		status = EX_IOERR;
		break;
	default:
		status = EX_SOFTWARE;
	}
	return fail_set(f, status, "database: %s", sqlite3_errmsg(p->db));
}

/* Steps over what has no rows of interest. */
static int
run(struct platform *p, enum statement which, struct fail *f)
{
	int r = sqlite3_step(p->st[which]);

	if (r != SQLITE_DONE && r != SQLITE_ROW)
		db_fail(p, f);
	sqlite3_reset(p->st[which]);
	sqlite3_clear_bindings(p->st[which]);
	return r == SQLITE_DONE || r == SQLITE_ROW ? 0 : -1;
}

static void
done(struct platform *p, enum statement which)
{
	sqlite3_reset(p->st[which]);
	sqlite3_clear_bindings(p->st[which]);
}

/* Bound texts outlive the statement's run, so none is copied. */
static void
text(struct platform *p, enum statement which, int i, const char *s)
{
	if (s == NULL)
		sqlite3_bind_null(p->st[which], i);
	else
		sqlite3_bind_text(p->st[which], i, s, -1, SQLITE_STATIC);
}

static void
number(struct platform *p, enum statement which, int i, int64_t n)
{
	sqlite3_bind_int64(p->st[which], i, n);
}

static int
begin(struct platform *p, struct fail *f)
{
	return run(p, BEGIN, f);
}

/* End a transaction one way or the other. */
static int
end(struct platform *p, int result, struct fail *f)
{
	struct fail ignored;

	if (result != -1 && run(p, COMMIT, f) == 0)
		return result;
	if (sqlite3_get_autocommit(p->db) == 0)
		run(p, ROLLBACK, &ignored);
	return -1;
}

static int
column(sqlite3_stmt *st, int i, char **to, struct fail *f)
{
	const unsigned char *s = sqlite3_column_text(st, i);

	if (s == NULL && sqlite3_column_type(st, i) == SQLITE_NULL) {
		*to = NULL;
		return 0;
	}
	if (s == NULL || (*to = strdup((const char *)s)) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	return 0;
}

static int
template_row(sqlite3_stmt *st, struct platform_template *t, struct fail *f)
{
	*t = (struct platform_template)PLATFORM_TEMPLATE_INIT;
	if (column(st, 0, &t->id, f) == -1 ||
	    column(st, 1, &t->project, f) == -1 ||
	    column(st, 2, &t->name, f) == -1 ||
	    column(st, 3, &t->snapshot_id, f) == -1 ||
	    column(st, 4, &t->snapshot_sandbox_id, f) == -1 ||
	    column(st, 5, &t->snapshot_uri, f) == -1 ||
	    column(st, 6, &t->snapshot_format, f) == -1 ||
	    column(st, 9, &t->node_kind, f) == -1 ||
	    column(st, 10, &t->rootfs_format, f) == -1 ||
	    column(st, 11, &t->parent_uri, f) == -1 ||
	    column(st, 12, &t->base_image, f) == -1 ||
	    column(st, 13, &t->dockerfile, f) == -1) {
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
build_row(sqlite3_stmt *st, struct build *b, struct fail *f)
{
	*b = (struct build)BUILD_INIT;
	if (column(st, 0, &b->id, f) == -1 ||
	    column(st, 1, &b->project, f) == -1 ||
	    column(st, 2, &b->name, f) == -1 ||
	    column(st, 3, &b->dockerfile, f) == -1 ||
	    column(st, 4, &b->base_image, f) == -1 ||
	    column(st, 6, &b->node_kind, f) == -1 ||
	    column(st, 7, &b->parent_uri, f) == -1 ||
	    column(st, 8, &b->snapshot_id, f) == -1 ||
	    column(st, 9, &b->rel_path, f) == -1 ||
	    column(st, 10, &b->upload_id, f) == -1 ||
	    column(st, 12, &b->request, f) == -1 ||
	    column(st, 13, &b->answer, f) == -1) {
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

/* Opening. */

static int
pragma(struct platform *p, const char *name, int64_t *value, struct fail *f)
{
	char query[64];
	sqlite3_stmt *st;
	int r = SQLITE_ERROR;

	snprintf(query, sizeof(query), "PRAGMA %s", name);
	if (sqlite3_prepare_v2(p->db, query, -1, &st, NULL) == SQLITE_OK)
		r = sqlite3_step(st);
	if (r == SQLITE_ROW)
		*value = sqlite3_column_int64(st, 0);
	else
		db_fail(p, f);
	sqlite3_finalize(st);
	return r == SQLITE_ROW ? 0 : -1;
}

/* Make the tables, once; several processes may start at once. */
static int
make_tables(struct platform *p, struct fail *f)
{
	int64_t app = 0, version = 0, pages = 0;
	int r = -1;

	if (sqlite3_exec(p->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) !=
	    SQLITE_OK)
		return db_fail(p, f);
	if (pragma(p, "application_id", &app, f) == -1 ||
	    pragma(p, "user_version", &version, f) == -1 ||
	    pragma(p, "page_count", &pages, f) == -1)
		;
	else if (app == APPLICATION_ID && version == 2)
		r = 0;
	else if (app == APPLICATION_ID && version == 1)
		r = sqlite3_exec(p->db, upgrade, NULL, NULL, NULL) ==
		    SQLITE_OK ? 0 : db_fail(p, f);
	else if (app == APPLICATION_ID)
		fail_set(f, EX_CONFIG, "made by another version of the "
		    "program (%jd)", (intmax_t)version);
	else if (app != 0 || version != 0 || pages > 1)
		fail_set(f, EX_CONFIG, "a database of another program");
	else if (sqlite3_exec(p->db, schema, NULL, NULL, NULL) == SQLITE_OK)
		r = 0;
	else
		db_fail(p, f);
	if (sqlite3_exec(p->db, r == 0 ? "COMMIT" : "ROLLBACK", NULL, NULL,
	    NULL) != SQLITE_OK && r == 0)
		return db_fail(p, f);
	return r;
}

static int
open_tables(struct platform *p, const char *path, struct fail *f)
{
	struct stat st;
	int fd, i;

	/* SQLite gives its other files the mode of this one. */
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd == -1)
		return fail_sys(f, EX_CANTCREAT, "cannot be opened");
	if (fstat(fd, &st) == -1 || (st.st_mode & 077) != 0) {
		close(fd);
		return fail_set(f, EX_CONFIG, "others may read or write it; "
		    "chmod 600");
	}
	close(fd);
	if (sqlite3_open_v2(path, &p->db, SQLITE_OPEN_READWRITE |
	    SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_EXRESCODE, NULL) != SQLITE_OK)
		return p->db == NULL ? fail_set(f, EX_OSERR, "out of memory") :
		    db_fail(p, f);
	sqlite3_busy_timeout(p->db, BUSY_MS);
	if (sqlite3_exec(p->db, "PRAGMA journal_mode = WAL;"
	    "PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF;",
	    NULL, NULL, NULL) != SQLITE_OK)
		return db_fail(p, f);
	if (make_tables(p, f) == -1)
		return -1;
	for (i = 0; i < STATEMENTS; i++)
		if (sqlite3_prepare_v3(p->db, sql[i], -1,
		    SQLITE_PREPARE_PERSISTENT, &p->st[i], NULL) != SQLITE_OK)
			return db_fail(p, f);
	return 0;
}

struct platform *
platform_open(const char *path, struct fail *f)
{
	struct platform *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		fail_set(f, EX_OSERR, "out of memory");
		return NULL;
	}
	pthread_mutex_init(&p->lock, NULL);
	if (open_tables(p, path, f) == 0)
		return p;
	fail_in(f, path);
	platform_close(p);
	return NULL;
}

void
platform_close(struct platform *p)
{
	int i;

	if (p == NULL)
		return;
	for (i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(p->st[i]);
	sqlite3_close(p->db);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

char *
platform_new_id(const char *prefix, struct fail *f)
{
	static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz";
	size_t i, n = strlen(prefix);
	char *id = malloc(n + 21);

	if (id == NULL) {
		fail_set(f, EX_OSERR, "out of memory");
		return NULL;
	}
	memcpy(id, prefix, n);
	for (i = 0; i < 20; i++)
		id[n + i] = letters[arc4random_uniform(sizeof(letters) - 1)];
	id[n + i] = '\0';
	return id;
}

/* Templates. */

static int
template_get(struct platform *p, enum statement which, const char *project,
    const char *what, struct platform_template *t, struct fail *f)
{
	int r;

	pthread_mutex_lock(&p->lock);
	text(p, which, 1, project);
	text(p, which, 2, what);
	switch (sqlite3_step(p->st[which])) {
	case SQLITE_ROW:
		r = template_row(p->st[which], t, f) == -1 ? -1 : 1;
		break;
	case SQLITE_DONE:
		r = 0;
		break;
	default:
		r = db_fail(p, f);
	}
	done(p, which);
	pthread_mutex_unlock(&p->lock);
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
platform_template_list(struct platform *p, const char *project,
    int64_t behind, unsigned limit,
    void (*each)(void *, const struct platform_template *), void *arg,
    struct fail *f)
{
	sqlite3_stmt *st = p->st[TEMPLATE_LIST];
	struct platform_template t;
	int r;

	pthread_mutex_lock(&p->lock);
	text(p, TEMPLATE_LIST, 1, project);
	number(p, TEMPLATE_LIST, 2, behind);
	number(p, TEMPLATE_LIST, 3, limit);
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
	done(p, TEMPLATE_LIST);
	pthread_mutex_unlock(&p->lock);
	return r;
}

static int
put(struct platform *p, struct platform_template *t, struct fail *f)
{
	sqlite3_stmt *st = p->st[TEMPLATE_PUT];
	char *id = NULL;
	int r;

	if (t->id == NULL &&
	    (t->id = platform_new_id("sandbox_template_", f)) == NULL)
		return -1;
	text(p, TEMPLATE_PUT, 1, t->id);
	text(p, TEMPLATE_PUT, 2, t->project);
	text(p, TEMPLATE_PUT, 3, t->name);
	text(p, TEMPLATE_PUT, 4, t->snapshot_id);
	text(p, TEMPLATE_PUT, 5, t->snapshot_sandbox_id);
	text(p, TEMPLATE_PUT, 6, t->snapshot_uri);
	text(p, TEMPLATE_PUT, 7, t->snapshot_format);
	number(p, TEMPLATE_PUT, 8, (int64_t)t->snapshot_bytes);
	number(p, TEMPLATE_PUT, 9, (int64_t)t->rootfs_bytes);
	text(p, TEMPLATE_PUT, 10, t->node_kind);
	text(p, TEMPLATE_PUT, 11, t->rootfs_format);
	text(p, TEMPLATE_PUT, 12, t->parent_uri);
	text(p, TEMPLATE_PUT, 13, t->base_image);
	text(p, TEMPLATE_PUT, 14, t->dockerfile);
	number(p, TEMPLATE_PUT, 15, t->public);
	number(p, TEMPLATE_PUT, 16, t->created_at);
	r = sqlite3_step(st);
	if (r == SQLITE_ROW) {
		r = column(st, 0, &id, f);
		/* RETURNING is done only when it has been stepped past. */
		if (r == 0 && sqlite3_step(st) != SQLITE_DONE)
			r = db_fail(p, f);
	} else
		r = db_fail(p, f);
	done(p, TEMPLATE_PUT);
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
	r = put(p, t, f);
	pthread_mutex_unlock(&p->lock);
	return r;
}

int
platform_template_delete(struct platform *p, const char *project,
    const char *name, struct fail *f)
{
	int r;

	pthread_mutex_lock(&p->lock);
	text(p, TEMPLATE_DELETE, 1, project);
	text(p, TEMPLATE_DELETE, 2, name);
	r = run(p, TEMPLATE_DELETE, f);
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
	r = begin(p, f);
	if (r == 0) {
		r = run(p, TEMPLATE_UNSEED, f);
		for (i = 0; i < n && r == 0; i++)
			if ((r = put(p, &t[i], f)) == -1)
				fail_in(f, t[i].name);
		r = end(p, r, f);
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
	pthread_mutex_lock(&p->lock);
	text(p, SNAPSHOT_BELOW, 1, project);
	text(p, SNAPSHOT_BELOW, 2, uri);
	switch (sqlite3_step(st)) {
	case SQLITE_ROW:
		r = 1;
		if (column(st, 0, &kind, f) == -1 ||
		    (kind != NULL && strcmp(kind, "diff") == 0 &&
		    column(st, 1, below, f) == -1))
			r = -1;
		else if (kind != NULL && strcmp(kind, "diff") == 0)
			r = *below == NULL ? 0 : 2;
		break;
	case SQLITE_DONE:
		r = 0;
		break;
	default:
		r = db_fail(p, f);
	}
	done(p, SNAPSHOT_BELOW);
	pthread_mutex_unlock(&p->lock);
	free(kind);
	return r;
}

int
platform_snapshot_visible(struct platform *p, const char *project,
    const char *uri, struct fail *f)
{
	int r;

	pthread_mutex_lock(&p->lock);
	text(p, SNAPSHOT_VISIBLE, 1, project);
	text(p, SNAPSHOT_VISIBLE, 2, uri);
	switch (sqlite3_step(p->st[SNAPSHOT_VISIBLE])) {
	case SQLITE_ROW:
		r = 1;
		break;
	case SQLITE_DONE:
		r = 0;
		break;
	default:
		r = db_fail(p, f);
	}
	done(p, SNAPSHOT_VISIBLE);
	pthread_mutex_unlock(&p->lock);
	return r;
}

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
	pthread_mutex_lock(&p->lock);
	text(p, ONCE_GET, 1, project);
	text(p, ONCE_GET, 2, once->key);
	switch (sqlite3_step(st)) {
	case SQLITE_ROW:
		print = (const char *)sqlite3_column_text(st, 0);
		if (print == NULL)
			r = fail_set(f, EX_OSERR, "out of memory");
		else if (strcmp(print, once->print) != 0)
			r = PLATFORM_OTHER;
		else
			r = buf_add(answer, sqlite3_column_blob(st, 1),
			    (size_t)sqlite3_column_bytes(st, 1), f) == -1 ?
			    -1 : 1;
		break;
	case SQLITE_DONE:
		r = 0;
		break;
	default:
		r = db_fail(p, f);
	}
	done(p, ONCE_GET);
	pthread_mutex_unlock(&p->lock);
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
	text(p, ONCE_PUT, 1, project);
	text(p, ONCE_PUT, 2, once->key);
	text(p, ONCE_PUT, 3, once->print);
	sqlite3_bind_blob64(p->st[ONCE_PUT], 4, answer->data, answer->len,
	    SQLITE_STATIC);
	number(p, ONCE_PUT, 5, time(NULL));
	if (run(p, ONCE_PUT, f) == -1)
		return -1;
	return sqlite3_changes(p->db) > 0;
}

/* Builds. */

static int
build_put(struct platform *p, const struct build *b, struct fail *f)
{
	text(p, BUILD_ADD, 1, b->id);
	text(p, BUILD_ADD, 2, b->project);
	text(p, BUILD_ADD, 3, b->name);
	text(p, BUILD_ADD, 4, b->dockerfile);
	text(p, BUILD_ADD, 5, b->base_image);
	number(p, BUILD_ADD, 6, b->public);
	text(p, BUILD_ADD, 7, b->node_kind);
	text(p, BUILD_ADD, 8, b->parent_uri);
	text(p, BUILD_ADD, 9, b->snapshot_id);
	text(p, BUILD_ADD, 10, b->rel_path);
	text(p, BUILD_ADD, 11, b->upload_id);
	number(p, BUILD_ADD, 12, b->created_at);
	return run(p, BUILD_ADD, f);
}

int
platform_build_add(struct platform *p, const struct build *b,
    const struct platform_once *once, const struct buf *answer,
    struct fail *f)
{
	int r;

	pthread_mutex_lock(&p->lock);
	r = begin(p, f);
	if (r == 0) {
		r = once_put(p, b->project, once, answer, f);
		if (r == 1 && build_put(p, b, f) == -1)
			r = -1;
		r = end(p, r, f);
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

int
platform_build_get(struct platform *p, const char *project, const char *id,
    struct build *b, struct fail *f)
{
	int r;

	pthread_mutex_lock(&p->lock);
	text(p, BUILD_GET, 1, project);
	text(p, BUILD_GET, 2, id);
	switch (sqlite3_step(p->st[BUILD_GET])) {
	case SQLITE_ROW:
		r = build_row(p->st[BUILD_GET], b, f) == -1 ? -1 : 1;
		break;
	case SQLITE_DONE:
		r = 0;
		break;
	default:
		r = db_fail(p, f);
	}
	done(p, BUILD_GET);
	pthread_mutex_unlock(&p->lock);
	return r;
}

static int
complete(struct platform *p, const char *id, const char *request,
    struct platform_template *t, const struct platform_once *once,
    struct buf *answer, struct fail *f)
{
	struct jout j = JOUT_INIT(answer);

	if (put(p, t, f) == -1)
		return -1;
	platform_template_json(t, &j);
	if (jout_end(&j, f) == -1 || buf_adds(answer, "\n", f) == -1)
		return -1;
	text(p, BUILD_COMPLETE, 1, t->project);
	text(p, BUILD_COMPLETE, 2, id);
	text(p, BUILD_COMPLETE, 3, request);
	text(p, BUILD_COMPLETE, 4, answer->data);
	if (run(p, BUILD_COMPLETE, f) == -1)
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
	r = begin(p, f);
	if (r == 0) {
		r = complete(p, id, request, t, once, answer, f);
		/* Somebody was faster: the template is theirs. */
		if (r == 0)
			r = run(p, ROLLBACK, f);
		else
			r = end(p, r, f);
	}
	if (r == -1 && sqlite3_get_autocommit(p->db) == 0)
		run(p, ROLLBACK, &ignored);
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
	r = begin(p, f);
	if (r == 0) {
		number(p, BUILD_OLD, 1, before);
		while ((step = sqlite3_step(st)) == SQLITE_ROW && r == 0) {
			if ((r = build_row(st, &b, f)) == -1)
				break;
			if (each != NULL)
				each(arg, &b);
			build_free(&b);
		}
		if (r == 0 && step != SQLITE_DONE)
			r = db_fail(p, f);
		done(p, BUILD_OLD);
		number(p, BUILD_EXPIRE, 1, before);
		number(p, ONCE_EXPIRE, 1, before);
		if (r == 0 && (run(p, BUILD_EXPIRE, f) == -1 ||
		    run(p, ONCE_EXPIRE, f) == -1))
			r = -1;
		r = end(p, r, f);
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}
