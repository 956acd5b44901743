/* What is asked again, how often, and for how long a link is waited for. */

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "client/cloud/retry.h"
#include "core/clock.h"
#include "unit.h"

#define SECOND	"4"	/* milliseconds */

static struct http_reply reply = HTTP_REPLY_INIT;
static struct fail fail;
static char last[800];
static unsigned notes;

static void
note(const char *line)
{
	snprintf(last, sizeof(last), "%s", line);
	notes++;
}

/* An exchange that had this status, or none of it: refused, lost, cut. */
static int
answer(long status)
{
	reply.status = status;
	reply.sent = true;
	return 0;
}

static int
failure(long status, bool sent)
{
	reply.status = status;
	reply.sent = sent;
	fail_set(&fail, EX_TEMPFAIL, "refused");
	return -1;
}

static bool
again(struct retry *r, int result)
{
	patience_saw(r->patience, result, &reply, &fail);
	return retry_again(r, result, &reply, &fail);
}

static void
busy(void)
{
	static const struct { long status; bool again; } all[] = {
		{ 200, false }, { 400, false }, { 401, false },
		{ 404, false }, { 409, false }, { 429, true }, { 500, false },
		{ 501, false }, { 502, true }, { 503, true }, { 504, true },
	};
	struct retry r;
	size_t i;
	int n;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		r = (struct retry){ .what = "x" };
		for (n = 0; n < 10 && again(&r, answer(all[i].status)); n++)
			;
		UNIT_CHECK(n == (all[i].again ? RETRY_MAX : 0),
		    "%ld: again %d times", all[i].status, n);
	}
	r = (struct retry){ .what = "x" };
	for (n = 0; n < 10 && again(&r, failure(0, true)); n++)
		;
	UNIT_CHECK(n == RETRY_MAX, "no answer: again %d times", n);
	r = (struct retry){ .what = "x" };
	fail_set(&fail, EX_PROTOCOL, "no HTTP");
	UNIT_CHECK(!again(&r, -1), "no HTTP: not again");
}

static void
maybe(void)
{
	static const struct { int r; long status; bool sent, maybe; } all[] = {
		{ -1, 0, false, false }, { -1, 0, true, true },
		{ -1, 200, true, true }, { -1, 403, true, false },
		{ -1, 502, true, true }, { 0, 200, true, false },
		{ 0, 403, true, false }, { 0, 429, true, false },
		{ 0, 500, true, true }, { 0, 501, true, false },
		{ 0, 502, true, true }, { 0, 503, true, false },
		{ 0, 504, true, true },
	};
	struct retry r;
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		r = (struct retry){ .what = "x" };
		if (all[i].r == -1)
			failure(all[i].status, all[i].sent);
		else
			answer(all[i].status);
		again(&r, all[i].r);
		UNIT_CHECK(r.maybe == all[i].maybe, "%d %ld %d: done: %d",
		    all[i].r, all[i].status, all[i].sent, r.maybe);
	}
	r = (struct retry){ .what = "x" };
	again(&r, failure(0, true));
	UNIT_CHECK(again(&r, answer(409)), "a 409 behind a lost answer");
	UNIT_CHECK(!again(&r, answer(403)) && r.maybe,
	    "a refusal in the end: one may be done all the same");
}

static void
begin(struct patience *p, struct retry *r, const char *ledger)
{
	if (ledger == NULL)
		unsetenv("TL_LEDGER");
	else
		setenv("TL_LEDGER", ledger, 1);
	patience_init(p, note);
	*r = (struct retry){ .what = "x", .patience = p };
	notes = 0;
}

static void
patient(void)
{
	struct patience p;
	struct retry r;
	int64_t at, took;
	int n;

	begin(&p, &r, "/some/ledger");
	at = clock_ms();
	for (n = 0; n < 1000 && again(&r, failure(0, false)); n++)
		;
	took = clock_ms() - at;
	UNIT_CHECK(took >= PATIENCE_S * atoi(SECOND) && n > RETRY_MAX,
	    "a link that is down: again %d times, %ld ms", n, (long)took);
	/* Of 8 seconds each in the end. */
	UNIT_CHECK(n <= 3 + PATIENCE_S / 8 + 1, "waits that grow: %d", n);
	UNIT_CHECK(notes >= 1 && notes <= 1 + PATIENCE_S / 30,
	    "said %u times", notes);
	UNIT_CHECK(strstr(last, "refused; no answer for ") != NULL &&
	    strstr(last, " s, waiting for 300 s in all") != NULL, "%s", last);
	UNIT_CHECK(!patience_lasts(&p), "it is over");

	/* Back: said once; the first failure, and what follows, counts. */
	begin(&p, &r, "/some/ledger");
	for (n = 0; n < 6; n++)
		again(&r, failure(0, false));
	UNIT_CHECK(patience_lasts(&p), "it lasts");
	for (n = 0; n < 10 && again(&r, answer(503)); n++)
		;
	UNIT_CHECK(n == RETRY_MAX - 1, "busy behind it: again %d times", n);
	UNIT_CHECK(notes >= 2 && strncmp(last, "answered again, after ",
	    22) == 0, "%u: %s", notes, last);
	UNIT_CHECK(!patience_lasts(&p), "nothing is waited for");

	/* Half an answer is one, too. */
	begin(&p, &r, "/some/ledger");
	for (n = 0; n < 1000 && again(&r, failure(200, true)); n++)
		;
	UNIT_CHECK(n == RETRY_MAX, "cut: again %d times", n);

	/* Where nobody ever answered, the usual five requests; then it lasts. */
	for (at = 0; at < 2; at++) {
		begin(&p, &r, at == 0 ? NULL : "");
		for (n = 0; n < 1000 && again(&r, failure(0, true)); n++)
			;
		UNIT_CHECK(n == RETRY_MAX && notes == 0,
		    "a wrong address: again %d times", n);
	}
	begin(&p, &r, NULL);
	again(&r, answer(200));
	for (n = 0; n < 6 && again(&r, failure(0, true)); n++)
		;
	UNIT_CHECK(n == 6, "one that was right");

	/* A short one is no news. */
	begin(&p, &r, "/some/ledger");
	patience_saw(&p, failure(0, true), &reply, &fail);
	UNIT_CHECK(!patience_lasts(&p), "one that failed");
	patience_saw(&p, failure(0, true), &reply, &fail);
	UNIT_CHECK(patience_lasts(&p), "two");
	patience_saw(&p, answer(200), &reply, &fail);
	UNIT_CHECK(notes == 0 && !patience_lasts(&p), "and did not");
	patience_saw(&p, failure(0, false), &reply, &fail);
	fail_set(&fail, EX_CONFIG, "no such certificate");
	patience_saw(&p, -1, &reply, &fail);
	UNIT_CHECK(!patience_lasts(&p), "what no waiting helps");
	patience_saw(NULL, -1, &reply, &fail);
	UNIT_CHECK(!patience_lasts(NULL), "none");
}

int
main(void)
{
	setenv("TL_RETRY_SECOND_MS", "0", 1);
	busy();
	maybe();
	setenv("TL_RETRY_SECOND_MS", SECOND, 1);
	patient();
	http_reply_free(&reply);
	return unit_end();
}
