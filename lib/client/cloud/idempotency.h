#ifndef TL_CLIENT_IDEMPOTENCY_H
#define TL_CLIENT_IDEMPOTENCY_H

#include <stddef.h>

#include "core/fail.h"

/*
 * The Idempotency-Key header of a request that makes something, so that
 * asking again after a lost answer makes nothing twice.  Servers that do not
 * know it ignore it.
 */
#define IDEMPOTENCY_HEADER	96

/* "Idempotency-Key: " and a key given by the user: 1 to 64 of A-Za-z0-9._- */
int	idempotency_given(char line[IDEMPOTENCY_HEADER], const char *key,
	    struct fail *);
/* With a random key. */
int	idempotency_random(char line[IDEMPOTENCY_HEADER], struct fail *);
/* With a key that is the same whenever what and the bytes are the same. */
void	idempotency_of(char line[IDEMPOTENCY_HEADER], const char *what,
	    const void *, size_t);

#endif
