/* The digest of all that makes an image: each of them counts, and no more. */

#include <string.h>

#include "client/stages/inputs.h"
#include "unit.h"

static struct prepare_reference refs[2];
static struct prepare prepare;
static struct inputs inputs;
static char was[INPUTS_DIGEST];

static char a[] = "a", b[] = "b", text[] = "FROM a\n", other[] = "FROM b\n";

static void
fresh(void)
{
	refs[0] = (struct prepare_reference){ .text = a, .base = true,
	    .found = true, .template = { .id = a, .name = a,
	    .snapshot_id = a } };
	refs[1] = (struct prepare_reference){ .text = b };
	prepare = (struct prepare){ .name = a, .dockerfile = text,
	    .base_image = a, .refs = refs, .nrefs = 2 };
	inputs = (struct inputs){ .prepare = &prepare, .context = "00" };
}

static void
differs(const char *what, bool should)
{
	char now[INPUTS_DIGEST];
	struct fail f;

	UNIT_CHECK(inputs_digest(&inputs, now, &f) == 0 &&
	    (strcmp(now, was) != 0) == should, "%s: %s", what,
	    should ? "another" : "the same");
	fresh();
}

int
main(void)
{
	struct fail f;

	fresh();
	UNIT_CHECK(inputs_digest(&inputs, was, &f) == 0 && strcmp(was,
	    "sha256:"
	    "2e6ce6a42ad955e654949a1b3befd33a306be85bf28805dd91f291b223a3a32b")
	    == 0, "is what the page says it is: %s", was);
	differs("nothing", false);
	prepare.name = b;
	differs("name", true);
	prepare.is_public = true;
	differs("public", true);
	prepare.dockerfile = other;
	differs("Dockerfile", true);
	inputs.import = true;
	differs("an import", true);
	inputs.context = "01";
	differs("context", true);
	inputs.context = NULL;
	differs("no context", true);
	inputs.has_disk = true;
	differs("a disk of 0", true);
	inputs.disk_mb = 1;
	differs("a size that was not given", false);
	inputs.docker_compat = true;
	differs("Docker's behaviour", true);
	inputs.has_epoch = true;
	differs("an epoch of 0", true);
	inputs.epoch = 1;
	differs("an epoch that was not given", false);
	refs[0].template.snapshot_id = b;
	differs("a parent's snapshot", true);
	refs[0].found = false;
	differs("no parent", true);
	refs[1].text = a;
	differs("a reference", true);
	prepare.nrefs = 1;
	differs("a reference less", true);
	refs[0].template.id = b;
	refs[0].template.is_public = true;
	differs("what a template is besides its snapshot", false);
	return unit_end();
}
