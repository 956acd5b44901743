#ifndef TL_CORE_STOP_H
#define TL_CORE_STOP_H

#include <signal.h>

/*
 * Being told to end: SIGINT, SIGTERM and SIGHUP leave their number in
 * stop_signal, for whoever has something to undo first.  A second one ends the
 * program, unless it comes within STOP_SECOND_MS of the first: timeout(1) sends
 * two, a terminal and make one each, and all of them are one wish.  A signal
 * that was ignored (nohup) stays ignored.
 *
 * A deadline is one more: it leaves SIGALRM, and STOP_GRACE_S later the program
 * ends all the same.  One that does not catch signals ends at once.
 */
extern volatile sig_atomic_t stop_signal;

#define STOP_GRACE_S	15
#define STOP_SECOND_MS	500

void	stop_catch(void);
/*
 * What is put in order before a second signal or the end of the grace ends the
 * program; called in a handler of signals.
 */
void	stop_last(void (*last)(void));
/* So many seconds from now; name is the program's, for its last line. */
void	stop_after(const char *name, unsigned seconds);
/* "stopped by a signal", "the deadline of 60 s has passed". */
const char	*stop_reason(void);
/* The status for a shell: 130, 143, 129, EX_TEMPFAIL; 0 if nothing came. */
int	stop_status(void);

#endif
