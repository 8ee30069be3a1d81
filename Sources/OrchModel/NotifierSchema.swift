/// The keys of `notifier.yaml`, the settings of the action and notification manager, as data: the parser and the manual page
/// come from here.
package enum NotifierSchema {
    private typealias Key = ModuleSchema.Key

    private static let severities = ["info", "warning", "critical"]
    /// The longest time that a setting may name.
    package static let month = TimeSpan.seconds(31 * 86_400)

    package static let keys: [ModuleSchema.Key] = [
        Key("channels", .list(of: .object(channelKeys)), or: [], "Where notifications go."),
        Key("rules", .list(of: .object(ruleKeys)), or: [], "Rules of your own, beside those that ship."),
        Key("disable", .list(of: .string(example: "crash-loop")), or: [], "Rules that ship and are not wanted."),
        Key(
            "notify", .list(of: .string(example: "mail")), or: [],
            "Channels of rules that name none; all channels by default."),
    ]

    private static let channelKeys: [ModuleSchema.Key] = [
        Key("name", .name(longest: 63), or: nil, "Name of the channel."),
        Key(
            "type", .choice(["email", "webhook", "slack", "mattermost", "ntfy", "gotify", "command", "kafka"]), or: nil,
            "What it is."),
        Key(
            "url", .string(example: "https://hooks.example.com/x"), or: "",
            "For webhook, slack, mattermost, ntfy and gotify: the address."),
        Key(
            "url_file", .string(example: "/etc/orch/hook.url"), or: "",
            "Instead of 'url': a file that holds it, for addresses that are secret themselves."),
        Key(
            "template", .string(example: "{\"text\": \"{{title}}\"}"), or: "",
            "For webhook: a Mustache template of the body; by default the notification as JSON."),
        Key(
            "secret_file", .string(example: "/etc/orch/hook.key"), or: "",
            "File with the key that webhooks are signed with, the token of ntfy and gotify, or the password of email."),
        Key("server", .string(example: "mail.example.com:587"), or: "", "For email: host and port."),
        Key(
            "security", .choice(["none", "starttls", "tls"]), or: "starttls",
            "For email: starttls, tls from the beginning, or none."),
        Key(
            "ca_file", .string(example: "/etc/orch/ca.pem"), or: "",
            "For email: certificates to trust besides the system's."),
        Key("user", .string(example: "orch"), or: "", "For email: who signs in; nobody by default."),
        Key("from", .string(example: "orch@example.com"), or: "", "For email: the sender."),
        Key("to", .list(of: .string(example: "ops@example.com")), or: [], "For email: who gets it."),
        Key(
            "command", .words, or: [],
            "For command: a program that gets the notification as JSON to read, and NOTIFY_TITLE, NOTIFY_SEVERITY and NOTIFY_STATE as variables."
        ),
        Key("topic", .string(example: "Notifications"), or: "", "For kafka: the topic."),
        Key("quiet", .object(quietKeys), or: [:], "Times in which only what is bad enough is sent."),
        Key("rate", .object(rateKeys), or: [:], "The most that is sent in a time; what is above waits."),
        Key(
            "together", .duration(.zero...month), or: "0s",
            "What comes in so long after a message goes with one; 0 for each by itself."),
        Key("timeout", .duration(.milliseconds(100)...month), or: "10s", "Time that one attempt may take."),
    ]

    private static let quietKeys: [ModuleSchema.Key] = [
        Key("from", .string(example: "22:00"), or: "", "When it begins."),
        Key("to", .string(example: "07:00"), or: "", "When it ends."),
        Key("time_zone", .string(example: "Europe/Berlin"), or: "UTC", "Whose clock is meant."),
        Key("except", .choice(severities), or: "critical", "So bad is sent all the same."),
    ]

    private static let rateKeys: [ModuleSchema.Key] = [
        Key("most", .integer(0...100_000), or: 60, "So many; 0 for no limit."),
        Key("within", .duration(.seconds(1)...month), or: "1h", "In so long."),
    ]

    private static let ruleKeys: [ModuleSchema.Key] = [
        Key("name", .name(longest: 63), or: nil, "Name of the rule."),
        Key("match", .object(matchKeys), or: nil, "Events, or lines of logs."),
        Key("threshold", .object(thresholdKeys), or: [:], "How many make an incident."),
        Key(
            "group_by", .choice(["module", "instance", "rule"]), or: "module",
            "What has an incident of its own: each module, each instance, or the rule as a whole."),
        Key("severity", .choice(severities), or: "warning", "How bad it is."),
        Key("resolve", .object(resolveKeys), or: [:], "When it is over."),
        Key("notify", .list(of: .string(example: "mail")), or: [], "Channels; those of 'notify' above by default."),
        Key("act", .object(actionKeys), or: [:], "What is done with the module."),
        Key("escalate", .object(escalationKeys), or: [:], "Who is told when nobody acknowledges."),
        Key("remind", .duration(.zero...month), or: "0s", "Tell again while it goes on; 0 for never."),
        Key("title", .string(example: "{{module}} fails"), or: "", "Mustache template of the first line."),
        Key("advice", .string(example: "look at the database"), or: "", "What to do next, for people."),
    ]

    private static let matchKeys: [ModuleSchema.Key] = [
        Key(
            "events", .list(of: .string(example: "instance.exited")), or: [],
            "Kinds of events; * stands for any characters, and none at all for lines of logs."),
        Key(
            "topics", .list(of: .string(example: "shop")), or: [],
            "Topics of log lines; those of all modules by default."),
        Key("modules", .list(of: .string(example: "shop*")), or: [], "Only these modules."),
        Key("labels", .map, or: [:], "Only modules with these labels."),
        Key(
            "level", .choice([""] + ["debug", "info", "notice", "warning", "error", "critical"]), or: "",
            "For lines: so bad at least."),
        Key(
            "pattern", .string(example: "out of memory"), or: "",
            "A regular expression, in the line or the event's message."),
        Key("fields", .map, or: [:], "For lines: fields of JSON or logfmt, with their values."),
    ]

    private static let thresholdKeys: [ModuleSchema.Key] = [
        Key("count", .integer(1...10_000), or: 1, "So many."),
        Key("within", .duration(.milliseconds(1)...month), or: "1m", "In so long."),
        Key("absence", .duration(.zero...month), or: "0s", "Instead: nothing for so long."),
        Key(
            "new_pattern", .boolean, or: false,
            "For lines: only of a pattern that is new since the module's last deploy."),
    ]

    private static let resolveKeys: [ModuleSchema.Key] = [
        Key(
            "events", .list(of: .string(example: "instance.healthy")), or: [], "After these events of the same module."),
        Key("quiet", .duration(.zero...month), or: "5m", "When nothing has come for so long; 0 for never by itself."),
    ]

    private static let actionKeys: [ModuleSchema.Key] = [
        Key("action", .choice(["none", "restart", "scale", "stop", "rollback", "run"]), or: "none", "What is done."),
        Key(
            "module", .string(example: "cleanup"), or: "",
            "With which module; that of the incident by default, and for run the job that is deployed."),
        Key("replicas", .integer(0...1000), or: 1, "For scale."),
        Key("cooldown", .duration(.zero...month), or: "5m", "Not again for so long."),
        Key("most", .integer(1...1000), or: 3, "At most so often,"),
        Key("within", .duration(.seconds(1)...month), or: "1h", "in so long."),
        Key("dry_run", .boolean, or: false, "Only tell what would be done."),
    ]

    private static let escalationKeys: [ModuleSchema.Key] = [
        Key("after", .duration(.zero...month), or: "0s", "When nobody has acknowledged for so long; 0 for never."),
        Key("notify", .list(of: .string(example: "phone")), or: [], "Channels that are told then."),
    ]
}
