#!/bin/sh
# Builds in which one exchange goes wrong, some of the table of data/ (all of it
# in tests/soak): the status it says, nothing left, no secret shown.  And what
# a region does with its faults.

. "${0%/*}/lib.sh"
. "$here/region.sh"

try 'faults that are none' env TL_FAULT='complete:broken' \
    tl-region --dir "$T/other" up
exits 78
says 'complete:broken'
is 'leaves nothing running' "$(tl-region --dir "$T/other" status |
    grep -c ' down')" 4
tl-region --dir "$T/other" down --purge

TL_FAULT='introspect:500@1 introspect:html@2'
export TL_FAULT
region
unset TL_FAULT
introspect () {
	curl -sS -o /dev/null -w '%{http_code} %{content_type}' -X POST \
	    -H @- "$TENSORLAKE_API_URL/platform/v1/keys/introspect" <<END
Authorization: Bearer $TENSORLAKE_API_KEY
END
}
is 'the variable: the first' "$(introspect)" '500 application/json'
is 'the variable: the second' "$(introspect)" '200 text/html'
is 'the variable: no more' "$(introspect)" '200 application/json'
echo 'introspect:429@2-' >"$TL_REGION_DIR/fault.new"
mv "$TL_REGION_DIR/fault.new" "$TL_REGION_DIR/fault"
is 'the file: not the first' "$(introspect)" '200 application/json'
is 'the file: from the second on' "$(introspect)" '429 application/json'
is 'each is logged' "$(tl-region logs platformd |
    grep -c 'fault: introspect: introspect:')" 3
rm "$TL_REGION_DIR/fault"
is 'without it' "$(introspect)" '200 application/json'
tl-region down --purge

# A run of CI is to say the same twice; by hand each run tries others.
seed=${TL_SEED:-${CI:+698}}
seed=${seed:-$(date +%s)}
echo "# seed $seed: again with TL_SEED=$seed"
mkdir images images/diff
cp -r "$data/scratch" images/base
cp "$data/scratch/hello.txt" images/diff
printf 'FROM busybox\nCOPY hello.txt /hello.txt\n' >images/diff/Dockerfile
python3 "$here/faults.py" --table "$data/faults.table" --folder "$T/images" \
    --dir "$T/faults" --seed "$seed" --count "${TL_FAULTS:-40}" \
    --seconds "${TL_FAULTS_SECONDS:-45}" >results 2>err &
faults=$!
later kill "$faults" '2>/dev/null'
wait "$faults"
is 'the builds' "$? $(cat err)" '0 '
grep -v '^#' results >verdicts
while read -r verdict; do
	name=${verdict#*- }
	case $verdict in
	ok*) pass_ "$name" ;;
	*)
		grep -Fx -A 20 "$verdict" results | sed 1d | sed '/^[^#]/,$d'
		fail_ "$name" ;;
	esac
done <verdicts
ok 'some were done' test -s verdicts
