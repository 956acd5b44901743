#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/map.h"
#include "core/stop.h"

/* Below this, reading costs less than mapping. */
#define MAP_FROM	(256 << 10)
/* A pipe that holds more than it does by itself is read in such pieces. */
#define PIPE_LONG	(64UL << 10)
#define PIPE_PIECE	(1UL << 20)
/* What the kernel gives as one page, where it does. */
#define HUGE		(2UL << 20)

/* Up to n bytes: how many, 0 at the end, -1. */
static ssize_t
some(int fd, char *p, size_t n, const char *name, struct fail *f)
{
	ssize_t got;

	while ((got = read(fd, p, n)) == -1 && errno == EINTR)
		if (stop_signal != 0)
			return fail_set(f, stop_status(), "%s", stop_reason());
	return got == -1 ? fail_sys(f, EX_IOERR, "%s", name) : got;
}

/*
 * The rest of a long document from a pipe, into memory that is there at once:
 * growing would move what was read, and small pages cost as much as the reading.
 */
static int
pipe_rest(struct map *m, int fd, struct fail *f)
{
	size_t room = m->read.max + HUGE + PIPE_PIECE, len = m->read.len;
	ssize_t n;
	char *p;

	p = mmap(NULL, room, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return buf_read(&m->read, fd, m->name, f);
	m->room = p;
	m->room_len = room;
	p += (HUGE - (uintptr_t)p % HUGE) % HUGE;
	madvise(p, m->read.max, MADV_HUGEPAGE);
	memcpy(p, m->read.data, len);
	while ((n = some(fd, p + len, PIPE_PIECE, m->name, f)) > 0)
		if ((len += (size_t)n) > m->read.max)
			return fail_set(f, EX_DATAERR, "%s: more than %zu bytes",
			    m->name, m->read.max);
	m->data = p;
	m->len = len;
	return (int)n;
}

static int
pipe_load(struct map *m, int fd, struct fail *f)
{
	ssize_t n = 1;

	/* What writes need not wait for what reads; not everybody may. */
	fcntl(fd, F_SETPIPE_SZ, (int)PIPE_PIECE);
	while (m->read.len < PIPE_LONG && n > 0) {
		if (buf_room(&m->read, PIPE_LONG, f) == -1)
			return fail_in(f, m->name);
		if ((n = some(fd, m->read.data + m->read.len,
		    PIPE_LONG - m->read.len, m->name, f)) == -1)
			return -1;
		m->read.len += (size_t)n;
	}
	m->data = m->read.data;
	m->len = m->read.len;
	return n == 0 ? 0 : pipe_rest(m, fd, f);
}

int
map_load(struct map *m, const char *path, struct fail *f)
{
	bool in = strcmp(path, "-") == 0;
	int fd = STDIN_FILENO, r;
	void *p;

	m->name = in ? "stdin" : path;
	if (!in && (fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return fail_sys(f, EX_NOINPUT, "%s", path);
	if (fstat(fd, &m->was) == 0 && S_ISREG(m->was.st_mode) &&
	    m->was.st_size >= MAP_FROM &&
	    (uintmax_t)m->was.st_size <= m->read.max &&
	    lseek(fd, 0, SEEK_CUR) == 0) {
		p = mmap(NULL, (size_t)m->was.st_size, PROT_READ, MAP_PRIVATE,
		    fd, 0);
		if (p != MAP_FAILED) {
			m->data = p;
			m->len = (size_t)m->was.st_size;
			m->fd = fd;
			return 0;
		}
	}
	if (S_ISFIFO(m->was.st_mode) && m->read.max > 2 * PIPE_PIECE) {
		r = pipe_load(m, fd, f);
		if (!in)
			close(fd);
		return r;
	}
	r = buf_read(&m->read, fd, m->name, f);
	if (!in)
		close(fd);
	m->data = m->read.data;
	m->len = m->read.len;
	return r;
}

int
map_same(const struct map *m, struct fail *f)
{
	struct stat now;

	if (m->fd == -1)
		return 0;
	if (fstat(m->fd, &now) == -1)
		return fail_sys(f, EX_IOERR, "%s", m->name);
	if (now.st_size != m->was.st_size ||
	    now.st_mtim.tv_sec != m->was.st_mtim.tv_sec ||
	    now.st_mtim.tv_nsec != m->was.st_mtim.tv_nsec)
		return fail_set(f, EX_TEMPFAIL,
		    "%s: changed while it was read", m->name);
	return 0;
}

static void
on_sigbus(int sig)
{
	static const char line[] =
	    ": an input file became shorter while it was read\n";
	size_t n = strlen(program_invocation_short_name);

	(void)sig;
	if (write(STDERR_FILENO, program_invocation_short_name, n) != -1 &&
	    write(STDERR_FILENO, line, sizeof(line) - 1) != -1)
		_exit(EX_TEMPFAIL);
	_exit(EX_TEMPFAIL);
}

void
map_guard(void)
{
	struct sigaction sa = { .sa_handler = on_sigbus };

	sigaction(SIGBUS, &sa, NULL);
}

void
map_free(struct map *m)
{
	if (m->fd != -1) {
		munmap((void *)(uintptr_t)m->data, m->len);
		if (m->fd != STDIN_FILENO)
			close(m->fd);
		m->fd = -1;
	}
	if (m->room != NULL)
		munmap(m->room, m->room_len);
	m->room = NULL;
	buf_free(&m->read);
	m->data = NULL;
	m->len = 0;
}
