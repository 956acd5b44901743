# shellcheck shell=sh
# For tests of tl-rootfs-build, behind lib.sh; the whole file is skipped where it
# cannot run.  A store as of store.sh, and
#
#	signed NAME OP...	a block for the object NAME.tlsnap
#	upload NAME		one to upload it
#	download NAME		one to fetch it
#	object NAME FILE	the file as that object
#	bb.tlsnap		a template of busybox; it is the object bb

. "$here/store.sh"

# An ordinary user's runs in a sandbox only, as it does from 81-build.t on.
[ "$(id -u)" -eq 0 ] || skip 'not root'
PATH=$PATH:/usr/sbin:/sbin
for tool in buildah qemu-img mke2fs busybox curl; do
	command -v "$tool" >/dev/null || skip "$tool is not here"
done
unshare -m true 2>/dev/null || skip 'no mount namespaces here'

signed () {
	printf '{"rel_path":"projects/p/sandbox-template-builds/%s.tlsnap","op":{%s}}' \
	    "$1" "$2" | tl-presign --config signer.conf --project p
}
upload () {
	signed "$1" '"kind":"multipart_put","parts":16,"part_size_bytes":67108864'
}
download () {
	signed "$1" '"kind":"single_get"'
}
object () {
	upload "$1" >block
	tl-upload "$2" <block >/dev/null
}

store
tl-snapshot busybox bb.tlsnap 1073741824
object bb bb.tlsnap
