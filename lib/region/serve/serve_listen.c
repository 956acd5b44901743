#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "region/serve/serve_impl.h"

static int
listen_unix(struct serve *s, const char *path, struct fail *f)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct stat st;
	mode_t mask;
	int fd, r, saved;

	if (path[0] != '/' || strlen(path) >= sizeof(sa.sun_path))
		return fail_set(f, EX_USAGE, "unix:%.200s: not an absolute "
		    "path of at most %zu bytes", path,
		    sizeof(sa.sun_path) - 1);
	strcpy(sa.sun_path, path);
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1)
		return fail_sys(f, EX_OSERR, "socket");
	if (lstat(path, &st) == 0) {
		if (!S_ISSOCK(st.st_mode)) {
			close(fd);
			return fail_set(f, EX_CANTCREAT,
			    "%.200s: is there already, and is not a socket",
			    path);
		}
		if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 ||
		    errno != ECONNREFUSED) {
			close(fd);
			return fail_set(f, EX_UNAVAILABLE,
			    "unix:%.200s: in use", path);
		}
		unlink(path);
	}
	mask = umask(0177);
	r = bind(fd, (struct sockaddr *)&sa, sizeof(sa));
	saved = errno;
	umask(mask);
	errno = saved;
	if (r == -1) {
		close(fd);
		return fail_sys(f, errno == EADDRINUSE ? EX_UNAVAILABLE :
		    EX_CANTCREAT, "unix:%.200s", path);
	}
	if (listen(fd, SOMAXCONN) == -1 || lstat(path, &st) == -1 ||
	    asprintf(&s->url, "unix:%s", path) == -1 ||
	    (s->unix_path = strdup(path)) == NULL) {
		fail_sys(f, EX_OSERR, "unix:%.200s", path);
		unlink(path);
		close(fd);
		return -1;
	}
	s->unix_dev = st.st_dev;
	s->unix_ino = st.st_ino;
	return fd;
}

static bool
is_loopback(const struct sockaddr *sa)
{
	const struct sockaddr_in *in = (const void *)sa;
	const struct sockaddr_in6 *in6 = (const void *)sa;

	if (sa->sa_family == AF_INET)
		return ntohl(in->sin_addr.s_addr) >> 24 == 127;
	return sa->sa_family == AF_INET6 &&
	    IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

static int
bound(const struct sockaddr *sa, socklen_t sa_len,
    struct sockaddr_storage *ss, socklen_t *len)
{
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1, saved;

	if (fd != -1 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one,
	    sizeof(one)) == 0 && bind(fd, sa, sa_len) == 0) {
		*len = sizeof(*ss);
		if (getsockname(fd, (struct sockaddr *)ss, len) == 0)
			return fd;
	}
	saved = errno;
	if (fd != -1)
		close(fd);
	errno = saved;
	return -1;
}

/*
 * A free port that root alone may take, so that nobody else can wait for it to
 * become free and be taken for us then; none that a service is known by, and of
 * a range in which the Fetch standard blocks none ("bad ports").
 */
#define RESERVED_FIRST	641
#define RESERVED	348

static int
reserved(const struct sockaddr *sa, socklen_t sa_len,
    struct sockaddr_storage *ss, socklen_t *len)
{
	struct sockaddr_storage at = { .ss_family = AF_UNSPEC };
	in_port_t port;
	unsigned from = 0, i;
	int fd;

	memcpy(&at, sa, sa_len);
	if (getrandom(&from, sizeof(from), GRND_NONBLOCK) == -1)
		from = (unsigned)getpid();
	for (i = 0; i < RESERVED; i++) {
		port = htons((uint16_t)(RESERVED_FIRST +
		    (from + i) % RESERVED));
		if (getservbyport(port, "tcp") != NULL)
			continue;
		if (sa->sa_family == AF_INET)
			((struct sockaddr_in *)(void *)&at)->sin_port = port;
		else
			((struct sockaddr_in6 *)(void *)&at)->sin6_port = port;
		fd = bound((struct sockaddr *)&at, sa_len, ss, len);
		/* Two that are only bound may share one. */
		if (fd != -1 && listen(fd, SOMAXCONN) == 0)
			return fd;
		if (fd != -1)
			close(fd);
		else if (errno != EADDRINUSE)
			return -1;
	}
	errno = EADDRINUSE;
	return -1;
}

