# fish completion for PROGRAM, see tl(7)

# tl-options(1) knows from the program's usage what may stand next.
function __tl_offer --argument-names program
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    # Variables may be set before it.
    while set -q words[1]; and not string match -q -- "*$program" $words[1]
        set -e words[1]
    end
    set -l lines (tl-options --complete $program $words[2..-1] "$word" 2>/dev/null)
    set -l kind (string split -m 1 ' ' -- $lines[1])
    set -q lines[2]; and printf '%s\n' $lines[2..-1]
    set -l begun (string replace -- "$kind[2]" '' "$word")
    switch "$kind[1]"
        case files
            printf "$kind[2]%s\n" (__fish_complete_path "$begun")
        case folders
            printf "$kind[2]%s\n" (__fish_complete_directories "$begun" '')
        case commands
            string match -qr '^[\w./-]*$' -- "$begun"; and complete -C "$begun"
    end
end

complete -c PROGRAM -f -a '(__tl_offer PROGRAM)'
