#ifndef TL_CORE_CLOCK_H
#define TL_CORE_CLOCK_H

#include <stdint.h>

/* CLOCK_MONOTONIC in milliseconds: for waits and deadlines. */
int64_t	clock_ms(void);

#endif
