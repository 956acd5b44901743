#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "region/runtime/loop.h"
#include "region/runtime/root.h"

/* Of the host's /etc: what TLS, ldconfig, mke2fs, buildah and skopeo read. */
static const char *const etc_copied[] = {
	"alternatives", "bash.bashrc", "ca-certificates",
	"ca-certificates.conf", "containers", "debian_version", "gai.conf",
	"host.conf", "inputrc", "ld.so.cache", "ld.so.conf", "ld.so.conf.d",
	"localtime", "login.defs", "magic", "magic.mime", "mime.types",
	"mke2fs.conf", "netconfig", "nsswitch.conf", "os-release", "pam.conf",
	"pam.d", "profile", "protocols", "rpc", "security", "services",
	"shells", "ssl/certs", "ssl/openssl.cnf", "terminfo", "timezone",
	"xattr.conf",
};

/* Larger is no configuration; it stays out. */
#define ETC_FILE_MAX	(4 << 20)

/*
 * A folder below the working directory, owner and mode whatever the umask.
 * Ids on the disk are those of the host: base + the sandbox's.
 */
static int
folder(const char *path, mode_t mode, uint32_t owner, struct fail *f)
{
	if (mkdir(path, mode) == -1 && errno != EEXIST)
		return fail_sys(f, EX_OSERR, "%s", path);
	if (chown(path, owner, owner) == -1 || chmod(path, mode) == -1)
		return fail_sys(f, EX_OSERR, "%s", path);
	return 0;
}

static int
text(const char *path, const char *s, uint32_t owner, struct fail *f)
{
	int fd;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd == -1 || write(fd, s, strlen(s)) != (ssize_t)strlen(s) ||
	    fchown(fd, owner, owner) == -1) {
		fail_sys(f, EX_OSERR, "%s", path);
		if (fd != -1)
			close(fd);
		return -1;
	}
	close(fd);
	return 0;
}

static int
copy_file(int from, int to, const char *name, mode_t mode, uint32_t owner)
{
	char buf[65536];
	int in, out, status = -1;
	ssize_t n;

	in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (in == -1 || out == -1)
		goto done;
	while ((n = read(in, buf, sizeof(buf))) > 0)
		if (write(out, buf, (size_t)n) != n)
			goto done;
	if (n == 0 && fchown(out, owner, owner) == 0)
		status = 0;
done:
	if (in != -1)
		close(in);
	if (out != -1)
		close(out);
	return status;
}

/*
 * Copy files, folders and links; only what everyone may read, so that no
 * secret that root alone sees ends in a sandbox.  What is missing is skipped.
 */
static int
copy(int from, int to, const char *name, uint32_t owner, int depth)
{
	char target[PATH_MAX];
	struct stat st;
	struct dirent *e;
	int sub, fd, status = 0;
	ssize_t n;
	DIR *d;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return 0;
	if (S_ISLNK(st.st_mode)) {
		n = readlinkat(from, name, target, sizeof(target) - 1);
		if (n == -1)
			return 0;
		target[n] = '\0';
		if (symlinkat(target, to, name) == -1)
			return -1;
		return fchownat(to, name, owner, owner, AT_SYMLINK_NOFOLLOW);
	}
	if ((st.st_mode & S_IROTH) == 0)
		return 0;
	if (S_ISREG(st.st_mode) && st.st_size <= ETC_FILE_MAX)
		return copy_file(from, to, name, st.st_mode & 0755, owner);
	if (!S_ISDIR(st.st_mode) || depth == 0)
		return 0;
	fd = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
	    O_CLOEXEC);
	if (fd == -1)
		return 0;
	d = fdopendir(fd);
	if (d == NULL) {
		close(fd);
		return -1;
	}
	if ((mkdirat(to, name, 0755) == -1 && errno != EEXIST) ||
	    fchownat(to, name, owner, owner, 0) == -1 ||
	    (sub = openat(to, name, O_PATH | O_DIRECTORY | O_CLOEXEC)) == -1) {
		closedir(d);
		return -1;
	}
	while (status == 0 && (e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 &&
		    strcmp(e->d_name, "..") != 0)
			status = copy(fd, sub, e->d_name, owner, depth - 1);
	close(sub);
	closedir(d);
	return status;
}

/*
 * resolv.conf and the like are often links to somewhere under /run, which the
 * sandbox has not: their text is wanted, not the link.
 */
static int
copy_text(const char *host, const char *path, const char *more, uint32_t owner,
    struct fail *f)
{
	char buf[65536];
	ssize_t n = 0;
	int fd;

	fd = open(host, O_RDONLY | O_CLOEXEC);
	if (fd != -1) {
		n = read(fd, buf, sizeof(buf) - 1024);
		close(fd);
	}
	if (n < 0)
		n = 0;
	snprintf(buf + n, sizeof(buf) - (size_t)n, "%s", more);
	return text(path, buf, owner, f);
}

