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
#include <unistd.h>

#include "core/opt.h"
#include "region/runtime/loop.h"
#include "region/runtime/root.h"
#include "region/runtime/rootless.h"
#include "region/sandbox/service.h"
#include "region/serve/daemon.h"

static const char usage[] =
"usage: tl-sandboxd [-v] [-l ADDR] [-r FILE] [-d PATH] [-t FOLDER]\n"
"           [-N KIND] [-p PORT] [-R PROGRAM] -k FILE -s FOLDER\n"
"      --api FILE        a file with platform-api's URL, for images\n"
"      --builder-image NAME  means this machine's own programs\n"
"                        (tensorlake/rootfs-builder)\n"
"      --cache FOLDER    what builders keep from one build to the next (nothing)\n"
"      --cache-mb N      the size of each of a project's caches (20480)\n"
"  -d, --dataplane PATH  tl-dataplaned's unix socket\n"
"      --fault FILE      faults on purpose, see tl-fault(7)\n"
"      --disk-quota MB   for all disks of a project (no limit)\n"
"      --images FOLDER   where images are unpacked (no images)\n"
"  -k, --keys FILE       tokens and their projects\n"
"  -l, --listen ADDR     a loopback address (127.0.0.1:0: any free port)\n"
"  -N, --network KIND    what sandboxes can reach: none, store (the ports),\n"
"                        outside (other machines, too), host (store)\n"
"  -p, --reach PORT      a port of 127.0.0.1 that they can reach (repeatable)\n"
"  -r, --ready FILE      write the URL there when it is ready\n"
"  -R, --runtime PROGRAM  tl-runtime (beside this program)\n"
"      --sandbox-quota N  for sandboxes of a project at a time (128)\n"
"      --signer FILE     the bucket, with a key that may read it, for images\n"
"  -s, --state FOLDER    where sandboxes are kept\n"
"  -t, --tools FOLDER    mounted read-only at /usr/local/bin of each sandbox\n"
"  -h, --help  -V, --version  -v, --verbose\n";

extern char **environ;

enum { API = 256, BUILDER_IMAGE, CACHE, CACHE_MB, DISK_QUOTA, IMAGES,
	SANDBOX_QUOTA, SIGNER };

/* What sandboxes would lack is said now, in tl-runtime's words. */
static void
check(const char *runtime, enum network_kind kind)
{
	char *argv[] = { (char *)(uintptr_t)"tl-sandboxd",
	    (char *)(uintptr_t)"--check", (char *)(uintptr_t)"--network",
	    (char *)(uintptr_t)network_word(kind), NULL };
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
		{ "api", required_argument, NULL, API },
		{ "builder-image", required_argument, NULL, BUILDER_IMAGE },
		{ "cache", required_argument, NULL, CACHE },
		{ "cache-mb", required_argument, NULL, CACHE_MB },
		{ "dataplane", required_argument, NULL, 'd' },
		{ "disk-quota", required_argument, NULL, DISK_QUOTA },
		{ "images", required_argument, NULL, IMAGES },
		{ "keys", required_argument, NULL, 'k' },
		{ "network", required_argument, NULL, 'N' },
		{ "reach", required_argument, NULL, 'p' },
		{ "runtime", required_argument, NULL, 'R' },
		{ "sandbox-quota", required_argument, NULL, SANDBOX_QUOTA },
		{ "signer", required_argument, NULL, SIGNER },
		{ "state", required_argument, NULL, 's' },
		{ "tools", required_argument, NULL, 't' },
		DAEMON_OPTIONS,
		{ NULL, 0, NULL, 0 }
	};
	struct service service = { .keys = NULL };
	struct host_options o = { .network = { .kind = NETWORK_STORE },
	    .project_sandboxes = 128, .cache_mb = 20480,
	    .builder_image = "tensorlake/rootfs-builder" };
	struct daemon d = { .usage = usage, .serve = {
	    .name = "tl-sandboxd", .listen = "127.0.0.1:0",
	    .ops = &service_ops, .arg = &service } };
	const char *keys = NULL;
	char *runtime = NULL, *unpack;
	struct serve *s;
	struct fail f;
	int ch, status;

	while ((ch = getopt_long(argc, argv, "d:hk:l:N:p:R:r:s:t:Vv", longs,
	    NULL)) != -1)
		switch (ch) {
		case API:
			o.api = optarg;
			break;
		case BUILDER_IMAGE:
			o.builder_image = optarg;
			break;
		case CACHE:
			o.cache = optarg;
			break;
		case CACHE_MB:
			o.cache_mb = opt_number("--cache-mb", optarg, 64,
			    ROOT_DISK_MB_MAX);
			break;
		case DISK_QUOTA:
			o.project_disk_mb = opt_number("--disk-quota", optarg,
			    1, UINT32_MAX);
			break;
		case SANDBOX_QUOTA:
			o.project_sandboxes = (unsigned)opt_number(
			    "--sandbox-quota", optarg, 1, 256);
			break;
		case IMAGES:
			o.images = optarg;
			break;
		case SIGNER:
			o.signer = optarg;
			break;
		case 'd':
			o.dataplane = optarg;
			break;
		case 'k':
			keys = optarg;
			break;
		case 'N':
		case 'p':
			if (network_option(&o.network, ch, optarg, &f) == -1)
				opt_fail(&f);
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

	if (o.images != NULL && (o.api == NULL || o.signer == NULL))
		errx(EX_USAGE, "--images: needs --api and --signer");
	o.unpack = unpack = opt_beside("tl-unpack");

	if (geteuid() != 0 && rootless_enter(&f) == -1) {
		fail_in(&f, "not root");
		opt_fail(&f);
	}
	daemon_begin(&d);
	service.keys = keys_load(keys, &f);
	if (service.keys == NULL)
		opt_fail(&f);
	check(o.runtime, o.network.kind);
	if (o.cache != NULL && loop_check(&f) == -1) {
		warnx("--cache: builders have none: %s", f.msg);
		o.cache = NULL;
	}
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
	free(unpack);
	if (status == -1)
		opt_fail(&f);
	return 0;
}
