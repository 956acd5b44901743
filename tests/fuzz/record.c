/*
 * The record of a context, as a server may give it: what is none counts as none;
 * in what is one, a name is found or not, and can be written again.
 */
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "client/context/record.h"

/* Each line, by its name. */
static void
lines(struct records *r, const char *text)
{
	const struct record *had;
	const char *line, *p, *end;
	struct fail f;
	size_t begun;
	char *name;
	int tabs;

	for (line = strchr(text, '\n') + 1; strcmp(line, "end\n") != 0;
	    line = end + 1) {
		end = strchr(line, '\n');
		for (p = line, tabs = 0; tabs < 4; p++)
			tabs += *p == '\t';
		/* Such a name is another than it looks. */
		if (strcspn(p, "\\") < strcspn(p, "\n"))
			continue;
		name = strndup(p, strcspn(p, "\t\n"));
		MUST(name != NULL);
		had = records_had(r, name);
		begun = r->text.len;
		if (had != NULL) {
			MUST(strcmp(had->name, name) == 0);
			MUST(record_alike(had, had));
			MUST(!had->stamped || had->type == TAR_FILE ||
			    had->type == TAR_SPARSE);
			MUST(had->stamped || !had->digested);
			MUST(records_add(r, had, &f) == 0);
			MUST(r->text.len > begun);
		}
		free(name);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct records r = RECORDS_INIT;
	int fd = memfd_create("record", MFD_CLOEXEC);
	char path[40];
	struct fail f;

	MUST(fd != -1 && write(fd, p, n) == (ssize_t)n);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	MUST(records_begin(&r, path, &f) == 0);
	if (strcmp(r.id, "-") != 0)
		lines(&r, r.since.data);
	else
		MUST(records_had(&r, "a") == NULL);
	records_free(&r);
	close(fd);
	return 0;
}

#define SUM	"0123456789abcdef0123456789abcdef"

FUZZ_MAIN(((const char *const []){
	"tl-context-record 1 " SUM " " SUM " -\n"
	"5\t0755\t" SUM "\t1000\ta/\n0\t0644\t" SUM "\t-1\ta/x\n"
	"0\t4755\t" SUM "\t0\tb\\001\\134\n1\t0600\t" SUM "\t1\tc\ta/x\n"
	"S\t0644\t" SUM "\t1000\th\t0123456789abcdef\n"
	"0\t0644\t" SUM "\t9\ti\t0123456789abcdef" SUM "\n2\t0777\t" SUM "\t1000\tz\nend\n",
	"tl-context-record 1 " SUM " - -\nend\n",
}));
