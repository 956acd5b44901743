#include <sys/stat.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "builder/upload/upload_impl.h"

static const char word[] = "whole\n";

/* Whether the file is said to be whole: 1, 0, or -1 if it never will be. */
static int
said(struct upload *u, struct fail *f)
{
	size_t want = sizeof(word) - 1 - u->nsaid;
	struct pollfd p = { u->opt->grows, POLLIN, 0 };
	char text[sizeof(word)];
	ssize_t n;

	if (poll(&p, 1, 0) <= 0)
		return 0;
	n = read(u->opt->grows, text, want);
	if (n == -1 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n == -1)
		return fail_sys(f, EX_IOERR, "stdin");
	if (n == 0 || memcmp(text, word + u->nsaid, (size_t)n) != 0)
		return fail_set(f, EX_DATAERR, "%s: it was not finished: "
		    "stdin did not say \"whole\"", u->name);
	u->nsaid += (size_t)n;
	return (size_t)n == want;
}

int
upload_grow(struct upload *u, struct fail *f)
{
	struct stat st;
	int whole;

	if (!u->growing)
		return 0;
	/* In this order: its size is the last one then. */
	if ((whole = said(u, f)) == -1)
		return -1;
	if (fstat(u->fd, &st) == -1)
		return fail_sys(f, EX_NOINPUT, "%s", u->name);
	if ((uint64_t)st.st_size < u->size)
		return fail_set(f, EX_DATAERR,
		    "%s: it became shorter while it was sent", u->name);
	u->size = (uint64_t)st.st_size;
	if (block_fit(&u->block, u->name, u->size, f) == -1)
		return fail_in(f, "upload block");
	u->growing = whole == 0;
	if (whole == 1 && u->opt->sum)
		return partsum_ask_whole(u->sums, u->size, f);
	return 0;
}

void
upload_grow_wait(const struct upload *u, int ms)
{
	struct pollfd p = { u->opt->grows, POLLIN, 0 };

	poll(&p, 1, ms < UPLOAD_GROW_MS ? ms : UPLOAD_GROW_MS);
}
