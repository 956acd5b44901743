#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <sys/tree.h>

#include "region/store/objects_impl.h"

/* In the order of S3's lists: keys by their bytes, then ids. */
static int
item_order(const struct index_item *a, const struct index_item *b)
{
	int d = strcmp(a->entry.key, b->entry.key);

	return d != 0 ? d : strcmp(a->entry.id, b->entry.id);
}

RB_GENERATE_INTERNAL(index, index_item, node, item_order,
    __attribute__((unused)) static)

struct bucket *
objects_bucket_find(const struct objects *o, const char *name)
{
	size_t i;

	for (i = 0; i < o->nbuckets; i++)
		if (strcmp(o->buckets[i].name, name) == 0)
			return &o->buckets[i];
	return NULL;
}

struct index_item *
objects_item(const struct object *b, bool upload, struct fail *f)
{
	struct index_item *i = calloc(1, sizeof(*i));

	if (i == NULL || (i->entry.key = strdup(b->key)) == NULL) {
		free(i);
		fail_set(f, EX_OSERR, "out of memory");
		return NULL;
	}
	memcpy(i->entry.etag, b->etag, sizeof(i->entry.etag));
	/* Of objects with the same key there is one, so no id tells them. */
	if (upload)
		memcpy(i->entry.id, b->data, sizeof(i->entry.id));
	i->entry.size = b->size;
	i->entry.modified_ms = b->modified_ms;
	return i;
}

void
objects_item_free(struct index_item *i)
{
	if (i != NULL)
		free(i->entry.key);
	free(i);
}

void
objects_index_put(struct index *x, struct index_item *i)
{
	struct index_item *old = RB_FIND(index, x, i);

	if (old != NULL) {
		RB_REMOVE(index, x, old);
		objects_item_free(old);
	}
	RB_INSERT(index, x, i);
}

static struct index_item
probe(const char *key, const char *id)
{
	struct index_item i = { .entry = { .key = (char *)(uintptr_t)key } };

	strncpy(i.entry.id, id, sizeof(i.entry.id) - 1);
	return i;
}

void
objects_index_remove(struct index *x, const char *key, const char *id)
{
	struct index_item want = probe(key, id), *i;

	if ((i = RB_FIND(index, x, &want)) != NULL) {
		RB_REMOVE(index, x, i);
		objects_item_free(i);
	}
}

void
objects_index_free(struct index *x)
{
	struct index_item *i;

	while ((i = RB_ROOT(x)) != NULL) {
		RB_REMOVE(index, x, i);
		objects_item_free(i);
	}
}

/* How much of a key is the prefix it is grouped under; 0: it is not. */
static size_t
group_len(const struct objects_query *q, const char *key)
{
	const char *p;

	if (*q->delimiter == '\0')
		return 0;
	p = strstr(key + strlen(q->prefix), q->delimiter);
	return p == NULL ? 0 : (size_t)(p - key) + strlen(q->delimiter);
}

/* The first that is not in a group.  No key has the byte 0xff: it is UTF-8. */
static struct index_item *
behind_group(struct index *x, const char *group, size_t n)
{
	char end[OBJECTS_KEY_MAX + 2];
	struct index_item want;

	memcpy(end, group, n);
	end[n] = '\xff';
	end[n + 1] = '\0';
	want = probe(end, "");
	return RB_NFIND(index, x, &want);
}

static struct index_item *
first(struct index *x, const struct objects_query *q)
{
	struct index_item want = probe(q->prefix, ""), *i;
	size_t n = strlen(q->prefix), after = strlen(q->after);

	if (after > OBJECTS_KEY_MAX)
		return NULL;
	if (strcmp(q->after, q->prefix) < 0 || after == 0)
		return RB_NFIND(index, x, &want);
	/* A group that was given is passed as a whole. */
	if (strncmp(q->after, q->prefix, n) == 0 &&
	    group_len(q, q->after) == after)
		return behind_group(x, q->after, after);
	/* Without an id, behind all of that key: '~' is behind any digit. */
	want = probe(q->after, *q->after_id == '\0' ? "~" : q->after_id);
	i = RB_NFIND(index, x, &want);
	return i == NULL || item_order(i, &want) != 0 ? i :
	    RB_NEXT(index, x, i);
}

int
objects_index_list(struct index *x, const struct objects_query *q,
    struct objects_entry *list, size_t *n, bool *more, struct fail *f)
{
	struct index_item *i = first(x, q);
	struct objects_entry *e;
	size_t group, len = strlen(q->prefix);

	*more = false;
	for (*n = 0; i != NULL && strncmp(i->entry.key, q->prefix, len) == 0;
	    ) {
		if (*n == q->max) {
			*more = q->max > 0;
			break;
		}
		group = group_len(q, i->entry.key);
		e = &list[*n];
		*e = i->entry;
		e->group = group > 0;
		e->key = group > 0 ? strndup(i->entry.key, group) :
		    strdup(i->entry.key);
		if (e->key == NULL)
			return fail_set(f, EX_OSERR, "out of memory");
		++*n;
		i = group > 0 ? behind_group(x, e->key, group) :
		    RB_NEXT(index, x, i);
	}
	return 0;
}
