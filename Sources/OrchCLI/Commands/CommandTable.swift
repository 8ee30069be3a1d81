/// All commands, in the order that help lists them.
enum CommandTable {
    static let all: [CommandSpec] = [
        .bootstrap, .agent, .shutdown, .status,
        .deploy, .plan, .validate, .wait,
        .start, .stop, .restart, .scale, .remove,
        .instances, .services, .modules, .inspect,
        .logs, .topics, .events,
        .config, .completion, .version, .help, .complete, .manual,
    ]
}
