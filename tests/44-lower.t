#!/bin/sh
# tl-lower: what older Dockerfile a Dockerfile becomes, and which files it gets;
# 45-dockerfiles.t builds them

# shellcheck disable=SC2016,SC1003
. "${0%/*}/lib.sh"

# becomes WHAT DOCKERFILE OLDER: printf's escapes are undone in the first
becomes () {
	# shellcheck disable=SC2059
	printf "$2" >in
	rm -rf files
	try "$1" tl-lower -c ctx -d files in
	is "$1" "$status $(cat out err)" "0 $3"
}
# refused WHAT DOCKERFILE MESSAGE
refused () {
	# shellcheck disable=SC2059
	printf "$2" >in
	rm -rf files
	try "$1" tl-lower -c ctx -d files in
	exits 65
	says "tl-lower: in:$3"
	silent out
}
listed () { # WHAT FILES
	is "$1" "$(cd files && find . -mindepth 2 | sort | tr '\n' ' ')" "$2 "
}

mkdir -p ctx/sub/deep ctx/pkg ctx/none
echo a >ctx/a.txt
echo b >'ctx/b[1].txt'
echo c >ctx/sub/c.rst
echo d >ctx/sub/deep/d.txt
echo p >ctx/pkg/package.json
echo '*.log' >ctx/.dockerignore
echo l >ctx/x.log
chmod 700 ctx/sub/deep
touch -d @1000000000 ctx/sub ctx/sub/deep ctx/a.txt
ln -s sub ctx/link
ln -s /etc/passwd ctx/out
ln -s a.txt ctx/alias

# What is old already stays as it is.
becomes 'an old one' 'FROM a\n# x\nRUN b \\\n  c\nCOPY a.txt /x\nENV A=b\\ c "d"=$e\nLABEL x="y $z"\nUSER u\nWORKDIR /w\nSTOPSIGNAL 9\nCMD ["a"]\n' \
'FROM a
RUN b   c
COPY a.txt /x
ENV A=b\ c "d"=$e
LABEL x="y $z"
USER u
WORKDIR /w
STOPSIGNAL 9
CMD ["a"]'
is 'and needs no files' "$(ls files)" ''

# Here-documents.
becomes 'RUN' 'FROM a\nRUN <<E\nx "$y" \\\\\n\tz\nE\n' \
'FROM a
RUN ["/bin/sh", "-c", "x \"$y\" \\\\\n\tz\n"]'
becomes 'RUN, chomped and quoted' "FROM a\nRUN <<-'E'\n\t\tx\n\ty\n\tE\n" \
'FROM a
RUN ["/bin/sh", "-c", "x\ny\n"]'
becomes 'RUN with a command' 'FROM a\nRUN cat <<A >a && cat <<-B >b\n\tx\nA\n\ty\n\tB\n' \
'FROM a
RUN ["/bin/sh", "-c", "cat <<A >a && cat <<-B >b\n\tx\nA\n\ty\nB"]'
becomes 'RUN in another shell' 'FROM a\nSHELL ["bash", "-c"]\nRUN <<E\nx\nE\n' \
'FROM a
SHELL ["bash", "-c"]
RUN ["bash", "-c", "x\n"]'
becomes 'RUN of a program' 'FROM a\nRUN --mount=type=tmpfs,target=/t <<E\n#!/bin/awk -f\nx\nE\n' \
'FROM a
RUN --mount=type=tmpfs,target=/t --mount=type=bind,from=tl-files,source=1/script,target=/.tl-script-1 ["/bin/sh", "-c", "/.tl-script-1"]'
is 'which is a file' "$(stat -c %a files/1/script) $(cat files/1/script)" \
    '755 #!/bin/awk -f
x'
becomes 'COPY' "FROM a\nENV V=1\nCOPY --chown=1:2 <<E <<-'F' /d/\n\$V \\\\\$V '\$V'\nE\n\t\$V\n\tF\n" \
'FROM a
ENV V=1
COPY --from=tl-files --chown=1:2 1/E /d/
COPY --from=tl-files --chown=1:2 2/F /d/'
is 'as files' "$(cat files/1/E files/2/F; stat -c %a files/*/*)" \
    "1 \$V '1'
