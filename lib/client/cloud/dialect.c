#include <string.h>

#include "client/cloud/dialect.h"

int
sign_dialect(const char *word, enum sign_dialect *d)
{
	if (strcmp(word, "auto") == 0)
		*d = SIGN_AUTO;
	else if (strcmp(word, "seed") == 0)
		*d = SIGN_SEED;
	else if (strcmp(word, "merged") == 0)
		*d = SIGN_MERGED;
	else
		return -1;
	return 0;
}
