# shellcheck shell=sh
# For tests in which a build loses what it writes to: sourced after region.sh,
# in a mount namespace of its own, where TL_UNSHARED is set.
#
#	losses			a region and an image, the programs wrapped;
#				skips where that cannot be
#	loss HOW WHEN STEP [STATUS...]
#				a build that meets it: it ends in time, with one
#				of these statuses (any but 79 and 0 without a
#				template), says why, and nothing is left
#	HOW	work		its folder is removed
#		glob		and its ledger
#		state		the whole state folder
#		readonly	their file system takes no more writing
#		full, inodes	or has no room, for bytes or for files
#		limit		no file may grow (ulimit -f), as over a quota
#		named		a folder that was given, which is removed
#		clock=OFFSET	tl-guard's clock is set (faketime(1)), then it
#				is interrupted
#		stop		tl-guard stands still for three seconds
#	WHEN	before, during or after
#	STEP	prepare create wait sign splice context spec build get attest
#		complete

state=$HOME/.local/state/tl
faketime=$(find /usr/lib -name libfaketimeMT.so.1 2>/dev/null | head -n 1)

losses () {
	[ -n "${TL_UNSHARED-}" ] || skip 'no mount namespaces here'
	unset TL_UNSHARED
	PATH=$PATH:/usr/sbin:/sbin
	mkdir -p bin real lossy "$state"
	cp -r "$data/scratch" image
	region
	for program in "$TL_BIN"/tl-*; do
		program_=${program##*/}
		cp "$program" real/
		case $program_ in
		tl-prepare|tl-sandbox|tl-sign|tl-splice|tl-put|tl-exec|tl-get|tl-attest|tl-complete)
			ln -s ../step "bin/$program_" ;;
		tl-guard) ln -s ../guard bin/tl-guard ;;
		*) cp "$program" bin/ ;;
		esac
	done
	cat >step <<END
#!/bin/sh
# A program of a build, with a loss at its step.
[ "\${0##*/} \$1" != 'tl-sandbox rm' ] || exec $T/real/\${0##*/} "\$@"
case "\${0##*/} \$*" in
tl-exec*) step=build ;;
*context.tar.gz*) step=context ;;
*context.record*) step=record ;;
tl-put*) step=spec ;;
'tl-sandbox create'*|'tl-sandbox wait'*)
	case "\$*" in *create*) step=create ;; *) step=wait ;; esac ;;
*) step=\${0##*/tl-} ;;
esac
read -r when at <$T/when
[ "\$step" = "\$at" ] || exec $T/real/\${0##*/} "\$@"
case \$when in
before) setsid -w $T/lose ;;
during) setsid sh -c 'sleep 0.5; exec $T/lose' </dev/null >/dev/null 2>&1 & ;;
esac
$T/real/\${0##*/} "\$@"
status=\$?
[ "\$when" != after ] || setsid -w $T/lose
exit "\$status"
END
	cat >guard <<END
#!/bin/sh
# Only its own clock is another one.
[ -e $T/clock ] || exec $T/real/tl-guard "\$@"
case " \$* " in
*' --recheck '*) exec $T/real/tl-guard "\$@" ;;
esac
export LD_PRELOAD=$faketime FAKETIME_TIMESTAMP_FILE=$T/clock
export FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1
n=\$#
while [ \$n -gt 0 ]; do
	n=\$((n - 1))
	set -- "\$@" "\$1"
	[ "\$1" != -- ] || set -- "\$@" env -u LD_PRELOAD
	shift
done
exec $T/real/tl-guard "\$@"
END
	cat >lose <<END
#!/bin/sh
mkdir $T/lost 2>/dev/null || exit 0
date +%s%N >$T/lost/at
case \$(cat $T/how) in
work|named) rm -rf "\$TL_WORK" ;;
glob) rm -rf $state/build.* ;;
state) rm -rf $state ;;
readonly) mount -o remount,abort $state ;;
full)
	head -c 100000000 /dev/zero >>$state/filler
	while printf x >>$state/filler; do :; done ;;
inodes)
	i=0
	while true >$state/filler.\$i; do i=\$((i + 1)); done ;;
limit)
	for pid in \$(pgrep -f "$T/(real|bin)/tl-"); do
		prlimit --pid \$pid --fsize=1
	done ;;
