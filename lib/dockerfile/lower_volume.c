#include <string.h>

#include "core/json.h"
#include "core/span.h"
#include "dockerfile/lower_volume.h"
#include "dockerfile/lower_words.h"

/* One word's value, as an older reader takes it. */
static int
put(struct lowering *l, struct jout *j, const struct buf *word)
{
	struct buf value = BUF_INIT(BUF_SMALL_MAX), text = BUF_INIT(
	    BUF_SMALL_MAX);
	bool known, sure;
	int ret = lower_value(l, word->data, word->len, &value, &known, &sure);

	if (ret == 0)
		ret = sure ? lower_quoted(l, value.data, value.len, false,
		    &text) : lower_words(l, word->data, word->len, &text);
	if (ret == 0)
		jout_stringn(j, text.len > 0 ? text.data : "", text.len);
	buf_free(&value);
	buf_free(&text);
	return ret;
}

int
lower_volume(struct lowering *l, const struct instruction *i)
{
	struct buf text = BUF_INIT(BUF_SMALL_MAX), word = BUF_INIT(
	    BUF_SMALL_MAX);
	struct jout j = JOUT_INIT(&text);
	const char *p = i->rest, *at, *pos = NULL;
	bool json, texts;
	struct span list, v;
	size_t n;
	int ret = 0;

	json = dockerfile_json(p, &texts, &n) && texts;
	if (json)
		ret = span_parse(&list, p, strlen(p), l->f);
	jout_array(&j);
	while (ret == 0) {
		buf_clear(&word);
		if (json ? !span_next(&list, &pos, NULL, &v) :
		    (n = dockerfile_word(&p, &at)) == 0)
			break;
		ret = json ? span_string(&v, &word, l->f) :
		    buf_add(&word, at, n, l->f);
		if (ret == 0)
			ret = put(l, &j, &word);
	}
	jout_close(&j);
	if (ret == 0)
		ret = jout_end(&j, l->f);
	if (ret == 0)
		ret = texts_add(&l->s->volume, text.data, text.len, l->f);
	buf_free(&text);
	buf_free(&word);
	return ret;
}
