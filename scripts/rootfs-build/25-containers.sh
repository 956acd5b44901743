# Containers' own configuration, nothing of the host's.

driver=overlay
[ -n "$cache" ] || layered "$graph" || driver=vfs
# In a user namespace buildah leaves device nodes out and says nothing of it.
keep=
mknod "$graph/node" c 1 3 2>/dev/null || keep=--keep-devices
rm -f "$graph/node"
cat >"$work/storage.conf" <<END
[storage]
driver = "$driver"
graphroot = "$graph"
runroot = "$graph/run"
END
: >"$work/containers.conf"
# Templates and what the Dockerfile names are all there is to trust here.
echo '{"default":[{"type":"insecureAcceptAnything"}]}' >"$work/policy.json"

printf %s "$dockerfile" | base64 -d >"$work/Dockerfile"
unset dockerfile
if [ -z "$import" ]; then
	[ -s "$work/Dockerfile" ] || die 65 "$spec: dockerfile: missing"
	[ -n "$context" ] || context=$work/tmp
	# An empty context is not sent.
	[ -d "$context" ] || {
		mkdir "$work/context"
		context=$work/context
	}
	# It may be a link into the cache, which has its record beside it.
	context=$(realpath -- "$context")
	# What buildah here has not heard of, it need not know.
	mv "$work/Dockerfile" "$work/given"
	run sh -c 'exec tl-lower -c "$1" -d "$2/files" \
	    -l "$2/lines" <"$2/given" >"$2/Dockerfile" 2>"$2/err"' sh "$context" "$work" || {
		code=$?
		die "$code" "$(tail -n 1 "$work/err" |
		    sed 's/^tl-lower: //; s/^stdin:/Dockerfile:/')"
	}
	places >"$work/places"
	! recorded "$context.record" || cp "$context.record" "$work/record" ||
	    exit 73
	! writable || uncertain
fi
{
	if grep -q '^[^#[:space:]]' /etc/containers/registries.conf \
	    2>/dev/null; then
		cat /etc/containers/registries.conf
	else
		echo 'unqualified-search-registries = ["docker.io"]'
		echo 'short-name-mode = "permissive"'
	fi
	# A registry on this machine may speak plain http.
	{ cat "$work/Dockerfile"; echo " $import"; } |
	    grep -Eo '(127\.[0-9.]+|localhost)(:[0-9]+)?/' | sort -u |
	    while IFS=/ read -r host _; do
		printf '\n[[registry]]\nlocation = "%s"\ninsecure = true\n' \
		    "$host"
	done
} >"$work/registries.conf"
CONTAINERS_STORAGE_CONF=$work/storage.conf
CONTAINERS_REGISTRIES_CONF=$work/registries.conf
CONTAINERS_CONF=$work/containers.conf
export CONTAINERS_STORAGE_CONF CONTAINERS_REGISTRIES_CONF CONTAINERS_CONF

# A file that is copied passes through three processes; with Go's own setting they
# collect garbage for an eighth of the time, to save 13 MB.
: "${GOGC:=400}"
export GOGC

policy=--signature-policy=$work/policy.json
auth=
if [ -n "$has_auth" ]; then
	jq -ej '.dockerConfigJson | fromjson | if type == "object" then tojson
	    else error("") end' "$keys" >"$work/auth.json" 2>/dev/null ||
	    die 65 "$spec: dockerConfigJson: not JSON in a string"
	auth=--authfile=$work/auth.json
fi

