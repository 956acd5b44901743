#ifndef TL_REGION_SANDBOX_THREAD_H
#define TL_REGION_SANDBOX_THREAD_H

#include "region/sandbox/sandbox.h"

/*
 * A sandbox's own thread: it makes it, listens to its init, takes in what its
 * processes print, and takes it apart.  Whoever starts it holds a reference.
 */
void	*sandbox_thread(void *sandbox);

#endif
