#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "region/runtime/loop.h"
#include "region/runtime/root.h"
#include "region/runtime/rootless.h"
#include "region/runtime/skeleton.h"

/* What is the host's. */
#define HOSTS	(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV)

/* The kernel's EXT4_IOC_SHUTDOWN, which no header has; and without the journal. */
#define SHUTDOWN	_IOR('X', 125, uint32_t)
#define SHUTDOWN_NOLOG	2

/* Nothing that it must have is wrong with how ids are shown. */
static bool
unmapped(int error)
{
	return error == EINVAL || error == EOPNOTSUPP ||
	    (error == EPERM && rootless());
}

/*
 * A copy of a folder's mount, with these attributes, its owners as the sandbox
 * sees its own: root's files stay root's, and what only root may read here root
 * may read there.  A file system that cannot map ids shows them as nobody's, which
 * reads as well; so does every one to an ordinary user's region.
 */
static int
bind_mapped(const char *from, const char *to, int userns, uint64_t with,
    struct fail *f)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP,
		.userns_fd = (uint64_t)userns,
	};
	struct mount_attr first = { .attr_set = with };
	int fd;

	fd = open_tree(AT_FDCWD, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	/* What is mounted below it may not be left out by an ordinary user. */
	if (fd == -1 && errno == EINVAL)
		fd = open_tree(AT_FDCWD, from, OPEN_TREE_CLONE |
		    OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (fd == -1)
		return fail_sys(f, EX_OSERR, "%s", from);
	if (mount_setattr(fd, "", AT_EMPTY_PATH, &first,
	    sizeof(first)) == -1 ||
	    (mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) == -1 &&
	    !unmapped(errno)) ||
	    move_mount(fd, "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH) == -1) {
		fail_sys(f, EX_OSERR, "%s on %s", from, to);
		close(fd);
		return -1;
	}
	close(fd);
	return 0;
}

static int
dev(const struct root *r, struct fail *f)
{
	static const char *const nodes[] = { "null", "zero", "full", "random",
	    "urandom", "tty" };
	static const char *const links[][2] = {
		{ "/proc/self/fd", "dev/fd" },
		{ "/proc/self/fd/0", "dev/stdin" },
		{ "/proc/self/fd/1", "dev/stdout" },
		{ "/proc/self/fd/2", "dev/stderr" },
		{ "pts/ptmx", "dev/ptmx" },
	};
	char opts[128], host[32], here[32];
	size_t i;
	int fd;

	/*
	 * Not nodev, although nobody can make a node in a user namespace:
	 * that flag would be locked, and buildah, which shows this folder to
	 * what it runs, fails when it cannot leave it out.
	 */
	snprintf(opts, sizeof(opts), "mode=755,size=1m,uid=%u,gid=%u",
	    r->base, r->base);
	if (mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_NOEXEC, opts) == -1)
		return fail_sys(f, EX_OSERR, "dev");
	for (i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		snprintf(host, sizeof(host), "/dev/%s", nodes[i]);
		snprintf(here, sizeof(here), "dev/%s", nodes[i]);
		fd = open(here, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
		if (fd == -1 || fchown(fd, r->base, r->base) == -1)
			return fail_sys(f, EX_OSERR, "%s", here);
		close(fd);
		if (mount(host, here, NULL, MS_BIND, NULL) == -1)
			return fail_sys(f, EX_OSERR, "%s", host);
	}
	for (i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (symlink(links[i][0], links[i][1]) == -1)
			return fail_sys(f, EX_OSERR, "%s", links[i][1]);
	if (skeleton_folder("dev/pts", 0755, r->base, f) == -1 ||
	    skeleton_folder("dev/shm", 01777, r->base, f) == -1)
		return -1;
	snprintf(opts, sizeof(opts), "newinstance,ptmxmode=0666,mode=620,"
	    "gid=%u", r->base + 5);
	if (mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
	    opts) == -1)
		return fail_sys(f, EX_OSERR, "dev/pts");
	snprintf(opts, sizeof(opts), "mode=1777,uid=%u,gid=%u", r->base,
	    r->base);
	if (mount("tmpfs", "dev/shm", "tmpfs", MS_NOSUID | MS_NODEV,
	    opts) == -1)
		return fail_sys(f, EX_OSERR, "dev/shm");
	return 0;
}

/*
 * A file becomes an ext4 file system of its size.  Inode tables are cleared when
 * they are used, or a big one would cost hundreds of megabytes of zeros up
 * front.
 */
static int
format(const char *path, const char *journal, uint32_t owner, struct fail *f)
{
	char more[96];
	int status;
	pid_t pid;

	snprintf(more, sizeof(more), "lazy_itable_init=1,nodiscard,"
	    "root_owner=%u:%u", owner, owner);
	pid = fork();
	if (pid == 0) {
		execlp("mke2fs", "mke2fs", "-q", "-F", "-t", "ext4", "-O",
		    journal, "-m", "0", "-E", more, path, (char *)NULL);
		_exit(127);
	}
	if (pid == -1 || waitpid(pid, &status, 0) == -1)
		return fail_sys(f, EX_OSERR, "mke2fs");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return fail_set(f, EX_OSERR,
		    "mke2fs: not found; install e2fsprogs");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return fail_set(f, EX_OSERR, "mke2fs failed on %s", path);
	return 0;
}

static int
make_disk(const struct root *r, struct fail *f)
{
	int fd;

	fd = open("disk.img", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd == -1)
		return fail_sys(f, EX_OSERR, "%s/disk.img", r->folder);
	if (ftruncate(fd, (off_t)(r->disk_mb << 20)) == -1) {
		fail_sys(f, EX_OSERR, "%s/disk.img", r->folder);
		close(fd);
		return -1;
	}
	close(fd);
	/* A sandbox does not outlive its machine's crash, so no journal. */
	return format("disk.img", "^has_journal", r->base, f);
}

/*
 * A device's file system, mounted: 0; 1 and why, if it is none; or -1.  One that is
 * mounted elsewhere is the same one, with what memory has of it.
 */
static int
mount_device(const char *device, const char *at, struct fail *f)
{
	int wrong;

	/*
	 * No flags: in the sandbox's user namespace they could not be taken
	 * away any more, and buildah, when it has pivoted, mounts the old root
	 * anew without any.  Nobody can make a node in there anyway.
	 */
	if (mount(device, at, "ext4", 0, "noinit_itable") == 0)
		return 0;
	/* mount(2); EUCLEAN and EFSBADCRC are ext4's for damage. */
	wrong = errno == EINVAL || errno == EUCLEAN || errno == EBADMSG;
	fail_sys(f, EX_OSERR, "%s on %s", device, at);
	return wrong ? 1 : -1;
}

/* The same of a file. */
static int
mount_file(const char *path, const char *at, struct fail *f)
{
	char device[32];
	int file, fd, r;

	file = open(path, O_RDWR | O_CLOEXEC);
	if (file == -1)
		return fail_sys(f, EX_OSERR, "%s", path);
	fd = loop_attach(file, device, sizeof(device), f);
	close(file);
	if (fd == -1)
		return -1;
	r = mount_device(device, at, f);
	close(fd);
	return r;
}

/*
 * Whether the machine went down with the file mounted: its journal would make the
 * file system whole, but what was written last may be files without bytes.
 */
static bool
was_cut(const char *path)
{
	/* The superblock's s_feature_incompat, and its bit for recovery. */
	const off_t at = 1024 + 0x60;
	unsigned char features = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd == -1)
		return false;
	if (pread(fd, &features, 1, at) != 1)
		features = 0;
	close(fd);
	return features & 4;
}

