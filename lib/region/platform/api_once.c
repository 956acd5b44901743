#include <string.h>

#include <nettle/sha2.h>

#include "core/hex.h"
#include "region/platform/api_impl.h"

#define ONCE_KEY_MAX	255

int
api_once_read(struct serve_request *r, const char *operation,
    struct platform_once *once, char print[API_PRINT_SIZE])
{
	const char *key = serve_header(r, "Idempotency-Key");
	uint8_t hash[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha;
	size_t i;

	*once = (struct platform_once){ NULL, print };
	if (key == NULL)
		return 0;
	for (i = 0; key[i] > ' ' && key[i] < 0x7f; i++)
		;
	if (key[i] != '\0' || i == 0 || i > ONCE_KEY_MAX ||
	    serve_header_count(r, "Idempotency-Key") > 1) {
		serve_error(r, 400, "bad_request", "Idempotency-Key: not one "
		    "of 1 to %d visible characters", ONCE_KEY_MAX);
		return -1;
	}
	sha256_init(&sha);
	sha256_update(&sha, strlen(operation) + 1, (const uint8_t *)operation);
	sha256_update(&sha, r->body.len, (const uint8_t *)r->body.data);
	sha256_digest(&sha, sizeof(hash), hash);
	hex_encode(print, hash, sizeof(hash));
	once->key = key;
	return 0;
}

int
api_again(struct api *a, struct serve_request *r, const struct api_call *c,
    const struct platform_once *once)
{
	struct buf answer = BUF_INIT(API_ANSWER_MAX);
	struct fail f;
	int found = platform_again(a->platform, c->key.project, once, &answer,
	    &f);

	if (found == 1)
		serve_reply(r, 200, "application/json", answer.data,
		    answer.len);
	else if (found == PLATFORM_OTHER)
		serve_error(r, 422, "idempotency_key_reused",
		    "Idempotency-Key: was used for another request");
	else if (found == -1)
		api_refuse(r, &f);
	buf_free(&answer);
	return found != 0;
}
