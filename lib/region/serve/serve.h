#ifndef TL_REGION_SERVE_H
#define TL_REGION_SERVE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/fail.h"
#include "core/json.h"

struct faults;

/*
 * An HTTP server on libmicrohttpd, a thread a connection.  Only its own files,
 * serve*.c, include microhttpd.h.
 *
 * For each request: begin() when the head is there and no body yet; body() for
 * each piece of it; done() when it is whole, which must answer.  begin() may
 * answer early (the body is then not read) or set keep_body, with which the
 * body is collected and body() is not called.  gone() is called last, once
 * for each begin(), answered or not, the peer alive or not: free request->own
 * there.  All four run in the connection's thread: state shared between
 * requests needs its own lock.
 */
struct serve_request {
	const char	*method;
	const char	*target;	/* as sent: path and query, still escaped */
	const char	*path;		/* the path as sent, still escaped */
	const char	*query;		/* behind the '?', still escaped; or "" */
	size_t		 keep_body;	/* collect up to so many bytes (413) */
	struct buf	 body;		/* what keep_body collected */
	uint64_t	 length;	/* Content-Length, UINT64_MAX if chunked */
	void		*own;		/* the handler's */
	struct serve	*serve;
	void		*priv;
};

struct serve_ops {
	void	(*begin)(struct serve_request *, void *arg);
	void	(*body)(struct serve_request *, void *arg, const char *, size_t);
	void	(*done)(struct serve_request *, void *arg);
	void	(*gone)(struct serve_request *, void *arg);
	/* What tl-fault(7) calls a request whose head is there.  May be NULL. */
	void	(*name)(const struct serve_request *, char *, size_t);
};

/*
 * At most 1,024 connections at once; of these, another user of this machine
 * may hold 256, and the users of a sandbox 64 together; where the server
 * is an ordinary user's, and all sandboxes have the same users, 512.
 *
 * Listen on "HOST:PORT" (port 0: any free one; "reserved": one that root alone
 * may take, or any free one for others; HOST must be a loopback address unless
 * any_host) or "unix:/PATH" (mode 0600; a stale socket there is replaced, a
 * live one is not).  A busy address is EX_UNAVAILABLE.
 */
struct serve_options {
	const char		*name;		/* the program, for its log */
	const char		*listen;
	bool			 any_host;
	const struct serve_ops	*ops;
	void			*arg;
	struct faults		*faults;	/* or NULL; freed at the end */
	bool			 xml;		/* its error documents are XML */
	bool			 verbose;	/* log each request */
};

/*
 * The faults of TL_FAULT and, whenever it is there, of a file; neither is
 * none.  See region/serve/fault.h.
 */
int	serve_faults(struct serve_options *, const char *file, struct fail *);

struct serve *serve_start(const struct serve_options *, struct fail *);
/* "http://127.0.0.1:41234", or "unix:/PATH". */
const char *serve_url(const struct serve *);
/*
 * Write the URL and a newline into the file ready (if not NULL; by rename, so
 * it is whole when it is there), then serve until SIGTERM or SIGINT.  Every
 * thread has these signals blocked: call serve_block_signals() first in
 * main(), before any thread is made.
 */
void	serve_block_signals(void);
int	serve_run(struct serve *, const char *ready, struct fail *);
/* Stop taking, wait for what is under way up to 2 s, close. */
void	serve_stop(struct serve *);
/* True once stopping: streams should end. */
bool	serve_stopping(const struct serve *);

/* A header's value, NULL if absent, the first if repeated; any case. */
const char *serve_header(const struct serve_request *, const char *name);
unsigned serve_header_count(const struct serve_request *, const char *name);
/* All of them, in order. */
void	serve_headers(const struct serve_request *,
	    void (*each)(void *arg, const char *name, const char *value),
	    void *arg);
/*
 * A query parameter, form-decoded ('+' is a space), onto a buf: 1 there, 0
 * absent, -1 malformed escape or NUL.
 */
int	serve_query(const struct serve_request *, const char *name,
	    struct buf *, struct fail *);
/* The path's segments behind a prefix: matches "/a/{}/b" style patterns,
 * {} being one non-empty segment, unescaped into seg[0..]; at most max.
 * The number of segments, or -1 if it does not match. */
int	serve_match(const struct serve_request *, const char *pattern,
	    char seg[][256], int max);
/* The body that was kept, an object: EX_DATAERR if it is none. */
int	serve_body_json(const struct serve_request *, struct span *,
	    struct fail *);
/* Who is at the other end of a unix socket. */
int	serve_peer(const struct serve_request *, uid_t *, pid_t *);

/* Answers.  The first one counts; all copy what they are given. */
void	serve_add_header(struct serve_request *, const char *name,
	    const char *value);
void	serve_reply(struct serve_request *, unsigned status, const char *type,
	    const void *, size_t);
/*
 * The document and a newline; its buffer is freed.  A 500 if it could not be
 * written.
 */
void	serve_reply_json(struct serve_request *, unsigned status,
	    struct jout *);
/*
 * {"error": TEXT, "code": WORD}, as tl-wire(7), "Error documents" and
 * "Open points", have it.
 */
void	serve_error(struct serve_request *, unsigned status, const char *code,
	    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* 405: these methods, as Allow lists them, are possible here. */
void	serve_only(struct serve_request *, const char *code,
	    const char *methods);
/* len bytes of a file from off on; the descriptor is closed for you. */
void	serve_reply_file(struct serve_request *, unsigned status,
	    const char *type, int fd, uint64_t off, uint64_t len);
/*
 * A body of unknown length: next() fills buf and returns how much, may block
 * for a while, 0 to be asked again, -1 at the end, SERVE_CUT to break off, so
 * that the client sees an answer cut short.  free_arg() at the end.
 */
#define SERVE_CUT	(-2)
void	serve_reply_stream(struct serve_request *, unsigned status,
	    const char *type, ssize_t (*next)(void *arg, char *buf, size_t n),
	    void (*free_arg)(void *arg), void *arg);
/*
 * A body of len bytes that read() gives from any position: how many it put
 * into buf, or -1, which cuts the answer short.  free_arg() at the end.
 */
void	serve_reply_read(struct serve_request *, unsigned status,
	    const char *type, uint64_t len,
	    ssize_t (*read)(void *arg, uint64_t pos, char *buf, size_t n),
	    void (*free_arg)(void *arg), void *arg);

/*
 * The connection becomes a WebSocket (core/websocket.h): run() has it from then
 * on, in its thread, and not blocking; early is what came behind the request.
 * It must return soon once serve_stopping(), and is not called if the peer has
 * gone.  A request for none is answered with 400 or 426.
 */
void	serve_reply_websocket(struct serve_request *,
	    void (*run)(void *arg, int fd, const void *early, size_t n),
	    void *arg);

/* A line in the log (stderr): time, program, text; masked: core/mask.h. */
void	serve_log(const struct serve *, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));

#endif
