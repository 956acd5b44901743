/* tl-ext4: an ext4 image and a tree of files, with nothing mounted. */

#include <err.h>
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
#include "core/hex.h"
#include "core/opt.h"
#include "core/span.h"

static const char usage[] =
"usage: tl-ext4 [-kr] [-d DIR] sync IMAGE DIR | tar IMAGE | cat IMAGE PATH |\n"
"       tl-ext4 [-D] [-c FILE] [-b NAME [-i ID] -p PARENT]\n"
"           qcow2 IMAGE SNAPSHOT |\n"
"       tl-ext4 [-v] raw IMAGE SNAPSHOT [PARENT ...] |\n"
"       tl-ext4 config | id SNAPSHOT\n"
"  sync IMAGE DIR        make the tree in IMAGE the same as DIR\n"
"  tar IMAGE             write the tree in IMAGE as a tar archive\n"
"  cat IMAGE PATH        write one file of IMAGE\n"
"  qcow2 IMAGE SNAPSHOT  pack IMAGE into SNAPSHOT\n"
"  raw IMAGE SNAPSHOT [PARENT...]\n"
"                        write the disk in SNAPSHOT to IMAGE, all sums verified\n"
"  config SNAPSHOT       write the configuration that is in SNAPSHOT\n"
"  id SNAPSHOT           write the id of SNAPSHOT\n"
"  -b, --backing NAME   qcow2: name this backing file in the header\n"
"  -c, --config FILE    qcow2: this JSON object is the configuration\n"
"  -d, --discard DIR    sync: remove from DIR each file that IMAGE has got\n"
"  -D, --discard-image  qcow2: empty IMAGE while it is packed\n"
"  -i, --parent-id ID   qcow2: the id of the parent's snapshot\n"
"  -k, --keep-devices   sync: device nodes of IMAGE stay\n"
"  -p, --parent PARENT  qcow2: store only what differs from this image\n"
"  -r, --root-owned     sync: everything belongs to 0:0\n"
"  -v, --verbose        raw: name the snapshots that have no sums\n"
"  -h, --help  -V, --version\n";

static int
tree(char **argv, int argc, unsigned how, const char *discard, struct fail *f)
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
		r = ext4_sync(e, argv[2], how, discard, f);
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
identity(const char *snapshot, struct fail *f)
{
	struct buf b = BUF_INIT(2 * sizeof(struct qcow2_id));
	struct qcow2_id id;
	char hex[2 * sizeof(id.sum) + 1];
	int fd = open(snapshot, O_RDONLY | O_CLOEXEC), r;

	if (fd == -1)
		return fail_sys(f, EX_NOINPUT, "%s", snapshot);
	if ((r = qcow2_identify(fd, &id, f)) == -1)
		fail_in(f, snapshot);
	else {
		hex_encode(hex, id.sum, sizeof(id.sum));
		if ((r = buf_adds(&b, hex, f)) == 0 &&
		    (r = buf_adds(&b, "\n", f)) == 0)
			r = buf_write(&b, STDOUT_FILENO, "stdout", f);
	}
	buf_free(&b);
	close(fd);
	return r;
}

/* names: a snapshot, its parent, that one's, to one that is whole. */
static int
raw(const char *image, char **names, int n, bool verbose, struct fail *f)
{
	struct qcow2_id ids[QCOW2_CHAIN_MAX];
	int fds[QCOW2_CHAIN_MAX], have, out = -1, r = -1;

	if (n > QCOW2_CHAIN_MAX)
		return fail_set(f, EX_USAGE, "more than %d parents",
		    QCOW2_CHAIN_MAX - 1);
	for (have = 0; have < n; have++)
		if ((fds[have] = open(names[have],
		    O_RDONLY | O_CLOEXEC)) == -1) {
			fail_sys(f, EX_NOINPUT, "%s", names[have]);
			goto out;
		}
	out = open(image, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (out == -1) {
		fail_sys(f, EX_CANTCREAT, "%s", image);
		goto out;
	}
	r = qcow2_read(fds, names, (size_t)n, out, ids, f);
	if (close(out) == -1 && r == 0)
		r = fail_sys(f, EX_IOERR, "%s", image);
	if (r == -1)
		unlink(image);
	for (n = r == 0 && verbose ? have : 0; n > 0; n--)
		if (!ids[n - 1].sealed)
			warnx("%s: unverified: it is from before there were "
			    "sums", names[n - 1]);
out:
	while (have > 0)
		close(fds[--have]);
	return r;
}

static int
pack(const char *image, const char *parent, struct qcow2_extra *x,
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
	in = open(image, (x->discard ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (in == -1) {
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
	x->config = conf == NULL ? NULL : &s;
	r = qcow2_write(in, base, x, out, f);
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
		{ "discard", required_argument, NULL, 'd' },
		{ "discard-image", no_argument, NULL, 'D' },
		{ "parent-id", required_argument, NULL, 'i' },
		{ "keep-devices", no_argument, NULL, 'k' },
		{ "parent", required_argument, NULL, 'p' },
		{ "root-owned", no_argument, NULL, 'r' },
		OPT_COMMON, { NULL, 0, NULL, 0 }
	};
	const char *parent = NULL, *conf = NULL, *discard = NULL;
	unsigned how = 0;
	bool verbose = false;
	struct qcow2_extra x = { 0 };
	struct qcow2_id id = { 0 };
	struct fail f;
	int ch, r;

	while ((ch = getopt_long(argc, argv, "b:c:d:Di:kp:rhVv", longs, NULL)) != -1)
		switch (ch) {
		case 'b':
			x.backing = optarg;
			break;
		case 'c':
			conf = optarg;
			break;
		case 'd':
			discard = optarg;
			break;
		case 'D':
			x.discard = true;
			break;
		case 'i':
			if (strlen(optarg) != 2 * sizeof(id.sum) ||
			    hex_decode(id.sum, optarg, sizeof(id.sum)) == -1)
				opt_usage(usage);
			x.parent = &id;
			break;
		case 'k':
			how |= EXT4_KEEP_DEVICES;
			break;
		case 'p':
			parent = optarg;
			break;
		case 'r':
			how |= EXT4_ROOT_OWNED;
			break;
		case 'v':
			verbose = true;
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
	if (argc == 0 || (x.backing == NULL) != (parent == NULL) ||
	    (x.parent != NULL && parent == NULL))
		opt_usage(usage);
	if (strcmp(argv[0], "sync") == 0 || strcmp(argv[0], "tar") == 0 ||
	    strcmp(argv[0], "cat") == 0)
		r = tree(argv, argc, how, discard, &f);
	else if (strcmp(argv[0], "qcow2") == 0 && argc == 3)
		r = pack(argv[1], parent, &x, conf, argv[2], &f);
	else if (strcmp(argv[0], "config") == 0 && argc == 2)
		r = config(argv[1], &f);
	else if (strcmp(argv[0], "id") == 0 && argc == 2)
		r = identity(argv[1], &f);
	else if (strcmp(argv[0], "raw") == 0 && argc >= 3)
		r = raw(argv[1], argv + 2, argc - 2, verbose, &f);
	else
		opt_usage(usage);
	if (r == -1)
		opt_fail(&f);
	return 0;
}
