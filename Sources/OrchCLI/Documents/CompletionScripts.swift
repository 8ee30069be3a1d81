/// The shells' side of completion. What can be completed is decided by `orch __complete` alone.
enum CompletionScripts {
    static func script(for shell: String) -> String? {
        switch shell {
        case "bash": bash
        case "zsh": zsh
        case "fish": fish
        default: nil
        }
    }

    private static let bash = """
        # bash completion for orch
        _orch() {
            local IFS=$'\\n'
            COMPREPLY=($(orch __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
        }
        complete -o default -F _orch orch
        """

    private static let zsh = """
        #compdef orch
        _orch() {
            local -a candidates
            candidates=("${(@f)$(orch __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
            candidates=(${candidates:#})
            if (( ${#candidates} )); then compadd -a candidates; else _files; fi
        }
        compdef _orch orch
        """

    private static let fish = """
        # fish completion for orch
        function __orch_complete
            set -l words (commandline -opc) (commandline -ct)
            orch __complete -- $words[2..] 2>/dev/null
        end
        complete -c orch -f -a '(__orch_complete)'
        complete -c orch -n '__fish_seen_subcommand_from deploy plan validate' -F
        """
}
