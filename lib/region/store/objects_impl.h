#ifndef TL_REGION_OBJECTS_IMPL_H
#define TL_REGION_OBJECTS_IMPL_H

/*
 * What the files behind objects.h share; for nobody else.  Each stands on
 * those below it only:
 *
 *	objects_open.c		a store, from its start to its end
 *	objects_sweep.c		what a crash left behind
 *	objects_list.c		all that is in a bucket: on disk, in lists
 *	objects_write.c		an object's or a part's bytes, coming in
 *	objects_read.c		an object's bytes, going out; deleting it
 *	objects_upload.c	multipart uploads
 *	objects_data.c		what counts; the files with bytes, and who
 *				reads them
 *	objects_index.c		the names of all, in memory
 *	objects_when.c		what must hold before a write
 *	objects_manifest.c	what an object is; where things are
 */

#include <pthread.h>

#include <sys/tree.h>

#include "region/store/objects.h"

#define PATH_SIZE	256
/* "MD5-RANDOM", as files were called that do not tell their size. */
#define OBJECTS_FILE_MIN	41

/* An object's bytes that somebody reads, to be removed when nobody does. */
struct hold {
	struct hold	*next;
	char		 bucket[64];
	char		 id[OBJECTS_ID + 1];
	unsigned	 refs;
	bool		 doomed;
};

struct index_item {
	RB_ENTRY(index_item)	node;
	struct objects_entry	entry;
};

RB_HEAD(index, index_item);

struct bucket {
	char		*name;
	struct index	 objects, uploads;
};

/*
 * Who has both locks took that of the uploads first.  Nothing is synced under
 * the other one.
 */
struct objects {
	int		 root;
	int		 lock;
	struct bucket	*buckets;
	size_t		 nbuckets;
	uint64_t	 part_min;
	void		(*log)(const char *);
	pthread_mutex_t	 uploads_mutex;	/* which parts count, and of what */
	pthread_mutex_t	 mutex;		/* which objects; indices, and below */
	struct hold	*holds;
};

struct bucket *objects_bucket_find(const struct objects *, const char *);

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
/* That of an object. */
int	objects_manifest(const struct objects *, const char *bucket,
	    const char *key, struct object *, struct fail *);
/* Written aside and synced; tmp is its name until it is renamed to path. */
int	manifest_write(const struct objects *, const char *path,
	    const struct object *, char tmp[PATH_SIZE], struct fail *);
void	manifest_clear(struct object *);

int	objects_data_make(struct objects *, const char *bucket,
	    const char *id, struct fail *);
int	objects_data_open(struct objects *, const char *bucket,
	    const char *id, struct fail *);
void	objects_data_remove(const struct objects *, const char *bucket,
	    const char *id);
/* Somebody reads it, until objects_data_let().  With the mutex held. */
int	objects_data_hold(struct objects *, const char *bucket,
	    const char *id, struct fail *);
void	objects_data_let(struct objects *, const char *bucket,
	    const char *id);
/* Remove it, as soon as nobody reads it. */
void	objects_data_doom(struct objects *, const char *bucket,
	    const char *id);
/*
 * Make an object count, and its forerunner not, if that is as it must be.  It
 * may count and still be OBJECTS_FAILED: then it may not last.
 */
enum objects_result	objects_install(struct objects *,
	    const struct object *, const struct objects_when *, bool *counts,
	    struct fail *);
/* had: 1, 0 for none, -1 if what is there is damaged. */
enum objects_result	objects_when_check(const struct objects_when *,
	    const struct object *, int had);
/* An upload's id is only good together with its bucket and key. */
enum objects_result	objects_upload_find(struct objects *,
	    const char *bucket, const char *key, const char *id,
	    struct object *, struct fail *);
/* Remove links and parts that did not become extents; closes fd. */
void	objects_upload_tidy(int fd, struct extent *, size_t n);
/* Whether n bytes can be the name of a file with bytes. */
bool	objects_file_ok(const char *, size_t n);
/* A part of an upload by its link: 1, 0 if there is none, -1. */
struct stat;
int	objects_part_read(int dir, const char *name, char file[OBJECTS_FILE],
	    struct stat *, struct fail *);

/* An entry of an index; with the mutex held, but to make and free one. */
struct index_item *objects_item(const struct object *, bool upload,
	    struct fail *);
void	objects_item_free(struct index_item *);
/* In the place of what is there already.  The item is the index's. */
void	objects_index_put(struct index *, struct index_item *);
/* id: of an upload, "" for an object. */
void	objects_index_remove(struct index *, const char *key, const char *id);
void	objects_index_free(struct index *);
int	objects_index_list(struct index *, const struct objects_query *,
	    struct objects_entry *, size_t *n, bool *more, struct fail *);

/* A look at all objects, or all open uploads, of a bucket, on disk. */
struct objects_walk {
	struct objects	*o;
	struct bucket	*bucket;
	/* b is the callee's to keep; it clears what it was given. */
	int		(*each)(struct objects_walk *, const char *path,
			    struct object *b, struct fail *);
	size_t		 damaged;	/* could not be read; was logged */
	char		(*ids)[OBJECTS_ID + 1];	/* of the data of all */
	size_t		 n, room;
};

/* what: "objects" or "uploads".  What is half written is removed. */
int	objects_walk(struct objects_walk *, const char *what, struct fail *);

/* Remove what a crash left behind, and fill the bucket's indices. */
int	objects_sweep(struct objects *, struct bucket *, struct fail *);

#endif
