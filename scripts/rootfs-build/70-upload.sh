# The upload.

size=$(stat -c %s "$work/rootfs.tlsnap")
say "uploading $size bytes"
uploading=begun child=$uploader uploader='' code=0
echo whole >&7
exec 7<&-
wait "$child" || code=$?
child=
all_shown
[ "$code" -eq 0 ] ||
    die "$code" "upload: $(tail -n 1 "$work/log" |
	sed "s/^tl-upload: //; s,^$keys: ,the spec: ,")"

jq -n --slurpfile up "$work/uploaded" --arg id "$snapshot_id" \
    --arg uri "$snapshot_uri" --argjson size "$size" --argjson disk "$disk" \
    --arg kind "$kind" --arg parent "$parent_uri" '
    {snapshot_id: $id,
    snapshot_uri: ($up[0].uri // (if $uri == "" then null else $uri end)),
    snapshot_format_version: "durable_archive_v1",
    snapshot_size_bytes: $size, snapshot_sha256: $up[0].sha256,
    rootfs_disk_bytes: $disk,
    rootfs_node_kind: $kind} +
    (if $kind == "diff" and $parent != "" then
	{parent_manifest_uri: $parent} else {} end) |
    if .snapshot_uri == null then del(.snapshot_uri) else . end' \
    >"$work/metadata.json"
chmod 644 "$work/metadata.json"
mv "$work/metadata.json" "$metadata"
say "done"
