/* tl-progress: what a build says, shown as the reader can use it. */

#include <sys/ioctl.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "client/display/progress.h"
#include "core/opt.h"

static const char usage[] =
    "usage: tl-progress [-v] [-m MODE] [--log FILE] [--deadline SECONDS\n"
    "           --parent PID] <events\n"
    "  -m, --mode MODE         auto, plain, json or none (auto)\n"
    "      --log FILE          keep all of it there, too\n"
    "      --deadline SECONDS  send SIGALRM to the parent then,\n"
    "      --parent PID        if it still is this process\n"
    "  -v, --verbose           say each stage as it begins\n"
    "  -h, --help  -V, --version\n";

enum { LOG = 256, DEADLINE, PARENT };

static const struct option options[] = {
	{ "mode", required_argument, NULL, 'm' },
	{ "log", required_argument, NULL, LOG },
	{ "deadline", required_argument, NULL, DEADLINE },
	{ "parent", required_argument, NULL, PARENT },
	OPT_COMMON,
	{ NULL, 0, NULL, 0 }
};

#define TICK_MS		100
#define DEADLINE_MAX	(366UL * 86400)

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* A line that moves wants a terminal that can clear it. */
static bool
live(void)
{
	const char *term = getenv("TERM");

	return isatty(STDERR_FILENO) == 1 && term != NULL && *term != '\0' &&
	    strcmp(term, "dumb") != 0;
}

static enum progress_mode
mode(const char *word)
{
	if (strcmp(word, "auto") == 0)
		return live() ? PROGRESS_LIVE : PROGRESS_PLAIN;
	if (strcmp(word, "plain") == 0)
		return PROGRESS_PLAIN;
	if (strcmp(word, "json") == 0)
		return PROGRESS_JSON;
	if (strcmp(word, "none") == 0)
		return PROGRESS_NONE;
	errx(EX_USAGE, "--mode %.40s: neither auto, plain, json nor none",
	    word);
}

static unsigned
columns(void)
{
	struct winsize w;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ?
	    w.ws_col : 80;
}

static FILE *
log_open(const char *path)
{
	int fd;
	FILE *log;

	if (path == NULL)
		return NULL;
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC |
	    O_NOFOLLOW, 0600);
	if (fd == -1 || (log = fdopen(fd, "a")) == NULL)
		err(EX_CANTCREAT, "%s", path);
	return log;
}

int
main(int argc, char *argv[])
{
	const char *colour = getenv("NO_COLOR"), *word = "auto", *path = NULL;
	struct progress_options opt = { .mode = PROGRESS_PLAIN };
	int64_t deadline = 0, left;
	pid_t parent = 0;
	static char piece[64 << 10];
	struct progress *p;
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	struct fail f;
	FILE *log;
	ssize_t n;
	int ch, ms;

	while ((ch = getopt_long(argc, argv, "hm:Vv", options, NULL)) != -1)
		switch (ch) {
		case 'h':
			opt_help(usage);
		case 'V':
			opt_version("tl-progress");
		case 'v':
			opt.verbose = true;
			break;
		case 'm':
			word = optarg;
			break;
		case LOG:
			path = optarg;
			break;
		case DEADLINE:
			deadline = now_ms() + 1000 * (int64_t)opt_number(
			    "--deadline", optarg, 1, DEADLINE_MAX);
			break;
		case PARENT:
			parent = (pid_t)opt_number("--parent", optarg, 2,
			    INT32_MAX);
			break;
		default:
			opt_usage(usage);
		}
	if (optind != argc || (deadline != 0) != (parent != 0))
		opt_usage(usage);
	opt.mode = mode(word);
	opt.colour = colour == NULL || *colour == '\0';
	opt.columns = columns();

	/* It ends with its stream: what a build says last, it says then. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	log = log_open(path);
	setvbuf(stderr, NULL, _IOFBF, 64 << 10);
	if ((p = progress_new(&opt, stderr, log, &f)) == NULL)
		opt_fail(&f);

	for (;;) {
		ms = opt.mode == PROGRESS_LIVE ? TICK_MS : -1;
		left = deadline - now_ms();
		if (deadline != 0 && (ms == -1 || left < ms))
			ms = left > 86400000 ? 86400000 : left < 0 ? 0 :
			    (int)left;
		if (poll(&in, 1, ms) == -1 && errno != EINTR)
			err(EX_OSERR, "poll");
		if (deadline != 0 && now_ms() >= deadline) {
			/* Only to whom it was promised. */
			if (getppid() == parent)
				kill(parent, SIGALRM);
			deadline = 0;
		}
		/* It may be another width by now. */
		if (opt.mode == PROGRESS_LIVE)
			progress_columns(p, columns());
		progress_tick(p);
		if ((in.revents & (POLLIN | POLLHUP)) == 0)
			continue;
		n = read(STDIN_FILENO, piece, sizeof(piece));
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			err(EX_IOERR, "stdin");
		if (n == 0)
			break;
		if (progress_feed(p, piece, (size_t)n, &f) == -1)
			opt_fail(&f);
	}
	if (progress_end(p, &f) == -1)
		opt_fail(&f);
	progress_free(p);
	if (log != NULL)
		fclose(log);
	return 0;
}
