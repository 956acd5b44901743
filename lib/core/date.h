#ifndef TL_CORE_DATE_H
#define TL_CORE_DATE_H

#include <time.h>

/*
 * Points in time as documents, signatures and headers write them.  All return
 * -1 for what is none, and set nothing then.
 */

/* RFC 3339, as 2026-06-02T10:00:00Z; a fraction is allowed and dropped. */
int	date_rfc3339(const char *, time_t *);
/* ISO 8601's basic form in UTC, as 20260602T100000Z: X-Amz-Date has it. */
int	date_basic(const char *, time_t *);
/* HTTP's, in each of its three forms: RFC 9110 5.6.7. */
int	date_http(const char *, time_t *);

/* RFC 3339 in UTC, to the second. */
#define DATE_TEXT	(sizeof("2026-06-02T00:00:00Z"))
void	date_text(char out[DATE_TEXT], time_t);

#endif
