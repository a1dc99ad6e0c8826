# Completion of reprolab for bash.
_reprolab_completion() {
    local IFS=$'\n' answer line value
    COMPREPLY=()
    # The words are those of the line: bash splits FACTOR=VALUE into three.
    answer=$(env COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_BREAKS="$COMP_WORDBREAKS" \
        _REPROLAB_COMPLETE=bash_complete "${1/#\~/$HOME}" 2>/dev/null) || return 0
    for line in $answer; do
        value=${line#*,}
        case ${line%%,*} in
            dir) compopt -o dirnames 2>/dev/null ;;
            file) compopt -o default 2>/dev/null ;;
            *)
                COMPREPLY+=("$value")
                # A value follows.
                [ "${value%=}" = "$value" ] || compopt -o nospace 2>/dev/null
                ;;
        esac
    done
    return 0
}
# Bash before 4.4 has no option nosort.
complete -o nosort -F _reprolab_completion reprolab 2>/dev/null || complete -F _reprolab_completion reprolab
