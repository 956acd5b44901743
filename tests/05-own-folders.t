#!/bin/sh
# Nothing of a build gets into an image: neither its folder, when that lies in
# the context in any of the usual ways, nor a region's, nor the user's token

. "${0%/*}/lib.sh"
. "$here/region.sh"

# What may not be in an image: Docker's password, and whatever is signed.
password=$(printf 'alice:s3cret' | base64)
mkdir docker
printf '{"auths":{"registry.example.com":{"auth":"%s"}}}' "$password" \
    >docker/config.json
DOCKER_CONFIG=$T/docker
export DOCKER_CONFIG

# dockerfile FILE: one that needs the password and copies all there is
dockerfile () {
	printf '%s\n' 'FROM registry.example.com/tools:1 AS unused' \
	    'FROM scratch' 'COPY . /srv' >"$1"
}

# clean NAME TEMPLATE FILE...: the image holds these, in any folder, alone, and
# nothing secret
clean () {
	name_=$1
	fetch "$(jq -r .snapshotUri "$2")" snap
	shift 2
	mkdir image
	tl-snapshot raw snap disk
	tl-snapshot unpack snap image
	is "$name_: the files in it" \
	    "$(cd image/srv && find . ! -type d | sort | paste -sd' ')" "$*"
	is "$name_: no password, nothing signed, no key" "$(grep -a -c \
	    -e "$password" -e X-Amz-Signature -e "$TENSORLAKE_API_KEY" disk)" 0
	rm -rf image disk snap
}

# The region's folder and the user's are in the home, as they are by default.
TL_REGION_DIR=$HOME/.local/state/tl-region
region
mkdir -p "$HOME/.config/tl"
(umask 077; echo "$TENSORLAKE_API_KEY" >"$HOME/.config/tl/token")

# in_ DIR COMMAND...: there, as a user would
in_ () (
	cd "$1" || exit
	shift
	exec "$@"
)

# Completed a second time, it must be the same image.
export SOURCE_DATE_EPOCH=1
mkdir one
dockerfile one/Dockerfile
try '--work in the context' in_ one tl-build --disk-mb 64 --work ./work Dockerfile
exits 0
is '--work in the context: the folder is there' \
    "$(ls one/work/prepared.json)" one/work/prepared.json
clean '--work in the context' out ./Dockerfile
rm one/work/template.json one/work/metadata.json
try '--work in the context, resumed' in_ one tl-build --resume work
exits 0
clean '--work in the context, resumed' out ./Dockerfile
unset SOURCE_DATE_EPOCH

mkdir made
dockerfile made/Dockerfile
echo "include $here/../scripts/tl.mk
app.template.json: Dockerfile" >made/Makefile
try 'tl.mk beside the Dockerfile' in_ made make -s app.template.json \
    TL_BUILD_FLAGS='--disk-mb 64'
exits 0
clean 'tl.mk beside the Dockerfile' made/app.template.json ./Dockerfile \
    ./Makefile

dockerfile "$HOME/Dockerfile"
try 'a Dockerfile in the home' in_ "$HOME" tl-build --disk-mb 64 Dockerfile
exits 0
clean 'a Dockerfile in the home' out ./Dockerfile

# Another build's folder, of which this one knows nothing.
try 'a build beside' env XDG_STATE_HOME="$T/one/state" tl-build --disk-mb 64 one/Dockerfile
exits 0
mkdir one/state/tl/build.aaaaaa
cp one/work/.tl-private one/state/tl/build.aaaaaa
echo "$password" >one/state/tl/build.aaaaaa.1
try 'folders of other builds' tl-build --disk-mb 64 one/Dockerfile
exits 0
clean 'folders of other builds' out ./Dockerfile

try 'the context as the build folder' tl-build --work one one/Dockerfile
exits 64
says '--work one: this is the context; name another folder'
ok 'the context as the build folder: is left as it was' \
    test ! -e one/.tl-private
