#ifndef TL_REGION_RECEIPT_KEY_H
#define TL_REGION_RECEIPT_KEY_H

#include <stddef.h>
#include <stdint.h>

#include "core/fail.h"

/*
 * Keys of receipts (region/sign/receipt.h), Ed25519 as RFC 8032 has it.
 *
 * The dataplane's own is a file of one line, "ed25519-secret HEX", 64 digits;
 * it must be the caller's (or root's) and closed to everybody else.  Whoever
 * believes receipts has a file of lines "ed25519 HEX", a public key each:
 * several, so that one can be there before it is used and stay for a while
 * after.  In both '#' begins a comment.
 *
 * A key's id is the first 16 hexadecimal digits of the SHA-256 of its public
 * half.
 *
 * Failing is EX_CONFIG, which never shows the key, EX_NOINPUT where there is
 * no file.
 */
#define RECEIPT_KEY_BYTES	32
#define RECEIPT_KEY_ID		17

struct receipt_key {
	uint8_t	 secret[RECEIPT_KEY_BYTES];	/* of the dataplane's own */
	uint8_t	 public[RECEIPT_KEY_BYTES];
	char	 id[RECEIPT_KEY_ID];
};

struct receipt_keys {
	struct receipt_key	*list;		/* public halves */
	size_t			 n;
};

int	receipt_key_load(struct receipt_key *, const char *path,
	    struct fail *);
/* A new one, into a file that must not be there yet: EX_CANTCREAT. */
int	receipt_key_make(const char *path, struct fail *);
/* The line of its public half. */
#define RECEIPT_KEY_LINE	(sizeof("ed25519 ") + 2 * RECEIPT_KEY_BYTES)
void	receipt_key_line(const struct receipt_key *,
	    char line[RECEIPT_KEY_LINE]);
/* It is a secret: overwritten. */
void	receipt_key_wipe(struct receipt_key *);

/* At least one. */
int	receipt_keys_load(struct receipt_keys *, const char *path,
	    struct fail *);
void	receipt_keys_free(struct receipt_keys *);

#endif
