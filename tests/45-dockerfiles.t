#!/bin/sh
# What is in the images of some Dockerfiles: those of data/dockerfiles.cases, as
# stages of one build by tl-rootfs-build

. "${0%/*}/lib.sh"
. "$here/builder.sh"
. "$here/contexts.sh"

context ctx

echo 'FROM busybox AS bb' >Dockerfile
: >last
cases=0
makes () { # WHAT DOCKERFILE ENTRIES
	cases=$((cases + 1))
	# shellcheck disable=SC2059
	printf "$2" | sed "s/@/c$cases/g" >>Dockerfile
	echo "COPY --from=c$cases / /$cases/" >>last
	printf '%s\t%s\n' "$1" "$3" >>wanted
}
# shellcheck source=/dev/null
. "$data/dockerfiles.cases"
{ echo 'FROM scratch'; cat last; } >>Dockerfile

upload all >block
jq -cn --rawfile d Dockerfile --slurpfile up block --arg c "$PWD/ctx" \
    --argjson p "$(download bb)" '{buildId: "b",
    snapshotId: "snap_1", rootfsNodeKind: "base", dockerfile: $d,
    contextDir: $c, baseImage: "busybox", rootfsDiskBytes: 2147483648,
    upload: $up[0], parent: {parentManifestUri: "s3://images/x",
    download: $p}}' >spec.json
try 'all of them are built' tl-rootfs-build --spec spec.json \
    --metadata-out metadata.json --storage "$T/storage"
exits 0
silent err
curl -fsS -o all.tlsnap "$(download all | jq -r .url)"
tl-snapshot tar all.tlsnap >all.tar
tl-snapshot tar bb.tlsnap >bb.tar
/usr/bin/python3 - <<'END' >made
import stat, tarfile
below = {m.name.strip("./") for m in tarfile.open("bb.tar")}
# What a RUN finds there, in stages that are not the last.
below |= {"etc/resolv.conf", "etc/hosts", "etc/hostname"}
found = {}
t = tarfile.open("all.tar")
kind = {tarfile.DIRTYPE: stat.S_IFDIR, tarfile.SYMTYPE: stat.S_IFLNK,
        tarfile.FIFOTYPE: stat.S_IFIFO}
for m in sorted(t, key=lambda m: m.name):
    n, _, name = m.name.removeprefix("./").partition("/")
    if not n.isdigit():
        continue
    found.setdefault(int(n), [])
    if not name or name in below:
        continue
    text = "%s %d:%d %s" % (stat.filemode(m.mode | kind.get(m.type,
        stat.S_IFREG)), m.uid, m.gid, name)
    if m.issym():
        text += " -> " + m.linkname
    elif m.isreg() or m.islnk():
        text += "=" + t.extractfile(m).read().decode().rstrip(
            "\n").replace("\n", "|")
    found[int(n)].append(text)
for n in range(1, max(found, default=0) + 1):
    print(";".join(found.get(n, [])))
END
while IFS='	' read -r what entries; do
	IFS= read -r there <&3 || there='nothing'
	is "$what" "$there" "$entries"
done <wanted 3<made
ok 'enough of them' test "$cases" -ge 60
