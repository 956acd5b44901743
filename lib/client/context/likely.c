#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include <unistd.h>

#include "client/context/likely.h"

/* What gives it away stands at the start; a Git configuration is small. */
#define LOOK_MAX	(64UL << 10)

static bool
has(const char *text, const char *what)
{
	return strstr(text, what) != NULL;
}

static bool
is_private_key(const char *text)
{
	return has(text, "PRIVATE KEY-----") ||
	    has(text, "PuTTY-User-Key-File");
}

/* A URL with a user, or a header, that opens a door. */
static bool
has_login(const char *text)
{
	const char *p = text;
	size_t n;

	while ((p = strstr(p, "://")) != NULL) {
		p += 3;
		n = strcspn(p, "/@ \t\r\n\"'");
		/* "git@" is the user of SSH, and no secret. */
		if (p[n] == '@' && !(n == 3 && strncmp(p, "git", 3) == 0))
			return true;
	}
	return strcasestr(text, "authorization:") != NULL;
}

static bool
has_auth(const char *text)
{
	return has(text, "_auth") || has(text, "npmAuthToken") ||
	    has(text, "\"auth\"") || has(text, "\"identitytoken\"") ||
	    has_login(text);
}

static bool
has_password(const char *text)
{
	return has(text, "password") || has_login(text);
}

/* The name, the folder that it must be in, and what it must hold, or NULL. */
static const struct rule {
	const char	*name, *folder;
	bool		(*holds)(const char *text);
	const char	*what;		/* NULL: none, whatever comes below */
} rules[] = {
	{ ".env.example", NULL, NULL, NULL },
	{ ".env.sample", NULL, NULL, NULL },
	{ ".env.template", NULL, NULL, NULL },
	{ ".env.dist", NULL, NULL, NULL },
	{ ".env", NULL, NULL, "an environment" },
	{ ".env.*", NULL, NULL, "an environment" },
	{ ".envrc", NULL, NULL, "an environment" },
	{ "id_rsa", NULL, NULL, "a key" },
	{ "id_dsa", NULL, NULL, "a key" },
	{ "id_ecdsa", NULL, NULL, "a key" },
	{ "id_ed25519", NULL, NULL, "a key" },
	{ "id_*_sk", NULL, NULL, "a key" },
	{ "*.pem", NULL, is_private_key, "a key" },
	{ "*.key", NULL, is_private_key, "a key" },
	{ "*.ppk", NULL, is_private_key, "a key" },
	{ "*.p8", NULL, is_private_key, "a key" },
	{ "*.p12", NULL, NULL, "a store of keys" },
	{ "*.pfx", NULL, NULL, "a store of keys" },
	{ "*.jks", NULL, NULL, "a store of keys" },
	{ "*.keystore", NULL, NULL, "a store of keys" },
	{ "*.kdbx", NULL, NULL, "a store of passwords" },
	{ ".netrc", NULL, NULL, "credentials" },
	{ "_netrc", NULL, NULL, "credentials" },
	{ ".git-credentials", NULL, NULL, "credentials" },
	{ "credentials", "git", NULL, "credentials" },
	{ "config", ".git", has_login, "a repository's address with a token" },
	{ ".gitconfig", NULL, has_login, "an address with a token" },
	{ "credentials", ".aws", NULL, "credentials" },
	{ "application_default_credentials.json", NULL, NULL, "credentials" },
	{ "credentials.json", NULL, NULL, "credentials" },
	{ "client_secret*.json", NULL, NULL, "credentials" },
	{ "*.json", NULL, is_private_key, "a key" },
	{ "config.json", ".docker", has_auth, "credentials of registries" },
	{ ".dockercfg", NULL, NULL, "credentials of registries" },
	{ "auth.json", NULL, NULL, "credentials" },
	{ "config", ".kube", NULL, "credentials of a cluster" },
	{ "kubeconfig", NULL, NULL, "credentials of a cluster" },
	{ ".npmrc", NULL, has_auth, "a registry's token" },
	{ ".yarnrc.yml", NULL, has_auth, "a registry's token" },
	{ ".pypirc", NULL, has_password, "a registry's password" },
	{ "pip.conf", NULL, has_login, "an index's password" },
	{ ".pgpass", NULL, NULL, "passwords" },
	{ ".my.cnf", NULL, has_password, "a password" },
	{ ".htpasswd", NULL, NULL, "passwords" },
	{ ".vault-token", NULL, NULL, "a token" },
	{ "*.tfstate", NULL, NULL, "a state that holds passwords" },
};

/* The start of the file; "" if it cannot be read: reading it fails later. */
static void
look(int root, const char *path, char text[LOOK_MAX + 1])
{
	size_t n = 0;
	ssize_t got;
	int fd;

	fd = openat(root, path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW |
	    O_NOCTTY | O_CLOEXEC);
	while (fd != -1 && n < LOOK_MAX) {
		got = read(fd, text + n, LOOK_MAX - n);
		if (got == 0 || (got == -1 && errno != EINTR))
			break;
		n += got > 0 ? (size_t)got : 0;
	}
	if (fd != -1)
		close(fd);
	text[n] = '\0';
}

const char *
likely_secret(const struct walk *walk, size_t entry, int root,
    const char *path)
{
	const struct walk_entry *e = walk->entry + entry;
	const char *name = walk_name(walk, entry);
	static char text[LOOK_MAX + 1];
	bool looked = false;
	size_t i;

	if (e->why != WALK_IN || e->kind != WALK_FILE || e->size == 0)
		return NULL;
	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		const struct rule *r = rules + i;

		if (fnmatch(r->name, name, 0) != 0 || (r->folder != NULL &&
		    (e->parent == WALK_ROOT || strcmp(r->folder,
		    walk_name(walk, e->parent)) != 0)))
			continue;
		if (r->holds != NULL && !looked) {
			look(root, path, text);
			looked = true;
		}
		if (r->holds == NULL || r->holds(text))
			return r->what;
	}
	return NULL;
}
