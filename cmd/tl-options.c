/*
 * tl-options: a shell script's options, by its usage text, as shell code; and
 * what a shell may offer on a program's command line, by the same
 */

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/ask.h"
#include "core/offer.h"
#include "core/opt.h"
#include "core/span.h"
#include "core/usage.h"

static const char usage[] =
    "usage: tl-options [-v] NAME USAGE [ARGUMENT...]\n"
    "       tl-options --say NAME WORD...\n"
    "       tl-options [-v] --complete PROGRAM [WORD...]\n"
    "Parse the options of a shell script by its usage text; the output is\n"
    "for eval: a variable for each option, and set -- for the rest.\n"
    "  -s, --say NAME  print these words on stderr as NAME, masked\n"
    "  --complete      print what can complete the last WORD after PROGRAM\n"
    "  -h, --help  -V, --version  -v, --verbose\n";

enum { COMPLETE = 256 };

static const struct option options[] = {
	OPT_COMMON,
	{ "say", required_argument, NULL, 's' },
	{ "complete", no_argument, NULL, COMPLETE },
	{ NULL, 0, NULL, 0 }
};

static struct buf out = BUF_INIT(BUF_SMALL_MAX);
/* The words of each option, as they will be handed on. */
static struct given {
	char	**word;
	size_t	  n;
} *given;

/* A word in single quotes; one within ends them for a moment. */
static int
quote(const char *s, struct fail *f)
{
	size_t n;

	if (buf_adds(&out, "'", f) == -1)
		return -1;
	for (; *s != '\0'; s += n) {
		if ((n = strcspn(s, "'")) == 0) {
			n = 1;
			if (buf_adds(&out, "'\\''", f) == -1)
				return -1;
		} else if (buf_add(&out, s, n, f) == -1)
			return -1;
	}
	return buf_adds(&out, "'", f);
}

/* --help or --version of the script: said by it, which has stdout. */
static void
say(const char *script, const char *text, const char *version)
{
	struct fail f;

	if (buf_adds(&out, "printf '%s\\n' ", &f) == -1 ||
	    (text != NULL ? quote(text, &f) :
	    buf_addf(&out, &f, "'%s %s'", script, version)) == -1 ||
	    buf_addf(&out, &f, " 2>/dev/null || {\n\techo '%s: stdout: cannot be "
	    "written' >&2\n\texit %d\n}\nexit\n", script, EX_IOERR) == -1)
		opt_fail(&f);
	opt_output(&out);
	exit(0);
}

/* How it is called: the usage text down to verbs, options or a sentence. */
static _Noreturn void
misused(const char *text)
{
	const char *p = text;

	/* A verb has two blanks before it. */
	do {
		fprintf(stderr, "%.*s\n", (int)strcspn(p, "\n"), p);
		p += strcspn(p, "\n");
	} while (*p++ != '\0' && strspn(p, " ") > 2 &&
	    p[strspn(p, " ")] != '-');
	exit(EX_USAGE);
}

static void
take(const struct usage *u, const struct usage_option *o, int ch)
{
	struct given *g = &given[o - u->option];
	char **more;

	if (o->value && !o->empty && *optarg == '\0') {
		if (ch < USAGE_LONG)
			errx(EX_USAGE, "-%c: empty", ch);
		errx(EX_USAGE, "--%s: empty", o->name);
	}
	/* The last one counts, unless each does. */
	if (!o->more && g->n > 0)
		free(g->word[--g->n]);
	more = reallocarray(g->word, g->n + 1, sizeof(*more));
	if (more == NULL || asprintf(&more[g->n], "--%s%s%s", o->name,
	    o->value ? "=" : "", o->value ? optarg : "") == -1)
		err(EX_OSERR, "out of memory");
	g->word = more;
	g->n++;
}

/* For a script that has something to say: a line as warnx(3) writes it. */
static _Noreturn void
remark(const char *script, char *const words[])
{
	struct fail f;

	for (; *words != NULL; words++)
		if ((out.len > 0 && buf_adds(&out, " ", &f) == -1) ||
		    buf_adds(&out, *words, &f) == -1)
			opt_fail(&f);
	program_invocation_short_name = (char *)(uintptr_t)script;
	warnx("%s", out.len > 0 ? out.data : "");
	exit(0);
}

