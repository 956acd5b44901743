/* The image of a sandbox: what tl-unpack is told, and what is made of its say. */

#include <sys/stat.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "region/sandbox/images.h"
#include "unit.h"

static char folder[] = "/tmp/tl-images.XXXXXX";
static char unpack[64], api[64], seen[64];
static struct host host;
static struct image_root image = IMAGE_ROOT_INIT;
static struct fail f;

static void
save(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
	size_t n = strlen(text);

	if (fd == -1 || write(fd, text, n) != (ssize_t)n || close(fd) == -1)
		exit(1);
}

/* With a tl-unpack that is these lines of a shell script. */
static int
get(const char *script, bool pat)
{
	struct key key = { .org = "org-1", .project = "proj-1", .pat = pat };
	char text[2048];

	snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", script);
	save(unpack, text);
	image_root_free(&image);
	f.status = 0;
	return images_get(&host, "name", &key, "token-MARKER", &image, &f);
}

static bool
is_env(const char *want, size_t n)
{
	return image.env.len == n && memcmp(image.env.data, want, n) == 0;
}

static bool
fails(const char *script, int status, const char *says)
{
	bool good = get(script, false) == -1 && f.status == status &&
	    strstr(f.msg, says) != NULL && image.folder == NULL &&
	    image.env.len == 0;

	printf("# %d %s\n", f.status, f.msg);
	return good;
}

#define DOC(env)	"echo '{\"folder\":\"/i/1\",\"user\":\"u\"," \
			"\"workingDir\":\"/w\",\"env\":" env "}'"

static void
test_said(void)
{
	UNIT_CHECK(get(DOC("[\"A=b\",\"C=\"]"), false) == 0 &&
	    strcmp(image.folder, "/i/1") == 0 && strcmp(image.user, "u") ==
	    0 && strcmp(image.working_dir, "/w") == 0 && is_env("A=b\0C=", 7),
	    "an image");
	UNIT_CHECK(get(DOC("[\"=x\",\"none\",\"\",\"A=b\\u0000C=d\","
	    "\"E=f=g\"]"), false) == 0 && is_env("E=f=g", 6),
	    "what is no variable, or would be two, is left out");
	UNIT_CHECK(fails(DOC("[\"A=b\",7]"), EX_DATAERR, "ENV: "),
	    "one that is no text");
	UNIT_CHECK(fails(DOC("{}"), EX_DATAERR, "env"), "no list");
	UNIT_CHECK(fails("head -c 70000 /dev/zero | tr '\\0' x >big\n"
	    "printf '{\"folder\":\"/i\",\"user\":\"\",\"workingDir\":\"\","
	    "\"env\":[\"A=%s\"]}' \"$(cat big)\"; rm big", EX_DATAERR,
	    "ENV: too much"), "more than a process may have");
	UNIT_CHECK(fails("echo '{\"folder\":\"/i\",\"user\":\"\"}'",
	    EX_DATAERR, "workingDir: missing"), "half of it");
	UNIT_CHECK(fails("echo nonsense", EX_DATAERR, "image: "), "no JSON");
	UNIT_CHECK(fails(":", EX_DATAERR, "image: "), "nothing at all");
	UNIT_CHECK(fails("echo one >&2; echo 'tl-unpack: name: no such image' "
	    ">&2; exit 69", EX_UNAVAILABLE, "image: name: no such image"),
	    "its status and last line");
	UNIT_CHECK(fails("exit 70", EX_SOFTWARE, "did not say why"), "no words");
	UNIT_CHECK(fails("exit 127", EX_OSERR, "/unpack: cannot be started"),
	    "it was not even begun");
	UNIT_CHECK(fails("echo tl-unpack: x: not found >&2; exit 127", 127,
	    "image: x: not found"), "it lacks a program");
	UNIT_CHECK(fails("kill -9 $$", EX_SOFTWARE, "did not say why"), "a signal");
	UNIT_CHECK(fails("head -c 9000 /dev/zero | tr '\\0' x >&2; echo >&2; "
	    "exit 75", EX_TEMPFAIL, "image: xxx"), "a long line");
}

/* What the program was told, as it has written it down. */
static void
read_seen(char *text, size_t size)
{
	int fd = open(seen, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, size - 1);

	close(fd);
	text[n > 0 ? n : 0] = '\0';
}

/* It has what it needs, and none of the daemon's. */
static void
test_told(void)
{
	char script[512], text[1024];

	setenv("SECRET_OF_OURS", "MARKER", 1);
	snprintf(script, sizeof(script), "env | grep -v -e ^PWD= -e ^_= "
	    "-e ^SHLVL= -e ^OLDPWD= -e ^PATH= | sort >%s; echo \"$*\" >>%s; "
	    "ls /proc/self/fd | wc -l >>%s\n" DOC("[]"), seen, seen, seen);
	UNIT_CHECK(get(script, false) == 0, "with a key");
	read_seen(text, sizeof(text));
	UNIT_CHECK(strcmp(text, "HOME=/i\nTENSORLAKE_API_KEY=token-MARKER\n"
	    "TENSORLAKE_API_URL=http://127.0.0.1:9\n"
	    "--folder /i --signer /s -- name\n4\n") == 0,
	    "no more than that, and no file is open: %s", text);
	UNIT_CHECK(get(script, true) == 0, "with a PAT");
	read_seen(text, sizeof(text));
	UNIT_CHECK(strstr(text, "\nTENSORLAKE_API_URL=http://127.0.0.1:9\n"
	    "TENSORLAKE_ORGANIZATION_ID=org-1\nTENSORLAKE_PAT=token-MARKER\n"
	    "TENSORLAKE_PROJECT_ID=proj-1\n--folder") != NULL,
	    "whose project is said, too: %s", text);
}

int
main(void)
{
	if (mkdtemp(folder) == NULL || chdir(folder) == -1)
		return 1;
	snprintf(unpack, sizeof(unpack), "%s/unpack", folder);
	snprintf(api, sizeof(api), "%s/api", folder);
	snprintf(seen, sizeof(seen), "%s/seen", folder);
	unsetenv("TMPDIR");
	host.options = (struct host_options){ .images = "/i", .api = api,
	    .signer = "/s", .unpack = unpack, .builder_image = "builder" };
	UNIT_CHECK(images_wanted(&host, "a") && !images_wanted(&host, "") &&
	    !images_wanted(&host, "builder"), "which names are images");
	UNIT_CHECK(fails(":", EX_TEMPFAIL, "platform-api is not up yet"),
	    "before platform-api is up");
	save(api, "");
	UNIT_CHECK(fails(":", EX_TEMPFAIL, "platform-api is not up yet"),
	    "while it writes where it is");
	save(api, "http://127.0.0.1:9\n");
	test_said();
	test_told();
	host.options.unpack = "/nowhere/tl-unpack";
	/* qemu-user finds out in the child. */
	UNIT_CHECK(fails(":", EX_OSERR, "/nowhere/tl-unpack: No such file") ||
	    strstr(f.msg, "/nowhere/tl-unpack: cannot be started") != NULL,
	    "no program");
	image_root_free(&image);
	unlink(unpack);
	unlink(api);
	unlink(seen);
	rmdir(folder);
	return unit_end();
}
