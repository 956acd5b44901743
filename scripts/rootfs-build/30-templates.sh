# Templates.

# fetch CONFIG WHAT FILE: what a signed download block gives
fetch () {
	[ -n "$1" ] || die 65 "$2: no usable download in the spec"
	printf '%s\n' "$1" >"$work/curl.conf"
	# What curl itself tries again is an answer or none, not a broken one:
	# cut short (18), empty (52), reset (55, 56).
	tries=0
	while :; do
		code=0
		run curl --config "$work/curl.conf" --silent --show-error \
		    --fail --globoff --location --proto '=http,https' \
		    --retry 5 --retry-connrefused \
		    --speed-limit 1 --speed-time 60 --output "$3" \
		    2>"$work/curl.err" || code=$?
		case $code in
		18|52|55|56) [ "$tries" -lt 5 ] || break ;;
		*) break ;;
		esac
		tries=$((tries + 1))
		sleep "$tries"
	done
	rm -f "$work/curl.conf"
	[ "$code" -eq 0 ] || {
		# curl names hosts and statuses, never a whole URL.
		why=$(tail -n 1 "$work/curl.err")
		case $code in
		22) die 69 "$2: not available: $why" ;;
		23) die 73 "no space left for $2: $why" ;;
		*) die 75 "$2: not available: $why" ;;
		esac
	}
}

# snapshot LEVEL WHAT: fetched into $file, but not a second time: what one
# template stands on may be what another one is, or stands on
snapshot () {
	eval "uri=\$uri_$1 curl=\$curl_$1"
	file=$(printf %s "${uri:-nameless $1}" | sha256sum)
	file=$snapshots/${file%% *}
	[ -e "$file" ] || {
		fetch "$curl" "$2" "$file.part"
		mv "$file.part" "$file"
	}
}

# What of an image's configuration a snapshot keeps, for what is built on it: of
# what the OCI image specification has, all that says something.  Of $c.
# shellcheck disable=SC2016
known_config='["User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes",
    "WorkingDir", "Labels", "StopSignal"] | map({(.): $c[.]}) | add |
    del(.Labels["io.buildah.version"]?) |
    with_entries(select(.value | length > 0))'

