#ifndef TL_CORE_STOP_H
#define TL_CORE_STOP_H

#include <signal.h>

/*
 * Being told to end: SIGINT, SIGTERM and SIGHUP leave their number in
 * stop_signal, for whoever has something to undo first.  A second one of the
 * kind has its usual effect.  A signal that was ignored (nohup) stays ignored.
 */
extern volatile sig_atomic_t stop_signal;

void	stop_catch(void);
/* The status that says so to a shell: 130, 143, 129; 0 if nothing came. */
int	stop_status(void);

#endif
