#!/bin/sh
# tl-build --if-changed: an image that is registered, and that a build would make
# the same, is not built again; whatever makes it is noticed

. "${0%/*}/lib.sh"
. "$here/region.sh"

region
mkdir base top
printf 'FROM busybox\nRUN echo base >/base\n' >base/Dockerfile
printf 'FROM base\nCOPY file /file\n' >top/Dockerfile
echo one >top/file

# is_built WHAT NAME [OPTION...], is_not WHAT NAME [OPTION...]
is_built () {
	what=$1 name=$2
	shift 2
	before=$(tl-image digest "$name" 2>/dev/null)
	tl-build --if-changed --progress plain "$@" "$name" >out 2>err
	status=$?
	is "$what: is built" "$status $(tl-image digest "$name" | grep -cxv \
	    -e "${before:-none}") $(jq -r .name out)" "0 1 $name"
	cp out "$name.json"
}

is_not () {
	what=$1 name=$2
	shift 2
	before=$(tl-image digest "$name")
	tl-build --if-changed --progress plain "$@" "$name" >out 2>err
	status=$?
	is "$what: is not built" "$status $(tl-image digest "$name") $(grep -c \
	    ' prepare' err)" "0 $before 0"
	is "$what: the template is what is registered" "$(cat out)" \
	    "$(tl-image show "$name")"
}

# is_due WHAT NAME [OPTION...]: it would be built, but that the platform refuses
is_due () {
	what=$1 name=$2
	shift 2
	before=$(tl-image digest "$name" 2>/dev/null)
	echo 'prepare:403' >"$TL_REGION_DIR/fault"
	tl-build --if-changed --progress plain "$@" "$name" >out 2>err
	status=$?
	rm "$TL_REGION_DIR/fault"
	is "$what: would be built" "$status $(grep -c ' prepare failed' err) \
$(tl-image digest "$name" 2>/dev/null)" "77 1 $before"
	rm -rf "$HOME"/.local/state/tl/build.*
}

# as_it_was: the folder top
as_it_was () {
	rm -r top
	cp -Rp saved top
}

is_built 'the first time' base
name='the first time'
says 'there is no record of a build'
is_not 'the second' base
name='the second'
says 'base: nothing has changed; found registered as '
is 'there is no sandbox for it' "$(find "$TL_REGION_DIR/sandboxes" \
    -mindepth 1 -maxdepth 1 -type d)" ''
is_built 'one that stands on it' top
is_not 'nothing' top

cp -Rp top saved
touch top/file
is_due 'a file'\''s time' top
echo two >top/file
is_due 'a file' top
as_it_was
echo 'RUN echo more >/more' >>top/Dockerfile
is_due 'the Dockerfile' top
as_it_was
echo '# more' >top/.dockerignore
is_due 'the ignore file' top
as_it_was
is_due 'Docker'\''s behaviour' top --docker-compat
is_due 'for everybody' top -p
is_due 'told to' top --force
is_not 'as it was' top
echo two >top/file
is_built 'a file, built' top
is_not 'then nothing' top
rm -r saved
cp -Rp top saved
is_built 'the size, for everybody' top --disk-mb 11G -p
is_not 'the same size' top --disk-mb 11264 -p
is_not 'what is only the sandbox'\''s' top --disk-mb 11G -p --memory-mb 3072 \
    --cpus 1
is_due 'another size' top -p
is_due 'not for everybody' top --disk-mb 11G
is_built 'neither, with Docker'\''s behaviour' top --docker-compat
is_due 'without it' top
is_built 'told to, without it' top --force
is_not 'which is known' top

# What it stands on, and what somebody else does.
tl-build --progress none -n base base >/dev/null 2>&1
is_built 'what it stands on is another' top
is_not 'and is that one still' top
tl-build --progress none -n top top >/dev/null 2>&1
is_due 'somebody else has built one of the name' top
name='somebody else'
says 'somebody has registered another under its name'
tl-image rm top >/dev/null
is_built 'it was deleted' top
name='it was deleted'
says 'not registered any more'
is_not 'it is there again' top
tl-image register --dockerfile base/Dockerfile top \
    "$(tl-image show base | jq -r .snapshotId)" >/dev/null
