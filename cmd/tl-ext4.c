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
"       tl-ext4 [-c FILE] [-b NAME [-i ID] -p PARENT] qcow2 IMAGE SNAPSHOT |\n"
"       tl-ext4 [-kr] [-d DIR] [-c FILE] [-b NAME [-i ID] -p PARENT]\n"
"           pack IMAGE DIR SNAPSHOT |\n"
"       tl-ext4 [-v] raw IMAGE SNAPSHOT [PARENT ...] |\n"
"       tl-ext4 config | id SNAPSHOT\n"
"  sync IMAGE DIR        make the tree in IMAGE the same as DIR\n"
"  tar IMAGE             write the tree in IMAGE as a tar archive\n"
"  cat IMAGE PATH        write one file of IMAGE\n"
"  qcow2 IMAGE SNAPSHOT  pack IMAGE into SNAPSHOT\n"
"  pack IMAGE DIR SNAPSHOT\n"
"                        both at once; IMAGE does not get what is in new files\n"
"  raw IMAGE SNAPSHOT [PARENT...]\n"
"                        write the disk in SNAPSHOT to IMAGE, all sums verified\n"
"  config SNAPSHOT       write the configuration that is in SNAPSHOT\n"
"  id SNAPSHOT           write the id of SNAPSHOT\n"
"  -b, --backing NAME   qcow2, pack: name this backing file in the header\n"
"  -c, --config FILE    qcow2, pack: this JSON object is the configuration\n"
"  -d, --discard DIR    sync, pack: remove from DIR each file that is copied\n"
"  -i, --parent-id ID   qcow2, pack: the id of the parent's snapshot\n"
"  -k, --keep-devices   sync, pack: device nodes of IMAGE stay\n"
"  -p, --parent PARENT  qcow2, pack: store only what differs from this image\n"
"  -r, --root-owned     sync, pack: everything belongs to 0:0\n"
"  -v, --verbose        raw: name the snapshots that have no sums\n"
"  -h, --help  -V, --version\n";

/* It is closed whatever came before, which counts more. */
static int
close_tree(struct ext4 *e, int r, struct fail *f)
{
	struct fail second;

	return ext4_close(e, r == 0 ? f : &second) == -1 ? -1 : r;
}

static int
tree(char **argv, int argc, unsigned how, const char *discard, struct fail *f)
{
	bool sync = strcmp(argv[0], "sync") == 0;
	struct ext4 *e;
	int r;

	if (argc != (strcmp(argv[0], "tar") == 0 ? 2 : 3))
		opt_usage(usage);
	if ((e = ext4_open(argv[1], sync, f)) == NULL)
		return -1;
	if (sync)
		r = ext4_sync(e, argv[2], how, discard, NULL, f);
	else if (strcmp(argv[0], "tar") == 0)
		r = ext4_tar(e, STDOUT_FILENO, f);
	else
		r = ext4_cat(e, argv[2], STDOUT_FILENO, f);
	return close_tree(e, r, f);
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

/* What a snapshot is made of. */
struct sources {
	const char	*image;
	const char	*dir;		/* NULL: the image has it all */
	unsigned	 how;		/* with dir */
	const char	*discard;
	const char	*parent;
	const char	*config;
};

static int
sync_into(struct qcow2 *q, const struct sources *s, struct fail *f)
{
	struct ext4 *e = ext4_open(s->image, true, f);

	return e == NULL ? -1 : close_tree(e, ext4_sync(e, s->dir, s->how,
	    s->discard, q, f), f);
}

static int
open_image(const char *path, int flags, int *fd, struct fail *f)
{
	*fd = open(path, flags | O_CLOEXEC);
	return *fd != -1 ? 0 : fail_sys(f, EX_NOINPUT, "%s", path);
}

static int
pack(const struct sources *s, struct qcow2_extra *x, const char *snapshot,
    struct fail *f)
{
	struct buf text = BUF_INIT(QCOW2_CONFIG_MAX);
	struct qcow2 *q = NULL;
	struct span span;
	int in = -1, base = -1, out = -1, r = -1;

	if ((s->config != NULL && (buf_load(&text, s->config, f) == -1 ||
	    object(&span, &text, s->config, f) == -1)) ||
	    open_image(s->image, s->dir != NULL ? O_RDWR : O_RDONLY, &in,
	    f) == -1 || (s->parent != NULL &&
	    open_image(s->parent, O_RDONLY, &base, f) == -1))
		goto out;
	out = open(snapshot, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (out == -1) {
		fail_sys(f, EX_CANTCREAT, "%s", snapshot);
		goto out;
	}
	x->config = s->config == NULL ? NULL : &span;
	if ((q = qcow2_begin(in, base, x, out, f)) != NULL &&
	    (s->dir == NULL || sync_into(q, s, f) == 0))
		r = qcow2_end(q, f);
	qcow2_free(q);
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
		{ "parent-id", required_argument, NULL, 'i' },
		{ "keep-devices", no_argument, NULL, 'k' },
		{ "parent", required_argument, NULL, 'p' },
		{ "root-owned", no_argument, NULL, 'r' },
		OPT_COMMON, { NULL, 0, NULL, 0 }
	};
	struct sources s = { 0 };
	bool verbose = false;
	struct qcow2_extra x = { 0 };
	struct qcow2_id id = { 0 };
	struct fail f;
	int ch, r;

	while ((ch = getopt_long(argc, argv, "b:c:d:i:kp:rhVv", longs, NULL)) != -1)
		switch (ch) {
		case 'b':
			x.backing = optarg;
			break;
		case 'c':
			s.config = optarg;
			break;
		case 'd':
			s.discard = optarg;
			break;
		case 'i':
			if (strlen(optarg) != 2 * sizeof(id.sum) ||
			    hex_decode(id.sum, optarg, sizeof(id.sum)) == -1)
				opt_usage(usage);
			x.parent = &id;
			break;
		case 'k':
			s.how |= EXT4_KEEP_DEVICES;
			break;
		case 'p':
			s.parent = optarg;
			break;
		case 'r':
			s.how |= EXT4_ROOT_OWNED;
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
	if (argc == 0 || (x.backing == NULL) != (s.parent == NULL) ||
	    (x.parent != NULL && s.parent == NULL))
		opt_usage(usage);
	if (strcmp(argv[0], "sync") == 0 || strcmp(argv[0], "tar") == 0 ||
	    strcmp(argv[0], "cat") == 0)
		r = tree(argv, argc, s.how, s.discard, &f);
	else if ((strcmp(argv[0], "qcow2") == 0 && argc == 3) ||
	    (strcmp(argv[0], "pack") == 0 && argc == 4)) {
		s.image = argv[1];
		s.dir = argc == 4 ? argv[2] : NULL;
		r = pack(&s, &x, argv[argc - 1], &f);
	} else if (strcmp(argv[0], "config") == 0 && argc == 2)
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
