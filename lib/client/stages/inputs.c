#include <stdio.h>

#include <nettle/sha2.h>

#include "client/stages/inputs.h"
#include "core/hex.h"
#include "core/json.h"

static void
text(struct jout *j, const char *s)
{
	if (s != NULL)
		jout_string(j, s);
	else
		jout_null(j);
}

static int
write_all(const struct inputs *in, struct buf *out, struct fail *f)
{
	const struct prepare *p = in->prepare;
	struct jout j = JOUT_INIT(out);
	size_t i;

	jout_array(&j);
	jout_u64(&j, INPUTS_VERSION);
	jout_string(&j, p->name);
	jout_bool(&j, p->is_public);
	jout_string(&j, p->dockerfile);
	jout_bool(&j, in->import);
	text(&j, in->context);
	if (in->has_disk)
		jout_u64(&j, in->disk_mb);
	else
		jout_null(&j);
	jout_bool(&j, in->docker_compat);
	if (in->has_epoch)
		jout_i64(&j, in->epoch);
	else
		jout_null(&j);
	for (i = 0; i < p->nrefs; i++) {
		jout_array(&j);
		jout_string(&j, p->refs[i].text);
		text(&j, p->refs[i].found ? p->refs[i].template.snapshot_id :
		    NULL);
		jout_close(&j);
	}
	jout_close(&j);
	return jout_end(&j, f);
}

int
inputs_digest(const struct inputs *in, char out[INPUTS_DIGEST],
    struct fail *f)
{
	struct buf all = BUF_INIT(BUF_DOC_MAX);
	uint8_t sum[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha;
	int r;

	if ((r = write_all(in, &all, f)) == 0) {
		sha256_init(&sha);
		sha256_update(&sha, all.len, (const uint8_t *)all.data);
		sha256_digest(&sha, sizeof(sum), sum);
		out += sprintf(out, "sha256:");
		hex_encode(out, sum, sizeof(sum));
	}
	buf_free(&all);
	return r;
}
