/// All commands, in the order that help lists them.
enum CommandTable {
    static let all: [CommandSpec] = [
        .bootstrap, .agent, .shutdown, .status, .webInterface,
        .deploy, .plan, .validate, .wait,
        .rollback, .promote, .abort, .pause, .resume, .history, .diff,
        .start, .stop, .restart, .scale, .remove,
        .push, .artifacts, .pull, .build, .prune,
        .instances, .services, .modules, .inspect, .port, .stats, .why, .exec, .copy,
        .scheduleList, .scheduleAdd, .scheduleNext, .scheduleShow, .scheduleHistory, .schedulePause, .scheduleResume,
        .scheduleRun, .scheduleRemove,
        .notifyList, .notifyAcknowledge, .notifySilence, .notifyHistory, .notifyChannels, .notifyTest, .notifyRules,
        .logs, .logsAnalyze, .logsExport, .topics, .events,
        .config, .completion, .version, .help, .complete, .manual,
    ]
}
