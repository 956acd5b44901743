#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "dockerfile/lower_expose.h"
#include "dockerfile/lower_words.h"
#include "dockerfile/shlex.h"

#define PORT_MAX	65535

/* A port or a range of them; what is not known stays as it is. */
static int
put_ports(struct lowering *l, const char *text)
{
	const char *colon = strrchr(text, ':'), *proto;
	const char *port = colon == NULL ? text : colon + 1;
	unsigned long from, to;
	char *end, proto_text[16] = "";
	size_t k;

	if (*port < '0' || *port > '9')
		return fail_set(l->f, EX_DATAERR, "EXPOSE: %.60s is not a port",
		    text);
	from = to = strtoul(port, &end, 10);
	if (*end == '-' && end[1] >= '0' && end[1] <= '9')
		to = strtoul(end + 1, &end, 10);
	proto = end;
	if ((*proto != '\0' && strcasecmp(proto, "/tcp") != 0 &&
	    strcasecmp(proto, "/udp") != 0 &&
	    strcasecmp(proto, "/sctp") != 0) || from > to || to > PORT_MAX)
		return fail_set(l->f, EX_DATAERR, "EXPOSE: %.60s is not a "
		    "port or range of ports", text);
	for (k = 0; proto[k] != '\0'; k++)
		proto_text[k] = (char)tolower((unsigned char)proto[k]);
	for (; from <= to; from++)
		if (buf_addf(l->out, l->f, " %lu%s", from, proto_text) == -1)
			return -1;
	return 0;
}

int
lower_expose(struct lowering *l, const struct instruction *i)
{
	struct shlex lex = { .args = &l->vars, .escape = l->d->escape };
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	const char *p = i->rest, *word;
	int ret = lower_put(l, "EXPOSE");
	size_t n, at;

	while (ret == 0 && (n = dockerfile_word(&p, &word)) > 0) {
		buf_clear(&text);
		ret = shlex_words(&lex, word, n, &text, l->f);
		if (ret == 0 && lex.unset && !l->s->scratch) {
			ret = lower_put(l, " ");
			if (ret == 0)
				ret = lower_put_words(l, word, n);
			continue;
		}
		for (at = 0; ret == 0 && at < text.len;
		    at += strlen(text.data + at) + 1)
			ret = put_ports(l, text.data + at);
	}
	buf_free(&text);
	return ret == 0 ? lower_put(l, "\n") : -1;
}
