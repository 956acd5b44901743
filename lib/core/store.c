#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "core/mask.h"
#include "core/store.h"
#include "core/xml.h"

/* A child's text, masked, as far as there is room. */
static void
copy(char *dst, size_t size, const char *text)
{
	snprintf(dst, size, "%s", text);
	mask_text(dst);
}

static int
on_element(void *arg, const struct xml_name *n, unsigned depth,
    const char *text, struct fail *f)
{
	struct store_answer *a = arg;

	if (depth == 1 && n[0].len >= sizeof(a->root))
		return fail_set(f, EX_PROTOCOL, "an answer of a long name");
	if (depth == 1)
		snprintf(a->root, sizeof(a->root), "%.*s", (int)n[0].len,
		    n[0].at);
	else if (depth != 2)
		return 0;
	else if (xml_is(&n[1], "Code"))
		copy(a->code, sizeof(a->code), text);
	else if (xml_is(&n[1], "Message"))
		copy(a->message, sizeof(a->message), text);
	else if (xml_is(&n[1], "ETag"))
		copy(a->etag, sizeof(a->etag), text);
	return 0;
}

int
store_parse(struct store_answer *out, const char *s, size_t len,
    struct fail *f)
{
	memset(out, 0, sizeof(*out));
	return xml_read(s, len, on_element, out, f);
}

/*
 * Of S3's API reference, "Error responses", all that are about who signed and
 * when, and all that pass; and what Ceph, Swift, MinIO and botocore's list of
 * what to ask again have besides.  Whatever is not here lasts.
 */
static const struct {
	enum store_meaning	 meaning;
	const char		*code;
} codes[] = {
	{ STORE_PASSING, "BadDigest" },
	{ STORE_PASSING, "BandwidthLimitExceeded" },
	{ STORE_PASSING, "Busy" },
	{ STORE_PASSING, "ConditionalRequestConflict" },
	{ STORE_PASSING, "IncompleteBody" },
	{ STORE_PASSING, "InternalError" },
	{ STORE_PASSING, "InternalFailure" },
	{ STORE_PASSING, "OperationAborted" },
	{ STORE_PASSING, "PriorRequestNotComplete" },
	{ STORE_PASSING, "RequestLimitExceeded" },
	{ STORE_PASSING, "RequestThrottled" },
	{ STORE_PASSING, "RequestTimeout" },
	{ STORE_PASSING, "RequestTimeoutException" },
	{ STORE_PASSING, "ServerBusy" },
	{ STORE_PASSING, "ServiceUnavailable" },
	{ STORE_PASSING, "SlowDown" },
	{ STORE_PASSING, "SlowDownRead" },
	{ STORE_PASSING, "SlowDownWrite" },
	{ STORE_PASSING, "TemporaryRedirect" },
	{ STORE_PASSING, "Throttling" },
	{ STORE_PASSING, "ThrottlingException" },
	{ STORE_PASSING, "TooManyRequests" },
	{ STORE_PASSING, "TooManyRequestsException" },
	{ STORE_PASSING, "XAmzContentChecksumMismatch" },
	{ STORE_PASSING, "XAmzContentSHA256Mismatch" },
	{ STORE_EXPIRED, "ExpiredPresignRequest" },
	{ STORE_EXPIRED, "RequestExpired" },
	{ STORE_CREDENTIALS, "ExpiredToken" },
	{ STORE_CREDENTIALS, "ExpiredTokenException" },
	{ STORE_CREDENTIALS, "InvalidAccessKeyId" },
	{ STORE_CREDENTIALS, "InvalidClientTokenId" },
	{ STORE_CREDENTIALS, "InvalidToken" },
	{ STORE_CREDENTIALS, "InvalidTokenId" },
	{ STORE_CREDENTIALS, "TokenRefreshRequired" },
	{ STORE_CREDENTIALS, "UnrecognizedClientException" },
	{ STORE_SKEWED, "RequestInTheFuture" },
	{ STORE_SKEWED, "RequestNotReadyYet" },
	{ STORE_SKEWED, "RequestTimeTooSkewed" },
	{ STORE_SIGNATURE, "AuthorizationHeaderMalformed" },
	{ STORE_SIGNATURE, "AuthorizationParametersError" },
	{ STORE_SIGNATURE, "AuthorizationQueryParametersError" },
	{ STORE_SIGNATURE, "IncompleteSignature" },
	{ STORE_SIGNATURE, "InvalidSignatureException" },
	{ STORE_SIGNATURE, "MissingAuthenticationToken" },
	{ STORE_SIGNATURE, "MissingSecurityHeader" },
	{ STORE_SIGNATURE, "SignatureDoesNotMatch" },
	{ STORE_SIGNATURE, "SignatureVersionNotSupported" },
	{ STORE_DENIED, "AccessDenied" },
	{ STORE_DENIED, "AccessDeniedException" },
	{ STORE_DENIED, "AccountProblem" },
	{ STORE_DENIED, "AllAccessDisabled" },
	{ STORE_DENIED, "AuthFailure" },
	{ STORE_DENIED, "CredentialsNotSupported" },
	{ STORE_DENIED, "InvalidPayer" },
	{ STORE_DENIED, "InvalidSecurity" },
	{ STORE_DENIED, "NotSignedUp" },
	{ STORE_DENIED, "UnauthorizedAccess" },
	{ STORE_DENIED, "UserSuspended" },
	{ STORE_ENDED, "NoSuchUpload" },
};

