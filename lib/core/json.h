#ifndef TL_CORE_JSON_H
#define TL_CORE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/span.h"

/*
 * Small typed fields out of spans, and small documents written.
 *
 * Reading: each function looks a member up by name (span_get(), so a repeated
 * member is refused) and checks its type.  JSON_NEED makes an absent or null
 * member a failure; with JSON_MAY it is 0 and *out is untouched.  They return
 * 1 if a value was stored, 0 if not, -1 with EX_DATAERR and a line such as
 * "builder.cpus: not a number".  A caller whose text came from a server turns
 * the status into EX_PROTOCOL.
 */
enum json_want { JSON_MAY, JSON_NEED };

/* The member's span, whatever it is. */
int	json_member(const struct span *obj, const char *name, enum json_want,
	    struct span *out, struct fail *);
/* *out is malloc'ed, the caller frees it.  A NUL inside is refused. */
int	json_string(const struct span *obj, const char *name, enum json_want,
	    char **out, struct fail *);
/* Plain digits only: no sign, no fraction, no exponent; up to 2^64-1. */
int	json_u64(const struct span *obj, const char *name, enum json_want,
	    uint64_t *out, struct fail *);
int	json_i64(const struct span *obj, const char *name, enum json_want,
	    int64_t *out, struct fail *);
/* Any number; libjq reads what is more than some digits and a point. */
int	json_double(const struct span *obj, const char *name, enum json_want,
	    double *out, struct fail *);
int	json_bool(const struct span *obj, const char *name, enum json_want,
	    bool *out, struct fail *);
/* The member's span, which must be an object ('{') or array ('['). */
int	json_sub(const struct span *obj, const char *name, enum json_want,
	    char kind, struct span *out, struct fail *);

/* Digits of a span to a number: the rule of json_u64().  0 or -1. */
int	json_digits(const struct span *, uint64_t *out);

/*
 * Writing: commas and quotes are its business, and the first failure sticks,
 * so a document is written in a row and checked once, at jout_end().
 *
 *	struct jout j = JOUT_INIT(&out);
 *	jout_object(&j);
 *	jout_key(&j, "image"); jout_string(&j, image);
 *	jout_close(&j);
 *	if (jout_end(&j, f) == -1) ...
 */
#define JOUT_DEPTH	32

struct jout {
	struct buf	*b;
	struct fail	 f;
	bool		 failed;
	bool		 comma;		/* the next value wants one before it */
	unsigned	 depth;
	char		 close[JOUT_DEPTH];
};

#define JOUT_INIT(buf)	{ .b = (buf) }

void	jout_object(struct jout *);
void	jout_array(struct jout *);
void	jout_close(struct jout *);
void	jout_key(struct jout *, const char *);
void	jout_string(struct jout *, const char *);
void	jout_stringn(struct jout *, const char *, size_t);
void	jout_u64(struct jout *, uint64_t);
void	jout_i64(struct jout *, int64_t);
/* The shortest decimal that reads back the same; an integer gets ".0". */
void	jout_double(struct jout *, double);
void	jout_bool(struct jout *, bool);
void	jout_null(struct jout *);
/* A value that is JSON text already, byte for byte. */
void	jout_span(struct jout *, const struct span *);
/* "key": "string", or nothing at all where the string is NULL. */
void	jout_member(struct jout *, const char *key, const char *string);
/* 0, or -1 with the first failure.  All containers must be closed. */
int	jout_end(struct jout *, struct fail *);

#endif
