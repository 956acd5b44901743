#include <sys/random.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "client/context/record.h"
#include "core/hex.h"
#include "core/quote.h"

#define WORD	"tl-context-record 1 "
#define END	"end\n"

/* Digits of a key, an id or a sum. */
#define DIGITS	((size_t)2 * SUM_SIZE)

/* One field up to a tab, or to the line's end if it is the last; NULL: none. */
static const char *
field(const char **p, size_t *len, bool *last)
{
	const char *start = *p;

	*len = strcspn(start, "\t\n");
	if (start[*len] == '\0')
		return NULL;
	*last = start[*len] == '\n';
	*p = start + *len + 1;
	return start;
}

/* A number of up to so many digits, in base 8 or 10, and nothing else. */
static int
number(const char *s, size_t len, int base, int64_t *v)
{
	char *end;

	if (len == 0 || strspn(s, base == 8 ? "01234567" : "-0123456789") !=
	    len)
		return -1;
	errno = 0;
	*v = strtoll(s, &end, base);
	return errno == 0 && end == s + len ? 0 : -1;
}

/* A stamp, and behind it the digest if it is known. */
static int
parse_stamp(struct record *had, const char *s, size_t len)
{
	if (len != 2 * STAMP_SIZE && len != 2 * STAMP_SIZE + DIGITS)
		return -1;
	had->stamped = true;
	had->digested = len > 2 * STAMP_SIZE;
	if (hex_decode(had->stamp, s, STAMP_SIZE) == -1)
		return -1;
	return had->digested ? hex_decode(had->digest, s + 2 * STAMP_SIZE,
	    SUM_SIZE) : 0;
}

/* 1 and the line at *p, which moves on; 0 at the end; -1 if it is none. */
static int
parse(struct records *r, const char **p)
{
	struct record *had = &r->had;
	const char *s;
	bool last;
	int64_t v;
	size_t n;

	if (strcmp(*p, END) == 0)
		return 0;
	if ((s = field(p, &n, &last)) == NULL || n != 1 || last ||
	    strchr("0125S", *s) == NULL)
		return -1;
	had->type = (enum tar_type)*s;
	if ((s = field(p, &n, &last)) == NULL || last ||
	    number(s, n, 8, &v) == -1 || v > 07777)
		return -1;
	had->mode = (mode_t)v;
	if ((s = field(p, &n, &last)) == NULL || n != DIGITS || last ||
	    hex_decode(had->sum, s, SUM_SIZE) == -1)
		return -1;
	if ((s = field(p, &n, &last)) == NULL || last ||
	    number(s, n, 10, &had->mtime) == -1)
		return -1;
	if ((s = field(p, &n, &last)) == NULL || n == 0 ||
	    quote_undo(&r->name, s, n) == -1)
		return -1;
	had->name = r->name.data;
	had->target = NULL;
	had->stamped = had->digested = false;
	if (last)
		return had->type != TAR_SAME ? 1 : -1;
	if ((s = field(p, &n, &last)) == NULL || n == 0 || !last)
		return -1;
	switch (had->type) {
	case TAR_SAME:
		if (quote_undo(&r->target, s, n) == -1)
			return -1;
		had->target = r->target.data;
		return 1;
	case TAR_FILE:
	case TAR_SPARSE:
		return parse_stamp(had, s, n) == 0 ? 1 : -1;
	default:
		return -1;
	}
}

/* Whether the text is a record, all of it; *lines: where its first line is. */
static bool
is_record(struct records *r, uint8_t key[SUM_SIZE], const char **id,
    const char **lines)
{
	const char *p = r->since.data;
	int more;

	if (r->since.len == 0 || strlen(p) != r->since.len ||
	    strncmp(p, WORD, sizeof(WORD) - 1) != 0)
		return false;
	p += sizeof(WORD) - 1;
	if (strspn(p, "0123456789abcdef") != DIGITS || p[DIGITS] != ' ' ||
	    hex_decode(key, p, SUM_SIZE) == -1)
		return false;
	*id = p + DIGITS + 1;
	p = strchr(*id, '\n');
	if (p == NULL)
		return false;
	*lines = ++p;
	while ((more = parse(r, &p)) == 1)
		;
	return more == 0;
}

