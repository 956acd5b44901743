#ifndef TL_CLIENT_BEGIN_H
#define TL_CLIENT_BEGIN_H

#include <stdbool.h>

#include "client/cloud/settings.h"

/*
 * How main() comes to its settings, the same in every program that has them.
 * Like core/opt.h these print and exit: only main() calls them.
 *
 * True: what getopt_long() gave was one of SETTINGS_OPTIONS.
 */
bool	begin_option(struct settings *, int ch, const char *arg);
/* Once the options are known: the rest, and the clock of the deadline. */
void	begin_settings(struct settings *, const char *program);

#endif
