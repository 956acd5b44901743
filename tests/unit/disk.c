/*
 * build/disk: sizes and part counts, by the table of
 * tl-wire(7), "Disk sizes and part count"
 */

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "client/stages/disk.h"
#include "unit.h"

static struct fail f;

static int
bytes(const char *doc, const uint64_t *mb, uint64_t *out)
{
	struct span s;

	if (span_parse(&s, doc, strlen(doc), &f) == -1)
		abort();
	return disk_bytes(&s, mb, out, &f);
}

static void
check(const char *prepared, uint64_t n, const char *want)
{
	struct span s;
	int r = span_parse(&s, prepared, strlen(prepared), &f) == 0 ?
	    disk_check(&s, n, &f) : 1;

	UNIT_CHECK(want == NULL ? r == 0 : r == -1 && f.status == EX_USAGE &&
	    strstr(f.msg, want) != NULL, "fits: %s",
	    want == NULL ? "yes" : want);
}

static void
doubt(uint64_t n, const char *want)
{
	char text[DISK_DOUBT];
	const char *got = disk_doubt(n, text);

	UNIT_CHECK(want == NULL ? got == NULL : got != NULL &&
	    strstr(got, want) != NULL, "doubt: %s",
	    want == NULL ? "none" : want);
}

int
main(void)
{
	static const struct {
		uint64_t	mb;
		unsigned	parts;
		bool		clamped;
	} table[] = {
		{ 0, 1, false }, { 1, 1, false }, { 64, 1, false },
		{ 65, 2, false }, { 10240, 160, false },
		{ 639999, 10000, false }, { 640000, 10000, false },
		{ 640001, 10000, true }, { 4294967295, 10000, true },
		{ UINT64_MAX / DISK_MIB, 10000, true },
	};
	static const char *const wrong[] = {
		"{\"parent\":{}}", "{\"parent\":{\"rootfsDiskBytes\":null}}",
		"{\"parent\":{\"rootfsDiskBytes\":-1}}",
		"{\"parent\":{\"rootfsDiskBytes\":1.0}}",
		"{\"parent\":{\"rootfsDiskBytes\":1e3}}",
		"{\"parent\":{\"rootfsDiskBytes\":\"5\"}}",
		"{\"parent\":{\"rootfsDiskBytes\":18446744073709551616}}",
		"{\"parent\":{\"rootfsDiskBytes\":99999999999999999999}}",
		"{\"parent\":[]}", "{\"parent\":\"x\"}",
		"{\"parent\":null,\"parent\":null}",
		"{\"parent\":{\"rootfsDiskBytes\":1,\"rootfsDiskBytes\":1}}",
	};
	uint64_t n, mb = 7;
	bool clamped;
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		mb = table[i].mb;
		UNIT_CHECK(bytes("{}", &mb, &n) == 0 && n == mb * DISK_MIB &&
		    disk_mb(n) == mb &&
		    disk_parts(n, &clamped) == table[i].parts &&
		    clamped == table[i].clamped, "%ju MB: %u parts",
		    (uintmax_t)mb, table[i].parts);
	}
	UNIT_CHECK(disk_parts(67108865, NULL) == 2, "67,108,865 bytes: 2");
	UNIT_CHECK(disk_parts(UINT64_MAX, &clamped) == 10000 && clamped,
	    "2^64-1 bytes");
	UNIT_CHECK(disk_mb(UINT64_MAX) == UINT64_C(17592186044416),
	    "2^64-1 bytes in MB");

	mb = UINT64_MAX / DISK_MIB + 1;
	UNIT_CHECK(bytes("{}", &mb, &n) == -1 && f.status == EX_USAGE,
	    "a product over 2^64-1");
	mb = 7;
	UNIT_CHECK(bytes("{\"parent\":{\"rootfsDiskBytes\":5}}", &mb, &n) ==
	    0 && n == 7 * DISK_MIB, "the option wins over the parent");
	UNIT_CHECK(bytes("{\"parent\":{}}", &mb, &n) == 0,
	    "and makes up for a parent without a size");
	UNIT_CHECK(bytes("{\"parent\":{\"rootfsDiskBytes\":0}}", NULL, &n) ==
	    0 && n == 0, "the parent's size, even 0");
	UNIT_CHECK(bytes("{\"parent\":{\"rootfsDiskBytes\":"
	    "18446744073709551615}}", NULL, &n) == 0 && n == UINT64_MAX,
	    "the parent's size, up to 2^64-1");
	UNIT_CHECK(bytes("{}", NULL, &n) == 0 && n == 10737418240 &&
	    bytes("{\"parent\":null}", NULL, &n) == 0 && n == 10737418240,
	    "no parent: 10,240 MB");
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		UNIT_CHECK(bytes(wrong[i], NULL, &n) == -1 &&
		    f.status == EX_DATAERR && strstr(f.msg, "parent") != NULL,
		    "refuses %s", wrong[i]);
	doubt(1, NULL);
	doubt(640000 * DISK_MIB, NULL);
	doubt(640000 * DISK_MIB + 1, "10000 parts of 64 MB hold less");
	check("{}", 1, NULL);
	check("{\"parent\":{}}", 1, NULL);
	check("{\"parent\":{\"rootfsDiskBytes\":8388608}}", 8 * DISK_MIB,
	    NULL);
	check("{\"parent\":{\"rootfsDiskBytes\":8388608}}", 7 * DISK_MIB,
	    "--disk-mb 7: smaller than the parent image's 8;");
	return unit_end();
}
