#ifndef TL_BUILDER_IO_H
#define TL_BUILDER_IO_H

#include <stddef.h>
#include <stdint.h>

/*
 * Exactly n bytes at a place of a file: 0, or -1 with errno; EIO where the file
 * ends before.
 */
int	io_read(int fd, void *, size_t n, uint64_t at);
int	io_write(int fd, const void *, size_t n, uint64_t at);

#endif
