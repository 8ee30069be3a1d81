/// The options that every command takes.
enum GlobalOptions {
    static let formats = ["table", "wide", "json", "jsonl", "yaml", "name"]

    static let all: [OptionSpec] = [
        OptionSpec("data-dir", nil, .folder, "DIR", "Directory of the agent's data."),
        OptionSpec("socket", nil, .file, "PATH", "Socket of the agent; DIR/orch.sock by default."),
        OptionSpec(
            "host", nil, .text, "URL", "Address of the agent, as in http://127.0.0.1:7070, instead of a socket."),
        OptionSpec(
            "token-file", nil, .file, "PATH", "File that holds the token for --host; ORCH_TOKEN may hold it instead."),
        OptionSpec("output", "o", .choice(formats), "FORMAT", "table, wide, json, jsonl, yaml or name."),
        OptionSpec(
            "color", nil, .choice(["auto", "always", "never"]), "WHEN", "auto, always or never; NO_COLOR counts too."),
        OptionSpec("quiet", "q", "Print nothing but data and errors."),
        OptionSpec("help", "h", "Show help and do nothing else."),
    ]
}
