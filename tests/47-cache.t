#!/bin/sh
# tl-rootfs-build --cache: what earlier builds have made is used, and the image is
# the one that it would be without

. "${0%/*}/lib.sh"
. "$here/cache.sh"

mkdir -p ctx/app ctx/other
echo one >ctx/app/f
echo two >ctx/other/g
ln -s other/g ctx/link
echo x >ctx/x

# sleeping [COMMAND]: ./Dockerfile, whose fourth step sleeps, as $child, with it
sleeping () {
	spec now
	"$@" tl-rootfs-build --spec spec.json --metadata-out metadata.json \
	    --storage "$T/storage" --cache "$T/cache" >out 2>err &
	child=$!
	tries=0
	until grep -q 'STEP 4' out || [ "$tries" -gt 500 ]; do
		tries=$((tries + 1))
		sleep 0.02
	done
}

# A RUN that sleeps at its end: buildah may lose what is printed just before one
# is over, where a machine is busy.
cat >Dockerfile <<'END'
ARG GLOBAL=g
FROM busybox AS tools
ARG V=1
ENV TOOL=$V
RUN echo tool >/tool; echo ran tool; sleep 0.2
FROM tools AS more
RUN echo "$TOOL.$V" >/more; echo ran more; sleep 0.2
FROM busybox
ARG GLOBAL
ENV A=a
WORKDIR /work
RUN echo "$A $GLOBAL" >env; echo ran env; sleep 0.2
COPY app /app
COPY --from=more /more /tool /got/
COPY <<END2 /text
text
END2
SHELL ["/bin/sh", "-ec"]
USER 7:8
RUN --mount=type=bind,from=tools,target=/mnt cat /mnt/tool /got/more; id -u; echo ran last; sleep 0.2
VOLUME /v
WORKDIR /end/of
CMD ["x"]
END
# What is unpacked of templates.
mkdir bin
# shellcheck disable=SC2016
printf '#!/bin/sh\n[ "$1" != tar ] || echo x >>%s/tars\nexec %s "$@"\n' \
    "$T" "$(command -v tl-ext4)" >bin/tl-ext4
chmod 755 bin/tl-ext4
before=$PATH
plain plain
PATH=$T/bin:$PATH
cached 'nothing is there' 'tool more env last '
is 'the template is unpacked' "$(wc -l <tars)" 1
fetched cold
ok 'the image is the same' cmp plain.tlsnap cold.tlsnap
cached 'all of it is there' ''
PATH=$before
is 'and its template is not unpacked again' "$(wc -l <tars)" 1
fetched warm
ok 'the image is the same, still' cmp plain.tlsnap warm.tlsnap
is 'each stage says so' "$(grep -c '^--> Using cache$' built)" 3
# shellcheck disable=SC2016
is 'steps have their numbers and lines' "$(grep -o '^\[3/3\] STEP 5/.*' built)" \
    '[3/3] STEP 5/13: RUN echo "$A $GLOBAL" >env; echo ran env; sleep 0.2 (Dockerfile:12)'
grep 'STEP.*:' built | grep -v ': FROM' | sort >steps
spec now '{"noCache": true}'
build 'without any' --cache "$T/cache"
exits 0
# Stages that need not wait for each other do not.
is 'the steps are shown the same' \
    "$(grep 'STEP.*:' built | grep -v ': FROM' | sort)" "$(cat steps)"
is 'and none is there' "$(grep -c 'Using cache' built)" 0

sed -i 's/ran last/ran end/' Dockerfile
cached 'the last step has changed' 'end '
plain plain
cached 'and is there now' ''
fetched warm
ok 'with the same image' cmp plain.tlsnap warm.tlsnap
sed -i 's/^ENV A=a/ENV A=b/' Dockerfile
cached 'a variable before some steps' 'env end '
sed -i 's/^ARG V=1/ARG V=2/' Dockerfile
cached 'what another stage stands on' 'tool more end '
sed -i 's/GLOBAL=g/GLOBAL=h/' Dockerfile
cached 'what is before all stages' 'tool more env end '
cached 'a time that no file is to be newer than' 'tool more env end ' \
    '{"sourceDateEpoch": 2000}'

