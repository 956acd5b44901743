#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <nettle/base64.h>

#include "client/registry/credhelper.h"
#include "client/registry/dockercfg.h"
#include "core/json.h"
#include "core/private.h"
#include "core/utf8.h"

/* A registry, and where its credentials are. */
struct entry {
	char	*registry;	/* as the configuration has it */
	char	*auth;		/* base64 of user:password */
	char	*token;		/* an identity token; wins over auth */
	char	*helper;	/* to be asked; "": nobody is, no store either */
};

struct entries {
	struct entry	*entry;
	size_t		 n;
	char		*store;
};

/* 1: "DIR" of the variable and what is behind it; 0: it is not set. */
static int
in_folder(const char *variable, const char *behind, char **path,
    struct fail *f)
{
	const char *dir = getenv(variable);

	if (dir == NULL || *dir == '\0')
		return 0;
	return asprintf(path, "%s%s", dir, behind) == -1 ?
	    fail_set(f, EX_OSERR, "out of memory") : 1;
}

int
dockercfg_path(enum dockercfg which, char **path, struct fail *f)
{
	const char *home = getenv("HOME");
	int r;

	*path = NULL;
	switch (which) {
	case DOCKERCFG_AUTH_FILE:
		return in_folder("REGISTRY_AUTH_FILE", "", path, f);
	case DOCKERCFG_DOCKER:
		if ((r = in_folder("DOCKER_CONFIG", "/config.json", path,
		    f)) == 0 && home != NULL && *home == '/')
			r = in_folder("HOME", "/.docker/config.json", path,
			    f);
		return r;
	default:
		return in_folder("XDG_RUNTIME_DIR", "/containers/auth.json",
		    path, f);
	}
}

int
dockercfg_load(struct buf *b, const char *path, struct fail *f)
{
	struct stat st;
	int fd, r;

	private_hold();
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd == -1 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd == -1)
		return fail_sys(f, EX_NOINPUT, "%s", path);
	if (fstat(fd, &st) == -1)
		r = fail_sys(f, EX_NOINPUT, "%s", path);
	else if (!S_ISREG(st.st_mode))
		r = fail_set(f, EX_NOINPUT, "%s: not a regular file", path);
	else
		r = buf_read(b, fd, path, f);
	close(fd);
	return r == -1 ? -1 : 1;
}

static void
free_secret(char *s)
{
	if (s != NULL)
		explicit_bzero(s, strlen(s));
	free(s);
}

static void
free_entries(struct entries *e)
{
	size_t i;

	for (i = 0; i < e->n; i++) {
		free(e->entry[i].registry);
		free_secret(e->entry[i].auth);
		free_secret(e->entry[i].token);
		free(e->entry[i].helper);
	}
	free(e->entry);
	free(e->store);
}

static int
no_memory(struct fail *f)
{
	return fail_set(f, EX_OSERR, "out of memory");
}

/* "auths.REGISTRY" before the line that is there. */
static int
fail_at(struct fail *f, const char *member, const char *registry)
{
	char shown[100], where[120];

	fail_show(shown, sizeof(shown), registry, 80);
	snprintf(where, sizeof(where), "%s: %s", member, shown);
	return fail_in(f, where);
}

/* The entry of a registry, made if it is not there; NULL with the reason. */
static struct entry *
entry_of(struct entries *e, const char *registry, struct fail *f)
{
	struct entry *p;
	size_t i;

	for (i = 0; i < e->n; i++)
		if (strcmp(e->entry[i].registry, registry) == 0)
			return e->entry + i;
	p = reallocarray(e->entry, e->n + 1, sizeof(*p));
	if (p != NULL)
		e->entry = p;
	if (p == NULL || (p[e->n].registry = strdup(registry)) == NULL) {
		no_memory(f);
		return NULL;
	}
	p += e->n++;
	p->auth = p->token = p->helper = NULL;
	return p;
}

