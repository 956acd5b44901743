/*
 * The store's own readers: its manifests, requests with any headers and query,
 * lists with any prefix, delimiter and token.  Of the text, the first line is
 * a query, the lines up to an empty one are headers, the rest is a manifest.
 */
#include "fuzz.h"

#include <sys/stat.h>

#include <fcntl.h>
#include <unistd.h>

#include <microhttpd.h>

#include "region/store/objects_impl.h"
#include "region/store/s3_impl.h"
#include "../tree.h"
#include "request.h"

static struct fail f;
static char root[] = "/tmp/tl-fuzz-stored.XXXXXX";
static struct s3 s3 = { .region = "us-east-1" };
static struct serve server = { .name = (char *)(uintptr_t)"fuzz" };

static void
damaged(const char *what)
{
	(void)what;
}

static void
done(void)
{
	objects_close(s3.objects);
	tree_remove(root);
}

static void
begin(void)
{
	static const char *const buckets[] = { "bkt" };
	static const char *const keys[] = { "a", "a/b", "a/c/d", "z\n" };
	char etag[OBJECTS_ETAG];
	struct objects_writer w;
	size_t i;

	MUST(mkdtemp(root) != NULL);
	s3.objects = objects_open(root, buckets, 1, 1, damaged, &f);
	MUST(s3.objects != NULL);
	atexit(done);
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		MUST(objects_write(&w, s3.objects, "bkt", keys[i], NULL,
		    &f) == OBJECTS_OK);
		MUST(objects_writer_add(&w, "abcdef", 6, &f) == 0);
		objects_writer_digest(&w);
		MUST(objects_commit(&w, keys[i], "X: y\n", NULL, etag,
		    &f) == OBJECTS_OK);
	}
}

static void
manifest(const char *p, size_t n)
{
	static const char at[] = "bkt/objects/00/fuzz";
	struct object b;
	uint64_t end = 0;
	size_t i;
	int fd = openat(s3.objects->root, at, O_WRONLY | O_CREAT | O_TRUNC,
	    0600);

	MUST(fd != -1 && write(fd, p, n) == (ssize_t)n);
	close(fd);
	if (manifest_read(s3.objects, at, &b, &f) == 1) {
		MUST(b.key != NULL && strlen(b.key) == b.key_len);
		MUST(objects_id_ok(b.data));
		for (i = 0; i < b.nextents; i++) {
			MUST(b.extents[i].start == end);
			MUST(objects_file_ok(b.extents[i].file,
			    strlen(b.extents[i].file)));
			end += b.extents[i].size;
		}
		MUST(end == b.size);
		manifest_clear(&b);
	}
	MUST(unlinkat(s3.objects->root, at, 0) == 0);
}

static void
request(enum op op, const char *method, const char *query, const char *head)
{
	struct exchange x = { .s = &server };
	struct op_state st = { .op = op, .bucket = "bkt" };
	struct serve_request *r = &x.req;
	char *copy = strdup(head);

	MUST(copy != NULL);
	headers(&x, copy);
	free(copy);
	r->method = method;
	r->path = "/bkt/a";
	r->target = r->path;
	r->query = query;
	r->serve = &server;
	r->priv = &x;
	st.writer.fd = -1;
	st.key.max = st.upload.max = 64UL << 10;
	MUST(buf_adds(&st.key, "a", &f) == 0);
	if (s3_allow(r, &st) == 0) {
		if (op == LIST_OBJECTS)
			s3_list_objects(r, &s3, &st);
		else if (op == LIST_UPLOADS)
			s3_list_uploads(r, &s3, &st);
		else if (op == GET_OBJECT || op == HEAD_OBJECT)
			s3_get(r, &s3, &st);
		else if (s3_when_write(r, &st) == 0 &&
		    s3_sum_begin(r, &st.sum) == 0 &&
		    s3_sum_algorithm(r, "x-amz-checksum-algorithm") == 0) {
			s3_sum_add(&st.sum, head, strlen(head));
			(void)s3_sum_check(r, &st.sum);
			(void)s3_headers_keep(r, &st);
		}
	}
	/* Whatever it was, it was answered, or may go on. */
	MUST(x.response != NULL || op == PUT_OBJECT || op == CREATE_UPLOAD);
	if (x.response != NULL) {
		MUST(x.status >= 200 && x.status < 600);
		MHD_destroy_response(x.response);
	}
	serve_headers_free(x.asked);
	serve_headers_free(x.headers);
	buf_free(&st.key);
	buf_free(&st.upload);
	buf_free(&st.headers);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char *text = strndup((const char *)p, n), *head, *body;
	static const char all[] = "list-type=2&";
	char *query;

	MUST(text != NULL);
	if (s3.objects == NULL)
		begin();
	head = text + strcspn(text, "\n");
	if (*head != '\0')
		*head++ = '\0';
	if ((body = strstr(head, "\n\n")) != NULL) {
		*body = '\0';
		body += 2;
		manifest(body, strlen(body));
	}
	MUST((query = malloc(sizeof(all) + strlen(text))) != NULL);
	sprintf(query, "%s%s", all, text);
	request(LIST_OBJECTS, "GET", query, head);
	request(LIST_UPLOADS, "GET", text, head);
	request(GET_OBJECT, "GET", "", head);
	request(HEAD_OBJECT, "HEAD", "", head);
	request(PUT_OBJECT, "PUT", text, head);
	request(CREATE_UPLOAD, "POST", "uploads", head);
	free(query);
	free(text);
	return 0;
}

#define MANIFEST							\
	"tl-object 1\nkey 3\na\nb\n"					\
	"etag 0123456789abcdef0123456789abcdef-2\nsize 7\nmodified 1\n"	\
	"data 0123456789abcdef0123456789abcdef\nheader A: b\n"		\
	"extent 0123456789abcdef0123456789abcdef-01234567 3\n"		\
	"extent 0123456789abcdef0123456789abcdef-89abcdef 4\nend\n"

FUZZ_MAIN(((const char *const []){
	"prefix=a&delimiter=%2F&max-keys=1&start-after=a\nRange: bytes=1-2\n"
	"If-Range: \"e80b5017098950fc58aad83c8c14978e\"\n\n" MANIFEST,
	"continuation-token=612f&encoding-type=url&x-id=1\n"
	"If-None-Match: W/\"a\", *\nIf-Match: \"b\"\n\n" MANIFEST,
	"key-marker=a&upload-id-marker=1&max-uploads=2&prefix=\n"
	"If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\nx-amz-meta-a: b\n"
	"If-Unmodified-Since: Sun Nov  6 08:49:37 1994\n\n" MANIFEST,
	"\nx-amz-checksum-crc32: AAAAAA==\nContent-Type: a/b\n"
	"x-amz-sdk-checksum-algorithm: CRC32\n\n" MANIFEST,
	"\nx-amz-checksum-crc32c: AAAAAA==\nIf-None-Match: *\n\n" MANIFEST,
	"\nx-amz-checksum-sha1: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n" MANIFEST,
	"\nx-amz-checksum-sha256: "
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
	"x-amz-checksum-mode: ENABLED\n\n" MANIFEST,
	"\nx-amz-checksum-algorithm: SHA1\nRange: bytes=-3\n\n" MANIFEST,
	"\nRange: bytes=9-\nx-amz-meta-b: c\nExpires: x\n\n" MANIFEST,
}));