/* The file system of a cache, mounted: what is none is made one. */
static int
cache_disk(const char *path, const char *at, struct fail *f)
{
	struct stat st;
	int r;

	if (stat(path, &st) == 0 && S_ISBLK(st.st_mode))
		return mount_device(path, at, f);
	r = was_cut(path) ? 1 : mount_file(path, at, f);
	if (r == 1 && format(path, "has_journal", 0, f) == 0)
		r = mount_file(path, at, f);
	return r;
}

/*
 * What a builder finds again in its next sandbox, under the ids of that one.  A
 * file that is new, damaged, or was cut, is formatted.  Without it a builder is
 * slower, and no more.
 */
static void
cache(const struct root *r)
{
	const char *at = "var/cache/tl-rootfs-build";
	struct fail f;
	int there = -1, shown = -1;

	if (skeleton_folder(at, 0755, r->base, &f) == 0 &&
	    skeleton_folder("../cache", 0700, 0, &f) == 0)
		there = cache_disk(r->cache, "../cache", &f);
	if (there == 0) {
		/* That it is there tells a client that contexts are kept. */
		mknod("../cache/context.record", S_IFREG | 0644, 0);
		shown = bind_mapped("../cache", at, r->space.user,
		    MOUNT_ATTR_NODEV, &f);
		umount2("../cache", MNT_DETACH);
	}
	if (shown == -1)
		warnx("%s: no cache: %s", r->name, f.msg);
}