/* The name of a variable: that of the option, an underscore for a dash. */
static int
name(const struct usage_option *o, struct fail *f)
{
	const char *p;

	for (p = o->name; *p != '\0'; p++)
		if (buf_add(&out, *p == '-' ? "_" : p, 1, f) == -1)
			return -1;
	return 0;
}

/* name='--name=1' and so on, each on a line of its own, and name_1 to name_n. */
static int
assign(const struct usage_option *o, struct given *g, struct fail *f)
{
	size_t k;

	if (name(o, f) == -1 || buf_adds(&out, "=", f) == -1)
		return -1;
	for (k = 0; k < g->n; k++)
		if ((k > 0 && buf_adds(&out, "'\n'", f) == -1) ||
		    quote(g->word[k], f) == -1)
			return -1;
	if (buf_adds(&out, "\n", f) == -1)
		return -1;
	/* The empty one behind them ends them. */
	for (k = 0; o->more && k <= g->n; k++)
		if (name(o, f) == -1 || buf_addf(&out, f, "_%zu=",
		    k + 1) == -1 || quote(k < g->n ? g->word[k] : "", f) ==
		    -1 || buf_adds(&out, "\n", f) == -1)
			return -1;
	while (g->n > 0)
		free(g->word[--g->n]);
	free(g->word);
	return 0;
}

/*
 * --complete.
 */

/* A shell that hangs is worse than one that knows no names. */
#define NAMES_MS	1000
#define HELP_MS		3000

