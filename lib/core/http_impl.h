#ifndef TL_CORE_HTTP_IMPL_H
#define TL_CORE_HTTP_IMPL_H

#include <curl/curl.h>

#include "core/http.h"

/* What the files of the client share: a client, and a request under way. */

struct transfer {
	struct transfer			*next;
	CURL				*easy;
	struct curl_slist		*headers;
	const struct http_request	*req;
	struct http_reply		*reply;
	struct http			*http;
	size_t				 body_at;	/* sent of req->body */
	int64_t				 begun;		/* monotonic, ms */
	int64_t				 moved;		/* last byte, ms */
	curl_off_t			 bytes;		/* both ways, then */
	size_t				 head_bytes;	/* headers, trailers */
	int				 head_code;	/* of the last one */
	bool				 head_ended;	/* what is next: a body */
	bool				 finished;	/* not yet reported */
	char				 error[CURL_ERROR_SIZE];
	char				 shown[256];	/* "GET http://..." */
};

struct http {
	CURLM		*multi;
	struct transfer	*list;
	bool		 plain;
	bool		 verbose;
	int64_t		 deadline;	/* 0: none */
	long		 stall_s;
	const char	*ca;
};

/* May it go out?  1: to this machine, 0: elsewhere, -1. */
int	http_may_go(const struct http *, const struct http_request *,
	    struct fail *);
/* One to begin, "GET http://..." to be shown; NULL out of memory. */
struct transfer *http_transfer_new(struct http *, const struct http_request *,
	    struct http_reply *);
/* The handle set for the request; -1 out of memory. */
int	http_transfer_set(struct transfer *, bool local);
/* libcurl's result becomes the reply's. */
void	http_transfer_end(struct transfer *, CURLcode);

#endif