/* What is changed of the folder "lower", on the disk. */
static int
overlay(const char *at)
{
	return mount("overlay", at, "overlay", MS_NODEV | MS_NOATIME,
	    rootless() ?
	    "lowerdir=lower,upperdir=upper,workdir=work,userxattr" :
	    "lowerdir=lower,upperdir=upper,workdir=work");
}

/*
 * The root is an image's, with what of it a sandbox changes on its disk.  Its
 * device files are none here.
 */
static int
image(const struct root *r, struct fail *f)
{
	if (bind_mapped(r->image, "lower", r->space.user, HOSTS, f) == -1)
		return -1;
	if (overlay("fs") == -1)
		return fail_sys(f, EX_OSERR, "overlay over an image");
	/* The overlay holds its own copy of this mount. */
	umount2("lower", MNT_DETACH);
	if (chdir("fs") == -1)
		return fail_sys(f, EX_OSERR, "fs");
	return skeleton_image(r->base, r->name, r->dns, f);
}

/* The root is this machine's programs over a small one of our own. */
static int
host(const struct root *r, struct fail *f)
{
	if (bind_mapped("/usr", "lower", r->space.user, HOSTS, f) == -1)
		return -1;
	/* To be pivoted into, it must be a mount. */
	if (mount("fs", "fs", NULL, MS_BIND, NULL) == -1 || chdir("fs") == -1)
		return fail_sys(f, EX_OSERR, "fs");
	if (skeleton_make(r->base, r->name, r->dns, f) == -1)
		return -1;
	if (chdir("..") == -1 || overlay("fs/usr") == -1)
		return fail_sys(f, EX_OSERR, "overlay over /usr");
	umount2("lower", MNT_DETACH);
	if (chdir("fs") == -1)
		return fail_sys(f, EX_OSERR, "fs");
	if (r->tools != NULL)
		return bind_mapped(r->tools, "usr/local/bin", r->space.user,
		    HOSTS, f);
	return 0;
}

