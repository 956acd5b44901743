#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <nettle/eddsa.h>

#include "core/date.h"
#include "core/hex.h"
#include "region/sign/receipt.h"

#define TEXT_MAX	(16UL << 10)	/* a URI has some 1,100 bytes */

/*
 * Its first member, so that nothing else that is ever signed with such a key
 * can be taken for a receipt.
 */
static const char kind[] = "object_receipt_v1";

static int
text_of(const struct receipt *r, const struct receipt_key *k, struct buf *b,
    struct fail *f)
{
	struct jout j = JOUT_INIT(b);
	char when[DATE_TEXT];

	date_text(when, r->issued);
	jout_object(&j);
	jout_member(&j, "kind", kind);
	jout_member(&j, "uri", r->uri);
	jout_key(&j, "sizeBytes");
	jout_u64(&j, r->bytes);
	jout_member(&j, "etag", r->etag);
	jout_member(&j, "lastModified", r->modified);
	jout_member(&j, "projectId", r->project);
	jout_member(&j, "sandboxId", r->sandbox);
	jout_member(&j, "issuedAt", when);
	jout_member(&j, "keyId", k->id);
	jout_close(&j);
	return jout_end(&j, f);
}

int
receipt_write(const struct receipt *r, const struct receipt_key *k,
    struct jout *j, struct fail *f)
{
	char digits[2 * ED25519_SIGNATURE_SIZE + 1];
	uint8_t signature[ED25519_SIGNATURE_SIZE];
	struct buf text = BUF_INIT(TEXT_MAX);
	int rc = text_of(r, k, &text, f);

	if (rc == 0) {
		ed25519_sha512_sign(k->public, k->secret, text.len,
		    (const uint8_t *)text.data, signature);
		hex_encode(digits, signature, sizeof(signature));
		jout_object(j);
		jout_key(j, "receipt");
		jout_stringn(j, text.data, text.len);
		jout_member(j, "signature", digits);
		jout_close(j);
	}
	buf_free(&text);
	return rc;
}

/* The key that has signed a text, or NULL. */
static const struct receipt_key *
signer(const struct buf *text, const struct span *signature,
    const struct receipt_keys *keys)
{
	uint8_t s[ED25519_SIGNATURE_SIZE];
	size_t i;

	/* Digits need no escapes, and so have none. */
	if (!span_is_string(signature) ||
	    signature->len != 2 * sizeof(s) + 2 ||
	    hex_decode(s, signature->at + 1, sizeof(s)) == -1)
		return NULL;
	for (i = 0; i < keys->n; i++)
		if (ed25519_sha512_verify(keys->list[i].public, text->len,
		    (const uint8_t *)text->data, s) == 1)
			return &keys->list[i];
	return NULL;
}

static int
text_read(struct receipt *r, const struct buf *text, const char *key_id,
    struct fail *f)
{
	char *word = NULL, *when = NULL, *id = NULL;
	struct span doc;
	int rc = -1;

	if (span_parse(&doc, text->data, text->len, f) == -1 ||
	    json_string(&doc, "kind", JSON_NEED, &word, f) == -1 ||
	    json_string(&doc, "uri", JSON_NEED, &r->uri, f) == -1 ||
	    json_u64(&doc, "sizeBytes", JSON_NEED, &r->bytes, f) == -1 ||
	    json_string(&doc, "etag", JSON_NEED, &r->etag, f) == -1 ||
	    json_string(&doc, "lastModified", JSON_MAY, &r->modified,
	    f) == -1 ||
	    json_string(&doc, "projectId", JSON_NEED, &r->project, f) == -1 ||
	    json_string(&doc, "sandboxId", JSON_NEED, &r->sandbox, f) == -1 ||
	    json_string(&doc, "issuedAt", JSON_NEED, &when, f) == -1 ||
	    json_string(&doc, "keyId", JSON_NEED, &id, f) == -1)
		goto out;
	if (strcmp(word, kind) != 0)
		fail_set(f, EX_DATAERR, "no receipt of an object");
	else if (date_rfc3339(when, &r->issued) == -1)
		fail_set(f, EX_DATAERR, "issuedAt: no time");
	else if (strcmp(id, key_id) != 0)
		fail_set(f, EX_DATAERR, "keyId: another key has signed it");
	else
		rc = 0;
	memcpy(r->key_id, key_id, sizeof(r->key_id));
out:
	free(word);
	free(when);
	free(id);
	return rc;
}

int
receipt_read(struct receipt *r, const struct span *doc,
    const struct receipt_keys *keys, struct fail *f)
{
	struct buf text = BUF_INIT(TEXT_MAX);
	const struct receipt_key *by;
	struct span t, s;
	int rc = -1;

	*r = (struct receipt)RECEIPT_INIT;
	if (!span_is_object(doc))
		fail_set(f, EX_NOPERM, "not a JSON object");
	else if (json_member(doc, "receipt", JSON_NEED, &t, f) != 1 ||
	    json_member(doc, "signature", JSON_NEED, &s, f) != 1)
		f->status = EX_NOPERM;
	else if (!span_is_string(&t) || span_string(&t, &text, f) == -1 ||
	    text.len == 0)
		fail_set(f, EX_NOPERM, "receipt: not a text of at most %lu "
		    "bytes", TEXT_MAX);
	else if ((by = signer(&text, &s, keys)) == NULL)
		fail_set(f, EX_NOPERM, "signature: by no key that is known "
		    "here, or of another text");
	else if (text_read(r, &text, by->id, f) == -1) {
		f->status = EX_NOPERM;
		fail_in(f, "receipt");
	} else
		rc = 0;
	if (rc == -1)
		receipt_free(r);
	buf_free(&text);
	return rc;
}

void
receipt_free(struct receipt *r)
{
	free(r->uri);
	free(r->etag);
	free(r->modified);
	free(r->project);
	free(r->sandbox);
	*r = (struct receipt)RECEIPT_INIT;
}
