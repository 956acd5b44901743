#include <sys/stat.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "region/platform/database.h"

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

/*
 * What is known of a snapshot's bytes, by the project that said so.  Made where
 * it is not there; earlier programs pass it over.
 */
static const char sums[] =
    "CREATE TABLE IF NOT EXISTS sum ("
    " project TEXT NOT NULL, uri TEXT NOT NULL, sha256 TEXT NOT NULL,"
    " PRIMARY KEY (project, uri)) STRICT, WITHOUT ROWID;";

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
    " public, created_at, row, (SELECT sha256 FROM sum WHERE" \
    " sum.project = template.project AND sum.uri = snapshot_uri)"

#define BUILD_COLUMNS "id, project, name, dockerfile, base_image, public," \
    " node_kind, parent_uri, snapshot_id, rel_path, upload_id, created_at," \
    " request, answer"

static const char *const sql[STATEMENTS] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[TEMPLATE_NAMED] = "SELECT " COLUMNS " FROM template"
	    " WHERE name = ?2 AND (project = ?1 OR public)"
	    " ORDER BY project != ?1, project != '', row LIMIT 1",
	[TEMPLATE_BY_ID] = "SELECT " COLUMNS " FROM template"
	    " WHERE id = ?2 AND (project = ?1 OR public)",
	[TEMPLATE_BY_SNAPSHOT] = "SELECT " COLUMNS " FROM template"
	    " WHERE snapshot_id = ?2 AND project = ?1 ORDER BY row LIMIT 1",
	[TEMPLATE_LIST] = "SELECT " COLUMNS " FROM template"
	    " WHERE row > ?2 AND (project = ?1 OR public) AND NOT EXISTS ("
	    "  SELECT 1 FROM template u WHERE u.name = template.name"
	    "   AND (u.project = ?1 OR u.public)"
	    "   AND (u.project != ?1, u.project != '', u.row) <"
	    "   (template.project != ?1, template.project != '', template.row))"
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
	[SUM_PUT] = "INSERT OR REPLACE INTO sum (project, uri, sha256)"
	    " VALUES (?1, ?2, ?3)",
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

int
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

int
db_run(struct platform *p, enum statement which, struct fail *f)
{
	int r = sqlite3_step(p->st[which]);

	if (r != SQLITE_DONE && r != SQLITE_ROW)
		db_fail(p, f);
	sqlite3_reset(p->st[which]);
	sqlite3_clear_bindings(p->st[which]);
	return r == SQLITE_DONE || r == SQLITE_ROW ? 0 : -1;
}

/* A statement's next row: 1, 0 if there is none, -1; db_done() resets it. */
static int
db_step(struct platform *p, enum statement which, struct fail *f)
{
	switch (sqlite3_step(p->st[which])) {
	case SQLITE_ROW:
		return 1;
	case SQLITE_DONE:
		return 0;
	default:
		return db_fail(p, f);
	}
}

void
db_done(struct platform *p, enum statement which)
{
	sqlite3_reset(p->st[which]);
	sqlite3_clear_bindings(p->st[which]);
}

int
db_find(struct platform *p, enum statement which, const char *project,
    const char *what, struct fail *f)
{
	pthread_mutex_lock(&p->lock);
	db_text(p, which, 1, project);
	db_text(p, which, 2, what);
	return db_step(p, which, f);
}

void
db_found(struct platform *p, enum statement which)
{
	db_done(p, which);
	pthread_mutex_unlock(&p->lock);
}

void
db_text(struct platform *p, enum statement which, int i, const char *s)
{
	if (s == NULL)
		sqlite3_bind_null(p->st[which], i);
	else
		sqlite3_bind_text(p->st[which], i, s, -1, SQLITE_STATIC);
}

void
db_number(struct platform *p, enum statement which, int i, int64_t n)
{
	sqlite3_bind_int64(p->st[which], i, n);
}

int
db_begin(struct platform *p, struct fail *f)
{
	return db_run(p, BEGIN, f);
}

int
db_end(struct platform *p, int result, struct fail *f)
{
	struct fail ignored;

	if (result != -1 && db_run(p, COMMIT, f) == 0)
		return result;
	if (sqlite3_get_autocommit(p->db) == 0)
		db_run(p, ROLLBACK, &ignored);
	return -1;
}

int
db_column(sqlite3_stmt *st, int i, char **to, struct fail *f)
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
	if (r == 0 && sqlite3_exec(p->db, sums, NULL, NULL, NULL) != SQLITE_OK)
		r = db_fail(p, f);
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
