/*
 * Preloaded, lets the Nth allocation of a program fail, and only that one or,
 * with NOMEM_ON=1, all that follow.  The count begins with main(), for what
 * comes before is the loader's, and is not handed on to children.  What a
 * library asks for whose path holds NOMEM_SKIP neither counts nor fails.
 * Without NOMEM_AT nothing fails.  NOMEM_LOG gets "N\n" in the end: how many
 * there were.
 */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What glibc keeps under these names whatever is interposed. */
void	*__libc_malloc(size_t);
void	*__libc_calloc(size_t, size_t);
void	*__libc_realloc(void *, size_t);
void	*__libc_memalign(size_t, size_t);
int	 __libc_start_main(int (*)(int, char **, char **), int, char **,
	    void (*)(void), void (*)(void), void (*)(void), void *);

static atomic_ulong count;
static unsigned long at;
static bool on, armed;
static char log_path[512];
static int (*real_main)(int, char **, char **);

/* Where the library lies that is passed over. */
static uintptr_t skip_from, skip_to;

static int
find(struct dl_phdr_info *info, size_t size, void *arg)
{
	const char *name = arg;
	uintptr_t end;
	int i;

	(void)size;
	if (strstr(info->dlpi_name, name) == NULL)
		return 0;
	skip_from = info->dlpi_addr;
	for (i = 0; i < info->dlpi_phnum; i++) {
		end = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr +
		    info->dlpi_phdr[i].p_memsz;
		if (info->dlpi_phdr[i].p_type == PT_LOAD && end > skip_to)
			skip_to = end;
	}
	return 1;
}

static bool
fails(const void *caller)
{
	uintptr_t from = (uintptr_t)caller;
	unsigned long n;

	if (!armed || (from >= skip_from && from < skip_to))
		return false;
	n = ++count;
	if (at == 0 || (on ? n < at : n != at))
		return false;
	errno = ENOMEM;
	return true;
}

void *
malloc(size_t n)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(n);
}

void *
calloc(size_t n, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *
realloc(void *p, size_t n)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(p, n);
}

void *
reallocarray(void *p, size_t n, size_t size)
{
	size_t all;

	if (__builtin_mul_overflow(n, size, &all)) {
		errno = ENOMEM;
		return NULL;
	}
	return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(p, all);
}

void *
memalign(size_t align, size_t n)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_memalign(align, n);
}

void *
aligned_alloc(size_t align, size_t n)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_memalign(align, n);
}

int
posix_memalign(void **p, size_t align, size_t n)
{
	if (fails(__builtin_return_address(0)))
		return ENOMEM;
	*p = __libc_memalign(align, n);
	return *p == NULL ? ENOMEM : 0;
}

__attribute__((destructor)) static void
tell(void)
{
	char text[32];
	int fd, n;

	armed = false;
	if (log_path[0] == '\0')
		return;
	fd = open(log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	n = snprintf(text, sizeof(text), "%lu\n", (unsigned long)count);
	if (fd == -1 || write(fd, text, (size_t)n) != n)
		_exit(126);
	close(fd);
}

static int
counted(int argc, char **argv, char **envp)
{
	const char *s;

	if ((s = getenv("NOMEM_AT")) != NULL)
		at = strtoul(s, NULL, 10);
	on = getenv("NOMEM_ON") != NULL;
	if ((s = getenv("NOMEM_LOG")) != NULL)
		snprintf(log_path, sizeof(log_path), "%s", s);
	if ((s = getenv("NOMEM_SKIP")) != NULL)
		dl_iterate_phdr(find, (void *)(uintptr_t)s);
	unsetenv("LD_PRELOAD");
	unsetenv("NOMEM_SKIP");
	unsetenv("NOMEM_AT");
	unsetenv("NOMEM_ON");
	unsetenv("NOMEM_LOG");
	armed = true;
	return real_main(argc, argv, envp);
}

int
__libc_start_main(int (*main)(int, char **, char **), int argc, char **argv,
    void (*init)(void), void (*fini)(void), void (*rtld_fini)(void),
    void *stack_end)
{
	int (*next)(int (*)(int, char **, char **), int, char **,
	    void (*)(void), void (*)(void), void (*)(void), void *);
	void *p = dlsym(RTLD_NEXT, "__libc_start_main");

	memcpy(&next, &p, sizeof(next));
	real_main = main;
	return next(counted, argc, argv, init, fini, rtld_fini, stack_end);
}