\$V
644
644"
becomes 'COPY with others' 'FROM scratch\nADD --link a.txt <<E sub /d/\n$x.\nE\n' \
'FROM scratch
ADD a.txt sub /d/
COPY --from=tl-files --chown=0:0 1/E /d/'
is 'what no ENV says is empty' "$(cat files/1/E)" .

# Stages.
becomes 'names in any case, later ones, numbers, what nobody needs' \
    'FROM a AS One\nCOPY --from=THREE x y\nFROM b AS two\nRUN no\nFROM c AS Three\nFROM d\nRUN --mount=type=bind,from=oNe,target=/t z\nCOPY --from=0 x y\nFROM one\nCOPY --from=3 x y\n' \
'FROM c AS three
FROM a AS one
COPY --from=three x y
FROM d AS tl-stage-3
RUN --mount=type=bind,from=one,target=/t z
COPY --from=one x y
FROM one
COPY --from=tl-stage-3 x y'
becomes 'the name of an image, or of another stage' \
    'FROM a AS a\nFROM a AS b\nFROM b AS B\nCOPY --from=a x y\n' \
'FROM a AS tl-stage-0
FROM tl-stage-0 AS tl-stage-1
FROM tl-stage-1 AS tl-stage-2
COPY --from=tl-stage-0 x y'
becomes 'arguments of FROM' 'ARG V=1.2\nARG I\nFROM --platform=$BUILDPLATFORM a:${V%%.*}${I:+x} AS x\nARG V\nRUN $V\n' \
'ARG V=1.2
ARG I
FROM --platform=linux/amd64 a:1 AS x
ARG V
RUN $V'
becomes 'ONBUILD' 'FROM a AS b\nONBUILD RUN <<E\nx\nE\nONBUILD COPY --from=c --link p q\nFROM d AS c\nFROM b\nRUN z\n' \
'FROM a AS b
FROM d AS c
FROM b
RUN ["/bin/sh", "-c", "x\n"]
COPY --from=c p q
RUN z'

# Words.
becomes 'patterns' 'FROM a\nARG A=b.c.d\nENV B=${A%%.*} C="${A##*.} x" D=${A/b/\\$} E=${F:-$A}\nWORKDIR /${A#b}\n' \
'FROM a
ARG A=b.c.d
ENV B=b.c C="d x" D=\\\$.c.d E=${F:-$A}
WORKDIR /.c.d'
becomes 'ARG hides ENV, up to the next' \
    'FROM a\nENV A=1 B="b \$"\nARG A=2\nRUN $A\nENV A=3\nARG B A=4 C=$A\nARG A=5\nRUN $A\n' \
'FROM a
ENV A=1 B="b \$"
ENV A=2
RUN $A
ENV A=3
ARG B C=$A
ENV A=4
ENV A=5
RUN $A
ENV A=3'
becomes 'ARG hides ENV, of which a stage starts' \
    'ARG A=0\nFROM a AS b\nENV A="a b" TARGETARCH=x\nARG A\nARG TARGETARCH\nCOPY <<E /f\n$A $TARGETARCH\nE\nFROM b\nARG A=2\nRUN $A\n' \
'ARG A=0
FROM a AS b
ENV A="a b" TARGETARCH=x
ENV A=0
ENV TARGETARCH=amd64
COPY --from=tl-files --chown=0:0 1/E /f
ENV A=a\ b
ENV TARGETARCH=x
FROM b
ENV A=2
RUN $A
ENV A=a\ b'
is 'ARG hides ENV, in a file, too' "$(cat files/1/E)" '0 amd64'
becomes 'a stage has the ARGs of what it starts at' \
    'FROM a AS b\nARG A=1 B="b $" C D=4 E=${X:-5}\nENV D=d\nONBUILD RUN z\nFROM b AS c\nARG B=2\nFROM c\nCOPY <<E /f\n$A $B $D\nE\n' \
