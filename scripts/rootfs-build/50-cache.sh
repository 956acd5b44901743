# The cache: what a stage is after each RUN, COPY and ADD, kept in the storage of
# an earlier build as an image.
#
# buildah's own cache would write each layer as a tar file, and read it, and
# unpack it again: three times what COPY takes.  Here a stage is built up to its
# next step that is not there, and held (see hold()); the upper folder of its
# working container is from then on the last layer of an image, and nothing is
# copied.  Such an image is localhost/tl-cache:KEY.

# hash: of what comes on stdin
hash () {
	sha256sum | cut -c 1-64
}

# content FOLDER PATH...: what COPY makes of these; whoever has it, and since when,
# does not matter
content () {
	folder=$1
	shift
	tar -C "$folder" --format=gnu --sort=name --mtime=@0 --owner=0 \
	    --group=0 --numeric-owner -cf - -- "$@" 2>/dev/null | hash
}

# copied PATH...: the content of these of the context; "." is all of it.  By the
# record, if there is one, and nothing is read.  Which names are of one file counts
# where both are among them, as in an archive.
copied () {
	[ -e "$work/record" ] || {
		content "$context" "$@"
		return
	}
	printf '%s\n' "$@" | awk -F '\t' '
	    NR == FNR { of[++n] = $0; next }
	    NF < 5 { next }
	    {
		for (i = 1; i <= n; i++)
			if (of[i] == "." || of[i] == $5 ||
			    index($5, of[i] "/") == 1)
				break
		if (i > n)
			next
	    }
	    $1 == 5 || $1 == 2 { print $1, $2, $3, $5; next }
	    {
		file = $1 == 1 ? $6 : $5
		if (file in first)
			print "same", first[file], "as", $5
		else {
			first[file] = $5
			print "file", $2, $3, $5
		}
	    }' - "$work/record" | hash
}

# sources WORD...: the content of these of the context, or of all of it where
# names alone do not say what they mean
sources () {
	odd=
	case $* in
	*[!A-Za-z0-9._/@:+,\ -]* | *..*) odd=1 ;;
	esac
	for source; do
		# A link means what it leads to.
		[ "$(realpath -m -- "$context/$source")" = \
		    "$(realpath -ms -- "$real/$source")" ] || odd=1
	done
	[ -z "$odd" ] || set -- .
	if [ "$*" = . ]; then
		[ -s "$work/whole" ] || copied . >"$work/whole"
		cat "$work/whole"
		return
	fi
	[ ! -e "$context/.dockerignore" ] || hash <"$context/.dockerignore"
	for source; do
		shift
		set -- "$@" "$(realpath -ms --relative-to="$real" -- \
		    "$real/$source")"
	done
	copied "$@"
}

# known NAME FIELD: of an image or a stage, its key (2) or where it is (3)
known () {
	NAME=$1 awk -v field="$2" '$1 == ENVIRON["NAME"] { found = $field }
	    END { print found; exit found == "" || found == "-" }' "$work/known"
}

# inputs INSTRUCTION: what it takes from elsewhere than its root, as a text that is
# another one when that changes; it fails where nobody can tell
inputs () {
	from='' mounts=''
	verb=${1%% *} rest=${1#* }
	while :; do
		case $rest in
		--*\ *) ;;
		*) break ;;
		esac
		flag=${rest%% *} rest=${rest#* }
		case $flag in
		--mount=*) mounts=1 ;;
		esac
		name=$(echo "$flag" | grep -oE '(^--|,)from=[^,]*') || continue
		name=${name#*from=} from=1
		[ "$name" = tl-files ] || known "$name" 2 || return 1
		# Each of them uses folders of its own there.
		[ "$name" != tl-files ] ||
		    for name in $(echo "$1" | grep -oE '[0-9]+/' | sort -u); do
			[ ! -d "$work/files/$name" ] ||
			    content "$work/files/$name" .
		done
	done
	case $verb:$from:$mounts in
	RUN:*:1)
		sources . ;;
	RUN:* | COPY:1:*) ;;
	*)
		set -f
		# shellcheck disable=SC2086
		set -- $rest
		set +f
		# A variable may be a URL, too.
		case $verb$rest in
		*://* | *git@* | ADD*\$*) return 1 ;;
		\[*) set -- . . ;;
		esac
		words=
		while [ $# -gt 1 ]; do
			words="$words $1"
			shift
		done
		# shellcheck disable=SC2086
		sources $words ;;
	esac
}

