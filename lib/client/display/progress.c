#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "client/display/progress.h"
#include "client/display/steps.h"
#include "core/json.h"
#include "core/utf8.h"

#define LINE_MAX_	(64UL << 10)	/* a longer one is shown in pieces */
#define LAST_MAX	20		/* lines shown before an error */
#define UNKNOWN		UINT64_MAX

struct progress {
	struct progress_options	 opt;
	FILE			*out;
	FILE			*log;		/* or NULL */
	struct buf		 line;		/* not whole yet */
	size_t			 mark_len;
	char			 stage[64];	/* "": between stages */
	int64_t			 begun_ms;
	uint64_t		 done, total;	/* or UNKNOWN */
	struct steps		 steps;		/* of the stage */
	bool			 moving;	/* done and total mean something */
	bool			 drawn;		/* the moving line is there */
	struct buf		 last[LAST_MAX];
	size_t			 last_at;
};

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
stamp(char *to, size_t size)
{
	struct timespec ts;
	char day[32];
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(to, size, "%s.%03ldZ", day, ts.tv_nsec / 1000000);
}

struct progress *
progress_new(const struct progress_options *opt, FILE *out, FILE *log,
    struct fail *f)
{
	struct progress *p = calloc(1, sizeof(*p));
	size_t i;

	if (p == NULL) {
		fail_set(f, EX_OSERR, "out of memory");
		return NULL;
	}
	p->opt = *opt;
	p->mark_len = strlen(opt->mark);
	p->out = out;
	p->log = log;
	p->line = (struct buf)BUF_INIT(LINE_MAX_);
	for (i = 0; i < LAST_MAX; i++)
		p->last[i] = (struct buf)BUF_INIT(LINE_MAX_);
	return p;
}

void
progress_free(struct progress *p)
{
	size_t i;

	if (p == NULL)
		return;
	buf_free(&p->line);
	for (i = 0; i < LAST_MAX; i++)
		buf_free(&p->last[i]);
	free(p);
}

/*
 * Lines made fit.
 */

/* How long the escape sequence at s is (ECMA-48), s[0] being ESC. */
static size_t
escape(const char *s, size_t n)
{
	size_t i = 2;

	if (n < 2)
		return n;
	switch (s[1]) {
	case '[':
		while (i < n && s[i] >= 0x20 && s[i] <= 0x3f)
			i++;
		return i < n ? i + 1 : n;
	case ']':
	case 'P':
	case '^':
	case '_':
	case 'X':
		/* A string: to BEL or ESC \. */
		while (i < n && s[i] != '\a' && s[i] != '\033')
			i++;
		if (i < n && s[i] == '\033')
			i++;
		return i < n ? i + 1 : n;
	}
	for (i = 1; i < n && s[i] >= 0x20 && s[i] <= 0x2f; i++)
		;
	return i < n ? i + 1 : n;
}

int
progress_clean(struct buf *b, const char *s, size_t n, struct fail *f)
{
	uint32_t rune;
	size_t i, k;

	/* What a carriage return has overwritten nobody saw. */
	while (n > 0 && s[n - 1] == '\r')
		n--;
	for (i = n; i > 0; i--)
		if (s[i - 1] == '\r') {
			s += i;
			n -= i;
			break;
		}
	for (i = 0; i < n; i += k) {
		if (s[i] == '\033') {
			k = escape(s + i, n - i);
			continue;
		}
		if ((k = utf8_rune(s + i, n - i, &rune)) == 0) {
			k = 1;
			if (buf_adds(b, "\xef\xbf\xbd", f) == -1)
				return -1;
		} else if ((rune < ' ' && rune != '\t') || (rune >= 0x7f &&
		    rune < 0xa0)) {
			if (buf_adds(b, "?", f) == -1)
				return -1;
		} else if (buf_add(b, s + i, k, f) == -1)
			return -1;
	}
	return 0;
}

/*
 * What is shown.
 */

static void
undraw(struct progress *p)
{
	if (p->drawn)
		fputs("\r\033[K", p->out);
	p->drawn = false;
}

static void
flush(struct progress *p)
{
	if (p->out != NULL)
		fflush(p->out);
	if (p->log != NULL)
		fflush(p->log);
}

static const char *
sgr(const struct progress *p, const char *code)
{
	return p->opt.colour && p->opt.mode == PROGRESS_LIVE ? code : "";
}