/* A member's name, undone.  A NUL in it is nobody's registry. */
static char *
name_of(const struct span *name, struct fail *f)
{
	struct buf b = BUF_INIT(BUF_SMALL_MAX);
	char *s = NULL;

	if (span_string(name, &b, f) == -1)
		return NULL;
	if (b.len > 0 && memchr(b.data, '\0', b.len) != NULL)
		fail_set(f, EX_DATAERR, "a registry with a NUL in its name");
	else if ((s = strdup(b.len > 0 ? b.data : "")) == NULL)
		no_memory(f);
	buf_free(&b);
	return s;
}

/*
 * Whether auth is padded base64 of UTF-8, and of a user and a password: 1, 0
 * if there is no colon, -1.
 */
static int
check_auth(const char *auth, struct fail *f)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	struct buf plain = BUF_INIT(BUF_SMALL_MAX);
	struct base64_decode_ctx ctx;
	size_t len = strlen(auth), text = strspn(auth, digits), n;
	int r = -1;

	/* nettle skips blanks, so the form is checked before. */
	if (strspn(auth + text, "=") != len - text)
		return fail_set(f, EX_DATAERR, "auth: not padded base64");
	if (buf_room(&plain, BASE64_DECODE_LENGTH(len), f) == -1)
		return -1;
	base64_decode_init(&ctx);
	n = plain.cap;
	if (base64_decode_update(&ctx, &n, (uint8_t *)plain.data, len,
	    auth) != 1 || base64_decode_final(&ctx) != 1)
		fail_set(f, EX_DATAERR, "auth: not padded base64");
	else if (!utf8_valid(plain.data, n))
		fail_set(f, EX_DATAERR, "auth: not UTF-8 in base64");
	else
		r = memchr(plain.data, ':', n) != NULL;
	buf_free(&plain);
	explicit_bzero(&ctx, sizeof(ctx));
	return r;
}

static char *encode(const char *user, const char *secret, struct fail *);

/* As Docker has it: they count where there is no auth. */
static int
read_user(struct entry *e, const struct span *value, struct fail *f)
{
	char *user = NULL, *password = NULL;
	int r = 0;

	if (json_string(value, "username", JSON_MAY, &user, f) == -1 ||
	    json_string(value, "password", JSON_MAY, &password, f) == -1)
		r = -1;
	else if (e->auth == NULL && user != NULL && *user != '\0' &&
	    (e->auth = encode(user, password == NULL ? "" : password,
	    f)) == NULL)
		r = -1;
	free_secret(user);
	free_secret(password);
	return r;
}

static int
read_auth(struct entry *e, const struct span *value, struct fail *f)
{
	int has;

	if (span_is_null(value))
		return 0;
	if (!span_is_object(value))
		return fail_set(f, EX_DATAERR, "not an object");
	if (json_string(value, "identitytoken", JSON_MAY, &e->token, f) == -1 ||
	    json_string(value, "auth", JSON_MAY, &e->auth, f) == -1)
		return -1;
	if (e->auth == NULL || *e->auth == '\0') {
		free(e->auth);
		e->auth = NULL;
		return read_user(e, value, f);
	}
	if ((has = check_auth(e->auth, f)) == -1)
		return -1;
	if (has == 0) {
		free_secret(e->auth);
		e->auth = NULL;
	}
	return read_user(e, value, f);
}

static int
read_auths(struct entries *e, const struct span *doc, struct fail *f)
{
	struct span auths, name, value;
	const char *pos = NULL;
	struct entry *p;
	char *registry;
	size_t n;
	int r;

	r = json_sub(doc, "auths", JSON_MAY, '{', &auths, f);
	if (r != 1)
		return r;
	while (span_next(&auths, &pos, &name, &value) == 1) {
		if ((registry = name_of(&name, f)) == NULL)
			return fail_in(f, "auths");
		n = e->n;
		if ((p = entry_of(e, registry, f)) == NULL)
			r = -1;
		else if (e->n == n) {
			fail_set(f, EX_DATAERR, "there twice");
			r = fail_at(f, "auths", registry);
		} else if ((r = read_auth(p, &value, f)) == -1)
			fail_at(f, "auths", registry);
		free(registry);
		if (r == -1)
			return -1;
	}
	return 0;
}

