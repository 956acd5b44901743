#include "client/cloud/begin.h"
#include "core/opt.h"
#include "core/stop.h"

bool
begin_option(struct settings *s, int ch, const char *arg)
{
	struct fail f;
	int r;

	if ((r = settings_option(s, ch, arg, &f)) == -1)
		opt_fail(&f);
	return r == 1;
}

void
begin_settings(struct settings *s, const char *program)
{
	struct fail f;
	unsigned seconds;

	if (settings_load(s, &f) == -1)
		opt_fail(&f);
	if ((seconds = settings_deadline(s)) != 0)
		stop_after(program, seconds);
}
