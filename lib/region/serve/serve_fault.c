#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "region/serve/serve_impl.h"

/*
 * Refuse connections, by a socket that does not listen any more; Linux lets it
 * listen again later.  A unix socket would not, so that goes out of sight.
 * Meanwhile libmicrohttpd polls in vain.
 */
static void
door(struct serve *s, bool open)
{
	char away[sizeof(((struct sockaddr_un *)0)->sun_path) + 8];

	if (s->unix_path != NULL)
		snprintf(away, sizeof(away), "%s.away", s->unix_path);
	pthread_mutex_lock(&s->door_lock);
	if (!open && s->shut++ == 0) {
		if (s->unix_path == NULL)
			shutdown(s->fd, SHUT_RD);
		else if (rename(s->unix_path, away) == -1)
			serve_log(s, "%s: %s", away, strerror(errno));
	} else if (open && --s->shut == 0) {
		if (s->unix_path == NULL)
			listen(s->fd, SOMAXCONN);
		else if (atomic_load(&s->stopping))
			unlink(away);
		else if (rename(away, s->unix_path) == -1)
			serve_log(s, "%s: %s", away, strerror(errno));
	}
	pthread_mutex_unlock(&s->door_lock);
}

/* So long, or until the end of the server or, if fd is one, the client's. */
static void
hold(const struct serve *s, unsigned ms, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };
	int64_t now = clock_ms(), end = now + ms;

	for (; now < end && !atomic_load(&s->stopping); now = clock_ms())
		if (poll(&p, 1, end - now < 20 ? (int)(end - now) : 20) == 1)
			break;
}

bool
serve_fault_first(struct exchange *x)
{
	struct serve *s = x->s;
	struct fault_answer a;
	char name[64] = "other", line[512];
	bool picked;

	if (s->faults == NULL)
		return false;
	if (s->ops->name != NULL)
		s->ops->name(&x->req, name, sizeof(name));
	picked = faults_pick(s->faults, name, &x->fault, line, sizeof(line));
	if (line[0] != '\0')
		serve_log(s, "%s", line);
	if (!picked)
		return false;
	switch (x->fault.kind) {
	case FAULT_REFUSED:
		door(s, false);
		fault_reset(serve_fd(x->conn));
		hold(s, x->fault.ms, -1);
		door(s, true);
		return true;
	case FAULT_RESET:
		fault_reset(serve_fd(x->conn));
		return true;
	case FAULT_STATUS:
	case FAULT_ERROR:
	case FAULT_HTML:
		fault_answer(&x->fault, s->xml, &a);
		if (a.status == 401)
			serve_add_header(&x->req, "WWW-Authenticate",
			    "Bearer");
		if (a.status == 429)
			serve_add_header(&x->req, "Retry-After", "1");
		serve_reply(&x->req, a.status, a.type, a.body, strlen(a.body));
		return true;
	default:
		return false;
	}
}

bool
serve_fault_last(struct exchange *x)
{
	static const char head[] = "HTTP/1.1 20";
	int fd = serve_fd(x->conn);

	switch (x->fault.kind) {
	case FAULT_REFUSED_AFTER:
		serve_close_after(x);
		/* Of a stream nobody knows when it ends, see serve_fault_over(). */
		if (!x->stream) {
			x->shut = true;
			door(x->s, false);
		}
		return false;
	case FAULT_RESET_AFTER:
		fault_reset(fd);
		return true;
	case FAULT_NO_ANSWER:
		hold(x->s, x->fault.ms, fd);
		return true;
	case FAULT_SLOW:
		hold(x->s, x->fault.ms, fd);
		return false;
	case FAULT_CUT:
	case FAULT_LENGTH:
		/* Half of an answer that is all head. */
		if (!x->empty && strcmp(x->req.method, "HEAD") != 0)
			return false;
		if (send(fd, head, sizeof(head) - 1, MSG_NOSIGNAL) == -1)
			serve_log(x->s, "%s", strerror(errno));
		shutdown(fd, SHUT_WR);
		return true;
	default:
		return false;
	}
}

void
serve_fault_over(struct exchange *x)
{
	if (x->fault.kind != FAULT_REFUSED_AFTER || x->response == NULL)
		return;
	if (!x->shut)
		door(x->s, false);
	hold(x->s, x->fault.ms, -1);
	door(x->s, true);
}
