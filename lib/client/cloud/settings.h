#ifndef TL_CLIENT_SETTINGS_H
#define TL_CLIENT_SETTINGS_H

#include <stdbool.h>

#include "core/buf.h"
#include "core/fail.h"
#include "core/http.h"

/*
 * What the programs that talk to a server are set to, each value out of the
 * nearest place that has it: an option, the environment (the names of
 * tl-wire(7), "Configuration"), the user's file.  Nothing is ever read from
 * the working directory: a file there may be anybody's, and an address in it
 * would get the user's key.
 *
 * The file is $XDG_CONFIG_HOME/tl/config, else $HOME/.config/tl/config, of
 * core/conf.h's lines; both variables count only as absolute paths, as the XDG
 * specification has it.  It must be the user's or root's, with nobody else
 * able to write it, nor to read it if it holds a key.  See tl-config(5).
 */
enum setting {
	SETTING_API_URL,
	SETTING_API_KEY,
	SETTING_PAT,
	SETTING_TOKEN_FILE,
	SETTING_ORGANIZATION_ID,
	SETTING_PROJECT_ID,
	SETTING_NAMESPACE,
	SETTING_DIALECT,
	SETTING_DEADLINE,
	SETTING_STALL,
	SETTING_CA_BUNDLE,
	SETTINGS
};

enum settings_place {
	SETTINGS_NOWHERE,
	SETTINGS_FILE,
	SETTINGS_ENVIRONMENT,
	SETTINGS_OPTION,
	SETTINGS_PLACES
};

struct settings {
	bool		 plain;		/* --insecure-http */
	/* Private. */
	const char	*value[SETTINGS_PLACES][SETTINGS];	/* or NULL */
	unsigned	 line[SETTINGS];	/* of the file's */
	char		*home[SETTINGS];	/* the file's, "~/" replaced */
	char		*path;
	struct buf	 text;
};

#define SETTINGS_INIT	{ .text = BUF_INIT(SETTINGS_MAX) }
#define SETTINGS_MAX	(64UL << 10)

/*
 * What goes into a program's long options, and into its usage; the first of
 * them without the deadline.
 */
#define SETTINGS_WHERE							\
	{ "api-url", required_argument, NULL, SETTINGS_API_URL },	\
	{ "insecure-http", no_argument, NULL, SETTINGS_INSECURE },	\
	{ "token-file", required_argument, NULL, SETTINGS_TOKEN_FILE }
#define SETTINGS_OPTIONS						\
	SETTINGS_WHERE,							\
	{ "deadline", required_argument, NULL, SETTINGS_DEADLINE }
#define SETTINGS_USAGE							\
	"  --api-url URL, --token-file FILE, --deadline SECONDS, "	\
	"--insecure-http\n"						\
	"                       server, credential, deadline: tl-config(5)\n"

enum {
	SETTINGS_API_URL = 0x1000,
	SETTINGS_DEADLINE,
	SETTINGS_INSECURE,
	SETTINGS_TOKEN_FILE
};

/*
 * What getopt_long() gave: 1 if it is one of these; 0 if it is not; -1 with
 * EX_USAGE if its value is wrong.
 */
int	settings_option(struct settings *, int ch, const char *arg,
	    struct fail *);
/*
 * The rest, once the options are known.  A file that is not there says
 * nothing; whatever is wrong with one, or with a value, is EX_CONFIG.
 */
int	settings_load(struct settings *, struct fail *);
void	settings_free(struct settings *);

/* A value, or NULL; and, if place is not NULL, where from. */
const char	*settings_get(const struct settings *, enum setting,
		    enum settings_place *place);
/* What one place has, or NULL. */
const char	*settings_in(const struct settings *, enum setting,
		    enum settings_place);
/* What the file calls it. */
const char	*settings_name(enum setting);
/* The value of one that no place has, or NULL. */
const char	*settings_without(enum setting);
/* Append where a value is from: "option --x", "variable X", "file PATH:3". */
int	settings_origin(const struct settings *, enum setting,
	    enum settings_place, struct buf *, struct fail *);
/* Put a value's origin before what is there: "FILE:3: api_url: ...".  -1. */
int	settings_blame(const struct settings *, enum setting, struct fail *);
/* Seconds; 0: none. */
unsigned	settings_deadline(const struct settings *);

/* An HTTP client that is set to all this, and must not outlive it; or NULL. */
struct http	*settings_http(const struct settings *, bool verbose,
		    struct fail *);

#endif