# read_by COMMAND...: it reads the template at hand
read_by () {
	"$@" 2>"$work/err" || {
		code=$?
		why=$(tail -n 1 "$work/err" | sed "s|$own|its snapshot|g
		    s|$snapshots/[0-9a-f]*|one that it stands on|g")
		die "$code" "template $name: ${why#tl-ext4: }"
	}
}

# template REFERENCE N MEMBER RAW: its snapshot, and those that it holds
# differences against, as one image; its configuration as it was and, since
# buildah would throw away what a RUN writes below a volume, without those
template () {
	say "fetching the template $1"
	name=$1 raw=$4
	eval "below=\$below_$2"
	[ -n "$below" ] || die 65 "$spec: $3.ancestors: not a list of up to 31"
	snapshot "$2_0" "template $name"
	own=$file level=0
	set -- "$2" "$own"
	while [ "$level" -lt "$below" ]; do
		level=$((level + 1))
		snapshot "$1_$level" "template $name, what it stands on"
		set -- "$@" "$file"
	done
	shift
	# All sums of all of them are looked at here.
	read_by run tl-ext4 raw "$raw" "$@"
	read_by tl-ext4 config "$own" >"$work/config"
	read_by tl-ext4 id "$own" >"$raw.id"
	jq -c --arg r "$name" ". as \$c | $known_config"' | .,
	    del(.Volumes), {($r): (.Volumes // {})}' "$work/config" \
	    >"$raw.configs" 2>/dev/null ||
	    die 65 "template $name: its configuration is not valid"
	{ read -r _; read -r bare; read -r mounts; } <"$raw.configs"
}

# The highest id that there is here, of users and of groups.
ids=$(sed -s '$!d' /proc/self/uid_map /proc/self/gid_map |
    awk '{ n = $1 + $3 - 1; if (NR == 1 || n < most) most = n }
    END { printf "%.0f", most }')

# no_id FILE: whether what went wrong there is an owner that is not here: $owner
# says which, as far as it is known
no_id () {
	[ "$ids" -lt 4294967294 ] && grep -qiE \
	    -e 'insufficient UIDs or GIDs available' \
	    -e '(chown|ownership|owner).*: invalid argument' "$1" || return 1
	owner=$(sed -nE -e 's/.*\(requested ([0-9]+:[0-9]+) for .*/ \1/p' \
	    -e 's/.* setting ownership of ".*" to ([0-9]+:[0-9]+).*/ \1/p' \
	    -e 's/.* uid ([0-9]+), gid ([0-9]+).*/ \1:\2/p' "$1" | tail -n 1)
	owner="no such owner$owner: this sandbox has ids up to $ids"
}

# quietly: buildah's words only where it fails, the last one says why
quietly () { # WHAT COMMAND...
	what=$1
	shift
	"$@" 2>"$work/err" || {
		code=$?
		grep -qi 'no space left' "$work/err" &&
		    die 73 "no space left: $what"
		! no_id "$work/err" || die 65 "$what: $owner"
		die 70 "$what: $(tail -n 1 "$work/err")"
	}
}

# blob TYPE FILE: into $blobs, by its digest; what a manifest says of it
blob () {
	sum=$(sha256sum <"$2") sum=${sum%% *}
	printf '{"mediaType":"application/vnd.oci.image.%s","digest":"sha256:%s","size":%s}' \
	    "$1" "$sum" "$(stat -c %s "$2")"
	mv "$2" "$blobs/$sum"
}

# layout IMAGE DIR: the template as an OCI image of one layer, which a FROM can
# start at; buildah reads it once, and counts layers by their history
layout () {
	blobs=$2/blobs/sha256
	oci=application/vnd.oci.image
	mkdir -p "$blobs"
	run tl-ext4 tar "$1" >"$2/layer" || die $? "a template does not unpack"
	layer=$(blob layer.v1.tar "$2/layer")
	printf '{"architecture":"%s","os":"linux","config":%s,"rootfs":{"type":"layers","diff_ids":["sha256:%s"]},"history":[{"created_by":"template"}]}' \
	    "$arch" "$bare" "$(ls "$blobs")" >"$2/config"
	config=$(blob config.v1+json "$2/config")
	printf '{"schemaVersion":2,"mediaType":"%s.manifest.v1+json","config":%s,"layers":[%s]}' \
	    $oci "$config" "$layer" >"$2/manifest"
	printf '{"schemaVersion":2,"manifests":[%s,"annotations":{"org.opencontainers.image.ref.name":"template"}}]}' \
	    "$(blob manifest.v1+json "$2/manifest" | sed 's/}$//')" \
	    >"$2/index.json"
	echo '{"imageLayoutVersion":"1.0.0"}' >"$2/oci-layout"
}

# unpacked IMAGE DIR: a template as a folder
unpacked () {
	mkdir "$2"
	# A pipe hides its left side's status.
	run sh -c '{ tl-ext4 tar "$1" || touch "$3"; } | tar -C "$2" -xp \
	    --numeric-owner --xattrs --xattrs-include="*" \
	    --warning=no-timestamp --warning=no-unknown-keyword -f -' \
	    sh "$1" "$2" "$work/broken" 2>"$work/err" || {
		! no_id "$work/err" || die 65 "template $name: $owner"
		die 73 "a template does not unpack: $(tail -n 1 "$work/err")"
	}
	[ ! -e "$work/broken" ] || die 65 "a template does not unpack"
}

# bases: the images that FROMs name go into $work/images; on stdout is the one
# that the last stage stands on in the end
bases () {
	awk -v images="$work/images" '$1 == "FROM" {
		i = $2 ~ /^--/ ? 3 : 2
		if ($i in of)
			first = of[$i]
		else {
			first = $i
			if (i == 2 && $i != "scratch" && !seen[$i]++)
				print $i >images
		}
		of[$(i + 2)] = first
	}
	END { print first }' "$work/Dockerfile"
}

# pulled: those images of registries that have volumes, without them, as
# templates have
pulled () {
	n=0
	policy_of=missing
	[ -z "$cache" ] || policy_of=always
	while read -r image; do
		# Templates are there; what is not to be had fails in its step.
		! grep -qxF "$image" "$work/templates" || continue
		case $image in
		-*) continue ;;
		esac
		logged buildah pull -q "$policy" ${auth:+"$auth"} \
		    --policy "$policy_of" "$image" >"$work/pulled" 2>&1 ||
			break
		quietly "$image" buildah inspect --type image \
		    "$(tail -n 1 "$work/pulled")" >"$work/inspected"
		eval "$(jq -r --arg r "$image" '
		    (.OCIv1.config.Volumes // {}) as $volumes |
		    @sh "on_build=\(.Docker.config.OnBuild // [] | length)
			has=\($volumes | length) digest=\(.FromImageDigest)
			mounts=\({($r): $volumes} | tojson)"' \
		    "$work/inspected" || echo 'on_build=0 has=0 digest=- mounts={}')"
		# What it has to be run, would be so for the configuration, too.
		[ "$on_build" -eq 0 ] || {
			hold=
			# They may mount it to write there.
			uncertain
		}
		printf '%s\n' "$mounts" >>"$work/volumes"
		id=$(tail -n 1 "$work/pulled")
		[ "$has" -gt 0 ] || {
			echo "$image $digest $id" >>"$work/known"
			continue
		}
		n=$((n + 1))
		strip=$(quietly "$image" buildah from "$policy" --pull=never \
		    "$(tail -n 1 "$work/pulled")")
		quietly "$image" buildah config --volume - "$strip"
		quietly "$image" buildah commit -q "$policy" \
		    --format docker "$strip" "localhost/tl-base:$n" \
		    >/dev/null
		quietly "$image" buildah rm "$strip" >/dev/null
		echo "$image $digest localhost/tl-base:$n" >>"$work/known"
		echo "--build-context=$image=container-image://localhost/tl-base:$n"
	done <"$work/images" >"$work/stripped"
}

# images: tl-cache's that are there, a key a line
images () {
	jq -r '.[].names // [] | .[] | select(startswith("localhost/tl-cache:"))
	    [19:]' "$graph/$driver-images/images.json" 2>/dev/null
}

# stands_ready REFERENCE RAW: the template at hand as an image of the storage's; a
# cache keeps it for later builds.  It has a name of its own, since buildah would
# ask a registry for one of the Dockerfile's.  Sets $arg to what a build is told
# of it.
stands_ready () {
	key=$(cat "$2.id")
	image=localhost/tl-cache:template-$key
	grep -qx "template-$key" "$work/there" || {
		layout "$2" "$graph/layout"
		id=$(quietly "template $1" buildah pull -q "$policy" \
		    "oci:$plain/layout:template")
		quietly "template $1" buildah tag "$id" "$image"
		rm -rf "$graph/layout"
		echo "template-$key" >>"$work/there"
	}
	[ -z "$cache" ] || touch "$cache/used/template-$key"
	echo "$1 $key $image" >>"$work/known"
	names="${names}s|$image|$1|g;"
	arg="--build-context=$1=container-image://$image"
}

# starts_stage REFERENCE: whether the Dockerfile names it elsewhere than in
# from=REFERENCE; if unsure, yes
starts_stage () {
	REF=$1 awk 'BEGIN { ref = ENVIRON["REF"]; n = length(ref) + 5 }
	{
		while ((i = index($0, "from=" ref)) > 0)
			$0 = substr($0, 1, i - 1) " " substr($0, i + n)
		if (index($0, ref))
			found = 1
	}
	END { exit !found }' "$work/Dockerfile"
}

case $(uname -m) in
x86_64) arch=amd64 ;;
aarch64) arch=arm64 ;;
*) arch=$(uname -m) ;;
esac

