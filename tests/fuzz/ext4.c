/*
 * An ext4 file system that somebody damaged: each eight bytes of input are a
 * place and what is written there, over a small one that mke2fs makes.  To read
 * all of it ends, and is refused or is some tar.
 */
#include "fuzz.h"

#include <sys/mman.h>
#include <sys/types.h>

#include <fcntl.h>
#include <unistd.h>

#include "builder/image/ext4.h"

#define SIZE	(256U << 10)
#define FILES	"/tmp/tl-fuzz-ext4.XXXXXX"

static struct fail f;
static char *base;
static int image = -1, nowhere = -1;

static void
begin(void)
{
	/* No checksums of metadata: these would end most of it early. */
	static const char make[] = "set -e; cd \"$1\"; mkdir d d/e; "
	    "echo x >d/a; ln d/a d/b; ln -s /etc d/l; "
	    "head -c 20000 /dev/zero | tr '\\0' x >big; "
	    "truncate -s 90000 hole; mke2fs -q -F -t ext4 -b 1024 -O "
	    "^metadata_csum,^has_journal,^resize_inode -I 256 -N 32 -d . "
	    "img 256k >/dev/null 2>&1";
	char dir[] = FILES, command[1024], path[64];
	int fd;

	MUST(mkdtemp(dir) != NULL);
	snprintf(command, sizeof(command), "PATH=$PATH:/sbin:/usr/sbin; "
	    "set -- %s; %s", dir, make);
	MUST(system(command) == 0);
	snprintf(path, sizeof(path), "%s/img", dir);
	MUST((fd = open(path, O_RDONLY | O_CLOEXEC)) != -1);
	MUST((base = calloc(1, SIZE)) != NULL);
	MUST(read(fd, base, SIZE) > 0);
	close(fd);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	MUST(system(command) == 0);
	image = memfd_create("ext4", MFD_CLOEXEC);
	nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	MUST(image != -1 && nowhere != -1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static char text[SIZE];
	char path[64];
	struct ext4 *e;
	uint32_t at;
	size_t i;

	if (base == NULL)
		begin();
	memcpy(text, base, SIZE);
	for (i = 0; i + 5 <= n && i < 8 * 64; i += 5) {
		/* Most of what tells is in front. */
		at = (uint32_t)p[i] << 16 | (uint32_t)p[i + 1] << 8 | p[i + 2];
		at %= p[i + 3] & 1 ? 64U << 10 : SIZE;
		text[at] = (char)p[i + 4];
	}
	MUST(pwrite(image, text, SIZE, 0) == SIZE);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", image);
	if ((e = ext4_open(path, false, &f)) == NULL)
		return 0;
	(void)ext4_tar(e, nowhere, &f);
	(void)ext4_cat(e, "/d/a", nowhere, &f);
	(void)ext4_cat(e, "/d/l", nowhere, &f);
	(void)ext4_cat(e, "/big", nowhere, &f);
	(void)ext4_cat(e, "/hole", nowhere, &f);
	(void)ext4_cat(e, "/none", nowhere, &f);
	(void)ext4_close(e, &f);
	return 0;
}

FUZZ_MAIN(((const char *const []){
	"", "abcde", "\001\001\001\001\001", "\004\070\001\001\123",
	"\001\001\002\001\200\001\002\003\001\377\001\010\001\001\003",
	"0aaB0Raab1Jaab2", "\001aaZz\002bbQq\001ccRr",
}));
