#!/bin/sh
# cover.sh BUILD: of each file of lib that was compiled there with --coverage and
# run, how many of its lines were, in percent; the least first

cd "$(dirname "$0")/.." || exit
find "$1/lib" -name '*.gcno' | while read -r notes; do
	source=${notes#"$1/"} source=${source%.gcno}.c
	gcov -n -o "$notes" "$source" 2>/dev/null | sed -n "
	    \\,^File '$source'\$, {
		n
		s,^Lines executed:\\([0-9.]*\\)% of \\([0-9]*\\),\\1 \\2 $source,p
	    }"
done | sort -n | awk '{ printf "%6.2f%% of %4d lines  %s\n", $1, $2, $3 }'
