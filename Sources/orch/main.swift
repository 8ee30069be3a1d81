import Glibc
import OrchCLI

exit(await CLI.run(Array(CommandLine.arguments.dropFirst())))
