#ifndef TL_CLIENT_CREDHELPER_H
#define TL_CLIENT_CREDHELPER_H

#include "core/buf.h"
#include "core/fail.h"

/*
 * Ask "docker-credential-NAME get" for a registry's credentials: the registry
 * goes to its stdin, its arguments are always the same, it gets none of our
 * tokens in its environment, and has timeout_ms in all, after which it and
 * its children are killed.
 *
 * 1: out holds the user, a NUL, the secret and its NUL; 0: it has none, is
 * not there, failed, was too slow or made no sense, and why says which,
 * without anything it wrote; -1: our own failure.
 */
int	credhelper_get(const char *name, const char *registry, int timeout_ms,
	    struct buf *out, struct fail *why, struct fail *f);

#endif
