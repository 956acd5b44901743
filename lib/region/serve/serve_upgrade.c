#include <sys/socket.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <microhttpd.h>

#include "core/websocket.h"
#include "region/serve/serve_impl.h"

struct upgrade {
	void	(*run)(void *, int, const void *, size_t);
	void	*arg;
};

/* In the connection's thread, which is ours until we return. */
static void
on_upgrade(void *arg, struct MHD_Connection *conn, void *own,
    const char *early, size_t n, MHD_socket fd,
    struct MHD_UpgradeResponseHandle *handle)
{
	const struct upgrade *u = arg;
	int flags = fcntl(fd, F_GETFL), one = 1;

	(void)conn;
	(void)own;
	/* Short messages, each of which somebody waits for. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (flags != -1 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) != -1)
		u->run(u->arg, fd, early, n);
	MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
}

/* Whether a header's list of words has this one. */
static bool
has_word(const char *list, const char *word)
{
	size_t n = strlen(word), len;

	for (; list != NULL && *list != '\0'; list += len) {
		list += strspn(list, ", \t");
		len = strcspn(list, ", \t");
		if (len == n && strncasecmp(list, word, n) == 0)
			return true;
	}
	return false;
}

void
serve_reply_websocket(struct serve_request *r,
    void (*run)(void *, int, const void *, size_t), void *arg)
{
	struct exchange *x = exchange_of(r);
	const char *key = serve_header(r, "Sec-WebSocket-Key");
	const char *version = serve_header(r, "Sec-WebSocket-Version");
	char accept[WEBSOCKET_ACCEPT];
	struct upgrade *u;

	if (x->response != NULL)
		return;
	if (!has_word(serve_header(r, "Connection"), "upgrade") ||
	    !has_word(serve_header(r, "Upgrade"), "websocket") ||
	    version == NULL || strcmp(version, "13") != 0) {
		serve_add_header(r, "Upgrade", "websocket");
		serve_add_header(r, "Sec-WebSocket-Version", "13");
		serve_error(r, 426, "UPGRADE_REQUIRED",
		    "only WebSocket version 13 is possible here");
		return;
	}
	if (strcmp(r->method, "GET") != 0 || r->length != 0 || key == NULL ||
	    serve_header_count(r, "Sec-WebSocket-Key") != 1 ||
	    websocket_accept(key, accept) == -1) {
		serve_error(r, 400, "BAD_REQUEST",
		    "not a valid WebSocket request");
		return;
	}
	if ((u = malloc(sizeof(*u))) == NULL)
		return;
	u->run = run;
	u->arg = arg;
	x->response = MHD_create_response_for_upgrade(on_upgrade, u);
	if (x->response == NULL) {
		free(u);
		return;
	}
	MHD_add_response_header(x->response, "Upgrade", "websocket");
	MHD_add_response_header(x->response, "Sec-WebSocket-Accept", accept);
	x->status = MHD_HTTP_SWITCHING_PROTOCOLS;
	x->upgraded = u;
}
