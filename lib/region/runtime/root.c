#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <linux/capability.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "region/runtime/loop.h"
#include "region/runtime/root.h"
#include "region/runtime/skeleton.h"

/*
 * A copy of a host folder's mount, read-only, its owners as the sandbox sees
 * its own: root's files stay root's, and what only root may read here root may
 * read there.  A file system that cannot map ids shows them as nobody's, which
 * reads as well.
 */
static int
bind_mapped(const char *from, const char *to, int userns, struct fail *f)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP,
		.userns_fd = (uint64_t)userns,
	};
	struct mount_attr ro = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV,
	};
	int fd;

	fd = open_tree(AT_FDCWD, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (fd == -1)
		return fail_sys(f, EX_OSERR, "%s", from);
	if (mount_setattr(fd, "", AT_EMPTY_PATH, &ro, sizeof(ro)) == -1 ||
	    (mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) == -1 &&
	    errno != EINVAL && errno != EOPNOTSUPP) ||
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

/* disk.img becomes an ext4 file system of its size. */
static int
make_disk(const struct root *r, struct fail *f)
{
	char owner[96];
	int fd, status;
	pid_t pid;

	fd = open("disk.img", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd == -1)
		return fail_sys(f, EX_OSERR, "%s/disk.img", r->folder);
	if (ftruncate(fd, (off_t)(r->disk_mb << 20)) == -1) {
		fail_sys(f, EX_OSERR, "%s/disk.img", r->folder);
		close(fd);
		return -1;
	}
	close(fd);
	/*
	 * A sandbox does not outlive its machine's crash, so no journal; and
	 * inode tables are cleared when they are used, or a big disk would
	 * cost hundreds of megabytes of zeros up front.
	 */
	snprintf(owner, sizeof(owner), "lazy_itable_init=1,nodiscard,"
	    "root_owner=%u:%u", r->base, r->base);
	pid = fork();
	if (pid == 0) {
		execlp("mke2fs", "mke2fs", "-q", "-F", "-t", "ext4", "-O",
		    "^has_journal", "-m", "0", "-E", owner, "disk.img",
		    (char *)NULL);
		_exit(127);
	}
	if (pid == -1 || waitpid(pid, &status, 0) == -1)
		return fail_sys(f, EX_OSERR, "mke2fs");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return fail_set(f, EX_OSERR,
		    "mke2fs: not found; install e2fsprogs");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return fail_set(f, EX_OSERR, "mke2fs failed on %s/disk.img",
		    r->folder);
	return 0;
}

static int
mount_disk(struct root *r, struct fail *f)
{
	char device[32];
	int file, fd;

	file = open("disk.img", O_RDWR | O_CLOEXEC);
	if (file == -1)
		return fail_sys(f, EX_OSERR, "%s/disk.img", r->folder);
	fd = loop_attach(file, device, sizeof(device), &r->loop, f);
	close(file);
	if (fd == -1)
		return -1;
	if (mkdir("mnt", 0700) == -1 && errno != EEXIST) {
		fail_sys(f, EX_OSERR, "%s/mnt", r->folder);
		close(fd);
		return -1;
	}
	/*
	 * No flags: in the sandbox's user namespace they could not be taken
	 * away any more, and buildah, when it has pivoted, mounts the old root
	 * anew without any.  Nobody can make a node in there anyway.
	 */
	if (mount(device, "mnt", "ext4", 0, "noinit_itable") == -1) {
		fail_sys(f, EX_OSERR, "%s on %s/mnt", device, r->folder);
		close(fd);
		return -1;
	}
	close(fd);
	return 0;
}

static int
write_map(pid_t pid, const char *which, uint32_t base, struct fail *f)
{
	char path[64], line[64];
	int fd, n;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, which);
	n = snprintf(line, sizeof(line), "0 %u %u\n", base, ROOT_IDS);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd == -1 || write(fd, line, (size_t)n) != n) {
		fail_sys(f, EX_OSERR, "%s of a user namespace", which);
		if (fd != -1)
			close(fd);
		return -1;
	}
	close(fd);
	return 0;
}

/*
 * As the id that is its root: what is used in the namespace, of inotify
 * instances and namespaces say, counts for its owner, too, and root's own
 * would be used up.  A kernel may want a capability for it, which changing the
 * id puts aside.  0 or an errno value.
 */
