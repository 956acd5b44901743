#!/bin/sh
# The README names the packages that scripts/quickstart installs, and no others

. "${0%/*}/lib.sh"
root=$here/..

sed -n '/^| package | for |/,/^$/p' "$root/README.md" |
    sed -n '3,$s/^| \([^|]*\) |.*/\1/p' | tr -d ' ' | tr , '\n' | sort >table
"$root/scripts/quickstart" packages build run | sort >installed
ok 'the table has some' test -s table
is "README's table" "$(diff table installed)" ''
sed -n '/^The tests also want/,/mandoc/p' "$root/lib/README.md" |
    tr -c 'a-z0-9-' '\n' >prose
"$root/scripts/quickstart" packages check >tests
while read -r package; do
	ok "README says what $package is there for" grep -qx "$package" prose
done <tests
"$root/scripts/quickstart" packages >all
is 'each once' "$(sort all | uniq -d)" ''
is 'all of them' "$(wc -l <all)" "$(cat installed tests | wc -l)"

# field NAME: the packages of all such fields of Debian's control file, but for
# our own
field () {
	sed -n "/^$1:/,/^[^ ]/{ /^$1:/p; /^ /p; }" "$root/scripts/debian/control" |
	    sed "s/^$1://; s/([^)]*)//g; s/\\\${[^}]*}//g" | tr ',|' ' ' | tr ' ' '\n' |
	    grep -vE '^(tl-.*|)$' | sort -u
}
"$root/scripts/quickstart" packages build | grep -v '^build-essential$' |
    sort >wanted
field Build-Depends | grep -v '^debhelper' >named
is 'what Debian builds with' "$(diff named wanted)" ''
# util-linux is on every Debian, and may not be named.
"$root/scripts/quickstart" packages run | grep -vx util-linux | sort >wanted
{ field Depends; field Recommends; } | sort -u >named
is 'what a package depends on' "$(diff named wanted)" ''
is 'its version' "$(head -n 1 "$root/scripts/debian/changelog" |
    sed 's/^tl (\([^)]*\)).*/\1/')" "$(cat "$root/.version")"
is 'the versions of tl(7) are those of the changelog' \
    "$(sed -n '/^\.Sh HISTORY/,/^\.El/s/^\.It //p' "$root/man/tl.7")" \
    "$(sed -n 's/^tl (\([^)]*\)).*/\1/p' "$root/scripts/debian/changelog")"

# ours PACKAGE: which others of ours it depends on
ours () {
	sed -n "/^Package: $1\$/,/^\$/{ /^Depends:/,/^[^ D]/p; }" \
	    "$root/scripts/debian/control" | sed -n 's/.*\(tl-[a-z]*\) (=.*/\1/p' |
	    tr '\n' ' '
}
is 'the client is installed alone, the others upon it' \
    "$(ours tl-client)/$(ours tl-builder)/$(ours tl-region)" \
    '/tl-client /tl-builder tl-client '
# A tar file is the same bytes each time, and its tree knows its commit, also
# within another checkout.
if commit=$(git -C "$root" rev-parse HEAD 2>/dev/null); then
	git init -q
	git -c user.name=a -c user.email=a@b commit -q --allow-empty -m a
	for one in 1 2; do
		make -s -C "$root" dist B="$T/dist.$one"
	done
	ok 'make dist twice' cmp dist.1/*.tar.gz dist.2/*.tar.gz
	tar -xf dist.1/*.tar.gz
	is 'the commit in it' "$(make -pn -C tl-* clean | sed -n \
	    's/^COMMIT := //p')" "$(printf %.10s "$commit")"
	is 'and in a checkout' "$(make -pn -C "$root" clean | sed -n \
	    's/^COMMIT := //p')" "$(printf %.10s "$commit")"
else
	echo '# not a checkout: make dist is not tried'
fi

# What all parts have in common comes with each; Debian has it with the client.
for part in client builder region; do
	is "installing $part brings tl-options" "$(make -n -C "$root" \
	    "install-$part" | grep -c '^install .*/bin/tl-options ')" 1
	is "$part alone does not" "$(make -n -C "$root" "install-$part" \
	    ALONE=1 | grep -c '^install .*/bin/tl-options ')" 0
done

try 'another kind' "$root/scripts/quickstart" packages some
exits 64
silent out
says 'usage: scripts/quickstart'
try 'no release' "$root/tests/roots/run"
exits 64
says 'usage: tests/roots/run'
try 'a release that is none' "$root/tests/roots/run" ../x
exits 64
try 'arm64 is not fresh' "$root/tests/roots/run" -f arm64
exits 64

# What a root is told of npm: where it goes, not as whom.
mkdir npm etc
cat >npm/npm <<'END'
#!/bin/sh
case $3 in
registry) echo https://npm.example/ ;;
cafile) echo "$CAFILE" ;;
noproxy) echo ;;
strict-ssl) echo true ;;
*) echo null ;;
esac
END
chmod +x npm/npm
echo certificates >cas.pem
# settings [CAFILE]: with such an npm here
settings () {
	rm -f etc/*
	# shellcheck disable=SC2016
	PATH=$T/npm:$PATH CAFILE=${1-null} NODE_EXTRA_CA_CERTS=${2-} \
	    sh -euc '. "$1/roots/lib.sh"; npm_settings etc' sh "$here"
	cat etc/*
}
is 'npm is told the registry' "$(settings)" 'registry=https://npm.example/
strict-ssl=true'
is 'and whom to trust' "$(settings "$T/cas.pem")" 'certificates
registry=https://npm.example/
strict-ssl=true
cafile=/etc/npm-trusted.pem'
is 'also where Node is told so' "$(settings null "$T/cas.pem")" \
    "$(settings "$T/cas.pem")"

# Debian's busybox and busybox-static push each other off: what is there stays.
mkdir -p tree/scripts machine
cp "$root/scripts/quickstart" tree/scripts/
cat >machine/dpkg-query <<'END'
#!/bin/sh
for p; do :; done
[ "$p" = busybox-static ] || printf 'install ok installed'
END
cat >machine/apt-get <<'END'
#!/bin/sh
echo "apt-get $*" >>../../../did
[ "$1" != download ] || : >busybox-static_1_all.deb
END
cat >machine/dpkg <<'END'
#!/bin/sh
mkdir -p usr/bin
echo static >usr/bin/busybox
chmod +x usr/bin/busybox
END
cat >machine/make <<'END'
#!/bin/sh
echo "make with $TL_BUSYBOX" >>../did
exit 3
END
chmod +x machine/*
try 'quickstart where busybox is installed' \
    env PATH="$T/machine:$PATH" tree/scripts/quickstart
exits 3
says 'busybox is installed, and busybox-static would replace it'
is 'its packages are left alone' "$(sed "s,$T/,," did)" \
    "apt-get download -q busybox-static
make with tree/build/busybox"
is 'the program is kept' "$(cat tree/build/busybox) $(ls tree/build)" \
    'static busybox'
