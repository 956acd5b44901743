# shellcheck shell=bash
# bash completion for PROGRAM, see tl(7)

# tl-options(1) knows from the program's usage what may stand next.
_tl_offer ()
{
	local line=${COMP_LINE:0:COMP_POINT} token gap before='' kind word
	local -a words=()
	local -i i skip=0

	COMPREPLY=()
	# To readline --file=x and web:1 are three words each, to us one; and where
	# output goes is none of the program's.
	for ((i = 0; i <= COMP_CWORD; i++)); do
		token=${COMP_WORDS[i]}
		gap=${line%%[![:blank:]]*}
		line=${line#"$gap"}
		((i < COMP_CWORD)) || token=$line
		line=${line#"$token"}
		if [[ $token == *[\<\>]* && $token != *[\"\']* ]]; then
			skip=1
		elif ((skip)); then
			((i < COMP_CWORD)) || return 0
			skip=0
		elif [[ -z $gap && ${#words[@]} -gt 0 ]]; then
			words[${#words[@]} - 1]+=$token
			before=${words[${#words[@]} - 1]%"$token"}
			[[ $token != [=:] ]] || before+=$token
		else
			words+=("$token")
			before=''
		fi
	done
	((! skip)) || return 0
	{
		read -r kind _
		while IFS=$'\t' read -r word _; do
			COMPREPLY+=("${word#"$before"}")
		done
	} < <(tl-options --complete "${1##*/}" "${words[@]:1}" 2>/dev/null)
	case $kind in
	files) ;;
	folders) compopt +o default -o plusdirs 2>/dev/null ;;
	commands)
		compopt +o default 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -c -- "${words[@]: -1}") ;;
	words) compopt +o default 2>/dev/null ;;
	esac
	return 0
}

complete -o default -F _tl_offer PROGRAM
