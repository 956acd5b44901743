#!/bin/sh
# What bash, zsh and fish offer behind a program's name: its options with what
# -h says of them, values, verbs, files, and names of what is there

# shellcheck disable=SC2016
. "${0%/*}/lib.sh"
top=${here%/*}
share=${TL_BIN%/bin}/share
export share TERM=xterm

# --- one table: -h

# said PROGRAM: the options in its -h, each as it is typed
said () {
	"$1" -h | grep '^  *-' >lines
	{
		grep -oE -- '--[a-z][a-z-]*' lines
		# A letter has a name behind it, or brackets around it.
		grep -oE '(^|[ (])-[A-Za-z0-9],' lines | tr -d ' (,'
	} | sort -u
}

cat >drive.bash <<'END'
# offered LINE: what bash offers at its end; words are split as readline does
offered () {
	local rest=$1 program
	program=${1%%[[:blank:]]*} program=${program##*/}
	. "$share/bash-completion/completions/$program" || return
	set -- $(complete -p "$program")
	COMP_LINE=$rest COMP_POINT=${#rest} COMP_WORDS=() COMPREPLY=()
	while [[ $rest =~ ^[[:blank:]]*([=:\<\>@]+|[^=:\<\>@[:blank:]]+) ]]; do
		COMP_WORDS+=("${BASH_REMATCH[1]}")
		rest=${rest#"${BASH_REMATCH[0]}"}
	done
	[[ $COMP_LINE != *[[:blank:]] ]] || COMP_WORDS+=('')
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	"$5" "${COMP_WORDS[0]}"
	((${#COMPREPLY[@]} == 0)) || printf '%s\n' "${COMPREPLY[@]}"
}
while IFS= read -r line; do
	offered "$line" || echo "failed: $line"
done
END

# bash_ LINE: what is offered there, in one line
bash_ () {
	printf '%s\n' "$1" | bash drive.bash 2>&1 | sort | tr '\n' ' '
}

# valued PROGRAM: the options that take a value, by its usage
valued () {
	said "$1" | grep '^--' | while read -r option; do
		tl-options --complete "$1" "$option=" </dev/null |
		    grep -q -- " $option=" && echo "$option"
	done
}

for path in "$TL_BIN"/*; do
	program=${path##*/}
	said "$program" >want
	echo "$program -" | bash drive.bash 2>&1 | sort -u >offered
	is "bash, $program: the options of -h" "$(diff want offered)" ''
	is "$program: each has a word about it" \
	    "$(tl-options --complete "$program" - | sed 1d |
	    grep -vE '	.')" ''
	source=$top/cmd/$program.c
	[ -e "$source" ] || continue
	sed -n 's/.*{ "\([a-z-]*\)", required_argument.*/--\1/p' "$source" |
	    sort >taken
	# What all clients, or all servers, have is elsewhere.
	valued "$program" | grep -vxE -- \
	    '--(api-url|token-file|deadline|fault|listen|ready)' >used
	grep -vxE -- '--(api-url|token-file|deadline|fault|listen|ready)' \
	    taken | diff - used >differ
	is "$program: values as it takes them" "$(cat differ)" ''
done

# --- values, verbs, operands

is 'words of a value' "$(bash_ 'tl-guard --progress ')" 'auto json none plain '
is 'behind =' "$(bash_ 'tl-region up --network=')" 'host none outside store '
is 'what is begun' "$(bash_ 'tl-build --dialect=s')" 'seed '
is 'words with remarks' "$(bash_ 'tl-platformd --attest ')" \
    'accept ignore require '
is 'a letter' "$(bash_ 'tl-runtime -N ')" 'host none outside store '
is 'another spelling' "$(tl-options --complete tl-build --tag=)" \
    'words --tag='
is 'examples are no words' "$(bash_ 'tl-build --disk-mb ')" ''
is 'a number' "$(bash_ 'tl-sandbox wait --timeout ')" ''
is 'verbs' "$(bash_ 'tl-image ')" 'digest get ls register rm show '
is 'verbs, behind an option' "$(bash_ 'tl-region --dir x s')" 'status '
is 'only one' "$(bash_ 'tl-region up ')" ''
is 'of a word that is none' "$(bash_ 'tl-region nothing ')" ''
is 'a verb has words' "$(bash_ 'tl-region logs ')" \
    'dataplaned platformd sandboxd stored '
is 'not the options of another verb' "$(bash_ 'tl-image rm --j')$(
    bash_ 'tl-image ls --if')" ''
is 'but its own' "$(bash_ 'tl-image ls --j')$(bash_ 'tl-region run --pu')$(
    bash_ 'tl-sandbox rm --tim')" '--json --purge --timeout '
