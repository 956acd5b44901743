#include <string.h>

#include "region/store/objects_impl.h"

/* One of a list; where the next one may be, NULL at the end. */
static const char *
next_tag(const char *list, const char **tag, size_t *n, bool *weak)
{
	list += strspn(list, " \t,");
	if (*list == '\0')
		return NULL;
	*weak = strncmp(list, "W/", 2) == 0;
	if (*weak)
		list += 2;
	if (*list == '"') {
		*tag = ++list;
		*n = strcspn(list, "\"");
		list += *n;
		return *list == '"' ? list + 1 : list;
	}
	/* S3 takes them without quotes, too. */
	*tag = list;
	*n = strcspn(list, " \t,");
	return list + *n;
}

bool
objects_etag_in(const char *list, const char *etag, bool weakly)
{
	const char *tag = NULL;
	bool weak = false;
	size_t n = 0;

	if (strcmp(list, "*") == 0)
		return true;
	while ((list = next_tag(list, &tag, &n, &weak)) != NULL)
		if ((weakly || !weak) && strlen(etag) == n &&
		    memcmp(tag, etag, n) == 0)
			return true;
	return false;
}

enum objects_result
objects_when_check(const struct objects_when *when, const struct object *old,
    int had)
{
	if (when == NULL)
		return OBJECTS_OK;
	if (when->absent && had != 0)
		return OBJECTS_PRECONDITION;
	if (when->match == NULL)
		return OBJECTS_OK;
	if (had == 0)
		return OBJECTS_NO_KEY;
	if (strcmp(when->match, "*") == 0)
		return OBJECTS_OK;
	/* Damaged: nobody knows its ETag. */
	if (had == -1)
		return OBJECTS_FAILED;
	return objects_etag_in(when->match, old->etag, false) ? OBJECTS_OK :
	    OBJECTS_PRECONDITION;
}
