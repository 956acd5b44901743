#include <sysexits.h>

#include "region/platform/api_impl.h"

void
api_refuse(struct serve_request *r, const struct fail *f)
{
	switch (f->status) {
	case EX_DATAERR:
		serve_error(r, 400, "bad_request", "%s", f->msg);
		break;
	case EX_NOPERM:
		serve_error(r, 403, "forbidden", "%s", f->msg);
		break;
	case EX_TEMPFAIL:
		serve_log(r->serve, "%s", f->msg);
		serve_add_header(r, "Retry-After", "1");
		serve_error(r, 503, "unavailable", "try again: %s", f->msg);
		break;
	default:
		serve_log(r->serve, "%s", f->msg);
		serve_error(r, 500, "internal",
		    "the server failed; its log says why");
	}
}
