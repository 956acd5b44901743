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

/* Below this, reading costs less than mapping. */
#define MAP_FROM	(256 << 10)

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
	buf_free(&m->read);
	m->data = NULL;
	m->len = 0;
}
