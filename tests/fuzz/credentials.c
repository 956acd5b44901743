/*
 * Registry credentials: Docker's configuration and, behind a line "--", what
 * the only credential helper that there is answers, docker-credential-fuzz.
 */
#include "fuzz.h"

#include <sys/stat.h>

#include <fcntl.h>
#include <stdbool.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/registry/dockercfg.h"
#include "core/json.h"

#define SECRET	"hush-hush"		/* a helper's */
#define AUTH	"dTpodXNoLWh1c2g="	/* u:hush-hush, in a configuration */

static struct fail f;
static char folder[] = "/tmp/tl-fuzz-credentials.XXXXXX";
static char helper[64], answer[64];

static void
clean(void)
{
	unlink(helper);
	unlink(answer);
	rmdir(folder);
}

static void
save(const char *path, const char *p, size_t n, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	MUST(fd != -1 && write(fd, p, n) == (ssize_t)n && close(fd) == 0);
}

/* No program is found but the helper. */
static void
begin(void)
{
	static const char script[] = "#!/bin/sh\n"
	    "exec /bin/cat \"${0%/*}/answer\"\n";

	MUST(mkdtemp(folder) != NULL);
	snprintf(helper, sizeof(helper), "%s/docker-credential-fuzz", folder);
	snprintf(answer, sizeof(answer), "%s/answer", folder);
	atexit(clean);
	save(helper, script, sizeof(script) - 1, 0700);
	setenv("PATH", folder, 1);
}

/* One line for a terminal. */
static void
clean_line(const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		MUST((unsigned char)p[i] >= 0x20 && p[i] != 0x7f);
}

/* Whether a text has the secret in its place only, if at all. */
static bool
is_auth_only(const struct buf *text)
{
	static const char before[] = "\"auth\":\"";
	const size_t n = sizeof(before) - 1;
	const char *p = text->data, *end = text->len == 0 ? p : p + text->len;

	while (p != end && (p = memmem(p, (size_t)(end - p), AUTH,
	    sizeof(AUTH) - 1)) != NULL) {
		if ((size_t)(p - text->data) < n || memcmp(p - n, before,
		    n) != 0)
			return false;
		p++;
	}
	return true;
}

static void
said(const struct buf *config, const struct buf *notes)
{
	const char *p, *nl, *end;
	bool of_helper = config->len == 0 || memmem(config->data, config->len,
	    SECRET, sizeof(SECRET) - 1) == NULL;

	MUST(!of_helper || notes->len == 0 || strstr(notes->data, SECRET) ==
	    NULL);
	end = notes->len == 0 ? notes->data : notes->data + notes->len;
	for (p = notes->data; p != end; p = nl + 1) {
		MUST((nl = memchr(p, '\n', (size_t)(end - p))) != NULL);
		clean_line(p, (size_t)(nl - p));
	}
	if (f.status == 0)
		return;
	MUST(f.status == EX_DATAERR && f.msg[0] != '\0');
	clean_line(f.msg, strlen(f.msg));
	MUST(!of_helper || strstr(f.msg, SECRET) == NULL);
	MUST(!is_auth_only(config) || strstr(f.msg, AUTH) == NULL);
}

/* Each is of a registry that is wanted, and is a token or a user's secret. */
static void
check(const struct buf *out, const struct registries *want)
{
	struct span doc, auths, name, value;
	const char *pos = NULL;
	struct buf key = BUF_INIT(BUF_SMALL_MAX);
	char *auth, *token;

	MUST(span_parse(&doc, out->data, out->len, &f) == 0 &&
	    span_is_object(&doc));
	if (json_sub(&doc, "auths", JSON_MAY, '{', &auths, &f) != 1)
		return;
	while (span_next(&auths, &pos, &name, &value) == 1) {
		buf_clear(&key);
		MUST(span_string(&name, &key, &f) == 0);
		MUST(registries_hold(want, key.len == 0 ? "" : key.data));
		auth = token = NULL;
		MUST(json_string(&value, "auth", JSON_MAY, &auth, &f) != -1 &&
		    json_string(&value, "identitytoken", JSON_MAY, &token,
		    &f) != -1);
		MUST((auth == NULL) != (token == NULL));
		free(auth);
		free(token);
	}
	buf_free(&key);
}

/* What is written is a configuration, too, and says the same. */
static void
again(const struct buf *out, const struct registries *want)
{
	struct credentials found = CREDENTIALS_INIT;
	struct buf notes = BUF_INIT(BUF_SMALL_MAX), back = BUF_INIT(BUF_DOC_MAX);

	MUST(credentials_add(&found, out, "again", want, 1000, &notes,
	    &f) == 0);
	MUST(credentials_write(&found, &back, &f) == 0);
	MUST(notes.len == 0 && back.len == out->len &&
	    memcmp(back.data, out->data, out->len) == 0);
	credentials_free(&found);
	buf_free(&notes);
	buf_free(&back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct registries want = REGISTRIES_INIT;
	struct credentials found = CREDENTIALS_INIT;
	struct buf config = BUF_INIT(BUF_DOC_MAX), out = BUF_INIT(BUF_DOC_MAX);
	struct buf notes = BUF_INIT(BUF_SMALL_MAX);
	const char *text = (const char *)p, *end;

	if (helper[0] == '\0')
		begin();
	end = memmem(text, n, "\n--\n", 4);
	MUST(buf_add(&config, text, end == NULL ? n : (size_t)(end - text),
	    &f) == 0);
	save(answer, end == NULL ? "" : end + 4, end == NULL ? 0 :
	    n - (size_t)(end + 4 - text), 0600);
	MUST(registries_add(&want, "docker.io", &f) == 0 &&
	    registries_add(&want, "r.example:5000", &f) == 0);
	f.status = 0;
	if (credentials_add(&found, &config, "config.json", &want, 10000,
	    &notes, &f) == 0)
		f.status = 0;
	said(&config, &notes);
	if (f.status == 0) {
		MUST(credentials_write(&found, &out, &f) == 0);
		check(&out, &want);
		again(&out, &want);
	}
	credentials_free(&found);
	registries_free(&want);
	buf_free(&config);
	buf_free(&notes);
	buf_free(&out);
	return 0;
}

FUZZ_MAIN(((const char *const []){
	"{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"" AUTH
	"\"},\"r.example:5000/team\":{\"username\":\"u\",\"password\":\"p\"},"
	"\"other.example\":{\"identitytoken\":\"t\"}}}",
	"{\"credHelpers\":{\"r.example:5000\":\"fuzz\",\"docker.io\":\"\"},\""
	"auths\":{\"docker.io\":{\"identitytoken\":\"t\",\"auth\":\"" AUTH
	"\"}}}\n--\n{\"ServerURL\":\"s\",\"Username\":\"u\",\"Secret\":\""
	SECRET "\"}",
	"{\"credsStore\":\"fuzz\",\"auths\":{\"r.example:5000\":{}}}\n--\n{\""
	"Username\":\"<token>\",\"Secret\":\"" SECRET "\"}\n",
	"{\"credsStore\":\"fuzz\"}\n--\ncredentials not found in native "
	"keychain " SECRET "\n",
	"{\"credsStore\":\"gone\",\"credHelpers\":{\"r.example:5000\":\"../x"
	"\"}}",
	" \n",
}));
