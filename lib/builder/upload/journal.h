#ifndef TL_BUILDER_JOURNAL_H
#define TL_BUILDER_JOURNAL_H

#include <stdint.h>

#include "builder/upload/partsum.h"
#include "core/fail.h"

/*
 * Which parts of an upload a store has acknowledged, on disk:
 *
 *	tl-upload 1 SHA256-OF-UPLOAD-ID SIZE PART-SIZE
 *	NUMBER MD5 ETAG
 *
 * A line a part, synced, appended as they come; a torn last line does not
 * count.  One user at a time: the file is locked.
 */
struct journal;

/*
 * Open or make the file, mode 0600, and tell each part it names.  If it is of
 * another upload, size or part size it is emptied; a file that is no journal
 * is refused (EX_DATAERR) and left alone.  In use: EX_TEMPFAIL.
 */
struct journal *journal_open(const char *path, const char *upload_id,
	    uint64_t size, uint64_t part_size,
	    void (*each)(void *arg, uint64_t number,
	    const unsigned char md5[PARTSUM_LEN], const char *etag),
	    void *arg, struct fail *);
int	journal_add(struct journal *, uint64_t number,
	    const unsigned char md5[PARTSUM_LEN], const char *etag,
	    struct fail *);
/* Close it, and remove the file if the upload is over. */
void	journal_close(struct journal *, int over);

#endif
