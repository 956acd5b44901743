#ifndef TL_REGION_FILEAPI_H
#define TL_REGION_FILEAPI_H

#include <stddef.h>

#include "region/sandbox/sandbox_file.h"
#include "region/serve/serve.h"

/*
 * The files of a sandbox over HTTP: tl-wire(7), "Sandbox proxy", on
 * /api/v1/files.  All is done as the sandbox's user.
 *
 * begin() opens what a PUT writes to, or answers; it is NULL for what is no
 * PUT.  body() is for a PUT alone; done() answers; gone() frees it, NULL too.
 */
struct sandbox_file *fileapi_begin(struct serve_request *, struct sandbox *);
void	fileapi_body(struct serve_request *, struct sandbox_file *,
	    const char *, size_t);
void	fileapi_done(struct serve_request *, struct sandbox *,
	    struct sandbox_file *);
void	fileapi_gone(struct sandbox_file *);

#endif
