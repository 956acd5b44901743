#ifndef TL_REGION_OBJECTS_IMPL_H
#define TL_REGION_OBJECTS_IMPL_H

/*
 * What the files behind objects.h share; for nobody else.  Each stands on
 * those below it only:
 *
 *	objects_open.c		a store, from its start to its end
 *	objects_sweep.c		what a crash left behind
 *	objects_list.c		all that is in a bucket
 *	objects_write.c		an object's or a part's bytes, coming in
 *	objects_read.c		an object's bytes, going out; deleting it
 *	objects_upload.c	multipart uploads
 *	objects_data.c		the files with bytes, and who reads them
 *	objects_manifest.c	what an object is; where things are
 */

#include <pthread.h>

#include "region/store/objects.h"

#define PATH_SIZE	256

/* An object's bytes that somebody reads, to be removed when nobody does. */
struct hold {
	struct hold	*next;
	char		 bucket[64];
	char		 id[OBJECTS_ID + 1];
	unsigned	 refs;
	bool		 doomed;
};

struct objects {
	int		 root;
	int		 lock;
	char		**buckets;
	size_t		 nbuckets;
	uint64_t	 part_min;
	pthread_mutex_t	 mutex;		/* of all below and of what counts */
	struct hold	*holds;
};

int	objects_random(char *, size_t bytes, struct fail *);
bool	objects_id_ok(const char *);

/* Where things are, below the root. */
void	objects_object_path(char [PATH_SIZE], const char *bucket,
	    const char *key);
void	objects_upload_path(char [PATH_SIZE], const char *bucket,
	    const char *id);
void	objects_data_path(char [PATH_SIZE], const char *bucket,
	    const char *id, const char *file);
int	objects_sync_dir(const struct objects *, const char *path,
	    struct fail *);
/* The folder a path is in, so that a rename there lasts. */
int	objects_sync_parent(const struct objects *, const char *path,
	    struct fail *);

/* The file of an object or of an upload: 1 read, 0 there is none, -1. */
int	manifest_read(const struct objects *, const char *path,
	    struct object *, struct fail *);
int	manifest_write(const struct objects *, const char *path,
	    const struct object *, struct fail *);
void	manifest_clear(struct object *);

/* All that follows with the mutex held. */
int	objects_data_make(struct objects *, const char *bucket,
	    const char *id, struct fail *);
int	objects_data_open(struct objects *, const char *bucket,
	    const char *id, struct fail *);
void	objects_data_remove(const struct objects *, const char *bucket,
	    const char *id);
/* Somebody reads it, until objects_data_let(). */
int	objects_data_hold(struct objects *, const char *bucket,
	    const char *id, struct fail *);
void	objects_data_let(struct objects *, const char *bucket,
	    const char *id);
/* Remove it, as soon as nobody reads it. */
void	objects_data_doom(struct objects *, const char *bucket,
	    const char *id);
/* Make an object count, and its forerunner not. */
int	objects_install(struct objects *, const struct object *,
	    struct fail *);
/* An upload's id is only good together with its bucket and key. */
enum objects_result	objects_upload_find(struct objects *,
	    const char *bucket, const char *key, const char *id,
	    struct object *, struct fail *);
/* Remove links and parts that did not become extents; closes fd. */
void	objects_upload_tidy(int fd, struct extent *, size_t n);

/* A look at all objects, or all open uploads, of a bucket. */
struct objects_walk {
	struct objects	*o;
	const char	*bucket;
	/* b is the callee's to keep; it clears what it was given. */
	int		(*each)(struct objects_walk *, const char *path,
			    struct object *b, struct fail *);
	bool		 sweep;		/* unlink what is half written */
	const char	*prefix;
	struct objects_entry *entries;
	size_t		 n, room;
};

/* what: "objects" or "uploads". */
int	objects_walk(struct objects_walk *, const char *what, struct fail *);
/* For each: those whose key has the prefix become entries. */
int	objects_walk_keep(struct objects_walk *, const char *path,
	    struct object *, struct fail *);

/* Remove what a crash left behind. */
int	objects_sweep(struct objects *, const char *bucket, struct fail *);

#endif
