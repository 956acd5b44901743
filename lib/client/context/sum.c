#include <string.h>

#include "client/context/sum.h"

_Static_assert(UMAC_KEY_SIZE == SUM_SIZE, "a key is as long as a sum");

/* Seconds; FAT keeps every other one. */
#define SETTLED	2

static const uint8_t nonce[UMAC_MIN_NONCE_SIZE];

void
sum_init_key(struct sum *s, const uint8_t *key)
{
	umac128_set_key(&s->umac, key);
	umac128_set_nonce(&s->umac, sizeof(nonce), nonce);
}

void
sum_init(struct sum *s)
{
	static const uint8_t key[UMAC_KEY_SIZE];

	sum_init_key(s, key);
}

/* In an order of bytes that is the same on all machines. */
static void
sum_number(struct sum *s, uint64_t v)
{
	uint8_t b[8];
	size_t i;

	for (i = 0; i < sizeof(b); i++, v >>= 8)
		b[i] = (uint8_t)v;
	sum_bytes(s, b, sizeof(b));
}

/* With its NUL, so that it is known where it ends. */
static void
sum_string(struct sum *s, const char *string)
{
	sum_bytes(s, string, strlen(string) + 1);
}

static void
sum_extents(struct sum *s, const struct extents *e)
{
	size_t i;

	for (i = 0; e != NULL && i < e->n; i++) {
		sum_number(s, e->list[i].at);
		sum_number(s, e->list[i].len);
	}
}

void
sum_entry(struct sum *s, const struct tar_entry *e)
{
	sum_number(s, (uint64_t)e->type);
	sum_number(s, e->mode & 07777);
	sum_number(s, e->type == TAR_FOLDER ? 0 : (uint64_t)e->mtime);
	sum_number(s, e->size);
	sum_string(s, e->name);
	sum_string(s, e->target != NULL ? e->target : "");
}

void
sum_file(struct sum *s, const struct tar_entry *e,
    const uint8_t alone[SUM_SIZE])
{
	sum_entry(s, e);
	sum_bytes(s, alone, SUM_SIZE);
}

void
sum_alone(struct sum *s, const struct tar_entry *e)
{
	/* The sum before has counted it up. */
	umac128_set_nonce(&s->umac, sizeof(nonce), nonce);
	sum_number(s, (uint64_t)e->type);
	sum_number(s, e->mode & 07777);
	sum_number(s, e->size);
	sum_string(s, e->target != NULL ? e->target : "");
	sum_number(s, e->extents != NULL ? e->extents->n : 0);
	sum_extents(s, e->extents);
}

static void
sum_time(struct sum *s, const struct timespec *t)
{
	sum_number(s, (uint64_t)t->tv_sec);
	sum_number(s, (uint64_t)t->tv_nsec);
}

void
sum_stamp(struct sum *s, const struct stat *st, uint8_t out[STAMP_SIZE])
{
	umac128_set_nonce(&s->umac, sizeof(nonce), nonce);
	sum_number(s, st->st_ino);
	sum_number(s, (uint64_t)st->st_size);
	sum_time(s, &st->st_mtim);
	sum_time(s, &st->st_ctim);
	umac128_digest(&s->umac, STAMP_SIZE, out);
}

bool
sum_settled(const struct stat *st, int64_t begun_ms)
{
	return st->st_ctim.tv_sec < begun_ms / 1000 - SETTLED;
}

void
sum_bytes(struct sum *s, const void *p, size_t n)
{
	umac128_update(&s->umac, n, p);
}

void
sum_end(struct sum *s, uint8_t out[SUM_SIZE])
{
	umac128_digest(&s->umac, SUM_SIZE, out);
}
