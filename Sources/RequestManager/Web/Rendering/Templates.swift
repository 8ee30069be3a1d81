import Mustache
import OrchModel

/// What a template shows, by the names it uses.
typealias Fields = [String: Any]

extension Fields {
    /// Leaves out what is not there and what is empty: a template asks whether it is.
    init(present fields: [String: Any?]) {
        self = fields.compactMapValues(\.self).filter { ($0.value as? String)?.isEmpty != true }
    }
}

/// The templates of all pages. They hold every word that pages say, and are part of the program.
struct Templates: Sendable {
    private static let sources: [String: [UInt8]] = [
        "layout": PackageResources.layout_mustache,
        "sign-in": PackageResources.sign_in_mustache,
        "failure": PackageResources.failure_mustache,
        "question": PackageResources.question_mustache,
        "pager": PackageResources.pager_mustache,
        "request-token": PackageResources.request_token_mustache,
        "events": PackageResources.events_mustache,
        "instance-rows": PackageResources.instance_rows_mustache,
        "log-view": PackageResources.log_view_mustache,
        "overview-figures": PackageResources.overview_figures_mustache,
        "overview-search": PackageResources.overview_search_mustache,
        "overview-services": PackageResources.overview_services_mustache,
        "deploy-form": PackageResources.deploy_form_mustache,
        "deploy-latest": PackageResources.deploy_latest_mustache,
        "rollout": PackageResources.rollout_mustache,
        "service": PackageResources.service_mustache,
        "service-revisions": PackageResources.service_revisions_mustache,
        "instances-search": PackageResources.instances_search_mustache,
        "instances": PackageResources.instances_mustache,
        "instance": PackageResources.instance_mustache,
        "logs": PackageResources.logs_mustache,
        "repository": PackageResources.repository_mustache,
        "schedules-search": PackageResources.schedules_search_mustache,
        "schedules": PackageResources.schedules_mustache,
        "schedule-form": PackageResources.schedule_form_mustache,
        "notifications": PackageResources.notifications_mustache,
        "silence-form": PackageResources.silence_form_mustache,
        "rules-form": PackageResources.rules_form_mustache,
        "documents": PackageResources.documents_mustache,
        "requests-search": PackageResources.requests_search_mustache,
        "requests": PackageResources.requests_mustache,
    ]

    private let library: MustacheLibrary

    /// - Throws: what is wrong with a template.
    init() throws {
        library = MustacheLibrary(
            templates: try Self.sources.mapValues { try MustacheTemplate(string: String(decoding: $0, as: UTF8.self)) })
    }

    func render(_ name: String, _ fields: Fields) -> String {
        library.render(fields, withTemplate: name) ?? ""
    }
}
