#ifndef TL_REGION_INIT_H
#define TL_REGION_INIT_H

#include "region/runtime/root.h"

/*
 * The first process of a sandbox: takes on its namespaces, then reaps what
 * ends in it and starts what the daemon asks for, until the daemon's end of
 * the socket closes.  Returns then, or at once if it cannot begin; its end is
 * the end of every process in there.
 */
void	init_run(int sock, const struct root *);

#endif
