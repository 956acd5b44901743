/* tl-dataplaned: presigned URLs for the sandboxes of this machine. */

#include <sys/stat.h>

#include <err.h>
#include <getopt.h>
#include <stdint.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/opt.h"
#include "region/serve/daemon.h"
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

int
main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "allow-uid", required_argument, NULL, 'u' },
		{ "config", required_argument, NULL, 'c' },
		{ "sandboxes", required_argument, NULL, 's' },
		DAEMON_OPTIONS,
		{ NULL, 0, NULL, 0 }
	};
	struct dataplane p = { .uids = { 0, geteuid() }, .nuids = 2 };
	struct daemon d = { .usage = usage, .serve = {
	    .name = "tl-dataplaned", .ops = &dataplane_ops, .arg = &p } };
	struct config config;
	struct serve *serve;
	struct fail f;
	int ch;

	while ((ch = getopt_long(argc, argv, "c:hl:r:s:u:Vv", options,
	    NULL)) != -1)
		switch (ch) {
		case 'c':
			p.config = optarg;
			break;
		case 's':
			p.sandboxes = optarg;
			break;
		case 'u':
			if (p.nuids == DATAPLANE_UIDS_MAX)
				errx(EX_USAGE, "--allow-uid: too many");
			p.uids[p.nuids++] = (uid_t)opt_number("--allow-uid",
			    optarg, 0, UINT32_MAX - 1);
			break;
		default:
			daemon_option(&d, ch);
		}
	if (p.config == NULL || p.sandboxes == NULL ||
	    d.serve.listen == NULL || optind != argc)
		opt_usage(usage);
	/* Only on a unix socket is it known who asks. */
	if (strncmp(d.serve.listen, "unix:/", 6) != 0)
		errx(EX_USAGE, "--listen %.100s: only unix:/PATH",
		    d.serve.listen);

	p.verbose = d.serve.verbose;
	daemon_begin(&d);
	/* It is read again for each request; now only to say what is wrong. */
	if (config_load(&config, p.config, &f) == -1)
		opt_fail(&f);
	config_free(&config);
	serve = daemon_start(&d);
	/* Who connects is checked each time; the mode only has to let them. */
	if (p.nuids > 2 && chmod(d.serve.listen + 5, 0666) == -1)
		err(EX_OSERR, "%s", d.serve.listen + 5);
	daemon_run(&d, serve);
	return 0;
}
