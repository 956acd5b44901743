#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "region/platform/api_impl.h"

#define CLOCKS_S	60	/* two machines' clocks may differ */

/*
 * The receipt's own words against the build and what completes it.  That its
 * path is the build's is held, with the snapshot's URI, by the completion:
 * no other build has it.
 */
static int
fits(const struct api *a, const struct receipt *c, const struct build *b,
    const struct platform_template *t, struct fail *f)
{
	time_t now = time(NULL);

	if (strcmp(c->project, b->project) != 0)
		return fail_set(f, EX_NOPERM, "of another project");
	if (strcmp(c->uri, t->snapshot_uri) != 0)
		return fail_set(f, EX_NOPERM, "of another object than "
		    "snapshotUri");
	if (c->bytes != t->snapshot_bytes)
		return fail_set(f, EX_NOPERM, "of %ju bytes, not of "
		    "snapshotSizeBytes", (uintmax_t)c->bytes);
	if (c->issued > now + CLOCKS_S)
		return fail_set(f, EX_NOPERM, "issued in the future");
	if (c->issued < now - a->attest_age_s)
		return fail_set(f, EX_NOPERM, "too old; ask for another while "
		    "the sandbox runs, or build again");
	if (c->issued < b->created_at - CLOCKS_S)
		return fail_set(f, EX_NOPERM, "older than the build");
	return 0;
}

int
api_attest(struct api *a, struct serve_request *r, const struct span *given,
    const struct build *b, const struct platform_template *t,
    struct receipt *receipt)
{
	struct receipt_keys keys;
	struct fail f;
	int rc;

	if (a->attest == ATTEST_IGNORE)
		return 0;
	if (given->at == NULL) {
		if (a->attest == ATTEST_ACCEPT)
			return 0;
		serve_error(r, 403, "attestation_required", "attestation: "
		    "missing; here a completion needs the dataplane's receipt "
		    "for the snapshot");
		return -1;
	}
	/* As it is now: a key is added and withdrawn without a restart. */
	if (receipt_keys_load(&keys, a->attest_keys, &f) == -1) {
		serve_log(r->serve, "%s", f.msg);
		serve_error(r, 503, "unavailable",
		    "the keys of receipts cannot be read");
		return -1;
	}
	rc = receipt_read(receipt, given, &keys, &f);
	receipt_keys_free(&keys);
	if (rc == 0 && (rc = fits(a, receipt, b, t, &f)) == -1)
		receipt_free(receipt);
	if (rc == 0)
		return 1;
	fail_in(&f, "attestation");
	serve_log(r->serve, "%s of %s: %s", b->id, b->project, f.msg);
	if (f.status == EX_NOPERM)
		serve_error(r, 403, "attestation_refused", "%s", f.msg);
	else
		api_refuse(r, &f);
	return -1;
}
