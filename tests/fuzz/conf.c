/*
 * Files that people write: a signer's configuration, the keys of a region and
 * of a store, rules of faults.  Refused with a place and no secret, or whole.
 */
#include "fuzz.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "region/serve/fault.h"
#include "region/serve/keys.h"
#include "region/sign/config.h"
#include "region/sign/sigv4.h"
#include "region/store/s3.h"

static void
refused(const struct fail *f)
{
	MUST(f->status == EX_CONFIG || f->status == EX_DATAERR);
	MUST(f->msg[0] != '\0' && strchr(f->msg, '\n') == NULL);
	MUST(strstr(f->msg, "hush-hush") == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct config c;
	struct s3 s3 = { .keys = NULL };
	struct faults *faults;
	struct keys *keys;
	char path[40], *text;
	struct fail f;
	int fd = memfd_create("conf", MFD_CLOEXEC);

	MUST(fd != -1 && fchmod(fd, 0600) == 0);
	MUST(write(fd, p, n) == (ssize_t)n);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (config_load(&c, path, &f) == -1)
		refused(&f);
	else {
		MUST(config_bucket_ok(c.bucket));
		MUST(c.expires_s >= 1 && c.expires_s <= SIGV4_EXPIRES_MAX);
		MUST(strlen(c.secret_key) <= SIGV4_SECRET_MAX);
		MUST(strpbrk(c.endpoint, "?#@ \\\"") == NULL);
		config_free(&c);
	}
	if (s3_keys_load(&s3, path, &f) == -1)
		refused(&f);
	else
		s3_keys_free(&s3);
	if ((keys = keys_load(path, &f)) == NULL)
		refused(&f);
	keys_free(keys);
	text = strndup((const char *)p, n);
	MUST(text != NULL);
	if ((faults = faults_open(text, NULL, &f)) == NULL)
		MUST(f.status == EX_CONFIG);
	faults_free(faults);
	free(text);
	close(fd);
	return 0;
}

#define HASH	"0123456789abcdef0123456789abcdef" \
		"0123456789abcdef0123456789ABCDEF"

FUZZ_MAIN(((const char *const []){
	"# a comment\nbucket = images\nendpoint = http://127.0.0.1:9\n"
	"region = us-east-1\naddressing = path\naccess_key = AK\n"
	"secret_key = hush-hush\nread_origin = s3://images/base\n"
	"credentials_expire = 2026-06-02T00:00:00Z\nexpires_s = 60\n",
	"AK hush-hush rw\n# no\nAR hush-hush-too ro\n",
	"key " HASH " k o p # mine\npat " HASH " k o q\n",
	"complete:200-error@1,part7:reset,*:slow=20@2-3",
}));
