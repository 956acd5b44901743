# shellcheck shell=sh
# Swift as an S3 store, sourced after lib.sh: one proxy, account, container and
# object server each on a free loopback port, a ring of one device, a memcached.
#
#	engine			start it with an empty bucket "images", until
#				the test ends, at $ENDPOINT; also as a host
#				below "localhost"
#	kill_one, start_one	its object server
#
# ./signer.conf signs for the bucket, ./reader.conf with a key that only reads.
# Everything is below $T/swift; what the servers said in $T/swift/*.log.

packages='swift-proxy swift-account swift-container swift-object memcached'
for program in swift-proxy-server swift-account-server \
    swift-container-server swift-object-server swift-ring-builder memcached
do
	command -v "$program" >/dev/null || skip "Swift is missing: apt-get" \
	    "install --no-install-recommends $packages python3-boto3"
done
/usr/bin/python3 -c 'import boto3' 2>/dev/null || skip 'python3-boto3 is missing'

# device DIR: where objects lie; their metadata is in extended attributes of
# the user's, which not every file system has.
device () {
	mkdir -p "$1"
	: >"$1/try"
	if /usr/bin/python3 -c 'import os, sys
os.setxattr(sys.argv[1], "user.swift.metadata", b"x" * 2048)' "$1/try" \
	    2>/dev/null
	then
		rm "$1/try"
		return
	fi
	[ "$(id -u)" -eq 0 ] || skip "$1: no extended attributes here;" \
	    'set TMPDIR, or be root'
	truncate -s 4G "$T/swift/device.img"
	mke2fs -q -t ext4 "$T/swift/device.img" || exit 1
	mount -o loop "$T/swift/device.img" "$1" || exit 1
	later "umount '$1'"
}

# server NAME PORT PIPELINE: its configuration begins
server () {
	cat >"$T/swift/$1.conf" <<-CONF
	[DEFAULT]
	bind_ip = 127.0.0.1
	bind_port = $2
	user = $(id -un)
	swift_dir = $T/swift
	devices = $T/swift/devices
	recon_cache_path = $T/swift/cache
	mount_check = false
	workers = 0
	log_udp_host = 127.0.0.1
	log_udp_port = 9
	[pipeline:main]
	pipeline = $3
	[app:$1-server]
	use = egg:swift#${1%-server}
	CONF
}

# No argument has $T in it: what is left of a region is found by that.
serve () {
	(cd "$T/swift" && exec "swift-$1-server" "$1.conf" -v) \
	    >>"$T/swift/$1.log" 2>&1 &
	engine_pids="$engine_pids $!"
}

engine_down () {
	# shellcheck disable=SC2086
	kill $engine_pids 2>/dev/null
	# shellcheck disable=SC2086
	wait $engine_pids 2>/dev/null
}

# conf FILE ACCESS SECRET
conf () {
	(umask 077
	cat >"$1" <<-CONF
	bucket = images
	endpoint = $ENDPOINT
	region = us-east-1
	addressing = path
	access_key = $2
	secret_key = $3
	CONF
	)
}

engine () {
	mkdir -p "$T/swift/cache"
	device "$T/swift/devices/d1"
	cat >"$T/swift/swift.conf" <<-CONF
	[swift-hash]
	swift_hash_path_suffix = tests
	[storage-policy:0]
	name = one
	default = yes
	CONF
	# shellcheck disable=SC2046
	set -- $(/usr/bin/python3 -c 'import socket
all = [socket.create_server(("127.0.0.1", 0)) for i in range(5)]
print(*(s.getsockname()[1] for s in all))')
	server account "$2" account-server
	server container "$3" container-server
	server object "$4" object-server
	server proxy "$1" \
	    'catch_errors gatekeeper cache s3api tempauth slo dlo proxy-server'
	# A server that is only starting is asked again at once, not shunned.
	cat >>"$T/swift/proxy.conf" <<-CONF
	account_autocreate = true
	error_suppression_limit = 1000000
	[filter:catch_errors]
	use = egg:swift#catch_errors
	[filter:gatekeeper]
	use = egg:swift#gatekeeper
	[filter:cache]
	use = egg:swift#memcache
	memcache_servers = 127.0.0.1:$5
	[filter:s3api]
	use = egg:swift#s3api
	s3_acl = false
	max_upload_part_num = 10000
	storage_domain = localhost
	[filter:tempauth]
	use = egg:swift#tempauth
	user_test_writer = write-secret .admin
	user_test_reader = read-secret .reseller_reader
	[filter:slo]
	use = egg:swift#slo
	[filter:dlo]
	use = egg:swift#dlo
	CONF
	ENDPOINT=http://127.0.0.1:$1
	(cd "$T/swift" || exit 1
	for ring in account:"$2" container:"$3" object:"$4"; do
		swift-ring-builder "${ring%:*}.builder" create 4 1 1
		swift-ring-builder "${ring%:*}.builder" add --region 1 \
		    --zone 1 --ip 127.0.0.1 --port "${ring#*:}" \
		    --device d1 --weight 1
		swift-ring-builder "${ring%:*}.builder" rebalance
	done) >ring.log 2>&1
	memcached -l 127.0.0.1 -p "$5" -U 0 -m 8 -u "$(id -un)" \
	    >"$T/swift/memcached.log" 2>&1 &
	engine_pids=$!
	later engine_down
	for name in account container object proxy; do
		serve "$name"
		[ "$name" != object ] || victim=$!
	done
	conf signer.conf test:writer write-secret
	conf reader.conf test:reader read-secret
	bucket images
}

kill_one () {
	kill -9 "$victim"
	wait "$victim" 2>/dev/null
}

start_one () {
	serve object
}
