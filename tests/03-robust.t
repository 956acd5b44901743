#!/bin/sh
# Every program and whatever can be wrong around it: its status is one of its
# page, stderr has one line that begins with its name, stdout is empty, and
# nothing is left on the disk

. "${0%/*}/lib.sh"
. "$here/scripted.sh"

TL_RETRY_SECOND_MS=1
TMPDIR=$T/tmp
export TL_RETRY_SECOND_MS TMPDIR
mkdir tmp live dead
scripted ''
documents live "$URL"
documents dead http://127.0.0.1:1
# Longer than any document may be, and no room taken for it.
truncate -s 67108865 long

# state: what is on the disk, as far as a program may have to do with it
state () {
	find live dead tmp home -printf '%p %s %m\n' | sort
}

# verdict WHAT LINES STATUS...: how a run ended; LINES on stderr: one (with the
# program's name), none, usage, or any
verdict () {
	what=$1 lines=$2 why=''
	shift 2
	echo "$status" >>"statuses.$program"
	case " $* " in
	*" $status "*) ;;
	*) why="status $status, wanted $*" ;;
	esac
	case $lines in
	one)
		if [ "$(wc -l <err)" -ne 1 ] || ! grep -q "^$program: ." err
		then
			why="$why; not one line of $program"
		fi ;;
	none)
		[ ! -s err ] || why="$why; something on stderr" ;;
	usage)
		grep -q "^usage: $program " err || why="$why; no usage" ;;
	esac
	! LC_ALL=C grep -q '[^	 -~]' err || why="$why; control bytes"
	[ ! -s out ] || why="$why; something on stdout"
	state >after
	cmp -s before after ||
	    why="$why; on the disk: $(diff before after | grep '^[<>]')"
	if [ -z "$why" ]; then
		pass_ "$program$form: $what"
	else
		fail_ "$program$form: $what" "$why" "$(cat err)" \
		    "$(head -c 200 out)"
	fi
}

# run DIR ARGUMENTS VIA...: the program there, by way of some command
run () {
	dir_=$1 args_=$2
	shift 2
	# shellcheck disable=SC2086
	(cd "$dir_" && exec timeout 20 "$@" "$program" $args_) <in >out 2>err
	status=$?
}

# redirected REDIRECTION...: a way to run with these
redirected () {
	run live "$args" sh -c "exec \"\$@\" $*" sh
}

# With a stdout whose reader has gone.
cat >unread.pl <<'END'
pipe(R, W) && close(R) && open(STDOUT, ">&W") && exec(@ARGV);
die;
END

# document TEXT: what the row's program reads
document () {
	# shellcheck disable=SC2059
	if [ "$reads" = stdin ]; then
		printf "$1" >in
	else
		printf "$1" >live/doc
	fi
	state >before
}

# wrong WHAT STATUS
wrong () {
	run live "$args" env
	verdict "$1" one "$2"
}

# row NAME READS FLAGS ARGUMENTS [STDIN]: READS is stdin=FILE or doc=FILE, the
# second for an argument "doc", or - for neither.  FLAGS:
#	prints	it writes on stdout	net	it talks to a server
#	image	what it reads is no JSON but a disk's image
#	text	what it reads may be anything but empty
#	words	any number of arguments is right
#	endless	it does not end by itself, so it is not seen to succeed
row () {
	program=$1 reads=${2%%=*} valid=${2#*=} flags=" $3 " args=$4
	form=${args:+ $args}
	rm -f in
	cp "${5:-/dev/null}" in
	rm -f live/doc dead/doc
	if [ "$reads" = doc ]; then
		cp "live/$valid" live/doc
		cp "dead/$valid" dead/doc 2>/dev/null
	elif [ "$reads" = stdin ]; then
		cp "live/$valid" in
	fi
	state >before
	case $flags in
	*' endless '*) ;;
	*)
		run live "$args" env
		mv out result
		: >out
		verdict 'works' none 0
		run live "$args" env -u HOME
		rm -f out
		: >out
		verdict 'without HOME' none 0 ;;
	esac
	case $flags in
	*' prints '*)
		redirected '>/dev/full'
		verdict 'a full disk' one 74
		redirected '>&-'
		verdict 'no stdout' one 74
		run live "$args" perl "$T/unread.pl"
		case $status in
		141) verdict 'its reader has left' none 141 ;;
		*) verdict 'its reader has left' one 74 ;;
		esac ;;
	esac
	case $flags in
	*' words '*) ;;
	*)
		run live "$args more" env
		verdict 'an argument too many' usage 64 ;;
	esac
	case $flags in
	*' net '*)
		[ "$reads" != stdin ] || cp "dead/$valid" in
		TENSORLAKE_API_URL=http://127.0.0.1:1
		run dead "$args" env
		TENSORLAKE_API_URL=$URL
		[ "$reads" != stdin ] || cp "live/$valid" in
		verdict 'nobody answers' one 75
		case $program in
		tl-upload|tl-multipart) ;;
		*)
			mkdir -p home/.config/tl
			echo 'api_key = MARKER' >home/.config/tl/config
			chmod 644 home/.config/tl/config
			state >before
			wrong "a user's file with a key for all to read" 78
			rm -r home/.config
			state >before ;;
		esac ;;
	esac
	[ "$reads" != - ] || return 0
	if [ "$reads" = stdin ]; then
		redirected '<&-'
		verdict 'no stdin' one 74
	fi
	document ''
	wrong 'an empty document' 65
	case $flags in
	*' text '*) return 0 ;;
	*' image '*)
		document 'no image'
		wrong 'no image' 65
		head -c 70000 "live/$valid" >live/doc
		state >before
		wrong 'half an image' 65
		rm live/doc
		state >before
		wrong 'no such image' 66
		return 0 ;;
	esac
	size=$(stat -c %s "live/$valid")
	case $reads in
	stdin) head -c $((size / 2)) "live/$valid" >in ;;
	*) head -c $((size / 2)) "live/$valid" >live/doc ;;
	esac
	state >before
	wrong 'half a document' 65
	document '[]'
	wrong 'an array' 65
	document '7'
	wrong 'a number' 65
	document 'no JSON'
	wrong 'no JSON' 65
	document '\0\0\0\0'
	wrong 'NULs' 65
	document '\357\273\277{}'
	wrong 'a byte order mark' 65
	document '{"a":"\033[31m\377"}'
	wrong 'control bytes' 65
	if [ "$reads" = stdin ]; then
		mv in in.was
		ln -s long in
	else
		ln -sf ../long live/doc
	fi
	state >before
	wrong 'a document too long' 65
	grep -q 'more than' err || fail_ "$program$form: says so" "$(cat err)"
	rm -f in live/doc
}

