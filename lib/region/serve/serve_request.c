#include <sys/socket.h>

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <microhttpd.h>

#include "core/hex.h"
#include "region/serve/serve_impl.h"

/* RFC 9110 5.6.2: what a header's name is made of. */
static bool
is_token(const char *s)
{
	static const char also[] = "!#$%&'*+-.^_`|~";
	size_t n;

	for (n = 0; s[n] != '\0'; n++)
		if (!(s[n] >= '0' && s[n] <= '9') &&
		    !((s[n] | 32) >= 'a' && (s[n] | 32) <= 'z') &&
		    strchr(also, s[n]) == NULL)
			return false;
	return n > 0;
}

/*
 * libmicrohttpd 0.9.75 ends each name, value and line with NULs, where it read
 * them, and takes a NUL that a client sent for such an end: what is behind it
 * in the line is lost, and a line that begins with one, or with the colon that
 * ends a name, ends the header section.  So where things lie is looked at: a
 * name begins behind the end of the line before it, CR LF or LF.
 */
struct reading {
	struct exchange	*x;
	bool		 looks;		/* this library needs it */
	uintptr_t	 end;		/* of what was read last */
};

/* What lies between the end of one and the beginning of the next. */
static bool
is_line_end(uintptr_t from, uintptr_t to)
{
	return to >= from + 1 && to <= from + 2;
}

/*
 * It joins a folded line (RFC 9112 5.2) to the header's name, so what a client
 * folds could turn into any other header.  A name that was not folded lies in
 * front of its value, blanks between them.
 */
static bool
is_folded(const char *name, const char *value)
{
	uintptr_t end = (uintptr_t)(name + strlen(name) + 1);

	if ((uintptr_t)value < end || (uintptr_t)value - end > SERVE_MEMORY_MAX)
		return true;
	for (; end < (uintptr_t)value; end++)
		if (*(const char *)end != ' ' && *(const char *)end != '\t')
			return true;
	return false;
}

/* A copy of each header: the library leaves blanks behind a value. */
static enum MHD_Result
take_header(void *arg, enum MHD_ValueKind kind, const char *name,
    size_t name_len, const char *value, size_t value_len)
{
	struct reading *at = arg;
	struct exchange *x = at->x;
	struct header *h = calloc(1, sizeof(*h));
	size_t n = value_len;

	(void)kind;
	if (value == NULL) {
		value = "";
		n = 0;
	}
	while (n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\t'))
		n--;
	if (h == NULL || (h->name = strdup(name)) == NULL ||
	    (h->value = strndup(value, n)) == NULL)
		x->broken = true;
	else if (strlen(name) != name_len || !is_token(name) ||
	    strlen(h->value) != n)
		x->malformed = true;
	else if (at->looks && (!is_line_end(at->end, (uintptr_t)name) ||
	    is_folded(name, value)))
		x->malformed = true;
	at->end = (uintptr_t)value + value_len;
	if (h != NULL) {
		*x->asked_end = h;
		x->asked_end = &h->next;
	}
	return MHD_YES;
}

void
serve_take_headers(struct exchange *x, const char *version)
{
	struct reading at = {
		.x = x,
		.looks = strncmp(MHD_get_version(), "0.", 2) == 0,
		.end = (uintptr_t)version + strlen(version),
	};
	const union MHD_ConnectionInfo *size = MHD_get_connection_info(x->conn,
	    MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	uintptr_t end;

	MHD_get_connection_values_n(x->conn, MHD_HEADER_KIND, take_header,
	    &at);
	if (!at.looks || size == NULL)
		return;
	/* The method is the first that was read. */
	end = (uintptr_t)x->req.method + size->header_size;
	if (end < at.end + 2 || end > at.end + 4)
		x->malformed = true;
}

const char *
serve_header(const struct serve_request *r, const char *name)
{
	const struct header *h;

	for (h = exchange_of(r)->asked; h != NULL; h = h->next)
		if (strcasecmp(h->name, name) == 0)
			return h->value;
	return NULL;
}

unsigned
serve_header_count(const struct serve_request *r, const char *name)
{
	const struct header *h;
	unsigned n = 0;

	for (h = exchange_of(r)->asked; h != NULL; h = h->next)
		n += strcasecmp(h->name, name) == 0;
	return n;
}

void
serve_headers(const struct serve_request *r,
    void (*each)(void *, const char *, const char *), void *arg)
{
	const struct header *h;

	for (h = exchange_of(r)->asked; h != NULL; h = h->next)
		each(arg, h->name, h->value);
}

int
serve_query(const struct serve_request *r, const char *name, struct buf *b,
    struct fail *f)
{
	const char *p = r->query;
	struct buf key = BUF_INIT(SERVE_MEMORY_MAX);
	size_t len, eq, before = b->len;
	int found = 0;

	while (*p != '\0' && found == 0) {
		len = strcspn(p, "&");
		eq = 0;
		while (eq < len && p[eq] != '=')
			eq++;
		buf_clear(&key);
		if (hex_unescape(&key, p, eq, true, f) == -1)
			found = -1;
		else if (strcmp(key.data, name) == 0) {
			found = 1;
			if (eq < len)
				eq++;
			if (hex_unescape(b, p + eq, len - eq, true, f) == -1)
				found = -1;
		}
		p += len;
		if (*p == '&')
			p++;
	}
	buf_free(&key);
	if (found == -1)
		b->len = before;
	return found;
}

int
serve_match(const struct serve_request *r, const char *pattern,
    char seg[][256], int max)
{
	const char *p = r->path;
	struct buf b = { NULL, 0, 0, 255 };
	struct fail f;
	size_t len;
	int n = 0;

	while (*pattern != '\0') {
		if (pattern[0] != '{' || pattern[1] != '}') {
			if (*pattern++ != *p++)
				goto no;
			continue;
		}
		pattern += 2;
		len = strcspn(p, "/");
		if (len == 0 || len > 3 * 255 || n == max)
			goto no;
		/* Each escape is three bytes for one. */
		b.max = len;
		buf_clear(&b);
		if (hex_unescape(&b, p, len, false, &f) == -1 || b.len > 255)
			goto no;
		memcpy(seg[n++], b.data, b.len + 1);
		p += len;
	}
	if (*p != '\0')
		goto no;
	buf_free(&b);
	return n;
no:
	buf_free(&b);
	return -1;
}

int
serve_fd(struct MHD_Connection *conn)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn,
	    MHD_CONNECTION_INFO_CONNECTION_FD);

	return info == NULL ? -1 : info->connect_fd;
}

int
serve_peer(const struct serve_request *r, uid_t *uid, pid_t *pid)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (exchange_of(r)->s->unix_path == NULL ||
	    getsockopt(serve_fd(exchange_of(r)->conn), SOL_SOCKET,
	    SO_PEERCRED, &cred, &len) == -1)
		return -1;
	*uid = cred.uid;
	*pid = cred.pid;
	return 0;
}
