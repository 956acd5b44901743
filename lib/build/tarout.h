#ifndef TL_BUILD_TAROUT_H
#define TL_BUILD_TAROUT_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/fail.h"

/*
 * A whole tree as a pax archive (POSIX.1-2001): plain ustar headers, and pax
 * records for what does not fit them, extended attributes among it
 * (SCHILY.xattr.NAME, as GNU tar, bsdtar and containers have them).
 */
struct tarout;

struct tarout_entry {
	const char	*name;		/* a folder's without its slash */
	mode_t		 mode;		/* type and permissions */
	bool		 hard;		/* another name of link */
	uint32_t	 uid, gid;
	int64_t		 mtime;
	uint64_t	 size;		/* of the data that follows */
	const char	*link;		/* a symbolic or hard link's target */
	unsigned	 major, minor;
};

struct tarout	*tarout_new(int fd, struct fail *);
void		 tarout_free(struct tarout *);
/* An attribute of the entry that is begun next. */
int		 tarout_xattr(struct tarout *, const char *name,
		    const void *value, size_t, struct fail *);
/* The next entry; the data of the one before must be whole. */
int		 tarout_begin(struct tarout *, const struct tarout_entry *,
		    struct fail *);
int		 tarout_data(struct tarout *, const void *, size_t,
		    struct fail *);
int		 tarout_end(struct tarout *, struct fail *);

#endif
