/*
 * What a fuzz target has besides LLVMFuzzerTestOneInput(): MUST(), and where
 * there is no libFuzzer a main() that changes the target's own seeds at random,
 * so often: FUZZ_MAIN(seeds).  usage: TARGET [ROUNDS [SEED]]
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define MUST(what) do {							\
	if (!(what)) {							\
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); \
		abort();						\
	}								\
} while (0)

#ifdef TL_LIBFUZZER
#define FUZZ_MAIN(seeds)	extern int fuzz_main_unused
#else
static uint64_t fuzz_state;

static size_t
fuzz_below(size_t n)
{
	fuzz_state ^= fuzz_state << 13;
	fuzz_state ^= fuzz_state >> 7;
	fuzz_state ^= fuzz_state << 17;
	return n == 0 ? 0 : (size_t)(fuzz_state % n);
}

/* One change: a byte, a piece taken out, doubled, or a telling byte put in. */
static size_t
fuzz_change(char *p, size_t n, size_t room)
{
	static const char telling[] = "\0\n\r\t \"\\'%&;<>/?:=,.{}[]0-+#@\x7f\xc2"
	    "\x80\xff";
	size_t at = fuzz_below(n + 1), len = fuzz_below(n - at + 1);

	switch (fuzz_below(5)) {
	case 0:
		if (at < n)
			p[at] = (char)fuzz_below(256);
		return n;
	case 1:
		memmove(p + at, p + at + len, n - at - len);
		return n - len;
	case 2:
		if (n + len > room)
			return n;
		memmove(p + at + len, p + at, n - at);
		return n + len;
	case 3:
		if (at < n)
			p[at] ^= (char)(1 << fuzz_below(8));
		return n;
	default:
		if (n == room)
			return n;
		memmove(p + at + 1, p + at, n - at);
		p[at] = telling[fuzz_below(sizeof(telling) - 1)];
		return n + 1;
	}
}

static int
fuzz_run(int argc, char *argv[], const char *const *seeds, size_t nseeds)
{
	size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 10000, i, n;
	static char text[65536];
	size_t changes;
	uint8_t *p;

	fuzz_state = argc > 2 ? strtoul(argv[2], NULL, 10) + 1 : 698;
	for (i = 0; i < rounds + nseeds; i++) {
		n = strlen(seeds[i % nseeds]);
		memcpy(text, seeds[i % nseeds], n);
		changes = i < nseeds ? 0 : 1 + fuzz_below(6);
		while (changes-- > 0)
			n = fuzz_change(text, n, sizeof(text));
		/* At its very size, so that reading past it is seen. */
		if ((p = malloc(n > 0 ? n : 1)) == NULL)
			return 1;
		memcpy(p, text, n);
		LLVMFuzzerTestOneInput(p, n);
		free(p);
	}
	printf("%zu rounds\n", rounds);
	return fflush(stdout) == EOF;
}

#define FUZZ_MAIN(seeds)						\
int									\
main(int argc, char *argv[])						\
{									\
	return fuzz_run(argc, argv, seeds,				\
	    sizeof(seeds) / sizeof(seeds[0]));				\
}									\
extern int fuzz_main_unused
#endif