static int
etc(const struct root *r, struct fail *f)
{
	char line[512], sub[64];
	int host, here, from, to, status;
	const char *slash;
	size_t i;

	host = open("/etc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	here = open("etc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (host == -1 || here == -1)
		return fail_sys(f, EX_OSERR, "etc");
	for (i = 0; i < sizeof(etc_copied) / sizeof(etc_copied[0]); i++) {
		const char *name = etc_copied[i];

		from = host;
		to = here;
		slash = strchr(name, '/');
		if (slash != NULL) {
			snprintf(sub, sizeof(sub), "%.*s", (int)(slash - name),
			    name);
			from = openat(host, sub, O_PATH | O_DIRECTORY |
			    O_CLOEXEC);
			if (from == -1)
				continue;
			mkdirat(here, sub, 0755);
			fchownat(here, sub, r->base, r->base, 0);
			to = openat(here, sub, O_PATH | O_DIRECTORY |
			    O_CLOEXEC);
			name = slash + 1;
		}
		status = copy(from, to, name, r->base, 6);
		if (from != host)
			close(from);
		if (to != here)
			close(to);
		if (status == -1)
			return fail_sys(f, EX_OSERR, "etc/%s", name);
	}
	close(host);
	close(here);

	snprintf(line, sizeof(line), "127.0.1.1\t%s\n", r->name);
	if (copy_text("/etc/hosts", "etc/hosts", line, r->base, f) == -1 ||
	    copy_text("/etc/resolv.conf", "etc/resolv.conf", "", r->base,
	    f) == -1)
		return -1;
	snprintf(line, sizeof(line), "%s\n", r->name);
	if (text("etc/hostname", line, r->base, f) == -1)
		return -1;
	if (text("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n"
	    "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
	    "_apt:x:42:65534::/nonexistent:/usr/sbin/nologin\n"
	    ROOT_USER ":x:1000:1000::/home/" ROOT_USER ":/bin/bash\n"
	    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
	    r->base, f) == -1)
		return -1;
	/* PAM wants it; nobody has a password. */
	if (text("etc/shadow", "root:*:19000:0:99999:7:::\n"
	    ROOT_USER ":*:19000:0:99999:7:::\n", r->base, f) == -1 ||
	    chmod("etc/shadow", 0600) == -1)
		return -1;
	return text("etc/group", "root:x:0:\ndaemon:x:1:\ntty:x:5:\ndisk:x:6:\n"
	    "mail:x:8:\nkmem:x:15:\nutmp:x:43:\nshadow:x:42:\nstaff:x:50:\n"
	    ROOT_USER ":x:1000:\nnogroup:x:65534:\n", r->base, f);
}

/* Everything of the root that is on its disk. */
static int
skeleton(const struct root *r, struct fail *f)
{
	static const struct {
		const char	*path;
		mode_t		 mode;
		uint32_t	 owner;
	} folders[] = {
		{ "boot", 0755, 0 }, { "dev", 0755, 0 }, { "etc", 0755, 0 },
		{ "home", 0755, 0 }, { "home/" ROOT_USER, 0750, ROOT_UID },
		{ "media", 0755, 0 }, { "mnt", 0755, 0 }, { "opt", 0755, 0 },
		{ "proc", 0555, 0 }, { "root", 0700, 0 }, { "run", 0755, 0 },
		{ "run/lock", 01777, 0 }, { "srv", 0755, 0 },
		{ "sys", 0555, 0 }, { "tmp", 01777, 0 }, { "usr", 0755, 0 },
		{ "var", 0755, 0 }, { "var/cache", 0755, 0 },
		{ "var/lib", 0755, 0 }, { "var/lib/containers", 0755, 0 },
		{ "var/lib/tensorlake", 0755, 0 }, { "var/log", 0755, 0 },
		{ "var/tmp", 01777, 0 },
	};
	static const char *const links[][2] = {
		{ "usr/bin", "bin" }, { "usr/sbin", "sbin" },
		{ "usr/lib", "lib" }, { "usr/lib32", "lib32" },
		{ "usr/lib64", "lib64" }, { "usr/libx32", "libx32" },
		{ "/run", "var/run" }, { "/run/lock", "var/lock" },
	};
	char host[64];
	struct stat st;
	size_t i;

	for (i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (folder(folders[i].path, folders[i].mode,
		    r->base + folders[i].owner, f) == -1)
			return -1;
	for (i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		snprintf(host, sizeof(host), "/%s", links[i][0]);
		if (links[i][0][0] != '/' && stat(host, &st) == -1)
			continue;
		if (symlink(links[i][0], links[i][1]) == -1 ||
		    lchown(links[i][1], r->base, r->base) == -1)
			return fail_sys(f, EX_OSERR, "%s", links[i][1]);
	}
	return etc(r, f);
}

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
	if (folder("dev/pts", 0755, r->base, f) == -1 ||
	    folder("dev/shm", 01777, r->base, f) == -1)
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

int
root_userns(uint32_t base, struct fail *f)
{
	int ask[2], fd = -1;
	char path[64], c;
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
		c = unshare(CLONE_NEWUSER) == 0 ? '+' : '-';
		if (write(ask[1], &c, 1) == 1)
			pause();
		_exit(1);
	}
	close(ask[1]);
	if (read(ask[0], &c, 1) != 1 || c != '+')
		fail_set(f, EX_OSERR, "no user namespace to be had; see "
		    "user.max_user_namespaces in sysctl(8)");
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
	if (folder("fs", 0755, r->base, f) == -1 ||
	    folder("lower", 0755, 0, f) == -1 ||
	    folder("upper", 0755, r->base, f) == -1 ||
	    folder("work", 0700, r->base, f) == -1)
		return -1;
	if (bind_mapped("/usr", "lower", r->userns, f) == -1)
		return -1;
	/* To be pivoted into, it must be a mount. */
	if (mount("fs", "fs", NULL, MS_BIND, NULL) == -1 || chdir("fs") == -1)
		return fail_sys(f, EX_OSERR, "fs");
	if (skeleton(r, f) == -1)
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
