#include <stdlib.h>
#include <sysexits.h>

#include <nettle/sha2.h>

#include "client/images/image_digest.h"
#include "core/hex.h"
#include "core/json.h"

/* The array. */
static int
identity(const struct span *image, struct buf *out, struct fail *f)
{
	struct jout j = JOUT_INIT(out);
	char *id = NULL, *uri = NULL;
	uint64_t size;
	int sized, r = -1;

	if (json_string(image, "snapshotId", JSON_NEED, &id, f) == -1 ||
	    json_string(image, "snapshotUri", JSON_MAY, &uri, f) == -1 ||
	    (sized = json_u64(image, "snapshotSizeBytes", JSON_MAY, &size,
	    f)) == -1) {
		if (f->status == EX_DATAERR)
			f->status = EX_PROTOCOL;
		goto out;
	}
	jout_array(&j);
	jout_string(&j, id);
	if (uri != NULL)
		jout_string(&j, uri);
	else
		jout_null(&j);
	if (sized == 1)
		jout_u64(&j, size);
	else
		jout_null(&j);
	jout_close(&j);
	r = jout_end(&j, f);
out:
	free(id);
	free(uri);
	return r;
}

int
image_digest(const struct span *image, struct buf *out, struct fail *f)
{
	struct buf text = BUF_INIT(BUF_DOC_MAX);
	uint8_t sum[SHA256_DIGEST_SIZE];
	char hex[2 * SHA256_DIGEST_SIZE + 1];
	struct sha256_ctx sha;
	int r = -1;

	if (identity(image, &text, f) == 0) {
		sha256_init(&sha);
		sha256_update(&sha, text.len, (const uint8_t *)text.data);
		sha256_digest(&sha, sizeof(sum), sum);
		hex_encode(hex, sum, sizeof(sum));
		r = buf_addf(out, f, "sha256:%s\n", hex);
	}
	buf_free(&text);
	return r;
}