static int
listen_tcp(struct serve *s, const struct serve_options *o, struct fail *f)
{
	struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
	}, *ai = NULL;
	char host[64], port[16];
	const char *at = o->listen, *colon = strrchr(at, ':');
	struct sockaddr_storage ss;
	socklen_t len = 0;
	size_t n;
	int fd = -1, first;
	bool is_reserved;

	if (colon == NULL || colon == at)
		goto malformed;
	n = (size_t)(colon - at);
	if (at[0] == '[' && colon[-1] == ']') {
		at++;
		n -= 2;
	}
	is_reserved = strcmp(colon + 1, "reserved") == 0;
	if (n == 0 || n >= sizeof(host) || colon[1] == '\0')
		goto malformed;
	if (!is_reserved && (strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
	    strlen(colon + 1) > 5 || atoi(colon + 1) > 65535))
		goto malformed;
	memcpy(host, at, n);
	host[n] = '\0';
	if (strcmp(host, "localhost") == 0)
		strcpy(host, "127.0.0.1");
	if (getaddrinfo(host, is_reserved ? "0" : colon + 1, &hints,
	    &ai) != 0)
		goto malformed;
	if (!o->any_host && !is_loopback(ai->ai_addr)) {
		freeaddrinfo(ai);
		return fail_set(f, EX_USAGE, "%.200s: not a loopback address",
		    o->listen);
	}
	if (is_reserved)
		fd = reserved(ai->ai_addr, ai->ai_addrlen, &ss, &len);
	/* An ordinary user may take none of them. */
	if (is_reserved && fd == -1 && errno == EACCES)
		is_reserved = false;
	if (!is_reserved)
		fd = bound(ai->ai_addr, ai->ai_addrlen, &ss, &len);
	/*
	 * Linux lets go of a port that it chose when the socket stops to
	 * listen, as it does for a fault; not so of one that it was told.
	 */
	if (fd != -1 && o->faults != NULL && !is_reserved) {
		first = fd;
		fd = bound((struct sockaddr *)&ss, len, &ss, &len);
		close(first);
	}
	if (fd == -1 || listen(fd, SOMAXCONN) == -1) {
		fail_sys(f, EX_UNAVAILABLE, "%.200s", o->listen);
		goto fail;
	}
	if (getnameinfo((struct sockaddr *)&ss, len, host, sizeof(host), port,
	    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0 ||
	    asprintf(&s->url, ss.ss_family == AF_INET6 ? "http://[%s]:%s" :
	    "http://%s:%s", host, port) == -1) {
		s->url = NULL;
		fail_set(f, EX_OSERR, "%.200s: out of memory", o->listen);
		goto fail;
	}
	freeaddrinfo(ai);
	return fd;
fail:
	freeaddrinfo(ai);
	if (fd != -1)
		close(fd);
	return -1;
malformed:
	return fail_set(f, EX_USAGE, "%.200s: must be HOST:PORT with a "
	    "numeric host, or unix:/PATH", o->listen);
}

int
serve_listen(struct serve *s, const struct serve_options *o, struct fail *f)
{
	return strncmp(o->listen, "unix:", 5) == 0 ?
	    listen_unix(s, o->listen + 5, f) : listen_tcp(s, o, f);
}

void
serve_unlink(const struct serve *s)
{
	struct stat st;

	/* Another server may have put its own there. */
	if (s->unix_path != NULL && lstat(s->unix_path, &st) == 0 &&
	    st.st_dev == s->unix_dev && st.st_ino == s->unix_ino)
		unlink(s->unix_path);
}