/* A helper's name becomes part of a program's: it must not be a path. */
static int
check_helper(const char *helper, struct fail *f)
{
	size_t len = strlen(helper);

	if (len == 0 || len > 200 || strchr(helper, '/') != NULL)
		return fail_set(f, EX_DATAERR, "not the name of a helper");
	return 0;
}

static int
read_helpers(struct entries *e, const struct span *doc, struct fail *f)
{
	struct span helpers, name, value;
	const char *pos = NULL;
	struct entry *p;
	char *registry, *helper;
	int r;

	if ((r = json_sub(doc, "credHelpers", JSON_MAY, '{', &helpers,
	    f)) != 1)
		return r;
	while (span_next(&helpers, &pos, &name, &value) == 1) {
		if ((registry = name_of(&name, f)) == NULL)
			return fail_in(f, "credHelpers");
		helper = NULL;
		p = entry_of(e, registry, f);
		if (p == NULL)
			r = -1;
		else if (!span_is_string(&value))
			r = fail_set(f, EX_DATAERR, "not a string");
		else if (p->helper != NULL)
			r = fail_set(f, EX_DATAERR, "there twice");
		else if ((helper = name_of(&value, f)) == NULL)
			r = -1;
		else
			r = *helper == '\0' ? 0 : check_helper(helper, f);
		if (r == 0) {
			p->helper = helper;
			helper = NULL;
		} else
			fail_at(f, "credHelpers", registry);
		free(registry);
		free(helper);
		if (r == -1)
			return -1;
	}
	return 0;
}

static int
read_store(struct entries *e, const struct span *doc, struct fail *f)
{
	int r = json_string(doc, "credsStore", JSON_MAY, &e->store, f);

	if (r == -1 || e->store == NULL)
		return r;
	if (*e->store == '\0') {
		free(e->store);
		e->store = NULL;
		return 0;
	}
	return check_helper(e->store, f) == -1 ? fail_in(f, "credsStore") : 0;
}

static char *
encode(const char *user, const char *secret, struct fail *f)
{
	struct buf plain = BUF_INIT(BUF_SMALL_MAX);
	char *s = NULL;
	size_t n;

	if (buf_addf(&plain, f, "%s:%s", user, secret) == -1)
		return NULL;
	n = BASE64_ENCODE_RAW_LENGTH(plain.len);
	if ((s = malloc(n + 1)) == NULL)
		no_memory(f);
	else {
		base64_encode_raw(s, plain.len, (const uint8_t *)plain.data);
		s[n] = '\0';
	}
	buf_free(&plain);
	return s;
}

/*
 * Put what a helper says in the place of what the configuration said; a store
 * that has nothing leaves that, a helper of the registry's own does not.
 */
static int
ask(struct entry *e, const char *helper, int timeout_ms, struct buf *notes,
    struct fail *f)
{
	struct buf got = BUF_INIT(BUF_SMALL_MAX);
	const char *secret;
	char shown[100];
	struct fail why;
	int r;

	r = credhelper_get(helper, e->registry, timeout_ms, &got, &why, f);
	if (r == 1 || helper == e->helper) {
		free_secret(e->auth);
		free_secret(e->token);
		e->auth = e->token = NULL;
	}
	if (r == 0)
		r = buf_addf(notes, f, "%s: %s\n", fail_show(shown,
		    sizeof(shown), e->registry, 80), why.msg);
	else if (r == 1) {
		secret = got.data + strlen(got.data) + 1;
		if (strcmp(got.data, "<token>") == 0) {
			if ((e->token = strdup(secret)) == NULL)
				no_memory(f);
		} else
			e->auth = encode(got.data, secret, f);
		r = e->token == NULL && e->auth == NULL ? -1 : 0;
	}
	buf_free(&got);
	return r;
}

