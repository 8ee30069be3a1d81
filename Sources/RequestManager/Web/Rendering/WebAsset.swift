import OrchModel
import OrchSystem

/// A style sheet or script of the web interface. They are part of the program.
package struct WebAsset: Sendable {
    package let type: String
    package let content: [UInt8]
    /// Tells contents apart.
    package let tag: String

    private static let all: [String: WebAsset] = [
        "orch.css": PackageResources.orch_css,
        "icon.svg": PackageResources.icon_svg,
        "app.js": PackageResources.app_js,
        "live.js": PackageResources.live_js,
        "forms.js": PackageResources.forms_js,
        "times.js": PackageResources.times_js,
        "editor.js": PackageResources.editor_js,
        "deploy.js": PackageResources.deploy_js,
        "notice.js": PackageResources.notice_js,
        "words.js": PackageResources.words_js,
        "linelist.js": PackageResources.linelist_js,
        "lines.js": PackageResources.lines_js,
        "analysis.js": PackageResources.analysis_js,
        "logs.js": PackageResources.logs_js,
    ].reduce(into: [:]) { $0[$1.key] = WebAsset(name: $1.key, content: $1.value) }

    private init(name: String, content: [UInt8]) {
        type = MediaType.of(fileName: name)
        self.content = content
        tag = String(QuickHash.hash(content), radix: 16)
    }

    package static func named(_ name: String) -> WebAsset? { all[name] }

    /// Changes with anything in any of them. It is part of their addresses, so that browsers need not ask for them again.
    package static let edition: String = {
        let tags = all.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.tag)" }
        return String(QuickHash.hash(tags.joined(separator: "\n").utf8), radix: 16)
    }()
}