is 'no options behind --' "$(bash_ 'tl-image rm -- --')" ''
is 'nor as the value of one' "$(bash_ 'tl-build --label --')" ''
is 'nor of a command' "$(bash_ 'tl-guard make --')" ''

# kind WORDS...: what else the shell may list there
kind () {
	tl-options --complete "$@" | sed -n 1p
}
is 'a file' "$(kind tl-splice '')" files
is 'a value that is one' "$(kind tl-splice -p '')" files
is 'behind = it is' "$(kind tl-splice --plan=x)" 'files --plan='
is 'letters, the last with a value' "$(kind tl-put -ps '')" files
is 'a folder or a file' "$(kind tl-build '')" files
is 'a folder' "$(kind tl-changed '')$(kind tl-context -q '')" foldersfolders
is 'by its place' "$(kind tl-snapshot unpack '') $(
    kind tl-snapshot unpack x '') $(kind tl-ext4 cat x '')" \
    'files folders words'
is 'one more of several' "$(kind tl-ext4 raw a b c '')" files
is 'a command' "$(kind tl-guard '') $(kind tl-guard -- '') $(
    kind tl-region run -- '')" 'commands commands commands'
is 'and its words' "$(kind tl-guard a b) $(kind tl-region run -- a -b)" \
    'files files'
is 'what is in a sandbox' "$(kind tl-get '')$(kind tl-exec --cwd '')" wordswords

# --- folders of builds

mkdir -p home/.local/state/tl/build.aaaaaa home/.local/state/tl/build.bbbbbb \
    'home/.local/state/tl/build.$(id)'
touch home/.local/state/tl/build.aaaaaa/command \
    'home/.local/state/tl/build.$(id)/command'
is 'a build to take up' "$(tl-options --complete tl-build --resume '')" \
    "folders$(printf '\n%s\t%s' "$HOME/.local/state/tl/build.aaaaaa" build)"
is 'with =' "$(tl-options --complete tl-guard --resume=/ | tail -n 1)" \
    "--resume=$HOME/.local/state/tl/build.aaaaaa	build"
is 'no state folder' "$(XDG_STATE_HOME=/none kind tl-build --resume '') $(
    HOME='' kind tl-build --resume '')" 'folders folders'

# --- what is asked

try 'no program' tl-options --complete
exits 64
silent out
mkdir evil
printf '#!/bin/sh\ntouch ran\n' >evil/tl-evil
chmod +x evil/tl-evil
for program in ../evil/tl-evil evil/tl-evil /bin/sh sh 'tl-$(id)' ''; do
	try "not ours: $program" tl-options --complete "$program" ''
	exits 64
	silent out
done
try 'one of another folder' env "PATH=$T/evil:$PATH" tl-options --complete \
    tl-evil ''
exits 69
silent out
ok 'it is not run' test ! -e ran
lists tl-options.1

# --- names

names='["web", "team/tools:1", "größe", "$(touch ran)", "`touch ran`", "a b",
    "x\ny", "x\ty", "\u001b[31mred", "-rf", "--json", ";touch ran", "a;b",
    "q\"q", "q'\''q", "~", "~root", "*", "=ls", "a=b", "{a,b}", "a\\b", "a|b",
    "a\u0000b", "", "\u009b31m", "\u202etxt", "a\u3000b", "!!", "#a", 7]'
items=$(printf '%s' "$names" | jq -c 'map({name: .})')
answer=$(jq -cn --argjson items "$items" '[{path:
    "/platform/v1/sandbox-templates*", answers: [{json: {items: ($items + [{}]),
    pagination: {next: null}}}]}]')
peer "$answer"
export TENSORLAKE_API_URL="$URL"
is 'no credential: nothing' "$(tl-options --complete tl-image show '')" \
    words
is 'nobody is asked' "$(seen length)" 0
export TENSORLAKE_API_KEY=key
good='größe team/tools:1 web '
is 'images' "$(bash_ 'tl-image show ')" "$good"
is 'in one request' "$(seen length)" 1
is 'each time one more' "$(bash_ 'tl-image rm web ')" "$good"
is 'of an option' "$(bash_ 'tl-sandbox create --image ')$(
    bash_ 'tl-build --name=we')$(bash_ 'tl-build -n te')" \
    "${good}web team/tools:1 "