static int
by_registry(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->registry,
	    ((const struct entry *)b)->registry);
}

int
credentials_write(struct credentials *c, struct buf *out, struct fail *f)
{
	struct jout j = JOUT_INIT(out);
	struct entries *e = c->found;
	size_t i;

	jout_object(&j);
	if (e != NULL && e->n > 0) {
		qsort(e->entry, e->n, sizeof(*e->entry), by_registry);
		jout_key(&j, "auths");
		jout_object(&j);
		for (i = 0; i < e->n; i++) {
			const struct entry *p = e->entry + i;

			jout_key(&j, p->registry);
			jout_object(&j);
			if (p->token != NULL)
				jout_member(&j, "identitytoken", p->token);
			else
				jout_member(&j, "auth", p->auth);
			jout_close(&j);
		}
		jout_close(&j);
	}
	jout_close(&j);
	return jout_end(&j, f);
}

void
credentials_free(struct credentials *c)
{
	if (c->found != NULL)
		free_entries(c->found);
	free(c->found);
	c->found = NULL;
}

/* A store is asked for what the plan needs, entry or not, as Docker does. */
static int
add_wanted(struct entries *e, const struct registries *wanted, struct fail *f)
{
	size_t i, k;

	for (i = 0; e->store != NULL && i < wanted->n; i++) {
		const char *host = wanted->host[i];

		for (k = 0; k < e->n; k++)
			if (registries_same(e->entry[k].registry, host))
				break;
		if (k == e->n && entry_of(e, registries_same(host,
		    "docker.io") ? "https://index.docker.io/v1/" : host,
		    f) == NULL)
			return -1;
	}
	return 0;
}

/* Whether one of the first n has credentials of its host already. */
static bool
has_host(const struct entries *e, size_t n, const char *registry)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (registries_same(e->entry[i].registry, registry))
			return true;
	return false;
}

int
credentials_add(struct credentials *c, const struct buf *config,
    const char *path, const struct registries *wanted, int timeout_ms,
    struct buf *notes, struct fail *f)
{
	struct entries e = { NULL, 0, NULL }, *found;
	struct span doc;
	size_t i, before;
	int r = -1;

	if (c->found == NULL &&
	    (c->found = calloc(1, sizeof(*c->found))) == NULL)
		return no_memory(f);
	found = c->found;
	before = found->n;
	/* An empty file is what Docker makes of no credentials, too. */
	for (i = 0; i < config->len &&
	    strchr(" \t\r\n", config->data[i]) != NULL; i++)
		;
	if (i == config->len)
		return 0;
	if (span_parse(&doc, config->data, config->len, f) == -1)
		goto out;
	if (!span_is_object(&doc)) {
		fail_set(f, EX_DATAERR, "not an object");
		goto out;
	}
	if (read_auths(&e, &doc, f) == -1 || read_helpers(&e, &doc, f) == -1 ||
	    read_store(&e, &doc, f) == -1 || add_wanted(&e, wanted, f) == -1)
		goto out;
	for (i = 0; i < e.n; i++) {
		struct entry *p = e.entry + i, *copy;
		const char *helper = p->helper == NULL ? e.store : p->helper;

		if (!registries_hold(wanted, p->registry) ||
		    has_host(found, before, p->registry))
			continue;
		if (helper != NULL && *helper != '\0' &&
		    ask(p, helper, timeout_ms, notes, f) == -1)
			goto out;
		if (p->token == NULL && p->auth == NULL)
			continue;
		if ((copy = entry_of(found, p->registry, f)) == NULL)
			goto out;
		copy->token = p->token;
		copy->auth = p->auth;
		p->token = p->auth = NULL;
	}
	r = 0;
out:
	free_entries(&e);
	return r == -1 ? fail_in(f, path) : 0;
}
