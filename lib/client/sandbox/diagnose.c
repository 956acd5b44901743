#include <sys/types.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "client/sandbox/diagnose.h"
#include "client/sandbox/builder.h"
#include "client/sandbox/process_run.h"
#include "core/json.h"

#define FULL_PERCENT	95	/* tl-wire(7), "Diagnosis" */

static bool
has_word(const char *s, size_t n, const char *word)
{
	size_t len = strlen(word);

	for (; n >= len; s++, n--)
		if (strncasecmp(s, word, len) == 0)
			return true;
	return false;
}

void
diagnose_kernel(struct diagnosis *d, const char *s, size_t n)
{
	if (has_word(s, n, "out of memory") || has_word(s, n, "oom-kill") ||
	    has_word(s, n, "killed process"))
		d->memory = true;
}

/* The fifth field, if it is N%. */
void
diagnose_df(struct diagnosis *d, const char *s, size_t n)
{
	size_t i = 0, field;
	unsigned full = 0;

	for (field = 1;; field++) {
		while (i < n && isspace((unsigned char)s[i]))
			i++;
		if (field == 5)
			break;
		while (i < n && !isspace((unsigned char)s[i]))
			i++;
	}
	if (i == n || !isdigit((unsigned char)s[i]))
		return;
	/* More than 100 is no percentage, and no number to be trusted. */
	for (; i < n && isdigit((unsigned char)s[i]) && full <= 100; i++)
		full = full * 10 + (unsigned)(s[i] - '0');
	if (i == n || s[i] != '%' || full > 100 ||
	    (i + 1 < n && !isspace((unsigned char)s[i + 1])))
		return;
	if (full > d->full)
		d->full = full;
}

void
diagnose_text(struct diagnosis *d, const char *s, size_t n)
{
	if (has_word(s, n, "enospc") || has_word(s, n, "no space"))
		d->no_space = true;
	/* buildah's words and those of its kind: it sees a child's SIGKILL. */
	if (has_word(s, n, "exited on killed") ||
	    has_word(s, n, "signal: killed") ||
	    has_word(s, n, "exit status 137") ||
	    has_word(s, n, "exit code: 137") ||
	    has_word(s, n, "non-zero code: 137"))
		d->killed = true;
}

int
diagnose_log(struct diagnosis *d, const char *path, uint64_t from,
    struct fail *f)
{
	FILE *in = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	int r = 0;

	if (in == NULL)
		return fail_sys(f, EX_NOINPUT, "%s", path);
	if (from > INT64_MAX || fseeko(in, (off_t)from, SEEK_SET) == -1)
		r = fail_sys(f, EX_IOERR, "%s", path);
	while (r == 0 && (n = getline(&line, &size, in)) != -1)
		diagnose_text(d, line, (size_t)n);
	if (r == 0 && !feof(in))
		r = fail_sys(f, EX_IOERR, "%s", path);
	free(line);
	fclose(in);
	return r;
}

int
diagnose_status(struct diagnosis *d, const char *path, struct fail *f)
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	struct span doc;
	bool oom = false;
	int r = -1;

	if (buf_load(&text, path, f) == -1)
		goto out;
	if (text.len == 0)
		fail_set(f, EX_DATAERR, "empty, expected a process's end");
	else if (span_parse(&doc, text.data, text.len, f) == 0 &&
	    json_bool(&doc, "oomKilled", JSON_NEED, &oom, f) != -1)
		r = 0;
	if (r == -1)
		fail_in(f, path);
	if (oom)
		d->memory = true;
out:
	buf_free(&text);
	return r;
}

/* The disks on stdout, the kernel's log on stderr, so that one run will do. */
static int
on_line(void *arg, enum process_stream stream, const char *s, size_t n,
    struct fail *f)
{
	struct diagnosis *d = arg;

	(void)f;
	if (stream == PROCESS_STDOUT)
		diagnose_df(d, s, n);
	else
		diagnose_kernel(d, s, n);
	return 0;
}

int
diagnose_ask(struct diagnosis *d, struct reach *reach, long second_ms,
    struct fail *f)
{
	static const char *const args[] = { "-lc",
	    "for d do [ ! -e \"$d\" ] || df -P \"$d\" 2>/dev/null; done\n"
	    "dmesg 2>/dev/null | cat >&2", "sh",
	    BUILDER_DIR, "/var/lib/docker", "/", NULL
	};
	const struct process p = {
		.command = "/bin/sh", .args = args, .user = "root"
	};
	struct process_link link = {
		.reach = reach, .line = on_line, .arg = d,
		.second_ms = second_ms
	};
	struct process_end end;

	return process_run(&link, &p, &end, f);
}

int
diagnose_advice(const struct diagnosis *d, struct buf *b, struct fail *f)
{
	static const char larger[] = "try more with --builder-disk-mb or "
	    "--disk-mb";

	if (d->memory && buf_adds(b, "the sandbox ran out of memory: try more "
	    "with --memory-mb\n", f) == -1)
		return -1;
	if (!d->memory && d->killed && buf_adds(b, "the build was killed in "
	    "the sandbox, maybe because memory ran out: try "
	    "more with --memory-mb\n", f) == -1)
		return -1;
	if (d->full >= FULL_PERCENT)
		return buf_addf(b, f, "the sandbox's disk is %u%% full: %s\n",
		    d->full, larger);
	if (d->no_space)
		return buf_addf(b, f, "a disk of the sandbox was full: %s\n",
		    larger);
	return 0;
}
