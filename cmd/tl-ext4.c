/* tl-ext4: an ext4 image and a tree of files, with nothing mounted. */

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "builder/image/ext4.h"
#include "builder/image/qcow2.h"
#include "core/buf.h"
#include "core/opt.h"
#include "core/span.h"

static const char usage[] =
"usage: tl-ext4 [-r] sync IMAGE DIR | tar IMAGE | cat IMAGE PATH |\n"
"       tl-ext4 [-c FILE] [-b NAME -p PARENT] qcow2 IMAGE SNAPSHOT |\n"
"       tl-ext4 config SNAPSHOT\n"
"  sync   make the tree in IMAGE the same as DIR\n"
"  tar    write the tree in IMAGE as a tar archive\n"
"  cat    write one file of IMAGE\n"
"  qcow2  pack IMAGE into SNAPSHOT\n"
"  config write the configuration that is in SNAPSHOT\n"
"  -b, --backing NAME   qcow2: name this backing file in the header\n"
"  -c, --config FILE    qcow2: this JSON object is the configuration\n"
"  -p, --parent PARENT  qcow2: hold only what differs from this image\n"
"  -r, --root-owned     sync: all belongs to 0:0\n"
"  -h, --help; -V, --version; -v, --verbose\n";

static int
tree(char **argv, int argc, bool root_owned, struct fail *f)
{
	bool sync = strcmp(argv[0], "sync") == 0;
	struct fail second;
	struct ext4 *e;
	int r;

	if (argc != (strcmp(argv[0], "tar") == 0 ? 2 : 3))
		opt_usage(usage);
	if ((e = ext4_open(argv[1], sync, f)) == NULL)
		return -1;
	if (sync)
		r = ext4_sync(e, argv[2], root_owned, f);
	else if (strcmp(argv[0], "tar") == 0)
		r = ext4_tar(e, STDOUT_FILENO, f);
	else
		r = ext4_cat(e, argv[2], STDOUT_FILENO, f);
	if (ext4_close(e, r == 0 ? f : &second) == -1)
		r = -1;
	return r;
}

/* Read a configuration, or check one that was read. */
static int
object(struct span *s, const struct buf *b, const char *name, struct fail *f)
{
	if (span_parse(s, b->data, b->len, f) == 0) {
		if (span_is_object(s))
			return 0;
		fail_set(f, EX_DATAERR, "configuration: not an object");
	}
	return fail_in(f, name);
}

static int
config(const char *snapshot, struct fail *f)
{
	struct buf b = BUF_INIT(QCOW2_CONFIG_MAX + 3);
	struct span s;
	int fd = open(snapshot, O_RDONLY | O_CLOEXEC), r = -1;

	if (fd == -1)
		return fail_sys(f, EX_NOINPUT, "%s", snapshot);
	switch (qcow2_config(fd, &b, f)) {
	case 0:
		r = buf_adds(&b, "{}", f);
		break;
	case 1:
		r = object(&s, &b, snapshot, f);
		break;
	default:
		fail_in(f, snapshot);
	}
	if (r == 0 && (r = buf_adds(&b, "\n", f)) == 0)
		r = buf_write(&b, STDOUT_FILENO, "stdout", f);
	buf_free(&b);
	close(fd);
	return r;
}

static int
pack(const char *image, const char *parent, const char *backing,
    const char *conf, const char *snapshot, struct fail *f)
{
	struct buf text = BUF_INIT(QCOW2_CONFIG_MAX);
	struct span s;
	int in, base = -1, out = -1, r = -1;

	if (conf != NULL && (buf_load(&text, conf, f) == -1 ||
	    object(&s, &text, conf, f) == -1)) {
		buf_free(&text);
		return -1;
	}
	if ((in = open(image, O_RDONLY | O_CLOEXEC)) == -1) {
		fail_sys(f, EX_NOINPUT, "%s", image);
		goto out;
	}
	if (parent != NULL &&
	    (base = open(parent, O_RDONLY | O_CLOEXEC)) == -1) {
		fail_sys(f, EX_NOINPUT, "%s", parent);
		goto out;
	}
	out = open(snapshot, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (out == -1) {
		fail_sys(f, EX_CANTCREAT, "%s", snapshot);
		goto out;
	}
	r = qcow2_write(in, base, backing, conf == NULL ? NULL : &s, out, f);
	if (close(out) == -1 && r == 0)
		r = fail_sys(f, EX_IOERR, "%s", snapshot);
	if (r == -1)
		unlink(snapshot);
out:
	buf_free(&text);
	if (base != -1)
		close(base);
	if (in != -1)
		close(in);
	return r;
}

int
main(int argc, char *argv[])
{
	static const struct option longs[] = {
		{ "backing", required_argument, NULL, 'b' },
		{ "config", required_argument, NULL, 'c' },
		{ "parent", required_argument, NULL, 'p' },
		{ "root-owned", no_argument, NULL, 'r' },
		OPT_COMMON, { NULL, 0, NULL, 0 }
	};
	const char *backing = NULL, *parent = NULL, *conf = NULL;
	bool root_owned = false;
	struct fail f;
	int ch, r;

	while ((ch = getopt_long(argc, argv, "b:c:p:rhVv", longs, NULL)) != -1)
		switch (ch) {
		case 'b':
			backing = optarg;
			break;
		case 'c':
			conf = optarg;
			break;
		case 'p':
			parent = optarg;
			break;
		case 'r':
			root_owned = true;
			break;
		case 'v':	/* there is nothing more to say */
			break;
		case 'h':
			opt_help(usage);
		case 'V':
			opt_version("tl-ext4");
		default:
			opt_usage(usage);
		}
	argc -= optind;
	argv += optind;
	if (argc == 0 || (backing == NULL) != (parent == NULL))
		opt_usage(usage);
	if (strcmp(argv[0], "sync") == 0 || strcmp(argv[0], "tar") == 0 ||
	    strcmp(argv[0], "cat") == 0)
		r = tree(argv, argc, root_owned, &f);
	else if (strcmp(argv[0], "qcow2") == 0 && argc == 3)
		r = pack(argv[1], parent, backing, conf, argv[2], &f);
	else if (strcmp(argv[0], "config") == 0 && argc == 2)
		r = config(argv[1], &f);
	else
		opt_usage(usage);
	if (r == -1)
		opt_fail(&f);
	return 0;
}