/* A line in a colour, or "", in the modes with lines; who says it, or "". */
static void
paint(struct progress *p, const char *colour, const char *who,
    const char *text)
{
	if (p->out == NULL)
		return;
	undraw(p);
	if (p->opt.label != NULL)
		fprintf(p->out, "%s: ", p->opt.label);
	fprintf(p->out, "%s%s%s%s%s\n", colour, who, *who != '\0' ? ": " : "",
	    text, *colour != '\0' ? sgr(p, "\033[m") : "");
}

static void
show(struct progress *p, const char *who, const char *text)
{
	paint(p, "", who, text);
}

static void
tenths(char *to, size_t size, int64_t ms)
{
	snprintf(to, size, "%" PRId64 ".%02" PRId64, ms / 1000,
	    ms % 1000 / 10);
}

static void
logged(struct progress *p, const char *who, const char *text)
{
	char when[48];

	if (p->log == NULL)
		return;
	stamp(when, sizeof(when));
	fprintf(p->log, "%s %s%s%s\n", when, who, *who != '\0' ? ": " : "",
	    text);
}

/* A JSON event: its name, then pairs of member and string, NULL at the end. */
struct event {
	struct buf	b;
	struct jout	j;
};

static void
event_begin(struct event *e, const struct progress *p, const char *name)
{
	char when[48];

	e->b = (struct buf)BUF_INIT(BUF_SMALL_MAX);
	e->j = (struct jout)JOUT_INIT(&e->b);
	stamp(when, sizeof(when));
	jout_object(&e->j);
	jout_member(&e->j, "time", when);
	jout_member(&e->j, "event", name);
	if (p->opt.label != NULL)
		jout_member(&e->j, "label", p->opt.label);
	if (p->stage[0] != '\0')
		jout_member(&e->j, "stage", p->stage);
}

static void
event_end(struct event *e, struct progress *p)
{
	struct fail f;

	jout_close(&e->j);
	if (jout_end(&e->j, &f) == 0 && p->out != NULL) {
		fwrite(e->b.data, 1, e->b.len, p->out);
		putc('\n', p->out);
	}
	buf_free(&e->b);
}

static void
event_number(struct event *e, const char *key, uint64_t n)
{
	jout_key(&e->j, key);
	jout_u64(&e->j, n);
}

static int
remember(struct progress *p, const char *text, struct fail *f)
{
	struct buf *b = &p->last[p->last_at++ % LAST_MAX];

	buf_clear(b);
	return buf_adds(b, text, f);
}

static void
recall(struct progress *p)
{
	size_t i, from = p->last_at > LAST_MAX ? p->last_at - LAST_MAX : 0;

	for (i = from; i < p->last_at; i++)
		show(p, "", p->last[i % LAST_MAX].data);
	p->last_at = 0;
}

/* How far an upload is, if that is what the text says. */
static bool
moves(struct progress *p, const char *text)
{
	static const char *const who[] = { "tl-upload: ", "tl-put: " };
	uint64_t done, total = UNKNOWN;
	int end = 0, end2 = 0;
	size_t i;

	for (i = 0; strncmp(text, who[i], strlen(who[i])) != 0;)
		if (++i == sizeof(who) / sizeof(who[0]))
			return false;
	text += strlen(who[i]);
	/* One that is still being made has no size yet. */
	if (sscanf(text, "%" SCNu64 " bytes%n", &done, &end) == 1 && end != 0)
		end2 = end;
	else if (sscanf(text, "%" SCNu64 " / %" SCNu64 " bytes%n", &done,
	    &total, &end2) != 2)
		return false;
	if (end2 == 0 || text[end2] != '\0' || done > total)
		return false;
	p->done = done;
	p->total = total;
	p->moving = true;
	return true;
}

/* That an instruction of the Dockerfile is begun, before the line itself. */
static void
step_event(struct progress *p, const char *line)
{
	struct step_of s;
	struct event e;

	if (!steps_read(&s, line))
		return;
	event_begin(&e, p, "step");
	event_number(&e, "step", s.n);
	event_number(&e, "steps", s.of);
	if (s.stages != 0) {
		event_number(&e, "dockerfileStage", s.stage);
		event_number(&e, "dockerfileStages", s.stages);
	}
	if (s.line != 0)
		event_number(&e, "line", s.line);
	jout_key(&e.j, "text");
	jout_stringn(&e.j, s.text, s.text_len);
	event_end(&e, p);
}