is 'behind a colon' "$(bash_ 'tl-image digest team/tools:')" '1 '
is 'behind --' "$(bash_ 'tl-image get -- g')" 'größe '
is 'what a shell may read otherwise, and a terminal, is left out' \
    "$(tl-options --complete tl-image show '' | sed 1d | sort)" \
    "$(printf '%s\timage\n' größe team/tools:1 web)"
is 'in no locale, too' "$(LC_ALL=C tl-options --complete tl-image show g)" \
    "$(printf 'words\n%s\timage' größe)"
seen length >asked
for words in "tl-image ''" 'tl-image show --' "tl-image register ''" \
    "tl-image ls ''" "tl-build ''" 'tl-build --progress=' "tl-runtime -n ''" \
    "tl-image show --api-url $URL ''" "tl-image --token-file=x show ''" \
    "tl-image --insecure-http show ''"; do
	eval "tl-options --complete $words" >out
	is "$words: no names" "$(grep -c image$ out)" 0
done
is 'nobody is asked for what is none' "$(seen length)" "$(cat asked)"

# refused WHAT ANSWER
refused () {
	peer "[{\"answers\": [$2]}]"
	began=$(date +%s%N)
	try "$1" env TENSORLAKE_API_URL="$URL" tl-options --complete tl-image \
	    show ''
	ms=$((($(date +%s%N) - began) / 1000000))
	exits 0
	silent err
	gives words
	# Two seconds, and what a busy machine adds; to try again takes fifteen.
	ok "$1: $ms ms" test "$ms" -lt 10000
}
refused 'no permission' '{"status": 401}'
refused 'nonsense' '{"body": "{"}'
refused 'a failure that is tried again' '{"status": 500}'
refused 'no answer' '{"hang": true}'
refused 'an answer without end' '{"pieces": ["{\"items\":[", {"pause": 60}]}'
peer_end
try 'no server' tl-options --complete tl-image show ''
exits 0
silent err
gives words
try 'why, with -v' tl-options -v --complete tl-image show ''
exits 0
says 'tl-image: took too long'

# --- the shells, at a terminal

mkdir -p at/sub
cd at || exit 1
touch plan.json 'a b.json'
cat >"$T/lines" <<'END'
tl-image --if
tl-guard --progress=js
tl-splice -p pl
tl-splice --plan=pl
tl-splice --plan=a
tl-changed su
tl-guard -- mkfif
tl-guard make pl
tl-sandbox wait <pl
tl-sandbox wait <plan.json --tim
tl-image digest we
tl-image digest team/tools:
tl-image rm -- web te
tl-build --resume ~/.local/state/tl/build.a
tl-get -s pl
tl-image show 
END
cat >"$T/want" <<END
= {tl-image}{--if-exists}
= {tl-guard}{--progress=json}
= {tl-splice}{-p}{plan.json}
= {tl-splice}{--plan=plan.json}
= {tl-splice}{--plan=a b.json}
= {tl-changed}{sub}
= {tl-guard}{--}{mkfifo}
= {tl-guard}{make}{plan.json}
= {tl-sandbox}{wait}
= {tl-sandbox}{wait}{--timeout}
= {tl-image}{digest}{web}
= {tl-image}{digest}{team/tools:1}
= {tl-image}{rm}{--}{web}{team/tools:1}
= {tl-build}{--resume}{$HOME/.local/state/tl/build.aaaaaa}
= {tl-get}{-s}{plan.json}
= {tl-image}{show}
END
peer "$answer" # in this folder
export TENSORLAKE_API_URL="$URL"
printf 'set %s\n' 'completion-query-items 0' 'page-completions off' \
    'show-all-if-ambiguous on' 'enable-bracketed-paste off' >"$T/inputrc"

# tab SETUP COMMAND...: what comes of the lines
tab () {
	python3 "$here/data/tab.py" "$@" <"$T/lines" >"$T/shown" 2>&1
	# A folder has a slash behind it, or will have.
	grep -a '^= ' "$T/shown" | sed 's,/}$,},' >"$T/got"
}

tab "unset HISTFILE; PS1='> '; for p in \$share/bash-completion/completions/*; do . \$p; done" \
    env INPUTRC="$T/inputrc" bash --norc --noprofile -i
is 'bash: what it makes of each' "$(diff "$T/want" "$T/got")" ''
ok 'bash: the names, and no others' grep -qaE '^größe +team/tools:1 +web *$' \
    "$T/shown"

