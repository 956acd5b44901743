#ifndef TL_CORE_CLOCK_H
#define TL_CORE_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* CLOCK_MONOTONIC in milliseconds: for waits and deadlines. */
int64_t	clock_ms(void);
/* The same in nanoseconds: how long something took. */
int64_t	clock_ns(void);
/* Milliseconds since 1970, for what is shown and kept. */
int64_t	clock_date_ms(void);

/* A condition that is waited for by clock_ms(). */
void	clock_cond_init(pthread_cond_t *);
/* Until it is signalled or that time has come: false if it has. */
bool	clock_cond_wait(pthread_cond_t *, pthread_mutex_t *, int64_t until_ms);

#endif
