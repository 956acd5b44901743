/* tl-sandboxd: sandboxes on this machine, and the way into them. */
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/opt.h"
#include "region/sandbox/lifecycle.h"
#include "region/sandbox/proxy.h"
#include "region/sandbox/sandboxes.h"
#include "region/serve/daemon.h"
#include "region/serve/keys.h"

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

struct region {
	struct keys		*keys;
	struct sandboxes	*sandboxes;
	struct proxy		 proxy;
};

static void
begin(struct serve_request *r, void *arg)
{
	struct region *g = arg;
	struct key *caller;

	caller = malloc(sizeof(*caller));
	if (caller == NULL) {
		serve_error(r, 503, "UNAVAILABLE", "out of memory");
		return;
	}
	if (keys_caller(g->keys, r, caller) == -1) {
		free(caller);
		return;
	}
	if (proxy_path(r)) {
		proxy_begin(r, &g->proxy, caller);
		free(caller);
		return;
	}
	r->own = caller;
	r->keep_body = LIFECYCLE_BODY_MAX;
	if (!lifecycle_path(r))
		serve_error(r, 404, "NOT_FOUND", "no such address");
}

static void
body(struct serve_request *r, void *arg, const char *p, size_t n)
{
	(void)arg;
	if (proxy_path(r))
		proxy_body(r, p, n);
}

static void
done(struct serve_request *r, void *arg)
{
	struct region *g = arg;

	if (proxy_path(r))
		proxy_done(r, &g->proxy);
	else
		lifecycle_done(r, g->sandboxes, r->own);
}

static void
gone(struct serve_request *r, void *arg)
{
	(void)arg;
	if (proxy_path(r))
		proxy_gone(r);
	else
		free(r->own);
}

/*
 * What tl-fault(7) calls it.  Those of the lifecycle are named where the
 * client sends them, by tl-platformd.
 */
static void
name(const struct serve_request *r, char *text, size_t size)
{
	if (lifecycle_path(r))
		snprintf(text, size, "lifecycle");
	else
		proxy_name(r, text, size);
}

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
	/* Files are opened with a sandbox user's rights: with no group's. */
	setgroups(0, NULL);
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
	static const struct serve_ops ops = { begin, body, done, gone, name };
	struct region g = { .keys = NULL };
	struct host_options o = { .runtime = NULL };
	struct daemon d = { .usage = usage, .serve = {
	    .name = "tl-sandboxd", .listen = "127.0.0.1:0", .ops = &ops,
	    .arg = &g } };
	const char *keys = NULL;
	char *runtime = NULL;
	struct serve *s;
	struct fail f;
	int ch, status;

	while ((ch = getopt_long(argc, argv, "d:hk:l:R:r:s:t:Vv", longs,
	    NULL)) != -1)
		switch (ch) {
		case 'd':
			o.dataplane = g.proxy.dataplane = optarg;
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
	g.keys = keys_load(keys, &f);
	if (g.keys == NULL)
		opt_fail(&f);
	check(o.runtime);
	raise_limits();
	g.sandboxes = sandboxes_open(&o, &f);
	if (g.sandboxes == NULL)
		opt_fail(&f);
	g.proxy.sandboxes = g.sandboxes;
	s = daemon_start(&d);
	sandboxes_serve(g.sandboxes, s);
	status = serve_run(s, d.ready, &f);
	sandboxes_end(g.sandboxes);
	sandboxes_serve(g.sandboxes, NULL);
	serve_stop(s);
	sandboxes_close(g.sandboxes);
	keys_free(g.keys);
	free(runtime);
	if (status == -1)
		opt_fail(&f);
	return 0;
}
