#!/bin/sh
# tl.sh: what tl.mk runs
#
#	tl.sh look|image|plan NAME=VALUE... [-- PREREQUISITE...]
#
# tl_build, flags, tl_context, tl_plan and view are a Makefile's words for a
# shell; all else is a name as it is.

set -eu

do=$1
shift
while [ "$#" -gt 0 ] && [ "$1" != -- ]; do
	eval "${1%%=*}=\${1#*=}"
	shift
done
[ "$#" -eq 0 ] || shift
# No name is an option.
case ${file-} in -*) file=./$file ;; esac
case ${stamp_file-} in -*) stamp_file=./$stamp_file ;; esac
case $context in -*) context=./$context ;; esac

die () {
	printf 'tl.mk: %s\n' "$*" >&2
	exit 64
}

# The work folder, its mark, which keeps it out of any context, and the list of
# all targets, which are in none either: each build changes them.
begin () {
	# shellcheck disable=SC3013
	[ ! "$work" -ef "${context:-$(dirname "$file")}" ] ||
	    die "TL_WORK=$work: is the context; name a folder in it"
	if [ ! -e "$work/targets" ]; then
		mkdir -p "$work"
		echo 'keys and signed URLs' >"$work/.tl-private"
		: >>"$work/targets"
	fi
	export TL_LEAVE_OUT="$work/targets"
	for line in ${target+"$target" "$target.part"}; do
		grep -qxF -e "$line" "$work/targets" ||
		    echo "$line" >>"$work/targets"
	done
}

# digest FILE: of the context, as it is
digest () {
	eval "env $view $tl_context" --list --digest '"$1"' \
	    ${file:+-f '"$file"'} '"$context"' >/dev/null
}

# A build folder that was begun with other words is of another build, and one
# whose image is older than what it depends on has nothing to give any more.
# What they have left elsewhere is in their ledgers.
old () {
	[ -e "$folder/command" ] && [ ! -e "$folder/ledger" ] || return 1
	[ "$(cat "$folder/words" 2>/dev/null)" = "$words" ] || return 0
	[ -e "$folder/template.json" ] && [ -n "$(find -L "$@" -prune \
	    -newer "$folder/template.json" 2>&1)" ]
}

# What the digest is of must be what is sent: by the same ignore file.
same_ignore () {
	[ -n "$stamp" ] && [ "$stamp_file" != "$file" ] || return 0
	[ -e "$stamp_file.dockerignore" ] || [ -e "$file.dockerignore" ] ||
	    return 0
	# shellcheck disable=SC3013
	[ "$stamp_file.dockerignore" -ef "$file.dockerignore" ] ||
	    die "$target: another ignore file counts for $file: write" \
	    "\$(call tl-context,$context,$file)"
}

# pass SIGNAL: make's are for the build; one in the background has no SIGINT
pass () {
	[ -n "$child" ] || exit 143
	kill -s "$1" "$child" 2>/dev/null || :
}

build () {
	child=''
	trap 'pass TERM' INT QUIT TERM
	trap 'pass HUP' HUP
	if [ -e "$folder/command" ]; then
		eval "exec $tl_build" --resume '"$folder"' >/dev/null &
	else
		# Several at once are told apart by the name before each line.
		eval "exec $tl_build --label" '"$name"' --if-changed \
		    --state '"$folder.state"' "$flags" \
		    -n '"$name"' --work '"$folder"' \
		    '"$file"' ${context:+'"$context"'} >/dev/null &
	fi
	child=$!
	while status=0; wait "$child" || status=$?
	    [ "$status" -gt 128 ] && kill -0 "$child" 2>/dev/null; do
		:
	done
	[ "$status" -eq 0 ] || exit "$status"
}

# What was sent may be newer than what make saw when it began, such as a file
# that it has made since.  If it still is what is there, no other build is due.
sent () {
	sent=$folder/context.digest
	[ -n "$stamp" ] && [ -e "$sent" ] || return 0
	[ -n "$unknown" ] || ! cmp -s "$sent" "$stamp" || return 0
	if ! digest "$folder/now"; then
		echo "tl.mk: $target: that will build it again each time" >&2
	elif cmp -s "$folder/now" "$sent"; then
		# As old as what was sent: another target that was made of the
		# same meanwhile may be there already, and is not due again.
		touch -r "$sent" "$folder/now"
		mv "$folder/now" "$stamp"
	fi
}

case $do in
look)
	(begin && digest "$stamp") >/dev/null 2>&1 && echo known ;;
image)
	begin
	same_ignore
	words="$name $file $context $flags"
	if old "$@"; then
		rm -rf "$folder"
	fi
	mkdir -p "$folder"
	: >>"$folder/.tl-private"
	printf '%s\n' "$words" >"$folder/words"
	build
	sent
	cp "$folder/template.json" "$target.part"
	mv "$target.part" "$target"
	[ -e "$folder/ledger" ] || rm -rf "$folder" ;;
plan)
	begin
	eval "$tl_plan" -n '"$name"' -f '"$file"' '"$context"' >"$target.part"
	mv "$target.part" "$target" ;;
esac
