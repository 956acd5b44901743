#ifndef TL_CORE_OPT_H
#define TL_CORE_OPT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/fail.h"

/*
 * What main() does at its two ends, the same in every program.  Unlike the
 * rest of the library these print and exit: only main() calls them.
 *
 * So do err(3), errx(3), warn(3) and warnx(3), which are defined here, too, and
 * a program's own come before libc's: what they print is one line, masked
 * (core/mask.h), whatever is in it.
 *
 * A program has one usage text, "usage: tl-x [-v] ...\n" and a few lines on
 * its options, and lists OPT_COMMON in its long options.
 */
#define OPT_COMMON							\
	{ "help", no_argument, NULL, 'h' },				\
	{ "version", no_argument, NULL, 'V' },				\
	{ "verbose", no_argument, NULL, 'v' }

/* -h: the text on stdout, 0.  -V: "NAME VERSION (COMMIT)", 0. */
_Noreturn void	opt_help(const char *usage);
_Noreturn void	opt_version(const char *name);
const char	*opt_version_text(void);
/* Anything wrong on the command line: the text's first line, EX_USAGE. */
_Noreturn void	opt_usage(const char *usage);
/* A number given to an option, within bounds; EX_USAGE names the option. */
uint64_t	opt_number(const char *option, const char *arg, uint64_t min,
		    uint64_t max);
/* A size in MiB: 2048, and 512M and 10G as well; bounds are in MiB. */
uint64_t	opt_mib(const char *option, const char *arg, uint64_t min,
		    uint64_t max);
/*
 * The status of a program that was told to end (core/stop.h), 0 if it was not;
 * a deadline, of which nobody else tells, gets its line.
 */
int		opt_stopped(void);
/* A number above zero, with a fraction or not: digits and a point only. */
double		opt_decimal(const char *option, const char *arg, double max);
/*
 * SOURCE_DATE_EPOCH, of reproducible-builds.org: whether it is there.  What is
 * no number of seconds is EX_CONFIG.
 */
bool		opt_source_date_epoch(int64_t *);
/*
 * The path of a program installed with this one: in the same folder or, if it is
 * not there, in the sbin of its bin, or the bin of its sbin.  The caller frees it.
 */
char		*opt_beside(const char *name);
/* "NAME: the line", and out with its status. */
_Noreturn void	opt_fail(const struct fail *);
/*
 * All of stdin; what names it where that is empty (EX_DATAERR), as it is when
 * the stage before this one failed.
 */
void		opt_input(struct buf *, const char *what);
/* What -v is told: "NAME: the line" on stderr. */
void		opt_note(const char *line);
/* What goes on all the same: "NAME: warning: the line" on stderr. */
void		opt_warn(const char *line);
/*
 * The whole result on stdout, which is closed; a terminal gets it masked
 * (core/mask.h).  EX_IOERR; and opt_output() does not come back then.
 */
int		opt_write(const struct buf *, struct fail *);
void		opt_output(const struct buf *);

#endif
