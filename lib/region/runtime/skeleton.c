#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "region/runtime/skeleton.h"

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

int
skeleton_folder(const char *path, mode_t mode, uint32_t owner, struct fail *f)
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
 * hosts and resolv.conf are often links to somewhere under /run, which the
 * sandbox has not: their text is wanted, not the link.
 */
static int
hosts(const char *host_name, uint32_t owner, struct fail *f)
{
	char buf[65536];
	ssize_t n = 0;
	int fd;

	fd = open("/etc/hosts", O_RDONLY | O_CLOEXEC);
	if (fd != -1) {
		n = read(fd, buf, sizeof(buf) - 1024);
		close(fd);
	}
	if (n < 0)
		n = 0;
	snprintf(buf + n, sizeof(buf) - (size_t)n, "127.0.1.1\t%s\n",
	    host_name);
	return text("etc/hosts", buf, owner, f);
}

/* The host's, but that a server on its loopback interface is dns. */
static int
resolvers(const char *dns, uint32_t owner, struct fail *f)
{
	char here[65536] = "", line[1024], word[16], at[256];
	size_t n = 0;
	bool told = false;
	FILE *in;

	in = fopen("/etc/resolv.conf", "re");
	while (in != NULL && fgets(line, sizeof(line), in) != NULL &&
	    n + sizeof(line) < sizeof(here)) {
		if (dns != NULL && sscanf(line, "%15s %255s", word, at) == 2 &&
		    strcmp(word, "nameserver") == 0 &&
		    (strncmp(at, "127.", 4) == 0 || strcmp(at, "::1") == 0)) {
			if (told)
				continue;
			told = true;
			snprintf(line, sizeof(line), "nameserver %s\n", dns);
		}
		n += (size_t)snprintf(here + n, sizeof(here) - n, "%s", line);
	}
	if (in != NULL)
		fclose(in);
	return text("etc/resolv.conf", here, owner, f);
}

/* Of the machine's network, in an /etc that has none of them. */
static int
texts(uint32_t base, const char *host_name, const char *dns, struct fail *f)
{
	char line[512];

	if (hosts(host_name, base, f) == -1 || resolvers(dns, base, f) == -1)
		return -1;
	snprintf(line, sizeof(line), "%s\n", host_name);
	return text("etc/hostname", line, base, f);
}

static int
etc(uint32_t base, const char *host_name, const char *dns, struct fail *f)
{
	char sub[64];
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
			fchownat(here, sub, base, base, 0);
			to = openat(here, sub, O_PATH | O_DIRECTORY |
			    O_CLOEXEC);
			name = slash + 1;
		}
		status = copy(from, to, name, base, 6);
		if (from != host)
			close(from);
		if (to != here)
			close(to);
		if (status == -1)
			return fail_sys(f, EX_OSERR, "etc/%s", name);
	}
	close(host);
	close(here);

	if (texts(base, host_name, dns, f) == -1)
		return -1;
	if (text("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n"
	    "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
	    "_apt:x:42:65534::/nonexistent:/usr/sbin/nologin\n"
	    SANDBOX_USER ":x:1000:1000::/home/" SANDBOX_USER ":/bin/bash\n"
	    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
	    base, f) == -1)
		return -1;
	/* PAM wants it; nobody has a password. */
	if (text("etc/shadow", "root:*:19000:0:99999:7:::\n"
	    SANDBOX_USER ":*:19000:0:99999:7:::\n", base, f) == -1 ||
	    chmod("etc/shadow", 0600) == -1)
		return -1;
	return text("etc/group",
	    "root:x:0:\ndaemon:x:1:\ntty:x:5:\ndisk:x:6:\nmail:x:8:\n"
	    "kmem:x:15:\nutmp:x:43:\nshadow:x:42:\nstaff:x:50:\n"
	    SANDBOX_USER ":x:1000:\nnogroup:x:65534:\n", base, f);
}

int
skeleton_make(uint32_t base, const char *name, const char *dns, struct fail *f)
{
	static const struct {
		const char	*path;
		mode_t		 mode;
		uint32_t	 owner;
	} folders[] = {
		{ "boot", 0755, 0 }, { "dev", 0755, 0 }, { "etc", 0755, 0 },
		{ "home", 0755, 0 },
		{ "home/" SANDBOX_USER, 0750, SANDBOX_UID },
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
		if (skeleton_folder(folders[i].path, folders[i].mode,
		    base + folders[i].owner, f) == -1)
			return -1;
	for (i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		snprintf(host, sizeof(host), "/%s", links[i][0]);
		if (links[i][0][0] != '/' && stat(host, &st) == -1)
			continue;
		if (symlink(links[i][0], links[i][1]) == -1 ||
		    lchown(links[i][1], base, base) == -1)
			return fail_sys(f, EX_OSERR, "%s", links[i][1]);
	}
	return etc(base, name, dns, f);
}

int
skeleton_image(uint32_t base, const char *name, const char *dns,
    struct fail *f)
{
	static const struct {
		const char	*path;
		mode_t		 mode;
	} folders[] = {
		{ "dev", 0755 }, { "etc", 0755 }, { "proc", 0555 },
		{ "sys", 0555 }, { "tmp", 01777 },
	};
	static const char *const own[] = { "etc/hosts", "etc/resolv.conf",
	    "etc/hostname" };
	struct stat st;
	size_t i;

	/*
	 * A link would lead out of it, to this machine's own folders.  Nobody
	 * runs in there yet who could make one behind our back.
	 */
	for (i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (lstat(folders[i].path, &st) == -1) {
			if (skeleton_folder(folders[i].path, folders[i].mode,
			    base, f) == -1)
				return -1;
		} else if (!S_ISDIR(st.st_mode))
			return fail_set(f, EX_DATAERR, "the image's /%s is no "
			    "folder", folders[i].path);
	for (i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (unlink(own[i]) == -1 && errno != ENOENT)
			return fail_sys(f, EX_OSERR, "%s", own[i]);
	return texts(base, name, dns, f);
}