is_built 'another snapshot was given its name' top

# Where it is kept.
kept=$HOME/.local/state/tl/images
is 'a file for each image, for nobody else' "$(find "$kept" -type f -perm 600 |
    wc -l) $(stat -c %a "$kept")" '2 700'
is 'with no word of the key' "$(grep -rc -e "$TENSORLAKE_API_KEY" "$kept" |
    grep -vc ':0$')" 0
is_not 'and is found' top
cp -Rp "$kept" kept
for text in '{' '[]' '{"name":"top"}' ''; do
	for file in "$kept"/*; do
		printf %s "$text" >"$file"
	done
	is_due "one that holds '$text'" top
done
rm -r "$kept"
is_due 'one that is gone' top
rm -rf "$kept"
cp -Rp kept "$kept"
is_not 'and there again' top
is_built 'in a file' top --state state
is 'of the name that was given' "$(jq -r .name state)" top
is_not 'which is known' top --state state
cp state other
jq '.snapshotId = "snap_x"' other >state
is_due 'of another snapshot' top --state state
mv other state
is_not 'of the right one' top --state state
is_built 'a file that cannot be' top --state none/state
name='a file that cannot be'
says 'none/state'
is_built 'no state folder, but a build folder' top --work work --state state2
rm -r work
try 'read-only' env -u XDG_STATE_HOME HOME=/proc tl-build --if-changed \
    --work work --progress plain top
exits 0
says 'give --state'
rm -r work

# A Dockerfile out of a pipe, without a context; an import is not its like.
given 'FROM busybox
'
try 'a pipe' tl-build --if-changed --progress plain -n piped -
exits 0
says 'to build: '
given 'FROM busybox
'
try 'a pipe, again' tl-build --if-changed --progress plain -n piped -
exits 0
says 'nothing has changed'
given 'FROM base
'
try 'a pipe, another text' tl-build --if-changed --progress plain -n piped -
exits 0
says 'to build: its inputs have changed'

# What is sent is what counts, not what was there when it was looked at.
mkdir slow bin
printf 'FROM busybox\nCOPY file /file\n' >slow/Dockerfile
echo early >slow/file
cat >bin/tl-prepare <<END
#!/bin/sh
if [ -e "$T/meanwhile" ]; then
	mv "$T/meanwhile" "$T/once"
	. "$T/once"
fi
exec "$TL_BIN/tl-prepare" "\$@"
END
chmod +x bin/tl-prepare
for program in "$TL_BIN"/tl-*; do
	[ -e "bin/${program##*/}" ] || ln -s "$program" bin
done
cp "$TL_BIN/tl-build" bin/own
mv bin/own bin/tl-build
echo "echo late >'$T/slow/file'" >meanwhile
try 'a context that changes meanwhile' bin/tl-build --if-changed \
    --progress plain slow
exits 0
says 'something has changed while it was built'
echo early >slow/file
is_built 'as it was before' slow
echo "'$TL_BIN/tl-build' --progress none -n base '$T/base' >/dev/null 2>&1" \
    >meanwhile
try 'a parent that is replaced meanwhile' bin/tl-build --force \
    --progress plain top
exits 0
says 'something has changed while it was built'
is_built 'on the new one' top

# One that fails is none that is known.
cp -p slow/Dockerfile good
printf 'FROM busybox\nRUN false\n' >slow/Dockerfile
try 'a build that fails' tl-build --if-changed --progress none slow
exits 1
try 'and fails again' tl-build --if-changed --progress plain slow
exits 1
says 'to build: '
tl-reap --all >/dev/null 2>&1
rm -rf "$HOME"/.local/state/tl/build.*
cp -p good slow/Dockerfile
is_not 'as it was when it was built' slow

for line in '--state' '--state=' '--force=x' '--if-changed=x'; do
	# shellcheck disable=SC2086
	try "usage: $line" tl-build $line top
	exits 64
done
tl-reap --all >/dev/null 2>&1
nothing_left 'at the end'