# What names an image, and nothing to sed or an option's value.
reference () { # REFERENCE MEMBER
	case $1 in
	'' | -* | *[!A-Za-z0-9._:/@-]*)
		die 65 "$spec: $2: not an image reference" ;;
	esac
}

discard='' snapshots=$work/snapshots
mkdir "$snapshots"
: >"$work/templates"
: >"$work/volumes"
: >"$work/known"
: >"$work/there"
[ -z "$cache" ] || [ ! -e "$graph/$driver-images/images.json" ] ||
    images >"$work/there"
set --
if [ -n "$has_parent" ]; then
	reference "$base" baseImage
	echo "$base" >>"$work/templates"
	template "$base" parent parent "$work/parent.raw"
	if [ -z "$import" ]; then
		stands_ready "$base" "$work/parent.raw"
		set -- "$arg"
	fi
	printf '%s\n' "$mounts" >>"$work/volumes"
	[ -n "$has_parent_image" ] || rm -f "$work/parent.raw"
fi
i=0
while [ "$i" -lt "$others" ]; do
	eval "ref=\$ref_$i"
	[ -n "$ref" ] ||
	    die 65 "$spec: additionalLocalImages[$i].reference: missing"
	reference "$ref" "additionalLocalImages[$i].reference"
	echo "$ref" >>"$work/templates"
	template "$ref" "$i" "additionalLocalImages[$i]" "$work/other.raw"
	if starts_stage "$ref"; then
		printf '%s\n' "$mounts" >>"$work/volumes"
		stands_ready "$ref" "$work/other.raw"
		set -- "$@" "$arg"
	else
		unpacked "$work/other.raw" "$graph/folder.$i"
		set -- "$@" "--build-context=$ref=$graph/folder.$i"
		echo "$ref $(cat "$work/other.raw.id") -" >>"$work/known"
	fi
	rm -f "$work/other.raw"
	i=$((i + 1))
done
rm -rf "$snapshots"

