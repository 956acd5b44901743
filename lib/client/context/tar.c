#include <stdbool.h>
#include <string.h>
#include <sysexits.h>

#include "client/context/tar.h"

/* The layout of a header, all fields of bytes: POSIX ustar as GNU has it. */
struct header {
	char	name[100];
	char	mode[8];
	char	uid[8];
	char	gid[8];
	char	size[12];
	char	mtime[12];
	char	sum[8];
	char	type[1];
	char	target[100];
	char	magic[8];
	char	uname[32];
	char	gname[32];
	char	major[8];
	char	minor[8];
	char	unused[41];
	struct piece {
		char	at[12];
		char	len[12];
	}	piece[4];	/* of a sparse file */
	char	more;		/* whether there are others behind */
	char	real[12];	/* its size with the holes */
	char	rest[17];
};

/* Pieces that had no room in the header. */
#define PIECES		21

struct pieces {
	struct piece	 piece[PIECES];
	char		 more;
	char		 rest[7];
};

_Static_assert(sizeof(struct header) == TAR_BLOCK, "a header is a block");
_Static_assert(sizeof(struct pieces) == TAR_BLOCK, "pieces fill a block");

#define TAR_LONG_NAME	'L'
#define TAR_LONG_TARGET	'K'

/*
 * A number: octal digits and a NUL, or where they cannot hold it base 256 in
 * two's complement, with the first bit set to tell.
 */
static void
number(char *field, size_t size, int64_t v)
{
	size_t i;

	if (v >= 0 && (uint64_t)v >> (3 * (size - 1)) == 0) {
		field[size - 1] = '\0';
		for (i = size - 1; i-- > 0; v >>= 3)
			field[i] = (char)('0' + (v & 7));
		return;
	}
	for (i = size; i-- > 0;) {
		field[i] = (char)(v & 0xff);
		/* Shifting a negative number need not keep its sign. */
		v = v < 0 ? ~(~v >> 8) : v >> 8;
	}
	field[0] = (char)(field[0] | 0x80);
}

/*
 * The i-th piece: the extents, and behind them one of nothing at the end, by
 * which readers know how long a last hole is.
 */
static bool
piece(struct piece *p, const struct tar_entry *e, size_t i)
{
	if (i > e->extents->n)
		return false;
	number(p->at, sizeof(p->at), (int64_t)(i == e->extents->n ? e->size :
	    e->extents->list[i].at));
	number(p->len, sizeof(p->len), (int64_t)(i == e->extents->n ? 0 :
	    e->extents->list[i].len));
	return true;
}

uint64_t
tar_bytes(const struct tar_entry *e)
{
	uint64_t n = 0;
	size_t i;

	if (e->extents == NULL)
		return e->size;
	for (i = 0; i < e->extents->n; i++)
		n += e->extents->list[i].len;
	return n;
}

/* sparse NULL: none, and so without pieces. */
static int
add(struct buf *b, int type, const char *name, const char *target,
    mode_t mode, int64_t mtime, uint64_t size, const struct tar_entry *sparse,
    struct fail *f)
{
	unsigned char *p;
	struct header h;
	uint32_t sum = 0;
	size_t i;

	if (size > INT64_MAX)
		return fail_set(f, EX_DATAERR, "more bytes than a tar holds");
	memset(&h, 0, sizeof(h));
	/* Exactly 100 bytes have no NUL; every reader knows. */
	memcpy(h.name, name, strnlen(name, sizeof(h.name)));
	memcpy(h.target, target, strnlen(target, sizeof(h.target)));
	number(h.mode, sizeof(h.mode), (int64_t)(mode & 07777));
	number(h.uid, sizeof(h.uid), 0);
	number(h.gid, sizeof(h.gid), 0);
	number(h.size, sizeof(h.size), (int64_t)size);
	number(h.mtime, sizeof(h.mtime), mtime);
	h.type[0] = (char)type;
	memcpy(h.magic, "ustar  ", sizeof(h.magic));
	if (sparse != NULL) {
		for (i = 0; i < 4 && piece(h.piece + i, sparse, i); i++)
			;
		h.more = sparse->extents->n >= 4;
		number(h.real, sizeof(h.real), (int64_t)sparse->size);
	}
	memset(h.sum, ' ', sizeof(h.sum));
	p = (unsigned char *)&h;
	for (i = 0; i < sizeof(h); i++)
		sum += p[i];
	/* Six digits, a NUL, the blank that was summed. */
	number(h.sum, sizeof(h.sum) - 1, (int64_t)sum);
	return buf_add(b, &h, sizeof(h), f);
}

/* An entry whose bytes are the name, with its NUL, of the entry behind it. */
static int
add_long(struct buf *b, int type, const char *name, struct fail *f)
{
	static const char zeros[TAR_BLOCK];
	size_t len = strlen(name) + 1;

	if (add(b, type, "././@LongLink", "", 0644, 0, len, NULL, f) == -1 ||
	    buf_add(b, name, len, f) == -1)
		return -1;
	return buf_add(b, zeros, tar_padding(len), f);
}

int
tar_header(struct buf *b, const struct tar_entry *e, struct fail *f)
{
	const char *target = e->target != NULL ? e->target : "";
	struct header h;
	size_t i;

	if (strlen(target) > sizeof(h.target) &&
	    add_long(b, TAR_LONG_TARGET, target, f) == -1)
		return -1;
	if (strlen(e->name) > sizeof(h.name) &&
	    add_long(b, TAR_LONG_NAME, e->name, f) == -1)
		return -1;
	if (e->extents != NULL && e->size > INT64_MAX)
		return fail_set(f, EX_DATAERR, "more bytes than a tar holds");
	if (add(b, e->type, e->name, target, e->mode, e->mtime, tar_bytes(e),
	    e->extents != NULL ? e : NULL, f) == -1)
		return -1;
	for (i = 4; e->extents != NULL && i <= e->extents->n; i += PIECES) {
		struct pieces more = { .more = e->extents->n >= i + PIECES };
		size_t k;

		for (k = 0; k < PIECES && piece(more.piece + k, e, i + k); k++)
			;
		if (buf_add(b, &more, sizeof(more), f) == -1)
			return -1;
	}
	return 0;
}
