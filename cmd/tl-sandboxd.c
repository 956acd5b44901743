/* tl-sandboxd: sandboxes on this machine, and the way into them. */
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/opt.h"
#include "region/sandbox/service.h"
#include "region/serve/daemon.h"

static const char usage[] =
"usage: tl-sandboxd [-v] [-l address] [-r file] [-d socket] [-t folder]\n"
"           [-R program] -k file -s folder\n"
"  -d, --dataplane PATH  tl-dataplaned's unix socket\n"
"      --fault FILE      what goes wrong on purpose, see tl-fault(7)\n"
"  -k, --keys FILE       who may use it\n"
"  -l, --listen ADDR     127.0.0.1:0\n"
"  -r, --ready FILE      gets the URL once it answers\n"
"  -R, --runtime PROGRAM tl-runtime (beside this program)\n"
"  -s, --state FOLDER    where the sandboxes are\n"
"  -t, --tools FOLDER    shown at /usr/local/bin of each sandbox\n"
"  -h, --help  -V, --version  -v, --verbose\n";

extern char **environ;

/* What sandboxes would lack is said now, in tl-runtime's words. */
static void
check(const char *runtime)
{
	char *argv[] = { (char *)(uintptr_t)"tl-sandboxd",
	    (char *)(uintptr_t)"--check", NULL };
	int status, error;
	pid_t pid;

	error = posix_spawn(&pid, runtime, NULL, NULL, argv, environ);
	if (error != 0)
		errx(EX_UNAVAILABLE, "%s: %s; give --runtime", runtime,
		    strerror(error));
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			err(EX_OSERR, "waitpid");
	if (!WIFEXITED(status))
		errx(EX_OSERR, "%s --check: killed", runtime);
	if (WEXITSTATUS(status) != 0)
		exit(WEXITSTATUS(status));
}

/* Each process that runs needs a few descriptors. */
static void
raise_limits(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
	}
}

int
main(int argc, char *argv[])
{
	static const struct option longs[] = {
		{ "dataplane", required_argument, NULL, 'd' },
		{ "keys", required_argument, NULL, 'k' },
		{ "runtime", required_argument, NULL, 'R' },
		{ "state", required_argument, NULL, 's' },
		{ "tools", required_argument, NULL, 't' },
		DAEMON_OPTIONS,
		{ NULL, 0, NULL, 0 }
	};
	struct service service = { .keys = NULL };
	struct host_options o = { .runtime = NULL };
	struct daemon d = { .usage = usage, .serve = {
	    .name = "tl-sandboxd", .listen = "127.0.0.1:0",
	    .ops = &service_ops, .arg = &service } };
	const char *keys = NULL;
	char *runtime = NULL;
	struct serve *s;
	struct fail f;
	int ch, status;

	while ((ch = getopt_long(argc, argv, "d:hk:l:R:r:s:t:Vv", longs,
	    NULL)) != -1)
		switch (ch) {
		case 'd':
			o.dataplane = optarg;
			break;
		case 'k':
			keys = optarg;
			break;
		case 'R':
			o.runtime = optarg;
			break;
		case 's':
			o.state = optarg;
			break;
		case 't':
			o.tools = optarg;
			break;
		default:
			daemon_option(&d, ch);
		}
	if (optind != argc || keys == NULL || o.state == NULL)
		opt_usage(usage);
	if (o.runtime == NULL)
		o.runtime = runtime = opt_beside("tl-runtime");

	daemon_begin(&d);
	service.keys = keys_load(keys, &f);
	if (service.keys == NULL)
		opt_fail(&f);
	check(o.runtime);
	raise_limits();
	service.sandboxes = sandboxes_open(&o, &f);
	if (service.sandboxes == NULL)
		opt_fail(&f);
	s = daemon_start(&d);
	sandboxes_serve(service.sandboxes, s);
	status = serve_run(s, d.ready, &f);
	sandboxes_end(service.sandboxes);
	sandboxes_serve(service.sandboxes, NULL);
	serve_stop(s);
	sandboxes_close(service.sandboxes);
	keys_free(service.keys);
	free(runtime);
	if (status == -1)
		opt_fail(&f);
	return 0;
}
