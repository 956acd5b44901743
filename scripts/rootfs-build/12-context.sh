# The context.  A client that knows what the cache has of an earlier one sends only
# the rest, and the record of the whole (tl-context(1), "The record").  Then the
# cache's folder becomes that context.

# recorded FILE: whether it is a record, and its $key, its $id, and the id of what
# it is $since
recorded () {
	[ "$(tail -n 1 "$1" 2>/dev/null)" = end ] &&
	    read -r word version key id since _ <"$1" &&
	    [ "$word $version" = 'tl-context-record 1' ]
}

# forgotten FILE: this record, whose key is $key, says from now on that nothing is
# there.  The key stays, since the keys of steps depend on it.
forgotten () {
	printf 'tl-context-record 1 %s - -\nend\n' "$key" 2>/dev/null \
	    >"$1.part" && chmod 644 "$1.part" && mv "$1.part" "$1"
}

# uncertain: what a build leaves of its context nobody has recorded
uncertain () {
	! recorded "$context.record" || forgotten "$context.record" ||
	    rm -f "$context.record"
}

# dropped: the cache's context goes; on a full disk there is room for its record
# only then
dropped () {
	key=
	! recorded "$cache/context.record" || rm "$cache/context.record"
	rm -rf --one-file-system "$cache/context" "$cache/context.was"
	[ -z "$key" ] || forgotten "$cache/context.record"
}

# writable: whether a step may write into the context that it mounts; where a
# variable is in it, nobody can tell
writable () {
	grep -qiE -e '--mount=[^[:space:]]*(rw|readwrite|ro=|readonly=|\$)' \
	    "$work/Dockerfile"
}

# paths RECORD: sorted, as they are written there
paths () {
	cut -s -f 5 "$1" | sort
}

# extracted FOLDER
extracted () {
	tar -xzf "$unpack" --no-same-owner -p -C "$1"
}

# unpacked: the cache's folder is the context
unpacked () {
	if [ "$from" = - ]; then
		forgotten context.record && rm -rf context context.was &&
		    mkdir -m 755 context || return
	else
		forgotten context.record && paths context.was >"$work/was" ||
		    return
		# No name begins with a dash, and none is lost to a line's end.
		comm -23 "$work/was" "$work/paths" | sed 's/\\/\\0/g' |
		    while IFS= read -r path; do
			printf './%b\0' "$path"
		done | (cd context && xargs -0 -r rm -rf --) || return
	fi
	extracted context 2>/dev/null && cp "$record" context.record.part &&
	    chmod 644 context.record.part &&
	    mv context.record.part context.record && rm -f context.was
}

# elsewhere WHY: it is where it would be without a cache
elsewhere () {
	say "$1"
	rm -rf "$into" && mkdir -m 755 "$into" || return
	[ "$from" = - ] || cp -a context/. "$into" || return
	extracted "$into" && cp "$record" "$into.record" && rm "$unpack"
}

if [ -n "$unpack" ]; then
	# No upload is to be given back.
	uploading=1
	unpack=$(realpath -s -- "$unpack")
	record=$(realpath -s -- "$record")
	into=$(realpath -ms -- "$into")
	work=$(mktemp -d "${TMPDIR:-/tmp}/tl-rootfs-build.XXXXXX") || exit 73
	recorded "$record" || die 65 "$record: not a record of a context"
	paths "$record" >"$work/paths"
	! grep -qE '^/|(^|/)\.\.(/|$)' "$work/paths" ||
	    die 65 "$record: leads out of the context"
	new=$id from=$since
	# Whatever was taken for the record of one.
	[ -d "$cache" ] || [ "$from" != - ] || {
		elsewhere 'there is no cache here' || exit 73
		exit 0
	}
	{ cd "$cache" && touch lock; } 2>/dev/null ||
	    die 73 "$cache: there is no cache here"
	exec 8>lock
	flock -n 8 || die 75 'the cache is in use'
	if recorded context.record && [ "$id" = "$from" ] &&
	    [ "$from" != - ]; then
		mv context.record context.was
	fi
	if recorded context.record && [ "$id" = "$new" ]; then
		# It was cut short behind that.
		:
	elif [ "$from" != - ] && { ! recorded context.was ||
	    [ "$id" != "$from" ]; }; then
		die 65 "$record: stands on a context that is not in the cache"
	else
		recorded "$record"
		unpacked || {
			elsewhere 'the cache has no room for the context' ||
			    die 73 "$into: the context cannot be" \
			    "unpacked"
			dropped
			exit 0
		}
	fi
	rm -rf "$into" "$into.record"
	ln -s "$cache/context" "$into"
	rm -f "$unpack"
	exit 0
fi

