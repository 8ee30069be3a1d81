import OrchModel

/// The description of the API that the agent serves (OpenAPI 3.1).
enum OpenAPI {
    private struct Operation {
        var method: String
        var path: String
        var summary: String
        var answer: String

        init(_ method: String, _ path: String, _ summary: String, _ answer: String = "application/json") {
            self.method = method
            self.path = path
            self.summary = summary
            self.answer = answer
        }
    }

    private static let stream = "text/event-stream"

    private static let operations: [Operation] = [
        Operation("get", "/metrics", "Figures in the text format of Prometheus", "text/plain"),
        Operation("get", "/v1/status", "The agent, its broker and its counts"),
        Operation("get", "/v1/health/live", "Whether the agent runs"),
        Operation("get", "/v1/health/ready", "Whether the agent takes requests"),
        Operation("get", "/v1/modules", "Modules that can be deployed by name"),
        Operation(
            "get", "/v1/modules/{name}/api/{path}",
            "The interface of a module of the control plane; also PUT, POST, DELETE"),
        Operation("get", "/v1/schema", "JSON Schema of the module file"),
        Operation("get", "/v1/requests", "The last requests that changed something"),
        Operation("get", "/v1/events", "Events, the last ones or as they happen", stream),
        Operation("post", "/v1/stop-instances", "Stop every instance"),
        Operation("post", "/v1/deployments", "Deploy a version of a module"),
        Operation("get", "/v1/deployments", "Deployments, the newest first"),
        Operation("get", "/v1/deployments/{id}", "One deployment"),
        Operation("get", "/v1/deployments/{id}/wait", "One deployment, once it is over"),
        Operation("post", "/v1/plan", "What a deploy would change"),
        Operation("get", "/v1/services", "Services"),
        Operation("get", "/v1/services/{name}", "A service with its module file, revisions and instances"),
        Operation("delete", "/v1/services/{name}", "Stop a service and forget it"),
        Operation("post", "/v1/services/{name}/start", "Start a service"),
        Operation("post", "/v1/services/{name}/stop", "Stop a service"),
        Operation("post", "/v1/services/{name}/restart", "Replace all instances of a service"),
        Operation("post", "/v1/services/{name}/scale", "Change the number of instances"),
        Operation("post", "/v1/services/{name}/rollback", "Go back to an earlier revision or version"),
        Operation("post", "/v1/services/{name}/promote", "Let a canary replace the version before"),
        Operation("post", "/v1/services/{name}/abort", "Take back the deployment that goes on"),
        Operation("post", "/v1/services/{name}/pause", "Stop the deployment that goes on for now"),
        Operation("post", "/v1/services/{name}/resume", "Go on with a paused deployment"),
        Operation("get", "/v1/services/{name}/history", "Revisions and deployments of a service"),
        Operation("get", "/v1/services/{name}/diff", "What differs between two revisions"),
        Operation("get", "/v1/services/{name}/why", "Why a service is as it is"),
        Operation("get", "/v1/usage", "What instances that run use"),
        Operation("get", "/v1/instances", "Instances"),
        Operation("get", "/v1/instances/{id}", "One instance"),
        Operation("get", "/v1/instances/{id}/why", "Why an instance is as it is"),
        Operation("post", "/v1/instances/{id}/start", "Start one instance"),
        Operation("post", "/v1/instances/{id}/stop", "Stop one instance"),
        Operation("post", "/v1/instances/{id}/restart", "Restart one instance"),
        Operation(
            "post", "/v1/instances/{id}/exec",
            "Run a command in an instance; body and answer are messages, side by side",
            "application/vnd.orch.exec"),
        Operation(
            "get", "/v1/instances/{id}/files", "A file or folder of an instance as a tar archive", "application/x-tar"),
        Operation("put", "/v1/instances/{id}/files", "Unpack a tar archive in a folder of an instance"),
        Operation("get", "/v1/instances/{id}/file", "Whether a path of an instance is there, and is a folder"),
        Operation("post", "/v1/sign-in", "An address that lets a browser in, once; opens the door for it"),
        Operation("get", "/v1/topics", "Kafka topics"),
        Operation("get", "/v1/logs", "Log lines by topic, module, instance or label", stream),
        Operation("get", "/v1/logs/export", "The same as lines of JSON, packed where wanted", "application/x-ndjson"),
        Operation("get", "/v1/logs/analysis", "What a stretch of log is made of"),
        Operation("get", "/v1/artifacts", "Artifacts in the repository"),
        Operation("post", "/v1/artifacts", "Make an artifact of content that was uploaded through /v2/"),
        Operation("delete", "/v1/artifacts/{reference}", "Remove a version of an artifact"),
        Operation("post", "/v1/build", "Have a container engine build an image for the repository", stream),
        Operation("post", "/v1/prune", "Free what no artifact, instance or version to go back to needs"),
        Operation("get", "/v1/downloads/{filename}", "A file of the repository, or a part of it", "*/*"),
        Operation("get", "/v1/download/{filename}", "The same", "*/*"),
        Operation("get", "/v2/", "The registry's API: see the OCI Distribution Specification"),
        Operation("post", "/v1/add_deployment_details", "Deploy a version of a module"),
        Operation("get", "/v1/getServiceInstancesDetails", "Instances"),
        Operation("get", "/v1/get_running_ip/{module}", "Addresses of a module's instances that work"),
        Operation("post", "/v1/start_module/{module}", "Start a service"),
        Operation("post", "/v1/stop_module/{module}", "Stop a service"),
        Operation("post", "/v1/start_service", "Deploy a known module at a server and port"),
        Operation("get", "/v1/Consume_Log_For_Topic/{topic}", "Log lines of a topic", stream),
    ]

    static let document: JSONValue = {
        var paths: [String: JSONValue] = [:]
        for operation in operations {
            var members: [String: JSONValue] = [:]
            if case .object(let known) = paths[operation.path] { members = known }
            members[operation.method] = .object([
                "summary": .string(operation.summary), "parameters": .array(parameters(of: operation.path)),
                "responses": .object([
                    "default": .object([
                        "description": "The answer, or an error with code and message",
                        "content": .object([operation.answer: [:]]),
                    ])
                ]),
            ])
            paths[operation.path] = .object(members)
        }
        return .object([
            "openapi": "3.1.0", "info": .object(["title": "orch", "version": .string(OrchVersion.current)]),
            "paths": .object(paths),
        ])
    }()

    private static func parameters(of path: String) -> [JSONValue] {
        path.split(separator: "/").filter { $0.hasPrefix("{") }.map { part in
            .object([
                "name": .string(String(part.dropFirst().dropLast())), "in": "path", "required": true,
                "schema": .object(["type": "string"]),
            ])
        }
    }
}