static int
text(struct progress *p, const char *s, struct fail *f)
{
	struct event e;

	logged(p, "", s);
	steps_line(&p->steps, s, now_ms());
	/* Of no use to people, and there may be hundreds; programs take all. */
	if (!p->opt.verbose && p->opt.mode != PROGRESS_JSON &&
	    steps_copying(s))
		return 0;
	switch (p->opt.mode) {
	case PROGRESS_NONE:
		return moves(p, s) ? 0 : remember(p, s, f);
	case PROGRESS_PLAIN:
		/* How far it is would be a line a second: the last will do. */
		if (!moves(p, s) || p->done == p->total)
			show(p, "", s);
		break;
	case PROGRESS_LIVE:
		if (!moves(p, s))
			show(p, "", s);
		else
			progress_tick(p);
		break;
	case PROGRESS_JSON:
		if (moves(p, s)) {
			event_begin(&e, p, "progress");
			event_number(&e, "done", p->done);
			if (p->total != UNKNOWN)
				event_number(&e, "total", p->total);
		} else {
			if (p->stage[0] != '\0')
				step_event(p, s);
			event_begin(&e, p, "line");
			jout_member(&e.j, "text", s);
		}
		event_end(&e, p);
		break;
	}
	return 0;
}

static void
stage(struct progress *p, const char *name)
{
	char line[128];
	struct event e;

	snprintf(p->stage, sizeof(p->stage), "%s", name);
	p->begun_ms = now_ms();
	p->steps = (struct steps){ .n = 0 };
	p->moving = false;
	snprintf(line, sizeof(line), "%s ...", p->stage);
	logged(p, p->opt.who, line);
	if (p->opt.mode == PROGRESS_JSON) {
		event_begin(&e, p, "stage");
		event_end(&e, p);
	} else if (p->opt.mode == PROGRESS_PLAIN && p->opt.verbose)
		show(p, p->opt.who, line);
	progress_tick(p);
}

/* What took long in the stage, behind the stage's own line. */
static void
steps(struct progress *p)
{
	char line[160], took[40];
	size_t i;

	for (i = 0; i < p->steps.n; i++) {
		tenths(took, sizeof(took), p->steps.kept[i].ms);
		snprintf(line, sizeof(line), "%7ss  %s", took,
		    p->steps.kept[i].what);
		logged(p, p->opt.who, line);
		if (p->opt.mode != PROGRESS_JSON &&
		    p->opt.mode != PROGRESS_NONE)
			show(p, p->opt.who, line);
	}
}

static void
done(struct progress *p)
{
	int64_t now = now_ms(), ms = now - p->begun_ms;
	char line[160], took[40];
	struct event e;

	tenths(took, sizeof(took), ms);
	snprintf(line, sizeof(line), "%-11s %ss", p->stage, took);
	logged(p, p->opt.who, line);
	if (p->opt.mode == PROGRESS_JSON) {
		event_begin(&e, p, "done");
		event_number(&e, "milliseconds", (uint64_t)ms);
		event_end(&e, p);
	} else if (p->opt.mode != PROGRESS_NONE)
		show(p, p->opt.who, line);
	steps_end(&p->steps, now);
	steps(p);
	p->stage[0] = '\0';
	p->moving = false;
}

static void
status(struct progress *p, const char *name, const char *number)
{
	struct event e;

	if (p->opt.mode == PROGRESS_JSON) {
		event_begin(&e, p, name);
		event_number(&e, "status", (uint64_t)strtoul(number, NULL,
		    10));
		event_end(&e, p);
	}
	undraw(p);
	p->moving = false;
	if (strcmp(name, "failed") == 0)
		p->stage[0] = '\0';
}

static void
say(struct progress *p, const char *name, const char *s)
{
	bool error = strcmp(name, "error") == 0;
	struct event e;

	logged(p, p->opt.who, s);
	if (p->opt.mode == PROGRESS_JSON) {
		event_begin(&e, p, error ? "error" : "message");
		jout_member(&e.j, "text", s);
		event_end(&e, p);
	} else if (p->opt.mode != PROGRESS_NONE || error) {
		if (p->opt.mode == PROGRESS_NONE)
			recall(p);
		paint(p, error ? sgr(p, "\033[31m") : "", p->opt.who, s);
	}
}

