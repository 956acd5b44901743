#compdef PROGRAM
# zsh completion for PROGRAM, see tl(7)

# tl-options(1) knows from the program's usage what may stand next.
local -a lines offered
local kind before line

lines=("${(@f)$(tl-options --complete PROGRAM "${(@Q)words[2,CURRENT-1]}" \
    "${(Q)PREFIX}" 2>/dev/null)}")
kind=${lines[1]%% *} before=${lines[1]#$kind} before=${before# }
shift lines
for line in $lines; do
	# word<tab>text; to _describe a colon is between the two
	line=${line#"$before"}
	offered+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
done
[[ -z $before ]] || compset -P "${(b)before}"
(( $#offered )) && _describe PROGRAM offered
case $kind in
files) _files ;;
folders) _files -/ ;;
commands) _command_names -e ;;
esac
