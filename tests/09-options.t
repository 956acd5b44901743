#!/bin/sh
# tl-options: a script's options by its usage text

. "${0%/*}/lib.sh"

usage='usage: toy [OPTION...] FILE
       toy --again
  -f, --file FILE       what to read (-i, --input)
      --disk-mb SIZE, --cpus N
                        of the machine --of course
      --label [TEXT]    TEXT may be empty
      --reach PORT...   one more
      --dry-run         ask nobody, -n is no letter of it
  -q, --quiet  -V, --version  -h, --help'

# toy ARGUMENT...: the variables and the operands that come of it
toy () {
	code=$(tl-options toy "$usage" "$@") || return
	(
		eval "$code"
		set +u
		printf '%s|' "$file" "$disk_mb" "$cpus" "$label" "$dry_run" \
		    "$quiet" "$@"
		[ -z "$reach" ] || printf '%s' "$reach"
	)
}

# takes WHAT WANTED ARGUMENT...
takes () {
	what=$1 wanted=$2
	shift 2
	is "$what" "$(toy "$@" 2>&1)" "$wanted"
}

takes 'nothing' '||||||'
takes 'a letter, its value behind it' '--file=x||||||' -f x
takes 'a letter and its value as one word' '--file=x||||||' -fx
takes 'letters in one word' '--file=x|||||--quiet|' -qf x
takes 'a name' '--file=x||||||' --file x
takes 'a name and =' '--file=a=b||||||' --file=a=b
takes 'the last one counts' '--file=b||||||' -f a --file=b
takes 'each counts' '||||||--reach=1
--reach=2' --reach 1 --reach=2
code=$(tl-options toy "$usage" --reach "a
b" --reach c)
is 'each counts, lines of it, too' "$(eval "$code"
    echo "$reach_1|$reach_2|$reach_3")" "--reach=a
b|--reach=c|"
takes 'another letter' '--file=x||||||' -i x
takes 'another name' '--file=x||||||' --input=x
takes 'an underscore' '|--disk-mb=1|||||' --disk_mb 1
takes 'short for one only' '|--disk-mb=1|||--dry-run||' --di 1 --dry
takes 'two of a line' '|--disk-mb=1|--cpus=2||||' --cpus 2 --disk-mb=1
takes 'an empty value where one may be' '|||--label=|||' --label ''
takes 'operands before, between and behind' '--file=x||||||a|b|' a -f x b
takes 'behind --' '|||||--quiet|-f|--|' -q -- -f --
takes 'a dash' '|||||--quiet|-|' - -q
quoted="a'b\$(date)\`id\`\"\\
 c"
takes 'nothing in a value is run' "--file=$quoted||||||$quoted|" -f "$quoted" \
    "$quoted"
export file=environment
takes 'the environment says nothing' '||||||'
unset file
POSIXLY_CORRECT=1 takes 'POSIXLY_CORRECT' '|||||--quiet|a|' a -q

head=$(printf '%s\n' "$usage" | head -n 2)
# wrong WHAT MESSAGE ARGUMENT...: 64, nothing on stdout, the message in its name
wrong () {
	what=$1 message=$2
	shift 2
	tl-options toy "$usage" "$@" >out 2>err
	is "$what: status" "$?" 64
	is "$what: stdout" "$(cat out)" ''
	is "$what: stderr" "$(cat err)" "$message"
}
wrong 'unknown' "toy: unrecognized option '--no'
$head" --no
wrong 'unknown letter' "toy: invalid option -- 'n'
$head" -n
wrong 'no value' "toy: option '--file' requires an argument
$head" --file
wrong 'a value too many' "toy: option '--quiet' doesn't allow an argument
$head" --quiet=1
wrong 'an empty value' 'toy: -f: empty' -f ''
wrong 'a name with an empty value' 'toy: --file: empty' --file=
wrong 'in words about them' "toy: unrecognized option '--of'
$head" --of

tl-options toy 'usage: toy up|down
       toy run COMMAND
  up                    start it
  -q, --quiet' --no >out 2>err
is 'verbs are not how it is called' "$? $(cat err)" "64 toy: unrecognized option '--no'
usage: toy up|down
       toy run COMMAND"

says_of () {
	code=$(tl-options toy "$usage" "$@") && (eval "$code"; echo 'went on')
}
is '--help' "$(says_of -q --help)" "$usage"
is '-V' "$(says_of -V)" "$(tl-options -V | sed 's/^tl-options/toy/')"
code=$(tl-options toy "$usage" -h)

(eval "$code") >/dev/full 2>err
is 'no stdout for --help' "$? $(cat err)" '74 toy: stdout: cannot be written'

for text in '  -f  a letter alone' '  -f, -g, --file' '  --a, --a' \
    '  --a-b, --a_b' "$(printf '  -a, --a\n  --b (-x, --a)')"; do
	tl-options toy "$text" >out 2>err
	is "not a usage text: $text" "$? $(cat out) $(grep -c '^tl-options: usage text: ' err)" '70  1'
done
try 'no usage text' tl-options toy
exits 64
