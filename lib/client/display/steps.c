#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "client/display/steps.h"
#include "core/utf8.h"

static bool
begins(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

bool
steps_copying(const char *line)
{
	return begins(line, "Copying blob ") || begins(line, "Copying config ") ||
	    strcmp(line, "Getting image source signatures") == 0 ||
	    strcmp(line, "Writing manifest to image destination") == 0 ||
	    strcmp(line, "Storing signatures") == 0;
}

/* What is behind the number of a stage, "[1/2] ", and that number. */
static const char *
behind_stage(const char *line, unsigned *stage, unsigned *stages)
{
	int end = 0;

	/* To scanf a blank may be missing. */
	if (sscanf(line, "[%3u/%3u] %n", stage, stages, &end) == 2 &&
	    end > 0 && line[end - 1] == ' ')
		return line + end;
	*stage = *stages = 0;
	return line;
}

bool
steps_read(struct step_of *s, const char *line)
{
	static const char behind[] = " (Dockerfile:";
	const char *p, *at, *next;
	int end = 0;

	*s = (struct step_of){ .n = 0 };
	p = behind_stage(line, &s->stage, &s->stages);
	if (sscanf(p, "STEP %5u/%5u: %n", &s->n, &s->of, &end) != 2 ||
	    end == 0 || p[end - 1] != ' ')
		return false;
	s->text = p + end;
	s->text_len = strlen(s->text);
	/* The last one is the builder's, the others may be the command's. */
	for (at = NULL, next = s->text; (next = strstr(next, behind)) != NULL;)
		at = next++;
	end = 0;
	if (at != NULL && isdigit((unsigned char)at[sizeof(behind) - 1]) &&
	    sscanf(at + sizeof(behind) - 1, "%7u)%n", &s->line, &end) == 1 &&
	    end > 0 && at[sizeof(behind) - 1 + end] == '\0')
		s->text_len = (size_t)(at - s->text);
	else
		s->line = 0;
	return true;
}

/* What a line says is begun, or NULL. */
static const char *
step(const char *line)
{
	static const char us[] = "tl-rootfs-build: ";
	struct step_of is;
	const char *p;

	if (begins(line, us))
		return line + sizeof(us) - 1;
	if (steps_read(&is, line))
		return line;
	p = behind_stage(line, &is.stage, &is.stages);
	return strcmp(p, "COMMIT") == 0 || begins(p, "COMMIT ") ? line : NULL;
}

/* As much as has room, whole characters, and dots where there is more. */
static void
cut(char *to, size_t size, const char *from)
{
	size_t n = 0, len, left = strlen(from);
	uint32_t rune;

	if (left < size) {
		memcpy(to, from, left + 1);
		return;
	}
	while ((len = utf8_rune(from + n, left - n, &rune)) > 0 &&
	    n + len < size - 3)
		n += len;
	memcpy(to, from, n);
	strcpy(to + n, "...");
}

void
steps_line(struct steps *s, const char *line, int64_t now_ms)
{
	const char *what = step(line);

	if (what == NULL)
		return;
	steps_end(s, now_ms);
	cut(s->now.what, sizeof(s->now.what), what);
	s->begun_ms = now_ms;
	s->open = true;
}

void
steps_end(struct steps *s, int64_t now_ms)
{
	size_t i, least = 0;

	if (!s->open)
		return;
	s->open = false;
	s->now.ms = now_ms - s->begun_ms;
	if (s->now.ms < STEPS_LEAST_MS)
		return;
	if (s->n == STEPS_KEPT) {
		for (i = 1; i < s->n; i++)
			if (s->kept[i].ms < s->kept[least].ms)
				least = i;
		if (s->now.ms <= s->kept[least].ms)
			return;
		memmove(&s->kept[least], &s->kept[least + 1],
		    (s->n - least - 1) * sizeof(s->kept[0]));
		s->n--;
	}
	s->kept[s->n++] = s->now;
}
