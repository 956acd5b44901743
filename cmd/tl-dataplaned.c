/* tl-dataplaned: sign URLs for the sandboxes of this machine. */

#include <sys/stat.h>

#include <err.h>
#include <getopt.h>
#include <stdint.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/opt.h"
#include "region/serve/serve.h"
#include "region/sign/config.h"
#include "region/sign/dataplane.h"

static const char usage[] =
"usage: tl-dataplaned [-v] -c FILE -s DIR -l unix:/PATH [-r FILE] [-u UID]\n"
"\n"
"  -c, --config FILE      where the bucket is and what signs for it\n"
"      --fault FILE       what goes wrong on purpose, see tl-fault(7)\n"
"  -l, --listen unix:/P   the socket; there is no other way in\n"
"  -r, --ready FILE       write the address there once it answers\n"
"  -s, --sandboxes DIR    whose sandboxes: DIR/ID/owner.json\n"
"  -u, --allow-uid UID    may ask, too (repeatable); else root and oneself\n"
"  -h, --help  -V, --version  -v, --verbose\n";

enum { OPT_FAULT = 256 };

int
main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "allow-uid", required_argument, NULL, 'u' },
		{ "config", required_argument, NULL, 'c' },
		{ "fault", required_argument, NULL, OPT_FAULT },
		{ "listen", required_argument, NULL, 'l' },
		{ "ready", required_argument, NULL, 'r' },
		{ "sandboxes", required_argument, NULL, 's' },
		OPT_COMMON,
		{ NULL, 0, NULL, 0 }
	};
	struct dataplane d = { .uids = { 0, geteuid() }, .nuids = 2 };
	struct serve_options o = {
		.name = "tl-dataplaned",
		.ops = &dataplane_ops,
		.arg = &d,
	};
	const char *ready = NULL, *fault = NULL;
	struct config config;
	struct serve *serve;
	struct fail f;
	int ch;

	while ((ch = getopt_long(argc, argv, "c:hl:r:s:u:Vv", options,
	    NULL)) != -1)
		switch (ch) {
		case 'c':
			d.config = optarg;
			break;
		case 'h':
			opt_help(usage);
		case 'l':
			o.listen = optarg;
			break;
		case 'r':
			ready = optarg;
			break;
		case 's':
			d.sandboxes = optarg;
			break;
		case 'u':
			if (d.nuids == DATAPLANE_UIDS_MAX)
				errx(EX_USAGE, "--allow-uid: too many");
			d.uids[d.nuids++] = (uid_t)opt_number("--allow-uid",
			    optarg, 0, UINT32_MAX - 1);
			break;
		case 'V':
			opt_version("tl-dataplaned");
		case 'v':
			d.verbose = true;
			break;
		case OPT_FAULT:
			fault = optarg;
			break;
		default:
			opt_usage(usage);
		}
	if (d.config == NULL || d.sandboxes == NULL || o.listen == NULL ||
	    optind != argc)
		opt_usage(usage);
	/* Only on a unix socket is it known who asks. */
	if (strncmp(o.listen, "unix:/", 6) != 0)
		errx(EX_USAGE, "--listen %.100s: only unix:/PATH", o.listen);

	serve_block_signals();
	/* It is read again for each request; now only to say what is wrong. */
	if (serve_faults(&o, fault, &f) == -1 ||
	    config_load(&config, d.config, &f) == -1)
		opt_fail(&f);
	config_free(&config);
	if ((serve = serve_start(&o, &f)) == NULL)
		opt_fail(&f);
	/* Who connects is checked each time; the mode only has to let them. */
	if (d.nuids > 2 && chmod(o.listen + 5, 0666) == -1)
		err(EX_OSERR, "%s", o.listen + 5);
	if (serve_run(serve, ready, &f) == -1)
		opt_fail(&f);
	serve_stop(serve);
	return 0;
}
