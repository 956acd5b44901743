#include <stddef.h>
#include <stdint.h>

#include "region/runtime/rootless.h"
#include "region/runtime/space.h"
#include "unit.h"

static const struct {
	const char	*what, *map;
	uint32_t	 first, n;
} rows[] = {
	{ "root of the machine", "         0          0 4294967295\n",
	    SPACE_WIDE_BASE, (UINT32_MAX - SPACE_WIDE_BASE) / SPACE_IDS },
	{ "what Debian gives a user", "0 1000 1\n1 100000 65536\n", 1, 1 },
	{ "one id less", "0 1000 1\n1 100000 65535\n", 1, 0 },
	{ "twice as many", "0 1000 1\n1 100000 131072\n", 1, 2 },
	{ "two ranges in a row, in any order",
	    "32769 300000 32768\n0 1000 1\n1 100000 32768\n", 1, 1 },
	{ "two ranges with a gap",
	    "0 1000 1\n1 100000 32768\n32770 300000 32768\n", 1, 0 },
	{ "a container", "0 100000 65536\n", 1, 0 },
	{ "a container with one more", "0 100000 65537\n", 1, 1 },
	{ "a container, root's first id", "0 100000 65536\n", SPACE_WIDE_BASE, 0 },
	{ "no map yet", "", 1, 0 },
	{ "no map at all", "\n\nx\n", 1, 0 },
};

int
main(void)
{
	uint32_t n;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		n = rootless_ids_in(rows[i].map, rows[i].first);
		UNIT_CHECK(n == rows[i].n, "%s: %u", rows[i].what, n);
	}
	return unit_end();
}
