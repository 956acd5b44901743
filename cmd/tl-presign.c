/* tl-presign: the dataplane's signer as a filter. */

#include <sys/wait.h>

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "core/date.h"
#include "core/mask.h"
#include "core/opt.h"
#include "region/sign/block.h"
#include "region/sign/config.h"
#include "region/sign/request.h"

static const char usage[] =
"usage: tl-presign [-v] -c FILE -p PROJECT [-t TIME] [-u ID] <request >block\n"
"\n"
"  -c, --config FILE    the bucket, and the key that signs\n"
"  -p, --project NS     the project of the sandbox\n"
"  -t, --time TIME      sign as of this time, e.g. 2026-06-02T00:00:00Z\n"
"  -u, --upload-id ID   an open upload; without it, one is opened\n"
"  -h, --help  -V, --version  -v, --verbose\n";

extern char **environ;

/*
 * The network is another program's business (tl-multipart, installed beside
 * this one): starting libcurl costs more than signing 10,000 URLs.
 */
static void
multipart(const char *const args[], struct buf *out)
{
	char *path = opt_beside("tl-multipart");
	posix_spawn_file_actions_t fa;
	int fd[2], status, rc;
	struct fail f;
	pid_t pid;

	if (pipe(fd) == -1)
		err(EX_OSERR, "pipe");
	if (posix_spawn_file_actions_init(&fa) != 0 ||
	    posix_spawn_file_actions_adddup2(&fa, fd[1], 1) != 0 ||
	    posix_spawn_file_actions_addclose(&fa, fd[0]) != 0 ||
	    posix_spawn_file_actions_addclose(&fa, fd[1]) != 0)
		errx(EX_OSERR, "out of memory");
	rc = posix_spawn(&pid, path, &fa, NULL, (char *const *)args, environ);
	if (rc != 0) {
		errno = rc;
		err(EX_OSFILE, "%s", path);
	}
	posix_spawn_file_actions_destroy(&fa);
	free(path);
	close(fd[1]);
	rc = buf_read(out, fd[0], "tl-multipart", &f);
	close(fd[0]);
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			err(EX_OSERR, "waitpid");
	/* It has said on stderr what is wrong. */
	if (!WIFEXITED(status))
		errx(EX_SOFTWARE, "tl-multipart: killed");
	if (WEXITSTATUS(status) != 0)
		exit(WEXITSTATUS(status));
	if (rc == -1)
		opt_fail(&f);
}

static void
output(struct sign_block *block, struct fail *f)
{
	const char *piece;
	size_t n;

	while ((n = sign_next(block, &piece)) > 0) {
		const struct buf b = { .data = (char *)piece, .len = n };

		if (isatty(STDOUT_FILENO) == 1)
			mask_write(stdout, piece, n);
		else if (buf_write(&b, STDOUT_FILENO, "stdout", f) == -1)
			return;
	}
	if (fflush(stdout) == EOF) {
		fail_sys(f, EX_IOERR, "stdout");
		return;
	}
	if (close(STDOUT_FILENO) == -1)
		fail_sys(f, EX_IOERR, "stdout");
}

int
main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "project", required_argument, NULL, 'p' },
		{ "time", required_argument, NULL, 't' },
		{ "upload-id", required_argument, NULL, 'u' },
		OPT_COMMON,
		{ NULL, 0, NULL, 0 }
	};
	const char *path = NULL, *project = NULL, *id = NULL;
	struct buf in = BUF_INIT(SIGN_REQUEST_MAX), opened = BUF_INIT(4096);
	struct sign_request request;
	struct sign_block block;
	time_t now = time(NULL);
	struct config config;
	bool verbose = false;
	struct fail f = { 0, "" };
	int ch;

	while ((ch = getopt_long(argc, argv, "c:hp:t:u:Vv", options,
	    NULL)) != -1)
		switch (ch) {
		case 'c':
			path = optarg;
			break;
		case 'h':
			opt_help(usage);
		case 'p':
			project = optarg;
			break;
		case 't':
			if (date_rfc3339(optarg, &now) == -1)
				errx(EX_USAGE, "--time: not a time like "
				    "2026-06-02T00:00:00Z");
			break;
		case 'u':
			id = optarg;
			break;
		case 'V':
			opt_version("tl-presign");
		case 'v':
			verbose = true;
			break;
		default:
			opt_usage(usage);
		}
	if (path == NULL || project == NULL || optind != argc)
		opt_usage(usage);

	/* A reader that is gone must not keep an upload from being undone. */
	signal(SIGPIPE, SIG_IGN);
	if (config_load(&config, path, &f) == -1)
		opt_fail(&f);
	opt_input(&in, "a sign request");
	if (sign_parse(&request, in.data, in.len, project, &config, &f) == -1)
		opt_fail(&f);

	if (request.kind != SIGN_MULTIPART_PUT) {
		id = NULL;
	} else if (id == NULL) {
		multipart((const char *const []){ "tl-multipart", "-c", path,
		    "--", "create", request.key, NULL }, &opened);
		opened.data[strcspn(opened.data, "\n")] = '\0';
		id = opened.data;
	}
	if (verbose)
		warnx("s3://%s/%s, %u parts", request.bucket, request.key,
		    (unsigned)request.parts);

	/*
	 * Once begun, only the output can fail: the block is not kept, and
	 * yet it is all or nothing.
	 */
	if (sign_begin(&block, &request, &config, id, now, &f) == 0)
		output(&block, &f);
	sign_end(&block);
	if (f.status != 0) {
		/* Nobody has the URL that would abort it. */
		if (opened.len > 0)
			multipart((const char *const []){ "tl-multipart",
			    "-c", path, "--", "abort", request.key, id,
			    NULL }, &in);
		opt_fail(&f);
	}

	sign_request_free(&request);
	config_free(&config);
	buf_free(&in);
	buf_free(&opened);
	return 0;
}
