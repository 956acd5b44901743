#include <sys/inotify.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/ledger/held.h"
#include "core/clock.h"
#include "core/private.h"

struct held_url {
	char		*id;
	struct buf	 text;	/* of the file beside the ledger */
};

bool
held_there(const struct held *h)
{
	struct stat here, there;

	return fstat(h->ledger.fd, &here) == 0 &&
	    lstat(h->ledger.path, &there) == 0 &&
	    here.st_ino == there.st_ino && here.st_dev == there.st_dev;
}

int
held_take(struct held *h, const char *path, struct fail *f)
{
	int r, tries = 20;

	*h = (struct held)HELD_INIT;
	if ((h->ledger.path = strdup(path)) == NULL)
		return fail_set(f, EX_OSERR, "out of memory");
	/* tl-reap looks at each for a moment, and removes one that it has
	 * dealt with: ours has the name. */
	do {
		if (tries < 20)
			poll(NULL, 0, 50);
		if (h->ledger.fd != -1)
			close(h->ledger.fd);
		h->ledger.fd = open(path, O_RDWR | O_APPEND | O_CREAT |
		    O_CLOEXEC | O_NOFOLLOW, 0600);
		r = h->ledger.fd == -1 ?
		    fail_sys(f, EX_CANTCREAT, "%s", path) :
		    ledger_lock(h->ledger.fd, path, f);
	} while ((r == 1 && !held_there(h)) || (r == 0 && --tries > 0));
	if (r == 1) {
		h->news = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
		if (h->news != -1)
			inotify_add_watch(h->news, path, IN_MODIFY);
		held_look(h);
		h->taken_ms = clock_ms();
		h->before = h->list.n;
		return 0;
	}
	if (r == 0)
		fail_set(f, EX_TEMPFAIL, "%s: another tl-build or tl-reap is "
		    "at work there", path);
	ledger_close(&h->ledger);
	return -1;
}

/* Once an upload is made, the file is there. */
static void
remember(struct held *h, const char *id)
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	struct held_url *more;
	struct fail f;
	bool others;
	char *path;
	size_t i;

	for (i = 0; i < h->urls; i++)
		if (strcmp(h->url[i].id, id) == 0)
			return;
	if ((path = ledger_upload_path(h->ledger.path, id)) == NULL)
		return;
	if (private_load_own(&text, path, &others, &f) == 0 &&
	    (more = reallocarray(h->url, h->urls + 1, sizeof(*more))) !=
	    NULL) {
		h->url = more;
		if ((more[h->urls].id = strdup(id)) != NULL) {
			more[h->urls++].text = text;
			text = (struct buf)BUF_INIT(0);
		}
	}
	buf_free(&text);
	free(path);
}

int
held_look(struct held *h)
{
	struct ledger_list list;
	char news[4096];
	struct stat st;
	struct fail f;
	size_t i;

	while (h->news != -1 && read(h->news, news, sizeof(news)) > 0)
		;
	if (fstat(h->ledger.fd, &st) == -1 || st.st_size == h->seen ||
	    ledger_read(&list, h->ledger.fd, h->ledger.path, &f) == -1)
		return 0;
	h->seen = st.st_size;
	ledger_list_free(&h->list);
	h->list = list;
	for (i = 0; i < list.n; i++)
		if (list.list[i].kind == LEDGER_UPLOAD &&
		    list.list[i].state == LEDGER_MADE)
			remember(h, list.list[i].id);
	return 1;
}

const struct ledger_entry *
held_find(const struct held *h, enum ledger_kind kind,
    enum ledger_state state)
{
	size_t i;

	for (i = h->list.n; i > 0; i--)
		if (h->list.list[i - 1].kind == kind &&
		    h->list.list[i - 1].state == state)
			return &h->list.list[i - 1];
	return NULL;
}

static const struct buf *
beside(const void *arg, const char *id)
{
	const struct held *h = arg;
	size_t i;

	for (i = 0; i < h->urls; i++)
		if (strcmp(h->url[i].id, id) == 0)
			return &h->url[i].text;
	return NULL;
}

int
held_reap(struct held *h, struct reap *r, struct fail *f)
{
	int rc;

	r->beside = beside;
	r->beside_arg = h;
	r->recent_from = h->before;
	r->recent_s = 1 + (clock_ms() - h->taken_ms) / 1000;
	rc = reap_held(r, h->ledger.fd, h->ledger.path, f);
	r->beside = NULL;
	held_look(h);
	return rc;
}

static void
forget(void *arg, const char *path)
{
	(void)arg;
	unlink(path);
}

void
held_end(struct held *h)
{
	struct fail f;
	size_t i;

	if (h->ledger.fd == -1)
		return;
	held_look(h);
	for (i = 0; i < h->list.n && (h->list.list[i].kind == LEDGER_BUILD ||
	    h->list.list[i].state == LEDGER_OVER ||
	    (h->list.list[i].kind == LEDGER_TEMPLATE &&
	    h->list.list[i].state == LEDGER_MADE)); i++)
		;
	if (i == h->list.n && held_there(h)) {
		ledger_beside(h->ledger.path, forget, NULL, &f);
		unlink(h->ledger.path);
	}
	ledger_list_free(&h->list);
	for (i = 0; i < h->urls; i++) {
		free(h->url[i].id);
		buf_free(&h->url[i].text);
	}
	free(h->url);
	if (h->news != -1)
		close(h->news);
	ledger_close(&h->ledger);
	*h = (struct held)HELD_INIT;
}