if command -v zsh >/dev/null; then
	ok 'zsh -n' zsh -n "$top/scripts/tl.zsh"
	setup="unset HISTFILE; PS1='> ' zle_bracketed_paste=() LISTMAX=10000"
	setup="$setup; setopt no_list_ambiguous no_auto_menu no_beep no_prompt_sp"
	setup="$setup; bindkey -e; fpath=(\$share/zsh/*(/) \$fpath)"
	setup="$setup; autoload -Uz compinit; compinit -u -D"
	tab "$setup" env LC_ALL=C.UTF-8 zsh -f -i
	is 'zsh: what it makes of each' "$(diff "$T/want" "$T/got")" ''
	is 'zsh: the names, and no others' "$(grep -a -- '-- image' "$T/shown" |
	    sed 's/-- image.*//' | tr -s ' ' '\n' | sort | tr '\n' ' ')" "$good"
	for path in "$TL_BIN"/*; do
		echo "${path##*/} -"
	done >"$T/lines"
	tab "$setup" zsh -f -i
	while read -r program _; do
		said "$program" >"$T/said"
		sed -n "/^== $program -\$/,/^= /p" "$T/shown" |
		    grep -aoE '(^|[^a-z-])--?[A-Za-z0-9][a-z-]*' |
		    grep -aoE -- '--?[A-Za-z0-9][a-z-]*' | sort -u |
		    comm -13 - "$T/said" >"$T/lacking"
		is "zsh, $program: the options of -h" "$(cat "$T/lacking")" ''
	done <"$T/lines"
	ok 'zsh: what they are for' grep -qa -- \
	    '--if-exists  *-- rm: not a failure if there is no such image' "$T/shown"
else
	echo '# zsh is not installed'
fi

if command -v fish >/dev/null; then
	ok 'fish -n' fish -n "$top/scripts/tl.fish"
	# fish_ LINE: what is offered, in one line
	fish_ () {
		fish --no-config -c 'set fish_complete_path \
		    $share/fish/vendor_completions.d $fish_complete_path
		    complete -C $argv[1]' -- "$1" 2>&1
	}
	for path in "$TL_BIN"/*; do
		program=${path##*/}
		said "$program" >"$T/said"
		fish_ "$program -" >"$T/shown"
		is "fish, $program: the options of -h" \
		    "$(cut -f 1 "$T/shown" | sort -u | diff "$T/said" -)" ''
	done
	is 'fish: what one is for' "$(fish_ 'tl-image --if')" \
	    '--if-exists	rm: not a failure if there is no such image'
	is 'fish: names' "$(fish_ 'tl-image show ' | sort)" \
	    "$(printf '%s\timage\n' größe team/tools:1 web)"
	is 'fish: words' "$(fish_ 'A=1 tl-guard --progress=js')" --progress=json
	is 'fish: files' "$(fish_ 'tl-splice -p pl')" plan.json
	is 'fish: behind =' "$(fish_ 'tl-splice --plan=pl')" --plan=plan.json
	is 'fish: a sandbox, by its document' "$(fish_ 'tl-get -s pl')" plan.json
	ok 'fish: a build to take up' sh -c 'printf "%s\n" "$1" | grep -qx "$2"' \
	    sh "$(fish_ 'tl-build --resume ')" \
	    "$HOME/.local/state/tl/build.aaaaaa/*	build"
	is 'fish: folders' "$(fish_ 'tl-changed su')" sub/
	is 'fish: commands' "$(fish_ 'tl-guard -- mkfif' | cut -f 1)" mkfifo
else
	echo '# fish is not installed'
fi
ok 'no name was run' test ! -e ran
cd "$T" || exit 1
ok 'nor here' test ! -e ran

# --- where they are installed

# make_ GOAL...
make_ () {
	make -s -C "$top" "$@" B="${TL_BIN%/bin}" DESTDIR="$T/in st" \
	    PREFIX=/opt/tl
}
try 'make install' make_ install
exits 0
silent err
find 'in st/opt/tl/bin' 'in st/opt/tl/sbin' -type f -name 'tl-*' -printf '%f\n' |
    sort >programs
for pattern in 's,.*,bash-completion/completions/&,' \
    's,.*,zsh/site-functions/_&,' 's,.*,fish/vendor_completions.d/&.fish,'; do
	sed "$pattern" programs
done | sort >want
(cd 'in st/opt/tl/share' && find bash-completion zsh fish -type f -perm 644) |
    sort >got
is 'a file of each shell for each program' "$(diff want got)" ''
try 'make uninstall' make_ uninstall
exits 0
is 'nothing stays, and no folder' "$(find 'in st' | sort | tr '\n' ,)" \
    'in st,in st/opt,in st/opt/tl,'
