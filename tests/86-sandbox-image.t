#!/bin/sh
# A sandbox of any registered image: its files, with all that they stand on, its
# ENV, WORKDIR and USER; unpacked once, and nobody else's

. "${0%/*}/lib.sh"
. "$here/region.sh"

region
mkdir base top
cat >base/Dockerfile <<'END'
FROM busybox
RUN mkdir -p /home/app /srv/work && echo below >/srv/below && \
    echo 'app:x:77:88::/home/app:/bin/sh' >>/etc/passwd && \
    echo 'staff:x:99:' >>/etc/group && chown 77:88 /home/app /srv/work
ENV WHO=base KEPT=yes
END
cat >top/Dockerfile <<'END'
FROM base
RUN echo above >/srv/work/above && chmod 600 /srv/work/above && \
    chown 77:88 /srv/work/above && chmod u+s /bin/busybox
ENV WHO="me and you"
WORKDIR /srv/work
USER app
END
tl-build -n base base >/dev/null 2>err || cat err
tl-build -n top top >/dev/null 2>err || cat err
TL_SANDBOX=box.json
export TL_SANDBOX

try 'a sandbox of an image' tl-sandbox create --image top --disk-mb 64M
exits 0
cp out created.json
is 'its document' "$(jq -c '[.image, .resources.cpus + 0,
    .resources.memoryMb, .resources.diskMb, .buildId]' out)" \
    '["top",1,1024,64,null]'
cp created.json in
try 'it runs' tl-sandbox wait
exits 0
cp out box.json
# shellcheck disable=SC2016
try 'as the image has it' tl-exec -- sh -c \
    'id -u; id -g; pwd; echo "$WHO, $KEPT"; cat above ../below; echo ~'
exits 0
gives '77
88
/srv/work
me and you, yes
above
below
/home/app'
# shellcheck disable=SC2016
try 'what is asked for wins' tl-exec --root --cwd / --env WHO=root -- sh -c \
    'id -u; pwd; echo "$WHO, $KEPT"'
gives '0
/
root, yes'
try 'nothing of this machine is in it' tl-exec --root -- \
    sh -c 'ls /usr/local/bin /usr/bin/perl /lib64 2>/dev/null; ls -d /dev/null'
gives '/dev/null'
try 'its name' tl-exec -- cat /etc/hostname
gives "$(jq -r .id box.json)"
given 'put'
try 'files are its user'\''s' tl-put /srv/work/put
exits 0
try 'files are its user'\''s' tl-exec -- stat -c '%u:%g' /srv/work/put
gives 77:88
try 'a file of its own' tl-get /srv/work/above
gives above
try 'a file of root' tl-exec --root -- sh -c 'echo x >/secret; chmod 600 /secret'
try 'a file of root' tl-get /secret
exits 77
try 'a disk that is full' tl-exec --root -- sh -c \
    'dd if=/dev/zero of=/big bs=1M count=100 2>&1 | grep -c "No space"; rm /big'
grep -q 'no disk limit' "$TL_REGION_DIR/log/sandboxd.log" || gives 1

tar -C "$T/base" -c . >in
try 'a tar into it' tl-exec -i --root -- tar -x -C /tmp
exits 0
try 'a tar into it' tl-exec -- cat /tmp/Dockerfile
gives "$(cat base/Dockerfile)"
head -c 3000000 /dev/urandom >in
sum=$(sha256sum <in)
try 'bytes as they are' tl-exec -i -- sha256sum
gives "$sum"

# A second one shares what is below, and no more.
tl-sandbox create --image top | tl-sandbox wait >two.json
try 'another sees nothing of it' tl-exec -s two.json --root -- \
    sh -c 'test ! -e /secret && ls /srv/work'
gives above
is 'it is unpacked once' "$(find "$TL_REGION_DIR/images" -mindepth 1 \
    -maxdepth 1 -type d | wc -l)" 1
is 'for root alone' "$(stat -c %a "$TL_REGION_DIR/images")" 700
before=$(find "$TL_REGION_DIR/images" -type f -exec cat {} + | sha256sum)
tl-exec --root -- sh -c 'echo changed >/srv/below; rm -r /srv/work; chown 5 /bin'
is 'what is shared stays as it is' "$(find "$TL_REGION_DIR/images" -type f \
    -exec cat {} + | sha256sum)" "$before"