static int
random_bytes(void *to, size_t n, struct fail *f)
{
	return getrandom(to, n, 0) == (ssize_t)n ? 0 :
	    fail_sys(f, EX_OSERR, "random bytes");
}

int
records_begin(struct records *r, const char *since, struct fail *f)
{
	char key[2 * SUM_SIZE + 1], id[2 * SUM_SIZE + 1];
	uint8_t of_key[SUM_SIZE], of_id[SUM_SIZE];
	const char *had, *lines;
	size_t n;

	r->id = "-";
	n = 1;
	r->at = END;
	r->had.name = NULL;
	if (since != NULL && buf_load(&r->since, since, f) == -1)
		return -1;
	if (is_record(r, of_key, &had, &lines)) {
		memcpy(r->key, of_key, SUM_SIZE);
		/* One that holds nothing is none to stand on. */
		if (strcmp(lines, END) != 0 &&
		    strspn(had, "0123456789abcdef") == DIGITS) {
			r->id = had;
			n = DIGITS;
			r->at = lines;
		}
	} else if (random_bytes(r->key, SUM_SIZE, f) == -1)
		return -1;
	r->had.name = NULL;
	if (random_bytes(of_id, SUM_SIZE, f) == -1)
		return -1;
	hex_encode(key, r->key, SUM_SIZE);
	hex_encode(id, of_id, SUM_SIZE);
	return buf_addf(&r->text, f, "%s%s %s %.*s\n", WORD, key, id, (int)n,
	    r->id);
}

const struct record *
records_had(struct records *r, const char *name)
{
	int order;

	for (;;) {
		if (r->had.name == NULL && parse(r, &r->at) != 1)
			return NULL;
		order = strcmp(r->had.name, name);
		if (order > 0)
			return NULL;
		if (order == 0)
			return &r->had;
		r->had.name = NULL;
	}
}

bool
record_alike(const struct record *a, const struct record *b)
{
	return a->type == b->type && a->mode == b->mode &&
	    a->mtime == b->mtime && strcmp(a->name, b->name) == 0 &&
	    (a->target == NULL) == (b->target == NULL) &&
	    (a->target == NULL || strcmp(a->target, b->target) == 0);
}

int
records_add(struct records *r, const struct record *a, struct fail *f)
{
	/* By hand: printf(3) would take most of the time. */
	char line[DIGITS + 64], *p = line;
	char stamp[1 + 2 * STAMP_SIZE + DIGITS + 1];
	size_t n = 0;
	int shift;

	*p++ = (char)a->type;
	*p++ = '\t';
	for (shift = 9; shift >= 0; shift -= 3)
		*p++ = (char)('0' + (a->mode >> shift & 7));
	*p++ = '\t';
	hex_encode(p, a->sum, SUM_SIZE);
	p += DIGITS;
	p += snprintf(p, (size_t)(line + sizeof(line) - p), "\t%" PRId64 "\t",
	    a->mtime);
	if (buf_add(&r->text, line, (size_t)(p - line), f) == -1 ||
	    quote_add(&r->text, a->name, strlen(a->name), f) == -1)
		return -1;
	if (a->target != NULL && (buf_add(&r->text, "\t", 1, f) == -1 ||
	    quote_add(&r->text, a->target, strlen(a->target), f) == -1))
		return -1;
	if (a->stamped) {
		stamp[n++] = '\t';
		hex_encode(stamp + n, a->stamp, STAMP_SIZE);
		n += 2 * STAMP_SIZE;
	}
	if (a->stamped && a->digested) {
		hex_encode(stamp + n, a->digest, SUM_SIZE);
		n += DIGITS;
	}
	stamp[n++] = '\n';
	return buf_add(&r->text, stamp, n, f);
}

int
records_save(struct records *r, const char *path, struct fail *f)
{
	if (buf_adds(&r->text, END, f) == -1)
		return -1;
	return buf_save(&r->text, path, f);
}

void
records_free(struct records *r)
{
	buf_free(&r->since);
	buf_free(&r->name);
	buf_free(&r->target);
	buf_free(&r->text);
}
