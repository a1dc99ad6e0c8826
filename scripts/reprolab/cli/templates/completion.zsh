#compdef reprolab
# Completion of reprolab for zsh.
_reprolab_completion() {
    local -a plain described open answer
    local type key help
    answer=("${(@f)$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT - 1)) \
        _REPROLAB_COMPLETE=zsh_complete "${words[1]/#\~/$HOME}" 2>/dev/null)}")
    for type key help in $answer; do
        case $type in
            dir) _path_files -/ ;;
            file) _path_files -f ;;
            *)
                if [[ $key == *= ]]; then
                    open+=("$key")
                elif [[ $help == _ ]]; then
                    plain+=("$key")
                else
                    described+=("$key:$help")
                fi
                ;;
        esac
    done
    (( $#described )) && _describe -V unsorted described -U
    (( $#plain )) && compadd -U -V unsorted -a plain
    # A value follows.
    (( $#open )) && compadd -U -S '' -V open -a open
    return 0
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _reprolab_completion "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
    compdef _reprolab_completion reprolab
fi
