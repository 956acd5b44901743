# The spec.

[ -r "$spec" ] || die 66 "$spec: no such file"
case $spec in
/*) ;;
*) spec=$PWD/$spec ;;
esac
case $metadata in
/*) ;;
*) metadata=$PWD/$metadata ;;
esac
out_dir=${metadata%/*}
[ -d "$out_dir" ] || die 73 "$metadata: no such folder"
rm -f "$metadata"

# Strings and plain numbers only; jq's own words quote the text, which is
# secret, so they are not shown.  All is asked for at once, since jq takes long to
# start.  Of each template N, and what it stands on, there are ref_N, below_N and
# for each level L (the template is its first one) uri_N_L and curl_N_L, which
# is how curl is told to fetch it; what is not to be used is empty.
fields=$(jq -er '
    def str($o; $k): if $o[$k] == null then "" elif ($o[$k] | type) ==
	"string" then $o[$k] else error("not a string") end;
    def str($k): str(.; $k);
    def num($v): if $v == null then "" elif ($v | type) == "number" and
	$v == ($v | floor) and $v > 0 and $v < 9007199254740992
	# floor: jq 1.7 would spell it as it came, 1.0e9.
	then "\($v | floor)" else error("not a size") end;
    def q: if type != "string" or test("[\u0000-\u001f]") then error("")
	else gsub("\\\\"; "\\\\") | gsub("\""; "\\\"") | "\"\(.)\"" end;
    def fetch: try (if (.url | test("^https?://"; "i") | not) then error("")
	else . end | ["url = \(.url | q)", "request = \(.method // "GET" | q)",
	((.headers // {}) | to_entries[] |
	    "header = \("\(.key): \(.value)" | q)")] | join("\n")) catch "";
    def text: if type == "string" then . else "" end;
    def level($name; $uri): "uri_\($name)=\($uri | text | @sh)
	curl_\($name)=\(.download | fetch | @sh)";
    def below: .ancestors // [] | if type == "array" and length < 32 then .
	else null end;
    def template($n; $ref; $uri): below as $below |
	"ref_\($n)=\($ref | text | @sh)
	below_\($n)=\($below | if . == null then "" else length end)",
	level("\($n)_0"; $uri),
	(($below // []) | to_entries[] | .key as $l | .value |
	    level("\($n)_\($l + 1)"; .snapshotUri?));
    if (.upload | type) != "object" then error("") else . end |
    (.parent // {}) as $p |
    @sh "snapshot_id=\(str("snapshotId")) kind=\(str("rootfsNodeKind"))
	disk=\(num(.rootfsDiskBytes)) parent_disk=\(num($p.rootfsDiskBytes))
	uncached=\(if .noCache == true then "1" else "" end)
	epoch=\(.sourceDateEpoch | if . == null then "" elif type == "number"
	    and . == floor and . >= 0 and . < 9007199254740992
	    then "\(floor)" else error("not a time") end)
	snapshot_uri=\(str("snapshotUri"))
	context=\(str("contextDir")) base=\(str("baseImage"))
	import=\(str("importImageReference"))
	parent_uri=\(str($p; "parentManifestUri"))
	has_parent=\(if .parent == null then "" else "1" end)
	has_auth=\(if .dockerConfigJson == null then "" else "1" end)
	dockerfile=\(str("dockerfile") | @base64)
	others=\(.additionalLocalImages // [] | if type == "array" then length
	    else error("not an array") end)",
    (.parent | objects | template("parent"; "parent"; .parentManifestUri)),
    (.additionalLocalImages // [] | to_entries[] | .key as $n | .value |
	if type == "object" then template($n; .reference; .snapshotUri)
	else "ref_\($n)=" end)' \
    "$spec" 2>/dev/null) || die 65 "$spec: not a spec: not JSON, no upload," \
    "or a member of the wrong type"
eval "$fields"
[ -n "$disk" ] || die 65 "$spec: rootfsDiskBytes: missing"
[ -n "$snapshot_id" ] || die 65 "$spec: snapshotId: missing"
if [ "${parent_disk:-0}" -gt "$disk" ]; then
	die 65 "the parent's disk has $parent_disk bytes, more than the $disk" \
	    "of rootfsDiskBytes"
fi
[ -n "$kind" ] || kind=base
[ -z "$uncached" ] || cache=
unset SOURCE_DATE_EPOCH
[ -z "$epoch" ] || export SOURCE_DATE_EPOCH="$epoch"
case $kind in
base) has_parent_image= ;;
diff)
	[ -n "$has_parent" ] || die 65 "$spec: parent: missing in a diff build"
	has_parent_image=1 ;;
*)
	die 65 "$spec: rootfsNodeKind: must be base or diff" ;;
esac

# From here on it is a descriptor of ours: nothing that a RUN step may find has a
# name, and what they run as may not look into us.
keys=/proc/self/fd/9
exec 9<"$spec"
[ ! -f "$spec" ] || [ -L "$spec" ] || rm -f "$spec"

