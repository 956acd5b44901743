#ifndef TL_CLIENT_DIALECT_H
#define TL_CLIENT_DIALECT_H

/*
 * The two dialects of the sign request (tl-wire(7), "Sign request"), and the
 * wish that it be found out which one a server knows.
 */
enum sign_dialect { SIGN_AUTO, SIGN_SEED, SIGN_MERGED };

/* "auto", "seed" or "merged"; -1 for another word. */
int	sign_dialect(const char *word, enum sign_dialect *);

#endif