int
root_build(struct root *r, struct fail *f)
{
	struct fail none;

	if (chdir(r->folder) == -1)
		return fail_sys(f, EX_OSERR, "%s", r->folder);
	if (mkdir("mnt", 0711) == -1 && errno != EEXIST)
		return fail_sys(f, EX_OSERR, "%s/mnt", r->folder);
	if (loop_check(&none) == 0) {
		if (make_disk(r, f) == -1 ||
		    mount_file("disk.img", "mnt", f) != 0)
			return -1;
		r->disk = open("mnt", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	/*
	 * Relative names from here on: the folder's own may hold a comma or a
	 * colon, which overlay's options would trip over.
	 */
	if (chdir("mnt") == -1)
		return fail_sys(f, EX_OSERR, "%s/mnt", r->folder);
	if (skeleton_folder("fs", 0755, r->base, f) == -1 ||
	    skeleton_folder("lower", 0755, 0, f) == -1 ||
	    skeleton_folder("upper", 0755, r->base, f) == -1 ||
	    skeleton_folder("work", 0700, r->base, f) == -1)
		return -1;
	if ((r->image != NULL ? image(r, f) : host(r, f)) == -1)
		return -1;
	if (r->cache != NULL)
		cache(r);
	return dev(r, f);
}

/*
 * What the kernel says of the whole machine, and no program in here needs, is
 * covered; what changes it can be read only.  As this is done before the mount
 * namespace is the sandbox's, its root cannot uncover it.
 */
static int
cover(struct fail *f)
{
	static const char *const covered[] = { "proc/acpi", "proc/asound",
	    "proc/interrupts", "proc/kcore", "proc/keys", "proc/latency_stats",
	    "proc/sched_debug", "proc/scsi", "proc/timer_list",
	    "sys/devices/virtual/powercap", "sys/firmware" };
	static const char *const fixed[] = { "proc/bus", "proc/fs", "proc/irq",
	    "proc/sys", "proc/sysrq-trigger" };
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };
	struct stat st;
	size_t i;
	int r;

	for (i = 0; i < sizeof(covered) / sizeof(covered[0]); i++) {
		if (stat(covered[i], &st) == -1)
			continue;
		r = S_ISDIR(st.st_mode) ? mount("tmpfs", covered[i], "tmpfs",
		    MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
		    "mode=755,size=4k,nr_inodes=1") :
		    mount("dev/null", covered[i], NULL, MS_BIND, NULL);
		if (r == -1)
			return fail_sys(f, EX_OSERR, "%s", covered[i]);
	}
	for (i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		if (stat(fixed[i], &st) == -1)
			continue;
		if (mount(fixed[i], fixed[i], NULL, MS_BIND, NULL) == -1 ||
		    mount_setattr(AT_FDCWD, fixed[i], 0, &ro,
		    sizeof(ro)) == -1)
			return fail_sys(f, EX_OSERR, "%s", fixed[i]);
	}
	return 0;
}

/*
 * /sys of the network that we are in; an ordinary user in the host's has to do
 * with the host's.
 */
static int
sys(struct fail *f)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY |
	    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC };
	int fd;

	if (mount("sysfs", "sys", "sysfs", MS_RDONLY | MS_NOSUID | MS_NODEV |
	    MS_NOEXEC, NULL) == 0)
		return 0;
	if (errno != EPERM || !rootless())
		return fail_sys(f, EX_OSERR, "sys");
	fd = open_tree(AT_FDCWD, "/sys", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
	    AT_RECURSIVE);
	if (fd == -1)
		return fail_sys(f, EX_OSERR, "/sys");
	if (mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &ro,
	    sizeof(ro)) == -1 ||
	    move_mount(fd, "", AT_FDCWD, "sys", MOVE_MOUNT_F_EMPTY_PATH) == -1) {
		fail_sys(f, EX_OSERR, "/sys");
		close(fd);
		return -1;
	}
	close(fd);
	return 0;
}

int
root_enter(struct fail *f)
{
	if (mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC,
	    NULL) == -1)
		return fail_sys(f, EX_OSERR, "proc");
	if (sys(f) == -1 || cover(f) == -1)
		return -1;
	if (syscall(SYS_pivot_root, ".", ".") == -1)
		return fail_sys(f, EX_OSERR, "pivot_root");
	if (umount2(".", MNT_DETACH) == -1 || chdir("/") == -1)
		return fail_sys(f, EX_OSERR, "the old root");
	return 0;
}

void
root_let_go(struct root *r)
{
	if (r->disk != -1)
		close(r->disk);
	r->disk = -1;
}

void
root_end(struct root *r)
{
	uint32_t how = SHUTDOWN_NOLOG;

	if (r->disk != -1)
		ioctl(r->disk, SHUTDOWN, &how);
	root_let_go(r);
}
