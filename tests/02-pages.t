#!/bin/sh
# Each program has a page, each page the sections a reader looks for and the
# options that the program says, and what a page or the README refers to is there

. "${0%/*}/lib.sh"
top=${here%/*}

# long: the long options in what comes, each once
long () {
	grep -oE -- '--[a-z][a-z_-]*' | sort -u
}

# taken PROGRAM: those that its source has, but for what all have in common
taken () {
	if [ -e "$top/cmd/$1.c" ]; then
		grep -oE '"[a-z_-]+", [a-z]+_argument' "$top/cmd/$1.c" |
		    sed 's/"/--/; s/".*//'
	else
		# Patterns of case; tl-options reads the usage text itself.
		grep -oE '^[[:space:]]+-[^")]*\)' "$TL_BIN/$1" |
		    grep -oE -- '--[a-z][a-z_-]*( \||[|)])'
	fi | long
}

for program in "$TL_BIN"/*; do
	program=${program##*/}
	page=$(find "$top/man" -name "$program.[18]")
	if [ -z "$page" ]; then
		fail_ "$program has a page"
		continue
	fi
	for section in NAME SYNOPSIS DESCRIPTION 'EXIT STATUS' EXAMPLES \
	    'SEE ALSO' 'SECURITY CONSIDERATIONS'; do
		grep -qx "\.Sh $section" "$page" || echo "$section"
	done >missing
	is "$program: its page is whole" "$(cat missing)" ''
	"$program" -h >out 2>err </dev/null
	is "$program -h: status, stderr" "$? $(cat err)" '0 '
	cp out usage
	ok "$program -h says its usage" grep -q "^usage: .*$program" usage
	long <usage >said
	sed -n '/^\.It /s/Fl -/--/gp' "$page" | long >paged
	is "$program: its page lists the options of -h" "$(diff said paged)" ''
	sed -n '/^\.Sh SYN/,/^\.Sh DESC/s/Fl -/--/gp' "$page" | long |
	    comm -23 - said >others
	is "$program: its SYNOPSIS has no others" "$(cat others)" ''
	taken "$program" | comm -23 - said >others
	is "$program: it takes no others" "$(cat others)" ''
	is "$program -V" "$("$program" -V </dev/null 2>&1 |
	    sed 's/ ([0-9a-f]\{7,40\})$//')" "$program $(cat "$top/.version")"
	"$program" --no-such-option >out 2>err </dev/null
	is "$program --no-such-option: status, stdout" "$? $(cat out)" '64 '
done

# groff measures the columns of a list between such marks.
is 'no width of a list has an apostrophe' \
    "$(grep -n "^\.Bl -column.*'" "$top"/man/*)" ''
sed -n 's/^\.Xr \(tl[a-z-]*\) \([0-9]\).*/\1.\2/p; s/^.*Xr \(tl[a-z-]*\) \([0-9]\).*/\1.\2/p' \
    "$top"/man/* | sort -u |
while read -r page; do
	[ -e "$top/man/$page" ] || echo "$page"
done >missing
is 'every page that a page refers to is there' "$(cat missing)" ''
# shellcheck disable=SC2016
grep -o '`tl-[a-z-]*[` ]' "$top/README.md" | tr -d '` ' | sort -u |
while read -r program; do
	[ -x "$TL_BIN/$program" ] || echo "$program"
done >missing
is 'every program that the README names is there' "$(cat missing)" ''
is 'and it leaves none out' "$(for p in "$TL_BIN"/*; do
	grep -q "\`${p##*/}[\` ]" "$top/README.md" || echo "${p##*/}"; done)" ''

# texts LIST...: a line "FILE NAME" for each word of that form in our texts,
# where no other word or path leads up to it
texts () {
	(cd "$top" && find .ci cmd lib man scripts tests GNUmakefile README.md \
	    -type f -exec grep -HoIE "(^|[^A-Za-z0-9_./\$}~<%*-])($1)" {} +) |
	    sed 's/^\([^:]*\):[^A-Za-z0-9_]\{0,1\}/\1 /' | sort -u
}

texts '(cmd|lib|man|scripts|tests)/[A-Za-z0-9_.*/-]*[A-Za-z0-9_*]' >paths
texts '([A-Za-z0-9_.-]+/)*[A-Za-z0-9_-]+\.md\b' >>paths
texts '([A-Za-z0-9_-]+/)+[A-Za-z0-9_-]+\.(c|h|mk|py|sh|t)\b' >>paths
ok 'there are texts that name files' test "$(wc -l <paths)" -gt 100
(cd "$top" && while read -r text name; do
	case "$text $name" in
	# Tests that make trees of their own; a library's header.
	tests/12-*.t\ *|tests/13-*.t\ *|tests/88-*.t\ *|tests/unit/ignore.c\ *)
		continue ;;
	*\ curl/curl.h|*\ wslay/wslay.h) continue ;;
	# Placeholders: NN-x.t, tl-x.1, x.c.
	*/x|*/x.*|*-x.*) continue ;;
	esac
	# From the top, as it is included, beside the text; a pair by its name.
	for from in . lib tests "${text%/*}"; do
		for name_ in "$from"/$name "$from/$name.h"; do
			[ ! -e "$name_" ] || continue 3
		done
	done
	echo "$text: $name"
done) <paths >missing
is 'every file that a text names is there' "$(cat missing)" ''

texts 'tl(-[a-z0-9-]+)?\([1-8]\)' | while read -r text name; do
	page=${name%)}
	[ -e "$top/man/${page%(*}.${page#*(}" ] || echo "$text: $name"
done >missing
is 'every page that a text names is there' "$(cat missing)" ''

sed -n 's/^\.S[hs] //p' "$top/man/tl-wire.7" | sort >titles
is 'the sections of tl-wire(7) have titles of their own' \
    "$(uniq -d titles)" ''
texts 'tl-wire\(7\), *"?' | cut -d' ' -f1 | uniq | while read -r text; do
	# A comment's lines are one text.
	sed 's/^[[:space:]]*[#*/]*[[:space:]]*//' "$top/$text" | tr '\n' ' ' |
	    grep -oE 'tl-wire\(7\), *"[^"]*"(,?( and)? "[^"]*")*' |
	    grep -oE '"[^"]*"' | tr -d '"' | sed "s|^|$text: |"
done >pointers
ok 'there are comments that point to them' test -s pointers
sed -n 's/^.*Sx \([A-Z][^.,:;]*\)/man\/tl-wire.7: \1/
    s/ Ta .*//; s/ *[.,:;]*$//; /^man.tl-wire.7: /p' \
    "$top/man/tl-wire.7" >>pointers
while read -r pointer; do
	grep -Fqx "${pointer#*: }" titles || echo "$pointer"
done <pointers >missing
is 'every section of tl-wire(7) that a text names is there' \
    "$(cat missing)" ''
