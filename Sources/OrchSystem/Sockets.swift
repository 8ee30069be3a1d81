import COrchSystem
package import Glibc
package import OrchModel

/// Local stream sockets and free ports.
package enum Sockets {
    /// Connects to the socket `name` in a folder whose path may be longer than a socket's address allows.
    package static func connect(in folder: String, _ name: String) throws(SystemError) -> Descriptor {
        let directory = try Descriptor(opening: folder, .directory)
        return try connect(path: "/proc/self/fd/\(directory.number)/\(name)")
    }

    package static func connect(path: String) throws(SystemError) -> Descriptor {
        let socket = Descriptor(
            owning: try retrying("socket") {
                Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            })
        var address = try unixAddress(path)
        try retrying("connect", path) {
            withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.connect(socket.number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
        }
        return socket
    }

    /// Longest path that fits into a socket's address, in bytes.
    package static let longestPath = 107

    private static func unixAddress(_ path: String) throws(SystemError) -> sockaddr_un {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count <= longestPath else { throw SystemError("connect", path, errno: ENAMETOOLONG) }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return address
    }

    /// The process at the other end of a connected local socket.
    package static func peer(of socket: borrowing Descriptor) throws(SystemError) -> pid_t {
        try checked("getsockopt", orch_peer(socket.number))
    }

    package static func setTimeout(_ span: TimeSpan, on socket: borrowing Descriptor) throws(SystemError) {
        var time = timeval(tv_sec: Int(span.milliseconds / 1000), tv_usec: Int(span.milliseconds % 1000 * 1000))
        let number = socket.number
        try retrying("setsockopt") {
            setsockopt(number, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    /// Whether a server could listen at this port of loopback now.
    package static func isFree(port: Int) -> Bool {
        do throws(SystemError) { try checkBind(host: "127.0.0.1", port: port) } catch { return false }
        return true
    }

    /// Finds out whether a server could listen at an address of this machine now.
    ///
    /// - Parameter host: an IPv4 address.
    /// - Throws: what the system says against it.
    package static func checkBind(host: String, port: Int) throws(SystemError) {
        let socket = Descriptor(
            owning: try retrying("socket") {
                Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            })
        // As servers do: connections of an earlier one that still linger must not count.
        var yes: Int32 = 1
        setsockopt(socket.number, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port)).bigEndian
        guard inet_pton(AF_INET, host, &address.sin_addr) == 1 else {
            throw SystemError("bind", host, errno: EADDRNOTAVAIL)
        }
        let number = socket.number
        try retrying("bind", "\(host):\(port)") {
            withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(number, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }
    }
}