static void
id(struct progress *p, char *kind)
{
	char *value = strchr(kind, ' ');
	struct event e;

	if (value == NULL)
		return;
	logged(p, p->opt.who, kind);
	*value++ = '\0';
	if (p->opt.mode != PROGRESS_JSON)
		return;
	event_begin(&e, p, "id");
	jout_member(&e.j, "kind", kind);
	jout_member(&e.j, "id", value);
	event_end(&e, p);
}

static void
event(struct progress *p, char *s)
{
	char *rest = strchr(s, ' ');

	if (rest != NULL)
		*rest++ = '\0';
	else
		rest = s + strlen(s);
	if (strcmp(s, "stage") == 0)
		stage(p, rest);
	else if (strcmp(s, "done") == 0)
		done(p);
	else if (strcmp(s, "failed") == 0 || strcmp(s, "end") == 0)
		status(p, s, rest);
	else if (strcmp(s, "say") == 0 || strcmp(s, "error") == 0)
		say(p, s, rest);
	else if (strcmp(s, "id") == 0)
		id(p, rest);
}

/*
 * The stream.
 */

static int
clean_text(struct progress *p, const char *s, size_t n, struct fail *f)
{
	struct buf b = BUF_INIT(4 * LINE_MAX_);
	int r;

	if ((r = progress_clean(&b, s, n, f)) == 0)
		r = text(p, b.data != NULL ? b.data : "", f);
	buf_free(&b);
	return r;
}

/* An event may stand behind what a program left without a newline. */
static int
line(struct progress *p, const char *s, size_t n, struct fail *f)
{
	struct buf b = BUF_INIT(4 * LINE_MAX_);
	const char *at;
	int r = 0;

	at = memmem(s, n, p->opt.mark, p->mark_len);
	if (at == NULL)
		return clean_text(p, s, n, f);
	if (at != s && (r = clean_text(p, s, (size_t)(at - s), f)) == -1)
		return -1;
	at += p->mark_len;
	n -= (size_t)(at - s);
	if (n > 0 && *at == ' ') {
		at++;
		n--;
	}
	if ((r = progress_clean(&b, at, n, f)) == 0 && b.data != NULL)
		event(p, b.data);
	buf_free(&b);
	return r;
}

int
progress_feed(struct progress *p, const char *s, size_t n, struct fail *f)
{
	const char *nl;
	size_t k;
	int r = 0;

	while (r == 0 && n > 0) {
		nl = memchr(s, '\n', n);
		k = nl != NULL ? (size_t)(nl - s) : n;
		if (k > p->line.max - p->line.len) {
			k = p->line.max - p->line.len;
			nl = NULL;
		}
		if (buf_add(&p->line, s, k, f) == -1)
			return -1;
		s += k;
		n -= k;
		if (nl != NULL) {
			s++;
			n--;
		}
		if (nl != NULL || p->line.len == p->line.max) {
			r = line(p, p->line.data, p->line.len, f);
			buf_clear(&p->line);
		}
	}
	flush(p);
	return r;
}

int
progress_end(struct progress *p, struct fail *f)
{
	int r = p->line.len > 0 ? line(p, p->line.data, p->line.len, f) : 0;

	undraw(p);
	flush(p);
	return r;
}

void
progress_columns(struct progress *p, unsigned columns)
{
	p->opt.columns = columns;
}

void
progress_tick(struct progress *p)
{
	char row[256], took[40];
	size_t columns = p->opt.columns;
	int n;

	if (p->opt.mode != PROGRESS_LIVE || p->out == NULL ||
	    p->stage[0] == '\0')
		return;
	snprintf(took, sizeof(took), "%.1f",
	    (double)(now_ms() - p->begun_ms) / 1000);
	n = snprintf(row, sizeof(row), "  %-11s %ss", p->stage, took);
	if (p->moving && p->total == UNKNOWN)
		snprintf(row + n, sizeof(row) - (size_t)n,
		    "  %.1f MB sent", (double)p->done / 1e6);
	else if (p->moving)
		snprintf(row + n, sizeof(row) - (size_t)n,
		    "  %.1f of %.1f MB sent", (double)p->done / 1e6,
		    (double)p->total / 1e6);
	if (columns > 1 && columns < sizeof(row))
		row[columns - 1] = '\0';
	fprintf(p->out, "\r\033[K%s%s%s", sgr(p, "\033[1m"), row,
	    sgr(p, "\033[m"));
	p->drawn = true;
	fflush(p->out);
}
