#include <sys/stat.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <nettle/sha2.h>

#include "client/guard/kept.h"
#include "client/guard/work.h"
#include "core/hex.h"
#include "core/json.h"

/* So much of the SHA-256 of server, project and name. */
#define NAME	16

static void
add(struct sha256_ctx *sha, const char *s)
{
	/* With its NUL, so that two never run together. */
	if (s != NULL)
		sha256_update(sha, strlen(s) + 1, (const uint8_t *)s);
	else
		sha256_update(sha, 1, (const uint8_t *)"");
}

char *
kept_place(const struct cloud *cloud, const char *name, struct fail *f)
{
	uint8_t sum[SHA256_DIGEST_SIZE];
	char hex[2 * NAME + 1], *state, *folder = NULL, *path = NULL;
	struct sha256_ctx sha;

	if ((state = work_state(f)) == NULL)
		return NULL;
	sha256_init(&sha);
	add(&sha, cloud->api);
	add(&sha, cloud->org);
	add(&sha, cloud->project);
	add(&sha, name);
	sha256_digest(&sha, sizeof(sum), sum);
	hex_encode(hex, sum, NAME);
	if (asprintf(&folder, "%s/images", state) == -1) {
		folder = NULL;
		fail_set(f, EX_OSERR, "out of memory");
	} else if (mkdir(folder, 0700) == -1 && errno != EEXIST)
		fail_sys(f, EX_CANTCREAT, "%.300s", folder);
	else if (asprintf(&path, "%s/%s.json", folder, hex) == -1) {
		path = NULL;
		fail_set(f, EX_OSERR, "out of memory");
	}
	free(folder);
	free(state);
	return path;
}

int
kept_load(struct kept *k, const char *path, struct fail *f)
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	struct span doc;
	int r = -1;

	*k = (struct kept)KEPT_INIT;
	if (access(path, F_OK) == -1 && errno == ENOENT)
		return 0;
	if (buf_load(&text, path, f) == -1)
		goto out;
	if (span_parse(&doc, text.data, text.len, f) == -1 ||
	    json_string(&doc, "name", JSON_NEED, &k->name, f) == -1 ||
	    json_string(&doc, "inputs", JSON_NEED, &k->inputs, f) == -1 ||
	    json_string(&doc, "snapshotId", JSON_NEED, &k->snapshot, f) == -1)
		fail_in(f, path);
	else
		r = 1;
out:
	if (r == -1)
		kept_free(k);
	buf_free(&text);
	return r;
}

int
kept_save(const struct kept *k, const char *path, struct fail *f)
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX);
	struct jout j = JOUT_INIT(&text);
	int r = -1;

	jout_object(&j);
	jout_member(&j, "name", k->name);
	jout_member(&j, "inputs", k->inputs);
	jout_member(&j, "snapshotId", k->snapshot);
	jout_close(&j);
	if (jout_end(&j, f) == 0 && buf_adds(&text, "\n", f) == 0)
		r = buf_save(&text, path, f);
	buf_free(&text);
	return r;
}

void
kept_free(struct kept *k)
{
	free(k->name);
	free(k->inputs);
	free(k->snapshot);
	*k = (struct kept)KEPT_INIT;
}
