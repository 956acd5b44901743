#include "client/sandbox/session.h"

int
session_open(struct session *s, const struct settings *settings,
    const char *path, unsigned every_s, bool verbose, struct fail *f)
{
	s->cloud = (struct cloud)CLOUD_INIT;
	s->sandbox = (struct sandbox)SANDBOX_INIT;
	if (sandbox_load(&s->sandbox, path, f) == -1)
		return -1;
	if ((s->http = cloud_http(&s->cloud, settings, verbose, f)) == NULL) {
		sandbox_free(&s->sandbox);
		cloud_free(&s->cloud);
		return -1;
	}
	exchange_init(&s->x, s->http, &s->cloud);
	reach_init(&s->reach, &s->x, &s->sandbox);
	if (every_s != 0)
		reach_keepalive(&s->reach, every_s);
	return 0;
}

void
session_close(struct session *s)
{
	exchange_free(&s->x);
	http_free(s->http);
	sandbox_free(&s->sandbox);
	cloud_free(&s->cloud);
}
