#ifndef TL_CLIENT_TTY_H
#define TL_CLIENT_TTY_H

#include <stdbool.h>

#include "core/fail.h"
#include "core/terminal.h"

/*
 * The terminal that this program runs on, while it shows another one: each byte
 * that is typed comes as it is, what is shown goes out as it is.  One at a
 * time.  However the program ends, but by SIGKILL, tty_restore() is called or
 * has been.
 */

/* Both standard input and output are terminals, or EX_USAGE. */
int	tty_there(struct fail *);
int	tty_raw(struct fail *);
/* As it was before; may be called in any state, and by a signal. */
void	tty_restore(void);

struct terminal_size tty_size(void);
/* Since the last time it was asked, or the first. */
bool	tty_resized(void);

#endif