# stage_ends: its lines in the Dockerfile, its name, its key and what it stands on,
# and then its steps, into $work/stage.N
stage_ends () {
	end=-
	[ "$key" = - ] || end=$(printf '%s\n' "$key" "$since" | hash)
	# What comes behind its last step is one, too, if that makes a folder.
	case $since in
	*"
WORKDIR "*) echo "$at $end" >>"$work/steps" ;;
	esac
	{
		echo "$start $at ${name:--} $end $ref"
		cat "$work/steps"
	} >"$work/stage.$n"
	[ -z "$name" ] || echo "$name $end -" >>"$work/known"
}

# keys: of each stage, and of each step that is to be kept, "LINE KEY"; without a
# key, "-", is one that depends on what nobody can tell from what it was
keys () {
	n=0 at=0 real=$context given=$epoch.$arch
	while IFS= read -r text; do
		case $text in
		FROM\ *)
			[ "$n" -eq 0 ] || stage_ends
			at=$((at + 1)) n=$((n + 1)) start=$at
			name='' ref=${text#FROM }
			case $ref in *' AS '*) name=${ref##* } ;; esac
			case $ref in --*) ref=${ref#* } ;; esac
			ref=${ref%% *}
			key=$(known "$ref" 2) || key=-
			since="$given
$text"
			: >"$work/steps"
			continue ;;
		esac
		at=$((at + 1))
		case $n.$text in
		0.*) given="$given
$text" ;;
		*.VOLUME\ *) ;;
		*.RUN\ * | *.COPY\ * | *.ADD\ *)
			if [ "$key" != - ] && taken=$(inputs "$text"); then
				key=$(printf '%s\n' "$key" "$since" "$text" \
				    "$taken" | hash)
			else
				key=-
			fi
			since=
			echo "$at $key" >>"$work/steps" ;;
		*) since="$since
$text" ;;
		esac
	done <"$work/Dockerfile"
	stage_ends
}

tidy=$cache

# cs ARGUMENT...: told that it is in a user namespace already, since a later one
# would make its own, which a sandbox's root may not
cs () {
	_CONTAINERS_USERNS_CONFIGURED="done" _CONTAINERS_ROOTLESS_UID=1 \
	    containers-storage --graph "$graph" --run "$graph/run" \
	    --storage-driver "$driver" "$@"
}

# promoted KEY LAYER IMAGE: the layer is the last one of an image from now on, with
# the configuration of that other one; not with its manifest, or who pulls that
# one again would be given this one
promoted () {
	quietly 'the cache' cs create-image -n "localhost/tl-cache:$1" "$2" \
	    >"$work/id"
	read -r id _ <"$work/id"
	quietly 'the cache' cs get-image-data "$3" manifest >"$work/manifest"
	# shellcheck disable=SC2016
	quietly 'the cache' jq -cr --arg key "$1" '. + {"tl-cache": $key},
	    .config.digest' "$work/manifest" >"$work/datum"
	item=$(tail -n 1 "$work/datum")
	sed -i '$d' "$work/datum"
	quietly 'the cache' cs set-image-data -f "$work/datum" "$id" manifest
	quietly 'the cache' cs get-image-data -f "$work/datum" "$3" "$item"
	quietly 'the cache' cs set-image-data -f "$work/datum" "$id" "$item"
}

