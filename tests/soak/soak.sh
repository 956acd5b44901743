# shellcheck shell=sh
# builds WHAT N: builds.py on a region of its own, its results as checks.

here=$(cd "${0%/*}/.." && pwd)
. "$here/lib.sh"
here=${here%/soak} data=${here%/soak}/data
. "$here/region.sh"

builds () {
	seed=${TL_SEED:-$(date +%s)}
	echo "# seed $seed: again with TL_SEED=$seed"
	region
	cp -r "$data/scratch" image
	T=$T TL_SEED=$seed python3 "$here/builds.py" "$1" "$2" "$T/image" \
	    >results 2>err &
	builds=$!
	later kill "$builds" '2>/dev/null'
	wait "$builds"
	is "builds.py $1 $2" "$? $(cat err)" '0 '
	while read -r verdict; do
		case $verdict in
		ok*) pass_ "${verdict#*- }" ;;
		not*) fail_ "${verdict#*- }" ;;
		*) echo "$verdict" ;;
		esac
	done <results
	nothing_left "$1"
}
