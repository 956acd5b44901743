#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "client/ledger/expiry.h"
#include "core/date.h"

#define YEAR_S	(366LL * 86400)

struct search {
	struct buf	 text;	/* a string at a time */
	bool		 found;
	time_t		 first;
};

static void
take(struct search *s, time_t t)
{
	if (!s->found || t < s->first)
		s->first = t;
	s->found = true;
}

static int
number(const char *s, long long most, long long *n)
{
	char *end;

	errno = 0;
	*n = strtoll(s, &end, 10);
	return *s >= '0' && *s <= '9' && *end == '\0' && errno == 0 &&
	    *n <= most ? 0 : -1;
}

/* The query of a URL is taken to pieces; its names know no escapes. */
static void
url(struct search *s, char *query)
{
	char *pair, *value;
	long long life = -1, until = -1;
	time_t date = -1;

	while ((pair = strsep(&query, "&")) != NULL) {
		if ((value = strchr(pair, '=')) == NULL)
			continue;
		*value++ = '\0';
		if (strcasecmp(pair, "X-Amz-Date") == 0 ||
		    strcasecmp(pair, "X-Goog-Date") == 0) {
			if (date_basic(value, &date) == -1)
				return;
		} else if (strcasecmp(pair, "X-Amz-Expires") == 0 ||
		    strcasecmp(pair, "X-Goog-Expires") == 0) {
			if (number(value, 100 * YEAR_S, &life) == -1)
				return;
		} else if (strcmp(pair, "Expires") == 0 &&
		    number(value, 10000 * YEAR_S, &until) == -1)
			return;
	}
	if (date != -1 && life != -1)
		take(s, date + (time_t)life);
	else if (until != -1)
		take(s, (time_t)until);
}

static int
string(struct search *s, const struct span *v, bool named, struct fail *f)
{
	char *query;
	time_t t;

	if (!named && (memmem(v->at, v->len, "Expires", 7) == NULL ||
	    v->len < 6 || strncasecmp(v->at + 1, "http", 4) != 0))
		return 0;
	buf_clear(&s->text);
	if (span_string(v, &s->text, f) == -1)
		return -1;
	if (named) {
		if (s->text.len > 0 && date_rfc3339(s->text.data, &t) == 0)
			take(s, t);
	} else if ((query = strchr(s->text.data, '?')) != NULL)
		url(s, query + 1);
	return 0;
}

static int
value(struct search *s, const struct span *v, bool named, struct fail *f)
{
	struct span name, member;
	const char *pos = NULL;
	bool object = span_is_object(v);

	if (span_is_string(v))
		return string(s, v, named, f);
	if (!object && !span_is_array(v))
		return 0;
	while (span_next(v, &pos, object ? &name : NULL, &member) == 1)
		if (value(s, &member, object &&
		    span_equals(&name, "expiresAt"), f) == -1)
			return -1;
	return 0;
}

int
expiry_find(const struct span *doc, time_t *first, struct fail *f)
{
	struct search s = { .text = BUF_INIT(BUF_DOC_MAX) };
	int r = span_is_object(doc) ? value(&s, doc, false, f) :
	    fail_set(f, EX_DATAERR, "not a JSON object");

	buf_free(&s.text);
	if (r == -1)
		return -1;
	if (s.found)
		*first = s.first;
	return s.found;
}