# kept KEY: what is held, from now on an image of that name
kept () {
	stubs "$mounted"
	# Without its length, which is of no use here, a layer passes for broken.
	head -c 1024 /dev/zero >"$work/datum"
	quietly 'the cache' cs applydiff -f "$work/datum" "$layer"
	# No container is to have it any more.
	rm -rf "$graph/$driver-containers"
	promoted "$1" "$layer" "$data"
	echo "$1" >>"$work/there"
	top=localhost/tl-cache:$1
}

# segment LINE ARGUMENT...: the stage at hand is built from $top, which it is up to
# $done, to a line, and held; what it says is shown by the numbers of the whole
segment () {
	to=$1
	shift
	awk -v start="$start" -v done="$done" -v to="$to" -v top="$top" \
	    -v prefix="$prefix" -v total="$total" \
	    -v steps="$work/steps.sed" '
	    function shown(text) {
		printf "s|^\\[1/2\\] STEP %d/[0-9]*: %s\n", step, text >steps
	    }
	    function hidden() {
		printf "/^\\[1\\/2\\] STEP %d\\//d\n", step >steps
	    }
	    /^FROM / && NR <= start { begun = 1 }
	    !begun { print; next }
	    NR == start {
		text = $0
		gsub(/[\\&|]/, "\\\\&", text)
		sub(/ AS [^ ]*$/, "")
		print (done == start ? $0 : "FROM " top) " AS tl-last"
		step = 1
		if (done == start)
			shown(".*|" prefix "STEP 1/" total ": " text "|")
		else
			hidden()
	    }
	    NR <= start || NR > to || /^VOLUME / { next }
	    NR <= done && /^(RUN|COPY|ADD) / { next }
	    { print; step++ }
	    NR <= done { hidden(); next }
	    { shown("|" prefix "STEP " (NR - start + 1) "/" total ": |") }
	    ' "$work/Dockerfile" >"$work/Dockerfile.files"
	holder tl-last >>"$work/Dockerfile.files"
	names="$plain_names/^tl-held:/{w $work/held
	    d};/^\\[2\\/2\\] STEP /d;$(cat "$work/steps.sed")"
	unmounted
	holding "$@"
	names=$plain_names
	done=$to
}

# reused LINE: what is shown of steps that are there
reused () {
	awk -v start="$start" -v done="$done" -v to="$1" -v prefix="$prefix" \
	    -v total="$total" '
	    NR > to || NR < start || NR <= done && NR != start ||
		/^VOLUME / { next }
	    { print prefix "STEP " (NR - start + 1) "/" total ": " $0 }
	    ' "$work/Dockerfile" | sed "$names" | sed -f "$work/places"
	put '--> Using cache'
}

# stage ARGUMENT...: the one at hand becomes the image $top
stage () {
	data=$(known "$ref" 3) || die 70 "$ref: not where it should be"
	top=$data done=$start
	while read -r line key; do
		grep -qx -e "$key" "$work/there" || continue
		top=localhost/tl-cache:$key
		found=$line
		touch "$cache/used/$key"
	done <"$work/steps"
	if [ "$top" != "$data" ]; then
		reused "$found"
		done=$found
	fi
	sed '/ -$/d' "$work/steps" >"$work/todo"
	while read -r line key <&7; do
		[ "$line" -gt "$done" ] || continue
		segment "$line" "$@"
		kept "$key"
		touch "$cache/used/$key"
	done 7<"$work/todo"
	# What has no key is thrown away with the build.
	line=$(tail -n 1 "$work/steps") line=${line%% *}
	if [ "${line:-0}" -gt "$done" ]; then
		segment "$line" "$@"
		[ "$s" -eq "$stages" ] || kept "once-$s"
	fi
	done=${line:-$start}
}

