#ifndef TL_CLIENT_PROCESS_BODY_H
#define TL_CLIENT_PROCESS_BODY_H

#include "client/sandbox/process.h"
#include "core/json.h"

/*
 * What a start says of the process, as members of the object that is open:
 * tl-wire(7), "Starting a process".
 */
int	process_body(struct jout *, const struct process *, struct fail *);

#endif
