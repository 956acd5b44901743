/* Typed fields out of spans, and documents written: lib/core/json.h. */

#include <sys/resource.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/json.h"
#include "unit.h"

static const char text[] =
    "{\"s\":\"a\\u00e9\\n\",\"nul\":\"a\\u0000b\",\"null\":null,"
    "\"max\":18446744073709551615,\"over\":18446744073709551616,"
    "\"neg\":-9223372036854775808,\"low\":-9223372036854775809,"
    "\"frac\":1.0,\"exp\":1e3,\"half\":0.5,\"huge\":1e400,\"t\":true,"
    "\"o\":{},\"a\":[],\"d\":1,\"d\":2,\"minus0\":-0}";

static void
reading(void)
{
	struct span doc;
	struct fail f;
	uint64_t u = 7;
	int64_t i = 7;
	double d = 7;
	bool b = false;
	char *s = NULL;
	struct span sub;

	UNIT_CHECK(span_parse(&doc, text, strlen(text), &f) == 0, "parses");
	UNIT_CHECK(json_string(&doc, "s", JSON_NEED, &s, &f) == 1 &&
	    strcmp(s, "a\xc3\xa9\n") == 0, "a string, escapes undone");
	free(s);
	s = NULL;
	UNIT_CHECK(json_string(&doc, "nul", JSON_NEED, &s, &f) == -1 &&
	    f.status == EX_DATAERR && s == NULL, "a NUL is refused");
	UNIT_CHECK(json_string(&doc, "max", JSON_MAY, &s, &f) == -1,
	    "a number is no string");
	UNIT_CHECK(json_string(&doc, "none", JSON_MAY, &s, &f) == 0 &&
	    json_string(&doc, "null", JSON_MAY, &s, &f) == 0 && s == NULL,
	    "absent or null where it may be");
	UNIT_CHECK(json_string(&doc, "none", JSON_NEED, &s, &f) == -1 &&
	    strcmp(f.msg, "none: missing") == 0, "absent: %s", f.msg);
	UNIT_CHECK(json_string(&doc, "null", JSON_NEED, &s, &f) == -1 &&
	    strcmp(f.msg, "null: null") == 0, "null: %s", f.msg);
	UNIT_CHECK(json_u64(&doc, "max", JSON_NEED, &u, &f) == 1 &&
	    u == UINT64_MAX, "2^64-1");
	UNIT_CHECK(json_u64(&doc, "over", JSON_NEED, &u, &f) == -1, "2^64");
	UNIT_CHECK(json_u64(&doc, "frac", JSON_NEED, &u, &f) == -1 &&
	    json_u64(&doc, "exp", JSON_NEED, &u, &f) == -1 &&
	    json_u64(&doc, "neg", JSON_NEED, &u, &f) == -1 &&
	    json_u64(&doc, "minus0", JSON_NEED, &u, &f) == -1,
	    "only plain digits count as a size");
	UNIT_CHECK(json_i64(&doc, "neg", JSON_NEED, &i, &f) == 1 &&
	    i == INT64_MIN, "-2^63");
	UNIT_CHECK(json_i64(&doc, "low", JSON_NEED, &i, &f) == -1, "-2^63-1");
	UNIT_CHECK(json_double(&doc, "half", JSON_NEED, &d, &f) == 1 &&
	    d == 0.5, "a fraction");
	UNIT_CHECK(json_double(&doc, "t", JSON_NEED, &d, &f) == -1,
	    "true is no number");
	UNIT_CHECK(json_bool(&doc, "t", JSON_NEED, &b, &f) == 1 && b, "true");
	UNIT_CHECK(json_sub(&doc, "o", JSON_NEED, '{', &sub, &f) == 1 &&
	    json_sub(&doc, "a", JSON_NEED, '[', &sub, &f) == 1 &&
	    json_sub(&doc, "a", JSON_NEED, '{', &sub, &f) == -1,
	    "objects and arrays");
	UNIT_CHECK(json_u64(&doc, "d", JSON_NEED, &u, &f) == -1 &&
	    strstr(f.msg, "d") != NULL, "twice is refused: %s", f.msg);
}