static const struct {
	int		 status;
	const char	*advice;
} meanings[] = {
	[STORE_LASTING] = { EX_UNAVAILABLE, "" },
	[STORE_PASSING] = { EX_TEMPFAIL, "" },
	[STORE_EXPIRED] = { EX_NOPERM, "; it has expired, sign again" },
	[STORE_CREDENTIALS] = { EX_NOPERM, "; the credentials that signed it "
	    "are over, the signer needs others" },
	[STORE_SKEWED] = { EX_NOPERM, "; set the clocks of the signer and of "
	    "the store, and sign again" },
	[STORE_SIGNATURE] = { EX_NOPERM, "; it is not as it was signed, or "
	    "for another key or region: sign again" },
	[STORE_DENIED] = { EX_NOPERM, "; the key that signed it may not do "
	    "that" },
	[STORE_ENDED] = { EX_UNAVAILABLE, "; it was completed or aborted, "
	    "sign again" },
};

enum store_meaning
store_meaning(const char *code, const char *message)
{
	size_t i;

	/* What S3 says of a presigned URL that has ended, and of one to come. */
	if (strcmp(code, "AccessDenied") == 0) {
		if (strcasestr(message, "expired") != NULL)
			return STORE_EXPIRED;
		if (strcasestr(message, "not yet valid") != NULL ||
		    strcasestr(message, "not valid yet") != NULL)
			return STORE_SKEWED;
	}
	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(codes[i].code, code) == 0)
			return codes[i].meaning;
	return STORE_LASTING;
}

static bool
passing_status(long status)
{
	return status == 408 || status == 429 ||
	    (status >= 500 && status != 501);
}

int
store_error(const struct store_answer *a, long status, const char *what,
    struct fail *f)
{
	enum store_meaning m = store_meaning(a->code, a->message);
	char words[sizeof(a->message)];

	if (m == STORE_LASTING && passing_status(status))
		m = STORE_PASSING;
	if (m == STORE_LASTING && (status == 401 || status == 403))
		m = STORE_DENIED;
	/* The words are the store's: a URL in them ends at its '?'. */
	fail_show(words, sizeof(words), a->message, sizeof(words));
	return fail_set(f, meanings[m].status, "%s: the store refused "
	    "(%ld %s)%s%s%s", what, status, a->code[0] != '\0' ? a->code :
	    "Error", words[0] != '\0' ? ": " : "", words,
	    meanings[m].advice);
}

/* Whether a reply has an Error in it. */
static bool
error_in(const struct http_reply *r, struct store_answer *a)
{
	struct fail quiet;

	return r->body.len != 0 && store_parse(a, r->body.data, r->body.len,
	    &quiet) == 0 && strcmp(a->root, "Error") == 0;
}

bool
store_passing(const struct http_reply *r)
{
	struct store_answer a;
	enum store_meaning m = STORE_LASTING;

	if (r->status / 100 == 2)
		return false;
	if (error_in(r, &a))
		m = store_meaning(a.code, a.message);
	return m == STORE_PASSING || (m == STORE_LASTING &&
	    passing_status(r->status));
}

int
store_refused(const struct http_reply *r, const char *what, struct fail *f)
{
	struct store_answer a;

	if (error_in(r, &a))
		return store_error(&a, r->status, what, f);
	http_refused(r, what, f);
	/* A store's 500 is no different from its 503. */
	if (passing_status(r->status))
		f->status = EX_TEMPFAIL;
	return -1;
}
