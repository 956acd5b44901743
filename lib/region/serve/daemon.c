#include <getopt.h>

#include "region/serve/daemon.h"

void
daemon_option(struct daemon *d, int ch)
{
	switch (ch) {
	case 'h':
		opt_help(d->usage);
	case 'l':
		d->serve.listen = optarg;
		break;
	case 'r':
		d->ready = optarg;
		break;
	case 'V':
		opt_version(d->serve.name);
	case 'v':
		d->serve.verbose = true;
		break;
	case DAEMON_FAULT:
		d->fault = optarg;
		break;
	default:
		opt_usage(d->usage);
	}
}

void
daemon_begin(struct daemon *d)
{
	struct fail f;

	serve_block_signals();
	if (serve_faults(&d->serve, d->fault, &f) == -1)
		opt_fail(&f);
}

struct serve *
daemon_start(const struct daemon *d)
{
	struct fail f;
	struct serve *serve = serve_start(&d->serve, &f);

	if (serve == NULL)
		opt_fail(&f);
	return serve;
}

void
daemon_run(const struct daemon *d, struct serve *serve)
{
	struct fail f;

	if (serve_run(serve, d->ready, &f) == -1)
		opt_fail(&f);
	serve_stop(serve);
}
