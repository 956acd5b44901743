#ifndef TL_TESTS_RAW_H
#define TL_TESTS_RAW_H

/* An HTTP client that sends the bytes it is given. */

#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline int
dial(const char *url)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sa.sin_port = htons((uint16_t)atoi(strrchr(url, ':') + 1));
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

static inline void
say(int fd, const char *s)
{
	if (send(fd, s, strlen(s), MSG_NOSIGNAL) == -1)
		perror("# send");
}

/* What arrives until the end, or until it holds want, within 5 s. */
static inline size_t
hear(int fd, char *buf, size_t size, const char *want)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t n = 0;
	ssize_t r;

	while (n < size - 1 && poll(&p, 1, 5000) == 1 &&
	    (r = recv(fd, buf + n, size - 1 - n, 0)) > 0) {
		n += (size_t)r;
		buf[n] = '\0';
		if (want != NULL && strstr(buf, want) != NULL)
			break;
	}
	buf[n] = '\0';
	return n;
}

static char got[4 << 20];

/* One connection, one request of raw bytes, all of the answer. */
static inline const char *
ask(const char *url, const char *raw)
{
	int fd = dial(url);

	say(fd, raw);
	hear(fd, got, sizeof(got), NULL);
	close(fd);
	return got;
}

static inline bool
has(const char *s)
{
	if (strstr(got, s) != NULL)
		return true;
	printf("# got: %.600s\n", got);
	return false;
}

#endif
