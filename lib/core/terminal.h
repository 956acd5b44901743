#ifndef TL_CORE_TERMINAL_H
#define TL_CORE_TERMINAL_H

#include <stdint.h>

/*
 * What goes to and from a terminal in a sandbox: messages whose first byte says
 * what the rest is; tl-wire(7), "Terminals".
 */
enum terminal_message {
	TERMINAL_DATA,		/* both ways: bytes */
	TERMINAL_RESIZE,	/* to it: columns, rows, 16 bits each */
	TERMINAL_READY,		/* to it: what it shows may be sent */
	TERMINAL_EXIT		/* from it: the status, 32 bits with a sign */
};

#define TERMINAL_SIZE_BYTES	5	/* of a resize, and of an exit */

/* What a size is brought to, as the public server does. */
#define TERMINAL_ROWS_MAX	500U
#define TERMINAL_COLS_MAX	1000U

struct terminal_size {
	uint16_t	rows, cols;
};

/* Numbers are sent with their highest byte first. */
static inline void
terminal_put16(uint8_t *p, uint16_t n)
{
	p[0] = (uint8_t)(n >> 8);
	p[1] = (uint8_t)n;
}

static inline uint16_t
terminal_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline void
terminal_resize(uint8_t p[TERMINAL_SIZE_BYTES], struct terminal_size size)
{
	p[0] = TERMINAL_RESIZE;
	terminal_put16(p + 1, size.cols);
	terminal_put16(p + 3, size.rows);
}

static inline struct terminal_size
terminal_resized(const uint8_t p[TERMINAL_SIZE_BYTES])
{
	return (struct terminal_size){ .cols = terminal_get16(p + 1),
	    .rows = terminal_get16(p + 3) };
}

static inline void
terminal_exit(uint8_t p[TERMINAL_SIZE_BYTES], int32_t status)
{
	p[0] = TERMINAL_EXIT;
	terminal_put16(p + 1, (uint16_t)((uint32_t)status >> 16));
	terminal_put16(p + 3, (uint16_t)status);
}

static inline int32_t
terminal_exited(const uint8_t p[TERMINAL_SIZE_BYTES])
{
	return (int32_t)((uint32_t)terminal_get16(p + 1) << 16 |
	    terminal_get16(p + 3));
}

#endif