'FROM a AS b
ARG A=1 B="b $" C D=4 E=${X:-5}
ENV D=d
FROM b AS c
ARG A=1
ARG B=b\ \$
ARG E=${X:-5}
RUN z
ARG B=2
FROM c
ARG A=1
ARG B=2
ARG E=${X:-5}
COPY --from=tl-files --chown=0:0 1/E /f'
is 'a stage has the ARGs of what it starts at, in a file, too' \
    "$(cat files/1/E)" '1 2 d'
becomes 'ARG hides ENV, which the base knows' \
    'FROM a\nENV A=/x:$A B=${B:-b}\nARG A=2\nARG B=3\nRUN $A\nENV C=$A\n' \
'FROM a
ENV A=/x:$A B=${B:-b}
ARG tl_env_A=$A
ENV A=2
ARG tl_env_B=$B
ENV B=3
RUN $A
ENV C=$A
ENV A=$tl_env_A
ENV B=$tl_env_B'
becomes 'all of one see what was before' \
    'FROM a\nENV A=1\nENV A=2 B=$A\nARG C=3 D=$A\nARG C=4 E=$C\nCOPY <<E /f\n$A $B $C $D $E\nE\n' \
'FROM a
ENV A=1
ENV A=2 B=$A
ARG C=3 D=$A
ARG C=4 E=$C
COPY --from=tl-files --chown=0:0 1/E /f'
is 'all of one see what was before, in a file' "$(cat files/1/E)" '2 1 4 2 3'
becomes 'another escape' '# escape=`\nFROM a\nENV A=b` c D="x`$y `n \\n" E='"'"'\\'"'"' F=`` G=\\\nCOPY a`.txt c:\\d\nRUN dir \\\n' \
'FROM a
ENV A=b\ c D="x\$y `n \\n" E='"'\\'"' F=` G=\\
COPY a\.txt c:\\d
RUN ["/bin/sh", "-c", "dir \\"]'
becomes 'SHELL' 'FROM a AS b\nSHELL ["x", "-y"]\nFROM b\nCMD c "d"\nENTRYPOINT e\nCMD ["f"]\n' \
'FROM a AS b
SHELL ["x", "-y"]
FROM b
CMD ["x", "-y", "c \"d\""]
ENTRYPOINT ["x", "-y", "e"]
CMD ["f"]'
becomes 'EXPOSE' 'FROM a\nENV P=3-5\nEXPOSE 1-2 $P/UDP 80:81 127.0.0.1:1:7/tcp $Q\n' \
'FROM a
ENV P=3-5
EXPOSE 1 2 3/udp 4/udp 5/udp 81 7/tcp $Q'
becomes 'VOLUME' 'FROM a AS b\nENV D=/d\nVOLUME $D\nRUN x\nFROM b\nVOLUME ["/e", "/f"]\nRUN y\n' \
'FROM a AS b
ENV D=/d
RUN x
FROM b
RUN y
VOLUME ["/d"]
VOLUME ["/e","/f"]'
becomes 'VOLUME, its values' 'FROM a\nENV D=/d E="/e f"\nVOLUME $D $E $P/x ${P:-y}\nENV D=/no\n' \
'FROM a
ENV D=/d E="/e f"
ENV D=/no
VOLUME ["/d","/e\\ f","$P/x","${P:-y}"]'
becomes 'what has no effect' 'FROM a\nHEALTHCHECK --start-interval=1s CMD x\nRUN --network=default --security=sandbox y\n' \
'FROM a
RUN y'

# COPY from the context.
becomes 'COPY --exclude' 'FROM a\nCOPY --exclude=*.rst --exclude=sub/deep sub a.txt /d/\n' \
'FROM a
COPY --from=tl-files --chown=0:0 1/ /d/'
listed 'leaves out, below each source' './1/a.txt ./1/deep ./1/deep/d.txt'
is 'with modes and times' "$(stat -c '%a %Y' files/1/deep files/1/a.txt |
    tr '\n' ' ')" '700 1000000000 644 1000000000 '
is 'as hard links' "$(stat -c %h files/1/a.txt)" 2
becomes 'of all' 'FROM a\nCOPY --exclude=**/*.txt --exclude=!sub/deep/d.txt . /d/\n' \
'FROM a
COPY --from=tl-files --chown=0:0 1/ /d/'
listed 'with exceptions, and not what is ignored' \
    './1/.dockerignore ./1/alias ./1/link ./1/none ./1/out ./1/pkg ./1/pkg/package.json ./1/sub ./1/sub/c.rst ./1/sub/deep ./1/sub/deep/d.txt'
becomes 'COPY --parents' 'FROM a\nCOPY --parents --chmod=640 sub/./deep/*.txt **/package.json a.txt /d/\n' \
'FROM a
COPY --from=tl-files --chown=0:0 --chmod=640 1/ /d/'
listed 'keeps folders' \
    './1/a.txt ./1/deep ./1/deep/d.txt ./1/pkg ./1/pkg/package.json'
is 'as they are' "$(stat -c '%a %Y' files/1/deep)" '700 1000000000'
becomes 'brackets, into a folder' 'FROM a\nCOPY b[[]1].txt /d/\n' \
'FROM a
COPY --from=tl-files --chown=0:0 1/ /d/'
listed 'brackets' './1/b[1].txt'
becomes 'brackets, to a name, in JSON' \
    'FROM a\nCOPY ["b\\\\\\\\[1].txt", "/d x"]\n' \
'FROM a
COPY --from=tl-files --chown=0:0 ["1/file", "/d x"]'
listed 'brackets, renamed' './1/file'
becomes 'a pattern that matches nothing' \
    'FROM a\nCOPY zz* /d/\nCOPY zz* a.* /d/\n' \
'FROM a
COPY --from=tl-files --chown=0:0 2/a.txt /d/'
becomes 'and one that does' 'FROM a\nCOPY *.txt /d/\nCOPY s* /e\n' \
'FROM a
COPY --from=tl-files --chown=0:0 1/ /d/
COPY s* /e'
chmod 4755 ctx/pkg/package.json
becomes 'set-id bits' 'FROM a\nCOPY a.txt /d/\nCOPY pkg /p/\nCOPY . /\n' \
'FROM a
COPY a.txt /d/
COPY --from=tl-files --chown=0:0 1/ /p/
COPY --from=tl-files --chown=0:0 2/ /'
is 'are kept' "$(stat -c %a files/1/package.json)" 4755
chmod 644 ctx/pkg/package.json
becomes 'links' 'FROM a\nCOPY --exclude=x link alias /d/\n' \
'FROM a
COPY --from=tl-files --chown=0:0 1/ /d/'
listed 'are followed where they are named' \
    './1/alias ./1/c.rst ./1/deep ./1/deep/d.txt'
ok 'to what they mean' cmp files/1/alias ctx/a.txt
becomes 'ADD without unpacking' 'FROM a\nADD --unpack=false a.txt /\n' \
'FROM a
COPY --from=tl-files --chown=0:0 1/a.txt /'
becomes 'a source with a variable' 'FROM a\nENV S=sub\nCOPY --exclude=x $S /d/\nCOPY $T /e/\n' \
'FROM a
ENV S=sub
COPY --from=tl-files --chown=0:0 1/ /d/
COPY $T /e/'

# Files on another file system than the context are copies.
if shm=$(mktemp -d /dev/shm/tl-lower.XXXXXX 2>/dev/null) &&
    [ "$(stat -c %d "$shm")" != "$(stat -c %d .)" ]; then
	later rm -rf "$shm"
	mkdir ctx/far
	truncate -s 64M ctx/far/holes
	echo middle | dd of=ctx/far/holes bs=1 seek=30000000 conv=notrunc \
	    status=none
	cp ctx/a.txt ctx/far/empty
	: >ctx/far/empty
	cp ctx/a.txt ctx/far/setid
	chmod 6755 ctx/far/setid
	touch -d @1000000000 ctx/far/*
	printf 'FROM a\nCOPY --exclude=x far /d/\n' >in
	try 'onto another file system' tl-lower -c ctx -d "$shm/files" in
	exits 0
	ok 'the same bytes' diff -r ctx/far "$shm/files/1"
	is 'modes and times' "$(stat -c '%a %Y %n' "$shm"/files/1/* |
	    sed 's,/.*/,,' | tr '\n' ' ')" \
	    "$(stat -c '%a %Y %n' ctx/far/* | sed 's,ctx.*/,,' | tr '\n' ' ')"
	is 'holes are holes' \
	    "$(($(stat -c %b "$shm/files/1/holes") < 1000))" 1
	rm -r ctx/far
fi

# What cannot be.
try 'a context that is not there' sh -c 'echo FROM a | tl-lower -c absent'
exits 66
says 'tl-lower: absent: No such file'
refused 'a link that leads out' 'FROM a\nCOPY --exclude=x out /\n' \
    '2: out is not in the context'
refused 'what is not there' 'FROM a\n\nCOPY --exclude=x ../etc /\n' \
    '3: ../etc is not in the context'
refused 'parents that are not there' 'FROM a\nCOPY --parents no/x /\n' \
    '2: no/x is not in the context'
refused 'a source of the base image' 'FROM a\nCOPY --exclude=x $Y /\n' \
    '2: COPY: a variable in a source'
refused 'a value of the base image' 'FROM a\nENV A=${PATH%%:*}\n' \
    '2: ENV: ${PATH%:*}: its value would come from the base image'
refused 'what BuildKit refuses' 'FROM a\nRNU x\n' '2: RNU is not a Dockerfile instruction'
refused 'in an ONBUILD, its line' 'FROM a AS b\nONBUILD RUN --device=x y\nFROM b\n' \
    '2: RUN: --device'
refused 'no FROM' 'ARG a\n' ' no FROM'
# Archives, known by their first bytes, as ADD knows them.
(cd ctx && tar -czf ../t.gz a.txt && tar -cf ../t.tar a.txt && mv ../t.gz \
    ../t.tar . && printf 'BZh91AY' >t.bz2 && printf '\3757zXZ\0\0' >t.xz &&
    printf '(\265/\375\4\0' >t.zst)
for archive in t.gz t.tar t.bz2 t.xz t.zst; do
	refused "an archive, $archive" "FROM a\nADD --exclude=x $archive /\n" \
	    '2: ADD: --parents and --exclude cannot be kept'
done
rm ctx/t.*
# It is no pattern that finds nothing.
becomes 'a URL in a variable' 'FROM a\nARG U=http://h/f?a=b\nADD $U /\n' \
    'FROM a
ARG U=http://h/f?a=b
ADD $U /'
refused 'a URL' 'FROM a\nADD --exclude=x http://h/f /\n' '2: ADD: --parents'
# Each line knows which it was made of, whatever the order.
given '# a comment
ARG V=1
FROM x AS late
VOLUME /v
RUN true \
  && false
FROM late
RUN <<E
words
E
COPY --from=late /a /b
ONBUILD RUN x'
try 'lines' tl-lower -l lines
exits 0
is 'a line for each' "$(wc -l <lines)" "$(wc -l <out)"
is 'their numbers' "$(grep -nE '^(RUN|COPY|FROM)' out | cut -d: -f1 |
    while read -r n; do sed -n "${n}p" lines; done | tr '\n' ' ')" '3 5 7 8 11 '
given 'FROM a
COPY <<E /
E'
try 'no place for files' tl-lower
exits 64
says 'name a folder for them with -d'
given 'FROM a'
try 'files that are there' tl-lower -d ctx
exits 73
given ''
try 'nothing' tl-lower
exits 65
try 'no such file' tl-lower absent
exits 66
lists tl-lower.1
