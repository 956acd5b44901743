# shellcheck shell=sh disable=SC2034
# Daemons one by one, for tests that need no whole region: sourced after lib.sh.
#
#	up NAME OPTION...	tl-NAME, until it is ready: $url, its process in $NAME
#	down NAME		its end
#	store_up		tl-stored with the bucket images; signer.conf may
#				write to it, reader.conf may not
#	put_object KEY		./object there, as a builder would

up () {
	daemon=$1
	shift
	rm -f "$daemon.url"
	"tl-$daemon" --ready "$daemon.url" "$@" >>"$daemon.log" 2>&1 &
	eval "$daemon=$!"
	later "kill $! 2>/dev/null; wait $! 2>/dev/null"
	i=0
	until [ -s "$daemon.url" ]; do
		i=$((i + 1))
		if [ "$i" -gt 500 ] || ! kill -0 $! 2>/dev/null; then
			fail_ "tl-$daemon starts" "$(cat "$daemon.log")"
			exit 1
		fi
		sleep 0.02
	done
	url=$(cat "$daemon.url")
}

down () {
	eval "pid=\$$1"
	# shellcheck disable=SC2154
	kill "$pid"
	wait "$pid" 2>/dev/null
}

store_up () {
	printf '%s %s rw\n%s %s ro\n' RWKEY rwsecret ROKEY rosecret >store.keys
	up stored --root store --credentials store.keys --bucket images
	cat >signer.conf <<-END
	bucket = images
	endpoint = $url
	access_key = RWKEY
	secret_key = rwsecret
	END
	sed 's/RWKEY/ROKEY/; s/rwsecret/rosecret/' signer.conf >reader.conf
}

put_object () {
	project=${1#projects/}
	printf '{"rel_path":"%s","op":{"kind":"single_put"}}' "$1" |
	    tl-presign --config signer.conf --project "${project%%/*}" >block ||
	    return 1
	jq -r '"url = \"" + .url + "\""' block >curl.conf
	curl -fsS -T object -K curl.conf
}
