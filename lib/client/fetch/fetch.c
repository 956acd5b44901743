#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "client/fetch/fetch.h"
#include "client/fetch/program.h"
#include "client/images/image_chain.h"
#include "core/buf.h"
#include "core/json.h"

/* What is needed meanwhile: files 0, 1, ... of a folder. */
struct scratch {
	char	dir[PATH_MAX];
	char	path[PATH_MAX + 32];	/* of the file at hand */
};

/* The path of a snapshot there, 0 being the image's own; or of the result. */
static const char *
place(struct scratch *s, size_t i)
{
	snprintf(s->path, sizeof(s->path), "%s/%zu", s->dir, i);
	return s->path;
}

/* Beside the output, so that what is whole can be renamed to it. */
static int
make(struct scratch *s, const char *output, struct fail *f)
{
	const char *tmp = getenv("TMPDIR"), *slash;
	int n;

	if (output == NULL)
		n = snprintf(s->dir, sizeof(s->dir), "%s/.tl-image.XXXXXX",
		    tmp != NULL && *tmp != '\0' ? tmp : "/tmp");
	else {
		slash = strrchr(output, '/');
		n = snprintf(s->dir, sizeof(s->dir), "%s%.*s.tl-image.XXXXXX",
		    *output == '-' ? "./" : "",
		    slash == NULL ? 0 : (int)(slash + 1 - output), output);
	}
	if (n >= (int)sizeof(s->dir))
		errno = ENAMETOOLONG;
	if (n >= (int)sizeof(s->dir) || mkdtemp(s->dir) == NULL)
		return fail_sys(f, EX_CANTCREAT, "%s", s->dir);
	return 0;
}

static void
clean(struct scratch *s)
{
	size_t i;

	for (i = 0; i <= IMAGE_CHAIN_MAX; i++)
		unlink(place(s, i));
	rmdir(s->dir);
}

static int
create(struct scratch *s, size_t i, struct fail *f)
{
	int fd = open(place(s, i), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	    0666);

	return fd != -1 ? fd : fail_sys(f, EX_CANTCREAT, "%s", s->path);
}

/* A download of a URI: what tl-presign reads. */
static int
request_of(const char *uri, struct buf *b, struct fail *f)
{
	struct jout j = JOUT_INIT(b);

	jout_object(&j);
	jout_member(&j, "uri", uri);
	jout_key(&j, "op");
	jout_object(&j);
	jout_member(&j, "kind", "single_get");
	jout_close(&j);
	jout_close(&j);
	if (jout_end(&j, f) == -1)
		return -1;
	/* A pipe takes 64 KiB before anybody reads. */
	return b->len <= 60000 ? 0 :
	    fail_set(f, EX_PROTOCOL, "snapshotUri: too long");
}

/* Signed; the answer is a key. */
static int
presign(const struct fetch *g, const char *uri, struct buf *block,
    struct fail *f)
{
	const char *project = g->server->cloud->project;
	const char *const argv[] = { "tl-presign", "--config", g->signer,
	    "--project", project != NULL ? project : "none", NULL };
	struct buf request = BUF_INIT(BUF_SMALL_MAX);
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, r = -1;
	pid_t pid;
	int i;

	if (request_of(uri, &request, f) == -1)
		goto out;
	if (pipe2(in, O_CLOEXEC) == -1 || pipe2(out, O_CLOEXEC) == -1) {
		fail_sys(f, EX_OSERR, "pipe");
		goto out;
	}
	if (buf_write(&request, in[1], "tl-presign", f) == -1 ||
	    (pid = program_begin(argv, in[0], out[1], f)) == -1)
		goto out;
	close(in[1]);
	close(out[1]);
	in[1] = out[1] = -1;
	if (buf_read(block, out[0], "tl-presign", f) == 0)
		r = program_end("tl-presign", pid, f);
	else {
		kill(pid, SIGTERM);
		waitpid(pid, NULL, 0);
	}
out:
	for (i = 0; i < 2; i++) {
		if (in[i] != -1)
			close(in[i]);
		if (out[i] != -1)
			close(out[i]);
	}
	buf_free(&request);
	return r;
}

/*
 * All are signed before one is downloaded: a sandbox may end while that is on
 * its way, and the URLs work on.
 */
static int
sign_all(const struct fetch *g, const struct image_chain *chain, size_t n,
    struct buf *block, struct fail *f)
{
	struct sandbox sandbox = SANDBOX_INIT;
	struct sign sign = { .http = g->server->http,
	    .cloud = g->server->cloud, .sandbox = &sandbox,
	    .note = g->server->note, .dialect = g->dialect };
	size_t i;
	int r = 0;

	if (g->signer == NULL)
		r = sandbox_load(&sandbox, g->sandbox, f);
	for (i = 0; r == 0 && i < n; i++)
		r = g->signer != NULL ?
		    presign(g, chain->at[i].uri, &block[i], f) :
		    sign_get(&sign, "sign", chain->at[i].uri, &block[i], f);
	sandbox_free(&sandbox);
	return r;
}