# daemon NAME ARGUMENTS: one that reads FILE, its argument "doc"
daemon () {
	program=$1 args=$2 form=" $2"
	: >in
	rm -f live/doc
	state >before
	wrong 'no such file' 66
	run live "$args more" env
	verdict 'an argument too many' usage 64
	for text in '\0\0\0' '{}' 'no = such = thing' '\377 \033[31m' '\n\n'; do
		(umask 077; document "$text")
		wrong "$text for a configuration" 78
		rm live/doc
	done
	cp "live/$3" live/doc
	chmod 644 live/doc
	state >before
	wrong 'a configuration that all may read' 78
	rm live/doc
}

c='-c signer.conf'
row tl-plan stdin=context/Dockerfile 'prints text' '-f - -n x context'
row tl-plan - prints '-f context/Dockerfile context'
row tl-plan - prints '--import docker.io/library/redis:7'
row tl-docker-config stdin=plan.json prints ''
row tl-splice stdin=signed.json prints 'prepared.json -'
row tl-splice doc=prepared.json prints 'doc signed.json'
row tl-splice doc=plan.json prints '-p doc prepared.json signed.json'
row tl-splice doc=docker.json prints \
    '-p plan.json --docker-config doc prepared.json signed.json'
row tl-context - prints 'context'
row tl-context - prints '--list context'
row tl-prepare stdin=plan.json 'prints net' ''
row tl-sandbox stdin=prepared.json 'prints net' create
row tl-sandbox - 'prints net' 'create --image n'
row tl-sandbox stdin=sandbox.json 'prints net' 'wait --timeout 1'
row tl-sandbox stdin=sandbox.json 'prints net' show
row tl-sandbox stdin=sandbox.json endless keepalive
row tl-sandbox stdin=sandbox.json net 'rm --timeout 1'
row tl-sign stdin=prepared.json 'prints net' '-s sandbox.json'
row tl-sign doc=sandbox.json 'prints words' '-s doc --dialect seed' \
    live/prepared.json
row tl-attest stdin=metadata.json 'prints net' \
    '-p prepared.json -s sandbox.json'
row tl-attest doc=prepared.json 'prints net' '-p doc -s sandbox.json' \
    live/metadata.json
row tl-complete stdin=metadata.json 'prints net' \
    '-p prepared.json -s signed.json'
row tl-complete doc=prepared.json 'prints net' '-p doc' live/metadata.json
row tl-complete doc=attested.json prints '-p prepared.json -a doc' \
    live/metadata.json
row tl-complete doc=signed.json prints '-p prepared.json -s doc' \
    live/metadata.json