# cached ARGUMENT...: hold(), with the steps that are there
cached () {
	plain_names=$names
	known scratch 3 >/dev/null || {
		grep -qx scratch "$work/there" || {
			ctr=$(quietly 'the cache' buildah from scratch)
			quietly 'the cache' buildah commit -q "$policy" \
			    --format docker "$ctr" localhost/tl-cache:scratch \
			    >/dev/null
			quietly 'the cache' buildah rm "$ctr" >/dev/null
		}
		echo 'scratch scratch localhost/tl-cache:scratch' >>"$work/known"
	}
	keys
	stages=$n s=0
	while [ "$s" -lt "$stages" ]; do
		s=$((s + 1)) prefix='' mounted=''
		[ "$stages" -eq 1 ] || prefix="[$s/$stages] "
		{
			read -r start last name end ref
			cat >"$work/steps"
		} <"$work/stage.$s"
		total=$(sed -n "$start,${last}p" "$work/Dockerfile" |
		    grep -vc '^VOLUME ')
		stage "$@"
		[ "$s" -lt "$stages" ] || break
		[ "$name" != - ] || continue
		# A stage that others begin at has its own configuration for them.
		if grep -qE "^FROM (--[^ ]* )?$name( |\$)" "$work/Dockerfile"; then
			quietly "$name" buildah build "$@" --target "$name" \
			    --file "$work/Dockerfile.config" "$context" >/dev/null
			layer=$(layer_of "$top")
			id=$(cat "$work/iid")
			promoted "with-$s" "$layer" "${id#sha256:}"
			top=localhost/tl-cache:with-$s
		fi
		echo "$name $end $top" >>"$work/known"
		set -- "$@" "--build-context=$name=container-image://$top"
	done
	[ -z "$mounted" ] || return 0
	segment "$done" "$@"
	# A new upper folder has a time of its own.
	touch -r "$graph/overlay/$(layer_of "$top")/diff" "$mounted"
}

# layer_of IMAGE: its last one
layer_of () {
	jq -r --arg i "$1" '.[] | select(.id == $i or (.names // [] |
	    index($i))) | .layer' "$graph/$driver-images/images.json"
}

# tidied: what is no step's goes, and then what was not used for the longest, until
# there is room; and nobody has begun anything there
tidied () {
	rm -rf "$graph/$driver-containers" "$graph/run"
	mkdir "$graph/run"
	jq -r '.[] | select(.names // [] | map(startswith("localhost/tl-cache:")
	    and (test(":(once|with)-") | not)) | any | not) | .id' \
	    "$graph/$driver-images/images.json" >"$work/old" || return
	while read -r id; do
		cs delete-image "$id" >/dev/null 2>&1 || return
	done <"$work/old"
	unreached || return
	for answer in "$graph/tl-devices/"*; do
		[ -e "$graph/$driver-layers/${answer##*/}.tar-split.gz" ] ||
		    rm -f "$answer"
	done
	while room; do
		key=$(find "$cache/used" -type f -printf '%A@ %f\n' | sort -n |
		    sed -n '1s/.* //p')
		[ -n "$key" ] || {
			# The context was used now, so it is the last.
			dropped
			break
		}
		rm "$cache/used/$key"
		cs delete-image "localhost/tl-cache:$key" >/dev/null 2>&1
		unreached || return
	done
	rm "$cache/dirty"
}

# unreached: layers of no image and of no other layer go, from the top
unreached () {
	while :; do
		cat "$graph/$driver-layers/"*layers.json 2>/dev/null |
		    jq -rs --slurpfile images "$graph/$driver-images/images.json" \
		    '[.[][]] | map(.id) - map(.parent // "") -
		    ($images[0] | map(.layer // "")) | .[]' >"$work/old" || return
		[ -s "$work/old" ] || return 0
		while read -r id; do
			cs delete-layer "$id" >/dev/null 2>&1 || return
		done <"$work/old"
	done
}

# room: whether it wants some: more is there than is allowed, or than leaves a
# quarter of its file system, which may hold nothing else
room () {
	# shellcheck disable=SC2046
	set -- $(df -Pm "$cache" | tail -n 1)
	all=$(($2 * 3 / 4)) have=$3
	[ "$6" = "$cache" ] ||
	    have=$(du -sxm "$cache" 2>/dev/null | cut -f 1)
	[ "$all" -lt "$cache_mb" ] || all=$cache_mb
	[ "$have" -gt "$all" ]
}
