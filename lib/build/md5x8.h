#ifndef TL_BUILD_MD5X8_H
#define TL_BUILD_MD5X8_H

#include <stddef.h>
#include <stdint.h>

/*
 * MD5 (RFC 1321) of eight messages at once.  Each step of MD5 waits for the
 * one before, so one message leaves most of a core idle: eight in step are
 * several times as fast.
 *
 * Whole blocks of 64 bytes only; state starts as the RFC has it (one column a
 * message) and is what nettle's struct md5_ctx keeps, which does the end.
 */
#define MD5X8_LANES	8
#define MD5X8_BLOCK	64

void	md5x8_init(uint32_t state[4][MD5X8_LANES]);
void	md5x8_blocks(uint32_t state[4][MD5X8_LANES],
	    const unsigned char *const message[MD5X8_LANES], size_t blocks);

#endif
