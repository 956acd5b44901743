#ifndef TL_REGION_RUNTIME_TERMINAL_H
#define TL_REGION_RUNTIME_TERMINAL_H

#include "core/terminal.h"

/*
 * A pseudo-terminal of the sandbox's own for this process, which leads a
 * session: it is the controlling one, and descriptors 0 to 2.
 *
 * line is a SOCK_SEQPACKET socket to the daemon, which shall hold nothing that
 * a sandbox can open.  So a process beside this one, nobody's child here, holds
 * the other side of the terminal: packets of core/terminal.h that come (data
 * and sizes) go to the terminal; what it shows goes out as it is, in packets.
 * It ends with either of them.  0, or -1 with errno.
 */
#define TERMINAL_PACKET	4096U

int	terminal_lead(int line, struct terminal_size);

#endif
