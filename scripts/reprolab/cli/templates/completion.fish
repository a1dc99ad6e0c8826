# Completion of reprolab for fish.
function __reprolab_completion
    set -l words (commandline -opc)
    set -l program (string replace -r '^~' $HOME -- $words[1])
    set -l answer (env COMP_WORDS=(commandline -pc | string collect) COMP_CWORD=(commandline -ct | string collect) _REPROLAB_COMPLETE=fish_complete $program 2>/dev/null)
    for line in $answer
        set -l parts (string split -m 1 , -- $line)
        switch $parts[1]
            case dir
                __fish_complete_directories (commandline -ct)
            case file
                __fish_complete_path (commandline -ct)
            case '*'
                echo $parts[2]
        end
    end
end
complete --no-files --command reprolab --arguments '(__reprolab_completion)'
