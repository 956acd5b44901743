#ifndef TL_TESTS_TREE_H
#define TL_TESTS_TREE_H

/* For tests in C: a folder goes, with all that is in it. */

#include <sys/stat.h>

#include <ftw.h>
#include <stdio.h>

static inline int
tree_remove_one(const char *path, const struct stat *st, int type,
    struct FTW *w)
{
	(void)st;
	(void)type;
	(void)w;
	return remove(path);
}

static inline void
tree_remove(const char *root)
{
	nftw(root, tree_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#endif
