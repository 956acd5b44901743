#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/guard/guard_impl.h"
#include "core/mask.h"

/*
 * What is shown and logged.
 */

void
run_put(struct run *r, const char *line, size_t n, bool event)
{
	struct fail f;

	if (r->log != NULL)
		progress_feed(r->log, line, n, &f);
	show_line(&r->show, line, n, event);
}

/* An event of ours: "say", "error", "stage" and so on. */
void __attribute__((format(printf, 3, 4)))
run_tell(struct run *r, const char *name, const char *fmt, ...)
{
	char text[2048], line[2200];
	va_list ap;
	int n;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	n = snprintf(line, sizeof(line), "%s %s %s\n", r->mark, name,
	    mask_text(text));
	run_put(r, line, (size_t)n, true);
}

static void
heard(struct run *r, const char *line, size_t n)
{
	size_t mark = strlen(r->mark);
	bool event = n > mark && memcmp(line, r->mark, mark) == 0;
	const char *words = line + mark + 1;

	/* Of the sandbox: what other stages say is of this machine. */
	if (event && strncmp(words, "stage ", 6) == 0)
		r->elsewhere = strncmp(words + 6, "build\n", 6) != 0;
	else if (!event && !r->elsewhere && strncmp(line, "tl-exec: ", 9) != 0)
		diagnose_text(&r->seen, line, n);
	run_put(r, line, n, event);
}

/* More of what the command says, line by line. */
void
run_hear(struct run *r, const char *s, size_t n)
{
	struct fail f;
	const char *nl;
	size_t k;

	while (n > 0) {
		nl = memchr(s, '\n', n);
		k = nl != NULL ? (size_t)(nl - s) + 1 : n;
		if (k > r->line.max - r->line.len)
			k = r->line.max - r->line.len;
		if (buf_add(&r->line, s, k, &f) == -1)
			return;
		s += k;
		n -= k;
		if (r->line.data[r->line.len - 1] == '\n' ||
		    r->line.len == r->line.max) {
			heard(r, r->line.data, r->line.len);
			buf_clear(&r->line);
		}
	}
}

/* False once there is no more for now. */
bool
run_listen(struct run *r)
{
	char piece[32 << 10];
	ssize_t n;

	if (r->command.err == -1)
		return false;
	n = read(r->command.err, piece, sizeof(piece));
	if (n > 0) {
		run_hear(r, piece, (size_t)n);
		return true;
	}
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return false;
	close(r->command.err);
	r->command.err = -1;
	return false;
}

/* For a shell to paste: quoted where it must be. */
void
run_shown(char *to, size_t size, const char *word)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789_./:=@%+,-";
	size_t n = 0;

	if (*word != '\0' && word[strspn(word, plain)] == '\0') {
		snprintf(to, size, "%s", word);
		return;
	}
	if (size < 8)
		return;
	to[n++] = '\'';
	for (; *word != '\0' && n + 6 < size; word++) {
		if (*word == '\'') {
			memcpy(to + n, "'\\''", 4);
			n += 4;
		} else
			to[n++] = *word;
	}
	to[n++] = '\'';
	to[n] = '\0';
}

/* The tl-reap that undoes what is left. */
const char *
run_reap_line(const struct run *r, const char *option, char to[1024])
{
	static const struct {
		enum setting	 what;
		const char	*option;
	} words[] = {
		{ SETTING_API_URL, "--api-url" },
		{ SETTING_TOKEN_FILE, "--token-file" },
	};
	char word[800];
	const char *value;
	size_t i, n;

	n = (size_t)snprintf(to, 1024, "tl-reap%s%s", option,
	    r->g->settings->plain ? " --insecure-http" : "");
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		value = settings_in(r->g->settings, words[i].what,
		    SETTINGS_OPTION);
		if (value == NULL || n >= 1024)
			continue;
		run_shown(word, sizeof(word), value);
		n += (size_t)snprintf(to + n, 1024 - n, " %s %s",
		    words[i].option, word);
	}
	run_shown(word, sizeof(word), r->folder.ledger);
	if (n < 1024)
		snprintf(to + n, 1024 - n, " %s", word);
	return to;
}
