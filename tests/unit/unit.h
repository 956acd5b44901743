#ifndef TL_TESTS_UNIT_H
#define TL_TESTS_UNIT_H

/* TAP from C: UNIT_CHECK(condition, "what"), then return unit_end(). */

#include <stdio.h>

static int unit_n, unit_failed;

#define UNIT_CHECK(cond, ...) do {					\
	int unit_ok_ = (cond) ? 1 : 0;					\
	printf("%sok %d - ", unit_ok_ ? "" : "not ", ++unit_n);		\
	printf(__VA_ARGS__);						\
	printf("\n");							\
	if (!unit_ok_) {						\
		unit_failed++;						\
		printf("#   %s:%d: %s\n", __FILE__, __LINE__, #cond);	\
	}								\
} while (0)

static inline int
unit_end(void)
{
	printf("1..%d\n", unit_n);
	return unit_failed != 0;
}

#endif
