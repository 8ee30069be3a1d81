import OrchModel
import OrchModuleFile
import OrchSystem

/// A module that comes with the product; its program lies beside the agent's. One instance ends before the next begins, because
/// two would act on the same.
struct ShippedModule {
    let name: ModuleName
    let file: String

    var spec: ModuleSpec {
        get throws(ModuleFileError) {
            try ModuleFile.parse(
                file, path: "\(name)/\(ModuleFile.fileName)", baseDirectory: Files.parent(of: Files.ownProgram))
        }
    }

    static let all = [scheduler, actionNotification]

    static let scheduler = ShippedModule(
        name: ModuleName(unchecked: "scheduler"),
        file: """
            name: scheduler
            version: "\(OrchVersion.current)"
            topic: Scheduler
            description: Starts, stops, restarts and deploys modules, and calls addresses, at set times
            command: [./orch-scheduler]
            api: operate
            container:
              network: host
              read_only: true
              volumes:
                - path: /var/lib/orch-scheduler
                  source: orch-scheduler
            ports:
              - name: http
            health:
              type: http
              path: /health
            update:
              order: stop-first
            """)

    static let actionNotification = ShippedModule(
        name: ModuleName(unchecked: "action-notification"),
        file: """
            name: action-notification
            version: "\(OrchVersion.current)"
            topic: Action_Notification
            description: Tells people what is wrong, and does what they have set for it
            command: [./orch-notifier]
            api: operate
            container:
              network: host
              read_only: true
              volumes:
                - path: /var/lib/orch-notifier
                  source: orch-notifier
                - path: /tmp
            ports:
              - name: http
            health:
              type: http
              path: /health
            update:
              order: stop-first
            """)
}
