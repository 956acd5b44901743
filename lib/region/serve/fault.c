#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "core/buf.h"
#include "region/serve/fault.h"

#define RULES_MAX	256
#define FILE_MAX	(64UL << 10)
#define MS_MAX		3600000UL
#define COUNT_MAX	1000000UL

struct rule {
	char		 name[32];
	char		 text[80];	/* as written, for the log */
	struct fault	 fault;
	unsigned	 first, last;	/* occurrences, from 1 on */
	unsigned	 seen;
};

struct rules {
	struct rule	 list[RULES_MAX];
	size_t		 n;
};

struct faults {
	pthread_mutex_t	 lock;
	struct rules	 spec, file;
	char		*path;
	bool		 there;		/* the file */
	struct stat	 st;		/* of what was read */
};

static const struct {
	const char	*name;
	enum fault_kind	 kind;
	unsigned	 ms;		/* unless given; 0: takes none */
} kinds[] = {
	{ "refused", FAULT_REFUSED, 300 },
	{ "refused-after", FAULT_REFUSED_AFTER, 300 },
	{ "reset", FAULT_RESET, 0 },
	{ "reset-after", FAULT_RESET_AFTER, 0 },
	{ "no-answer", FAULT_NO_ANSWER, 120000 },
	{ "slow", FAULT_SLOW, 1000 },
	{ "cut", FAULT_CUT, 0 },
	{ "wrong-length", FAULT_LENGTH, 0 },
	{ "html", FAULT_HTML, 0 },
	{ "200-error", FAULT_ERROR, 0 },
};

#define NKINDS	(sizeof(kinds) / sizeof(kinds[0]))

/* Digits up to max at *p, which is moved on; -1 if there are none. */
static long
number(const char **p, unsigned long max)
{
	char *end;
	unsigned long n;

	if (**p < '0' || **p > '9')
		return -1;
	errno = 0;
	n = strtoul(*p, &end, 10);
	if (errno != 0 || n > max)
		return -1;
	*p = end;
	return (long)n;
}

static int
read_kind(struct rule *r, const char **p)
{
	size_t i, len = strcspn(*p, "=@");
	long status, ms;

	for (i = 0; i < NKINDS; i++)
		if (strlen(kinds[i].name) == len &&
		    strncmp(*p, kinds[i].name, len) == 0)
			break;
	if (i < NKINDS) {
		r->fault.kind = kinds[i].kind;
		r->fault.ms = kinds[i].ms;
		*p += len;
	} else {
		status = number(p, 599);
		if (len != 3 || status < 400)
			return -1;
		r->fault.kind = FAULT_STATUS;
		r->fault.status = (unsigned)status;
	}
	if (**p != '=')
		return 0;
	++*p;
	if (r->fault.ms == 0 || (ms = number(p, MS_MAX)) == -1)
		return -1;
	r->fault.ms = (unsigned)ms;
	return 0;
}

static int
read_count(struct rule *r, const char **p)
{
	long n;

	r->first = 1;
	r->last = UINT_MAX;
	if (**p != '@')
		return 0;
	++*p;
	if ((n = number(p, COUNT_MAX)) < 1)
		return -1;
	r->first = r->last = (unsigned)n;
	if (**p != '-')
		return 0;
	++*p;
	r->last = UINT_MAX;
	if (**p == '\0')
		return 0;
	if ((n = number(p, COUNT_MAX)) < (long)r->first)
		return -1;
	r->last = (unsigned)n;
	return 0;
}

static int
read_rule(struct rules *rules, const char *word, size_t len, struct fail *f)
{
	struct rule *r = &rules->list[rules->n];
	const char *p;
	size_t n;

	if (rules->n == RULES_MAX)
		return fail_set(f, EX_CONFIG, "more than %d rules", RULES_MAX);
	memset(r, 0, sizeof(*r));
	if (len >= sizeof(r->text))
		goto malformed;
	memcpy(r->text, word, len);
	n = strcspn(r->text, ":");
	if (n == 0 || n >= sizeof(r->name) || r->text[n] == '\0')
		goto malformed;
	memcpy(r->name, r->text, n);
	p = r->text + n + 1;
	if (read_kind(r, &p) == -1 || read_count(r, &p) == -1 || *p != '\0')
		goto malformed;
	rules->n++;
	return 0;
malformed:
	return fail_set(f, EX_CONFIG, "%.*s: not EXCHANGE:KIND[=MS][@N[-[M]]] "
	    "of tl-fault(7)", len > 100 ? 100 : (int)len, word);
}

