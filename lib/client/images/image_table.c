#include <stdio.h>
#include <stdlib.h>

#include "client/images/image_table.h"
#include "core/json.h"
#include "core/quote.h"
#include "core/utf8.h"

static const struct column {
	const char	*head;
	const char	*member;
	bool		 bytes;		/* a size */
} columns[] = {
	{ "NAME", "name", false },
	{ "KIND", "rootfsNodeKind", false },
	{ "DISK", "rootfsDiskBytes", true },
	{ "SIZE", "snapshotSizeBytes", true },
	{ "CREATED", "createdAt", false },
	{ "ID", "id", false },
};
#define COLUMNS	(sizeof(columns) / sizeof(columns[0]))

/* A cell that is wider moves its line only, not all the others'. */
#define WIDTH_MAX	40

/* How many characters. */
static size_t
width(const struct buf *b)
{
	const char *p = b->data;
	size_t left = b->len, n = 0, len;
	uint32_t rune;

	for (; left > 0; p += len, left -= len, n++)
		if ((len = utf8_rune(p, left, &rune)) == 0)
			len = 1;
	return n;
}

/* 10G, 1.4M, 17B: as short as a size can be said. */
static int
add_size(struct buf *b, uint64_t n, struct fail *f)
{
	static const char units[] = "BKMGTPE";
	uint64_t unit = 1;
	size_t i = 0;

	while (n / unit >= 1024) {
		unit *= 1024;
		i++;
	}
	if (n % unit == 0)
		return buf_addf(b, f, "%ju%c", (uintmax_t)(n / unit),
		    units[i]);
	return buf_addf(b, f, "%.1f%c", (double)n / (double)unit, units[i]);
}

static int
cell(struct buf *b, const struct column *c, const struct span *image,
    struct fail *f)
{
	struct buf text = BUF_INIT(BUF_DOC_MAX);
	struct span value;
	struct fail odd;
	uint64_t n;
	int r;

	buf_clear(b);
	if (span_get(image, c->member, &value, &odd) != 1)
		return buf_adds(b, "-", f);
	if (c->bytes)
		return json_digits(&value, &n) == 0 ? add_size(b, n, f) :
		    buf_adds(b, "-", f);
	if (!span_is_string(&value))
		return buf_adds(b, "-", f);
	if ((r = span_string(&value, &text, f)) == 0)
		r = text.len == 0 ? buf_adds(b, "-", f) :
		    quote_add(b, text.data, text.len, f);
	buf_free(&text);
	return r;
}

/* One line; the last cell has nothing behind it. */
static int
pad(struct buf *out, const struct buf *text, size_t i, const size_t *wide,
    struct fail *f)
{
	size_t n = width(text);

	if (buf_add(out, text->data, text->len, f) == -1)
		return -1;
	if (i == COLUMNS - 1)
		return buf_adds(out, "\n", f);
	return buf_addf(out, f, "%*s", (int)(2 + (n < wide[i] ?
	    wide[i] - n : 0)), "");
}

static int
measure(const struct image_list *l, size_t *wide, struct buf *text,
    struct fail *f)
{
	struct span image;
	size_t i, c, n;

	for (c = 0; c < COLUMNS; c++) {
		buf_clear(text);
		if (buf_adds(text, columns[c].head, f) == -1)
			return -1;
		wide[c] = width(text);
	}
	for (i = 0; i < l->n; i++) {
		image = image_list_item(l, i);
		for (c = 0; c < COLUMNS; c++) {
			if (cell(text, &columns[c], &image, f) == -1)
				return -1;
			n = width(text);
			if (n > wide[c])
				wide[c] = n < WIDTH_MAX ? n : WIDTH_MAX;
		}
	}
	return 0;
}

int
image_table(const struct image_list *l, struct buf *out, struct fail *f)
{
	struct buf text = BUF_INIT(BUF_DOC_MAX);
	size_t wide[COLUMNS], i, c;
	struct span image;
	int r = -1;

	if (measure(l, wide, &text, f) == -1)
		goto out;
	for (c = 0; c < COLUMNS; c++) {
		buf_clear(&text);
		if (buf_adds(&text, columns[c].head, f) == -1 ||
		    pad(out, &text, c, wide, f) == -1)
			goto out;
	}
	for (i = 0; i < l->n; i++) {
		image = image_list_item(l, i);
		for (c = 0; c < COLUMNS; c++)
			if (cell(&text, &columns[c], &image, f) == -1 ||
			    pad(out, &text, c, wide, f) == -1)
				goto out;
	}
	r = 0;
out:
	buf_free(&text);
	return r;
}

int
image_array(const struct image_list *l, struct buf *out, struct fail *f)
{
	struct span image;
	size_t i;

	if (buf_adds(out, "[", f) == -1)
		return -1;
	for (i = 0; i < l->n; i++) {
		image = image_list_item(l, i);
		if ((i > 0 && buf_adds(out, ",\n", f) == -1) ||
		    buf_add(out, image.at, image.len, f) == -1)
			return -1;
	}
	return buf_adds(out, "]\n", f);
}
