#include <nettle/md5.h>
#include <stdlib.h>
#include <string.h>

#include "build/md5x8.h"
#include "unit.h"

/* Eight messages against nettle's MD5, whose state is compared word by word. */
int
main(void)
{
	enum { SIZE = 64 * 37 };
	unsigned char *m = malloc(8 * (SIZE + 1));
	const unsigned char *p[8];
	struct md5_ctx ctx;
	uint32_t state[4][8];
	unsigned i, k, blocks;

	if (m == NULL)
		return 1;
	for (i = 0; i < 8 * (SIZE + 1); i++)
		m[i] = (unsigned char)(i * 2654435761U >> 13);
	for (blocks = 0; blocks <= 37; blocks += blocks < 3 ? 1 : 17) {
		md5x8_init(state);
		for (k = 0; k < 8; k++)
			p[k] = m + k * (SIZE + 1);	/* not aligned */
		md5x8_blocks(state, p, blocks);
		for (k = 0; k < 8; k++) {
			int same = 1;

			md5_init(&ctx);
			md5_update(&ctx, blocks * 64, p[k]);
			for (i = 0; i < 4; i++)
				same &= ctx.state[i] == state[i][k];
			UNIT_CHECK(same, "lane %u after %u blocks", k, blocks);
		}
	}
	free(m);
	return unit_end();
}
