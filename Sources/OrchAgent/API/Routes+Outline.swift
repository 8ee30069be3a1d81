import Deployer
import Hummingbird
import LoggingModule
import OrchModel
import RepositoryManager

/// The handlers of the product's outline, by the names it gives them.
extension Routes {
    func addOutline(to v1: RouterGroup<APIContext>) {
        v1.post("add_deployment_details") { request, context in
            let spec = try await agent.repository.resolve(request.json(DeployRequest.self, context))
            return try JSONAnswer.response(
                try await agent.deployer.deploy(spec, checkIndex: nil), status: .accepted)
        }
        v1.get("getServiceInstancesDetails") { _, _ in try JSONAnswer.response(await agent.deployer.instances()) }
        v1.get("get_running_ip/:module") { _, context in
            try JSONAnswer.response(
                try await agent.repository.runningAddresses(of: context.name(ModuleName.self, "module")))
        }
        v1.post("start_module/:module") { _, context in
            try JSONAnswer.response(
                try await agent.deployer.request(.start, of: context.name(ModuleName.self, "module")), status: .accepted
            )
        }
        v1.post("stop_module/:module") { _, context in
            try JSONAnswer.response(
                try await agent.deployer.request(.stop, of: context.name(ModuleName.self, "module")), status: .accepted)
        }
        v1.post("start_service") { request, _ in
            let parameters = request.uri.queryParameters
            if let ip = parameters["ip"], ip != "127.0.0.1", ip != "localhost" {
                throw OrchError(
                    .invalidRequest, "there is no server \(String(ip).quotedOneLine): this machine is 127.0.0.1")
            }
            let request = DeployRequest(module: parameters["module"].map(String.init), port: try request.number("port"))
            let spec = try await agent.repository.resolve(request)
            return try JSONAnswer.response(
                try await agent.deployer.deploy(spec, checkIndex: nil), status: .accepted)
        }
        v1.get("Consume_Log_For_Topic/:topic") { request, context in
            var selection = LogSelection(topic: try context.name(TopicName.self, "topic"))
            selection.query.tail = try request.number("tail")
            selection.query.follow = request.flag("follow")
            return try await logs(selection)
        }
    }
}
