/* tl-dataplaned: presigned URLs for the sandboxes of this machine. */

#include <sys/stat.h>

#include <err.h>
#include <getopt.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/opt.h"
#include "region/serve/daemon.h"
#include "region/sign/config.h"
#include "region/sign/dataplane.h"
#include "region/sign/receipt_key.h"

static const char usage[] =
"usage: tl-dataplaned [-v] -c FILE -s DIR -l unix:/PATH [OPTION]...\n"
"       tl-dataplaned --make-attest-key FILE | --show-attest-key FILE\n"
"\n"
"      --attest-key FILE  signs receipts; without it there are none\n"
"  -c, --config FILE      the bucket, and the key that signs\n"
"      --fault FILE       faults on purpose, see tl-fault(7)\n"
"  -l, --listen ADDR      unix:/PATH, the only way to reach it\n"
"      --make-attest-key FILE  make a key, print its public key\n"
"  -r, --ready FILE       write the address there when it is ready\n"
"  -s, --sandboxes DIR    the owners of sandboxes: DIR/ID/owner.json\n"
"      --show-attest-key FILE  print the public key\n"
"  -u, --allow-uid UID    may ask, too (repeatable)\n"
"  -h, --help  -V, --version  -v, --verbose\n";

enum { ATTEST_KEY = 256, MAKE_KEY, SHOW_KEY };

/* What tl-platformd is to know of a key; no server then. */
static _Noreturn void
show_key(const char *path, bool make)
{
	struct buf out = BUF_INIT(BUF_SMALL_MAX);
	char line[RECEIPT_KEY_LINE];
	struct receipt_key key;
	struct fail f;

	if ((make && receipt_key_make(path, &f) == -1) ||
	    receipt_key_load(&key, path, &f) == -1)
		opt_fail(&f);
	receipt_key_line(&key, line);
	receipt_key_wipe(&key);
	if (buf_addf(&out, &f, "%s\n", line) == -1)
		opt_fail(&f);
	opt_output(&out);
	exit(0);
}

int
main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "allow-uid", required_argument, NULL, 'u' },
		{ "attest-key", required_argument, NULL, ATTEST_KEY },
		{ "config", required_argument, NULL, 'c' },
		{ "make-attest-key", required_argument, NULL, MAKE_KEY },
		{ "sandboxes", required_argument, NULL, 's' },
		{ "show-attest-key", required_argument, NULL, SHOW_KEY },
		DAEMON_OPTIONS,
		{ NULL, 0, NULL, 0 }
	};
	struct dataplane p = { .uids = { 0, geteuid() }, .nuids = 2 };
	struct daemon d = { .usage = usage, .serve = {
	    .name = "tl-dataplaned", .ops = &dataplane_ops, .arg = &p } };
	struct config config;
	const char *show = NULL;
	struct receipt_key key;
	struct serve *serve;
	struct fail f;
	int ch, verb = 0;

	while ((ch = getopt_long(argc, argv, "c:hl:r:s:u:Vv", options,
	    NULL)) != -1)
		switch (ch) {
		case 'c':
			p.config = optarg;
			break;
		case ATTEST_KEY:
			p.attest_key = optarg;
			break;
		case MAKE_KEY:
		case SHOW_KEY:
			verb = ch;
			show = optarg;
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
	if (show != NULL) {
		if (argc != 3 && argc != 2)
			opt_usage(usage);
		show_key(show, verb == MAKE_KEY);
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
	if (p.attest_key != NULL) {
		if (receipt_key_load(&key, p.attest_key, &f) == -1)
			opt_fail(&f);
		receipt_key_wipe(&key);
	}
	serve = daemon_start(&d);
	/* Who connects is checked each time; the mode only has to let them. */
	if (p.nuids > 2 && chmod(d.serve.listen + 5, 0666) == -1)
		err(EX_OSERR, "%s", d.serve.listen + 5);
	daemon_run(&d, serve);
	return 0;
}