static int
read_rules(struct rules *rules, const char *s, struct fail *f)
{
	size_t len;

	rules->n = 0;
	for (; *s != '\0'; s += len) {
		if (strchr(", \t\r\n", *s) != NULL) {
			len = 1;
			continue;
		}
		if (*s == '#') {
			len = strcspn(s, "\n");
			continue;
		}
		len = strcspn(s, ", \t\r\n#");
		if (read_rule(rules, s, len, f) == -1) {
			rules->n = 0;
			return -1;
		}
	}
	return 0;
}

/* Read the file if it is not the one that was read; 0, or -1 and why. */
static int
refresh(struct faults *a, struct fail *f)
{
	struct buf b = BUF_INIT(FILE_MAX);
	struct stat st;
	int r;

	if (a->path == NULL)
		return 0;
	if (stat(a->path, &st) == -1) {
		a->there = false;
		if (errno == ENOENT)
			return 0;
		return fail_sys(f, EX_CONFIG, "%.200s", a->path);
	}
	if (a->there && st.st_ino == a->st.st_ino &&
	    st.st_size == a->st.st_size &&
	    st.st_mtim.tv_sec == a->st.st_mtim.tv_sec &&
	    st.st_mtim.tv_nsec == a->st.st_mtim.tv_nsec)
		return 0;
	a->there = true;
	a->st = st;
	a->file.n = 0;
	r = buf_load(&b, a->path, f);
	if (r == 0 && b.len > 0 &&
	    (r = read_rules(&a->file, b.data, f)) == -1)
		fail_in(f, a->path);
	buf_free(&b);
	return r;
}

struct faults *
faults_open(const char *spec, const char *file, struct fail *f)
{
	struct faults *a = calloc(1, sizeof(*a));

	if (a == NULL || (file != NULL && (a->path = strdup(file)) == NULL)) {
		free(a);
		fail_set(f, EX_OSERR, "out of memory");
		return NULL;
	}
	pthread_mutex_init(&a->lock, NULL);
	if (spec != NULL && read_rules(&a->spec, spec, f) == -1)
		fail_in(f, "TL_FAULT");
	else if (refresh(a, f) == 0)
		return a;
	f->status = EX_CONFIG;
	faults_free(a);
	return NULL;
}

void
faults_free(struct faults *a)
{
	if (a == NULL)
		return;
	pthread_mutex_destroy(&a->lock);
	free(a->path);
	free(a);
}

/* "part" stands for "part7", and "*" for all. */
static bool
is_name(const char *rule, const char *name)
{
	size_t n = strlen(rule);

	if (strcmp(rule, "*") == 0)
		return true;
	return strncmp(rule, name, n) == 0 &&
	    strspn(name + n, "0123456789") == strlen(name + n);
}

bool
faults_pick(struct faults *a, const char *name, struct fault *fault,
    char *line, size_t size)
{
	struct rules *rules;
	struct rule *r;
	struct fail f;
	bool found = false;
	size_t i;

	line[0] = '\0';
	pthread_mutex_lock(&a->lock);
	if (refresh(a, &f) == -1)
		snprintf(line, size, "no faults: %s", f.msg);
	rules = a->there ? &a->file : &a->spec;
	for (i = 0; i < rules->n; i++) {
		r = &rules->list[i];
		if (!is_name(r->name, name))
			continue;
		r->seen++;
		/* Each rule counts, the first that applies is done. */
		if (found || r->seen < r->first || r->seen > r->last)
			continue;
		found = true;
		*fault = r->fault;
		snprintf(line, size, "fault: %s: %s", name, r->text);
	}
	pthread_mutex_unlock(&a->lock);
	return found;
}

void
fault_answer(const struct fault *fault, bool xml, struct fault_answer *a)
{
	a->status = fault->kind == FAULT_STATUS ? fault->status : 200;
	if (fault->kind == FAULT_HTML) {
		a->type = "text/html";
		snprintf(a->body, sizeof(a->body), "<!DOCTYPE html>\n"
		    "<html><title>Sign in</title><p>A page that is no answer."
		    "</html>\n");
	} else if (xml) {
		a->type = "application/xml";
		snprintf(a->body, sizeof(a->body), "<?xml version=\"1.0\" "
		    "encoding=\"UTF-8\"?>\n<Error><Code>InternalError</Code>"
		    "<Message>A fault on purpose.</Message></Error>\n");
	} else {
		a->type = "application/json";
		snprintf(a->body, sizeof(a->body), "{\"error\": \"a fault on "
		    "purpose\", \"code\": \"FAULT\"}\n");
	}
}

void
fault_reset(int fd)
{
	const struct sockaddr none = { .sa_family = AF_UNSPEC };

	/* Linux resets a TCP connection that is dissolved this way. */
	if (connect(fd, &none, sizeof(none)) == -1)
		shutdown(fd, SHUT_RDWR);
}