row tl-image - 'prints net' ls
row tl-image - 'prints net' 'ls --json'
row tl-image - 'prints net' 'show n'
row tl-image - 'prints net' 'digest n'
row tl-image - 'prints net' 'get --signer signer.conf --snapshot n'
row tl-image - 'prints net' 'get -s sandbox.json --snapshot n'
row tl-image - 'prints net words' 'rm n'
row tl-image - 'prints net' 'register --dockerfile plan.json n s-1'
row tl-put stdin=snapshot 'net text' '-s sandbox.json /x'
row tl-get doc=sandbox.json 'prints net' '-s doc /x'
row tl-exec doc=sandbox.json 'prints net words' '-s doc -- true'
row tl-exec doc=prepared.json 'prints words' '-s sandbox.json --builder doc'
row tl-diagnose doc=sandbox.json '' '-s doc -t 1'
row tl-abort stdin=signed.json net '-t 1'
row tl-expires stdin=expires.json prints ''
row tl-upload stdin=block.json 'prints net' '-t 1 snapshot'
row tl-presign stdin=request.json prints "$c -p p1 -u u-1"
row tl-presign stdin=request.json 'prints' "$c -p p1"
row tl-multipart - 'prints net' "$c create a/b"
row tl-multipart - net "$c abort a/b u-1"
row tl-multipart - 'prints net' "$c list a/b"
row tl-multipart - net "$c release a/b"

PATH=$PATH:/usr/sbin:/sbin
if command -v mke2fs >/dev/null && command -v qemu-img >/dev/null; then
	mkdir live/tree
	echo hello >live/tree/hello
	truncate -s 4M live/image
	mke2fs -q -t ext4 -d live/tree live/image
	tl-ext4 qcow2 live/image live/tlsnap
	row tl-ext4 doc=image 'prints image' 'tar doc'
	row tl-ext4 doc=image 'prints image' 'cat doc /hello'
	row tl-snapshot doc=tlsnap 'prints image' 'tar doc'
	row tl-snapshot doc=tlsnap 'prints image' 'cat doc /hello'
	row tl-snapshot doc=tlsnap image 'check doc'
fi

daemon tl-stored '-d objects -c doc -b images' store.keys
daemon tl-dataplaned "-c doc -s . -l unix:$T/live/sock" signer.conf
daemon tl-platformd '--keys doc --db db --reader signer.conf' keys
daemon tl-platformd '--keys keys --db db --reader doc' signer.conf
! tl-runtime --enter true 2>/dev/null || daemon tl-sandboxd '-k doc -s state' keys

# What all have in common, scripts too.
for program in "$TL_BIN"/*; do
	program=${program##*/} form=''
	: >in
	state >before
	for args in -h -V; do
		redirected '>/dev/full'
		verdict "$args, a full disk" one 74
		redirected '>&-'
		verdict "$args, no stdout" one 74
		run live "$args" env -u HOME
		rm -f out
		: >out
		verdict "$args without HOME" none 0
	done
	run live --no-such-option env
	verdict 'an unknown option' usage 64
	# Without a descriptor of its own, a program must take none for it.
	case $(head -c 2 "$TL_BIN/$program") in
	'#!') ;;
	*)
		args=--no-such-option
		redirected '<&- >&- 2>&-'
		verdict 'an unknown option, and nothing open' any 64 ;;
	esac
done

# What was made on a server is given back when nobody can learn of it.
given_back () {
	program=$1 args=$2 form=" $2" what=$4
	for to in '>/dev/full' '>&-'; do
		: >log
		cp "live/$3" in
		redirected "$to"
		is "$program $args $to: status" "$status" 74
		is "$program $args $to: $what" "$(seen 'map(.method + " " +
		    (.target | sub("\\?.*"; "")))[]' | tail -n 1)" "$what"
	done
}
given_back tl-sandbox create prepared.json \
    'DELETE /v1/namespaces/default/sandboxes/sbx-1'
given_back tl-sign '-s sandbox.json' prepared.json 'DELETE /abort'
given_back tl-multipart "$c create a/b" plan.json 'DELETE /images/a/b'
given_back tl-presign "$c -p p1" request.json 'DELETE /images/'"$(
    jq -r .rel_path live/request.json)"

# tl-build needs a folder of its own.
program=tl-build form=''
run live 'context/Dockerfile' env -u HOME -u XDG_STATE_HOME
verdict 'without HOME' one 78
run live '--work w context/Dockerfile' env -u HOME -u XDG_STATE_HOME
is 'without HOME, in a folder' "$status $(jq -r .id out)" '0 t-1'
rm -rf live/w out
: >in
run live '--work w context/Dockerfile' sh -c 'exec "$@" >/dev/full' sh
ok 'tl-build, a full disk: the template is kept' grep -q t-1 live/w/template.json
rm -rf live/w home/.local
verdict 'a full disk' any 74

for page in "$here"/../man/tl-*.[18]; do
	page=${page##*/}
	program=${page%.*}
	[ -e "statuses.$program" ] || continue
	# What a command gives is told apart from the rest.
	[ "$program" != tl-exec ] || sed -i '/^0$/d' statuses.tl-exec
	lists "$page" "statuses.$program"
done
