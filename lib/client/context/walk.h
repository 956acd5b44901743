#ifndef TL_CLIENT_WALK_H
#define TL_CLIENT_WALK_H

#include <sys/stat.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/context/leave.h"
#include "core/buf.h"
#include "core/fail.h"
#include "dockerfile/ignore.h"

/*
 * What is in a folder and below, without going through a link.
 *
 * Entries stand in the order of their paths' bytes, with a slash behind a
 * folder's ("a.c", "a/", "a/b"), so a folder comes before what is in it.  Each
 * knows whether it stays out and why.  A folder that an ignore file keeps out
 * is not walked when nothing below can come back, and is in after all when
 * something does.
 */
enum walk_kind {
	WALK_FILE,
	WALK_LINK,
	WALK_FOLDER,
	WALK_FIFO,
	WALK_SOCKET,
	WALK_DEVICE
};

enum walk_why {
	WALK_IN,
	WALK_IGNORED,		/* by the pattern at line */
	WALK_SPECIAL,		/* a FIFO, socket or device */
	WALK_OUTPUT,		/* the file that is being written */
	WALK_OWN,		/* a file or folder of this toolkit's, in use */
	WALK_PRIVATE,		/* a folder that holds WALK_MARKER */
	WALK_LEFT		/* on the list of what to leave out */
};

/*
 * A folder with an entry of this name never goes in, whatever an ignore file
 * says: a build folder, a region's state, or one that a user has marked.
 */
#define WALK_MARKER	".tl-private"

/* What stays out by its identity or place, whatever an ignore file says. */
struct walk_never {
	const struct stat	*output;	/* NULL: nothing is written */
	const struct stat	*own;
	size_t			 n;
	struct leave		*leave;
};

struct walk_entry {
	uint64_t	 size;		/* of a file; else 0 */
	size_t		 name;		/* where it stands in names */
	dev_t		 dev;		/* as it was when it was listed */
	ino_t		 ino;
	struct timespec	 mtim, ctim;
	mode_t		 mode;
	uint32_t	 parent;	/* its folder's entry, or WALK_ROOT */
	uint32_t	 line;
	uint8_t		 kind;		/* enum walk_kind */
	uint8_t		 why;		/* enum walk_why */
	bool		 linked;	/* it has several names */
};

#define WALK_ROOT	UINT32_MAX

/* Linux takes no longer path, so no one could unpack it. */
#define WALK_PATH_MAX	4095

struct walk {
	struct walk_entry	*entry;
	size_t			 n, cap;
	struct buf		 names;	/* each with its NUL */
};

/*
 * Names of a tree are kept in memory: about 100 bytes an entry, of which 20 are
 * its name, so this many bytes of names are tens of millions of files.
 */
#define WALK_NAMES_MAX	(2UL << 30)
#define WALK_INIT	{ NULL, 0, 0, BUF_INIT(WALK_NAMES_MAX) }

/*
 * List what is below the open folder root; what calls it that in messages.
 * A folder that must be walked and cannot be, or a file that goes in and may
 * not be read, is EX_NOINPUT; a root that is itself to stay out is EX_DATAERR.
 */
int	walk_tree(struct walk *, int root, const char *what,
	    const struct ignore *, const struct walk_never *, struct fail *);
void	walk_free(struct walk *);

/* What an entry knows of that, and a size of files only; the rest is 0. */
struct stat walk_stat(const struct walk_entry *);

/* An entry's own name, and its path from the root, "/" behind a folder's. */
const char *walk_name(const struct walk *, size_t entry);
int	walk_path(const struct walk *, size_t entry, struct buf *,
	    struct fail *);

/*
 * A path as messages show it: quoted, below what (left away for "."), its
 * middle cut out where it is long.  Returns dst.
 */
#define WALK_SHOWN	400
const char *walk_show(char dst[WALK_SHOWN], const char *what,
	    const char *path);

#endif
