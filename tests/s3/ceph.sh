# shellcheck shell=sh
# Ceph as an S3 store, sourced after lib.sh: three monitors, three OSDs that keep
# their objects in memory, a manager and a radosgw, on free loopback ports.
# The words and files are those of swift.sh.
#
#	kill_one, start_one	an OSD; of three copies two are enough, so it
#				stays away

packages='ceph-mon ceph-osd ceph-mgr ceph-base radosgw'
for program in ceph ceph-mon ceph-osd ceph-mgr radosgw radosgw-admin \
    ceph-authtool monmaptool
do
	command -v "$program" >/dev/null || skip "Ceph is missing: apt-get" \
	    "install --no-install-recommends $packages python3-boto3"
done
/usr/bin/python3 -c 'import boto3' 2>/dev/null || skip 'python3-boto3 is missing'

# No argument has $T in it: what is left of a region is found by that.
serve () {
	name=$1
	shift
	(cd "$T/ceph" && exec "$@" -c ceph.conf -f) \
	    >>"$T/ceph/$name.out" 2>&1 &
	engine_pids="$engine_pids $!"
}

engine_down () {
	# shellcheck disable=SC2086
	kill $engine_pids 2>/dev/null
	# radosgw waits for what goes on; nothing here is to be kept.
	i=0
	# shellcheck disable=SC2086
	while kill -0 $engine_pids 2>/dev/null && [ "$i" -lt 50 ]; do
		i=$((i + 1))
		sleep 0.1
	done
	# shellcheck disable=SC2086
	kill -9 $engine_pids 2>/dev/null
	# shellcheck disable=SC2086
	wait $engine_pids 2>/dev/null
}

# It waits for servers that do not answer for ever.
admin () {
	(cd "$T/ceph" && timeout 60 "$@") >>"$T/ceph/admin.out" 2>&1 || {
		fail_ "$*" "$(tail -n 20 "$T/ceph/admin.out")"
		exit 1
	}
}

# key NAME CAP...: in the keyring that all share
key () {
	who=$1
	shift
	admin ceph-authtool keyring --gen-key -n "$who" "$@"
}

user () {
	admin radosgw-admin -c ceph.conf -n client.rgw user create \
	    --uid "$1" --display-name "$1" --access-key "$1" \
	    --secret-key "$1-secret"
}

# conf FILE USER
conf () {
	(umask 077
	cat >"$1" <<-CONF
	bucket = images
	endpoint = $ENDPOINT
	region = us-east-1
	addressing = path
	access_key = $2
	secret_key = $2-secret
	CONF
	)
}

engine () {
	mkdir -p "$T/ceph"
	# Monitors want to be told of each other's ports before they start.
	# shellcheck disable=SC2046
	set -- $(/usr/bin/python3 -c 'import socket
all = [socket.create_server(("127.0.0.1", 0)) for i in range(4)]
print(*(s.getsockname()[1] for s in all))')
	# Where the classes of an OSD's objects are: Debian's 18.2 has a path
	# from /, which is where its units start it.
	classes=$(ceph-conf -c /dev/null --show-config-value osd_class_dir)
	cat >"$T/ceph/ceph.conf" <<-CONF
	[global]
	fsid = $(cat /proc/sys/kernel/random/uuid)
	mon host = [v2:127.0.0.1:$1],[v2:127.0.0.1:$2],[v2:127.0.0.1:$3]
	public addr = 127.0.0.1
	cluster addr = 127.0.0.1
	keyring = keyring
	run dir = .
	pid file = \$name.pid
	admin socket = \$name.asok
	log file = \$name.log
	mon data = \$name
	osd data = \$name
	mgr data = \$name
	rgw data = \$name
	osd objectstore = memstore
	osd class dir = /${classes#/}
	memstore device bytes = 2147483648
	osd pool default size = 3
	osd pool default min size = 2
	osd pool default pg num = 4
	osd pool default pgp num = 4
	osd pool default pg autoscale mode = off
	osd crush chooseleaf type = 0
	mon max pg per osd = 1000
	[client.rgw]
	rgw frontends = beast endpoint=127.0.0.1:$4
	rgw thread pool size = 16
	rgw dns name = localhost
	CONF
	ENDPOINT=http://127.0.0.1:$4
	admin ceph-authtool --create-keyring keyring --gen-key -n mon. \
	    --cap mon 'allow *'
	key client.admin --cap mon 'allow *' --cap osd 'allow *' \
	    --cap mgr 'allow *'
	key client.rgw --cap mon 'allow *' --cap osd 'allow *'
	key mgr.x --cap mon 'allow profile mgr' --cap osd 'allow *'
	for i in 0 1 2; do
		key "osd.$i" --cap mon 'allow profile osd' \
		    --cap osd 'allow *' --cap mgr 'allow profile osd'
	done
	admin monmaptool --create --addv 0 "[v2:127.0.0.1:$1]" \
	    --addv 1 "[v2:127.0.0.1:$2]" --addv 2 "[v2:127.0.0.1:$3]" \
	    --fsid "$(sed -n 's/^fsid = //p' "$T/ceph/ceph.conf")" monmap
	engine_pids=
	later engine_down
	for i in 0 1 2; do
		admin ceph-mon -c ceph.conf -i "$i" --mkfs --monmap monmap \
		    --keyring keyring
		serve "mon.$i" ceph-mon -i "$i"
	done
	serve mgr.x ceph-mgr -i x
	for i in 0 1 2; do
		uuid=$(cat /proc/sys/kernel/random/uuid)
		admin ceph -c ceph.conf osd new "$uuid"
		mkdir "$T/ceph/osd.$i"
		admin ceph-osd -c ceph.conf -i "$i" --mkfs --osd-uuid "$uuid"
		serve "osd.$i" ceph-osd -i "$i"
		victim=$!
	done
	user writer
	user reader
	serve client.rgw radosgw -n client.rgw
	conf signer.conf writer
	conf reader.conf reader
	bucket images
	s3 allow reader
}

kill_one () {
	kill -9 "$victim"
	wait "$victim" 2>/dev/null
}

start_one () {
	:
}