static int
own_userns(uint32_t base)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct caps[2];

	if (seteuid(base) == -1 || syscall(SYS_capget, &head, caps) == -1)
		return errno;
	caps[0].effective = caps[0].permitted;
	caps[1].effective = caps[1].permitted;
	if (syscall(SYS_capset, &head, caps) == -1 ||
	    unshare(CLONE_NEWUSER) == -1)
		return errno;
	return 0;
}

static int
no_userns(int error, struct fail *f)
{
	if (error == EPERM)
		return fail_set(f, EX_OSERR, "no user namespace to be had: the "
		    "kernel refuses them in a chroot; enter it by pivot_root, "
		    "or as a container");
	return fail_set(f, EX_OSERR, "no user namespace to be had: %s; see "
	    "user.max_user_namespaces in sysctl(8)", strerror(error));
}

int
root_userns(uint32_t base, struct fail *f)
{
	int ask[2], fd = -1, error = 0;
	char path[64];
	pid_t pid;

	if (pipe2(ask, O_CLOEXEC) == -1)
		return fail_sys(f, EX_OSERR, "pipe");
	pid = fork();
	if (pid == -1) {
		close(ask[0]);
		close(ask[1]);
		return fail_sys(f, EX_OSERR, "fork");
	}
	if (pid == 0) {
		close(ask[0]);
		error = own_userns(base);
		if (write(ask[1], &error, sizeof(error)) == sizeof(error))
			pause();
		_exit(1);
	}
	close(ask[1]);
	if (read(ask[0], &error, sizeof(error)) != sizeof(error))
		error = EAGAIN;
	if (error != 0)
		no_userns(error, f);
	else if (write_map(pid, "uid_map", base, f) == 0 &&
	    write_map(pid, "gid_map", base, f) == 0) {
		snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd == -1)
			fail_sys(f, EX_OSERR, "%s", path);
	}
	close(ask[0]);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return fd;
}

int
root_build(struct root *r, struct fail *f)
{
	if (chdir(r->folder) == -1)
		return fail_sys(f, EX_OSERR, "%s", r->folder);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1)
		return fail_sys(f, EX_OSERR, "/");
	r->userns = root_userns(r->base, f);
	if (r->userns == -1 || make_disk(r, f) == -1 || mount_disk(r, f) == -1)
		return -1;
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
	if (bind_mapped("/usr", "lower", r->userns, f) == -1)
		return -1;
	/* To be pivoted into, it must be a mount. */
	if (mount("fs", "fs", NULL, MS_BIND, NULL) == -1 || chdir("fs") == -1)
		return fail_sys(f, EX_OSERR, "fs");
	if (skeleton_make(r->base, r->name, f) == -1)
		return -1;
	if (chdir("..") == -1 ||
	    mount("overlay", "fs/usr", "overlay", MS_NODEV | MS_NOATIME,
	    "lowerdir=lower,upperdir=upper,workdir=work") == -1)
		return fail_sys(f, EX_OSERR, "overlay over /usr");
	/* The overlay holds its own copy of this mount. */
	umount2("lower", MNT_DETACH);
	if (chdir("fs") == -1)
		return fail_sys(f, EX_OSERR, "fs");
	if (r->tools != NULL &&
	    bind_mapped(r->tools, "usr/local/bin", r->userns, f) == -1)
		return -1;
	if (dev(r, f) == -1)
		return -1;
	if (mount("sysfs", "sys", "sysfs", MS_RDONLY | MS_NOSUID | MS_NODEV |
	    MS_NOEXEC, NULL) == -1)
		return fail_sys(f, EX_OSERR, "sys");
	return 0;
}

int
root_enter(struct fail *f)
{
	if (mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC,
	    NULL) == -1)
		return fail_sys(f, EX_OSERR, "proc");
	if (syscall(SYS_pivot_root, ".", ".") == -1)
		return fail_sys(f, EX_OSERR, "pivot_root");
	if (umount2(".", MNT_DETACH) == -1 || chdir("/") == -1)
		return fail_sys(f, EX_OSERR, "the old root");
	return 0;
}
