# shellcheck shell=sh
# context DIR: what the Dockerfiles of data/*.cases copy from

context () {
	mkdir -p "$1/sub/deep" "$1/bits" "$1/links" "$1/ign" "$1/tree/empty"
	(cd "$1" && echo a >a.txt && echo b >'b[1].txt' && echo c >sub/c &&
	    echo d >sub/deep/d.txt && echo e >'e f' && echo u >bits/u &&
	    echo g >bits/g && ln -s ../a.txt links/to && echo i >ign/in &&
	    echo o >ign/out && echo ign/out >.dockerignore &&
	    echo 1 >tree/one && ln tree/one tree/two && chmod 1777 tree/empty &&
	    tar --owner=0 --group=0 -czf t.tar.gz a.txt &&
	    tar --owner=5 --group=6 --mode=4711 --mtime=@1200000000 \
	    -cf owned.tar a.txt sub/c && chmod 700 sub/deep &&
	    chmod 640 sub/deep/d.txt && chmod 4755 bits/u &&
	    chmod 2755 bits/g &&
	    find . -exec touch -h -d @1000000000 '{}' +)
}
