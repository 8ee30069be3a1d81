/// Rules that are right from the start.
enum ShippedRules {
    static let file = """
        rules:
          - name: crash-loop
            match: {events: [instance.restarting]}
            threshold: {count: 3, within: 2m}
            severity: critical
            resolve: {quiet: 1m}
            title: "{{module}} ends again and again"
            advice: "read its last lines below; 'orch why {{module}}' tells more, 'orch rollback {{module}}' goes back"
          - name: deploy-rolled-back
            match: {events: [deployment.rolled_back], pattern: "^(?!aborted)"}
            severity: warning
            resolve: {events: [deployment.succeeded, service.removed], quiet: 0s}
            title: "a deploy of {{module}} was rolled back, the old version serves"
            advice: "mend what the last lines tell and deploy again"
          - name: service-down
            match: {events: [deployment.failed, instance.failed], pattern: "^(?!aborted|superseded)"}
            severity: critical
            resolve: {events: [deployment.succeeded, instance.healthy, instance.started, service.removed], quiet: 0s}
            title: "{{module}} is down or degraded"
            advice: "'orch why {{module}}' tells why; 'orch rollback {{module}}' goes back to the version before"
          - name: unhealthy
            match: {events: [instance.unhealthy]}
            group_by: instance
            severity: critical
            resolve: {events: [instance.healthy, instance.exited, instance.failed, instance.stopped], quiet: 0s}
            title: "{{instance}} runs, but its checks fail"
            advice: "'orch why {{module}}' tells what they say; 'orch restart {{module}}' may help for now"
          - name: health-flapping
            match: {events: [instance.unhealthy]}
            threshold: {count: 3, within: 5m}
            severity: warning
            resolve: {quiet: 5m}
            title: "checks of {{module}} fail and pass by turns"
            advice: "'orch stats {{module}}' shows whether it lacks something; health.timeout may be too short"
          - name: out-of-memory
            match: {events: [instance.exited, instance.restarting], pattern: "(?i)memory"}
            severity: critical
            group_by: module
            resolve: {quiet: 10m}
            title: "{{module}} was ended because it lacked memory"
            advice: "raise limits.memory, or find out what takes it"
          - name: disk-nearly-full
            match: {events: [disk.low]}
            group_by: rule
            severity: critical
            resolve: {events: [disk.enough], quiet: 0s}
            title: "the disk of the agent is nearly full"
            advice: "'orch prune' frees what nobody needs; --broker-retention-size bounds the topics"
          - name: log-loss
            match: {events: [logs.lost]}
            severity: warning
            resolve: {quiet: 10m}
            title: "lines of {{module}} are lost"
            advice: "its output is faster than the broker, or the broker was away too long: raise logs.spool, or set logs.when_full to block"
          - name: certificate-ends
            match: {events: [certificate.ending]}
            severity: warning
            resolve: {events: [certificate.renewed, service.removed], quiet: 0s}
            title: "the certificate of {{module}} is near its end"
            advice: "put a new one into its file; it is read without a restart"
          - name: endpoint-failed
            match: {events: [endpoint.failed]}
            severity: critical
            resolve: {events: [endpoint.open, service.removed], quiet: 0s}
            title: "{{module}} cannot be reached at its address"
            advice: "another program may have its port"
          - name: broker-away
            match: {events: [broker.away]}
            group_by: rule
            severity: critical
            resolve: {events: [broker.back], quiet: 0s}
            title: "the Kafka broker cannot be reached"
            advice: "lines wait on disk meanwhile; 'orch status' shows how many"
        """
}
