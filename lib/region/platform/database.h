#ifndef TL_REGION_DATABASE_H
#define TL_REGION_DATABASE_H

#include <pthread.h>
#include <stdint.h>

#include <sqlite3.h>

#include "region/platform/platform.h"

/* What the files that make up platform.h share: its database. */

enum statement {
	BEGIN, COMMIT, ROLLBACK,
	TEMPLATE_NAMED, TEMPLATE_BY_ID, TEMPLATE_BY_SNAPSHOT, TEMPLATE_LIST,
	TEMPLATE_PUT, SUM_PUT, TEMPLATE_DELETE, TEMPLATE_UNSEED,
	SNAPSHOT_BELOW, SNAPSHOT_VISIBLE,
	ONCE_GET, ONCE_PUT, ONCE_EXPIRE,
	BUILD_ADD, BUILD_GET, BUILD_COMPLETE, BUILD_OLD, BUILD_EXPIRE,
	STATEMENTS
};

struct platform {
	sqlite3		*db;
	sqlite3_stmt	*st[STATEMENTS];
	pthread_mutex_t	 lock;		/* of the statements, and so of all */
};

/*
 * All of these but db_find() are called with the lock held.  A failure says
 * what SQLite does; EX_TEMPFAIL if another process has the database.
 */
int	db_fail(const struct platform *, struct fail *);
/* Run a statement, stepping over what has no rows of interest; it is reset. */
int	db_run(struct platform *, enum statement, struct fail *);
/* Reset one whose rows have been read. */
void	db_done(struct platform *, enum statement);
/*
 * Take the lock and run one that asks by two texts: 1 with its first row, 0,
 * -1.  db_found() resets it and lets the lock go.
 */
int	db_find(struct platform *, enum statement, const char *project,
	    const char *what, struct fail *);
void	db_found(struct platform *, enum statement);
/* Bind; a text outlives the statement's run, so none is copied. */
void	db_text(struct platform *, enum statement, int i, const char *);
void	db_number(struct platform *, enum statement, int i, int64_t);
int	db_begin(struct platform *, struct fail *);
/* End a transaction one way or the other: the result, or -1. */
int	db_end(struct platform *, int result, struct fail *);
/* A column's text, malloc'ed, or NULL for a null. */
int	db_column(sqlite3_stmt *, int i, char **, struct fail *);

/* Within a transaction: platform_template_put() has more. */
int	template_put(struct platform *, struct platform_template *,
	    struct fail *);

#endif
