#ifndef TL_REGION_SERVE_IMPL_H
#define TL_REGION_SERVE_IMPL_H

#include <sys/socket.h>
#include <sys/types.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/fail.h"
#include "region/serve/fault.h"
#include "region/serve/serve.h"

/*
 * What the files of the server share; see serve.h for how to use it.  Each
 * stands on those below it only:
 *
 *	serve_run.c		one server, from its start to its end
 *	serve_listen.c		its address
 *	serve_exchange.c	a request's way through libmicrohttpd
 *	serve_guest.c		who may be connected, and how often
 *	serve_fault.c		what goes wrong on purpose
 *	serve_json.c		JSON of a request and of an answer
 *	serve_upgrade.c		a connection that becomes a WebSocket
 *	serve_answer.c		what is answered
 *	serve_request.c		what was asked, and by whom
 *	serve_log.c		a line of the log
 */
struct MHD_Connection;
struct MHD_Daemon;
struct MHD_Response;
struct guest;

/* Of head and reading together: a target with a signature is a few KB. */
#define SERVE_MEMORY_MAX	(256UL << 10)

struct serve {
	char			*name;
	char			*url;
	char			*unix_path;
	dev_t			 unix_dev;
	ino_t			 unix_ino;
	int			 fd;
	const struct serve_ops	*ops;
	void			*arg;
	struct faults		*faults;
	bool			 xml;
	bool			 verbose;
	pthread_mutex_t		 door_lock;
	unsigned		 shut;		/* faults that refuse */
	struct MHD_Daemon	*daemon;
	atomic_bool		 stopping;
	atomic_uint		 busy;		/* requests under way */
	pthread_mutex_t		 guest_lock;
	struct guest		*guests;
	unsigned		 full;		/* guests with all they may */
};

struct header {
	struct header	*next;
	char		*name, *value;
};
void	serve_headers_free(struct header *);

/* One request, from its first line to its end. */
struct exchange {
	struct serve_request	 req;
	struct serve		*s;
	struct MHD_Connection	*conn;
	char			*target;
	char			*path;
	struct header		*asked, **asked_end;
	struct header		*headers;	/* of the answer to come */
	struct MHD_Response	*response;
	void			*upgraded;	/* to be freed, or NULL */
	unsigned		 status;
	uint64_t		 seen;		/* bytes of body */
	bool			 begun;
	bool			 queued;
	bool			 early;		/* not taken, the first time */
	bool			 broken;	/* out of memory */
	bool			 malformed;	/* a header */
	bool			 stream;
	bool			 linger;
	bool			 empty;		/* the answer has no body */
	bool			 shut;		/* the door, until it is over */
	struct fault		 fault;
};

static inline struct exchange *
exchange_of(const struct serve_request *r)
{
	return r->priv;
}

/* Listen as the options say, and set url: the socket, or -1. */
int	serve_listen(struct serve *, const struct serve_options *,
	    struct fail *);
/* A unix socket's name goes, if it is still ours. */
void	serve_unlink(const struct serve *);

/* May another connection from there be taken? */
bool	serve_guest_welcome(struct serve *, const struct sockaddr *);
/* A connection is there: whose, or NULL where nobody counts them. */
struct guest *serve_guest_came(struct serve *, int fd);
void	serve_guest_went(struct serve *, struct guest *);

/* Start to take requests: NULL if libmicrohttpd cannot. */
struct MHD_Daemon *serve_daemon(struct serve *);

/* The connection's descriptor, or -1. */
int	serve_fd(struct MHD_Connection *);
/* Copy the request's headers; broken or malformed says if they are not so. */
void	serve_take_headers(struct exchange *, const char *version);

/* The connection ends with the answer that was made. */
void	serve_close_after(struct exchange *);

/* Which fault this is, if any; true if it takes the place of the handling. */
bool	serve_fault_first(struct exchange *);
/* What happens to an answer; true if it is not to be sent. */
bool	serve_fault_last(struct exchange *);
/* The exchange is over: what there still is to be refused. */
void	serve_fault_over(struct exchange *);

#endif
