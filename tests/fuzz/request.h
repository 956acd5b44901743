/*
 * A request to a server of ours that no client has sent: its headers, and how
 * they go.
 */
#include "region/serve/serve_impl.h"

/* The lines "Name: value" as serve_take_headers() leaves them. */
static void
headers(struct exchange *x, char *text)
{
	struct header *h;
	char *line, *save = NULL, *value;

	x->asked_end = &x->asked;
	for (line = strtok_r(text, "\n", &save); line != NULL;
	    line = strtok_r(NULL, "\n", &save)) {
		if ((value = strchr(line, ':')) == NULL)
			continue;
		*value++ = '\0';
		value += strspn(value, " ");
		MUST((h = calloc(1, sizeof(*h))) != NULL);
		h->name = strdup(line);
		h->value = strdup(value);
		*x->asked_end = h;
		x->asked_end = &h->next;
	}
}
