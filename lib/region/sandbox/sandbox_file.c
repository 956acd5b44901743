#include <sys/socket.h>
#include <sys/time.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "region/runtime/message.h"
#include "region/sandbox/sandbox_file.h"

/* Whoever is stopped in there holds a thread of ours no longer than this. */
#define ANSWER_S	60

/* To its init, with the end of the line.  Under the lock; we never wait. */
static int
ask(int sock, enum files_op op, const char *path, int line)
{
	union {
		struct cmsghdr	 head;
		char		 room[CMSG_SPACE(sizeof(int))];
	} control;
	struct message_head h = { .kind = MESSAGE_FILE, .value = (int)op };
	struct iovec iov[2] = {
		{ &h, sizeof(h) },
		{ (void *)(uintptr_t)path, strlen(path) + 1 },
	};
	struct msghdr m = {
		.msg_iov = iov,
		.msg_iovlen = 2,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room),
	};

	memset(&control, 0, sizeof(control));
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.head), &line, sizeof(int));
	return sendmsg(sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT) == -1 ?
	    ETIMEDOUT : 0;
}

static int
send_request(struct sandbox *sb, enum files_op op, const char *path, int line)
{
	int error = ECANCELED;

	pthread_mutex_lock(&sb->lock);
	if (sb->status == SANDBOX_RUNNING && !sb->ending)
		error = ask(sb->sock, op, path, line);
	pthread_mutex_unlock(&sb->lock);
	return error;
}

/* Why the line has ended, or does not go on. */
static int
broken(struct sandbox *sb)
{
	int error = errno;
	bool ending;

	pthread_mutex_lock(&sb->lock);
	ending = sb->ending;
	pthread_mutex_unlock(&sb->lock);
	return ending ? ECANCELED : error == EAGAIN ? ETIMEDOUT : EIO;
}

static int
status(struct sandbox_file *f)
{
	int32_t error;

	errno = 0;
	if (files_take(f->fd, &error, sizeof(error)) == -1)
		return broken(f->sandbox);
	/* From a process of ours, but in there: no number means success. */
	return error < 0 ? EIO : error;
}

int
sandbox_file_open(struct sandbox_file **out, struct sandbox *sb,
    enum files_op op, const char *path)
{
	const struct timeval patience = { .tv_sec = ANSWER_S };
	struct sandbox_file *f;
	int pair[2], error;

	*out = NULL;
	if ((error = files_check(path)) != 0)
		return error;
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return ENOMEM;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1) {
		error = errno;
		free(f);
		return error;
	}
	f->sandbox = sb;
	f->fd = pair[0];
	sandbox_ref(sb);
	setsockopt(f->fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
	    sizeof(patience));
	setsockopt(f->fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
	    sizeof(patience));
	error = send_request(sb, op, path, pair[1]);
	close(pair[1]);
	if (error == 0)
		error = status(f);
	if (error != 0 || op == FILES_REMOVE)
		sandbox_file_close(f);
	else
		*out = f;
	return error;
}

ssize_t
sandbox_file_read(struct sandbox_file *f, char *p, size_t n)
{
	ssize_t got;

	if (f->left == 0 && files_take(f->fd, &f->left,
	    sizeof(f->left)) == -1)
		return -1;
	if (f->left == 0)
		return 0;
	if (n > f->left)
		n = f->left;
	do
		got = recv(f->fd, p, n, 0);
	while (got == -1 && errno == EINTR);
	if (got <= 0)
		return -1;
	f->left -= (uint32_t)got;
	return got;
}

int
sandbox_file_write(struct sandbox_file *f, const char *p, size_t n)
{
	int error;

	if (files_send(f->fd, p, n) == 0)
		return 0;
	if (errno == EAGAIN)
		return ETIMEDOUT;
	/* It has ended, and said why before. */
	error = status(f);
	return error == 0 ? EIO : error;
}

int
sandbox_file_end(struct sandbox_file *f)
{
	shutdown(f->fd, SHUT_WR);
	return status(f);
}

void
sandbox_file_close(struct sandbox_file *f)
{
	close(f->fd);
	sandbox_put(f->sandbox);
	free(f);
}
