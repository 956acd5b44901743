#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <isa-l.h>
#include <nettle/base64.h>
#include <zlib.h>

#include "region/store/s3_impl.h"

/*
 * x-amz-checksum-*: S3's user guide, "Checking object integrity".  The base64
 * of the sum, CRCs in network order.
 */

/* CRC-64/NVME is of ISA-L 2.31, there under the name of Rocksoft. */
#if ISAL_VERSION >= ISAL_MAKE_VERSION(2, 31, 0)
#define HAVE_CRC64	true
#else
#define HAVE_CRC64	false
#define crc64_rocksoft_refl(crc, p, n)	((void)(p), (void)(n), (crc))
#endif

static const struct {
	const char	*name;		/* behind "x-amz-checksum-" */
	size_t		 size;
	bool		 have;
} kinds[] = {
	[SUM_CRC32] = { "crc32", 4, true },
	[SUM_CRC32C] = { "crc32c", 4, true },
	[SUM_CRC64NVME] = { "crc64nvme", 8, HAVE_CRC64 },
	[SUM_SHA1] = { "sha1", SHA1_DIGEST_SIZE, true },
	[SUM_SHA256] = { "sha256", SHA256_DIGEST_SIZE, true },
};

#define KINDS	(sizeof(kinds) / sizeof(*kinds))

static int
unknown(struct serve_request *r, const char *name)
{
	char text[160];

	snprintf(text, sizeof(text), "The sum %.40s is not known here.", name);
	s3_refuse(r, 501, "NotImplemented", text);
	return -1;
}

/* The kind whose name S3 writes in capitals, or SUM_NONE. */
static enum sum_kind
kind_of(const char *name)
{
	size_t i;

	for (i = SUM_NONE + 1; i < KINDS; i++)
		if (strcasecmp(kinds[i].name, name) == 0)
			return (enum sum_kind)i;
	return SUM_NONE;
}

int
s3_sum_algorithm(struct serve_request *r, const char *header)
{
	const char *name = serve_header(r, header);
	enum sum_kind k;

	if (name == NULL)
		return 0;
	if ((k = kind_of(name)) == SUM_NONE || !kinds[k].have)
		return unknown(r, name);
	return 0;
}

int
s3_sum_begin(struct serve_request *r, struct s3_sum *s)
{
	static const char alone[] = "x-amz-sdk-checksum-algorithm";
	uint8_t out[BASE64_DECODE_LENGTH(64)];
	const char *text = NULL, *value;
	struct base64_decode_ctx c;
	char name[40];
	size_t i, n = sizeof(out);

	memset(s, 0, sizeof(*s));
	for (i = SUM_NONE + 1; i < KINDS; i++) {
		snprintf(name, sizeof(name), "x-amz-checksum-%s",
		    kinds[i].name);
		if ((value = serve_header(r, name)) == NULL)
			continue;
		if (text != NULL) {
			s3_refuse(r, 400, "InvalidRequest",
			    "More than one x-amz-checksum- header.");
			return -1;
		}
		text = value;
		s->kind = (enum sum_kind)i;
	}
	if (text == NULL) {
		if (serve_header(r, alone) == NULL)
			return 0;
		s3_refuse(r, 400, "InvalidRequest",
		    "x-amz-sdk-checksum-algorithm without a sum.");
		return -1;
	}
	if (!kinds[s->kind].have)
		return unknown(r, kinds[s->kind].name);
	if ((value = serve_header(r, alone)) != NULL &&
	    strcasecmp(value, kinds[s->kind].name) != 0) {
		s3_refuse(r, 400, "InvalidRequest",
		    "x-amz-sdk-checksum-algorithm names another sum.");
		return -1;
	}
	base64_decode_init(&c);
	if (strlen(text) > 64 ||
	    !base64_decode_update(&c, &n, out, strlen(text), text) ||
	    !base64_decode_final(&c) || n != kinds[s->kind].size) {
		s3_refuse(r, 400, "InvalidRequest",
		    "An x-amz-checksum- header has not the base64 of a sum.");
		return -1;
	}
	memcpy(s->want, out, n);
	if (s->kind == SUM_SHA1)
		sha1_init(&s->sha1);
	else if (s->kind == SUM_SHA256)
		sha256_init(&s->sha256);
	else if (s->kind == SUM_CRC32C)
		s->crc = 0xffffffff;
	return 0;
}

void
s3_sum_add(struct s3_sum *s, const char *p, size_t n)
{
	unsigned char *u = (unsigned char *)(uintptr_t)p;

	switch (s->kind) {
	case SUM_NONE:
		break;
	case SUM_CRC32:
		s->crc = crc32_z((uLong)s->crc, u, n);
		break;
	case SUM_CRC32C:
		/* A piece of a body has some KB, and never what int has not. */
		s->crc = crc32_iscsi(u, (int)n, (unsigned)s->crc);
		break;
	case SUM_CRC64NVME:
		s->crc = crc64_rocksoft_refl(s->crc, u, n);
		break;
	case SUM_SHA1:
		sha1_update(&s->sha1, n, u);
		break;
	case SUM_SHA256:
		sha256_update(&s->sha256, n, u);
		break;
	}
}

int
s3_sum_check(struct serve_request *r, struct s3_sum *s)
{
	uint8_t got[SHA256_DIGEST_SIZE];
	size_t i, n = kinds[s->kind].size;
	char text[80];

	if (s->kind == SUM_NONE)
		return 0;
	if (s->kind == SUM_CRC32C)
		s->crc = ~s->crc & 0xffffffff;
	if (s->kind == SUM_SHA1)
		sha1_digest(&s->sha1, n, got);
	else if (s->kind == SUM_SHA256)
		sha256_digest(&s->sha256, n, got);
	else
		for (i = 0; i < n; i++)
			got[i] = (uint8_t)(s->crc >> 8 * (n - 1 - i));
	if (memcmp(got, s->want, n) == 0)
		return 0;
	snprintf(text, sizeof(text), "The body has another %s than its header "
	    "says.", kinds[s->kind].name);
	s3_refuse(r, 400, "BadDigest", text);
	return -1;
}

void
s3_sum_print(const struct s3_sum *s, char name[SUM_NAME], char value[SUM_TEXT])
{
	snprintf(name, SUM_NAME, "x-amz-checksum-%s", kinds[s->kind].name);
	base64_encode_raw(value, kinds[s->kind].size, s->want);
	value[BASE64_ENCODE_RAW_LENGTH(kinds[s->kind].size)] = '\0';
}