/* What -h says: of the program installed with this one, and of no other. */
static void
help(const char *program, struct buf *text)
{
	const char *const argv[] = { program, "-h", NULL };
	char *path;
	struct fail f;

	if (strncmp(program, "tl-", 3) != 0 || strspn(program,
	    "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(program))
		errx(EX_USAGE, "--complete: not a program of the toolkit");
	path = opt_beside(program);
	if (ask(path, argv, HELP_MS, text, &f) == -1)
		opt_fail(&f);
	free(path);
}

/* Whether the words say where to or as whom: nobody is asked as they say. */
static bool
elsewhere(char *const words[], int n)
{
	static const char *const there[] = { "--api", "--tok", "--ins" };
	size_t t;
	int i;

	for (i = 0; i < n; i++)
		for (t = 0; t < sizeof(there) / sizeof(there[0]); t++)
			if (strncmp(words[i], there[t], strlen(there[t])) == 0)
				return true;
	return false;
}

/* The names of the images that are registered, as tl-image has them. */
static int
images(struct offer *o, struct fail *f)
{
	static const char *const argv[] = { "tl-image", "ls", "--json", NULL };
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	struct buf name = BUF_INIT(BUF_SMALL_MAX);
	struct span all, image, value;
	const char *pos = NULL;
	char *path = opt_beside(argv[0]);
	int r;

	if ((r = ask(path, argv, NAMES_MS, &text, f)) == 0)
		r = span_parse(&all, text.data, text.len, f);
	while (r == 0 && span_next(&all, &pos, NULL, &image) == 1) {
		if (span_get(&image, "name", &value, f) != 1 ||
		    !span_is_string(&value))
			continue;
		buf_clear(&name);
		if ((r = span_string(&value, &name, f)) == 0 && name.len > 0 &&
		    memchr(name.data, '\0', name.len) == NULL)
			r = offer_add(o, name.data, "image", f);
	}
	free(path);
	buf_free(&text);
	buf_free(&name);
	return r;
}

/* The folders of builds below the state folder, see tl-guard(1). */
static int
builds(struct offer *o, struct fail *f)
{
	const char *base = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	char *state, *path;
	struct dirent *d;
	DIR *dir;
	int r = 0;

	if (base != NULL && *base == '/')
		home = "";
	else if (home != NULL && *home == '/')
		base = "/.local/state";
	else
		return 0;
	if (asprintf(&state, "%s%s/tl", home, base) == -1)
		return fail_set(f, EX_OSERR, "out of memory");
	if ((dir = opendir(state)) == NULL) {
		free(state);
		return 0;
	}
	while (r == 0 && (d = readdir(dir)) != NULL) {
		if (strncmp(d->d_name, "build.", 6) != 0)
			continue;
		if (asprintf(&path, "%s/%s/command", state, d->d_name) == -1) {
			r = fail_set(f, EX_OSERR, "out of memory");
			break;
		}
		if (access(path, F_OK) == 0) {
			*strrchr(path, '/') = '\0';
			r = offer_add(o, path, "build", f);
		}
		free(path);
	}
	closedir(dir);
	free(state);
	return r;
}

/* A line says what else the shell may list, and what stands before it. */
static _Noreturn void
complete(const char *program, char *const words[], int n, bool verbose)
{
	static const char *const kinds[] = { "words", "files", "folders",
	    "commands" };
	static char *const none[] = { (char *)(uintptr_t)"", NULL };
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	struct usage u = USAGE_INIT;
	struct offer o = OFFER_INIT;
	struct fail f;
	int r = 0;

	if (n == 0) {
		words = none;
		n = 1;
	}
	help(program, &text);
	if (usage_read(&u, text.data, &f) == -1 || offer_next(&o, &u,
	    text.data, words, (size_t)n, &f) == -1)
		opt_fail(&f);
	if (o.names == OFFER_IMAGES && !elsewhere(words, n))
		r = images(&o, &f);
	else if (o.names == OFFER_BUILDS)
		r = builds(&o, &f);
	/* It is no failure that there are none, or that nobody knows. */
	if (r == -1 && verbose)
		opt_note(f.msg);
	if (buf_addf(&out, &f, "%s%s%.*s\n", kinds[o.kind], o.before > 0 ?
	    " " : "", (int)o.before, o.word) == -1 || buf_add(&out, o.list.data, o.list.len, &f) == -1)
		opt_fail(&f);
	opt_output(&out);
	offer_free(&o);
	usage_free(&u);
	buf_free(&text);
	buf_free(&out);
	exit(0);
}

int
main(int argc, char *argv[])
{
	struct usage u = USAGE_INIT;
	const struct usage_option *o;
	struct fail f;
	const char *text, *script, *speaker = NULL;
	bool completion = false, verbose = false;
	size_t i;
	int ch;

	while ((ch = getopt_long(argc, argv, "+hs:Vv", options, NULL)) != -1)
		switch (ch) {
		case 'h':
			opt_help(usage);
		case 's':
			speaker = optarg;
			break;
		case 'V':
			opt_version("tl-options");
		case 'v':
			verbose = true;
			break;
		case COMPLETE:
			completion = true;
			break;
		default:
			opt_usage(usage);
		}
	if (speaker != NULL && !completion && argc > optind)
		remark(speaker, argv + optind);
	if (completion && speaker == NULL && argc > optind)
		complete(argv[optind], argv + optind + 1, argc - optind - 1,
		    verbose);
	if (argc - optind < 2 || speaker != NULL || completion)
		opt_usage(usage);
	script = argv[optind];
	text = argv[optind + 1];
	if (usage_read(&u, text, &f) == -1)
		opt_fail(&f);
	if ((given = calloc(u.n + 1, sizeof(*given))) == NULL)
		err(EX_OSERR, "out of memory");

	/* From here on it speaks as that script. */
	argc -= optind + 1;
	argv += optind + 1;
	argv[0] = program_invocation_short_name = (char *)(uintptr_t)script;
	unsetenv("POSIXLY_CORRECT");
	optind = 0;
	while ((ch = getopt_long(argc, argv, u.shorts.data, u.longs, NULL)) !=
	    -1) {
		if ((o = usage_found(&u, ch)) == NULL)
			misused(text);
		if (strcmp(o->name, "help") == 0)
			say(script, text, NULL);
		if (strcmp(o->name, "version") == 0)
			say(script, NULL, opt_version_text());
		take(&u, o, ch);
	}
	for (i = 0; i < u.n; i++)
		if (assign(&u.option[i], &given[i], &f) == -1)
			opt_fail(&f);
	free(given);
	if (buf_adds(&out, "set --", &f) == -1)
		opt_fail(&f);
	for (; optind < argc; optind++)
		if (buf_adds(&out, " ", &f) == -1 ||
		    quote(argv[optind], &f) == -1)
			opt_fail(&f);
	if (buf_adds(&out, "\n", &f) == -1)
		opt_fail(&f);
	opt_output(&out);
	usage_free(&u);
	buf_free(&out);
	return 0;
}
