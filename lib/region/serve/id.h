#ifndef TL_REGION_ID_H
#define TL_REGION_ID_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Ids of projects, organizations, keys and sandboxes: 1 to 64 of A-Z a-z 0-9
 * - _, and so fit for a path, a host name and a header.
 */
#define ID_MAX	64

bool	id_ok(const char *, size_t len);

#endif