/* The snapshots, into files. */
static int
download(const struct fetch *g, struct scratch *s,
    const struct image_chain *chain, size_t n, struct fail *f)
{
	struct buf block[IMAGE_CHAIN_MAX];
	struct span doc;
	size_t i;
	int fd, r;

	for (i = 0; i < n; i++)
		block[i] = (struct buf)BUF_INIT(BUF_SMALL_MAX);
	r = sign_all(g, chain, n, block, f);
	for (i = 0; r == 0 && i < n; i++) {
		if ((fd = create(s, i, f)) == -1 || span_parse(&doc,
		    block[i].data, block[i].len, f) == -1)
			r = -1;
		else
			r = image_fetch(g->server, &doc, chain->at[i].bytes,
			    fd, f);
		if (fd != -1 && close(fd) == -1 && r == 0)
			r = fail_sys(f, EX_CANTCREAT, "the snapshot's file");
	}
	for (i = 0; i < n; i++)
		buf_free(&block[i]);
	return r;
}

/* tl-snapshot VERB -p PARENT... SNAPSHOT [RESULT] */
static int
snapshot(struct scratch *s, const char *verb, size_t n, int out,
    struct fail *f)
{
	const char *argv[2 * IMAGE_CHAIN_MAX + 5];
	char *path[IMAGE_CHAIN_MAX + 1];
	size_t a = 0, i;
	pid_t pid;
	int r = 0;

	for (i = 0; i <= n; i++)
		if ((path[i] = strdup(place(s, i))) == NULL)
			r = fail_set(f, EX_OSERR, "out of memory");
	argv[a++] = "tl-snapshot";
	argv[a++] = verb;
	for (i = 1; i < n; i++) {
		argv[a++] = "-p";
		argv[a++] = path[i];
	}
	argv[a++] = path[0];
	if (strcmp(verb, "raw") == 0)
		argv[a++] = path[n];
	argv[a] = NULL;
	if (r == 0)
		r = (pid = program_begin(argv, STDIN_FILENO, out, f)) == -1 ?
		    -1 : program_end("tl-snapshot", pid, f);
	for (i = 0; i <= n; i++)
		free(path[i]);
	return r;
}

/* A file there on stdout. */
static int
copy(struct scratch *s, size_t i, struct fail *f)
{
	static char room[1 << 16];
	struct buf piece = { room, 0, sizeof(room), sizeof(room) };
	int fd = open(place(s, i), O_RDONLY | O_CLOEXEC), r = 0;
	ssize_t n = 0;

	if (fd == -1)
		return fail_sys(f, EX_OSERR, "%s", s->path);
	while (r == 0 && (n = read(fd, room, sizeof(room))) > 0) {
		piece.len = (size_t)n;
		r = buf_write(&piece, STDOUT_FILENO, "stdout", f);
	}
	if (n == -1)
		r = fail_sys(f, EX_IOERR, "%s", s->path);
	close(fd);
	if (r == 0 && close(STDOUT_FILENO) == -1)
		r = fail_sys(f, EX_IOERR, "stdout");
	return r;
}

static int
finish(const struct fetch *g, struct scratch *s, size_t i, struct fail *f)
{
	return rename(place(s, i), g->output) == 0 ? 0 :
	    fail_sys(f, EX_CANTCREAT, "%s", g->output);
}

/* What was downloaded becomes what is wanted, the file n. */
static int
convert(const struct fetch *g, struct scratch *s, size_t n, struct fail *f)
{
	int fd, r;

	if (g->form == FETCH_RAW)
		return snapshot(s, "raw", n, STDOUT_FILENO, f);
	if (g->output == NULL)
		return snapshot(s, "tar", n, STDOUT_FILENO, f);
	if ((fd = create(s, n, f)) == -1)
		return -1;
	r = snapshot(s, "tar", n, fd, f);
	if (close(fd) == -1 && r == 0)
		r = fail_sys(f, EX_CANTCREAT, "%s", place(s, n));
	return r;
}

int
fetch_image(const struct fetch *g, const struct span *image, struct fail *f)
{
	struct image_chain chain = IMAGE_CHAIN_INIT;
	struct scratch s;
	size_t n;
	int r;

	r = image_chain_find(&chain, g->server, image, f);
	n = g->form == FETCH_SNAPSHOT ? 1 : chain.n;
	if (r == 0 && (r = make(&s, g->output, f)) == 0) {
		r = download(g, &s, &chain, n, f);
		if (r == 0 && g->form != FETCH_SNAPSHOT)
			r = convert(g, &s, n, f);
		if (r == 0 && g->output != NULL)
			r = finish(g, &s, g->form == FETCH_SNAPSHOT ? 0 : n,
			    f);
		else if (r == 0 && g->form == FETCH_SNAPSHOT)
			r = copy(&s, 0, f);
		clean(&s);
	}
	image_chain_free(&chain);
	return r;
}
