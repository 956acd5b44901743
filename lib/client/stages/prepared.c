#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "client/stages/prepared.h"
#include "core/json.h"
#include "core/private.h"

/*
 * Upstream puts the build id into a URL's path as it is
 * (tl-wire(7), "Prepare").  So do we, and therefore refuse one that would make
 * another path of it.
 */
static int
check_build_id(const char *id, struct fail *f)
{
	const unsigned char *p;
	char shown[80];

	if (*id == '\0')
		return fail_set(f, EX_DATAERR, "buildId: empty");
	for (p = (const unsigned char *)id; *p != '\0'; p++)
		if (*p <= ' ' || *p >= 0x7f || strchr("/\\?#%", *p) != NULL)
			break;
	if (*p != '\0' || strcmp(id, ".") == 0 || strcmp(id, "..") == 0)
		return fail_set(f, EX_DATAERR, "buildId: \"%s\" cannot stand "
		    "in a URL's path", fail_show(shown, sizeof(shown), id, 60));
	return 0;
}

static int
read_builder(struct prepared *p, struct fail *f)
{
	struct span b;

	if (json_sub(&p->doc, "builder", JSON_NEED, '{', &b, f) == -1)
		return -1;
	if (json_string(&b, "image", JSON_NEED, &p->builder.image, f) == -1 ||
	    json_string(&b, "command", JSON_NEED, &p->builder.command, f)
	    == -1 ||
	    json_double(&b, "cpus", JSON_NEED, &p->builder.cpus, f) == -1 ||
	    json_i64(&b, "memoryMb", JSON_NEED, &p->builder.memory_mb, f)
	    == -1 ||
	    json_u64(&b, "diskMb", JSON_NEED, &p->builder.disk_mb, f) == -1)
		return fail_in(f, "builder");
	return 0;
}

static int
read_parent(struct prepared *p, struct fail *f)
{
	int r;

	if ((r = json_sub(&p->doc, "parent", JSON_MAY, '{', &p->parent, f))
	    != 1)
		return r;
	p->has_parent = true;
	if (json_string(&p->parent, "parentManifestUri", JSON_NEED,
	    &p->parent_uri, f) == -1)
		return fail_in(f, "parent");
	if ((r = json_u64(&p->parent, "rootfsDiskBytes", JSON_MAY,
	    &p->parent_disk_bytes, f)) == -1)
		return fail_in(f, "parent");
	p->has_parent_disk = r == 1;
	return 0;
}

/* Entries are read where they are signed; here, only whether there are any. */
static int
read_local_images(struct prepared *p, struct fail *f)
{
	int r;

	if ((r = span_get(&p->doc, "additionalLocalImages", &p->local_images,
	    f)) == -1)
		return -1;
	p->has_local_images = r == 1 && span_is_array(&p->local_images);
	return 0;
}

static int
read_all(struct prepared *p, const struct buf *text, struct fail *f)
{
	if (text->len == 0)
		return fail_set(f, EX_DATAERR, "empty");
	if (span_parse(&p->doc, text->data, text->len, f) == -1)
		return -1;
	if (!span_is_object(&p->doc))
		return fail_set(f, EX_DATAERR, "not a JSON object");
	if (json_string(&p->doc, "buildId", JSON_NEED, &p->build_id, f) == -1 ||
	    check_build_id(p->build_id, f) == -1 ||
	    json_string(&p->doc, "snapshotId", JSON_NEED, &p->snapshot_id, f)
	    == -1 ||
	    json_string(&p->doc, "rootfsNodeKind", JSON_NEED, &p->node_kind, f)
	    == -1 ||
	    read_builder(p, f) == -1 ||
	    json_string(&p->doc, "snapshotRelPath", JSON_MAY, &p->rel_path, f)
	    == -1 ||
	    json_string(&p->doc, "snapshotUri", JSON_MAY, &p->snapshot_uri, f)
	    == -1)
		return -1;
	if (read_parent(p, f) == -1)
		return -1;
	return read_local_images(p, f);
}

int
prepared_parse(struct prepared *p, const struct buf *text, int bad,
    struct fail *f)
{
	*p = (struct prepared)PREPARED_INIT;
	if (read_all(p, text, f) == 0)
		return 0;
	prepared_free(p);
	if (f->status == EX_DATAERR)
		f->status = bad;
	return -1;
}

int
prepared_load(struct prepared *p, struct buf *text, const char *path,
    struct fail *f)
{
	const char *name = strcmp(path, "-") == 0 ? "stdin" : path;

	private_hold();
	if (buf_load(text, path, f) == -1)
		return -1;
	/* A stage that failed before this one looks like an empty file. */
	if (text->len == 0)
		return fail_set(f, EX_DATAERR,
		    "%s: empty, expected a prepared answer", name);
	if (prepared_parse(p, text, EX_DATAERR, f) == -1)
		return fail_in(f, name);
	return 0;
}

void
prepared_free(struct prepared *p)
{
	free(p->build_id);
	free(p->snapshot_id);
	free(p->node_kind);
	free(p->builder.image);
	free(p->builder.command);
	free(p->rel_path);
	free(p->snapshot_uri);
	free(p->parent_uri);
	*p = (struct prepared)PREPARED_INIT;
}
