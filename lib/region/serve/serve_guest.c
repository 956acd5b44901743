#include <sys/socket.h>

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "region/serve/peer.h"
#include "region/serve/serve_impl.h"

/*
 * Of the connections, what one other user may hold, and one range of users
 * such as a sandbox has: it must not shut everybody else out.  All sandboxes of
 * an ordinary user have one range together.
 */
#define GUEST_MAX	256U
#define GUEST_RANGE_MAX	64U
#define GUEST_SHARED_MAX	512U
/* The ranges that sandboxes have; region/runtime/space.h. */
#define RANGE		65536U
#define WIDE_RANGE	262144U
#define WIDE_FROM	0x30000000U

/* Who else is connected: a user, a range of them, or who cannot be found. */
struct guest {
	struct guest	*next;
	enum guest_kind { USER, USERS, UNKNOWN } kind;
	uid_t		 id;
	unsigned	 n;
};

static unsigned
guest_max(const struct guest *g)
{
	if (g->kind == USER)
		return GUEST_MAX;
	return geteuid() == 0 ? GUEST_RANGE_MAX : GUEST_SHARED_MAX;
}

/* Whether it came from this machine, as far as the addresses tell. */
static bool
is_local(const struct sockaddr *them, const struct sockaddr *us)
{
	const struct sockaddr_in *a = (const void *)them, *b = (const void *)us;
	const struct sockaddr_in6 *a6 = (const void *)them,
	    *b6 = (const void *)us;

	if (them->sa_family == AF_INET)
		return ntohl(a->sin_addr.s_addr) >> 24 == 127 ||
		    a->sin_addr.s_addr == b->sin_addr.s_addr;
	return them->sa_family == AF_INET6 &&
	    (IN6_IS_ADDR_LOOPBACK(&a6->sin6_addr) ||
	    IN6_ARE_ADDR_EQUAL(&a6->sin6_addr, &b6->sin6_addr));
}

/*
 * Ourselves and root are no guests, nor is who comes from another machine.
 * Whoever hides from the search does not win by it.
 */
static bool
is_guest(const struct sockaddr *them, const struct sockaddr *us,
    struct guest *g)
{
	uid_t uid;

	if (peer_uid(them, us, &uid) == -1) {
		g->kind = UNKNOWN;
		g->id = 0;
		return is_local(them, us);
	}
	g->kind = uid >= RANGE ? USERS : USER;
	g->id = uid < RANGE ? uid :
	    uid - uid % (uid < WIDE_FROM ? RANGE : WIDE_RANGE);
	return uid != 0 && uid != geteuid();
}

static struct guest *
guest_find(struct serve *s, const struct guest *who)
{
	struct guest *g;

	for (g = s->guests; g != NULL; g = g->next)
		if (g->id == who->id && g->kind == who->kind)
			break;
	return g;
}

/* Asked first; the question who it is costs, so only where one has it all. */
bool
serve_guest_welcome(struct serve *s, const struct sockaddr *them)
{
	struct sockaddr_storage us;
	socklen_t len = sizeof(us);
	struct guest who = { .n = 0 }, *g;
	bool welcome = true;

	pthread_mutex_lock(&s->guest_lock);
	if (s->full > 0 &&
	    getsockname(s->fd, (struct sockaddr *)&us, &len) == 0 &&
	    is_guest(them, (struct sockaddr *)&us, &who)) {
		g = guest_find(s, &who);
		welcome = g == NULL || g->n < guest_max(g);
	}
	pthread_mutex_unlock(&s->guest_lock);
	return welcome;
}

struct guest *
serve_guest_came(struct serve *s, int fd)
{
	struct sockaddr_storage them, us;
	socklen_t n = sizeof(them), m = sizeof(us);
	struct guest who = { .n = 0 }, *g;

	if (s->unix_path != NULL ||
	    getpeername(fd, (struct sockaddr *)&them, &n) == -1 ||
	    getsockname(fd, (struct sockaddr *)&us, &m) == -1 ||
	    !is_guest((struct sockaddr *)&them, (struct sockaddr *)&us, &who))
		return NULL;
	pthread_mutex_lock(&s->guest_lock);
	if ((g = guest_find(s, &who)) == NULL &&
	    (g = malloc(sizeof(*g))) != NULL) {
		*g = who;
		g->next = s->guests;
		s->guests = g;
	}
	if (g != NULL && ++g->n == guest_max(g)) {
		s->full++;
		serve_log(s, "%s %lu: %u connections, no more are taken",
		    g->kind == USERS ? "users from" : g->kind == USER ?
		    "user" : "users not found", (unsigned long)g->id,
		    g->n);
	}
	pthread_mutex_unlock(&s->guest_lock);
	return g;
}

void
serve_guest_went(struct serve *s, struct guest *g)
{
	struct guest **at;

	pthread_mutex_lock(&s->guest_lock);
	if (g->n-- == guest_max(g))
		s->full--;
	if (g->n == 0) {
		for (at = &s->guests; *at != g; at = &(*at)->next)
			;
		*at = g->next;
		free(g);
	}
	pthread_mutex_unlock(&s->guest_lock);
}
