#ifndef TL_CORE_HTTP_H
#define TL_CORE_HTTP_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/buf.h"
#include "core/fail.h"

/*
 * An HTTP client on libcurl: connections kept between requests, one request
 * at a time or several at once, certificates checked, sizes bounded, stalled
 * transfers ended.  Used by one thread.
 *
 * HTTP/1.1.  Redirects are followed, but to another server neither a token nor
 * a body goes, and from https none leads to http (EX_PROTOCOL).  Headers and
 * trailers are bounded; trailers say nothing.  Proxies as libcurl's environment
 * conventions have them, but never for a loopback address.  TL_CA_BUNDLE, else
 * SSL_CERT_FILE and SSL_CERT_DIR, name certificates instead of the system's.
 * TL_STALL_S is after how many seconds without a byte a transfer ends (60);
 * http_stall() and http_ca_bundle() say otherwise.
 */
struct http;

struct http	*http_new(struct fail *);
void		 http_free(struct http *);

/* Let a bearer token go over plain http to any host (--insecure-http). */
void		 http_allow_plain(struct http *);
/* Say each exchange on stderr, secrets left out (-v). */
void		 http_verbose(struct http *);
/* Instead of TL_STALL_S, and of both variables; the path must outlive it. */
void		 http_stall(struct http *, long seconds);
void		 http_ca_bundle(struct http *, const char *path);
/* Fail with EX_TEMPFAIL whatever is under way past this CLOCK_MONOTONIC ms. */
void		 http_deadline(struct http *, int64_t monotonic_ms);

#define HTTP_LEN_UNKNOWN	UINT64_MAX

struct http_request {
	const char	*method;
	const char	*url;		/* may hold a signature: never printed */
	const char	*bearer;	/* a token, or NULL */
	const char	*host;		/* Host header instead of the URL's */
	const char	*unix_path;	/* connect here instead of the URL's host */
	const char *const *headers;	/* "Name: value", NULL at the end; or NULL */
	const char	*json;		/* a JSON body: Content-Type is added */
	const void	*body;		/* or any body, no type added */
	size_t		 body_len;
	/*
	 * Or a body read piece by piece, body_size bytes in all (chunked if
	 * HTTP_LEN_UNKNOWN).  Returns how many bytes were put into buf, 0 at
	 * the end, -1 to give up with *f filled.
	 */
	ssize_t		(*read)(void *arg, char *buf, size_t n, struct fail *f);
	uint64_t	 read_size;
	/* Begin read() again from the start (redirect, retry); NULL: cannot. */
	int		(*rewind)(void *arg);
	/*
	 * Where the answer's body goes if its status is 2xx; without it, and
	 * for other statuses, into reply->body.  -1 gives up, with *f filled.
	 */
	int		(*sink)(void *arg, const char *p, size_t n,
			    struct fail *f);
	void		*arg;		/* for read, rewind and sink */
	size_t		 reply_max;	/* ceiling of reply->body; 0: BUF_SMALL_MAX */
	const char	*type;		/* wanted Content-Type part of a 2xx, or NULL */
	long		 timeout_ms;	/* of the whole exchange; 0: none */
	long		 stall_s;	/* no byte for so long; 0: TL_STALL_S, -1: never */
	bool		 no_redirect;	/* a 3xx is an answer like any other */
	/*
	 * On a connection of its own.  libcurl quietly repeats a request
	 * whose kept connection turned out dead; one that makes something
	 * must not be.
	 */
	bool		 fresh;
	bool		 no_expect_len;	/* an empty POST without Content-Length */
};

struct http_reply {
	long		 status;	/* 0: no answer came */
	struct buf	 body;		/* not 2xx: without the token */
	char		 type[96];	/* Content-Type, or "" */
	char		 etag[256];	/* ETag as it came, quotes included, or "" */
	char		 modified[64];	/* Last-Modified, or "" */
	uint64_t	 length;	/* Content-Length, or HTTP_LEN_UNKNOWN */
	long		 retry_after_s;	/* Retry-After in seconds, or -1 */
	bool		 sent;		/* the request may have reached the server */
	bool		 bad_type;	/* 2xx of another type than wanted */
	/* Private. */
	struct fail	*f;
	struct fail	 fail;
};

#define HTTP_REPLY_INIT	{ .body = BUF_INIT(0), .retry_after_s = -1,	\
			  .length = HTTP_LEN_UNKNOWN }

/* Ready for the next exchange: body emptied. */
void	http_reply_clear(struct http_reply *);
void	http_reply_free(struct http_reply *);

/*
 * One exchange.  0 when an answer came whole, whatever its status; -1 with
 * EX_TEMPFAIL (connect, timeout, cut), EX_PROTOCOL (not HTTP, too long),
 * EX_CONFIG (token over plain http), or what read() or sink() said.  Messages
 * name method and URL up to its '?'.
 */
int	http_do(struct http *, const struct http_request *,
	    struct http_reply *, struct fail *);

/*
 * Several at once: http_start() each (request, reply and what they point to
 * must live until it is done), then http_wait() for them one by one: 1 and
 * the reply that is done, its result in reply->fail.status (0: answered);
 * 0 when timeout_ms passed; -1 when nothing is under way or libcurl failed.
 */
int	http_start(struct http *, const struct http_request *,
	    struct http_reply *, struct fail *);
int	http_wait(struct http *, int timeout_ms, struct http_reply **,
	    struct fail *);
/* Drop one that is under way; its reply is not reported any more. */
void	http_cancel(struct http *, struct http_reply *);

/*
 * A GET that the server answers by becoming the other end of a WebSocket
 * (core/websocket.h): 1, and the connection; 0 if it answered something else,
 * which is in the reply, its body if it is no stream; -1 as http_do().  TLS,
 * proxies, limits and credentials are those of any request; redirects are not
 * followed.  It stays usable when the client is freed.
 */
struct http_stream;

int	http_websocket(struct http *, const struct http_request *,
	    struct http_reply *, struct http_stream **, struct fail *);
/* To be waited for; what TLS has read already is not seen by poll(2). */
int	http_stream_fd(const struct http_stream *);
/* How many bytes; 0: none for now; -1: no more, or broken. */
ssize_t	http_stream_recv(struct http_stream *, void *, size_t);
ssize_t	http_stream_send(struct http_stream *, const void *, size_t);
void	http_stream_close(struct http_stream *);

/*
 * What a status that is not 2xx means to a user: fills f with the status of
 * sysexits(3) and "WHAT: refused (403): the server's words"; always -1.
 * 401 and 403 are EX_NOPERM; 408, 429, 502, 503, 504 EX_TEMPFAIL; a 3xx or 1xx
 * EX_PROTOCOL; the rest EX_UNAVAILABLE.
 */
int	http_refused(const struct http_reply *, const char *what,
	    struct fail *);

/*
 * Where a link in an answer leads, absolute or relative to the URL that was
 * asked for, without its fragment.  EX_PROTOCOL if it is no link, or leads to
 * another server than that one: another scheme, host or port, or somebody's
 * name in it.
 */
int	http_link(const char *url, const char *link, struct buf *,
	    struct fail *);

/*
 * 1 if the URL's host is localhost, 127.0.0.0/8 or [::1]; 0 if it is not, or
 * if it is no URL; -1 out of memory.
 */
int	http_is_loopback(const char *url, struct fail *);

#endif