# What is there under the name, and whose it is
try 'none of this name' tl-sandbox create --image none
exits 69
says 'none: no such image'
silent out
tl-image rm top >/dev/null
try 'one that was deleted' tl-sandbox create --image top
exits 69
try 'which others still run on' tl-exec -s two.json -- cat above
gives above
sed -i 's/USER app/USER 1234:staff/' top/Dockerfile
tl-build -n top top >/dev/null 2>err || cat err
tl-sandbox rm <box.json
tl-sandbox create --image top | tl-sandbox wait >box.json
try 'one that was built again, with a user in digits' tl-exec -- \
    sh -c 'id -u; id -g; pwd'
gives '1234
99
/srv/work'
other=$(printf other | sha256sum | cut -d' ' -f1)
tl-sandbox rm <box.json
tl-sandbox rm <two.json
tl-region down
echo "key $other apiKey_other org_other proj_other" >>"$TL_REGION_DIR/keys"
tl-region up 2>/dev/null
eval "$(tl-region env)"
TENSORLAKE_API_KEY=other try 'another project'\''s' tl-sandbox create --image top
exits 69
says 'top: no such image'
TENSORLAKE_API_KEY=other try 'a public one' tl-sandbox create --image busybox
exits 0
TENSORLAKE_API_KEY=other tl-sandbox rm <out
tl-sandbox create --image top | tl-sandbox wait >box.json
try 'one that has been unpacked before' tl-exec -- id -u
gives 1234
tl-sandbox rm <box.json

# An image that leads elsewhere
printf 'FROM scratch\nCOPY r /\n' >base/Dockerfile
for bad in dev etc proc sys tmp; do
	rm -rf base/r
	mkdir base/r
	ln -s /root "base/r/$bad"
	tl-build -n "bad-$bad" base >/dev/null 2>err || cat err
	tl-sandbox create --image "bad-$bad" >in
	try "an image whose /$bad is a link" tl-sandbox show
	exits 69
	is "an image whose /$bad is a link: the log says why" "$(tl-region logs \
	    sandboxd | grep -c "failed: the image's /$bad is no folder")" 1
done
is 'this machine has nothing of them' "$(ls -A /root/null /root/hosts \
    /root/hostname 2>/dev/null)" ''
nothing_left 'after all of them'

# The command line
for bad in '' 'a b' '--folder= a' '--bad a'; do
	# shellcheck disable=SC2086
	try "tl-unpack $bad" tl-unpack $bad
	exits 64
done
try 'tl-unpack, no such image' tl-unpack --folder u --signer \
    "$TL_REGION_DIR/reader.conf" none
exits 66
is 'leaves nothing' "$(ls u 2>/dev/null)" ''
try 'tl-unpack' tl-unpack --folder u --signer "$TL_REGION_DIR/reader.conf" top
exits 0
is 'says where' "$(jq -c '[.user, .workingDir, (.env | sort)]' out)" \
    '["1234:staff","/srv/work",["KEPT=yes","PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","WHO=me and you"]]'
# To an ordinary user they are others'.
is 'with each file' "$(tl-runtime --enter cat \
    "$(jq -r .folder out)/srv/work/above")" above
later tl-runtime --enter rm -rf u
try 'tl-unpack, no folder' tl-unpack --folder /dev/null/u top
exits 73
is 'in one line' "$(cat err)" 'tl-unpack: /dev/null/u: cannot be made'
lock=$(tl-image digest top | sed 's/.*://').lock
mkdir -p taken/"$lock"
try 'tl-unpack, no lock' tl-unpack --folder taken top
exits 73
is 'in one line, too' "$(cat err)" "tl-unpack: taken/$lock: cannot be made"
for bad in '--image=' '--image x --builder-disk-mb 5'; do
	# shellcheck disable=SC2086
	try "create $bad" tl-sandbox create $bad
	exits 64
done
lists tl-unpack.1

# Installed, the daemons are in another folder than tl-unpack.
mkdir -p installed/bin installed/sbin
cp "$TL_BIN"/* installed/bin
for page in "$pages"/tl-*d.8 "$pages/tl-runtime.8"; do
	daemon=${page##*/}
	mv "installed/bin/${daemon%.8}" installed/sbin
done
# shellcheck disable=SC2016
try 'installed programs' env -u TL_SANDBOX PATH="$T/installed/bin:$PATH" \
    installed/bin/tl-region --dir "$T/there" run --purge -- sh -euc '
	tl-sandbox create --image busybox | tl-sandbox wait >there.json
	tl-exec -s there.json -- echo in it
	tl-sandbox rm <there.json'
exits 0
gives 'in it'