# What is copied.
cat >Dockerfile <<'END'
FROM busybox
COPY app /app
RUN echo ran app; sleep 0.2
COPY link /link
RUN echo ran link; sleep 0.2
COPY a*p /glob
RUN echo ran glob; sleep 0.2
RUN --mount=type=bind,target=/mnt echo ran mount; sleep 0.2
END
cached 'contexts' 'app link glob mount '
touch -d @5 ctx/app/f
cached 'times do not matter' ''
echo y >ctx/x
cached 'a file that no name names' 'link glob mount '
echo more >>ctx/other/g
cached 'what a link leads to' 'link glob mount '
chmod 600 ctx/app/f
cached 'a mode' 'app link glob mount '
echo other >>ctx/app/f
cached 'contents' 'app link glob mount '
plain plain
cached 'nothing' ''
fetched warm
ok 'with the same image, from a context' cmp plain.tlsnap warm.tlsnap
echo app/new >ctx/.dockerignore
cached 'what is left out' 'app link glob mount '

# What nobody can tell from what it was.
printf 'FROM busybox\nRUN echo ran before; sleep 0.2\nADD %s /x\nRUN echo ran behind; sleep 0.2\n' \
    "$(download bb | jq -r .url)" >Dockerfile
cached 'a URL' 'before behind '
cached 'a URL again' 'behind '
# shellcheck disable=SC2016
sed -i 's/^ADD /ARG U=/; s,^\(ARG U=.*\) /x$,\1\nADD $U /x,' Dockerfile
cached 'one in a variable' 'behind '
cached 'one in a variable, again' 'behind '

# Another base of the same name.
tl-snapshot busybox bb2.tlsnap 2147483648
mkdir base
tl-snapshot unpack bb2.tlsnap base
echo new >base/new
G=2147483648
tl-snapshot pack base "$G" bb.tlsnap
object bb bb.tlsnap
cached 'another base' 'before behind '

# Failures.
printf 'FROM busybox\nRUN echo ran one; sleep 0.2\nRUN echo ran two; sleep 0.2; exit 3\n' >Dockerfile
spec now
build 'a step that fails' --cache "$T/cache"
exits 65
says 'Dockerfile:3: the build failed in STEP 3/3: RUN echo ran two; sleep 0.2; exit 3'
sed -i 's/exit 3/exit 0/' Dockerfile
cached 'what was before it is there' 'two '
printf 'FROM busybox\nRUN echo ran one; sleep 0.2; true\nRUN echo ran two; sleep 0.2\nRUN sleep 987\n' \
    >Dockerfile
sleeping
cp -r Dockerfile saved
sed '$d' saved >Dockerfile
is 'it has the cache alone' "$(flock -n "$T/cache/lock" echo free)" ''
spec now
build 'another one meanwhile' --cache "$T/cache"
exits 0
is 'uses none' "$ran" 'one two '
kill -TERM "$child"
wait "$child"
is 'a signal' "$?" 143
cached 'leaves what was there' ''
cp saved Dockerfile
sleeping setsid
pkill -KILL -s "$child" 2>/dev/null
kill -KILL "$child" 2>/dev/null
wait "$child" 2>/dev/null
pkill -KILL -f 'sleep 987' 2>/dev/null
rm -rf .tl-rootfs-build.*
rmdir "/run/tl-rootfs-build.$child"
sed '$d' saved >Dockerfile
# buildah outlives it for a moment, and has the cache.
flock -w 30 "$T/cache/lock" true
cached 'after one that was killed all is made again' 'one two '
cached 'and there' ''
echo other >cache/kind
cached 'of another buildah' 'one two '

# As much as it may have.
cached 'kept' ''
spec now
build 'little room' --cache "$T/cache" --cache-mb 1
exits 0
cached 'has nothing' 'one two '
dd if=/dev/urandom of=ctx/big bs=1M count=6 2>/dev/null
printf 'FROM busybox\nCOPY big /\nRUN echo ran one; sleep 0.2\n' >Dockerfile
spec now
mkdir full
# shellcheck disable=SC2016
try 'a cache that is full' unshare -m sh -c 'mount -t tmpfs -o size=4m none full &&
    exec tl-rootfs-build --spec spec.json --metadata-out metadata.json \
    --storage "$1/storage" --cache full' sh "$T"
exits 0
holds 'beginning again without the cache'
says 'no space left'
holds 'ran one'
for wrong in 0 1k -1 ''; do
	try "a size of $wrong" tl-rootfs-build --spec spec.json \
	    --metadata-out metadata.json --cache c --cache-mb "$wrong"
	exits 64
	silent out
done
: >file
spec now
build 'a file for a cache' --cache "$T/file"
exits 0
is 'nothing is left' "$(ls -A storage; find . -maxdepth 1 -name '.tl-*'
    grep "$T" /proc/mounts)" ''
