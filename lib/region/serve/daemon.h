#ifndef TL_REGION_DAEMON_H
#define TL_REGION_DAEMON_H

#include "core/opt.h"
#include "region/serve/serve.h"

/*
 * What main() of every daemon does.  As those of core/opt.h, these print and
 * exit: only main() calls them.
 *
 *	struct daemon d = { .usage = usage, .serve = { ... } };
 *
 *	while ((ch = getopt_long(...)) != -1)
 *		switch (ch) {
 *		case ...:			its own options
 *		default:
 *			daemon_option(&d, ch);
 *		}
 *	daemon_begin(&d);
 *	...					open what it serves
 *	serve = daemon_start(&d);
 *	daemon_run(&d, serve);
 *	...					close it
 */
struct daemon {
	const char		*usage;
	struct serve_options	 serve;
	const char		*ready;		/* file for the URL; or NULL */
	const char		*fault;		/* file of faults; or NULL */
};

enum { DAEMON_FAULT = 1024 };

/* Long options that all have, among them OPT_COMMON. */
#define DAEMON_OPTIONS							\
	{ "fault", required_argument, NULL, DAEMON_FAULT },		\
	{ "listen", required_argument, NULL, 'l' },			\
	{ "ready", required_argument, NULL, 'r' },			\
	OPT_COMMON

/* One of these, its argument in optarg; any other is wrong usage. */
void	daemon_option(struct daemon *, int ch);
/* Before any thread is made. */
void	daemon_begin(struct daemon *);
struct serve *daemon_start(const struct daemon *);
/* Serve until it is told to end, and stop the server. */
void	daemon_run(const struct daemon *, struct serve *);

#endif