clock=*)
	sed 's/clock=//' $T/how >$T/clock.new
	mv $T/clock.new $T/clock
	kill -TERM \$(pgrep -o -f "^$T/real/tl-guard") ;;
stop)
	pid=\$(pgrep -o -f "^$T/real/tl-guard")
	kill -STOP \$pid
	(sleep 3; kill -CONT \$pid) & ;;
esac 2>/dev/null
END
	chmod +x step guard lose
	# shellcheck disable=SC2016
	later 'while umount -l "$state"; do :; done' '2>/dev/null'
}

# disk: a small file system for the state folder, a new one each time
disk () {
	while umount "$state" 2>/dev/null; do :; done
	rm -rf "$state"
	mkdir -p "$state"
	case $1 in
	readonly|full|inodes)
		rm -f disk.img
		truncate -s 6M disk.img
		mke2fs -q -t ext4 -b 1024 -m 0 -N 48 disk.img &&
		    mount -o loop disk.img "$state" ;;
	esac
}

loss () {
	name="$1 $2 $3"
	case $1 in
	clock=*)
		# The sanitizers want to be loaded first themselves.
		if [ -z "$faketime" ] || [ -n "${TL_ASAN-}" ]; then
			pass_ "$name # SKIP no libfaketime"
			return
		fi ;;
	esac
	disk "$1"
	rm -rf lost named
	echo "$1" >how
	echo "$2 $3" >when
	rm -f clock
	case $1 in
	clock=*) echo +0 >clock ;;
	esac
	slow=
	[ "$2" != during ] || case $3 in
	prepare|create|sign|complete)
		slow="$3:slow=1200"
		[ "${1%=*}" != clock ] || slow="$3:no-answer=8000@1" ;;
	context|spec) slow='put:slow=1200' ;;
	get) slow='get:slow=1200' ;;
	esac
	printf '%s\n' "$slow" >"$TL_REGION_DIR/fault.new"
	mv "$TL_REGION_DIR/fault.new" "$TL_REGION_DIR/fault"
	given=''
	[ "$1" != named ] || given='--work named'
	# shellcheck disable=SC2086
	timeout -k 1 90 bin/tl-build $given image/Dockerfile >out 2>err </dev/null
	status=$? how_=$1
	shift 3
	why=''
	[ -e lost/at ] || why="$why; nothing was lost"
	took=$((($(date +%s%N) - $(cat lost/at || date +%s%N)) / 1000000))
	[ "$took" -lt 16000 ] || why="$why; it took $took ms"
	case " ${*:-$status} " in
	*" $status "*) ;;
	*) why="$why; status $status, wanted $*" ;;
	esac
	case $status in
	0) jq -e .snapshotUri out >/dev/null 2>&1 || why="$why; no template" ;;
	6[4-9]|7[0-8]|143)
		grep -q '^tl-' err || why="$why; nothing is said"
		[ ! -s out ] || [ "$how_" = limit ] ||
		    why="$why; something on stdout" ;;
	*) why="$why; status $status" ;;
	esac
	i=0
	until left_ >left.out; [ ! -s left.out ] || [ "$i" -gt 30 ]; do
		i=$((i + 1))
		sleep 0.1
	done
	[ ! -s left.out ] || why="$why; left: $(cat left.out)"
	if [ -z "$why" ]; then
		pass_ "$name: $status, nothing left"
	else
		fail_ "$name: $status, nothing left" "$why" "$(tail -n 12 err)"
		# Not to be counted in the next row.
		tl-reap >/dev/null 2>&1
		sweep
	fi
}

# left_: what is, in the region and of processes
left_ () {
	find "$TL_REGION_DIR/sandboxes" -mindepth 1 -maxdepth 1 -name 'sbx*'
	find "$TL_REGION_DIR"/store/*/uploads -type f 2>/dev/null
	pgrep -af "$T/(real|bin)/tl-"
}

# sweep: what only a look at the server can find
sweep () {
	all=$TENSORLAKE_API_URL/v1/namespaces/default/sandboxes
	set -- -sS -H "Authorization: Bearer $TENSORLAKE_API_KEY"
	curl "$@" "$all" | jq -r '.sandboxes[].id' | while read -r id; do
		curl "$@" -X DELETE "$all/$id" >/dev/null
	done
	rm -f "$TL_REGION_DIR"/store/*/uploads/*
}