/* As strtod(3) has it, whichever of the two ways a number takes. */
static void
doubles(void)
{
	static const char *const texts[] = { "0", "-0", "2", "2.0", "0.1",
	    "-0.5", "1.50", "123456789012345", "999999999999.999",
	    "0.00000000000001", "1e3", "1E-3", "2.5e+2", "1e22",
	    "1234567890123456789", "0.30000000000000004" };
	char number[64];
	struct span doc;
	struct fail f;
	size_t i;
	double d;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		snprintf(number, sizeof(number), "{\"n\":%s}", texts[i]);
		UNIT_CHECK(span_parse(&doc, number, strlen(number), &f) == 0 &&
		    json_double(&doc, "n", JSON_NEED, &d, &f) == 1 &&
		    d == strtod(texts[i], NULL) &&
		    signbit(d) == signbit(strtod(texts[i], NULL)),
		    "%s is %.17g", texts[i], d);
	}
}

/*
 * A long number, for which libjq has no memory: by itself it would end the
 * program.
 */
static void
no_memory(void)
{
	struct rlimit was, low, now;
	char *number, path[] = "/proc/self/statm";
	const size_t n = 32 << 20;
	unsigned long pages = 0;
	struct span doc;
	struct fail f;
	double d;
	FILE *in = fopen(path, "r");

	/* The sanitizers have an address space of their own. */
	if (getenv("TL_ASAN") != NULL || in == NULL ||
	    fscanf(in, "%lu", &pages) != 1 ||
	    (number = malloc(n)) == NULL) {
		if (in != NULL)
			fclose(in);
		return;
	}
	fclose(in);
	memset(number, '7', n);
	memcpy(number, "{\"n\":", 5);
	number[n - 1] = '}';
	UNIT_CHECK(getrlimit(RLIMIT_AS, &was) == 0 &&
	    span_parse(&doc, number, n, &f) == 0, "a number of 32 MB");
	low = was;
	low.rlim_cur = pages * (unsigned long)sysconf(_SC_PAGESIZE) + n +
	    n / 4;
	if (setrlimit(RLIMIT_AS, &low) == -1)
		exit(1);
	/* qemu-user keeps no such limit, and says so only here. */
	if (getrlimit(RLIMIT_AS, &now) == 0 && now.rlim_cur == low.rlim_cur)
		UNIT_CHECK(json_double(&doc, "n", JSON_NEED, &d, &f) == -1 &&
		    f.status == EX_OSERR &&
		    strcmp(f.msg, "n: out of memory") == 0,
		    "is one that there is no memory for");
	setrlimit(RLIMIT_AS, &was);
	free(number);
	UNIT_CHECK(span_parse(&doc, "{\"n\":1e3}", 9, &f) == 0 &&
	    json_double(&doc, "n", JSON_NEED, &d, &f) == 1 && d == 1000,
	    "the next one is read");
}

static void
writing(void)
{
	static const char want[] = "{\"a\":\"q\\\"\\\\\\n\\u0001\xc3\xa9\","
	    "\"n\":[1,-2,2.0,0.1,1e+30,true,null,{ \"raw\" : 1.10 }],"
	    "\"e\":{},\"m\":\"x\"}";
	const char raw[] = "{ \"raw\" : 1.10 }";
	struct span span = { raw, sizeof(raw) - 1 };
	struct buf b = BUF_INIT(4096), tiny = BUF_INIT(4);
	struct jout j = JOUT_INIT(&b), k = JOUT_INIT(&tiny);
	struct fail f;

	jout_object(&j);
	jout_key(&j, "a");
	jout_string(&j, "q\"\\\n\001\xc3\xa9");
	jout_key(&j, "n");
	jout_array(&j);
	jout_u64(&j, 1);
	jout_i64(&j, -2);
	jout_double(&j, 2);
	jout_double(&j, 0.1);
	jout_double(&j, 1e30);
	jout_bool(&j, true);
	jout_null(&j);
	jout_span(&j, &span);
	jout_close(&j);
	jout_key(&j, "e");
	jout_object(&j);
	jout_close(&j);
	jout_member(&j, "absent", NULL);
	jout_member(&j, "m", "x");
	jout_close(&j);
	UNIT_CHECK(jout_end(&j, &f) == 0, "ends");
	UNIT_CHECK(b.len == strlen(want) && memcmp(b.data, want, b.len) == 0,
	    "writes %s", b.data);
	jout_array(&k);
	jout_string(&k, "too long");
	jout_close(&k);
	UNIT_CHECK(jout_end(&k, &f) == -1 && f.status == EX_DATAERR,
	    "the first failure sticks: %s", f.msg);
	buf_free(&b);
	buf_free(&tiny);
}

int
main(void)
{
	reading();
	doubles();
	no_memory();
	writing();
	return unit_end();
}
